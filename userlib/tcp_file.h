/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What the POSIX shim (preload/) needs of TCP's sockets beyond etran_tcp.h: sockets whose file is owned by somebody else.
 * All of these may run beside other calls on the same socket, but for etran_socket_drop().
 */
#ifndef ETRAN_TCP_FILE_H
#define ETRAN_TCP_FILE_H

#include <stdbool.h>
#include <etran/conn.h>
#include <etran_tcp.h>

/**
 * etran_socket_file() - a file for a listener or connection (ETRAN_IOC_STREAM_OPEN)
 * @s: it listens, is being connected or connected, and has none
 * @flags: O_CLOEXEC, O_NONBLOCK
 * @beside: kernel's socket that poll() tells of as well, or -1
 *
 * Return: descriptor, the caller's, whose last close closes the connection; or -1 with errno.
 */
int etran_socket_file(struct etran_socket *s, int flags, int beside);

/* As etran_accept(), but the file is to follow at once, and accepts it. Never waits. */
struct etran_socket *etran_accept_file(struct etran_socket *l, struct sockaddr *addr, socklen_t *len);

/*
 * As etran_connect() on a new socket that does not wait, but the peer learns nothing before etran_socket_go(): who gives
 * the socket's file a number that others know does that first. Return: 0, -1 with errno.
 */
int etran_connect_later(struct etran_socket *s, const struct sockaddr *addr, socklen_t len);
void etran_socket_go(struct etran_socket *s);

/* Everything that was sent has been read by the kernel, so that the file may be closed. */
void etran_socket_flush(struct etran_socket *s);

/* The file was closed, by this process at least: forget the socket, without a word to the transport. */
void etran_socket_drop(struct etran_socket *s);

/* The last close is to be an abort, or not. */
void etran_socket_linger(struct etran_socket *s, bool abort);

/* Bytes that can be read; bytes that are not acknowledged, about. */
size_t etran_socket_readable(struct etran_socket *s);
size_t etran_socket_unacked(struct etran_socket *s);

/* Payload of a full segment; 0 before there is a connection. */
uint32_t etran_socket_mss(const struct etran_socket *s);

/* Is the handshake under way? */
bool etran_socket_connecting(struct etran_socket *s);

/* All descriptors of a context, none of its sockets. Return: how many, at most 4. */
int etran_tcp_fds(const struct etran_tcp *t, int fds[4]);

/*
 * etran_send() with this flag leaves a frame that is not full open for the next call on the socket. So whoever sends in pieces
 * uses no more frames than it must, and ends with etran_socket_push(), @flags of which are the whole's: MSG_MORE or 0.
 */
#define SOCKET_SEND_OPEN	0x10000000
void etran_socket_push(struct etran_socket *s, int flags);

/* A listener gets no connections as long as others listen beside it that are not spare. Also before it listens. */
void etran_socket_spare(struct etran_socket *s, bool spare);

/* The port of a socket that is to listen is reserved in the kernel by somebody else. */
void etran_socket_reserved(struct etran_socket *s);

/*
 * Listen where @other does, with its options, beside it. @other may be another process's, of which this one, as a child of
 * fork(), has a copy: only its memory is looked at. Return: as etran_listen().
 */
int etran_listen_beside(struct etran_socket *s, const struct etran_socket *other);

/* Can it be connected, or was it? False: it has ended. */
bool etran_socket_lives(struct etran_socket *s);

/**
 * etran_conn_read() - as etran_tcp_info(), of a connection that is not this process's
 * @fd: endpoint or shared stream that it belongs to
 * @id: what the transport knows it by
 * @info: out
 *
 * Return: 0, or -1 with errno ENOTCONN (it has ended).
 */
int etran_conn_read(int fd, uint64_t id, struct etran_conn_record *info);

/*
 * Data of these connections goes through their files from here on, which all processes can use that have them: see
 * ETRAN_IOC_STREAM_SHARE. What was sent is with the kernel, and what was received and not read. Calls of other threads
 * that are under way return what they have done, or fail with ESTALE. Those that this could not be done for (their handshake is
 * not over, the lower device takes nothing) stay as they are; so do listeners.
 */
void etran_sockets_share(struct etran_tcp *t, struct etran_socket **sockets, unsigned int n);

/* Was that done? Then nothing but etran_socket_drop(), etran_getsockname() and etran_getpeername() is for it. */
bool etran_socket_shared(const struct etran_socket *s);

#endif /* ETRAN_TCP_FILE_H */
