// SPDX-License-Identifier: GPL-2.0
/* The test transport: see tt.h. */
#include <stdbool.h>
#include "etran.bpf.h"
#include "../ip.bpf.h"
#include "tt.h"

#define AF_HDR		((int)(ETRAN_HDR_LEN - TT_HDRS))
#define AF_HDR6		((int)(ETRAN_HDR_LEN - TT_HDRS6))
#define PROTO		((__u8)(tt.proto ?: TT_PROTO))
#define ADD(what)	__sync_fetch_and_add(&(what), 1)

/* The one thing that differs between this object and tt2.bpf.c, which replaces it. */
#ifndef TT_VERSION
#define TT_VERSION 1
#endif
/* And between it and tt_worst.bpf.c. */
#ifndef TT_OPS_FLAGS
#define TT_OPS_FLAGS 0
#endif

struct ip6 {
	__u8 version_class;
	__u8 flow[3];
	__u16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__u32 saddr[4];
	__u32 daddr[4];
};

volatile struct tt_state tt;

struct timer {
	struct bpf_timer timer;
	__u32 endpoint;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timer);
} timers SEC(".maps");

static int notify(__u32 endpoint, __u16 type, __u32 seq)
{
	struct etran_rec rec = { .endpoint = endpoint, .type = type };

	((struct tt_rec *)rec.data)->seq = seq;
	return bpf_etran_notify(&rec, sizeof(rec));
}

/* Return: whether program @where was told to give up. */
static int gives_up(__u32 where)
{
	if (!(tt.error_in & (1U << where)))
		return 0;
	tt.result = etran_error(-1000 - (__s64)where, "program %d gives up", where);
	return 1;
}

static int timer_fires(void *map, __u32 *key, struct timer *t)
{
	switch (tt.timer_do) {
	case TT_TIMER_NOTIFY:
		tt.notify = notify(t->endpoint, TT_REC_TIMER, 0);
		break;
	case TT_TIMER_ERROR:
		tt.timer_result = etran_error(-1000 - TT_IN_TIMER, "program %d gives up",
					      TT_IN_TIMER);
		break;
	case TT_TIMER_RELEASE:
		tt.timer_result = bpf_etran_release(tt.timer_arg);
		break;
	case TT_TIMER_COOKIE:
		tt.timer_result = bpf_etran_cookie(tt.timer_arg);
		break;
	case TT_TIMER_NEXT:
		tt.timer_result = bpf_etran_next(tt.timer_arg);
		break;
	}
	ADD(tt.timer_fired);
	return 0;
}

static int timer_start(__u32 endpoint)
{
	__u32 key = 0;
	struct timer *t = bpf_map_lookup_elem(&timers, &key);

	if (!t)
		return -1;
	t->endpoint = endpoint;
	bpf_timer_init(&t->timer, &timers, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&t->timer, timer_fires);
	return bpf_timer_start(&t->timer, (tt.timer_ms ?: 1) * 1000000ULL, 0);
}

struct call_timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TT_SLOTS);
	__type(key, __u32);
	__type(value, struct call_timer);
} call_timers SEC(".maps");

static long spin_once(__u32 i, void *end)
{
	return !tt.spin || bpf_ktime_get_ns() > *(__u64 *)end;
}

/* Wait until the test has done something else, but not for ever. */
__noinline int spin(void)
{
	__u64 end = bpf_ktime_get_ns() + 3 * 1000000000ULL;

	ADD(tt.spinning);
	bpf_loop(1 << 23, spin_once, &end, 0);
	__sync_fetch_and_add(&tt.spinning, -1);
	return 0;
}

