/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Homa through etran: remote procedure calls of 1 to 1,000,000 bytes each way.
 *
 * The calls and their arguments are those that users of HomaModule know. What differs: homa_socket()
 * makes the socket and homa_close() ends it, because part of a socket lives in this library; and
 * a message that is longer than the caller's buffer is kept instead of cut (homa_recv()).
 *
 * All calls may be made from several threads at once, also on one socket. The calls that take a
 * message copy from and to the caller's memory in user space: a bad pointer is a SIGSEGV, only
 * NULL gives EFAULT. homa_recv_pages() hands messages out without copying.
 *
 * A child of fork() must not use its parent's sockets: all calls but homa_close() fail with EBADF
 * there. It can make sockets of its own.
 */
#ifndef HOMA_H
#define HOMA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <etran.h>

/* Wire structures that end at an odd length around a member with alignment: as meant. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpacked-not-aligned"
#endif
#include <etran/homa.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* homa_recv() flags */
#define HOMA_RECV_REQUEST	0x01	/* a request may be returned */
#define HOMA_RECV_RESPONSE	0x02	/* a response may be returned */
#define HOMA_RECV_NONBLOCKING	0x04	/* EAGAIN instead of sleeping; MSG_DONTWAIT does the same */

/* Most pieces in which homa_recv_pages() hands out a message; not more than IOV_MAX */
#define HOMA_MAX_PIECES		1024

/* Most that homa_set_batch() takes */
#define HOMA_MAX_BATCH		64

/* Longest that homa_set_spin() takes, microseconds */
#define HOMA_MAX_SPIN_US	1000000

/* homa_send() flags */
#define HOMA_SENDMSG_PRIVATE	0x01	/* only homa_recv() with this id returns the response */

/**
 * homa_socket() - make a Homa socket
 * @domain: AF_INET, or AF_INET6, which reaches hosts over both versions of IP: those over IPv4 have
 *	    addresses of the form ::ffff:a.b.c.d then. All addresses that are given to or come from the
 *	    socket are of this family: struct sockaddr_in or struct sockaddr_in6.
 * @flags: 0 or SOCK_NONBLOCK; SOCK_CLOEXEC is accepted and always true
 *
 * The descriptor is for poll(), select() and epoll: POLLIN (level-triggered) says that homa_recv()
 * is worth a call, POLLERR | POLLHUP that the device or the transport is gone. It is a client from
 * the start; homa_bind() makes it a server too. $ETRAN_DEV names the link device (or the device
 * below it); without it the first of the network namespace is taken.
 *
 * Return: a descriptor, or -1 with errno: EAFNOSUPPORT (@domain), EINVAL (@flags), ENOENT (module
 * not loaded), ENODEV (no link device), EPROTONOSUPPORT (homa.bpf.o not loaded), EPERM (needs
 * CAP_NET_RAW), EBUSY, ENOBUFS, ENOMEM, EMFILE. etran_strerror_detail() names the cure.
 * Context: any thread.
 */
ETRAN_API int homa_socket(int domain, int flags);

/**
 * homa_bind() - receive requests on a port
 * @fd: Homa socket
 * @addr: port 1..32767, or 0 to change nothing. The address must be INADDR_ANY, in6addr_any or one of
 *	  this host.
 * @addrlen: its size in bytes
 *
 * Return: 0, or -1 with errno: EINVAL (port out of range), EADDRINUSE, EAFNOSUPPORT, EBADF,
 * ENOTSOCK.
 * Context: any thread.
 */
ETRAN_API int homa_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);

/**
 * homa_getsockname() - the port that a socket has
 * @fd: Homa socket
 * @addr: filled in
 * @addrlen: in: room at @addr in bytes; out: size of the address
 *
 * Return: 0, or -1 with errno EBADF, ENOTSOCK, EINVAL, EFAULT.
 * Context: any thread.
 */
ETRAN_API int homa_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen);

