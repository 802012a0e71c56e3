/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests here begin with: hosts a and b, the transport of load.h on both, applications on a
 * that send all kinds of frames until they are told to stop, and an honest one that must not notice.
 */
#ifndef STRESS_H
#define STRESS_H

#include <signal.h>
#include <sys/prctl.h>
#include "kselftest_harness.h"
#include "etran_test.h"
#include "module/xsk.h"
#include "load.h"

#define STRESS_QUEUES	8
/* Of a UMEM: the first half is for sending. Far more than the transport keeps at a time. */
#define STRESS_CHUNKS	512
#define STRESS_SEND	(STRESS_CHUNKS / 2)

/* What processes tell each other. */
struct stress_shared {
	volatile uint64_t sent[STRESS_QUEUES];	/* by queue */
	volatile uint64_t opened[STRESS_QUEUES];
	volatile uint32_t stop;
};

struct stress {
	struct et_hosts hosts;
	struct bpf_object *object;
	struct bpf_link *link;
	volatile struct load_state *load;
	struct stress_shared *shared;
	pid_t app[STRESS_QUEUES];
	struct xsk x, y;		/* the honest one, on a; its peer, on b */
	uint64_t honest;		/* frames that it sent */
	uint64_t seed;
};

/* xorshift64: the same numbers in each run. */
static ET_UNUSED uint64_t stress_rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* ETRAN_TEST_SEED replaces the fixed one. */
static ET_UNUSED uint64_t stress_seed(uint64_t fixed)
{
	uint64_t seed = et_env("ETRAN_TEST_SEED", fixed) ?: 1;

	printf("# ETRAN_TEST_SEED=0x%llx\n", (unsigned long long)seed);
	return seed;
}

/* How many rounds: ETRAN_TEST_COUNT, or the usual number. */
static ET_UNUSED uint32_t stress_count(uint32_t usual)
{
	return et_env("ETRAN_TEST_COUNT", et_debug() ? usual / 10 : usual);
}

static ET_UNUSED int stress_quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vprintf(format, ap) : 0;
}

static ET_UNUSED int stress_object(struct stress *s)
{
	struct bpf_map *m;
	size_t size;

	libbpf_set_print(stress_quiet);
	s->object = bpf_object__open_file(et_path("load.bpf.o"), NULL);
	if (!s->object || bpf_object__load(s->object))
		return et_fail("loading load.bpf.o");
	bpf_object__for_each_map(m, s->object)
		if (strstr(bpf_map__name(m), ".bss"))
			s->load = bpf_map__initial_value(m, &size);
	return 0;
}

static ET_UNUSED int stress_attach(struct stress *s)
{
	int i;

	/* The name is free a moment after what had it was detached. */
	for (i = 0; i < 100; i++) {
		s->link = bpf_map__attach_struct_ops(
			bpf_object__find_map_by_name(s->object, "load_ops"));
		if (s->link)
			return 0;
		usleep(20000);
	}
	return et_fail("attaching the transport");
}

static ET_UNUSED int stress_xdp(struct stress *s)
{
	return et_hosts_xdp(&s->hosts, bpf_program__fd(
		bpf_object__find_program_by_name(s->object, "load_rx")));
}

static ET_UNUSED void stress_watch(struct stress *s)
{
	memcpy((void *)s->load->watch, s->hosts.a.mac, 6);
	memcpy((void *)s->load->peer, s->hosts.b.mac, 6);
	s->load->daddr = s->hosts.b.addr;
	s->load->seed = 0x67617262616765;
}

static ET_UNUSED int stress_down(struct stress *s);

/* Module, transport, hosts; or nothing of these, so that the next case is not spoilt. */
static ET_UNUSED int stress_up(struct stress *s)
{
	memset(s, 0, sizeof(*s));
	s->x.fd = s->y.fd = -1;
	s->x.ep = s->y.ep = -1;
	/* Left by a case that died in an assertion. */
	if (et_module_loaded() && et_module_unload())
		return -1;
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->shared == MAP_FAILED)
		return et_fail("mmap");
	if (et_module_load() || stress_object(s) || stress_attach(s) ||
	    et_hosts_up(&s->hosts, STRESS_QUEUES) || stress_xdp(s)) {
		if (et_module_loaded())
			stress_down(s);
		return -1;
	}
	stress_watch(s);
	return 0;
}

/* ---- applications that send without end ---- */

#define STRESS_REOPEN	1	/* when the device goes, wait for the next */
#define STRESS_GENTLE	2	/* leave most of the processor to others */

static ET_UNUSED void stress_request(struct xsk *x, uint32_t chunk, uint32_t what, uint64_t r,
				     uint32_t seq, uint32_t len)
{
	struct etran_req *q = (void *)(x->umem + chunk * XSK_CHUNK);
	struct load_req *l = (void *)q->data;

	memset(q, 0, sizeof(*q));
	q->endpoint = x->id;
	l->what = what;
	l->random = r;
	l->seq = seq;
	xsk_desc(x, chunk * XSK_CHUNK, sizeof(*q) + len, 0);
}

