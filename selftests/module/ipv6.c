// SPDX-License-Identifier: GPL-2.0
/* IPv6: what is sent, what is received and whose it is, next hops. IPv4's twin is in the other files. */
#include "fixture.h"

#define V6_HDRS	(14 + TT_HDRS6)

/* Hosts of their own for each test: some change routes. */
FIXTURE(ipv6) {
	struct et_hosts hosts;
	struct bpf_link *link;
	struct xsk x;		/* on a, port 1 */
	struct xsk y;		/* on b, port 2 */
	int raw;		/* AF_PACKET on b */
	int seen;		/* AF_PACKET on a: sees what is passed */
	uint8_t pkt[2048];	/* from b to a's application */
	int len;
	struct tt_req r;	/* from a to b's application */
};

static int raw6_open(void)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IPV6),
		.sll_ifindex = if_nametoindex("veth0"),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IPV6));

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return et_fail("AF_PACKET socket");
	return fd;
}

/* The next IPv6 packet whose first header is @proto and that came from elsewhere. */
static int raw6_recv(int fd, uint8_t proto, uint8_t *buf, size_t room)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_ll sa;
	socklen_t len;
	ssize_t n;

	while (poll(&p, 1, ET_PATIENCE_MS) == 1) {
		len = sizeof(sa);
		n = recvfrom(fd, buf, room, MSG_TRUNC, (struct sockaddr *)&sa, &len);
		if (n >= 54 && sa.sll_pkttype != PACKET_OUTGOING && buf[20] == proto)
			return n;
	}
	return -1;
}

static int raw6_build(uint8_t *buf, const struct et_host *from, const struct et_host *to,
		      const char *saddr, const char *daddr, const struct tt_hdr *th,
		      const void *payload, uint32_t len)
{
	uint8_t *ip = buf + 14;

	memset(buf, 0, V6_HDRS);
	memcpy(buf, to->mac, 6);
	memcpy(buf + 6, from->mac, 6);
	buf[12] = 0x86;
	buf[13] = 0xdd;
	ip[0] = 0x60;
	ip[5] = sizeof(*th) + len;
	ip[6] = TT_PROTO;
	ip[7] = 64;
	inet_pton(AF_INET6, saddr, ip + 8);
	inet_pton(AF_INET6, daddr, ip + 24);
	memcpy(ip + 40, th, sizeof(*th));
	memcpy(ip + TT_HDRS6, payload, len);
	return V6_HDRS + len;
}

/* Where requests with TT_F_V6 go. */
static void to6(struct tt_req *r, const char *addr)
{
	uint32_t a[4];

	inet_pton(AF_INET6, addr, a);
	tt->prefix[0] = a[0];
	tt->prefix[1] = a[1];
	tt->prefix[2] = a[2];
	r->daddr = a[3];
	r->flags |= TT_F_V6;
}

FIXTURE_SETUP(ipv6)
{
	struct tt_hdr th = { .verdict = 5 /* DELIVER */, .dport = 1, .seq = 5 };

	memset((void *)tt, 0, sizeof(*tt));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	ASSERT_EQ(0, et_hosts_up(&self->hosts, 4));
	ASSERT_EQ(0, et_hosts_xdp(&self->hosts, tt_xdp(tt_object)));
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1, .chunks = 256 }));
	self->seen = raw6_open();
	ASSERT_LE(0, self->seen);
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	self->raw = raw6_open();
	ASSERT_LE(0, self->raw);
	self->len = raw6_build(self->pkt, &self->hosts.b, &self->hosts.a, ET_ADDR6_B, ET_ADDR6_A,
			       &th, "payload", 7);
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	self->r = (struct tt_req) { .cookie = 5, .verdict = 1, .rx_verdict = 5, .dport = 2 };
	to6(&self->r, ET_ADDR6_B);
}

FIXTURE_TEARDOWN(ipv6)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	close(self->raw);
	close(self->seen);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	bpf_link__destroy(self->link);
	EXPECT_EQ(0, et_hosts_down(&self->hosts));
	EXPECT_EQ(0, et_count("frames_held"));
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 0));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
}

