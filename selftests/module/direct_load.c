// SPDX-License-Identifier: GPL-2.0
/*
 * Direct mode under load: random verdicts, times and queues, and what may happen meanwhile to
 * processes, devices and transports. Every chunk comes back exactly once, every frame is accounted for.
 */
#include <sys/prctl.h>
#include "direct.h"

/* Chunks of a load's frames, and of the requests that release and send what is kept. */
#define LOAD_CHUNKS	128u
#define LOAD_CONTROL	64u
#define LOAD_ALL	(LOAD_CHUNKS + LOAD_CONTROL)
/* Packet queues: gen sends what is in the first two, requests what is in the others. */
#define GEN_QUEUES	2u
#define ALL_QUEUES	4u

/* KASAN, lockdep and their like take ten times as long. */
static uint32_t few(uint32_t n)
{
	return access("/sys/kernel/debug/kmemleak", F_OK) ? n : n / 10;
}

/* A frame of any fate. */
static struct tt_req fate(uint64_t *seed, unsigned int socket)
{
	static const uint32_t verdict[] = { TX, TX, TX, DROP, HOLD, HOLD, HOLD, TX | RETAIN };
	uint32_t queue = eng_random(seed) % ALL_QUEUES;
	struct tt_req r = {
		.daddr = hosts.b.addr, .rx_verdict = CONSUME, .queue = queue,
		.verdict = verdict[eng_random(seed) % 8], .place = socket << 4 | RANK,
		.arg = eng_random(seed) % 2000000,
		.cookie = TT_COOKIE(eng_random(seed) % (queue < GEN_QUEUES ? TT_ACT_PUSH : TT_ACT_LOAD),
				    queue, eng_random(seed) % 300),
	};

	if (r.verdict & (HOLD | RETAIN))
		r.flags = TT_F_HOLD | (r.verdict == HOLD ? TT_F_PUSH : 0);
	else if (r.verdict == TX && !(eng_random(seed) % 4))
		r.flags = TT_F_DELAY;
	return r;
}

/*
 * Sends @limit frames with random verdicts, times and queues, and has all that is kept released or
 * sent, until every chunk came back. UINT32_MAX: until killed. Return: 0 or -1 after printing why.
 */
static int load(struct xsk *x, unsigned int socket, uint32_t *sent, uint32_t limit)
{
	uint32_t free[LOAD_CHUNKS], control[LOAD_CONTROL], n_free, n_control, n = 0, at = 0, i, k;
	uint64_t addr[XSK_RING], now, idle = et_now_ms(), begin = idle, seed = 42 + socket;
	bool busy[LOAD_ALL] = {};

	for (n_free = 0; n_free < LOAD_CHUNKS; n_free++)
		free[n_free] = n_free;
	for (n_control = 0; n_control < LOAD_CONTROL; n_control++)
		control[n_control] = LOAD_CHUNKS + n_control;
	while (n < limit || n_free < LOAD_CHUNKS || n_control < LOAD_CONTROL) {
		for (i = 0; i < 32 && n_free && n < limit; i++, n++) {
			struct tt_req r = fate(&seed, socket);

			busy[free[--n_free]] = true;
			put(x, free[n_free], TT_SEND, &r, "load", 4);
		}
		for (i = 0; i < 16 && n_control; i++) {
			struct tt_req r = { .verdict = TT_W_ACT, .arg = 16 };
			unsigned int op = TT_DO;

			if (n == limit && n_free == LOAD_CHUNKS)
				break;
			if (i == 0)
				op = TT_KICK;
			else if (i < 3)
				r.queue = GEN_QUEUES + i % 2;
			else
				r = (struct tt_req) {
					.verdict = TT_W_RELEASE,
					.prev = tt->kept[socket][at++ % LOAD_CHUNKS],
				};
			busy[control[--n_control]] = true;
			put(x, control[n_control], op, &r, NULL, 0);
		}
		xsk_kick(x);
		k = xsk_complete(x, addr, XSK_RING);
		now = et_now_ms();
		if (k)
			idle = now;
		errno = 0;
		if (now - idle > 4 * ET_PATIENCE_MS || (limit != UINT32_MAX && now - begin > 120000))
			return et_fail("%u of %u frames, %u and %u chunks did not come back", n,
				       limit, LOAD_CHUNKS - n_free, LOAD_CONTROL - n_control);
		for (i = 0; i < k; i++) {
			uint64_t chunk = addr[i] / XSK_CHUNK;

			if (addr[i] % XSK_CHUNK != OFFSET || chunk >= LOAD_ALL || !busy[chunk])
				return et_fail("completion of %llx, which was not on its way",
					       (unsigned long long)addr[i]);
			busy[chunk] = false;
			if (chunk < LOAD_CHUNKS)
				free[n_free++] = chunk;
			else
				control[n_control++] = chunk;
		}
		__atomic_store_n(sent, n, __ATOMIC_RELEASE);
	}
	return 0;
}