/* What the cookie of a frame says; gen, which pops until nothing is left, sends instead of pushing. */
__noinline __s64 act(__u64 handle, bool gen)
{
	__u64 cookie = bpf_etran_cookie(handle), when = cookie >> 32, dropped = 0;
	__s64 err = -1;

	if (when)
		when = bpf_ktime_get_ns() + when * 1000;
	switch (cookie >> 8 & 255) {
	case TT_ACT_PUSH:
		if (!gen) {
			err = bpf_etran_queue_push(cookie >> 16 & 0xffff, handle, cookie,
						   ETRAN_QUEUE_RANK, &dropped);
			break;
		}
		err = bpf_etran_send(handle, when, 0);
		break;
	case TT_ACT_SEND:
		err = bpf_etran_send(handle, when, 0);
		break;
	case TT_ACT_RETAIN:
		err = bpf_etran_send(handle, when, ETRAN_SEND_RETAIN);
		break;
	}
	if (err < 0)
		err = bpf_etran_release(handle);
	return err;
}

__noinline __s64 perform(struct tt_call *c)
{
	__u64 handle;
	__u32 i;

	if (!c)
		return 0;
	switch (c->what) {
	case TT_W_RELEASE:
		return bpf_etran_release(c->handle);
	case TT_W_SEND:
		return bpf_etran_send(c->handle, c->arg, c->flags);
	case TT_W_PUSH:
		return bpf_etran_queue_push(c->queue, c->handle, c->arg, c->flags, &c->out);
	case TT_W_POP:
		return bpf_etran_queue_pop(c->queue);
	case TT_W_PEEK:
		return bpf_etran_queue_peek(c->queue, &c->out);
	case TT_W_LEN:
		return bpf_etran_queue_len(c->queue);
	case TT_W_COOKIE:
		return bpf_etran_cookie(c->handle);
	case TT_W_SPIN:
		return spin();
	case TT_W_KICK:
		bpf_etran_gen_kick();
		return 0;
	case TT_W_ACT:
		for (i = 0; i < 16 && i < c->arg; i++) {
			handle = bpf_etran_queue_pop(c->queue);
			if (!handle)
				break;
			act(handle, false);
		}
		return i;
	case TT_W_ROOM:
		return bpf_etran_rx_room(c->handle, c->arg, c->flags);
	case TT_W_STREAM:
		return bpf_etran_stream_set(c->handle, c->queue, tt.stream_tag, c->arg, c->flags);
	}
	return 0;
}

__noinline int run_call(__u32 i)
{
	volatile struct tt_call *s = &tt.call[i & (TT_SLOTS - 1)];
	struct tt_call c = {
		.what = s->what, .handle = s->handle, .arg = s->arg, .queue = s->queue,
		.flags = s->flags,
	};

	s->result = perform(&c);
	s->out = c.out;
	s->cpu = bpf_get_smp_processor_id();
	ADD(s->done);
	return 0;
}

static int call_timer_fires(void *map, __u32 *key, struct call_timer *t)
{
	run_call(*key);
	return 0;
}

__noinline int call_timer_start(__u32 i, __u64 ns)
{
	__u32 key = i & (TT_SLOTS - 1);
	struct call_timer *t = bpf_map_lookup_elem(&call_timers, &key);

	if (!t)
		return -1;
	bpf_timer_init(&t->timer, &call_timers, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&t->timer, call_timer_fires);
	return bpf_timer_start(&t->timer, ns, 0);
}

static __always_inline void headers(struct etran_hdr *hdr, __u32 daddr, __u32 saddr, __u32 seq,
				    __u16 dport, __u8 verdict, __u8 action, __u8 version_ihl,
				    __u8 proto)
{
	struct ip *ip = (struct ip *)&hdr->b[AF_HDR];
	struct tt_hdr *th = (struct tt_hdr *)&hdr->b[AF_HDR + 20];

	ip->version_ihl = version_ihl;
	ip->tos = 0;
	ip->ttl = 64;
	ip->protocol = proto;
	ip->saddr = saddr;
	ip->daddr = daddr;
	th->seq = seq;
	th->dport = dport;
	th->verdict = verdict;
	th->action = action;
	th->endpoint = 0;
}

