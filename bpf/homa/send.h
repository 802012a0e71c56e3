/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sending messages. The application submits a message as frames, in order; each is kept (held)
 * until the peer has the message, and linked to the one before it. egress sends a frame at once
 * when it may be sent and nothing in front of it is unsent; gen sends the others, when grants
 * arrive, and those that the peer asks for again.
 *
 * A frame is one packet, whenever it is sent: a receiver that follows HomaModule drops packets that
 * overlap what it has. So a RESEND is answered with all frames that its range touches.
 */
#ifndef _HOMA_SEND_H
#define _HOMA_SEND_H

/* Frames looked at in one search for what to send again; it goes on in the next call of gen. */
#define RTX_STEPS	64

/* What the module keeps with a held frame: where its payload belongs. Not 0. */
static __always_inline __u64 frame_cookie(__u32 offset, __u32 len)
{
	return (__u64)(offset + 1) << 32 | len;
}

static __always_inline __u32 cookie_offset(__u64 cookie)
{
	return (cookie >> 32) - 1;
}

static __always_inline __u32 cookie_len(__u64 cookie)
{
	return cookie;
}

/* Under the lock: what a packet with bytes from @offset on says. */
static __always_inline void data_of_rpc(struct data *data, const struct rpc *rpc, __u32 offset)
{
	data->local = rpc->local;
	data->offset = offset;
	data->message_length = rpc->out_len;
	data->incoming = rpc->out_granted;
	data->cutoff_version = rpc->cutoff_version;
	data->priority = offset < rpc->unscheduled ? rpc->priority : rpc->sched_priority;
	data->retransmit = 0;
}

/* Under the lock: bytes up to @end were sent with the frame @handle, which was the next one. */
static __always_inline void out_sent(struct rpc *rpc, __u64 handle, __u32 end)
{
	rpc->out_last = handle;
	rpc->out_sent = end;
	/* A frame that begins within the grant is sent whole. */
	if (end > rpc->out_granted)
		rpc->out_granted = end;
}

/* Under the lock: may something be sent that is unsent? */
static __always_inline bool out_ready(const struct rpc *rpc)
{
	return rpc->out_sent < rpc->out_submitted && rpc->out_sent < rpc->out_granted;
}

/* Under the lock: the peer may get more. */
static __always_inline void out_grant(struct rpc *rpc, __u32 offset)
{
	if (offset > rpc->out_len)
		offset = rpc->out_len;
	if (offset > rpc->out_granted)
		rpc->out_granted = offset;
}

/* Under the lock: note that [start, end) has to be sent again. */
static __always_inline void rtx_add(struct rpc *rpc, __u32 start, __u32 end)
{
	int i;

	for (i = 0; i < RPC_MAX_RTX; i++) {
		struct range *r = &rpc->rtx[i];

		if (r->start >= r->end || (start <= r->end && r->start <= end)) {
			if (r->start >= r->end) {
				r->start = start;
				r->end = end;
				return;
			}
			if (start < r->start)
				r->start = start;
			if (end > r->end)
				r->end = end;
			return;
		}
	}
	/* More ranges than fit: send some bytes between them again, too. */
	if (start < rpc->rtx[0].start)
		rpc->rtx[0].start = start;
	if (end > rpc->rtx[0].end)
		rpc->rtx[0].end = end;
}

/* Under the lock: the first range that has to be sent again, or an empty one. */
static __always_inline struct range rtx_first(const struct rpc *rpc)
{
	struct range none = {};
	int i;

	for (i = 0; i < RPC_MAX_RTX; i++)
		if (rpc->rtx[i].start < rpc->rtx[i].end)
			return rpc->rtx[i];
	return none;
}

/* Under the lock: bytes up to @end of the first range need no care any more. */
static __always_inline void rtx_done(struct rpc *rpc, __u32 end)
{
	int i;

	for (i = 0; i < RPC_MAX_RTX; i++) {
		if (rpc->rtx[i].start < rpc->rtx[i].end) {
			rpc->rtx[i].start = end;
			return;
		}
	}
}

