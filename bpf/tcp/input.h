/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a segment does to a connection: RFC 9293, 3.10.7, in its order, with the stricter rules of RFC 5961. The payload
 * itself is handed over by ingress.h, between segment_process() and segment_delivered().
 *
 * Urgent data (MUST-30) is data like other: the pointer is not looked at, as RFC 6093 advises applications.
 */
#ifndef _TCP_INPUT_H
#define _TCP_INPUT_H

/* RFC 9293, 3.7.1 */
#define MSS_DEFAULT4	536
#define MSS_DEFAULT6	1220
/* A peer that wants less makes us work for nothing. */
#define MSS_LEAST	48

/* What comes in a SYN is worth as much as its timestamps: RFC 7323, 5.5. */
#define TS_STALE_NS	(24ULL * 24 * 3600 * 1000000000)

/* What a segment that belongs to no connection is answered with: RFC 9293, 3.10.7.1 */
static __always_inline void answer_reset(const struct segment *s, struct after *a)
{
	__u32 len = s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);

	if (s->flags & TCP_RST)
		return;
	a->control = 1;
	a->segment.key = s->key;
	a->segment.window = 0;
	a->segment.ts_ok = 0;
	if (s->flags & TCP_ACK) {
		a->segment.flags = TCP_RST;
		a->segment.seq = s->ack;
		a->segment.ack = 0;
	} else {
		a->segment.flags = TCP_RST | TCP_ACK;
		a->segment.seq = 0;
		a->segment.ack = s->seq + len;
	}
}

/* The header lengths that every segment to this peer has. */
static __always_inline __u32 headers_len(const struct conn_key *key)
{
	return (address_is_ipv4(&key->peer) ? IP4_LEN : IP6_LEN) + TCP_LEN;
}

/* The least shift with which all of a receive buffer can be told. RFC 7323, 2.3 */
static __always_inline __u8 wscale_for(__u32 rcvbuf)
{
	__u8 shift = 0;
	int i;

#pragma unroll
	for (i = 0; i < WSCALE_MOST; i++)
		if (rcvbuf >> shift > 0xffff)
			shift++;
	return shift;
}

/**
 * struct begin - how a connection begins
 * @endpoint: id of its application's
 * @listener: id of the listener that it comes by, 0 for none
 * @rcvbuf: bytes
 * @mtu: of the way to the peer
 * @cc: ETRAN_TCP_CC_*
 * @later: no SYN is sent yet
 * @now: ns
 * @hash: see isn.h
 */
struct begin {
	__u32 endpoint;
	__u32 listener;
	__u32 rcvbuf;
	__u32 mtu;
	__u32 cc;
	__u32 later;
	__u64 now;
	__u64 hash;
};

/* Under the lock of a new connection: it exists from here on, in @state. */
static __always_inline void conn_begin(struct conn *c, const struct begin *b, __u32 generation,
				       __u8 state)
{
	__u32 most = b->mtu - headers_len(&c->key);

	__builtin_memset(&c->endpoint, 0, sizeof(*c) - __builtin_offsetof(struct conn, endpoint));
	c->generation = generation;
	c->endpoint = b->endpoint;
	c->listener = b->listener;
	c->rcvbuf = b->rcvbuf;
	c->cc = b->cc == ETRAN_TCP_CC_SYSTEM ? etran_bounded(tcp_cc) : b->cc;
	c->iss = isn_clock(b->now) + (__u32)b->hash;
	c->ts_off = b->hash >> 32;
	/* A received packet has to fit a buffer of the application, a sent one a frame. */
	c->rcv_mss = min64(most, ETRAN_TCP_MAX_RECEIVED);
	c->mss = min64(most, ETRAN_TCP_MAX_SEGMENT);
	c->una = 0;
	c->nxt = 1;
	c->queued = 1;
	c->rcv_nxt = 1;
	c->read = 1;
	c->rcv_adv = 1 + min64(c->rcvbuf, 0xffff);
	c->rcv_wscale = wscale_for(c->rcvbuf);
	c->rto_us = etran_bounded(tcp_rto_initial_us);
	c->heard_ns = b->now;
	c->last_ns = b->now;
	c->begun_ns = b->now;
	c->rtt_at = 1;
	c->rtt_ns = b->now;
	if (!b->later) {
		c->pending = PENDING_SYN;
		c->rto_at = b->now + us_ns(c->rto_us);
	}
	c->state = state;
}

