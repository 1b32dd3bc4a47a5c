/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Segment files. A file holds whole blocks only, whatever the disk does.
 */
#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "checksum.h"
#include "clock.h"

static int fail(struct writer *writer, int error)
{
	if (!writer->error)
		writer->error = -error;
	return writer->error;
}

static int begin_segment(struct writer *writer)
{
	char name[32];
	struct timespec now;
	struct clew_segment_header header = {
		.magic = CLEW_SEGMENT_MAGIC, .abi = CLEW_ABI, .number = writer->number + 1, .ticks_per_s = writer->ticks_per_s};
	snprintf(name, sizeof name, "seg-%06u.clew", header.number);
	clock_gettime(CLOCK_REALTIME, &now);
	header.created_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (getrandom(&header.nonce, sizeof header.nonce, 0) != sizeof header.nonce)
		header.nonce = header.created_ns * UINT64_C(0x9E3779B97F4A7C15);
	header.crc = crc32_of(0, &header, offsetof(struct clew_segment_header, crc));
	int fd = openat(writer->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(writer, errno);
	ssize_t written = write(fd, &header, sizeof header);
	if (written != sizeof header) {
		fail(writer, written < 0 ? errno : ENOSPC);
		close(fd);
		unlinkat(writer->directory, name, 0);
		return writer->error;
	}
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = fd;
	writer->number = header.number;
	writer->nonce = header.nonce;
	writer->size = sizeof header;
	writer->total += sizeof header;
	writer->begun++;
	return 0;
}

static uint32_t last_segment(int directory)
{
	uint32_t last = 0, number;
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	if (!list)
		return 0;
	for (struct dirent *entry; (entry = readdir(list));)
		if (sscanf(entry->d_name, "seg-%6u.clew", &number) == 1 && number > last)
			last = number;
	closedir(list);
	return last;
}

int writer_open(struct writer *writer, const char *directory, uint32_t clock, uint64_t ticks_per_s)
{
	memset(writer, 0, offsetof(struct writer, header));
	writer->fd = -1;
	writer->clock = clock;
	writer->ticks_per_s = ticks_per_s;
	writer->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->directory < 0)
		return -errno;
	writer->number = last_segment(writer->directory);
	int result = begin_segment(writer);
	if (result < 0)
		close(writer->directory);
	return result;
}

static void add_part(struct writer *writer, const void *data, size_t size)
{
	if (size)
		writer->part[writer->parts++] = (struct iovec){(void *)data, size};
}

void writer_add(struct writer *writer, const struct block *block)
{
	static const uint8_t padding[CLEW_ALIGN];
	const size_t size = block->size[0] + block->size[1];
	const size_t pad = -size & (CLEW_ALIGN - 1);
	const size_t copied = block->read ? 0 : (size + 7) & ~(size_t)7;
	if (writer->blocks == BATCH_BLOCKS || writer->bytes >= BATCH_BYTES || copied > SCRATCH - writer->scratch_used)
		writer_flush(writer);
	if (writer->error || copied > SCRATCH)
		return;
	struct clew_block_header *header = &writer->header[writer->blocks];
	*header = (struct clew_block_header){.magic = CLEW_BLOCK_MAGIC,
										 .type = (uint16_t)block->type,
										 .size = (uint32_t)size,
										 .serial = block->serial,
										 .pid = block->pid,
										 .tid = block->tid,
										 .position = block->position,
										 .ticks = clock_ticks(writer->clock),
										 .nonce = writer->nonce};
	uint32_t crc = crc32_of_header(header);
	add_part(writer, header, sizeof *header);
	for (int i = 0; i < 2; i++) {
		const void *data = block->data[i];
		if (!block->size[i])
			continue;
		if (!block->read) {
			data = memcpy(writer->scratch + writer->scratch_used, data, block->size[i]);
			writer->scratch_used += block->size[i];
		}
		crc = crc32_of(crc, data, block->size[i]);
		add_part(writer, data, block->size[i]);
	}
	header->crc = crc;
	add_part(writer, padding, pad);
	writer->bytes += sizeof *header + size + pad;
	writer->receipt[writer->blocks++] = (struct receipt){block->read, block->read_to, writer->bytes};
}

/* All of the parts, or as much of them as the file takes. Returns the bytes written. */
static uint64_t write_parts(struct writer *writer)
{
	struct iovec *part = writer->part, *end = part + writer->parts;
	uint64_t done = 0;
	while (part < end) {
		ssize_t written = writev(writer->fd, part, (int)(end - part));
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			fail(writer, written < 0 ? errno : ENOSPC);
			break;
		}
		done += (uint64_t)written;
		for (size_t left = (size_t)written; left;) {
			size_t step = left < part->iov_len ? left : part->iov_len;
			part->iov_base = (char *)part->iov_base + step;
			part->iov_len -= step;
			left -= step;
			part += part->iov_len == 0;
		}
	}
	return done;
}

int writer_flush(struct writer *writer)
{
	if (!writer->error && writer->blocks) {
		uint64_t done = write_parts(writer), kept = 0;
		for (uint32_t i = 0; i < writer->blocks && writer->receipt[i].file_end <= done; i++) {
			kept = writer->receipt[i].file_end;
			if (writer->receipt[i].read)
				atomic_store_explicit(writer->receipt[i].read, writer->receipt[i].position, memory_order_release);
		}
		writer->size += kept;
		writer->total += kept;
		if (kept < done && ftruncate(writer->fd, (off_t)writer->size) != 0)
			fail(writer, errno); /* a reader skips the partial block as well */
	}
	writer->blocks = writer->parts = 0;
	writer->bytes = writer->scratch_used = 0;
	if (!writer->error && writer->size >= SEGMENT_SIZE)
		begin_segment(writer);
	return writer->error;
}

int writer_close(struct writer *writer)
{
	writer_flush(writer);
	if (writer->fd >= 0 && close(writer->fd) != 0)
		fail(writer, errno);
	close(writer->directory);
	return writer->error;
}
