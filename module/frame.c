// SPDX-License-Identifier: GPL-2.0
/*
 * Frames that a transport keeps, named by handle.
 *
 * A frame stays where the application put it, in a chunk of its UMEM; the kernel keeps one struct
 * etran_frame a chunk, allocated when the socket is bound. So holding a frame allocates nothing, and
 * a chunk that is submitted again while it is kept is recognised by looking at its entry. (Rejected:
 * frame structs in the UMEM's headroom, as the research prototype had them: the application can
 * write there. Rejected: a pointer to the frame for the program, with acquire and release: the
 * verifier still lets it use the original argument, and destructors can run after the pool is gone.)
 *
 * A handle is generation, channel and chunk. The generation of an entry changes when its frame ends,
 * so a stale handle is found out by one comparison; each entry begins at a random generation, so a
 * handle of a dead socket does not fit the next one that gets its number.
 *
 * Only egress makes an entry HELD, under the channel's tx_lock. Any CPU may end it: who succeeds with
 * cmpxchg on the tag does the accounting. A reader copies, then looks at the tag again.
 */
#include <linux/random.h>
#include "etran.h"

#define CHUNK_BITS	20
#define CHANNEL_BITS	16
#define GEN_MASK	((1U << (64 - CHUNK_BITS - CHANNEL_BITS)) - 1)

static u64 make_handle(const struct etran_channel *ch, u32 chunk, u32 tag)
{
	return (u64)(tag >> 1 & GEN_MASK) << (CHUNK_BITS + CHANNEL_BITS) |
	       (u64)ch->id << CHUNK_BITS | chunk;
}

/* The entry that @handle names, if it is still that frame. Context: RCU read side. */
static struct etran_frame *find_frame(u64 handle, struct etran_channel **chp, u32 *tagp)
{
	u32 chunk = handle & ((1U << CHUNK_BITS) - 1), tag;
	struct etran_channel *ch;

	ch = xa_load(&etran_channels, handle >> CHUNK_BITS & ((1U << CHANNEL_BITS) - 1));
	if (!ch || chunk >= ch->chunks)
		return NULL;
	/* Pairs with the release in etran_frame_hold(): the entry is complete. */
	tag = smp_load_acquire(&ch->frames[chunk].tag);
	if (!(tag & ETRAN_FRAME_HELD) || make_handle(ch, chunk, tag) != handle)
		return NULL;
	*chp = ch;
	*tagp = tag;
	return &ch->frames[chunk];
}

/* The same, if @t holds it. Context: RCU read side. */
static struct etran_frame *find_own(struct etran_transport *t, u64 handle,
				    struct etran_channel **chp, u32 *tagp)
{
	struct etran_frame *f = find_frame(handle, chp, tagp);
	struct etran_ep *ep;

	if (!f)
		return NULL;
	ep = etran_endpoint_lookup(READ_ONCE(f->endpoint));
	if (!ep || ep->transport != t)
		return NULL;
	/* The entry may be another frame's by now. */
	smp_rmb();
	return READ_ONCE(f->tag) == *tagp ? f : NULL;
}

enum end_reason { END_RELEASED, END_DEVICE };

/* End a kept frame. Return: false when another CPU was first. */
static bool end_frame(struct etran_channel *ch, struct etran_frame *f, u32 tag,
		      enum end_reason why)
{
	struct etran_ep *ep = etran_endpoint_lookup(READ_ONCE(f->endpoint));
	struct etran_transport *t = ep ? ep->transport : NULL;
	bool sent = READ_ONCE(f->sent);

	if (cmpxchg(&f->tag, tag, (tag & ~ETRAN_FRAME_HELD) + ETRAN_FRAME_GEN) != tag)
		return false;

	if (sent) {
		etran_count(ch->link, t, frames_transmitted);
		atomic64_inc(&ch->transmitted);
	} else {
		etran_count(ch->link, t, frames_dropped);
		if (why == END_RELEASED)
			etran_count(ch->link, t, frame_released);
		else
			etran_count(ch->link, t, frame_device);
		atomic64_inc(&ch->dropped);
	}
	etran_add(ch->link, t, frames_held, -1);
	WRITE_ONCE(ch->status->held, atomic_dec_return(&ch->held));
	/* Last: from here on the application may use the chunk again. */
	smp_store_release(&ch->busy[f - ch->frames], 0);
	atomic_inc((atomic_t *)&ch->status->released);
	if (!WARN_ON_ONCE(!ep))
		etran_endpoint_put(ep);
	return true;
}

static void wake_waiters(struct etran_channel *ch)
{
	if (wq_has_sleeper(&ch->wait))
		wake_up_interruptible_all(&ch->wait);
}

/* See bpf_etran_hold(). Context: egress, tx_lock held. */
u64 etran_frame_hold(struct etran_pkt *pkt, u64 prev, u64 cookie)
{
	struct etran_channel *ch = pkt->channel, *prev_ch;
	struct etran_frame *f = &ch->frames[pkt->chunk], *prev_f = NULL;
	struct etran_ep *ep;
	u32 prev_tag;

	if (pkt->held || !cookie)
		return 0;
	if (prev) {
		prev_f = find_own(pkt->transport, prev, &prev_ch, &prev_tag);
		if (!prev_f || prev_ch != ch)
			return 0;
	}
	ep = etran_endpoint_lookup(pkt->endpoint);
	if (!ep || !refcount_inc_not_zero(&ep->ref))
		return 0;

	f->endpoint = pkt->endpoint;
	f->next = 0;
	f->cookie = cookie;
	f->offset = (pkt->umem - xsk_buff_raw_get_data(ch->pool, 0)) &
		    ((1U << ch->chunk_shift) - 1);
	f->len = pkt->payload_len;
	f->sent = 0;
	WRITE_ONCE(ch->busy[pkt->chunk], 1);
	etran_count(ch->link, pkt->transport, frames_held);
	WRITE_ONCE(ch->status->held, atomic_inc_return(&ch->held));
	/* Pairs with the acquire in find_frame(). */
	smp_store_release(&f->tag, f->tag | ETRAN_FRAME_HELD);

	pkt->held = 1;
	pkt->handle = make_handle(ch, pkt->chunk, f->tag);
	if (prev_f)
		WRITE_ONCE(prev_f->next, pkt->handle);
	return pkt->handle;
}

