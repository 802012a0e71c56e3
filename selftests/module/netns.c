// SPDX-License-Identifier: GPL-2.0
/*
 * Link devices in network namespaces of their own, as containers have them; several link devices and
 * several transports at once.
 */
#include "fixture.h"

#define OTHER_NAME	"tt-other"
#define OTHER_PROTO	254

/* Hosts a and b, a container c at a, and a second pair veth1 from a to b with etran1 on both. */
FIXTURE(netns) {
	struct et_hosts hosts;
	int c;			/* its namespace */
	struct bpf_link *link;
	struct xsk x;		/* at a or c */
	struct xsk y;		/* on b, port 2 */
	struct tt_req r;
	pid_t sender;
};

FIXTURE_SETUP(netns)
{
	memset((void *)tt, 0, sizeof(*tt));
	self->x.fd = self->x.ep = self->y.fd = self->y.ep = -1;
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	ASSERT_EQ(0, et_hosts_up(&self->hosts, 4));
	ASSERT_EQ(0, et_hosts_xdp(&self->hosts, tt_xdp(tt_object)));
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	self->c = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->c);
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	self->r = (struct tt_req) {
		.daddr = self->hosts.b.addr, .cookie = 5, .verdict = 1, .rx_verdict = 5, .dport = 2,
	};
}

FIXTURE_TEARDOWN(netns)
{
	if (self->sender > 0) {
		kill(self->sender, SIGKILL);
		waitpid(self->sender, NULL, 0);
	}
	xsk_close(&self->x);
	xsk_close(&self->y);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	bpf_link__destroy(self->link);
	et_enter(self->hosts.a.ns);
	if (self->c >= 0)
		close(self->c);
	EXPECT_EQ(0, et_hosts_down(&self->hosts));
	EXPECT_EQ(0, et_count("frames_held"));
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 0));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
}

/* a's etran0 goes to c, and we with it. */
static int move(FIXTURE_DATA(netns) *self)
{
	if (et_sh("ip link set etran0 netns /proc/%d/fd/%d", getpid(), self->c) ||
	    et_enter(self->c) || et_sh("ip link set etran0 up"))
		return -1;
	return 0;
}

/* The link device where we are. Return: 0 or the errno. */
static int here(struct etran_link_info *q, uint32_t flags)
{
	int dev = et_device(), err;

	memset(q, 0, sizeof(*q));
	q->flags = flags;
	q->ifindex = if_nametoindex("etran0");
	err = ioctl(dev, ETRAN_IOC_LINK, q) ? errno : 0;
	close(dev);
	return err;
}

/* An application at @ns that sends to b until it cannot; its exit status is the errno. */
static int traffic(FIXTURE_DATA(netns) *self, int ns)
{
	struct tt_req r = self->r;
	uint32_t was = tt->ingress;
	struct xsk x;
	int err;

	r.rx_verdict = 4;	/* CONSUME */
	self->sender = fork();
	if (!self->sender) {
		if (et_enter(ns) || xsk_open(&x, &(struct xsk_config) { .queue = 1 }))
			_exit(255);
		close(self->hosts.b.ns);
		close(self->c);
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
			usleep(1000);
		}
	}
	return et_wait_for(tt->ingress > was + 20) ? 0 : et_fail("no traffic");
}

static int traffic_ended(FIXTURE_DATA(netns) *self)
{
	int status = 0;

	if (!et_wait_for(waitpid(self->sender, &status, WNOHANG) == self->sender))
		return et_fail("the application still sends");
	self->sender = 0;
	errno = 0;
	if (!WIFEXITED(status) ||
	    (WEXITSTATUS(status) != ENETDOWN && WEXITSTATUS(status) != ENXIO))
		return et_fail("the application ended with %x", status);
	return 0;
}

