// SPDX-License-Identifier: GPL-2.0
/*
 * RPCs over a wire that loses, reorders, duplicates and damages packets, in both directions at
 * once: each ends exactly once, with its own bytes, and nothing is left.
 *
 * Two things are allowed, and counted. Homa has no checksum (it relies on the one of Ethernet, which a
 * virtual wire does not have), so a damaged packet may harm one RPC: its bytes, its length, or that it
 * ends at all. And with 20 % loss, all of the seven questions that a client asks within
 * homa_timeout_ticks, or their answers, are lost in about one of 1,000 silences: 0.36 ^ 7, where 0.36 is the
 * probability that a question or its answer is lost. An RPC of many packets has some of those.
 *
 * ETRAN_TEST_COUNT=N: so many RPCs in each direction instead of those of each case.
 */
#include <math.h>
#include <poll.h>
#include "link.h"

#define PORT		300
/* Outstanding at a time, of each direction. */
#define WINDOW		12
#define POINTS		128
/* No RPC takes as long. */
#define STUCK_MS	20000

/**
 * struct sizes - how long messages are
 * @n: points of the distribution; 0: evenly by their logarithm
 * @length: bytes
 * @fraction: of messages that are at most so long
 */
struct sizes {
	int n;
	double length[POINTS];
	double fraction[POINTS];
};

/**
 * struct side - the client of one host and what became of its RPCs
 * @host: where
 * @thread: it
 * @sizes: of requests, which are those of responses
 * @rpcs: how many
 * @rnd: state of the random numbers
 * @len: bytes of each RPC
 * @ended: how often each ended
 * @good: with the right bytes
 * @damaged: with others
 * @timeouts: with ETIMEDOUT
 * @failed: with another error
 * @error: the last of these
 * @broken: what must never be, NULL if nothing was
 */
struct side {
	enum host host;
	pthread_t thread;
	const struct sizes *sizes;
	unsigned int rpcs;
	uint64_t rnd;
	uint32_t *len;
	uint8_t *ended;
	unsigned int good;
	unsigned int damaged;
	unsigned int timeouts;
	unsigned int failed;
	int error;
	const char *broken;
};

static double random_fraction(uint64_t *rnd)
{
	*rnd ^= *rnd << 13;
	*rnd ^= *rnd >> 7;
	*rnd ^= *rnd << 17;
	return (*rnd >> 11) * 0x1p-53;
}

