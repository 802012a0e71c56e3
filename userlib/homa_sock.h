/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What a Homa socket is inside the library. Shared by homa*.c. */
#ifndef ETRAN_HOMA_SOCK_H
#define ETRAN_HOMA_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <homa.h>

#include "lend.h"
#include "list.h"
#include "mutex.h"
#include "reassembly.h"

/**
 * enum rpc_state - how far an RPC is
 * @RPC_INCOMING: client: the response is not complete; server: the request is not
 * @RPC_COMPLETE: a message or an error waits for homa_recv()
 * @RPC_SERVICE: server: homa_recv() returned the request
 * @RPC_REPLYING: server: a thread is in homa_reply() with it
 * @RPC_REPLIED: server: the response was given to the kernel, which still has frames of it. Kept
 *		 so long because copies of the request may still be in the RX ring; taken for
 *		 new, they would be executed again.
 */
enum rpc_state {
	RPC_INCOMING,
	RPC_COMPLETE,
	RPC_SERVICE,
	RPC_REPLYING,
	RPC_REPLIED,
};

/**
 * struct homa_peer - another host's socket
 * @addr: network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d
 * @port: host byte order
 */
struct homa_peer {
	__be32 addr[4];
	uint16_t port;
};

/**
 * struct homa_piece - a piece of a message in the frame that it came in
 * @data: its bytes
 * @offset: where they belong in the message
 * @len: how many
 * @frame: number of the frame
 */
struct homa_piece {
	const uint8_t *data;
	uint32_t offset;
	uint32_t len;
	uint32_t frame;
};

/**
 * struct homa_pages - a message that stays in its frames; see homa_pages.c
 * @piece: its pieces in order, none overlaps another; when @room is 0, there is @one at most
 * @count: how many
 * @room: allocated at @piece
 * @len: bytes of the whole message, 0: not begun
 * @got: how many of them are there
 * @one: most messages have one
 */
struct homa_pages {
	struct homa_piece *piece;
	uint32_t count;
	uint32_t room;
	uint32_t len;
	uint32_t got;
	struct homa_piece one;
};

/**
 * struct homa_rpc - an RPC; all under struct homa_sock.lock
 * @hash: next in its bucket, or in homa_sock.spare_rpcs
 * @hashed: it is in the table; false while only @chain keeps it
 * @ready: place in homa_sock.ready: complete, for any homa_recv()
 * @tx: place in homa_sock.tx while @chain is not empty
 * @lru: server, RPC_INCOMING: place in homa_sock.lru
 * @id: at this host; even: we are the client
 * @peer: the other side
 * @state: see there
 * @private: only homa_recv() with its id may return it
 * @claimed: a thread waits for this id
 * @error: client: errno to return instead of a message
 * @generation: server: struct homa_rec.generation
 * @cookie: client: completion cookie
 * @chain: frames of the message that was sent
 * @in: the message that is received, in memory
 * @pages: the same in frames; one of the two is empty
 */
struct homa_rpc {
	struct homa_rpc *hash;
	bool hashed;
	struct list ready;
	struct list tx;
	struct list lru;
	uint64_t id;
	struct homa_peer peer;
	enum rpc_state state;
	bool private;
	bool claimed;
	int error;
	uint32_t generation;
	uint64_t cookie;
	struct etran_chain chain;
	struct reassembly in;
	struct homa_pages pages;
};

/**
 * struct homa_waiter - a thread that sleeps in homa_recv(); lives on its stack
 * @list: place in homa_sock.waiters
 * @flags: HOMA_RECV_REQUEST, HOMA_RECV_RESPONSE
 * @id: RPC that it waits for, 0 for any that @flags allows
 * @delivered: etran_rx_delivered() before the RX ring was found empty
 * @evfd: what wakes it; -1: it is the leader
 * @unready: leader: homa_rx_tell() does not wake it
 * @woken: it was woken already; the leader reads it without the lock
 * @hangup: the endpoint reported an error
 * @full: something is in the RX ring, but the application has too many pages
 */
struct homa_waiter {
	struct list list;
	int flags;
	uint64_t id;
	uint32_t delivered;
	int evfd;
	bool unready;
	bool woken;
	bool hangup;
	bool full;
};

/* Idle eventfds that a socket keeps for its waiters. */
#define HOMA_EVFDS	16

