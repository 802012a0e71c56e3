// SPDX-License-Identifier: GPL-2.0
/*
 * Short messages beside long ones that have more to send than the link takes: a short one waits for the packet that is on
 * the link, not for messages; and the longest message goes on nevertheless, by the share of the oldest.
 *
 * What is measured is the link. So that is slow enough for the machine to do the rest of the work beside, and the threads
 * with short messages do not wait for a processor that copies long ones. Times are of the machine's clock, which counts
 * instructions and skips what nobody runs in (lab/run -S -c 1).
 *
 * A packet that is on the link cannot be overtaken. On this one it takes 62 us, while a short message of 1,000 bytes takes
 * some 125 us there and back when nobody else sends; one of 100 bytes takes 45 us, so that it alone is more than the goal
 * allows.
 */
#include <sched.h>
#include <time.h>
#include "link.h"

#define PORT		300
#define SHORT_PORT	301
/* Mb/s, as SET below has it, too. */
#define MBPS		200
#define SHORT		1000	/* at most */
#define LONG		200000
#define LONGEST		1000000
/* Outstanding at a time: of LONG bytes; beside one of LONGEST. */
#define LONGS		4
#define SHORTS		500

/**
 * struct stream - a client with long requests, until it is told to stop
 * @thread: it
 * @from: its host
 * @len: bytes of each
 * @outstanding: at a time
 * @stop: told
 * @bytes: sent and answered
 * @ended: requests
 * @bad: what failed, NULL if nothing did
 */
struct stream {
	pthread_t thread;
	enum host from;
	uint32_t len;
	int outstanding;
	bool stop;
	uint64_t bytes;
	uint64_t ended;
	const char *bad;
};

/**
 * struct server - answers each request: a long one with its first byte, a short one with all of it
 * @thread: it
 * @fd: socket
 * @shorts: its requests are short ones
 * @bad: calls that failed
 */
struct server {
	pthread_t thread;
	int fd;
	bool shorts;
	uint64_t bad;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void urgent(void)
{
	struct sched_param p = { .sched_priority = 10 };

	if (pthread_setschedparam(pthread_self(), SCHED_RR, &p))
		printf("# no priority for the threads with short messages\n");
}

/* Nor does the kernel's thread for softirqs wait for these, which has no priority. */
static void in_no_hurry(void)
{
	struct sched_param p = {};

	if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &p))
		printf("# the threads with long messages have a priority\n");
}

static void *serve(void *arg)
{
	struct server *s = arg;
	uint8_t *buf = malloc(LONGEST);
	union address client;
	size_t addrlen;
	uint64_t id;
	ssize_t n;

	if (s->shorts)
		urgent();
	else
		in_no_hurry();
	for (;;) {
		id = 0;
		addrlen = sizeof(client);
		n = homa_recv(s->fd, buf, LONGEST, HOMA_RECV_REQUEST, &client.sa, &addrlen, &id, NULL, NULL);
		if (n < 0 && !id)
			break;
		if (n < 0 || homa_reply(s->fd, buf, s->shorts ? n : 1, &client.sa, addrlen, id))
			s->bad++;
	}
	free(buf);
	return NULL;
}

static int server_start(struct server *s, enum host host, uint16_t port)
{
	s->fd = sock_on(host, port);
	return s->fd < 0 ? -1 : pthread_create(&s->thread, NULL, serve, s);
}

static void server_stop(struct server *s)
{
	homa_close(s->fd);
	pthread_join(s->thread, NULL);
}

static int stream_send(struct stream *s, int fd, const uint8_t *buf)
{
	union address to = address_of(s->from == HOST_A ? HOST_B : HOST_A, PORT);
	uint64_t id;

	return homa_send(fd, buf, s->len, &to.sa, address_len(), &id, 0, 0);
}

static void *stream_run(void *arg)
{
	struct stream *s = arg;
	uint8_t *buf = calloc(1, s->len), answer;
	int fd = sock_on(s->from, 0), out = 0;
	uint64_t id;

	in_no_hurry();
	while (fd >= 0 && buf && !s->bad) {
		while (out < s->outstanding && !__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
			if (stream_send(s, fd, buf)) {
				s->bad = "homa_send() failed";
				return NULL;
			}
			out++;
		}
		if (!out)
			break;
		id = 0;
		if (homa_recv(fd, &answer, 1, HOMA_RECV_RESPONSE, NULL, NULL, &id, NULL, NULL) != 1) {
			s->bad = "homa_recv() failed";
			return NULL;
		}
		out--;
		s->bytes += s->len;
		s->ended++;
	}
	if (fd < 0 || !buf)
		s->bad = "no socket";
	homa_close(fd);
	free(buf);
	return NULL;
}

FIXTURE(srpt)
{
	struct server server[2];	/* of long messages */
	struct stream longs[2];
	struct stream longest[2];
	struct server echo;
	int fd;
	uint64_t took[SHORTS];
};

FIXTURE_VARIANT(srpt)
{
	/* of the short messages, bytes */
	uint32_t len;
	/* long ones in both directions */
	bool both;
	/* times as long as on an idle link: the 99th percentile beside long ones, half of them without */
	unsigned int most;
};

FIXTURE_VARIANT_ADD(srpt, one_way) { .len = 1000, .most = 3 };
FIXTURE_VARIANT_ADD(srpt, both_ways) { .len = 1000, .both = true, .most = 3 };
FIXTURE_VARIANT_ADD(srpt, one_way_very_short) { .len = 100, .most = 5 };

