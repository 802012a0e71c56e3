// SPDX-License-Identifier: GPL-2.0
/*
 * A transport that does wrong is ejected, and nothing else suffers; and no transport gets at what
 * is another's.
 */
#include "ops.h"
#include <linux/netlink.h>

#define OTHER_NAME	"other"
#define OTHER_PROTO	252

FIXTURE(eject) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a, port 1 */
	struct tt_req r;
	struct bpf_object *o;	/* the other transport, if there is one */
	struct bpf_link *link;
	volatile struct tt_state *tt2;
};

FIXTURE_SETUP(eject)
{
	net_setup(_metadata, &self->net, NULL);
	self->o = NULL;
	self->link = NULL;
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	self->r = (struct tt_req) {
		.daddr = self->net.b->addr, .cookie = 5, .verdict = 2, .flags = TT_F_HOLD,
	};
}

FIXTURE_TEARDOWN(eject)
{
	libbpf_set_print(tt_silent);
	xsk_close(&self->x);
	bpf_link__destroy(self->link);
	bpf_object__close(self->o);
	net_teardown(_metadata, &self->net, NULL);
}

/* Loads tt2 as a transport of its own beside tt. */
static int other(FIXTURE_DATA(eject) *self, uint32_t timeout_ms)
{
	struct bpf_map *m;
	struct shadow *sh;
	size_t size;

	self->o = open_one("tt2.bpf.o", "tt_ops", &sh);
	if (!self->o)
		return -1;
	strcpy(sh->name, OTHER_NAME);
	sh->ip_proto = OTHER_PROTO;
	sh->timeout_ms = timeout_ms;
	if (bpf_object__load(self->o))
		return et_fail("loading the other transport: %s", verifier_log);
	bpf_object__for_each_map(m, self->o)
		if (strstr(bpf_map__name(m), ".bss"))
			self->tt2 = bpf_map__initial_value(m, &size);
	self->tt2->proto = OTHER_PROTO;
	self->link = attach_one(self->o, "tt_ops");
	return self->link ? 0 : et_fail("attaching the other transport");
}

static uint32_t other_id(void)
{
	struct etran_transport_info q = {};
	int dev = et_device();
	uint32_t id = 0;

	while (!ioctl(dev, ETRAN_IOC_TRANSPORT, &q)) {
		if (!strcmp(q.name, OTHER_NAME))
			id = q.id;
		q.id++;
	}
	close(dev);
	return id;
}

/* The link is detached: who polls it knows. */
static bool hung_up(struct bpf_link *link)
{
	struct pollfd p = { .fd = bpf_link__fd(link) };

	return poll(&p, 1, ET_PATIENCE_MS) == 1 && (p.revents & POLLHUP);
}

/* What comes from b for the transport is now the kernel's: a sees it. */
static int passes(FIXTURE_DATA(eject) *self)
{
	struct tt_hdr th = { .verdict = 0 };
	int a, b, len, n;
	uint8_t pkt[256], buf[256];
	uint64_t was = et_count("rx_packets");

	a = raw_open();
	if (a < 0 || et_enter(self->net.b->ns))
		return -1;
	b = raw_open();
	if (b < 0 || et_enter(self->net.a->ns))
		return -1;
	len = raw_build(pkt, self->net.b, self->net.a, &th, NULL, 0);
	raw_sum(pkt);
	if (send(b, pkt, len, 0) != len)
		return et_fail("AF_PACKET send");
	n = raw_recv(a, TT_PROTO, buf, sizeof(buf));
	close(a);
	close(b);
	if (n != len)
		return et_fail("the packet was not passed");
	return et_count("rx_packets") == was ? 0 : et_fail("it went to a transport");
}

