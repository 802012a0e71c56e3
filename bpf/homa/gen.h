/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets that no application sends now, one for each call: those without RPC first, then one of
 * the RPC that waits longest: control packets, then what the peer asked for again; last what messages
 * may send next, in the pacer's order.
 */
#ifndef _HOMA_GEN_H
#define _HOMA_GEN_H

/* What peers shall know of this host. */
static __always_inline void put_cutoffs(struct etran_hdr *hdr, __u32 at)
{
	/* Before the cutoffs, as it is set behind them: never new with one that is old. */
	put16(hdr, at + 32, bpf_htons(homa_cutoff_version));
	/* All that is longer than the others say. */
	put32(hdr, at, bpf_htonl(HOMA_MAX_MESSAGE_LENGTH));
	put32(hdr, at + 4, bpf_htonl(homa_unsched_cutoff_1));
	put32(hdr, at + 8, bpf_htonl(homa_unsched_cutoff_2));
	put32(hdr, at + 12, bpf_htonl(homa_unsched_cutoff_3));
	put32(hdr, at + 16, bpf_htonl(homa_unsched_cutoff_4));
	put32(hdr, at + 20, bpf_htonl(homa_unsched_cutoff_5));
	put32(hdr, at + 24, bpf_htonl(homa_unsched_cutoff_6));
	put32(hdr, at + 28, bpf_htonl(homa_unsched_cutoff_7));
}

/* Sums for an Internet checksum, in host byte order. */
static __always_inline __u32 sum_add(__u32 sum, __be32 word)
{
	word = bpf_ntohl(word);
	return sum + (word >> 16) + (word & 0xffff);
}

static __always_inline __u32 sum_end(__u32 sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return ~sum & 0xffff;
}

static __noinline __u32 gen_control(struct etran_pkt *pkt, struct etran_hdr *hdr,
				    const struct control *c)
{
	int i;

	if (c->type == HOMA_CUTOFFS) {
		count(COUNTER_tx_cutoffs);
		put_control(pkt, hdr, WIRE_HOMA_LONG, &c->key, &c->local, HOMA_CUTOFFS);
		put_cutoffs(hdr, WIRE_HOMA_LONG + sizeof(struct homa_common_hdr));
		return ETRAN_TX;
	}
	if (c->type != HOMA_ACK) {
		count(COUNTER_tx_rpc_unknown);
		put_control(pkt, hdr, WIRE_HOMA, &c->key, &c->local, HOMA_RPC_UNKNOWN);
		return ETRAN_TX;
	}
	count(COUNTER_tx_ack);
	put_control(pkt, hdr, WIRE_HOMA_LONG, &c->key, &c->local, HOMA_ACK);
	put16(hdr, WIRE_HOMA_LONG + 28, bpf_htons(c->acks));
#pragma unroll
	for (i = 0; i < ACKS_WAITING; i++)
		put_ack(hdr, WIRE_HOMA_LONG + 30 + i * sizeof(struct homa_ack),
			i < c->acks ? &c->ack[i] : &no_ack);
	put_ack(hdr, WIRE_HOMA_LONG + 30 + ACKS_WAITING * sizeof(struct homa_ack), &no_ack);
	return ETRAN_TX;
}

/* Where the ICMP header begins. */
#define WIRE_ICMP	(ETRAN_HDR_LEN - ICMP_LEN - UNREACHABLE_QUOTE6)

/* ICMP port unreachable: the last resort of a client whose server is gone. */
static __noinline __u32 gen_unreachable4(struct etran_pkt *pkt, struct etran_hdr *hdr,
					 const struct unreachable *u)
{
	struct address saddr = address_of_ipv4(u->quote[4]), daddr = address_of_ipv4(u->quote[3]);
	__u32 sum = ICMP4_UNREACHABLE << 8 | ICMP4_PORT;
	struct carrier c = {
		.saddr = &saddr,
		.daddr = &daddr,
		.protocol = ICMP4_PROTOCOL,
		.priority = PRIORITY_CONTROL,
	};
	int i;

	put_ip(pkt, hdr, WIRE_ICMP, ICMP_LEN + UNREACHABLE_QUOTE4, &c);
#pragma unroll
	for (i = 0; i < UNREACHABLE_QUOTE4 / 4; i++) {
		sum = sum_add(sum, u->quote[i]);
		put32(hdr, WIRE_ICMP + ICMP_LEN + 4 * i, u->quote[i]);
	}
	put32(hdr, WIRE_ICMP,
	      bpf_htonl(ICMP4_UNREACHABLE << 24 | ICMP4_PORT << 16 | sum_end(sum)));
	put32(hdr, WIRE_ICMP + 4, 0);
	return ETRAN_TX;
}

