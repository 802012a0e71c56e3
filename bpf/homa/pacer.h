/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which message sends next, and when. Each link has a queue of messages that may send something, the
 * one with the fewest bytes left to send first. gen takes one packet of it at a time, so a shorter
 * message that comes later overtakes at once. Of homa_pacer_fifo_fraction of the packets the oldest
 * message has the choice, so that none starves.
 *
 * What is in the NIC's queue can be overtaken no more; so that is kept short. The link's speed
 * (homa_link_mbps) tells when the NIC will have sent all that it was given. Packets get the time at
 * which those in front of them are gone as their departure time, the module holds them until then,
 * and when as much is given out as lasts for homa_max_nic_queue_usecs, gen stops until half of it
 * has gone. Only DATA counts, which is nearly all.
 *
 * A frame is sent by egress itself, past this queue, when the rest of its message is not longer than
 * homa_defer_min_bytes, or when nobody waits here and the NIC has less than
 * homa_max_nic_est_backlog_usecs of work.
 *
 * The queue is made of lists by class of length, as those of grant.h. An RPC is in it, or in
 * the hands of the one gen that took it out, as long as rpc->sending is set; one that ends meanwhile
 * leaves its entry there until its turn comes. A queue of its own, not "work": control packets and
 * what peers ask for again do not wait for the link.
 */
#ifndef _HOMA_PACER_H
#define _HOMA_PACER_H

#define PACER_LINKS	32
/* What a packet takes on an Ethernet beside itself: header, checksum, preamble, gap. */
#define PACER_OVERHEAD	38

enum pacer_state {
	PACER_FREE,
	PACER_QUEUED,
	PACER_TAKEN,		/* by gen */
};

/**
 * struct pacer_node - a message that may send. Indices; 0 is none.
 * @work: its RPC
 * @next: in the list of its class, a ring; of a free one: the next free one
 * @prev: the other way
 * @younger: in the order of coming
 * @older: the other way
 * @link: index
 * @class: of the bytes left to send
 * @state: enum pacer_state
 */
struct pacer_node {
	struct work work;
	__u32 next;
	__u32 prev;
	__u32 younger;
	__u32 older;
	__u16 link;
	__u8 class;
	__u8 state;
	__u32 zero;
};

/**
 * struct pacer_link - a link
 * @classes: a bit for each of @head that is not 0
 * @idle_ns: when the NIC will have sent all that it has; changed atomically, without the lock
 * @turns: of homa_pacer_fifo_fraction, 1/1000
 * @oldest: message
 * @youngest: message
 * @head: by class
 */
struct pacer_link {
	__u64 classes;
	__u64 idle_ns;
	__u32 turns;
	__u32 oldest;
	__u32 youngest;
	__u32 head[CLASSES];
};

/**
 * struct pacer - everything above
 * @lock: guards it
 * @free: list of free nodes
 * @fresh: nodes from here on were never used
 * @ready: a bit for each link with something to send
 * @last: link that sent last
 */
struct pacer {
	struct bpf_spin_lock lock;
	__u32 free;
	__u32 fresh;
	__u32 ready;
	__u32 last;
	__u32 zero;
	struct pacer_link link[PACER_LINKS];
	struct pacer_node node[HOMA_MAX_RPCS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pacer);
} pacer SEC(".maps");

/* Has gen called when the NIC has less to do. */
struct pacer_wake {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pacer_wake);
} pacer_wakes SEC(".maps");

#define pacer_node(p, n)	(&(p)->node[bounded(n, HOMA_MAX_RPCS)])
#define pacer_link(p, l)	(&(p)->link[bounded(l, PACER_LINKS)])

static __always_inline struct pacer *pacer_get(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&pacer, &key);
}

/*
 * A packet of @len bytes is given to the NIC, or will be as soon as that has nothing to
 * do. Returns when that is; 0 for now.
 */
static __always_inline __u64 pacer_charge(struct pacer *p, __u32 l, __u32 len, __u64 now)
{
	__u64 mbps = etran_bounded(homa_link_mbps), idle, ns;
	struct pacer_link *link = pacer_link(p, l);

	if (!mbps)
		return 0;
	/* Bits times 1000 by Mb/s are ns, by the hundredth part that may be used. */
	ns = (len + PACER_OVERHEAD) * 800000ULL / (mbps * etran_bounded(homa_max_link_usage));
	idle = link->idle_ns;
	if (idle < now)
		__sync_val_compare_and_swap(&link->idle_ns, idle, now);
	idle = __sync_fetch_and_add(&link->idle_ns, ns);
	return idle > now ? idle : 0;
}

/* May a frame be sent past the queue, of a message of which so many bytes are unsent? */
static __always_inline bool pacer_bypass(struct pacer *p, __u32 l, __u32 unsent, __u64 now)
{
	struct pacer_link *link = pacer_link(p, l);

	if (unsent <= homa_defer_min_bytes)
		return true;
	return !link->oldest && link->idle_ns <= now + homa_max_nic_est_backlog_usecs * 1000ULL;
}

