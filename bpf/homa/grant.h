/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who may send next: the messages that arrive here and are longer than what was sent without grants.
 *
 * Of each link homa_max_overcommit messages are active: granted up to a window, so that one of them
 * can fill the link whenever others' senders have better things to do. All others wait. A peer gets
 * a second one only when no other peer waits without one, and never more than
 * homa_max_rpcs_per_peer; among messages of equal right the shortest goes first, which is the one
 * with the fewest bytes left to grant. That number changes by our own doing alone, so a message
 * that waits keeps its place. A new message takes the place of an active one that ranks behind it.
 *
 * Waiting messages hang in lists, one for each class of length (a power of two in eighths) and peer;
 * peers hang in lists by how many active messages they have and the class of their best. A bitmap
 * tells which lists have members. So everything takes the same few steps however many RPCs there
 * are, and within an eighth it is first come, first served. Rejected: a bpf_rbtree of Linux 6.12, out of
 * which only the first node can be taken, not that of an RPC which ends; its nodes are also allocated one
 * by one. The module's ranked queues hold frames, and these messages have none here.
 *
 * The longest message could starve. So of all that is granted homa_grant_fifo_fraction goes to the
 * oldest one, homa_fifo_grant_increment bytes at a time and at a priority above all scheduled ones.
 * HomaModule measures that share in time at the link's speed; here nobody need know the speed.
 *
 * A message for an endpoint without receive buffers is neither active nor does it wait: it is parked, in a list
 * of its endpoint's, until there are some (room.h).
 *
 * One lock for all links, as it is taken only for messages that need grants. It is never held
 * together with an RPC's. An RPC and its node find each other by index and by key and generation:
 *
 *  - rpc->grant, under the RPC's lock, owns the node. Who sets it to 0 frees the node (grant_free()).
 *  - A node that becomes active may be of an RPC that has just ended: whoever ended it is about to
 *    free the node, and thereby lets in the next one. Nothing is lost.
 */
#ifndef _HOMA_GRANT_H
#define _HOMA_GRANT_H

#define GRANT_MAX_ACTIVE	8
/* Links and peers whose hashes are equal are taken for one: costs balance, not correctness. */
#define GRANT_LINKS		32
#define GRANT_LINK_PEERS	256
/* Among how many parked messages the shortest is looked for. */
#define GRANT_PARKED_LOOK	8

enum grant_state {
	GRANT_FREE,
	GRANT_WAITING,
	GRANT_ACTIVE,
	GRANT_PARKED,
};

/**
 * struct grant_node - a message that needs grants. Indices; 0 is none.
 * @work: its RPC
 * @remaining: bytes not granted yet
 * @birth: serial number: who came first
 * @bonus: bytes that it may be granted because it is the oldest
 * @next: in the list of its peer and class, or of parked ones, a ring; of a free one: the next free one
 * @prev: the other way
 * @younger: in the order of coming
 * @older: the other way
 * @link: index
 * @peer: index
 * @room: index of its endpoint's list of parked ones
 * @class: of @remaining when it was put in the list
 * @state: enum grant_state
 * @needy: active: found the link's budget used up
 */
struct grant_node {
	struct work work;
	__u32 remaining;
	__u32 birth;
	__u32 bonus;
	__u32 next;
	__u32 prev;
	__u32 younger;
	__u32 older;
	__u16 link;
	__u16 peer;
	__u8 class;
	__u8 state;
	__u8 needy;
	__u8 zero;
	__u32 room;
};

/**
 * struct grant_peer - a sender
 * @classes: a bit for each of @head that is not 0
 * @head: its waiting messages, by class
 * @next: in a list of its link, a ring
 * @prev: the other way
 * @active: how many active messages it has
 * @queued: it is in a list of its link
 * @level: in which
 * @class: in which
 */
struct grant_peer {
	__u64 classes;
	__u32 head[CLASSES];
	__u32 next;
	__u32 prev;
	__u8 active;
	__u8 queued;
	__u8 level;
	__u8 class;
};

/**
 * struct grant_level - peers with equally many active messages
 * @classes: a bit for each of @head that is not 0
 * @head: peers by the class of their best waiting message
 */
struct grant_level {
	__u64 classes;
	__u32 head[CLASSES];
};

/**
 * struct grant_link - a link
 * @level: its peers with waiting messages, by how many active ones they have
 * @active: the active messages, unsorted
 * @count: how many
 * @needy: how many of them wait for the budget
 * @credit: what the oldest message is due, bytes times 1000
 * @oldest: message
 * @youngest: message
 */