/* Under the lock: what both sides can do, as the peer's SYN says. @initial: it is no answer to ours */
static __always_inline void negotiate(struct conn *c, const struct segment *s, bool initial)
{
	__u32 least = address_is_ipv4(&c->key.peer) ? MSS_DEFAULT4 : MSS_DEFAULT6;
	__u32 mss = s->mss ? s->mss : least;

	c->irs = s->seq;
	c->ts_ok = tcp_timestamps && s->has_ts;
	c->ts_recent = s->tsval;
	c->ts_recent_ns = s->now;
	c->sack_ok = tcp_sack && s->sack_ok;
	c->ws_ok = tcp_window_scaling && s->has_wscale;
	if (c->ws_ok)
		c->snd_wscale = s->wscale;
	else
		c->rcv_wscale = 0;
	/* RFC 3168, 6.1.1 */
	if (initial)
		c->ecn_ok = tcp_ecn && (s->cookie_ecn ||
					(s->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR));
	else
		c->ecn_ok = tcp_ecn && (s->flags & (TCP_ECE | TCP_CWR)) == TCP_ECE;
	if (mss < MSS_LEAST)
		mss = MSS_LEAST;
	if (mss < c->mss)
		c->mss = mss;
	if (c->ts_ok)
		c->mss -= WIRE_TS_LEN;
	c->frame_mss = c->mss;
}

/* Under the lock: the window of a SYN, which is never scaled. */
static __always_inline void first_window(struct conn *c, const struct segment *s)
{
	c->edge = c->una + s->window;
	c->max_wnd = s->window;
	c->wl1 = 0;
	c->wl2 = c->una;
}

/* Under the lock: the handshake is complete. */
static __always_inline void established(struct conn *c, __u64 now)
{
	c->state = CONN_ESTABLISHED;
	if (!c->backoff && c->rtt_at)
		rtt_measured(c, now - c->rtt_ns);
	c->rtt_at = 0;
	c->una = 1;
	/* RFC 6298, (5.7) */
	if (c->backoff)
		c->rto_us = 3000000;
	cc_begin(c, c->backoff != 0);
	c->backoff = 0;
	c->rto_at = 0;
	c->heard_ns = now;
	c->recover = 0;
	c->last_ns = now;
}

/* Under the lock. RFC 9293, 3.10.7.3 */
static __always_inline void in_syn_sent(struct conn *c, struct segment *s, struct after *a)
{
	bool good = s->flags & TCP_ACK && s->ack == snd_seq(c, 1);

	if (s->flags & TCP_ACK && !good) {
		s->fate = COUNTER_rx_ack_invalid;
		answer_reset(s, a);
		return;
	}
	if (s->flags & TCP_RST) {
		if (good) {
			s->fate = COUNTER_conn_refused;
			conn_close(c, a, ECONNREFUSED);
		} else {
			s->fate = COUNTER_rx_ack_invalid;
		}
		return;
	}
	if (!(s->flags & TCP_SYN)) {
		s->fate = COUNTER_rx_no_ack;
		return;
	}
	negotiate(c, s, !good);
	if (!good) {
		/* Both at the same time: MUST-10. */
		c->state = CONN_SYN_RCVD;
		first_window(c, s);
		work_add(c, a, PENDING_SYN);
		return;
	}
	established(c, s->now);
	keepalive_start(c, a, s->now);
	first_window(c, s);
	c->report |= REPORT_OPENED;
	a->report = 1;
	ack_want(c, a, true, s->now);
}

