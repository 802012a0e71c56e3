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
 * The life of a frame:
 *
 *	FREE -> HELD		bpf_etran_hold() on egress; a TX whose time has not come
 *	HELD <-> QUEUED		packet queues, under the queue's lock
 *	HELD -> TIMED		its packet waits in a timing wheel, under the wheel's lock
 *	HELD -> GOING		egress: its packet leaves with this run of it
 *	GOING -> LEAVING	the device had no room for it
 *	HELD, TIMED -> LEAVING	its packet is on its way to the device
 *	GOING, LEAVING -> FREE, HELD	the device has it, or not: ended, or kept
 *	any -> FREE		released, or its socket, device or transport goes
 *
 * Between bpf_etran_hold() and the verdict BUILD is set: another CPU may already find the handle in
 * a queue and ask to have it sent, which SEND notes down for egress to do.
 *
 * All of that is one word, changed by cmpxchg: whoever succeeds does the accounting, so each frame
 * is in exactly one class at any instant and ends once. GOING differs from LEAVING by its class only, so that
 * a frame that is sent at once changes that once. KEEP says where both go; clearing it
 * is how a frame is released meanwhile. A reader copies, then looks at the word again.
 *
 * Frames that are linked one behind the other may be of several sockets: a stream that is shared goes on with frames of
 * the module's own (hub.c).
 *
 * A frame has a packet (@page) when egress built one for later. It belongs to whoever takes the frame
 * out of HELD; while TIMED, to the wheel.
 */
#include <linux/jiffies.h>
#include <linux/random.h>
#include "copy.h"
#include "etran.h"
#include "trace.h"

#define CHUNK_BITS	20
#define CHANNEL_BITS	16
#define GEN_MASK	((1U << (32 - ETRAN_FRAME_GEN_SHIFT)) - 1)

static u64 make_handle(const struct etran_channel *ch, u32 chunk, u32 tag)
{
	return (u64)(tag >> ETRAN_FRAME_GEN_SHIFT & GEN_MASK) << (CHUNK_BITS + CHANNEL_BITS) |
	       (u64)ch->id << CHUNK_BITS | chunk;
}

/* The generation in it, as it stands in a tag. */
static u32 gen_of(u64 handle)
{
	return (u32)(handle >> (CHUNK_BITS + CHANNEL_BITS)) << ETRAN_FRAME_GEN_SHIFT;
}

static u32 state_of(u32 tag)
{
	return tag & ETRAN_FRAME_STATE;
}

static u32 with_state(u32 tag, u32 state)
{
	return (tag & ~ETRAN_FRAME_STATE) | state;
}

/* Ended: a new generation; the driver may still have it. */
static u32 ended(u32 tag)
{
	return (tag & (-ETRAN_FRAME_GEN | ETRAN_FRAME_DRIVER)) + ETRAN_FRAME_GEN;
}

static enum etran_frame_class class_of(u32 tag)
{
	static const u8 class[2 * ETRAN_FRAME_SENT] = {
		[ETRAN_FRAME_FREE] = ETRAN_CLASS_NONE,
		[ETRAN_FRAME_HELD] = ETRAN_CLASS_HELD,
		[ETRAN_FRAME_QUEUED ... ETRAN_FRAME_LEAVING] = ETRAN_CLASS_QUEUED,
		[ETRAN_FRAME_GOING ... ETRAN_FRAME_STATE] = ETRAN_CLASS_HELD,
		[ETRAN_FRAME_SENT | ETRAN_FRAME_FREE] = ETRAN_CLASS_NONE,
		[ETRAN_FRAME_SENT | ETRAN_FRAME_HELD] = ETRAN_CLASS_RETAINED,
		[ETRAN_FRAME_SENT | ETRAN_FRAME_QUEUED ...
		 ETRAN_FRAME_SENT | ETRAN_FRAME_LEAVING] = ETRAN_CLASS_QUEUED,
		[ETRAN_FRAME_SENT | ETRAN_FRAME_GOING ...
		 ETRAN_FRAME_SENT | ETRAN_FRAME_STATE] = ETRAN_CLASS_RETAINED,
	};

	BUILD_BUG_ON(ETRAN_FRAME_STATE + 1 != ETRAN_FRAME_SENT);
	return class[tag & (ETRAN_FRAME_STATE | ETRAN_FRAME_SENT)];
}

/* A frame goes from one class to another, ETRAN_CLASS_NONE included. */
static __always_inline void move_class(struct etran_channel *ch, struct etran_transport *t,
				       enum etran_frame_class from, enum etran_frame_class to)
{
	struct etran_counter_set __percpu *of_transport = t->counters;
	struct etran_link *link = READ_ONCE(ch->link);
	u32 a = ETRAN_C_frames_held + from, b = ETRAN_C_frames_held + to;

