// SPDX-License-Identifier: GPL-2.0
/*
 * Generation: packets that no application sends now - acknowledgements, grants, held frames whose
 * turn has come, retransmissions - and packets whose time has come (wheel.c).
 *
 * Each CPU has a NAPI of its own. bpf_etran_gen_kick() schedules it; when it was called from a
 * receive poll, ours runs after that one ended, so a burst of received packets costs one batch of
 * generated ones. (Rejected: calling gen at the end of xdp_do_flush(), as the research prototype
 * did: that needs a redirect to happen, and a patched kernel.)
 *
 * A poll's budget is shared by what is due and by the transports, in turns: each gets an equal part, and
 * the next poll begins with the one behind the last that was served. With the module parameter
 * threaded=1 the polls run in kernel threads (napi/...), which the scheduler sees. So a transport whose
 * gen never says stop takes no more than its part, and what is due, other transports and the CPU's
 * processes go on beside it; when it is ejected for that says eject.c.
 */
#include <linux/moduleparam.h>
#include <linux/netdevice.h>
#include "copy.h"
#include "etran.h"

static bool threaded;
module_param(threaded, bool, 0444);
MODULE_PARM_DESC(threaded, "generate and release packets in kernel threads instead of softirqs");

/* One transport's turn is at least this long. */
#define GEN_TURN	16

/**
 * struct gen - generation on one CPU
 * @napi: polls
 * @cpu: which; a threaded or migrated poll may run elsewhere
 * @last: id of the transport that was served last
 */
struct gen {
	struct napi_struct napi;
	int cpu;
	u32 last;
};

static struct net_device *gen_dev;
static DEFINE_PER_CPU(struct gen, gens);

/* Not on the stack, see struct etran_egress. */
static DEFINE_PER_CPU(struct etran_pkt, gen_pkts);

/* One transport's turn. Return: calls of its program; *@more: it may have more. */
static int gen_run(struct etran_transport *t, struct etran_ops *ops, struct etran_xmit *x,
		   void **page, int budget, bool *more)
{
	struct etran_pkt *pkt = this_cpu_ptr(&gen_pkts);
	struct etran_packet *p;
	int work = 0;
	u32 verdict;

	pkt->kind = ETRAN_PKT_GEN;
	pkt->transport = t;
	pkt->len = 0;
	pkt->endpoint = 0;
	pkt->held = 0;
	pkt->delivered = 0;
	memset(&pkt->req, 0, sizeof(pkt->req));
	/* An ejection or replacement counts at once. */
	while (work < budget && rcu_access_pointer(t->ops) == ops) {
		/* It goes on when there is room, see etran_link_retry(). */
		if (x->n && etran_link_full(x->link))
			goto full;
		if (!*page)
			*page = etran_page_alloc();
		if (!*page) {
			etran_count(NULL, t, gen_memory);
			goto full;
		}
		pkt->payload_len = 0;
		pkt->hdr_off = 0;
		pkt->hdr_len = 0;
		pkt->link = 0;
		pkt->departure_ns = 0;
		pkt->cookie = 0;
		pkt->copied = 0;
		pkt->part = 0;
		pkt->joined = 0;
		pkt->data = *page + ETRAN_PAYLOAD_OFF;
		pkt->umem = NULL;
		pkt->channel = NULL;
		pkt->handle = 0;

		verdict = etran_run(ops->prog[ETRAN_GEN], pkt, *page + XDP_PACKET_HEADROOM);
		etran_gen_called(t, verdict);
		if (verdict == ETRAN_DROP)
			return work;
		work++;
		if (verdict == ETRAN_CONSUME)
			continue;
		if (verdict != ETRAN_TX) {
			etran_bad_verdict(NULL, t, ETRAN_GEN, verdict);
			return work;
		}
		etran_count(NULL, t, gen_packets);
		if (pkt->handle && pkt->channel->mode == ETRAN_DIRECT &&
		    etran_direct_gen(x, pkt, *page + XDP_PACKET_HEADROOM))
			continue;
		p = etran_packet_of(*page);
		etran_packet_fill(p, pkt, NULL, NULL);
		p->leave.handle = pkt->handle;
		p->leave.joined = pkt->joined;
		if (pkt->handle && !pkt->copied) {
			etran_copy(pkt->data, pkt->umem, pkt->payload_len);
			/* Its frame may have ended, and the chunk hold something else. */
			if (!etran_frame_is(t, pkt->handle)) {
				etran_count(NULL, t, packet_stale);
				etran_xmit_drop(*page);
				*page = NULL;
				continue;
			}
		}
		etran_xmit_later(x, *page, pkt->departure_ns);
		*page = NULL;
	}
	*more = true;
full:
	etran_gen_goes_on(t, work);
	return work;
}

