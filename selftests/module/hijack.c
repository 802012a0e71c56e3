// SPDX-License-Identifier: GPL-2.0
/*
 * TCP segments that are a transport's (etran_ops.tcp_urgent): exactly those, whole; all others are the kernel's.
 * A second transport beside tt has them. Packets are injected raw on host b.
 */
#include "ops.h"

#define URGENT	0xb97d
#define TCP	34	/* where the segment begins */

FIXTURE(hijack) {
	FIXTURE_DATA(net) net;
	struct bpf_object *o;
	struct bpf_link *l;
	int b, a;		/* AF_PACKET on both */
	uint8_t pkt[256];
	int len;
	uint64_t before;
};

FIXTURE_SETUP(hijack)
{
	struct tt_hdr th = { .verdict = 4 /* CONSUME */ };
	struct shadow *sh;

	net_setup(_metadata, &self->net, NULL);
	self->o = open_one("tt_other.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, self->o);
	sh->tcp_urgent = URGENT;
	ASSERT_EQ(0, bpf_object__load(self->o));
	self->l = attach_one(self->o, "tt_ops");
	ASSERT_NE(NULL, self->l);
	self->a = raw_open();
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	self->b = raw_open();
	ASSERT_LE(0, self->b);
	self->len = raw_build(self->pkt, self->net.b, self->net.a, &th, "0123456789abcdef", 16);
	self->pkt[23] = 6;
	self->pkt[TCP + 13] = 6;
	self->pkt[TCP + 18] = URGENT >> 8;
	self->pkt[TCP + 19] = URGENT & 0xff;
	raw_sum(self->pkt);
	self->before = et_count("rx_packets");
}

FIXTURE_TEARDOWN(hijack)
{
	close(self->a);
	close(self->b);
	bpf_link__destroy(self->l);
	bpf_object__close(self->o);
	net_teardown(_metadata, &self->net, NULL);
}

static int is_kernels(FIXTURE_DATA(hijack) *self, int len)
{
	uint8_t buf[2048];

	raw_sum(self->pkt);
	if (send(self->b, self->pkt, len, 0) != len)
		return et_fail("AF_PACKET send");
	if (raw_recv(self->a, 6, buf, sizeof(buf)) < 0)
		return et_fail("it did not reach the stack");
	return et_count("rx_packets") == self->before ? 0 : et_fail("a transport got it");
}

TEST_F(hijack, marked_segment_is_the_transports)
{
	ASSERT_EQ(self->len, send(self->b, self->pkt, self->len, 0));
	EXPECT_TRUE(et_wait_for(et_count("rx_packets") == self->before + 1));
	EXPECT_EQ(0, tt->ingress);
}

TEST_F(hijack, one_mark_is_not_enough)
{
	static const uint8_t flags[] = { 0x02, 0x04, 0x16, 0x26, 0x07, 0x86, 0 };
	unsigned int i;

	for (i = 0; i < sizeof(flags); i++) {
		self->pkt[TCP + 13] = flags[i];
		EXPECT_EQ(0, is_kernels(self, self->len));
	}
	self->pkt[TCP + 13] = 6;
	self->pkt[TCP + 19]++;
	EXPECT_EQ(0, is_kernels(self, self->len));
}

TEST_F(hijack, what_is_not_whole_is_the_kernels)
{
	/* One byte less than the IP header says. */
	EXPECT_EQ(0, is_kernels(self, self->len - 1));
	self->pkt[20] = 0x20;	/* more fragments */
	EXPECT_EQ(0, is_kernels(self, self->len));
	self->pkt[20] = 0;
	/* Shorter than a TCP header. */
	self->pkt[17] = 20 + 19;
	EXPECT_EQ(0, is_kernels(self, self->len));
}

/* tt has not said tcp_urgent. */
TEST_F(hijack, who_has_not_asked_for_clothes_cannot_wear_them)
{
	struct tt_req r = { .daddr = self->net.b->addr, .verdict = 1 };
	uint64_t before = et_count("packet_ip");
	struct xsk x;

	ASSERT_EQ(0, et_enter(self->net.a->ns));
	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .port = 1 }));
	tt->proto = 6;
	ASSERT_EQ(0, xsk_send(&x, 0, TT_SEND, &r, "some payload that is long enough for TCP", 40));
	EXPECT_EQ(before + 1, et_count("packet_ip"));
	tt->proto = 0;
	xsk_close(&x);
}

TEST_F(hijack, two_transports_with_one_mark_are_refused)
{
	int mark = et_log_mark();
	struct bpf_object *o;
	struct shadow *sh;
	struct bpf_link *l;

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	sh->ip_proto = 252;
	strcpy(sh->name, "third");
	sh->tcp_urgent = URGENT;
	ASSERT_EQ(0, bpf_object__load(o));
	l = attach_one(o, "tt_ops");
	EXPECT_EQ(NULL, l);
	EXPECT_EQ(EEXIST, errno);
	bpf_link__destroy(l);
	bpf_object__close(o);
	EXPECT_TRUE(et_log_has(mark, "etran: transport third refused: tt-other has tcp_urgent 0xb97d already"));
}

TT_MAIN(16)
