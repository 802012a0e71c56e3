// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * From listen(), connect(), accept() to close(): when a socket becomes etran's, and how descriptors come and go.
 *
 * The file of etran's takes the number of the kernel's socket by dup3(), so that the program sees no other. A listener keeps
 * the kernel's socket beside it: it has the port in the kernel, so that bind() conflicts are found both ways and ss(8)
 * shows it, and takes connections that do not come over etran's link. Whether a way is etran's the kernel says: etran's
 * connect fails with ENETUNREACH or EHOSTUNREACH where its route is over another device, loopback say.
 *
 * Connections are in the memory of the process that accepts them until they are shared (shared.c), which costs them what
 * they gain by being there; so each process needs a listener of its own. A child of fork() has one for what it inherited
 * from the moment on when it first asks that for connections, or waits for some (wait.c); its file takes the number, the
 * parent's is closed in the child. All of them are at the same port, and share the kernel's socket. A listener that its
 * process has not asked yet is spare (bpf/tcp/listen.h): the parent of workers, who never accepts, gets no connections as
 * long as they live. Rejected: a listener for each child at fork(), most of which want none, and an AF_XDP socket with its
 * memory for nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "preload.h"

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return real(getsockopt)(fd, level, name, &value, &len) ? -1 : value;
}

/* A TCP socket of the kernel's, neither connected nor listening. @domain: out */
static bool unused_tcp(int fd, int *domain)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	*domain = option(fd, SOL_SOCKET, SO_DOMAIN);
	if ((*domain != AF_INET && *domain != AF_INET6) ||
	    option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
	    option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
		return false;
	return !real(getsockopt)(fd, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       info.tcpi_state == TCP_CLOSE;
}

static bool is_loopback(const union address *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) && a->in6.sin6_addr.s6_addr[12] == 127);
}