struct grant_link {
	struct grant_level level[GRANT_MAX_ACTIVE];
	__u32 active[GRANT_MAX_ACTIVE];
	__u32 count;
	__u32 needy;
	__u32 credit;
	__u32 oldest;
	__u32 youngest;
};

/**
 * struct grants - everything above
 * @lock: guards it. @needy, @count and @state are also looked at without, to save taking it in vain.
 * @free: list of free nodes
 * @fresh: nodes from here on were never used
 * @births: last serial number
 * @parked: messages whose endpoints have no buffers, by room_of() the endpoint
 */
struct grants {
	struct bpf_spin_lock lock;
	__u32 free;
	__u32 fresh;
	__u32 births;
	__u32 parked[HOMA_MAX_ENDPOINTS];
	struct grant_link link[GRANT_LINKS];
	struct grant_peer peer[GRANT_LINKS * GRANT_LINK_PEERS];
	struct grant_node node[HOMA_MAX_RPCS];
};

_Static_assert(homa_max_overcommit_max == GRANT_MAX_ACTIVE, "active messages");
_Static_assert(!(HOMA_MAX_RPCS & (HOMA_MAX_RPCS - 1)), "indices");
_Static_assert(!(HOMA_MAX_ENDPOINTS & (HOMA_MAX_ENDPOINTS - 1)), "indices");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct grants);
} grants SEC(".maps");

#define grant_node(g, n)	(&(g)->node[bounded(n, HOMA_MAX_RPCS)])
#define grant_peer(g, p)	(&(g)->peer[bounded(p, GRANT_LINKS * GRANT_LINK_PEERS)])
#define grant_link(g, l)	(&(g)->link[bounded(l, GRANT_LINKS)])
#define grant_level(link, n)	(&(link)->level[bounded(n, GRANT_MAX_ACTIVE)])

#define grant_parked(g, r)	((g)->parked[bounded(r, HOMA_MAX_ENDPOINTS)])

static __always_inline __u32 room_of(__u32 endpoint)
{
	return endpoint % HOMA_MAX_ENDPOINTS;
}

static __always_inline struct grants *grants_get(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&grants, &key);
}

static __always_inline __u32 grant_overcommit(void)
{
	return etran_bounded(homa_max_overcommit);
}

static __always_inline __u32 grant_per_peer(void)
{
	return etran_bounded(homa_max_rpcs_per_peer);
}

/* All functions that are not global expect the lock to be held. */

static __always_inline int grant_unqueue_peer(struct grants *g, __u32 l, __u32 p)
{
	struct grant_peer *peer = grant_peer(g, p);
	struct grant_level *level = grant_level(grant_link(g, l), peer->level);
	__u32 class = peer->class;

	if (!peer->queued)
		return 0;
	peer->queued = 0;
	class_del(level, class, p, grant_peer, g);
	return 0;
}

/* Put a peer where it belongs. Peer 0 is none, see grant_peer_of(). */
static __noinline int grant_place_peer(struct grants *g, __u32 l, __u32 p)
{
	struct grant_peer *peer = grant_peer(g, p);
	struct grant_level *level;
	__u32 class;

	grant_unqueue_peer(g, l, p);
	if (!peer->classes || peer->active >= GRANT_MAX_ACTIVE ||
	    peer->active >= grant_per_peer())
		return 0;
	class = lowest_bit(peer->classes);
	peer->level = peer->active;
	peer->class = class;
	peer->queued = 1;
	level = grant_level(grant_link(g, l), peer->level);
	class_add(level, class, p, grant_peer, g);
	return 0;
}

/* A message waits from here on. */
static __always_inline int grant_wait(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n);
	struct grant_peer *peer = grant_peer(g, node->peer);
	__u32 class = class_of(node->remaining);

	node->state = GRANT_WAITING;
	node->class = class;
	class_add(peer, class, n, grant_node, g);
	return grant_place_peer(g, node->link, node->peer);
}

/* A message waits no more. */
static __always_inline int grant_unwait(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n);
	struct grant_peer *peer = grant_peer(g, node->peer);
	__u32 class = node->class;

	class_del(peer, class, n, grant_node, g);
	return grant_place_peer(g, node->link, node->peer);
}

static __always_inline int grant_activate(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n);
	struct grant_link *link = grant_link(g, node->link);

	grant_peer(g, node->peer)->active++;
	grant_unwait(g, n);
	node->state = GRANT_ACTIVE;
	node->needy = 0;
	link->active[bounded(link->count, GRANT_MAX_ACTIVE)] = n;
	link->count++;
	return 0;
}

