/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief CRC-32 as in zlib (polynomial 0xEDB88320, reflected), fast enough not to be noticed.
 */
#ifndef CLEW_CHECKSUM_H
#define CLEW_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "clew_record.h"

/* Continues `crc` (0 to begin with) over `size` bytes. */
uint32_t crc32_of(uint32_t crc, const void *data, size_t size);

/* CRC of a block: its header with crc = 0, then nothing; go on with crc32_of over the payload. */
uint32_t crc32_of_header(const struct clew_block_header *header);

#endif