static bool is_any(const union address *a)
{
	return a->sa.sa_family == AF_INET ? !a->in.sin_addr.s_addr :
					    IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

static uint16_t port_of(const union address *a)
{
	return ntohs(a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port);
}

struct psock *psock_new(struct etran_socket *s, int domain)
{
	struct psock *p = calloc(1, sizeof(*p));

	if (!p) {
		if (s)
			etran_abort(s);
		errno = ENOMEM;
		return NULL;
	}
	p->s = s;
	p->forks = context_forks();
	p->domain = domain;
	p->kernel = -1;
	p->rcvtimeo = -1;
	p->sndtimeo = -1;
	return p;
}

/* It never got a file. */
static void psock_undo(struct psock *p)
{
	int err = errno;

	etran_abort(p->s);
	free(p);
	errno = err;
}

/* The program knows @p by @fd from here on. When that cannot be, @file, which is @p's, and @p are gone. Return: 0, -1. */
static int psock_known(int fd, struct psock *p, int file)
{
	int err;

	if (!table_set(fd, p))
		return 0;
	err = errno;
	real(close)(file);
	etran_socket_drop(p->s);
	free(p);
	errno = err;
	return -1;
}

/*
 * Give @p a file in the place of @fd; @p->s is gone when that fails. Return: 0, -1 with errno.
 */
static int replace(int fd, struct psock *p)
{
	int cloexec = real(fcntl)(fd, F_GETFD), status = real(fcntl)(fd, F_GETFL), file;

	p->nonblock = status & O_NONBLOCK;
	options_from_kernel(p, fd);
	file = etran_socket_file(p->s, O_CLOEXEC | (p->nonblock ? O_NONBLOCK : 0), p->kernel);
	if (file < 0) {
		psock_undo(p);
		return -1;
	}
	/* Before the number is the file's: another thread may know it. */
	if (psock_known(fd, p, file))
		return -1;
	real(dup3)(file, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0);
	real(close)(file);
	return 0;
}

/* ---- listen ---- */

static unsigned int listeners;

static void listener_known(void)
{
	__atomic_add_fetch(&listeners, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&listeners_unused, 1, __ATOMIC_RELAXED);
}

static void listener_gone(const struct psock *p)
{
	__atomic_sub_fetch(&listeners, 1, __ATOMIC_RELAXED);
	if (!p->used)
		__atomic_sub_fetch(&listeners_unused, 1, __ATOMIC_RELAXED);
}

void listeners_in_child(void)
{
	int fd;

	listeners_unused = listeners;
	if (!listeners)
		return;
	for (fd = 0; (fd = table_next(fd, INT32_MAX)) >= 0; fd++) {
		struct psock *p = psock_get(fd);

		if (p) {
			p->used = false;
			psock_put(p);
		}
	}
}

/* The kernel listens; may etran, too? True: @a is where. */
static bool listen_wanted(int fd, int domain, union address *a)
{
	socklen_t len = sizeof(*a);

	if (real(getsockname)(fd, &a->sa, &len) || is_loopback(a) || !context_port(port_of(a)))
		return false;
	/* The transport has no listener for all of IPv6 without IPv4. */
	return domain == AF_INET || !is_any(a) || !option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
}

static void listen_convert(int fd, int domain, const union address *a, int backlog)
{
	struct etran_tcp *t = context_get();
	struct etran_socket *s;
	struct psock *p;
	int kernel;

	if (!t)
		return;
	s = etran_socket(t, domain, SOCK_NONBLOCK);
	if (!s)
		return;
	if (option(fd, SOL_SOCKET, SO_REUSEPORT) == 1)
		etran_tcp_set(s, ETRAN_SOCKET_REUSEPORT, 1);
	etran_socket_spare(s, true);
	etran_socket_reserved(s);
	if (etran_bind(s, &a->sa, sizeof(*a)) || etran_listen(s, backlog)) {
		context_say("port %u is the kernel's alone: %s", port_of(a), etran_strerror_detail());
		etran_close(s);
		return;
	}
	p = psock_new(s, domain);
	if (!p)
		return;
	p->listens = true;
	kernel = real(fcntl)(fd, F_DUPFD_CLOEXEC, 128);
	if (kernel < 0)
		kernel = real(fcntl)(fd, F_DUPFD_CLOEXEC, 3);
	p->kernel = kernel;
	if (kernel < 0 || replace(fd, p)) {
		context_say("port %u is the kernel's alone: %s", port_of(a), strerror(errno));
		if (kernel < 0)
			psock_undo(p);
		else
			real(close)(kernel);
		return;
	}
	listener_known();
	real(fcntl)(kernel, F_SETFL, real(fcntl)(kernel, F_GETFL) | O_NONBLOCK);
	table_set_internal(kernel);
	context_say("listens at port %u", port_of(a));
}

/* A listener of its own for a child of fork(), in the place of what it has of its parent's. */
static void listener_adopt(int fd, struct psock *p)
{
	struct etran_tcp *t = context_get();
	struct etran_socket *s;
	int at, file, flags;
	struct psock *own;

	s = t ? etran_socket(t, p->domain, SOCK_NONBLOCK) : NULL;
	if (!s)
		return;
	if (etran_listen_beside(s, p->s)) {
		context_say("descriptor %d takes the kernel's connections only: %s", fd,
			    etran_strerror_detail());
		etran_close(s);
		return;
	}
	own = psock_new(s, p->domain);
	if (!own)
		return;
	own->nonblock = p->nonblock;
	options_inherit(own, p);
	own->kernel = p->kernel;
	file = etran_socket_file(s, O_CLOEXEC | (p->nonblock ? O_NONBLOCK : 0), p->kernel);
	if (file < 0) {
		context_say("descriptor %d takes the kernel's connections only: %s", fd,
			    etran_strerror_detail());
		psock_undo(own);
		return;
	}
	own->listens = true;
	own->used = true;
	listener_known();
	__atomic_sub_fetch(&listeners_unused, 1, __ATOMIC_RELAXED);
	/* All descriptors that are copies of this one. */
	for (at = 0; (at = table_next(at, INT32_MAX)) >= 0; at++) {
		struct psock *other = psock_get(at);
		bool last;

		if (other && other == p) {
			table_take(at, &last);
			flags = real(fcntl)(at, F_GETFD);
			if (!table_set(at, own))
				real(dup3)(file, at, flags & FD_CLOEXEC ? O_CLOEXEC : 0);
			psock_put(p);
		}
		if (other)
			psock_put(other);
	}
	real(close)(file);
	listener_gone(p);
	p->kernel = -1;
	context_say("listens at descriptor %d, too", fd);
}

void listener_use(int fd)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct psock *p = psock_get(fd);
	int err = errno;

	if (p && p->listens && !p->used) {
		pthread_mutex_lock(&lock);
		if (!p->used) {
			p->used = true;
			__atomic_sub_fetch(&listeners_unused, 1, __ATOMIC_RELAXED);
			if (!psock_foreign(p))
				etran_socket_spare(p->s, false);
			else
				listener_adopt(fd, p);
		}
		pthread_mutex_unlock(&lock);
	}
	if (p)
		psock_put(p);
	errno = err;
}