/* As xsk_open(), for this transport and silent: it may have to be tried again. */
static ET_UNUSED int stress_try_open(struct xsk *x, uint32_t queue)
{
	memset(x, 0, sizeof(*x));
	x->fd = x->ep = -1;
	if (xsk_make(x, &(struct xsk_config) { .chunks = STRESS_CHUNKS }) ||
	    xsk_bind(x, "etran0", queue, XDP_ZEROCOPY) || xsk_attach(x, LOAD_NAME, 0)) {
		xsk_close(x);
		if (x->umem && x->umem != MAP_FAILED)
			munmap(x->umem, x->chunks * XSK_CHUNK);
		return -1;
	}
	return 0;
}

static ET_UNUSED int stress_open(struct xsk *x, uint32_t queue)
{
	return et_wait_for(!stress_try_open(x, queue)) ? 0 : et_fail("a socket on queue %u", queue);
}

static ET_UNUSED void stress_app(struct stress *s, uint32_t queue, uint64_t seed, int flags)
{
	struct stress_shared *sh = s->shared;
	uint64_t r;
	uint32_t i;
	struct xsk x;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Not to keep what a test takes away. */
	close(s->hosts.b.ns);
	close(s->hosts.a.ns);
	if (s->link)
		close(bpf_link__fd(s->link));
open:
	while (stress_try_open(&x, queue)) {
		if (sh->stop)
			_exit(0);
		usleep(flags & STRESS_GENTLE ? 20000 : 2000);
	}
	sh->opened[queue]++;
	while (!sh->stop) {
		for (i = 0; i < 16; i++) {
			r = stress_rnd(&seed);
			stress_request(&x, (r >> 8) % (x.chunks / 2), r >> 40, r, seed,
				       (r >> 16) % 1400);
		}
		if (xsk_kick(&x) ||
		    (x.status->flags & (ETRAN_STATUS_DEVICE_GONE | ETRAN_STATUS_NO_TRANSPORT))) {
			xsk_close(&x);
			munmap(x.umem, x.chunks * XSK_CHUNK);
			if (!(flags & STRESS_REOPEN))
				_exit(0);
			usleep(2000);
			goto open;
		}
		xsk_complete(&x, NULL, 0);
		sh->sent[queue] += 16;
		/* Leave the processor to the others. */
		usleep(flags & STRESS_GENTLE ? 4000 : 500);
	}
	_exit(0);
}

static ET_UNUSED int stress_start(struct stress *s, uint32_t queue, uint64_t seed, int flags)
{
	fflush(stdout);
	s->app[queue] = fork();
	if (!s->app[queue])
		stress_app(s, queue, seed, flags);
	return s->app[queue] > 0 ? 0 : et_fail("fork");
}

static ET_UNUSED void stress_kill(struct stress *s, uint32_t queue)
{
	if (s->app[queue] > 0) {
		kill(s->app[queue], SIGKILL);
		waitpid(s->app[queue], NULL, 0);
	}
	s->app[queue] = 0;
}

/* Whether the applications of a mask of queues all get on. */
static ET_UNUSED int stress_moves(struct stress *s, uint32_t queues)
{
	uint64_t was[STRESS_QUEUES];
	uint32_t i;

	for (i = 0; i < STRESS_QUEUES; i++)
		was[i] = s->shared->sent[i];
	for (i = 0; i < STRESS_QUEUES; i++)
		if ((queues & 1U << i) && !et_wait_for(s->shared->sent[i] > was[i] + 64))
			return et_fail("the application on queue %u does not get on", i);
	return 0;
}

/* ---- the honest one ---- */

static ET_UNUSED uint8_t stress_pattern(uint32_t seq, uint32_t i)
{
	return seq * 11 + i * 5 + (i >> 8);
}

static ET_UNUSED int stress_honest_open(struct stress *s, uint32_t queue)
{
	if (et_enter(s->hosts.b.ns) || stress_open(&s->y, queue) || et_enter(s->hosts.a.ns) ||
	    stress_open(&s->x, queue))
		return -1;
	s->honest = 0;
	s->load->from = s->x.id;
	s->load->to = s->y.id;
	return 0;
}

static ET_UNUSED void stress_honest_close(struct stress *s)
{
	if (s->load)
		s->load->from = s->load->to = 0;
	xsk_close(&s->x);
	xsk_close(&s->y);
}