/* The same of ICMPv6, whose checksum covers addresses, length and protocol, too. */
static __noinline __u32 gen_unreachable6(struct etran_pkt *pkt, struct etran_hdr *hdr,
					 const struct unreachable *u)
{
	const __u32 len = ICMP_LEN + UNREACHABLE_QUOTE6;
	__u32 sum = (ICMP6_UNREACHABLE << 8 | ICMP6_PORT) + len + ICMP6_PROTOCOL;
	struct address saddr, daddr;
	struct carrier c = {
		.saddr = &saddr,
		.daddr = &daddr,
		.protocol = ICMP6_PROTOCOL,
		.priority = PRIORITY_CONTROL,
	};
	int i;

#pragma unroll
	for (i = 0; i < 4; i++) {
		daddr.a[i] = u->quote[2 + i];
		saddr.a[i] = u->quote[6 + i];
		sum = sum_add(sum_add(sum, saddr.a[i]), daddr.a[i]);
	}
	put_ip(pkt, hdr, WIRE_ICMP, len, &c);
#pragma unroll
	for (i = 0; i < UNREACHABLE_QUOTE6 / 4; i++) {
		sum = sum_add(sum, u->quote[i]);
		put32(hdr, WIRE_ICMP + ICMP_LEN + 4 * i, u->quote[i]);
	}
	put32(hdr, WIRE_ICMP,
	      bpf_htonl(ICMP6_UNREACHABLE << 24 | ICMP6_PORT << 16 | sum_end(sum)));
	put32(hdr, WIRE_ICMP + 4, 0);
	return ETRAN_TX;
}

static __always_inline __u32 gen_unreachable(struct etran_pkt *pkt, struct etran_hdr *hdr,
					     const struct unreachable *u)
{
	count(COUNTER_tx_unreachable);
	pkt->link = u->link;
	if ((bpf_ntohl(u->quote[0]) >> 28) == 4)
		return gen_unreachable4(pkt, hdr, u);
	return gen_unreachable6(pkt, hdr, u);
}

/**
 * struct gen_step - what an RPC needs, as noted down under its lock
 * @local: source of the packet
 * @type: enum homa_packet_type, 0 for none
 * @offset: GRANT, RESEND
 * @length: RESEND
 * @priority: GRANT
 * @granted: GRANT: how many bytes more than before
 * @grant: place among those that get grants
 * @full: there is nothing more to grant: @grant is ours to free
 * @needy: the budget had not what was wanted
 * @starved: its endpoint has no buffers
 * @postponed: RESEND: for less than what is missing, as others ask as well
 * @rtx: DATA: the bytes that the peer asked for again
 * @from: DATA: held frame from which to look on, 0 to begin with @first
 * @first: DATA: first held frame
 */
struct gen_step {
	struct address local;
	__u32 type;
	__u32 offset;
	__u32 length;
	__u32 priority;
	__u32 granted;
	__u32 grant;
	bool full;
	bool needy;
	bool starved;
	bool postponed;
	struct range rtx;
	__u64 from;
	__u64 first;
};

/*
 * Under the lock: to an application that had no buffers, send but little to see whether it has some. Without
 * any, a single packet, for the peer to show that it is alive.
 */
static __always_inline void gen_resend_little(struct rpc *rpc, struct gen_step *step, __u32 room)
{
	__u32 most = etran_bounded(homa_starved_bytes);

	if (!rpc->starved)
		return;
	if (most > room)
		most = room ? room : 1;
	rpc->pending &= ~PENDING_RESEND;
	rpc->resend_next = 0;
	if (step->length > most)
		step->length = most;
}