/* Under the pacer's lock: into its list, before or behind others of the same class. */
static __always_inline void pacer_queue(struct pacer *p, __u32 n, __u32 unsent, bool front)
{
	struct pacer_node *node = pacer_node(p, n);
	struct pacer_link *link = pacer_link(p, node->link);
	__u32 class = class_of(unsent);

	node->state = PACER_QUEUED;
	node->class = class;
	class_add(link, class, n, pacer_node, p);
	/* A ring: who is behind all others is in front of them when it is the head. */
	if (front)
		class_head(link, class) = n;
	p->ready |= 1U << (node->link & (PACER_LINKS - 1));
}

/* Under the pacer's lock: out of its list. */
static __always_inline void pacer_take(struct pacer *p, __u32 n)
{
	struct pacer_node *node = pacer_node(p, n);
	struct pacer_link *link = pacer_link(p, node->link);
	__u32 class = node->class;

	node->state = PACER_TAKEN;
	class_del(link, class, n, pacer_node, p);
	if (!link->classes)
		p->ready &= ~(1U << (node->link & (PACER_LINKS - 1)));
}

/* Under an RPC's lock: it has something to send. True: call pacer_push() after unlocking. */
static __always_inline bool pacer_add(struct rpc *rpc)
{
	bool idle = !rpc->sending;

	rpc->sending = 1;
	return idle;
}

/* Queue an RPC of which so many bytes are unsent. */
__noinline int pacer_push(const struct work *w, __u32 unsent)
{
	struct pacer *p = pacer_get();
	struct pacer_node *node;
	struct pacer_link *link;
	__u32 n;

	if (!w || !p)
		return 0;
	bpf_spin_lock(&p->lock);
	n = node_alloc(pacer_node, p);
	if (n) {
		node = pacer_node(p, n);
		node->work = *w;
		node->link = w->key.link % PACER_LINKS;
		link = pacer_link(p, node->link);
		age_add(link, n, pacer_node, p);
		pacer_queue(p, n, unsent, false);
	}
	bpf_spin_unlock(&p->lock);
	if (n)
		bpf_etran_gen_kick();
	else
		work_lost(w, true);
	return 0;
}

/* What gen took has sent a packet and has more. It goes on unless there is a shorter one. */
static __always_inline void pacer_again(struct pacer *p, __u32 n, __u32 unsent)
{
	bpf_spin_lock(&p->lock);
	pacer_queue(p, n, unsent, true);
	bpf_spin_unlock(&p->lock);
}

/* What gen took has no more, or is of an RPC that has ended. */
static __always_inline void pacer_done(struct pacer *p, __u32 n)
{
	struct pacer_node *node = pacer_node(p, n);
	struct pacer_link *link;

	bpf_spin_lock(&p->lock);
	link = pacer_link(p, node->link);
	age_del(link, n, pacer_node, p);
	node->state = PACER_FREE;
	node_free(n, pacer_node, p);
	bpf_spin_unlock(&p->lock);
}

static int pacer_timer(void *map, __u32 *key, struct pacer_wake *wake)
{
	bpf_etran_gen_kick();
	return 0;
}

/* Have gen called in so many ns. */
static __always_inline void pacer_wake(__u64 delay)
{
	struct pacer_wake *wake;
	__u32 key = 0;

	wake = bpf_map_lookup_elem(&pacer_wakes, &key);
	if (!wake)
		return;
	/* The first time only; then it says -EBUSY. */
	bpf_timer_init(&wake->timer, &pacer_wakes, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&wake->timer, pacer_timer);
	bpf_timer_start(&wake->timer, delay, 0);
}

/* The message that sends next: its node, and @w its RPC. 0: none now. */
static __always_inline __u32 pacer_next(struct pacer *p, struct work *w, __u64 now)
{
	__u64 queue_ns = etran_bounded(homa_max_nic_queue_usecs) * 1000ULL;
	__u64 most = now + queue_ns, later = 0;
	struct pacer_link *link;
	__u32 l, n = 0;
	__u64 left;
	int i;

	if (!p->ready)
		return 0;
	bpf_spin_lock(&p->lock);
	/* Twice the links, of which those behind the last one count. */
	left = p->ready | (__u64)p->ready << PACER_LINKS;
	left &= ~0ULL << (p->last + 1);
	for (i = 0; i < PACER_LINKS && left; i++) {
		l = lowest_bit(left) & (PACER_LINKS - 1);
		left &= ~(1ULL << l | 1ULL << (l + PACER_LINKS));
		link = pacer_link(p, l);
		if (link->idle_ns > most) {
			if (!later || link->idle_ns < later)
				later = link->idle_ns;
			continue;
		}
		n = class_head(link, lowest_bit(link->classes));
		link->turns += homa_pacer_fifo_fraction;
		if (link->turns >= 1000) {
			link->turns -= 1000;
			if (pacer_node(p, link->oldest)->state == PACER_QUEUED)
				n = link->oldest;
		}
		*w = pacer_node(p, n)->work;
		pacer_take(p, n);
		p->last = l;
		break;
	}
	bpf_spin_unlock(&p->lock);
	/* Until half of what the NIC may have has gone. */
	if (!n && later)
		pacer_wake(later - now - queue_ns / 2);
	return n;
}

#endif /* _HOMA_PACER_H */
