// SPDX-License-Identifier: GPL-2.0
/*
 * Hubs: an endpoint and frames of the module's own, for streams whose data goes through their files (share.c).
 *
 * A transport knows applications by endpoints and keeps frames that lie in their UMEM. A stream that several processes use
 * is no single application's, so it has an endpoint that is none's, with memory of the kernel's in the UMEM's place: one
 * for each transport and link device, made when the first stream is shared and kept until either goes. To all else
 * of the module, and to transports, it is a channel as others are: frames of it are held, retained, queued, timed, sent
 * again and given back in the same way. Nobody has its rings: requests are made and run through egress by who writes, and
 * what is delivered goes to the stream (etran_share_deliver()). Rejected: a hub for each stream, as most of one is memory for
 * frames, and a stream needs that for a moment; an skb for what is written, as nothing but frames can be held.
 *
 * Frames that came back are in a lock-less list, which whoever takes some empties into one of its own under tx_lock. Frame 0
 * is never taken: requests without payload are made there, under tx_lock, and so never wait for anything.
 */
#include <linux/moduleparam.h>
#include <linux/rtnetlink.h>
#include <linux/vmalloc.h>
#include "egress.h"
#include "stream.h"

#define FRAME_SHIFT	11

static unsigned int hub_frames = 4096;
module_param(hub_frames, uint, 0644);
MODULE_PARM_DESC(hub_frames, "frames of 2 KiB for streams that processes share, for each transport and link device, made when first needed; 64 to 65536 (default 4096)");

/* One stream never has more, and no more than a quarter of all. */
#define STREAM_FRAMES	256U

#define FRAMES_MIN	64U
#define FRAMES_MAX	65536U

/**
 * struct hub_frame - what is known of a frame beyond struct etran_frame
 * @node: in a list of free ones
 * @owner: whose it is while it is under way, referenced
 */
struct hub_frame {
	struct llist_node node;
	struct etran_share *owner;
};

/**
 * struct etran_hub - an endpoint that is no application's
 * @node: in hubs, until it ends; under etran_mutex
 * @streams: how many it has; likewise
 * @ep: the endpoint, which frees it
 * @ch: its channel
 * @back: free frames, the latest first
 * @spare: free frames that one can take; under @ch->tx_lock
 * @starved: somebody found no free frame
 * @work: ends it where that may sleep
 * @frames: by index
 */
struct etran_hub {
	struct list_head node;
	u32 streams;
	struct etran_ep *ep;
	struct etran_channel *ch;
	struct llist_head back;
	struct llist_node *spare;
	u32 starved;
	struct work_struct work;
	struct hub_frame frames[];
};

static LIST_HEAD(hubs);

/* All that can be woken for it. Context: any but hardirq. */
static void wake_writers(struct etran_hub *hub)
{
	struct etran_st *st;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&hub->ep->streams, id, st) {
		/* One that is about to be shared writes nothing yet. */
		struct etran_share *share = share_of(st);

		if (share && READ_ONCE(share->user.blocked) && xchg(&share->user.blocked, 0))
			etran_stream_tell(st, STREAM_OUT);
	}
	rcu_read_unlock();
}

static void frame_free(struct etran_hub *hub, u32 chunk)
{
	llist_add(&hub->frames[chunk].node, &hub->back);
	/* What is free is seen, or that somebody waits for it; pairs with etran_hub_has_room(). */
	smp_mb();
	if (READ_ONCE(hub->starved) && xchg(&hub->starved, 0))
		wake_writers(hub);
}

/**
 * etran_hub_frame_back - a kept frame has ended
 * @ch: a hub's channel
 * @chunk: the frame
 *
 * Context: any but hardirq.
 */
void etran_hub_frame_back(struct etran_channel *ch, u32 chunk)
{
	struct etran_hub *hub = ch->hub;
	struct etran_share *share;

	/* Should a transport keep a request: see the top of this file. */
	if (!chunk)
		return;
	share = xchg(&hub->frames[chunk].owner, NULL);
	if (share) {
		atomic_dec(&share->out);
		etran_share_put(share);
	}
	frame_free(hub, chunk);
}

/**
 * etran_hub_room - the lower device has room again
 * @ch: a hub's channel that stopped
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_hub_room(struct etran_channel *ch)
{
	struct etran_hub *hub = READ_ONCE(ch->hub);

	if (hub)
		wake_writers(hub);
}

/* It is in no list any more. Context: RTNL held, etran_mutex not. */
static void hub_end(struct etran_hub *hub)
{
	etran_channel_kill(hub->ch);
	WRITE_ONCE(hub->ch->link, NULL);
	synchronize_net();
	etran_endpoint_close(hub->ep);
}