/*
 * Under the lock: does it lie in the window? RFC 9293, 3.4; but what is empty may stand right behind it: the ACK of a
 * peer that has filled the window does.
 */
static __always_inline bool in_window(const struct conn *c, const struct segment *s, __s64 rpos)
{
	__s64 len = s->len + !!(s->flags & TCP_FIN) + !!(s->flags & TCP_SYN);
	__s64 nxt = c->rcv_nxt, adv = window_limit(c);

	if (!len)
		return rpos >= nxt && rpos <= adv;
	if (nxt == adv)
		return false;
	return rpos < adv && rpos + len > nxt;
}

/* Under the lock: an ACK in answer to what may be an attack. */
static __always_inline void challenge(struct conn *c, struct segment *s, struct after *a, bool allowed)
{
	if (!allowed)
		return;
	s->fate = COUNTER_challenge_ack;
	c->ack_now = 1;
	work_add(c, a, PENDING_ACK);
}

/* Under the lock, of a connection in SYN_RCVD or later. @allowed: a challenge ACK may be sent */
static __always_inline void in_synchronized(struct conn *c, struct segment *s, struct after *a,
					    bool allowed)
{
	__s64 rpos = pos_of(s->seq, c->irs, c->rcv_nxt), ack;
	bool fin = s->flags & TCP_FIN, acceptable;

	/* RFC 7323, 5.3 (R1). A RST needs no timestamp. */
	if (c->ts_ok && s->has_ts && !(s->flags & TCP_RST) &&
	    (__s32)(s->tsval - c->ts_recent) < 0 && s->now - c->ts_recent_ns < TS_STALE_NS) {
		s->fate = COUNTER_rx_paws;
		ack_want(c, a, true, s->now);
		return;
	}
	acceptable = in_window(c, s, rpos);
	/* RFC 5961, 3.2 */
	if (s->flags & TCP_RST) {
		if (rpos == (__s64)c->rcv_nxt) {
			s->fate = COUNTER_rst_received;
			conn_close(c, a, c->state == CONN_SYN_RCVD ? ECONNREFUSED : ECONNRESET);
		} else if (acceptable) {
			challenge(c, s, a, allowed);
		} else {
			s->fate = COUNTER_rx_out_of_window;
		}
		return;
	}
	/* RFC 5961, 4.2; in SYN_RCVD the peer has not seen our answer. */
	if (s->flags & TCP_SYN) {
		if (c->state == CONN_SYN_RCVD && rpos == 0 && c->rcv_nxt == 1)
			work_add(c, a, PENDING_SYN);
		else
			challenge(c, s, a, allowed);
		return;
	}
	if (!(s->flags & TCP_ACK)) {
		s->fate = COUNTER_rx_no_ack;
		return;
	}
	ack = pos_of(s->ack, c->iss, c->una);
	if (c->state == CONN_SYN_RCVD) {
		/* RFC 9293, 3.10.7.4, fifth */
		if (ack != 1 || !acceptable) {
			s->fate = COUNTER_rx_ack_invalid;
			if (ack != 1)
				answer_reset(s, a);
			else
				ack_want(c, a, true, s->now);
			return;
		}
		if (c->passive && !s->accept) {
			/* First the application must know of it. */
			s->accept = !c->accepting;
			c->accepting = 1;
			s->fate = COUNTER_rx_busy;
			return;
		}
		established(c, s->now);
		keepalive_start(c, a, s->now);
		ack_window(c, s, rpos, ack);
		c->edge = ack + ((__u64)s->window << c->snd_wscale);
		c->max_wnd = c->edge - ack;
		if (!c->passive) {
			c->report |= REPORT_OPENED;
			a->report = 1;
		}
	}
	/* RFC 5961, 5.2 */
	if (ack > (__s64)c->nxt || ack < (__s64)c->una - (__s64)c->max_wnd) {
		s->fate = COUNTER_rx_ack_invalid;
		if (allowed) {
			c->ack_now = 1;
			work_add(c, a, PENDING_ACK);
		}
		return;
	}
	keepalive_heard(c, s->now);
	if (!acceptable) {
		s->fate = COUNTER_rx_out_of_window;
		s->twice = s->len && rpos < (__s64)c->rcv_nxt;
		ack_want(c, a, true, s->now);
		/* MUST-66: with a closed window its ACK counts nevertheless. */
		if (rpos != (__s64)c->rcv_nxt)
			return;
		fin = false;
		ack_take(c, a, s, rpos > 0 ? rpos : 0, max64(ack, c->una));
		return;
	}
	/* RFC 7323, 4.3 (3): of the segment that the last ACK sent ends in front of. */
	if (c->ts_ok && s->has_ts && rpos <= (__s64)c->rcv_acked + !c->rcv_acked) {
		c->ts_recent = s->tsval;
		c->ts_recent_ns = s->now;
	}
	if (!ack_take(c, a, s, rpos > 0 ? rpos : 0, max64(ack, c->una)))
		return;
	if (c->state == CONN_TIME_WAIT && fin) {
		/* The peer has not seen our ACK. RFC 9293, 3.10.7.4, eighth */
		c->end_at = s->now + ms_ns(etran_bounded(tcp_time_wait_ms));
		ack_want(c, a, true, s->now);
		return;
	}
	if (!s->len && !fin)
		return;
	if (!conn_receives(c)) {
		/* Behind FIN, or FIN again. */
		ack_want(c, a, true, s->now);
		return;
	}
	if (s->len && c->detached) {
		/* Nobody will read it: RFC 9293, 3.6.1; RFC 2525, 2.17 */
		s->fate = COUNTER_rx_after_close;
		conn_reset(c, a, 0, s->now);
		return;
	}
	if (s->len)
		receive_mark(c, a, s);
	receive_choose(c, a, s, rpos, fin);
}