/* Was the frame sent from @addr? */
static bool from6(const struct xsk_frame *f, const char *addr)
{
	uint32_t a[4];

	inet_pton(AF_INET6, addr, a);
	return f->tt.version == 6 && f->tt.saddr6[0] == a[0] && f->tt.saddr6[1] == a[1] &&
	       f->tt.saddr6[2] == a[2] && f->tt.saddr == a[3];
}

static int64_t route6(FIXTURE_DATA(ipv6) *self, uint32_t link, const char *addr)
{
	struct tt_req r = { .seq = link };

	to6(&r, addr);
	tt->result = 1;
	return xsk_send(&self->x, 100, TT_ROUTE, &r, NULL, 0) ? 2 : tt->result;
}

static int inject(FIXTURE_DATA(ipv6) *self, int len)
{
	return send(self->raw, self->pkt, len, 0) == len ? 0 : et_fail("AF_PACKET send");
}

/* ---- sending ---- */

TEST_F(ipv6, packet_arrives_as_the_program_built_it)
{
	uint8_t want[14 + 40] = {
		2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x86, 0xdd,
		0x60, 0x12, 0x34, 0x56, 0, sizeof(struct tt_hdr) + 3, TT_PROTO, 33,
	}, buf[2048];

	inet_pton(AF_INET6, ET_ADDR6_A, want + 22);
	inet_pton(AF_INET6, ET_ADDR6_B, want + 38);
	self->r.rx_verdict = 3;		/* PASS, so that it is seen */
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "abc", 3));
	ASSERT_EQ(V6_HDRS + 3, raw6_recv(self->raw, TT_PROTO, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(want, buf, sizeof(want)));
	EXPECT_EQ(0, memcmp("abc", buf + V6_HDRS, 3));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
}

TEST_F(ipv6, largest_packet_arrives_and_a_larger_one_is_dropped)
{
	static char data[1500];
	uint64_t was = et_count("packet_mtu");
	struct xsk_frame f;

	memset(data, 'x', sizeof(data));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, data, 1500 - TT_HDRS6));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(1500 - TT_HDRS6, f.len);
	EXPECT_EQ(0, memcmp(data, f.payload, f.len));
	EXPECT_TRUE(from6(&f, ET_ADDR6_A));
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, data, 1500 - TT_HDRS6 + 1));
	EXPECT_EQ(was + 1, et_count("packet_mtu"));
	EXPECT_EQ(0, xsk_take(&self->y, &f));
}

TEST_F(ipv6, source_that_the_program_wrote_is_kept)
{
	struct xsk_frame f;

	inet_pton(AF_INET6, "fd00::77", (void *)tt->saddr6);
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_TRUE(from6(&f, "fd00::77"));
}

