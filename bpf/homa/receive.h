/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Receiving messages.
 *
 * What arrived is known by its end and up to RPC_MAX_GAPS gaps below. A packet is first compared
 * with that, then delivered, then noted. The other order would be simpler, but then a message
 * could count as complete on one CPU while another finds that the application has no buffer for
 * one of its packets. This way a packet that comes twice at the same moment is delivered twice, and
 * the library keeps what it has.
 *
 * A packet that the application gave no buffer for is as good as lost: the timer asks for it again,
 * but only for a few bytes until it sees that there are buffers again. Otherwise a slow application
 * would get even less time, for all the packets that come in vain.
 */
#ifndef _HOMA_RECEIVE_H
#define _HOMA_RECEIVE_H

/**
 * struct received - what is needed of a received packet
 * @work: the RPC that it is for; its generation where that is known
 * @local: address that it was sent to
 * @type: enum homa_packet_type
 * @ip_len: of its IP header
 * @now: ns
 */
struct received {
	struct work work;
	struct address local;
	__u32 type;
	__u32 ip_len;
	__u64 now;
};

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

static __always_inline void control_push_reply(const struct received *r, __u8 type)
{
	control_push(&r->work.key, &r->local, type);
}

/*
 * An ICMP error is given to whom the protocol in its quote belongs. About a packet in TCP's clothes, that would be
 * the peer's TCP, which knows nothing of it: HomaModule, which undresses packets before it looks at them, hears and
 * sends errors that quote Homa's own.
 */
static __always_inline void unreachable_undress(struct unreachable *u)
{
	__u8 *ip = (__u8 *)u->quote;
	__u32 sum;

	if (ip[0] >> 4 == 6) {
		ip[6] = HOMA_IPPROTO;
	} else if (ip[9] != HOMA_IPPROTO) {
		/* RFC 1624, equation 3. */
		sum = (~(ip[10] << 8 | ip[11]) & 0xffff) + HOMA_IPPROTO - ip[9];
		sum = (sum & 0xffff) + (sum >> 16);
		ip[9] = HOMA_IPPROTO;
		ip[10] = ~sum >> 8;
		ip[11] = ~sum;
	}
}

/* Nobody serves the port that this packet was sent to: let gen answer with an ICMP error. */
static __noinline void unreachable_push(struct etran_hdr *hdr, const struct received *r)
{
	struct unreachable u;
	int i;

	u.link = r->work.key.link;
	/* Behind a shorter packet's end there is something else, which is not sent. */
#pragma unroll
	for (i = 0; i < UNREACHABLE_QUOTE6 / 4; i++)
		u.quote[i] = get32(hdr, 4 * i);
	unreachable_undress(&u);
	if (queue_push(unreachables, &u))
		count(COUNTER_queue_full);
	bpf_etran_gen_kick();
}

enum novelty {
	BYTES_NEW,
	BYTES_OLD,
	BYTES_STRADDLE,		/* partly old */
	BYTES_NO_ROOM,		/* would need another gap */
};

/* Under the lock: are these bytes new? If so and @note, they count as arrived from here on. */
static __always_inline enum novelty in_check(struct rpc *rpc, __u32 start, __u32 end, bool note)
{
	bool overlap = false;
	int i, hit = -1, unused = -1;

	/* Most often they continue what is there. All gaps are below. */
	if (start == rpc->in_end) {
		if (note)
			rpc->in_end = end;
		goto new;
	}
#pragma unroll
	for (i = 0; i < RPC_MAX_GAPS; i++) {
		__u32 s = rpc->gaps[i].start, e = rpc->gaps[i].end;

		if (s >= e)
			unused = i;
		else if (s <= start && end <= e)
			hit = i;
		else if (start < e && s < end)
			overlap = true;
	}
	if (start >= rpc->in_end) {
		if (start > rpc->in_end) {
			if (unused < 0 || unused >= RPC_MAX_GAPS)
				return BYTES_NO_ROOM;
			if (note) {
				rpc->gaps[unused].start = rpc->in_end;
				rpc->gaps[unused].end = start;
				rpc->gaps_asked &= ~(1U << unused);
			}
		}
		if (note)
			rpc->in_end = end;
	} else if (end > rpc->in_end || overlap) {
		return BYTES_STRADDLE;
	} else if (hit < 0 || hit >= RPC_MAX_GAPS) {
		return BYTES_OLD;
	} else if (rpc->gaps[hit].start == start) {
		if (note)
			rpc->gaps[hit].start = end;
	} else if (rpc->gaps[hit].end == end) {
		if (note)
			rpc->gaps[hit].end = start;
	} else {
		if (unused < 0 || unused >= RPC_MAX_GAPS)
			return BYTES_NO_ROOM;
		if (note) {
			rpc->gaps[unused].start = end;
			rpc->gaps[unused].end = rpc->gaps[hit].end;
			rpc->gaps[hit].end = start;
			rpc->gaps_asked &= ~(1U << unused);
			rpc->gaps_asked |= (rpc->gaps_asked >> hit & 1) << unused;
		}
	}
new:
	if (note) {
		rpc->in_received += end - start;
		if (rpc->in_end > rpc->in_granted)
			rpc->in_granted = rpc->in_end;
	}
	return BYTES_NEW;
}