static __always_inline int grant_deactivate(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n);
	struct grant_link *link = grant_link(g, node->link);
	__u32 last = link->count - 1;
	int i;

	for (i = 0; i < GRANT_MAX_ACTIVE; i++)
		if (link->active[i] == n)
			link->active[i] = link->active[bounded(last, GRANT_MAX_ACTIVE)];
	link->active[bounded(last, GRANT_MAX_ACTIVE)] = 0;
	link->count--;
	if (node->needy) {
		node->needy = 0;
		link->needy--;
	}
	grant_peer(g, node->peer)->active--;
	return grant_place_peer(g, node->link, node->peer);
}

/* The message that should become active next, 0 for none. */
static __always_inline int grant_best(struct grants *g, __u32 l)
{
	struct grant_link *link = grant_link(g, l);
	struct grant_peer *peer;
	int i;

	for (i = 0; i < GRANT_MAX_ACTIVE; i++) {
		if (!link->level[i].classes)
			continue;
		peer = grant_peer(g, class_head(&link->level[i], lowest_bit(link->level[i].classes)));
		return peer->classes ? class_head(peer, lowest_bit(peer->classes)) : 0;
	}
	return 0;
}

/* The active message whose place a new one may take, 0 for none. */
static __always_inline int grant_victim(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n), *other;
	struct grant_link *link = grant_link(g, node->link);
	__u32 mine = grant_peer(g, node->peer)->active, turn, my_turn;
	__u32 worst = 0, worst_turn = 0, worst_remaining = 0, per_peer = grant_per_peer();
	int i;

	for (i = 0; i < GRANT_MAX_ACTIVE; i++) {
		if (!link->active[i])
			continue;
		other = grant_node(g, link->active[i]);
		/* How many of its peer's are active before it; the same of ours, in its place. */
		turn = grant_peer(g, other->peer)->active - 1;
		my_turn = other->peer == node->peer ? turn : mine;
		if (my_turn >= per_peer || turn < my_turn ||
		    (turn == my_turn && other->remaining <= node->remaining))
			continue;
		if (!worst || turn > worst_turn ||
		    (turn == worst_turn && other->remaining > worst_remaining)) {
			worst = link->active[i];
			worst_turn = turn;
			worst_remaining = other->remaining;
		}
	}
	return worst;
}

/* Which peer a message is of. Never 0, so that 0 ends lists. */
static __always_inline __u32 grant_peer_of(__u32 l, const struct rpc_key *key)
{
	const __be32 *a = key->peer.a;
	__u32 hash = (a[0] ^ a[1] ^ a[2] ^ a[3] ^ key->link) * 0x9e3779b1;
	__u32 p = l * GRANT_LINK_PEERS + (hash >> 24);

	return p ? p : 1;
}

/* A message that waits becomes active if it may. */
static __always_inline void grant_enter(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n);
	struct grant_link *link = grant_link(g, node->link);
	__u32 victim;

	if (link->count < grant_overcommit()) {
		if (grant_peer(g, node->peer)->active < grant_per_peer())
			grant_activate(g, n);
		return;
	}
	victim = grant_victim(g, n);
	if (victim) {
		grant_deactivate(g, victim);
		grant_wait(g, victim);
		grant_activate(g, n);
	}
}

static __always_inline void grant_parked_add(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n), *first;
	__u32 head = grant_parked(g, node->room);

	node->state = GRANT_PARKED;
	node->next = n;
	node->prev = n;
	if (!head) {
		grant_parked(g, node->room) = n;
		return;
	}
	first = grant_node(g, head);
	node->next = head;
	node->prev = first->prev;
	grant_node(g, first->prev)->next = n;
	first->prev = n;
}

static __always_inline void grant_parked_del(struct grants *g, __u32 n)
{
	struct grant_node *node = grant_node(g, n);
	__u32 next = node->next == n ? 0 : node->next;

	grant_node(g, node->prev)->next = node->next;
	grant_node(g, node->next)->prev = node->prev;
	if (grant_parked(g, node->room) == n)
		grant_parked(g, node->room) = next;
}

/* Queue an RPC for a GRANT. */
__noinline int grant_push(const struct work *w)
{
	struct rpc *rpc;
	bool push = false;

	if (!w)
		return 0;
	rpc = rpc_at(w->slot);
	if (!rpc)
		return 0;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &w->key) && rpc->generation == w->generation)
		push = work_add(rpc, PENDING_GRANT);
	bpf_spin_unlock(&rpc->lock);
	return push ? work_push_inline(w) : 0;
}

