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

/* RPCs that found the budget used up. One that is served although it need not be does no harm. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, HOMA_MAX_RPCS);
	__type(value, struct work);
} waiting SEC(".maps");

/* About how many are in @waiting: saves looking into it for each packet. */
__u32 waiting_count;

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
	__u32 room = homa_max_incoming;

	if (used >= homa_max_incoming)
		room = 0;
	else if (used > 0)
		room -= used;
	if (want <= room)
		return want;
	__sync_fetch_and_sub(budget, (__u64)(want - room));
	return room;
}

/* Queue an RPC, that is not locked, until somebody gives bytes back. */
static __always_inline void budget_wait(const struct work *work)
{
	count(COUNTER_grant_waits);
	if (bpf_map_push_elem(&waiting, work, BPF_ANY))
		count(COUNTER_queue_full);
	else
		__sync_fetch_and_add(&waiting_count, 1);
}

/*
 * Give @bytes back, and let the one that waits longest try again. That one may be of another link,
 * whose budget is still used up: then it queues again, and the timer of who should have been
 * served helps.
 */
__noinline int budget_return(__u32 link, __u32 bytes)
{
	__u64 *budget = budget_of(link);
	struct work work;
	struct rpc *rpc;
	bool push;

	if (!budget)
		return 0;
	__sync_fetch_and_sub(budget, bytes);
	if (!waiting_count || bpf_map_pop_elem(&waiting, &work))
		return 0;
	__sync_fetch_and_sub(&waiting_count, 1);
	rpc = bpf_map_lookup_elem(&rpcs, &work.key);
	if (!rpc)
		return 0;
	push = false;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &work.key) && rpc->generation == work.generation) {
		rpc->waits = 0;
		push = work_add(rpc, PENDING_GRANT);
	}
	bpf_spin_unlock(&rpc->lock);
	if (push)
		work_push_inline(&work);
	return 0;
}

#endif /* _HOMA_BUDGET_H */
