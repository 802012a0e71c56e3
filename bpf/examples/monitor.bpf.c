// SPDX-License-Identifier: GPL-2.0
/*
 * monitor: counts packets and bytes to and from each peer, of all transports.
 *
 *	etranctl filter add monitor
 *	bpftool map dump pinned /sys/fs/bpf/etran/filter/monitor/peers
 *	bpftool -j map dump pinned /sys/fs/bpf/etran/filter/monitor/peers | jq ...
 *	etranctl filter del monitor
 *
 * A key is the peer's address, IPv4 as ::ffff:a.b.c.d. Bytes are those of IP packets. The map keeps
 * the 16384 peers that were heard of last. Its priority is the highest number, so it counts what
 * other filters let pass; to count what was asked for, add it with --priority -1000.
 */
#include "peer.h"

#define PEERS	16384

/**
 * struct traffic - what went to and came from one peer
 * @in_packets: received
 * @in_bytes: bytes of these
 * @out_packets: sent
 * @out_bytes: bytes of these
 */
struct traffic {
	__u64 in_packets;
	__u64 in_bytes;
	__u64 out_packets;
	__u64 out_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PEERS);
	__type(key, struct peer);
	__type(value, struct traffic);
} peers SEC(".maps");

static struct traffic *traffic_of(struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	struct traffic none = {}, *t;
	struct peer peer;

	peer_of(pkt, hdr, &peer);
	t = bpf_map_lookup_elem(&peers, &peer);
	if (t)
		return t;
	/* Another CPU may be first: then its entry is the one to count in. */
	bpf_map_update_elem(&peers, &peer, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&peers, &peer);
}

SEC("struct_ops/monitor_ingress")
__u32 BPF_PROG(monitor_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	struct traffic *t = traffic_of(pkt, hdr);

	if (t) {
		__sync_fetch_and_add(&t->in_packets, 1);
		__sync_fetch_and_add(&t->in_bytes, pkt->len);
	}
	return ETRAN_PASS;
}

SEC("struct_ops/monitor_egress")
__u32 BPF_PROG(monitor_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	struct traffic *t = traffic_of(pkt, hdr);

	if (t) {
		__sync_fetch_and_add(&t->out_packets, 1);
		__sync_fetch_and_add(&t->out_bytes, pkt->len);
	}
	return ETRAN_PASS;
}

SEC(".struct_ops.link")
struct etran_filter_ops monitor = {
	.ingress = (void *)monitor_ingress,
	.egress = (void *)monitor_egress,
	.version = ETRAN_FILTER_VERSION,
	.priority = 0x7fffffff,
	.name = "monitor",
};

char LICENSE[] SEC("license") = "GPL";