/*
 * A message needs grants, @remaining bytes: whoever noted that first in its RPC (rpc->grant_asked)
 * calls this. Returns its node, for rpc->grant, 0 when there is none.
 */
__noinline int grant_alloc(const struct work *w, __u32 remaining, __u32 endpoint)
{
	struct grants *g = grants_get();
	struct grant_node *node;
	struct grant_link *link;
	__u32 n;

	if (!w || !g)
		return 0;
	bpf_spin_lock(&g->lock);
	n = node_alloc(grant_node, g);
	if (!n) {
		bpf_spin_unlock(&g->lock);
		count(COUNTER_queue_full);
		return 0;
	}
	node = grant_node(g, n);
	node->work = *w;
	node->remaining = remaining;
	node->bonus = 0;
	node->needy = 0;
	node->birth = ++g->births;
	node->link = w->key.link % GRANT_LINKS;
	node->peer = grant_peer_of(node->link, &w->key);
	node->room = room_of(endpoint);
	link = grant_link(g, node->link);
	age_add(link, n, grant_node, g);
	grant_wait(g, n);
	grant_enter(g, n);
	bpf_spin_unlock(&g->lock);
	return n;
}

/* Under the lock: the place of a message on this link may be free. Returns who has it now, for grant_push(). */
static __always_inline __u32 grant_let_in(struct grants *g, __u32 l)
{
	__u32 best;

	if (grant_link(g, l)->count >= grant_overcommit())
		return 0;
	best = grant_best(g, l);
	if (best)
		grant_activate(g, best);
	return best;
}

/* Unlock; message @n, 0 for none, is to be granted something. */
static __always_inline void grant_unlock(struct grants *g, __u32 n)
{
	struct work next = {};

	if (n)
		next = grant_node(g, n)->work;
	bpf_spin_unlock(&g->lock);
	if (n)
		grant_push(&next);
}

/* A message needs no more grants, or its RPC has ended. Lets in the next one. */
__noinline int grant_free(__u32 n)
{
	struct grants *g = grants_get();
	struct grant_node *node;
	struct grant_link *link;

	if (!g || !n)
		return 0;
	bpf_spin_lock(&g->lock);
	node = grant_node(g, n);
	link = grant_link(g, node->link);
	if (node->state == GRANT_ACTIVE)
		grant_deactivate(g, n);
	else if (node->state == GRANT_PARKED)
		grant_parked_del(g, n);
	else
		grant_unwait(g, n);
	node->state = GRANT_FREE;
	age_del(link, n, grant_node, g);
	node_free(n, grant_node, g);
	grant_unlock(g, grant_let_in(g, node->link));
	return 0;
}

/* The endpoint of active message @n, of RPC @generation, has no buffers. Lets in the next one. */
__noinline int grant_park(__u32 n, __u32 generation)
{
	struct grants *g = grants_get();
	struct grant_node *node;
	__u32 best = 0;

	if (!g || !n)
		return 0;
	bpf_spin_lock(&g->lock);
	node = grant_node(g, n);
	if (node->state == GRANT_ACTIVE && node->work.generation == generation) {
		grant_deactivate(g, n);
		grant_parked_add(g, n);
		best = grant_let_in(g, node->link);
	}
	grant_unlock(g, best);
	return 0;
}

/* An endpoint may have buffers: the shortest of the first few messages that were parked for it goes on. */
__noinline int grant_unpark(__u32 room)
{
	struct grants *g = grants_get();
	struct grant_node *node, *best;
	__u32 n, i;

	if (!g || !grant_parked(g, room))
		return 0;
	bpf_spin_lock(&g->lock);
	n = grant_parked(g, room);
	if (n) {
		best = grant_node(g, n);
		node = best;
		for (i = 0; i < GRANT_PARKED_LOOK; i++) {
			__u32 other = node->next;

			node = grant_node(g, other);
			if (node->remaining < best->remaining) {
				best = node;
				n = other;
			}
		}
		grant_parked_del(g, n);
		grant_wait(g, n);
		grant_enter(g, n);
		if (best->state != GRANT_ACTIVE)
			n = 0;
	}
	grant_unlock(g, n);
	return 0;
}

/**
 * struct grant_terms - on what terms a message may be granted more
 * @node: it
 * @window: bytes that it may have granted and not received; 0: it is not active
 * @bonus: bytes that it may have besides, whatever the budget
 * @room: bytes that its endpoint has buffers for
 * @parked: there were none
 * @endpoint: its id
 * @segment: bytes that go into a buffer
 * @priority: of its DATA
 * @now: ns
 */
