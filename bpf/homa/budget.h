/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a link may have granted and not received: homa_max_incoming bytes, so that grants cannot
 * overrun the buffers of the switch in front of it. Each RPC's share is noted in rpc->in_share;
 * every byte that arrives and every way in which an RPC ends gives it back.
 *
 * What is lost keeps its share, as it is still to come. But it can be asked for again and again, and what came
 * without a grant never had one: so what RESENDs ask for has a budget of its own, the same number of bytes in
 * each homa_resend_ticks. Otherwise a queue that overflowed once is overrun by the repetitions of all who
 * lost something there, for as long as there are enough of them.
 *
 * Links share an entry when their ids differ by a multiple of LINK_BUDGETS. That costs them
 * throughput, not correctness, and needs no state with a life of its own for a link.
 */
#ifndef _HOMA_BUDGET_H
#define _HOMA_BUDGET_H

#define LINK_BUDGETS	256

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LINK_BUDGETS);
	__type(key, __u32);
	__type(value, __u64);
} incoming SEC(".maps");

/**
 * struct asked - what was asked for again of a link
 * @since: ns
 * @bytes: from then on
 */
struct asked {
	__u64 since;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LINK_BUDGETS);
	__type(key, __u32);
	__type(value, struct asked);
} asked SEC(".maps");

static __always_inline struct asked *asked_of(__u32 link)
{
	__u32 key = link % LINK_BUDGETS;

	return bpf_map_lookup_elem(&asked, &key);
}

/* How many of @want bytes may be asked for again now. Callable under an RPC's lock. */
static __always_inline __u32 asked_take(struct asked *a, __u32 want, __u64 now)
{
	__u32 room = etran_bounded(homa_max_incoming);
	__u64 since = a->since, used;

	/* Who loses this race finds the new period begun. */
	if (now - since >= ticks_ns(homa_resend_ticks) && since < now &&
	    __sync_val_compare_and_swap(&a->since, since, now) == since)
		a->bytes = 0;
	used = __sync_fetch_and_add(&a->bytes, want);
	room = used < room ? room - used : 0;
	if (want <= room)
		return want;
	__sync_fetch_and_sub(&a->bytes, (__u64)(want - room));
	return room;
}

static __always_inline __u64 *budget_of(__u32 link)
{
	__u32 key = link % LINK_BUDGETS;

	return bpf_map_lookup_elem(&incoming, &key);
}

/* Take up to @want bytes. Callable under an RPC's lock. */
static __always_inline __u32 budget_take(__u64 *budget, __u32 want)
{
	/* Below 0 for a moment when the transport is detached: see exit.h. */
	__s64 used = __sync_fetch_and_add(budget, want);
	__u32 room = etran_bounded(homa_max_incoming);

	if (used >= room)
		room = 0;
	else if (used > 0)
		room -= used;
	if (want <= room)
		return want;
	__sync_fetch_and_sub(budget, (__u64)(want - room));
	return room;
}

/* Take @bytes even if there are not so many. Callable under an RPC's lock. */
static __always_inline void budget_overdraw(__u64 *budget, __u32 bytes)
{
	__sync_fetch_and_add(budget, bytes);
}

/* Give @bytes back, and let who wanted some try again. */
__noinline int budget_return(__u32 link, __u32 bytes)
{
	__u64 *budget = budget_of(link);

	if (!budget)
		return 0;
	__sync_fetch_and_sub(budget, bytes);
	return grant_serve(link);
}

#endif /* _HOMA_BUDGET_H */
