/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief CRC-32: carry-less multiplication where the processor has it, eight tables elsewhere.
 *
 * Not zlib's, because a library that is preloaded must not bring other libraries into programs.
 */
#include "checksum.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define POLYNOMIAL UINT32_C(0xEDB88320)

static uint32_t table[8][256];
#if defined(__x86_64__)
#if defined(__x86_64__)
static int have_clmul;
#endif
#endif
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (int t = 1; t < 8; t++)
		for (uint32_t i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 255];
#if defined(__x86_64__)
	/* Not __builtin_cpu_supports(): it brings a constructor, whose CPUID costs every recorded program microseconds. */
	unsigned a, b, c = 0, d;
	have_clmul = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_PCLMUL) && (c & bit_SSE4_1);
#endif
}

/* Slicing by 8 (Kounavis and Berry, 2005). Takes and gives the inverted register. */
static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t size)
{
	for (; size >= 8; p += 8, size -= 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		word ^= crc;
		crc = table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
			  table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
			  table[1][word >> 48 & 255] ^ table[0][word >> 56];
	}
	for (; size; p++, size--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
	return crc;
}

#if defined(__x86_64__)
#define CLMUL __attribute__((target("pclmul,sse4.1")))

/* x moved on by the distance that `by` stands for, added to what is there. */
CLMUL static inline __m128i fold(__m128i x, __m128i by, __m128i there)
{
	return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), there);
}

/*
 * Folding (Gopal and others, "Fast CRC Computation Using PCLMULQDQ", Intel 2009), four lanes. The
 * constants are x^(512+32), x^(512-32), x^(128+32), x^(128-32) modulo the polynomial, reflected. What is left, 16 bytes
 * of the same remainder, goes through the tables. Size: at least 64, a multiple of 16.
 */
CLMUL static uint32_t by_folding(uint32_t crc, const uint8_t *p, size_t size)
{
	const __m128i by64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
	const __m128i by16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
	const __m128i *in = (const __m128i *)p;
	__m128i a = _mm_xor_si128(_mm_loadu_si128(in), _mm_cvtsi32_si128((int)crc));
	__m128i b = _mm_loadu_si128(in + 1), c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);
	for (in += 4, size -= 64; size >= 64; in += 4, size -= 64) {
		a = fold(a, by64, _mm_loadu_si128(in));
		b = fold(b, by64, _mm_loadu_si128(in + 1));
		c = fold(c, by64, _mm_loadu_si128(in + 2));
		d = fold(d, by64, _mm_loadu_si128(in + 3));
	}
	a = fold(fold(fold(a, by16, b), by16, c), by16, d);
	for (; size >= 16; in++, size -= 16)
		a = fold(a, by16, _mm_loadu_si128(in));
	uint8_t rest[16];
	_mm_storeu_si128((__m128i *)rest, a);
	return by_table(0, rest, sizeof rest);
}
#endif

uint32_t crc32_of(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *p = data;
	pthread_once(&once, prepare);
	crc = ~crc;
#if defined(__x86_64__)
	if (have_clmul && size >= 64) {
		size_t whole = size & ~(size_t)15;
		crc = by_folding(crc, p, whole);
		p += whole;
		size -= whole;
	}
#endif
	return ~by_table(crc, p, size);
}

uint32_t crc32_of_header(const struct clew_block_header *header)
{
	struct clew_block_header copy = *header;
	copy.crc = 0;
	return crc32_of(0, &copy, sizeof copy);
}