/* From where we are to b's application and back to ours, over both IP versions. */
static int round_trip(FIXTURE_DATA(netns) *self, uint32_t queue)
{
	struct tt_req back = { .daddr = self->hosts.a.addr, .verdict = 1, .rx_verdict = 5, .dport = 1 };
	struct tt_req r = self->r;
	struct xsk_frame f;
	uint32_t a[4];

	if (xsk_open(&self->x, &(struct xsk_config) { .port = 1, .queue = queue }) ||
	    xsk_send(&self->x, 0, TT_SEND, &r, "four", 4))
		return et_fail("sending");
	if (xsk_recv(&self->y, &f) != 1 || f.tt.saddr != self->hosts.a.addr || f.len != 4)
		return et_fail("b did not get it");
	if (xsk_send(&self->y, 0, TT_SEND, &back, "back", 4) || xsk_recv(&self->x, &f) != 1 ||
	    memcmp(f.payload, "back", 4))
		return et_fail("the answer did not come");
	inet_pton(AF_INET6, ET_ADDR6_B, a);
	memcpy((void *)tt->prefix, a, 12);
	r.daddr = a[3];
	r.flags = TT_F_V6;
	if (xsk_send(&self->x, 1, TT_SEND, &r, "six", 3) || xsk_recv(&self->y, &f) != 1 ||
	    f.tt.version != 6 || memcmp(f.payload, "six", 3))
		return et_fail("b did not get it over IPv6");
	return 0;
}

TEST_F(netns, moved_link_device_works_with_its_lower_devices_addresses)
{
	struct etran_link_info q;

	ASSERT_EQ(0, move(self));
	EXPECT_EQ(0, round_trip(self, 0));
	/* Not by what c has: nothing. */
	EXPECT_EQ(0, here(&q, 0));
	EXPECT_EQ(self->hosts.a.link, q.id);
}

TEST_F(netns, namespaces_see_their_own_link_devices_only)
{
	struct etran_link_info q, all;

	EXPECT_EQ(0, here(&q, 0));
	EXPECT_EQ(self->hosts.a.ifindex, q.lower_ifindex);
	EXPECT_EQ(q.netns, q.lower_netns);
	EXPECT_EQ(0, strcmp("veth0", q.lower_name));
	ASSERT_EQ(0, et_enter(self->c));
	EXPECT_EQ(ENODEV, here(&q, 0));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, move(self));
	/* What is below is another namespace's business. */
	EXPECT_EQ(0, here(&q, 0));
	EXPECT_EQ(0, q.lower_ifindex);
	EXPECT_EQ(0, q.lower_netns);
	EXPECT_EQ(0, q.lower_name[0]);
	EXPECT_EQ(0, here(&all, ETRAN_LINK_ALL_NETNS));
	EXPECT_EQ(self->hosts.a.ifindex, all.lower_ifindex);
	EXPECT_NE(all.netns, all.lower_netns);
	/* iproute2 is told that the lower device is elsewhere. */
	EXPECT_EQ(0, et_sh("ip -d link show etran0 | grep -q 'link-netns'"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	EXPECT_EQ(ENODEV, here(&q, 0));
	/* Its place on the lower device is taken. */
	EXPECT_NE(0, system("ip link add e1 link veth0 type etran 2>/dev/null"));
}

TEST_F(netns, link_device_can_be_made_in_another_namespace)
{
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 netns /proc/%d/fd/%d numrxqueues 4 type etran",
			   getpid(), self->c));
	ASSERT_EQ(0, et_enter(self->c));
	ASSERT_EQ(0, et_sh("ip link set etran0 up"));
	EXPECT_EQ(0, round_trip(self, 0));
}

TEST_F(netns, moved_under_traffic)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, traffic(self, self->hosts.a.ns));
		ASSERT_EQ(0, move(self));
		EXPECT_EQ(0, traffic_ended(self));
		ASSERT_EQ(0, traffic(self, self->c));
		ASSERT_EQ(0, et_sh("ip link set etran0 netns /proc/%d/fd/%d", getpid(),
				   self->hosts.a.ns));
		EXPECT_EQ(0, traffic_ended(self));
		ASSERT_EQ(0, et_enter(self->hosts.a.ns));
		ASSERT_EQ(0, et_sh("ip link set etran0 up"));
	}
	EXPECT_EQ(0, round_trip(self, 0));
}

