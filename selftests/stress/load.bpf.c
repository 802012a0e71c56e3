// SPDX-License-Identifier: GPL-2.0
/* The transport that makes trouble, and the XDP program that looks for it: see load.h. */
#include <stdbool.h>
#include "etran.bpf.h"
#include "../ip.bpf.h"
#include "load.h"

#define HDR		((int)(ETRAN_HDR_LEN - LOAD_HDRS))
#define ADD(what)	__sync_fetch_and_add(&(what), 1)

volatile struct load_state load;

/* xorshift64. CPUs that race for it make it only more random. */
static __u64 rnd(void)
{
	__u64 x = load.seed;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	load.seed = x;
	return x;
}

static void headers(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 endpoint, __u32 seq,
		    __u32 daddr)
{
	struct ip *ip = (struct ip *)&hdr->b[HDR];
	struct load_hdr *lh = (struct load_hdr *)&hdr->b[HDR + 20];

	ip->version_ihl = 0x45;
	ip->tos = 0;
	ip->ttl = 64;
	ip->protocol = LOAD_PROTO;
	ip->saddr = 0;
	ip->daddr = daddr ?: load.daddr;
	lh->magic = LOAD_MAGIC;
	lh->endpoint = endpoint;
	lh->seq = seq;
	lh->len = pkt->payload_len;
	lh->sum = load_sum(endpoint, seq, pkt->payload_len);
	pkt->hdr_off = HDR;
	pkt->hdr_len = LOAD_HDRS;
}

/* Once in a while something for which a transport is ejected, or none would live to do the rest. */
static bool wrong(void)
{
	return !(rnd() >> 20 & load.garbage);
}

static __u32 garbage(struct etran_pkt *pkt, struct etran_hdr *hdr, bool gen)
{
	__u64 r = rnd(), handle = 0, dropped = 0, rank;
	__u32 i = r & (LOAD_SLOTS - 1), q, flags;
	bool held;

	/* Right in some places, or nothing would come further than the first check. */
	if (r & 0x100)
		headers(pkt, hdr, rnd(), rnd(), r & 0x200 ? 0 : (__u32)rnd());
	if (!(r & 0x400))
		hdr->b[HDR] = rnd();
	if (!(r & 0x2000000))
		hdr->b[HDR + 2] = rnd();
	if (!(r & 0x6000000))
		hdr->b[HDR + 9] = rnd();
	if (!(r & 0x8000000))
		hdr->b[HDR + 16] = rnd();
	if (!(r & 0x1800))
		pkt->hdr_off = rnd();
	if (!(r & 0x6000))
		pkt->hdr_len = rnd();
	if (!(r & 0x18000))
		pkt->link = rnd() & 0x20000 ? rnd() & 7 : rnd();
	if (!(r & 0x60000))
		pkt->departure_ns = r & 0x80000 ? rnd() : bpf_ktime_get_ns() + (rnd() & 0xffffff);
	if (r & 0x100000)
		handle = gen ? load.slot[i] : bpf_etran_hold(pkt, load.slot[(r >> 8) & (LOAD_SLOTS - 1)], rnd());
	held = handle && !gen;
	if (gen && (r & 0x200000))
		bpf_etran_load(pkt, r & 0x400000 ? handle : rnd());
	if (handle)
		load.slot[i] = handle;
	handle = r & 0x800000 ? rnd() : load.slot[(r >> 24) & (LOAD_SLOTS - 1)];
	q = wrong() ? rnd() >> 40 & 7 : rnd() >> 40 & (LOAD_QUEUES - 1);
	flags = wrong() ? rnd() >> 40 & 3 : (rnd() >> 40) % 3;
	switch (rnd() >> 40 & 15) {
	case 0:
		bpf_etran_release(handle);
		break;
	case 1:
		bpf_etran_release_chain(handle);
		break;
	case 2:
		bpf_etran_send(handle, rnd() & 1 ? rnd() : 0, rnd() & 3);
		break;
	case 3:
		bpf_etran_queue_push(q, handle, rnd(), flags, &dropped);
		break;
	case 4:
		load.slot[i] = bpf_etran_queue_pop(q);
		break;
	case 5:
		bpf_etran_queue_peek(q, &rank);
		bpf_etran_queue_len(rnd());
		break;
	case 6:
		bpf_etran_gen_kick();
		break;
	case 7:
		bpf_etran_next(handle);
		bpf_etran_cookie(handle);
		break;
	}
	r = rnd();
	if (wrong())
		return r >> 32;
	/* Mostly a verdict that is one here. */
	if (gen)
		return r & 0x10000 ? ETRAN_TX : ETRAN_CONSUME;
	if (r & 0x10000)
		return ETRAN_TX | (held && r & 0x20000 ? ETRAN_RETAIN : 0);
	return held && r & 0x40000 ? ETRAN_HOLD : ETRAN_DROP;
}

