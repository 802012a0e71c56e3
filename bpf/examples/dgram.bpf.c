// SPDX-License-Identifier: GPL-2.0
/*
 * dgram: a complete transport, to copy and begin with. Unreliable datagrams between ports, with
 * sequence numbers, each flow paced to a rate. ../README.md walks through it, dgram.c uses it.
 *
 *	etranctl load dgram --dev IF [--set rate=12500000]
 *
 * It answers nothing and keeps nothing, so it needs neither gen nor handles: see ../homa for those.
 */
#include <bpf/bpf_endian.h>
#include "etran.bpf.h"
#include "dgram.h"

#define PORTS		65536
#define FIRST_FREE	32768	/* ports that are given to who asks for any */
#define FLOWS		16384
#define TRIES		64
#define MAX_AHEAD_NS	500000000ULL	/* who is further ahead of the rate is dropped */
#define EADDRINUSE	98

/* Bytes a second of one flow, IP headers included; 0: not paced. */
const volatile __u64 rate;

/* On the wire, behind the IP header; network byte order. */
struct dgram_hdr {
	__be16 sport;
	__be16 dport;
	__be32 seq;
};

/* Headers end where the payload begins, so that all lie at constant offsets. */
#define DGRAM_OFF	((int)(ETRAN_HDR_LEN - sizeof(struct dgram_hdr)))
#define IP4_OFF		(DGRAM_OFF - 20)
#define IP6_OFF		(DGRAM_OFF - 40)

struct flow_key {
	__u32 endpoint;
	__u32 dport;
	__u8 daddr[16];
};

/* Only its sender's egress touches it, and that does not run twice at once: no lock. */
struct flow {
	__u64 next_ns;		/* when the rate allows the next packet, CLOCK_MONOTONIC */
	__u32 seq;		/* of the last one */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FLOWS);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

/* Endpoint id by port, and port by endpoint id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps"), port_of SEC(".maps");

static int is_ipv4(const __u8 *a)
{
	return !*(__u64 *)a && *(__u32 *)(a + 8) == bpf_htonl(0xffff);
}

SEC("struct_ops/dgram_egress")
__u32 BPF_PROG(dgram_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct dgram_hdr *dh = (struct dgram_hdr *)&hdr->b[DGRAM_OFF];
	struct flow_key key = { .endpoint = pkt->endpoint };
	__u64 now = bpf_ktime_get_ns(), at;
	struct dgram_req req __attribute__((aligned(8)));
	__u32 id = pkt->endpoint, *sport;
	struct flow *flow, none = {};

	/* The module's copy: the application cannot change it any more. */
	bpf_probe_read_kernel(&req, sizeof(req), pkt->req.data);
	key.dport = req.dport;
	__builtin_memcpy(key.daddr, req.daddr, sizeof(key.daddr));
	sport = bpf_map_lookup_elem(&port_of, &id);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow) {
		bpf_map_update_elem(&flows, &key, &none, BPF_ANY);
		flow = bpf_map_lookup_elem(&flows, &key);
	}
	if (!sport || !flow)
		return ETRAN_DROP;

	if (is_ipv4(req.daddr)) {
		hdr->b[IP4_OFF] = 0x45;
		hdr->b[IP4_OFF + 1] = 0;
		hdr->b[IP4_OFF + 8] = 64;
		hdr->b[IP4_OFF + 9] = DGRAM_PROTO;
		*(__u32 *)&hdr->b[IP4_OFF + 12] = 0;	/* the route's source */
		*(__u32 *)&hdr->b[IP4_OFF + 16] = *(__u32 *)&req.daddr[12];
		pkt->hdr_off = IP4_OFF;
	} else {
		*(__be32 *)&hdr->b[IP6_OFF] = bpf_htonl(6 << 28);
		hdr->b[IP6_OFF + 6] = DGRAM_PROTO;
		hdr->b[IP6_OFF + 7] = 64;
		*(__u64 *)&hdr->b[IP6_OFF + 8] = 0;
		*(__u64 *)&hdr->b[IP6_OFF + 16] = 0;
		__builtin_memcpy(&hdr->b[IP6_OFF + 24], req.daddr, 16);
		pkt->hdr_off = IP6_OFF;
	}
	pkt->hdr_len = ETRAN_HDR_LEN - pkt->hdr_off;

	if (rate) {
		at = flow->next_ns > now ? flow->next_ns : now;
		if (at - now > MAX_AHEAD_NS)
			return ETRAN_DROP;
		flow->next_ns = at + (pkt->hdr_len + pkt->payload_len) * 1000000000ULL / rate;
		pkt->departure_ns = at;
	}
	dh->sport = bpf_htons(*sport);
	dh->dport = bpf_htons(req.dport);
	dh->seq = bpf_htonl(++flow->seq);
	return ETRAN_TX;
}

