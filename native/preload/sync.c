/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that wait for the disk: fsync, fdatasync.
 */
#include "io.h"

#include <unistd.h>

CLEW_EXPORT int fsync(int fd)
{
	IO_CALL_ON(call, FSYNC, fd);
	const int result = REAL(fsync)(fd);
	io_end(&call, result);
	return result;
}

CLEW_EXPORT int fdatasync(int fd)
{
	IO_CALL_ON(call, FDATASYNC, fd);
	const int result = REAL(fdatasync)(fd);
	io_end(&call, result);
	return result;
}
