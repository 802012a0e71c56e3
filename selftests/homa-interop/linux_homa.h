/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sockets of another Homa: a kernel module that serves IP protocol 146 itself and is used through sendmsg()
 * and recvmsg(), as HomaModule's sources describe that in 2026 (homa.h, man/). Only what the tests need.
 *
 * Such a socket has a region of memory into which its kernel puts messages, in pages of 64 KB; whoever has read a
 * message gives its pages back with the next recvmsg().
 */
#ifndef LINUX_HOMA_H
#define LINUX_HOMA_H

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include "../homa/homa_test.h"

#define LINUX_HOMA_PAGE		65536
#define LINUX_HOMA_PAGES	16
#define LINUX_HOMA_REGION	(32 << 20)
#define LINUX_HOMA_RCVBUF	10

/**
 * struct linux_homa_send - what sendmsg() is told, where msg_control points; msg_controllen is 0
 * @id: of the RPC to answer, 0 for a request; out: the new RPC
 * @cookie: comes back with the response; 0 in a response
 * @flags: 1: private
 * @zero: 0
 */
struct linux_homa_send {
	__u64 id;
	__u64 cookie;
	__u32 flags;
	__u32 zero;
};

/**
 * struct linux_homa_recv - what recvmsg() is told, and says
 * @id: 0 for any; out: the RPC, of which the lowest bit is set in a request
 * @cookie: out
 * @pages: valid entries of @offsets
 * @zero: 0
 * @offsets: in: pages to give back; out: where in the region the message lies
 */
struct linux_homa_recv {
	__u64 id;
	__u64 cookie;
	__u32 pages;
	__u32 zero;
	__u32 offsets[LINUX_HOMA_PAGES];
};

_Static_assert(sizeof(struct linux_homa_send) == 24, "ABI");
_Static_assert(sizeof(struct linux_homa_recv) == 88, "ABI");

/**
 * struct linux_homa_info - what LINUX_HOMA_INFO tells
 * @rpcs: address of memory for an array about RPCs
 * @rpcs_len: bytes there
 * @available: bytes of the region that are free
 * @port: of the socket
 * @rpc_count: RPCs of the socket, both ways
 * @error: text about the last call that failed
 */
struct linux_homa_info {
	__u64 rpcs;
	__u64 rpcs_len;
	__u64 available;
	__u32 port;
	__u32 rpc_count;
	char error[104];
};

#define LINUX_HOMA_INFO	_IOWR('h', 0x90, struct linux_homa_info)

/**
 * struct linux_homa - a socket
 * @fd: it
 * @region: its memory
 * @last: how the last message lies there, to be given back
 */
struct linux_homa {
	int fd;
	uint8_t *region;
	struct linux_homa_recv last;
};

static inline void linux_homa_close(struct linux_homa *h)
{
	if (h->fd >= 0)
		close(h->fd);
	if (h->region)
		munmap(h->region, LINUX_HOMA_REGION);
	h->fd = -1;
	h->region = NULL;
}

/* On HOST_B; port 0: a client. -1 with errno. Leaves the thread on that host. */
static inline int linux_homa_open(struct linux_homa *h, uint16_t port)
{
	union address any = { .in6.sin6_family = homa_family, .in6.sin6_port = htons(port) };
	struct { __u64 start, length; } buf = { .length = LINUX_HOMA_REGION };

	memset(h, 0, sizeof(*h));
	enter(HOST_B);
	h->fd = socket(homa_family, SOCK_DGRAM | SOCK_CLOEXEC, HOMA_IPPROTO);
	h->region = mmap(NULL, LINUX_HOMA_REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	buf.start = (uintptr_t)h->region;
	if (h->fd >= 0 && h->region != MAP_FAILED &&
	    !setsockopt(h->fd, HOMA_IPPROTO, LINUX_HOMA_RCVBUF, &buf, sizeof(buf)) &&
	    (!port || !bind(h->fd, &any.sa, address_len())))
		return 0;
	if (h->region == MAP_FAILED)
		h->region = NULL;
	linux_homa_close(h);
	return -1;
}

/* A request when *@id is 0, which is then its; else the answer to that. 0, or -1 with errno. */
static inline int linux_homa_send(struct linux_homa *h, const union address *to, const void *buf, size_t len,
				  uint64_t *id, uint64_t cookie)
{
	struct linux_homa_send args = { .id = *id, .cookie = cookie };
	struct iovec iov = { (void *)buf, len };
	struct msghdr msg = {
		.msg_name = (void *)to,
		.msg_namelen = address_len(),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &args,
	};

	if (sendmsg(h->fd, &msg, 0) < 0)
		return -1;
	*id = args.id;
	return 0;
}

/*
 * The next message, in one piece, in @buf with room for the longest. Its length, or -1 with errno: EAGAIN when
 * none came in that time; when *@id is not 0 then, that RPC failed.
 */
static inline ssize_t linux_homa_recv(struct linux_homa *h, union address *from, void *buf, uint64_t *id,
				      uint64_t *cookie, int ms)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	uint64_t end = now_ms() + ms;
	struct msghdr msg;
	size_t at, n;
	ssize_t len;
	__u32 i;

	do {
		if (poll(&p, 1, now_ms() < end ? end - now_ms() : 0) < 0)
			return -1;
		h->last.id = 0;
		msg = (struct msghdr) {
			.msg_name = from,
			.msg_namelen = from ? sizeof(*from) : 0,
			.msg_control = &h->last,
			.msg_controllen = sizeof(h->last),
		};
		/* What is ready may still miss parts. */
		len = recvmsg(h->fd, &msg, MSG_DONTWAIT);
	} while (len < 0 && errno == EAGAIN && !h->last.id && now_ms() < end);
	*id = h->last.id;
	if (cookie)
		*cookie = h->last.cookie;
	if (len < 0) {
		h->last.pages = 0;
		return -1;
	}
	for (i = 0, at = 0; i < h->last.pages && i < LINUX_HOMA_PAGES; i++, at += n) {
		n = (size_t)len - at < LINUX_HOMA_PAGE ? (size_t)len - at : LINUX_HOMA_PAGE;
		if (h->last.offsets[i] > LINUX_HOMA_REGION - n) {
			errno = EPROTO;
			return -1;
		}
		memcpy((uint8_t *)buf + at, h->region + h->last.offsets[i], n);
	}
	if (at == (size_t)len)
		return len;
	errno = EPROTO;
	return -1;
}

/* RPCs of the socket that its kernel knows; -1 with errno. */
static inline int linux_homa_rpcs(struct linux_homa *h)
{
	struct linux_homa_info info = {};

	return ioctl(h->fd, LINUX_HOMA_INFO, &info) ? -1 : (int)info.rpc_count;
}

#endif /* LINUX_HOMA_H */