/**
 * struct submit - a frame that the application submitted, checked
 * @work: its RPC
 * @endpoint: who submits
 * @msg_len: bytes of the message
 * @offset: of the payload in the message
 * @len: bytes of payload
 * @to: what is known of the peer; set with @offset 0 only
 * @begins: no frame of this RPC, a request, was seen before
 * @bypass: it may be sent past those that wait for the link
 * @handle: of the held frame
 * @now: ns
 */
struct submit {
	struct work work;
	__u32 endpoint;
	__u32 msg_len;
	__u32 offset;
	__u32 len;
	struct dispatch to;
	__u8 begins;
	__u8 bypass;
	__u8 zero[6];
	__u64 handle;
	__u64 now;
};

/* Under the lock: is this what comes next in the message? Not asked for the first frame. */
static __always_inline bool submit_is_next(const struct rpc *rpc, const struct submit *s)
{
	return rpc->state == RPC_OUTGOING && rpc->endpoint == s->endpoint && !rpc->orphan &&
	       rpc->out_len == s->msg_len && rpc->out_submitted == s->offset &&
	       rpc->out_frames < HOMA_MAX_FRAMES;
}

/* Under the lock: the first frame of a message. */
static __always_inline void submit_first(struct rpc *rpc, const struct submit *s)
{
	__u32 most = etran_bounded(homa_unsched_bytes);

	rpc->out_len = s->msg_len;
	rpc->unscheduled = s->msg_len < most ? s->msg_len : most;
	rpc->out_granted = rpc->unscheduled;
	rpc->priority = s->to.priority;
	rpc->cutoff_version = s->to.version;
	rpc->asked_ns = s->now;
	rpc_heard(rpc, s->now);
}

/*
 * Under the lock: take the next frame. True: it is sent now, and @data says how; else it waits,
 * and if *@push is set the RPC needs pacer_push().
 */
static __always_inline bool submit_append(struct rpc *rpc, const struct submit *s,
					  struct data *data, bool *push)
{
	__u32 end = s->offset + s->len;

	if (!rpc->out_head)
		rpc->out_head = s->handle;
	rpc->out_tail = s->handle;
	rpc->out_submitted = end;
	rpc->out_frames++;
	if (rpc->out_sent == s->offset && s->offset < rpc->out_granted && s->bypass) {
		out_sent(rpc, s->handle, end);
		/* Time counts from here: until now there was something to do at this end. */
		rpc->heard_ns = s->now;
		data_of_rpc(data, rpc, s->offset);
		return true;
	}
	if (out_ready(rpc))
		*push = pacer_add(rpc);
	return false;
}

/*
 * A frame that is of no use to its message: the RPC fails. When it is not in the table, the
 * application is told if this is the first that is seen of it (@s->begins); else it has been told,
 * and this is the rest of a message of which nobody wants to know any more.
 */
static __always_inline void submit_refuse(const struct submit *s, int error)
{
	if (!is_client(s->work.key.id))
		return;
	if (rpc_find(&s->work.key))
		rpc_fail(&s->work.key, error);
	else if (s->begins)
		error_report(s->endpoint, &s->work.key, error);
}

static __always_inline __u32 egress_data(struct etran_pkt *pkt, struct etran_hdr *hdr,
					 const struct submit *s, const struct data *data)
{
	count(COUNTER_tx_data);
	put_data(pkt, hdr, &s->work.key, data, &s->to.ack);
	return ETRAN_TX | ETRAN_RETAIN;
}

static __noinline __u32 egress_first_of_request(struct etran_pkt *pkt, struct etran_hdr *hdr,
						struct submit *s, struct endpoint *endpoint)
{
	struct data data = {};
	bool push = false, now;
	struct rpc *rpc;
	__u64 delay;

