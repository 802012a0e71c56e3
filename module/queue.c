// SPDX-License-Identifier: GPL-2.0
/*
 * Packet queues: held frames in an order that a transport chooses.
 *
 * A transport declares in its ops how many it wants and how deep; their memory is allocated once,
 * when it is attached. One kind of queue serves all disciplines, because what is pushed says where:
 *
 *	front	a stack: the last one pushed is the next one popped
 *	ranked	lowest u64 first, in the order of pushing among equals
 *	tail	first in, first out
 *
 * and pop takes from them in this order. Front and tail are lists, O(1); ranked is a heap with four
 * children a node: a push moves an entry up one or two levels as a rule, a pop moves one down, 5
 * levels at 1,000 entries. A pop only leaves a hole at the top; a push that follows, as in a queue that
 * neither grows nor shrinks, fills it from there, so that both together move one entry instead of
 * two. (Rejected: a red-black tree: a third more instructions for a push and a pop. Rejected: buckets
 * with a find-first-set index, which are O(1): ranks of unknown range, such as times and bytes left, do
 * not fit any number of buckets.)
 *
 * A full queue refuses the new frame, and the program says what becomes of it; or, with
 * ETRAN_OPS_DROP_WORST, ends its worst frame to make room for a better one. The worst must be
 * found without looking at all of them: such queues keep a second heap the other way round.
 *
 * What lies in a queue is a frame's handle. A frame is in one queue at most and its entry in the frame
 * table says where, so a frame that ends for another reason is taken out at once, and the length is
 * always the number of live frames.
 */
#include <linux/mm.h>
#include <linux/seq_file.h>
#include "etran.h"

#define NONE		U32_MAX
#define CHILDREN	4

/* Where an entry is; in the order of popping. */
enum place { FRONT, RANKED, TAIL };

/**
 * struct heap_entry - one entry of a heap
 * @rank: lowest first
 * @seq: order of pushing, for equals; wraps
 * @slot: which slot
 */
struct heap_entry {
	u64 rank;
	u32 seq;
	u32 slot;
};

/**
 * struct slot - one frame in a queue
 * @handle: which
 * @place: enum place
 * @next: towards the tail of a list; free: the next free slot
 * @prev: in a list
 * @pos: position in the heap of the best, in the heap of the worst
 */
struct slot {
	u64 handle;
	u32 place;
	u32 next;
	union {
		u32 prev;
		u32 pos[2];
	};
};

struct list {
	u32 head, tail;
};

/**
 * struct etran_queue - a packet queue
 * @lock: all of it; bottom halves off; innermost but for nothing
 * @len: frames in it
 * @heaped: ranked ones
 * @hole: the first entry of @heap[0] was popped, and the others are still where they were
 * @seq: of the next ranked push
 * @free: first free slot
 * @served: jiffies when somebody last asked for its first frame, for the watchdog
 * @list: FRONT and TAIL
 * @slots: @depth of them
 * @heap: best first; and worst first, or NULL
 */
struct etran_queue {
	spinlock_t lock;	/* see above */
	u32 len;
	u32 heaped;
	bool hole;
	u32 seq;
	u32 free;
	u32 served;
	struct list list[TAIL + 1];
	struct slot *slots;
	struct heap_entry *heap[2];
};

/* ---- heap ---- */

/* @worst: 0 for the heap of the best, 1 for that of the worst. Constant in all calls. */
static __always_inline bool before(const struct heap_entry *a, const struct heap_entry *b, int worst)
{
	if (worst)
		swap(a, b);
	return a->rank < b->rank ||
	       (unlikely(a->rank == b->rank) && (s32)(a->seq - b->seq) < 0);
}

static __always_inline void put(struct heap_entry *heap, struct slot *slots, u32 pos,
				struct heap_entry e, int worst)
{
	heap[pos] = e;
	slots[e.slot].pos[worst] = pos;
}

static __always_inline void sift_up(struct etran_queue *q, u32 pos, struct heap_entry e, int worst)
{
	struct heap_entry *heap = q->heap[worst];
	struct slot *slots = q->slots;

	while (pos) {
		u32 parent = (pos - 1) / CHILDREN;

		if (!before(&e, &heap[parent], worst))
			break;
		put(heap, slots, pos, heap[parent], worst);
		pos = parent;
	}
	put(heap, slots, pos, e, worst);
}

