/* SPDX-License-Identifier: Apache-2.0 */
/*
 * @file
 * @brief vfork(), syscall() and dlopen(), which must not have a stack frame of their own, for aarch64.
 *
 * A child of vfork runs on its parent's stack and returns from vfork() before the parent does, so the
 * return address must not lie there: x30 keeps it over the system call.
 */
#if defined(__aarch64__)

	.text
	.globl	vfork
	.type	vfork, %function
vfork:
	.cfi_startproc
	str	x30, [sp, #-16]!
	bl	vfork_before
	ldr	x30, [sp], #16
	mov	x0, #0x4111	/* CLONE_VM | CLONE_VFORK | SIGCHLD */
	mov	x1, #0
	mov	x2, #0
	mov	x3, #0
	mov	x4, #0
	mov	x8, #220	/* clone */
	svc	#0
	str	x30, [sp, #-16]!
	bl	vfork_after
	ldr	x30, [sp], #16
	sxtw	x0, w0
	ret
	.cfi_endproc
	.size	vfork, .-vfork

	/* long syscall(long number, ...): a look at the number, then on to the real one with everything as it was. */
	.globl	syscall
	.type	syscall, %function
syscall:
	.cfi_startproc
	stp	x0, x1, [sp, #-80]!
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	str	x30, [sp, #64]
	bl	syscall_look
	mov	x16, x0
	ldr	x30, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp], #80
	br	x16
	.cfi_endproc
	.size	syscall, .-syscall

	/* void *dlopen(const char *path, int flags): a look, then on to the real one, which looks at who called it. */
	.globl	dlopen
	.type	dlopen, %function
dlopen:
	.cfi_startproc
	stp	x0, x1, [sp, #-32]!
	str	x30, [sp, #16]
	bl	dlopen_look
	mov	x16, x0
	ldr	x30, [sp, #16]
	ldp	x0, x1, [sp], #32
	br	x16
	.cfi_endproc
	.size	dlopen, .-dlopen

#endif
	.section .note.GNU-stack, "", %progbits
