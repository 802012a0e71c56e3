/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Homa was detached. Usually its maps go with it; but who keeps the object may attach it again, and
 * then nobody could have the ports of endpoints that were closed in between, which nobody told.
 * Entries of the queues can stay: they are checked against the RPCs when they are taken out.
 */
#ifndef _HOMA_EXIT_H
#define _HOMA_EXIT_H

static __always_inline long forget_rpc(struct rpc *rpc, void *unused)
{
	struct rpc_key key = rpc->key;

	/* Its frames have been released; this ends its place among those with grants. */
	if (rpc_lives(rpc))
		rpc_end(&key);
	return 0;
}

RPC_EACH(forget_rpc, void)

static long forget_endpoint(void *map, __u32 *place, struct endpoint *endpoint, void *unused)
{
	if (!endpoint->id)
		return 0;
	port_give(endpoint->link, endpoint->port);
	endpoint->id = 0;
	return 0;
}

SEC("struct_ops/detached")
void BPF_PROG(detached, struct etran_exit_info *info)
{
	__u64 *budget;
	__u32 i;

	if (info->kind == ETRAN_EXIT_REPLACE) {
		timer_epoch++;
		return;
	}

	bpf_for_each_map_elem(&endpoints, forget_endpoint, NULL, 0);
	for_each_slot(forget_rpc, NULL);
	bpf_for(i, 0, LINK_BUDGETS) {
		budget = budget_of(i);
		if (budget)
			*budget = 0;
	}
	bpf_for(i, 0, HOMA_MAX_ENDPOINTS)
		*expected_of(i) = 0;
}

#endif /* _HOMA_EXIT_H */
