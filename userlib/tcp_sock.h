/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What tcp.c and tcp_share.c share: contexts, sockets, and what either does with them. All of it is guarded by
 * etran_tcp.lock, but for etran_socket.shared, which may be looked at without.
 */
#ifndef ETRAN_TCP_SOCK_H
#define ETRAN_TCP_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <etran/tcp.h>
#include <etran_tcp.h>

#include "lend.h"
#include "list.h"
#include "mutex.h"

/* Empty rings that a context keeps: as many as have data at a time, most likely. */
#define RINGS_MAX	64

enum sock_state {
	SOCK_NEW,
	SOCK_LISTENS,
	SOCK_CONNECTING,
	SOCK_CONNECTED,
	SOCK_ENDED,		/* the protocol is through with it */
};

/**
 * struct part - bytes that are here behind a gap
 * @start: offset in the stream
 * @end: behind the last one
 */
struct part {
	uint64_t start;
	uint64_t end;
};

/**
 * struct tcp_page - a received segment that stays in its frame
 * @data: what was not read of it
 * @len: its bytes
 * @frame: number of the frame
 */
struct tcp_page {
	const uint8_t *data;
	uint32_t len;
	uint32_t frame;
};

/**
 * struct addr - address and port
 * @addr: network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d
 * @port: host byte order
 */
struct addr {
	uint32_t addr[4];
	uint16_t port;
};

/**
 * struct etran_socket - a socket
 * @node: in one of the context's lists: listeners, or all others
 * @busy: in the list of those that have frames
 * @ready: in the list of those that etran_tcp_next() tells of
 * @waiting: in its listener's list
 * @tcp: its context
 * @state: enum sock_state
 * @domain: AF_INET or AF_INET6
 * @nonblock: calls do not wait
 * @bound: @local was given by etran_bind()
 * @listed: is in @ready; likewise @unaccepted: in a listener's
 * @sent_fin: nothing can be sent any more
 * @shut_rd: nothing is to be received any more
 * @has_fin: the stream ends at @fin
 * @opened: was connected, of which etran_tcp_next() has not told
 * @closed: it ends when its frames have come back
 * @error: positive errno to be told, 0 for none
 * @id: of the connection; @listener: of the listener, or of that which it came by
 * @mss: payload of a frame
 * @local: own address
 * @peer: the other's
 * @queue: connections that wait to be accepted
 * @sent: bytes of the stream that were given to the kernel
 * @frames: in which they are, as far as they are not acknowledged
 * @ring: received bytes; byte n of the stream is at n modulo @rcvbuf; NULL: none wait to be read
 * @rcvbuf: its size, a power of two
 * @window: what the transport was told, at most @rcvbuf
 * @read: bytes that were read
 * @told: the same as the transport knows it
 * @have: behind the last byte that can be read
 * @fin: see @has_fin
 * @part: bytes behind gaps, in order
 * @parts: how many
 * @room: of @part
 * @pages: it was asked for pages
 * @page: segments from @read on that stay in their frames, from entry @page_first up to before @page_end; what can be read
 *	behind them is in @ring
 * @page_room: of @page
 * @page_bytes: in them
 * @user: what poll() on its file is told by us, NULL: it has no file
 * @file: its file if that is ours, else -1
 * @taken: a listener's: connections that were accepted, or could not be
 * @option: those that etran_tcp_set() was told before there was a connection or a listener; @chosen: which
 * @open: the newest of @frames, to which bytes are added, with @open_len so far; NULL: there is none
 * @lent: the room in @open is the application's (etran_send_buffer())
 * @waits: ETRAN_TCP_REQ_NAGLE and ETRAN_TCP_REQ_MORE of the frame that was submitted last
 * @nodelay: ETRAN_SOCKET_NODELAY; @cork: ETRAN_SOCKET_CORK
 * @token: a listener's: who knows it may listen there, too; before it listens: that of another
 * @backlog: a listener's
 * @reuseport: ETRAN_SOCKET_REUSEPORT
 * @spare: ETRAN_TCP_SPARE
 * @shared: etran_socket_shared()
 * @reserved: a listener's: the kernel's socket that has the port there (reserve.h), or -1; @others: somebody else has one
 */
struct etran_socket {
	struct list node;
	struct list busy;
	struct list ready;
	struct list waiting;
	struct etran_tcp *tcp;
	enum sock_state state;
	int domain;
	bool nonblock;
	bool bound;
	bool listed;
	bool unaccepted;
	bool sent_fin;
	bool shut_rd;
	bool has_fin;
	bool opened;
	bool closed;
	int error;
	uint64_t id;
	uint32_t listener;
	uint32_t mss;
	struct addr local;
	struct addr peer;
	struct list queue;
	uint64_t sent;
	struct etran_chain frames;
	uint8_t *ring;
	uint32_t rcvbuf;
	uint32_t window;
	uint64_t read;
	uint64_t told;
	uint64_t have;
	uint64_t fin;
	struct part *part;
	uint32_t parts;
	uint32_t room;
	bool pages;
	struct tcp_page *page;
	uint32_t page_first;
	uint32_t page_end;
	uint32_t page_room;
	uint64_t page_bytes;
	struct etran_stream_user *user;
	int file;
	uint64_t taken;
	uint32_t option[ETRAN_TCP_OPTIONS];
	uint32_t chosen;
	struct etran_req *open;
	uint32_t open_len;
	bool lent;
	uint32_t waits;
	bool nodelay;
	bool cork;
	uint64_t token;
	uint32_t backlog;
	bool reuseport;
	bool spare;
	bool others;
	bool shared;
	int reserved;
};

