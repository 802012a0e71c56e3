// SPDX-License-Identifier: GPL-2.0
/* Next hops: neighbours that are not known yet, or never answer, and routes that change. */
#include "fixture.h"

/* Hosts of their own for each test: it changes their routes. */
FIXTURE(neigh) {
	struct et_hosts hosts;
	struct bpf_link *link;
	struct xsk x;		/* on a */
	struct xsk y;		/* on b, port 2 */
	struct tt_req r;
};

FIXTURE_SETUP(neigh)
{
	memset((void *)tt, 0, sizeof(*tt));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	ASSERT_EQ(0, et_hosts_up(&self->hosts, 4));
	ASSERT_EQ(0, et_hosts_xdp(&self->hosts, tt_xdp(tt_object)));
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	self->r = (struct tt_req) {
		.daddr = self->hosts.b.addr, .cookie = 5, .verdict = 1, .rx_verdict = 5,
		.dport = 2,
	};
}

FIXTURE_TEARDOWN(neigh)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	bpf_link__destroy(self->link);
	EXPECT_EQ(0, et_hosts_down(&self->hosts));
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 0));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
}

/* What bpf_etran_route() says of a destination, asked on a. */
static int64_t route(FIXTURE_DATA(neigh) *self, uint32_t link, const char *addr)
{
	struct tt_req r = { .seq = link, .daddr = inet_addr(addr) };

	tt->result = 1;
	return xsk_send(&self->x, 30, TT_ROUTE, &r, NULL, 0) ? 2 : tt->result;
}

TEST_F(neigh, first_packets_wait_for_arp_and_arrive)
{
	struct xsk_frame f;
	uint64_t was = et_count("packets_waiting");
	int i;

	ASSERT_EQ(0, et_sh("ip neigh del %s dev veth0", ET_ADDR_B));
	for (i = 0; i < 3; i++) {
		self->r.seq = i;
		xsk_put(&self->x, i, TT_SEND, &self->r, &i, sizeof(i));
	}
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_LT(was, et_count("packets_waiting"));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
		EXPECT_EQ(i, f.tt.seq);
		EXPECT_EQ(sizeof(i), f.len);
		EXPECT_EQ(0, memcmp(&i, f.payload, sizeof(i)));
	}
	EXPECT_EQ(0, xsk_take(&self->y, &f));
	/* Now that the address is known, nothing waits. */
	was = et_count("packets_waiting");
	ASSERT_EQ(0, xsk_send(&self->x, 5, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(was, et_count("packets_waiting"));
}

TEST_F(neigh, neighbour_that_moves_is_followed)
{
	struct xsk_frame f;

	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	/* b's address gets another MAC: what a knew is wrong until it is told. */
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, et_sh("ip link set veth0 address 02:00:00:00:00:1b"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip neigh replace %s lladdr 02:00:00:00:00:1b nud permanent dev veth0",
			   ET_ADDR_B));
	self->r.seq = 2;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(2, f.tt.seq);
}

TEST_F(neigh, neighbour_that_never_answers_holds_nothing)
{
	/* The kernel asks three times, then gives up: its bounds, not ours. */
	self->r.daddr = inet_addr("10.0.0.200");
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(0, self->x.busy[0]);
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	/* While it asks, there is a way. */
	EXPECT_EQ(0, route(self, self->hosts.a.link, "10.0.0.200"));
	EXPECT_EQ(0, et_count("frames_held"));
}

TEST_F(neigh, destination_without_a_route_is_refused)
{
	uint64_t was = et_count("packet_route");
	static const char * const nowhere[] = {
		"192.0.2.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "10.0.0.255", ET_ADDR_A,
		"127.0.0.1",
	};
	unsigned int i;

	for (i = 0; i < 7; i++) {
		self->r.daddr = inet_addr(nowhere[i]);
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &self->r, "x", 1));
		EXPECT_EQ(was + i + 1, et_count("packet_route"));
		EXPECT_GT(0, route(self, self->hosts.a.link, nowhere[i]));
	}
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	EXPECT_EQ(-ENETUNREACH, route(self, self->hosts.a.link, "192.0.2.1"));
}

TEST_F(neigh, prohibited_and_unreachable_routes_are_refused)
{
	ASSERT_EQ(0, et_sh("ip route add unreachable 192.0.2.1; ip route add blackhole 192.0.2.2"));
	EXPECT_EQ(-EHOSTUNREACH, route(self, self->hosts.a.link, "192.0.2.1"));
	EXPECT_GT(0, route(self, self->hosts.a.link, "192.0.2.2"));
}

TEST_F(neigh, route_kfunc_says_what_there_is)
{
	EXPECT_EQ(0, route(self, self->hosts.a.link, ET_ADDR_B));
	EXPECT_EQ(-EINVAL, route(self, 0, ET_ADDR_B));
	EXPECT_EQ(-EINVAL, route(self, 0x7fffffff, ET_ADDR_B));
	/* a's own address, asked on a's link: it leads to this host. */
	EXPECT_EQ(-EINVAL, route(self, self->hosts.a.link, ET_ADDR_A));
	/* From b's link it is somebody else's. */
	EXPECT_EQ(0, route(self, self->hosts.b.link, ET_ADDR_A));
}