TEST_F(ipv6, headers_that_are_none_are_dropped)
{
	static const struct {
		uint8_t version, proto;
		uint16_t off, len;
		const char *why;
	} bad[] = {
		{ 0x50, TT_PROTO, 256 - TT_HDRS6, TT_HDRS6, "packet_ip" },
		{ 0x70, TT_PROTO, 256 - TT_HDRS6, TT_HDRS6, "packet_ip" },
		/* Looks like IPv4 with a strange protocol. */
		{ 0x45, TT_PROTO, 256 - TT_HDRS6, TT_HDRS6, "packet_ip" },
		{ 0x60, 17, 256 - TT_HDRS6, TT_HDRS6, "packet_ip" },
		{ 0x60, 1, 256 - TT_HDRS6, TT_HDRS6, "packet_ip" },
		{ 0x60, 0, 256 - TT_HDRS6, TT_HDRS6, "packet_ip" },
		{ 0x60, 44, 256 - TT_HDRS6, TT_HDRS6, "packet_ip" },
		/* Less than an IPv6 header, but enough for an IPv4 one. */
		{ 0x60, TT_PROTO, 256 - TT_HDRS6, 39, "packet_ip" },
		{ 0x60, TT_PROTO, 256 - TT_HDRS6, TT_HDRS6 + 1, "packet_header" },
		{ 0x60, TT_PROTO, 12, TT_HDRS6, "packet_header" },
	};
	unsigned int i;
	uint64_t was;

	self->r.flags |= TT_F_RAW;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		was = et_count(bad[i].why);
		self->r.version_ihl = bad[i].version;
		self->r.proto = bad[i].proto;
		self->r.hdr_off = bad[i].off;
		self->r.hdr_len = bad[i].len;
		/* No payload, so that the headers need not end where it begins. */
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &self->r, NULL, 0));
		EXPECT_EQ(was + 1, et_count(bad[i].why)) TH_LOG("case %u", i);
	}
	EXPECT_EQ(0, tt->ingress);
	/* ICMPv6 may be sent. */
	self->r.version_ihl = 0x60;
	self->r.proto = 58;
	self->r.hdr_off = 256 - TT_HDRS6;
	self->r.hdr_len = TT_HDRS6;
	was = et_count("packets_sent");
	ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &self->r, NULL, 0));
	EXPECT_EQ(was + 1, et_count("packets_sent"));
}

TEST_F(ipv6, generated_packets_and_retransmissions_are_sent)
{
	struct xsk_frame f;

	self->r.flags |= TT_F_HOLD;
	self->r.verdict = 2;	/* HOLD */
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "held", 4));
	tt->gen_do[0] = (struct tt_gen) {
		.verdict = 1, .link = self->hosts.a.link, .daddr = self->r.daddr, .seq = 70,
		.dport = 2, .rx_verdict = 5, .v6 = 1,
	};
	tt->gen_do[1] = (struct tt_gen) {
		.verdict = 1, .handle = tt->handle[0], .daddr = self->r.daddr, .seq = 71,
		.dport = 2, .rx_verdict = 5, .v6 = 1,
	};
	/* The other version in between. */
	tt->gen_do[2] = (struct tt_gen) {
		.verdict = 1, .handle = tt->handle[0], .daddr = self->hosts.b.addr, .seq = 72,
		.dport = 2, .rx_verdict = 5,
	};
	tt->gen_n = 3;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_KICK, &self->r, NULL, 0));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(70, f.tt.seq);
	EXPECT_EQ(0, f.len);
	EXPECT_TRUE(from6(&f, ET_ADDR6_A));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(71, f.tt.seq);
	EXPECT_EQ(4, f.len);
	EXPECT_EQ(0, memcmp("held", f.payload, 4));
	EXPECT_TRUE(from6(&f, ET_ADDR6_A));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(72, f.tt.seq);
	EXPECT_EQ(4, f.tt.version);
	EXPECT_EQ(self->hosts.a.addr, f.tt.saddr);
}

/* ---- receiving ---- */