/**
 * struct etran_tcp - a context
 * @lock: guards all of it
 * @ch: its channel
 * @fd: its endpoint
 * @endpoint: the endpoint's id
 * @netns: network namespace of the thread that opened it, see reserve.h
 * @config: as it was opened
 * @all: sockets that do not listen
 * @listeners: those that do
 * @busy: sockets with frames that were not seen to be back, the longest not looked at first
 * @nbusy: how many
 * @ready: see struct etran_socket
 * @ready_told: the kernel knows that @ready is not empty
 * @control: frames without payload
 * @rings: without data, of sockets whose receive buffer is as large as @config says; @nrings: how many
 * @lending: pages that applications have, and that sockets keep for them
 * @slots: connections, by the lower half of their ids
 * @nslots: entries of that
 * @users: mapping of struct etran_stream_user, by number of the stream; NULL before there is one
 */
struct etran_tcp {
	struct mutex lock;
	struct etran_channel *ch;
	int fd;
	uint32_t endpoint;
	ino_t netns;
	struct etran_tcp_config config;
	struct list all;
	struct list listeners;
	struct list busy;
	uint32_t nbusy;
	struct list ready;
	bool ready_told;
	struct etran_chain control;
	uint8_t *rings[RINGS_MAX];
	uint32_t nrings;
	struct lending lending;
	struct etran_socket **slots;
	uint32_t nslots;
	struct etran_stream_user *users;
};

/** tcp_lock() - wait for the context's lock */
static inline void tcp_lock(struct etran_tcp *t)
{
	mutex_lock(&t->lock);
}

/** tcp_unlock() - give the lock up; poll() on the context learns what was taken from the RX ring and not told */
void tcp_unlock(struct etran_tcp *t);

/** tcp_take_all() - take everything that was delivered, for all sockets */
void tcp_take_all(struct etran_tcp *t);

/**
 * tcp_frame_push() - the open frame is the transport's, if there is one
 * @s: the socket
 * @waits: ETRAN_TCP_REQ_NAGLE, ETRAN_TCP_REQ_MORE: what it may wait for there
 */
void tcp_frame_push(struct etran_socket *s, uint32_t waits);

/** tcp_slot_clear() - records of the connection are nobody's from here on */
void tcp_slot_clear(struct etran_tcp *t, const struct etran_socket *s);

/** tcp_ring_drop() - the socket's ring, in which nothing is, is the context's again */
void tcp_ring_drop(struct etran_socket *s);

/** tcp_ring_get() - copy bytes of the stream, @len from @offset, out of the ring, which has them */
void tcp_ring_get(const struct etran_socket *s, uint64_t offset, uint8_t *data, uint32_t len);

/** tcp_pages_to_ring() - what is in frames is in the ring, the frames are the kernel's. Return: 0, -1 without memory. */
int tcp_pages_to_ring(struct etran_socket *s);

/** tcp_was_read() - the application has read @n bytes more: whoever has to know is told */
void tcp_was_read(struct etran_socket *s, uint64_t n);

/**
 * tcp_recv_wait() - nothing can be read
 * @s: the socket
 * @delivered: etran_rx_delivered(), read before tcp_take_all()
 * @dontwait: do not sleep
 *
 * Context: lock held, given up while it sleeps.
 * Return: 1: look again; 0: the stream has ended; -1 with errno.
 */
int tcp_recv_wait(struct etran_socket *s, uint32_t delivered, bool dontwait);

/**
 * tcp_send_ready() - there is an open frame with room, and it is nobody's
 * @s: the socket
 * @dontwait: do not sleep
 *
 * Context: lock held, given up while it sleeps. Return: 0, -1 with errno.
 */
int tcp_send_ready(struct etran_socket *s, bool dontwait);

/** tcp_send_fault() - why can nothing be sent? Tells an error once. Return: 0: it can; -1 with errno */
int tcp_send_fault(struct etran_socket *s);

/** tcp_send_waits() - why what was sent with @flags, MSG_*, may wait for more: ETRAN_TCP_REQ_* */
uint32_t tcp_send_waits(const struct etran_socket *s, int flags);

/* tcp_pages.c: received segments that stay in their frames. */

/**
 * tcp_page_add() - keep the segment at the head of the RX ring
 * @s: the socket
 * @data: payload in that frame, which is next in the stream
 * @len: its bytes, at least 1
 *
 * Return: whether the frame was taken out of the ring. Who added @len to etran_socket.have is the caller.
 */
bool tcp_page_add(struct etran_socket *s, const uint8_t *data, uint32_t len);

/**
 * tcp_pages_get() - copy what is in frames
 * @s: the socket
 * @buf: to where
 * @len: at most so many bytes
 * @take: they are gone then
 *
 * Return: bytes; what is wanted beyond them is in the ring.
 */
uint32_t tcp_pages_get(struct etran_socket *s, uint8_t *buf, uint32_t len, bool take);

/** tcp_pages_drop() - give all frames back, read or not */
void tcp_pages_drop(struct etran_socket *s);

/* The kernel learns of ETRAN_STREAM_* if the socket has a file. */
static inline void user_flag(struct etran_socket *s, uint32_t flag)
{
	if (s->user)
		__atomic_fetch_or(&s->user->flags, flag, __ATOMIC_SEQ_CST);
}

#endif /* ETRAN_TCP_SOCK_H */