SHIM int listen(int fd, int backlog)
{
	struct psock *p = psock_get(fd);
	union address a;
	int domain, ret;

	if (p) {
		ret = p->listens && p->kernel >= 0 ? real(listen)(p->kernel, backlog) : -1;
		if (!p->listens)
			errno = EINVAL;
		psock_put(p);
		return ret;
	}
	if (inside || !unused_tcp(fd, &domain))
		return real(listen)(fd, backlog);
	ret = real(listen)(fd, backlog);
	if (!ret && listen_wanted(fd, domain, &a))
		listen_convert(fd, domain, &a, backlog);
	if (!ret)
		errno = 0;
	return ret;
}

/* ---- accept ---- */

static int accept_etran(struct psock *p, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct etran_socket *s = etran_accept_file(p->s, addr, len);
	struct psock *c;
	int fd, err;

	if (!s)
		return -1;
	c = psock_new(s, p->domain);
	if (!c)
		return -1;
	c->nonblock = flags & SOCK_NONBLOCK;
	options_inherit(c, p);
	fd = etran_socket_file(s, (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0) |
			       (flags & SOCK_CLOEXEC ? O_CLOEXEC : 0), -1);
	if (fd < 0) {
		/* The peer reset it before it was accepted. */
		err = errno == ENOENT ? ECONNABORTED : errno;
		psock_undo(c);
		errno = err;
		return -1;
	}
	return psock_known(fd, c, fd) ? -1 : fd;
}

static int accept_kernel(struct psock *p, struct sockaddr *addr, socklen_t *len, int flags)
{
	return p->kernel < 0 ? (errno = EAGAIN, -1) : real(accept4)(p->kernel, addr, len, flags);
}

/* Who was asked first last time comes second. */
static int accept_any(struct psock *p, struct sockaddr *addr, socklen_t *len, int flags)
{
	bool kernel = p->turn;
	int fd;

	p->turn = !kernel;
	fd = kernel ? accept_kernel(p, addr, len, flags) : accept_etran(p, addr, len, flags);
	if (fd >= 0 || errno != EAGAIN)
		return fd;
	return kernel ? accept_etran(p, addr, len, flags) : accept_kernel(p, addr, len, flags);
}

static int accept_on(int fd, struct psock *p, struct sockaddr *addr, socklen_t *len, int flags)
{
	int got;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) || !p->listens || p->shut) {
		errno = EINVAL;
		return -1;
	}
	/* It could have no listener of its own; any may take the kernel's. */
	if (psock_foreign(p)) {
		got = accept_kernel(p, addr, len, flags);
		if (got < 0 && errno == EAGAIN)
			errno = EOPNOTSUPP;
		return got;
	}
	for (;;) {
		got = accept_any(p, addr, len, flags);
		if (got >= 0 || errno != EAGAIN || p->nonblock)
			return got;
		if (file_wait(fd, POLLIN, p->rcvtimeo))
			return -1;
		if (p->shut) {
			errno = EINVAL;
			return -1;
		}
	}
}

