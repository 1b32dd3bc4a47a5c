/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A program without libc, for builds that a preload library cannot enter: says hello and exits with 21.
 */
#define _GNU_SOURCE

#if defined(__i386__)
#define CALL "int $0x80"
enum { WRITE = 4, EXIT = 1 };
static long call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile(CALL : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}
#elif defined(__x86_64__)
enum { WRITE = 1, EXIT = 60 };
static long call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}
#else
enum { WRITE = 64, EXIT = 93 };
static long call(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
#endif

void _start(void)
{
	static const char hello[] = "bare hello\n";
	call(WRITE, 1, (long)hello, sizeof hello - 1);
	call(EXIT, 21, 0, 0);
	__builtin_unreachable();
}
