// SPDX-License-Identifier: GPL-2.0
/*
 * Filters: what they see, in which order, what becomes of packets that they drop, and that they come,
 * go and fail without hurting the traffic. Host a sends to host b; each packet passes the filters
 * twice, on egress of a and on ingress of b, because both hosts are one machine.
 */
#include "filter_cases.h"

#define MANY	32

static char verifier_log[1 << 18];

/* The verifier's last words are what is asked for. */
static int keep_log(enum libbpf_print_level level, const char *format, va_list ap)
{
	size_t used = strlen(verifier_log);

	if (level == LIBBPF_WARN)
		vsnprintf(verifier_log + used, sizeof(verifier_log) - used, format, ap);
	return 0;
}

FIXTURE(filter) {
	FIXTURE_DATA(net) net;
	struct xsk x;			/* on a, port 1 */
	struct xsk y;			/* on b, port 2 */
	struct tt_req r;		/* to y */
	int trace_fd;
	volatile struct tf_trace *trace;
	struct filter f[MANY];
	struct et_counters before;
};

FIXTURE_SETUP(filter)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	self->r = (struct tt_req) {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .dport = 2,
	};
	self->trace_fd = tf_trace_make();
	ASSERT_LE(0, self->trace_fd);
	self->trace = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, self->trace_fd, 0);
	ASSERT_NE(MAP_FAILED, self->trace);
	ASSERT_EQ(0, et_counters_read(&self->before, ETRAN_COUNTERS_MODULE, 0));
}

FIXTURE_TEARDOWN(filter)
{
	libbpf_set_print(tt_silent);
	for (int i = 0; i < MANY; i++)
		remove_filter(&self->f[i]);
	munmap((void *)self->trace, 4096);
	close(self->trace_fd);
	xsk_close(&self->x);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
}

static int load(FIXTURE_DATA(filter) *self, int n, const char *name, int priority,
		void (*change)(struct shadow *sh))
{
	return tf_load(&self->f[n], n, self->trace_fd, name, priority, change);
}

static int attach(FIXTURE_DATA(filter) *self, int n)
{
	return tf_attach(&self->f[n]);
}

/* Return: 0 once it is attached. */
static int add(FIXTURE_DATA(filter) *self, int n, const char *name, int priority)
{
	return load(self, n, name, priority, NULL) || attach(self, n) ? et_fail("adding %s", name) : 0;
}

static int send_one(FIXTURE_DATA(filter) *self, uint32_t seq)
{
	self->r.seq = seq;
	return xsk_send(&self->x, seq % 16, TT_SEND, &self->r, "filtered", 8) ?
		et_fail("sendto") : 0;
}

/* Return: 0 when that one, and not another, was received. */
static int got(FIXTURE_DATA(filter) *self, uint32_t seq)
{
	struct xsk_frame f;

	if (!xsk_recv(&self->y, &f))
		return et_fail("nothing was received");
	xsk_fill(&self->y, f.addr);
	return f.tt.seq == seq ? 0 : et_fail("received %u, not %u", f.tt.seq, seq);
}

/* By how much a counter of the module has grown in this test. */
static uint64_t grown(FIXTURE_DATA(filter) *self, const char *name)
{
	return et_count(name) - et_value(&self->before, name);
}

/* Sends from a to b without end. Return: its pid. */
static pid_t traffic(FIXTURE_DATA(filter) *self)
{
	struct tt_req r = self->r;
	pid_t pid = fork();

	if (pid)
		return pid;
	r.rx_verdict = 4;	/* CONSUME */
	for (;;) {
		for (int i = 0; i < 8; i++)
			xsk_put(&self->x, i, TT_SEND, &r, "x", 1);
		if (xsk_kick(&self->x))
			_exit(1);
		xsk_complete(&self->x, NULL, 0);
	}
}

/* Return: 0 when it had gone on until now. */
static int traffic_stop(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 0 : et_fail("the traffic ended by itself");
}