SEC("struct_ops/dgram_ingress")
__u32 BPF_PROG(dgram_ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct etran_rec rec __attribute__((aligned(8))) = {};
	struct dgram_rec *r = (struct dgram_rec *)rec.data;
	struct dgram_hdr *dh;
	__u32 dport, off, *id;

	/* ICMP errors about our packets are the kernel's: there is nothing to tell a sender. */
	if (hdr->b[0] >> 4 == 4) {
		if (hdr->b[9] != DGRAM_PROTO)
			return ETRAN_PASS;
		r->saddr[10] = 0xff;
		r->saddr[11] = 0xff;
		__builtin_memcpy(&r->saddr[12], &hdr->b[12], 4);
		off = 20;
		dh = (struct dgram_hdr *)&hdr->b[20];
	} else {
		if (hdr->b[6] != DGRAM_PROTO)
			return ETRAN_PASS;
		__builtin_memcpy(r->saddr, &hdr->b[8], 16);
		off = 40;
		dh = (struct dgram_hdr *)&hdr->b[40];
	}
	off += sizeof(*dh);
	if (pkt->len < off)
		return ETRAN_DROP;
	dport = bpf_ntohs(dh->dport);
	id = bpf_map_lookup_elem(&ports, &dport);
	if (!id)
		return ETRAN_DROP;
	rec.endpoint = *id;
	r->sport = bpf_ntohs(dh->sport);
	r->seq = bpf_ntohl(dh->seq);
	return bpf_etran_deliver(pkt, &rec, sizeof(rec), off, pkt->len - off) ?
	       ETRAN_DROP : ETRAN_DELIVER;
}

SEC("struct_ops/dgram_open")
__s32 BPF_PROG(dgram_open, struct etran_endpoint *ep)
{
	__u32 id = ep->id, port = ep->port;
	int err = -1, i;

	if (port) {
		err = bpf_map_update_elem(&ports, &port, &id, BPF_NOEXIST);
	} else {
		bpf_for(i, 0, TRIES) {
			port = FIRST_FREE + bpf_get_prandom_u32() % (PORTS - FIRST_FREE);
			err = bpf_map_update_elem(&ports, &port, &id, BPF_NOEXIST);
			if (!err)
				break;
		}
	}
	if (err || bpf_map_update_elem(&port_of, &id, &port, BPF_ANY))
		return -EADDRINUSE;
	ep->port = port;
	return 0;
}

SEC("struct_ops/dgram_close")
void BPF_PROG(dgram_close, struct etran_endpoint *ep)
{
	__u32 id = ep->id, port = ep->port;

	bpf_map_delete_elem(&ports, &port);
	bpf_map_delete_elem(&port_of, &id);
}

SEC(".struct_ops.link")
struct etran_ops dgram = {
	.egress = (void *)dgram_egress,
	.ingress = (void *)dgram_ingress,
	.endpoint_open = (void *)dgram_open,
	.endpoint_close = (void *)dgram_close,
	.version = ETRAN_OPS_VERSION,
	.ip_proto = DGRAM_PROTO,
	.name = DGRAM_NAME,
};

char LICENSE[] SEC("license") = "GPL";