	/* Gauges are in the order of the classes. */
	BUILD_BUG_ON(ETRAN_C_frames_held + ETRAN_CLASS_QUEUED != ETRAN_C_frames_queued);
	BUILD_BUG_ON(ETRAN_C_frames_held + ETRAN_CLASS_RETAINED != ETRAN_C_frames_retained);

	if (from != ETRAN_CLASS_NONE) {
		this_cpu_dec(etran_module_counters.v[a]);
		this_cpu_dec(of_transport->v[a]);
		if (link)
			this_cpu_dec(link->counters->v[a]);
		atomic_dec(&ch->kept[from]);
	} else {
		/* In place, as each application maps this read-only: two CPUs cannot swap two sums. */
		atomic_inc((atomic_t *)&ch->status->held);
	}
	if (to != ETRAN_CLASS_NONE) {
		this_cpu_inc(etran_module_counters.v[b]);
		this_cpu_inc(of_transport->v[b]);
		if (link)
			this_cpu_inc(link->counters->v[b]);
		atomic_inc(&ch->kept[to]);
	} else {
		atomic_dec((atomic_t *)&ch->status->held);
	}
}

/* Change a frame from @old to @new. Return: false when it is not @old any more. */
static bool change(struct etran_channel *ch, struct etran_frame *f, u32 old, u32 new)
{
	enum etran_frame_class from = class_of(old), to = class_of(new);
	struct etran_transport *t = f->ep->transport;

	if (cmpxchg(&f->tag, old, new) != old)
		return false;
	if (from != to)
		move_class(ch, t, from, to);
	return true;
}

/**
 * etran_frame_waits - a frame without entry waits with its packet, or does no more
 * @ch: its socket
 * @t: its transport
 * @waits: which
 */
void etran_frame_waits(struct etran_channel *ch, struct etran_transport *t, bool waits)
{
	if (waits)
		move_class(ch, t, ETRAN_CLASS_NONE, ETRAN_CLASS_QUEUED);
	else
		move_class(ch, t, ETRAN_CLASS_QUEUED, ETRAN_CLASS_NONE);
}

/* The entry that @handle names, if it is still that frame and @t's. Context: RCU read side. */
static __always_inline struct etran_frame *look_up(struct etran_transport *t, u64 handle,
						   struct etran_channel **chp, u32 *tagp)
{
	u32 chunk = handle & ((1U << CHUNK_BITS) - 1), tag;
	struct etran_channel *ch;
	struct etran_frame *f;

	ch = etran_channel_by_id(handle >> CHUNK_BITS & ((1U << CHANNEL_BITS) - 1));
	if (!ch || chunk >= ch->chunks)
		return NULL;
	f = &ch->frames[chunk];
	/* Pairs with the release in etran_frame_hold(): the entry is complete. */
	tag = smp_load_acquire(&f->tag);
	if (state_of(tag) == ETRAN_FRAME_FREE || make_handle(ch, chunk, tag) != handle ||
	    READ_ONCE(f->ep)->transport != t)
		return NULL;
	*chp = ch;
	*tagp = tag;
	return f;
}

static noinline struct etran_frame *find_frame(struct etran_transport *t, u64 handle,
					       struct etran_channel **chp, u32 *tagp)
{
	return look_up(t, handle, chp, tagp);
}

static u32 chunk_of(const struct etran_channel *ch, const struct etran_frame *f)
{
	return f - ch->frames;
}

/* The chunk is the application's again. Everything else of the frame is done. */
static void give_back(struct etran_channel *ch, struct etran_frame *f)
{
	/* The application, which maps it, sees its chunk free only when nothing reads it any more. */
	smp_store_release(&ch->busy[chunk_of(ch, f)], 0);
	atomic_inc((atomic_t *)&ch->status->released);
	if (likely(ch->mode == ETRAN_LINK))
		return;
	if (ch->mode == ETRAN_HUB)
		etran_hub_frame_back(ch, chunk_of(ch, f));
	else if (READ_ONCE(ch->direct))
		etran_direct_complete(ch, chunk_of(ch, f));
}

static void wake_waiters(struct etran_channel *ch)
{
	if (wq_has_sleeper(&ch->wait))
		wake_up_interruptible_all(&ch->wait);
}

static void count_end(struct etran_channel *ch, const struct etran_frame *f,
		      struct etran_transport *t, bool sent, enum etran_frame_end why)
{
	static const u8 counter[] = {
		[ETRAN_END_RELEASED] = ETRAN_C_frame_released,
		[ETRAN_END_DEVICE] = ETRAN_C_frame_device,
		[ETRAN_END_QUEUE] = ETRAN_C_frame_queue,
		[ETRAN_END_PACKET] = ETRAN_C_frame_packet,
		[ETRAN_END_VERDICT] = ETRAN_C_frame_verdict,
	};
	struct etran_link *link = READ_ONCE(ch->link);