/**
 * struct homa_sock - a Homa socket
 * @lock: protects everything from @fd on, and @ch but for etran_tx_wait() and etran_rx_wait(). It and the
 *	  two behind it outlive the socket.
 * @refs: table entry and calls in progress; atomic, see homa.c
 * @spare: while it is none: next in spare_socks
 * @fd: the endpoint
 * @domain: AF_INET or AF_INET6
 * @forks: etran_forks() when it was made
 * @ch: the channel
 * @endpoint: id of the endpoint
 * @local: own address, zero for any, and port
 * @closing: homa_close() was called
 * @next_id: id of the next request
 * @buckets: hash table of RPCs by id
 * @mask: number of buckets - 1
 * @rpcs: RPCs in the table
 * @spare_rpcs: memory for RPCs, linked by their @hash
 * @spare_count: how many
 * @ready: complete RPCs that any homa_recv() may return, oldest first
 * @ready_told: what the kernel was told of @ready
 * @lru: incomplete requests, the one that waits longest first
 * @tx: RPCs with frames in the kernel; the next one to look at first
 * @tx_count: how many are in @tx
 * @request_frames: frames of requests among them
 * @request_limit: most that requests may have, so that replies always find room
 * @tx_waiters: threads that wait for frames, oldest first; [0] requests, [1] replies
 * @rx_bytes: memory in RPCs' incoming messages
 * @rx_limit: most that it may be
 * @lending: what the application has, and the frames of messages that it may get
 * @waiters: threads that sleep in homa_recv()
 * @leader: the one of them that waits for the kernel
 * @batch: messages that leave with one system call, at most; see homa_set_batch()
 * @batched: those that wait for it
 * @spin_most_ns: how long to spin before sleeping at most, 0: not at all; read without the lock, too
 * @spin_ns: how long the next time; the leader's, without the lock
 * @evfds: idle eventfds
 * @evfd_count: how many
 */
struct homa_sock {
	struct mutex lock;
	unsigned int refs;
	struct homa_sock *spare;
	int fd;
	int domain;
	unsigned int forks;
	struct etran_channel *ch;
	uint32_t endpoint;
	struct homa_peer local;
	bool closing;
	uint64_t next_id;
	struct homa_rpc **buckets;
	uint32_t mask;
	uint32_t rpcs;
	struct homa_rpc *spare_rpcs;
	uint32_t spare_count;
	struct list ready;
	bool ready_told;
	struct list lru;
	struct list tx;
	uint32_t tx_count;
	uint32_t request_frames;
	uint32_t request_limit;
	struct list tx_waiters[2];
	size_t rx_bytes;
	size_t rx_limit;
	struct lending lending;
	struct list waiters;
	struct homa_waiter *leader;
	uint32_t batch;
	uint32_t batched;
	uint32_t spin_most_ns;
	uint32_t spin_ns;
	int evfds[HOMA_EVFDS];
	unsigned int evfd_count;
};

/**
 * struct homa_target - where homa_recv() wants a message
 * @want: what it waits for
 * @buf: the caller's buffer
 * @room: bytes at @buf
 * @iov: where homa_recv_pages() wants its pieces, instead of @buf
 * @iovcnt: in: room at @iov; out: pieces of the message
 * @direct: out: length of the message that was copied to @buf straight from its frames
 */
struct homa_target {
	struct homa_waiter want;
	void *buf;
	size_t room;
	struct iovec *iov;
	int *iovcnt;
	uint32_t direct;
};

/* homa.c */

/**
 * homa_nonblocking() - is O_NONBLOCK set?
 * @s: the socket
 *
 * Asks the kernel, because fcntl() may have changed it: call it only when about to sleep, where the
 * kernel does not look itself.
 * Return: true when it is.
 */
bool homa_nonblocking(const struct homa_sock *s);

/* homa_addr.c: socket addresses */

/** homa_peer_is_ipv4() - is it reached over IPv4? */
bool homa_peer_is_ipv4(const struct homa_peer *peer);

/** homa_peer_is_any() - is it no address: 0.0.0.0 or ::? */
bool homa_peer_is_any(const struct homa_peer *peer);

/** homa_peer_same() - are both the same address and port? */
bool homa_peer_same(const struct homa_peer *x, const struct homa_peer *y);

/** homa_addr_size() - bytes of a socket address of this socket's domain */
socklen_t homa_addr_size(const struct homa_sock *s);

/**
 * homa_addr_get() - take an address from the caller
 * @s: the socket
 * @addr: the address
 * @len: bytes at @addr
 * @peer: out
 * Return: 0, or -1 with errno EINVAL, EAFNOSUPPORT (not of the socket's domain).
 */
int homa_addr_get(const struct homa_sock *s, const struct sockaddr *addr, size_t len,
		  struct homa_peer *peer);

/**
 * homa_addr_put() - give an address to the caller
 * @s: the socket
 * @peer: the address
 * @addr: out: room for homa_addr_size()
 * Return: bytes of it.
 */
