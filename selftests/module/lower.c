// SPDX-License-Identifier: GPL-2.0
/*
 * The device underneath goes down, changes, or goes away, with traffic on it; and link devices that
 * cannot be made.
 */
#include "fixture.h"

/* Hosts of their own for each test: it destroys them. */
FIXTURE(lower) {
	struct et_hosts hosts;
	struct bpf_link *link;
	struct xsk x;		/* on a */
	struct tt_req r;
	pid_t sender;
};

FIXTURE_SETUP(lower)
{
	memset((void *)tt, 0, sizeof(*tt));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	ASSERT_EQ(0, et_hosts_up(&self->hosts, 4));
	ASSERT_EQ(0, et_hosts_xdp(&self->hosts, tt_xdp(tt_object)));
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	self->r = (struct tt_req) {
		.daddr = self->hosts.b.addr, .cookie = 5, .verdict = 1, .rx_verdict = 4,
	};
}

FIXTURE_TEARDOWN(lower)
{
	if (self->sender > 0) {
		kill(self->sender, SIGKILL);
		waitpid(self->sender, NULL, 0);
	}
	xsk_close(&self->x);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	bpf_link__destroy(self->link);
	EXPECT_EQ(0, et_hosts_down(&self->hosts));
	EXPECT_EQ(0, et_count("frames_held"));
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 0));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
}

/* Another application on a, which sends until it cannot; then its exit status is the errno. */
static int traffic(FIXTURE_DATA(lower) *self)
{
	struct tt_req r = self->r;
	uint32_t was = tt->ingress;
	struct xsk x;
	int err;

	self->sender = fork();
	if (!self->sender) {
		/* Not to keep that namespace. */
		close(self->hosts.b.ns);
		if (xsk_open(&x, &(struct xsk_config) { .queue = 1 }))
			_exit(255);
		for (;;) {
			for (int i = 0; i < 8; i++) {
				r.flags = i % 4 ? 0 : TT_F_HOLD;
				r.slot = i;
				r.verdict = i % 4 ? 1 : 0x101;
				xsk_put(&x, i, TT_SEND, &r, "x", 1);
			}
			err = xsk_kick(&x);
			if (err)
				_exit(err);
			xsk_complete(&x, NULL, 0);
			usleep(1000);	/* leave the processor to the others */
		}
	}
	return et_wait_for(tt->ingress > was + 20) ? 0 : et_fail("no traffic");
}

/* The device is taken down first, then its sockets are unbound: both errors are right. */
static int traffic_ended(FIXTURE_DATA(lower) *self)
{
	int status = 0;

	if (!et_wait_for(waitpid(self->sender, &status, WNOHANG) == self->sender))
		return et_fail("the other application still sends");
	self->sender = 0;
	if (!WIFEXITED(status) ||
	    (WEXITSTATUS(status) != ENETDOWN && WEXITSTATUS(status) != ENXIO))
		return et_fail("the other application ended with %x", status);
	return 0;
}

/* What an application is told when its link device is gone. */
static int is_gone(FIXTURE_DATA(lower) *self)
{
	struct pollfd p = { .fd = self->x.ep, .events = POLLIN };
	struct etran_wait w = { .released = self->x.status->released, .timeout_ms = 0 };

	if (poll(&p, 1, ET_PATIENCE_MS) != 1 || (p.revents & (POLLERR | POLLHUP)) !=
	    (POLLERR | POLLHUP))
		return et_fail("poll says %x", p.revents);
	if (!et_wait_for(self->x.status->flags == ETRAN_STATUS_DEVICE_GONE))
		return et_fail("status %x", self->x.status->flags);
	if (!ioctl(self->x.ep, ETRAN_IOC_WAIT_RELEASED, &w) || errno != ENODEV)
		return et_fail("wait does not say ENODEV");
	if (self->x.status->held)
		return et_fail("%u frames are held", self->x.status->held);
	if (!et_wait_for(!if_nametoindex("etran0")))
		return et_fail("the link device is still there");
	return 0;
}

TEST_F(lower, removed_under_traffic)
{
	ASSERT_EQ(0, traffic(self));
	ASSERT_EQ(0, et_sh("ip link del veth0"));
	EXPECT_EQ(0, is_gone(self));
	EXPECT_EQ(0, traffic_ended(self));
	EXPECT_EQ(ENXIO, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(0, et_links());
}

TEST_F(lower, link_device_deleted_under_traffic)
{
	ASSERT_EQ(0, traffic(self));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_EQ(0, is_gone(self));
	EXPECT_EQ(0, traffic_ended(self));
	EXPECT_NE(0, if_nametoindex("veth0"));
	/* A new one works; what was on the old one does not come back. */
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 numrxqueues 4 type etran && ip link set etran0 up"));
	EXPECT_EQ(ENXIO, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	xsk_close(&self->x);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 2 }));
	EXPECT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
}

