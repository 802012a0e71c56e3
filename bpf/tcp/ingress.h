/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every received TCP segment. Only what is of a connection of etran's, or for the port of a listener, is looked at; all
 * else is the kernel's and passed on as it came, before anything of it is judged.
 */
#ifndef _TCP_INGRESS_H
#define _TCP_INGRESS_H

/*
 * A header that lies @len bytes behind another. Headers are looked at at constant offsets; with a pointer
 * of its own for each of both versions of IP, the code behind is the same for both.
 */
static __always_inline struct etran_hdr *header_at(struct etran_hdr *hdr, __u32 len)
{
	struct etran_hdr *at = (struct etran_hdr *)(hdr->b + len);

	/* Not "len = is_ipv4 ? ... : ..." and one addition, whose result the verifier does not know. */
	barrier_var(at);
	return at;
}

#include "icmp.h"	/* needs header_at() */

/* A segment of which nothing is known but its key. */
static __always_inline void segment_begin(struct scratch *scratch)
{
	struct segment *s = &scratch->segment;

	after_begin(&scratch->after);
	__builtin_memset(&s->now, 0, sizeof(*s) - __builtin_offsetof(struct segment, now));
}

/* The TCP header and its options, at @tcp. */
static __always_inline void segment_read(struct segment *s, struct etran_hdr *tcp, __u32 doff)
{
	int i;

	s->seq = bpf_ntohl(get32(tcp, 4));
	s->ack = bpf_ntohl(get32(tcp, 8));
	s->flags = get8(tcp, 13);
	s->window = bpf_ntohs(get16(tcp, 14));
	s->options_len = doff - TCP_LEN;
#pragma unroll
	for (i = 0; i < TCP_OPTIONS / 4; i++)
		*(__u32 *)(s->options + 4 * i) = get32(tcp, TCP_LEN + 4 * i);
}

/* Tell the application of a connection whose handshake is complete. */
static __noinline int segment_accept(struct segment *s, struct after *a)
{
	struct etran_rec rec __attribute__((aligned(8))) = { .type = ETRAN_TCP_REC_OPENED };
	struct etran_tcp_rec_opened *opened = (void *)rec.data;
	struct conn *c = conn_at(s->slot);
	int err;

	if (!c)
		return -ENOENT;
	bpf_spin_lock(&c->lock);
	rec.endpoint = c->endpoint;
	opened->conn = conn_id(c);
	opened->listener = c->listener;
	opened->mss = c->mss;
	opened->port = c->key.port;
	opened->peer_port = c->key.peer_port;
	*(struct address *)opened->addr = c->key.local;
	*(struct address *)opened->peer = c->key.peer;
	bpf_spin_unlock(&c->lock);
	err = bpf_etran_notify(&rec, sizeof(rec));
	if (!err)
		listener_arrived(opened->listener);
	return err;
}

static __noinline int segment_deliver(struct etran_pkt *pkt, struct segment *s, struct after *a)
{
	struct etran_rec rec __attribute__((aligned(8))) = { .type = ETRAN_TCP_REC_DATA };
	struct etran_tcp_rec *r = (void *)rec.data;
	struct conn *c = conn_at(s->slot);

	if (!c)
		return -ENOENT;
	rec.endpoint = c->endpoint;
	r->conn = (__u64)a->generation << 32 | s->slot;
	r->offset = s->pos - 1;
	r->len = s->take;
	r->flags = s->fin ? ETRAN_TCP_RECV_FIN : 0;
	r->stream = c->stream;
	return bpf_etran_deliver(pkt, &rec, sizeof(rec), s->off + s->skip, s->take);
}

/* Of a segment that is etran's. */
static __always_inline bool checksum_good(struct etran_pkt *pkt)
{
	int err;

	if (!tcp_checksum)
		return true;
	err = bpf_etran_tcp_checksum(pkt);
	if (err < 0 || (err && !tcp_partial_checksum)) {
		count(COUNTER_rx_bad_checksum);
		return false;
	}
	return true;
}

