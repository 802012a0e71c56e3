// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A port where etran listens is reserved by a socket of the kernel's that is bound there and does nothing: programs that bind
 * get EADDRINUSE, both ways. It does not listen, so that who connects from this host itself, or over another device, is refused at
 * once. (Rejected: listening, so that "ss -ltn" shows it. The kernel would complete handshakes with nobody behind them.)
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reserve.h"

int reserve_port(struct sockaddr *addr, socklen_t len, bool shared)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, err;

	if (fd < 0)
		return -1;
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	err = bind(fd, addr, len) ? errno : 0;
	/* What is left of old connections is in nobody's way; who is bound and does not listen may be one that lets us. */
	if (err == EADDRINUSE) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		err = bind(fd, addr, len) ? errno : 0;
	}
	if (!err && getsockname(fd, addr, &len))
		err = errno;
	if (!err)
		return fd;
	close(fd);
	errno = err;
	return -1;
}

ino_t reserve_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) ? 0 : st.st_ino;
}