/* Under the lock: can this gap be taken for lost, and was not asked for yet? */
static __always_inline bool in_lost(const struct rpc *rpc, int gap)
{
	return rpc->gaps[gap].start < rpc->gaps[gap].end && !(rpc->gaps_asked & 1U << gap) &&
	       rpc->in_end - rpc->gaps[gap].end >= homa_reorder_bytes;
}

/* Under the lock: the same for any gap. Asking now, once, saves waiting for the timer. */
static __always_inline bool in_any_lost(const struct rpc *rpc)
{
	int i;

	if (rpc->in_received == rpc->in_end)
		return false;
#pragma unroll
	for (i = 0; i < RPC_MAX_GAPS; i++)
		if (in_lost(rpc, i))
			return true;
	return false;
}

/* Under the lock: all that was granted is here, and it is not all. The peer waits for a GRANT. */
static __always_inline bool in_waits(const struct rpc *rpc)
{
	return rpc->in_len && rpc->in_received == rpc->in_granted && rpc->in_granted < rpc->in_len;
}

/* Under the lock: how far the peer may send with so many bytes under way. */
static __always_inline __u32 in_window(const struct rpc *rpc, __u32 window)
{
	__u32 end = rpc->in_received + window;

	return end < rpc->in_len ? end : rpc->in_len;
}

/* Under the lock: may it be granted something, enough for a packet? */
static __always_inline bool in_wants_grant(const struct rpc *rpc, struct grants *g)
{
	__u32 end, window, step = homa_grant_step;
	const struct grant_node *node;

	if (!rpc->grant)
		return false;
	node = grant_node(g, rpc->grant);
	if (node->state != GRANT_ACTIVE || node->needy)
		return false;
	window = grant_window(grant_link(g, node->link)->count);
	/* Else it would stand still. */
	if (step > window)
		step = window;
	end = in_window(rpc, window);
	return end > rpc->in_granted && (end == rpc->in_len || end - rpc->in_granted >= step);
}

/* A message needs grants, and this is the only one that asks for its place. */
static __noinline void in_ask_grants(struct rpc *rpc, const struct work *w, __u32 remaining)
{
	/* If it is another RPC by now, it will not get this. */
	__u32 grant = grant_alloc(w, remaining, rpc->endpoint);
	bool push = false, live;

	bpf_spin_lock(&rpc->lock);
	live = rpc_is(rpc, &w->key) && rpc->generation == w->generation;
	if (live) {
		/* Without a place: the timer asks again. */
		rpc->grant_asked = grant != 0;
		if (rpc->in_granted >= rpc->in_len)
			live = false;
	}
	if (live && grant) {
		rpc->grant = grant;
		push = work_add(rpc, PENDING_GRANT);
	}
	bpf_spin_unlock(&rpc->lock);
	if (!live)
		grant_free(grant);
	if (push)
		work_push(w);
}

/* Under the lock: the share of the budget that is not needed any more. */
static __always_inline __u32 in_unshare(struct rpc *rpc)
{
	__u32 open = rpc->in_granted - rpc->in_received, share = rpc->in_share;

	if (share <= open)
		return 0;
	rpc->in_share = open;
	return share - open;
}

/**
 * struct piece - payload of a DATA packet
 * @offset: in the message
 * @len: bytes
 * @message_length: bytes
 * @incoming: what the sender will send anyhow
 */
struct piece {
	__u32 offset;
	__u32 len;
	__u32 message_length;
	__u32 incoming;
};