static __always_inline void headers6(struct etran_hdr *hdr, __u32 daddr, __u32 seq, __u16 dport,
				     __u8 verdict, __u8 action, __u8 version_class, __u8 proto)
{
	struct ip6 *ip = (struct ip6 *)&hdr->b[AF_HDR6];
	struct tt_hdr *th = (struct tt_hdr *)&hdr->b[AF_HDR6 + 40];

	ip->version_class = version_class;
	ip->flow[0] = 0x12;
	ip->flow[1] = 0x34;
	ip->flow[2] = 0x56;
	ip->payload_len = 0xeeee;	/* the module's */
	ip->nexthdr = proto;
	ip->hop_limit = 33;
	ip->saddr[0] = tt.saddr6[0];
	ip->saddr[1] = tt.saddr6[1];
	ip->saddr[2] = tt.saddr6[2];
	ip->saddr[3] = tt.saddr6[3];
	ip->daddr[0] = tt.prefix[0];
	ip->daddr[1] = tt.prefix[1];
	ip->daddr[2] = tt.prefix[2];
	ip->daddr[3] = daddr;
	th->seq = seq;
	th->dport = dport;
	th->verdict = verdict;
	th->action = action;
	th->endpoint = 0;
}

static int route(__u32 link, __u32 daddr, bool v6)
{
	__u32 addr[4] = { tt.prefix[0], tt.prefix[1], tt.prefix[2], daddr };

	return v6 ? bpf_etran_route(link, addr, sizeof(addr)) :
		    bpf_etran_route(link, &daddr, sizeof(daddr));
}

static __u64 hold(struct etran_pkt *pkt, __u64 prev, __u64 cookie)
{
	__u64 handle = bpf_etran_hold(pkt, prev, cookie);

	if (handle)
		tt.held[handle & (TT_SLOTS - 1)] = handle;
	return handle;
}

/* What egress is told to return, if that is possible or it need not be. */
static __u32 answer(__u32 verdict, __u64 handle)
{
	if (!tt.tame || verdict == ETRAN_TX)
		return verdict;
	return handle && (verdict == ETRAN_HOLD || verdict == (ETRAN_TX | ETRAN_RETAIN)) ?
	       verdict : ETRAN_DROP;
}

