// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Reading and writing. The library's calls are made without waiting; who waits does so in poll() on the file, which
 * wakes nobody else, and which signals end. Data of shared connections goes through their files (shared.c), where who waits
 * may do so in the kernel's call.
 *
 * A signal ends a wait in poll() with EINTR, also where the kernel would begin again (SA_RESTART).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "preload.h"

int file_wait(int fd, short events, int timeout)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = real(poll)(&p, 1, timeout);

	if (n < 0)
		return -1;
	if (n)
		return 0;
	errno = EAGAIN;
	return -1;
}

/* May it be used at all? Before the handshake is over, waits for that. Return: 0, -1 with errno. */
static int usable(int fd, struct psock *p, int flags, bool sends)
{
	if (psock_shared(p))
		return 0;
	if (psock_foreign(p)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (p->listens) {
		errno = sends ? EPIPE : ENOTCONN;
		return -1;
	}
	while (p->connecting && etran_socket_connecting(p->s)) {
		if (p->nonblock || flags & MSG_DONTWAIT) {
			errno = EAGAIN;
			return -1;
		}
		if (file_wait(fd, POLLOUT, sends ? p->sndtimeo : p->rcvtimeo))
			return -1;
	}
	return 0;
}

#define RECV_FLAGS	(MSG_DONTWAIT | MSG_PEEK | MSG_WAITALL | MSG_TRUNC | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)

/* One try: by the library, or by the file if the connection is shared, which another thread may do at any moment. */
static ssize_t recv_piece(int fd, struct psock *p, void *buf, size_t len, int flags, bool wait)
{
	ssize_t got;

	if (!psock_shared(p)) {
		got = etran_recv(p->s, buf, len, MSG_DONTWAIT | (flags & MSG_PEEK));
		if (got >= 0 || errno != ESTALE)
			return got;
	}
	return shared_recv(fd, buf, len, flags, wait && p->rcvtimeo < 0);
}

static ssize_t recv_iov(int fd, struct psock *p, const struct iovec *iov, size_t n, int flags)
{
	size_t i = 0, at = 0, done = 0;
	ssize_t got;
	bool wait;

	if (flags & MSG_ERRQUEUE) {
		errno = EAGAIN;
		return -1;
	}
	if (flags & ~RECV_FLAGS) {
		errno = flags & MSG_OOB ? EINVAL : EOPNOTSUPP;
		return -1;
	}
	if (usable(fd, p, flags, false))
		return -1;
	while (i < n) {
		if (at == iov[i].iov_len) {
			i++;
			at = 0;
			continue;
		}
		wait = !(flags & MSG_DONTWAIT) && (!done || flags & MSG_WAITALL);
		got = recv_piece(fd, p, (uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at, flags, wait);
		if (got > 0) {
			done += got;
			at += got;
			/* A second piece of what was only looked at would be the first again. */
			if (flags & MSG_PEEK)
				break;
			continue;
		}
		if (!got)
			break;
		if (errno != EAGAIN || !wait || psock_nonblock(fd, p))
			return done ? (ssize_t)done : -1;
		if (file_wait(fd, POLLIN, p->rcvtimeo))
			return done ? (ssize_t)done : -1;
	}
	return done;
}

static ssize_t recv_one(int fd, struct psock *p, void *buf, size_t len, int flags)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	ssize_t n = recv_iov(fd, p, &iov, 1, flags);

	psock_put(p);
	return n;
}

#define SEND_FLAGS	(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_CONFIRM | MSG_EOR | MSG_DONTROUTE)

/* As recv_piece(). @flags: MSG_MORE, SOCKET_SEND_OPEN: more of the same call follows */
static ssize_t send_piece(int fd, struct psock *p, const void *buf, size_t len, int flags, bool wait)
{
	ssize_t sent;

	if (!psock_shared(p)) {
		sent = etran_send(p->s, buf, len, MSG_DONTWAIT | (flags & (MSG_MORE | SOCKET_SEND_OPEN)));
		if (sent >= 0 || errno != ESTALE)
			return sent;
	}
	return shared_send(fd, buf, len, flags & (MSG_MORE | SOCKET_SEND_OPEN) ? MSG_MORE : 0,
			   wait && p->sndtimeo < 0);
}

/* The end of a call that left a frame open. */
static void push(struct psock *p, int flags)
{
	if (!psock_shared(p))
		etran_socket_push(p->s, flags);
}

static bool any_left(const struct iovec *iov, size_t n)
{
	while (n--)
		if (iov[n].iov_len)
			return true;
	return false;
}

/* All pieces make one run of full segments. @open: the caller comes back, and calls push(). */
static ssize_t send_pieces(int fd, struct psock *p, const struct iovec *iov, size_t n, int flags,
			   bool open)
{
	size_t i = 0, at = 0, done = 0;
	bool left = false, wait = !(flags & MSG_DONTWAIT), more, waited;
	ssize_t sent = 0;

	if (flags & ~SEND_FLAGS) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (usable(fd, p, flags, true)) {
		sent = -1;
		i = n;
	}
	while (i < n) {
		if (at == iov[i].iov_len) {
			i++;
			at = 0;
			continue;
		}
		more = any_left(iov + i + 1, n - i - 1);
		waited = wait && psock_shared(p) && p->sndtimeo < 0;
		sent = send_piece(fd, p, (const uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at,
				  (flags & MSG_MORE) | (open || more ? SOCKET_SEND_OPEN : 0), wait);
		left = left || open || more;
		if (sent >= 0) {
			done += sent;
			at += sent;
			if (at == iov[i].iov_len)
				continue;
			/* A signal came, or it is nonblocking. */
			if (waited)
				break;
			errno = EAGAIN;
		} else if (errno != EAGAIN) {
			break;
		}
		sent = -1;
		if (!wait || psock_nonblock(fd, p) || file_wait(fd, POLLOUT, p->sndtimeo))
			break;
		sent = 0;
	}
	if (left && !open)
		push(p, flags);
	if (done)
		return done;
	if (sent < 0 && errno == EPIPE && !(flags & MSG_NOSIGNAL)) {
		/* To this thread, as the kernel does. */
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGPIPE);
		errno = EPIPE;
	}
	return sent < 0 ? -1 : 0;
}

static ssize_t send_iov(int fd, struct psock *p, const struct iovec *iov, size_t n, int flags)
{
	return send_pieces(fd, p, iov, n, flags, false);
}

static ssize_t send_one(int fd, struct psock *p, const void *buf, size_t len, int flags)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	ssize_t n = send_iov(fd, p, &iov, 1, flags);

	psock_put(p);
	return n;
}

