/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of connections: a slot of "conns" for each, and an index of them by key, "conn_buckets". It is built like Homa's table
 * of RPCs (bpf/homa/table.h, which says why it is no BPF_MAP_TYPE_HASH): a bucket is changed under its lock and looked at without, and what
 * was found is compared with the key, under the connection's lock by those to whom it matters.
 */
#ifndef _TCP_TABLE_H
#define _TCP_TABLE_H

/* With all connections in use one of them in 4,000 is full; what belongs there has a second one. */
#define BUCKETS		(TCP_MAX_CONNS / 2)
#define BUCKET_ROOM	8

#define HASH_WORDS	10
#include "hash.h"

#define SLOTS		conn_slots
#define SLOTS_MAX	TCP_MAX_CONNS
#include "slots.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCP_MAX_CONNS);
	__type(key, __u32);
	__type(value, struct conn);
} conns SEC(".maps");

/**
 * struct conn_bucket - connections whose checksums have the same low bits
 * @lock: guards changes
 * @over: how many are in their other buckets, as this one was full
 * @sum: checksums of their keys
 * @slot: where they are; 0: there is none
 */
struct conn_bucket {
	struct bpf_spin_lock lock;
	__u32 over;
	__u32 sum[BUCKET_ROOM];
	__u32 slot[BUCKET_ROOM];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUCKETS);
	__type(key, __u32);
	__type(value, struct conn_bucket);
} conn_buckets SEC(".maps");

static __always_inline __u32 conn_sum(const struct conn_key *key)
{
	__u32 words[] = {
		key->link, (__u32)key->port << 16 | key->peer_port,
		key->peer.a[0], key->peer.a[1], key->peer.a[2], key->peer.a[3],
		key->local.a[0], key->local.a[1], key->local.a[2], key->local.a[3],
	};

	return hash_words(words, HASH_WORDS);
}

static __always_inline bool key_same(const struct conn_key *a, const struct conn_key *b)
{
	return a->link == b->link && a->port == b->port && a->peer_port == b->peer_port &&
	       address_same(&a->peer, &b->peer) && address_same(&a->local, &b->local);
}

static __always_inline struct conn_bucket *bucket_at(__u32 index)
{
	__u32 key = index % BUCKETS;

	return bpf_map_lookup_elem(&conn_buckets, &key);
}

static __always_inline struct conn *conn_at(__u32 slot)
{
	return bpf_map_lookup_elem(&conns, &slot);
}

static __always_inline __u32 bucket_find(const struct conn_bucket *bucket, const struct conn_key *key, __u32 sum)
{
	struct conn *c;
	int i;

	for (i = 0; i < BUCKET_ROOM; i++) {
		if (bucket->sum[i] != sum || !bucket->slot[i])
			continue;
		c = conn_at(bucket->slot[i]);
		if (c && c->state != CONN_FREE && key_same(&c->key, key))
			return bucket->slot[i];
	}
	return 0;
}

/* Rare: of what is in its other bucket. */
static __noinline int conn_find_other(const struct conn_key *key, __u32 sum)
{
	const struct conn_bucket *bucket = bucket_at(hash_other(sum));

	return key && bucket ? bucket_find(bucket, key, sum) : 0;
}

/* The slot of a key that has @sum, most likely: the lock and the generation tell. 0: there is none. */
__noinline int conn_find_sum(const struct conn_key *key, __u32 sum)
{
	const struct conn_bucket *bucket;
	__u32 slot;

	if (!key)
		return 0;
	bucket = bucket_at(sum);
	if (!bucket)
		return 0;
	slot = bucket_find(bucket, key, sum);
	if (!slot && bucket->over)
		slot = conn_find_other(key, sum);
	return slot;
}

static __always_inline __u32 conn_find(const struct conn_key *key)
{
	return conn_find_sum(key, conn_sum(key));
}

/* Slots of a bucket whose connections are known not to be the one that is looked for, each at its place. */
struct known {
	__u32 slot[BUCKET_ROOM];
};

/* All ones if @x is 0, else 0; as mask_below(). */
static __always_inline __u64 mask_zero(__u32 x)
{
	__s64 mask = ((__s64)x - 1) >> 63;

	barrier_var(mask);
	return mask;
}

/*
 * Return: 1; 0: it is full, which is noted if it is the @first one; -1: there is one of that checksum, at least, that is not
 * @known. With masks, for the verifier: see ranges.h.
 */
static __always_inline int bucket_put(struct conn_bucket *bucket, __u32 sum, __u32 slot, bool first,
				      const struct known *known)
{
	__u64 same = 0, free;
	__u32 at = BUCKET_ROOM;
	int i, ret = -1;

	bpf_spin_lock(&bucket->lock);
#pragma unroll
	for (i = BUCKET_ROOM - 1; i >= 0; i--) {
		free = mask_zero(bucket->slot[i]);
		at = mask_choose(free, i, at);
		same |= mask_zero(bucket->sum[i] ^ sum) & ~free &
			~mask_zero(bucket->slot[i] ^ known->slot[i]);
	}
	if (!same && at < BUCKET_ROOM) {
		bucket->sum[at] = sum;
		/* Last, for those who look. */
		barrier();
		bucket->slot[at] = slot;
		ret = 1;
	} else if (!same) {
		/* Before it is there, for those who look. */
		bucket->over += first;
		ret = 0;
	}
	bpf_spin_unlock(&bucket->lock);
	return ret;
}