	trace_release(t->name, link ? link->id : 0, ch->queue, chunk_of(ch, f), sent);
	if (sent) {
		etran_count(link, t, frames_transmitted);
		atomic64_inc(&ch->transmitted);
	} else {
		etran_count(link, t, frames_dropped);
		etran_add_id(link, t, counter[why], 1);
		atomic64_inc(&ch->dropped);
	}
}

/* End a HELD frame. Return: false when it is not @tag any more. */
static bool end_frame(struct etran_channel *ch, struct etran_frame *f, u32 tag,
		      enum etran_frame_end why)
{
	struct etran_ep *ep = READ_ONCE(f->ep);
	void *page;

	/* Pairs with the cmpxchg in etran_frame_built(): what clears BUILD publishes the page. */
	smp_rmb();
	page = tag & ETRAN_FRAME_BUILD ? NULL : READ_ONCE(f->page);
	if (!change(ch, f, tag, ended(tag)))
		return false;
	/* Not to be touched any more: an application that does not wait may have the entry anew. */
	if (page)
		etran_page_put(page);
	count_end(ch, f, ep->transport, tag & ETRAN_FRAME_SENT, why);
	/* Otherwise the driver's completion does it. */
	if (!(tag & ETRAN_FRAME_DRIVER))
		give_back(ch, f);
	etran_endpoint_put(ep);
	return true;
}

/* End a frame, wherever it is. Return: false when it is not what it was any more. */
static bool end_anywhere(struct etran_channel *ch, struct etran_frame *f, u32 tag,
			 enum etran_frame_end why)
{
	u32 gen = tag & -ETRAN_FRAME_GEN, new;

	for (;; tag = READ_ONCE(f->tag)) {
		if ((tag & -ETRAN_FRAME_GEN) != gen)
			return false;
		switch (state_of(tag)) {
		case ETRAN_FRAME_FREE:
			return false;
		case ETRAN_FRAME_QUEUED:
			etran_queue_remove(f, make_handle(ch, chunk_of(ch, f), tag));
			continue;
		case ETRAN_FRAME_TIMED:
			etran_timed_cancel(ch, f, tag);
			continue;
		case ETRAN_FRAME_LEAVING:
		case ETRAN_FRAME_GOING:
			/* Whoever sends it ends it; its handle is stale from here on. */
			new = (tag & ~ETRAN_FRAME_KEEP) + ETRAN_FRAME_GEN;
			if (change(ch, f, tag, new))
				return true;
			continue;
		}
		if (end_frame(ch, f, tag, why))
			return true;
	}
}

/* Make a FREE entry kept. Context: egress, tx_lock held. */
static bool keep_frame(struct etran_pkt *pkt, u64 cookie, u32 state, u32 bits)
{
	struct etran_channel *ch = pkt->channel;
	struct etran_frame *f = &ch->frames[pkt->chunk];
	u32 tag = READ_ONCE(f->tag);
	struct etran_ep *ep = pkt->ep;

	if (!refcount_inc_not_zero(&ep->ref))
		return false;
	f->ep = ep;
	f->next = 0;
	f->cookie = cookie;
	f->offset = pkt->umem_off;
	f->len = pkt->payload_len;
	f->page = NULL;
	f->touched = (u32)jiffies;
	WRITE_ONCE(ch->busy[pkt->chunk], 1);
	move_class(ch, pkt->transport, ETRAN_CLASS_NONE, class_of(state));
	/* Pairs with the acquire in look_up(). */
	smp_store_release(&f->tag, tag | state | bits);
	pkt->handle = make_handle(ch, pkt->chunk, tag);
	return true;
}

/**
 * etran_frame_hold - see bpf_etran_hold()
 * @pkt: on egress
 * @prev: handle of the frame before it, or 0
 * @cookie: not 0
 *
 * Return: handle or 0. Context: egress, tx_lock held.
 */
u64 etran_frame_hold(struct etran_pkt *pkt, u64 prev, u64 cookie)
{
	struct etran_channel *prev_ch;
	struct etran_frame *prev_f = NULL;
	u32 prev_tag;

	if (pkt->held || !cookie)
		return 0;
	if (prev) {
		prev_f = find_frame(pkt->transport, prev, &prev_ch, &prev_tag);
		if (!prev_f)
			return 0;
	}
	if (!keep_frame(pkt, cookie, ETRAN_FRAME_HELD, ETRAN_FRAME_BUILD))
		return 0;
	pkt->held = 1;
	if (prev_f)
		WRITE_ONCE(prev_f->next, pkt->handle);
	return pkt->handle;
}

/**
 * etran_frame_wait - egress: a frame that is not held, but whose packet does not leave yet
 * @pkt: the frame
 *
 * Return: its entry, LEAVING; NULL when its endpoint is being freed.
 * Context: egress, tx_lock held.
 */
struct etran_frame *etran_frame_wait(struct etran_pkt *pkt)
{
	if (!keep_frame(pkt, 0, ETRAN_FRAME_LEAVING, 0))
		return NULL;
	return &pkt->channel->frames[pkt->chunk];
}