struct loader {
	pid_t pid;
	uint32_t *sent;
};

/* A process with a socket of its own on queue @socket. */
static void load_fork(const FIXTURE_DATA(direct) *self, struct loader *l, uint16_t flags,
		      unsigned int socket, uint32_t limit)
{
	l->sent = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	l->pid = fork();
	if (!l->pid) {
		struct xsk x;

		/* It would keep the transport attached. */
		close(bpf_link__fd(self->link));
		if (open_x(&x, flags, &(struct xsk_config) {
				.queue = socket, .chunks = 1024, .fill = 64, .port = 9 + socket,
			}))
			_exit(1);
		/* It would keep the namespaces, too. */
		close(hosts.a.ns);
		close(hosts.b.ns);
		if (load(&x, socket, l->sent, limit) ||
		    et_conserved(ETRAN_COUNTERS_ENDPOINT, x.id))
			_exit(1);
		_exit(0);
	}
}

/* One that sends until it is killed. */
static int load_start(const FIXTURE_DATA(direct) *self, struct loader *l, uint16_t flags)
{
	tt->gen_pop = GEN_QUEUES;
	tt->coalesce_daddr = hosts.b.addr;
	load_fork(self, l, flags, 1, UINT32_MAX);
	return et_wait_for(*(volatile uint32_t *)l->sent > 500) ? 0 : et_fail("no load");
}