/* Whether packets arrive at b's transport now. */
static bool flows(void)
{
	uint32_t was = tt->ingress;

	return et_wait_for(tt->ingress > was + 20);
}

TEST_F(filter, order_is_priority_then_attachment)
{
	static const uint8_t want[] = { 1, 3, 0, 2 };

	ASSERT_EQ(0, add(self, 0, "ten", 10));
	ASSERT_EQ(0, add(self, 1, "lowest", -2147483647 - 1));
	ASSERT_EQ(0, add(self, 2, "tentoo", 10));
	ASSERT_EQ(0, add(self, 3, "zero", 0));
	ASSERT_EQ(0, send_one(self, 1));
	ASSERT_EQ(0, got(self, 1));
	EXPECT_EQ(8, self->trace->n);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(want[i] | TF_EGRESS, self->trace->who[i]);
		EXPECT_EQ(want[i], self->trace->who[4 + i]);
	}
	/* The one in the middle goes. */
	remove_filter(&self->f[0]);
	ASSERT_TRUE(et_wait_for(!attached("ten")));
	self->trace->n = 0;
	ASSERT_EQ(0, send_one(self, 2));
	ASSERT_EQ(0, got(self, 2));
	EXPECT_EQ(6, self->trace->n);
	EXPECT_EQ(1, self->trace->who[3]);
	EXPECT_EQ(3, self->trace->who[4]);
	EXPECT_EQ(2, self->trace->who[5]);
}

TEST_F(filter, filter_is_listed_with_its_properties)
{
	struct etran_filter_info q;
	struct bpf_link_info li = {};
	__u32 len = sizeof(li);
	int mark = et_log_mark(), dev;

	ASSERT_EQ(0, add(self, 0, "tf", -7));
	EXPECT_TRUE(et_log_has(mark, "etran: filter tf attached, priority -7"));
	ASSERT_EQ(0, info("tf", &q));
	EXPECT_EQ(-7, q.priority);
	EXPECT_EQ(ETRAN_FILTER_INGRESS | ETRAN_FILTER_EGRESS, q.directions);
	EXPECT_EQ(ETRAN_FILTER_VERSION, q.ops_version);
	EXPECT_NE(0, q.loaded_ns);
	EXPECT_EQ(0, q.reserved);
	ASSERT_EQ(0, bpf_link_get_info_by_fd(bpf_link__fd(self->f[0].link), &li, &len));
	EXPECT_EQ(li.id, q.link_id);
	EXPECT_EQ(1, self->f[0].tf->init);
	dev = et_device();
	q.id++;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_FILTER, &q));
	EXPECT_EQ(ENOENT, errno);
	close(dev);
	remove_filter(&self->f[0]);
	EXPECT_TRUE(et_wait_for(!attached("tf")));
	EXPECT_TRUE(et_log_has(mark, "etran: filter tf detached"));
}