static void hub_end_work(struct work_struct *work)
{
	struct etran_hub *hub = container_of(work, struct etran_hub, work);
	struct etran_ep *ep = hub->ep;
	bool here;

	rtnl_lock();
	mutex_lock(&etran_mutex);
	here = !list_empty(&hub->node);
	list_del_init(&hub->node);
	mutex_unlock(&etran_mutex);
	if (here)
		hub_end(hub);
	rtnl_unlock();
	etran_endpoint_put(ep);
}

/**
 * etran_hubs_link_gone - end the hubs of a link device
 * @link: it
 *
 * Context: RTNL held, may sleep.
 */
void etran_hubs_link_gone(struct etran_link *link)
{
	struct etran_hub *hub, *next;
	LIST_HEAD(gone);

	mutex_lock(&etran_mutex);
	list_for_each_entry_safe(hub, next, &hubs, node)
		if (hub->ch->link == link)
			list_move(&hub->node, &gone);
	mutex_unlock(&etran_mutex);
	while (!list_empty(&gone)) {
		hub = list_first_entry(&gone, struct etran_hub, node);
		list_del_init(&hub->node);
		hub_end(hub);
	}
}

/**
 * etran_hubs_transport_gone - end the hubs of a transport
 * @t: it
 *
 * Context: etran_mutex held.
 */
void etran_hubs_transport_gone(struct etran_transport *t)
{
	struct etran_hub *hub;

	list_for_each_entry(hub, &hubs, node) {
		if (hub->ep->transport != t)
			continue;
		refcount_inc(&hub->ep->ref);
		queue_work(etran_wq, &hub->work);
	}
}

/**
 * etran_hub_free - a hub's endpoint is gone, and with it the hub
 * @hub: it; nothing of it is found since an RCU grace period, but for a channel that waits for room
 *
 * Context: process, may sleep.
 */
void etran_hub_free(struct etran_hub *hub)
{
	struct etran_channel *ch = hub->ch;

	WRITE_ONCE(ch->hub, NULL);
	synchronize_rcu();
	etran_channel_put(ch);
	kvfree(hub);
}

static struct etran_hub *hub_find(struct etran_transport *t, u32 link)
{
	struct etran_hub *hub;

	list_for_each_entry(hub, &hubs, node)
		if (hub->ep->transport == t && hub->ep->pub.link == link)
			return hub;
	return NULL;
}

/* An endpoint, as etran_endpoint_open() makes them, but for what is an application's. Context: RTNL, etran_mutex held. */
static int hub_endpoint(struct etran_hub *hub, struct etran_transport *t)
{
	struct etran_ep *ep;
	int err;

	ep = etran_endpoint_new();
	if (!ep)
		return -ENOMEM;
	ep->transport = t;
	ep->hub = hub;
	ep->pub.link = hub->ch->link->id;
	ep->pub.flags = ETRAN_ENDPOINT_SHARED;
	rcu_assign_pointer(ep->channel, hub->ch);
	hub->ep = ep;
	/* Complete before somebody finds it. */
	hub->ch->hub = hub;
	err = etran_endpoint_enter(ep);
	if (err) {
		kfree(ep);
		return err;
	}
	kref_get(&t->ref);
	WRITE_ONCE(ep->open, true);
	return 0;
}

/* Context: RTNL, etran_mutex held. */
static struct etran_hub *hub_make(struct etran_transport *t, struct etran_link *link)
{
	u32 n = clamp(READ_ONCE(hub_frames), FRAMES_MIN, FRAMES_MAX), i;
	struct etran_channel *ch;
	struct etran_hub *hub;
	void *memory;
	int err;

	BUILD_BUG_ON(ETRAN_HUB_FRAME != 1U << FRAME_SHIFT);
	BUILD_BUG_ON(sizeof(struct etran_stream_req) > sizeof_field(struct etran_req, data));
	hub = kvzalloc(struct_size(hub, frames, n), GFP_KERNEL);
	memory = vzalloc((size_t)n << FRAME_SHIFT);
	if (!hub || !memory) {
		err = -ENOMEM;
		goto free;
	}
	ch = etran_channel_new(link, U32_MAX, ETRAN_HUB, memory, n, FRAME_SHIFT);
	if (IS_ERR(ch)) {
		err = PTR_ERR(ch);
		goto free;
	}
	hub->ch = ch;
	init_llist_head(&hub->back);
	INIT_WORK(&hub->work, hub_end_work);
	for (i = n - 1; i; i--) {
		hub->frames[i].node.next = hub->spare;
		hub->spare = &hub->frames[i].node;
	}
	err = hub_endpoint(hub, t);
	if (err) {
		/* Frees the memory, too. */
		etran_channel_put(ch);
		kvfree(hub);
		return ERR_PTR(err);
	}
	etran_channel_publish(ch);
	list_add_tail(&hub->node, &hubs);
	return hub;
free:
	vfree(memory);
	kvfree(hub);
	return ERR_PTR(err);
}

