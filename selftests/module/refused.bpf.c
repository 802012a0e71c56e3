// SPDX-License-Identifier: GPL-2.0
/*
 * Transports that must not be loaded, one mistake each. The tests create one etran_ops of this
 * object at a time.
 */
#include "etran.bpf.h"

SEC("struct_ops/good_egress")
__u32 BPF_PROG(good_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

SEC("struct_ops/good_ingress")
__u32 BPF_PROG(good_ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

#define OPS(ops, ...)				\
SEC(".struct_ops.link")				\
struct etran_ops ops = {			\
	.egress = (void *)good_egress,		\
	.ingress = (void *)good_ingress,	\
	.version = ETRAN_OPS_VERSION,		\
	.ip_proto = 252,			\
	.name = #ops,				\
	__VA_ARGS__				\
}

#pragma clang diagnostic ignored "-Winitializer-overrides"

SEC("struct_ops.s/sleepable_egress")
__u32 BPF_PROG(sleepable_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}
OPS(sleepable, .egress = (void *)sleepable_egress);

SEC("struct_ops/len_egress")
__u32 BPF_PROG(len_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	pkt->len = 1;
	return ETRAN_DROP;
}
OPS(writes_len, .egress = (void *)len_egress);

SEC("struct_ops/cookie_egress")
__u32 BPF_PROG(cookie_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	pkt->cookie = 1;
	return ETRAN_DROP;
}
OPS(writes_cookie, .egress = (void *)cookie_egress);

SEC("struct_ops/id_open")
__s32 BPF_PROG(id_open, struct etran_endpoint *ep)
{
	ep->id = 1;
	return 0;
}
OPS(writes_id, .endpoint_open = (void *)id_open);

/* What a program may believe the module's struct etran_pkt to be like further behind. */
struct etran_pkt___private {
	void *data;
} __attribute__((preserve_access_index));

SEC("struct_ops/beyond_egress")
__u32 BPF_PROG(beyond_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	((struct etran_pkt___private *)pkt)->data = 0;
	return ETRAN_DROP;
}
OPS(writes_beyond, .egress = (void *)beyond_egress);

SEC("struct_ops/hold_ingress")
__u32 BPF_PROG(hold_ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	bpf_etran_hold(pkt, 0, 1);
	return ETRAN_DROP;
}
OPS(hold_in_ingress, .ingress = (void *)hold_ingress);

SEC("struct_ops/load_egress")
__u32 BPF_PROG(load_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	bpf_etran_load(pkt, 1);
	return ETRAN_DROP;
}
OPS(load_in_egress, .egress = (void *)load_egress);

SEC("struct_ops/load_part_egress")
__u32 BPF_PROG(load_part_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	bpf_etran_load_part(pkt, 1, 0, 0);
	return ETRAN_DROP;
}
OPS(part_in_egress, .egress = (void *)load_part_egress);

SEC("struct_ops/load_next_egress")
__u32 BPF_PROG(load_next_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	bpf_etran_load_next(pkt, 0);
	return ETRAN_DROP;
}
OPS(next_in_egress, .egress = (void *)load_next_egress);

SEC("struct_ops/deliver_gen")
__u32 BPF_PROG(deliver_gen, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct etran_rec rec = {};

	bpf_etran_deliver(pkt, &rec, sizeof(rec), 0, 0);
	return ETRAN_DROP;
}
OPS(deliver_in_gen, .gen = (void *)deliver_gen);

/* A struct_ops type of the kernel's own. */
struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	char name[16];
} __attribute__((preserve_access_index));

SEC("struct_ops/tcp_ssthresh")
__u32 BPF_PROG(tcp_ssthresh, struct sock *sk)
{
	bpf_etran_gen_kick();
	return 2;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops foreign_tcp = {
	.ssthresh = (void *)tcp_ssthresh,
	.name = "etran_foreign",
};

SEC("?xdp")
int xdp_kicks(struct xdp_md *ctx)
{
	bpf_etran_gen_kick();
	return 2;	/* XDP_PASS */
}

char LICENSE[] SEC("license") = "GPL";