/* Under the lock: the first packet of a message. */
static __always_inline void in_first(struct rpc *rpc, const struct piece *p)
{
	rpc->in_len = p->message_length;
	rpc->in_segment = p->len;
	rpc->in_granted = p->incoming < p->message_length ? p->incoming : p->message_length;
	/* Senders without grants say 0. */
	if (rpc->in_granted < p->offset + p->len)
		rpc->in_granted = p->offset + p->len;
}

/* Deliver to the application; what bpf_etran_deliver() says. */
static __noinline int piece_deliver(struct etran_pkt *pkt, const struct received *r,
				    const struct piece *p, __u32 endpoint)
{
	struct etran_rec rec __attribute__((aligned(8))) = {};
	struct homa_rec *homa = (void *)rec.data;

	rec.endpoint = endpoint;
	rec.type = HOMA_REC_DATA;
	homa->id = r->work.key.id;
	homa->msg_len = p->message_length;
	homa->offset = p->offset;
	*(struct address *)homa->addr = r->work.key.peer;
	homa->port = r->work.key.peer_port;
	homa->len = p->len;
	homa->generation = r->work.generation;
	return bpf_etran_deliver(pkt, &rec, sizeof(rec), r->ip_len + sizeof(struct homa_data_hdr),
				 p->len);
}

/* Note a delivered piece. Returns the verdict. */
static __noinline __u32 piece_note(const struct received *r, const struct piece *p, struct rpc *rpc)
{
	bool done = false, push = false;
	struct grants *g = grants_get();
	struct remains remains = {};
	__u32 unshare = 0, ask = 0, full = 0, endpoint = 0;
	__u64 delay = 0;
	__u8 add = 0;

	if (!g)
		return ETRAN_DROP;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &r->work.key) && rpc->generation == r->work.generation &&
	    rpc->state == RPC_INCOMING &&
	    in_check(rpc, p->offset, p->offset + p->len, true) == BYTES_NEW) {
		rpc_heard(rpc, r->now);
		unshare = in_unshare(rpc);
		endpoint = rpc->endpoint;
		/* By the last GRANT, or the peer sent more than it was granted. */
		if (rpc->in_granted >= rpc->in_len) {
			full = rpc->grant;
			rpc->grant = 0;
		}
		if (rpc->in_received == rpc->in_len) {
			done = true;
			if (is_client(r->work.key.id))
				rpc_bury(rpc, &remains);
			else
				rpc->state = RPC_IN_SERVICE;
		} else {
			/* A server's RPC gets its timer when one packet is not all of it. */
			if (!rpc->due_ns)
				delay = rpc_due(rpc, r->now, homa_resend_ticks);
			/* There are buffers again: get all that was lost for want of them. */
			if (rpc->starved)
				add = PENDING_RESEND;
			rpc->starved = 0;
			if (rpc->in_granted < rpc->in_len && !rpc->grant_asked) {
				rpc->grant_asked = 1;
				ask = rpc->in_len - rpc->in_granted;
			}
			if (in_wants_grant(rpc, g))
				add |= PENDING_GRANT;
			if (in_any_lost(rpc))
				add |= PENDING_GAPS;
			push = work_add(rpc, add);
		}
	}
	bpf_spin_unlock(&rpc->lock);
	if (full)
		grant_free(full);
	if (unshare)
		share_return(r->work.key.link, endpoint, unshare);
	if (ask)
		in_ask_grants(rpc, &r->work, ask);
	if (push)
		work_push(&r->work);
	rpc_timer_start(rpc, delay);
	if (done && is_client(r->work.key.id)) {
		count(COUNTER_rpc_client_done);
		rpc_remove(&r->work.key, &remains);
		peer_acknowledge(&r->work.key, &r->local, p->message_length > homa_ack_defer_bytes);
	}
	return ETRAN_DELIVER;
}

/*
 * Requests that were answered and acknowledged, of those of which a part may still be under way:
 * something of them was sent twice. Without this, such a part would look like a new request and be
 * executed again. A cache: an old part is late at most by some round trips. The value is when, for a client's
 * host that starts anew begins with the same ids (HomaModule: always 2), and shall not wait until these are
 * forgotten for want of space.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct rpc_key);
	__type(value, __u64);
} finished SEC(".maps");

/* Was there ever one? Networks without loss do not pay for looking. */
__u8 finished_any;