static __always_inline void sift_down(struct etran_queue *q, u32 pos, struct heap_entry e, u32 n,
				      int worst)
{
	struct heap_entry *heap = q->heap[worst], *best;
	struct slot *slots = q->slots;
	u32 child, end;

	BUILD_BUG_ON(CHILDREN != 4);
	while ((child = pos * CHILDREN + 1) + CHILDREN <= n) {
		struct heap_entry *c = &heap[child];

		best = c;
		if (before(c + 1, best, worst))
			best = c + 1;
		if (before(c + 2, best, worst))
			best = c + 2;
		if (before(c + 3, best, worst))
			best = c + 3;
		if (!before(best, &e, worst))
			goto out;
		put(heap, slots, pos, *best, worst);
		pos = best - heap;
	}
	/* Fewer than four. */
	if (child < n) {
		best = &heap[child];
		for (end = child + 1; end < n; end++)
			if (before(&heap[end], best, worst))
				best = &heap[end];
		if (before(best, &e, worst)) {
			put(heap, slots, pos, *best, worst);
			pos = best - heap;
		}
	}
out:
	put(heap, slots, pos, e, worst);
}

/* Take entry @pos out; @n: how many are left then. */
static __always_inline void heap_del(struct etran_queue *q, u32 pos, u32 n, int worst)
{
	struct heap_entry *heap = q->heap[worst], last = heap[n];

	if (pos == n)
		return;
	if (pos && before(&last, &heap[(pos - 1) / CHILDREN], worst))
		sift_up(q, pos, last, worst);
	else
		sift_down(q, pos, last, n, worst);
}

/* The last entry to the top, where there is none. */
static __always_inline void close_hole(struct etran_queue *q)
{
	if (!q->hole)
		return;
	q->hole = false;
	sift_down(q, 0, q->heap[0][q->heaped], q->heaped, 0);
}

/* ---- entries ---- */

static void list_link(struct etran_queue *q, enum place place, u32 slot)
{
	struct list *l = &q->list[place];
	struct slot *s = &q->slots[slot];
	u32 *end = place == FRONT ? &l->tail : &l->head;

	if (place == FRONT) {
		s->prev = NONE;
		s->next = l->head;
		l->head = slot;
		if (s->next != NONE)
			q->slots[s->next].prev = slot;
	} else {
		s->next = NONE;
		s->prev = l->tail;
		l->tail = slot;
		if (s->prev != NONE)
			q->slots[s->prev].next = slot;
	}
	if (*end == NONE)
		*end = slot;
}

static void list_unlink(struct etran_queue *q, u32 slot)
{
	struct slot *s = &q->slots[slot];
	struct list *l = &q->list[s->place];

	if (s->next != NONE)
		q->slots[s->next].prev = s->prev;
	else
		l->tail = s->prev;
	if (s->prev != NONE)
		q->slots[s->prev].next = s->next;
	else
		l->head = s->next;
}

static __always_inline void link(struct etran_queue *q, enum place place, u32 slot, u64 rank)
{
	struct heap_entry e = { .rank = rank, .seq = q->seq, .slot = slot };

	q->slots[slot].place = place;
	WRITE_ONCE(q->len, q->len + 1);
	if (place != RANKED) {
		list_link(q, place, slot);
		return;
	}
	q->seq++;
	q->heaped++;
	if (q->hole) {
		q->hole = false;
		sift_down(q, 0, e, q->heaped, 0);
	} else {
		sift_up(q, q->heaped - 1, e, 0);
	}
	if (q->heap[1])
		sift_up(q, q->heaped - 1, e, 1);
}

static __always_inline void free_slot(struct etran_queue *q, u32 slot)
{
	struct slot *s = &q->slots[slot];

	s->handle = 0;
	s->next = q->free;
	q->free = slot;
	WRITE_ONCE(q->len, q->len - 1);
}

static void unlink(struct etran_queue *q, u32 slot)
{
	struct slot *s = &q->slots[slot];

	if (s->place == RANKED) {
		close_hole(q);
		q->heaped--;
		heap_del(q, s->pos[0], q->heaped, 0);
		if (q->heap[1])
			heap_del(q, s->pos[1], q->heaped, 1);
	} else {
		list_unlink(q, slot);
	}
	free_slot(q, slot);
}

static u32 first_slot(struct etran_queue *q)
{
	if (q->list[FRONT].head != NONE)
		return q->list[FRONT].head;
	if (q->heaped) {
		close_hole(q);
		return q->heap[0][0].slot;
	}
	return q->list[TAIL].head;
}