/* Return: whether it was still at work. */
static bool load_stop(struct loader *l)
{
	int status = 0;

	kill(l->pid, SIGKILL);
	waitpid(l->pid, &status, 0);
	munmap(l->sent, 4096);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool goes_on(const struct loader *l)
{
	uint32_t was = *(volatile uint32_t *)l->sent;

	return et_wait_for(*(volatile uint32_t *)l->sent - was > 500);
}

/* The frames that a dead process left with the transport keep its socket: from y, which has no part in it. */
static int release_all(FIXTURE_DATA(direct) *self, unsigned int socket)
{
	uint32_t k;

	/* What was in the wheel or in a queue may be on its way still. */
	for (k = 0; k < LOAD_CHUNKS; k++) {
		if (!tt->kept[socket][k])
			continue;
		if (eng_do(&self->y, 0, TT_W_RELEASE, 0, tt->kept[socket][k], 0, 0) <= -1000)
			return -1;
		tt->kept[socket][k] = 0;
	}
	return 0;
}

/* It is not the load that keeps others from working. */
static int works(FIXTURE_DATA(direct) *self, uint32_t seq)
{
	self->r.seq = seq;
	return submit(&self->x, 5, TT_SEND, &self->r, "works", 5) ?:
	       received(&self->y, seq, "works") ?:
	       completed(&self->x) == 5 ? 0 : et_fail("no completion");
}

/* The same when somebody else may send anything to @self->y, too. */
static int works_beside(FIXTURE_DATA(direct) *self, uint32_t seq)
{
	struct xsk_frame f;

	while (xsk_take(&self->y, &f))
		xsk_fill(&self->y, f.addr & -XSK_CHUNK);
	self->r.seq = seq;
	if (submit(&self->x, 5, TT_SEND, &self->r, "beside", 6))
		return -1;
	do {
		if (!xsk_recv(&self->y, &f))
			return et_fail("nothing was received");
		xsk_fill(&self->y, f.addr & -XSK_CHUNK);
	} while (f.tt.seq != seq || f.len != 6 || memcmp(f.payload, "beside", 6));
	return completed(&self->x) == 5 ? 0 : et_fail("no completion");
}

/* ---- conservation ---- */

TEST_F_TIMEOUT(direct, four_sockets_at_random, 180)
{
	uint32_t limit = few(variant->flags & XDP_COPY ? 25000 : 100000), i;
	uint64_t was = et_count("frames_accepted"), begin;
	struct et_counters c;
	struct loader l[4];
	int status;

	xsk_close(&self->x);
	ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
	tt->gen_pop = GEN_QUEUES;
	tt->coalesce_daddr = hosts.b.addr;
	begin = et_now_ms();
	for (i = 0; i < 4; i++)
		load_fork(self, &l[i], variant->flags, i, limit);
	for (i = 0; i < 4; i++) {
		status = -1;
		EXPECT_EQ(l[i].pid, waitpid(l[i].pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(limit, *l[i].sent);
	}
	EXPECT_TRUE(conserved(self));
	EXPECT_EQ(0, eng_kept());
	EXPECT_LE(4 * limit, et_count("frames_accepted") - was);
	ASSERT_EQ(0, et_counters_read(&c, ETRAN_COUNTERS_TRANSPORT, self->transport));
	ksft_print_msg("%llu frames in %llu ms: transmitted %llu, dropped %llu; packets sent %llu, timed %llu\n",
		       (unsigned long long)et_value(&c, "frames_accepted"),
		       (unsigned long long)(et_now_ms() - begin),
		       (unsigned long long)et_value(&c, "frames_transmitted"),
		       (unsigned long long)et_value(&c, "frames_dropped"),
		       (unsigned long long)et_value(&c, "packets_sent"),
		       (unsigned long long)et_value(&c, "packets_timed"));
}

/* ---- processes ---- */

TEST_F_TIMEOUT(direct, killed_under_load, 120)
{
	uint64_t seed = 7;
	struct loader l;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, load_start(self, &l, variant->flags));
		usleep(eng_random(&seed) % 20000);
		ASSERT_TRUE(load_stop(&l));
		ASSERT_EQ(0, works(self, i));
		ASSERT_EQ(0, release_all(self, 1));
		ASSERT_TRUE(et_wait_for(et_count("channels") == 2));
		ASSERT_TRUE(conserved(self));
	}
}

/*
 * Somebody writes at random into the whole UMEM, requests, headers and payload, while it is in use; and
 * any chunk is submitted at any time. What then is sent and dropped is the application's business,
 * and its only.
 */
TEST_F_TIMEOUT(direct, umem_rewritten_in_flight, 120)
{
	uint32_t limit = few(100000), i, n = 0;
	uint64_t seed = 11, addr[XSK_RING];
	struct xsk s;
	pid_t pid;

	/* Random requests do nothing that has the transport ejected. */
	tt->tame = 1;
	ASSERT_EQ(0, open_x(&s, variant->flags, &(struct xsk_config) {
		.queue = 1, .chunks = 64, .fill = 32, .port = 9,
	}));
	pid = fork();
	if (!pid)
		/* Also when this test fails. */
		for (prctl(PR_SET_PDEATHSIG, SIGKILL);;)
			s.umem[eng_random(&seed) % (s.chunks * XSK_CHUNK)] = eng_random(&seed);
	seed = 13;
	while (n < limit) {
		uint32_t room = XSK_RING - (*s.tx.producer -
					    __atomic_load_n(s.tx.consumer, __ATOMIC_ACQUIRE));

		for (i = 0; i < 32 && i < room; i++, n++) {
			struct tt_req r = {
				.daddr = hosts.b.addr, .rx_verdict = CONSUME,
				.verdict = eng_random(&seed) % 8 ? TX : DROP,
			};

			put(&s, eng_random(&seed) % s.chunks, TT_SEND, &r, "whatever this is", 16);
			if (!(eng_random(&seed) % 16))
				((struct xdp_desc *)s.tx.desc)[(*s.tx.producer - 1) % XSK_RING] =
					(struct xdp_desc) {
						.addr = eng_random(&seed) % (s.chunks * XSK_CHUNK),
						.len = eng_random(&seed) % XSK_CHUNK,
						.options = eng_random(&seed) % 4,
					};
		}
		xsk_kick(&s);
		xsk_complete(&s, addr, XSK_RING);
		if (!(n % 4096))
			ASSERT_EQ(0, works_beside(self, n));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ASSERT_EQ(0, works_beside(self, 1));
	xsk_kick(&s);
	EXPECT_TRUE(conserved(self));
	/* How many are hit depends on how fast the writer is beside us; not all are. */
	EXPECT_LT(limit / 50, count_of(&s, "frames_transmitted"));
	EXPECT_EQ(self->transport, tt_transport_id());
	xsk_close(&s);
}

/* ---- devices ---- */

/* The load goes on, and is at its end when it is stopped; both directions work. */
static int survived(FIXTURE_DATA(direct) *self, struct loader *l)
{
	struct tt_req back = {
		.daddr = hosts.a.addr, .verdict = TX, .rx_verdict = DELIVER, .dport = 1, .seq = 77,
	};

	if (!goes_on(l))
		return et_fail("the load does not go on");
	if (!load_stop(l))
		return et_fail("the load had ended by itself");
	if (works(self, 76))
		return -1;
	if (xsk_send(&self->y, 6, TT_SEND, &back, "back", 4))
		return et_fail("sendto");
	if (received(&self->x, 77, "back"))
		return -1;
	return conserved(self) ? 0 : et_fail("not all is accounted for");
}

TEST_F_TIMEOUT(direct, device_down_and_up_under_load, 120)
{
	struct loader l;
	int i;

	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, et_sh("ip link set tn0 down"));
		ASSERT_EQ(0, et_sh("ip link set tn0 up"));
		EXPECT_TRUE(goes_on(&l));
	}
	ASSERT_EQ(0, restore_neighbour());
	EXPECT_EQ(0, survived(self, &l));
}

