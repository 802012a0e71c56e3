// SPDX-License-Identifier: GPL-2.0
/* Transports come, are replaced, die with their loader and return nonsense, under load. */
#include "stress.h"

#define LIVES	200

STRESS_FIXTURE

static int begin(struct stress *s)
{
	return stress_start(s, 1, 0x11111111, STRESS_REOPEN) ||
	       stress_start(s, 2, 0x22222222, STRESS_REOPEN) || stress_moves(s, 6);
}

static int works(struct stress *s)
{
	if (stress_moves(s, 6) || stress_honest_open(s, 3) || stress_honest(s, 10))
		return -1;
	stress_honest_close(s);
	return stress_conserved(s);
}

/* No frame survives the transport that kept it. */
static int nothing_kept(void)
{
	if (et_wait_for(!et_count("frames_held") && !et_count("frames_queued") &&
			!et_count("frames_retained")))
		return 0;
	errno = 0;
	return et_fail("frames are kept without a transport");
}

TEST_F_TIMEOUT(stress, unloaded_under_load, 90)
{
	struct stress *s = &self->s;
	int i;

	ASSERT_EQ(0, begin(s));
	for (i = 0; i < 15; i++) {
		bpf_link__destroy(s->link);
		s->link = NULL;
		ASSERT_EQ(0, nothing_kept());
		ASSERT_EQ(0, stress_attach(s));
		ASSERT_EQ(0, stress_moves(s, 6));
	}
	ASSERT_EQ(0, works(s));
}

TEST_F_TIMEOUT(stress, replaced_under_load, 90)
{
	struct stress *s = &self->s;
	struct bpf_object *o;
	struct bpf_map *m;
	int i;

	ASSERT_EQ(0, begin(s));
	ASSERT_EQ(0, stress_honest_open(s, 3));
	for (i = 0; i < 10; i++) {
		/* The successor takes over the map. */
		o = bpf_object__open_file(et_path("load.bpf.o"), NULL);
		ASSERT_NE(NULL, o);
		bpf_object__for_each_map(m, o)
			if (strstr(bpf_map__name(m), ".bss")) {
				struct bpf_map *old = bpf_object__find_map_by_name(s->object,
										   bpf_map__name(m));

				ASSERT_EQ(0, bpf_map__reuse_fd(m, bpf_map__fd(old)));
			}
		ASSERT_EQ(0, bpf_object__load(o));
		ASSERT_EQ(0, bpf_link__update_map(s->link,
						  bpf_object__find_map_by_name(o, "load_ops")));
		/* Its programs stay where they are used. */
		bpf_object__close(o);
		ASSERT_EQ(0, stress_honest(s, 4));
	}
	EXPECT_EQ(ETRAN_EXIT_REPLACE, s->load->exit_kind);
	stress_honest_close(s);
	ASSERT_EQ(0, works(s));
}

/* A loader that loads, attaches, and is killed; with @pin its link outlives it. */
static int loader_killed(struct stress *s, const char *pin)
{
	int fds[2], status;
	char c = 0;
	pid_t pid;

	if (pipe(fds))
		return et_fail("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct stress t = {};

		if (stress_object(&t))
			_exit(1);
		memcpy((void *)t.load, (void *)s->load, sizeof(*t.load));
		memset((void *)t.load->slot, 0, sizeof(t.load->slot) + sizeof(t.load->again));
		if (stress_attach(&t) || (pin && bpf_link__pin(t.link, pin)))
			_exit(1);
		if (write(fds[1], &c, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(fds[1]);
	status = read(fds[0], &c, 1) == 1 ? 0 : et_fail("the loader failed");
	close(fds[0]);
	if (!status)
		status = stress_moves(s, 6);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return status;
}

TEST_F_TIMEOUT(stress, loader_killed, 90)
{
	static const char pin[] = "/sys/fs/bpf/etran-stress";
	struct stress *s = &self->s;
	int i;

	ASSERT_EQ(0, begin(s));
	bpf_link__destroy(s->link);
	s->link = NULL;
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, loader_killed(s, NULL));
		ASSERT_EQ(0, nothing_kept());
	}
	ASSERT_EQ(0, loader_killed(s, pin));
	EXPECT_EQ(0, stress_moves(s, 6));
	ASSERT_EQ(0, unlink(pin));
	ASSERT_EQ(0, nothing_kept());
	ASSERT_EQ(0, stress_attach(s));
	ASSERT_EQ(0, works(s));
}

/*
 * Nonsense from every hook. A transport that is ejected for it is attached again; whatever it did,
 * what leaves is a packet of its protocol with a right IP header.
 */
TEST_F_TIMEOUT(stress, garbage_from_every_hook, 150)
{
	struct stress *s = &self->s;
	uint32_t ended[ETRAN_EXIT_WATCHDOG + 1] = {}, kind;
	uint64_t was;
	int i, k;

	s->load->seed = stress_seed(0x67617262616765);
	ASSERT_EQ(0, begin(s));
	was = et_count("packets_dropped");
	for (i = 0; i < LIVES; i++) {
		/* What ejects: one time in 4096, down to one in 16. */
		s->load->garbage = 0xfff >> i % 9;
		for (k = 0; k < 20 && !s->load->exit_kind; k++)
			usleep(5000);
		bpf_link__destroy(s->link);
		s->link = NULL;
		ASSERT_TRUE(et_wait_for(s->load->exit_kind));
		kind = s->load->exit_kind;
		ASSERT_GE(ETRAN_EXIT_WATCHDOG, kind);
		ended[kind]++;
		ASSERT_EQ(0, nothing_kept());
		ASSERT_EQ(0, stress_wire(s));
		s->load->exit_kind = 0;
		ASSERT_EQ(0, stress_attach(s));
	}
	printf("# %u unloaded, ejected: %u for verdicts, %u for queues, %u for gen\n",
	       ended[ETRAN_EXIT_UNLOAD], ended[ETRAN_EXIT_VERDICT], ended[ETRAN_EXIT_QUEUE],
	       ended[ETRAN_EXIT_GEN]);
	printf("# %u egress, %u ingress, %u gen, %llu packets arrived\n", s->load->egress,
	       s->load->ingress, s->load->gen, (unsigned long long)s->load->good);
	EXPECT_LT(LIVES / 4, ended[ETRAN_EXIT_VERDICT]);
	EXPECT_LT(0, ended[ETRAN_EXIT_QUEUE]);
	EXPECT_EQ(0, ended[ETRAN_EXIT_PROGRAM] + ended[ETRAN_EXIT_WATCHDOG]);
	EXPECT_LT(was, et_count("packets_dropped"));
	EXPECT_LT(1000, s->load->egress);
	EXPECT_LT(1000, s->load->gen);
	EXPECT_LT(100, s->load->good);
	stress_stop(s);
	/* What was on its way is still nonsense. */
	usleep(50000);
	bpf_link__destroy(s->link);
	s->link = NULL;
	ASSERT_EQ(0, nothing_kept());
	ASSERT_EQ(0, stress_conserved(s));
	s->load->garbage = 0;
	memset((void *)s->load->slot, 0, sizeof(s->load->slot) + sizeof(s->load->again));
	ASSERT_EQ(0, stress_attach(s));
	ASSERT_EQ(0, begin(s));
	ASSERT_EQ(0, works(s));
}

STRESS_MAIN
