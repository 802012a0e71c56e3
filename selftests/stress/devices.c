// SPDX-License-Identifier: GPL-2.0
/*
 * Devices change and go while two applications send over them. After each: packets arrive again, all
 * is accounted for, what was to go has gone, and a new application works. Splats, "unregister_netdevice:
 * waiting for" among them, are the runner's to see.
 *
 * The hosts' veth0 is a veth, or a testnic: one has NAPI only with a program, the other always, one
 * returns frames later, the other at once.
 */
#include "stress.h"

#define MAKE_LINK	"ip link add etran0 link veth0 numrxqueues 8 type etran && ip link set etran0 up"
#define KNOW_PEER	"ip neigh replace " ET_ADDR_B " lladdr " ET_MAC_B " nud permanent dev veth0"
#define BOTH		6	/* the applications on queues 1 and 2 */

FIXTURE_VARIANT(stress) {
	const char *kind;
	const char *peer;
	const char *queues;	/* of ethtool -L */
};

FIXTURE_VARIANT_ADD(stress, veth) {
	.kind = "veth", .peer = "peer name veth1 numrxqueues 4 numtxqueues 4", .queues = "rx",
};

FIXTURE_VARIANT_ADD(stress, testnic) {
	.kind = "testnic", .peer = "", .queues = "combined",
};

/* Both devices with all that is on them, in the namespaces of a and b, where there is neither. */
static int make_hosts(struct stress *s, const struct _fixture_variant_stress *variant)
{
	if (et_enter(s->hosts.a.ns) ||
	    et_sh("ip link add veth0 address " ET_MAC_A " numrxqueues 4 numtxqueues 4 type %s %s && ip link set veth1 netns /proc/%d/fd/%d name veth0 address " ET_MAC_B,
		  variant->kind, variant->peer, getpid(), s->hosts.b.ns) ||
	    et_enter(s->hosts.b.ns) ||
	    et_sh("ip addr add " ET_ADDR_B "/24 dev veth0 && ip link set veth0 up && " MAKE_LINK))
		return -1;
	s->hosts.b.ifindex = if_nametoindex("veth0");
	if (et_enter(s->hosts.a.ns) ||
	    et_sh("ip addr add " ET_ADDR_A "/24 dev veth0 && ip link set veth0 up && " KNOW_PEER " && " MAKE_LINK))
		return -1;
	s->hosts.a.ifindex = if_nametoindex("veth0");
	return stress_xdp(s);
}

FIXTURE_SETUP(stress)
{
	bool testnic = !strcmp(variant->kind, "testnic");

	ASSERT_EQ(0, stress_up(&self->s));
	/* Left by a case that died in an assertion. */
	ASSERT_EQ(0, et_remove("testnic"));
	if (testnic)
		ASSERT_EQ(0, et_testnic_load());
	/* Of veth there is a pair already. */
	if (testnic) {
		ASSERT_EQ(0, et_sh("ip link del veth0"));
		ASSERT_EQ(0, make_hosts(&self->s, variant));
	}
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_EQ(0, stress_down(&self->s));
	EXPECT_EQ(0, et_remove("testnic"));
}

/* Whether packets arrive at b from now on. */
static int arrives(struct stress *s)
{
	uint64_t was = s->load->good;

	errno = 0;
	return et_wait_for(s->load->good > was + 64) ? 0 : et_fail("no packet comes any more");
}

static int begin(struct stress *s)
{
	return stress_start(s, 1, 0x11111111, STRESS_REOPEN | STRESS_GENTLE) ||
	       stress_start(s, 2, 0x22222222, STRESS_REOPEN | STRESS_GENTLE) ||
	       stress_moves(s, BOTH) || arrives(s);
}

/* The devices are whole again: so is everything. */
static int works(struct stress *s)
{
	if (et_enter(s->hosts.a.ns) || stress_moves(s, BOTH) || arrives(s) ||
	    stress_honest_open(s, 3) || stress_honest(s, 10))
		return -1;
	stress_honest_close(s);
	stress_stop(s);
	return stress_conserved(s);
}

/* At the receiver, then at the sender, whose route goes with it. */
TEST_F_TIMEOUT(stress, lower_device_down_and_up, 120)
{
	struct stress *s = &self->s;
	int i;

	ASSERT_EQ(0, begin(s));
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, et_enter(i & 1 ? s->hosts.a.ns : s->hosts.b.ns));
		ASSERT_EQ(0, et_sh("ip link set veth0 down"));
		usleep(10000);
		ASSERT_EQ(0, et_sh("ip link set veth0 up %s", i & 1 ? "&& " KNOW_PEER : ""));
		ASSERT_EQ(0, arrives(s));
	}
	ASSERT_EQ(0, works(s));
}

TEST_F_TIMEOUT(stress, mtu_changes, 120)
{
	struct stress *s = &self->s;
	int i;

	ASSERT_EQ(0, begin(s));
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, et_enter(i & 2 ? s->hosts.a.ns : s->hosts.b.ns));
		ASSERT_EQ(0, et_sh("ip link set veth0 mtu %d", i & 1 ? 1500 : 1280));
	}
	ASSERT_EQ(0, works(s));
}

