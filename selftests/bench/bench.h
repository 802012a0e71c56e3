/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a suite of benchmarks measures and reports; the method and its reasons: README.md.
 *
 * A suite is a program with a table of cases. A case has arms, each a function that does so many
 * operations: the plain one (AF_XDP alone, or whatever etran is compared with), etran's, and to
 * either, if what it needs around it shall not count, a control that does only that. For each arm
 * the harness takes the cost of one unit as the slope between N and 2N operations, arms interleaved,
 * the least of some rounds; then prints one JSON object a case on stdout.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bpf_lines.h"
#include "idle.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define BENCH_ROUNDS	11
#define BENCH_WARM_UP	3	/* runs of 2N operations each */
#define BENCH_PLANTED	100	/* instructions a unit, see plant() */
/* How long the guest idles before each count: what earlier runs left to do is done then. */
#define BENCH_SETTLE_US	20000

enum bench_arm_id {
	BENCH_PLAIN,
	BENCH_ETRAN,
	BENCH_PLAIN_CONTROL,
	BENCH_ETRAN_CONTROL,
	BENCH_ARMS,
	BENCH_PLANT = BENCH_ARMS,	/* the first arm that there is, and the planted cost */
	BENCH_MEASURED,
};

/* What the goal is about. */
enum bench_measure {
	BENCH_RATIO,		/* etran / plain */
	BENCH_ADDED,		/* etran - plain, instructions */
	BENCH_COST,		/* etran, instructions */
	BENCH_GROWTH,		/* etran / the case named in .base */
};

static const char * const bench_measures[] = { "ratio", "added", "cost", "growth" };

struct bench_case;

/**
 * struct bench_arm - one way to do the work
 * @run: does @ops operations. Return: 0; -1 after bench_fail()
 * @prepare: before each run, not counted (optional)
 * @units: units that one operation counts for; 0 is 1
 */
struct bench_arm {
	int (*run)(const struct bench_case *c, unsigned int ops);
	int (*prepare)(const struct bench_case *c);
	unsigned int units;
};

/**
 * struct bench_case - one line of the table
 * @name: [a-z0-9_@]
 * @text: what it is, a few words
 * @unit: of the costs, "instructions/..."
 * @measure: what @goal is about
 * @goal: at most this; 0 for none; with BENCH_RATIO and @exact: this, within a thousandth
 * @exact: the goal is to be hit, not to be kept below
 * @base: BENCH_GROWTH: case that was measured before
 * @sleeps: its arms wait for other processes: time in which the processor idled is subtracted
 * @plant: how many times the planted cost a unit gets, where 100 instructions are less than what runs
 *	differ by; 0 is 1
 * @ops: N
 * @arg: the case's own
 * @setup: makes what the arms use (optional). Return: 0; -1 after bench_fail()
 * @teardown: takes it down, also after a failed setup (optional)
 * @missing: why there is no etran arm (yet); NULL when there is one. After @setup. (optional)
 * @arm: the arms
 */
struct bench_case {
	const char *name;
	const char *text;
	const char *unit;
	enum bench_measure measure;
	double goal;
	bool exact;
	bool sleeps;
	const char *base;
	unsigned int plant;
	unsigned int ops;
	unsigned int arg;
	int (*setup)(const struct bench_case *c);
	void (*teardown)(const struct bench_case *c);
	const char *(*missing)(const struct bench_case *c);
	struct bench_arm arm[BENCH_ARMS];
};

static char bench_error[256];
/* A run adds here how long, in ns, it had nothing to do but to look at the clock; it is subtracted. */
static uint64_t bench_waited;