TEST_F(lower, namespace_deleted_under_traffic)
{
	ASSERT_EQ(0, traffic(self));
	/* Sockets keep a's namespace, so it is b's that can be deleted, and veth0 with it. */
	close(self->hosts.b.ns);
	self->hosts.b.ns = -1;
	EXPECT_EQ(0, is_gone(self));
	EXPECT_EQ(0, traffic_ended(self));
	EXPECT_TRUE(et_wait_for(et_links() == 0));
}

TEST_F(lower, moved_to_another_namespace)
{
	ASSERT_EQ(0, traffic(self));
	ASSERT_EQ(0, et_sh("ip link set veth0 name veth9 netns /proc/%d/fd/%d", getpid(),
			   self->hosts.b.ns));
	EXPECT_EQ(0, is_gone(self));
	EXPECT_EQ(0, traffic_ended(self));
	EXPECT_EQ(1, et_links());
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	EXPECT_EQ(0, et_sh("ip link del veth9"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
}

TEST_F(lower, down_and_up_under_traffic)
{
	uint64_t was, sent;

	ASSERT_EQ(0, traffic(self));
	was = et_count("packet_device");
	ASSERT_EQ(0, et_sh("ip link set veth0 down"));
	/* Packets are dropped, and counted, but nothing breaks. */
	EXPECT_TRUE(et_wait_for(et_count("packet_device") > was + 10));
	EXPECT_EQ(0, self->x.status->flags);
	ASSERT_EQ(0, et_sh("ip link set veth0 up; ip neigh replace %s lladdr %s nud permanent dev veth0",
			   ET_ADDR_B, ET_MAC_B));
	sent = tt->ingress;
	EXPECT_TRUE(et_wait_for(tt->ingress > sent + 20));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
}

TEST_F(lower, peer_down_under_traffic)
{
	uint64_t was;

	ASSERT_EQ(0, traffic(self));
	was = et_count("packet_device");
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, et_sh("ip link set veth0 down"));
	EXPECT_TRUE(et_wait_for(et_count("packet_device") > was + 10));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x.id));
}

TEST_F(lower, link_device_down_stops_its_sockets)
{
	ASSERT_EQ(0, et_sh("ip link set etran0 down"));
	EXPECT_EQ(ENETDOWN, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(0, tt->egress);
	ASSERT_EQ(0, et_sh("ip link set etran0 up"));
	EXPECT_EQ(0, xsk_kick(&self->x));
	EXPECT_EQ(1, tt->egress);
}

TEST_F(lower, mtu_changed_under_traffic)
{
	static char data[1400];

	ASSERT_EQ(0, traffic(self));
	ASSERT_EQ(0, et_sh("ip link set veth0 mtu 1000"));
	EXPECT_TRUE(et_wait_for(self->x.status->mtu == 1000));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, data, 1000 - TT_HDRS + 1));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, data, 1000 - TT_HDRS));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	ASSERT_EQ(0, et_sh("ip link set veth0 mtu 1500"));
	EXPECT_TRUE(et_wait_for(self->x.status->mtu == 1500));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, data, 1400));
	EXPECT_EQ(2, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	EXPECT_EQ(0, self->x.status->flags);
}

/* Runs "ip link add ..." with @args. Return: 0 when it failed with @words. */
static int add_fails(const char *args, const char *words)
{
	char cmd[256], out[512];
	FILE *p;
	size_t n;
	int rc;

	snprintf(cmd, sizeof(cmd), "ip link add %s 2>&1", args);
	p = popen(cmd, "re");
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = 0;
	rc = pclose(p);
	errno = 0;
	if (!rc)
		return et_fail("'%s' succeeded", cmd);
	return strstr(out, words) ? 0 : et_fail("'%s' said %s", cmd, out);
}

TEST_F(lower, link_devices_that_cannot_be_made_say_why)
{
	EXPECT_EQ(0, add_fails("e1 type etran",
			       "a lower device is needed: ip link add link DEV type etran"));
	EXPECT_EQ(0, add_fails("e1 link lo type etran",
			       "the lower device must be an Ethernet device, and no etran one"));
	EXPECT_EQ(0, add_fails("e1 link etran0 type etran",
			       "the lower device must be an Ethernet device, and no etran one"));
	EXPECT_EQ(0, add_fails("e1 link veth0 type etran",
			       "the lower device has an etran device already"));
	ASSERT_EQ(0, et_sh("ip link add du0 type dummy && ip link add br0 type bridge && ip link add vl0 link veth0 type vlan id 5 && ip link add mv0 link veth0 type macvlan"));
	EXPECT_EQ(0, add_fails("e1 link du0 type etran", "the lower device has no native XDP"));
	EXPECT_EQ(0, add_fails("e1 link br0 type etran", "a bridge has no native XDP"));
	EXPECT_EQ(0, add_fails("e1 link vl0 type etran", "a VLAN device has no native XDP"));
	EXPECT_EQ(0, add_fails("e1 link mv0 type etran", "a macvlan device has no native XDP"));
	ASSERT_EQ(0, et_sh("ip link add ve0 mtu 500 type veth peer name ve1"));
	EXPECT_EQ(0, add_fails("e1 link ve0 type etran", "the lower device's MTU is below 576"));
	ASSERT_EQ(0, et_sh("ip link set ve0 mtu 1500"));
	EXPECT_EQ(0, add_fails("e1 link ve0 numrxqueues 4097 type etran", ""));
	EXPECT_EQ(2, et_links());
	ASSERT_EQ(0, et_sh("ip link add e1 link ve0 numrxqueues 4096 type etran && ip link del ve0"));
	EXPECT_TRUE(et_wait_for(et_links() == 2));
}