SEC("struct_ops/tt_egress")
__u32 BPF_PROG(tt_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct tt_req r;
	__u64 handle = 0, dropped;
	__u8 *p;

	ADD(tt.egress);
	tt.version = TT_VERSION;
	bpf_probe_read_kernel(&r, sizeof(r), pkt->req.data);
	/* Random requests: nothing that has the transport ejected. */
	if (tt.tame) {
		r.flags &= TT_F_HOLD | TT_F_RAW | TT_F_SLICE | TT_F_TWICE | TT_F_V6;
		if (pkt->req.op > TT_ROUTE_SIZE)
			return ETRAN_DROP;
	}
	gives_up(TT_IN_EGRESS);

	switch (pkt->req.op) {
	case TT_SEND:
		break;
	case TT_KICK:
		bpf_etran_gen_kick();
		return ETRAN_DROP;
	case TT_RELEASE:
		tt.result = bpf_etran_release(r.prev);
		return ETRAN_DROP;
	case TT_RELEASE_CHAIN:
		tt.result = bpf_etran_release_chain(r.prev);
		return ETRAN_DROP;
	case TT_RELEASE_UPTO:
		tt.result = bpf_etran_release_upto(r.prev, r.cookie);
		return ETRAN_DROP;
	case TT_NEXT:
		tt.result = bpf_etran_next(r.prev);
		return ETRAN_DROP;
	case TT_COOKIE:
		tt.result = bpf_etran_cookie(r.prev);
		return ETRAN_DROP;
	case TT_ROUTE:
		tt.result = route(r.seq, r.daddr, r.flags & TT_F_V6);
		return ETRAN_DROP;
	case TT_ROUTE_SIZE:
		tt.result = bpf_etran_route(r.seq, &r.cookie, sizeof(r.cookie));
		return ETRAN_DROP;
	case TT_PUSH:
		tt.result = bpf_etran_queue_push(r.seq, r.prev, 0, r.dport, &handle);
		return ETRAN_DROP;
	case TT_POP:
		tt.result = bpf_etran_queue_pop(r.seq);
		return ETRAN_DROP;
	case TT_NOTIFY:
		tt.notify = notify(r.seq, TT_REC_NOTE, 0);
		return ETRAN_DROP;
	case TT_TIMER:
		tt.result = timer_start(r.seq);
		return ETRAN_DROP;
	case TT_CALL:
		run_call(r.slot);
		return ETRAN_DROP;
	case TT_DO: {
		struct tt_call c = {
			.what = r.verdict, .handle = r.prev, .arg = r.arg, .queue = r.queue,
			.flags = r.place & 15,
		};

		perform(&c);
		return ETRAN_DROP;
	}
	case TT_CALL_TIMER:
		tt.result = call_timer_start(r.slot, r.arg);
		return ETRAN_DROP;
	default:
		return ETRAN_DROP;
	}

	if (r.flags & TT_F_HOLD) {
		handle = hold(pkt, r.prev, r.cookie);
		tt.handle[r.slot & (TT_SLOTS - 1)] = handle;
		tt.kept[r.place >> 4 & (TT_SOCKETS - 1)][handle & (TT_KEPT - 1)] = handle;
		if (r.flags & TT_F_TWICE)
			tt.result = hold(pkt, 0, r.cookie);
	}
	if (r.flags & TT_F_SLICE) {
		p = bpf_etran_slice(pkt, 0, 1);
		tt.result = p ? *p : -1;
	}
	if (r.flags & TT_F_PUSH) {
		dropped = 0;
		tt.result = bpf_etran_queue_push(r.queue, handle, r.arg, r.place & 15, &dropped);
	}
	if (r.flags & TT_F_CALL)
		run_call(r.seq);
	if (r.flags & TT_F_SPIN)
		spin();
	if (r.flags & TT_F_KICK)
		bpf_etran_gen_kick();
	if (r.flags & TT_F_TIME)
		pkt->departure_ns = r.arg;
	if (r.flags & TT_F_DELAY)
		pkt->departure_ns = bpf_ktime_get_ns() + r.arg;
	if (r.flags & TT_F_NO_PACKET)
		return r.verdict;
	if (r.flags & TT_F_V6) {
		headers6(hdr, r.daddr, r.seq, r.dport, r.rx_verdict, r.rx_action,
			 r.flags & TT_F_RAW ? r.version_ihl : 0x60,
			 r.flags & TT_F_RAW ? r.proto : PROTO);
		pkt->hdr_off = r.flags & TT_F_RAW ? r.hdr_off : AF_HDR6;
		pkt->hdr_len = r.flags & TT_F_RAW ? r.hdr_len : TT_HDRS6;
		return answer(r.verdict, handle);
	}
	headers(hdr, r.daddr, r.saddr, r.seq, r.dport, r.rx_verdict, r.rx_action,
		r.flags & TT_F_RAW ? r.version_ihl : 0x45, r.flags & TT_F_RAW ? r.proto : PROTO);
	if (r.flags & TT_F_SELF)
		((struct tt_hdr *)&hdr->b[AF_HDR + 20])->endpoint = pkt->endpoint;
	pkt->hdr_off = r.flags & TT_F_RAW ? r.hdr_off : AF_HDR;
	pkt->hdr_len = r.flags & TT_F_RAW ? r.hdr_len : TT_HDRS;
	return answer(r.verdict, handle);
}

static int deliver6(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 endpoint, __u32 more)
{
	const struct ip6 *ip = (struct ip6 *)hdr;
	const struct tt_hdr *th = (struct tt_hdr *)&hdr->b[40];
	struct etran_rec rec = { .endpoint = endpoint, .type = TT_REC_DATA };
	struct tt_rec *r = (struct tt_rec *)rec.data;

	r->seq = th->seq;
	r->version = 6;
	r->saddr6[0] = ip->saddr[0];
	r->saddr6[1] = ip->saddr[1];
	r->saddr6[2] = ip->saddr[2];
	r->saddr = ip->saddr[3];
	r->len = pkt->len - TT_HDRS6;
	return bpf_etran_deliver(pkt, &rec, sizeof(rec), TT_HDRS6, r->len + more);
}

