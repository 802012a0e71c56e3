// SPDX-License-Identifier: GPL-2.0
/*
 * The programs of the suite "frames": transports that do one thing each, so that what is measured is
 * the module around them, and XDP programs for the plain arms. See frames.h.
 */
#include "etran.bpf.h"
#include "../ip.bpf.h"
#include "frames.h"

#define AF_HDR	((int)(ETRAN_HDR_LEN - FR_HDRS))

volatile struct fr_state fr;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct fr_req);
	__type(value, struct fr_peer);
} peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

static __always_inline __u32 headers(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 daddr)
{
	struct ip *ip = (struct ip *)&hdr->b[AF_HDR];

	ip->version_ihl = 0x45;
	ip->tos = 0;
	ip->ttl = 64;
	ip->protocol = FR_PROTO;
	ip->saddr = 0;
	ip->daddr = daddr;
	*(__u64 *)&hdr->b[AF_HDR + 20] = 0;
	pkt->hdr_off = AF_HDR;
	pkt->hdr_len = FR_HDRS;
	return ETRAN_TX;
}

/* ---- egress ---- */

/* "Empty": constant headers, for nothing can be sent without. */
SEC("struct_ops/egress_empty")
__u32 BPF_PROG(egress_empty, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return headers(pkt, hdr, 0x0200000a /* 10.0.0.2 */);
}

/* The same and a hundred instructions, to see that they are seen: JITed, three a turn. */
SEC("struct_ops/egress_planted")
__u32 BPF_PROG(egress_planted, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	asm volatile("r1 = 33; 1: r1 += -1; if r1 != 0 goto 1b;" ::: "r1");
	return headers(pkt, hdr, 0x0200000a);
}

SEC("struct_ops/egress_hash")
__u32 BPF_PROG(egress_hash, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	const struct fr_req *req = (const void *)pkt->req.data;
	struct fr_req key = { .daddr = req->daddr, .dport = req->dport };
	struct fr_peer *peer = bpf_map_lookup_elem(&peers, &key);

	if (!peer)
		return ETRAN_DROP;
	peer->packets++;
	return headers(pkt, hdr, peer->daddr);
}

SEC("struct_ops/egress_hold")
__u32 BPF_PROG(egress_hold, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	__u64 handle;

	switch (pkt->req.op) {
	case FR_CYCLE:
		if (fr.cycle && bpf_etran_release(fr.cycle))
			fr.failed++;
		handle = bpf_etran_hold(pkt, 0, 1);
		fr.cycle = handle;
		break;
	case FR_HOLD:
		handle = bpf_etran_hold(pkt, 0, 1);
		break;
	case FR_RELEASE:
		if (fr.cycle && bpf_etran_release(fr.cycle))
			fr.failed++;
		fr.cycle = 0;
		return ETRAN_DROP;
	default:
		return headers(pkt, hdr, 0x0200000a);
	}
	if (!handle) {
		fr.failed++;
		return ETRAN_DROP;
	}
	return ETRAN_HOLD;
}

/* 32 bits, the same in each run, for less than bpf_get_prandom_u32() costs. */
static __always_inline __u64 random32(void)
{
	__u64 r = fr.random * 6364136223846793005ULL + 1442695040888963407ULL;

	fr.random = r;
	return r >> 32;
}

/*
 * As ranks are in use: behind what is popped now by a random distance, so that a new frame can
 * belong anywhere among those that are queued.
 */
static __always_inline __u64 next_rank(void)
{
	__u64 rank = fr.rank;

	fr.rank = rank + fr.rank_step;
	return rank + random32();
}

SEC("struct_ops/egress_queue")
__u32 BPF_PROG(egress_queue, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	__u64 handle, dropped = 0; /* Linux 6.6 takes no uninitialized result */
	int i;

	switch (pkt->req.op) {
	case FR_PUSH:
		handle = bpf_etran_hold(pkt, 0, 1);
		if (handle && !bpf_etran_queue_push(0, handle, next_rank(), ETRAN_QUEUE_RANK, &dropped))
			return ETRAN_HOLD;
		fr.failed++;
		break;
	case FR_POP_PUSH:
		for (i = 0; i < FR_PAIRS; i++) {
			handle = bpf_etran_queue_pop(0);
			if (bpf_etran_queue_push(0, handle, next_rank(), ETRAN_QUEUE_RANK, &dropped))
				fr.failed++;
		}
		break;
	case FR_RANKS:
		for (i = 0; i < FR_PAIRS; i++)
			fr.cycle = next_rank();
		break;
	}
	return ETRAN_DROP;
}

