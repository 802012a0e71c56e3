// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of received packets: those for the transport are its own, whatever is wrong with
 * them; all others stay the kernel's. Packets are injected raw on host b, and so arrive at a.
 */
#include "fixture.h"
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

FIXTURE(ingress) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a, port 1 */
	int b;			/* AF_PACKET on b */
	int a;			/* AF_PACKET on a: sees what is passed */
	uint8_t pkt[2048];
	int len;
	struct et_counters before, after;
};

FIXTURE_SETUP(ingress)
{
	struct tt_hdr th = { .verdict = 5 /* DELIVER */, .dport = 1, .seq = 5 };

	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	self->a = raw_open();
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	self->b = raw_open();
	ASSERT_LE(0, self->b);
	self->len = raw_build(self->pkt, self->net.b, self->net.a, &th, "payload", 7);
	raw_sum(self->pkt);
	ASSERT_EQ(0, et_counters_read(&self->before, ETRAN_COUNTERS_MODULE, 0));
}

FIXTURE_TEARDOWN(ingress)
{
	xsk_close(&self->x);
	close(self->a);
	close(self->b);
	net_teardown(_metadata, &self->net, NULL);
}

/* Waits until the counter has grown by one, and looks that nothing else did. */
static int grew(FIXTURE_DATA(ingress) *self, const char *name, uint64_t by)
{
	static const char * const all[] = {
		"rx_delivered", "rx_consumed", "rx_passed", "rx_truncated", "rx_checksum",
		"rx_options", "rx_fragment", "rx_verdict", "bad_verdict",
	};
	uint64_t old = et_value(&self->before, name);
	unsigned int i;

	if (!et_wait_for(et_count(name) - old >= by)) {
		errno = 0;
		et_fail("%s did not grow", name);
		return -1;
	}
	if (et_counters_read(&self->after, ETRAN_COUNTERS_MODULE, 0))
		return -1;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		old = et_value(&self->before, all[i]);
		if (et_value(&self->after, all[i]) - old != (strcmp(all[i], name) ? 0 : by)) {
			errno = 0;
			et_fail("%s grew by %llu", all[i],
				(unsigned long long)(et_value(&self->after, all[i]) - old));
			return -1;
		}
	}
	return 0;
}