/**
 * homa_set_spin() - have waiting calls spin for a while before they sleep
 * @fd: Homa socket
 * @usecs: for how long at most, 0..HOMA_MAX_SPIN_US; 0, as long as $ETRAN_SPIN_US says nothing else, does not
 *
 * homa_recv() and homa_recv_pages() look for a message without system calls for so long, and sleep then. What
 * comes meanwhile is had sooner, and costs no sleep and no wake-up; the processor is busy, though, so set it to
 * what a response usually takes, on machines with a processor for each thread that waits. It adapts: who waited
 * for longer than @usecs spins half as long the next time, down to not at all, and for all of @usecs again
 * after a wait that was short. Of several threads in homa_recv() one spins. Calls that may not wait do not,
 * nor do sockets with O_NONBLOCK.
 *
 * Return: 0, or -1 with errno EINVAL (@usecs), EBADF, ENOTSOCK.
 * Context: any thread; waits that have begun are not changed.
 */
ETRAN_API int homa_set_spin(int fd, unsigned int usecs);

/**
 * homa_set_batch() - have several messages leave with one system call
 * @fd: Homa socket
 * @messages: how many, 1..HOMA_MAX_BATCH; 1, as at first: each leaves when it is sent
 *
 * homa_send() and homa_reply() then leave a message in the socket until there are @messages, or a call finds nothing
 * to receive (whether it sleeps then, spins, or says EAGAIN), or homa_flush() is called. For servers and clients with
 * many RPCs under way, which receive, send, and receive again: it saves most of what a short message costs. Who does something that takes
 * long between sending and receiving, or goes to poll() without having received all that there is, calls homa_flush() first, and
 * who ends without homa_close() loses what waits. Of
 * a message of 64 packets or more, and of all in front of it, 64 leave at a time however many messages there are.
 *
 * Return: 0, or -1 with errno EINVAL (@messages), EBADF, ENOTSOCK; as homa_flush() when more than @messages waited.
 * Context: any thread; for all of them.
 */
ETRAN_API int homa_set_batch(int fd, unsigned int messages);

/**
 * homa_flush() - have what homa_set_batch() left in the socket sent now
 * @fd: Homa socket
 *
 * Return: 0, or -1 with errno EBADF, ENOTSOCK, ENETDOWN (the device is down: it is sent when it is up again; or was
 * removed), ESHUTDOWN.
 * Context: any thread.
 */
ETRAN_API int homa_flush(int fd);

/**
 * homa_send() - send a request
 * @fd: Homa socket
 * @buf: the message
 * @len: its bytes, 1..HOMA_MAX_MESSAGE_LENGTH
 * @dest: the server. The scope id of a link-local address is not looked at: the link device is the
 *	  socket's.
 * @addrlen: its size in bytes
 * @id: out: id of the new RPC, which homa_recv() returns with the response; may be NULL
 * @completion_cookie: returned by homa_recv() with the response
 * @flags: 0, or HOMA_SENDMSG_PRIVATE, MSG_DONTWAIT
 *
 * When it returns, the message is copied and @buf can be reused; the kernel sends and repeats it
 * as needed. Sleeps while too much is under way already, unless MSG_DONTWAIT or O_NONBLOCK is set.
 * A message is taken as a whole or not at all.
 *
 * Return: 0, or -1 with errno: EINVAL (@len, @flags, @dest), EMSGSIZE (device's MTU too small, or
 * more than $ETRAN_TX_FRAMES can hold), EAFNOSUPPORT, EAGAIN, EINTR, EFAULT, ENETDOWN (device
 * gone), ESHUTDOWN (transport unloaded), ENOMEM, EBADF, ENOTSOCK. What happens to the RPC later
 * comes from homa_recv().
 * Context: any thread.
 */
ETRAN_API int homa_send(int fd, const void *buf, size_t len, const struct sockaddr *dest,
			uint32_t addrlen, uint64_t *id, uint64_t completion_cookie, int flags);

/**
 * homa_sendv() - homa_send() of a message that lies in pieces
 * @fd: Homa socket
 * @iov: the pieces
 * @iovcnt: how many, 1..IOV_MAX
 * @dest: as in homa_send()
 * @addrlen: as in homa_send()
 * @id: as in homa_send()
 * @completion_cookie: as in homa_send()
 * @flags: as in homa_send()
 *
 * Return: as homa_send().
 * Context: any thread.
 */