/* Take out what is popped next, which there is. Return: its handle. */
static __always_inline u64 take_first(struct etran_queue *q)
{
	u32 slot = first_slot(q);
	u64 handle = q->slots[slot].handle;

	if (q->slots[slot].place != RANKED) {
		list_unlink(q, slot);
	} else {
		q->heaped--;
		if (q->heap[1])
			heap_del(q, q->slots[slot].pos[1], q->heaped, 1);
		/* What it leaves behind is filled by the next one. */
		q->hole = q->heaped;
	}
	free_slot(q, slot);
	return handle;
}

/* The slot that would be popped last. */
static u32 worst_slot(const struct etran_queue *q)
{
	if (q->list[TAIL].tail != NONE)
		return q->list[TAIL].tail;
	if (q->heaped)
		return q->heap[1][0].slot;
	return q->list[FRONT].tail;
}

/* Is the one in @slot, the worst of all, worse than a new one? */
static bool worse(const struct etran_queue *q, u32 slot, enum place place, u64 rank)
{
	enum place is = q->slots[slot].place;

	if (is != place)
		return is > place;
	/* Among equals the older one is better, but at the front. */
	return place == FRONT || (place == RANKED && q->heap[1][0].rank > rank);
}

static struct etran_queue *get(struct etran_transport *t, u32 index)
{
	return index < t->queues ? &t->queue[index] : NULL;
}

/* ---- for kfuncs.c and frame.c ---- */

/**
 * etran_queue_push - see bpf_etran_queue_push()
 * @t: the transport
 * @index: which of its queues
 * @handle: a held frame of it
 * @rank: for ETRAN_QUEUE_RANK
 * @flags: ETRAN_QUEUE_*
 * @dropped: the frame that was ended to make room
 *
 * Return: 0, 1, -EINVAL, -ENOBUFS, -ESTALE, -EBUSY. Context: RCU read side, bottom halves off.
 */
int etran_queue_push(struct etran_transport *t, u32 index, u64 handle, u64 rank, u32 flags,
		     u64 *dropped)
{
	struct etran_queue *q = get(t, index);
	u64 victim = 0;
	enum place place;
	u32 slot;
	int err;

	if (!q || flags > ETRAN_QUEUE_RANK)
		return -EINVAL;
	place = flags == ETRAN_QUEUE_RANK ? RANKED : flags == ETRAN_QUEUE_FRONT ? FRONT : TAIL;

	spin_lock(&q->lock);
	slot = q->free;
	if (unlikely(slot == NONE)) {
		err = -ENOBUFS;
		if (!q->heap[1])
			goto out;
		slot = worst_slot(q);
		if (!worse(q, slot, place, rank))
			goto out;
		victim = q->slots[slot].handle;
		/* The new one first: with it refused nothing must be lost. */
		err = etran_frame_enqueue(t, handle, index, slot);
		if (err)
			goto out;
		unlink(q, slot);
		etran_frame_dequeue(t, victim);
	} else {
		err = etran_frame_enqueue(t, handle, index, slot);
		if (err)
			goto out;
	}
	q->free = q->slots[slot].next;
	q->slots[slot].handle = handle;
	link(q, place, slot, rank);
out:
	spin_unlock(&q->lock);
	if (!victim || err)
		return err;
	etran_frame_end(t, victim, ETRAN_END_QUEUE);
	*dropped = victim;
	return 1;
}

/**
 * etran_queue_pop - see bpf_etran_queue_pop()
 * @t: the transport
 * @index: which of its queues
 *
 * Return: handle, or 0. Context: RCU read side, bottom halves off.
 */
u64 etran_queue_pop(struct etran_transport *t, u32 index)
{
	struct etran_queue *q = get(t, index);
	u64 handle = 0;

	if (!q || !READ_ONCE(q->len))
		return 0;
	spin_lock(&q->lock);
	if (likely(q->len)) {
		handle = take_first(q);
		etran_frame_dequeue(t, handle);
	}
	WRITE_ONCE(q->served, (u32)jiffies);
	spin_unlock(&q->lock);
	return handle;
}

/**
 * etran_queue_peek - see bpf_etran_queue_peek()
 * @t: the transport
 * @index: which of its queues
 * @rank: its rank
 *
 * Return: handle, or 0. Context: RCU read side, bottom halves off.
 */
u64 etran_queue_peek(struct etran_transport *t, u32 index, u64 *rank)
{
	struct etran_queue *q = get(t, index);
	u64 handle = 0;
	u32 slot;

	*rank = 0;
	if (!q || !READ_ONCE(q->len))
		return 0;
	spin_lock(&q->lock);
	slot = first_slot(q);
	if (slot != NONE) {
		handle = q->slots[slot].handle;
		if (q->slots[slot].place == RANKED)
			*rank = q->heap[0][0].rank;
	}
	WRITE_ONCE(q->served, (u32)jiffies);
	spin_unlock(&q->lock);
	return handle;
}