TEST_F_TIMEOUT(direct, queue_count_changes_under_load, 120)
{
	const char *what = strcmp(variant->type, "veth") ? "combined" : "tx";
	struct loader l;
	int i, n;

	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	for (i = 0; i < 6; i++) {
		/* It says so when there are as many already: the first is 3. */
		n = 2 + (i + 1) % 3;
		ASSERT_EQ(0, et_sh("ethtool -L tn0 %s %d", what, n));
		EXPECT_TRUE(goes_on(&l));
	}
	/* The load's own stays: the kernel refuses that. */
	EXPECT_EQ(0, et_sh("! ethtool -L tn0 %s 1", what));
	EXPECT_EQ(0, survived(self, &l));
}

TEST_F_TIMEOUT(direct, mtu_changes_under_load, 120)
{
	struct loader l;
	int i;

	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, et_enter(i & 2 ? hosts.a.ns : hosts.b.ns));
		ASSERT_EQ(0, et_sh("ip link set %s mtu %d", i & 2 ? "tn0" : "tn1",
				   i & 1 ? 1500 : 1280));
		EXPECT_TRUE(goes_on(&l));
	}
	ASSERT_EQ(0, et_enter(hosts.a.ns));
	EXPECT_EQ(0, survived(self, &l));
}

/* The sender's too: what it has in the NIC, and where its answers arrive, hangs on it. */
TEST_F_TIMEOUT(direct, xdp_program_replaced_under_load, 120)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct loader l;
	int fd[3], i, end, err;

	/* Before 8.2 it may run what it translated while the kernel replaced it: "Oops: int3". */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		SKIP(return, "QEMU with several processors: `selftests/lab/run -c 1`");

	fd[0] = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);
	fd[1] = -1;
	fd[2] = tt_xdp(tt_object);
	ASSERT_LE(0, fd[0]);
	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	for (i = 0; i < 18; i++) {
		end = i / 3 % 2;
		ASSERT_EQ(0, et_enter(end ? hosts.b.ns : hosts.a.ns));
		err = bpf_xdp_attach(if_nametoindex(end ? "tn1" : "tn0"), fd[i % 3],
				     XDP_FLAGS_DRV_MODE, NULL);
		ASSERT_EQ(0, err);
		/* Without a program at its receiver a veth takes nothing. */
		if (strcmp(variant->type, "veth"))
			EXPECT_TRUE(goes_on(&l));
	}
	close(fd[0]);
	ASSERT_EQ(0, et_enter(hosts.a.ns));
	EXPECT_EQ(0, survived(self, &l));
}

