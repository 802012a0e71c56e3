// SPDX-License-Identifier: GPL-2.0
/* Many applications on one link device, and what they are told about its queues. */
#include "fixture.h"
#include <poll.h>
#include <signal.h>

#define PROCS	8
#define ROUNDS	40

FIXTURE(many) {
	FIXTURE_DATA(net) net;
};

FIXTURE_SETUP(many)
{
	net_setup(_metadata, &self->net, NULL);
}

FIXTURE_TEARDOWN(many)
{
	net_teardown(_metadata, &self->net, NULL);
}

/* What process @who puts into byte @i of message @seq. */
static uint8_t pattern(unsigned int who, uint32_t seq, unsigned int i)
{
	return who * 37 + seq * 11 + i * 5 + (i >> 8);
}

/*
 * One process: a socket on a that sends to its own port on b, and one on b that must receive that
 * and nothing else. Return: 0, or which check failed.
 */
static int one_process(FIXTURE_DATA(many) *self, unsigned int who)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .dport = 20 + who,
	};
	uint32_t seq, len, i, round;
	uint8_t data[1400];
	struct xsk_frame f;
	struct xsk x, y;

	if (et_enter(self->net.a->ns) || xsk_open(&x, &(struct xsk_config) { .queue = who }) ||
	    et_enter(self->net.b->ns) ||
	    xsk_open(&y, &(struct xsk_config) { .queue = who, .port = 20 + who }))
		return 1;
	for (round = 0; round < ROUNDS; round++) {
		for (seq = 0; seq < 8; seq++) {
			len = 1 + (who * 131 + round * 57 + seq * 211) % sizeof(data);
			for (i = 0; i < len; i++)
				data[i] = pattern(who, round * 8 + seq, i);
			r.seq = round * 8 + seq;
			xsk_put(&x, seq, TT_SEND, &r, data, len);
		}
		if (xsk_kick(&x) || xsk_complete(&x, NULL, 0) != 8)
			return 2;
		for (seq = 0; seq < 8; seq++) {
			if (!xsk_recv(&y, &f))
				return 3;
			if (f.rec.endpoint != y.id || f.tt.seq != round * 8 + seq)
				return 4;
			len = 1 + (who * 131 + round * 57 + seq * 211) % sizeof(data);
			if (f.len != len)
				return 5;
			for (i = 0; i < len; i++)
				if (f.payload[i] != pattern(who, f.tt.seq, i))
					return 6;
			xsk_fill(&y, f.addr / XSK_CHUNK * XSK_CHUNK);
		}
	}
	if (xsk_take(&y, &f))
		return 7;
	if (et_counter(ETRAN_COUNTERS_ENDPOINT, x.id, "frames_transmitted") != ROUNDS * 8 ||
	    et_counter(ETRAN_COUNTERS_ENDPOINT, y.id, "delivered") != ROUNDS * 8)
		return 8;
	return 0;
}

TEST_F(many, eight_processes_at_once_get_their_own_data)
{
	pid_t pid[PROCS];
	int i, status;

	for (i = 0; i < PROCS; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(one_process(self, i));
	}
	for (i = 0; i < PROCS; i++) {
		waitpid(pid[i], &status, 0);
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(PROCS * ROUNDS * 8, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
						 "rx_delivered"));
	EXPECT_EQ(2 * PROCS, tt->close);
}

/* ---- a thousand ---- */

#define THOUSAND	1000
#define MESSAGES	4	/* of each, twice */

struct crowd {
	volatile uint32_t ready, failed, done, told;
};

/* Sleeps until nobody has the other end any more: a thousand that look now and then are a load. */
static void until_closed(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
}