/* Waits until the counter has grown, and looks that nothing came to application or stack. */
static int dropped(FIXTURE_DATA(ipv6) *self, const char *name, uint64_t was)
{
	struct xsk_frame f;
	uint8_t buf[2048];
	ssize_t n;

	if (!et_wait_for(et_count(name) == was + 1))
		return et_fail("%s grew by %llu", name, (unsigned long long)(et_count(name) - was));
	if (xsk_take(&self->x, &f))
		return et_fail("it was delivered");
	while ((n = recv(self->seen, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (!memcmp(buf, self->pkt, 54))
			return et_fail("the kernel's stack got it");
	return 0;
}

/* The kernel's stack gets it and the transport does not. */
static int left_alone(FIXTURE_DATA(ipv6) *self, int len)
{
	uint64_t was = et_counter(ETRAN_COUNTERS_LINK, self->hosts.a.link, "rx_packets");
	uint8_t buf[2048];

	if (inject(self, len))
		return -1;
	if (raw6_recv(self->seen, self->pkt[20], buf, sizeof(buf)) != len)
		return et_fail("the kernel's stack did not get it");
	/* Of this host: the other may be given an ICMPv6 error about it. */
	if (et_counter(ETRAN_COUNTERS_LINK, self->hosts.a.link, "rx_packets") != was)
		return et_fail("a transport got it");
	return 0;
}

TEST_F(ipv6, good_packet_is_delivered)
{
	struct xsk_frame f;

	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	EXPECT_EQ(7, f.len);
	EXPECT_EQ(0, memcmp(f.payload, "payload", 7));
	EXPECT_EQ(5, f.tt.seq);
	EXPECT_TRUE(from6(&f, ET_ADDR6_B));
	/* Padding behind it is no payload. */
	memset(self->pkt + self->len, 0xff, 40);
	ASSERT_EQ(0, inject(self, self->len + 40));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	EXPECT_EQ(7, f.len);
}

TEST_F(ipv6, lengths_and_versions_that_are_wrong_are_dropped)
{
	uint64_t was = et_count("rx_truncated");

	ASSERT_EQ(0, inject(self, self->len - 1));
	EXPECT_EQ(0, dropped(self, "rx_truncated", was));
	self->pkt[18] = 0xff;
	self->pkt[19] = 0xff;
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, dropped(self, "rx_truncated", was + 1));
	/* As in a jumbogram: a header and nothing behind it. */
	self->pkt[18] = 0;
	self->pkt[19] = 0;
	was = et_count("rx_verdict");
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, dropped(self, "rx_verdict", was));
	was = et_count("rx_options");
	self->pkt[14] = 0x45;
	self->pkt[19] = sizeof(struct tt_hdr) + 7;
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, dropped(self, "rx_options", was));
}

/* Puts @n bytes of headers, the first of type @first, between IP and the test transport's. */
static void insert(FIXTURE_DATA(ipv6) *self, uint8_t first, const uint8_t *h, int n)
{
	memmove(self->pkt + 54 + n, self->pkt + 54, self->len - 54);
	memcpy(self->pkt + 54, h, n);
	self->pkt[20] = first;
	self->pkt[19] += n;
	self->len += n;
}

TEST_F(ipv6, extension_headers_are_dropped)
{
	static const uint8_t options[] = { TT_PROTO, 0, 1, 4, 0, 0, 0, 0 };
	static const uint8_t two[] = { 60, 0, 1, 4, 0, 0, 0, 0,
				       TT_PROTO, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t first[] = { 0, 43, 60 };
	uint8_t pkt[2048];
	int len = self->len, i;
	uint64_t was;

	memcpy(pkt, self->pkt, sizeof(pkt));
	for (i = 0; i < 4; i++) {
		memcpy(self->pkt, pkt, sizeof(pkt));
		self->len = len;
		was = et_count("rx_options");
		if (i < 3)
			insert(self, first[i], options, sizeof(options));
		else
			insert(self, 0, two, sizeof(two));
		ASSERT_EQ(0, inject(self, self->len));
		EXPECT_EQ(0, dropped(self, "rx_options", was)) TH_LOG("case %d", i);
	}
	EXPECT_EQ(0, tt->ingress);
}

TEST_F(ipv6, fragments_are_dropped)
{
	uint8_t h[] = { TT_PROTO, 0, 0, 1, 0, 0, 0, 7 };	/* the first, more follow */
	uint64_t was = et_count("rx_fragment");

	insert(self, 44, h, sizeof(h));
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, dropped(self, "rx_fragment", was));
	self->pkt[56] = 1;	/* not the first */
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, dropped(self, "rx_fragment", was + 1));
	self->pkt[56] = 0;	/* the only one */
	self->pkt[57] = 0;
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, dropped(self, "rx_fragment", was + 2));
	EXPECT_EQ(0, tt->ingress);
}

