/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SYN cookies, RFC 4987, 3.6: when a listener's backlog is full, or always (tcp_syncookies 2), a SYN is answered without keeping
 * anything of it. What has to be known later is in the initial sequence number, and comes back in the ACK: 5 bits of a
 * clock, 3 for the peer's MSS, and 24 of a hash with the key of isn.h over who is connected, the peer's number, clock and
 * MSS. The other options are in the lower 6 bits of our timestamp, so they need timestamps. That part is not
 * authenticated: a peer that changes it fools itself.
 *
 * Connections by cookie have a second backlog of the same size for themselves: the first may be full of a flood. A cookie is
 * good for two minutes at most, and only where cookies were sent at that time, so elsewhere there is nothing to guess.
 */
#ifndef _TCP_COOKIE_H
#define _TCP_COOKIE_H

#define COOKIE_TICK_NS	(64ULL * 1000000000)
#define COOKIE_MAC	0xffffffU
#define COOKIE_MSS	7U

#define COOKIE_TS_BITS	63U
#define COOKIE_WSCALE	15U		/* none */
#define COOKIE_SACK	(1U << 4)
#define COOKIE_ECN	(1U << 5)

/* Offered values that are usual; the next lower one is taken. */
static __always_inline __u16 cookie_mss(__u32 index)
{
	switch (index) {
	case 1: return 536;
	case 2: return 1024;
	case 3: return 1220;
	case 4: return 1380;
	case 5: return 1440;
	case 6: return 1460;
	case 7: return 8940;
	}
	return 216;
}

static __noinline __u32 cookie_of(const struct conn_key *key, __u32 irs, __u64 tick, __u32 index)
{
	__u64 extra = (__u64)irs << 32 | 1U << 31 | (__u32)(tick << 3 & 0x7ffffff8) | index;

	return (__u32)(tick & 31) << 27 | index << 24 | ((__u32)isn_hash(key, extra) & COOKIE_MAC);
}

/* A SYN for which there is no room. */
__noinline int cookie_answer(struct segment *s, struct after *a)
{
	__u32 index = 0, least, mss, options, ts, i, now_ms;
	struct etran_path path = {};
	struct listener *l;

	if (!s || !a)
		return 0;
	l = listener_of(s->listener);
	if (!l || bpf_etran_path(s->key.link, &s->key.peer, sizeof(s->key.peer), &path, sizeof(path)) < 0 ||
	    path.mtu < 256)
		return 0;
	least = address_is_ipv4(&s->key.peer) ? MSS_DEFAULT4 : MSS_DEFAULT6;
	mss = s->mss ? s->mss : least;
	for (i = 1; i <= COOKIE_MSS; i++)
		if (cookie_mss(i) <= mss)
			index = i;
	l->cookie_ns = s->now;
	a->control = 1;
	a->segment.key = s->key;
	a->segment.flags = TCP_SYN | TCP_ACK;
	a->segment.seq = cookie_of(&s->key, s->seq, s->now / COOKIE_TICK_NS, index);
	a->segment.ack = s->seq + 1;
	a->segment.window = min64(l->rcvbuf, 0xffff);
	a->segment.mss = min64(path.mtu - headers_len(&s->key), ETRAN_TCP_MAX_RECEIVED);
	a->segment.ts_ok = tcp_timestamps && s->has_ts;
	a->segment.sack_ok = a->segment.ts_ok && tcp_sack && s->sack_ok;
	a->segment.wscale = 0xff;
	if (!a->segment.ts_ok)
		return 1;
	options = COOKIE_WSCALE;
	if (tcp_window_scaling && s->has_wscale) {
		options = s->wscale;
		a->segment.wscale = wscale_for(l->rcvbuf);
	}
	if (a->segment.sack_ok)
		options |= COOKIE_SACK;
	if (tcp_ecn && (s->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR)) {
		options |= COOKIE_ECN;
		a->segment.flags |= TCP_ECE;
	}
	now_ms = (__u32)(s->now / 1000000) + (__u32)(isn_hash(&s->key, 0) >> 32);
	ts = (now_ms & ~COOKIE_TS_BITS) | options;
	/* Timestamps never go back. */
	if ((__s32)(ts - now_ms) > 0)
		ts -= COOKIE_TS_BITS + 1;
	a->segment.tsval = ts;
	a->segment.tsecr = s->tsval;
	return 1;
}

/* Does this ACK bring a cookie back? Then @s says what the SYN said; its flags and sequence number are not changed. */
__noinline int cookie_takes(struct segment *s)
{
	__u32 cookie, index, options;
	struct listener *l;
	__u64 tick;

	if (!s)
		return 0;
	l = listener_of(s->listener);
	if (!l || !l->cookie_ns || s->now - l->cookie_ns > 2 * COOKIE_TICK_NS)
		return 0;
	cookie = s->ack - 1;
	index = cookie >> 24 & COOKIE_MSS;
	tick = s->now / COOKIE_TICK_NS;
	if ((tick & 31) != cookie >> 27)
		tick--;
	if (cookie != cookie_of(&s->key, s->seq - 1, tick, index))
		return 0;
	s->cookie = 1;
	s->mss = cookie_mss(index);
	s->has_wscale = 0;
	s->sack_ok = 0;
	if (!s->has_ts)
		return 1;
	options = s->tsecr & COOKIE_TS_BITS;
	s->sack_ok = !!(options & COOKIE_SACK);
	s->cookie_ecn = !!(options & COOKIE_ECN);
	if ((options & COOKIE_WSCALE) != COOKIE_WSCALE) {
		s->has_wscale = 1;
		s->wscale = options & COOKIE_WSCALE;
	}
	return 1;
}

#endif /* _TCP_COOKIE_H */