/* Under the lock: what the next RESEND asks for. */
static __always_inline void gen_resend(struct rpc *rpc, struct gen_step *step, __u32 room)
{
	__u32 next = rpc->resend_next;
	int i;

	step->type = 0;
	if (rpc->state == RPC_OUTGOING) {
		rpc->pending &= ~PENDING_RESEND;
		if (is_client(rpc->key.id)) {
			step->type = HOMA_RESEND;
			step->length = HOMA_RESEND_ALL;
		}
		return;
	}
	rpc->repeated = 1;
	for (i = 0; i < RPC_MAX_GAPS; i++) {
		if (i < next || rpc->gaps[i].start >= rpc->gaps[i].end)
			continue;
		step->type = HOMA_RESEND;
		step->offset = rpc->gaps[i].start;
		step->length = rpc->gaps[i].end - rpc->gaps[i].start;
		rpc->resend_next = i + 1;
		rpc->gaps_asked |= 1U << i;
		gen_resend_little(rpc, step, room);
		return;
	}
	/* After the gaps: what is missing at the end. */
	rpc->pending &= ~PENDING_RESEND;
	rpc->resend_next = 0;
	if (rpc->state != RPC_INCOMING)
		return;
	if (rpc->in_end < rpc->in_granted) {
		step->type = HOMA_RESEND;
		step->offset = rpc->in_end;
		step->length = rpc->in_granted - rpc->in_end;
		gen_resend_little(rpc, step, room);
	} else if (!next && rpc->in_granted < rpc->in_len) {
		/* Nothing is missing but the GRANT, which may have been lost. */
		step->type = HOMA_GRANT;
		step->offset = rpc->in_granted;
	}
}

/* Under the lock: a RESEND for the next gap that is taken for lost. */
static __always_inline void gen_gap(struct rpc *rpc, struct gen_step *step)
{
	int i;

	step->type = 0;
	for (i = 0; i < RPC_MAX_GAPS; i++) {
		if (rpc->state != RPC_INCOMING || rpc->starved || !in_lost(rpc, i))
			continue;
		rpc->gaps_asked |= 1U << i;
		rpc->repeated = 1;
		step->type = HOMA_RESEND;
		step->offset = rpc->gaps[i].start;
		step->length = rpc->gaps[i].end - rpc->gaps[i].start;
		return;
	}
	rpc->pending &= ~PENDING_GAPS;
}

/*
 * Under the lock: a RESEND asks for no more than the link's RESENDs may. A packet it always may, for the peer to show
 * that it is alive; the timer asks for the rest.
 */
static __always_inline void gen_asked(struct rpc *rpc, struct gen_step *step, struct asked *asked,
				      __u64 now)
{
	__u32 want = step->length, got;

	if (step->type != HOMA_RESEND || !want || want == HOMA_RESEND_ALL)
		return;
	got = asked_take(asked, want, now);
	if (got == want)
		return;
	step->length = got ? got : 1;
	step->postponed = true;
	rpc->pending &= ~(PENDING_RESEND | PENDING_GAPS);
	rpc->resend_next = 0;
}

/*
 * Under the lock: ask a peer that waits for a GRANT for no bytes behind those that it has sent. It says BUSY, or that
 * it does not know the RPC any more.
 */
static __always_inline void gen_probe(struct rpc *rpc, struct gen_step *step)
{
	rpc->pending &= ~PENDING_PROBE;
	step->type = 0;
	if (rpc->state != RPC_INCOMING || !in_waits(rpc))
		return;
	step->type = HOMA_RESEND;
	step->offset = rpc->in_granted;
	step->length = 0;
}

/* Under the lock: grant what may be granted on these terms. */
static __always_inline void gen_grant(struct rpc *rpc, struct gen_step *step, __u64 *budget,
				      const struct grant_terms *terms)
{
	bool open = rpc->state == RPC_INCOMING && rpc->grant;
	__u32 end, got, want = 0;

	step->type = 0;
	/* Its place, or that it is to be granted something, is newer than the terms: the next call looks at them. */
	if (open && rpc->grant != terms->node)
		return;
	rpc->pending &= ~PENDING_GRANT;
	if (!open)
		return;
	step->grant = rpc->grant;
	if (terms->bonus) {
		got = rpc->in_len - rpc->in_granted;
		if (got > terms->bonus)
			got = terms->bonus;
		if (got > terms->room)
			got = terms->room;
		step->starved = !got;
		budget_overdraw(budget, got);
	} else {
		end = in_window(rpc, terms->window);
		if (!terms->window || end <= rpc->in_granted)
			return;
		want = end - rpc->in_granted;
		if (want > terms->room)
			want = terms->room;
		step->starved = !want;
		got = budget_take(budget, want);
		step->needy = got < want;
	}
	if (!got)
		return;
	/* The peer's time counts from here: until now it had to wait. */
	if (in_waits(rpc)) {
		rpc->heard_ns = terms->now;
		rpc->asked_ns = terms->now;
	}
	rpc->in_granted += got;
	rpc->in_share += got;
	step->type = HOMA_GRANT;
	step->offset = rpc->in_granted;
	step->priority = terms->priority;
	step->granted = got;
	if (rpc->in_granted >= rpc->in_len) {
		step->full = true;
		rpc->grant = 0;
	}
}