TEST_F(netns, namespace_destroyed_under_traffic)
{
	ASSERT_EQ(0, move(self));
	ASSERT_EQ(0, traffic(self, self->c));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	/* Its application keeps it, with the socket. */
	close(self->c);
	self->c = -1;
	EXPECT_EQ(2, et_links());
	kill(self->sender, SIGKILL);
	waitpid(self->sender, NULL, 0);
	self->sender = 0;
	/*
	 * What the transport still keeps is still to be sent, so it keeps the socket, and with it the
	 * namespace; when that has ended, all goes.
	 */
	EXPECT_LT(0, et_count("frames_retained"));
	EXPECT_EQ(2, et_links());
	xsk_close(&self->y);
	bpf_link__destroy(self->link);
	EXPECT_TRUE(et_wait_for(et_links() == 1));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2, .queue = 1 }));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	EXPECT_NE(0, if_nametoindex("veth0"));
	/* The lower device is free for another. */
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 numrxqueues 4 type etran && ip link set etran0 up"));
	EXPECT_EQ(0, round_trip(self, 0));
}

TEST_F(netns, lower_device_removed_under_traffic_from_elsewhere)
{
	ASSERT_EQ(0, move(self));
	ASSERT_EQ(0, traffic(self, self->c));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip link del veth0"));
	EXPECT_EQ(0, traffic_ended(self));
	ASSERT_EQ(0, et_enter(self->c));
	EXPECT_TRUE(et_wait_for(!if_nametoindex("etran0")));
	EXPECT_EQ(0, et_links());
}

TEST_F(netns, lower_device_moved_away_under_traffic_takes_the_link_device_along)
{
	ASSERT_EQ(0, move(self));
	ASSERT_EQ(0, traffic(self, self->c));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip link set veth0 netns /proc/%d/fd/%d name veth5", getpid(), self->c));
	EXPECT_EQ(0, traffic_ended(self));
	EXPECT_EQ(1, et_links());
	ASSERT_EQ(0, et_enter(self->c));
	EXPECT_EQ(0, if_nametoindex("etran0"));
	EXPECT_EQ(0, et_sh("ip link del veth5"));
}

/* ---- several link devices, several transports ---- */

struct other {
	struct bpf_object *object;
	volatile struct tt_state *tt;
	struct bpf_link *link;
	struct xsk x, y;	/* on a and b, on etran1, port 2 */
};

/* veth1 between a and b with its own addresses, etran1 and the dispatcher on it. */
static int second_pair(FIXTURE_DATA(netns) *self)
{
	static const char * const addr[] = { "10.1.0.1", "10.1.0.2" };
	int ns[] = { self->hosts.a.ns, self->hosts.b.ns }, i;

	if (et_sh("ip link add veth1 address 02:00:00:00:01:0a type veth peer name veth1 address 02:00:00:00:01:0b netns /proc/%d/fd/%d",
		  getpid(), ns[1]))
		return -1;
	for (i = 0; i < 2; i++) {
		if (et_enter(ns[i]) ||
		    et_sh("printf 'addr add %s/24 dev veth1\\nlink set veth1 up\\nneigh replace %s lladdr 02:00:00:00:01:0%c nud permanent dev veth1\\nlink add etran1 link veth1 numrxqueues 4 type etran\\nlink set etran1 up\\n' | ip -batch -",
			  addr[i], addr[!i], i ? 'a' : 'b'))
			return -1;
		if (bpf_xdp_attach(if_nametoindex("veth1"), tt_xdp(tt_object), XDP_FLAGS_DRV_MODE,
				   NULL))
			return et_fail("XDP on veth1");
	}
	return et_enter(ns[0]);
}

static int other_open(FIXTURE_DATA(netns) *self, struct other *o, const char *device)
{
	struct xsk_config c = { .device = device, .queue = 2, .no_endpoint = true };

	memset(o, 0, sizeof(*o));
	o->x.fd = o->x.ep = o->y.fd = o->y.ep = -1;
	o->object = tt_open_object("tt_other.bpf.o", &o->tt);
	o->link = o->object ? bpf_map__attach_struct_ops(tt_map(o->object)) : NULL;
	if (!o->link)
		return et_fail("the other transport");
	if (xsk_open(&o->x, &c) || xsk_attach(&o->x, OTHER_NAME, 1) ||
	    et_enter(self->hosts.b.ns) || xsk_open(&o->y, &c) ||
	    xsk_attach(&o->y, OTHER_NAME, 2) || et_enter(self->hosts.a.ns))
		return et_fail("sockets of the other transport");
	return 0;
}