TEST_F(ipv6, what_is_not_its_own_is_left_alone)
{
	static const uint8_t endless[] = { 0, 0, 1, 4, 0, 0, 0, 0 };
	uint8_t pkt[2048];
	int len = self->len, i;

	memcpy(pkt, self->pkt, sizeof(pkt));
	/* Another protocol. */
	self->pkt[20] = 252;
	EXPECT_EQ(0, left_alone(self, self->len));
	/* One that only looks like it behind headers that lead beyond the frame. */
	self->pkt[20] = 60;
	self->pkt[54] = TT_PROTO;
	self->pkt[55] = 0xff;
	EXPECT_EQ(0, left_alone(self, 54 + 6));
	/* More headers than are followed. */
	memcpy(self->pkt, pkt, sizeof(pkt));
	for (i = 0; i < 9; i++) {
		uint8_t h[8];

		memcpy(h, endless, 8);
		h[0] = i ? 60 : TT_PROTO;
		insert(self, 60, h, 8);
	}
	EXPECT_EQ(0, left_alone(self, self->len));
	/* Another host's MAC, another host's address, a multicast address. */
	memcpy(self->pkt, pkt, sizeof(pkt));
	self->len = len;
	self->pkt[5] ^= 0x40;
	EXPECT_EQ(0, left_alone(self, self->len));
	self->pkt[5] ^= 0x40;
	self->pkt[53] = 99;
	EXPECT_EQ(0, left_alone(self, self->len));
	inet_pton(AF_INET6, "ff02::1", self->pkt + 38);
	EXPECT_EQ(0, left_alone(self, self->len));
	EXPECT_EQ(0, tt->ingress);
}

TEST_F(ipv6, vlan_devices_packets_are_left_alone)
{
	/* veth leaves the tag beside the frame, as NICs do, so XDP sees none. */
	ASSERT_EQ(0, et_sh("printf 'link add vl0 link veth0 type vlan id 5\\naddr add fd05::1/64 dev vl0 nodad\\naddr add 10.5.0.1/24 dev vl0\\nlink set vl0 up\\n' | ip -batch -"));
	inet_pton(AF_INET6, "fd05::1", self->pkt + 38);
	EXPECT_EQ(0, left_alone(self, self->len));
	/* The stack, which knows no such protocol, says so: "unrecognized next header", to b's transport. */
	EXPECT_TRUE(et_wait_for(tt->icmp == 1));
	EXPECT_EQ(4, tt->icmp_type);
	EXPECT_EQ(1, tt->icmp_code);
	EXPECT_EQ(1, tt->ingress);
}

TEST_F(ipv6, service_addresses_on_other_devices_are_its_own)
{
	struct xsk_frame f;

	ASSERT_EQ(0, et_sh("ip addr add fd09::9/128 dev lo"));
	inet_pton(AF_INET6, "fd09::9", self->pkt + 38);
	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	/* A link-local one of another device is not this link's. */
	ASSERT_EQ(0, et_sh("printf 'link add du0 type dummy\\nlink set du0 up\\naddr add fe80::9/64 dev du0 nodad\\n' | ip -batch -"));
	inet_pton(AF_INET6, "fe80::9", self->pkt + 38);
	ASSERT_EQ(0, inject(self, self->len));
	/* The stack answers with an ICMP error about it, which b's transport is given. */
	EXPECT_TRUE(et_wait_for(tt->icmp == 1));
	EXPECT_EQ(0, xsk_take(&self->x, &f));
	ASSERT_EQ(0, et_sh("ip addr add fe80::9/64 dev veth0 nodad"));
	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
}

/* An ICMPv6 error that quotes a packet of @proto, from b to a. Return: its length. */
static int icmp6_error(FIXTURE_DATA(ipv6) *self, int type, int code, uint8_t proto)
{
	uint8_t *icmp = self->pkt + 54;

	memcpy(icmp + 8, self->pkt + 14, 40 + 8);
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	icmp[8 + 6] = proto;
	self->pkt[19] = 8 + 40 + 8;
	self->pkt[20] = 58;
	return 54 + 8 + 40 + 8;
}