TEST_F(filter, egress_filter_sees_the_finished_packet)
{
	volatile struct tf_state *tf;
	uint8_t big[1400];
	struct xsk_frame f;
	uint16_t sum;

	ASSERT_EQ(0, add(self, 0, "tf", 0));
	tf = self->f[0].tf;
	/* Looks at the last bytes of the payload, far behind the first 256. */
	for (unsigned int i = 0; i < sizeof(big); i++)
		big[i] = i * 7;
	tf->slice_off = TT_HDRS + sizeof(big) - TF_SLICE;
	tf->in_verdict = 0;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, big, sizeof(big)));
	EXPECT_TRUE(et_wait_for(tf->in == 1));
	EXPECT_EQ(1, tf->out);
	/* Both directions saw the same packet; ingress last. */
	EXPECT_EQ(TT_HDRS + sizeof(big), tf->len);
	EXPECT_EQ(self->net.b->link, tf->link);
	EXPECT_EQ(0, tf->endpoint);
	EXPECT_EQ(ETRAN_FILTER_INGRESS, tf->direction);
	EXPECT_EQ(TT_PROTO, tf->ip_proto);
	EXPECT_EQ(1, tf->sliced);
	EXPECT_EQ(0, memcmp((void *)tf->slice, big + sizeof(big) - TF_SLICE, TF_SLICE));

	tf->out_verdict = 0;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, big, sizeof(big)));
	EXPECT_EQ(2, tf->out);
	EXPECT_EQ(TT_HDRS + sizeof(big), tf->len);
	EXPECT_EQ(self->net.a->link, tf->link);
	EXPECT_EQ(self->x.id, tf->endpoint);
	EXPECT_EQ(ETRAN_FILTER_EGRESS, tf->direction);
	EXPECT_EQ(TT_PROTO, tf->ip_proto);
	EXPECT_EQ(1, tf->sliced);
	EXPECT_EQ(0, memcmp((void *)tf->slice, big + sizeof(big) - TF_SLICE, TF_SLICE));
	/* What the module fills in is there: length, source, checksum. */
	EXPECT_EQ(TT_HDRS + sizeof(big), (unsigned int)(tf->hdr[2] << 8 | tf->hdr[3]));
	EXPECT_EQ(0, memcmp((void *)&tf->hdr[12], &self->net.a->addr, 4));
	sum = ip_sum((void *)tf->hdr, 20);
	EXPECT_EQ(0, sum);

	/* One byte more is not there. */
	tf->slice_off++;
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_SEND, &self->r, big, sizeof(big)));
	EXPECT_EQ(3, tf->out);
	EXPECT_EQ(0, tf->sliced);
	tf->slice_off = ~0u - 3;
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_SEND, &self->r, big, sizeof(big)));
	EXPECT_EQ(4, tf->out);
	EXPECT_EQ(0, tf->sliced);
	EXPECT_EQ(0, xsk_take(&self->y, &f));
}

TEST_F(filter, packets_dropped_on_egress_are_counted)
{
	struct etran_filter_info q;
	int i;

	ASSERT_EQ(0, add(self, 0, "first", 0));
	ASSERT_EQ(0, add(self, 1, "second", 1));
	self->f[0].tf->out_verdict = 0;
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, send_one(self, i));
	EXPECT_EQ(5, grown(self, "packets_built"));
	EXPECT_EQ(5, grown(self, "packets_dropped"));
	EXPECT_EQ(5, grown(self, "packet_filtered"));
	EXPECT_EQ(5, grown(self, "frames_dropped"));
	EXPECT_EQ(5, grown(self, "frame_packet"));
	EXPECT_EQ(5, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "packet_filtered"));
	EXPECT_EQ(5, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x.id));
	EXPECT_EQ(0, grown(self, "rx_packets"));
	ASSERT_EQ(0, info("first", &q));
	EXPECT_EQ(5, q.egress_packets);
	EXPECT_EQ(5, q.egress_dropped);
	EXPECT_EQ(0, q.ingress_packets);
	EXPECT_EQ(0, q.bad_verdicts);
	/* The one behind does not see what was dropped. */
	ASSERT_EQ(0, info("second", &q));
	EXPECT_EQ(0, q.egress_packets);
	EXPECT_EQ(0, self->f[1].tf->out);
	self->f[0].tf->out_verdict = PASS;
	ASSERT_EQ(0, send_one(self, 6));
	ASSERT_EQ(0, got(self, 6));
	ASSERT_EQ(0, info("second", &q));
	EXPECT_EQ(1, q.egress_packets);
	EXPECT_EQ(0, q.egress_dropped);
	EXPECT_EQ(1, q.ingress_packets);
}

