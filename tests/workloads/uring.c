/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Writes and reads a file through io_uring by raw system calls: no libc call moves those bytes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct io_uring_params params = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0) {
		printf("io_uring: %s\n", strerror(errno));
		return 2;
	}
	size_t size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	size_t submit = params.sq_off.array + params.sq_entries * sizeof(unsigned);
	char *rings = mmap(NULL, size > submit ? size : submit, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
					   IORING_OFF_SQ_RING);
	struct io_uring_sqe *entries =
		mmap(NULL, params.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	int file = open("by-ring", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (rings == MAP_FAILED || entries == MAP_FAILED || file < 0)
		return 3;
	_Atomic unsigned *tail = (void *)(rings + params.sq_off.tail);
	unsigned *array = (void *)(rings + params.sq_off.array);
	entries[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = file, .addr = (unsigned long)"through the ring\n", .len = 17};
	array[0] = 0;
	atomic_fetch_add(tail, 1);
	long done = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	struct io_uring_cqe *completed = (void *)(rings + params.cq_off.cqes);
	printf("submitted %ld, wrote %d\n", done, completed[0].res);
	return 0;
}