FIXTURE_SETUP(srpt)
{
	int h;

	for (h = HOST_A; h <= HOST_B; h++) {
		ASSERT_EQ(0, server_start(&self->server[h], h, PORT));
		self->longs[h] = (struct stream) { .from = h, .len = LONG, .outstanding = LONGS };
		self->longest[h] = (struct stream) { .from = h, .len = LONGEST, .outstanding = 1 };
	}
	self->echo.shorts = true;
	ASSERT_EQ(0, server_start(&self->echo, HOST_B, SHORT_PORT));
	self->fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, link_set_both("rate", MBPS * 1000000ULL));
	ASSERT_EQ(0, link_set_both("queue_packets", 65536));
}

FIXTURE_TEARDOWN(srpt)
{
	EXPECT_EQ(0, link_set_both("rate", 0));
	EXPECT_EQ(0, link_set_both("queue_packets", 1000));
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Short RPCs, one after the other with pauses of up to a millisecond; their times, sorted. */
static void measure(struct __test_metadata *_metadata, FIXTURE_DATA(srpt) *self, uint32_t len)
{
	uint8_t buf[SHORT] = {};
	uint64_t id, t0;
	int i;

	srand(1);
	for (i = 0; i < SHORTS; i++) {
		usleep(rand() % 1000);
		t0 = now_ns();
		ASSERT_EQ(0, request(self->fd, SHORT_PORT, buf, len, &id, 0));
		ASSERT_EQ(len, response(self->fd, buf, SHORT, &id, NULL));
		self->took[i] = now_ns() - t0;
	}
	qsort(self->took, SHORTS, sizeof(*self->took), by_time);
}

static void tell(FIXTURE_DATA(srpt) *self, const char *what)
{
	printf("# short messages %s, us: least %llu, P50 %llu, P90 %llu, P99 %llu, most %llu\n", what,
	       (unsigned long long)self->took[0] / 1000, (unsigned long long)self->took[SHORTS / 2] / 1000,
	       (unsigned long long)self->took[SHORTS * 9 / 10] / 1000,
	       (unsigned long long)self->took[SHORTS * 99 / 100] / 1000,
	       (unsigned long long)self->took[SHORTS - 1] / 1000);
}

TEST_F(srpt, short_messages_do_not_wait_for_long_ones)
{
	uint64_t unloaded, t0, ns, share;
	int h, last = variant->both ? HOST_B : HOST_A;
	struct stream *longs, *longest;

	urgent();
	measure(_metadata, self, variant->len);
	tell(self, "on an idle link");
	unloaded = self->took[SHORTS / 2];
	for (h = HOST_A; h <= last; h++) {
		ASSERT_EQ(0, pthread_create(&self->longest[h].thread, NULL, stream_run, &self->longest[h]));
		ASSERT_EQ(0, pthread_create(&self->longs[h].thread, NULL, stream_run, &self->longs[h]));
	}
	/* Until the link is busy. */
	usleep(50000);
	t0 = now_ns();
	measure(_metadata, self, variant->len);
	ns = now_ns() - t0;
	tell(self, "beside long ones");
	for (h = HOST_A; h <= last; h++) {
		longs = &self->longs[h];
		longest = &self->longest[h];
		__atomic_store_n(&longs->stop, true, __ATOMIC_RELEASE);
		__atomic_store_n(&longest->stop, true, __ATOMIC_RELEASE);
		pthread_join(longs->thread, NULL);
		pthread_join(longest->thread, NULL);
		ASSERT_TRUE(!longs->bad) TH_LOG("%s", longs->bad);
		ASSERT_TRUE(!longest->bad) TH_LOG("%s", longest->bad);
		/* Of all that went, also behind the measurement. */
		share = longest->bytes * 100 / (longs->bytes + longest->bytes);
		TH_LOG("from host %c in %llu ms: %llu of %d bytes, %llu of %d bytes, which are %llu %%", 'a' + h,
		       (unsigned long long)ns / 1000000, (unsigned long long)longs->ended, LONG,
		       (unsigned long long)longest->ended, LONGEST, (unsigned long long)share);
		/* The link was busy: at least two thirds of what it takes. */
		EXPECT_LE(ns * MBPS / 8000 * 2 / 3, longs->bytes + longest->bytes);
		EXPECT_LE(1, longest->ended);
	}
	TH_LOG("99 %% took at most %.1f times as long as half of them on an idle link",
	       (double)self->took[SHORTS * 99 / 100] / unloaded);
	EXPECT_GE(variant->most * unloaded, self->took[SHORTS * 99 / 100]);

	homa_close(self->fd);
	server_stop(&self->echo);
	EXPECT_EQ(0, self->echo.bad);
	for (h = HOST_A; h <= HOST_B; h++) {
		server_stop(&self->server[h]);
		EXPECT_EQ(0, self->server[h].bad);
	}
	ASSERT_IDLE(30);
	EXPECT_EQ(0, homa_counter("frame_stale"));
	EXPECT_EQ(0, homa_counter("rpc_failed"));
}

/* The default of homa_max_nic_queue_usecs, 40, is nearly a whole packet of this link. */
#define SET	"--set homa_link_mbps=200 --set homa_max_nic_queue_usecs=5"

LINK_MAIN(SET)