/*
 * Clear or set KEEP of a LEAVING frame. With KEEP cleared by whoever released it, and its handle
 * stale, it must stay so.
 */
static void unkeep(struct etran_frame *f)
{
	u32 tag;

	do {
		tag = READ_ONCE(f->tag);
	} while (cmpxchg(&f->tag, tag, tag & ~ETRAN_FRAME_KEEP) != tag);
}

static void rekeep(struct etran_frame *f, u32 gen)
{
	u32 tag;

	do {
		tag = READ_ONCE(f->tag);
		if ((tag & -ETRAN_FRAME_GEN) != gen)
			return;
	} while (cmpxchg(&f->tag, tag, tag | ETRAN_FRAME_KEEP) != tag);
}

/**
 * etran_frame_leaving - take a HELD frame to be sent
 * @t: whose it must be
 * @handle: the frame
 * @keep: it stays with the transport afterwards
 * @egress: egress asks, which is at work on it
 * @chp: its channel
 * @err: why not: -ESTALE; -EBUSY when it is in a queue, waits for its time, is being sent, or egress is
 *	 at work on it
 *
 * Return: its entry, LEAVING, or NULL. Context: RCU read side, bottom halves off.
 */
struct etran_frame *etran_frame_leaving(struct etran_transport *t, u64 handle, bool keep,
					bool egress, struct etran_channel **chp, int *err)
{
	struct etran_frame *f;
	u32 tag, new;

	/* Again when another bit of it changed meanwhile: with SENT set, say, it can still leave. */
	do {
		f = find_frame(t, handle, chp, &tag);
		*err = -ESTALE;
		if (!f)
			return NULL;
		*err = -EBUSY;
		if (state_of(tag) != ETRAN_FRAME_HELD || (tag & ETRAN_FRAME_BUILD && !egress))
			return NULL;
		new = with_state(tag & ~(ETRAN_FRAME_BUILD | ETRAN_FRAME_SEND | ETRAN_FRAME_KEEP),
				 ETRAN_FRAME_LEAVING);
	} while (!change(*chp, f, tag, new | (keep ? ETRAN_FRAME_KEEP : 0)));
	f->touched = (u32)jiffies;
	return f;
}

/**
 * etran_frame_going - egress: a held frame's packet leaves now
 * @pkt: the frame
 * @keep: it stays with the transport afterwards
 *
 * Return: its entry, GOING; NULL when it was released meanwhile, or is in a queue.
 * Context: egress, tx_lock held.
 */
struct etran_frame *etran_frame_going(struct etran_pkt *pkt, bool keep)
{
	struct etran_channel *ch = pkt->channel;
	struct etran_frame *f = &ch->frames[pkt->chunk];
	u32 tag = READ_ONCE(f->tag), new;

	do {
		if (state_of(tag) != ETRAN_FRAME_HELD || make_handle(ch, pkt->chunk, tag) != pkt->handle)
			return NULL;
		new = with_state(tag & ~(ETRAN_FRAME_BUILD | ETRAN_FRAME_SEND | ETRAN_FRAME_KEEP),
				 ETRAN_FRAME_GOING) | (keep ? ETRAN_FRAME_KEEP : 0);
	} while (!try_cmpxchg(&f->tag, &tag, new));
	f->touched = (u32)jiffies;
	return f;
}

/**
 * etran_frame_stays - a frame whose packet should have left at once waits for the device
 * @ch: its channel
 * @f: the frame, GOING or LEAVING; LEAVING afterwards
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_frame_stays(struct etran_channel *ch, struct etran_frame *f)
{
	u32 tag;

	do {
		tag = READ_ONCE(f->tag);
	} while (!change(ch, f, tag, with_state(tag, ETRAN_FRAME_LEAVING)));
}

/**
 * etran_frame_built - egress is done with a held frame, which stays
 * @pkt: the frame; its headers are complete if @pkt->hdr_len says so
 * @page: its packet, or NULL
 *
 * Return: whether the frame has @page now. Context: egress, tx_lock held.
 */
bool etran_frame_built(struct etran_pkt *pkt, void *page)
{
	struct etran_channel *ch = pkt->channel;
	struct etran_frame *f = &ch->frames[pkt->chunk];
	u32 tag;

	/*
	 * Nobody else writes here, or reads: what is BUILD is not sent, who ends it leaves the page to
	 * us, and a new frame needs our lock.
	 */
	f->hdr_off = pkt->hdr_off;
	f->hdr_len = pkt->hdr_len;
	f->page = page;
	do {
		tag = READ_ONCE(f->tag);
		if (state_of(tag) == ETRAN_FRAME_FREE || make_handle(ch, pkt->chunk, tag) != pkt->handle) {
			f->page = NULL;
			return false;
		}
	} while (!change(ch, f, tag, tag & ~(ETRAN_FRAME_BUILD | ETRAN_FRAME_SEND)));
	if (tag & ETRAN_FRAME_SEND)
		etran_frame_send(pkt->transport, pkt->handle, READ_ONCE(f->send_ns),
				 tag & ETRAN_FRAME_KEEP);
	return true;
}

