// SPDX-License-Identifier: GPL-2.0
/* Native XDP: every action, in pages and in buffers of an AF_XDP socket, at both ends of the MTU. */
#include "afxdp.h"

FIXTURE(xdp) {
	int a, b;
	uint32_t len;
	struct afxdp x;
};

FIXTURE_VARIANT(xdp) {
	uint32_t mtu;
	bool zerocopy;
};

FIXTURE_VARIANT_ADD(xdp, mtu_576) { .mtu = 576 };
FIXTURE_VARIANT_ADD(xdp, mtu_9000) { .mtu = 9000 };
FIXTURE_VARIANT_ADD(xdp, zerocopy) { .mtu = 1500, .zerocopy = true };

FIXTURE_SETUP(xdp)
{
	uint32_t zero = 0, ifindex;
	char options[32];

	snprintf(options, sizeof(options), "mtu %u", variant->mtu);
	ASSERT_EQ(0, tn_up(options));
	self->len = variant->mtu + 14;
	self->x.fd = -1;
	self->a = tn_packet_socket("tn0");
	ASSERT_EQ(0, et_enter(tn.b));
	self->b = tn_packet_socket("tn1");
	if (variant->zerocopy)
		ASSERT_EQ(0, afxdp_open(&self->x, "tn1", 0, XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP));
	ASSERT_EQ(0, tn_xdp("tn1", "action"));
	ifindex = if_nametoindex("tn1");
	ASSERT_EQ(0, bpf_map_update_elem(tn_map("devices"), &zero, &ifindex, 0));
	ASSERT_EQ(0, et_enter(tn.a));
}

FIXTURE_TEARDOWN(xdp)
{
	uint32_t zero = 0;

	EXPECT_EQ(0, tn_conserved("tn0", "tn1"));
	EXPECT_EQ(0, tn_conserved("tn1", "tn0"));
	afxdp_close(&self->x);
	bpf_map_delete_elem(tn_map("devices"), &zero);
	close(self->a);
	close(self->b);
	EXPECT_EQ(0, tn_down());
}

static void with_action(uint8_t *f, uint8_t act, uint32_t len)
{
	tn_ethernet(f, false, TN_PROTO);
	for (uint32_t i = 14; i < len; i++)
		f[i] = i * 11;
	f[14] = act;
}

#define TIMES 20

/* Sends frames of that action. Return: 0 when the counter went up by so many. */
static int act(struct _test_data_xdp *self, uint8_t action, const char *counter)
{
	uint64_t before = tn_counter("tn1", counter);
	uint8_t f[9014];

	with_action(f, action, self->len);
	for (int i = 0; i < TIMES; i++)
		if (send(self->a, f, self->len, 0) != self->len)
			return et_fail("send");
	if (!et_wait_for(tn_counter("tn1", counter) == before + TIMES))
		return et_fail("%s went up by %llu", counter,
			       (unsigned long long)(tn_counter("tn1", counter) - before));
	return 0;
}

TEST_F(xdp, drop_aborted_and_no_action_at_all)
{
	uint8_t f[9014];

	ASSERT_EQ(0, act(self, XDP_DROP, "rx_xdp_drop"));
	ASSERT_EQ(0, act(self, XDP_ABORTED, "rx_xdp_aborted"));
	ASSERT_EQ(0, act(self, 77, "rx_xdp_aborted"));
	EXPECT_EQ(-1, tn_packet_recv(self->b, f, sizeof(f), 50));
}

TEST_F(xdp, pass)
{
	uint8_t f[9014], g[9014];

	with_action(f, XDP_PASS, self->len);
	ASSERT_EQ(0, act(self, XDP_PASS, "rx_pass"));
	for (int i = 0; i < TIMES; i++) {
		ASSERT_EQ(self->len, tn_packet_recv(self->b, g, sizeof(g), ET_PATIENCE_MS));
		ASSERT_EQ(0, memcmp(f, g, self->len));
	}
}

TEST_F(xdp, pass_with_another_head)
{
	uint8_t f[9014], g[9100];

	with_action(f, 100, self->len);
	ASSERT_EQ(0, act(self, 100, "rx_pass"));
	for (int i = 0; i < TIMES; i++) {
		ASSERT_EQ(self->len + 4, tn_packet_recv(self->b, g, sizeof(g), ET_PATIENCE_MS));
		ASSERT_EQ(0, memcmp(f, g, 14));
		ASSERT_EQ(0, memcmp("gggg", g + 14, 4));
		ASSERT_EQ(0, memcmp(f + 14, g + 18, self->len - 14));
	}
}

TEST_F(xdp, tx)
{
	uint8_t f[9014], g[9014];

	with_action(f, XDP_TX, self->len);
	ASSERT_EQ(0, act(self, XDP_TX, "rx_xdp_tx"));
	tn_ethernet(f, true, TN_PROTO);
	for (int i = 0; i < TIMES; i++) {
		ASSERT_EQ(self->len, tn_packet_recv(self->a, g, sizeof(g), ET_PATIENCE_MS));
		ASSERT_EQ(0, memcmp(f, g, self->len));
	}
	EXPECT_EQ(TIMES, tn_counter("tn1", "tx_xdp"));
}

/* Out of the device it came from, through ndo_xdp_xmit; then to nowhere. */
TEST_F(xdp, redirect)
{
	uint8_t f[9014], g[9014];
	uint32_t zero = 0;

	with_action(f, XDP_REDIRECT, self->len);
	ASSERT_EQ(0, act(self, XDP_REDIRECT, "rx_xdp_redirect"));
	for (int i = 0; i < TIMES; i++) {
		ASSERT_EQ(self->len, tn_packet_recv(self->a, g, sizeof(g), ET_PATIENCE_MS));
		ASSERT_EQ(0, memcmp(f, g, self->len));
	}
	EXPECT_EQ(TIMES, tn_counter("tn1", "tx_xdp"));
	bpf_map_delete_elem(tn_map("devices"), &zero);
	ASSERT_EQ(0, act(self, XDP_REDIRECT, "rx_xdp_aborted"));
}

TN_MAIN
