/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Building segments. Every store has a constant offset in struct etran_hdr, as the verifier demands. The TCP header of
 * what may have payload ends with the buffer, with or without timestamps; that of all else begins at WIRE_BARE,
 * with room behind it for the options of a SYN, or for SACK blocks. Options are aligned as RFC 7323, appendix A
 * shows. What a SYN does not offer stands there as NOPs, so it is always as long. IP's lengths and both checksums
 * are the module's.
 */
#ifndef _TCP_WIRE_H
#define _TCP_WIRE_H

#define WIRE_TS_LEN	12
/* MSS, SACK permitted and timestamps, window scale */
#define WIRE_SYN_LEN	20
#define WIRE_PLAIN	(ETRAN_HDR_LEN - TCP_LEN)
#define WIRE_STAMPED	(ETRAN_HDR_LEN - TCP_LEN - WIRE_TS_LEN)
#define WIRE_BARE	180

#define TCP_PROTOCOL	6

/* IP's ECN field */
#define ECN_ECT0	2
#define ECN_CE		3

#define put8(hdr, off, value)	(*(__u8 *)((hdr)->b + (off)) = (value))
#define put16(hdr, off, value)	(*(__u16 *)((hdr)->b + (off)) = (value))
#define put32(hdr, off, value)	(*(__u32 *)((hdr)->b + (off)) = (value))
#define get8(hdr, off)		(*(__u8 *)((hdr)->b + (off)))
#define get16(hdr, off)		(*(__u16 *)((hdr)->b + (off)))
#define get32(hdr, off)		(*(__u32 *)((hdr)->b + (off)))

_Static_assert(WIRE_BARE + TCP_LEN + TCP_OPTIONS <= ETRAN_HDR_LEN, "all options fit");
_Static_assert(WIRE_BARE - IP6_LEN >= 16, "the module's room is in front");
_Static_assert(sizeof(struct etran_tcp_req) == ETRAN_REC_DATA, "fits the record");
_Static_assert(sizeof(struct etran_tcp_rec) == ETRAN_REC_DATA, "fits the record");
_Static_assert(sizeof(struct etran_tcp_rec_opened) == ETRAN_REC_DATA, "fits the record");

/* The IP header that ends at @at, in front of @len bytes of TCP header. */
static __always_inline void put_ip(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 at, __u32 len,
				   const struct conn_key *key, __u32 tos)
{
	if (address_is_ipv4(&key->peer)) {
		pkt->hdr_off = at - IP4_LEN;
		pkt->hdr_len = IP4_LEN + len;
		put32(hdr, at - 20, bpf_htonl(0x45000000 | tos << 16));
		put32(hdr, at - 16, 0);
		put32(hdr, at - 12, bpf_htonl(64 << 24 | TCP_PROTOCOL << 16));
		put32(hdr, at - 8, key->local.a[3]);
		put32(hdr, at - 4, key->peer.a[3]);
		return;
	}
	pkt->hdr_off = at - IP6_LEN;
	pkt->hdr_len = IP6_LEN + len;
	put32(hdr, at - 40, bpf_htonl(0x60000000 | tos << 20));
	put32(hdr, at - 36, bpf_htonl(TCP_PROTOCOL << 8 | 64));
	put32(hdr, at - 32, key->local.a[0]);
	put32(hdr, at - 28, key->local.a[1]);
	put32(hdr, at - 24, key->local.a[2]);
	put32(hdr, at - 20, key->local.a[3]);
	put32(hdr, at - 16, key->peer.a[0]);
	put32(hdr, at - 12, key->peer.a[1]);
	put32(hdr, at - 8, key->peer.a[2]);
	put32(hdr, at - 4, key->peer.a[3]);
}

/* The TCP header at @at with @options bytes of options. */
static __always_inline void put_tcp(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 at,
				    __u32 options, const struct out *o)
{
	pkt->link = o->key.link;
	pkt->departure_ns = o->departure_ns;
	put_ip(pkt, hdr, at, TCP_LEN + options, &o->key, o->ect);
	put16(hdr, at, bpf_htons(o->key.port));
	put16(hdr, at + 2, bpf_htons(o->key.peer_port));
	put32(hdr, at + 4, bpf_htonl(o->seq));
	put32(hdr, at + 8, o->flags & TCP_ACK ? bpf_htonl(o->ack) : 0);
	put8(hdr, at + 12, (TCP_LEN + options) / 4 << 4);
	put8(hdr, at + 13, o->flags);
	put16(hdr, at + 14, bpf_htons(o->window));
	put32(hdr, at + 16, 0);
}