TEST_F(eject, everything_is_told_and_given_back)
{
	struct pollfd p = { .fd = self->x.ep, .events = POLLIN };
	struct tt_req r = { .seq = 0 };
	struct etran_exit_record rec;
	int mark = et_log_mark();

	/* Two frames are held when it happens. */
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(2, self->x.status->held);
	tt->error_in = 1 << TT_IN_EGRESS;
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_NOTHING, &r, NULL, 0));
	EXPECT_EQ(0, tt->result);
	ASSERT_TRUE(hung_up(self->net.link));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1000, "program 0 gives up"));
	ASSERT_EQ(0, tt_exit_record(self->net.transport, &rec));
	EXPECT_EQ(2, rec.frames);
	EXPECT_EQ(TT_PROTO, rec.ip_proto);
	EXPECT_LT(rec.loaded_ns, rec.ended_ns);
	/* Three runs of egress on one CPU, the endpoint's opening before. */
	EXPECT_EQ(0, strncmp(rec.last, "CPU ", 4));
	EXPECT_NE(NULL, strstr(rec.last, "egress"));
	EXPECT_NE(NULL, strstr(rec.last, "endpoint_open"));
	EXPECT_EQ(1, tt->exit);
	EXPECT_EQ(ETRAN_EXIT_PROGRAM, tt->exit_kind);
	EXPECT_EQ(-1000, tt->exit_code);
	EXPECT_EQ(0, strcmp("program 0 gives up", (char *)tt->exit_msg));
	EXPECT_TRUE(et_log_has(mark, "etran: transport tt ejected: program 0 gives up (program, code -1000; last programs: CPU "));
	/* The application. */
	EXPECT_EQ(0, self->x.status->held);
	EXPECT_EQ(0, self->x.busy[0]);
	EXPECT_EQ(ETRAN_STATUS_NO_TRANSPORT, self->x.status->flags);
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLERR | POLLHUP, p.revents & (POLLERR | POLLHUP));
	/* The network. */
	EXPECT_EQ(0, passes(self));
	EXPECT_EQ(0, tt->ingress);
	/* It can come again. */
	tt->error_in = 0;
	ASSERT_EQ(0, tt_attach(&self->net));
	xsk_detach(&self->x);
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_NOTHING, &r, NULL, 0));
	EXPECT_EQ(2, tt->exit + 1);
}

TEST_F(eject, only_the_first_error_counts)
{
	struct tt_req r = {};
	int i;

	tt->error_in = 1 << TT_IN_EGRESS;
	/* In one run, so that the later ones come before it is detached. */
	for (i = 0; i < 8; i++)
		xsk_put(&self->x, i, TT_NOTHING, &r, NULL, 0);
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1000, "program 0 gives up"));
	/* The programs pointer went with the first. */
	EXPECT_EQ(1, tt->egress);
	EXPECT_EQ(1, tt->exit);
	EXPECT_EQ(7, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped") - 1);
}

TEST_F(eject, error_in_ingress)
{
	struct tt_hdr th = { .verdict = 0 };
	uint8_t pkt[256];
	int b, len;

	ASSERT_EQ(0, et_enter(self->net.b->ns));
	b = raw_open();
	ASSERT_EQ(0, et_enter(self->net.a->ns));
	len = raw_build(pkt, self->net.b, self->net.a, &th, NULL, 0);
	raw_sum(pkt);
	tt->error_in = 1 << TT_IN_INGRESS;
	EXPECT_EQ(len, send(b, pkt, len, 0));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1001, "program 1 gives up"));
	EXPECT_EQ(1, tt->ingress);
	EXPECT_EQ(0, passes(self));
	close(b);
}

TEST_F(eject, error_in_gen)
{
	struct tt_req r = {};

	tt->error_in = 1 << TT_IN_GEN;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_KICK, &r, NULL, 0));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1002, "program 2 gives up"));
	EXPECT_EQ(0, passes(self));
}

TEST_F(eject, error_in_endpoint_open)
{
	struct etran_endpoint_open o = { .transport = TT_NAME, .xsk_fd = self->x.fd, .port = 7 };
	int dev = et_device(), ep;

	tt->error_in = 1 << TT_IN_OPEN;
	ep = ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o);
	/* The program did not refuse this one. */
	EXPECT_LE(0, ep);
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1003, "program 3 gives up"));
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(ENOENT, errno);
	close(ep);
	close(dev);
}

TEST_F(eject, error_in_endpoint_bind)
{
	struct etran_endpoint_bind b = { .port = 9 };

	tt->error_in = 1 << TT_IN_BIND;
	EXPECT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_BIND, &b));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1004, "program 4 gives up"));
	EXPECT_EQ(-1, ioctl(self->x.ep, ETRAN_IOC_BIND, &b));
	EXPECT_EQ(ESHUTDOWN, errno);
}

TEST_F(eject, error_in_endpoint_close)
{
	tt->error_in = 1 << TT_IN_CLOSE;
	xsk_detach(&self->x);
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1005, "program 5 gives up"));
}