/* The same points as homa_bench's, see tools/homa_bench/workload.c. */
static int sizes_read(struct sizes *s, int workload)
{
	char path[4096], line[256];
	FILE *f;

	s->n = 0;
	if (!workload)
		return 0;
	snprintf(path, sizeof(path), "%s/tools/homa_bench/workloads/w%d.csv",
		 getenv("ETRAN_TOP") ?: "../..", workload);
	f = fopen(path, "re");
	if (!f) {
		printf("# %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (s->n < POINTS && fgets(line, sizeof(line), f))
		if (sscanf(line, " %lf , %lf", &s->length[s->n], &s->fraction[s->n]) == 2)
			s->n++;
	fclose(f);
	return s->n ? 0 : -1;
}

static uint32_t size_of(const struct sizes *s, double fraction)
{
	double length;
	int i;

	if (s->n) {
		for (i = 0; i < s->n - 1 && fraction > s->fraction[i]; i++)
			;
		length = s->length[i];
		if (i && s->fraction[i] > s->fraction[i - 1])
			length -= (s->fraction[i] - fraction) * (length - s->length[i - 1]) /
				  (s->fraction[i] - s->fraction[i - 1]);
	} else {
		length = exp(fraction * log(HOMA_MAX_MESSAGE_LENGTH));
	}
	if (length > HOMA_MAX_MESSAGE_LENGTH)
		return HOMA_MAX_MESSAGE_LENGTH;
	return length < 1 ? 1 : length;
}

static uint64_t seed_of(const struct side *s, uint64_t rpc)
{
	return (uint64_t)s->host << 32 | rpc;
}

/* Return: whether an RPC ended. */
static bool side_receive(struct side *s, int fd, void *buf)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t id = 0, rpc = 0;
	ssize_t n;

	do {
		if (poll(&p, 1, STUCK_MS) != 1) {
			s->broken = "an RPC does not end";
			/* What its two ends think of it. */
			fflush(stdout);
			if (system("etranctl rpc"))
				printf("# etranctl rpc failed\n");
			return false;
		}
		id = 0;
		n = homa_recv(fd, buf, HOMA_MAX_MESSAGE_LENGTH,
			      HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, NULL, NULL, &id, NULL, &rpc);
	} while (n < 0 && errno == EAGAIN);
	if (!id) {
		s->broken = "homa_recv() failed";
		s->error = errno;
		return false;
	}
	if (rpc >= s->rpcs || s->ended[rpc]++) {
		s->broken = "an RPC ended twice";
		return false;
	}
	if (n >= 0) {
		if (n == s->len[rpc] && wrong(buf, n, seed_of(s, rpc)) < 0)
			s->good++;
		else
			s->damaged++;
	} else if (errno == ETIMEDOUT) {
		s->timeouts++;
	} else {
		s->failed++;
		s->error = errno;
	}
	return true;
}

static void *side_run(void *arg)
{
	struct side *s = arg;
	enum host peer = s->host == HOST_A ? HOST_B : HOST_A;
	union address to = address_of(peer, PORT);
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	int fd = sock_on(s->host, 0);
	unsigned int sent = 0, ended = 0;
	uint64_t id;

	if (fd < 0 || !buf) {
		s->broken = "no socket";
		return NULL;
	}
	while (ended < s->rpcs) {
		while (sent < s->rpcs && sent - ended < WINDOW) {
			/* Both ends of the range are always among them. */
			s->len[sent] = !s->sizes->n && sent < 2 ?
				(sent ? HOMA_MAX_MESSAGE_LENGTH : 1) :
				size_of(s->sizes, random_fraction(&s->rnd));
			fill(buf, s->len[sent], seed_of(s, sent));
			if (homa_send(fd, buf, s->len[sent], &to.sa, address_len(), &id, sent, 0)) {
				s->broken = "homa_send() failed";
				s->error = errno;
				return NULL;
			}
			sent++;
		}
		if (!side_receive(s, fd, buf))
			return NULL;
		ended++;
	}
	homa_close(fd);
	free(buf);
	return NULL;
}

/* ppm of packets */
struct faults {
	uint32_t loss;
	uint32_t duplicate;
	uint32_t reorder;
	uint32_t corrupt;
	uint32_t refuse;
};

#define ALL_FAULTS	{ .loss = 10000, .duplicate = 10000, .reorder = 10000, .corrupt = 1000 }

static int faults_set(const struct faults *f, uint64_t seed)
{
	return link_set_both("loss", f->loss) || link_set_both("duplicate", f->duplicate) ||
	       link_set_both("reorder", f->reorder) || link_set_both("corrupt", f->corrupt) ||
	       link_set_both("refuse", f->refuse) ||
	       link_set(HOST_A, "seed", seed) || link_set(HOST_B, "seed", seed + 1) ? -1 : 0;
}

FIXTURE(faults)
{
	struct sizes sizes;
	struct side side[2];
	struct echo_server server[2];
};

FIXTURE_VARIANT(faults)
{
	struct faults faults;
	/* 1 to 5; 0: all lengths alike */
	int workload;
	int family;
	/* in each direction */
	unsigned int rpcs;
	/* of 1,000 RPCs */
	unsigned int timeouts;
};

FIXTURE_VARIANT_ADD(faults, loss_of_one_in_a_thousand)
{
	.family = AF_INET,
	.faults.loss = 1000,
	.rpcs = 150,
};

FIXTURE_VARIANT_ADD(faults, loss_of_1_percent)
{
	.family = AF_INET,
	.faults.loss = 10000,
	.rpcs = 150,
};

FIXTURE_VARIANT_ADD(faults, loss_of_5_percent)
{
	.family = AF_INET,
	.faults.loss = 50000,
	.rpcs = 100,
};

FIXTURE_VARIANT_ADD(faults, loss_of_20_percent)
{
	.family = AF_INET,
	.faults.loss = 200000,
	.rpcs = 100,
	.timeouts = 30,
};

FIXTURE_VARIANT_ADD(faults, reordering)
{
	.family = AF_INET,
	.faults.reorder = 50000,
	.rpcs = 100,
};

FIXTURE_VARIANT_ADD(faults, duplication)
{
	.family = AF_INET,
	.faults.duplicate = 50000,
	.rpcs = 100,
};

FIXTURE_VARIANT_ADD(faults, corruption)
{
	.family = AF_INET,
	.faults.corrupt = 2000,
	.rpcs = 100,
};

/* No fault of the wire: the device has no room. Nothing is lost by that. */
FIXTURE_VARIANT_ADD(faults, device_that_refuses)
{
	.family = AF_INET,
	.faults.refuse = 200000,
	.rpcs = 100,
};

FIXTURE_VARIANT_ADD(faults, all_together)
{
	.family = AF_INET,
	.faults = ALL_FAULTS,
	.rpcs = 150,
};

FIXTURE_VARIANT_ADD(faults, all_together_over_ipv6)
{
	.faults = ALL_FAULTS,
	.family = AF_INET6,
	.rpcs = 100,
};

FIXTURE_VARIANT_ADD(faults, all_together_w1)
{
	.family = AF_INET,
	.faults = ALL_FAULTS,
	.workload = 1,
	.rpcs = 400,
};

FIXTURE_VARIANT_ADD(faults, all_together_w2)
{
	.family = AF_INET,
	.faults = ALL_FAULTS,
	.workload = 2,
	.rpcs = 400,
};

FIXTURE_VARIANT_ADD(faults, all_together_w3)
{
	.family = AF_INET,
	.faults = ALL_FAULTS,
	.workload = 3,
	.rpcs = 300,
};

FIXTURE_VARIANT_ADD(faults, all_together_w4)
{
	.family = AF_INET,
	.faults = ALL_FAULTS,
	.workload = 4,
	.rpcs = 100,
};

FIXTURE_VARIANT_ADD(faults, all_together_w5)
{
	.family = AF_INET,
	.faults = ALL_FAULTS,
	.workload = 5,
	.rpcs = 30,
};

FIXTURE_SETUP(faults)
{
	int h;

	homa_family = variant->family;
	ASSERT_EQ(0, sizes_read(&self->sizes, variant->workload));
	ASSERT_EQ(0, link_set_both("reorder_gap", 10));
	ASSERT_EQ(0, link_set_both("reorder_wait_ns", 1000000));
	for (h = HOST_A; h <= HOST_B; h++)
		ASSERT_EQ(0, echo_start(&self->server[h], h, PORT, 2));
	ASSERT_EQ(0, faults_set(&variant->faults, 1));
}

FIXTURE_TEARDOWN(faults)
{
	const struct faults none = {};

	EXPECT_EQ(0, faults_set(&none, 1));
}

static uint64_t both(const char *name)
{
	return link_counter(HOST_A, name) + link_counter(HOST_B, name);
}

TEST_F(faults, each_rpc_ends_once)
{
	uint64_t lost = both("wire_lost"), twice = both("wire_duplicated");
	uint64_t late = both("wire_reordered"), flipped = both("wire_corrupted");
	uint64_t packets = both("tx_packets"), stale = homa_counter("frame_stale");
	/* One that was to be sent again when its RPC ended is dropped, as it must be. */
	uint64_t refused = both("tx_refused");
	uint64_t dropped = counter("packets_dropped") - counter("packet_stale");
	unsigned int rpcs = atoi(getenv("ETRAN_TEST_COUNT") ?: "0") ?: variant->rpcs;
	unsigned int harmed = 0, timeouts = 0;
	struct side *s;
	int h, i;

	for (h = HOST_A; h <= HOST_B; h++) {
		s = &self->side[h];
		*s = (struct side) {
			.host = h, .sizes = &self->sizes, .rpcs = rpcs, .rnd = 0x9e3779b97f4a7c15 + h,
			.len = calloc(rpcs, sizeof(*s->len)), .ended = calloc(rpcs, 1),
		};
		ASSERT_TRUE(s->len && s->ended);
		ASSERT_EQ(0, pthread_create(&s->thread, NULL, side_run, s));
	}
	for (h = HOST_A; h <= HOST_B; h++) {
		s = &self->side[h];
		pthread_join(s->thread, NULL);
		TH_LOG("host %c: %u RPCs right, %u damaged, %u timed out, %u failed (%d)", 'a' + h,
		       s->good, s->damaged, s->timeouts, s->failed, s->error);
	}
	lost = both("wire_lost") - lost;
	twice = both("wire_duplicated") - twice;
	late = both("wire_reordered") - late;
	flipped = both("wire_corrupted") - flipped;
	TH_LOG("of %llu packets %llu were lost, %llu came twice, %llu late, %llu damaged",
	       (unsigned long long)(both("tx_packets") - packets), (unsigned long long)lost,
	       (unsigned long long)twice, (unsigned long long)late, (unsigned long long)flipped);

	for (h = HOST_A; h <= HOST_B; h++) {
		s = &self->side[h];
		ASSERT_TRUE(!s->broken) TH_LOG("host %c: %s, errno %d", 'a' + h, s->broken, s->error);
		for (i = 0; i < rpcs; i++)
			ASSERT_EQ(1, s->ended[i]);
		harmed += s->damaged + s->failed;
		timeouts += s->timeouts;
	}
	if (variant->faults.corrupt) {
		EXPECT_GE(flipped, harmed + timeouts);
	} else {
		EXPECT_EQ(0, harmed);
		EXPECT_GE(2 * rpcs * variant->timeouts / 1000, timeouts);
	}

	/* That there was anything to repair at all. */
	EXPECT_EQ(!!variant->faults.loss, !!lost);
	EXPECT_EQ(!!variant->faults.duplicate, !!twice);
	EXPECT_EQ(!!variant->faults.reorder, !!late);
	EXPECT_EQ(!!variant->faults.corrupt, !!flipped);
	EXPECT_EQ(!!variant->faults.refuse, both("tx_refused") != refused);
	if (variant->faults.refuse)
		EXPECT_EQ(dropped, counter("packets_dropped") - counter("packet_stale"));

	ASSERT_RPCS_IDLE(30);
	for (h = HOST_A; h <= HOST_B; h++) {
		echo_stop(&self->server[h]);
		if (variant->faults.corrupt || timeouts)
			continue;
		/* None was executed twice. */
		EXPECT_EQ(0, self->server[h].bad);
		EXPECT_EQ(rpcs, self->server[h].served);
	}
	ASSERT_IDLE(30);
	EXPECT_EQ(stale, homa_counter("frame_stale"));
}

LINK_MAIN("")