TEST_F_TIMEOUT(direct, link_device_deleted_under_load, 60)
{
	struct loader l;

	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_DEVICE_GONE);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	put(&self->x, 1, TT_SEND, &self->r, "gone", 4);
	xsk_kick(&self->x);
	load_stop(&l);
	EXPECT_TRUE(conserved(self));
}

TEST_F_TIMEOUT(direct, nic_deleted_under_load, 60)
{
	struct loader l;

	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	ASSERT_EQ(0, et_sh("ip link del tn0"));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_DEVICE_GONE);
	load_stop(&l);
	EXPECT_TRUE(conserved(self));
}

/* Its devices are deleted, and what the driver still has is waited for. */
TEST_F_TIMEOUT(direct, module_of_the_nic_removed_under_load, 60)
{
	struct loader l;
	char refs[64];

	snprintf(refs, sizeof(refs), "/sys/module/%s/refcnt", variant->type);
	if (access(refs, F_OK))
		SKIP(return, "the NIC's driver is built into this kernel");
	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	ASSERT_EQ(0, et_remove(variant->type));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_DEVICE_GONE);
	EXPECT_TRUE(conserved(self));
	load_stop(&l);
	/* A new one of the same name and place is a NIC like any. */
	ASSERT_EQ(0, strcmp(variant->type, "veth") ? et_testnic_load() : et_sh("modprobe veth"));
	ASSERT_EQ(0, make_devices(variant->type));
	xsk_close(&self->x);
	xsk_close(&self->y);
	ASSERT_EQ(0, open_both(self, variant->flags));
	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	EXPECT_EQ(0, survived(self, &l));
}

/* Hosts whose namespaces nobody else has, with what the fixture has on its own. */
static int hosts_of_our_own(FIXTURE_DATA(direct) *self, const char *type, uint16_t flags)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	if (et_enter(hosts.home) || make_namespaces(&hosts) || make_devices(type))
		return et_fail("hosts");
	return open_both(self, flags);
}

/* A container that ends: the applications, their NIC and what they had sent, all at once. */
TEST_F_TIMEOUT(direct, namespace_of_the_sender_destroyed_under_load, 60)
{
	int links = et_links(), i;
	struct loader l;

	ASSERT_EQ(0, hosts_of_our_own(self, variant->type, variant->flags));
	ASSERT_EQ(links + 2, et_links());
	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	for (i = 0; i < 8; i++)
		put(&self->x, i, TT_SEND, &self->r, "last", 4);
	xsk_kick(&self->x);
	ASSERT_EQ(0, et_enter(hosts.home));
	close(hosts.a.ns);
	EXPECT_TRUE(load_stop(&l));
	xsk_close(&self->x);
	/* Sockets keep their namespace, frames that are kept their socket. */
	ASSERT_EQ(0, release_all(self, 1));
	EXPECT_TRUE(et_wait_for(et_links() == links));
	EXPECT_TRUE(self->y.status->flags & ETRAN_STATUS_DEVICE_GONE);
	EXPECT_TRUE(conserved(self));
	close(hosts.b.ns);
}

/* The NIC goes with its peer, from under those who are at work on it. */
TEST_F_TIMEOUT(direct, namespace_of_the_receiver_destroyed_under_load, 60)
{
	int links = et_links();
	struct loader l;

	ASSERT_EQ(0, hosts_of_our_own(self, variant->type, variant->flags));
	ASSERT_EQ(links + 2, et_links());
	xsk_close(&self->y);
	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	close(hosts.b.ns);
	EXPECT_TRUE(et_wait_for(et_links() == links));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_DEVICE_GONE);
	EXPECT_TRUE(load_stop(&l));
	EXPECT_TRUE(conserved(self));
	ASSERT_EQ(0, et_enter(hosts.home));
	close(hosts.a.ns);
}

/* ---- the transport ---- */

TEST_F_TIMEOUT(direct, transport_detached_under_load, 60)
{
	struct loader l;

	ASSERT_EQ(0, load_start(self, &l, variant->flags));
	bpf_link__destroy(self->link);
	self->link = NULL;
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_NO_TRANSPORT);
	/* Descriptors still come back: their frames are dropped. */
	EXPECT_TRUE(goes_on(&l));
	EXPECT_TRUE(load_stop(&l));
	EXPECT_TRUE(et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0)));
}

int main(int argc, char **argv)
{
	return direct_main(argc, argv);
}