/*
 * The one segment that is to be expected: predict.h. @tcp: its header, of which it has @doff bytes. Return: a verdict; ETRAN_PASS: it
 * is not that.
 */
static __always_inline __u32 segment_predicted(struct etran_pkt *pkt, struct segment *s, struct after *a,
					       struct etran_hdr *tcp, __u32 doff, __u32 sum)
{
	if ((get8(tcp, 13) & ~TCP_PSH) != TCP_ACK)
		return ETRAN_PASS;
	if (doff == TCP_LEN) {
		s->has_ts = 0;
	} else if (doff == TCP_LEN + WIRE_TS_LEN && get32(tcp, TCP_LEN) == bpf_htonl(0x0101080a)) {
		s->has_ts = 1;
		s->tsval = bpf_ntohl(get32(tcp, TCP_LEN + 4));
	} else {
		return ETRAN_PASS;
	}
	s->seq = bpf_ntohl(get32(tcp, 4));
	s->ack = bpf_ntohl(get32(tcp, 8));
	s->window = bpf_ntohs(get16(tcp, 14));
	after_begin(a);
	if (!predict_look(s, a, sum))
		return ETRAN_PASS;
	if (!checksum_good(pkt)) {
		count(COUNTER_rx_segments);
		return ETRAN_DROP;
	}
	if (s->len) {
		s->skip = 0;
		s->take = s->len;
		s->fin = 0;
		/* There may be no buffer for it. */
		if (segment_deliver(pkt, s, a))
			return ETRAN_PASS;
	}
	s->now = bpf_ktime_get_ns();
	s->cubic = 0;
	if (!predict_take(s, a))
		return ETRAN_PASS;
	count(COUNTER_rx_segments);
	count(COUNTER_rx_predicted);
	if (s->ce)
		count(COUNTER_rx_ce);
	if (s->len)
		count(COUNTER_rx_data);
	if (s->cubic)
		segment_cubic(s, a);
	/* First: who is told that there is room shall find it. */
	if (a->acked)
		bpf_etran_release_upto(a->acked, cookie_upto(a->acked_upto));
	if (after_any(a))
		after_settle(a);
	return s->len ? ETRAN_DELIVER : ETRAN_CONSUME;
}

/* Any other segment that is etran's. */
static __noinline __u32 segment_input(struct etran_pkt *pkt, struct segment *s, struct after *a)
{
	bool delivered = false;
	int err;

	count(COUNTER_rx_segments);
	if (!checksum_good(pkt))
		return ETRAN_DROP;
	if (s->options_len)
		options_parse(s);
	if (s->bad)
		count(COUNTER_rx_bad_options);
	if (s->ce)
		count(COUNTER_rx_ce);
	s->fate = COUNTER_MAX;
	if (s->slot && s->flags & TCP_SYN && !(s->flags & (TCP_ACK | TCP_RST)) &&
	    segment_renews(s, a)) {
		after_settle(a);
		after_begin(a);
		s->slot = 0;
		s->listener = listener_for(&s->key);
	}
	if (!s->slot && (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_ACK && cookie_takes(s)) {
		segment_syn(s, a);
		after_settle(a);
		after_begin(a);
		count(s->slot ? COUNTER_rx_cookie : COUNTER_rx_cookie_dropped);
		/* The peer says it again, and there may be room then. */
		if (!s->slot)
			return ETRAN_CONSUME;
	}
	if (!s->slot) {
		if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN) {
			if (tcp_syncookies == 2 || (segment_syn(s, a) && tcp_syncookies))
				if (cookie_answer(s, a))
					s->fate = COUNTER_MAX;
		} else {
			s->fate = COUNTER_rx_no_connection;
			/* A listener answers nothing else: RFC 9293, 3.10.7.2. */
			if (s->flags & TCP_ACK && challenge_allowed(s->now))
				answer_reset(s, a);
		}
	} else {
		segment_process(s, a);
		if (s->accept) {
			if (segment_accept(s, a)) {
				segment_not_accepted(s, a->generation);
				s->fate = COUNTER_rx_no_buffer;
			} else {
				count(COUNTER_conn_passive);
				segment_process(s, a);
			}
		}
		if (s->cubic)
			segment_cubic(s, a);
		if (s->tail)
			segment_tail(s, a);
		if (s->twice)
			segment_duplicate(s, a);
		if (s->deliver) {
			err = s->quiet ? 0 : segment_deliver(pkt, s, a);
			if (err) {
				s->fate = COUNTER_rx_no_buffer;
			} else {
				delivered = !s->quiet;
				if (s->take)
					count(COUNTER_rx_data);
				segment_delivered(s, a);
			}
		}
	}
	if (s->fate < COUNTER_MAX)
		count(s->fate);
	after_settle(a);
	return delivered ? ETRAN_DELIVER : ETRAN_CONSUME;
}