/*
 * May a challenge ACK be due? Asked before the lock, as the answer counts one: what a handshake and an honest reset
 * bring is none, so that many of these leave as many as before.
 */
static __always_inline bool suspicious(const struct conn *c, const struct segment *s)
{
	if (c->state == CONN_SYN_SENT)
		return false;
	if (s->flags & TCP_RST)
		return pos_of(s->seq, c->irs, c->rcv_nxt) != (__s64)c->rcv_nxt;
	return s->flags & TCP_SYN || pos_of(s->ack, c->iss, c->una) > (__s64)c->nxt;
}

/*
 * A segment for the connection of s->slot. What comes of it stands in @s and @a. With s->accept set before, the
 * application has been told of the connection.
 */
__noinline int segment_process(struct segment *s, struct after *a)
{
	bool allowed;
	struct conn *c;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	s->fate = COUNTER_MAX;
	s->deliver = 0;
	s->twice = 0;
	s->tail = 0;
	s->cubic = 0;
	allowed = !suspicious(c, s) || challenge_allowed(s->now);
	bpf_spin_lock(&c->lock);
	a->slot = s->slot;
	a->generation = c->generation;
	if (!conn_lives(c) || !key_same(&c->key, &s->key)) {
		s->fate = COUNTER_rx_no_connection;
		/* Of a connection that is through, but whose id the application has. */
		if (c->state == CONN_CLOSED)
			answer_reset(s, a);
	} else if (c->state == CONN_SYN_SENT) {
		in_syn_sent(c, s, a);
	} else {
		in_synchronized(c, s, a, allowed);
	}
	conn_due(c, a, s->now);
	if (a->release || a->report)
		stream_note(c, a, a->release ? ETRAN_STREAM_ROOM : 0);
	bpf_spin_unlock(&c->lock);
	return 0;
}