struct grant_terms {
	__u32 node;
	__u32 window;
	__u32 bonus;
	__u32 priority;
	__u32 room;
	bool parked;
	__u32 endpoint;
	__u32 segment;
	__u64 now;
};

/* What each of so many active messages may have granted and not received. */
static __always_inline __u32 grant_window(__u32 active)
{
	__u32 window = etran_bounded(homa_window);

	return window ? window : etran_bounded(homa_max_incoming) / (active + 1);
}

/* The terms of message @t->node. Takes its bonus. */
static __always_inline void grant_look(struct grants *g, struct grant_terms *t)
{
	struct grant_node *node, *other;
	struct grant_link *link;
	__u32 rank = 0, spare, most = etran_bounded(homa_max_sched_prio);
	int i;

	bpf_spin_lock(&g->lock);
	node = grant_node(g, t->node);
	link = grant_link(g, node->link);
	t->bonus = node->bonus;
	t->parked = node->state == GRANT_PARKED;
	node->bonus = 0;
	if (node->state == GRANT_ACTIVE) {
		for (i = 0; i < GRANT_MAX_ACTIVE; i++) {
			if (!link->active[i])
				continue;
			other = grant_node(g, link->active[i]);
			if (other->remaining < node->remaining ||
			    (other->remaining == node->remaining &&
			     (__s32)(other->birth - node->birth) < 0))
				rank++;
		}
		/* Levels that nobody needs now stay free for who comes and is shorter. */
		spare = most + 1 > link->count ? most + 1 - link->count : 0;
		t->priority = most > rank + spare ? most - rank - spare : 0;
		t->window = grant_window(link->count);
	}
	bpf_spin_unlock(&g->lock);
	if (t->bonus) {
		/* Above all that is scheduled, below what is most urgent. */
		t->priority = PRIORITIES - 2;
	}
}

/*
 * @bytes were granted to message @n. @needy: it wanted more than the budget had. The oldest message
 * gets its share of it.
 */
__noinline int grant_note(__u32 n, __u32 bytes, __u32 needy)
{
	struct grants *g = grants_get();
	struct grant_node *node, *oldest;
	struct grant_link *link;
	__u32 increment = etran_bounded(homa_fifo_grant_increment);
	__u32 fraction = etran_bounded(homa_grant_fifo_fraction);
	struct work next = {};

	if (!g || !n)
		return 0;
	bpf_spin_lock(&g->lock);
	node = grant_node(g, n);
	link = grant_link(g, node->link);
	if (node->state == GRANT_WAITING) {
		/* By its bonus: it may have become one of the short ones. */
		grant_unwait(g, n);
		node->remaining -= bytes < node->remaining ? bytes : node->remaining;
		grant_wait(g, n);
	} else if (node->state != GRANT_FREE) {
		node->remaining -= bytes < node->remaining ? bytes : node->remaining;
		if (needy && node->state == GRANT_ACTIVE && !node->needy) {
			node->needy = 1;
			link->needy++;
		}
	}
	/* A message that is alone need not fear others. */
	if (link->oldest != link->youngest) {
		if (link->credit < 1000 * increment)
			link->credit += bytes * fraction;
		oldest = grant_node(g, link->oldest);
		if (link->credit >= 1000 * increment && !oldest->bonus && fraction) {
			link->credit -= 1000 * increment;
			oldest->bonus = increment;
			next = oldest->work;
		}
	}
	bpf_spin_unlock(&g->lock);
	if (next.generation) {
		count(COUNTER_grant_fifo);
		grant_push(&next);
	}
	return 0;
}

/* Bytes of a link's budget are free: the shortest message that wanted some gets them. */
static __always_inline int grant_serve(__u32 l)
{
	struct grants *g = grants_get();
	struct grant_node *node, *best = NULL;
	struct grant_link *link;
	struct work next = {};
	int i;

	if (!g)
		return 0;
	link = grant_link(g, l);
	if (!link->needy)
		return 0;
	bpf_spin_lock(&g->lock);
	for (i = 0; i < GRANT_MAX_ACTIVE; i++) {
		node = grant_node(g, link->active[i]);
		if (link->active[i] && node->needy &&
		    (!best || node->remaining < best->remaining))
			best = node;
	}
	if (best) {
		best->needy = 0;
		link->needy--;
		next = best->work;
	}
	bpf_spin_unlock(&g->lock);
	if (next.generation)
		grant_push(&next);
	return 0;
}

#endif /* _HOMA_GRANT_H */