/* A piece could not be delivered: see that it is asked for, even if it was the first. */
static __noinline void piece_lost(const struct received *r, struct rpc *rpc)
{
	__u64 delay = 0;

	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &r->work.key) && rpc->generation == r->work.generation) {
		rpc->starved = 1;
		if (!rpc->due_ns)
			delay = rpc_due(rpc, r->now, homa_resend_ticks);
	}
	bpf_spin_unlock(&rpc->lock);
	rpc_timer_start(rpc, delay);
}

/*
 * A request of which nothing was here. NULL: dealt with, the packet ends. @answer: tell the client
 * when there is no server, which one packet of the message is enough for.
 */
static __noinline struct rpc *request_begin(struct etran_hdr *hdr, const struct received *r,
					    bool answer)
{
	__u32 generation, server = server_of(&r->work.key);
	struct endpoint *endpoint = server ? endpoint_find(server) : NULL;
	struct rpc *rpc;
	__u64 *since;

	if (!endpoint) {
		count(COUNTER_rx_no_server);
		if (answer)
			unreachable_push(hdr, r);
		return NULL;
	}
	if (finished_any) {
		since = bpf_map_lookup_elem(&finished, &r->work.key);
		if (since && r->now < *since + ticks_ns(homa_finished_ticks)) {
			count(COUNTER_rx_finished);
			return NULL;
		}
	}
	rpc = rpc_alloc(&r->work.key);
	if (!rpc) {
		count(COUNTER_rx_table_full);
		return NULL;
	}
	generation = rpc_new_generation();
	bpf_spin_lock(&rpc->lock);
	rpc_begin(rpc, generation, server, RPC_INCOMING, r->now);
	rpc->local = r->local;
	bpf_spin_unlock(&rpc->lock);
	count(COUNTER_rpc_server);
	/* Closed meanwhile? Then endpoint_close may have missed the RPC. */
	if (!endpoint_is_open(endpoint, server)) {
		rpc_end(&r->work.key);
		return NULL;
	}
	return rpc;
}

/* A client has the response to this RPC. Which port of its host has it does not matter. */
static __always_inline void acknowledged(struct rpc_key *key)
{
	struct remains remains = {};
	bool end, repeated;
	struct rpc *rpc;
	__u64 now;

	rpc = rpc_find_any_port(key);
	if (!rpc)
		return;
	key->peer_port = rpc->key.peer_port;
	bpf_spin_lock(&rpc->lock);
	repeated = rpc->repeated;
	/* Also when not all of it was sent: the client may have lost interest. */
	end = rpc_is(rpc, key) && rpc->state == RPC_OUTGOING;
	if (end)
		rpc_bury(rpc, &remains);
	bpf_spin_unlock(&rpc->lock);
	if (!end)
		return;
	count(COUNTER_rpc_server_done);
	/* First, so that at any time one of both tells that the request is known. */
	if (repeated) {
		now = bpf_ktime_get_ns();
		bpf_map_update_elem(&finished, key, &now, BPF_ANY);
		finished_any = 1;
	}
	rpc_remove(key, &remains);
}

/* An entry that a peer sent of its list of finished RPCs. */
static __noinline void acknowledged_entry(const struct received *r, __u64 client_id, __u16 port)
{
	struct rpc_key key = r->work.key;

	key.id = client_id | 1;
	key.port = port;
	acknowledged(&key);
}

static __noinline __u32 ingress_data(struct etran_pkt *pkt, struct etran_hdr *hdr,
				     struct etran_hdr *homa, struct received *r)
{
	__u32 endpoint, len = pkt->len, sequence;
	bool orphan = false;
	struct remains remains = {};
	enum novelty novelty = BYTES_OLD;
	bool wrong = true, changed = false;
	struct piece p;
	struct rpc *rpc;
	__u64 ack, head = 0;
	__u8 again;
	int err;

