/* SPDX-License-Identifier: GPL-2.0 */
/* ETRAN_TCP_SET: what an application chooses for a connection, or for those that a listener will have. */
#ifndef _TCP_SET_H
#define _TCP_SET_H

static __always_inline bool cc_known(__u32 cc)
{
	return cc <= ETRAN_TCP_CC_CUBIC;
}

/* 0, or a negative errno. */
static __always_inline int options_set(struct conn_options *opt, __u32 option, __u32 value)
{
	switch (option) {
	case ETRAN_TCP_KEEPALIVE:
		if (value > 1)
			return -EINVAL;
		opt->keepalive = value;
		return 0;
	case ETRAN_TCP_KEEPALIVE_IDLE:
		opt->keep_idle_ms = value;
		return 0;
	case ETRAN_TCP_KEEPALIVE_INTERVAL:
		opt->keep_interval_ms = value;
		return 0;
	case ETRAN_TCP_KEEPALIVE_COUNT:
		if (value > 127)
			return -EINVAL;
		opt->keep_count = value;
		return 0;
	case ETRAN_TCP_USER_TIMEOUT:
		opt->user_timeout_ms = value;
		return 0;
	}
	return -ENOPROTOOPT;
}

static __always_inline int conn_set(struct etran_endpoint *ep, __u32 option, __u32 value)
{
	__u32 slot = ep->arg[1], generation = ep->arg[1] >> 32;
	struct scratch *scratch = scratch_get(SCRATCH_CALL);
	__u64 now = bpf_ktime_get_ns();
	struct conn *c = conn_at(slot);
	struct after *a;
	int err = -ENOENT;

	if (!c || !scratch)
		return -ENOENT;
	a = &scratch->after;
	bpf_spin_lock(&c->lock);
	a->slot = slot;
	a->generation = generation;
	if (c->generation == generation && c->state != CONN_FREE && c->endpoint == ep->id && !c->detached) {
		if (option == ETRAN_TCP_CONGESTION) {
			err = 0;
			c->cc = value ? value : etran_bounded(tcp_cc);
			cc_chosen(c);
		} else {
			err = options_set(&c->opt, option, value);
			if (!err && conn_synchronized(c))
				keepalive_start(c, a, now);
		}
	}
	bpf_spin_unlock(&c->lock);
	after_settle(a);
	return err;
}

static __noinline int set_option(struct etran_endpoint *ep)
{
	__u32 option = ep->arg[0] >> 32, value = ep->arg[2];
	struct listener *l;

	if (ep->arg[2] > 0x7fffffff || (option == ETRAN_TCP_CONGESTION && !cc_known(value)))
		return -EINVAL;
	if (ep->arg[1] >> 32)
		return conn_set(ep, option, value);
	l = listener_of(ep->arg[1]);
	if (!l || l->endpoint != ep->id)
		return -ENOENT;
	if (option == ETRAN_TCP_SPARE) {
		l->spare = !!value;
		return 0;
	}
	if (option != ETRAN_TCP_CONGESTION)
		return options_set(&l->opt, option, value);
	l->cc = value;
	return 0;
}

#endif /* _TCP_SET_H */
