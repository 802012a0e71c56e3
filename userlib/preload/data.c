// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Reading and writing. The library's calls are made without waiting; who waits does so in poll() on the file, which
 * wakes nobody else, and which signals end.
 *
 * A signal ends a wait with EINTR, also where the kernel would begin again (SA_RESTART).
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

static ssize_t recv_iov(int fd, struct psock *p, const struct iovec *iov, size_t n, int flags)
{
	size_t i = 0, at = 0, done = 0;
	ssize_t got;

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
		got = etran_recv(p->s, (uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at,
				 MSG_DONTWAIT | (flags & MSG_PEEK));
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
		if (errno != EAGAIN || p->nonblock || flags & MSG_DONTWAIT ||
		    (done && !(flags & MSG_WAITALL)))
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

/* All pieces make one run of full segments. @open: the caller comes back, and calls etran_socket_push(). */
static ssize_t send_pieces(int fd, struct psock *p, const struct iovec *iov, size_t n, int flags,
			   bool open)
{
	size_t i = 0, at = 0, done = 0;
	ssize_t sent = 0;
	bool left = false;

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
		sent = etran_send(p->s, (const uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at,
				  MSG_DONTWAIT | (flags & MSG_MORE) |
				  (open || i + 1 < n ? SOCKET_SEND_OPEN : 0));
		left = left || open || i + 1 < n;
		if (sent >= 0) {
			done += sent;
			at += sent;
			if (at == iov[i].iov_len)
				continue;
			errno = EAGAIN;
		} else if (errno != EAGAIN) {
			break;
		}
		sent = -1;
		if (p->nonblock || flags & MSG_DONTWAIT || file_wait(fd, POLLOUT, p->sndtimeo))
			break;
		sent = 0;
	}
	if (left && !open)
		etran_socket_push(p->s, flags);
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

	if (!p)
		return real(recvmsg)(fd, msg, flags);
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

	if (!p)
		return real(sendmsg)(fd, msg, flags);
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
		sent = send_pieces(out, p, &iov, 1, 0, true);
		if (sent > 0)
			done += sent;
		if (sent < n)
			break;
	}
	free(buf);
	if (done) {
		etran_socket_push(p->s, 0);
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

	if (!p)
		return real(sendfile)(out, in, offset, count);
	n = send_file(out, p, in, offset, count);
	psock_put(p);
	return n;
}

SHIM ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	_Static_assert(sizeof(off_t) == sizeof(off64_t), "one function for both");
	return sendfile(out, in, offset, count);
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
		if (p->listens) {
			errno = EINVAL;
			ret = -1;
		} else if (psock_foreign(p)) {
			errno = EOPNOTSUPP;
			ret = -1;
		} else if (request == FIONREAD) {
			*(int *)arg = etran_socket_readable(p->s);
		} else {
			*(int *)arg = etran_socket_unacked(p->s);
		}
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
