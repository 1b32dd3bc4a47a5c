/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Socket addresses as people write them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "output.h"

static void put_unix(struct output *out, const uint8_t *path, size_t size)
{
	if (!size)
		return;         /* unnamed */
	if (path[0] == 0) { /* abstract: any bytes, unix(7) */
		put_string(out, "@");
		put_utf8(out, path + 1, size - 1);
		return;
	}
	const uint8_t *end = memchr(path, 0, size);
	put_utf8(out, path, end ? (size_t)(end - path) : size);
}

void put_address(struct output *out, const uint8_t *bytes, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	sa_family_t family;
	if (size < sizeof family)
		return;
	memcpy(&family, bytes, sizeof family);
	if (family == AF_INET && size >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;
		memcpy(&in, bytes, sizeof in);
		if (inet_ntop(AF_INET, &in.sin_addr, text, sizeof text))
			put_format(out, "%s:%u", text, ntohs(in.sin_port));
	} else if (family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;
		memcpy(&in6, bytes, sizeof in6);
		if (inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text))
			put_format(out, "[%s]:%u", text, ntohs(in6.sin6_port));
	} else if (family == AF_UNIX) {
		put_unix(out, bytes + offsetof(struct sockaddr_un, sun_path), size - offsetof(struct sockaddr_un, sun_path));
	} else if (family == AF_NETLINK) {
		put_string(out, "netlink");
	}
}