SHIM int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct psock *p;
	int ret;

	if (__atomic_load_n(&listeners_unused, __ATOMIC_RELAXED))
		listener_use(fd);
	p = psock_get(fd);
	if (!p)
		return real(accept4)(fd, addr, len, flags);
	ret = accept_on(fd, p, addr, len, flags);
	psock_put(p);
	return ret;
}

SHIM int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct psock *p;
	int ret;

	if (__atomic_load_n(&listeners_unused, __ATOMIC_RELAXED))
		listener_use(fd);
	p = psock_get(fd);
	if (!p)
		return real(accept)(fd, addr, len);
	ret = accept_on(fd, p, addr, len, 0);
	psock_put(p);
	return ret;
}

/* ---- connect ---- */

/* How did it go? Return: 0, -1 with errno. */
static int connect_outcome(int fd, struct psock *p, bool wait)
{
	int err;

	for (;;) {
		if (psock_shared(p) || !etran_socket_connecting(p->s))
			break;
		if (!wait) {
			errno = EALREADY;
			return -1;
		}
		if (file_wait(fd, POLLOUT, p->sndtimeo)) {
			if (errno == EAGAIN)
				errno = EINPROGRESS;
			return -1;
		}
	}
	p->connecting = false;
	err = psock_shared(p) ? 0 : etran_socket_error(p->s);
	/* The error of one that was shared meanwhile is there. */
	if (!err && psock_shared(p))
		err = shared_error(fd);
	if (!err)
		return 0;
	errno = err;
	return -1;
}

static bool lives(int fd, const struct psock *p)
{
	struct etran_stream_info info;

	if (psock_shared(p))
		return !shared_info(fd, &info) && !(info.state & ETRAN_STREAM_IS_ENDED);
	return etran_socket_lives(p->s);
}

static int connect_again(int fd, struct psock *p)
{
	if (psock_foreign(p) && !psock_shared(p)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (p->connecting)
		return connect_outcome(fd, p, !p->nonblock);
	errno = p->listens || lives(fd, p) ? EISCONN : ECONNABORTED;
	return -1;
}

/* Return: 1 when the kernel's TCP has to do it, else connect()'s. */
static int connect_convert(int fd, int domain, const union address *a, socklen_t alen)
{
	struct etran_tcp *t = context_get();
	struct etran_socket *s;
	union address local;
	socklen_t len = sizeof(local);
	struct psock *p;
	int ret;

	s = t ? etran_socket(t, domain, SOCK_NONBLOCK) : NULL;
	if (!s)
		return 1;
	if (!real(getsockname)(fd, &local.sa, &len) && (port_of(&local) || !is_any(&local)))
		etran_bind(s, &local.sa, len);
	if (etran_connect_later(s, &a->sa, alen)) {
		context_say("a connection to port %u is the kernel's: %s", port_of(a),
			    etran_strerror_detail());
		etran_close(s);
		return 1;
	}
	p = psock_new(s, domain);
	if (!p)
		return -1;
	p->connecting = true;
	if (replace(fd, p))
		return -1;
	/* Another thread may have closed it. */
	p = psock_get(fd);
	if (!p) {
		errno = EBADF;
		return -1;
	}
	if (psock_own(p))
		etran_socket_go(p->s);
	ret = -1;
	if (p->nonblock)
		errno = EINPROGRESS;
	else
		ret = connect_outcome(fd, p, true);
	psock_put(p);
	return ret;
}

SHIM int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct psock *p = psock_get(fd);
	union address a;
	int domain, ret;

	if (p) {
		ret = connect_again(fd, p);
		psock_put(p);
		return ret;
	}
	if (inside || !addr || len < sizeof(a.in) ||
	    (addr->sa_family != AF_INET && addr->sa_family != AF_INET6) ||
	    (addr->sa_family == AF_INET6 && len < sizeof(a.in6)))
		return real(connect)(fd, addr, len);
	memset(&a, 0, sizeof(a));
	memcpy(&a, addr, len < sizeof(a) ? len : sizeof(a));
	if (is_loopback(&a) || is_any(&a) || !port_of(&a) || !context_port(port_of(&a)) ||
	    !unused_tcp(fd, &domain) || (domain == AF_INET && addr->sa_family != AF_INET))
		return real(connect)(fd, addr, len);
	ret = connect_convert(fd, domain, &a, len < sizeof(a) ? len : sizeof(a));
	return ret == 1 ? real(connect)(fd, addr, len) : ret;
}

