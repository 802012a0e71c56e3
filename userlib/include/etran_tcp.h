/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * TCP on etran, with calls like those for sockets.
 *
 * A context is a door to the network, with memory of its own: etran_tcp_open(). It has any number of sockets, which are
 * listeners or connections, and one descriptor for all of them, for poll() and epoll: when that is readable,
 * etran_tcp_next() tells which sockets have something. Threads may share a context and its sockets; those that are to
 * run without waiting for each other use a context each.
 *
 * Data that was accepted by etran_send() still arrives when the socket or the context is closed, or the process ends.
 * All calls that fail set errno and leave a sentence for etran_strerror_detail().
 */
#ifndef ETRAN_TCP_H
#define ETRAN_TCP_H

#include <etran.h>
#include <etran/conn.h>
#include <etran/tcp.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct etran_tcp;
struct etran_socket;

/**
 * struct etran_tcp_config - what etran_tcp_open() is asked for
 * @channel: device and memory, as for etran_channel_open()
 * @rcvbuf: bytes that a peer may send before they are read; 0: the transport's tunable tcp_rcvbuf
 * @sndbuf: frames that one connection may have unacknowledged; 0: a quarter of all
 * @congestion: 0: the transport's choice; 1: NewReno; 2: DCTCP; 3: CUBIC
 */
struct etran_tcp_config {
	struct etran_channel_config channel;
	uint32_t rcvbuf;
	uint32_t sndbuf;
	uint32_t congestion;
};

/**
 * etran_tcp_open() - a context
 * @config: wishes; NULL for all defaults
 *
 * Return: the context, or NULL with errno as of etran_channel_open() and etran_endpoint_attach().
 * Context: any thread.
 */
ETRAN_API struct etran_tcp *etran_tcp_open(const struct etran_tcp_config *config);

/**
 * etran_tcp_close() - end a context and all its sockets
 * @tcp: the context; NULL is ignored
 *
 * As if each socket was closed. Context: not concurrent with any other call on @tcp or its sockets.
 */
ETRAN_API void etran_tcp_close(struct etran_tcp *tcp);

/**
 * etran_tcp_fd() - the descriptor to wait on
 * @tcp: the context
 *
 * Return: a descriptor that belongs to @tcp. POLLIN: etran_tcp_next() may have something. It says nothing of
 * sockets that can be written to again.
 */
ETRAN_API int etran_tcp_fd(const struct etran_tcp *tcp);

/**
 * etran_tcp_next() - a socket of which something is to be known
 * @tcp: the context
 * @events: POLLIN (etran_recv() or etran_accept() would not block), POLLOUT (the connection was established),
 *	    POLLERR, POLLHUP
 *
 * Each socket is told of once for each time that something new comes for it. Return: the socket, or NULL.
 */
ETRAN_API struct etran_socket *etran_tcp_next(struct etran_tcp *tcp, short *events);

/**
 * etran_socket() - a socket of a context
 * @tcp: the context
 * @domain: AF_INET or AF_INET6
 * @flags: SOCK_NONBLOCK or 0
 *
 * Return: the socket, or NULL with errno EAFNOSUPPORT, EINVAL, ENOMEM.
 */
ETRAN_API struct etran_socket *etran_socket(struct etran_tcp *tcp, int domain, int flags);

/**
 * etran_socket_fd() - a descriptor of a listener's or connection's own, for poll() and epoll
 * @s: it listens, is being connected or connected
 *
 * As of a kernel's socket: level- and edge-triggered, in any set, from any thread. POLLIN: etran_recv() or etran_accept()
 * would not block; POLLOUT: connected, and room after etran_send() had none; POLLRDHUP, POLLHUP, POLLERR.
 * etran_tcp_next() tells of @s no more.
 *
 * Return: the descriptor, which belongs to @s and is closed with it (a copy made by dup() or fork() keeps the connection
 * open); or -1 with errno EINVAL, EMFILE, ENFILE, ENOMEM, ENOENT (the connection has ended).
 */
ETRAN_API int etran_socket_fd(struct etran_socket *s);

/**
 * etran_bind() - as bind()
 * @s: the socket, not connected and not listening
 * @addr: address and port; port 0 is chosen by etran_listen() or etran_connect()
 * @len: of @addr
 *
 * Whether the port is free is seen there, too. Return: 0, or -1 with errno EINVAL, EAFNOSUPPORT.
 */
ETRAN_API int etran_bind(struct etran_socket *s, const struct sockaddr *addr, socklen_t len);

/**
 * etran_listen() - as listen()
 * @s: the socket
 * @backlog: connections that may wait for etran_accept()
 *
 * The port is reserved in the kernel's TCP, too, for as long as @s is open.
 * Return: 0, or -1 with errno EADDRINUSE (by etran or by the kernel's TCP), ENOMEM, EINVAL.
 */
