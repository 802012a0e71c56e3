/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP was detached. Usually its maps go with it; but who keeps the object may attach it again, and then must not find
 * connections and ports of applications that nobody told. Peers find out when they send: the kernel answers RST.
 */
#ifndef _TCP_EXIT_H
#define _TCP_EXIT_H

static __always_inline long conn_forget(struct conn *c, void *unused)
{
	struct conn_key key;
	bool used;

	bpf_spin_lock(&c->lock);
	used = c->state != CONN_FREE;
	c->state = CONN_FREE;
	c->generation = 0;
	key = c->key;
	bpf_spin_unlock(&c->lock);
	if (used)
		conn_free(&key, c->slot);
	return 0;
}

CONN_EACH(conn_forget, void)

SEC("struct_ops/detached")
void BPF_PROG(detached, struct etran_exit_info *info)
{
	struct listener *l;
	__u32 index;

	if (info->kind == ETRAN_EXIT_REPLACE) {
		timer_epoch++;
		return;
	}
	bpf_for(index, 1, TCP_MAX_LISTENERS) {
		__u32 key = index;

		l = bpf_map_lookup_elem(&listeners, &key);
		if (l && l->id)
			listener_close(l);
	}
	for_each_slot(conn_forget, NULL);
}

#endif /* _TCP_EXIT_H */