/* Under the lock: one packet's worth of what is pending. False: nothing to send. */
static __always_inline bool gen_choose(struct rpc *rpc, struct gen_step *step, __u64 *budget,
				       struct asked *asked, const struct grant_terms *terms)
{
	__u8 pending = rpc->pending;

	step->local = rpc->local;
	/* An entry that outlived what it was for. */
	if (!pending)
		return false;
	if (pending & PENDING_BUSY) {
		rpc->pending &= ~PENDING_BUSY;
		step->type = HOMA_BUSY;
	} else if (pending & PENDING_NEED_ACK) {
		rpc->pending &= ~PENDING_NEED_ACK;
		step->type = HOMA_NEED_ACK;
	} else if (pending & PENDING_GRANT) {
		gen_grant(rpc, step, budget, terms);
	} else if (pending & PENDING_PROBE) {
		gen_probe(rpc, step);
	} else if (pending & PENDING_RESEND) {
		gen_resend(rpc, step, terms->room);
		gen_asked(rpc, step, asked, terms->now);
	} else if (pending & PENDING_GAPS) {
		gen_gap(rpc, step);
		gen_asked(rpc, step, asked, terms->now);
	} else if (rpc->state != RPC_OUTGOING) {
		rpc->pending = 0;
	} else if (pending & PENDING_RETRANSMIT) {
		step->rtx = rtx_first(rpc);
		step->type = HOMA_DATA;
		step->first = rpc->out_head;
		step->from = rpc->rtx_cursor;
		if (step->rtx.start >= step->rtx.end) {
			rpc->pending &= ~PENDING_RETRANSMIT;
			step->type = 0;
		}
	}
	return step->type;
}

/*
 * The held frame that has byte @step->rtx.start, looked for from @step->from on. Return: 1, and *@cursor is that; 0 when it
 * was not found in as many steps as one call may take, and *@cursor says where to go on.
 */
__noinline int rtx_search(const struct gen_step *step, __u64 *cursor)
{
	__u64 handle, cookie = 0;
	int i;

	if (!step || !cursor)
		return 0;
	handle = step->from;
	if (handle)
		cookie = bpf_etran_cookie(handle);
	if (!cookie || cookie_offset(cookie) > step->rtx.start) {
		handle = step->first;
		cookie = bpf_etran_cookie(handle);
	}
	*cursor = handle;
	bpf_for(i, 0, RTX_STEPS) {
		if (!cookie)
			return 0;
		if (cookie_offset(cookie) + cookie_len(cookie) > step->rtx.start)
			return 1;
		handle = bpf_etran_next(handle);
		if (!handle)
			return 0;
		cookie = bpf_etran_cookie(handle);
		*cursor = handle;
	}
	return 0;
}

