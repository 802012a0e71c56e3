/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of RPCs: a slot of "rpcs" for each, which are taken and given back, and an index of them by
 * key, "rpc_buckets". The slot taken next is the one given back last, so few are in use, and their memory
 * and timers (timer.h) are warm.
 *
 * A bucket has room for some RPCs, of which it keeps the id, a checksum of the key, and the slot. Whoever
 * changes it locks it. Whoever looks does not: an entry stays where it is as long as its RPC lives, so one
 * that is there cannot be missed; and that what was found is the RPC in question is for rpc_is() to say, under
 * the RPC's lock. Of keys of which the checksum and the id are both equal only one can be here.
 *
 * The sum is multilinear with random 64-bit factors, of which the upper half is used: for any two keys
 * it is equal with a chance of 2^-32 whatever they are, so no peer can choose ids that fall into one bucket. (Lemire
 * and Kaser, "Strongly universal string hashing is fast", 2014.)
 *
 * Rejected: BPF_MAP_TYPE_HASH, which this was before. Its hash of 32 bytes, the comparison, and the copy of an RPC
 * for each new one cost three times as much, and a timer cannot outlive its entry.
 */
#ifndef _HOMA_TABLE_H
#define _HOMA_TABLE_H

/* With all RPCs in use one of them in 4,000 is full. */
#define BUCKETS		(HOMA_MAX_RPCS / 2)
#define BUCKET_ROOM	8
#define KEY_WORDS	8

/* Chosen when the first endpoint is opened; there are no RPCs before. */
__u64 hash_factors[KEY_WORDS + 1];

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HOMA_MAX_RPCS);
	__type(key, __u32);
	__type(value, struct rpc);
} rpcs SEC(".maps");

/**
 * struct rpc_bucket - RPCs whose checksums have the same low bits
 * @lock: guards changes
 * @zero: 0
 * @id: of their keys; 0 where there is none
 * @sum: checksums of their keys
 * @slot: where they are
 */
struct rpc_bucket {
	struct bpf_spin_lock lock;
	__u32 zero;
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

/**
 * struct rpc_slots - which slots are free
 * @lock: guards it
 * @used: how many are in use
 * @free: the one given back last, 0 for none
 * @fresh: those from here on were never used; 0 is none of them
 * @next: of a free one: that given back before
 */
struct rpc_slots {
	struct bpf_spin_lock lock;
	__u32 used;
	__u32 free;
	__u32 fresh;
	__u32 next[HOMA_MAX_RPCS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpc_slots);
} rpc_slots SEC(".maps");

static __always_inline struct rpc_slots *slots_get(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&rpc_slots, &key);
}

static __always_inline void hash_init(void)
{
	__u32 i;

	if (hash_factors[0])
		return;
#pragma unroll
	for (i = KEY_WORDS + 1; i--;)
		hash_factors[i] = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
}

static __always_inline __u32 hash_words(const __u32 *words, __u32 n)
{
	__u64 sum = hash_factors[0];
	__u32 i;

#pragma unroll
	for (i = 0; i < n; i++)
		sum += hash_factors[i + 1] * words[i];
	return sum >> 32;
}

/*
 * Of all but the peer's port: ids are unique at the host that began the RPC, and hosts acknowledge RPCs
 * without saying which port had them.
 */
static __always_inline __u32 rpc_sum(const struct rpc_key *key)
{
	__u32 words[] = { key->id, key->id >> 32, key->link, key->port,
			  key->peer.a[0], key->peer.a[1], key->peer.a[2], key->peer.a[3] };

	return hash_words(words, KEY_WORDS);
}

static __always_inline struct rpc_bucket *bucket_of(__u32 sum)
{
	__u32 key = sum % BUCKETS;

	return bpf_map_lookup_elem(&rpc_buckets, &key);
}

static __always_inline struct rpc *rpc_at(__u32 slot)
{
	return bpf_map_lookup_elem(&rpcs, &slot);
}