SHIM ssize_t read(int fd, void *buf, size_t len)
{
	struct psock *p = psock_get(fd);

	return p ? recv_one(fd, p, buf, len, 0) : real(read)(fd, buf, len);
}

SHIM ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	struct psock *p = psock_get(fd);

	return p ? recv_one(fd, p, buf, len, flags) : real(recv)(fd, buf, len, flags);
}

SHIM ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
		      socklen_t *alen)
{
	struct psock *p = psock_get(fd);

	if (!p)
		return real(recvfrom)(fd, buf, len, flags, addr, alen);
	if (addr && alen)
		*alen = 0;
	return recv_one(fd, p, buf, len, flags);
}

/* What the compiler makes of read(), recv(), recvfrom() into a buffer whose size it knows. */
SHIM ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		abort();
	return read(fd, buf, len);
}

SHIM ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room)
		abort();
	return recv(fd, buf, len, flags);
}

SHIM ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
			    struct sockaddr *addr, socklen_t *alen)
{
	if (len > room)
		abort();
	return recvfrom(fd, buf, len, flags, addr, alen);
}

SHIM ssize_t readv(int fd, const struct iovec *iov, int n)
{
	struct psock *p = psock_get(fd);
	ssize_t ret = -1;

	if (!p)
		return real(readv)(fd, iov, n);
	if (n < 0 || n > IOV_MAX)
		errno = EINVAL;
	else
		ret = recv_iov(fd, p, iov, n, 0);
	psock_put(p);
	return ret;
}

SHIM ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct psock *p = psock_get(fd);
	ssize_t n;

	if (!p) {
		n = real(recvmsg)(fd, msg, flags);
		if (n >= 0 && msg->msg_controllen)
			rights_received(msg);
		return n;
	}
	n = recv_iov(fd, p, msg->msg_iov, msg->msg_iovlen, flags);
	psock_put(p);
	if (n >= 0) {
		msg->msg_namelen = 0;
		msg->msg_controllen = 0;
		msg->msg_flags = 0;
	}
	return n;
}

SHIM ssize_t write(int fd, const void *buf, size_t len)
{
	struct psock *p = psock_get(fd);

	return p ? send_one(fd, p, buf, len, 0) : real(write)(fd, buf, len);
}

