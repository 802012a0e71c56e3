/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How RPCs end. Whatever the reason, the one that marks an RPC as dead (rpc_bury(), under the lock)
 * gives back all that it holds (rpc_remove(), after unlocking): frames, budget, table entry.
 *
 * What has no type of the module among its arguments is a global function, which the verifier
 * looks at once and not for each caller. Calls may be 8 deep, hence some *_inline().
 */
#ifndef _HOMA_END_H
#define _HOMA_END_H

/**
 * struct remains - what a dead RPC leaves
 * @head: its first held frame, or 0
 * @share: its bytes of the link's budget
 * @grant: its place among those that get grants, or 0
 * @slot: its slot
 * @endpoint: whose it was
 */
struct remains {
	__u64 head;
	__u32 share;
	__u32 grant;
	__u32 slot;
	__u32 endpoint;
};

/* Under the lock of a live RPC. */
static __always_inline void rpc_bury(struct rpc *rpc, struct remains *remains)
{
	remains->head = rpc->out_head;
	remains->share = rpc->in_share;
	rpc->out_head = 0;
	remains->grant = rpc->grant;
	remains->slot = rpc->slot;
	remains->endpoint = rpc->endpoint;
	rpc->in_share = 0;
	rpc->grant = 0;
	rpc->state = RPC_DEAD;
}

static __always_inline void remains_return(__u32 link, const struct remains *remains)
{
	if (remains->head)
		bpf_etran_release_chain(remains->head);
	if (remains->grant)
		grant_free(remains->grant);
	if (remains->share)
		share_return(link, remains->endpoint, remains->share);
}

__noinline int rpc_remove(const struct rpc_key *key, const struct remains *remains)
{
	if (!key || !remains)
		return 0;
	remains_return(key->link, remains);
	rpc_free(remains->slot);
	return 0;
}

static __always_inline int rpc_end_inline(const struct rpc_key *key)
{
	struct remains remains = {};
	struct rpc *rpc;
	bool ended;

	rpc = rpc_find(key);
	if (!rpc)
		return 0;
	bpf_spin_lock(&rpc->lock);
	ended = rpc_is(rpc, key);
	if (ended)
		rpc_bury(rpc, &remains);
	bpf_spin_unlock(&rpc->lock);
	if (ended)
		rpc_remove(key, &remains);
	return ended;
}

/* End an RPC about which nobody need be told. Returns whether there was one. */
__noinline int rpc_end(const struct rpc_key *key)
{
	return key ? rpc_end_inline(key) : 0;
}

/*
 * Tell the application of a failed RPC that it has failed; then end it. Without a buffer to tell
 * it in, the RPC stays and its timer calls here again.
 */
__noinline int rpc_report(const struct rpc_key *key)
{
	struct etran_rec rec __attribute__((aligned(8))) = {};
	struct homa_rec *homa = (void *)rec.data;
	__u64 now, delay = 0;
	struct rpc *rpc;
	bool failed;

	if (!key)
		return 0;
	rpc = rpc_find(key);
	if (!rpc)
		return 0;
	bpf_spin_lock(&rpc->lock);
	failed = rpc_is(rpc, key) && rpc->state == RPC_FAILED;
	rec.endpoint = rpc->endpoint;
	homa->error = rpc->error;
	homa->msg_len = rpc->in_len;
	rpc->report = 0;
	bpf_spin_unlock(&rpc->lock);
	if (!failed)
		return 0;

	rec.type = HOMA_REC_ERROR;
	homa->id = key->id;
	*(struct address *)homa->addr = key->peer;
	homa->port = key->peer_port;
	if (bpf_etran_notify(&rec, sizeof(rec)) != -ENOBUFS) {
		rpc_end_inline(key);
		return 0;
	}
	count(COUNTER_error_retry);
	now = bpf_ktime_get_ns();
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, key)) {
		rpc->report = 1;
		delay = rpc_due(rpc, now, homa_resend_ticks);
	}
	bpf_spin_unlock(&rpc->lock);
	rpc_timer_start(rpc, delay);
	return 0;
}

/*
 * End an RPC with an error that the application is told. Of a server's RPC, the application knows
 * something that has to be cleaned up only while it has part of the request.
 */
__noinline int rpc_fail(const struct rpc_key *key, int error)
{
	struct remains remains = {};
	struct rpc *rpc;
	bool live, tell = false;

	if (!key)
		return 0;
	rpc = rpc_find(key);
	if (!rpc)
		return 0;
	bpf_spin_lock(&rpc->lock);
	live = rpc_is(rpc, key) && rpc->state != RPC_FAILED;
	if (live) {
		tell = !rpc->orphan && (is_client(key->id) || rpc->state == RPC_INCOMING);
		rpc_bury(rpc, &remains);
		if (tell) {
			rpc->state = RPC_FAILED;
			rpc->error = error;
			rpc->pending = 0;
		}
	}
	bpf_spin_unlock(&rpc->lock);
	if (!live)
		return 0;
	if (!tell) {
		rpc_remove(key, &remains);
		return 0;
	}
	count(COUNTER_rpc_failed);
	remains_return(key->link, &remains);
	rpc_report(key);
	return 0;
}

/* An error about an RPC that is not in the table. There is one attempt only. */
__noinline int error_report(__u32 endpoint, const struct rpc_key *key, int error)
{
	struct etran_rec rec __attribute__((aligned(8))) = {};
	struct homa_rec *homa = (void *)rec.data;

	if (!key)
		return 0;
	rec.endpoint = endpoint;
	rec.type = HOMA_REC_ERROR;
	homa->id = key->id;
	*(struct address *)homa->addr = key->peer;
	homa->port = key->peer_port;
	homa->error = error;
	if (bpf_etran_notify(&rec, sizeof(rec)))
		count(COUNTER_error_lost);
	return 0;
}

#endif /* _HOMA_END_H */