/* The RPC of a key but for the peer's port, most likely. NULL: there is none. */
static __noinline struct rpc *rpc_find_any_port(const struct rpc_key *key)
{
	__u32 sum = rpc_sum(key), slot = 0;
	const struct rpc_bucket *bucket = bucket_of(sum);
	int i;

	if (!bucket)
		return NULL;
#pragma unroll
	for (i = 0; i < BUCKET_ROOM; i++) {
		if (bucket->id[i] == key->id && bucket->sum[i] == sum) {
			slot = bucket->slot[i];
			break;
		}
	}
	return slot ? rpc_at(slot) : NULL;
}

/* The RPC of a key, most likely: rpc_is() tells, under its lock. NULL: there is none. */
static __always_inline struct rpc *rpc_find(const struct rpc_key *key)
{
	struct rpc *rpc = rpc_find_any_port(key);

	return rpc && rpc->key.peer_port == key->peer_port ? rpc : NULL;
}

/* Put a slot into the index. False: there is an RPC of that key, or no room. */
static __noinline bool bucket_add(const struct rpc_key *key, __u32 slot)
{
	__u32 sum = rpc_sum(key);
	struct rpc_bucket *bucket = bucket_of(sum);
	int i, at = -1;

	if (!bucket)
		return false;
	bpf_spin_lock(&bucket->lock);
#pragma unroll
	for (i = BUCKET_ROOM - 1; i >= 0; i--) {
		if (!bucket->id[i])
			at = i;
		else if (bucket->id[i] == key->id && bucket->sum[i] == sum)
			break;
	}
	if (i < 0 && at >= 0 && at < BUCKET_ROOM) {
		bucket->slot[at] = slot;
		bucket->sum[at] = sum;
		/* Last, for those who look: on x86 and by way of rpc_is() elsewhere this is enough. */
		barrier();
		bucket->id[at] = key->id;
	} else {
		at = -1;
	}
	bpf_spin_unlock(&bucket->lock);
	return at >= 0;
}

/* Take a slot out of the index. */
static __noinline int bucket_del(const struct rpc_key *key, __u32 slot)
{
	__u32 sum = rpc_sum(key);
	struct rpc_bucket *bucket = bucket_of(sum);
	int i;

	if (!bucket)
		return 0;
	bpf_spin_lock(&bucket->lock);
#pragma unroll
	for (i = 0; i < BUCKET_ROOM; i++)
		if (bucket->id[i] == key->id && bucket->sum[i] == sum && bucket->slot[i] == slot)
			bucket->id[i] = 0;
	bpf_spin_unlock(&bucket->lock);
	return 0;
}

/* A free slot, 0 for none. */
static __noinline __u32 slot_take(void)
{
	struct rpc_slots *s = slots_get();
	__u32 slot;

	if (!s)
		return 0;
	bpf_spin_lock(&s->lock);
	slot = s->free;
	if (slot) {
		s->free = s->next[bounded(slot, HOMA_MAX_RPCS)];
	} else if (s->fresh < HOMA_MAX_RPCS - 1) {
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
	struct rpc_slots *s = slots_get();

	if (!s)
		return 0;
	bpf_spin_lock(&s->lock);
	s->next[bounded(slot, HOMA_MAX_RPCS)] = s->free;
	s->free = slot;
	s->used--;
	bpf_spin_unlock(&s->lock);
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
	__u32 slot = slot_take();
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
	if (!bucket_add(key, slot)) {
		slot_give(slot);
		return NULL;
	}
	return rpc;
}

/* The end of what rpc_alloc() began: of an RPC that was never begun, or is RPC_DEAD. By one only. */
static __always_inline void rpc_free(const struct rpc_key *key, __u32 slot)
{
	bucket_del(key, slot);
	slot_give(slot);
}

/*
 * RPC_EACH(look, type), below long look(struct rpc *rpc, type *context), is what for_each_rpc(look, context)
 * needs. That calls it, unlocked, for each slot that was ever used, whatever is there now, until it does not
 * return 0.
 */
#define RPC_EACH(look, type)						\
static long each_##look(__u32 i, type *context)				\
{									\
	struct rpc *rpc = rpc_at(i + 1);				\
									\
	return rpc ? look(rpc, context) : 1;				\
}

#define for_each_rpc(look, context)					\
do {									\
	const struct rpc_slots *___slots = slots_get();			\
									\
	if (___slots)							\
		bpf_loop(___slots->fresh, each_##look, context, 0);	\
} while (0)

#endif /* _HOMA_TABLE_H */