/* See bpf_etran_load(). Context: gen. */
int etran_frame_load(struct etran_pkt *pkt, u64 handle)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u32 tag, len, offset;
	u64 cookie;
	u64 addr;

	f = find_own(pkt->transport, handle, &ch, &tag);
	if (!f)
		return -ESTALE;
	len = READ_ONCE(f->len);
	offset = READ_ONCE(f->offset);
	cookie = READ_ONCE(f->cookie);
	if (len > ETRAN_MAX_PAYLOAD || offset + len > 1U << ch->chunk_shift)
		return -ESTALE;
	addr = (u64)(f - ch->frames) << ch->chunk_shift;
	memcpy(pkt->data, xsk_buff_raw_get_data(ch->pool, addr) + offset, len);
	/* The frame may have ended meanwhile and its chunk hold something else. */
	smp_rmb();
	if (READ_ONCE(f->tag) != tag)
		return -ESTALE;
	pkt->payload_len = len;
	pkt->cookie = cookie;
	pkt->link = ch->link->id;
	pkt->handle = handle;
	pkt->copied = 1;
	return 0;
}

/**
 * etran_frame_sent - a packet with this frame's payload was sent
 * @handle: the frame; may be stale
 *
 * Context: RCU read side.
 */
void etran_frame_sent(u64 handle)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u32 tag;

	f = find_frame(handle, &ch, &tag);
	if (f)
		WRITE_ONCE(f->sent, 1);
}

/* See bpf_etran_next(). */
u64 etran_frame_next(struct etran_transport *t, u64 handle)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u64 next;
	u32 tag;

	f = find_own(t, handle, &ch, &tag);
	if (!f)
		return 0;
	next = READ_ONCE(f->next);
	/* As in etran_frame_load(). */
	smp_rmb();
	if (READ_ONCE(f->tag) != tag || !next || !find_own(t, next, &ch, &tag))
		return 0;
	return next;
}

/* See bpf_etran_cookie(). */
u64 etran_frame_cookie(struct etran_transport *t, u64 handle)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u64 cookie;
	u32 tag;

	f = find_own(t, handle, &ch, &tag);
	if (!f)
		return 0;
	cookie = READ_ONCE(f->cookie);
	/* As in etran_frame_load(). */
	smp_rmb();
	return READ_ONCE(f->tag) == tag ? cookie : 0;
}

/* See bpf_etran_release(). */
int etran_frame_release(struct etran_transport *t, u64 handle)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u32 tag;

	f = find_own(t, handle, &ch, &tag);
	if (!f || !end_frame(ch, f, tag, END_RELEASED))
		return -ESTALE;
	wake_waiters(ch);
	return 0;
}

/*
 * See bpf_etran_release_chain(). A chain cannot have more frames than its socket has chunks, and a
 * frame that was released is not found again, so a chain that a program linked into a ring ends too.
 */
int etran_frame_release_chain(struct etran_transport *t, u64 handle)
{
	struct etran_channel *ch, *first = NULL;
	struct etran_frame *f;
	int n = 0;
	u64 next;
	u32 tag;

	while (handle) {
		f = find_own(t, handle, &ch, &tag);
		if (!f)
			break;
		next = READ_ONCE(f->next);
		if (!end_frame(ch, f, tag, END_RELEASED))
			break;
		first = ch;
		handle = next;
		n++;
	}
	if (!n)
		return -ESTALE;
	wake_waiters(first);
	return n;
}

/* End frames of @ch, of all transports or of one. Context: RCU read side, bottom halves off. */
static void end_frames(struct etran_channel *ch, struct etran_transport *t)
{
	struct etran_ep *ep;
	u32 i, tag;

	for (i = 0; i < ch->chunks && atomic_read(&ch->held); i++) {
		/* As in find_frame(). */
		tag = smp_load_acquire(&ch->frames[i].tag);
		if (!(tag & ETRAN_FRAME_HELD))
			continue;
		ep = etran_endpoint_lookup(READ_ONCE(ch->frames[i].endpoint));
		if (!t || (ep && ep->transport == t))
			end_frame(ch, &ch->frames[i], tag, END_DEVICE);
	}
	wake_waiters(ch);
}

/**
 * etran_frames_end_channel - end all frames of a socket whose device goes away
 * @ch: the channel; nothing can be held in it any more
 *
 * Context: process.
 */
void etran_frames_end_channel(struct etran_channel *ch)
{
	local_bh_disable();
	rcu_read_lock();
	end_frames(ch, NULL);
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * etran_frames_end_transport - end all frames that a transport keeps
 * @t: detached: none of its programs runs any more
 *
 * Context: process, may sleep.
 */
void etran_frames_end_transport(struct etran_transport *t)
{
	struct etran_channel *ch;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&etran_channels, id, ch) {
		local_bh_disable();
		end_frames(ch, t);
		local_bh_enable();
	}
	rcu_read_unlock();
}