/* Of a transport's streams that are shared, the first keeps it from being unloaded, as an endpoint does. */
static void hub_used(struct etran_hub *hub, int by)
{
	if (by < 0 ? !--hub->streams : !hub->streams++)
		atomic_add(by, &hub->ep->transport->endpoints);
	if (by > 0)
		refcount_inc(&hub->ep->ref);
}

/**
 * etran_hub_get - a hub for one more stream
 * @ep: the endpoint that has it
 *
 * Return: the hub; ERR_PTR: -ENETDOWN, -ENOMEM, -ENOSPC, -ENFILE. Context: process, may sleep.
 */
struct etran_hub *etran_hub_get(struct etran_ep *ep)
{
	struct etran_transport *t = ep->transport;
	struct etran_channel *ch;
	struct etran_hub *hub;

	mutex_lock(&etran_mutex);
	hub = hub_find(t, ep->pub.link);
	if (hub)
		hub_used(hub, 1);
	mutex_unlock(&etran_mutex);
	if (hub)
		return hub;
	rtnl_lock();
	mutex_lock(&etran_mutex);
	hub = hub_find(t, ep->pub.link);
	if (!hub) {
		/* Neither goes while we hold these. */
		ch = rcu_dereference_protected(ep->channel, lockdep_rtnl_is_held());
		hub = ch && ch->link && t->attached ? hub_make(t, ch->link) : ERR_PTR(-ENETDOWN);
	}
	if (!IS_ERR(hub))
		hub_used(hub, 1);
	mutex_unlock(&etran_mutex);
	rtnl_unlock();
	return hub;
}

/**
 * etran_hub_put - one of its streams is gone
 * @hub: the hub
 *
 * Context: process, may sleep.
 */
void etran_hub_put(struct etran_hub *hub)
{
	mutex_lock(&etran_mutex);
	hub_used(hub, -1);
	mutex_unlock(&etran_mutex);
	etran_endpoint_put(hub->ep);
}

/**
 * etran_hub_endpoint - the endpoint of a hub
 * @hub: the hub
 */
struct etran_ep *etran_hub_endpoint(struct etran_hub *hub)
{
	return hub->ep;
}

/**
 * etran_hub_alive - are link device and transport there?
 * @hub: the hub
 */
bool etran_hub_alive(struct etran_hub *hub)
{
	return READ_ONCE(hub->ep->open) && !READ_ONCE(hub->ep->dead);
}

/* Context: tx_lock held. */
static struct llist_node *spare(struct etran_hub *hub)
{
	if (!hub->spare)
		hub->spare = llist_del_all(&hub->back);
	return hub->spare;
}

/**
 * etran_hub_take - frames to be filled
 * @hub: the hub
 * @chunks: out: their numbers
 * @n: at most so many
 *
 * Return: how many. Context: process.
 */
u32 etran_hub_take(struct etran_hub *hub, u32 *chunks, u32 n)
{
	struct etran_channel *ch = hub->ch;
	struct llist_node *node;
	u32 i;

	spin_lock_bh(&ch->tx_lock);
	for (i = 0; i < n && (node = spare(hub)); i++) {
		hub->spare = node->next;
		chunks[i] = container_of(node, struct hub_frame, node) - hub->frames;
	}
	spin_unlock_bh(&ch->tx_lock);
	return i;
}

/**
 * etran_hub_drop - frames that were taken are not sent
 * @hub: the hub
 * @chunks: their numbers
 * @n: how many
 *
 * Context: any but hardirq.
 */
void etran_hub_drop(struct etran_hub *hub, const u32 *chunks, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		frame_free(hub, chunks[i]);
}

/**
 * etran_hub_payload - where the payload of a frame that was taken goes
 * @hub: the hub
 * @chunk: its number
 */
void *etran_hub_payload(struct etran_hub *hub, u32 chunk)
{
	return hub->ch->umem + ((size_t)chunk << FRAME_SHIFT) + sizeof(struct etran_req);
}