static int deliver(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 endpoint, __u32 more)
{
	const struct ip *ip = (struct ip *)hdr;
	const struct tt_hdr *th = (struct tt_hdr *)&hdr->b[20];
	struct etran_rec rec = { .endpoint = endpoint, .type = TT_REC_DATA };
	struct tt_rec *r = (struct tt_rec *)rec.data;

	r->seq = th->seq;
	r->version = 4;
	r->saddr = ip->saddr;
	r->len = pkt->len - TT_HDRS;
	return bpf_etran_deliver(pkt, &rec, sizeof(rec), TT_HDRS, r->len + more);
}

static void check_time(struct tt_time *p)
{
	__u64 now = bpf_ktime_get_ns(), late = now - p->departure_ns;
	__u32 i = 0, seq;

	ADD(tt.timed);
	seq = tt.flow_seq[p->flow & (TT_FLOWS - 1)];
	if (p->seq != seq + 1)
		ADD(tt.disorder);
	tt.flow_seq[p->flow & (TT_FLOWS - 1)] = p->seq;
	if (now < p->departure_ns) {
		ADD(tt.early);
		return;
	}
	if (late > tt.latest_ns)
		tt.latest_ns = late;
	for (late /= 1000; late && i < 31; late /= 2)
		i++;
	ADD(tt.late[i & 31]);
}

static __always_inline __u32 received(struct etran_pkt *pkt, struct etran_hdr *hdr,
				      const struct tt_hdr *th, bool v6)
{
	__u32 endpoint, verdict;
	bool beyond;
	int err;

	verdict = tt.rx_force ? tt.rx_force - 1 : th->verdict;
	if (th->action & TT_A_KICK) {
		ADD(tt.pending);
		bpf_etran_gen_kick();
	}
	if (th->action & TT_A_TIME)
		check_time((struct tt_time *)(th + 1));
	if (th->action & TT_A_CALL)
		run_call(th->seq);
	if (!tt.tame && (th->action & TT_A_ACT)) {
		struct tt_call c = { .what = TT_W_ACT, .queue = th->seq, .arg = 1 };

		perform(&c);
	}
	endpoint = th->endpoint ?: tt.port[th->dport & (TT_PORTS - 1)];
	if (th->action & TT_A_NOTIFY)
		tt.notify = notify(endpoint, TT_REC_NOTE, th->seq);
	if (verdict == ETRAN_DELIVER || (th->action & TT_A_DELIVER)) {
		beyond = th->action & TT_A_BEYOND;
		err = v6 ? deliver6(pkt, hdr, endpoint, beyond) :
			   deliver(pkt, hdr, endpoint, beyond);
		tt.deliver = err;
		if (err && verdict == ETRAN_DELIVER)
			return ETRAN_DROP;
	}
	if (tt.tame && (verdict < ETRAN_PASS || verdict > ETRAN_DELIVER))
		return ETRAN_DROP;
	return verdict == 255 ? ETRAN_DELIVER : verdict;
}

SEC("struct_ops/tt_ingress")
__u32 BPF_PROG(tt_ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	const struct ip6 *ip6 = (struct ip6 *)hdr;
	const struct ip *ip = (struct ip *)hdr;

	ADD(tt.ingress);
	gives_up(TT_IN_INGRESS);
	if (ip->version_ihl >> 4 == 6) {
		if (ip6->nexthdr == 58) {
			ADD(tt.icmp);
			tt.icmp_type = hdr->b[40];
			tt.icmp_code = hdr->b[41];
			return ETRAN_CONSUME;
		}
		if (pkt->len < TT_HDRS6)
			return ETRAN_DROP;
		return received(pkt, hdr, (struct tt_hdr *)&hdr->b[40], true);
	}
	if (ip->protocol == 1) {
		ADD(tt.icmp);
		tt.icmp_type = hdr->b[20];
		tt.icmp_code = hdr->b[21];
		return ETRAN_CONSUME;
	}
	if (pkt->len < TT_HDRS)
		return ETRAN_DROP;
	return received(pkt, hdr, (struct tt_hdr *)&hdr->b[20], false);
}