socklen_t homa_addr_put(const struct homa_sock *s, const struct homa_peer *peer,
			struct sockaddr *addr);

/* homa_rpc.c: the table of RPCs and their lives. Callers hold homa_sock.lock. */

/**
 * homa_rpc_table() - make an empty table
 * @s: the socket
 * Return: 0, -ENOMEM.
 */
int homa_rpc_table(struct homa_sock *s);

/**
 * homa_rpc_find() - look an RPC up
 * @s: the socket
 * @id: its id at this host
 * @peer: looked at for odd ids only, which several clients may have in common; otherwise may be NULL
 * Return: the RPC, NULL.
 */
struct homa_rpc *homa_rpc_find(struct homa_sock *s, uint64_t id, const struct homa_peer *peer);

/**
 * homa_rpc_new() - make an RPC, in state RPC_INCOMING
 * @s: the socket
 * @id: id at this host
 * @peer: the other side
 * Return: the RPC, NULL without memory.
 */
struct homa_rpc *homa_rpc_new(struct homa_sock *s, uint64_t id, const struct homa_peer *peer);

/**
 * homa_rpc_end() - take an RPC out of the table
 * @s: the socket
 * @rpc: it. Freed here, or when the kernel has given its frames back.
 */
void homa_rpc_end(struct homa_sock *s, struct homa_rpc *rpc);

/**
 * homa_rpc_reclaim() - take an RPC's frames back as far as the kernel has done with them
 * @s: the socket
 * @rpc: it. Freed when nothing else keeps it.
 * Return: true when nothing of its chain is left.
 */
bool homa_rpc_reclaim(struct homa_sock *s, struct homa_rpc *rpc);

/**
 * homa_rpc_drop_message() - free what was received of a message
 * @s: the socket
 * @rpc: it
 */
void homa_rpc_drop_message(struct homa_sock *s, struct homa_rpc *rpc);

/**
 * homa_rpc_free_all() - free all RPCs, what is kept for new ones, and the table
 * @s: the socket; its channel is closed
 */
void homa_rpc_free_all(struct homa_sock *s);

/** homa_rpc_len() - bytes of the message that is received, 0 when none has begun */
static inline uint32_t homa_rpc_len(const struct homa_rpc *rpc)
{
	return rpc->in.len ? rpc->in.len : rpc->pages.len;
}

/* homa_pages.c: messages that stay in their frames. Callers hold homa_sock.lock. */

/**
 * homa_pages_possible() - may the next packet of a message stay in its frame?
 * @s: the socket
 * @rpc: the RPC, NULL for a new one
 * Return: false also when nobody asked for pages.
 */
bool homa_pages_possible(const struct homa_sock *s, const struct homa_rpc *rpc);

/**
 * homa_pages_add() - a packet becomes a piece of a message
 * @s: the socket, homa_pages_possible()
 * @rpc: its RPC
 * @rec: the record, which fits the message
 * @data: payload, in the frame at the head of the RX ring
 *
 * Return: 1: the frame was taken out of the ring; 0: there was nothing new in it; -E2BIG, -ENOMEM: the message
 * has to be put together in memory, and is as it was.
 */
int homa_pages_add(struct homa_sock *s, struct homa_rpc *rpc, const struct homa_rec *rec,
		   const uint8_t *data);

/**
 * homa_pages_to_memory() - copy what is there of a message to homa_rpc.in, give its frames back
 * @s: the socket
 * @rpc: the RPC, with or without pieces
 * Return: 0, -ENOMEM, -E2BIG.
 */
int homa_pages_to_memory(struct homa_sock *s, struct homa_rpc *rpc);

/**
 * homa_pages_drop() - give the frames of a message back
 * @s: the socket
 * @rpc: its RPC
 */
void homa_pages_drop(struct homa_sock *s, struct homa_rpc *rpc);

/** homa_pages_forget() - make homa_rpc.pages empty; what becomes of the frames is somebody else's business */
void homa_pages_forget(struct homa_rpc *rpc);

/**
 * homa_pages_copy() - copy a whole message out of its frames
 * @rpc: its RPC
 * @buf: room for it
 */
void homa_pages_copy(struct homa_rpc *rpc, void *buf);

/** homa_pages_count() - in how many pieces a whole message is handed out */
uint32_t homa_pages_count(const struct homa_rpc *rpc);

/**
 * homa_pages_lend() - hand a whole message out; the RPC has none then
 * @s: the socket, lending_begin()
 * @rpc: its RPC
 * @iov: out: room for homa_pages_count()
 * Return: pieces, or -1 with errno ENOMEM, and nothing has changed.
 */