TEST_F(eject, error_in_init_refuses_with_a_reason)
{
	struct etran_exit_record r;
	uint32_t id = self->net.transport;

	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	ASSERT_TRUE(et_wait_for(!tt_transport_id()));
	tt->error_in = 1 << TT_IN_INIT;
	libbpf_set_print(keep_log);
	EXPECT_EQ(NULL, bpf_map__attach_struct_ops(tt_map(tt_object)));
	EXPECT_EQ(ECANCELED, errno);
	tt->error_in = 0;
	EXPECT_EQ(0, tt_transport_id());
	ASSERT_EQ(0, tt_exit_record(id + 1, &r));
	EXPECT_EQ(ETRAN_EXIT_PROGRAM, r.kind);
	EXPECT_EQ(-1006, r.code);
	EXPECT_EQ(0, strcmp("program 6 gives up", r.msg));
	ASSERT_EQ(0, tt_attach(&self->net));
}

TEST_F(eject, error_in_a_timer)
{
	struct tt_req r = {};

	tt->timer_do = TT_TIMER_ERROR;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_TIMER, &r, NULL, 0));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1007, "program 7 gives up"));
	EXPECT_EQ(0, tt->timer_result);
	EXPECT_EQ(0, passes(self));
}

TEST_F(eject, wrong_answers_of_endpoint_programs)
{
	struct etran_endpoint_open o = { .transport = TT_NAME, .xsk_fd = self->x.fd, .port = 7 };
	struct etran_endpoint_bind b = { .port = 9 };
	int dev = et_device();

	tt->open_result = 17;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, 17,
		"endpoint_open returned 17, which is neither 0 nor a negative errno"));
	tt->open_result = 0;
	ASSERT_EQ(0, tt_attach(&self->net));
	xsk_detach(&self->x);
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
	tt->bind_result = -5000;
	EXPECT_EQ(-1, ioctl(self->x.ep, ETRAN_IOC_BIND, &b));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, -5000,
		"endpoint_bind returned -5000, which is neither 0 nor a negative errno"));
	close(dev);
}

TEST_F(eject, generation_that_never_ends)
{
	struct etran_exit_record r;
	struct tt_req q = {};

	tt->gen_forever = 1;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_KICK, &q, NULL, 0));
	/* A million calls take their time where the processor is emulated. */
	for (int i = 0; i < 20 && tt_transport_id(); i++)
		et_wait_for(!tt_transport_id());
	ASSERT_EQ(0, tt_exit_record(self->net.transport, &r));
	EXPECT_EQ(ETRAN_EXIT_GEN, r.kind);
	EXPECT_LT(1 << 20, r.code);
	EXPECT_EQ(0, strncmp("gen was called ", r.msg, 15));
	EXPECT_NE(NULL, strstr(r.msg, " ms without making a packet or saying stop"));
	EXPECT_NE(NULL, strstr(r.last, "gen gen gen"));
	EXPECT_EQ(0, passes(self));
}

/* gen sends for ever to an address that is nobody's, so that nothing comes back. */
static int sends_for_ever(FIXTURE_DATA(eject) *self)
{
	if (et_sh("ip neigh replace 10.0.0.77 lladdr " ET_MAC_B " nud permanent dev veth0"))
		return -1;
	tt->coalesce_daddr = inet_addr("10.0.0.77");
	tt->coalesce_link = self->net.a->link;
	tt->gen_forever = 2;
	return xsk_send(&self->x, 0, TT_KICK, &(struct tt_req) {}, NULL, 0) ? -1 : 0;
}

TEST_F_TIMEOUT(eject, packets_without_end_for_nobody, 120)
{
	uint64_t begin, made, sent;
	struct etran_exit_record r;
	struct tt_req q = { .daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 4 };
	struct xsk z;
	int i;

	/* Another transport, that does what it should meanwhile, gen included. */
	ASSERT_EQ(0, other(self, 0));
	ASSERT_EQ(0, xsk_open(&z, &(struct xsk_config) {
		.queue = 1, .no_endpoint = true, .chunks = 128,
	}));
	ASSERT_EQ(0, xsk_attach(&z, OTHER_NAME, 3));
	self->tt2->coalesce = 1;
	self->tt2->coalesce_daddr = self->net.b->addr;
	self->tt2->coalesce_link = self->net.a->link;
	begin = et_now_ms();
	ASSERT_EQ(0, sends_for_ever(self));
	ASSERT_TRUE(et_wait_for(et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
					   "gen_packets") > 1000));
	sent = et_counter(ETRAN_COUNTERS_TRANSPORT, other_id(), "packets_sent");
	for (i = 0; i < 20 && tt_transport_id(); i++) {
		made = self->tt2->gen;
		self->tt2->pending = 1;
		/* EAGAIN: the device is full, the module goes on by itself. */
		xsk_put(&z, 2 * i, TT_SEND, &q, "x", 1);
		xsk_put(&z, 2 * i + 1, TT_KICK, &q, NULL, 0);
		sendto(z.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		ASSERT_TRUE(et_wait_for(self->tt2->gen != made && !self->tt2->pending));
		usleep(100000);
	}
	EXPECT_EQ(20, i);
	/* Each time a frame and what gen made; the backlog may still have the last ones. */
	EXPECT_TRUE(et_wait_for(et_counter(ETRAN_COUNTERS_TRANSPORT, other_id(),
					   "packets_sent") == sent + 40));

	while (tt_transport_id() && et_now_ms() - begin < 60000)
		usleep(100000);
	ASSERT_EQ(0, tt_exit_record(self->net.transport, &r));
	EXPECT_EQ(ETRAN_EXIT_GEN, r.kind);
	EXPECT_LT(1000, r.code);
	EXPECT_NE(NULL, strstr(r.msg, " ms and never said stop, while no frame and no packet came in"));
	EXPECT_LE(10000000000ULL, r.ended_ns - r.loaded_ns);
	EXPECT_NE(0, other_id());
	xsk_close(&z);
	EXPECT_EQ(0, et_sh("ip neigh del 10.0.0.77 dev veth0"));
}