/* @n messages that must all arrive, once, in order and whole. */
static ET_UNUSED int stress_honest(struct stress *s, uint32_t n)
{
	uint32_t k, i, len, seq;
	struct xsk_frame f;
	struct load_rec r;
	uint8_t *p;

	for (k = 0; k < n; k++) {
		seq = s->honest;
		len = 1 + seq * 131 % 1400;
		p = s->x.umem + seq % 32 * XSK_CHUNK + sizeof(struct etran_req);
		for (i = 0; i < len; i++)
			p[i] = stress_pattern(seq, i);
		stress_request(&s->x, seq % 32, LOAD_TX, 0, seq, len);
		if (xsk_kick(&s->x))
			return et_fail("the honest application cannot send");
		s->honest++;
		xsk_complete(&s->x, NULL, 0);
		if (!xsk_recv(&s->y, &f))
			return et_fail("message %u of the honest application is lost", seq);
		memcpy(&r, f.rec.data, sizeof(r));
		if (r.seq != seq || r.len != len || f.len != len || f.rec.endpoint != s->y.id)
			return et_fail("message %u, %u bytes, came as %u, %u", seq, len, r.seq,
				       r.len);
		for (i = 0; i < len; i++)
			if (f.payload[i] != stress_pattern(seq, i))
				return et_fail("message %u differs at byte %u", seq, i);
		xsk_fill(&s->y, f.addr / XSK_CHUNK * XSK_CHUNK);
	}
	if (xsk_take(&s->y, &f))
		return et_fail("the honest application got what it was not sent");
	if (et_counter(ETRAN_COUNTERS_ENDPOINT, s->x.id, "frames_accepted") != s->honest ||
	    et_counter(ETRAN_COUNTERS_ENDPOINT, s->x.id, "frames_transmitted") != s->honest)
		return et_fail("its counters are not its own");
	return et_conserved(ETRAN_COUNTERS_ENDPOINT, s->x.id);
}

/* Whether all that arrived at b was fit to leave. */
static ET_UNUSED int stress_wire(struct stress *s)
{
	uint32_t i;

	if (!s->load->bad)
		return 0;
	printf("# first of %llu bad packets (reason %u, %u bytes):",
	       (unsigned long long)s->load->bad, s->load->bad_why, s->load->bad_len);
	for (i = 0; i < 64; i++)
		printf(" %02x", s->load->bad_bytes[i]);
	printf("\n");
	errno = 0;
	return et_fail("bad packets on the wire");
}

/* All is accounted for, as soon as what is on its way has come to an end. */
static ET_UNUSED int stress_conserved(struct stress *s)
{
	int fd = dup(1), null = open("/dev/null", O_WRONLY), ok;

	/* It says why each time. */
	fflush(stdout);
	dup2(null, 1);
	ok = et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0));
	fflush(stdout);
	dup2(fd, 1);
	close(fd);
	close(null);
	return ok ? s->load ? stress_wire(s) : 0 : et_conserved(ETRAN_COUNTERS_MODULE, 0);
}

static ET_UNUSED void stress_stop(struct stress *s)
{
	uint32_t i;

	s->shared->stop = 1;
	for (i = 0; i < STRESS_QUEUES; i++)
		stress_kill(s, i);
	s->shared->stop = 0;
}

/* Everything goes, and is seen to go: the transport, the devices, what they held, the module. */
static ET_UNUSED int stress_down(struct stress *s)
{
	int err = 0;

	stress_stop(s);
	stress_honest_close(s);
	err |= stress_conserved(s);
	if (s->link)
		bpf_link__destroy(s->link);
	s->link = NULL;
	if (!et_wait_for(!et_count("frames_held") && !et_count("frames_queued") &&
			 !et_count("frames_retained") && !et_count("endpoints") &&
			 !et_count("channels"))) {
		errno = 0;
		err |= et_fail("left: %llu held, %llu queued, %llu retained, %llu endpoints, %llu channels",
			       (unsigned long long)et_count("frames_held"),
			       (unsigned long long)et_count("frames_queued"),
			       (unsigned long long)et_count("frames_retained"),
			       (unsigned long long)et_count("endpoints"),
			       (unsigned long long)et_count("channels"));
	}
	err |= stress_conserved(s);
	err |= et_hosts_down(&s->hosts);
	bpf_object__close(s->object);
	err |= et_module_unload();
	munmap(s->shared, sizeof(*s->shared));
	return err;
}

FIXTURE(stress) {
	struct stress s;
};

#define STRESS_FIXTURE							\
FIXTURE_SETUP(stress)							\
{									\
	ASSERT_EQ(0, stress_up(&self->s));				\
}									\
FIXTURE_TEARDOWN(stress)						\
{									\
	EXPECT_EQ(0, stress_down(&self->s));				\
}

/* In TEST_HARNESS_MAIN's place: lines appear when they are printed, whoever is killed then. */
#define STRESS_MAIN							\
int main(int argc, char **argv)						\
{									\
	setvbuf(stdout, NULL, _IOLBF, 0);				\
	et_timeouts();							\
	return test_harness_run(argc, argv);				\
}

#endif /* STRESS_H */