SHIM ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct psock *p = psock_get(fd);

	return p ? send_one(fd, p, buf, len, flags) : real(send)(fd, buf, len, flags);
}

/* An address is not looked at, as with the kernel's TCP. */
SHIM ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
		    socklen_t alen)
{
	struct psock *p = psock_get(fd);

	return p ? send_one(fd, p, buf, len, flags) : real(sendto)(fd, buf, len, flags, addr, alen);
}

SHIM ssize_t writev(int fd, const struct iovec *iov, int n)
{
	struct psock *p = psock_get(fd);
	ssize_t ret = -1;

	if (!p)
		return real(writev)(fd, iov, n);
	if (n < 0 || n > IOV_MAX)
		errno = EINVAL;
	else
		ret = send_iov(fd, p, iov, n, 0);
	psock_put(p);
	return ret;
}

SHIM ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct psock *p = psock_get(fd);
	ssize_t n;

	if (!p) {
		if (msg->msg_controllen)
			rights_sent(msg);
		return real(sendmsg)(fd, msg, flags);
	}
	n = send_iov(fd, p, msg->msg_iov, msg->msg_iovlen, flags);
	psock_put(p);
	return n;
}

#define FILE_STEP	65536

/* Through memory: there is a copy into frames either way. */
static ssize_t send_file(int out, struct psock *p, int in, off_t *offset, size_t count)
{
	off_t at = offset ? *offset : lseek(in, 0, SEEK_CUR);
	uint8_t *buf = malloc(FILE_STEP);
	size_t done = 0;
	ssize_t n = 0, sent = 0;

	if (!buf || at < 0) {
		errno = buf ? EINVAL : ENOMEM;
		free(buf);
		return -1;
	}
	while (done < count) {
		struct iovec iov = { .iov_base = buf };

		n = real(pread)(in, buf, count - done < FILE_STEP ? count - done : FILE_STEP,
				at + done);
		if (n <= 0)
			break;
		iov.iov_len = n;
		sent = send_pieces(out, p, &iov, 1, 0, n == FILE_STEP && done + n < count);
		if (sent > 0)
			done += sent;
		if (sent < n)
			break;
	}
	free(buf);
	if (done) {
		push(p, 0);
		if (offset)
			*offset = at + done;
		else
			lseek(in, at + done, SEEK_SET);
		return done;
	}
	return n < 0 || sent < 0 ? -1 : 0;
}

SHIM ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	struct psock *p = psock_get(out);
	ssize_t n;

	connection_share(in);
	if (!p)
		return real(sendfile)(out, in, offset, count);
	/* The kernel knows how, but nothing of SO_SNDTIMEO. */
	if (psock_shared(p) && p->sndtimeo < 0)
		n = real(sendfile)(out, in, offset, count);
	else
		n = send_file(out, p, in, offset, count);
	psock_put(p);
	return n;
}

SHIM ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	_Static_assert(sizeof(off_t) == sizeof(off64_t), "one function for both");
	return sendfile(out, in, offset, count);
}

SHIM ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned int flags)
{
	connection_share(in);
	connection_share(out);
	return real(splice)(in, in_offset, out, out_offset, len, flags);
}

/* FIONREAD, SIOCOUTQ and its kin */
static int queued(int fd, struct psock *p, unsigned long request, int *n)
{
	struct etran_stream_info info;

	if (psock_shared(p)) {
		if (shared_info(fd, &info))
			return -1;
		*n = request == FIONREAD ? info.readable : info.unacked;
	} else if (p->listens || psock_foreign(p)) {
		errno = p->listens ? EINVAL : EOPNOTSUPP;
		return -1;
	} else {
		*n = request == FIONREAD ? etran_socket_readable(p->s) : etran_socket_unacked(p->s);
	}
	return 0;
}

SHIM int ioctl(int fd, unsigned long request, ...)
{
	struct psock *p = psock_get(fd);
	va_list ap;
	int ret = 0;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!p)
		return real(ioctl)(fd, request, arg);
	switch (request) {
	case FIONREAD:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		ret = queued(fd, p, request, arg);
		break;
	case SIOCATMARK:
		*(int *)arg = 0;
		break;
	case FIONBIO:
		ret = real(ioctl)(fd, request, arg);
		if (!ret)
			p->nonblock = *(int *)arg;
		break;
	default:
		ret = real(ioctl)(fd, request, arg);
	}
	psock_put(p);
	return ret;
}