/* Transports in turns. Return: work done; *@more: some may have more. */
static int gen_transports(struct gen *g, struct etran_xmit *x, int budget, bool *more)
{
	struct etran_transport *t;
	int work = 0, n = 0, turn;
	struct etran_ops *ops;
	void *page = NULL;
	bool behind;

	list_for_each_entry_rcu(t, &etran_transports, node) {
		ops = rcu_dereference(t->ops);
		n += ops && ops->prog[ETRAN_GEN];
	}
	if (!n)
		return 0;
	turn = max(budget / n, GEN_TURN);
	/* First those behind the last one of the poll before, then the others. */
	for (behind = true;; behind = false) {
		u32 last = g->last;

		list_for_each_entry_rcu(t, &etran_transports, node) {
			if ((t->id > last) != behind)
				continue;
			ops = rcu_dereference(t->ops);
			if (!ops || !ops->prog[ETRAN_GEN])
				continue;
			if (work >= budget) {
				*more = true;
				goto out;
			}
			etran_count(NULL, t, gen_polls);
			work += gen_run(t, ops, x, &page, min(turn, max(budget - work, 1)), more);
			if (behind)
				g->last = t->id;
		}
		if (!behind)
			break;
	}
	g->last = 0;
out:
	if (page)
		etran_page_free(page);
	return work;
}

static int gen_poll(struct napi_struct *napi, int budget)
{
	struct gen *g = container_of(napi, struct gen, napi);
	struct etran_xmit *x = etran_xmit_begin(this_cpu_ptr(&etran_xmits));
	bool more = false;
	int work;

	/* netpoll asks with 0: send nothing then. */
	if (!budget)
		return 0;
	rcu_read_lock();
	/* Half of it at most for what is due, so that neither starves. */
	work = etran_timed_release(g->cpu, x, max(budget / 2, 1));
	work += gen_transports(g, x, max(budget - work, 1), &more);
	etran_xmit_flush(x);
	rcu_read_unlock();
	if (more || etran_timed_more(g->cpu))
		return budget;
	napi_complete_done(napi, min(work, budget - 1));
	return min(work, budget - 1);
}

/**
 * etran_gen_schedule - have a CPU's generation polled
 * @cpu: which; the poll runs on this one
 *
 * Context: any but NMI.
 */
void etran_gen_schedule(int cpu)
{
	napi_schedule(&per_cpu_ptr(&gens, cpu)->napi);
}

/**
 * etran_gen_kick - see bpf_etran_gen_kick()
 *
 * Context: bottom halves off.
 */
void etran_gen_kick(void)
{
	napi_schedule(&this_cpu_ptr(&gens)->napi);
}

int etran_gen_init(void)
{
	int cpu;

	gen_dev = etran_dummy_alloc();
	if (!gen_dev)
		return -ENOMEM;
	strscpy(gen_dev->name, "etran-gen");
	for_each_possible_cpu(cpu) {
		struct gen *g = per_cpu_ptr(&gens, cpu);

		memset(g, 0, sizeof(*g));
		g->cpu = cpu;
		netif_napi_add(gen_dev, &g->napi, gen_poll);
	}
	if (threaded && dev_set_threaded(gen_dev, true))
		pr_warn("etran: no threads for generation; softirqs are used\n");
	for_each_possible_cpu(cpu)
		napi_enable(&per_cpu_ptr(&gens, cpu)->napi);
	return 0;
}

void etran_gen_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		napi_disable(&per_cpu_ptr(&gens, cpu)->napi);
		netif_napi_del(&per_cpu_ptr(&gens, cpu)->napi);
	}
	etran_dummy_free(gen_dev);
}
