// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: all verdicts (but wrong ones, which end the transport), held and queued and
 * timed frames, sends, loads, releases, from four sockets of two processes on two CPUs, from egress,
 * ingress, gen and timers. Whatever happens, each frame is accounted for: in each scope, at rest and,
 * within what is on its way, at any time.
 *
 * The seeds are fixed, so are the requests; how they interleave is up to the machine. ETRAN_TEST_FRAMES: so
 * many, however long it takes.
 */
#include "engine.h"

#define SOCKETS		4
#define CHUNKS		1024	/* for sending, of each socket */
#define PHASES		4
#define PHASE_MS	30000	/* at most */
#define FRAMES		625000	/* of a socket in a phase: ten million in all */
#define TIMERS		8	/* call slots that timers use */

/* Shared with the processes. */
struct shared {
	uint64_t submitted[SOCKETS];
	uint32_t stop;
	uint64_t reads;
	uint64_t worst;		/* difference between what came in and what became of it */
	uint64_t beyond;	/* reads in which that was more than can be on its way */
};

FIXTURE(mix) {
	FIXTURE_DATA(net) net;
	struct xsk x[SOCKETS];	/* on a */
	struct shared *s;
};

FIXTURE_SETUP(mix)
{
	int i;

	net_setup(_metadata, &self->net, NULL);
	for (i = 0; i < SOCKETS; i++)
		ASSERT_EQ(0, xsk_open(&self->x[i], &(struct xsk_config) {
			.queue = i, .chunks = 2 * CHUNKS, .fill = 1 }));
	self->s = mmap(NULL, sizeof(*self->s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	ASSERT_NE(MAP_FAILED, self->s);
}

FIXTURE_TEARDOWN(mix)
{
	int i;

	for (i = 0; i < SOCKETS; i++)
		xsk_close(&self->x[i]);
	net_teardown(_metadata, &self->net, NULL);
	EXPECT_EQ(0, eng_kept());
}

/* A handle that is good, or was. */
static uint64_t some_handle(FIXTURE_DATA(mix) *self, uint64_t *seed)
{
	uint32_t s = 0, c = 0, i;

	for (i = 0; i < 4; i++) {
		s = eng_random(seed) % SOCKETS;
		c = eng_random(seed) % CHUNKS;
		if (self->x[s].busy[c])
			break;
	}
	return tt->kept[s][c];
}

static uint64_t some_cookie(uint64_t *seed)
{
	uint32_t delay = eng_random(seed) % 4 ? 0 : eng_random(seed) % 3000;

	return TT_COOKIE(eng_random(seed) % TT_ACTS, eng_random(seed) % TT_QUEUES, delay);
}

/* One random request of socket @i. Return: its operation. */
static unsigned int request(FIXTURE_DATA(mix) *self, int i, uint64_t *seed, struct tt_req *r)
{
	bool full = self->x[i].status->held > CHUNKS * 6 / 10;
	uint32_t what = eng_random(seed) % 100;

	*r = eng_req(self->net.b, TX);
	r->place = i << 4;
	r->cookie = some_cookie(seed);
	r->queue = eng_random(seed) % TT_QUEUES;
	r->arg = eng_random(seed) % 8;
	r->seq = eng_random(seed) % TT_QUEUES;
	if (eng_random(seed) % 10 == 0)
		r->rx_action = TT_A_ACT;
	if (eng_random(seed) % 16 == 0)
		r->flags |= TT_F_KICK;
	if (full && what < 60)
		what = what < 40 ? 80 : 97;
	if (what < 30)
		return TT_SEND;
	if (what < 40) {
		r->flags |= TT_F_DELAY;
		/* Once in a while into another block of the wheel. */
		r->arg = eng_random(seed) % (eng_random(seed) % 32 ? 2000000 : 40000000);
		return TT_SEND;
	}
	if (what < 45) {
		r->verdict = DROP;
		r->flags |= eng_random(seed) % 2 ? TT_F_HOLD : 0;
		return TT_SEND;
	}
	if (what < 60) {
		r->verdict = HOLD;
		r->flags |= TT_F_HOLD | TT_F_PUSH;
		r->place |= eng_random(seed) % 3;
		if (eng_random(seed) % 8 == 0)
			r->flags |= TT_F_NO_PACKET;
		return TT_SEND;
	}
	if (what < 68) {
		r->verdict = HOLD;
		r->flags |= TT_F_HOLD;
		return TT_SEND;
	}
	if (what < 76) {
		r->verdict = TX | RETAIN;
		r->flags |= TT_F_HOLD;
		if (eng_random(seed) % 4 == 0) {
			r->flags |= TT_F_DELAY;
			r->arg = eng_random(seed) % 2000000;
		}
		return TT_SEND;
	}
	if (what < 78) {
		/* Pushed, and sent all the same; or held, and just sent. */
		r->flags |= TT_F_HOLD | (eng_random(seed) % 2 ? TT_F_PUSH : 0);
		return TT_SEND;
	}
	if (what == 78) {
		r->slot = eng_random(seed) % TIMERS;
		r->arg = eng_random(seed) % 500000;
		return TT_CALL_TIMER;
	}
	if (what == 79)
		return TT_KICK;
	r->prev = some_handle(self, seed);
	r->flags = 0;
	if (what < 87) {
		r->verdict = TT_W_RELEASE;
	} else if (what < 91) {
		r->verdict = TT_W_SEND;
		r->place = eng_random(seed) % 2;
		/* At a time on the clock of the programs: now, or a little later. */
		r->arg = eng_random(seed) % 2 ? 0 : et_now_ms() * 1000000 + eng_random(seed) % 5000000;
	} else if (what < 94) {
		r->verdict = TT_W_PUSH;
		r->place = eng_random(seed) % 3;
	} else if (what < 96) {
		r->verdict = TT_W_POP;
	} else {
		r->verdict = TT_W_ACT;
		r->arg = 8;
	}
	return TT_DO;
}

/*
 * One process: @n frames from each of two sockets, or as many as @ms allow, for how many that is
 * differs by a factor of a hundred between machines. Return: exit status.
 */
static int worker(FIXTURE_DATA(mix) *self, int who, int phase, uint32_t n, uint32_t ms)
{
	uint32_t next[2] = {}, done[2] = {}, idle = 0, i, k, tries;
	uint64_t seed = 1000 * phase + who + 1, end = et_now_ms() + ms;
	unsigned int op;
	struct tt_req r;

	eng_cpu(who);
	while ((done[0] < n || done[1] < n) && et_now_ms() < end) {
		for (k = 0; k < 2; k++) {
			struct xsk *x = &self->x[who * 2 + k];

			for (i = 0, tries = 0; i < 64 && done[k] < n && tries < CHUNKS; tries++) {
				uint32_t chunk = next[k]++ % CHUNKS;

				if (x->busy[chunk])
					continue;
				op = request(self, who * 2 + k, &seed, &r);
				xsk_put(x, chunk, op, &r, "a payload of some length", 24);
				i++;
				done[k]++;
			}
			self->s->submitted[who * 2 + k] += i;
			while (xsk_kick(x) == EAGAIN)
				sched_yield();
			/* The ring is larger than a batch, so all of it was read. */
			xsk_complete(x, NULL, 0);
			idle = i ? 0 : idle + 1;
			if (idle > 100000)
				return 3;
		}
	}
	for (k = 0; k < 2; k++)
		while (*self->x[who * 2 + k].tx.producer !=
		       __atomic_load_n(self->x[who * 2 + k].tx.consumer, __ATOMIC_ACQUIRE)) {
			xsk_kick(&self->x[who * 2 + k]);
			usleep(100);
		}
	return 0;
}

static uint64_t became(const struct et_counters *s)
{
	static const char * const where[] = {
		"frames_transmitted", "frames_dropped", "frames_held", "frames_queued",
		"frames_retained"
	};
	uint64_t sum = 0;
	int i;

	for (i = 0; i < 5; i++)
		sum += et_value(s, where[i]);
	return sum;
}

/*
 * Reads the sums while all runs. The counters are not read at one instant: what a batch of each
 * socket is about to become, and what moved while they were read, is the tolerance.
 */
static int reader(FIXTURE_DATA(mix) *self)
{
	struct {
		unsigned int scope;
		uint32_t id;
	} what[] = {
		{ ETRAN_COUNTERS_MODULE, 0 },
		{ ETRAN_COUNTERS_TRANSPORT, self->net.transport },
		{ ETRAN_COUNTERS_LINK, self->net.a->link },
		{ ETRAN_COUNTERS_ENDPOINT, self->x[0].id },
		{ ETRAN_COUNTERS_ENDPOINT, self->x[3].id },
	};
	struct et_counters s, after;
	unsigned int i;

	for (i = 0; !self->s->stop; i = (i + 1) % 5) {
		int64_t off;

		if (et_counters_read(&s, what[i].scope, what[i].id) ||
		    et_counters_read(&after, what[i].scope, what[i].id))
			return 1;
		off = et_value(&s, "frames_accepted") - became(&s);
		off = off < 0 ? -off : off;
		if ((uint64_t)off > self->s->worst)
			self->s->worst = off;
		if ((uint64_t)off > SOCKETS * 128 + 16 * (et_value(&after, "frames_accepted") -
							  et_value(&s, "frames_accepted")))
			self->s->beyond++;
		self->s->reads++;
		usleep(3000);
	}
	return 0;
}

TEST_F_TIMEOUT(mix, every_frame_is_accounted_for, 390)
{
	uint64_t wanted = et_env("ETRAN_TEST_FRAMES", 0);
	/* So many are sent, or what can be sent in the time. */
	uint32_t phases = wanted / (PHASES * SOCKETS * FRAMES) + PHASES, phase, i, c;
	uint32_t n = wanted ? wanted / phases / SOCKETS + 1 : FRAMES;
	uint32_t ms = wanted ? UINT32_MAX : PHASE_MS;
	uint64_t all = 0, sum, kept, t0 = et_now_ms();
	struct et_counters s;
	struct tt_req r = {};
	pid_t watch;
	int status;

	tt->gen_pop = TT_QUEUES;
	tt->coalesce_daddr = self->net.b->addr;
	for (i = 0; i < TIMERS; i++)
		eng_call(i, TT_W_ACT, i, 0, 8, 0);
	watch = fork();
	if (!watch)
		_exit(reader(self));
	for (phase = 0; phase < phases; phase++) {
		pid_t pid[2];

		for (i = 0; i < 2; i++) {
			pid[i] = fork();
			if (!pid[i])
				_exit(worker(self, i, phase, n, ms));
		}
		for (i = 0; i < 2; i++) {
			waitpid(pid[i], &status, 0);
			ASSERT_EQ(0, status);
		}
		EXPECT_EQ(0, eng_rest());
		EXPECT_EQ(0, eng_conserved(&self->net, self->x, SOCKETS));
		ASSERT_EQ(0, et_counters_read(&s, ETRAN_COUNTERS_TRANSPORT, self->net.transport));
		printf("# after phase %u: %llu frames, %llu sent, %llu dropped, %llu held, %llu queued, %llu retained\n",
		       phase, (unsigned long long)et_value(&s, "frames_accepted"),
		       (unsigned long long)et_value(&s, "frames_transmitted"),
		       (unsigned long long)et_value(&s, "frames_dropped"),
		       (unsigned long long)et_value(&s, "frames_held"),
		       (unsigned long long)et_value(&s, "frames_queued"),
		       (unsigned long long)et_value(&s, "frames_retained"));
	}
	self->s->stop = 1;
	waitpid(watch, &status, 0);
	EXPECT_EQ(0, status);
	EXPECT_LT(0, self->s->reads);
	EXPECT_EQ(0, self->s->beyond);
	printf("# %llu reads meanwhile, at most %llu frames on their way\n",
	       (unsigned long long)self->s->reads, (unsigned long long)self->s->worst);

	/* What each socket submitted is what was accepted; what is kept has its byte. */
	for (i = 0; i < SOCKETS; i++) {
		EXPECT_EQ(self->s->submitted[i], et_counter(ETRAN_COUNTERS_ENDPOINT, self->x[i].id,
							   "frames_accepted"));
		all += self->s->submitted[i];
		for (c = 0, kept = 0; c < CHUNKS; c++)
			kept += self->x[i].busy[c];
		EXPECT_EQ(kept, self->x[i].status->held);
	}
	EXPECT_LE(wanted ?: 10000, all);
	/* Of each of the ways to end there was something. */
	static const char * const some[] = {
		"frame_verdict", "frame_released", "packets_timed", "gen_packets",
		"packet_stale", "frames_transmitted"
	};
	ASSERT_EQ(0, et_counters_read(&s, ETRAN_COUNTERS_TRANSPORT, self->net.transport));
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (!et_value(&s, some[i]))
			EXPECT_EQ(0, et_fail("no %s", some[i]));

	/* Release all. */
	tt->gen_pop = 0;
	for (i = 0; i < SOCKETS; i++)
		for (c = 0; c < CHUNKS; c++) {
			if (!self->x[i].busy[c])
				continue;
			r.prev = tt->kept[i][c];
			tt->result = 99;
			ASSERT_EQ(0, xsk_send(&self->x[0], CHUNKS + 5, TT_RELEASE, &r, NULL, 0));
			EXPECT_EQ(0, tt->result);
			xsk_complete(&self->x[0], NULL, 0);
		}
	EXPECT_EQ(0, eng_kept());
	for (i = 0; i < SOCKETS; i++) {
		EXPECT_EQ(0, self->x[i].status->held);
		for (c = 0; c < CHUNKS; c++)
			EXPECT_EQ(0, self->x[i].busy[c]);
	}
	for (i = 0; i < TT_QUEUES; i++)
		EXPECT_EQ(0, eng_do(&self->x[0], CHUNKS + 5, TT_W_LEN, i, 0, 0, 0));
	ASSERT_EQ(0, et_counters_read(&s, ETRAN_COUNTERS_TRANSPORT, self->net.transport));
	sum = et_value(&s, "frames_transmitted") + et_value(&s, "frames_dropped");
	EXPECT_EQ(et_value(&s, "frames_accepted"), sum);
	EXPECT_EQ(0, eng_conserved(&self->net, self->x, SOCKETS));
	printf("# %llu frames in %llu ms\n", (unsigned long long)all,
	       (unsigned long long)(et_now_ms() - t0));
}

TT_MAIN(16)
