/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a link may have granted and not received: homa_max_incoming bytes, so that grants cannot
 * overrun the buffers of the switch in front of it. Each RPC's share is noted in rpc->in_share;
 * every byte that arrives and every way in which an RPC ends gives it back.
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
