/* SPDX-License-Identifier: GPL-2.0 */
/* Frames that the test transport holds, and calls of the frame engine: for queue, timed, send, mix. */
#ifndef ENGINE_H
#define ENGINE_H

#include "fixture.h"

#define TX		1u
#define DROP		0u
#define HOLD		2u
#define RETAIN		0x100u
#define TAIL		0u
#define FRONT		1u
#define RANK		2u
#define SEND_RETAIN	1u

static ET_UNUSED struct tt_req eng_req(const struct et_host *to, uint32_t verdict)
{
	return (struct tt_req) {
		.daddr = to->addr, .verdict = verdict, .rx_verdict = 4 /* CONSUME */, .cookie = 0x11,
		.flags = verdict & (HOLD | RETAIN) ? TT_F_HOLD : 0,
	};
}

/* Prepare call @i, to be done by a request TT_CALL, a packet, gen or a timer. */
static ET_UNUSED void eng_call(unsigned int i, uint32_t what, uint32_t queue, uint64_t handle,
			       uint64_t arg, uint32_t flags)
{
	tt->call[i].what = what;
	tt->call[i].queue = queue;
	tt->call[i].handle = handle;
	tt->call[i].arg = arg;
	tt->call[i].flags = flags;
	tt->call[i].result = 99;
	tt->call[i].out = 0;
	__atomic_store_n((uint32_t *)&tt->call[i].done, 0, __ATOMIC_RELEASE);
}

/* One call from egress of @x, with a descriptor of chunk @chunk. Return: what the function said. */
static ET_UNUSED int64_t eng_do(struct xsk *x, unsigned int chunk, uint32_t what, uint32_t queue,
				uint64_t handle, uint64_t arg, uint32_t flags)
{
	struct tt_req r = { .slot = 63 };

	eng_call(63, what, queue, handle, arg, flags);
	if (xsk_send(x, chunk, TT_CALL, &r, NULL, 0) || !tt->call[63].done)
		return et_fail("the call was not made") - 1000;
	xsk_complete(x, NULL, 0);
	return tt->call[63].result;
}

/* Have chunk @chunk held. Return: its handle or 0. */
static ET_UNUSED uint64_t eng_hold(struct xsk *x, unsigned int chunk, struct tt_req *r)
{
	tt->handle[0] = 0;
	r->slot = 0;
	if (xsk_send(x, chunk, TT_SEND, r, "payload", 8))
		return et_fail("sendto"), 0;
	xsk_complete(x, NULL, 0);
	return tt->handle[0];
}

/* Is there a packet in a timing wheel, or one on its way out? The counters do not tell. */
static ET_UNUSED bool eng_on_its_way(void)
{
	static const struct {
		const char *path, *word;
	} where[] = {
		{ "/sys/kernel/debug/etran/wheels", "CPU" },
		{ "/sys/kernel/debug/etran/frames", " leaving" },
	};
	bool found = false;
	char line[512];
	unsigned int i;
	FILE *f;

	for (i = 0; i < sizeof(where) / sizeof(where[0]) && !found; i++) {
		f = fopen(where[i].path, "re");
		if (!f) {
			et_fail("%s", where[i].path);
			return true;
		}
		while (!found && fgets(line, sizeof(line), f))
			found = strstr(line, where[i].word);
		fclose(f);
	}
	return found;
}

/*
 * Wait until nothing is sent and received any more, and nothing waits for its time. Counters that do
 * not change for a while are not enough: a CPU that the host does not run sends nothing either.
 * Return: 0, or -1 after printing that it does not come to rest.
 */
static ET_UNUSED int eng_rest(void)
{
	uint64_t was, now = 0, end = et_now_ms() + ET_PATIENCE_MS;

	do {
		was = now;
		usleep(30000);
		now = et_count("packets_sent") + et_count("rx_dropped") + et_count("rx_consumed") +
		      et_count("rx_delivered");
		if (now == was && !eng_on_its_way())
			return 0;
	} while (et_now_ms() < end);
	return et_fail("no rest in %u ms", ET_PATIENCE_MS);
}

/* Everything at rest: for each scope that has a sum. Return: 0 or -1 after printing why. */
static ET_UNUSED int eng_conserved(const FIXTURE_DATA(net) *net, const struct xsk *x, int n)
{
	int i, err = 0;

	for (i = 0; i < n; i++)
		err |= et_conserved(ETRAN_COUNTERS_ENDPOINT, x[i].id);
	err |= et_conserved(ETRAN_COUNTERS_LINK, net->a->link);
	err |= et_conserved(ETRAN_COUNTERS_LINK, net->b->link);
	if (net->link)
		err |= et_conserved(ETRAN_COUNTERS_TRANSPORT, net->transport);
	return err | et_conserved(ETRAN_COUNTERS_MODULE, 0);
}

static ET_UNUSED uint64_t eng_kept(void)
{
	struct et_counters s;

	if (et_counters_read(&s, ETRAN_COUNTERS_MODULE, 0))
		return UINT64_MAX;
	return et_value(&s, "frames_held") + et_value(&s, "frames_queued") +
	       et_value(&s, "frames_retained");
}

/* A fixed seed gives the same run each time. */
static ET_UNUSED uint32_t eng_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static ET_UNUSED int eng_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

#endif /* ENGINE_H */
