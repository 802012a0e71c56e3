/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors about segments of ours: RFC 9293, 3.9.2.2. Only such as quote a sequence number that is on its way count (RFC
 * 5927, 4.1): who does not see the connection cannot know it.
 *
 * "Protocol" or "port unreachable" ends a handshake (SHLD-26). All else only says why, when nothing has come by the time
 * at which a connection is given up: soft errors end none (MUST-56), and an established one must not fall for what anybody
 * may send (RFC 5927, 5.2).
 *
 * "Fragmentation needed" and "packet too big" tell what the path takes (RFC 1191, RFC 8201). The kernel's routes are told, so
 * that the next connection knows it, and all that is on its way is sent again in segments of that size. It does not grow again.
 */
#ifndef _TCP_ICMP_H
#define _TCP_ICMP_H

#define ICMP_LEN		8
#define ICMP4_PROTOCOL		1
#define ICMP4_UNREACHABLE	3
#define ICMP4_TOO_BIG		4
/* What every host takes: of a router that does not say what it does. RFC 1191, 4 */
#define ICMP4_MTU_UNKNOWN	576
#define ICMP6_PROTOCOL		58
#define ICMP6_UNREACHABLE	1
#define ICMP6_TOO_BIG		2
#define ICMP6_PARAMETER		4

/* What an error means: a positive errno, ECONNREFUSED for hard ones, 0 for what is the kernel's business. */
static __always_inline __u32 icmp_error(bool ipv4, __u8 type, __u8 code)
{
	if (ipv4 ? type != ICMP4_UNREACHABLE || code == ICMP4_TOO_BIG :
		   type != ICMP6_UNREACHABLE && type != ICMP6_PARAMETER)
		return 0;
	if (!ipv4 && type == ICMP6_PARAMETER)
		return ECONNREFUSED;
	if (!code)
		return ENETUNREACH;
	if (ipv4 ? code == 2 || code == 3 : code == 4)
		return ECONNREFUSED;
	return EHOSTUNREACH;
}

/* Under the lock: is what an ICMP error quotes, at @s->seq, on its way? */
static __always_inline bool icmp_valid(const struct conn *c, const struct segment *s)
{
	__s64 pos = pos_of(s->seq, c->iss, c->una);

	return conn_lives(c) && key_same(&c->key, &s->key) && pos >= (__s64)c->una && pos < (__s64)c->nxt;
}

/* The connection of @s->slot, of which @s->seq was quoted, has the error @s->ack. */
__noinline int segment_icmp(struct segment *s, struct after *a)
{
	struct conn *c;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	a->slot = s->slot;
	a->generation = c->generation;
	s->fate = COUNTER_rx_icmp_invalid;
	if (icmp_valid(c, s)) {
		s->fate = COUNTER_rx_icmp;
		if (c->state == CONN_SYN_SENT && s->ack == ECONNREFUSED) {
			conn_close(c, a, ECONNREFUSED);
		} else {
			c->soft_error = s->ack;
			c->soft_ns = s->now;
		}
	}
	bpf_spin_unlock(&c->lock);
	return 0;
}

/* Segments of the connection of @s->slot, of which @s->seq was quoted, are too long for a path that takes @s->ack bytes. */
__noinline int segment_too_big(struct segment *s, struct after *a)
{
	__u32 headers, generation;
	struct conn *c;
	bool valid;
	int mtu;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	generation = c->generation;
	valid = icmp_valid(c, s) && conn_synchronized(c);
	bpf_spin_unlock(&c->lock);
	s->fate = COUNTER_rx_icmp_invalid;
	if (!valid)
		return 0;
	s->fate = COUNTER_rx_too_big;
	mtu = bpf_etran_too_big(s->key.link, &s->key.peer, sizeof(s->key.peer), s->ack);
	a->slot = s->slot;
	a->generation = generation;
	bpf_spin_lock(&c->lock);
	headers = headers_len(&c->key) + (c->ts_ok ? WIRE_TS_LEN : 0);
	if (mtu > 0 && c->generation == generation && conn_synchronized(c) &&
	    mtu >= headers + MSS_LEAST && mtu - headers < c->mss) {
		c->mss = mtu - headers;
		/* No congestion: RFC 1191, 6.4; RFC 8201, 5.4. What the peer has, it has. */
		recovery_all(c);
		work_add(c, a, PENDING_DATA);
	}
	bpf_spin_unlock(&c->lock);
	return 0;
}

/* What an ICMP error says that the path takes, bytes; 0: it says something else. */
static __always_inline __u32 icmp_mtu(struct etran_hdr *icmp, bool ipv4)
{
	__u32 mtu;

	if (!ipv4)
		return get8(icmp, 0) == ICMP6_TOO_BIG ? bpf_ntohl(get32(icmp, 4)) : 0;
	if (get8(icmp, 0) != ICMP4_UNREACHABLE || get8(icmp, 1) != ICMP4_TOO_BIG)
		return 0;
	mtu = bpf_ntohs(get16(icmp, 6));
	return mtu ? mtu : ICMP4_MTU_UNKNOWN;
}

/* An ICMP packet whose header is @icmp, and what it quotes. Return: as ingress. */
static __always_inline __u32 icmp_input(struct segment *s, struct after *a, struct etran_hdr *icmp,
					bool ipv4, __u32 link)
{
	__u32 mtu = icmp_mtu(icmp, ipv4);
	struct etran_hdr *tcp;
	int i;

	s->ack = mtu ? mtu : icmp_error(ipv4, get8(icmp, 0), get8(icmp, 1));
	if (!s->ack)
		return ETRAN_PASS;
	/* The module has seen to it that 8 bytes of the segment are there. */
	if (ipv4) {
		s->key.local = address_of_ipv4(get32(icmp, ICMP_LEN + 12));
		s->key.peer = address_of_ipv4(get32(icmp, ICMP_LEN + 16));
		tcp = header_at(icmp, ICMP_LEN + IP4_LEN);
	} else {
#pragma unroll
		for (i = 0; i < 4; i++) {
			s->key.local.a[i] = get32(icmp, ICMP_LEN + 8 + 4 * i);
			s->key.peer.a[i] = get32(icmp, ICMP_LEN + 24 + 4 * i);
		}
		tcp = header_at(icmp, ICMP_LEN + IP6_LEN);
	}
	s->key.link = link;
	s->key.port = bpf_ntohs(get16(tcp, 0));
	s->key.peer_port = bpf_ntohs(get16(tcp, 2));
	s->slot = conn_find(&s->key);
	if (!s->slot)
		return ETRAN_PASS;
	s->seq = bpf_ntohl(get32(tcp, 4));
	s->now = bpf_ktime_get_ns();
	if (mtu)
		segment_too_big(s, a);
	else
		segment_icmp(s, a);
	count(s->fate);
	after_settle(a);
	return ETRAN_CONSUME;
}

#endif /* _TCP_ICMP_H */