/* Nothing of the packet came to the application or to the kernel's stack. */
static int nothing_else(FIXTURE_DATA(ingress) *self)
{
	struct xsk_frame f;
	uint8_t buf[2048];
	ssize_t n;

	if (xsk_take(&self->x, &f))
		return et_fail("it was delivered");
	while ((n = recv(self->a, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (buf[23] == TT_PROTO)
			return et_fail("the kernel's stack got it");
	return 0;
}

static int inject(FIXTURE_DATA(ingress) *self, int len)
{
	return send(self->b, self->pkt, len, 0) == len ? 0 : et_fail("AF_PACKET send");
}

TEST_F(ingress, good_packet_is_delivered)
{
	struct xsk_frame f;

	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	EXPECT_EQ(7, f.len);
	EXPECT_EQ(0, memcmp(f.payload, "payload", 7));
	EXPECT_EQ(5, f.tt.seq);
	EXPECT_EQ(self->net.b->addr, f.tt.saddr);
	EXPECT_EQ(0, grew(self, "rx_delivered", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, ethernet_padding_is_no_payload)
{
	struct xsk_frame f;

	memset(self->pkt + self->len, 0xff, 40);
	ASSERT_EQ(0, inject(self, self->len + 40));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	EXPECT_EQ(7, f.len);
	EXPECT_EQ(0, grew(self, "rx_delivered", 1));
}

TEST_F(ingress, truncated_is_dropped)
{
	/* One byte less than the IP header says. */
	ASSERT_EQ(0, inject(self, self->len - 1));
	EXPECT_EQ(0, grew(self, "rx_truncated", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, total_length_beyond_the_frame_is_dropped)
{
	self->pkt[16] = 0xff;
	self->pkt[17] = 0xff;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_truncated", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, total_length_below_the_header_is_dropped)
{
	self->pkt[16] = 0;
	self->pkt[17] = 19;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_truncated", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, wrong_checksum_is_dropped)
{
	self->pkt[24] ^= 1;
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_checksum", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, options_are_dropped)
{
	memmove(self->pkt + 38, self->pkt + 34, self->len - 34);
	memset(self->pkt + 34, 1, 4);	/* four times NOP */
	self->pkt[14] = 0x46;
	self->pkt[17] += 4;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len + 4));
	EXPECT_EQ(0, grew(self, "rx_options", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, header_length_below_the_minimum_is_dropped)
{
	self->pkt[14] = 0x44;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_options", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, wrong_version_is_dropped)
{
	self->pkt[14] = 0x65;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_options", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, fragments_are_dropped)
{
	self->pkt[20] = 0x20;	/* more fragments */
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	self->pkt[20] = 0;
	self->pkt[21] = 1;	/* not the first */
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_fragment", 2));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, shorter_than_its_transport_header_is_seen_by_the_program_alone)
{
	/* No header at all behind IP: what the program reads there is undefined, not out of bounds. */
	self->pkt[17] = 20;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, 34));
	EXPECT_EQ(0, grew(self, "rx_verdict", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, drop_verdict_drops)
{
	tt->rx_force = 0 + 1;
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_verdict", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, consume_verdict_uses_up)
{
	tt->rx_force = 4 + 1;
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "rx_consumed", 1));
	EXPECT_EQ(0, nothing_else(self));
}

TEST_F(ingress, garbage_verdicts_drop_and_eject)
{
	static const uint32_t bad[] = { 1, 2, 6, 0x100, 0x103, 0xfffffffe };
	unsigned int i;
	char msg[128];

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tt->rx_force = bad[i] + 1;
		ASSERT_EQ(0, inject(self, self->len));
		snprintf(msg, sizeof(msg), "ingress returned %u, which is no verdict there", bad[i]);
		EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, bad[i], msg));
		/* The packet itself is nobody's. */
		EXPECT_EQ(0, nothing_else(self));
		ASSERT_EQ(0, tt_attach(&self->net));
	}
	EXPECT_EQ(0, grew(self, "bad_verdict", i));
}

TEST_F(ingress, deliver_verdict_without_delivery_is_refused)
{
	tt->rx_force = 255 + 1;
	ASSERT_EQ(0, inject(self, self->len));
	EXPECT_EQ(0, grew(self, "bad_verdict", 1));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, 5,
		"ingress returned ETRAN_DELIVER, but bpf_etran_deliver() delivered nothing"));
}

TEST_F(ingress, pass_reaches_the_kernels_stack)
{
	uint8_t buf[2048];

	tt->rx_force = 3 + 1;
	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(self->len, raw_recv(self->a, TT_PROTO, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, self->pkt, self->len));
	/* Not grew(): the kernel answers that it does not know the protocol. */
	EXPECT_EQ(1, et_count("rx_passed") - et_value(&self->before, "rx_passed"));
}

TEST_F(ingress, other_macs_packets_are_left_alone)
{
	uint8_t buf[2048];

	self->pkt[5] ^= 0x40;
	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(self->len, raw_recv(self->a, TT_PROTO, buf, sizeof(buf)));
	EXPECT_EQ(0, et_count("rx_packets") - et_value(&self->before, "rx_packets"));
	EXPECT_EQ(0, tt->ingress);
}

TEST_F(ingress, other_addresses_packets_are_left_alone)
{
	uint8_t buf[2048];

	self->pkt[33] = 99;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(self->len, raw_recv(self->a, TT_PROTO, buf, sizeof(buf)));
	EXPECT_EQ(0, et_count("rx_packets") - et_value(&self->before, "rx_packets"));
	EXPECT_EQ(0, tt->ingress);
}

TEST_F(ingress, other_protocols_are_left_alone)
{
	uint8_t buf[2048];

	self->pkt[23] = 252;
	raw_sum(self->pkt);
	ASSERT_EQ(0, inject(self, self->len));
	ASSERT_EQ(self->len, raw_recv(self->a, 252, buf, sizeof(buf)));
	EXPECT_EQ(0, et_count("rx_packets") - et_value(&self->before, "rx_packets"));
}

/* An ICMP error of type @type, code @code that quotes a packet of ours, from b to a. */
static int icmp_error(FIXTURE_DATA(ingress) *self, int type, int code, int quoted_proto)
{
	uint8_t quoted[28], *icmp = self->pkt + 34;
	uint16_t sum;

	memcpy(quoted, self->pkt + 14, 28);
	quoted[9] = quoted_proto;
	memcpy(quoted + 12, &self->net.a->addr, 4);
	memcpy(quoted + 16, &self->net.b->addr, 4);
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 8, quoted, 28);
	sum = ip_sum(icmp, 36);
	icmp[2] = sum >> 8;
	icmp[3] = sum;
	self->pkt[17] = 20 + 36;
	self->pkt[23] = 1;
	raw_sum(self->pkt);
	return inject(self, 14 + 56);
}

TEST_F(ingress, icmp_unreachable_about_its_packets_is_given_to_the_transport)
{
	ASSERT_EQ(0, icmp_error(self, 3, 3, TT_PROTO));
	EXPECT_TRUE(et_wait_for(tt->icmp == 1));
	EXPECT_EQ(3, tt->icmp_code);
	EXPECT_EQ(0, grew(self, "rx_consumed", 1));
}

TEST_F(ingress, icmp_unreachable_about_others_is_the_kernels)
{
	uint8_t buf[2048];

	ASSERT_EQ(0, icmp_error(self, 3, 3, 17));
	ASSERT_LT(0, raw_recv(self->a, 1, buf, sizeof(buf)));
	EXPECT_EQ(0, tt->ingress);
}

TEST_F(ingress, other_icmp_about_its_packets_is_the_kernels)
{
	uint8_t buf[2048];

	ASSERT_EQ(0, icmp_error(self, 11, 0, TT_PROTO));
	ASSERT_LT(0, raw_recv(self->a, 1, buf, sizeof(buf)));
	EXPECT_EQ(0, tt->ingress);
}

/* ---- the kernel's own traffic over the same devices while the transport has some ---- */

/* Runs the transport from a to b until told to stop. Return: its pid. */
static pid_t traffic(FIXTURE_DATA(ingress) *self)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 4,
	};
	pid_t pid = fork();
	int i;

	if (pid)
		return pid;
	for (;;) {
		for (i = 0; i < 8; i++)
			xsk_put(&self->x, i, TT_SEND, &r, self->pkt, 1400);
		if (xsk_kick(&self->x))
			_exit(1);
		xsk_complete(&self->x, NULL, 0);
		usleep(2000);
	}
}

static int traffic_stop(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 0 : et_fail("the traffic ended by itself");
}

TEST_F(ingress, ping_and_arp_work_beside_it)
{
	pid_t pid = traffic(self);

	/* Forget the permanent entries, so that ARP has to work, too. */
	EXPECT_EQ(0, et_sh("ip neigh flush nud permanent dev veth0; ping -q -c 3 -i 0.2 -W 5 %s",
			   ET_ADDR_A));
	EXPECT_EQ(0, et_sh("ip neigh replace %s lladdr %s nud permanent dev veth0", ET_ADDR_A,
			   ET_MAC_A));
	EXPECT_EQ(0, traffic_stop(pid));
	EXPECT_LT(0, et_count("rx_consumed") - et_value(&self->before, "rx_consumed"));
}

TEST_F(ingress, fragmented_64k_ping_works_beside_it)
{
	pid_t pid = traffic(self);

	EXPECT_EQ(0, et_sh("ping -q -c 2 -i 0.2 -W 5 -s 65000 %s", ET_ADDR_A));
	EXPECT_EQ(0, traffic_stop(pid));
}

TEST_F(ingress, kernel_tcp_works_beside_it)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(5000) };
	static char out[1 << 20], in[1 << 20];
	int l, c, s, status;
	pid_t pid, sender;
	ssize_t n;
	size_t at = 0;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 31 >> 3;
	sa.sin_addr.s_addr = self->net.a->addr;
	ASSERT_EQ(0, et_enter(self->net.a->ns));
	l = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(0, setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)));
	ASSERT_EQ(0, bind(l, (struct sockaddr *)&sa, sizeof(sa)));
	ASSERT_EQ(0, listen(l, 1));
	pid = traffic(self);
	sender = fork();
	if (!sender) {
		et_enter(self->net.b->ns);
		c = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(c, (struct sockaddr *)&sa, sizeof(sa)))
			_exit(1);
		while (at < sizeof(out)) {
			n = write(c, out + at, sizeof(out) - at);
			if (n <= 0)
				_exit(2);
			at += n;
		}
		_exit(0);
	}
	s = accept(l, NULL, NULL);
	ASSERT_LE(0, s);
	while (at < sizeof(in) && (n = read(s, in + at, sizeof(in) - at)) > 0)
		at += n;
	EXPECT_EQ(sizeof(in), at);
	EXPECT_EQ(0, memcmp(in, out, sizeof(in)));
	waitpid(sender, &status, 0);
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, traffic_stop(pid));
	close(s);
	close(l);
}

TT_MAIN(16)
