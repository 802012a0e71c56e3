/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of direct mode: endpoints on sockets that are bound to a queue of the NIC itself. tn0 of
 * host a, with the transport in between; host b has a link device on tn1 and receives there.
 *
 * Each test runs on NICs that do zero-copy, taking descriptors one by one and in batches, and with
 * sockets in copy mode on the same NIC and on veth. Namespaces last as long as the program; what a test
 * took away of the devices is made anew by the next.
 */
#ifndef DIRECT_H
#define DIRECT_H

#include "step.h"
#include <signal.h>

#define QUEUES		4

/* One pair for each type of device. */
static struct et_hosts nics, veths;
/* That of the test. */
static struct et_hosts hosts;

FIXTURE(direct) {
	struct bpf_link *link;
	uint32_t transport;
	struct xsk x;		/* on a, port 1: direct */
	struct xsk y;		/* on b, port 2: of the link device */
	struct tt_req r;	/* to y */
};

FIXTURE_VARIANT(direct) {
	const char *type;
	bool batch;
	uint16_t flags;
};

FIXTURE_VARIANT_ADD(direct, one) { .type = "testnic", .flags = XDP_ZEROCOPY };
FIXTURE_VARIANT_ADD(direct, batched) {
	.type = "testnic", .batch = true, .flags = XDP_ZEROCOPY,
};
FIXTURE_VARIANT_ADD(direct, copy) { .type = "testnic", .flags = XDP_COPY };
FIXTURE_VARIANT_ADD(direct, copy_veth) { .type = "veth", .flags = XDP_COPY };

/* ---- hosts ---- */

static ET_UNUSED int setting(const char *dev, const char *name, const char *value)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "/sys/kernel/debug/testnic/%s/%s", dev, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	err = fd < 0 || write(fd, value, strlen(value)) < 0;
	if (fd >= 0)
		close(fd);
	return err ? et_fail("%s = %s", path, value) : 0;
}

static int make_namespaces(struct et_hosts *t)
{
	struct et_host *h[2] = { &t->a, &t->b };
	int i;

	for (i = 1; i >= 0; i--) {
		if (unshare(CLONE_NEWNET))
			return et_fail("a new network namespace");
		h[i]->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	}
	return et_enter(t->home);
}

/* In both namespaces of @hosts. */
static int make_devices(const char *type)
{
	static const char * const side[2][5] = {
		{ "tn0", ET_ADDR_A, ET_MAC_A, ET_ADDR_B, ET_MAC_B },
		{ "tn1", ET_ADDR_B, ET_MAC_B, ET_ADDR_A, ET_MAC_A },
	};
	struct et_host *h[2] = { &hosts.a, &hosts.b };
	bool veth = !strcmp(type, "veth");
	int i, err;

	if (et_enter(hosts.a.ns) || (if_nametoindex("tn0") && et_sh("ip link del tn0")) ||
	    et_sh("ip link add tn0 numrxqueues %u numtxqueues %u type %s%s && ip link set tn1 netns /proc/%d/fd/%d",
		  QUEUES, QUEUES, type,
		  veth ? " peer name tn1 numrxqueues 4 numtxqueues 4" : "", getpid(),
		  hosts.b.ns))
		return -1;
	/* What arrives on another queue is delivered in what the NIC leaves of the fill ring. */
	if (!veth && et_sh("ethtool -G tn0 rx 64"))
		return -1;
	for (i = 1; i >= 0; i--) {
		const char * const *s = side[i];

		if (et_enter(h[i]->ns))
			return -1;
		err = bpf_xdp_attach(if_nametoindex(s[0]), tt_xdp(tt_object), XDP_FLAGS_DRV_MODE, NULL);
		errno = -err;
		if (err)
			return et_fail("XDP on %s", s[0]);
		/* The link device last: see complete(). */
		if (et_sh("printf 'link set lo up\nlink set %s addrgenmode none address %s\naddr add %s/24 dev %s\nlink set %s up\nneigh replace %s lladdr %s nud permanent dev %s\nlink add etran0 link %s numrxqueues 4 type etran\nlink set etran0 up\n' | ip -batch -",
			  s[0], s[2], s[1], s[0], s[0], s[3], s[4], s[0], s[0]))
			return -1;
	}
	return 0;
}

/* For a test that lost it. */
static ET_UNUSED int restore_neighbour(void)
{
	return et_sh("ip neigh replace %s lladdr %s nud permanent dev tn0", ET_ADDR_B, ET_MAC_B);
}

/* Are all devices there that there should be? A test that ran out of time may have made a part of them. */
static bool complete(const struct et_host *h, const char *dev)
{
	return !et_enter(h->ns) && if_nametoindex(dev) && if_nametoindex("etran0");
}

static int up(const char *type)
{
	hosts = strcmp(type, "veth") ? nics : veths;
	hosts.a.addr = inet_addr(ET_ADDR_A);
	hosts.b.addr = inet_addr(ET_ADDR_B);
	if (complete(&hosts.a, "tn0") && complete(&hosts.b, "tn1"))
		return 0;
	return make_devices(type);
}

