/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is under way, for 'etranctl rpc': an iterator over the table of RPCs, in the form that
 * bpf/README.md describes. It costs nothing until somebody reads it.
 *
 * It looks at RPCs without their locks, which an iterator cannot take: a line may mix two moments of an
 * RPC, or two RPCs that had the same slot.
 */
#ifndef _HOMA_SHOW_H
#define _HOMA_SHOW_H

#include <etran/rpc.h>

#define SHOW_STATE(r, name)	__builtin_memcpy((r)->state, name, sizeof(name))

static __always_inline void show_state(struct etran_rpc_record *r, __u8 state)
{
	switch (state) {
	case RPC_OUTGOING:
		SHOW_STATE(r, "outgoing");
		break;
	case RPC_INCOMING:
		SHOW_STATE(r, "incoming");
		break;
	case RPC_IN_SERVICE:
		SHOW_STATE(r, "in-service");
		break;
	default:
		SHOW_STATE(r, "failed");
		break;
	}
}

SEC("iter/bpf_map_elem")
int show_rpcs(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct rpc *rpc = ctx->value;
	const struct rpc_key *key;
	struct etran_rpc_record r = { .size = sizeof(r) };
	__u64 now = bpf_ktime_get_ns();

	if (!rpc || !rpc_lives(rpc))
		return 0;
	key = &rpc->key;
	r.flags = is_client(key->id) ? 0 : ETRAN_RPC_SERVER;
	r.id = key->id;
	__builtin_memcpy(r.peer, &key->peer, sizeof(r.peer));
	r.link = key->link;
	r.endpoint = rpc->endpoint;
	r.peer_port = key->peer_port;
	r.port = key->port;
	r.error = rpc->error;
	r.age_ns = now - rpc->begun_ns;
	/* Noted by another CPU meanwhile. */
	r.quiet_ns = now > rpc->heard_ns ? now - rpc->heard_ns : 0;
	r.sent = rpc->out_sent;
	r.send_len = rpc->out_len;
	r.received = rpc->in_received;
	r.receive_len = rpc->in_len;
	show_state(&r, rpc->state);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

#endif /* _HOMA_SHOW_H */