/* As long as somebody submits frames it may be just that busy. */
TEST_F_TIMEOUT(eject, packets_without_end_for_somebody, 120)
{
	struct tt_req q = { .daddr = self->net.b->addr, .verdict = 0 };
	uint64_t end = et_now_ms() + 25000;

	ASSERT_EQ(0, sends_for_ever(self));
	while (et_now_ms() < end) {
		ASSERT_EQ(0, xsk_send(&self->x, 1, TT_NOTHING, &q, NULL, 0));
		xsk_complete(&self->x, NULL, 0);
		usleep(200000);
	}
	EXPECT_EQ(self->net.transport, tt_transport_id());
	EXPECT_LT(1000, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "gen_packets"));
	/* And one that says stop is none, whatever it sent. */
	tt->gen_forever = 0;
	EXPECT_TRUE(et_wait_for(({ uint32_t was = tt->gen; usleep(20000); was == tt->gen; })));
	EXPECT_EQ(self->net.transport, tt_transport_id());
	EXPECT_EQ(0, et_sh("ip neigh del 10.0.0.77 dev veth0"));
}

TEST_F(eject, packet_queues_that_are_misused)
{
	struct tt_req r = { .seq = TT_QUEUES + 3 };
	struct etran_exit_record rec;
	struct bpf_object *o;
	struct shadow *sh;
	uint32_t id;

	/* It has fewer. */
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_PUSH, &r, NULL, 0));
	EXPECT_EQ(-EINVAL, tt->result);
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_QUEUE, TT_QUEUES + 3,
				"packet queue 11 was used, there are 8"));
	ASSERT_EQ(0, tt_attach(&self->net));
	xsk_detach(&self->x);
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_POP, &r, NULL, 0));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_QUEUE, TT_QUEUES + 3,
				"packet queue 11 was used, there are 8"));

	/* One that has two: flags that there are not. */
	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	sh->queues = 2;
	sh->queue_depth = 4;
	ASSERT_EQ(0, bpf_object__load(o));
	self->o = o;
	self->link = attach_one(o, "tt_ops");
	ASSERT_NE(NULL, self->link);
	id = tt_transport_id();
	ASSERT_NE(0, id);
	xsk_detach(&self->x);
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
	r.seq = 1;
	/* A handle of no frame is none: not misuse. */
	r.prev = 4711;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_PUSH, &r, NULL, 0));
	EXPECT_EQ(id, tt_transport_id());
	r.dport = 77;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_PUSH, &r, NULL, 0));
	ASSERT_TRUE(et_wait_for(!tt_exit_record(id, &rec)));
	EXPECT_EQ(ETRAN_EXIT_QUEUE, rec.kind);
	EXPECT_EQ(77, rec.code);
	EXPECT_EQ(0, strcmp("bpf_etran_queue_push() was given unknown flags 0x4d", rec.msg));
}

/* The other transport, with a watchdog of 400 ms, and a socket of it. Return: its id; 0: none. */
static uint32_t watched(FIXTURE_DATA(eject) *self, struct xsk *z)
{
	if (other(self, 400) ||
	    xsk_open(z, &(struct xsk_config) { .queue = 1, .no_endpoint = true }) ||
	    xsk_attach(z, OTHER_NAME, 3))
		return 0;
	return other_id();
}