static void other_close(struct other *o)
{
	xsk_close(&o->x);
	xsk_close(&o->y);
	bpf_link__destroy(o->link);
	bpf_object__close(o->object);
}

/* Sends @n frames each way at once and looks that each came to its own, in order. */
static int both(FIXTURE_DATA(netns) *self, struct other *o, uint32_t daddr, int n)
{
	struct tt_req r = self->r, q = self->r;
	struct xsk_frame f;
	int i;

	q.daddr = daddr;
	for (i = 0; i < n; i++) {
		r.seq = 2 * i;
		q.seq = 2 * i + 1;
		if (xsk_send(&self->x, i % 16, TT_SEND, &r, "tt", 2) ||
		    xsk_send(&o->x, i % 16, TT_SEND, &q, "other", 5))
			return et_fail("sending");
		if (xsk_recv(&self->y, &f) != 1 || f.tt.seq != 2 * (uint32_t)i || f.len != 2)
			return et_fail("tt's frame %d", i);
		xsk_fill(&self->y, f.addr);
		if (xsk_recv(&o->y, &f) != 1 || f.tt.seq != 2 * (uint32_t)i + 1 || f.len != 5)
			return et_fail("the other's frame %d", i);
		xsk_fill(&o->y, f.addr);
		xsk_complete(&self->x, NULL, 0);
		xsk_complete(&o->x, NULL, 0);
	}
	if (xsk_take(&self->y, &f) || xsk_take(&o->y, &f))
		return et_fail("somebody got more");
	return 0;
}

TEST_F(netns, two_transports_share_a_link_device)
{
	struct other o;

	ASSERT_EQ(0, other_open(self, &o, "etran0"));
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	EXPECT_EQ(0, both(self, &o, self->hosts.b.addr, 40));
	EXPECT_EQ(40, tt->egress);
	EXPECT_EQ(40, tt->ingress);
	EXPECT_EQ(40, o.tt->egress);
	EXPECT_EQ(40, o.tt->ingress);
	/* The first goes; the other stays. */
	bpf_link__destroy(self->link);
	self->link = NULL;
	self->r.daddr = self->hosts.b.addr;
	ASSERT_EQ(0, xsk_send(&o.x, 20, TT_SEND, &self->r, "x", 1));
	EXPECT_TRUE(et_wait_for(o.tt->ingress == 41));
	other_close(&o);
}

TEST_F(netns, two_transports_on_two_link_devices)
{
	struct et_counters k;
	struct other o;
	uint32_t id = 0;

	ASSERT_EQ(0, second_pair(self));
	ASSERT_EQ(0, other_open(self, &o, "etran1"));
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	EXPECT_EQ(0, both(self, &o, inet_addr("10.1.0.2"), 40));
	EXPECT_EQ(40, tt->ingress);
	EXPECT_EQ(40, o.tt->ingress);
	/* Over the link device of one, the other's network is not reached. */
	self->r.daddr = inet_addr("10.1.0.2");
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
	/* Each link counted its own. */
	EXPECT_EQ(0, et_counters_read(&k, ETRAN_COUNTERS_LINK, self->hosts.a.link));
	EXPECT_EQ(40, et_value(&k, "packets_sent"));
	for (id = 0; ; id++) {
		struct etran_link_info q = { .id = id };
		int dev = et_device(), err = ioctl(dev, ETRAN_IOC_LINK, &q);

		close(dev);
		if (err)
			break;
		if (q.ifindex == if_nametoindex("etran1")) {
			EXPECT_EQ(0, et_counters_read(&k, ETRAN_COUNTERS_LINK, q.id));
			EXPECT_EQ(40, et_value(&k, "packets_sent"));
		}
		id = q.id;
	}
	/* One lower device goes, the other link works on. */
	ASSERT_EQ(0, et_sh("ip link del veth1"));
	EXPECT_EQ(ENXIO, xsk_send(&o.x, 20, TT_SEND, &self->r, "x", 1));
	self->r.daddr = self->hosts.b.addr;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	EXPECT_TRUE(et_wait_for(tt->ingress == 41));
	other_close(&o);
}

TT_MAIN(0)