SEC("struct_ops/ingress")
__u32 BPF_PROG(ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct scratch *scratch = scratch_at(SCRATCH_INGRESS);
	__u32 len = pkt->len, ip_len, doff, verdict, sum;
	struct etran_hdr *tcp;
	struct segment *s;
	bool good, ce;
	int i;

	if (!scratch)
		return ETRAN_PASS;
	s = &scratch->segment;
	s->key.link = pkt->link;
	if (get8(hdr, 0) >> 4 == 4) {
		ip_len = IP4_LEN;
		ce = (get8(hdr, 1) & ECN_CE) == ECN_CE;
		s->key.peer = address_of_ipv4(get32(hdr, 12));
		s->key.local = address_of_ipv4(get32(hdr, 16));
		good = is_host_ipv4(s->key.peer.a[3]) && is_host_ipv4(s->key.local.a[3]);
		tcp = header_at(hdr, IP4_LEN);
		if (get8(hdr, 9) == ICMP4_PROTOCOL) {
			segment_begin(scratch);
			return icmp_input(s, &scratch->after, tcp, true, pkt->link);
		}
	} else {
		ip_len = IP6_LEN;
		ce = (bpf_ntohl(get32(hdr, 0)) >> 20 & ECN_CE) == ECN_CE;
#pragma unroll
		for (i = 0; i < 4; i++) {
			s->key.peer.a[i] = get32(hdr, 8 + 4 * i);
			s->key.local.a[i] = get32(hdr, 24 + 4 * i);
		}
		good = is_host_ipv6(&s->key.peer) && is_host_ipv6(&s->key.local);
		tcp = header_at(hdr, IP6_LEN);
		if (get8(hdr, 6) == ICMP6_PROTOCOL) {
			segment_begin(scratch);
			return icmp_input(s, &scratch->after, tcp, false, pkt->link);
		}
	}
	if (len < ip_len + TCP_LEN)
		return ETRAN_PASS;
	s->key.peer_port = bpf_ntohs(get16(tcp, 0));
	s->key.port = bpf_ntohs(get16(tcp, 2));
	sum = conn_sum(&s->key);
	doff = get8(tcp, 12) >> 4 << 2;
	if (good && s->key.peer_port && doff >= TCP_LEN && ip_len + doff <= len) {
		s->ce = ce;
		s->off = ip_len + doff;
		s->len = len - s->off;
		verdict = segment_predicted(pkt, s, &scratch->after, tcp, doff, sum);
		if (verdict != ETRAN_PASS)
			return verdict;
	}
	segment_begin(scratch);
	s->slot = conn_find_sum(&s->key, sum);
	if (!s->slot) {
		s->listener = listener_for(&s->key);
		if (!s->listener)
			return ETRAN_PASS;
	}
	if (!good || !s->key.peer_port) {
		count(COUNTER_rx_bad_address);
		return ETRAN_DROP;
	}
	if (doff < TCP_LEN || ip_len + doff > len) {
		count(COUNTER_rx_bad_offset);
		return ETRAN_DROP;
	}
	s->ce = ce;
	s->now = bpf_ktime_get_ns();
	s->off = ip_len + doff;
	s->len = len - s->off;
	segment_read(s, tcp, doff);
	return segment_input(pkt, s, &scratch->after);
}

#endif /* _TCP_INGRESS_H */