/* Waits for its end. Return: 0 when that was its watchdog's doing. */
static int barked(uint32_t id, struct etran_exit_record *rec)
{
	if (!et_wait_for(!other_id()) || tt_exit_record(id, rec))
		return et_fail("the watchdog did nothing");
	if (rec->kind != ETRAN_EXIT_WATCHDOG || rec->code <= 400)
		return et_fail("kind %u, code %lld", rec->kind, (long long)rec->code);
	return 0;
}

TEST_F(eject, frame_that_nobody_releases)
{
	struct tt_req r = self->r;
	struct etran_exit_record rec;
	uint32_t id;
	struct xsk z;
	int i;

	id = watched(self, &z);
	ASSERT_NE(0, id);
	ASSERT_EQ(0, xsk_send(&z, 0, TT_SEND, &r, "x", 1));
	ASSERT_NE(0, self->tt2->handle[0]);
	/* tt has no watchdog. */
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
	/* As long as somebody asks for it, it stays. */
	r.prev = self->tt2->handle[0];
	for (i = 0; i < 15; i++) {
		ASSERT_EQ(0, xsk_send(&z, 1, TT_COOKIE, &r, NULL, 0));
		ASSERT_EQ(5, self->tt2->result);
		usleep(100000);
	}
	EXPECT_EQ(id, other_id());
	ASSERT_EQ(0, barked(id, &rec));
	EXPECT_NE(NULL, strstr(rec.msg, " ms without being touched, timeout_ms is 400"));
	EXPECT_EQ(1, rec.frames);
	EXPECT_EQ(0, z.status->held);
	EXPECT_EQ(1, self->x.status->held);
	EXPECT_NE(0, tt_transport_id());
	xsk_close(&z);
}

TEST_F(eject, frame_in_a_queue_that_nobody_serves)
{
	struct tt_req r = self->r, ask = { .seq = 3 };
	struct etran_exit_record rec;
	uint32_t id;
	struct xsk z;
	int i;

	id = watched(self, &z);
	ASSERT_NE(0, id);
	r.flags |= TT_F_PUSH;
	r.queue = 3;
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, xsk_send(&z, i, TT_SEND, &r, "x", 1));
	ASSERT_EQ(0, self->tt2->result);
	/* As long as one is taken now and then, the others wait. */
	for (i = 0; i < 12; i++) {
		usleep(100000);
		ASSERT_EQ(0, xsk_send(&z, 30, TT_POP, &ask, NULL, 0));
		ASSERT_NE(0, self->tt2->result);
		ask.prev = self->tt2->result;
		ASSERT_EQ(0, xsk_send(&z, 30, TT_RELEASE, &ask, NULL, 0));
		ASSERT_EQ(0, self->tt2->result);
	}
	EXPECT_EQ(id, other_id());
	/* Another queue that is asked is none of theirs. */
	ask.seq = 4;
	for (i = 0; i < 20 && other_id(); i++) {
		ASSERT_EQ(0, xsk_send(&z, 30, TT_POP, &ask, NULL, 0));
		usleep(100000);
	}
	ASSERT_EQ(0, barked(id, &rec));
	EXPECT_EQ(0, strncmp("a frame waited ", rec.msg, 15));
	EXPECT_NE(NULL, strstr(rec.msg, " ms in packet queue 3, which nobody served, timeout_ms is 400"));
	EXPECT_EQ(8, rec.frames);
	EXPECT_EQ(0, z.status->held);
	xsk_close(&z);
}

TEST_F(eject, frame_that_waits_for_its_time_is_not_judged_until_then)
{
	struct tt_req r = self->r;
	struct etran_exit_record rec;
	uint64_t begin;
	uint32_t id;
	struct xsk z;

	id = watched(self, &z);
	ASSERT_NE(0, id);
	r.verdict = 1 | 0x100;	/* TX, RETAIN */
	r.rx_verdict = 4;
	r.flags |= TT_F_DELAY;
	r.arg = 2000000000;
	begin = et_now_ms();
	ASSERT_EQ(0, xsk_send(&z, 0, TT_SEND, &r, "x", 1));
	ASSERT_EQ(1, z.status->held);
	/* Then it is retained, and nobody cares. */
	while (other_id() && et_now_ms() - begin < 20000)
		usleep(10000);
	EXPECT_LE(2400, et_now_ms() - begin);
	ASSERT_EQ(0, tt_exit_record(id, &rec));
	EXPECT_EQ(ETRAN_EXIT_WATCHDOG, rec.kind);
	EXPECT_LT(400, rec.code);
	EXPECT_GT(2000, rec.code);
	EXPECT_NE(NULL, strstr(rec.msg, "a frame was held for "));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, z.id, "frames_transmitted"));
	xsk_close(&z);
}