TEST_F_TIMEOUT(stress, number_of_queues_changes, 120)
{
	struct stress *s = &self->s;
	int i;

	if (!strcmp(variant->kind, "veth")) {
		/* With more than one; its receiver has as many as its sender at least. */
		ASSERT_EQ(0, et_sh("ip link del veth0"));
		ASSERT_EQ(0, make_hosts(s, variant));
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, et_enter(i ? s->hosts.a.ns : s->hosts.b.ns));
			ASSERT_EQ(0, et_sh("ethtool -L veth0 tx 1"));
		}
	}
	ASSERT_EQ(0, begin(s));
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, et_enter(i & 1 ? s->hosts.a.ns : s->hosts.b.ns));
		/* It says so when there are as many already. */
		ASSERT_EQ(0, et_sh("ethtool -L veth0 %s %d", variant->queues, 1 + (i / 2 + 3) % 4));
	}
	ASSERT_EQ(0, works(s));
}

TEST_F_TIMEOUT(stress, xdp_program_is_replaced, 120)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct stress *s = &self->s;
	int fd[3], i;

	fd[0] = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);
	fd[1] = bpf_program__fd(bpf_object__find_program_by_name(s->object, "load_rx"));
	fd[2] = -1;
	ASSERT_LE(0, fd[0]);
	ASSERT_EQ(0, begin(s));
	for (i = 0; i < 24; i++) {
		/* Both ends: one sends from, the other receives by it. */
		ASSERT_EQ(0, et_enter(i & 1 ? s->hosts.a.ns : s->hosts.b.ns));
		ASSERT_EQ(0, bpf_xdp_attach(if_nametoindex("veth0"), fd[i / 2 % 3],
					    XDP_FLAGS_DRV_MODE, NULL));
	}
	close(fd[0]);
	ASSERT_EQ(0, stress_xdp(s));
	ASSERT_EQ(0, works(s));
}

TEST_F_TIMEOUT(stress, link_device_down_up_and_made_again, 120)
{
	struct stress *s = &self->s;
	int i;

	ASSERT_EQ(0, begin(s));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, et_sh("ip link set etran0 down"));
		usleep(5000);
		ASSERT_EQ(0, et_sh("ip link set etran0 up"));
	}
	ASSERT_EQ(0, arrives(s));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, et_sh("ip link del etran0"));
		ASSERT_EQ(0, et_sh(MAKE_LINK));
		ASSERT_EQ(0, arrives(s));
	}
	ASSERT_EQ(0, works(s));
}

/* One end or the other; the link devices on both go with it. */
TEST_F_TIMEOUT(stress, lower_device_is_unregistered, 120)
{
	struct stress *s = &self->s;
	int i;

	ASSERT_EQ(0, begin(s));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, et_enter(i & 1 ? s->hosts.b.ns : s->hosts.a.ns));
		/* Comes back when nothing refers to the devices any more. */
		ASSERT_EQ(0, et_sh("ip link del veth0"));
		ASSERT_TRUE(et_wait_for(et_links() == 0));
		ASSERT_EQ(0, make_hosts(s, variant));
		ASSERT_EQ(0, arrives(s));
	}
	ASSERT_EQ(0, works(s));
}

/*
 * A namespace ends in the kernel's own time: one after another, each with waits for all processors, of which an
 * emulated machine that gets no time itself makes seconds.
 */
static bool links_end(void)
{
	int i;

	for (i = 0; i < 6; i++)
		if (et_wait_for(et_links() == 0))
			return true;
	return false;
}

TEST_F_TIMEOUT(stress, namespace_of_the_receiver_is_destroyed, 120)
{
	struct stress *s = &self->s;

	ASSERT_EQ(0, begin(s));
	close(s->hosts.b.ns);
	ASSERT_TRUE(links_end());
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	s->hosts.b.ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, make_hosts(s, variant));
	ASSERT_EQ(0, works(s));
}

/* A container that ends: applications, their devices and what they had sent, all at once. */
TEST_F_TIMEOUT(stress, namespace_of_the_applications_is_destroyed, 120)
{
	struct stress *s = &self->s;

	ASSERT_EQ(0, begin(s));
	ASSERT_EQ(0, et_enter(s->hosts.home));
	close(s->hosts.a.ns);
	kill(s->app[1], SIGKILL);
	kill(s->app[2], SIGKILL);
	stress_stop(s);
	ASSERT_TRUE(links_end());
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	s->hosts.a.ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, make_hosts(s, variant));
	ASSERT_EQ(0, begin(s));
	ASSERT_EQ(0, works(s));
}

TEST_F_TIMEOUT(stress, link_device_is_moved, 120)
{
	struct stress *s = &self->s;
	int ns;

	ASSERT_EQ(0, begin(s));
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, et_enter(s->hosts.a.ns));
	ASSERT_EQ(0, et_sh("ip link set etran0 netns /proc/%d/fd/%d", getpid(), ns));
	EXPECT_EQ(2, et_links());
	/* The namespace's end takes it away. */
	close(ns);
	ASSERT_TRUE(et_wait_for(et_links() == 1));
	ASSERT_EQ(0, et_sh(MAKE_LINK));
	ASSERT_EQ(0, works(s));
}

/* Its devices are deleted, and what is still on the way over them is waited for. */
TEST_F_TIMEOUT(stress, module_of_the_nic_is_removed, 120)
{
	struct stress *s = &self->s;
	char refs[64];

	snprintf(refs, sizeof(refs), "/sys/module/%s/refcnt", variant->kind);
	if (access(refs, F_OK))
		SKIP(return, "the NIC's driver is built into this kernel");
	ASSERT_EQ(0, begin(s));
	ASSERT_EQ(0, et_remove(variant->kind));
	ASSERT_TRUE(links_end());
	ASSERT_EQ(0, strcmp(variant->kind, "veth") ? et_testnic_load() : et_sh("modprobe veth"));
	ASSERT_EQ(0, make_hosts(s, variant));
	ASSERT_EQ(0, works(s));
}

STRESS_MAIN
