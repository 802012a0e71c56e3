// SPDX-License-Identifier: GPL-2.0
/* threaded=1: what is generated and what is due leaves in kernel threads, as it does in softirqs. */
#include "engine.h"
#include <dirent.h>

FIXTURE(threaded) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a */
	struct xsk y;		/* on b, port 2 */
};

FIXTURE_SETUP(threaded)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .chunks = 512, .fill = 1 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2, .chunks = 512 }));
	ASSERT_EQ(0, et_enter(self->net.a->ns));
}

FIXTURE_TEARDOWN(threaded)
{
	eng_rest();
	EXPECT_EQ(0, eng_conserved(&self->net, &self->x, 1));
	xsk_close(&self->x);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
	EXPECT_EQ(0, eng_kept());
}

/* How often generation's threads were put to sleep by themselves. Return: -1 when there is none. */
static long sleeps(int *threads)
{
	DIR *proc = opendir("/proc");
	char path[300], line[128];
	long total = -1, n;
	struct dirent *d;
	FILE *f;

	*threads = 0;
	while (proc && (d = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/status", d->d_name);
		f = *d->d_name >= '1' && *d->d_name <= '9' ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		/* The rest of its name is cut off. */
		if (fgets(line, sizeof(line), f) && !strncmp(line, "Name:\tnapi/etran-gen", 20)) {
			++*threads;
			while (fgets(line, sizeof(line), f))
				if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
					total = (total < 0 ? 0 : total) + n;
		}
		fclose(f);
	}
	if (proc)
		closedir(proc);
	return total;
}

TEST_F(threaded, generated_packets_leave_from_threads)
{
	struct tt_req r = eng_req(self->net.b, HOLD);
	struct xsk_frame f;
	int threads, i;
	long was, now;
	uint64_t h;

	h = eng_hold(&self->x, 100, &r);
	ASSERT_NE(0, h);
	was = sleeps(&threads);
	EXPECT_LE(sysconf(_SC_NPROCESSORS_ONLN), threads);
	for (i = 0; i < 40; i++) {
		tt->gen_do[i] = (struct tt_gen) {
			.handle = h, .verdict = TX, .daddr = self->net.b->addr, .seq = i,
			.dport = 2, .rx_verdict = 5,
		};
		tt->gen_n = i + 1;
		/* From each CPU. */
		ASSERT_EQ(0, eng_cpu(i));
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_KICK, &r, NULL, 0));
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
		EXPECT_EQ(i, f.tt.seq);
		xsk_fill(&self->y, f.addr / XSK_CHUNK * XSK_CHUNK);
		xsk_complete(&self->x, NULL, 0);
	}
	now = sleeps(&threads);
	/* One run of a thread for each, as the packet before had arrived when it was asked for. */
	EXPECT_LE(was + 30, now);
	EXPECT_EQ(0, eng_do(&self->x, 0, TT_W_RELEASE, 0, h, 0, 0));
}

TEST_F(threaded, times_are_kept_and_queues_served)
{
	struct tt_req r = eng_req(self->net.b, TX);
	uint64_t start, seed = 3;
	struct timespec now;
	struct tt_time t;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	start = now.tv_sec * 1000000000ULL + now.tv_nsec + 300000000;
	r.rx_action = TT_A_TIME;
	r.flags = TT_F_TIME;
	for (i = 0; i < 200; i++) {
		t = (struct tt_time) {
			.departure_ns = start + eng_random(&seed) % 500000000, .flow = i, .seq = 1,
		};
		r.arg = t.departure_ns;
		ASSERT_EQ(0, eng_cpu(i));
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &r, &t, sizeof(t)));
		xsk_complete(&self->x, NULL, 0);
	}
	EXPECT_TRUE(et_wait_for(tt->timed == 200));
	EXPECT_EQ(0, tt->early);
	EXPECT_EQ(0, tt->disorder);
	/* gen pops what egress pushes. */
	r = eng_req(self->net.b, HOLD);
	r.flags |= TT_F_PUSH | TT_F_KICK;
	r.cookie = TT_COOKIE(TT_ACT_SEND, 0, 0);
	tt->gen_pop = TT_QUEUES;
	for (i = 0; i < 200; i++) {
		r.queue = i % TT_QUEUES;
		ASSERT_EQ(0, eng_cpu(i));
		ASSERT_EQ(0, xsk_send(&self->x, 200 + i, TT_SEND, &r, "q", 1));
		xsk_complete(&self->x, NULL, 0);
	}
	/* The last one may have been pushed by egress before it had its packet. */
	ASSERT_EQ(0, xsk_send(&self->x, 500, TT_KICK, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
}

/* One that never stops has a processor as any thread has: others go on, and it is ejected. */
TEST_F(threaded, generation_that_never_ends)
{
	struct tt_req r = eng_req(self->net.b, TX);
	struct etran_exit_record e;
	uint32_t was;
	int i;

	tt->gen_forever = 1;
	ASSERT_EQ(0, eng_cpu(0));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_KICK, &r, NULL, 0));
	was = tt->ingress;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &r, "x", 1));
	EXPECT_TRUE(et_wait_for(tt->ingress != was));
	for (i = 0; i < 20 && tt_transport_id(); i++)
		et_wait_for(!tt_transport_id());
	ASSERT_EQ(0, tt_exit_record(self->net.transport, &e));
	EXPECT_EQ(ETRAN_EXIT_GEN, e.kind);
	tt->gen_forever = 0;
	ASSERT_EQ(0, tt_attach(&self->net));
	xsk_detach(&self->x);
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 0));
}

int main(int argc, char **argv)
{
	tt_params = "threaded=1";
	return tt_main(argc, argv, 16);
}
