// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/etran says whether the kernel has the AF_XDP hook, a socket of the NIC itself is taken there and
 * refused elsewhere, and the link device works on both. What direct mode does: direct.c.
 */
#include "fixture.h"

FIXTURE(hook) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a's NIC itself */
	struct xsk y;		/* on a's link device */
	bool hook;
};

/* By the function that takes it. */
static bool kernel_has_hook(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	bool found = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, " xsk_hook_attach\n") != NULL;
	if (f)
		fclose(f);
	return found;
}

FIXTURE_SETUP(hook)
{
	net_setup(_metadata, &self->net, NULL);
	self->hook = kernel_has_hook();
	self->x.fd = self->x.ep = -1;
	self->y.fd = self->y.ep = -1;
}

FIXTURE_TEARDOWN(hook)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
}

TEST_F(hook, device_says_what_the_kernel_is)
{
	const char *lab = getenv("ETRAN_LAB");
	struct etran_version v = {};
	int dev = et_device();

	ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_VERSION, &v));
	close(dev);
	EXPECT_EQ(self->hook ? ETRAN_FEATURE_DIRECT : 0, v.features & ETRAN_FEATURE_DIRECT);
	/* Which kernels of the lab are patched is known. */
	if (lab && !strcmp(lab, "stock"))
		EXPECT_FALSE(self->hook);
	if (lab && (!strcmp(lab, "patched") || !strcmp(lab, "debug")))
		EXPECT_TRUE(self->hook);
}

TEST_F(hook, a_socket_of_the_nic_is_taken_or_refused)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1 /* TX */, .rx_verdict = 4 /* CONSUME */,
	};
	uint32_t was;

	ASSERT_EQ(0, xsk_make(&self->x, &(struct xsk_config) { .chunks = 64 }));
	ASSERT_EQ(0, xsk_bind(&self->x, "veth0", 0, XDP_COPY));
	if (self->hook) {
		EXPECT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
		was = tt->ingress;
		EXPECT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "direct", 6));
		EXPECT_TRUE(et_wait_for(tt->ingress == was + 1));
	} else {
		EXPECT_EQ(-1, xsk_attach(&self->x, TT_NAME, 1));
		EXPECT_EQ(EOPNOTSUPP, errno);
		EXPECT_EQ(0, et_count("endpoints"));
	}
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .queue = 1, .port = 2 }));
	was = tt->ingress;
	EXPECT_EQ(0, xsk_send(&self->y, 0, TT_SEND, &r, "link", 4));
	EXPECT_TRUE(et_wait_for(tt->ingress == was + 1));
}

TT_MAIN(16)
