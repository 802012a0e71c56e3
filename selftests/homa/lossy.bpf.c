// SPDX-License-Identifier: GPL-2.0
/*
 * A bad network in front of etran's dispatcher: drops packets of IP protocol 146, by a sequence
 * that depends on nothing but the seed and how many such packets came before. libxdp runs it
 * first, because its priority number is lower than the dispatcher's 40.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <xdp/xdp_helpers.h>

struct {
	__uint(priority, 20);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(lossy);

/**
 * struct lossy_state - what a test reads and sets
 * @seed: of the sequence
 * @seen: packets of Homa
 * @dropped: how many of them were dropped
 */
struct lossy_state {
	__u64 seed;
	__u64 seen;
	__u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lossy_state);
} state SEC(".maps");

/* Packets dropped of 10000. */
const volatile __u32 loss;

SEC("xdp")
int lossy(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct ipv6hdr *ip6 = data + sizeof(*eth);
	struct lossy_state *s;
	__u32 zero = 0;
	__u64 x;

	if ((void *)(ip6 + 1) > end)
		return XDP_PASS;
	if (!(eth->h_proto == bpf_htons(ETH_P_IP) && ip->protocol == 146) &&
	    !(eth->h_proto == bpf_htons(ETH_P_IPV6) && ip6->nexthdr == 146))
		return XDP_PASS;
	s = bpf_map_lookup_elem(&state, &zero);
	if (!s)
		return XDP_PASS;
	x = s->seed + __sync_fetch_and_add(&s->seen, 1) * 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	if (x % 10000 >= loss)
		return XDP_PASS;
	__sync_fetch_and_add(&s->dropped, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
