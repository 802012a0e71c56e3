// SPDX-License-Identifier: GPL-2.0
/* Applications that die, stop, or do wrong in every way: nobody else notices, and nothing leaves. */
#include <pthread.h>
#include "stress.h"

#define KILLS	200

STRESS_FIXTURE

TEST_F_TIMEOUT(stress, killed_under_load_200_times, 240)
{
	struct stress *s = &self->s;
	uint64_t seed = stress_seed(0x6b696c6c), r, opened;
	int i;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	for (i = 0; i < KILLS; i++) {
		uint32_t q = 1 + i % (STRESS_QUEUES - 1);

		r = stress_rnd(&seed);
		opened = s->shared->opened[q];
		ASSERT_EQ(0, stress_start(s, q, r, 0));
		/* Also before it has come to send. */
		if (i % 4)
			ASSERT_TRUE(et_wait_for(s->shared->opened[q] > opened));
		usleep(r % 16000);
		if (i % 8 == 0)
			ASSERT_EQ(0, stress_honest(s, 4));
		stress_kill(s, q);
	}
	ASSERT_EQ(0, stress_honest(s, 20));
	ASSERT_EQ(0, stress_conserved(s));
	printf("# %llu packets arrived\n", (unsigned long long)s->load->good);
	EXPECT_LT(1000, s->load->good);
}

/* An application on host b beside the honest one's peer. */
static int open_reader(struct stress *s, struct xsk *to)
{
	return et_enter(s->hosts.b.ns) || stress_open(to, 1) || et_enter(s->hosts.a.ns) ? -1 : 0;
}

/* @n messages of 100 bytes to @to, which is another than the honest one's peer. */
static int send_to(struct stress *s, const struct xsk *to, uint32_t n)
{
	uint32_t i;

	s->load->to = to->id;
	for (i = 0; i < n; i++) {
		stress_request(&s->x, i % 32, LOAD_TX, 0, i, 100);
		if (i % 32 == 31 && (xsk_kick(&s->x) || xsk_complete(&s->x, NULL, 0) != 32))
			return et_fail("sending");
	}
	s->honest += n;
	return 0;
}

TEST_F_TIMEOUT(stress, reader_that_stops, 120)
{
	struct stress *s = &self->s;
	uint64_t dropped;
	struct xsk to;
	uint32_t i;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, open_reader(s, &to));
	dropped = et_count("rx_dropped");
	ASSERT_EQ(0, send_to(s, &to, 320));
	/* Its ring is full; that it gives more buffers changes nothing. */
	EXPECT_TRUE(et_wait_for(et_count("rx_dropped") == dropped + 320 - XSK_RING));
	for (i = 0; i < 64; i++)
		xsk_fill(&to, (uint64_t)i * XSK_CHUNK);
	ASSERT_EQ(0, send_to(s, &to, 64));
	EXPECT_TRUE(et_wait_for(et_count("rx_dropped") == dropped + 384 - XSK_RING));
	EXPECT_EQ(XSK_RING, *to.rx.producer);
	EXPECT_EQ(XSK_RING, et_counter(ETRAN_COUNTERS_ENDPOINT, to.id, "delivered"));
	s->load->to = s->y.id;
	ASSERT_EQ(0, stress_honest(s, 32));
	ASSERT_EQ(0, stress_conserved(s));
	xsk_close(&to);
}

TEST_F_TIMEOUT(stress, empty_fill_ring, 120)
{
	struct stress *s = &self->s;
	struct xsk_frame f;
	uint64_t dropped;
	struct xsk to;
	uint32_t i;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	/* Its first half of the buffers is all that it gives. */
	ASSERT_EQ(0, open_reader(s, &to));
	for (i = 0; i < STRESS_SEND; i += 32) {
		ASSERT_EQ(0, send_to(s, &to, 32));
		for (uint32_t k = 0; k < 32; k++)
			ASSERT_EQ(1, xsk_recv(&to, &f));
	}
	dropped = et_count("deliver_buffers");
	ASSERT_EQ(0, send_to(s, &to, 320));
	EXPECT_TRUE(et_wait_for(et_count("deliver_buffers") == dropped + 320));
	EXPECT_EQ(0, xsk_take(&to, &f));
	s->load->to = s->y.id;
	ASSERT_EQ(0, stress_honest(s, 32));
	/* As soon as it gives one, it gets one. */
	xsk_fill(&to, (uint64_t)STRESS_SEND * XSK_CHUNK);
	ASSERT_EQ(0, send_to(s, &to, 32));
	EXPECT_EQ(1, xsk_recv(&to, &f));
	EXPECT_TRUE(et_wait_for(et_count("deliver_buffers") == dropped + 320 + 31));
	EXPECT_EQ(0, xsk_take(&to, &f));
	s->load->to = s->y.id;
	ASSERT_EQ(0, stress_honest(s, 4));
	ASSERT_EQ(0, stress_conserved(s));
	xsk_close(&to);
}

