// SPDX-License-Identifier: GPL-2.0
/*
 * Filters that must not be loaded, one mistake each, and a transport that takes itself for one. The
 * tests create one of them at a time.
 */
#include "etran.bpf.h"

#define OPS(ops, member, prog)			\
SEC(".struct_ops.link")				\
struct etran_filter_ops ops = {			\
	.member = (void *)prog,			\
	.version = ETRAN_FILTER_VERSION,	\
	.name = #ops,				\
}

SEC("struct_ops.s/sleepable_egress")
__u32 BPF_PROG(sleepable_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_PASS;
}
OPS(sleepable, egress, sleepable_egress);

SEC("struct_ops/hdr_egress")
__u32 BPF_PROG(hdr_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	hdr->b[1] = 0xb8;
	return ETRAN_PASS;
}
OPS(writes_hdr, egress, hdr_egress);

SEC("struct_ops/pkt_ingress")
__u32 BPF_PROG(pkt_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	pkt->link = 1;
	return ETRAN_PASS;
}
OPS(writes_pkt, ingress, pkt_ingress);

SEC("struct_ops/slice_ingress")
__u32 BPF_PROG(slice_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	__u8 *p = bpf_etran_filter_slice(pkt, 0, 4);

	if (p)
		*p = 0;
	return ETRAN_PASS;
}
OPS(writes_slice, ingress, slice_ingress);

SEC("struct_ops/null_ingress")
__u32 BPF_PROG(null_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return *bpf_etran_filter_slice(pkt, 0, 4);
}
OPS(unchecked_slice, ingress, null_ingress);

SEC("struct_ops/beyond_ingress")
__u32 BPF_PROG(beyond_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	__u8 *p = bpf_etran_filter_slice(pkt, 0, 4);

	return p ? p[4] : ETRAN_PASS;
}
OPS(beyond_slice, ingress, beyond_ingress);

SEC("struct_ops/kick_egress")
__u32 BPF_PROG(kick_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	bpf_etran_gen_kick();
	return ETRAN_PASS;
}
OPS(kicks, egress, kick_egress);

SEC("struct_ops/release_egress")
__u32 BPF_PROG(release_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	bpf_etran_release(1);
	return ETRAN_PASS;
}
OPS(releases, egress, release_egress);

SEC("struct_ops/notify_ingress")
__u32 BPF_PROG(notify_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	struct etran_rec rec = {};

	bpf_etran_notify(&rec, sizeof(rec));
	return ETRAN_PASS;
}
OPS(notifies, ingress, notify_ingress);

/* A context of one kind is none of the other. */
SEC("struct_ops/cast_ingress")
__u32 BPF_PROG(cast_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return !bpf_etran_slice((struct etran_pkt *)pkt, 0, 4);
}
OPS(transports_slice, ingress, cast_ingress);

SEC("struct_ops/transport_egress")
__u32 BPF_PROG(transport_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return !bpf_etran_filter_slice((struct etran_filter_pkt *)pkt, 0, 4);
}

SEC("struct_ops/transport_ingress")
__u32 BPF_PROG(transport_ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

SEC(".struct_ops.link")
struct etran_ops filters_slice = {
	.egress = (void *)transport_egress,
	.ingress = (void *)transport_ingress,
	.version = ETRAN_OPS_VERSION,
	.ip_proto = 252,
	.name = "filters_slice",
};

char LICENSE[] SEC("license") = "GPL";