TEST_F(eject, uevent_is_sent)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct tt_req r = {};
	char buf[4096], *at;
	bool found = false;
	int n, bits = 0;

	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
	tt->error_in = 1 << TT_IN_EGRESS;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_NOTHING, &r, NULL, 0));
	while (!found && poll(&p, 1, ET_PATIENCE_MS) == 1) {
		n = recv(fd, buf, sizeof(buf) - 1, 0);
		ASSERT_LT(0, n);
		buf[n] = 0;
		bits = 0;
		for (at = buf; at < buf + n; at += strlen(at) + 1) {
			found |= !strcmp(at, "ETRAN_EVENT=eject");
			bits |= !strcmp(at, "TRANSPORT=tt") << 0;
			bits |= !strcmp(at, "KIND=program") << 1;
			bits |= !strcmp(at, "CODE=-1000") << 2;
			bits |= !strcmp(at, "MESSAGE=program 0 gives up") << 3;
			bits |= !strcmp(at, "DEVNAME=etran") << 4;
		}
	}
	EXPECT_TRUE(found);
	EXPECT_EQ(0x1f, bits);
	/* It comes when all is over. */
	EXPECT_EQ(0, tt_transport_id());
	close(fd);
}

TEST_F(eject, the_latest_sixteen_ends_are_on_record)
{
	struct etran_exit_record r = {}, last = {};
	int i, n = 0, dev = et_device();

	xsk_detach(&self->x);
	for (i = 0; i < 18; i++)
		ASSERT_EQ(0, tt_attach(&self->net));
	while (!ioctl(dev, ETRAN_IOC_EXIT, &r)) {
		if (n++) {
			EXPECT_EQ(last.id + 1, r.id);
			EXPECT_LT(last.ended_ns, r.ended_ns);
		}
		EXPECT_EQ(ETRAN_EXIT_UNLOAD, r.kind);
		EXPECT_EQ(0, r.code);
		EXPECT_EQ(0, strcmp("", r.msg));
		last = r;
		r.id++;
	}
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(16, n);
	EXPECT_EQ(self->net.transport - 1, last.transport);
	close(dev);
}

TEST_F(eject, other_transport_does_not_notice)
{
	struct tt_req r = { .daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 4 };
	uint64_t egress;
	struct xsk z;
	int i;

	ASSERT_EQ(0, other(self, 0));
	ASSERT_EQ(0, xsk_open(&z, &(struct xsk_config) { .queue = 1, .no_endpoint = true }));
	ASSERT_EQ(0, xsk_attach(&z, OTHER_NAME, 3));
	for (i = 0; i < 5; i++) {
		r.verdict = 1;
		ASSERT_EQ(0, xsk_send(&z, 0, TT_SEND, &r, "x", 1));
		r.verdict = 77;
		ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
		r.verdict = 1;
		ASSERT_EQ(0, xsk_send(&z, 0, TT_SEND, &r, "x", 1));
		ASSERT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, 77,
					"egress returned 77, which is no verdict there"));
		ASSERT_EQ(0, tt_attach(&self->net));
		xsk_detach(&self->x);
		ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
	}
	egress = self->tt2->egress;
	EXPECT_EQ(10, egress);
	EXPECT_EQ(0, self->tt2->exit);
	EXPECT_EQ(0, z.status->flags);
	EXPECT_EQ(10, et_counter(ETRAN_COUNTERS_ENDPOINT, z.id, "frames_accepted"));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_TRANSPORT, other_id()));
	xsk_close(&z);
}

/* Runs @op of the other transport. Return: its result. */
static int64_t ask(FIXTURE_DATA(eject) *self, struct xsk *z, unsigned int op, uint64_t handle)
{
	struct tt_req r = { .prev = handle };

	self->tt2->result = 4711;
	if (xsk_send(z, 9, op, &r, NULL, 0))
		return 4712;
	return self->tt2->result;
}

/* The same from a timer of @st, which the transport of @z arms. */
static int64_t ask_timer(volatile struct tt_state *st, struct xsk *z, uint32_t what,
			 uint64_t arg)
{
	struct tt_req r = {};
	uint32_t was = st->timer_fired;

	st->timer_do = what;
	st->timer_arg = arg;
	st->timer_result = 4711;
	if (xsk_send(z, 9, TT_TIMER, &r, NULL, 0) || !et_wait_for(st->timer_fired != was))
		return 4712;
	return st->timer_result;
}

