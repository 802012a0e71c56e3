/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Received packets that carry no message: Homa's control packets, and ICMP errors about packets
 * that were sent.
 */
#ifndef _HOMA_CONTROL_H
#define _HOMA_CONTROL_H

#define ICMP4_PROTOCOL		1
#define ICMP4_UNREACHABLE	3
#define ICMP4_NET		0
#define ICMP4_HOST		1
#define ICMP4_PROTO		2
#define ICMP4_PORT		3

#define ICMP6_PROTOCOL		58
#define ICMP6_UNREACHABLE	1
#define ICMP6_NO_ROUTE		0
#define ICMP6_ADDRESS		3
#define ICMP6_PORT		4
#define ICMP6_PARAMETER		4
#define ICMP6_NEXT_HEADER	1

/* In front of what is quoted. */
#define ICMP_LEN		8

/* Between two searches through all RPCs on behalf of an ICMP error, ns. */
#define ICMP_SCAN_NS		1000000

static __noinline __u32 ingress_grant(struct etran_hdr *homa, const struct received *r)
{
	__u32 offset = bpf_ntohl(get32(homa, 28));
	__u8 priority = get8(homa, 32);
	struct work w = {};
	__u32 unsent = 0;
	bool push = false;
	struct rpc *rpc;

	rpc = rpc_find(&r->work.key);
	if (!rpc) {
		/* Of an RPC that ended meanwhile, most likely. */
		count(COUNTER_rx_unknown_rpc);
		return ETRAN_CONSUME;
	}
	w.key = r->work.key;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &r->work.key) && rpc->state == RPC_OUTGOING) {
		w.generation = rpc->generation;
		w.slot = rpc->slot;
		rpc_heard(rpc, r->now);
		rpc->sched_priority = priority % PRIORITIES;
		out_grant(rpc, offset);
		if (out_ready(rpc))
			push = pacer_add(rpc);
		unsent = rpc->out_len - rpc->out_sent;
	}
	bpf_spin_unlock(&rpc->lock);
	if (push)
		pacer_push(&w, unsent);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_resend(struct etran_hdr *hdr, struct etran_hdr *homa,
				       const struct received *r)
{
	__u32 offset = bpf_ntohl(get32(homa, 28));
	__u32 length = bpf_ntohl(get32(homa, 32));
	__u8 priority = get8(homa, 36), add = 0;
	bool live, push = false, send = false;
	__u32 end, unsent = 0;
	struct work w = {};
	struct rpc *rpc;

	/* Both terms may be anything; the end of the message is the end. */
	if (offset > HOMA_MAX_MESSAGE_LENGTH)
		offset = HOMA_MAX_MESSAGE_LENGTH;
	if (length > HOMA_MAX_MESSAGE_LENGTH && length != HOMA_RESEND_ALL)
		length = HOMA_MAX_MESSAGE_LENGTH;

	rpc = rpc_find(&r->work.key);
	if (!rpc) {
		count(COUNTER_rx_unknown_rpc);
		if (is_client(r->work.key.id) || server_of(&r->work.key))
			control_push_reply(r, HOMA_RPC_UNKNOWN);
		else
			unreachable_push(hdr, r);
		return ETRAN_CONSUME;
	}
	w.key = r->work.key;
	bpf_spin_lock(&rpc->lock);
	live = rpc_is(rpc, &r->work.key);
	if (live) {
		w.generation = rpc->generation;
		w.slot = rpc->slot;
		if (rpc->state == RPC_OUTGOING) {
			rpc_heard(rpc, r->now);
			end = rpc->out_sent;
			if (length != HOMA_RESEND_ALL) {
				end = offset + length;
				/* The GRANT for these may have been lost. */
				out_grant(rpc, end);
			}
			if (end > rpc->out_sent)
				end = rpc->out_sent;
			if (out_ready(rpc))
				send = pacer_add(rpc);
			unsent = rpc->out_len - rpc->out_sent;
			/*
			 * BUSY would keep a peer waiting for what there is not. The last packet says how long
			 * the message is.
			 */
			if (offset >= rpc->out_len && rpc->out_len && rpc->out_sent == rpc->out_len) {
				end = rpc->out_len;
				offset = end - 1;
			}
			if (offset < end) {
				rtx_add(rpc, offset, end);
				rpc->rtx_priority = priority % PRIORITIES;
				add |= PENDING_RETRANSMIT;
			}
			/*
			 * Also when it waits for the link already: shorter messages may go first for so long that the
			 * peer would give it up. What was granted just now goes without a word.
			 */
			if (!add && !send)
				add = PENDING_BUSY;
		} else if (!is_client(r->work.key.id) &&
			   (rpc->state == RPC_IN_SERVICE || rpc->state == RPC_INCOMING)) {
			/* There is no response yet. */
			add = PENDING_BUSY;
		}
		push = work_add(rpc, add);
	}
	bpf_spin_unlock(&rpc->lock);
	if (send)
		pacer_push(&w, unsent);
	if (push)
		work_push(&w);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_rpc_unknown(const struct received *r)
{
	bool push = false, lost = false;
	struct work w = {};
	struct rpc *rpc;

	rpc = rpc_find(&r->work.key);
	if (!rpc) {
		count(COUNTER_rx_unknown_rpc);
		return ETRAN_CONSUME;
	}
	w.key = r->work.key;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &r->work.key)) {
		w.generation = rpc->generation;
		w.slot = rpc->slot;
		if (!is_client(r->work.key.id)) {
			/* The client gave it up. */
			lost = true;
		} else if (rpc->state == RPC_OUTGOING && rpc->out_sent) {
			/* Nothing of the request arrived, or the server forgot it. */
			rtx_add(rpc, 0, rpc->out_sent);
			rpc->rtx_priority = PRIORITY_UNSCHEDULED;
			push = work_add(rpc, PENDING_RETRANSMIT);
		} else if (rpc->state == RPC_INCOMING && rpc->resends) {
			/*
			 * The server forgot the response and the request is not here any more.
			 * Only if it was asked for something just now: else this is an old one.
			 */
			lost = true;
		}
	}
	bpf_spin_unlock(&rpc->lock);
	if (push)
		work_push(&w);
	if (lost)
		rpc_fail(&r->work.key, ECONNRESET);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_busy(const struct received *r)
{
	struct rpc *rpc;

	rpc = rpc_find(&r->work.key);
	if (!rpc) {
		count(COUNTER_rx_unknown_rpc);
		return ETRAN_CONSUME;
	}
	bpf_spin_lock(&rpc->lock);
	/* An orphan may not stay as long as a server likes to work. */
	if (rpc_is(rpc, &r->work.key) && !rpc->orphan) {
		rpc->heard_ns = r->now;
		rpc->unanswered = 0;
	}
	bpf_spin_unlock(&rpc->lock);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_cutoffs(struct etran_hdr *homa, const struct received *r)
{
	struct cutoffs told = {};
	int i;

#pragma unroll
	for (i = 0; i < PRIORITIES; i++)
		told.cutoffs[i] = bpf_ntohl(get32(homa, 28 + 4 * i));
	told.version = get16(homa, 60);
	peer_told(r->work.key.link, &r->work.key.peer, &told);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_need_ack(const struct received *r)
{
	bool push = false, unfinished = false;
	struct work w = {};
	struct rpc *rpc;

	if (!is_client(r->work.key.id)) {
		count(COUNTER_rx_bad_id);
		return ETRAN_DROP;
	}
	rpc = rpc_find(&r->work.key);
	if (rpc) {
		w.key = r->work.key;
		bpf_spin_lock(&rpc->lock);
		if (rpc_is(rpc, &r->work.key) && rpc->state != RPC_FAILED) {
			/* Some of the response is missing: ask for it, now. */
			unfinished = true;
			w.generation = rpc->generation;
			w.slot = rpc->slot;
			push = work_add(rpc, PENDING_RESEND);
		}
		bpf_spin_unlock(&rpc->lock);
	}
	if (push)
		work_push(&w);
	if (!unfinished)
		peer_acknowledge(&r->work.key, &r->local, true);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_ack(struct etran_hdr *homa, const struct received *r)
{
	__u16 port, n = bpf_ntohs(get16(homa, 28));
	__u64 id;
	int i;

	acknowledged_entry(r, r->work.key.id, r->work.key.port);
#pragma unroll
	for (i = 0; i < HOMA_MAX_ACKS; i++) {
		if (i >= n)
			break;
		/* 10 bytes each, from 30 on */
		id = (__u64)bpf_ntohs(get16(homa, 30 + 10 * i)) << 48 |
		     (__u64)bpf_ntohs(get16(homa, 32 + 10 * i)) << 32 |
		     (__u64)bpf_ntohs(get16(homa, 34 + 10 * i)) << 16 |
		     bpf_ntohs(get16(homa, 36 + 10 * i));
		port = bpf_ntohs(get16(homa, 38 + 10 * i));
		if (id)
			acknowledged_entry(r, id, port);
	}
	return ETRAN_CONSUME;
}

/**
 * struct failing - what fail_rpc() is told
 * @key: like those of the RPCs that fail, but for its id
 * @error: positive errno
 * @any_port: all RPCs with the peer
 */
struct failing {
	struct rpc_key key;
	__u32 error;
	__u32 any_port;
};

static __always_inline long fail_rpc(struct rpc *rpc, struct failing *f)
{
	struct rpc_key key = rpc->key;

	if (!rpc_lives(rpc))
		return 0;
	if (key.link == f->key.link && address_same(&key.peer, &f->key.peer) &&
	    (f->any_port || (key.port == f->key.port && key.peer_port == f->key.peer_port)))
		rpc_fail(&key, f->error);
	return 0;
}

RPC_EACH(fail_rpc, struct failing)

/* When all RPCs were searched last, ns. */
__u64 icmp_scan_ns;

/* What an ICMP error about packets of ours means: a negative errno, 0 for what is the kernel's business. */
static __always_inline int icmp4_error(struct etran_hdr *icmp)
{
	switch (get8(icmp, 1)) {
	case ICMP4_NET:
		return -ENETUNREACH;
	case ICMP4_HOST:
		return -EHOSTUNREACH;
	case ICMP4_PROTO:
		return -EPROTONOSUPPORT;
	case ICMP4_PORT:
		return -ENOTCONN;
	}
	/* "Fragmentation needed" and others. */
	return 0;
}

static __always_inline int icmp6_error(struct etran_hdr *icmp)
{
	if (get8(icmp, 0) == ICMP6_PARAMETER)
		return get8(icmp, 1) == ICMP6_NEXT_HEADER ? -EPROTONOSUPPORT : 0;
	if (get8(icmp, 0) != ICMP6_UNREACHABLE)
		return 0;
	switch (get8(icmp, 1)) {
	case ICMP6_NO_ROUTE:
		return -ENETUNREACH;
	case ICMP6_ADDRESS:
		return -EHOSTUNREACH;
	case ICMP6_PORT:
		return -ENOTCONN;
	}
	return 0;
}

/**
 * struct quoted - what an ICMP error is about
 * @error: negative errno
 * @len: bytes that are quoted of the Homa header
 * @peer: destination of the packet
 */
struct quoted {
	int error;
	__u32 len;
	struct address peer;
};

/*
 * If the error quotes all of the common header it means one RPC. If only 8 bytes, which are the ports,
 * then all RPCs between them are meant; a peer without Homa means all RPCs with it, and kernels
 * limit how often they say so. Finding those takes a search through the table, which is therefore
 * limited, too. Inline because calls may be 8 deep.
 */
static __always_inline __u32 icmp_fail(struct etran_pkt *pkt, struct etran_hdr *homa,
				       const struct quoted *q)
{
	struct failing f = {};
	__u64 now, last;

	f.error = -q->error;
	f.any_port = q->error == -EPROTONOSUPPORT;
	f.key.link = pkt->link;
	f.key.peer = q->peer;
	f.key.port = bpf_ntohs(get16(homa, 0));
	f.key.peer_port = bpf_ntohs(get16(homa, 2));
	if (!f.any_port && q->len >= sizeof(struct homa_common_hdr)) {
		f.key.id = (__u64)bpf_ntohl(get32(homa, 20)) << 32 | bpf_ntohl(get32(homa, 24));
		rpc_fail(&f.key, f.error);
		return ETRAN_CONSUME;
	}
	now = bpf_ktime_get_ns();
	last = icmp_scan_ns;
	if (now - last < ICMP_SCAN_NS || __sync_val_compare_and_swap(&icmp_scan_ns, last, now) != last)
		return ETRAN_CONSUME;
	for_each_slot(fail_rpc, &f);
	return ETRAN_CONSUME;
}

/* The module gives none to Homa of TCP's packets but those that bear Homa's marks. */
static __always_inline bool is_homa_protocol(__u8 protocol)
{
	return protocol == HOMA_IPPROTO || protocol == HOMA_TCP_PROTOCOL;
}

static __noinline __u32 ingress_icmp4(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct etran_hdr *icmp = header_at(hdr, IP4_LEN), *ip = header_at(icmp, ICMP_LEN);
	const __u32 before = IP4_LEN + ICMP_LEN + IP4_LEN;
	struct quoted q = {};
	__u32 len = pkt->len;

	if (len < before + 8 || get8(icmp, 0) != ICMP4_UNREACHABLE || get8(ip, 0) != 0x45 ||
	    !is_homa_protocol(get8(ip, 9))) {
		count(COUNTER_rx_bad_icmp);
		return ETRAN_PASS;
	}
	count(COUNTER_rx_unreachable);
	q.error = icmp4_error(icmp);
	if (!q.error)
		return ETRAN_PASS;
	q.len = len - before;
	q.peer = address_of_ipv4(get32(ip, 16));
	return icmp_fail(pkt, header_at(ip, IP4_LEN), &q);
}

static __noinline __u32 ingress_icmp6(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct etran_hdr *icmp = header_at(hdr, IP6_LEN), *ip = header_at(icmp, ICMP_LEN);
	const __u32 before = IP6_LEN + ICMP_LEN + IP6_LEN;
	struct quoted q = {};
	__u32 len = pkt->len;
	int i;

	if (len < before + 8 || get8(ip, 0) >> 4 != 6 || !is_homa_protocol(get8(ip, 6))) {
		count(COUNTER_rx_bad_icmp);
		return ETRAN_PASS;
	}
#pragma unroll
	for (i = 0; i < 4; i++)
		q.peer.a[i] = get32(ip, 24 + 4 * i);
	count(COUNTER_rx_unreachable);
	q.error = icmp6_error(icmp);
	/* Who sent IPv4 in disguise? Not this host. */
	if (!q.error || !is_host_ipv6(&q.peer))
		return ETRAN_PASS;
	q.len = len - before;
	return icmp_fail(pkt, header_at(ip, IP6_LEN), &q);
}

#endif /* _HOMA_CONTROL_H */