/* The first one says what it is that did not come. */
static int gave_up(struct crowd *crowd, const struct xsk *x, uint32_t got)
{
	if (__sync_fetch_and_add(&crowd->told, 1))
		return 2;
	errno = 0;
	et_fail("%u messages came; of the ring %u of %u descriptors were taken, %llu transmitted, %llu dropped, %llu delivered, %llu not",
		got, *x->tx.consumer, *x->tx.producer,
		(unsigned long long)et_counter(ETRAN_COUNTERS_ENDPOINT, x->id, "frames_transmitted"),
		(unsigned long long)et_counter(ETRAN_COUNTERS_ENDPOINT, x->id, "frames_dropped"),
		(unsigned long long)et_counter(ETRAN_COUNTERS_ENDPOINT, x->id, "delivered"),
		(unsigned long long)et_counter(ETRAN_COUNTERS_ENDPOINT, x->id, "undelivered"));
	return 2;
}

/* What was counted, if not all was well. */
static void print_counters(void)
{
	struct et_counters c;
	uint32_t i;

	if (et_counters_read(&c, ETRAN_COUNTERS_MODULE, 0))
		return;
	for (i = 0; i < c.n; i++)
		if (c.c[i].value)
			printf("# %s %llu\n", c.c[i].name, (unsigned long long)c.c[i].value);
}

/* Sends to itself, by the other host. Return: 0, or which check failed. */
static int one_of_many(FIXTURE_DATA(many) *self, struct crowd *crowd, int go, unsigned int who)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .flags = TT_F_SELF,
	};
	struct xsk_frame f;
	uint32_t seq, got;
	struct xsk x;
	uint64_t end;

	if (xsk_open(&x, &(struct xsk_config) { .queue = who, .chunks = 16 }))
		return 1;
	__sync_fetch_and_add(&crowd->ready, 1);
	until_closed(go);
	end = et_now_ms() + 90000;
	for (got = 0; got < 2 * MESSAGES;) {
		for (seq = 0; seq < MESSAGES; seq++) {
			r.seq = who * 1000 + got + seq;
			xsk_put(&x, seq, TT_SEND, &r, &r.seq, sizeof(r.seq));
		}
		while (xsk_kick(&x))
			usleep(1000);
		for (seq = 0; seq < MESSAGES; seq++, got++) {
			struct pollfd p = { .fd = x.ep, .events = POLLIN };

			while (!xsk_take(&x, &f)) {
				if (et_now_ms() > end)
					return gave_up(crowd, &x, got);
				poll(&p, 1, 1000);
			}
			if (f.rec.endpoint != x.id || f.tt.seq != who * 1000 + got || f.len != 4 ||
			    memcmp(f.payload, &f.tt.seq, 4))
				return 3;
			xsk_fill(&x, f.addr / XSK_CHUNK * XSK_CHUNK);
		}
		xsk_complete(&x, NULL, 0);
	}
	return xsk_take(&x, &f) ? 4 : 0;
}

/* Each has a queue, gets its own data and nothing else, and none is left out. */
TEST_F_TIMEOUT(many, a_thousand_processes_share_a_link_device, 300)
{
	struct crowd *crowd = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				   -1, 0);
	int n = et_debug() ? THOUSAND / 10 : THOUSAND, i, status, go[2], leave[2];
	uint64_t end;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(leave));

	ASSERT_EQ(0, et_sh("ip link del etran0 && ip link add etran0 link veth0 numrxqueues %d type etran && ip link set etran0 up",
			   n));
	for (i = 0; i < n; i++)
		if (!fork()) {
			close(go[1]);
			close(leave[1]);
			status = one_of_many(self, crowd, go[0], i);
			if (status)
				__sync_fetch_and_add(&crowd->failed, 1);
			/* All are there until the last one has got everything. */
			__sync_fetch_and_add(&crowd->done, 1);
			until_closed(leave[0]);
			_exit(status);
		}
	end = et_now_ms() + 90000;
	while (crowd->ready + crowd->failed < (uint32_t)n && et_now_ms() < end)
		usleep(10000);
	EXPECT_EQ(n, crowd->ready);
	EXPECT_EQ(n, et_count("endpoints"));
	close(go[0]);
	close(go[1]);
	end = et_now_ms() + 100000;
	while (crowd->done < (uint32_t)n && et_now_ms() < end)
		usleep(10000);
	if (crowd->failed)
		print_counters();
	EXPECT_EQ(0, crowd->failed);
	EXPECT_EQ(n, crowd->done);
	close(leave[0]);
	close(leave[1]);
	for (i = 0; i < n; i++)
		wait(NULL);
	EXPECT_EQ(n * 2 * MESSAGES, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
					       "rx_delivered"));
	for (i = 0; i < 10 && et_count("channels"); i++)
		et_wait_for(et_count("channels") == 0);
	EXPECT_EQ(0, et_count("channels"));
	ASSERT_EQ(0, et_sh("ip link del etran0 && ip link add etran0 link veth0 numrxqueues 16 type etran && ip link set etran0 up"));
	munmap(crowd, 4096);
}