/**
 * etran_frame_send - see bpf_etran_send()
 * @t: whose
 * @handle: the frame
 * @departure_ns: when, CLOCK_MONOTONIC; 0: now
 * @keep: it stays held afterwards
 *
 * Return: 0; -ESTALE; -EBUSY when it is in a queue or on its way already; -ENODATA when egress built
 * no packet, or it was sent; -ERANGE when the time is too far ahead, -ENOBUFS when too many wait.
 * Context: RCU read side, bottom halves off.
 */
int etran_frame_send(struct etran_transport *t, u64 handle, u64 departure_ns, bool keep)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u32 tag;
	int err;

	if (etran_timed_far(departure_ns))
		return -ERANGE;
	while ((f = find_frame(t, handle, &ch, &tag)) && tag & ETRAN_FRAME_BUILD &&
	       state_of(tag) == ETRAN_FRAME_HELD) {
		if (tag & ETRAN_FRAME_SEND)
			return -EBUSY;
		WRITE_ONCE(f->send_ns, departure_ns);
		if (change(ch, f, tag, tag | ETRAN_FRAME_SEND | (keep ? ETRAN_FRAME_KEEP : 0)))
			return 0;
	}
	/* Kept for the moment, so that it is not lost when it cannot wait. */
	f = etran_frame_leaving(t, handle, true, false, &ch, &err);
	if (!f)
		return err;
	err = -ENODATA;
	if (ch->mode == ETRAN_DIRECT ? !f->hdr_len : !f->page)
		goto back;
	if (!keep)
		unkeep(f);
	err = etran_timed_add(&f->timed, departure_ns, ch, f);
	if (!err)
		return 0;
	/* Not of the generation that it has by now: who released it meanwhile has raised that. */
	rekeep(f, gen_of(handle));
	err = -ENOBUFS;
back:
	etran_frame_left(ch, f, false, 0);
	return err;
}

/* The state changes, its class does not. */
static __always_inline void set_state(struct etran_frame *f, u32 state)
{
	u32 tag = READ_ONCE(f->tag);

	while (!try_cmpxchg(&f->tag, &tag, with_state(tag, state)))
		;
}

/**
 * etran_frame_timed - a LEAVING frame waits for its time
 * @f: the frame
 *
 * Context: wheel's lock held.
 */
void etran_frame_timed(struct etran_frame *f)
{
	/* Who releases it meanwhile changes other bits only, and is heard when it has left. */
	set_state(f, ETRAN_FRAME_TIMED);
}

/**
 * etran_frame_due - the time of a TIMED frame has come
 * @ch: its channel
 * @f: the frame, TIMED
 * @held: it does not leave after all: somebody wants to end it
 *
 * Context: wheel's lock held.
 */
void etran_frame_due(struct etran_channel *ch, struct etran_frame *f, bool held)
{
	u32 tag;

	/* Only the DRIVER bit can change meanwhile. */
	if (!held) {
		set_state(f, ETRAN_FRAME_LEAVING);
		return;
	}
	do {
		tag = READ_ONCE(f->tag);
	} while (!change(ch, f, tag, with_state(tag, ETRAN_FRAME_HELD)));
}

/**
 * etran_frame_left - a GOING or LEAVING frame was sent, or could not be
 * @ch: its channel
 * @f: the frame
 * @sent: the device has it
 * @bits: direct mode: ETRAN_FRAME_DRIVER, the driver reads it now
 *
 * A packet that it still has stays with it, or is freed with it.
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_frame_left(struct etran_channel *ch, struct etran_frame *f, bool sent, u32 bits)
{
	struct etran_ep *ep = READ_ONCE(f->ep);
	void *page = f->page;
	u32 tag, new;

	/* What it waited for its time is not held against its transport. */
	WRITE_ONCE(f->touched, (u32)jiffies);
	do {
		tag = READ_ONCE(f->tag);
		if (tag & ETRAN_FRAME_KEEP)
			new = with_state(tag & ~ETRAN_FRAME_KEEP, ETRAN_FRAME_HELD) |
			      (sent ? ETRAN_FRAME_SENT : 0) | bits;
		else
			new = ended(tag) | bits;
	} while (!change(ch, f, tag, new));
	if (state_of(new) == ETRAN_FRAME_HELD)
		return;
	if (page)
		etran_page_put(page);
	count_end(ch, f, ep->transport, sent || (tag & ETRAN_FRAME_SENT), ETRAN_END_PACKET);
	if (!(new & ETRAN_FRAME_DRIVER))
		give_back(ch, f);
	wake_waiters(ch);
	etran_endpoint_put(ep);
}

/**
 * etran_frame_undriven - direct mode: the driver is done with a frame
 * @ch: its channel
 * @chunk: which
 *
 * Return: whether it has ended and can be completed to the application.
 * Context: RCU read side, bottom halves off.
 */