TEST_F(ipv6, icmp_errors_about_its_packets_are_given_to_the_transport)
{
	uint8_t pkt[2048];

	memcpy(pkt, self->pkt, sizeof(pkt));
	ASSERT_EQ(0, inject(self, icmp6_error(self, 1, 4, TT_PROTO)));
	EXPECT_TRUE(et_wait_for(tt->icmp == 1));
	EXPECT_EQ(1, tt->icmp_type);
	EXPECT_EQ(4, tt->icmp_code);
	memcpy(self->pkt, pkt, sizeof(pkt));
	ASSERT_EQ(0, inject(self, icmp6_error(self, 2, 0, TT_PROTO)));
	EXPECT_TRUE(et_wait_for(tt->icmp == 2));
	EXPECT_EQ(2, tt->icmp_type);
	memcpy(self->pkt, pkt, sizeof(pkt));
	ASSERT_EQ(0, inject(self, icmp6_error(self, 4, 1, TT_PROTO)));
	EXPECT_TRUE(et_wait_for(tt->icmp == 3));
	EXPECT_EQ(4, tt->icmp_type);
	/* Cut off: the quoted header is not all there. */
	memcpy(self->pkt, pkt, sizeof(pkt));
	icmp6_error(self, 1, 4, TT_PROTO);
	EXPECT_EQ(0, left_alone(self, 54 + 8 + 30));
	/* About others, and other messages. */
	memcpy(self->pkt, pkt, sizeof(pkt));
	EXPECT_EQ(0, left_alone(self, icmp6_error(self, 1, 4, 17)));
	memcpy(self->pkt, pkt, sizeof(pkt));
	EXPECT_EQ(0, left_alone(self, icmp6_error(self, 3, 0, TT_PROTO)));
	memcpy(self->pkt, pkt, sizeof(pkt));
	EXPECT_EQ(0, left_alone(self, icmp6_error(self, 4, 0, TT_PROTO)));
	EXPECT_EQ(3, tt->icmp);
}

TEST_F(ipv6, neighbour_discovery_and_ping_work_beside_it)
{
	ASSERT_EQ(0, et_sh("ip neigh del %s dev veth0", ET_ADDR6_B));
	ASSERT_EQ(0, et_sh("ping -6 -n -c 2 -i 0.2 -W 5 %s", ET_ADDR6_B));
	EXPECT_EQ(0, tt->ingress);
}

/* ---- next hops ---- */

TEST_F(ipv6, first_packets_wait_for_neighbour_discovery_and_arrive)
{
	struct xsk_frame f;
	uint64_t was = et_count("packets_waiting");
	int i;

	ASSERT_EQ(0, et_sh("ip neigh del %s dev veth0", ET_ADDR6_B));
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
		EXPECT_TRUE(from6(&f, ET_ADDR6_A));
	}
	was = et_count("packets_waiting");
	ASSERT_EQ(0, xsk_send(&self->x, 5, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(was, et_count("packets_waiting"));
}

TEST_F(ipv6, neighbour_that_moves_is_followed)
{
	struct xsk_frame f;

	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, et_sh("ip link set veth0 address 02:00:00:00:00:1b"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip neigh replace %s lladdr 02:00:00:00:00:1b nud permanent dev veth0",
			   ET_ADDR6_B));
	self->r.seq = 2;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(2, f.tt.seq);
}

TEST_F(ipv6, route_kfunc_says_what_there_is)
{
	uint32_t a = self->hosts.a.link;
	struct tt_req r = { .seq = a };

	EXPECT_EQ(0, route6(self, a, ET_ADDR6_B));
	EXPECT_EQ(-EINVAL, route6(self, 0, ET_ADDR6_B));
	EXPECT_EQ(-EINVAL, route6(self, a, ET_ADDR6_A));
	EXPECT_EQ(-EINVAL, route6(self, a, "::"));
	EXPECT_EQ(-EINVAL, route6(self, a, "::1"));
	EXPECT_EQ(-EINVAL, route6(self, a, "ff02::1"));
	EXPECT_EQ(-ENETUNREACH, route6(self, a, "2001:db8::1"));
	/* The same address, written in the other family. */
	EXPECT_EQ(0, route6(self, a, "::ffff:" ET_ADDR_B));
	EXPECT_EQ(0, xsk_send(&self->x, 101, TT_ROUTE_SIZE, &r, NULL, 0));
	EXPECT_EQ(-EINVAL, tt->result);
	ASSERT_EQ(0, et_sh("ip -6 route add unreachable 2001:db8::1; ip -6 route add blackhole 2001:db8::2; ip -6 route add prohibit 2001:db8::3"));
	EXPECT_EQ(-EHOSTUNREACH, route6(self, a, "2001:db8::1"));
	EXPECT_EQ(-ENETUNREACH, route6(self, a, "2001:db8::2"));
	EXPECT_EQ(-ENETUNREACH, route6(self, a, "2001:db8::3"));
}