/* ---- fairness ---- */

/*
 * Sends @batch packets to b at a time without end; counts what was completed. All of them begin together: on a slow machine
 * it takes the last one seconds to come so far.
 */
static void greedy(FIXTURE_DATA(many) *self, unsigned int who, uint32_t batch, volatile uint64_t *sent,
		   volatile uint64_t *ready)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .dport = 20 + who,
	};
	uint32_t room, i, next = 0;
	struct xsk x;

	if (xsk_open(&x, &(struct xsk_config) { .queue = who, .chunks = 256, .fill = 1 }))
		_exit(1);
	__sync_fetch_and_add(ready, 1);
	while (*ready < PROCS)
		usleep(1000);
	for (;;) {
		room = XSK_RING - (*x.tx.producer - __atomic_load_n(x.tx.consumer, __ATOMIC_ACQUIRE));
		for (i = 0; i < batch && i < room; i++)
			xsk_put(&x, next++ % 128, TT_SEND, &r, "mine", 4);
		if (sendto(x.fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0)
			sched_yield();
		*sent += xsk_complete(&x, NULL, 0);
	}
}

/*
 * Four that send all they can, and four that send one packet at a time, to receivers of whom one never
 * reads: everyone gets on, and equals get about the same, sent and received.
 */
TEST_F_TIMEOUT(many, greedy_senders_and_lazy_readers_starve_nobody, 120)
{
	volatile uint64_t *sent = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t got[PROCS] = {}, end, least, most;
	struct xsk y[PROCS];
	struct xsk_frame f;
	pid_t pid[PROCS];
	int i;

	ASSERT_EQ(0, et_enter(self->net.b->ns));
	for (i = 0; i < PROCS; i++)
		ASSERT_EQ(0, xsk_open(&y[i], &(struct xsk_config) {
			.queue = i, .port = 20 + i, .chunks = 512,
		}));
	ASSERT_EQ(0, et_enter(self->net.a->ns));
	for (i = 0; i < PROCS; i++) {
		pid[i] = fork();
		if (!pid[i])
			greedy(self, i, i < PROCS / 2 ? 64 : 1, &sent[i], &sent[PROCS]);
	}
	/* Until everyone has had many turns. */
	end = et_now_ms() + 60000;
	do {
		for (i = 1; i < PROCS; i++)
			while (xsk_take(&y[i], &f)) {
				got[i]++;
				xsk_fill(&y[i], f.addr / XSK_CHUNK * XSK_CHUNK);
			}
		least = sent[0];
		for (i = 1; i < PROCS; i++) {
			least = sent[i] < least ? sent[i] : least;
			least = got[i] < least ? got[i] : least;
		}
	} while (least < 3000 && et_now_ms() < end);
	for (i = 0; i < PROCS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
		printf("# sender %d: %llu sent, %llu received\n", i, (unsigned long long)sent[i],
		       (unsigned long long)got[i]);
	}
	EXPECT_LE(3000, least);
	for (i = 0; i < PROCS; i += PROCS / 2) {
		int k;

		least = most = sent[i];
		for (k = i + 1; k < i + PROCS / 2; k++) {
			least = sent[k] < least ? sent[k] : least;
			most = sent[k] > most ? sent[k] : most;
		}
		EXPECT_LE(most, 4 * least);
	}
	for (i = 0; i < PROCS; i++)
		xsk_close(&y[i]);
	munmap((void *)sent, 4096);
	EXPECT_TRUE(et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0)));
}