	rpc = rpc_alloc(&s->work.key);
	if (!rpc) {
		if (rpc_find(&s->work.key)) {
			count(COUNTER_req_not_next);
			submit_refuse(s, EINVAL);
		} else {
			count(COUNTER_req_table_full);
			submit_refuse(s, ENOMEM);
		}
		return ETRAN_DROP;
	}
	s->handle = bpf_etran_hold(pkt, 0, frame_cookie(s->offset, s->len));
	if (!s->handle) {
		rpc_free(rpc->slot);
		count(COUNTER_req_not_held);
		submit_refuse(s, ENOMEM);
		return ETRAN_DROP;
	}
	s->work.generation = rpc_new_generation();
	s->work.slot = rpc->slot;
	bpf_spin_lock(&rpc->lock);
	rpc_begin(rpc, s->work.generation, s->endpoint, RPC_OUTGOING, s->now);
	submit_first(rpc, s);
	delay = rpc_due(rpc, s->now, homa_resend_ticks);
	now = submit_append(rpc, s, &data, &push);
	bpf_spin_unlock(&rpc->lock);
	count(COUNTER_rpc_client);
	rpc_timer_start(rpc, delay);
	/* Closed meanwhile? Then endpoint_close may have missed the RPC. */
	if (!endpoint_is_open(endpoint, s->endpoint)) {
		rpc_end(&s->work.key);
		return ETRAN_DROP;
	}
	if (push)
		pacer_push(&s->work, s->msg_len - s->offset);
	if (!now)
		return ETRAN_HOLD;
	return egress_data(pkt, hdr, s, &data);
}

/* The first frame of a response, or a later one of any message. */
static __noinline __u32 egress_continue(struct etran_pkt *pkt, struct etran_hdr *hdr,
					struct submit *s)
{
	bool push = false, ok, now = false, first = !s->offset;
	struct data data = {};
	__u64 tail = 0, delay = 0;
	struct rpc *rpc;

	rpc = rpc_find_again(&s->work.key);
	if (!rpc) {
		count(COUNTER_req_unknown_rpc);
		submit_refuse(s, EINVAL);
		return ETRAN_DROP;
	}
	if (!first) {
		/*
		 * Unlocked, as it is asked again below. Nobody but us appends: egress does not run twice at once
		 * for one AF_XDP socket.
		 */
		tail = rpc->out_tail;
		if (!submit_is_next(rpc, s)) {
			count(COUNTER_req_not_next);
			submit_refuse(s, EINVAL);
			return ETRAN_DROP;
		}
	}
	s->handle = bpf_etran_hold(pkt, tail, frame_cookie(s->offset, s->len));
	if (!s->handle) {
		count(COUNTER_req_not_held);
		submit_refuse(s, ENOMEM);
		return ETRAN_DROP;
	}
	bpf_spin_lock(&rpc->lock);
	ok = rpc_is(rpc, &s->work.key);
	if (ok && first) {
		/*
		 * INCOMING: the application was quicker than the CPU that delivered the last
		 * packet of the request and has yet to note that.
		 */
		ok = !is_client(s->work.key.id) && rpc->endpoint == s->endpoint &&
		     (rpc->state == RPC_IN_SERVICE || rpc->state == RPC_INCOMING);
		if (ok) {
			rpc->state = RPC_OUTGOING;
			submit_first(rpc, s);
			delay = rpc_due(rpc, s->now, homa_request_ack_ticks);
		}
	} else if (ok) {
		ok = submit_is_next(rpc, s);
	}
	if (ok) {
		s->work.generation = rpc->generation;
		s->work.slot = rpc->slot;
		now = submit_append(rpc, s, &data, &push);
	}
	bpf_spin_unlock(&rpc->lock);
	if (!ok) {
		count(COUNTER_req_not_next);
		return ETRAN_DROP;
	}
	rpc_timer_start(rpc, delay);
	if (push)
		pacer_push(&s->work, s->msg_len - s->offset);
	if (!now)
		return ETRAN_HOLD;
	return egress_data(pkt, hdr, s, &data);
}

/**
 * struct aborting - what abort_rpc() is told
 * @endpoint: whose
 * @zero: 0
 * @id: of the RPC, 0 for all of the endpoint's
 */
struct aborting {
	__u32 endpoint;
	__u32 zero;
	__u64 id;
};

