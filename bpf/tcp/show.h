/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a connection is like, for people and for its application: an iterator over the table for 'etranctl conn', in the
 * form that bpf/README.md describes, and ETRAN_TCP_INFO. Both look without the connection's lock, which an iterator
 * cannot take: what is told may mix two moments, and an iterator's line even two connections that had the same slot.
 */
#ifndef _TCP_SHOW_H
#define _TCP_SHOW_H

#include <etran/conn.h>

#define SHOW_NAME(to, name)	__builtin_memcpy(to, name, sizeof(name))

/* As "ss" calls them. */
static __always_inline void show_state(struct etran_conn_record *r, __u8 state)
{
	switch (state) {
	case CONN_SYN_SENT:
		SHOW_NAME(r->state, "SYN-SENT");
		break;
	case CONN_SYN_RCVD:
		SHOW_NAME(r->state, "SYN-RECV");
		break;
	case CONN_ESTABLISHED:
		SHOW_NAME(r->state, "ESTAB");
		break;
	case CONN_FIN_WAIT_1:
		SHOW_NAME(r->state, "FIN-WAIT-1");
		break;
	case CONN_FIN_WAIT_2:
		SHOW_NAME(r->state, "FIN-WAIT-2");
		break;
	case CONN_CLOSE_WAIT:
		SHOW_NAME(r->state, "CLOSE-WAIT");
		break;
	case CONN_CLOSING:
		SHOW_NAME(r->state, "CLOSING");
		break;
	case CONN_LAST_ACK:
		SHOW_NAME(r->state, "LAST-ACK");
		break;
	case CONN_TIME_WAIT:
		SHOW_NAME(r->state, "TIME-WAIT");
		break;
	default:
		SHOW_NAME(r->state, "CLOSED");
		break;
	}
}

static __always_inline void show_cc(struct etran_conn_record *r, const struct conn *c)
{
	switch (c->cc) {
	case ETRAN_TCP_CC_DCTCP:
		SHOW_NAME(r->cc, "dctcp");
		break;
	case ETRAN_TCP_CC_CUBIC:
		SHOW_NAME(r->cc, "cubic");
		break;
	default:
		SHOW_NAME(r->cc, "newreno");
		break;
	}
}

static __always_inline __u64 less(__u64 a, __u64 b)
{
	return a > b ? a - b : 0;
}

static __always_inline void conn_describe(const struct conn *c, struct etran_conn_record *r, __u64 now)
{
	__u64 sent = min64(c->nxt, c->queued), acked = min64(c->una, c->queued);

	r->size = sizeof(*r);
	r->flags = (c->passive ? ETRAN_CONN_PASSIVE : 0) | (c->detached ? ETRAN_CONN_DETACHED : 0) |
		   (c->ts_ok ? ETRAN_CONN_TIMESTAMPS : 0) | (c->sack_ok ? ETRAN_CONN_SACK : 0) |
		   (c->ws_ok ? ETRAN_CONN_WSCALE : 0) | (c->ecn_ok ? ETRAN_CONN_ECN : 0) |
		   (c->opt.keepalive ? ETRAN_CONN_KEEPALIVE : 0) |
		   (c->loss == LOSS_RECOVERY ? ETRAN_CONN_RECOVERY : 0) |
		   (c->loss == LOSS_TIMEOUT ? ETRAN_CONN_TIMEOUT : 0);
	r->id = conn_id(c);
	__builtin_memcpy(r->addr, &c->key.local, sizeof(r->addr));
	__builtin_memcpy(r->peer, &c->key.peer, sizeof(r->peer));
	r->port = c->key.port;
	r->peer_port = c->key.peer_port;
	r->link = c->key.link;
	r->endpoint = c->endpoint;
	r->error = c->error;
	r->snd_wscale = c->snd_wscale;
	r->rcv_wscale = c->ws_ok ? c->rcv_wscale : 0;
	r->backoff = c->backoff;
	r->probes = c->keep_probes;
	r->mss = c->mss;
	r->rcv_mss = c->rcv_mss;
	r->cwnd = c->cwnd;
	r->ssthresh = c->ssthresh;
	r->alpha = c->alpha;
	r->srtt_us = c->srtt_us >> 3;
	r->rttvar_us = c->rttvar_us >> 2;
	r->rto_us = rto_ns(c) / 1000;
	r->retransmits = c->retransmits;
	r->user_timeout_ms = c->opt.user_timeout_ms ? c->opt.user_timeout_ms :
						      etran_bounded(tcp_user_timeout_ms);
	r->rcvbuf = c->rcvbuf;
	r->pacing_rate = pace_rate(c);
	r->sent = less(sent, 1);
	r->acked = less(acked, 1);
	r->unsent = less(c->queued, sent);
	r->received = less(c->rcv_fin && c->rcv_nxt > c->rcv_fin ? c->rcv_fin : c->rcv_nxt, 1);
	r->unread = less(r->received + 1, c->read);
	r->out_of_order = ranges_within(c->ooo, RCV_RANGES, 0, ETRAN_TCP_MAX_STREAM);
	r->send_window = less(c->edge, c->una);
	r->receive_window = less(c->rcv_adv, c->rcv_nxt);
	r->age_ns = less(now, c->begun_ns);
	r->quiet_ns = less(now, c->last_ns);
	show_state(r, c->state);
	show_cc(r, c);
}

SEC("iter/bpf_map_elem")
int show_conns(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct conn *c = ctx->value;
	struct etran_conn_record r = {};

	if (!c || c->state == CONN_FREE)
		return 0;
	conn_describe(c, &r, bpf_ktime_get_ns());
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

#define INFO_PARTS	((sizeof(struct etran_conn_record) + ETRAN_TCP_INFO_PART - 1) / ETRAN_TCP_INFO_PART)

/**
 * union info - a record, in parts
 * @r: it
 * @part: likewise
 */
union info {
	struct etran_conn_record r;
	struct {
		__u64 arg[4];
		__u32 addr[4];
	} part[INFO_PARTS];
};

/* ETRAN_TCP_INFO */
static __noinline int conn_info(struct etran_endpoint *ep)
{
	__u32 part = ep->arg[0] >> 32, slot = ep->arg[1], generation = ep->arg[1] >> 32;
	struct conn *c = conn_at(slot);
	union info info = {};
	int i;

	if (!c || !generation || c->generation != generation || c->state == CONN_FREE ||
	    c->endpoint != ep->id)
		return -ENOENT;
	conn_describe(c, &info.r, bpf_ktime_get_ns());
	/* One by one: the stack has no variable offsets. */
#pragma unroll
	for (i = 0; i < INFO_PARTS; i++) {
		if (i != part)
			continue;
		ep->arg[0] = info.part[i].arg[0];
		ep->arg[1] = info.part[i].arg[1];
		ep->arg[2] = info.part[i].arg[2];
		ep->arg[3] = info.part[i].arg[3];
		ep->addr[0] = info.part[i].addr[0];
		ep->addr[1] = info.part[i].addr[1];
		ep->addr[2] = info.part[i].addr[2];
		ep->addr[3] = info.part[i].addr[3];
		return 0;
	}
	return -EINVAL;
}

#endif /* _TCP_SHOW_H */
