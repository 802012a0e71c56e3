// SPDX-License-Identifier: GPL-2.0
/*
 * ratelimit: a token bucket for each peer, or one for all, in each direction. Drops what exceeds it.
 *
 *	etranctl filter add ratelimit --set rate=1000000 --set burst=65536
 *	etranctl filter add ratelimit --set rate=1000000 --set per_peer=false --set ingress=false
 *
 * In any time T, at most burst + rate * T bytes of IP packets pass. A packet larger than the burst
 * never does. A limit that drops is for peers that do not behave; a transport that is to be slower
 * paces itself (see dgram.bpf.c). The map keeps the buckets of the 16384 peers that were heard of
 * last; an idle peer's bucket is full, so one that was forgotten loses nothing.
 *
 *	bpftool map dump pinned /sys/fs/bpf/etran/filter/ratelimit/buckets
 */
#include <stdbool.h>
#include "peer.h"

#define BUCKETS		16384
#define NS_PER_S	1000000000ULL
/* How often to try when other CPUs take from the same bucket. */
#define TRIES		8

/* Bytes a second, at least 1. */
const volatile __u64 rate = 125000000;
/* Bytes that may pass at once after a pause. */
const volatile __u32 burst = 262144;
/* Each peer has a bucket of its own. */
const volatile bool per_peer = true;
/* Limit received packets, limit sent ones. */
const volatile bool ingress = true;
const volatile bool egress = true;

struct bucket_key {
	struct peer peer;
	__u32 direction;
};

/*
 * A bucket is one number, so that CPUs need no lock: the time (CLOCK_MONOTONIC, ns) when it will be
 * full. A packet of L bytes moves that L / rate further; what it may be at most is now + burst / rate,
 * which is an empty bucket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BUCKETS);
	__type(key, struct bucket_key);
	__type(value, __u64);
} buckets SEC(".maps");

static __u64 ns_of(__u64 bytes)
{
	/* In the order that does not overflow: bytes are fewer than 2^32. */
	return bytes * NS_PER_S / (rate ?: 1);
}

static __u32 take(struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	struct bucket_key key = { .direction = pkt->direction };
	__u64 now = bpf_ktime_get_ns(), *full, old, new;
	int i;

	if (per_peer)
		peer_of(pkt, hdr, &key.peer);
	full = bpf_map_lookup_elem(&buckets, &key);
	if (!full) {
		bpf_map_update_elem(&buckets, &key, &now, BPF_NOEXIST);
		full = bpf_map_lookup_elem(&buckets, &key);
		if (!full)
			return ETRAN_DROP;
	}
	for (i = 0; i < TRIES; i++) {
		old = *(volatile __u64 *)full;
		new = (old > now ? old : now) + ns_of(pkt->len);
		if (new - now > ns_of(burst))
			return ETRAN_DROP;
		if (__sync_val_compare_and_swap(full, old, new) == old)
			return ETRAN_PASS;
	}
	return ETRAN_DROP;
}

SEC("struct_ops/ratelimit_ingress")
__u32 BPF_PROG(ratelimit_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return ingress ? take(pkt, hdr) : ETRAN_PASS;
}

SEC("struct_ops/ratelimit_egress")
__u32 BPF_PROG(ratelimit_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return egress ? take(pkt, hdr) : ETRAN_PASS;
}

SEC(".struct_ops.link")
struct etran_filter_ops ratelimit = {
	.ingress = (void *)ratelimit_ingress,
	.egress = (void *)ratelimit_egress,
	.version = ETRAN_FILTER_VERSION,
	.priority = 200,
	.name = "ratelimit",
};

char LICENSE[] SEC("license") = "GPL";