bool etran_frame_undriven(struct etran_channel *ch, u32 chunk)
{
	struct etran_frame *f = &ch->frames[chunk];
	u32 tag;

	do {
		tag = READ_ONCE(f->tag);
	} while (cmpxchg(&f->tag, tag, tag & ~ETRAN_FRAME_DRIVER) != tag);
	if (state_of(tag) != ETRAN_FRAME_FREE)
		return false;
	if (ch->busy[chunk]) {
		/* As in give_back(). */
		smp_store_release(&ch->busy[chunk], 0);
		atomic_inc((atomic_t *)&ch->status->released);
		wake_waiters(ch);
	}
	return true;
}

/**
 * struct payload - where the payload of a held frame lies
 * @channel: whose frame
 * @link: link device of @channel
 * @cookie: what the transport keeps with it
 * @chunk: UMEM chunk
 * @len: bytes
 * @offset: from the beginning of the chunk
 */
struct payload {
	struct etran_channel *channel;
	struct etran_link *link;
	u64 cookie;
	u32 chunk;
	u32 len;
	u32 offset;
};

/* Return: 0, or -ESTALE. Context: RCU read side. */
static __always_inline int payload_of(struct etran_transport *t, u64 handle, struct payload *p)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u32 tag;

	f = find_frame(t, handle, &ch, &tag);
	if (!f)
		return -ESTALE;
	p->len = READ_ONCE(f->len);
	p->offset = READ_ONCE(f->offset);
	p->cookie = READ_ONCE(f->cookie);
	WRITE_ONCE(f->touched, (u32)jiffies);
	/* The frame may have ended meanwhile and its chunk hold something else. */
	smp_rmb();
	p->link = READ_ONCE(ch->link);
	p->channel = ch;
	p->chunk = chunk_of(ch, f);
	if (READ_ONCE(f->tag) >> ETRAN_FRAME_GEN_SHIFT != tag >> ETRAN_FRAME_GEN_SHIFT ||
	    p->offset + p->len > 1U << ch->chunk_shift || p->len > ETRAN_MAX_PAYLOAD || !p->link)
		return -ESTALE;
	return 0;
}

/* The application may write to it at any time. */
static const void *payload_data(const struct payload *p)
{
	struct etran_channel *ch = p->channel;

	return ch->umem + ((u64)p->chunk << ch->chunk_shift) + p->offset;
}

/**
 * etran_frame_payload - gen: what a held frame has, or a part of it
 * @pkt: gets payload_len, cookie, channel, chunk, umem, handle, last and part
 * @handle: the frame
 * @from: where the part begins, bytes from the beginning of its payload
 * @n: bytes; 0: all behind @from
 *
 * Return: 0, -ESTALE, -EINVAL (not all of the part lies in the payload; @pkt is as before). Context: RCU read side.
 */
int etran_frame_payload(struct etran_pkt *pkt, u64 handle, u32 from, u32 n)
{
	struct payload p;

	if (payload_of(pkt->transport, handle, &p))
		return -ESTALE;
	if (unlikely(from || n)) {
		if (from >= p.len || n > p.len - from)
			return -EINVAL;
		n = n ?: p.len - from;
		pkt->part = n != p.len;
		p.len = n;
		p.offset += from;
	}
	pkt->payload_len = p.len;
	pkt->cookie = p.cookie;
	pkt->link = p.link->id;
	pkt->channel = p.channel;
	pkt->chunk = p.chunk;
	pkt->umem_off = p.offset;
	pkt->umem = payload_data(&p);
	pkt->handle = handle;
	pkt->last = handle;
	return 0;
}

/**
 * etran_frame_append - gen: payload of the next frame behind what a packet has
 * @pkt: its payload gets longer, and is copied from here on
 * @most: bytes of payload that it may have then
 *
 * All of the frame or nothing.
 *
 * Return: the frame's handle, 0: there is none, it does not fit, or what the packet has is stale. Context: RCU read side.
 */
u64 etran_frame_append(struct etran_pkt *pkt, u32 most)
{
	struct etran_transport *t = pkt->transport;
	struct payload p;
	u64 next;

	if (pkt->joined == U8_MAX)
		return 0;
	next = etran_frame_next(t, pkt->last);
	if (!next || payload_of(t, next, &p) ||
	    pkt->payload_len + p.len > min_t(u32, most, ETRAN_MAX_PAYLOAD))
		return 0;
	if (!pkt->copied) {
		etran_copy(pkt->data, pkt->umem, pkt->payload_len);
		if (!etran_frame_is(t, pkt->handle))
			return 0;
		pkt->copied = 1;
	}
	etran_copy(pkt->data + pkt->payload_len, payload_data(&p), p.len);
	if (!etran_frame_is(t, next))
		return 0;
	pkt->payload_len += p.len;
	pkt->part = 1;
	pkt->joined++;
	pkt->last = next;
	return next;
}

