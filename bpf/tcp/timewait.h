/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections in TIME_WAIT give way, when the table is full and to new ones between the same ports.
 *
 * When the table is full, those that have waited longest do first. A host that closes first, thousands of times a second,
 * would otherwise take no connections for a minute. What they wait for, segments that the network kept for so long, is
 * rare, and PAWS and unpredictable sequence numbers are in its way, too. Linux has a limit for them as well
 * (net.ipv4.tcp_max_tw_buckets). Rejected: a smaller entry for these, with a table, timers and rules of its own.
 *
 * A new connection of ours follows one between the same ports if that had timestamps (RFC 6191) and no other port is left;
 * for one of the peer's see segment_renews().
 *
 * The queue has whoever went into TIME_WAIT; who has left it since is recognized by state or generation.
 */
#ifndef _TCP_TIMEWAIT_H
#define _TCP_TIMEWAIT_H

/* Entries looked at for one slot: most are still what they were. */
#define GIVE_WAY_STEPS	64
/* So that the timestamps of the new connection are newer, RFC 6191, 2. */
#define REUSE_NS	1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, TCP_MAX_CONNS);
	__type(value, struct work);
} time_waits SEC(".maps");

volatile __u64 time_waits_entries;

/* It has gone into TIME_WAIT. Called without lock. */
static __noinline int time_wait_note(const struct work *w)
{
	struct work oldest;

	if (!queue_push(time_waits, w))
		return 0;
	/* There are more entries than connections: the oldest most likely is one that is over. */
	queue_pop(time_waits, &oldest);
	return queue_push(time_waits, w);
}

/*
 * A connection ends before its time. @generation: which one has to be there; 0: any that a new one between the same ports may
 * follow (RFC 6191): with timestamps, the peer's last segment at least a second old. Return: whether it did.
 */
static __noinline int time_wait_end(__u32 slot, __u32 generation)
{
	struct scratch *scratch = scratch_get(SCRATCH_TIME_WAIT);
	__u64 now = bpf_ktime_get_ns();
	struct conn *c = conn_at(slot);
	struct after *a;

	if (!scratch || !c)
		return 0;
	a = &scratch->after;
	bpf_spin_lock(&c->lock);
	if (c->state == CONN_TIME_WAIT && c->detached &&
	    (generation ? c->generation == generation :
			  c->ts_ok && now - c->last_ns >= REUSE_NS))
		conn_close(c, a, 0);
	bpf_spin_unlock(&c->lock);
	if (!a->free)
		return 0;
	/* All that it sent is acknowledged; perhaps it was not given back yet. */
	if (a->chain[0])
		bpf_etran_release_chain(a->chain[0]);
	if (a->chain[1])
		bpf_etran_release_chain(a->chain[1]);
	conn_free(&a->key, slot);
	count(COUNTER_time_wait_ended);
	return 1;
}

/* End one of them for its slot. Return: 1: done; 0: there is none. */
__noinline int time_wait_give_way(void)
{
	struct work w;
	int i;

	bpf_for(i, 0, GIVE_WAY_STEPS) {
		if (queue_pop(time_waits, &w))
			return 0;
		if (time_wait_end(w.slot, w.generation))
			return 1;
	}
	return 0;
}

/* End the one that has this key, if a new connection may have that. Return: 1: done. */
__noinline int time_wait_reuse(const struct conn_key *key)
{
	__u32 slot;

	if (!key)
		return 0;
	slot = conn_find(key);
	return slot ? time_wait_end(slot, 0) : 0;
}

#endif /* _TCP_TIMEWAIT_H */
