// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Connections that more than one process may have.
 *
 * A connection's data is in the memory of the process that it belongs to: a child of fork(), a program that was executed, or
 * whoever got the descriptor by SCM_RIGHTS has no part in it. So before others can get a connection it is shared: the module
 * takes its data over (ETRAN_IOC_STREAM_SHARE), and read() and write() of its file work in every process that has it, with
 * the shim or without. What they cannot say, such as MSG_PEEK or shutdown(), is said by ioctls of the file. There is no
 * way back: nobody knows when the others are gone.
 *
 * It is done when descriptors are about to be inherited or sent, and not when another process uses one: then it would be too
 * late, as the owner may be waiting in waitpid() for just that process. So more are shared than need be, all that a
 * process has when it forks, and each costs a system call a piece from then on. Rejected: memory for payload that several
 * processes have, as a worker without privileges could then write what its parent sends, and read what comes for
 * others; a way of moving a connection to whoever uses it first, for which the former owner has to do something.
 *
 * A psock that came from another process has no socket of the library's. One that was shared here keeps it until the last
 * close, as frames that the peer has not acknowledged are still in this process's memory; a child of fork() never touches
 * that. Nothing here needs the process's own door to the network, nor the right to have one.
 *
 * Threads that are in the middle of a call on a connection learn by ESTALE from the library that it was shared, and go on
 * from where they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <etran/tcp.h>

#include "preload.h"

/* ---- sharing ---- */

static bool shareable(const struct psock *p)
{
	return psock_own(p) && !p->listens;
}

void batch_add(struct batch *b, int fd)
{
	struct psock *p = psock_get(fd), **more;

	if (!p)
		return;
	if (!shareable(p)) {
		psock_put(p);
		return;
	}
	if (b->n == b->room) {
		more = realloc(b->p, (b->room + 64) * 2 * sizeof(*more));
		if (!more) {
			psock_put(p);
			return;
		}
		b->p = more;
		b->room = (b->room + 64) * 2;
	}
	b->p[b->n++] = p;
}

static int by_address(const void *a, const void *b)
{
	const struct psock *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Another thread may do the same. */
static void mark(struct psock *p)
{
	socklen_t len = sizeof(p->local);

	if (psock_shared(p))
		return;
	etran_getsockname(p->s, &p->local.sa, &len);
	len = sizeof(p->peer);
	etran_getpeername(p->s, &p->peer.sa, &len);
	__atomic_store_n(&p->shared, true, __ATOMIC_RELEASE);
}

void batch_share(struct batch *b)
{
	struct etran_socket **sockets = b->n ? calloc(b->n, sizeof(*sockets)) : NULL;
	unsigned int i, n = 0, done = 0;
	sigset_t all, before;
	int err = errno;

	if (sockets) {
		/* Descriptors of one socket are neighbours then. */
		qsort(b->p, b->n, sizeof(*b->p), by_address);
		for (i = 0; i < b->n; i++) {
			struct psock *p = b->p[i];

			if (i && p == b->p[i - 1])
				continue;
			/* The close that this decides may be another process's. */
			etran_socket_linger(p->s, p->linger.l_onoff && !p->linger.l_linger);
			sockets[n++] = p->s;
		}
		/* A handler that reads or writes would wait for the lock that its own thread holds. */
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, &before);
		etran_sockets_share(context_opened(), sockets, n);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		for (i = 0; i < n; i++)
			done += etran_socket_shared(sockets[i]);
		context_say("%u of %u connections are shared with other processes from here on", done, n);
	}
	for (i = 0; i < b->n; i++) {
		struct psock *p = b->p[i];

		if (etran_socket_shared(p->s))
			mark(p);
		else
			etran_socket_linger(p->s, false);
		psock_put(p);
	}
	free(sockets);
	free(b->p);
	memset(b, 0, sizeof(*b));
	errno = err;
}

void connection_share(int fd)
{
	struct batch b = {};

	batch_add(&b, fd);
	batch_share(&b);
}

void connections_share(bool all)
{
	struct batch b = {};
	int fd, err = errno;

	for (fd = 0; (fd = table_next(fd, INT32_MAX)) >= 0; fd++)
		if (all || !(real(fcntl)(fd, F_GETFD) & FD_CLOEXEC))
			batch_add(&b, fd);
	batch_share(&b);
	errno = err;
}

/* ---- from other processes ---- */

static bool mapped(const __be32 addr[4])
{
	return !addr[0] && !addr[1] && addr[2] == htonl(0xffff);
}

static void address_from(union address *a, int domain, const __be32 addr[4], uint16_t port)
{
	if (domain == AF_INET) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		a->in.sin_addr.s_addr = addr[3];
		return;
	}
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	memcpy(&a->in6.sin6_addr, addr, sizeof(a->in6.sin6_addr));
}

static struct psock *psock_from(int fd, const struct etran_stream_info *info)
{
	struct etran_conn_record r;
	struct psock *p = psock_new(NULL, AF_INET);

	if (!p)
		return NULL;
	p->shared = true;
	options_usual(p);
	p->linger.l_onoff = !!(info->flags & ETRAN_STREAM_ABORT);
	/* Of one that the transport has forgotten there are no addresses. */
	if (etran_conn_read(fd, info->tag, &r))
		return p;
	if (!mapped(r.addr))
		p->domain = AF_INET6;
	address_from(&p->local, p->domain, r.addr, r.port);
	address_from(&p->peer, p->domain, r.peer, r.peer_port);
	return p;
}