ETRAN_API int etran_listen(struct etran_socket *s, int backlog);

/**
 * etran_accept() - as accept4()
 * @s: a listener
 * @addr: out: the peer's address; may be NULL
 * @len: in: room; out: length
 * @flags: SOCK_NONBLOCK or 0, of the new socket
 *
 * Return: the connection, or NULL with errno EAGAIN, EINVAL, EINTR, ENETDOWN.
 */
ETRAN_API struct etran_socket *etran_accept(struct etran_socket *s, struct sockaddr *addr,
					    socklen_t *len, int flags);

/**
 * etran_connect() - as connect()
 * @s: the socket
 * @addr: the peer's address
 * @len: of @addr
 *
 * Return: 0, or -1 with errno EINPROGRESS (non-blocking: POLLOUT follows), ECONNREFUSED, ETIMEDOUT, EADDRINUSE,
 * EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH, EISCONN, EALREADY, EINTR, ENETDOWN.
 */
ETRAN_API int etran_connect(struct etran_socket *s, const struct sockaddr *addr, socklen_t len);

/**
 * etran_send() - as send()
 * @s: a connection
 * @buf: data
 * @len: its bytes
 * @flags: MSG_DONTWAIT, MSG_NOSIGNAL (never a signal comes), MSG_MORE, MSG_BATCH or 0
 *
 * What does not fill a segment waits while another such segment is not acknowledged (Nagle's algorithm), unless the socket has
 * ETRAN_SOCKET_NODELAY; and with MSG_MORE until there is more, for a retransmission timeout at most, some 200 ms. It waits in
 * the kernel, and is sent when the process has ended, too.
 *
 * With MSG_BATCH the kernel is not told at once, which saves a system call for each: it is by the next call on any socket of the
 * context that sends without it or ends something, or that finds nothing to do: etran_recv(), etran_accept() and
 * etran_connect() when they would wait, etran_tcp_next() when it returns NULL. Until then it is lost with the process. For
 * programs that answer several sockets, and for those that wait for an answer next.
 *
 * Return: how many bytes were taken, all of them when it may block; or -1 with errno EAGAIN, EPIPE, ECONNRESET,
 * ETIMEDOUT, ENOTCONN, EBUSY (etran_send_buffer()), EINTR, ENETDOWN.
 */
ETRAN_API ssize_t etran_send(struct etran_socket *s, const void *buf, size_t len, int flags);

/**
 * etran_recv() - as recv()
 * @s: a connection
 * @buf: out: data
 * @len: room
 * @flags: MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL or 0
 *
 * Return: bytes, 0 at the end of the stream, or -1 with errno EAGAIN, ECONNRESET, ETIMEDOUT, ENOTCONN, EINTR,
 * ENETDOWN.
 */
ETRAN_API ssize_t etran_recv(struct etran_socket *s, void *buf, size_t len, int flags);

/**
 * etran_recv_pages() - receive without copying
 * @s: a connection
 * @iov: out: pieces of the stream, in order; the caller's, to read and to write, until etran_release_pages()
 * @iovcnt: in: room at @iov, at least 1; out: pieces
 * @flags: MSG_DONTWAIT or 0
 *
 * From the first call on, segments that come in order stay in the frames that the kernel put them into, and are handed out
 * there, a piece each. What had to be put in order, and what came when three quarters of the context's frames were out already, is
 * handed out as one piece of ordinary memory, which is a copy. Frames that are out cannot be received into, for all
 * sockets of the context, so give them back soon; when half of them are the application's, there are no more (ENOBUFS).
 * etran_recv() may be used beside it.
 *
 * Return: bytes, 0 at the end of the stream, or -1 with errno as of etran_recv(), ENOBUFS, ENOMEM, EINVAL (@iovcnt, @flags),
 * EFAULT.
 */
ETRAN_API ssize_t etran_recv_pages(struct etran_socket *s, struct iovec *iov, int *iovcnt, int flags);

/**
 * etran_release_pages() - give back what etran_recv_pages() handed out
 * @s: any socket of the context
 * @iov: pieces, of any sockets of the context, in any order; known by any address in them, iov_len is not looked at
 * @iovcnt: how many
 *
 * Pieces outlive their connection; the context frees all. Return: 0, or -1 with errno EINVAL (one was not handed out, was given
 * back before, or is there twice; then none is given back), EFAULT.
 */
ETRAN_API int etran_release_pages(struct etran_socket *s, const struct iovec *iov, int iovcnt);

/**
 * etran_send_buffer() - where the next bytes to be sent can be written, without a copy
 * @s: a connection
 * @len: out: room, bytes: what is free of a segment
 * @flags: MSG_DONTWAIT or 0
 *
 * The socket has one such buffer at a time, and etran_send() fails with EBUSY until it is committed.
 *
 * Return: the buffer, the caller's until etran_send_commit(), etran_shutdown() or the end of the socket; or NULL with errno as
 * of etran_send(), EBUSY (the last one was not committed), EINVAL, EFAULT.
 */