	again = get8(homa, 48);
	p.message_length = bpf_ntohl(get32(homa, 28));
	p.incoming = bpf_ntohl(get32(homa, 32));
	p.offset = bpf_ntohl(get32(homa, 52));
	sequence = bpf_ntohl(get32(homa, 4));
	if (p.offset == HOMA_OFFSET_IN_SEQUENCE)
		p.offset = sequence;
	p.len = len - r->ip_len - sizeof(struct homa_data_hdr);
	if (!p.message_length || p.message_length > HOMA_MAX_MESSAGE_LENGTH ||
	    p.offset >= p.message_length || p.len > p.message_length - p.offset) {
		count(COUNTER_rx_bad_length);
		return ETRAN_DROP;
	}
	count(COUNTER_rx_data);
	if (!p.len)
		return ETRAN_CONSUME;
	if (homa_cutoff_version && get16(homa, 46) != bpf_htons(homa_cutoff_version) &&
	    peer_tell(r->work.key.link, &r->work.key.peer, r->now))
		control_push_reply(r, HOMA_CUTOFFS);
	ack = (__u64)bpf_ntohl(get32(homa, 36)) << 32 | bpf_ntohl(get32(homa, 40));
	if (ack)
		acknowledged_entry(r, ack, bpf_ntohs(get16(homa, 44)));

	rpc = rpc_find_again(&r->work.key);
	if (!rpc) {
		if (is_client(r->work.key.id)) {
			/* Finished or forgotten: the server may forget it, too. */
			count(COUNTER_rx_unknown_rpc);
			peer_acknowledge(&r->work.key, &r->local, true);
			return ETRAN_CONSUME;
		}
		/* The first packet, or one that was asked for. */
		rpc = request_begin(hdr, r, !p.offset || again);
		if (!rpc)
			return ETRAN_DROP;
	}
	bpf_spin_lock(&rpc->lock);
	r->work.generation = rpc->generation;
	r->work.slot = rpc->slot;
	endpoint = rpc->endpoint;
	if (rpc_is(rpc, &r->work.key)) {
		/* In IN_SERVICE and behind, all of the request is here. */
		if (again || rpc->state == RPC_IN_SERVICE || rpc->state == RPC_OUTGOING)
			rpc->repeated = 1;
		if (is_client(r->work.key.id) && rpc->state == RPC_OUTGOING &&
		    rpc->out_sent == rpc->out_len) {
			/* The response begins, so the server has all of the request. */
			if (rpc->orphan) {
				orphan = true;
				rpc_bury(rpc, &remains);
			} else {
				head = rpc->out_head;
				rpc->out_head = 0;
				rpc->out_tail = 0;
				rpc->out_last = 0;
				rpc->state = RPC_INCOMING;
				rpc->local = r->local;
			}
		}
		if (rpc->state == RPC_INCOMING) {
			wrong = false;
			if (!rpc->in_len)
				in_first(rpc, &p);
			if (rpc->in_len != p.message_length) {
				changed = true;
			} else {
				novelty = in_check(rpc, p.offset, p.offset + p.len, false);
			}
			/*
			 * Not rpc_heard(): nothing has moved until it is delivered. And what contradicts that
			 * which is here will never move anything, however often it comes.
			 */
			if (!changed && novelty != BYTES_STRADDLE) {
				rpc->heard_ns = r->now;
				rpc->unanswered = 0;
			}
		}
	}
	bpf_spin_unlock(&rpc->lock);

	if (orphan) {
		count(COUNTER_rpc_abandoned);
		rpc_remove(&r->work.key, &remains);
		peer_acknowledge(&r->work.key, &r->local, true);
		return ETRAN_CONSUME;
	}
	if (head)
		bpf_etran_release_chain(head);
	if (wrong) {
		count(COUNTER_rx_wrong_state);
		return ETRAN_CONSUME;
	}
	if (changed) {
		count(COUNTER_rx_length_changed);
		return ETRAN_DROP;
	}
	switch (novelty) {
	case BYTES_NEW:
		break;
	case BYTES_OLD:
		count(COUNTER_rx_duplicate);
		return ETRAN_CONSUME;
	case BYTES_STRADDLE:
		count(COUNTER_rx_straddle);
		return ETRAN_DROP;
	default:
		count(COUNTER_rx_too_many_gaps);
		return ETRAN_DROP;
	}

	err = piece_deliver(pkt, r, &p, endpoint);
	if (!err)
		return piece_note(r, &p, rpc);
	count(COUNTER_rx_no_buffer);
	if (err == -EMSGSIZE)
		/* It never will fit. */
		rpc_fail(&r->work.key, EMSGSIZE);
	else
		piece_lost(r, rpc);
	return ETRAN_DROP;
}

#endif /* _HOMA_RECEIVE_H */