TEST_F(filter, packets_dropped_on_ingress_are_counted)
{
	struct etran_filter_info q;
	struct xsk_frame f;
	uint64_t was;
	int i;

	ASSERT_EQ(0, add(self, 0, "first", 0));
	ASSERT_EQ(0, add(self, 1, "second", 1));
	was = et_counter(ETRAN_COUNTERS_LINK, self->net.b->link, "rx_filtered");
	self->f[0].tf->in_verdict = 0;
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, send_one(self, i));
	EXPECT_TRUE(et_wait_for(grown(self, "rx_dropped") == 5));
	EXPECT_EQ(5, grown(self, "rx_packets"));
	EXPECT_EQ(5, grown(self, "rx_filtered"));
	EXPECT_EQ(5, grown(self, "packets_sent"));
	EXPECT_EQ(5, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "rx_filtered"));
	EXPECT_EQ(was + 5, et_counter(ETRAN_COUNTERS_LINK, self->net.b->link, "rx_filtered"));
	ASSERT_EQ(0, info("first", &q));
	EXPECT_EQ(5, q.ingress_packets);
	EXPECT_EQ(5, q.ingress_dropped);
	EXPECT_EQ(5, q.egress_packets);
	EXPECT_EQ(0, q.egress_dropped);
	/* Neither the one behind nor the transport sees them. */
	EXPECT_EQ(0, self->f[1].tf->in);
	EXPECT_EQ(0, tt->ingress);
	EXPECT_EQ(0, xsk_take(&self->y, &f));
}

static void no_ingress(struct shadow *sh) { sh->ingress = NULL; }
static void no_egress(struct shadow *sh) { sh->egress = NULL; }

TEST_F(filter, one_direction_alone_is_enough)
{
	struct etran_filter_info q;

	ASSERT_EQ(0, load(self, 0, "out", 0, no_ingress));
	ASSERT_EQ(0, attach(self, 0));
	ASSERT_EQ(0, send_one(self, 1));
	ASSERT_EQ(0, got(self, 1));
	EXPECT_EQ(1, self->trace->n);
	EXPECT_EQ(TF_EGRESS, self->trace->who[0]);
	ASSERT_EQ(0, info("out", &q));
	EXPECT_EQ(ETRAN_FILTER_EGRESS, q.directions);
	ASSERT_EQ(0, load(self, 1, "in", 0, no_egress));
	ASSERT_EQ(0, attach(self, 1));
	remove_filter(&self->f[0]);
	ASSERT_TRUE(et_wait_for(!attached("out")));
	ASSERT_EQ(0, send_one(self, 2));
	ASSERT_EQ(0, got(self, 2));
	EXPECT_EQ(2, self->trace->n);
	EXPECT_EQ(1, self->trace->who[1]);
}

TEST_F(filter, many_filters_all_run)
{
	char name[ETRAN_NAME_LEN];
	int i;

	for (i = 0; i < MANY; i++) {
		/* In an order of its own: 0, 7, 14 ... */
		snprintf(name, sizeof(name), "many%d", i);
		ASSERT_EQ(0, add(self, i, name, i * 7 % MANY));
	}
	ASSERT_EQ(0, send_one(self, 1));
	ASSERT_EQ(0, got(self, 1));
	ASSERT_EQ(2 * MANY, self->trace->n);
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(i, (self->trace->who[i] & ~TF_EGRESS) * 7 % MANY);
		EXPECT_EQ(i, self->trace->who[MANY + i] * 7 % MANY);
	}
	/* They go one by one, the traffic goes on. */
	for (i = 0; i < MANY; i++) {
		remove_filter(&self->f[i]);
		ASSERT_EQ(0, send_one(self, 2 + i));
		ASSERT_EQ(0, got(self, 2 + i));
	}
}

TEST_F(filter, generated_packets_are_filtered)
{
	struct tt_req kick = {};

	ASSERT_EQ(0, add(self, 0, "tf", 0));
	self->f[0].tf->out_verdict = 0;
	tt->gen_do[0] = (struct tt_gen) {
		.verdict = 1, .link = self->net.a->link, .daddr = self->net.b->addr, .seq = 77,
		.dport = 2, .rx_verdict = 5,
	};
	tt->gen_do[1] = tt->gen_do[0];
	tt->gen_do[1].seq = 78;
	tt->gen_n = 1;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_KICK, &kick, NULL, 0));
	EXPECT_TRUE(et_wait_for(grown(self, "packet_filtered") == 1));
	EXPECT_EQ(1, self->f[0].tf->out);
	EXPECT_EQ(0, self->f[0].tf->endpoint);
	EXPECT_EQ(TT_HDRS, self->f[0].tf->len);
	/* What could be read behind it is nothing of another packet. */
	for (int i = TT_HDRS; i < 64; i++)
		EXPECT_EQ(0, self->f[0].tf->hdr[i]);
	self->f[0].tf->out_verdict = PASS;
	tt->gen_n = 2;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_KICK, &kick, NULL, 0));
	EXPECT_EQ(0, got(self, 78));
	EXPECT_EQ(2, self->f[0].tf->out);
}