static int down(struct et_hosts *t)
{
	int err;

	err = et_enter(t->a.ns) || (if_nametoindex("tn0") && et_sh("ip link del tn0"));
	et_enter(t->home);
	close(t->a.ns);
	close(t->b.ns);
	return err ? -1 : 0;
}

/* ---- sockets ---- */

static ET_UNUSED uint64_t count_of(struct xsk *x, const char *name)
{
	return et_counter(ETRAN_COUNTERS_ENDPOINT, x->id, name);
}

static ET_UNUSED bool conserved(const FIXTURE_DATA(direct) *self)
{
	/* One scope is counted after the other, perhaps on a processor that is late. */
	return et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0) &&
			   !et_conserved(ETRAN_COUNTERS_TRANSPORT, self->transport));
}

/* gen: send the frame's payload again, as sequence number @seq. */
static ET_UNUSED int again(FIXTURE_DATA(direct) *self, uint64_t handle, uint32_t seq)
{
	return resend(&self->x, 500, hosts.b.addr, handle, seq) ?:
	       completed(&self->x) == 500 ? 0 : et_fail("no completion of the kick");
}

static int open_x(struct xsk *x, uint16_t flags, const struct xsk_config *more)
{
	struct xsk_config c = more ? *more : (struct xsk_config) { .port = 1 };

	c.device = "tn0";
	c.bind_flags = flags;
	return et_enter(hosts.a.ns) ?: xsk_open(x, &c);
}

/* The fixture's sockets. */
static int open_both(FIXTURE_DATA(direct) *self, uint16_t flags)
{
	return et_enter(hosts.b.ns) ?:
	       xsk_open(&self->y, &(struct xsk_config) { .port = 2, .chunks = 256 }) ?:
	       open_x(&self->x, flags, &(struct xsk_config) {
			.port = 1, .chunks = 1024, .fill = 256,
	       });
}

FIXTURE_SETUP(direct)
{
	self->x.fd = -1;
	self->x.ep = -1;
	self->y.fd = -1;
	self->y.ep = -1;
	memset((void *)tt, 0, sizeof(*tt));
	ASSERT_TRUE(et_wait_for(et_count("channels") == 0));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	self->transport = tt_transport_id();
	ASSERT_EQ(0, up(variant->type));
	if (!strcmp(variant->type, "testnic")) {
		ASSERT_EQ(0, setting("tn0", "tx_batch", variant->batch ? "1" : "0"));
		ASSERT_EQ(0, setting("tn0", "completion_delay_ns", "0"));
		/* Else the order depends on which queue is polled first. */
		ASSERT_EQ(0, setting("tn1", "rx_queue", "0"));
		ASSERT_EQ(0, setting("tn0", "rx_queue", "0"));
	}
	ASSERT_EQ(0, open_both(self, variant->flags));
	self->r = (struct tt_req) {
		.daddr = hosts.b.addr, .verdict = TX, .rx_verdict = DELIVER, .dport = 2,
	};
}

FIXTURE_TEARDOWN(direct)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	EXPECT_TRUE(et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0)));
	if (self->link)
		bpf_link__destroy(self->link);
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 0));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
}

/* ---- */

static bool possible(void)
{
	struct etran_version v = {};
	int dev = et_device(), err;

	err = ioctl(dev, ETRAN_IOC_VERSION, &v);
	close(dev);
	return !err && v.features & ETRAN_FEATURE_DIRECT;
}

/* Skipped where the kernel has no AF_XDP hook, and without testnic.ko. */
static int direct_main(int argc, char **argv)
{
	int status = 0;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	et_timeouts();
	libbpf_set_print(tt_silent);
	if (access(et_testnic_path(), R_OK))
		ksft_exit_skip("testnic.ko was not built\n");
	if (et_module_load())
		ksft_exit_fail_msg("no module\n");
	if (!possible()) {
		et_module_unload();
		ksft_exit_skip("this kernel has no AF_XDP hook (module/patches)\n");
	}
	tt_object = tt_open_object("tt.bpf.o", &tt);
	if (!tt_object || et_testnic_load()) {
		et_module_unload();
		ksft_exit_fail_msg("no test transport or no testnic\n");
	}
	nics.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	veths.home = nics.home;
	if (make_namespaces(&nics) || make_namespaces(&veths))
		ksft_exit_fail_msg("no namespaces\n");
	child = fork();
	if (!child)
		return test_harness_run(argc, argv);
	if (waitpid(child, &status, 0) != child)
		status = 1;
	if (down(&nics) || down(&veths) || !et_wait_for(et_links() == 0))
		status = 1;
	bpf_object__close(tt_object);
	if (et_testnic_unload() || et_module_unload())
		status = 1;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : KSFT_FAIL;
}

#endif /* DIRECT_H */