/* The next queue's first frame. */
__noinline __u64 gen_pop(void)
{
	__u64 handle;
	__u32 i, n;

	for (i = 0; i < TT_QUEUES && i < tt.gen_pop; i++) {
		n = ADD(tt.gen_pop_next);
		handle = bpf_etran_queue_pop(n % (tt.gen_pop ?: 1));
		if (handle)
			return handle;
	}
	return 0;
}

SEC("struct_ops/tt_gen")
__u32 BPF_PROG(tt_gen, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	volatile struct tt_gen *g;
	__u32 n, verdict;
	__u64 handle;

	ADD(tt.gen);
	gives_up(TT_IN_GEN);
	if (tt.gen_forever == 1)
		return ETRAN_CONSUME;
	if (tt.gen_forever) {
		headers(hdr, tt.coalesce_daddr, 0, 0, 0, ETRAN_CONSUME, 0, 0x45, PROTO);
		pkt->hdr_off = AF_HDR;
		pkt->hdr_len = TT_HDRS;
		pkt->link = tt.coalesce_link;
		return ETRAN_TX;
	}
	if (tt.coalesce) {
		n = __sync_lock_test_and_set(&tt.pending, 0);
		if (!n)
			return ETRAN_DROP;
		headers(hdr, tt.coalesce_daddr, 0, n, 0, ETRAN_PASS, 0, 0x45, PROTO);
		pkt->hdr_off = AF_HDR;
		pkt->hdr_len = TT_HDRS;
		pkt->link = tt.coalesce_link;
		return ETRAN_TX;
	}
	if (tt.gen_pop) {
		handle = gen_pop();
		if (!handle)
			return ETRAN_DROP;
		n = bpf_etran_cookie(handle) >> 8 & 255;
		if (n != TT_ACT_LOAD && n != TT_ACT_LOAD_RELEASE) {
			act(handle, true);
			return ETRAN_CONSUME;
		}
		if (bpf_etran_load(pkt, handle))
			return ETRAN_CONSUME;
		if (n == TT_ACT_LOAD_RELEASE)
			bpf_etran_release(handle);
		headers(hdr, tt.coalesce_daddr, 0, 0, 0, ETRAN_CONSUME, 0, 0x45, PROTO);
		pkt->hdr_off = AF_HDR;
		pkt->hdr_len = TT_HDRS;
		return ETRAN_TX;
	}
	n = ADD(tt.gen_next);
	if (n >= tt.gen_n || n >= TT_SLOTS) {
		__sync_fetch_and_add(&tt.gen_next, -1);
		return ETRAN_DROP;
	}
	g = &tt.gen_do[n];
	verdict = g->verdict;
	if (g->call)
		run_call(g->call - 1);
	if (g->handle) {
		if (g->part)
			g->loaded = bpf_etran_load_part(pkt, g->handle, g->from, g->len);
		else
			g->loaded = bpf_etran_load(pkt, g->handle);
		g->payload_len = pkt->payload_len;
		if (g->twice)
			g->loaded = bpf_etran_load(pkt, g->handle);
		else if (g->loaded)
			return ETRAN_CONSUME;
		tt.result = pkt->cookie;
	}
	if (g->join) {
		for (n = 0; n < TT_JOIN_MOST && n < g->join; n++)
			if (bpf_etran_load_next(pkt, g->most))
				g->joined++;
		g->payload_len = pkt->payload_len;
	}
	if (g->v6) {
		headers6(hdr, g->daddr, g->seq, g->dport, g->rx_verdict, 0, 0x60, PROTO);
		pkt->hdr_off = AF_HDR6;
		pkt->hdr_len = TT_HDRS6;
	} else {
		headers(hdr, g->daddr, 0, g->seq, g->dport, g->rx_verdict, 0, 0x45, PROTO);
		pkt->hdr_off = AF_HDR;
		pkt->hdr_len = TT_HDRS;
	}
	if (g->link)
		pkt->link = g->link;
	return verdict;
}

