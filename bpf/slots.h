/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which entries of an array are free. The slot taken next is the one given back last, so few are in use, and their
 * memory and timers are warm. Who includes this has defined SLOTS, the name of the map, and SLOTS_MAX, how many
 * there are, of which slot 0 is none.
 */
#ifndef _ETRAN_SLOTS_H
#define _ETRAN_SLOTS_H

/**
 * struct SLOTS - which slots are free
 * @lock: guards it
 * @used: how many are in use
 * @free: the one given back last, 0 for none
 * @fresh: those behind this were never used
 * @next: of a free one: that given back before
 */
struct SLOTS {
	struct bpf_spin_lock lock;
	__u32 used;
	__u32 free;
	__u32 fresh;
	__u32 next[SLOTS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct SLOTS);
} SLOTS SEC(".maps");

static __always_inline struct SLOTS *slots_get(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&SLOTS, &key);
}

/*
 * A free slot, 0 for none. Functions of their own, both, for the stack of who calls them: programs of transports are
 * near its limit.
 */
static __noinline __u32 slot_take(void)
{
	struct SLOTS *s = slots_get();
	__u32 slot;

	if (!s)
		return 0;
	bpf_spin_lock(&s->lock);
	slot = s->free;
	if (slot) {
		s->free = s->next[bounded(slot, SLOTS_MAX)];
	} else if (s->fresh < SLOTS_MAX - 1) {
		slot = s->fresh + 1;
		s->fresh = slot;
	}
	if (slot)
		s->used++;
	bpf_spin_unlock(&s->lock);
	return slot;
}

static __noinline int slot_give(__u32 slot)
{
	struct SLOTS *s = slots_get();

	if (!s)
		return 0;
	bpf_spin_lock(&s->lock);
	s->next[bounded(slot, SLOTS_MAX)] = s->free;
	s->free = slot;
	s->used--;
	bpf_spin_unlock(&s->lock);
	return 0;
}

/*
 * SLOT_EACH(look, entry, at, type), below long look(entry *e, type *context), is what for_each_slot(look, context)
 * needs. That calls it, unlocked, for what at() finds in each slot that was ever used, whatever is there now, until
 * it does not return 0.
 */
#define SLOT_EACH(look, entry, at, type)				\
static long each_##look(__u32 i, type *context)				\
{									\
	entry *___e = at(i + 1);					\
									\
	return ___e ? look(___e, context) : 1;				\
}

#define for_each_slot(look, context)					\
do {									\
	const struct SLOTS *___slots = slots_get();			\
									\
	if (___slots)							\
		bpf_loop(___slots->fresh, each_##look, context, 0);	\
} while (0)

#endif /* _ETRAN_SLOTS_H */
