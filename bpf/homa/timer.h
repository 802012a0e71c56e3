/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Time. Each RPC has a timer of its own that is set for the next moment at which something might
 * be due, and not touched when packets arrive: those only note the time. Nothing is done once a tick,
 * and no table is ever searched.
 *
 * The timer is the slot's, and goes on when the RPC ends. So of many short RPCs that have the slot one after
 * the other hardly one has to start it: it is running, and goes off before anything is due; then it is
 * set for what is due by then. (On two CPUs at once a later start may win over an earlier one: then
 * something comes late by the difference, which is some ticks at most.)
 *
 * Who waits for the peer asks after homa_resend_ticks without a word, then ever more slowly: a peer
 * or network that is overloaded must not get more work from being so. HomaModule asks every 5
 * ticks. Given up is after homa_timeout_ticks without an answer (asked at 5, 10, 20, 30, 50, 70 and
 * 90). An answer that nothing is ready yet (BUSY) makes the next question wait longer, up to half of
 * homa_timeout_ticks, but leaves the full time from there. Who waits for a GRANT of ours is asked as rarely.
 *
 * Time in which this CPU did not get to its timers is not counted as silence of the peer: on an
 * overloaded machine its packets would be waiting here, too.
 */
#ifndef _HOMA_TIMER_H
#define _HOMA_TIMER_H

/* An orphan ends after so many times homa_timeout_ticks, whatever the peer does. */
#define ORPHAN_TIMEOUTS		50

/* Under the lock: how long to wait before asking again. */
static __always_inline __u64 ask_interval(const struct rpc *rpc, __u32 ticks)
{
	bool busy = rpc->resends && !rpc->unanswered;
	__u32 shift = (busy ? rpc->resends : rpc->unanswered) / 2;
	__u32 most = homa_timeout_ticks / (busy ? 2 : 5);

	if (shift > 4)
		shift = 4;
	if (most < homa_resend_ticks)
		most = homa_resend_ticks;
	ticks <<= shift;
	return ticks_ns(ticks < most ? ticks : most);
}

/**
 * struct due - what the timer found
 * @add: enum rpc_pending
 * @rearm: set the timer again, for @delay
 * @silent: the peer has said nothing for too long
 * @gone: an orphan's time is over
 * @report: the error of a failed RPC has still to be told
 * @ask: the peer is asked, so see whether it can be reached at all
 * @send: there is something to send
 * @ask_grants: bytes for which the message has no place among those that get grants
 * @delay: ns
 */
struct due {
	__u8 add;
	bool rearm;
	bool silent;
	bool gone;
	bool report;
	bool ask;
	bool send;
	__u32 ask_grants;
	__u64 delay;
};

/* Under the lock: the peer owes something. */
static __always_inline void due_from_peer(struct rpc *rpc, struct due *due, __u64 now, __u8 ask,
					  __u32 ticks, __u32 timeout_ticks)
{
	__u64 since, interval, timeout = ticks_ns(timeout_ticks);

	if (now - rpc->heard_ns >= timeout) {
		due->silent = true;
		return;
	}
	since = rpc->heard_ns > rpc->asked_ns ? rpc->heard_ns : rpc->asked_ns;
	interval = ask_interval(rpc, ticks);
	if (now - since >= interval) {
		due->add |= ask;
		due->ask = true;
		if (rpc->resends < 255)
			rpc->resends++;
		if (rpc->unanswered < 255)
			rpc->unanswered++;
		rpc->asked_ns = now;
		since = now;
		interval = ask_interval(rpc, ticks);
	}
	due->rearm = true;
	due->delay = since + interval - now;
	if (rpc->heard_ns + timeout - now < due->delay)
		due->delay = rpc->heard_ns + timeout - now;
}

/* Under the lock: nobody waits for the peer. Look again later. */
static __always_inline void due_later(struct rpc *rpc, struct due *due, __u64 now)
{
	rpc->heard_ns = now;
	due->rearm = true;
	due->delay = ticks_ns(homa_resend_ticks);
}

static __always_inline void due_outgoing(struct rpc *rpc, struct due *due, __u64 now)
{
	bool client = is_client(rpc->key.id);

	if (rpc->orphan &&
	    now - rpc->orphan_ns >= homa_timeout_ticks * homa_tick_ns * ORPHAN_TIMEOUTS) {
		due->gone = true;
		return;
	}
	if (out_ready(rpc)) {
		/* Not all is sent that may be. The queue has it, unless it was full. */
		due->send = true;
		due_later(rpc, due, now);
	} else if (rpc->out_submitted < rpc->out_len && rpc->out_sent == rpc->out_submitted &&
		   rpc->out_sent < rpc->out_granted) {
		/* The application has not submitted all of the message. */
		due_later(rpc, due, now);
	} else if (client) {
		due_from_peer(rpc, due, now, PENDING_RESEND, homa_resend_ticks,
			      homa_timeout_ticks);
	} else {
		/* Asked whether it has all, a client that does not says what it wants. */
		due_from_peer(rpc, due, now, PENDING_NEED_ACK,
			      rpc->out_sent == rpc->out_len ? homa_request_ack_ticks :
							      homa_resend_ticks,
			      homa_response_timeout_ticks);
	}
}