/**
 * etran_frame_is - is this handle still good?
 * @t: whose
 * @handle: the frame
 *
 * To be asked after something was read of it. Context: RCU read side.
 */
bool etran_frame_is(struct etran_transport *t, u64 handle)
{
	struct etran_channel *ch;
	u32 tag;

	/* As in etran_frame_payload(), for what the payload was read from. */
	smp_rmb();
	return find_frame(t, handle, &ch, &tag);
}

/**
 * etran_frames_sent - a packet that gen made with these frames' payload was sent
 * @t: whose
 * @handle: the first frame; may be stale
 * @joined: how many are linked behind it
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_frames_sent(struct etran_transport *t, u64 handle, u32 joined)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u64 next;
	u32 tag;

	for (;;) {
		f = find_frame(t, handle, &ch, &tag);
		if (!f)
			return;
		next = joined ? READ_ONCE(f->next) : 0;
		if (!(tag & ETRAN_FRAME_SENT) && !change(ch, f, tag, tag | ETRAN_FRAME_SENT))
			continue;
		if (!next)
			return;
		handle = next;
		joined--;
	}
}

/* See bpf_etran_next(). */
u64 etran_frame_next(struct etran_transport *t, u64 handle)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u64 next;
	u32 tag;

	f = find_frame(t, handle, &ch, &tag);
	if (!f)
		return 0;
	next = READ_ONCE(f->next);
	WRITE_ONCE(f->touched, (u32)jiffies);
	if (!next || !find_frame(t, next, &ch, &tag))
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

	f = find_frame(t, handle, &ch, &tag);
	if (!f)
		return 0;
	cookie = READ_ONCE(f->cookie);
	WRITE_ONCE(f->touched, (u32)jiffies);
	/* As in etran_frame_payload(). */
	smp_rmb();
	return READ_ONCE(f->tag) >> ETRAN_FRAME_GEN_SHIFT == tag >> ETRAN_FRAME_GEN_SHIFT ?
	       cookie : 0;
}

/**
 * etran_frame_end - end a kept frame
 * @t: whose
 * @handle: the frame
 * @why: reason, should it never have been sent
 *
 * Return: 0 or -ESTALE. Context: RCU read side, bottom halves off; no queue's or wheel's lock held.
 */
int etran_frame_end(struct etran_transport *t, u64 handle, enum etran_frame_end why)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u32 tag;

	f = find_frame(t, handle, &ch, &tag);
	if (!f || !end_anywhere(ch, f, tag, why))
		return -ESTALE;
	wake_waiters(ch);
	return 0;
}

/*
 * End frames of a chain from @*handle on, @most at most, as long as their cookies are @cookie or less. Return: how many; @*handle:
 * the first that is left, 0 at the end of the chain or where it is broken. A chain cannot have more frames than its sockets
 * have chunks, and a frame that was released is not found again, so a chain that a program linked into a ring ends too.
 */
static int release_frames(struct etran_transport *t, u64 *handle, u64 cookie, int most)
{
	struct etran_channel *ch, *last = NULL;
	struct etran_frame *f;
	int n = 0;
	u64 next;
	u32 tag;

	while (*handle && n < most) {
		f = find_frame(t, *handle, &ch, &tag);
		/* What is read of a frame that ended meanwhile is used for nothing: end_anywhere() looks again. */
		if (f && READ_ONCE(f->cookie) > cookie)
			break;
		next = f ? READ_ONCE(f->next) : 0;
		if (!f || !end_anywhere(ch, f, tag, ETRAN_END_RELEASED)) {
			*handle = 0;
			break;
		}
		if (last && last != ch)
			wake_waiters(last);
		last = ch;
		*handle = next;
		n++;
	}
	if (last)
		wake_waiters(last);
	return n;
}

/* See bpf_etran_release_chain(). */
int etran_frame_release_chain(struct etran_transport *t, u64 handle)
{
	return release_frames(t, &handle, U64_MAX, INT_MAX) ?: -ESTALE;
}

/* Frames that one call of bpf_etran_release_upto() ends: it runs with bottom halves off. */
#define RELEASE_MOST	4096

/* See bpf_etran_release_upto(). */
u64 etran_frame_release_upto(struct etran_transport *t, u64 handle, u64 cookie)
{
	release_frames(t, &handle, cookie, RELEASE_MOST);
	return handle;
}

/**
 * etran_frame_enqueue - a HELD frame goes into a packet queue
 * @t: whose
 * @handle: the frame
 * @queue: index of the queue
 * @slot: its entry there
 *
 * Return: 0; -ESTALE; -EBUSY when it is in a queue already or on its way.
 * Context: the queue's lock held.
 */
