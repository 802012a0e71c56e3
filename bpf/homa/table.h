/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of RPCs: a slot of "rpcs" for each, which are taken and given back, and an index of them by
 * key, "rpc_buckets".
 *
 * A bucket has room for some RPCs, of which it keeps the id, a checksum of the key, and the slot. Whoever
 * changes it locks it. Whoever looks does not: an entry stays where it is as long as its RPC lives, so one
 * that is there cannot be missed; and that what was found is the RPC in question is for rpc_is() to say, under
 * the RPC's lock. Of keys of which the checksum and the id are both equal only one can be here.
 *
 * Rejected: BPF_MAP_TYPE_HASH, which this was before. Its hash of 32 bytes, the comparison, and the copy of an RPC
 * for each new one cost three times as much, and a timer cannot outlive its entry.
 */
#ifndef _HOMA_TABLE_H
#define _HOMA_TABLE_H

/* With all RPCs in use one of them in 4,000 is full; what belongs there has a second one. */
#define BUCKETS		(HOMA_MAX_RPCS / 2)
#define BUCKET_ROOM	8

/* struct rpc_place.way, and what bucket_put() says beside an entry */
#define BUCKET_OTHER	BUCKET_ROOM
#define BUCKET_FULL	(2 * BUCKET_ROOM)
#define BUCKET_HAS	(BUCKET_FULL + 1)

#define HASH_WORDS	8
#include "hash.h"

#define SLOTS		rpc_slots
#define SLOTS_MAX	HOMA_MAX_RPCS
#include "slots.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HOMA_MAX_RPCS);
	__type(key, __u32);
	__type(value, struct rpc);
} rpcs SEC(".maps");

/**
 * struct rpc_bucket - RPCs whose checksums have the same low bits
 * @lock: guards changes
 * @over: how many are in their other buckets, as this one was full
 * @id: of their keys; 0 where there is none
 * @sum: checksums of their keys
 * @slot: where they are
 */
struct rpc_bucket {
	struct bpf_spin_lock lock;
	__u32 over;
	__u64 id[BUCKET_ROOM];
	__u32 sum[BUCKET_ROOM];
	__u32 slot[BUCKET_ROOM];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUCKETS);
	__type(key, __u32);
	__type(value, struct rpc_bucket);
} rpc_buckets SEC(".maps");

/*
 * Of all but the peer's port: ids are unique at the host that began the RPC, and hosts acknowledge RPCs
 * without saying which port had them.
 */
static __always_inline __u32 rpc_sum(const struct rpc_key *key)
{
	__u32 words[] = { key->id, key->id >> 32, key->link, key->port,
			  key->peer.a[0], key->peer.a[1], key->peer.a[2], key->peer.a[3] };

	return hash_words(words, HASH_WORDS);
}

static __always_inline struct rpc_bucket *bucket_at(__u32 index)
{
	__u32 key = index % BUCKETS;

	return bpf_map_lookup_elem(&rpc_buckets, &key);
}

static __always_inline struct rpc *rpc_at(__u32 slot)
{
	return bpf_map_lookup_elem(&rpcs, &slot);
}

static __always_inline __u32 bucket_find(const struct rpc_bucket *bucket, __u64 id, __u32 sum)
{
	int i;

#pragma unroll
	for (i = 0; i < BUCKET_ROOM; i++)
		if (bucket->id[i] == id && bucket->sum[i] == sum)
			return bucket->slot[i];
	return 0;
}

/* Rare: of what is in its other bucket. */
static __noinline int rpc_find_other(__u64 id, __u32 sum)
{
	const struct rpc_bucket *bucket = bucket_at(hash_other(sum));

	return bucket ? bucket_find(bucket, id, sum) : 0;
}

/* The RPC of a key but for the peer's port, most likely. NULL: there is none. */
static __noinline struct rpc *rpc_find_any_port(const struct rpc_key *key)
{
	__u32 sum = rpc_sum(key), slot;
	const struct rpc_bucket *bucket = bucket_at(sum);

	if (!bucket)
		return NULL;
	slot = bucket_find(bucket, key->id, sum);
	if (!slot && bucket->over)
		slot = rpc_find_other(key->id, sum);
	return slot ? rpc_at(slot) : NULL;
}

/* The RPC of a key, most likely: rpc_is() tells, under its lock. NULL: there is none. */
static __always_inline struct rpc *rpc_find(const struct rpc_key *key)
{
	struct rpc *rpc = rpc_find_any_port(key);

	return rpc && rpc->key.peer_port == key->peer_port ? rpc : NULL;
}

/*
 * What is said about an RPC comes in runs: the packets of a message, a request and its response. So each CPU
 * remembers where it had the last one in either role. Nothing has to be forgotten: a slot that is dead, or another
 * RPC's by now, does not fit; and what lives under a key is the one that the index has.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} rpc_lately SEC(".maps");

static __always_inline __u32 *rpc_hint(const struct rpc_key *key)
{
	__u32 role = is_client(key->id);

	return bpf_map_lookup_elem(&rpc_lately, &role);
}

/* As rpc_find(), for what comes with each packet of a message. */
static __always_inline struct rpc *rpc_find_again(const struct rpc_key *key)
{
	__u32 *slot = rpc_hint(key);
	struct rpc *rpc;

	if (!slot)
		return NULL;
	rpc = rpc_at(*slot);
	if (rpc && rpc_is(rpc, key))
		return rpc;
	rpc = rpc_find(key);
	if (rpc)
		*slot = rpc->slot;
	return rpc;
}