static __always_inline void due_incoming(struct rpc *rpc, struct due *due, __u64 now)
{
	if (in_waits(rpc)) {
		/*
		 * The peer waits for a GRANT, and this message for its turn. It will be told; the
		 * timer is here for entries that a full queue lost, and to see whether the peer
		 * lives: others might keep the message waiting for any time.
		 */
		if (rpc->grant)
			due->add |= PENDING_GRANT;
		else if (!rpc->grant_asked)
			due->ask_grants = rpc->in_len - rpc->in_granted;
		rpc->grant_asked = 1;
		due_from_peer(rpc, due, now, PENDING_PROBE, homa_timeout_ticks,
			      homa_timeout_ticks);
	} else {
		due_from_peer(rpc, due, now, PENDING_RESEND, homa_resend_ticks,
			      homa_timeout_ticks);
	}
}

static int rpc_timer(void *map, __u32 *slot, struct rpc *rpc)
{
	__u64 now = bpf_ktime_get_ns();
	struct due due = {};
	bool push = false, client, orphan;
	struct work w = {};
	__u64 delay = 0;
	__u32 unsent = 0;
	int err;

	bpf_spin_lock(&rpc->lock);
	rpc->armed_ns = 0;
	if (!rpc_lives(rpc) || !rpc->due_ns || now < rpc->due_ns) {
		if (rpc_lives(rpc) && rpc->due_ns)
			delay = rpc_due_in(rpc, now, rpc->due_ns - now);
		bpf_spin_unlock(&rpc->lock);
		rpc_timer_start(rpc, delay);
		return 0;
	}
	w.key = rpc->key;
	w.generation = rpc->generation;
	w.slot = rpc->slot;
	orphan = rpc->orphan;
	/* Other CPUs may have noted a time after ours was taken. */
	if (now < rpc->heard_ns)
		now = rpc->heard_ns;
	if (now < rpc->asked_ns)
		now = rpc->asked_ns;
	if (now < rpc->orphan_ns)
		now = rpc->orphan_ns;
	if (now > rpc->due_ns + homa_resend_ticks * homa_tick_ns)
		rpc->heard_ns += now - rpc->due_ns;
	if (rpc->heard_ns > now)
		rpc->heard_ns = now;
	if (rpc_is(rpc, &w.key)) {
		switch (rpc->state) {
		case RPC_OUTGOING:
			due_outgoing(rpc, &due, now);
			break;
		case RPC_INCOMING:
			due_incoming(rpc, &due, now);
			break;
		case RPC_FAILED:
			due.report = rpc->report;
			break;
		default:
			/* IN_SERVICE: the application may take its time. */
			break;
		}
		push = work_add(rpc, due.add);
		due.send = due.send && pacer_add(rpc);
		unsent = rpc->out_len - rpc->out_sent;
		rpc->due_ns = now;
		if (due.rearm)
			delay = rpc_due_in(rpc, now, due.delay);
	}
	bpf_spin_unlock(&rpc->lock);
	/* Whatever becomes of the RPC: armed_ns says so. */
	rpc_timer_start(rpc, delay);

	client = is_client(w.key.id);
	if (due.report) {
		rpc_report(&w.key);
		return 0;
	}
	if (due.gone || (due.silent && orphan)) {
		if (rpc_end(&w.key))
			count(COUNTER_rpc_abandoned);
		return 0;
	}
	if (due.silent) {
		if (!client)
			count(COUNTER_rpc_server_lost);
		rpc_fail(&w.key, ETIMEDOUT);
		return 0;
	}
	if (due.ask && client && !orphan) {
		err = bpf_etran_route(w.key.link, &w.key.peer, sizeof(w.key.peer));
		if (err < 0) {
			rpc_fail(&w.key, -err);
			return 0;
		}
	}
	if (due.send)
		pacer_push(&w, unsent);
	if (due.ask_grants)
		in_ask_grants(rpc, &w, due.ask_grants);
	if (push)
		work_push(&w);
	return 0;
}

#endif /* _HOMA_TIMER_H */