ETRAN_API void *etran_send_buffer(struct etran_socket *s, size_t *len, int flags);

/**
 * etran_send_commit() - send what was written to etran_send_buffer()'s buffer
 * @s: the connection
 * @len: bytes, from its beginning on; 0: none, the buffer is given up
 * @flags: as of etran_send(): MSG_MORE, MSG_BATCH; it never waits
 *
 * Return: 0, or -1 with errno EINVAL (@len is more than there was room, which leaves the buffer as it is; there is no buffer),
 * EPIPE, ECONNRESET, ETIMEDOUT, ESTALE, ENETDOWN.
 */
ETRAN_API int etran_send_commit(struct etran_socket *s, size_t len, int flags);

/**
 * etran_shutdown() - as shutdown()
 * @s: a connection
 * @how: SHUT_RD, SHUT_WR, SHUT_RDWR
 *
 * Return: 0, or -1 with errno ENOTCONN, EINVAL.
 */
ETRAN_API int etran_shutdown(struct etran_socket *s, int how);

/**
 * etran_abort() - as close() with SO_LINGER and no time: the peer is sent RST
 * @s: the socket; gone afterwards
 */
ETRAN_API void etran_abort(struct etran_socket *s);

/**
 * etran_close() - as close()
 * @s: the socket; gone afterwards. NULL is ignored.
 *
 * What was sent still arrives. With received data unread the peer is sent RST.
 * Context: not concurrent with any other call on @s.
 */
ETRAN_API void etran_close(struct etran_socket *s);

/**
 * etran_getsockname() - as getsockname()
 * @s: the socket
 * @addr: out
 * @len: in: room; out: length
 *
 * Return: 0, or -1 with errno EINVAL.
 */
ETRAN_API int etran_getsockname(const struct etran_socket *s, struct sockaddr *addr, socklen_t *len);

/**
 * etran_getpeername() - as getpeername()
 * @s: the socket
 * @addr: out
 * @len: in: room; out: length
 *
 * Return: 0, or -1 with errno EINVAL, ENOTCONN.
 */
ETRAN_API int etran_getpeername(const struct etran_socket *s, struct sockaddr *addr, socklen_t *len);

/**
 * etran_socket_error() - as getsockopt(SO_ERROR)
 * @s: the socket
 *
 * Return: positive errno, 0 for none; it is told once.
 */
ETRAN_API int etran_socket_error(struct etran_socket *s);

/**
 * enum etran_socket_option - options that are the library's own, for etran_tcp_set()
 * @ETRAN_SOCKET_REUSEPORT: before etran_listen(): 1: other sockets of the same user may listen at the same port and
 *	address if they have this, too; connections are spread over them (SO_REUSEPORT)
 * @ETRAN_SOCKET_NODELAY: 1: what does not fill a segment does not wait for the ACK of another such (TCP_NODELAY)
 * @ETRAN_SOCKET_CORK: 1: all is sent as with MSG_MORE (TCP_CORK)
 */
enum etran_socket_option {
	ETRAN_SOCKET_REUSEPORT	= 64,
	ETRAN_SOCKET_NODELAY	= 65,
	ETRAN_SOCKET_CORK	= 66,
};

/**
 * etran_tcp_set() - an option of a socket
 * @s: the socket, at any time before its end
 * @option: ETRAN_TCP_KEEPALIVE (1: on), ETRAN_TCP_KEEPALIVE_IDLE, ETRAN_TCP_KEEPALIVE_INTERVAL (milliseconds),
 *	ETRAN_TCP_KEEPALIVE_COUNT, ETRAN_TCP_USER_TIMEOUT (milliseconds), ETRAN_TCP_CONGESTION (ETRAN_TCP_CC_*), or enum
 *	etran_socket_option
 * @value: 0: what the system has, or off
 *
 * A listener's are those that its connections begin with. Return: 0, or -1 with errno EINVAL (value), ENOPROTOOPT (no such
 * option), ENOTCONN (the connection has ended).
 */
ETRAN_API int etran_tcp_set(struct etran_socket *s, int option, uint32_t value);

/**
 * etran_tcp_info() - what a connection is like
 * @s: a connection
 * @info: out; members that the loaded transport does not know are 0
 *
 * It is told in parts: members may be of moments that are microseconds apart. Return: 0, or -1 with errno ENOTCONN.
 */
ETRAN_API int etran_tcp_info(struct etran_socket *s, struct etran_conn_record *info);

#ifdef __cplusplus
}
#endif

#endif /* ETRAN_TCP_H */
