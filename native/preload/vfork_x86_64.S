/* SPDX-License-Identifier: Apache-2.0 */
/*
 * @file
 * @brief vfork(), syscall() and dlopen(), which must not have a stack frame of their own, for x86-64.
 *
 * A child of vfork runs on its parent's stack and returns from vfork() before the parent does, so the
 * return address must not lie there: rdi keeps it over the system call.
 */
#if defined(__x86_64__)

	.text
	.globl	vfork
	.type	vfork, @function
vfork:
	.cfi_startproc
	endbr64
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	vfork_before
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rdi
	movl	$58, %eax
	syscall
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rip, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movq	%rax, %rdi
	call	vfork_after
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	vfork, .-vfork

	/* long syscall(long number, ...): a look at the number, then on to the real one with everything as it was. */
	.globl	syscall
	.type	syscall, @function
syscall:
	.cfi_startproc
	endbr64
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 56
	call	syscall_look
	addq	$8, %rsp
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	.cfi_adjust_cfa_offset -56
	jmp	*%rax
	.cfi_endproc
	.size	syscall, .-syscall

	/* void *dlopen(const char *path, int flags): a look, then on to the real one, which looks at who called it. */
	.globl	dlopen
	.type	dlopen, @function
dlopen:
	.cfi_startproc
	endbr64
	pushq	%rdi
	pushq	%rsi
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 24
	call	dlopen_look
	addq	$8, %rsp
	popq	%rsi
	popq	%rdi
	.cfi_adjust_cfa_offset -24
	jmp	*%rax
	.cfi_endproc
	.size	dlopen, .-dlopen

#endif
	.section .note.GNU-stack, "", %progbits
