// SPDX-License-Identifier: GPL-2.0
/*
 * DCTCP at a link that is slow and marks, testnic's: what RFC 8257 is for. The queue in front of the link stays about as long as the
 * threshold where the kernel's CUBIC fills it; two connections share the link fairly, also when the kernel's DCTCP has
 * one of them.
 *
 * 100 Mb/s and 200 us there and back are 2.5 KB; the threshold is 20 segments, as RFC 8257's authors have it for 1 Gb/s.
 */
#include "tcp_test.h"
#include "../link.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	60

#define PORT		8300
#define RATE		100000000ULL	/* bits/s */
#define DELAY_NS	100000
#define SEGMENT		1514
#define THRESHOLD	(20 * SEGMENT)
#define QUEUE		200		/* packets */
#define FLOWS		2
/* Slow start is over by then. */
#define WARM_MS		500
#define RUN_MS		2000
#define SAMPLES		(RUN_MS / 10)

/**
 * struct flow - a connection from HOST_A to HOST_B's kernel, and a thread at each end
 * @etran: etran's end; NULL: the kernel has it, with @fd
 * @fd: see there
 * @peer: kernel's end
 * @sender: thread
 * @receiver: thread
 * @stop: no more is to be sent
 * @got: bytes that arrived
 */
struct flow {
	struct etran_socket *etran;
	int fd;
	int peer;
	pthread_t sender;
	pthread_t receiver;
	bool stop;
	uint64_t got;
};

FIXTURE(dctcp)
{
	struct etran_tcp *t;
	int listener;
	struct flow flow[FLOWS];
	uint64_t most;			/* bytes, of the queue while it was watched */
};

FIXTURE_SETUP(dctcp)
{
	self->t = context(HOST_A, 0);
	ASSERT_NE(NULL, self->t);
	enter(HOST_B);
	self->listener = kernel_listen(PORT, 10);
	ASSERT_LE(0, self->listener);
	/* Marks are echoed as RFC 8257 has it, and its own SYN, which is ECN-capable, the kernel takes for one with ECN. */
	ASSERT_EQ(0, setsockopt(self->listener, IPPROTO_TCP, TCP_CONGESTION, "dctcp", 5)) TH_LOG("errno %d", errno);
	ASSERT_EQ(0, link_set(HOST_A, "rate", RATE));
	ASSERT_EQ(0, link_set(HOST_A, "queue_packets", QUEUE));
	ASSERT_EQ(0, link_set(HOST_A, "ecn_bytes", THRESHOLD));
	ASSERT_EQ(0, link_set_both("delay_ns", DELAY_NS));
	ASSERT_EQ(0, sysctl_set(HOST_B, "tcp_ecn", "1"));
}

FIXTURE_TEARDOWN(dctcp)
{
	etran_tcp_close(self->t);
	close(self->listener);
	EXPECT_EQ(0, link_set(HOST_A, "rate", 0));
	EXPECT_EQ(0, link_set(HOST_A, "ecn_bytes", 0));
	EXPECT_EQ(0, link_set(HOST_A, "queue_packets", 1000));
	EXPECT_EQ(0, link_set_both("delay_ns", 0));
	EXPECT_TRUE(idle(0, 30));
}