ETRAN_API int homa_sendv(int fd, const struct iovec *iov, int iovcnt, const struct sockaddr *dest,
			 uint32_t addrlen, uint64_t *id, uint64_t completion_cookie, int flags);

/**
 * homa_recv() - receive a request or a response
 * @fd: Homa socket
 * @buf: room for the message
 * @len: bytes at @buf
 * @flags: HOMA_RECV_REQUEST, HOMA_RECV_RESPONSE or both, unless *@id is given;
 *	   HOMA_RECV_NONBLOCKING or MSG_DONTWAIT
 * @src: out: the peer; may be NULL
 * @addrlen: in: room at @src in bytes, at least for an address of the socket's family; out: size of
 *	     the address. May be NULL when @src is.
 * @id: in: 0 for any message that @flags allows, or the id of an RPC that homa_send() started;
 *	out: the RPC. Odd for a request, to be given to homa_reply(); even for a response.
 * @msglen: out: bytes of the whole message; may be NULL
 * @completion_cookie: out: what homa_send() was given, 0 for a request; may be NULL
 *
 * When an RPC failed, the call returns -1, *@id is that RPC and errno says why: ETIMEDOUT (the
 * server does not answer), ENOTCONN (no socket has that port), ECONNRESET (the server lost its
 * state), EHOSTUNREACH, ENETUNREACH, EINVAL (refused by the kernel), ENOBUFS (more incoming
 * data than $ETRAN_RX_BYTES), or what homa_abort() was given. @src and @completion_cookie are
 * filled in then too, and the RPC is over.
 *
 * A message longer than @len is not cut: errno is EMSGSIZE, *@id is its RPC, *@msglen its length,
 * and it waits for a call with more room. Any other failure sets *@id to 0.
 *
 * A call with an id in *@id is served before calls without. Two threads must not wait for one id.
 *
 * Return: bytes of the message, or -1 with errno as above, or: EINVAL (@flags, an id that is no RPC
 * of this socket), EAGAIN (non-blocking, nothing there), EINTR, ENETDOWN (device gone), ESHUTDOWN
 * (transport unloaded), EFAULT, EBADF, ENOTSOCK. What arrived before the device went can still be
 * received.
 * Context: any thread.
 */
ETRAN_API ssize_t homa_recv(int fd, void *buf, size_t len, int flags, struct sockaddr *src,
			    size_t *addrlen, uint64_t *id, size_t *msglen,
			    uint64_t *completion_cookie);

/**
 * homa_recv_pages() - receive a request or a response without copying it
 * @fd: Homa socket
 * @iov: out: the pieces of the message, in order, in the memory that it was received into
 * @iovcnt: in: room at @iov in pieces, of which HOMA_MAX_PIECES are enough for every message; out: how
 *	    many pieces the message has
 * @flags: as in homa_recv()
 * @src: as in homa_recv()
 * @addrlen: as in homa_recv()
 * @id: as in homa_recv()
 * @msglen: as in homa_recv()
 * @completion_cookie: as in homa_recv()
 *
 * The pieces are the caller's, to read and to write, until homa_release_pages() or homa_close(). They can be
 * given to homa_replyv(), homa_sendv() and writev() as they are.
 *
 * A piece is what a packet brought, in a frame of $ETRAN_RX_FRAMES. Those that the caller has are room that
 * peers are not granted: who keeps many is sent less. Who keeps half of the frames is sent no more until some
 * are given back: no call of the socket receives anything then, and it waits or, if it may not wait,
 * fails with ENOBUFS (poll() goes on to report POLLIN). Messages for which there are not frames enough meanwhile
 * are handed out in one piece of ordinary memory, to be given back like the others.
 *
 * A message of more than @iovcnt pieces stays: errno is EMSGSIZE, *@id is its RPC, *@msglen its length,
 * *@iovcnt its pieces. Calls of homa_recv() on the same socket are possible, also for the same message.
 * From the first of these calls on the socket keeps messages in frames, which homa_recv() then
 * copies only once.
 *
 * Return: bytes of the message, or -1 with errno as homa_recv(), or: ENOBUFS with *@id 0 (see above), ENOMEM
 * with *@id not 0 (the message stays), EFAULT (@iov, @iovcnt or @id is NULL), EINVAL (*@iovcnt is negative).
 * Context: any thread.
 */