TEST_F(filter, icmp_errors_are_filtered)
{
	struct tt_hdr th = {};
	uint8_t pkt[128], *icmp = pkt + 34;
	uint16_t sum;
	int fd, i;

	/* "Port unreachable" from a about a packet that b sent. */
	ASSERT_EQ(0, et_enter(self->net.a->ns));
	fd = raw_open();
	ASSERT_LE(0, fd);
	ASSERT_LT(0, raw_build(pkt, self->net.a, self->net.b, &th, NULL, 0));
	memcpy(icmp + 8, pkt + 14, 28);
	memcpy(icmp + 8 + 12, &self->net.b->addr, 4);
	memcpy(icmp + 8 + 16, &self->net.a->addr, 4);
	memset(icmp, 0, 8);
	icmp[0] = 3;
	icmp[1] = 3;
	sum = ip_sum(icmp, 36);
	icmp[2] = sum >> 8;
	icmp[3] = sum;
	pkt[17] = 56;
	pkt[23] = 1;
	raw_sum(pkt);

	ASSERT_EQ(0, add(self, 0, "tf", 0));
	for (i = 0; i < 2; i++) {
		self->f[0].tf->in_verdict = i ? PASS : 0;
		ASSERT_EQ(70, send(fd, pkt, 70, 0));
		EXPECT_TRUE(et_wait_for(grown(self, i ? "rx_consumed" : "rx_filtered") == 1));
		EXPECT_EQ(i + 1, self->f[0].tf->in);
		EXPECT_EQ(1, self->f[0].tf->protocol);
		EXPECT_EQ(TT_PROTO, self->f[0].tf->ip_proto);
		EXPECT_EQ(i, tt->icmp);
	}
	close(fd);
}

TEST_F(filter, update_replaces_programs_under_traffic)
{
	volatile struct tf_state *old, *new;
	struct etran_filter_info q, was;
	uint32_t n;
	pid_t pid;

	ASSERT_EQ(0, add(self, 0, "tf", 5));
	ASSERT_EQ(0, add(self, 1, "other", 1));
	ASSERT_EQ(0, load(self, 2, "tf", 0, NULL));
	old = self->f[0].tf;
	new = self->f[2].tf;
	pid = traffic(self);
	EXPECT_TRUE(flows());
	ASSERT_EQ(0, info("tf", &was));
	EXPECT_EQ(0, bpf_link__update_map(self->f[0].link, ops_map(&self->f[2])));
	EXPECT_EQ(1, new->init);
	EXPECT_EQ(1, old->exit);
	n = old->in + old->out;
	EXPECT_TRUE(flows());
	EXPECT_EQ(n, old->in + old->out);
	EXPECT_LT(20, new->in);
	EXPECT_LT(20, new->out);
	/* The same filter with another priority; its counters go on. */
	ASSERT_EQ(0, info("tf", &q));
	EXPECT_EQ(was.id, q.id);
	EXPECT_EQ(0, q.priority);
	EXPECT_LT(was.ingress_packets, q.ingress_packets);
	EXPECT_EQ(0, traffic_stop(pid));
	EXPECT_EQ(0, grown(self, "rx_filtered") + grown(self, "packet_filtered"));
	et_wait_for(grown(self, "rx_consumed") == grown(self, "packets_sent"));
	self->trace->n = 0;
	ASSERT_EQ(0, send_one(self, 1));
	ASSERT_EQ(0, got(self, 1));
	EXPECT_EQ(2 | TF_EGRESS, self->trace->who[0]);
	EXPECT_EQ(1 | TF_EGRESS, self->trace->who[1]);
	/* And back. */
	EXPECT_EQ(0, bpf_link__update_map(self->f[0].link, ops_map(&self->f[0])));
	EXPECT_EQ(1, new->exit);
	self->trace->n = 0;
	ASSERT_EQ(0, send_one(self, 2));
	ASSERT_EQ(0, got(self, 2));
	EXPECT_EQ(1 | TF_EGRESS, self->trace->who[0]);
	EXPECT_EQ(0 | TF_EGRESS, self->trace->who[1]);
}