int etran_frame_enqueue(struct etran_transport *t, u64 handle, u32 queue, u32 slot)
{
	struct etran_channel *ch;
	struct etran_frame *f;
	u32 tag;

	do {
		f = look_up(t, handle, &ch, &tag);
		if (!f)
			return -ESTALE;
		if (state_of(tag) != ETRAN_FRAME_HELD || tag & ETRAN_FRAME_SEND)
			return -EBUSY;
	} while (cmpxchg(&f->tag, tag, with_state(tag, ETRAN_FRAME_QUEUED)) != tag);
	move_class(ch, t, class_of(tag), ETRAN_CLASS_QUEUED);
	/* Who looks before these are written does not find it there and looks again. */
	WRITE_ONCE(f->queue, queue);
	WRITE_ONCE(f->slot, slot);
	WRITE_ONCE(f->touched, (u32)jiffies);
	return 0;
}

/**
 * etran_frame_dequeue - a QUEUED frame is HELD again
 * @handle: the frame, which is in a queue
 * @t: whose
 *
 * Context: the queue's lock held.
 */
void etran_frame_dequeue(struct etran_transport *t, u64 handle)
{
	/* What is in a queue is what it was when it came there: the handle needs no looking at. */
	struct etran_channel *ch = etran_channel_by_id(handle >> CHUNK_BITS &
						       ((1U << CHANNEL_BITS) - 1));
	struct etran_frame *f = &ch->frames[handle & ((1U << CHUNK_BITS) - 1)];
	u32 tag, new;

	do {
		tag = READ_ONCE(f->tag);
		if (WARN_ON_ONCE(state_of(tag) != ETRAN_FRAME_QUEUED))
			return;
		new = with_state(tag, ETRAN_FRAME_HELD);
	} while (cmpxchg(&f->tag, tag, new) != tag);
	move_class(ch, t, ETRAN_CLASS_QUEUED, class_of(new));
	WRITE_ONCE(f->touched, (u32)jiffies);
}

/* End frames of @ch, of all transports or of one. Context: RCU read side, bottom halves off. */
static void end_frames(struct etran_channel *ch, struct etran_transport *t)
{
	u32 i, tag;

	for (i = 0; i < ch->chunks && etran_channel_kept(ch); i++) {
		struct etran_frame *f = &ch->frames[i];

		/* As in look_up(). */
		tag = smp_load_acquire(&f->tag);
		if (state_of(tag) == ETRAN_FRAME_FREE)
			continue;
		if (!t || READ_ONCE(f->ep)->transport == t)
			end_anywhere(ch, f, tag, ETRAN_END_DEVICE);
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
	u32 id;

	for (id = 1; id < ETRAN_MAX_CHANNELS; id++) {
		if (!rcu_access_pointer(etran_channels[id]))
			continue;
		local_bh_disable();
		rcu_read_lock();
		ch = etran_channel_by_id(id);
		if (ch)
			end_frames(ch, t);
		rcu_read_unlock();
		local_bh_enable();
		cond_resched();
	}
}

/* How long the transport has done nothing about a frame, jiffies; *@queue: in which queue it is, or -1. */
static u32 idle_time(struct etran_transport *t, const struct etran_frame *f, u32 tag, u32 *queue)
{
	u32 now = (u32)jiffies, age = now - READ_ONCE(f->touched);

	*queue = U32_MAX;
	switch (state_of(tag)) {
	case ETRAN_FRAME_HELD:
		break;
	case ETRAN_FRAME_QUEUED:
		*queue = READ_ONCE(f->queue);
		age = min(age, now - etran_queue_served(t, *queue));
		break;
	default:
		return 0;
	}
	/* It may have been touched since @now was read. */
	return (s32)age > 0 ? age : 0;
}

/**
 * etran_frames_oldest - how long a transport has done nothing about one of its frames
 * @t: the transport
 * @queue: out: packet queue that this frame is in, U32_MAX: in none
 *
 * For the watchdog; the rule is in eject.c. Return: milliseconds, 0 when it keeps none.
 * Context: process, may sleep.
 */
u32 etran_frames_oldest(struct etran_transport *t, u32 *queue)
{
	u32 id, i, tag, age, in, oldest = 0;
	struct etran_channel *ch;

	*queue = U32_MAX;
	for (id = 1; id < ETRAN_MAX_CHANNELS; id++) {
		if (!rcu_access_pointer(etran_channels[id]))
			continue;
		rcu_read_lock();
		ch = etran_channel_by_id(id);
		for (i = 0; ch && i < ch->chunks && etran_channel_kept(ch); i++) {
			struct etran_frame *f = &ch->frames[i];

			/* As in look_up(). */
			tag = smp_load_acquire(&f->tag);
			if (state_of(tag) == ETRAN_FRAME_FREE || READ_ONCE(f->ep)->transport != t)
				continue;
			age = idle_time(t, f, tag, &in);
			if (age > oldest) {
				oldest = age;
				*queue = in;
			}
		}
		rcu_read_unlock();
		cond_resched();
	}
	return jiffies_to_msecs(oldest);
}