TEST_F(ipv6, destination_without_a_route_is_refused)
{
	static const char * const nowhere[] = {
		"2001:db8::1", "ff02::1", "::", "::1", ET_ADDR6_A,
	};
	uint64_t was = et_count("packet_route");
	unsigned int i;

	for (i = 0; i < 5; i++) {
		to6(&self->r, nowhere[i]);
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &self->r, "x", 1));
		EXPECT_EQ(was + i + 1, et_count("packet_route"));
	}
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
}

TEST_F(ipv6, changed_routes_and_addresses_are_followed)
{
	uint64_t was = et_count("packet_route");
	struct xsk_frame f;

	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, et_sh("ip addr add fd01::1/128 dev veth0 nodad"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	to6(&self->r, "fd01::1");
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(was + 1, et_count("packet_route"));
	/* A gateway. */
	ASSERT_EQ(0, et_sh("ip -6 route add fd01::/64 via %s", ET_ADDR6_B));
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_TRUE(from6(&f, ET_ADDR6_A));
	/* Another source by the route. */
	ASSERT_EQ(0, et_sh("ip addr add fd00::55/64 dev veth0 nodad && ip -6 route replace fd01::/64 via %s src fd00::55",
			   ET_ADDR6_B));
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_TRUE(from6(&f, "fd00::55"));
	/* That source is taken away: no route names it any more, and no packet. */
	ASSERT_EQ(0, et_sh("ip addr del fd00::55/64 dev veth0"));
	ASSERT_EQ(0, xsk_send(&self->x, 3, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_TRUE(from6(&f, ET_ADDR6_A));
	/* An address that is a better source for this destination. */
	ASSERT_EQ(0, et_sh("ip addr add fd01::5/128 dev veth0 nodad"));
	ASSERT_EQ(0, xsk_send(&self->x, 4, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_TRUE(from6(&f, "fd01::5"));
	/* Unreachable, and back. */
	ASSERT_EQ(0, et_sh("ip -6 route add unreachable fd01::1"));
	ASSERT_EQ(0, xsk_send(&self->x, 5, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(was + 2, et_count("packet_route"));
	ASSERT_EQ(0, et_sh("ip -6 route del unreachable fd01::1"));
	ASSERT_EQ(0, xsk_send(&self->x, 6, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(0, xsk_take(&self->y, &f));
}

TEST_F(ipv6, link_local_addresses_work)
{
	struct xsk_frame f;

	ASSERT_EQ(0, et_enter(self->hosts.b.ns));
	ASSERT_EQ(0, et_sh("ip addr add fe80::b/64 dev veth0 nodad"));
	ASSERT_EQ(0, et_enter(self->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip addr add fe80::a/64 dev veth0 nodad"));
	to6(&self->r, "fe80::b");
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_TRUE(from6(&f, "fe80::a"));
}

TEST_F(ipv6, host_without_ipv6_says_so)
{
	uint64_t was = et_count("packet_route");

	ASSERT_EQ(0, et_sh("echo 1 >/proc/sys/net/ipv6/conf/veth0/disable_ipv6"));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(was + 1, et_count("packet_route"));
	EXPECT_EQ(-ENETUNREACH, route6(self, self->hosts.a.link, ET_ADDR6_B));
}

TT_MAIN(0)