/* Send a held frame again. */
static __noinline __u32 gen_data(struct etran_pkt *pkt, struct etran_hdr *hdr, struct rpc *rpc,
				 const struct work *w, const struct gen_step *step)
{
	bool more = false, send = false, stale = false;
	struct pacer *p = pacer_get();
	__u64 handle, cursor = 0;
	struct data data = {};
	__u32 offset, end;
	int err = 0;

	handle = rtx_search(step, &cursor) ? cursor : 0;
	if (handle)
		err = bpf_etran_load(pkt, handle);
	offset = cookie_offset(pkt->cookie);
	end = offset + cookie_len(pkt->cookie);

	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &w->key) && rpc->generation == w->generation) {
		if (rpc->state != RPC_OUTGOING) {
			rpc->pending &= ~PENDING_RETRANSMIT;
		} else {
			rpc->rtx_cursor = cursor;
			if (handle && !err) {
				rtx_done(rpc, end);
				data_of_rpc(&data, rpc, offset);
				data.priority = rpc->rtx_priority;
				data.retransmit = 1;
				send = true;
			} else if (!cursor || err) {
				/* Cannot be: frames are kept until the state changes. */
				stale = true;
				rtx_done(rpc, rpc->out_len);
			}
			if (rtx_first(rpc).end == 0)
				rpc->pending &= ~PENDING_RETRANSMIT;
		}
		more = rpc->pending;
	}
	bpf_spin_unlock(&rpc->lock);

	if (more)
		work_push(w);
	if (stale)
		count(COUNTER_frame_stale);
	if (!send)
		return ETRAN_CONSUME;
	count(COUNTER_tx_data);
	count(COUNTER_tx_data_resent);
	put_data(pkt, hdr, &w->key, &data, &no_ack);
	if (p)
		pacer_charge(p, w->key.link, pkt->hdr_len + end - offset, bpf_ktime_get_ns());
	return ETRAN_TX;
}

/* Send the next frame of a message, @n of the pacer's, for the first time. */
static __noinline __u32 gen_send(struct etran_pkt *pkt, struct etran_hdr *hdr, const struct work *w,
				 __u32 n, __u64 now)
{
	bool ready = false, send = false, more = false;
	struct pacer *p = pacer_get();
	__u64 handle = 0, from = 0;
	struct data data = {};
	struct rpc *rpc;
	__u32 unsent = 0, len = 0, offset, end;
	struct dispatch d = {};
	int err = -ENOENT;

	if (!p)
		return ETRAN_CONSUME;
	rpc = rpc_at(w->slot);
	if (!rpc) {
		pacer_done(p, n);
		return ETRAN_CONSUME;
	}
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &w->key) && rpc->generation == w->generation) {
		ready = rpc->state == RPC_OUTGOING && out_ready(rpc);
		handle = rpc->out_head;
		from = rpc->out_last;
		len = rpc->out_len;
		if (!ready)
			rpc->sending = 0;
	}
	bpf_spin_unlock(&rpc->lock);
	if (!ready) {
		pacer_done(p, n);
		return ETRAN_CONSUME;
	}
	/* It may have sent CUTOFFS since. */
	d.len = len;
	peer_look(&w->key, &d);
	if (from)
		handle = bpf_etran_next(from);
	if (handle)
		err = bpf_etran_load(pkt, handle);
	offset = cookie_offset(pkt->cookie);
	end = offset + cookie_len(pkt->cookie);

	bpf_spin_lock(&rpc->lock);
	ready = rpc_is(rpc, &w->key) && rpc->generation == w->generation;
	if (ready) {
		ready = rpc->state == RPC_OUTGOING;
		if (ready && !err && offset == rpc->out_sent) {
			out_sent(rpc, handle, end);
			rpc->priority = d.priority;
			rpc->cutoff_version = d.version;
			data_of_rpc(&data, rpc, offset);
			send = true;
			more = out_ready(rpc);
		}
		if (!more)
			rpc->sending = 0;
		unsent = rpc->out_len - rpc->out_sent;
	}
	bpf_spin_unlock(&rpc->lock);

	if (more)
		pacer_again(p, n, unsent);
	else
		pacer_done(p, n);
	if (!send) {
		/* Frames are kept until the state changes. */
		if (ready)
			count(COUNTER_frame_stale);
		return ETRAN_CONSUME;
	}
	count(COUNTER_tx_data);
	count(COUNTER_tx_deferred);
	put_data(pkt, hdr, &w->key, &data, &no_ack);
	pkt->departure_ns = pacer_charge(p, w->key.link, pkt->hdr_len + end - offset, now);
	return ETRAN_TX;
}

