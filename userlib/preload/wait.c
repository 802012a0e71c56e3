// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Who waits for connections. A listener may be there for children of fork() only, or come from the parent: which it is
 * shows when somebody asks it for connections, or waits for them. Until then each wait is looked at; then, in most
 * programs from the first one on, none is. See lifecycle.c.
 */
#include <stdlib.h>

#include "preload.h"

unsigned int listeners_unused;

static inline bool watched(void)
{
	return __builtin_expect(__atomic_load_n(&listeners_unused, __ATOMIC_RELAXED), 0) && !inside;
}

static void use_polled(const struct pollfd *fds, nfds_t n)
{
	nfds_t i;

	for (i = 0; i < n; i++)
		if (fds[i].events & (POLLIN | POLLRDNORM))
			listener_use(fds[i].fd);
}

static void use_selected(int n, const fd_set *in)
{
	int fd;

	for (fd = 0; in && fd < n; fd++)
		if (FD_ISSET(fd, in))
			listener_use(fd);
}

SHIM int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (watched())
		use_polled(fds, n);
	return real(poll)(fds, n, timeout);
}

SHIM int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	if (watched())
		use_polled(fds, n);
	return real(ppoll)(fds, n, timeout, mask);
}

/* What the compiler makes of them when it knows how large the array is. */
SHIM int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
	if (n > room / sizeof(*fds))
		abort();
	return poll(fds, n, timeout);
}

SHIM int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		     const sigset_t *mask, size_t room)
{
	if (n > room / sizeof(*fds))
		abort();
	return ppoll(fds, n, timeout, mask);
}

SHIM int select(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	if (watched())
		use_selected(n, in);
	return real(select)(n, in, out, except, timeout);
}

SHIM int pselect(int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
		 const sigset_t *mask)
{
	if (watched())
		use_selected(n, in);
	return real(pselect)(n, in, out, except, timeout, mask);
}

SHIM int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	if (watched() && op != EPOLL_CTL_DEL)
		listener_use(fd);
	return real(epoll_ctl)(epoll, op, fd, event);
}