TEST_F(filter, update_to_another_name_is_refused)
{
	ASSERT_EQ(0, add(self, 0, "tf", 0));
	ASSERT_EQ(0, load(self, 1, "other", 0, NULL));
	EXPECT_EQ(-EINVAL, bpf_link__update_map(self->f[0].link, ops_map(&self->f[1])));
	EXPECT_EQ(0, self->f[1].tf->init);
	/* Nor to one whose init fails, which leaves the old one at work. */
	ASSERT_EQ(0, load(self, 2, "tf", 0, NULL));
	self->f[2].tf->init_result = -EPROTO;
	EXPECT_EQ(-EPROTO, bpf_link__update_map(self->f[0].link, ops_map(&self->f[2])));
	EXPECT_EQ(0, self->f[0].tf->exit);
	ASSERT_EQ(0, send_one(self, 1));
	ASSERT_EQ(0, got(self, 1));
	EXPECT_EQ(1, self->f[0].tf->out);
}

TEST_F(filter, filters_come_and_go_under_traffic)
{
	pid_t pid = traffic(self);
	int i;

	EXPECT_TRUE(flows());
	for (i = 0; i < 10; i++) {
		int n = i & 1;

		EXPECT_EQ(0, add(self, n, n ? "odd" : "even", n));
		EXPECT_TRUE(et_wait_for(self->f[n].tf->in > 5 && self->f[n].tf->out > 5));
		remove_filter(&self->f[!n]);
	}
	EXPECT_TRUE(flows());
	EXPECT_EQ(0, traffic_stop(pid));
	EXPECT_EQ(0, grown(self, "rx_filtered") + grown(self, "packet_filtered"));
}

/* Return: 0 when the filter was ejected for what it returned, and with it gone all is well. */
static int ejected(FIXTURE_DATA(filter) *self, uint32_t in, uint32_t out, const char *words)
{
	int mark = et_log_mark();
	uint32_t last;
	pid_t pid;

	if (add(self, 0, "faulty", 0) || add(self, 1, "good", 1))
		return -1;
	pid = traffic(self);
	if (!flows())
		return et_fail("no traffic");
	self->f[0].tf->in_verdict = in;
	self->f[0].tf->out_verdict = out;
	if (!et_wait_for(!attached("faulty")))
		return et_fail("it is still attached");
	if (!et_wait_for(self->f[0].tf->exit == 1))
		return et_fail("its exit was not called");
	last = self->f[0].tf->in + self->f[0].tf->out;
	if (!flows())
		return et_fail("the traffic does not flow without it");
	if (traffic_stop(pid))
		return -1;
	if (self->f[0].tf->in + self->f[0].tf->out != last)
		return et_fail("it still runs");
	if (!attached("good"))
		return et_fail("the good one went too");
	if (!et_log_has(mark, words))
		return et_fail("the log does not say: %s", words);
	remove_filter(&self->f[0]);
	remove_filter(&self->f[1]);
	return 0;
}