TEST_F(many, queue_with_a_socket_is_busy_until_that_is_closed)
{
	struct xsk x, y;

	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .queue = 3 }));
	ASSERT_EQ(0, xsk_make(&y, &(struct xsk_config) {}));
	EXPECT_EQ(-1, xsk_bind(&y, "etran0", 3, XDP_ZEROCOPY));
	EXPECT_EQ(EBUSY, errno);
	xsk_close(&x);
	EXPECT_TRUE(et_wait_for(!xsk_bind(&y, "etran0", 3, XDP_ZEROCOPY)));
	ASSERT_EQ(0, xsk_attach(&y, TT_NAME, 0));
	xsk_close(&y);
}

TEST_F(many, free_queue_is_found_until_all_are_used)
{
	struct etran_link_info q;
	struct xsk x[17];
	int dev = et_device(), i;

	for (i = 0; i <= 16; i++) {
		memset(&q, 0, sizeof(q));
		q.ifindex = self->net.a->link_ifindex;
		ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_LINK, &q));
		EXPECT_EQ(16, q.queues);
		EXPECT_EQ(i, q.queues_bound);
		EXPECT_EQ(0, strcmp("etran0", q.name));
		EXPECT_EQ(0, strcmp("veth0", q.lower_name));
		EXPECT_EQ(self->net.a->ifindex, q.lower_ifindex);
		if (i == 16)
			break;
		ASSERT_GT(16, q.free_queue);
		ASSERT_EQ(0, xsk_open(&x[i], &(struct xsk_config) {
			.queue = q.free_queue, .chunks = 4 }));
	}
	EXPECT_EQ(q.queues, q.free_queue);
	ASSERT_EQ(0, xsk_make(&x[16], &(struct xsk_config) {}));
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(-1, xsk_bind(&x[16], "etran0", i, XDP_ZEROCOPY));
		EXPECT_EQ(EBUSY, errno);
	}
	EXPECT_EQ(-1, xsk_bind(&x[16], "etran0", 16, XDP_ZEROCOPY));
	EXPECT_EQ(EINVAL, errno);
	for (i = 0; i <= 16; i++)
		xsk_close(&x[i]);
	close(dev);
}

TEST_F(many, link_devices_of_other_namespaces_are_not_shown)
{
	struct etran_link_info q = { .ifindex = self->net.b->link_ifindex };
	int dev = et_device();

	/* The same number exists on both sides, so the namespace must make the difference. */
	memset(&q, 0, sizeof(q));
	ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_LINK, &q));
	EXPECT_EQ(self->net.a->link, q.id);
	q.id++;
	q.flags = 0;
	q.ifindex = 0;
	if (self->net.b->link > self->net.a->link) {
		EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_LINK, &q));
		EXPECT_EQ(ENODEV, errno);
	}
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	memset(&q, 0, sizeof(q));
	ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_LINK, &q));
	EXPECT_EQ(self->net.b->link, q.id);
	ASSERT_EQ(0, et_enter(tt_hosts.home));
	memset(&q, 0, sizeof(q));
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_LINK, &q));
	EXPECT_EQ(ENODEV, errno);
	close(dev);
}

TEST_F(many, unaligned_chunks_are_refused)
{
	struct xsk x;

	ASSERT_EQ(0, xsk_make(&x, &(struct xsk_config) {
		.umem_flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG }));
	EXPECT_EQ(-1, xsk_bind(&x, "etran0", 0, XDP_ZEROCOPY));
	EXPECT_EQ(EOPNOTSUPP, errno);
	xsk_close(&x);
}

TT_MAIN(16)