TEST_F(eject, handles_of_another_transport_are_refused)
{
	struct tt_req r = self->r;
	uint64_t handle;
	struct xsk z;

	ASSERT_EQ(0, other(self, 0));
	ASSERT_EQ(0, xsk_open(&z, &(struct xsk_config) { .queue = 1, .no_endpoint = true }));
	ASSERT_EQ(0, xsk_attach(&z, OTHER_NAME, 3));
	/* Two frames of tt, linked. */
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
	handle = tt->handle[0];
	ASSERT_NE(0, handle);
	r.prev = handle;
	r.slot = 1;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &r, "x", 1));
	ASSERT_NE(0, tt->handle[1]);

	EXPECT_EQ(-ESTALE, ask(self, &z, TT_RELEASE, handle));
	EXPECT_EQ(-ESTALE, ask(self, &z, TT_RELEASE_CHAIN, handle));
	EXPECT_EQ(0, ask(self, &z, TT_NEXT, handle));
	EXPECT_EQ(0, ask(self, &z, TT_COOKIE, handle));
	EXPECT_EQ(-ESTALE, ask_timer(self->tt2, &z, TT_TIMER_RELEASE, handle));
	EXPECT_EQ(0, ask_timer(self->tt2, &z, TT_TIMER_COOKIE, handle));
	EXPECT_EQ(0, ask_timer(self->tt2, &z, TT_TIMER_NEXT, handle));
	/* gen */
	self->tt2->gen_do[0] = (struct tt_gen) { .handle = handle, .loaded = 1 };
	self->tt2->gen_n = 1;
	ask(self, &z, TT_KICK, 0);
	EXPECT_TRUE(et_wait_for(self->tt2->gen_do[0].loaded != 1));
	EXPECT_EQ(-ESTALE, self->tt2->gen_do[0].loaded);
	EXPECT_EQ(2, self->x.status->held);
	/* Its own transport can, from programs and timers. */
	EXPECT_EQ(5, ask_timer(tt, &self->x, TT_TIMER_COOKIE, handle));
	EXPECT_EQ((int64_t)tt->handle[1], ask_timer(tt, &self->x, TT_TIMER_NEXT, handle));
	EXPECT_EQ(0, ask_timer(tt, &self->x, TT_TIMER_RELEASE, handle));
	EXPECT_EQ(-ESTALE, ask_timer(tt, &self->x, TT_TIMER_RELEASE, handle));
	EXPECT_EQ(1, self->x.status->held);
	xsk_close(&z);
}

TEST_F(eject, handle_of_another_transport_on_the_same_socket_is_refused)
{
	struct etran_endpoint_open o = { .transport = OTHER_NAME, .xsk_fd = self->x.fd, .port = 3 };
	struct tt_req r = self->r;
	uint32_t own = self->x.id;
	int dev = et_device(), ep;

	ASSERT_EQ(0, other(self, 0));
	ep = ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o);
	ASSERT_LE(0, ep);
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
	ASSERT_NE(0, tt->handle[0]);
	/* A chain cannot lead from one transport's frame to the other's. */
	r.prev = tt->handle[0];
	r.verdict = 0;
	self->x.id = o.id;
	self->tt2->handle[0] = 1;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &r, "x", 1));
	EXPECT_EQ(1, self->tt2->egress);
	EXPECT_EQ(0, self->tt2->handle[0]);
	r.prev = 0;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &r, "x", 1));
	EXPECT_NE(0, self->tt2->handle[0]);
	self->x.id = own;
	close(ep);
	close(dev);
}

TEST_F(eject, endpoints_of_another_transport_are_refused)
{
	struct tt_req r = { .seq = self->x.id };
	struct xsk_frame f;
	struct xsk z;

	ASSERT_EQ(0, other(self, 0));
	ASSERT_EQ(0, xsk_open(&z, &(struct xsk_config) { .queue = 1, .no_endpoint = true }));
	ASSERT_EQ(0, xsk_attach(&z, OTHER_NAME, 3));
	ASSERT_EQ(0, xsk_send(&z, 0, TT_NOTIFY, &r, NULL, 0));
	EXPECT_EQ(-ENOENT, self->tt2->notify);
	self->tt2->notify = 1;
	ASSERT_EQ(0, xsk_send(&z, 0, TT_TIMER, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(self->tt2->timer_fired));
	EXPECT_EQ(-ENOENT, self->tt2->notify);
	EXPECT_EQ(0, xsk_take(&self->x, &f));
	r.seq = z.id;
	ASSERT_EQ(0, xsk_send(&z, 0, TT_TIMER, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(self->tt2->timer_fired == 2));
	EXPECT_EQ(0, self->tt2->notify);
	EXPECT_EQ(1, xsk_take(&z, &f));
	xsk_close(&z);
}

TEST_F(eject, timer_of_a_transport_that_is_gone_is_nobody)
{
	struct tt_req r = self->r;

	/* tt_object keeps the maps, so the timer fires. */
	tt->timer_do = TT_TIMER_RELEASE;
	tt->timer_ms = 400;
	tt->timer_result = 4711;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_TIMER, &r, NULL, 0));
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	ASSERT_TRUE(et_wait_for(!tt_transport_id()));
	ASSERT_TRUE(et_wait_for(tt->timer_fired));
	EXPECT_EQ(-EPERM, tt->timer_result);
}