TEST_F(filter, bad_verdicts_eject_the_filter)
{
	EXPECT_EQ(0, ejected(self, 1, PASS, "etran: filter faulty ejected: its ingress program returned 1, which is no verdict"));
	EXPECT_LE(1, grown(self, "rx_filtered"));
	EXPECT_EQ(0, grown(self, "packet_filtered"));
	EXPECT_EQ(0, ejected(self, PASS, 0xffffffff, "etran: filter faulty ejected: its egress program returned 4294967295, which"));
	EXPECT_LE(1, grown(self, "packet_filtered"));
	/* It is the filter's fault, not the transport's. */
	EXPECT_EQ(0, grown(self, "bad_verdict"));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "bad_verdict"));
}

TEST_F(filter, first_bad_verdict_is_enough)
{
	struct etran_filter_info q;
	int fd;

	ASSERT_EQ(0, add(self, 0, "tf", 0));
	/* The link outlives the ejection as an empty one. */
	fd = bpf_link__fd(self->f[0].link);
	self->f[0].tf->out_verdict = 2;
	ASSERT_EQ(0, send_one(self, 1));
	EXPECT_TRUE(et_wait_for(info("tf", &q)));
	EXPECT_EQ(1, self->f[0].tf->out);
	EXPECT_EQ(1, grown(self, "packet_filtered"));
	ASSERT_EQ(0, send_one(self, 2));
	ASSERT_EQ(0, got(self, 2));
	EXPECT_EQ(-ENOLINK, bpf_link_update(fd, bpf_map__fd(ops_map(&self->f[0])), NULL));
	/* It can be attached again once it is right. */
	self->f[0].tf->out_verdict = PASS;
	bpf_link__destroy(self->f[0].link);
	ASSERT_EQ(0, attach(self, 0));
	ASSERT_EQ(0, send_one(self, 3));
	ASSERT_EQ(0, got(self, 3));
	EXPECT_EQ(2, self->f[0].tf->out);
}

TEST_F(filter, second_filter_of_the_same_name_is_refused)
{
	ASSERT_EQ(0, add(self, 0, "tf", 0));
	ASSERT_EQ(0, load(self, 1, "tf", 1, NULL));
	libbpf_set_print(keep_log);
	EXPECT_EQ(-1, attach(self, 1));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(0, self->f[1].tf->init);
}