/* ---- names and shutdown ---- */

SHIM int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(getsockname)(fd, addr, len);
	if (p->kernel >= 0)
		ret = real(getsockname)(p->kernel, addr, len);
	else if (psock_shared(p))
		ret = shared_getsockname(p, addr, len);
	else
		ret = etran_getsockname(p->s, addr, len);
	psock_put(p);
	return ret;
}

SHIM int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(getpeername)(fd, addr, len);
	if (psock_shared(p))
		ret = shared_getpeername(fd, p, addr, len);
	else
		ret = etran_getpeername(p->s, addr, len);
	psock_put(p);
	return ret;
}

SHIM int shutdown(int fd, int how)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(shutdown)(fd, how);
	if (psock_shared(p)) {
		ret = shared_shutdown(fd, how);
	} else if (psock_foreign(p)) {
		errno = EOPNOTSUPP;
		ret = -1;
	} else if (p->listens) {
		p->shut = p->shut || how != SHUT_WR;
		ret = real(shutdown)(p->kernel, how);
	} else {
		ret = etran_shutdown(p->s, how);
		if (ret && errno == ESTALE)
			ret = shared_shutdown(fd, how);
	}
	if (!ret)
		real(ioctl)(fd, ETRAN_IOC_STREAM_WAKE);
	psock_put(p);
	return ret;
}

/* ---- descriptors ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/*
 * SO_LINGER with a time: until all is acknowledged, or the time is over, as the kernel does it also for who does not
 * want to wait otherwise. What was not read is answered with RST at once.
 */
static void linger(struct psock *p)
{
	struct timespec moment = { .tv_nsec = 5000000 };
	uint64_t end = now_ms() + (p->linger.l_linger > 0 ? p->linger.l_linger : 0) * 1000ULL;

	if (etran_socket_readable(p->s))
		return;
	etran_shutdown(p->s, SHUT_WR);
	while (etran_socket_lives(p->s) && etran_socket_unacked(p->s) && now_ms() < end)
		nanosleep(&moment, NULL);
}

/*
 * Of a shared connection this may not be the last copy, so there is nothing to wait for; what the last close does was
 * said when it was set.
 */
int close_taken(int fd, struct psock *p, bool last)
{
	int ret, kernel = -1;

	if (last && psock_own(p) && !p->listens) {
		etran_socket_flush(p->s);
		etran_socket_linger(p->s, p->linger.l_onoff && !p->linger.l_linger);
		if (p->linger.l_onoff && p->linger.l_linger)
			linger(p);
	}
	if (last)
		kernel = p->kernel;
	if (last && p->listens)
		listener_gone(p);
	ret = fd < 0 ? 0 : real(close)(fd);
	if (kernel >= 0) {
		table_clear_internal(kernel);
		real(close)(kernel);
	}
	psock_put(p);
	return ret;
}

SHIM int close(int fd)
{
	struct psock *p;
	bool last;

	if (table_internal(fd)) {
		errno = EBADF;
		return -1;
	}
	p = table_take(fd, &last);
	return p ? close_taken(fd, p, last) : real(close)(fd);
}

/*
 * What is ours is closed one by one, what is the library's own left out. That is left in a child of vfork(), too, which needs
 * it to share what the program that it executes is to inherit.
 */