TEST_F(eject, timer_of_replaced_programs_is_still_the_transports)
{
	volatile struct tt_state *tt2 = NULL;
	struct tt_req r = self->r;
	struct bpf_object *o;

	o = tt_open_object("tt2.bpf.o", &tt2);
	ASSERT_NE(NULL, o);
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
	tt->timer_do = TT_TIMER_RELEASE;
	tt->timer_arg = tt->handle[0];
	tt->timer_ms = 400;
	tt->timer_result = 4711;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_TIMER, &r, NULL, 0));
	ASSERT_EQ(0, bpf_link__update_map(self->net.link, bpf_object__find_map_by_name(o, "tt_ops")));
	EXPECT_EQ(0, tt->timer_fired);
	EXPECT_EQ(1, self->x.status->held);
	ASSERT_TRUE(et_wait_for(tt->timer_fired));
	EXPECT_EQ(0, tt->timer_result);
	EXPECT_EQ(0, self->x.status->held);
	xsk_close(&self->x);
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	ASSERT_TRUE(et_wait_for(!tt_transport_id()));
	bpf_object__close(o);
}

/* Loads tt2 with one thing changed, to replace tt. Return: errno of the update. */
static int replace(struct bpf_link *link, void (*change)(struct shadow *sh))
{
	struct bpf_object *o;
	struct shadow *sh;
	int err;

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	if (!o)
		return -1;
	change(sh);
	if (bpf_object__load(o)) {
		bpf_object__close(o);
		return et_fail("loading tt2: %s", verifier_log);
	}
	err = -bpf_link__update_map(link, bpf_object__find_map_by_name(o, "tt_ops"));
	bpf_object__close(o);
	return err;
}

static void other_state(struct shadow *sh) { sh->state_version = 7; }
static void other_queues(struct shadow *sh) { sh->queues = 2; sh->queue_depth = 8; }
static void another_name(struct shadow *sh) { strcpy(sh->name, "nobody"); }
static void another_timeout(struct shadow *sh) { sh->timeout_ms = 200; }

TEST_F(eject, replacement_that_does_not_fit_is_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, replace(self->net.link, other_state));
	EXPECT_TRUE(et_log_has(mark, "etran: transport tt not replaced: its state is of version 0, the new programs' is 7; "));
	EXPECT_EQ(EINVAL, replace(self->net.link, other_queues));
	EXPECT_TRUE(et_log_has(mark, "etran: transport tt not replaced: it has 8 queues of 256 frames, the new programs want 2 of 8; "));
	EXPECT_EQ(EINVAL, replace(self->net.link, another_name));
	EXPECT_TRUE(et_log_has(mark, "etran: transport tt not replaced: by nobody for IP protocol 253, not 253; "));
	EXPECT_EQ(0, tt->exit);
	EXPECT_EQ(self->net.transport, tt_transport_id());
}

TEST_F(eject, replacement_keeps_frames_and_brings_its_watchdog)
{
	struct etran_transport_info q = { .id = self->net.transport };
	struct tt_req r = self->r;
	struct etran_exit_record rec;
	int dev = et_device();

	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
	ASSERT_EQ(0, replace(self->net.link, another_timeout));
	EXPECT_EQ(1, tt->exit);
	EXPECT_EQ(ETRAN_EXIT_REPLACE, tt->exit_kind);
	EXPECT_EQ(1, self->x.status->held);
	ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_TRANSPORT, &q));
	EXPECT_EQ(200, q.timeout_ms);
	EXPECT_LT(q.loaded_ns, q.replaced_ns);
	/* The new ones do not know of the frame. */
	ASSERT_TRUE(hung_up(self->net.link));
	ASSERT_TRUE(et_wait_for(!tt_exit_record(self->net.transport, &rec)));
	EXPECT_EQ(ETRAN_EXIT_WATCHDOG, rec.kind);
	EXPECT_EQ(0, self->x.status->held);
	close(dev);
}

TT_MAIN(16)