/* Return: its entry; BUCKET_FULL, which is noted if it is the @first one; BUCKET_HAS: that RPC exists. */
static __always_inline __u32 bucket_put(struct rpc_bucket *bucket, __u64 id, __u32 sum, __u32 slot, bool first)
{
	int i, at = -1;
	__u32 ret = BUCKET_HAS;

	bpf_spin_lock(&bucket->lock);
#pragma unroll
	for (i = BUCKET_ROOM - 1; i >= 0; i--) {
		if (!bucket->id[i])
			at = i;
		else if (bucket->id[i] == id && bucket->sum[i] == sum)
			break;
	}
	if (i < 0 && at >= 0 && at < BUCKET_ROOM) {
		bucket->slot[at] = slot;
		bucket->sum[at] = sum;
		/* Last, for those who look: on x86 and by way of rpc_is() elsewhere this is enough. */
		barrier();
		bucket->id[at] = id;
		ret = at;
	} else if (i < 0) {
		/* Before it is there, for those who look. */
		bucket->over += first;
		ret = BUCKET_FULL;
	}
	bpf_spin_unlock(&bucket->lock);
	return ret;
}

static __always_inline void bucket_not_over(struct rpc_bucket *bucket)
{
	bpf_spin_lock(&bucket->lock);
	bucket->over--;
	bpf_spin_unlock(&bucket->lock);
}

/* Put a new RPC into the index. False: there is one of that key, or no room in either bucket. */
static __noinline bool bucket_add(struct rpc *rpc)
{
	__u32 sum = rpc_sum(&rpc->key), second = hash_other(sum);
	struct rpc_bucket *bucket = bucket_at(sum), *other;
	__u32 way;

	if (!bucket || (bucket->over && rpc_find_other(rpc->key.id, sum)))
		return false;
	rpc->place.bucket = sum;
	rpc->place.first = sum;
	way = bucket_put(bucket, rpc->key.id, sum, rpc->slot, true);
	if (way == BUCKET_FULL) {
		rpc->place.bucket = second;
		other = bucket_at(second);
		way = other ? bucket_put(other, rpc->key.id, sum, rpc->slot, false) : BUCKET_FULL;
		if (way >= BUCKET_ROOM)
			bucket_not_over(bucket);
		else
			way |= BUCKET_OTHER;
	}
	rpc->place.way = way;
	return way < BUCKET_FULL;
}

/* Take a dead RPC out of the index. By its slot, for the stack of who calls this. */
static __noinline int bucket_del(__u32 slot)
{
	const struct rpc *rpc = rpc_at(slot);
	struct rpc_bucket *bucket;

	bucket = rpc ? bucket_at(rpc->place.bucket) : NULL;
	if (!bucket)
		return 0;
	bpf_spin_lock(&bucket->lock);
	bucket->id[rpc->place.way % BUCKET_ROOM] = 0;
	bpf_spin_unlock(&bucket->lock);
	if (rpc->place.way & BUCKET_OTHER) {
		bucket = bucket_at(rpc->place.first);
		if (bucket)
			bucket_not_over(bucket);
	}
	return 0;
}

/* Raised when the programs are replaced, whose timers' functions are replaced with them. */
__u32 timer_epoch;

static int rpc_timer(void *map, __u32 *slot, struct rpc *rpc);

static __always_inline void rpc_timer_init(struct rpc *rpc)
{
	__u32 epoch = timer_epoch + 1;

	if (rpc->timer_epoch == epoch)
		return;
	/* The first time only; then it says -EBUSY. */
	bpf_timer_init(&rpc->timer, &rpcs, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&rpc->timer, rpc_timer);
	rpc->timer_epoch = epoch;
}

/* A new RPC in the table, not alive yet. NULL: there is one, or no room. */
static __noinline struct rpc *rpc_alloc(const struct rpc_key *key)
{
	__u32 slot = slot_take(), *hint = rpc_hint(key);
	struct rpc *rpc;

	if (!slot)
		return NULL;
	rpc = rpc_at(slot);
	if (!rpc)
		return NULL;
	rpc->slot = slot;
	/* Before others find it; for those who still have the slot in hand it is dead. */
	rpc->key = *key;
	rpc_timer_init(rpc);
	if (!bucket_add(rpc)) {
		slot_give(slot);
		return NULL;
	}
	if (hint)
		*hint = slot;
	return rpc;
}

/* The end of what rpc_alloc() began: of an RPC that was never begun, or is RPC_DEAD. By one only. */
static __always_inline void rpc_free(__u32 slot)
{
	bucket_del(slot);
	slot_give(slot);
}

/* For for_each_slot(look, context), below long look(struct rpc *rpc, type *context). */
#define RPC_EACH(look, type)	SLOT_EACH(look, struct rpc, rpc_at, type)

#endif /* _HOMA_TABLE_H */