/**
 * etran_queue_len - see bpf_etran_queue_len()
 * @t: the transport
 * @index: which of its queues
 *
 * Return: frames, or -EINVAL. Context: any.
 */
int etran_queue_len(struct etran_transport *t, u32 index)
{
	struct etran_queue *q = get(t, index);

	return q ? READ_ONCE(q->len) : -EINVAL;
}

/**
 * etran_queue_remove - take a frame out of the queue that it is in
 * @f: the frame; it may be in none any more, or not yet be entered
 * @handle: its handle
 *
 * Context: RCU read side, bottom halves off. The caller looks at the frame again.
 */
void etran_queue_remove(struct etran_frame *f, u64 handle)
{
	struct etran_transport *t = READ_ONCE(f->ep)->transport;
	struct etran_queue *q = get(t, READ_ONCE(f->queue));
	u32 slot;

	if (!q)
		return;
	spin_lock(&q->lock);
	slot = READ_ONCE(f->slot);
	if (slot < t->queue_depth && q->slots[slot].handle == handle) {
		etran_frame_dequeue(t, handle);
		unlink(q, slot);
	}
	spin_unlock(&q->lock);
}

/**
 * etran_queue_served - when somebody last asked for the first frame of a packet queue
 * @t: the transport
 * @index: which of its queues
 *
 * Return: jiffies; of a queue that there is not, now. Context: any.
 */
u32 etran_queue_served(const struct etran_transport *t, u32 index)
{
	return index < t->queues ? READ_ONCE(t->queue[index].served) : (u32)jiffies;
}

/**
 * etran_queues_exit - free a transport's queues
 * @t: the transport; no frame is queued and nobody can push any more
 *
 * Context: process, may sleep.
 */
void etran_queues_exit(struct etran_transport *t)
{
	kvfree(t->queue_memory);
	kvfree(t->queue);
	t->queue_memory = NULL;
	t->queue = NULL;
	t->queues = 0;
}

/**
 * etran_queues_init - allocate a transport's queues
 * @t: the transport; its queues, queue_depth and flags are set
 *
 * Return: 0 or -ENOMEM. Context: process, may sleep.
 */
int etran_queues_init(struct etran_transport *t)
{
	bool worst = t->flags & ETRAN_OPS_DROP_WORST;
	size_t each = t->queue_depth * (sizeof(struct slot) +
					(worst ? 2 : 1) * sizeof(struct heap_entry));
	u32 i, k, n = t->queues;
	void *mem;

	if (!n)
		return 0;
	t->queue = kvcalloc(n, sizeof(*t->queue), GFP_KERNEL_ACCOUNT);
	t->queue_memory = kvcalloc(n, each, GFP_KERNEL_ACCOUNT);
	if (!t->queue || !t->queue_memory) {
		etran_queues_exit(t);
		return -ENOMEM;
	}
	mem = t->queue_memory;
	for (i = 0; i < n; i++) {
		struct etran_queue *q = &t->queue[i];

		spin_lock_init(&q->lock);
		q->served = (u32)jiffies;
		for (k = FRONT; k <= TAIL; k++)
			q->list[k].head = q->list[k].tail = NONE;
		q->slots = mem;
		q->heap[0] = (void *)(q->slots + t->queue_depth);
		if (worst)
			q->heap[1] = q->heap[0] + t->queue_depth;
		for (k = 0; k < t->queue_depth; k++)
			q->slots[k].next = k + 1 < t->queue_depth ? k + 1 : NONE;
		mem += each;
	}
	return 0;
}

/**
 * etran_queues_show - for debugfs
 * @s: where to
 * @t: the transport
 *
 * Context: process; etran_mutex held.
 */
void etran_queues_show(struct seq_file *s, struct etran_transport *t)
{
	u32 i;

	for (i = 0; i < t->queues; i++) {
		struct etran_queue *q = &t->queue[i];
		u64 rank, first;

		if (!READ_ONCE(q->len))
			continue;
		local_bh_disable();
		first = etran_queue_peek(t, i, &rank);
		seq_printf(s, "%s queue %u: %u frames, %u of them ranked, first %#llx at rank %llu\n",
			   t->name, i, READ_ONCE(q->len), READ_ONCE(q->heaped), first, rank);
		local_bh_enable();
	}
}
