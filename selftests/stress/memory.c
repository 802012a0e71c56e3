// SPDX-License-Identifier: GPL-2.0
/*
 * No memory: fault injection into the slab and page allocators, for this task alone, so that nobody
 * else's failures are taken for the module's. Each step is done once to count its allocations, then
 * again for each of them with that one failing. A step may do without; what it may not is to leave
 * anything behind, or to do half.
 *
 * Only where the kernel has fault injection: LAB=debug.
 */
#include <linux/rtnetlink.h>
#include "stress.h"

#define FAILSLAB	"/sys/kernel/debug/failslab"
#define FAILPAGE	"/sys/kernel/debug/fail_page_alloc"
#define NTH		"/proc/thread-self/fail-nth"
#define NEVER		1000000

FIXTURE(memory) {
	struct stress s;
};

static int set(const char *dir, const char *file, const char *value)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return et_fail("%s", path);
	err = write(fd, value, strlen(value)) < 0;
	close(fd);
	return err ? et_fail("%s > %s", value, path) : 0;
}

/* fail-nth needs none of the probabilities, but what is never failed otherwise. No stack dumps. */
static int inject(void)
{
	static const char * const dirs[] = { FAILSLAB, FAILPAGE };
	int i;

	for (i = 0; i < 2; i++)
		if (set(dirs[i], "verbose", "0") || set(dirs[i], "ignore-gfp-wait", "0"))
			return -1;
	return set(FAILPAGE, "min-order", "0");
}

static int nth_fd = -1;

/* The @n-th allocation from now on fails; 0: none. */
static void nth(int n)
{
	char s[16];

	snprintf(s, sizeof(s), "%d", n);
	if (pwrite(nth_fd, s, strlen(s), 0) < 0)
		et_fail(NTH);
}

/* How many allocations are left until one fails; none fails any more. */
static int left(void)
{
	char s[16] = "";
	ssize_t n = pread(nth_fd, s, sizeof(s) - 1, 0);

	nth(0);
	return n > 0 ? atoi(s) : -1;
}

FIXTURE_SETUP(memory)
{
	memset(self, 0, sizeof(*self));
	if (access(FAILSLAB, F_OK) || access(FAILPAGE, F_OK) || access(NTH, F_OK))
		SKIP(return, "the kernel has no fault injection (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC): LAB=debug has");
	ASSERT_EQ(0, inject());
	nth_fd = open(NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, nth_fd);
	ASSERT_EQ(0, stress_up(&self->s));
}

FIXTURE_TEARDOWN(memory)
{
	if (self->s.shared)
		EXPECT_EQ(0, stress_down(&self->s));
	if (nth_fd >= 0)
		close(nth_fd);
	nth_fd = -1;
}

/*
 * Does @step for each of its allocations behind the first @skip with that one failing; @undo what it did
 * when it succeeded. What was undone may be in the way for a moment yet.
 */
#define EACH_ALLOCATION(what, skip, step, undo)					\
({										\
	int each_n, each_all = NEVER, each_failed = 0, each_err = 0;		\
	for (each_n = 0; each_n <= each_all && !each_err; each_n++) {		\
		int each_left, each_try = 0;					\
		bool each_ok;							\
		if (each_n == 1)						\
			each_n += (skip);					\
		do {								\
			if (each_try)						\
				usleep(1000);					\
			nth(each_n ?: NEVER);					\
			each_ok = !(step);					\
			each_left = left();					\
		} while (!each_ok && each_left && ++each_try < 1000);		\
		if (!each_n)							\
			each_all = NEVER - each_left;				\
		if (each_ok)							\
			undo;							\
		else if (each_left)						\
			each_err = et_fail("%s fails without a reason", what);	\
		else								\
			each_failed++;						\
	}									\
	printf("# %s: %d allocations, %d failures\n", what, each_all, each_failed); \
	if (!each_failed)							\
		each_err = et_fail("%s: nothing was injected", what);		\
	each_err;								\
})

/*
 * Before it comes to the module's own, the kernel makes hundreds for any module, and warns when those for
 * its tracepoints fail: as many as until it looks at the parameters.
 */