static __noinline __u32 gen_rpc(struct etran_pkt *pkt, struct etran_hdr *hdr, const struct work *w)
{
	struct asked *asked = asked_of(w->key.link);
	__u64 *budget = budget_of(w->key.link);
	struct grants *g = grants_get();
	bool more = false, any = false;
	struct grant_terms terms = {};
	struct gen_step step = {};
	struct rpc *rpc;

	rpc = rpc_at(w->slot);
	if (!rpc || !budget || !asked || !g)
		return ETRAN_CONSUME;
	terms.now = bpf_ktime_get_ns();
	/* Unlocked: if it is another one below, there is no GRANT now, but at the next call. */
	if (rpc->pending & PENDING_GRANT)
		terms.node = rpc->grant;
	if (terms.node) {
		grant_look(g, &terms);
		room_look(rpc, &terms);
	} else if (rpc->starved) {
		/* What there was no buffer for may have those that are left free. */
		terms.room = room_bytes(rpc->endpoint, rpc->in_segment,
					etran_bounded(homa_starved_bytes), 0);
	}
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &w->key) && rpc->generation == w->generation) {
		any = gen_choose(rpc, &step, budget, asked, &terms);
		/* For DATA, gen_data() decides whether there is more. */
		more = step.type != HOMA_DATA && rpc->pending;
	}
	bpf_spin_unlock(&rpc->lock);

	if (step.starved) {
		room_park(w, step.grant, terms.endpoint, terms.segment);
	} else if (step.grant) {
		if (step.granted) {
			__sync_fetch_and_add(expected_of(terms.endpoint), step.granted);
			/* There are buffers: who waits for them may go on. */
			grant_unpark(room_of(terms.endpoint));
		}
		if (step.needy)
			count(COUNTER_grant_waits);
		grant_note(step.grant, step.granted, step.needy);
		if (step.full)
			grant_free(step.grant);
		/* Bytes that came back before it was noted that they are wanted. */
		if (step.needy && *budget < homa_max_incoming)
			budget_return(w->key.link, 0);
	}
	if (more)
		work_push(w);
	if (!any)
		return ETRAN_CONSUME;
	if (step.type == HOMA_DATA)
		return gen_data(pkt, hdr, rpc, w, &step);

	put_control(pkt, hdr, WIRE_HOMA, &w->key, &step.local, step.type);
	switch (step.type) {
	case HOMA_GRANT:
		count(COUNTER_tx_grant);
		put32(hdr, HOMA_OFF(homa_grant_hdr, offset), bpf_htonl(step.offset));
		put8(hdr, HOMA_OFF(homa_grant_hdr, priority), step.priority);
		break;
	case HOMA_RESEND:
		count(COUNTER_tx_resend);
		if (step.postponed)
			count(COUNTER_resend_less);
		put32(hdr, HOMA_OFF(homa_resend_hdr, offset), bpf_htonl(step.offset));
		put32(hdr, HOMA_OFF(homa_resend_hdr, length), bpf_htonl(step.length));
		put8(hdr, HOMA_OFF(homa_resend_hdr, priority), PRIORITY_CONTROL);
		break;
	case HOMA_BUSY:
		count(COUNTER_tx_busy);
		break;
	default:
		count(COUNTER_tx_need_ack);
	}
	return ETRAN_TX;
}

/* A packet without RPC. ETRAN_DROP: there is none. */
static __noinline __u32 gen_controls(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct control c;

	if (queue_pop(controls, &c))
		return ETRAN_DROP;
	return gen_control(pkt, hdr, &c);
}

static __noinline __u32 gen_unreachables(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct unreachable u;

	if (queue_pop(unreachables, &u))
		return ETRAN_DROP;
	return gen_unreachable(pkt, hdr, &u);
}

SEC("struct_ops/gen")
__u32 BPF_PROG(gen, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct pacer *p;
	struct work w;
	__u32 verdict;
	__u64 now;
	__u32 n;

	verdict = gen_controls(pkt, hdr);
	if (verdict != ETRAN_DROP)
		return verdict;
	if (!queue_pop(work, &w))
		return gen_rpc(pkt, hdr, &w);
	verdict = gen_unreachables(pkt, hdr);
	if (verdict != ETRAN_DROP)
		return verdict;
	p = pacer_get();
	if (!p)
		return ETRAN_DROP;
	now = bpf_ktime_get_ns();
	n = pacer_next(p, &w, now);
	return n ? gen_send(pkt, hdr, &w, n, now) : ETRAN_DROP;
}

#endif /* _HOMA_GEN_H */