SEC("struct_ops/load_egress")
__u32 BPF_PROG(load_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	__u64 handle, old, dropped = 0, now, next;
	struct load_req r;
	__u32 i, q;

	ADD(load.egress);
	if (load.garbage)
		return garbage(pkt, hdr, false);
	bpf_probe_read_kernel(&r, sizeof(r), pkt->req.data);
	headers(pkt, hdr, pkt->endpoint, r.seq, r.daddr);
	i = r.random & (LOAD_SLOTS - 1);
	q = (r.random >> 8) & (LOAD_QUEUES - 1);
	switch (r.what % LOAD_WAYS) {
	case LOAD_TX:
		return ETRAN_TX;
	case LOAD_RETAIN:
		handle = bpf_etran_hold(pkt, 0, 1);
		old = __sync_lock_test_and_set(&load.slot[i], handle);
		bpf_etran_release(old);
		return handle ? ETRAN_TX | ETRAN_RETAIN : ETRAN_DROP;
	case LOAD_AGAIN:
		handle = bpf_etran_hold(pkt, 0, 1);
		old = __sync_lock_test_and_set(&load.slot[i], handle);
		old = __sync_lock_test_and_set(&load.again[i], old);
		bpf_etran_release(old);
		bpf_etran_gen_kick();
		return handle ? ETRAN_TX | ETRAN_RETAIN : ETRAN_DROP;
	case LOAD_HOLD:
		handle = bpf_etran_hold(pkt, 0, 1);
		old = __sync_lock_test_and_set(&load.slot[i], handle);
		if (bpf_etran_send(old, 0, 0))
			bpf_etran_release(old);
		return handle ? ETRAN_HOLD : ETRAN_DROP;
	case LOAD_TIMED:
		pkt->departure_ns = bpf_ktime_get_ns() + (r.random >> 8 & 0x1fffff);
		return ETRAN_TX;
	case LOAD_QUEUE:
		handle = bpf_etran_hold(pkt, 0, 1);
		if (!handle)
			return ETRAN_DROP;
		/* A frame has no packet yet while egress runs: it is an earlier one that goes. */
		next = bpf_etran_queue_len(q) > 2 ? bpf_etran_queue_pop(q) : 0;
		if (bpf_etran_queue_push(q, handle, r.random >> 16, ETRAN_QUEUE_RANK, &dropped) < 0)
			bpf_etran_release(handle);
		if (next && bpf_etran_send(next, 0, 0))
			bpf_etran_release(next);
		return ETRAN_HOLD;
	case LOAD_LATE:
		handle = bpf_etran_hold(pkt, 0, 1);
		old = __sync_lock_test_and_set(&load.slot[i], handle);
		now = bpf_ktime_get_ns();
		if (bpf_etran_send(old, now + (r.random >> 8 & 0x1fffff), 0))
			bpf_etran_release(old);
		return handle ? ETRAN_HOLD : ETRAN_DROP;
	}
	return ETRAN_DROP;
}

SEC("struct_ops/load_ingress")
__u32 BPF_PROG(load_ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	const struct load_hdr *lh = (struct load_hdr *)&hdr->b[20];
	struct etran_rec rec = { .type = 1 };
	struct load_rec *r = (struct load_rec *)rec.data;
	bool delivered;
	__u64 x;

	ADD(load.ingress);
	if (load.garbage) {
		x = rnd();
		rec.endpoint = x & 1 ? load.to : x >> 32;
		rec.type = x >> 8;
		delivered = x & 2 && !bpf_etran_deliver(pkt, &rec, sizeof(rec), x & 16 ? rnd() : 20,
							x & 32 ? rnd() : rnd() & 63);
		if (x & 4)
			bpf_etran_notify(&rec, sizeof(rec));
		if (x & 8)
			bpf_etran_gen_kick();
		if (wrong())
			return x >> 24;
		return delivered ? ETRAN_DELIVER : x & 64 ? ETRAN_PASS : x & 128 ? ETRAN_CONSUME :
		       ETRAN_DROP;
	}
	if ((hdr->b[0] >> 4) != 4 || hdr->b[9] != LOAD_PROTO || pkt->len < LOAD_HDRS ||
	    lh->magic != LOAD_MAGIC)
		return ETRAN_DROP;
	if (!load.to || lh->endpoint != load.from)
		return ETRAN_CONSUME;
	rec.endpoint = load.to;
	r->seq = lh->seq;
	r->len = pkt->len - LOAD_HDRS;
	return bpf_etran_deliver(pkt, &rec, sizeof(rec), LOAD_HDRS, r->len) ?
	       ETRAN_DROP : ETRAN_DELIVER;
}

SEC("struct_ops/load_gen")
__u32 BPF_PROG(load_gen, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	__u64 handle;
	__u32 i;

	ADD(load.gen);
	if (load.garbage) {
		/* It has to end by itself here: going on for ever is tested elsewhere. */
		if (!(rnd() & 7))
			return ETRAN_DROP;
		return garbage(pkt, hdr, true);
	}
	i = ADD(load.gen_next);
	if (!(i & (LOAD_SLOTS - 1)))
		return ETRAN_DROP;
	handle = __sync_lock_test_and_set(&load.again[i & (LOAD_SLOTS - 1)], 0);
	if (!handle)
		return ETRAN_CONSUME;
	if (bpf_etran_load(pkt, handle))
		return ETRAN_CONSUME;
	headers(pkt, hdr, 0, i, 0);
	bpf_etran_release(handle);
	return ETRAN_TX;
}