SHIM int close_range(unsigned int first, unsigned int end, int flags)
{
	int fd, ret = 0, last = end > INT32_MAX ? INT32_MAX : (int)end;
	unsigned int from = first;

	if (flags & CLOSE_RANGE_CLOEXEC || first > end)
		return real(close_range)(first, end, flags);
	for (fd = first; !context_borrowed() && (fd = table_next(fd, last)) >= 0; fd++)
		close(fd);
	while (from <= end) {
		fd = table_next_internal(from, last);
		if (fd < 0)
			return real(close_range)(from, end, flags);
		if ((unsigned int)fd > from)
			ret = real(close_range)(from, fd - 1, flags);
		if (ret)
			return ret;
		from = fd + 1;
	}
	return ret;
}

SHIM void closefrom(int first)
{
	close_range(first < 0 ? 0 : first, ~0U, 0);
}

/* The C library reads and writes it by system calls, and closes it by one. */
SHIM FILE *fdopen(int fd, const char *mode)
{
	connection_share(fd);
	return real(fdopen)(fd, mode);
}

SHIM int fclose(FILE *file)
{
	int err = errno, fd = fileno(file), ret;
	struct psock *p;
	bool last;

	p = fd < 0 ? NULL : table_take(fd, &last);
	errno = err;
	ret = real(fclose)(file);
	err = errno;
	if (p)
		close_taken(-1, p, last);
	errno = err;
	return ret;
}

/*
 * A child of vfork() moves descriptors to where the program that it executes looks for them. It may close everything else
 * before that, so now is the time.
 */
static void dup_begins(int from)
{
	if (context_borrowed())
		connection_share(from);
}

/* @to is another descriptor of @p's, if that is not NULL; what it was before is closed. */
static int dup_done(int to, struct psock *p, struct psock *was, bool last)
{
	if (to >= 0 && was)
		close_taken(-1, was, last);
	/* The table is of the parent's descriptors. */
	if (to >= 0 && p && !context_borrowed() && table_set(to, p)) {
		real(close)(to);
		to = -1;
	}
	if (p)
		psock_put(p);
	return to;
}

static int dup_to(int from, int to, int flags, bool three)
{
	struct psock *p, *was;
	bool last = false;
	int fd;

	if (table_internal(to)) {
		errno = EBUSY;
		return -1;
	}
	dup_begins(from);
	if (context_borrowed() || (from == to && !three))
		return three ? real(dup3)(from, to, flags) : real(dup2)(from, to);
	p = psock_get(from);
	was = psock_get(to);
	if (was && from != to && real(fcntl)(from, F_GETFD) >= 0) {
		psock_put(was);
		was = table_take(to, &last);
		if (was && last && psock_own(was) && !was->listens)
			etran_socket_flush(was->s);
	} else if (was) {
		psock_put(was);
		was = NULL;
	}
	fd = three ? real(dup3)(from, to, flags) : real(dup2)(from, to);
	return dup_done(fd, p, was, last);
}

SHIM int dup(int fd)
{
	struct psock *p = psock_get(fd);

	if (!p)
		return real(dup)(fd);
	dup_begins(fd);
	return dup_done(real(dup)(fd), p, NULL, false);
}

SHIM int dup2(int from, int to)
{
	return dup_to(from, to, 0, false);
}

SHIM int dup3(int from, int to, int flags)
{
	return dup_to(from, to, flags, true);
}

static int fcntl_any(int fd, int cmd, unsigned long arg)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(fcntl)(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		dup_begins(fd);
	ret = real(fcntl)(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return dup_done(ret, p, NULL, false);
	if (cmd == F_SETFL && !ret)
		p->nonblock = arg & O_NONBLOCK;
	psock_put(p);
	return ret;
}

SHIM int fcntl(int fd, int cmd, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, cmd);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	return fcntl_any(fd, cmd, arg);
}

SHIM int fcntl64(int fd, int cmd, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, cmd);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	return fcntl_any(fd, cmd, arg);
}
