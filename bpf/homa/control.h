/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Received packets that carry no message: Homa's control packets, and ICMP errors about packets
 * that were sent.
 */
#ifndef _HOMA_CONTROL_H
#define _HOMA_CONTROL_H

#define ICMP_PROTOCOL		1
#define ICMP_UNREACHABLE	3
#define ICMP_NET		0
#define ICMP_HOST		1
#define ICMP_PROTO		2
#define ICMP_PORT		3

/* Where the parts of an ICMP error lie, from the IP header on. */
#define ICMP_TYPE		20
#define ICMP_CODE		21
#define ICMP_QUOTE		28
#define ICMP_QUOTE_HOMA		48

/* Between two searches through all RPCs on behalf of an ICMP error, ns. */
#define ICMP_SCAN_NS		1000000

static __noinline __u32 ingress_grant(struct etran_hdr *hdr, const struct received *r)
{
	__u32 offset = bpf_ntohl(get32(hdr, IP_LEN + 28));
	__u8 priority = get8(hdr, IP_LEN + 32);
	struct work w = {};
	__u32 unsent = 0;
	bool push = false;
	struct rpc *rpc;

	rpc = bpf_map_lookup_elem(&rpcs, &r->key);
	if (!rpc) {
		/* Of an RPC that ended meanwhile, most likely. */
		count(COUNTER_rx_unknown_rpc);
		return ETRAN_CONSUME;
	}
	w.key = r->key;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &r->key) && rpc->state == RPC_OUTGOING) {
		w.generation = rpc->generation;
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

static __noinline __u32 ingress_resend(struct etran_hdr *hdr, const struct received *r)
{
	__u32 offset = bpf_ntohl(get32(hdr, IP_LEN + 28));
	__u32 length = bpf_ntohl(get32(hdr, IP_LEN + 32));
	__u8 priority = get8(hdr, IP_LEN + 36), add = 0;
	bool live, push = false, send = false, ready = false;
	__u32 end, unsent = 0;
	struct work w = {};
	struct rpc *rpc;

	/* Both terms may be anything; the end of the message is the end. */
	if (offset > HOMA_MAX_MESSAGE_LENGTH)
		offset = HOMA_MAX_MESSAGE_LENGTH;
	if (length > HOMA_MAX_MESSAGE_LENGTH && length != HOMA_RESEND_ALL)
		length = HOMA_MAX_MESSAGE_LENGTH;

	rpc = bpf_map_lookup_elem(&rpcs, &r->key);
	if (!rpc) {
		count(COUNTER_rx_unknown_rpc);
		if (is_client(r->key.id) || server_at(r->key.link, r->key.port))
			control_push_reply(r, HOMA_RPC_UNKNOWN);
		else
			unreachable_push(hdr, r);
		return ETRAN_CONSUME;
	}
	w.key = r->key;
	bpf_spin_lock(&rpc->lock);
	live = rpc_is(rpc, &r->key);
	if (live) {
		w.generation = rpc->generation;
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
			if (out_ready(rpc)) {
				ready = true;
				send = pacer_add(rpc);
			}
			unsent = rpc->out_len - rpc->out_sent;
			if (offset < end) {
				rtx_add(rpc, offset, end);
				rpc->rtx_priority = priority % PRIORITIES;
				add |= PENDING_RETRANSMIT;
			}
			if (!add && !ready)
				add = PENDING_BUSY;
		} else if (!is_client(r->key.id) &&
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

	rpc = bpf_map_lookup_elem(&rpcs, &r->key);
	if (!rpc) {
		count(COUNTER_rx_unknown_rpc);
		return ETRAN_CONSUME;
	}
	w.key = r->key;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &r->key)) {
		w.generation = rpc->generation;
		if (!is_client(r->key.id)) {
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
		rpc_fail(&r->key, ECONNRESET);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_busy(const struct received *r)
{
	struct rpc *rpc;

	rpc = bpf_map_lookup_elem(&rpcs, &r->key);
	if (!rpc) {
		count(COUNTER_rx_unknown_rpc);
		return ETRAN_CONSUME;
	}
	bpf_spin_lock(&rpc->lock);
	/* An orphan may not stay as long as a server likes to work. */
	if (rpc_is(rpc, &r->key) && !rpc->orphan) {
		rpc->heard_ns = r->now;
		rpc->unanswered = 0;
	}
	bpf_spin_unlock(&rpc->lock);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_cutoffs(struct etran_hdr *hdr, const struct received *r)
{
	struct peer peer = {};
	int i;

#pragma unroll
	for (i = 0; i < PRIORITIES; i++)
		peer.cutoffs[i] = bpf_ntohl(get32(hdr, IP_LEN + 28 + 4 * i));
	peer.version = get16(hdr, IP_LEN + 60);
	peer_told(r->key.link, r->key.peer, &peer);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_need_ack(const struct received *r)
{
	bool push = false, unfinished = false;
	struct work w = {};
	struct rpc *rpc;

	if (!is_client(r->key.id)) {
		count(COUNTER_rx_bad_id);
		return ETRAN_DROP;
	}
	rpc = bpf_map_lookup_elem(&rpcs, &r->key);
	if (rpc) {
		w.key = r->key;
		bpf_spin_lock(&rpc->lock);
		if (rpc_is(rpc, &r->key) && rpc->state != RPC_FAILED) {
			/* Some of the response is missing: ask for it, now. */
			unfinished = true;
			w.generation = rpc->generation;
			push = work_add(rpc, PENDING_RESEND);
		}
		bpf_spin_unlock(&rpc->lock);
	}
	if (push)
		work_push(&w);
	if (!unfinished)
		control_push_ack(&r->key, r->local);
	return ETRAN_CONSUME;
}

static __noinline __u32 ingress_ack(struct etran_hdr *hdr, const struct received *r)
{
	__u16 port, n = bpf_ntohs(get16(hdr, IP_LEN + 28));
	__u64 id;
	int i;

	acknowledged_entry(r, r->key.id, r->key.port);
#pragma unroll
	for (i = 0; i < HOMA_MAX_ACKS; i++) {
		if (i >= n)
			break;
		/* 10 bytes each, from 30 on */
		id = (__u64)bpf_ntohs(get16(hdr, IP_LEN + 30 + 10 * i)) << 48 |
		     (__u64)bpf_ntohs(get16(hdr, IP_LEN + 32 + 10 * i)) << 32 |
		     (__u64)bpf_ntohs(get16(hdr, IP_LEN + 34 + 10 * i)) << 16 |
		     bpf_ntohs(get16(hdr, IP_LEN + 36 + 10 * i));
		port = bpf_ntohs(get16(hdr, IP_LEN + 38 + 10 * i));
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

static long fail_rpc(void *map, struct rpc_key *map_key, struct rpc *rpc,
		     struct failing *f)
{
	struct rpc_key key = *map_key;

	if (key.link == f->key.link && key.peer == f->key.peer &&
	    (f->any_port || (key.port == f->key.port && key.peer_port == f->key.peer_port)))
		rpc_fail(&key, f->error);
	return 0;
}

/* When all RPCs were searched last, ns. */
__u64 icmp_scan_ns;

/*
 * "Destination unreachable", about a packet that was sent. If it quotes all of the common header
 * it means one RPC. If only 8 bytes, which are the ports, then all RPCs between them are meant; a
 * peer without Homa means all RPCs with it, and kernels limit how often they say so. Finding those
 * takes a search through the table, which is therefore limited, too.
 */
static __noinline __u32 ingress_icmp(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct failing f = {};
	struct rpc *rpc;
	__u64 now, last;
	__u32 len = pkt->len;

	if (len < ICMP_QUOTE_HOMA + 8 || get8(hdr, ICMP_TYPE) != ICMP_UNREACHABLE ||
	    get8(hdr, ICMP_QUOTE) != 0x45 || get8(hdr, ICMP_QUOTE + 9) != HOMA_IPPROTO) {
		count(COUNTER_rx_bad_icmp);
		return ETRAN_PASS;
	}
	count(COUNTER_rx_unreachable);
	switch (get8(hdr, ICMP_CODE)) {
	case ICMP_NET:
		f.error = ENETUNREACH;
		break;
	case ICMP_HOST:
		f.error = EHOSTUNREACH;
		break;
	case ICMP_PROTO:
		f.error = EPROTONOSUPPORT;
		f.any_port = 1;
		break;
	case ICMP_PORT:
		f.error = ENOTCONN;
		break;
	default:
		/* "Fragmentation needed" and others are the kernel's business. */
		return ETRAN_PASS;
	}
	f.key.link = pkt->link;
	f.key.peer = get32(hdr, ICMP_QUOTE + 16);
	f.key.port = bpf_ntohs(get16(hdr, ICMP_QUOTE_HOMA));
	f.key.peer_port = bpf_ntohs(get16(hdr, ICMP_QUOTE_HOMA + 2));
	if (!f.any_port && len >= ICMP_QUOTE_HOMA + sizeof(struct homa_common_hdr)) {
		f.key.id = (__u64)bpf_ntohl(get32(hdr, ICMP_QUOTE_HOMA + 20)) << 32 |
			   bpf_ntohl(get32(hdr, ICMP_QUOTE_HOMA + 24));
		rpc = bpf_map_lookup_elem(&rpcs, &f.key);
		if (!rpc)
			return ETRAN_CONSUME;
		rpc_fail(&f.key, f.error);
		return ETRAN_CONSUME;
	}
	now = bpf_ktime_get_ns();
	last = icmp_scan_ns;
	if (now - last < ICMP_SCAN_NS || __sync_val_compare_and_swap(&icmp_scan_ns, last, now) != last)
		return ETRAN_CONSUME;
	bpf_for_each_map_elem(&rpcs, fail_rpc, &f, 0);
	return ETRAN_CONSUME;
}

#endif /* _HOMA_CONTROL_H */