/* Which of a bucket's have that checksum, and are other connections? Return: 0: one is that connection. */
__noinline int bucket_know(const struct conn_key *key, __u32 index, __u32 sum, struct known *known)
{
	const struct conn_bucket *bucket = bucket_at(index);
	const struct conn *c;
	__u32 slot;
	int i;

	if (!key || !bucket || !known)
		return 0;
	bpf_for(i, 0, BUCKET_ROOM) {
		__u32 at = bounded(i, BUCKET_ROOM);

		slot = bucket->slot[at];
		known->slot[at] = 0;
		if (!slot || bucket->sum[at] != sum)
			continue;
		c = conn_at(slot);
		if (!c || key_same(&c->key, key))
			return 0;
		known->slot[at] = slot;
	}
	return 1;
}

/*
 * Connections may have the same checksum: of 200,000 some do. Keys cannot be compared under the bucket's lock, as nothing can be called
 * there; so they are compared before, and under it is seen that nothing has come since. Return: as bucket_put(); -1: that
 * connection exists.
 */
static __noinline int bucket_put_key(const struct conn_key *key, __u32 index, __u32 sum, __u32 slot, bool first)
{
	struct conn_bucket *bucket = bucket_at(index);
	struct known known = {};
	int n, ret;

	if (!bucket)
		return -1;
	bpf_for(n, 0, BUCKET_ROOM) {
		ret = bucket_put(bucket, sum, slot, first, &known);
		if (ret >= 0)
			return ret;
		if (!bucket_know(key, index, sum, &known))
			break;
	}
	return -1;
}

static __always_inline bool bucket_take(struct conn_bucket *bucket, __u32 sum, __u32 slot)
{
	bool found = false;
	int i;

	bpf_spin_lock(&bucket->lock);
#pragma unroll
	for (i = 0; i < BUCKET_ROOM; i++) {
		if (bucket->sum[i] != sum || bucket->slot[i] != slot)
			continue;
		bucket->slot[i] = 0;
		found = true;
	}
	bpf_spin_unlock(&bucket->lock);
	return found;
}

static __always_inline void bucket_not_over(struct conn_bucket *bucket)
{
	bpf_spin_lock(&bucket->lock);
	bucket->over--;
	bpf_spin_unlock(&bucket->lock);
}

/* Put a slot into the index. False: that connection exists, or there is no room in either bucket. */
static __noinline int bucket_add(const struct conn_key *key, __u32 slot)
{
	__u32 sum = conn_sum(key);
	struct conn_bucket *bucket = bucket_at(sum);
	int ret;

	if (!bucket)
		return 0;
	if (bucket->over && conn_find_other(key, sum))
		return 0;
	ret = bucket_put_key(key, sum, sum, slot, true);
	if (ret)
		return ret > 0;
	ret = bucket_put_key(key, hash_other(sum), sum, slot, false);
	if (ret <= 0)
		bucket_not_over(bucket);
	return ret > 0;
}

/* Take a slot out of the index. */
static __noinline int bucket_del(const struct conn_key *key, __u32 slot)
{
	__u32 sum = conn_sum(key);
	struct conn_bucket *bucket = bucket_at(sum), *other = bucket_at(hash_other(sum));

	if (bucket && other && !bucket_take(bucket, sum, slot) && bucket_take(other, sum, slot))
		bucket_not_over(bucket);
	return 0;
}

/* Raised when the programs are replaced, whose timers' functions are replaced with them. */
__u32 timer_epoch;

static int conn_timer(void *map, __u32 *slot, struct conn *c);
int time_wait_give_way(void);

/*
 * A slot for a connection that nobody finds before conn_begin(); 0: there is one of that key, or no room. A global
 * function, as all that are called from several places and do not need the packet: the verifier looks at them once.
 */
__noinline int conn_alloc(const struct conn_key *key)
{
	__u32 slot, epoch = timer_epoch + 1;
	struct conn *c;

	if (!key)
		return 0;
	slot = slot_take();
	if (!slot && time_wait_give_way())
		slot = slot_take();
	if (!slot)
		return 0;
	c = conn_at(slot);
	if (!c)
		return 0;
	c->slot = slot;
	c->key = *key;
	if (c->timer_epoch != epoch) {
		/* The first time only; then it says -EBUSY. */
		bpf_timer_init(&c->timer, &conns, CLOCK_MONOTONIC);
		bpf_timer_set_callback(&c->timer, conn_timer);
		c->timer_epoch = epoch;
	}
	if (!bucket_add(key, slot)) {
		slot_give(slot);
		return 0;
	}
	return slot;
}

/* The end of what conn_alloc() began. By one only. */
static __always_inline void conn_free(const struct conn_key *key, __u32 slot)
{
	bucket_del(key, slot);
	slot_give(slot);
}

/* For for_each_slot(look, context), below long look(struct conn *c, type *context). */
#define CONN_EACH(look, type)	SLOT_EACH(look, struct conn, conn_at, type)

#endif /* _TCP_TABLE_H */
