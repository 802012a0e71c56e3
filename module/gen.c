// SPDX-License-Identifier: GPL-2.0
/*
 * Generation: packets that no application sends now - acknowledgements, grants, held frames whose
 * turn has come, retransmissions.
 *
 * Each CPU has a NAPI of its own. bpf_etran_gen_kick() schedules it; when it was called from a
 * receive poll, ours runs after that one ended, so a burst of received packets costs one batch of
 * generated ones. (Rejected: calling gen at the end of xdp_do_flush(), as the research prototype
 * did: that needs a redirect to happen, and a patched kernel.)
 */
#include <linux/netdevice.h>
#include "etran.h"

static struct net_device *gen_dev;
static DEFINE_PER_CPU(struct napi_struct, gen_napi);

/* One transport's share of a poll. Return: work done. */
static int gen_run(struct etran_transport *t, struct etran_ops *ops, struct etran_xmit *x,
		   void **page, int budget)
{
	struct etran_pkt pkt;
	int work = 0;
	u32 verdict;

	while (work < budget) {
		if (!*page)
			*page = etran_page_alloc();
		if (!*page) {
			etran_count(NULL, t, gen_memory);
			break;
		}
		memset(&pkt, 0, sizeof(pkt));
		pkt.kind = ETRAN_PKT_GEN;
		pkt.data = *page + ETRAN_PAYLOAD_OFF;
		pkt.transport = t;

		verdict = etran_run(ops->prog[ETRAN_GEN], &pkt, *page + XDP_PACKET_HEADROOM);
		if (verdict == ETRAN_DROP)
			break;
		work++;
		if (verdict == ETRAN_CONSUME)
			continue;
		if (verdict != ETRAN_TX) {
			etran_count(NULL, t, bad_verdict);
			break;
		}
		etran_count(NULL, t, gen_packets);
		if (etran_xmit_add(x, etran_link_by_id(pkt.link), &pkt, *page, NULL) &&
		    pkt.handle)
			etran_frame_sent(pkt.handle);
		*page = NULL;
	}
	return work;
}

static int gen_poll(struct napi_struct *napi, int budget)
{
	struct etran_transport *t;
	struct etran_ops *ops;
	struct etran_xmit x;
	void *page = NULL;
	int work = 0;

	/* netpoll asks with 0: send nothing then. */
	if (!budget)
		return 0;
	x.n = 0;
	x.link = NULL;
	rcu_read_lock();
	list_for_each_entry_rcu(t, &etran_transports, node) {
		ops = rcu_dereference(t->ops);
		if (!ops || !ops->prog[ETRAN_GEN])
			continue;
		etran_count(NULL, t, gen_polls);
		/* Each gets at most what the ones before it left, and never less than one. */
		work += gen_run(t, ops, &x, &page, max(budget - work, 1));
	}
	etran_xmit_flush(&x);
	if (page)
		etran_page_free(page);
	rcu_read_unlock();
	if (work >= budget)
		return budget;
	napi_complete_done(napi, work);
	return work;
}

/**
 * etran_gen_kick - see bpf_etran_gen_kick()
 *
 * Context: bottom halves off.
 */
void etran_gen_kick(void)
{
	napi_schedule(this_cpu_ptr(&gen_napi));
}

int etran_gen_init(void)
{
	int cpu;

	gen_dev = alloc_netdev_dummy(0);
	if (!gen_dev)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct napi_struct *napi = per_cpu_ptr(&gen_napi, cpu);

		memset(napi, 0, sizeof(*napi));
		netif_napi_add(gen_dev, napi, gen_poll);
		napi_enable(napi);
	}
	return 0;
}

void etran_gen_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		napi_disable(per_cpu_ptr(&gen_napi, cpu));
		netif_napi_del(per_cpu_ptr(&gen_napi, cpu));
	}
	free_netdev(gen_dev);
}