TEST_F_TIMEOUT(stress, completion_ring_that_is_never_drained, 120)
{
	struct stress *s = &self->s;
	uint64_t taken;
	struct xsk x;
	uint32_t i;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_open(&x, 1));
	for (i = 0; i < 1000; i++) {
		/* Never more in the TX ring than it can take. */
		if (*x.tx.producer - *(volatile uint32_t *)x.tx.consumer < XSK_RING)
			stress_request(&x, i % 32, LOAD_TX, 0, i, 10);
		if (i % 16 == 15)
			xsk_kick(&x);
	}
	taken = et_counter(ETRAN_COUNTERS_ENDPOINT, x.id, "frames_accepted");
	/* A descriptor is taken only when its completion has a place. */
	EXPECT_EQ(XSK_RING, taken);
	ASSERT_EQ(0, stress_honest(s, 20));
	EXPECT_EQ(XSK_RING, xsk_complete(&x, NULL, 0));
	xsk_kick(&x);
	EXPECT_LT(taken, et_counter(ETRAN_COUNTERS_ENDPOINT, x.id, "frames_accepted"));
	ASSERT_EQ(0, stress_conserved(s));
	xsk_close(&x);
}

/* Rings whose indices and descriptors are nonsense; twice the same frame, many times. */
TEST_F_TIMEOUT(stress, random_descriptors_and_ring_indices, 120)
{
	struct stress *s = &self->s;
	uint64_t seed = stress_seed(0x72696e67), r;
	uint32_t i, k, n = stress_count(6400);
	struct xsk x;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_open(&x, 1));
	for (i = 0; i < n; i++) {
		for (k = 0; k < 16; k++) {
			r = stress_rnd(&seed);
			if (r % 4)
				stress_request(&x, r / 4 % STRESS_SEND, r >> 40, r, r, r % 1400);
			if (r % 8 == 0)
				xsk_desc(&x, stress_rnd(&seed), stress_rnd(&seed), r >> 16);
			else if (r % 8 == 1)
				xsk_desc(&x, r % (STRESS_CHUNKS * XSK_CHUNK), r >> 20 & 0xfff, r >> 48 & 1);
			else if (r % 8 == 2)
				for (uint32_t n = 0; n < 8; n++)
					xsk_desc(&x, r / 8 % STRESS_SEND * XSK_CHUNK,
						 64 + r % 1000, 0);
		}
		xsk_kick(&x);
		xsk_complete(&x, NULL, 0);
		if (i % 32 == 31) {
			/* As if the ring went round; then as it should be. */
			__atomic_store_n(x.tx.producer, stress_rnd(&seed), __ATOMIC_RELEASE);
			__atomic_store_n(x.fill.producer, stress_rnd(&seed), __ATOMIC_RELEASE);
			__atomic_store_n(x.comp.consumer, stress_rnd(&seed), __ATOMIC_RELEASE);
			xsk_kick(&x);
			xsk_close(&x);
			munmap(x.umem, x.chunks * XSK_CHUNK);
			ASSERT_EQ(0, stress_honest(s, 4));
			ASSERT_EQ(0, stress_open(&x, 1));
		}
	}
	ASSERT_EQ(0, stress_honest(s, 20));
	ASSERT_EQ(0, stress_conserved(s));
	EXPECT_LT(1000, s->load->good);
	xsk_close(&x);
}

static volatile bool rewrite_stop;

/* Writes all over the frames as fast as it can. */
static void *rewrite(void *arg)
{
	struct xsk *x = arg;
	uint64_t seed = 0x756d656d;
	uint32_t n = 0;

	while (!rewrite_stop) {
		uint64_t r = stress_rnd(&seed);

		*(volatile uint64_t *)(x->umem + (r >> 8) % STRESS_SEND * XSK_CHUNK +
				       (r & 0xf8)) = r & 1 ? r : 0;
		/* One processor is enough for a machine that has one. */
		if (!(++n & 1023))
			sched_yield();
	}
	return NULL;
}

TEST_F_TIMEOUT(stress, umem_rewritten_while_frames_are_in_flight, 120)
{
	struct stress *s = &self->s;
	uint64_t seed = stress_seed(0x72657772697465), r;
	pthread_t thread;
	uint32_t i, k, n = stress_count(20000);
	struct xsk x;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_open(&x, 1));
	rewrite_stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, rewrite, &x));
	for (i = 0; i < n; i++) {
		for (k = 0; k < 16; k++) {
			r = stress_rnd(&seed);
			stress_request(&x, r % STRESS_SEND, r >> 40, r, r, r >> 16 & 0x3ff);
		}
		ASSERT_EQ(0, xsk_kick(&x));
		xsk_complete(&x, NULL, 0);
		if (i % 500 == 0)
			ASSERT_EQ(0, stress_honest(s, 4));
	}
	rewrite_stop = true;
	pthread_join(thread, NULL);
	ASSERT_EQ(0, stress_honest(s, 20));
	ASSERT_EQ(0, stress_conserved(s));
	printf("# %llu packets arrived, %llu requests were hit\n", (unsigned long long)s->load->good,
	       (unsigned long long)et_count("frame_endpoint"));
	/*
	 * Those that were hit, or whose chunk is kept, are refused; the others are not. How many are hit
	 * depends on how fast the writer is beside us.
	 */
	EXPECT_LT(n * 16 / 50, s->load->good);
	/* The test could not fail if the requests had never been hit. */
	EXPECT_LT(100, et_count("frame_endpoint"));
	xsk_close(&x);
}

STRESS_MAIN