TEST_F(neigh, gateway_is_used)
{
	struct xsk_frame f;

	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, et_sh("ip addr add 198.51.100.1/32 dev veth0"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip route add 198.51.100.0/24 via %s", ET_ADDR_B));
	self->r.daddr = inet_addr("198.51.100.1");
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(self->hosts.a.addr, f.tt.saddr);
}

TEST_F(neigh, changed_route_is_followed)
{
	uint64_t was = et_count("packet_route");
	struct xsk_frame f;

	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(self->hosts.a.addr, f.tt.saddr);
	/* Another source address. */
	ASSERT_EQ(0, et_sh("ip addr add 10.0.0.55/24 dev veth0; ip route replace %s dev veth0 src 10.0.0.55",
			   ET_ADDR_B));
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(inet_addr("10.0.0.55"), f.tt.saddr);
	/* Away from the device that the link device is on: refused, and counted. */
	ASSERT_EQ(0, et_sh("ip link add du0 type dummy; ip link set du0 up; ip route del %s; ip route replace 10.0.0.0/24 dev du0 && ip route flush dev veth0 root 10.0.0.0/8",
			   ET_ADDR_B));
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(was + 1, et_count("packet_route"));
	EXPECT_GT(0, route(self, self->hosts.a.link, ET_ADDR_B));
	/* And back. */
	ASSERT_EQ(0, et_sh("ip route replace 10.0.0.0/24 dev veth0"));
	ASSERT_EQ(0, xsk_send(&self->x, 3, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(0, route(self, self->hosts.a.link, ET_ADDR_B));
	EXPECT_EQ(0, xsk_take(&self->y, &f));
}

/* @n packets to as many destinations from 198.18.0.0 on; b consumes them. */
static int send_many(FIXTURE_DATA(neigh) *self, uint32_t n)
{
	struct tt_req r = self->r;
	uint32_t i;

	r.rx_verdict = 4;
	for (i = 0; i < n; i++) {
		r.daddr = htonl(0xc6120000 + i);
		xsk_put(&self->x, i % 32, TT_SEND, &r, "x", 1);
		if (i % 32 == 31 || i == n - 1) {
			if (xsk_kick(&self->x))
				return et_fail("sending");
			xsk_complete(&self->x, NULL, 0);
		}
	}
	return 0;
}

TEST_F_TIMEOUT(neigh, more_peers_than_the_table_keeps_are_all_reached, 120)
{
	const uint32_t n = 20000;	/* the table: 16384 */
	uint64_t sent = et_count("packets_sent"), route = et_count("packet_route");

	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, et_sh("ip route add local 198.18.0.0/15 dev lo && ip addr add 198.18.255.1/15 dev lo"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip route add 198.18.0.0/15 via %s", ET_ADDR_B));
	ASSERT_EQ(0, send_many(self, n));
	/* Once more: some of them are looked up again, all are sent. */
	ASSERT_EQ(0, send_many(self, n));
	EXPECT_EQ(sent + 2 * n, et_count("packets_sent"));
	EXPECT_EQ(route, et_count("packet_route"));
	/* None of them outlives its route. */
	ASSERT_EQ(0, et_sh("ip route del 198.18.0.0/15"));
	ASSERT_EQ(0, send_many(self, 32));
	EXPECT_EQ(route + 32, et_count("packet_route"));
}

TEST_F(neigh, packets_that_wait_are_bounded)
{
	uint64_t end = et_now_ms() + ET_PATIENCE_MS, start = et_now_ms();
	uint64_t waiting = et_count("packets_waiting"), was = et_count("packet_neighbour");
	uint32_t i;

	/* Nobody has these addresses. */
	while (et_count("packet_neighbour") == was && et_now_ms() < end) {
		for (i = 0; i < 32; i++) {
			self->r.daddr = htonl(0x0a0000c8 + i % 8);
			xsk_put(&self->x, i, TT_SEND, &self->r, "x", 1);
		}
		ASSERT_EQ(0, xsk_kick(&self->x));
		xsk_complete(&self->x, NULL, 0);
	}
	EXPECT_LT(was, et_count("packet_neighbour"));
	/* 1024 a second, and seconds begin and end at any time. */
	EXPECT_GE(1024 * ((et_now_ms() - start) / 1000 + 2), et_count("packets_waiting") - waiting);
	EXPECT_EQ(0, et_count("frames_held"));
}

TEST_F_TIMEOUT(neigh, neighbours_that_are_not_used_are_let_go, 120)
{
	uint64_t end = et_now_ms() + 60000;
	bool kept = true;

	/* Permanent, so that nobody refers to it but the kernel's table, and ours. */
	ASSERT_EQ(0, et_sh("ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 nud permanent dev veth0"));
	EXPECT_NE(0, system("ip -s neigh show 10.0.0.77 | grep -q ref"));
	self->r.daddr = inet_addr("10.0.0.77");
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(0, system("ip -s neigh show 10.0.0.77 | grep -q ref"));
	while (kept && et_now_ms() < end) {
		usleep(500000);
		kept = !system("ip -s neigh show 10.0.0.77 | grep -q ref");
	}
	EXPECT_FALSE(kept);
}

TT_MAIN(0)