SEC("struct_ops/tt_open")
__s32 BPF_PROG(tt_open, struct etran_endpoint *ep)
{
	__u32 port = ep->port;

	gives_up(TT_IN_OPEN);
	if (tt.open_result)
		return tt.open_result;
	if (port >= TT_PORTS)
		return -22;	/* EINVAL */
	if (port && tt.port[port])
		return -98;	/* EADDRINUSE */
	if (port)
		tt.port[port] = ep->id;
	ep->arg[0] = ep->arg[0] + 1;
	return 0;
}

SEC("struct_ops/tt_bind")
__s32 BPF_PROG(tt_bind, struct etran_endpoint *ep)
{
	__u32 port = ep->port;

	gives_up(TT_IN_BIND);
	if (tt.bind_result)
		return tt.bind_result;
	if (port >= TT_PORTS)
		return -22;
	if (tt.port[port])
		return -98;
	tt.port[port] = ep->id;
	return 0;
}

SEC("struct_ops/tt_close")
void BPF_PROG(tt_close, struct etran_endpoint *ep)
{
	__u32 port = ep->port;

	ADD(tt.close);
	gives_up(TT_IN_CLOSE);
	if (port < TT_PORTS && tt.port[port] == ep->id)
		tt.port[port] = 0;
}

SEC("struct_ops/tt_room")
void BPF_PROG(tt_room, struct etran_endpoint *ep)
{
	ADD(tt.room);
	tt.room_endpoint = ep->id;
	if (tt.room_again)
		bpf_etran_rx_room(ep->id, tt.room_again, tt.room_again);
}

SEC("struct_ops/tt_stream_open")
__s32 BPF_PROG(tt_stream_open, struct etran_stream *st)
{
	ADD(tt.stream_opens);
	tt.stream_id = st->id;
	tt.stream_endpoint = st->endpoint;
	tt.stream_opened = st->tag;
	return tt.stream_result;
}

SEC("struct_ops/tt_stream_close")
void BPF_PROG(tt_stream_close, struct etran_stream *st)
{
	tt.stream_closed = st->tag;
	tt.stream_read = st->read;
	tt.stream_flags = st->flags;
	ADD(tt.stream_closes);
}

SEC("struct_ops.s/tt_init")
__s32 BPF_PROG(tt_init)
{
	ADD(tt.init);
	gives_up(TT_IN_INIT);
	return tt.init_result;
}

SEC("struct_ops.s/tt_exit")
void BPF_PROG(tt_exit, struct etran_exit_info *info)
{
	tt.exit_kind = info->kind;
	tt.exit_code = info->code;
	bpf_probe_read_kernel_str((void *)tt.exit_msg, sizeof(tt.exit_msg), info->msg);
	ADD(tt.exit);
}

SEC(".struct_ops.link")
struct etran_ops tt_ops = {
	.egress = (void *)tt_egress,
	.ingress = (void *)tt_ingress,
	.gen = (void *)tt_gen,
	.endpoint_open = (void *)tt_open,
	.endpoint_bind = (void *)tt_bind,
	.endpoint_close = (void *)tt_close,
	.endpoint_room = (void *)tt_room,
	.stream_open = (void *)tt_stream_open,
	.stream_close = (void *)tt_stream_close,
	.init = (void *)tt_init,
	.exit = (void *)tt_exit,
	.version = ETRAN_OPS_VERSION,
	.ip_proto = TT_PROTO,
	.name = TT_NAME,
	.queues = TT_QUEUES,
	.queue_depth = TT_DEPTH,
	.flags = TT_OPS_FLAGS,
};

SEC("xdp")
int tt_rx(struct xdp_md *ctx)
{
	return bpf_etran_rx(ctx);
}

char LICENSE[] SEC("license") = "GPL";