void shared_known(int fd)
{
	struct etran_stream_info info;
	struct psock *p, *was;
	int err = errno;
	bool last;

	if (inside || context_borrowed())
		return;
	if (!shared_info(fd, &info) && info.state & ETRAN_STREAM_IS_SHARED && !strcmp(info.transport, "tcp")) {
		/* It was closed behind our back, or the number could not be new. */
		was = table_take(fd, &last);
		if (was)
			close_taken(-1, was, last);
		p = psock_from(fd, &info);
		if (p && table_set(fd, p))
			free(p);
	}
	errno = err;
}

/* ---- calls ---- */

bool psock_nonblock(int fd, const struct psock *p)
{
	int flags;

	if (!psock_shared(p))
		return p->nonblock;
	flags = real(fcntl)(fd, F_GETFL);
	return flags < 0 || flags & O_NONBLOCK;
}

static ssize_t transfer(int fd, unsigned long request, const void *buf, size_t len, uint32_t flags, bool wait)
{
	struct etran_stream_io io = {
		.buf = (uintptr_t)buf,
		/* As the kernel's own calls: the next one gets the rest. */
		.len = len < INT_MAX ? len : INT_MAX,
		.flags = flags | (wait ? 0 : ETRAN_STREAM_DONTWAIT),
	};

	return real(ioctl)(fd, request, &io);
}

ssize_t shared_recv(int fd, void *buf, size_t len, int flags, bool wait)
{
	return transfer(fd, ETRAN_IOC_STREAM_RECV, buf, len, flags & MSG_PEEK ? ETRAN_STREAM_PEEK : 0, wait);
}

ssize_t shared_send(int fd, const void *buf, size_t len, int flags, bool wait)
{
	return transfer(fd, ETRAN_IOC_STREAM_SEND, buf, len,
			ETRAN_STREAM_NOSIGNAL | (flags & MSG_MORE ? ETRAN_STREAM_MORE : 0), wait);
}

int shared_info(int fd, struct etran_stream_info *info)
{
	return real(ioctl)(fd, ETRAN_IOC_STREAM_INFO, info);
}

int shared_record(int fd, struct etran_conn_record *record)
{
	struct etran_stream_info info;

	return shared_info(fd, &info) ? -1 : etran_conn_read(fd, info.tag, record);
}

int shared_flag(int fd, uint32_t flag, bool on)
{
	struct etran_stream_set s = { .set = on ? flag : 0, .clear = on ? 0 : flag };

	return real(ioctl)(fd, ETRAN_IOC_STREAM_SET, &s);
}

int shared_shutdown(int fd, int how)
{
	struct etran_stream_info info;
	uint32_t flags = 0;

	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
		errno = EINVAL;
		return -1;
	}
	if (shared_info(fd, &info))
		return -1;
	if (info.state & ETRAN_STREAM_IS_ENDED) {
		errno = ENOTCONN;
		return -1;
	}
	if (how != SHUT_WR)
		flags |= ETRAN_STREAM_SHUT_RD;
	if (how != SHUT_RD)
		flags |= ETRAN_STREAM_SHUT_WR;
	return shared_flag(fd, flags, true);
}

int shared_error(int fd)
{
	uint32_t error = 0;

	return real(ioctl)(fd, ETRAN_IOC_STREAM_ERROR, &error) ? errno : (int)error;
}

int shared_set(int fd, int option, uint32_t value)
{
	struct etran_endpoint_bind b = { .arg = { ETRAN_TCP_SET | (uint64_t)option << 32, 0, value } };
	struct etran_stream_info info;

	switch (option) {
	case ETRAN_SOCKET_NODELAY:
		return shared_flag(fd, ETRAN_STREAM_NODELAY, value);
	case ETRAN_SOCKET_CORK:
		return shared_flag(fd, ETRAN_STREAM_CORK, value);
	}
	if (shared_info(fd, &info))
		return -1;
	b.arg[1] = info.tag;
	if (!real(ioctl)(fd, ETRAN_IOC_BIND, &b))
		return 0;
	if (errno == ENOENT)
		errno = ENOTCONN;
	return -1;
}

static int address_give(const union address *a, struct sockaddr *addr, socklen_t *len)
{
	socklen_t n = a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);

	if (!addr || !len || (int)*len < 0) {
		errno = addr && len ? EINVAL : EFAULT;
		return -1;
	}
	memcpy(addr, a, *len < n ? *len : n);
	*len = n;
	return 0;
}

int shared_getsockname(const struct psock *p, struct sockaddr *addr, socklen_t *len)
{
	union address none = { .sa.sa_family = p->domain };

	return address_give(p->local.sa.sa_family ? &p->local : &none, addr, len);
}

int shared_getpeername(int fd, const struct psock *p, struct sockaddr *addr, socklen_t *len)
{
	struct etran_stream_info info;

	if (!p->peer.sa.sa_family || shared_info(fd, &info) || info.state & ETRAN_STREAM_IS_ENDED) {
		errno = ENOTCONN;
		return -1;
	}
	return address_give(&p->peer, addr, len);
}