SEC("struct_ops/egress_timed")
__u32 BPF_PROG(egress_timed, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	__u64 r = random32();

	if (fr.timed)
		pkt->departure_ns = fr.timed + (fr.timed_spread * r >> 32);
	return headers(pkt, hdr, 0x0200000a);
}

/* ---- ingress ---- */

SEC("struct_ops/ingress_empty")
__u32 BPF_PROG(ingress_empty, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_CONSUME;
}

SEC("struct_ops/ingress_deliver")
__u32 BPF_PROG(ingress_deliver, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct etran_rec rec = { .endpoint = fr.endpoint };

	if (bpf_etran_deliver(pkt, &rec, sizeof(rec), FR_HDRS, FR_DELIVERED)) {
		fr.failed++;
		return ETRAN_DROP;
	}
	return ETRAN_DELIVER;
}

/* Each packet to the next endpoint. */
SEC("struct_ops/ingress_spread")
__u32 BPF_PROG(ingress_spread, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	__u32 i = fr.next & (FR_SOCKETS - 1);
	struct etran_rec rec = { .endpoint = fr.endpoint_of[i] };

	fr.next = i + 1 < fr.endpoints ? i + 1 : 0;
	if (bpf_etran_deliver(pkt, &rec, sizeof(rec), FR_HDRS, FR_DELIVERED)) {
		fr.failed++;
		return ETRAN_DROP;
	}
	return ETRAN_DELIVER;
}

/* Each packet makes gen send so many. */
SEC("struct_ops/ingress_kick")
__u32 BPF_PROG(ingress_kick, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	fr.due += fr.make;
	bpf_etran_gen_kick();
	return ETRAN_CONSUME;
}

/* ---- gen ---- */

SEC("struct_ops/gen")
__u32 BPF_PROG(gen, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	if (!fr.due)
		return ETRAN_DROP;
	fr.due--;
	fr.generated++;
	pkt->link = fr.link;
	return headers(pkt, hdr, 0x0200000a);
}

#define TRANSPORT(_name, _egress, _ingress, ...)					\
SEC(".struct_ops.link")									\
struct etran_ops _name = {								\
	.egress = (void *)_egress, .ingress = (void *)_ingress, ##__VA_ARGS__,		\
	.version = ETRAN_OPS_VERSION, .ip_proto = FR_PROTO, .name = FR_NAME,		\
}

/* One at a time is attached: they share a name and a protocol. */
TRANSPORT(bench_empty, egress_empty, ingress_empty);
TRANSPORT(bench_planted, egress_planted, ingress_empty);
TRANSPORT(bench_hash, egress_hash, ingress_empty);
TRANSPORT(bench_hold, egress_hold, ingress_empty);
TRANSPORT(bench_queue, egress_queue, ingress_empty, .queues = 1, .queue_depth = FR_QUEUE_DEPTH);
TRANSPORT(bench_timed, egress_timed, ingress_empty);
TRANSPORT(bench_deliver, egress_empty, ingress_deliver);
TRANSPORT(bench_spread, egress_empty, ingress_spread);
TRANSPORT(bench_gen, egress_empty, ingress_kick, .gen = (void *)gen);

/* ---- XDP ---- */

SEC("xdp")
int xdp_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp")
int xdp_etran(struct xdp_md *ctx)
{
	return bpf_etran_rx(ctx);
}

SEC("xdp")
int xdp_socket(struct xdp_md *ctx)
{
	return bpf_redirect_map(&xsks, 0, XDP_DROP);
}

/* Run by BPF_PROG_TEST_RUN on live frames: what sends in the ingress cases, without a user program. */
SEC("xdp")
int xdp_send(struct xdp_md *ctx)
{
	return bpf_redirect(fr.redirect, 0);
}

char LICENSE[] SEC("license") = "GPL";