TEST_F(filter, init_that_fails_refuses_the_filter)
{
	ASSERT_EQ(0, load(self, 0, "tf", 0, NULL));
	libbpf_set_print(keep_log);
	self->f[0].tf->init_result = -EPROTO;
	EXPECT_EQ(-1, attach(self, 0));
	EXPECT_EQ(EPROTO, errno);
	self->f[0].tf->init_result = 12345678;	/* no errno */
	EXPECT_EQ(-1, attach(self, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_FALSE(attached("tf"));
	EXPECT_EQ(0, self->f[0].tf->exit);
}

static void no_program(struct shadow *sh) { sh->ingress = NULL; sh->egress = NULL; }
static void empty_name(struct shadow *sh) { memset(sh->name, 0, sizeof(sh->name)); }
static void long_name(struct shadow *sh) { memset(sh->name, 'x', sizeof(sh->name)); }
static void slash_name(struct shadow *sh) { strcpy(sh->name, "a/b"); }
static void version_next(struct shadow *sh) { sh->version = ETRAN_FILTER_VERSION + 1; }
static void version_0(struct shadow *sh) { sh->version = 0; }
static void some_flags(struct shadow *sh) { sh->flags = 1; }

/* Return: 0 when it was refused with EINVAL and, unless NULL, @words in the kernel's log. */
static int refused(FIXTURE_DATA(filter) *self, void (*change)(struct shadow *sh), const char *words)
{
	int mark = et_log_mark();

	libbpf_set_print(keep_log);
	errno = 0;
	if (!load(self, 0, "tf", 0, change) && !attach(self, 0))
		return et_fail("it was attached");
	if (errno != EINVAL)
		return et_fail("it was refused, but not with EINVAL");
	remove_filter(&self->f[0]);
	return !words || et_log_has(mark, words) ? 0 : et_fail("the log does not say: %s", words);
}

TEST_F(filter, faulty_ops_are_refused_with_a_sentence)
{
	static const char name[] = "etran: filter refused: its name must be 1 to 15 of";

	EXPECT_EQ(0, refused(self, no_program, "etran: filter tf refused: it has neither ingress nor egress"));
	EXPECT_EQ(0, refused(self, empty_name, name));
	EXPECT_EQ(0, refused(self, long_name, name));
	EXPECT_EQ(0, refused(self, slash_name, name));
	EXPECT_EQ(0, refused(self, version_next, "etran: filter refused: built for etran_filter_ops version 2, this is 1; rebuild it"));
	EXPECT_EQ(0, refused(self, version_0, "etran: filter refused: built for etran_filter_ops version 0"));
	EXPECT_EQ(0, refused(self, some_flags, NULL));
}

/* Loads one ops of tf_refused.bpf.c. Return: 0 when it was refused with @words in the log. */
static int bad_program(const char *ops, const char *words)
{
	struct bpf_object *o = bpf_object__open_file(et_path("tf_refused.bpf.o"), NULL);
	struct bpf_map *m;
	int err;

	if (!o)
		return et_fail("tf_refused.bpf.o");
	bpf_object__for_each_map(m, o)
		if (strcmp(bpf_map__name(m), ops))
			bpf_map__set_autocreate(m, false);
	verifier_log[0] = 0;
	libbpf_set_print(keep_log);
	err = bpf_object__load(o);
	bpf_object__close(o);
	if (!err)
		return et_fail("%s was loaded", ops);
	if (!strstr(verifier_log, words)) {
		printf("%s", verifier_log);
		return et_fail("%s was refused, but not with '%s'", ops, words);
	}
	return 0;
}

TEST_F(filter, sleepable_program_is_refused)
{
	EXPECT_EQ(0, bad_program("sleepable", "attach to unsupported member egress of struct etran_filter_ops"));
}

TEST_F(filter, writes_are_refused)
{
	EXPECT_EQ(0, bad_program("writes_hdr", "etran: write of 1 bytes at offset 1: filters can only read"));
	EXPECT_EQ(0, bad_program("writes_pkt", "etran: write of 4 bytes at offset 4: filters can only read"));
	EXPECT_EQ(0, bad_program("writes_slice", "cannot write into rdonly_mem"));
}

TEST_F(filter, reads_beyond_the_slice_are_refused)
{
	EXPECT_EQ(0, bad_program("unchecked_slice", "invalid mem access 'rdonly_mem_or_null'"));
	EXPECT_EQ(0, bad_program("beyond_slice", "invalid access to memory, mem_size=4 off=4 size=1"));
}

TEST_F(filter, kfuncs_of_transports_are_refused)
{
	EXPECT_EQ(0, bad_program("kicks", "calling kernel function bpf_etran_gen_kick is not allowed"));
	EXPECT_EQ(0, bad_program("releases", "calling kernel function bpf_etran_release is not allowed"));
	EXPECT_EQ(0, bad_program("notifies", "calling kernel function bpf_etran_notify is not allowed"));
	EXPECT_EQ(0, bad_program("transports_slice", "calling kernel function bpf_etran_slice is not allowed"));
}

TEST_F(filter, kfunc_of_filters_is_refused_to_transports)
{
	EXPECT_EQ(0, bad_program("filters_slice", "calling kernel function bpf_etran_filter_slice is not allowed"));
}

/* ---- frames that do not leave at once ---- */

static int begin(struct filter_case *c, FIXTURE_DATA(filter) *self)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	if (!et_wait_for(et_count("channels") == 0) ||
	    et_enter(self->net.b->ns) ||
	    xsk_open(&self->y, &(struct xsk_config) { .port = 2 }) ||
	    et_enter(self->net.a->ns) ||
	    xsk_open(&self->x, &(struct xsk_config) { .port = 1, .chunks = 256 }))
		return -1;
	return fc_begin(c, &self->x, &self->y, self->net.a->addr, self->net.b->addr);
}

FILTER_CASES(filter, begin)

TT_MAIN(16)
