/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A TLS library that encrypts nothing: SSL_write() is a write to the descriptor that the session is. */
#include <unistd.h>

int SSL_write(const int *session, const void *buffer, int size)
{
	return (int)write(*session, buffer, (size_t)size);
}