/* Notes why a case cannot be measured. Return: -1 */
#define bench_fail(format, ...)								\
({											\
	int __err = errno;								\
	snprintf(bench_error, sizeof(bench_error), format " (errno %d: %s)",		\
		 ##__VA_ARGS__, __err, strerror(__err));				\
	-1;										\
})

/* ---- the meter ---- */

/* Under -icount shift=0 the time stamp counter counts instructions. */
static inline uint64_t bench_now(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a" (lo), "=d" (hi) :: "memory");
	return (uint64_t)hi << 32 | lo;
}

/* Exactly BENCH_PLANTED instructions, so many times. */
static void bench_plant(unsigned int times)
{
	if (times)
		asm volatile("1:\n\tmov %1, %%ecx\n2:\n\tdec %%ecx\n\tjnz 2b\n\tnop\n\t"
			     "dec %0\n\tjnz 1b"
			     : "+r" (times) : "i" ((BENCH_PLANTED - 4) / 2) : "ecx", "cc");
}

/*
 * What the profiler's plugin in QEMU looks for: it counts into window @n, 0 for none, from here
 * on. A long no-operation elsewhere, and otherwise.
 */
#define BENCH_MARK(n)	case n: asm volatile(".byte 0x0f, 0x1f, 0x80\n\t.long 0x5e7a0000 + " #n); break

static void bench_mark(unsigned int window)
{
	switch (window) {
	BENCH_MARK(0);
	BENCH_MARK(1);
	BENCH_MARK(2);
	BENCH_MARK(3);
	BENCH_MARK(4);
	BENCH_MARK(5);
	BENCH_MARK(6);
	BENCH_MARK(7);
	BENCH_MARK(8);
	}
}

/* One run. Return: instructions, -1 on failure. */
static int64_t bench_count(const struct bench_case *c, const struct bench_arm *a, unsigned int ops,
			   bool plant, unsigned int window)
{
	struct rusage before, after;
	int64_t idle = 0;
	uint64_t t;
	int err;

	if (a->prepare && a->prepare(c))
		return -1;
	usleep(BENCH_SETTLE_US);
	if (c->sleeps)
		idle = idle_ns();
	if (idle < 0)
		return bench_fail("how long the processor idles is not known: the kernel needs CONFIG_NO_HZ_IDLE and BTF");
	getrusage(RUSAGE_SELF, &before);
	bench_waited = 0;
	if (window)
		bench_mark(window);
	t = bench_now();
	/* Before it: what a run leaves behind may become due meanwhile. */
	if (plant)
		bench_plant(ops * (a->units ?: 1) * (c->plant ?: 1));
	err = a->run(c, ops);
	t = bench_now() - t;
	if (window)
		bench_mark(0);
	getrusage(RUSAGE_SELF, &after);
	if (err)
		return -1;
	if (c->sleeps)
		return t - (idle_ns() - idle);
	/* The clock runs on while nothing does. */
	errno = 0;
	if (after.ru_nvcsw != before.ru_nvcsw)
		return bench_fail("it slept, so instructions were not all that was counted");
	return t - bench_waited;
}

/* What disturbs a run, a timer's tick above all, only adds to it: so the least of all rounds. */
static int64_t bench_least(const int64_t *v)
{
	int64_t least = v[0];
	int i;

	for (i = 1; i < BENCH_ROUNDS; i++)
		if (v[i] < least)
			least = v[i];
	return least;
}

/* ---- results ---- */

struct bench_result {
	double cost[BENCH_MEASURED];	/* NAN: no such arm */
	const char *missing;
};

/* What later cases refer to by .base. */
static struct { const char *name; double cost; } bench_known[256];
static unsigned int bench_n_known;

static void bench_number(const char *name, double v, const char *format)
{
	printf("\"%s\": ", name);
	if (isnan(v))
		printf("null");
	else
		printf(format, v);
	printf(", ");
}

static void bench_text(const char *name, const char *s, const char *behind)
{
	printf("\"%s\": ", name);
	if (s) {
		putchar('"');
		for (; *s; s++)
			if (*s == '"' || *s == '\\')
				printf("\\%c", *s);
			else if (*s >= ' ')
				putchar(*s);
		putchar('"');
	} else {
		printf("null");
	}
	printf("%s", behind);
}

static void bench_report(const char *suite, const struct bench_case *c, struct bench_result *r,
			 const char *error)
{
	double plain = r->cost[BENCH_PLAIN] -
		       (isnan(r->cost[BENCH_PLAIN_CONTROL]) ? 0 : r->cost[BENCH_PLAIN_CONTROL]);
	double etran = r->cost[BENCH_ETRAN] -
		       (isnan(r->cost[BENCH_ETRAN_CONTROL]) ? 0 : r->cost[BENCH_ETRAN_CONTROL]);
	double base = NAN, ratio = etran / plain, value = ratio;
	double planted = (r->cost[BENCH_PLANT] -
			  (isnan(r->cost[BENCH_ETRAN]) ? r->cost[BENCH_PLAIN] : r->cost[BENCH_ETRAN])) /
			 (c->plant ?: 1);
	const char *met = "null";
	unsigned int i;

	switch (c->measure) {
	case BENCH_RATIO:
		break;
	case BENCH_ADDED:
		value = etran - plain;
		break;
	case BENCH_COST:
		value = etran;
		break;
	case BENCH_GROWTH:
		for (i = 0; i < bench_n_known; i++)
			if (c->base && !strcmp(bench_known[i].name, c->base))
				base = bench_known[i].cost;
		value = ratio = etran / base;
		break;
	}
	if (bench_n_known < ARRAY_SIZE(bench_known)) {
		bench_known[bench_n_known].name = c->name;
		bench_known[bench_n_known++].cost = etran;
	}
	/* What could not be measured has not reached its goal. */
	if (c->goal || error)
		met = !error && (c->exact ? fabs(value - c->goal) <= c->goal / 1000 : value <= c->goal) ?
			"true" : "false";
	printf("{");
	bench_text("suite", suite, ", ");
	bench_text("case", c->name, ", ");
	bench_text("text", c->text, ", ");
	bench_text("unit", c->unit, ", ");
	bench_number("plain", plain, "%.1f");
	bench_number("etran", etran, "%.1f");
	bench_number("ratio", ratio, "%.4f");
	bench_text("measure", bench_measures[c->measure], ", ");
	bench_number("value", value, "%.4f");
	bench_number("goal", c->goal ?: NAN, "%g");
	printf("\"met\": %s, ", met);
	bench_number("planted", planted, "%.1f");
	bench_text("missing", r->missing, ", ");
	bench_text("error", error, "}\n");
	fflush(stdout);
}

/* ---- running ---- */

static bool bench_has(const struct bench_case *c, const char *missing, int arm)
{
	if (missing && (arm == BENCH_ETRAN || arm == BENCH_ETRAN_CONTROL))
		return false;
	return c->arm[arm].run;
}

/* @profile: the arms run in the windows of the profiler instead. */
static int bench_measure(const struct bench_case *c, struct bench_result *r, bool profile)
{
	static int64_t t[BENCH_MEASURED][2][BENCH_ROUNDS];
	const struct bench_arm *arm[BENCH_MEASURED] = {};
	int i, k, round;

	for (i = 0; i < BENCH_ARMS; i++)
		if (bench_has(c, r->missing, i))
			arm[i] = &c->arm[i];
	arm[BENCH_PLANT] = arm[BENCH_ETRAN] ?: arm[BENCH_PLAIN];
	if (!arm[BENCH_PLANT])
		return 0;

	for (i = 0; i < BENCH_ARMS; i++)
		for (k = 0; arm[i] && k < BENCH_WARM_UP; k++)
			if (bench_count(c, arm[i], 2 * c->ops, false, 0) < 0)
				return -1;
	for (round = 0; round < BENCH_ROUNDS; round++)
		for (i = 0; i < (profile ? BENCH_ARMS : BENCH_MEASURED); i++)
			for (k = 0; arm[i] && k < 2; k++) {
				t[i][k][round] = bench_count(c, arm[i], c->ops << k,
							     i == BENCH_PLANT,
							     profile ? 1 + 2 * i + k : 0);
				if (t[i][k][round] < 0)
					return -1;
			}
	if (profile)
		for (i = 0; i < BENCH_ARMS; i++)
			printf("@units %d %u\n", i, arm[i] ? c->ops * (arm[i]->units ?: 1) * BENCH_ROUNDS : 0);
	for (i = 0; i < BENCH_MEASURED; i++)
		if (arm[i] && (!profile || i < BENCH_PLANT))
			r->cost[i] = (double)(bench_least(t[i][1]) - bench_least(t[i][0])) /
				     c->ops / (arm[i]->units ?: 1);
	return 0;
}

static int bench_run_case(const char *suite, const struct bench_case *c, bool profile)
{
	struct bench_result r = {};
	int i, err;

	for (i = 0; i < BENCH_MEASURED; i++)
		r.cost[i] = NAN;
	bench_error[0] = 0;
	errno = 0;
	fprintf(stderr, "%s %s\n", suite, c->name);
	err = c->setup ? c->setup(c) : 0;
	if (!err) {
		r.missing = c->missing ? c->missing(c) : NULL;
		err = bench_measure(c, &r, profile);
	}
	bench_report(suite, c, &r, err ? bench_error : NULL);
	/* While what its programs are called can still be read. */
	if (profile)
		bpf_lines_print();
	if (profile && system("echo @symbols; grep \"${BENCH_SYMBOLS:-[[]}\" /proc/kallsyms; echo @text; cat /sys/module/etran/sections/.text; echo @maps; cat /proc/$PPID/maps; echo @end"))
		err = -1;
	if (c->teardown)
		c->teardown(c);
	return err;
}

/**
 * bench_main - what a suite's main() returns
 * @suite: its name
 * @cases: its table, in the order to run; .base of a case comes before it
 * @n: cases
 */
static int bench_main(int argc, char **argv, const char *suite, const struct bench_case *cases,
		      unsigned int n)
{
	const char *pattern = "*";
	bool profile = false, list = false, control;
	int opt, failed = 0, found = 0;
	unsigned int i;

	while ((opt = getopt(argc, argv, "lpc:")) != -1)
		switch (opt) {
		case 'l':
			list = true;
			break;
		case 'p':
			profile = true;
			break;
		case 'c':
			pattern = optarg;
			break;
		default:
			fprintf(stderr, "usage: %s [-l] [-p] [-c CASE]\n", argv[0]);
			return 2;
		}
	for (i = 0; i < n; i++) {
		if (list) {
			printf("%s:%-24s %s\n", suite, cases[i].name, cases[i].text);
			continue;
		}
		/* Controls are in every table. */
		control = !strncmp(cases[i].name, "control_", 8) && !profile;
		if (!control && fnmatch(pattern, cases[i].name, 0))
			continue;
		found += !control;
		if (bench_run_case(suite, &cases[i], profile))
			failed++;
	}
	if (!list && !found && strcmp(pattern, "*"))
		return 3;
	return failed ? 1 : 0;
}

#endif /* BENCH_H */