/**
 * etran_hub_has_room - can a frame be sent now? If not, a stream whose user.blocked is set is woken when one can
 * @hub: the hub
 * @share: the stream
 *
 * Context: process.
 */
bool etran_hub_has_room(struct etran_hub *hub, struct etran_share *share)
{
	struct etran_channel *ch = hub->ch;
	struct etran_link *link;
	bool room;

	if (atomic_read(&share->out) >= min(ch->chunks / 4, STREAM_FRAMES))
		return false;
	rcu_read_lock();
	link = READ_ONCE(ch->link);
	room = etran_hub_alive(hub) && !etran_link_full(link);
	if (!room && etran_hub_alive(hub)) {
		local_bh_disable();
		etran_link_stop(link, ch);
		local_bh_enable();
	}
	rcu_read_unlock();
	if (!room)
		return false;
	spin_lock_bh(&ch->tx_lock);
	room = spare(hub);
	spin_unlock_bh(&ch->tx_lock);
	if (room)
		return true;
	WRITE_ONCE(hub->starved, 1);
	/* Pairs with frame_free(). */
	smp_mb();
	spin_lock_bh(&ch->tx_lock);
	room = spare(hub);
	spin_unlock_bh(&ch->tx_lock);
	return room;
}

/* Context: tx_lock held. Return: whether the frame is kept. */
static bool run_egress(struct etran_egress *e, struct etran_hub *hub, u32 chunk, u16 op,
		       const struct etran_stream_req *r, u32 len)
{
	struct xdp_desc desc = {
		.addr = (u64)chunk << FRAME_SHIFT,
		.len = sizeof(struct etran_req) + len,
	};
	struct etran_req *req = hub->ch->umem + desc.addr;

	memset(req, 0, sizeof(*req));
	req->endpoint = hub->ep->pub.id;
	req->op = op;
	memcpy(req->data, r, sizeof(*r));
	etran_egress_frame(e, &desc);
	return e->pkt.handle;
}

/**
 * etran_hub_send - send frames of a stream
 * @hub: the hub
 * @share: the stream; share->out has @n of them already
 * @req: what they say; offset of the first one
 * @chunks: their numbers, consumed
 * @len: bytes of payload in each
 * @n: how many, at most ETRAN_HUB_BATCH
 *
 * Return: how many the transport has taken. Context: process; share->tx held.
 */
u32 etran_hub_send(struct etran_hub *hub, struct etran_share *share, const struct etran_stream_req *req,
		   const u32 *chunks, const u32 *len, u32 n)
{
	struct etran_stream_req r = *req;
	struct etran_channel *ch = hub->ch;
	u32 lost[ETRAN_HUB_BATCH], n_lost = 0, i;
	struct etran_egress *e;

	rcu_read_lock();
	local_bh_disable();
	if (!etran_hub_alive(hub)) {
		local_bh_enable();
		rcu_read_unlock();
		atomic_sub(n, &share->out);
		etran_hub_drop(hub, chunks, n);
		return 0;
	}
	spin_lock(&ch->tx_lock);
	e = etran_egress_begin(ch, ch->link->id, false);
	for (i = 0; i < n; i++) {
		/* Before it is sent: it can come back at once. */
		refcount_inc(&share->ref);
		WRITE_ONCE(hub->frames[chunks[i]].owner, share);
		if (!run_egress(e, hub, chunks[i], ETRAN_STREAM_OP_SEND, &r, len[i]))
			lost[n_lost++] = chunks[i];
		r.offset += len[i];
	}
	etran_egress_end(e, n);
	spin_unlock(&ch->tx_lock);
	local_bh_enable();
	rcu_read_unlock();
	for (i = 0; i < n_lost; i++)
		etran_hub_frame_back(ch, lost[i]);
	return n - n_lost;
}

/**
 * etran_hub_ask - a request without payload
 * @hub: the hub
 * @op: ETRAN_STREAM_OP_*
 * @req: the rest
 *
 * Return: false when nobody is there any more. Context: process.
 */
bool etran_hub_ask(struct etran_hub *hub, u16 op, const struct etran_stream_req *req)
{
	struct etran_channel *ch = hub->ch;
	struct etran_egress *e;
	bool alive;

	rcu_read_lock();
	local_bh_disable();
	alive = etran_hub_alive(hub);
	if (alive) {
		spin_lock(&ch->tx_lock);
		e = etran_egress_begin(ch, ch->link->id, false);
		run_egress(e, hub, 0, op, req, 0);
		etran_egress_end(e, 1);
		spin_unlock(&ch->tx_lock);
	}
	local_bh_enable();
	rcu_read_unlock();
	return alive;
}
