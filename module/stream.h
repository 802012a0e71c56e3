/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of streams share. stream.c: the file, poll(), what transports say; share.c: data that goes through the
 * file; hub.c: the frames which that takes.
 */
#ifndef _ETRAN_STREAM_H
#define _ETRAN_STREAM_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/uio.h>
#include "etran.h"

#define STREAM_IN	(EPOLLIN | EPOLLRDNORM)
#define STREAM_OUT	(EPOLLOUT | EPOLLWRNORM)
#define STREAM_ALL	(STREAM_IN | STREAM_OUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP)

/**
 * struct etran_share - of a stream whose data goes through its file
 * @ref: one of the stream, one of each frame under way
 * @hub: its endpoint and frames
 * @user: what applications say of other streams in memory that both see; here the module says it
 * @tx: one writer at a time: @sent, @waits, and the order of frames
 * @rx: one reader at a time: user.read
 * @lock: @page, @have, @fin, @failed, @given, user.read, user.flags
 * @given: all that was received before is here
 * @fin: the stream from the peer ends at @have
 * @failed: @error was set; it may be taken since
 * @have: behind the last byte of it that the transport has, as far as there is no gap
 * @told: how far it was read, as the transport knows it; under @rx
 * @sent: bytes that were submitted
 * @waits: ETRAN_STREAM_REQ_* of the last frame: why it may wait
 * @segment: most bytes of payload in a frame
 * @id: the stream's number in the hub
 * @room: bytes that the peer may send beyond user.read
 * @error: positive errno that nobody was told of; 0: none
 * @out: its frames that are under way
 * @rcu: for freeing
 * @pages: entries of @page, a power of two
 * @page: byte n of the stream is in page n / PAGE_SIZE modulo @pages; NULL: nothing is there
 */
struct etran_share {
	refcount_t ref;
	struct etran_hub *hub;
	struct etran_stream_user user;
	struct mutex tx;	/* see above */
	struct mutex rx;	/* see above */
	spinlock_t lock;	/* see above */
	bool given;
	bool fin;
	bool failed;
	u64 have;
	u64 told;
	u64 sent;
	u32 waits;
	u32 segment;
	u32 id;
	u32 room;
	u32 error;
	atomic_t out;
	struct rcu_head rcu;
	u32 pages;
	void *page[] __counted_by(pages);
};

/**
 * struct etran_st - a stream
 * @pub: what programs see
 * @ep: the endpoint that opened it, referenced; NULL once that has nothing to do with it any more
 * @id: its number there
 * @beside: socket that poll() tells of as well, or NULL
 * @share: its data goes through the file, once @shared is set. Never taken back
 * @shared: see @share
 * @wait: who polls, reads or writes
 * @avail: how far deliveries go; only grows
 * @state: ETRAN_STREAM_*, those that are sticky; none is taken back
 * @rcu: programs may still find it
 */
struct etran_st {
	struct etran_stream pub;
	struct etran_ep *ep;
	u32 id;
	struct file *beside;
	struct etran_share *share;
	bool shared;
	wait_queue_head_t wait;
	atomic64_t avail;
	atomic_t state;
	struct rcu_head rcu;
};

/* Data of @st goes through its file, or NULL. What is returned lasts as long as @st. */
static inline struct etran_share *share_of(const struct etran_st *st)
{
	/* Pairs with the release in share_one(): it is complete. */
	return smp_load_acquire(&st->shared) ? st->share : NULL;
}

/* stream.c */
void etran_stream_tell(struct etran_st *st, __poll_t events);
void etran_stream_leave(struct etran_st *st);

/* share.c */
bool etran_share_readable(struct etran_share *share);
void etran_share_news(struct etran_share *share, u64 avail, u32 set);
void etran_share_orphan(struct etran_st *st);
void etran_share_close(struct etran_st *st);
void etran_share_put(struct etran_share *share);
void etran_share_info(struct etran_share *share, struct etran_stream_info *info);
ssize_t etran_share_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t etran_share_write(struct kiocb *iocb, struct iov_iter *from);
long etran_share_ioctl(struct file *file, unsigned int cmd, void __user *arg);

/* hub.c */

/* Frames that a writer takes in one go. */
#define ETRAN_HUB_BATCH		16
/* Bytes of a frame of a hub, request included. */
#define ETRAN_HUB_FRAME		2048U

struct etran_hub *etran_hub_get(struct etran_ep *ep);
void etran_hub_put(struct etran_hub *hub);
struct etran_ep *etran_hub_endpoint(struct etran_hub *hub);
bool etran_hub_alive(struct etran_hub *hub);
u32 etran_hub_take(struct etran_hub *hub, u32 *chunks, u32 n);
void etran_hub_drop(struct etran_hub *hub, const u32 *chunks, u32 n);
void *etran_hub_payload(struct etran_hub *hub, u32 chunk);
bool etran_hub_has_room(struct etran_hub *hub, struct etran_share *share);
u32 etran_hub_send(struct etran_hub *hub, struct etran_share *share, const struct etran_stream_req *req,
		   const u32 *chunks, const u32 *len, u32 n);
bool etran_hub_ask(struct etran_hub *hub, u16 op, const struct etran_stream_req *req);

#endif /* _ETRAN_STREAM_H */