/* The application could not be told of a connection: its peer will ask again. */
static __always_inline void segment_not_accepted(const struct segment *s, __u32 generation)
{
	struct conn *c = conn_at(s->slot);

	if (!c)
		return;
	bpf_spin_lock(&c->lock);
	if (c->generation == generation)
		c->accepting = 0;
	bpf_spin_unlock(&c->lock);
}

/* TIME_WAIT makes room for a new incarnation: RFC 9293, 3.10.7.4, MAY-2; RFC 6191. True: it did. */
__noinline int segment_renews(struct segment *s, struct after *a)
{
	struct conn *c;
	bool newer = false;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	if (c->state == CONN_TIME_WAIT && c->detached && key_same(&c->key, &s->key)) {
		newer = c->ts_ok && s->has_ts ?
			(__s32)(s->tsval - c->ts_recent) > 0 :
			pos_of(s->seq, c->irs, c->rcv_nxt) > (__s64)c->rcv_nxt;
		if (newer) {
			a->slot = s->slot;
			a->generation = c->generation;
			conn_close(c, a, 0);
		}
	}
	bpf_spin_unlock(&c->lock);
	return newer;
}

/*
 * A SYN for a listener, or an ACK that brings a cookie back, which gets @s->slot: RFC 9293, 3.10.7.2. Return: 1: there is no
 * room for it in the backlog.
 */
__noinline int segment_syn(struct segment *s, struct after *a)
{
	__u32 id, slot, backlog, generation;
	struct etran_path path = {};
	struct begin b = {};
	struct listener *l;
	struct conn *c;

	if (!s || !a)
		return 0;
	id = s->listener;
	l = listener_of(id);
	if (!l)
		return 0;
	backlog = etran_bounded(tcp_backlog);
	if (l->backlog < backlog)
		backlog = l->backlog;
	if (s->cookie)
		backlog *= 2;
	if (bpf_etran_path(s->key.link, &s->key.peer, sizeof(s->key.peer), &path, sizeof(path)) < 0 ||
	    path.mtu < 256) {
		s->fate = COUNTER_rx_syn_dropped;
		return 0;
	}
	if (__sync_fetch_and_add(&l->waiting, 1) >= backlog) {
		__sync_fetch_and_sub(&l->waiting, 1);
		s->fate = COUNTER_rx_syn_dropped;
		return 1;
	}
	slot = conn_alloc(&s->key);
	c = slot ? conn_at(slot) : NULL;
	if (!c) {
		__sync_fetch_and_sub(&l->waiting, 1);
		s->fate = COUNTER_rx_syn_dropped;
		return 0;
	}
	b.endpoint = l->endpoint;
	b.listener = id;
	b.rcvbuf = l->rcvbuf;
	b.cc = l->cc;
	b.mtu = path.mtu;
	b.now = s->now;
	b.hash = isn_hash(&s->key, 0);
	generation = __sync_fetch_and_add(&conn_generation, 2) | 1;
	a->slot = slot;
	a->generation = generation;
	bpf_spin_lock(&c->lock);
	conn_begin(c, &b, generation, CONN_SYN_RCVD);
	c->passive = 1;
	c->opt = l->opt;
	negotiate(c, s, true);
	first_window(c, s);
	if (s->cookie) {
		/* It has been told our SYN already. */
		c->irs = s->seq - 1;
		c->iss = s->ack - 1;
		c->rcv_acked = 1;
		c->rtt_at = 0;
		c->pending = 0;
		s->slot = slot;
	} else {
		a->push = 1;
	}
	conn_due(c, a, s->now);
	/* Its listener may have gone meanwhile: see listener_close(). */
	if (l->id != id) {
		c->detached = 1;
		conn_close(c, a, 0);
	}
	bpf_spin_unlock(&c->lock);
	return 0;
}

#endif /* _TCP_INPUT_H */