static __always_inline void put_ts(struct etran_hdr *hdr, __u32 at, const struct out *o)
{
	put32(hdr, at, bpf_htonl(0x0101080a));
	put32(hdr, at + 4, bpf_htonl(o->tsval));
	put32(hdr, at + 8, o->flags & TCP_ACK ? bpf_htonl(o->tsecr) : 0);
}

/* In front of payload. */
static __always_inline void put_data(struct etran_pkt *pkt, struct etran_hdr *hdr, const struct out *o)
{
	if (o->ts_ok) {
		put_tcp(pkt, hdr, WIRE_STAMPED, WIRE_TS_LEN, o);
		put_ts(hdr, WIRE_STAMPED + TCP_LEN, o);
	} else {
		put_tcp(pkt, hdr, WIRE_PLAIN, 0, o);
	}
}

static __always_inline void put_sacks(struct etran_hdr *hdr, __u32 at, const struct out *o)
{
	int i;

	put32(hdr, at, bpf_htonl(0x01010500 | (2 + 8 * (__u32)o->sacks)));
#pragma unroll
	for (i = 0; i < OPTION_SACKS; i++) {
		if (at + 12 + 8 * i > ETRAN_HDR_LEN)
			continue;
		put32(hdr, at + 4 + 8 * i, bpf_htonl(o->sack[i].start));
		put32(hdr, at + 8 + 8 * i, bpf_htonl(o->sack[i].end));
	}
}

/* Without payload: ACK, FIN, RST, probes. With timestamps three blocks fit: RFC 2018, 3. */
static __always_inline void put_bare(struct etran_pkt *pkt, struct etran_hdr *hdr, struct out *o)
{
	__u32 options = 0;

	if (o->ts_ok && o->sacks > 3)
		o->sacks = 3;
	if (o->ts_ok) {
		options = WIRE_TS_LEN;
		put_ts(hdr, WIRE_BARE + TCP_LEN, o);
		if (o->sacks)
			put_sacks(hdr, WIRE_BARE + TCP_LEN + WIRE_TS_LEN, o);
	} else if (o->sacks) {
		put_sacks(hdr, WIRE_BARE + TCP_LEN, o);
	}
	if (o->sacks)
		options += 4 + 8 * o->sacks;
	put_tcp(pkt, hdr, WIRE_BARE, options, o);
}

static __always_inline void put_syn(struct etran_pkt *pkt, struct etran_hdr *hdr, const struct out *o)
{
	const __u32 at = WIRE_BARE + TCP_LEN;

	put_tcp(pkt, hdr, WIRE_BARE, WIRE_SYN_LEN, o);
	put32(hdr, at, bpf_htonl(OPTION_MSS << 24 | 4 << 16 | o->mss));
	put32(hdr, at + 4, bpf_htonl((o->sack_ok ? OPTION_SACK_OK << 24 | 2 << 16 : 0x0101 << 16) |
				     (o->ts_ok ? 0x080a : 0x0101)));
	put32(hdr, at + 8, o->ts_ok ? bpf_htonl(o->tsval) : 0x01010101);
	put32(hdr, at + 12, o->ts_ok ? (o->flags & TCP_ACK ? bpf_htonl(o->tsecr) : 0) : 0x01010101);
	put32(hdr, at + 16, o->wscale != 0xff ? bpf_htonl(0x01030300 | o->wscale) : 0x01010101);
}

/* Under the lock: what every segment of a connection says. */
static __always_inline void out_fill(struct conn *c, struct out *o, __u64 pos, __u8 flags, __u64 now)
{
	o->key = c->key;
	o->seq = snd_seq(c, pos);
	o->ack = rcv_seq(c, c->rcv_nxt);
	o->flags = flags | TCP_ACK;
	if (c->ecn_ok && c->ce)
		o->flags |= TCP_ECE;
	o->ts_ok = c->ts_ok;
	o->tsval = ts_now(c, now);
	o->tsecr = c->ts_recent;
	o->window = window_tell(c, 0);
	o->departure_ns = 0;
}

/* Under the lock: the same, and its ACK counts as told. */
static __always_inline void out_of_conn(struct conn *c, struct out *o, __u64 pos, __u8 flags, __u64 now)
{
	out_fill(c, o, pos, flags, now);
	ack_told(c);
}

#endif /* _TCP_WIRE_H */