TEST_F(lower, device_of_a_bridge_is_refused_and_stays_out_of_bridges)
{
	ASSERT_EQ(0, et_sh("ip link add br0 type bridge && ip link add vb0 type veth peer name vb1 && ip link set vb0 master br0"));
	/* The addresses are the bridge's. */
	EXPECT_EQ(0, add_fails("e1 link vb0 type etran",
			       "the lower device belongs to a bridge, bond or other master"));
	ASSERT_EQ(0, et_sh("ip link set vb0 nomaster && ip link add e1 link vb0 type etran"));
	ASSERT_EQ(0, et_sh("ip link set vb0 master br0 2>&1 | grep 'delete that first'"));
	ASSERT_EQ(0, et_sh("ip link del e1 && ip link set vb0 master br0 && ip link del vb0"));
}

TEST_F(lower, bond_that_cannot_do_xdp_is_refused)
{
	ASSERT_EQ(0, et_sh("ip link add bo0 type bond mode balance-tlb && ip link add ve0 type veth peer name ve1 && ip link set ve0 master bo0"));
	EXPECT_EQ(0, add_fails("e1 link bo0 type etran", "the bond cannot do XDP"));
	EXPECT_EQ(0, add_fails("e1 link ve0 type etran",
			       "the lower device belongs to a bridge, bond or other master"));
	ASSERT_EQ(0, et_sh("ip link del bo0 && ip link del ve0"));
}

/* Two pairs between a and b, on each side in a bond with a link device on it. */
TEST_F(lower, bond_works)
{
	static const char * const addr[] = { "10.1.0.1", "10.1.0.2" };
	static const char * const mac[] = { "02:00:00:00:02:0a", "02:00:00:00:02:0b" };
	int ns[] = { self->hosts.a.ns, self->hosts.b.ns }, i;
	struct xsk x, y;
	struct xsk_frame f;

	ASSERT_EQ(0, et_sh("for i in 0 1; do ip link add ve$i type veth peer name ve$i netns /proc/%d/fd/%d || exit; done",
			   getpid(), ns[1]));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, et_enter(ns[i]));
		ASSERT_EQ(0, et_sh("printf 'link add bo0 address %s type bond mode active-backup\nlink set ve0 master bo0\nlink set ve1 master bo0\naddr add %s/24 dev bo0\nlink set bo0 up\nneigh replace %s lladdr %s nud permanent dev bo0\nlink add etran1 link bo0 numrxqueues 4 type etran\nlink set etran1 up\n' | ip -batch -",
				   mac[i], addr[i], addr[!i], mac[!i]));
		ASSERT_EQ(0, bpf_xdp_attach(if_nametoindex("bo0"), tt_xdp(tt_object),
					    XDP_FLAGS_DRV_MODE, NULL));
	}
	ASSERT_EQ(0, xsk_open(&y, &(struct xsk_config) { .port = 5, .device = "etran1" }));
	ASSERT_EQ(0, et_enter(ns[0]));
	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .port = 4, .device = "etran1" }));
	self->r.daddr = inet_addr(addr[1]);
	self->r.dport = 5;
	self->r.rx_verdict = 5;
	/* Over the first, then over the second. */
	for (i = 0; i < 2; i++) {
		self->r.seq = i;
		ASSERT_EQ(0, xsk_send(&x, i, TT_SEND, &self->r, "bond", 4));
		ASSERT_EQ(1, xsk_recv(&y, &f));
		EXPECT_EQ(i, f.tt.seq);
		EXPECT_EQ(inet_addr(addr[0]), f.tt.saddr);
		ASSERT_EQ(0, et_sh("ip link set bo0 type bond active_slave ve1"));
	}
	xsk_close(&x);
	ASSERT_EQ(0, et_sh("ip link del bo0 && ip link del ve0 && ip link del ve1"));
	ASSERT_EQ(0, et_enter(ns[1]));
	xsk_close(&y);
	ASSERT_EQ(0, et_sh("ip link del bo0"));
	ASSERT_EQ(0, et_enter(ns[0]));
}

TT_MAIN(0)