TEST_F_TIMEOUT(memory, module_load, 600)
{
	int fd, before;

	/* Loaded anew each time. */
	ASSERT_EQ(0, stress_down(&self->s));
	self->s.shared = NULL;
	fd = open(et_module_path(), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	nth(NEVER);
	ASSERT_EQ(-1, syscall(SYS_finit_module, fd, "queues=none", 0));
	before = NEVER - left();
	EXPECT_EQ(0, EACH_ALLOCATION("loading the module", before,
				     syscall(SYS_finit_module, fd, "", 0),
				     et_module_unload()));
	close(fd);
	EXPECT_FALSE(et_module_loaded());
	ASSERT_EQ(0, et_module_load());
	ASSERT_EQ(0, et_module_unload());
}

TEST_F_TIMEOUT(memory, socket_and_endpoint, 600)
{
	struct stress *s = &self->s;
	struct xsk x;
	int i;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	/* The socket, its UMEM and rings are AF_XDP's; what follows is ours. */
	EXPECT_EQ(0, EACH_ALLOCATION("binding a socket and opening an endpoint", 0, ({
		int err, each = each_n ?: NEVER;

		nth(0);
		memset(&x, 0, sizeof(x));
		err = xsk_make(&x, &(struct xsk_config) {});
		nth(each);
		err = err || xsk_bind(&x, "etran0", 1 + each_n % 7, XDP_ZEROCOPY) ||
			xsk_attach(&x, LOAD_NAME, 0);
		if (err) {
			/* Before it is asked what failed: to give up allocates, too. */
			int was = left();

			xsk_close(&x);
			munmap(x.umem, x.chunks * XSK_CHUNK);
			nth(was);
		}
		err;
	}), ({
		xsk_close(&x);
		munmap(x.umem, x.chunks * XSK_CHUNK);
	})));
	/* Not one queue is lost by it. */
	for (i = 1; i < STRESS_QUEUES; i++) {
		ASSERT_EQ(0, stress_open(&x, i));
		xsk_close(&x);
	}
	ASSERT_EQ(0, stress_honest(s, 10));
}

TEST_F_TIMEOUT(memory, transport_attach, 600)
{
	struct stress *s = &self->s;
	struct bpf_map *m = bpf_object__find_map_by_name(s->object, "load_ops");

	bpf_link__destroy(s->link);
	s->link = NULL;
	libbpf_set_print(NULL);
	EXPECT_EQ(0, EACH_ALLOCATION("attaching a transport", 0,
				     !(s->link = bpf_map__attach_struct_ops(m)),
				     ({ bpf_link__destroy(s->link); s->link = NULL; })));
	ASSERT_EQ(0, stress_attach(s));
	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_honest(s, 10));
}

/* Sends with each allocation failing in turn, to a destination that is new each time. */
TEST_F_TIMEOUT(memory, traffic, 600)
{
	struct stress *s = &self->s;
	uint64_t seed = stress_seed(0x6d656d), r;
	struct xsk x;
	int i, k, hits = 0;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_open(&x, 1));
	for (i = 0; i < 1000; i++) {
		for (k = 0; k < 8; k++) {
			r = stress_rnd(&seed);
			stress_request(&x, r % 32, r >> 40, r, r, r >> 16 & 0x3ff);
			if (k == 7)
				((struct load_req *)((struct etran_req *)(x.umem + r % 32 *
					XSK_CHUNK))->data)->daddr = inet_addr("10.0.0.0") |
						(uint32_t)(3 + i % 250) << 24;
		}
		nth(1 + i % 12);
		xsk_kick(&x);
		hits += !left();
		xsk_complete(&x, NULL, 0);
	}
	printf("# %d allocations failed\n", hits);
	EXPECT_LT(0, hits);
	ASSERT_EQ(0, stress_honest(s, 10));
	ASSERT_EQ(0, stress_conserved(s));
	xsk_close(&x);
}

static void put_attr(struct nlmsghdr *n, unsigned short type, const void *data, unsigned short len)
{
	struct rtattr *a = (void *)((char *)n + NLMSG_ALIGN(n->nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	n->nlmsg_len = NLMSG_ALIGN(n->nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* `ip link add etran0 link veth0 numrxqueues 2 type etran`, all of which sendto() does. */
static int make_link(int fd)
{
	struct {
		struct nlmsghdr n;
		struct ifinfomsg i;
		char attrs[256];
	} m = {
		.n.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		.n.nlmsg_type = RTM_NEWLINK,
		.n.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL,
	};
	uint32_t lower = if_nametoindex("veth0"), queues = 2;
	struct rtattr *info;
	char answer[1024];

	put_attr(&m.n, IFLA_IFNAME, "etran0", 7);
	put_attr(&m.n, IFLA_LINK, &lower, 4);
	put_attr(&m.n, IFLA_NUM_RX_QUEUES, &queues, 4);
	info = (void *)((char *)&m.n + m.n.nlmsg_len);
	put_attr(&m.n, IFLA_LINKINFO, NULL, 0);
	put_attr(&m.n, IFLA_INFO_KIND, "etran", 5);
	info->rta_len = (char *)&m.n + m.n.nlmsg_len - (char *)info;
	if (send(fd, &m, m.n.nlmsg_len, 0) < 0)
		return -1;
	/* There is an answer only when something is wrong, and memory for it. */
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
	return 0;
}

TEST_F_TIMEOUT(memory, link_device, 600)
{
	struct stress *s = &self->s;
	int fd;

	ASSERT_EQ(0, et_enter(s->hosts.a.ns));
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_EQ(0, EACH_ALLOCATION("making a link device", 0, ({
		int was, none;

		make_link(fd);
		was = left();
		none = !if_nametoindex("etran0");
		nth(was);
		none;
	}), et_sh("ip link del etran0")));
	close(fd);
	EXPECT_EQ(1, et_links());
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 numrxqueues 8 type etran && ip link set etran0 up"));
	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_honest(s, 10));
}

STRESS_MAIN
