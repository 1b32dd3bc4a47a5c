/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief System calls without libc: no errno, no cancellation, no interposed function. They return -errno.
 */
#ifndef CLEW_RAW_H
#define CLEW_RAW_H

#include <sys/syscall.h>

static inline long raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
					 : "=a"(result)
					 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
					 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
#error "clew runs on x86-64 and aarch64"
#endif
}

#define RAW_0(number) raw_syscall(number, 0, 0, 0, 0, 0, 0)
#define RAW_1(number, a) raw_syscall(number, (long)(a), 0, 0, 0, 0, 0)
#define RAW_2(number, a, b) raw_syscall(number, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW_3(number, a, b, c) raw_syscall(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW_4(number, a, b, c, d) raw_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#endif