SEC("struct_ops/load_open")
__s32 BPF_PROG(load_open, struct etran_endpoint *ep)
{
	if (load.garbage) {
		ep->port = rnd();
		ep->arg[1] = rnd();
		return wrong() ? (__s32)rnd() : rnd() >> 40 & 3 ? 0 : -(__s32)(rnd() >> 40 & 0xfff);
	}
	return 0;
}

SEC("struct_ops/load_bind")
__s32 BPF_PROG(load_bind, struct etran_endpoint *ep)
{
	return load.garbage && wrong() ? (__s32)rnd() : 0;
}

SEC("struct_ops/load_close")
void BPF_PROG(load_close, struct etran_endpoint *ep)
{
	__u64 handle;
	__u32 i;

	if (load.garbage) {
		bpf_etran_release(rnd());
		return;
	}
	/* A socket's queue is free when nothing of it is kept: whose these are is not worth knowing. */
	for (i = 0; i < LOAD_SLOTS; i++) {
		bpf_etran_release(__sync_lock_test_and_set(&load.slot[i], 0));
		bpf_etran_release(__sync_lock_test_and_set(&load.again[i], 0));
	}
	for (i = 0; i < LOAD_QUEUES * 16; i++) {
		handle = bpf_etran_queue_pop(i & (LOAD_QUEUES - 1));
		if (handle)
			bpf_etran_release(handle);
	}
}

SEC("struct_ops.s/load_exit")
void BPF_PROG(load_exit, struct etran_exit_info *info)
{
	load.exit_kind = info->kind;
}

SEC(".struct_ops.link")
struct etran_ops load_ops = {
	.egress = (void *)load_egress,
	.ingress = (void *)load_ingress,
	.gen = (void *)load_gen,
	.endpoint_open = (void *)load_open,
	.endpoint_bind = (void *)load_bind,
	.endpoint_close = (void *)load_close,
	.exit = (void *)load_exit,
	.version = ETRAN_OPS_VERSION,
	.ip_proto = LOAD_PROTO,
	.name = LOAD_NAME,
	.queues = LOAD_QUEUES,
	.queue_depth = 16,
};

/* Why a packet is bad. */
enum { FINE, NO_ETHERNET, NOT_FOR_PEER, ETHERTYPE, NO_IP, IP_HEADER, IP_LENGTH, IP_SUM, PROTOCOL,
	NO_HEADER, NOT_SEALED };

static __always_inline int look(struct xdp_md *ctx)
{
	const __u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct load_hdr *lh;
	const struct ip *ip;
	__u16 type, tot;
	__u32 sum = 0;
	int i;

	if (p + 14 > end)
		return NO_ETHERNET;
	for (i = 0; i < 6; i++)
		if (p[6 + i] != load.watch[i])
			return -1;
	type = p[12] << 8 | p[13];
	/* The kernel's own: ARP, neighbour discovery, membership reports. */
	if (type == 0x0806 || type == 0x86dd)
		return -1;
	if (type != 0x0800)
		return ETHERTYPE;
	ip = (void *)(p + 14);
	if ((void *)(ip + 1) > (void *)end)
		return NO_IP;
	if (ip->protocol == 2)
		return -1;
	if (ip->version_ihl != 0x45)
		return IP_HEADER;
	for (i = 0; i < 6; i++)
		if (p[i] != load.peer[i])
			return NOT_FOR_PEER;
	for (i = 0; i < 10; i++)
		sum += ((const __u16 *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum != 0xffff)
		return IP_SUM;
	tot = __builtin_bswap16(ip->tot_len);
	if (tot != end - p - 14)
		return IP_LENGTH;
	if (ip->protocol != LOAD_PROTO && !(load.garbage && ip->protocol == 1))
		return PROTOCOL;
	/* Nonsense that was asked for is no crime of the module's. */
	if (load.garbage)
		return FINE;
	lh = (void *)(ip + 1);
	if ((void *)(lh + 1) > (void *)end)
		return NO_HEADER;
	if (lh->magic != LOAD_MAGIC || lh->len != tot - LOAD_HDRS ||
	    lh->sum != load_sum(lh->endpoint, lh->seq, lh->len))
		return NOT_SEALED;
	return FINE;
}

SEC("xdp")
int load_rx(struct xdp_md *ctx)
{
	const __u8 *p, *end;
	int why = look(ctx), i;

	if (why == FINE) {
		ADD(load.good);
	} else if (why > 0 && !ADD(load.bad)) {
		p = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		load.bad_why = why;
		load.bad_len = end - p;
		for (i = 0; i < 64 && p + i + 1 <= end; i++)
			load.bad_bytes[i] = p[i];
	}
	return bpf_etran_rx(ctx);
}

char LICENSE[] SEC("license") = "GPL";