int homa_pages_lend(struct homa_sock *s, struct homa_rpc *rpc, struct iovec *iov);

/**
 * homa_pages_release() - take back what homa_pages_lend() handed out
 * @s: the socket
 * @iov: pieces of any messages, in any order
 * @iovcnt: how many
 * Return: 0, or -1 with errno EINVAL, and nothing has changed.
 */
int homa_pages_release(struct homa_sock *s, const struct iovec *iov, int iovcnt);

/* homa_rx.c: received records, waiting. Callers hold homa_sock.lock. */

/**
 * homa_rx_next() - next complete RPC that a homa_recv() wants
 * @s: the socket
 * @t: what it wants
 *
 * Empties the RX ring only as far as needed, so that poll() goes on to report the rest. When there is
 * none, @t->want is ready for homa_rx_sleep().
 * Return: the RPC, NULL when there is none now.
 */
struct homa_rpc *homa_rx_next(struct homa_sock *s, struct homa_target *t);

/**
 * homa_rx_drain() - empty the RX ring, unless too much is in memory already
 * @s: the socket
 */
void homa_rx_drain(struct homa_sock *s);

/**
 * homa_rx_complete() - an RPC got its message or its error
 * @s: the socket
 * @rpc: it
 */
void homa_rx_complete(struct homa_sock *s, struct homa_rpc *rpc);

/**
 * homa_rx_sleep() - sleep until something that is wanted may be there; gives up the lock meanwhile
 * @s: the socket
 * @w: what is wanted
 * Return: 0, -EINTR, -EAGAIN (O_NONBLOCK is set), or a negative errno of poll() or eventfd().
 */
int homa_rx_sleep(struct homa_sock *s, struct homa_waiter *w);

/** homa_rx_tell_kernel() - homa_rx_tell() has news */
void homa_rx_tell_kernel(struct homa_sock *s, bool ready);

/**
 * homa_rx_tell() - let poll() report what was taken from the RX ring and is not delivered yet
 * @s: the socket. To be called before each unlock that follows a change of homa_sock.ready. Leaves errno
 *     as it was.
 */
static inline void homa_rx_tell(struct homa_sock *s)
{
	bool ready = !list_empty(&s->ready) || s->closing;

	if (ready != s->ready_told)
		homa_rx_tell_kernel(s, ready);
}

/**
 * homa_rx_wake_all() - wake all threads in homa_rx_sleep()
 * @s: the socket, @closing
 */
void homa_rx_wake_all(struct homa_sock *s);

/**
 * homa_rx_hand_over() - see that one of the sleeping threads waits for the kernel
 * @s: the socket
 */
void homa_rx_hand_over(struct homa_sock *s);

/* homa_tx.c: sending. Callers hold homa_sock.lock. */

/**
 * homa_tx_dead() - is the socket beyond use?
 * @s: the socket
 * Return: 0, or -1 with errno EBADF (@closing), ENETDOWN, ESHUTDOWN.
 */
int homa_tx_dead(struct homa_sock *s);

/**
 * homa_tx_frames() - have enough free frames for a message; may give up the lock meanwhile
 * @s: the socket
 * @peer: where it goes
 * @len: bytes of the message
 * @reply: it is a response
 * @dontwait: rather fail than sleep, as with O_NONBLOCK
 *
 * Return: bytes of payload a frame, or -1 with errno EMSGSIZE, EAGAIN, EINTR, or as
 * homa_tx_dead().
 */
int homa_tx_frames(struct homa_sock *s, const struct homa_peer *peer, size_t len, bool reply,
		   bool dontwait);

/**
 * homa_tx_message() - give a message to the kernel
 * @s: the socket, right after homa_tx_frames()
 * @rpc: its RPC, without frames so far
 * @op: HOMA_OP_REQUEST or HOMA_OP_RESPONSE
 * @iov: the message
 * @len: its bytes
 * @segment: from homa_tx_frames()
 */
void homa_tx_message(struct homa_sock *s, struct homa_rpc *rpc, enum homa_op op,
		     const struct iovec *iov, size_t len, uint32_t segment);

/**
 * homa_tx_flush() - have the kernel send all that it was given
 * @s: the socket
 * Return: as etran_tx_kick().
 */
int homa_tx_flush(struct homa_sock *s);

/**
 * homa_tx_abort() - tell the kernel to forget client RPCs
 * @s: the socket
 * @id: the RPC, 0 for all
 * @peer: its peer
 * Return: 0, or -1 with errno EAGAIN (no frame is free now).
 */
int homa_tx_abort(struct homa_sock *s, uint64_t id, const struct homa_peer *peer);

#endif /* ETRAN_HOMA_SOCK_H */