ETRAN_API ssize_t homa_recv_pages(int fd, struct iovec *iov, int *iovcnt, int flags,
				  struct sockaddr *src, size_t *addrlen, uint64_t *id,
				  size_t *msglen, uint64_t *completion_cookie);

/**
 * homa_release_pages() - give pieces of messages back
 * @fd: the Homa socket that they came from
 * @iov: pieces from homa_recv_pages(), of one message or of several, all or some, in any order
 * @iovcnt: how many; not limited
 *
 * Only where a piece begins is looked at: any address in it will do. Their memory must not be used any more. All
 * are given back, or none.
 *
 * Return: 0, or -1 with errno: EINVAL (a piece is none that the socket has handed out, was given back already,
 * or is there twice; @iovcnt is negative), EFAULT (@iov is NULL), EBADF, ENOTSOCK (the socket was closed, its
 * memory is gone).
 * Context: any thread.
 */
ETRAN_API int homa_release_pages(int fd, const struct iovec *iov, int iovcnt);

/**
 * homa_reply() - answer a request
 * @fd: Homa socket
 * @buf: the response
 * @len: its bytes, 1..HOMA_MAX_MESSAGE_LENGTH
 * @dest: the client, as homa_recv() gave it
 * @addrlen: its size in bytes
 * @id: the request's id, as homa_recv() gave it
 *
 * Each request can be answered once, from any thread, in any order. Sleeps as homa_send() does,
 * unless O_NONBLOCK is set.
 *
 * Return: 0, or -1 with errno: EINVAL (@len, or @id and @dest are no request that homa_recv()
 * returned and that waits for its answer), others as homa_send(). After a failure the request still
 * waits for its answer.
 * Context: any thread.
 */
ETRAN_API ssize_t homa_reply(int fd, const void *buf, size_t len, const struct sockaddr *dest,
			     uint32_t addrlen, uint64_t id);

/**
 * homa_replyv() - homa_reply() with a response that lies in pieces
 * @fd: Homa socket
 * @iov: the pieces
 * @iovcnt: how many, 1..IOV_MAX
 * @dest: as in homa_reply()
 * @addrlen: as in homa_reply()
 * @id: as in homa_reply()
 *
 * Return: as homa_reply().
 * Context: any thread.
 */
ETRAN_API ssize_t homa_replyv(int fd, const struct iovec *iov, int iovcnt,
			      const struct sockaddr *dest, uint32_t addrlen, uint64_t id);

/**
 * homa_abort() - give up RPCs that homa_send() started
 * @fd: Homa socket
 * @id: the RPC; 0 for all that still wait for their response
 * @error: 0: forget it, homa_recv() says nothing of it; else homa_recv() returns it with this errno
 *
 * The server may have executed the RPC already.
 *
 * Return: 0, or -1 with errno: EINVAL (@id is no RPC of this socket that waits for its
 * response, @error negative or above 4095), EAGAIN (the kernel takes no more now), ENETDOWN,
 * ESHUTDOWN, EBADF, ENOTSOCK.
 * Context: any thread.
 */
ETRAN_API int homa_abort(int fd, uint64_t id, int error);

/**
 * homa_close() - end a socket
 * @fd: Homa socket
 *
 * What was sent before still arrives: the kernel keeps it. Unanswered RPCs are forgotten. A
 * thread that sleeps in another call on @fd is woken and gets EBADF. In a child of fork() it
 * closes the child's copies only. Do not use close(): the library's part would stay.
 *
 * Return: 0, or -1 with errno EBADF, ENOTSOCK.
 * Context: any thread.
 */
ETRAN_API int homa_close(int fd);

#ifdef __cplusplus
}
#endif

#endif /* HOMA_H */