static __always_inline long abort_rpc(struct rpc *rpc, struct aborting *aborting)
{
	struct remains remains = {};
	struct rpc_key key;
	bool end;

	if (rpc->endpoint != aborting->endpoint)
		return 0;
	bpf_spin_lock(&rpc->lock);
	key = rpc->key;
	end = rpc_is(rpc, &key) && rpc->endpoint == aborting->endpoint && is_client(key.id) &&
	      (!aborting->id || aborting->id == key.id);
	if (end)
		rpc_bury(rpc, &remains);
	bpf_spin_unlock(&rpc->lock);
	if (!end)
		return 0;
	count(COUNTER_rpc_aborted);
	rpc_remove(&key, &remains);
	return aborting->id != 0;
}

RPC_EACH(abort_rpc, struct aborting)

/*
 * A client forgets an RPC, or all of its. The server learns of it when it asks for something. The
 * address says where to look; without one, and without an id, all RPCs are looked through.
 */
static __noinline __u32 egress_abort(struct submit *s)
{
	struct aborting aborting = { .endpoint = s->endpoint, .id = s->work.key.id };
	struct rpc *rpc;

	if (!is_client(s->work.key.id)) {
		count(COUNTER_req_bad_id);
		return ETRAN_DROP;
	}
	if (s->work.key.id && is_host_address(&s->work.key.peer)) {
		rpc = rpc_find(&s->work.key);
		if (rpc && rpc->endpoint == s->endpoint && rpc_end(&s->work.key))
			count(COUNTER_rpc_aborted);
		else
			count(COUNTER_req_unknown_rpc);
		return ETRAN_DROP;
	}
	for_each_slot(abort_rpc, &aborting);
	return ETRAN_DROP;
}

SEC("struct_ops/egress")
__u32 BPF_PROG(egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	const struct homa_req *req = (const void *)pkt->req.data;
	struct endpoint *endpoint;
	struct submit s = {};
	struct pacer *p;
	__u32 verdict;
	bool request;
	__u16 op = pkt->req.op;

	s.endpoint = pkt->endpoint;
	s.len = pkt->payload_len;
	s.work.key.id = req->id;
	s.work.key.link = pkt->link;
	s.work.key.peer_port = req->port;
	s.work.key.peer = *(const struct address *)req->addr;
	s.msg_len = req->msg_len;
	s.offset = req->offset;

	endpoint = endpoint_find(s.endpoint);
	if (!endpoint) {
		count(COUNTER_req_unknown_rpc);
		return ETRAN_DROP;
	}
	s.work.key.port = endpoint->port;
	if (op == HOMA_OP_ABORT)
		return egress_abort(&s);
	if (op != HOMA_OP_REQUEST && op != HOMA_OP_RESPONSE) {
		count(COUNTER_req_bad_op);
		return ETRAN_DROP;
	}
	request = op == HOMA_OP_REQUEST;
	if (s.work.key.id < 2 || is_client(s.work.key.id) != request) {
		count(COUNTER_req_bad_id);
		return ETRAN_DROP;
	}
	if (request && s.work.key.id > endpoint->last_id) {
		endpoint->last_id = s.work.key.id;
		s.begins = 1;
	}
	if (!s.msg_len || s.msg_len > HOMA_MAX_MESSAGE_LENGTH || s.offset >= s.msg_len ||
	    !s.len || s.len > s.msg_len - s.offset || !s.work.key.peer_port ||
	    !is_host_address(&s.work.key.peer)) {
		count(COUNTER_req_invalid);
		submit_refuse(&s, EINVAL);
		return ETRAN_DROP;
	}
	p = pacer_get();
	if (!p)
		return ETRAN_DROP;
	s.now = bpf_ktime_get_ns();
	s.bypass = pacer_bypass(p, s.work.key.link, s.msg_len - s.offset, s.now);
	if (!s.offset) {
		s.to.len = s.msg_len;
		s.to.want_ack = s.bypass;
		peer_look(&s.work.key, &s.to);
	}
	if (request && !s.offset)
		verdict = egress_first_of_request(pkt, hdr, &s, endpoint);
	else
		verdict = egress_continue(pkt, hdr, &s);
	if (verdict == (ETRAN_TX | ETRAN_RETAIN))
		pacer_charge(p, s.work.key.link, pkt->hdr_len + s.len, s.now);
	return verdict;
}

#endif /* _HOMA_SEND_H */