static void *flow_sends(void *arg)
{
	static const uint8_t b[16384];
	struct flow *f = arg;
	ssize_t n = 1;

	while (n > 0 && !__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
		n = f->etran ? etran_send(f->etran, b, sizeof(b), 0) :
			       send(f->fd, b, sizeof(b), MSG_NOSIGNAL);
	if (f->etran)
		etran_shutdown(f->etran, SHUT_WR);
	else
		shutdown(f->fd, SHUT_WR);
	return NULL;
}

static void *flow_receives(void *arg)
{
	static __thread uint8_t b[65536];
	struct flow *f = arg;
	ssize_t n;

	while ((n = recv(f->peer, b, sizeof(b), 0)) > 0)
		__atomic_fetch_add(&f->got, n, __ATOMIC_RELAXED);
	return NULL;
}

static uint64_t got(const struct flow *f)
{
	return __atomic_load_n(&f->got, __ATOMIC_RELAXED);
}

/* @kernel: the congestion control of the kernel's connection; NULL: it is etran's. */
static void flow_begin(struct __test_metadata *_metadata, FIXTURE_DATA(dctcp) *self, struct flow *f,
		       const char *kernel)
{
	union address to = address_of(HOST_B, PORT);

	if (kernel) {
		enter(HOST_A);
		f->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ASSERT_LE(0, f->fd);
		ASSERT_EQ(0, setsockopt(f->fd, IPPROTO_TCP, TCP_CONGESTION, kernel, strlen(kernel)))
			TH_LOG("%s: errno %d", kernel, errno);
		ASSERT_EQ(0, connect(f->fd, &to.sa, address_len())) TH_LOG("errno %d", errno);
	} else {
		f->etran = etran_socket(self->t, family, 0);
		ASSERT_NE(NULL, f->etran);
		ASSERT_EQ(0, etran_connect(f->etran, &to.sa, address_len())) TH_LOG("%s", etran_strerror_detail());
	}
	f->peer = accept(self->listener, NULL, NULL);
	ASSERT_LE(0, f->peer);
	ASSERT_EQ(0, pthread_create(&f->receiver, NULL, flow_receives, f));
	ASSERT_EQ(0, pthread_create(&f->sender, NULL, flow_sends, f));
}

static void flow_end(struct __test_metadata *_metadata, struct flow *f)
{
	__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
	pthread_join(f->sender, NULL);
	pthread_join(f->receiver, NULL);
	close(f->peer);
	if (f->etran)
		etran_close(f->etran);
	else
		close(f->fd);
}

/* What arrives of each flow while the queue is watched, in Mb/s of payload. */
static void watch(struct __test_metadata *_metadata, FIXTURE_DATA(dctcp) *self, int flows, double *rate)
{
	uint64_t before[FLOWS], began, longest;
	int i;

	usleep(WARM_MS * 1000);
	link_get(HOST_A, "queue", "most_bytes");
	began = now_ms();
	for (i = 0; i < flows; i++)
		before[i] = got(&self->flow[i]);
	self->most = 0;
	for (i = 0; i < SAMPLES; i++) {
		usleep(10000);
		longest = link_get(HOST_A, "queue", "most_bytes");
		if (longest > self->most)
			self->most = longest;
		if (i % 20 == 0)
			TH_LOG("%4d ms: longest queue %llu bytes", i * 10, (unsigned long long)longest);
	}
	for (i = 0; i < flows; i++) {
		rate[i] = (got(&self->flow[i]) - before[i]) * 8 / 1e3 / (now_ms() - began);
		TH_LOG("flow %d: %.1f Mb/s of %.1f", i, rate[i], RATE / 1e6);
	}
	TH_LOG("longest queue %llu bytes, threshold %d", (unsigned long long)self->most, THRESHOLD);
}

/* A window that is one round trip behind may be one too many: twice the threshold, but not what CUBIC makes of it. */
TEST_F(dctcp, queue_stays_at_the_threshold)
{
	uint64_t full = link_counter(HOST_A, "wire_queue_full");
	double rate;

	flow_begin(_metadata, self, &self->flow[0], NULL);
	watch(_metadata, self, 1, &rate);
	flow_end(_metadata, &self->flow[0]);
	EXPECT_LE(self->most, 2 * THRESHOLD);
	EXPECT_LE(THRESHOLD / 2, self->most);
	EXPECT_LE(0.85 * RATE / 1e6, rate);
	EXPECT_EQ(full, link_counter(HOST_A, "wire_queue_full"));
}

/* The control: on this link a queue would be as long as it can. */
TEST_F(dctcp, kernel_cubic_fills_the_queue)
{
	double rate;

	ASSERT_EQ(0, sysctl_set(HOST_B, "tcp_ecn", "0"));
	enter(HOST_B);
	flow_begin(_metadata, self, &self->flow[0], "cubic");
	watch(_metadata, self, 1, &rate);
	flow_end(_metadata, &self->flow[0]);
	EXPECT_LE(4 * THRESHOLD, self->most);
}

static void fair(struct __test_metadata *_metadata, FIXTURE_DATA(dctcp) *self, const char *second)
{
	double rate[FLOWS], sum, squares;

	flow_begin(_metadata, self, &self->flow[0], NULL);
	flow_begin(_metadata, self, &self->flow[1], second);
	watch(_metadata, self, 2, rate);
	flow_end(_metadata, &self->flow[0]);
	flow_end(_metadata, &self->flow[1]);
	sum = rate[0] + rate[1];
	squares = rate[0] * rate[0] + rate[1] * rate[1];
	/* Jain's index: 1 is equal, 0.5 all for one; 0.9 is one having twice as much as the other. */
	TH_LOG("Jain's index %.3f", sum * sum / (2 * squares));
	EXPECT_LE(0.9, sum * sum / (2 * squares));
	EXPECT_LE(0.85 * RATE / 1e6, sum);
}

TEST_F(dctcp, two_share_fairly)
{
	fair(_metadata, self, NULL);
}

TEST_F(dctcp, shares_fairly_with_the_kernels)
{
	fair(_metadata, self, "dctcp");
}

int main(int argc, char **argv)
{
	setenv("TCP_DEVICE", "testnic", 1);
	/* Where they are modules; nothing loads them by itself in the lab. */
	if (system("modprobe -qa tcp_dctcp tcp_cubic"))
		printf("# this kernel has no DCTCP or no CUBIC\n");
	hosts_up(1500, "KERNEL", "--set tcp_time_wait_ms=500 --set tcp_fin_timeout_ms=2000");
	return test_harness_run(argc, argv);
}
