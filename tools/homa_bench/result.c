// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What came of a run: percentiles of all RPCs, and of each tenth of them by length, which is how the
 * Homa papers draw slowdown. As text, CSV and JSON, from the same numbers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>

#include "bench.h"

/**
 * struct group - RPCs of similar length, or all
 * @min_size: least length
 * @max_size: greatest one
 * @n: RPCs
 * @min: of their times, ns
 * @p50: likewise
 * @p99: likewise
 * @p999: likewise
 * @max: likewise
 * @mean: likewise
 * @slow: the same of slowdown: P50, P99, P99.9; 0 when it is not known
 */
struct group {
	uint32_t min_size;
	uint32_t max_size;
	size_t n;
	double min;
	double p50;
	double p99;
	double p999;
	double max;
	double mean;
	double slow[3];
};

uint64_t machine_busy_ns(void)
{
	unsigned long long v[8] = {};
	FILE *f = fopen("/proc/stat", "r");
	int n = 0;

	if (f) {
		/* user nice system idle iowait irq softirq steal */
		n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
			   &v[3], &v[4], &v[5], &v[6], &v[7]);
		fclose(f);
	}
	return n == 8 ? (v[0] + v[1] + v[2] + v[5] + v[6]) * (1000000000ULL / sysconf(_SC_CLK_TCK)) : 0;
}

static int by_size(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	/* Among equal ones as they were sent, not by what became of them. */
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The least value that so large a fraction does not exceed. */
static double percentile(const double *sorted, size_t n, double fraction)
{
	size_t i = fraction * n;

	/* Rounded up, but for what a fraction of a binary number adds. */
	if (fraction * n - i < 1e-9 && i)
		i--;
	return sorted[i < n ? i : n - 1];
}

/* Unloaded time of a length: between two that were measured. */
static double base(const struct result *r, uint32_t size)
{
	double part;
	unsigned int i;

	if (size <= r->base[0].size)
		return r->base[0].ns;
	for (i = 1; i < r->n_base; i++) {
		if (size > r->base[i].size)
			continue;
		part = (double)(size - r->base[i - 1].size) / (r->base[i].size - r->base[i - 1].size);
		return r->base[i - 1].ns + part * ((double)r->base[i].ns - r->base[i - 1].ns);
	}
	return r->base[r->n_base - 1].ns;
}

/* @v has room for @n numbers. */
static void make_group(const struct result *r, const struct sample *s, size_t n, double *v,
		       struct group *g)
{
	static const double at[] = { 0.5, 0.99, 0.999 };
	double sum = 0;
	size_t i;

	memset(g, 0, sizeof(*g));
	if (!n)
		return;
	for (i = 0; i < n; i++) {
		v[i] = s[i].ns;
		sum += v[i];
	}
	qsort(v, n, sizeof(*v), by_value);
	g->min_size = s[0].size;
	g->max_size = s[n - 1].size;
	g->n = n;
	g->min = v[0];
	g->p50 = percentile(v, n, at[0]);
	g->p99 = percentile(v, n, at[1]);
	g->p999 = percentile(v, n, at[2]);
	g->max = v[n - 1];
	g->mean = sum / n;
	if (!r->n_base)
		return;
	for (i = 0; i < n; i++)
		v[i] = s[i].ns / base(r, s[i].size);
	qsort(v, n, sizeof(*v), by_value);
	for (i = 0; i < 3; i++)
		g->slow[i] = percentile(v, n, at[i]);
}

/* Returns how many; @groups[0] is all, those behind it are by length. */
static int make_groups(struct result *r, struct group groups[1 + MAX_GROUPS])
{
	double *v = malloc((r->n ? r->n : 1) * sizeof(*v));
	size_t parts = MAX_GROUPS, i, from, to;

	if (!v) {
		fprintf(stderr, "homa_bench: out of memory; free some\n");
		exit(BENCH_FAILED);
	}
	qsort(r->samples, r->n, sizeof(*r->samples), by_size);
	make_group(r, r->samples, r->n, v, &groups[0]);
	if (!r->n || r->samples[0].size == r->samples[r->n - 1].size)
		parts = 1;
	else if (r->n < parts)
		parts = r->n;
	for (i = 0; i < parts; i++) {
		from = i * r->n / parts;
		to = (i + 1) * r->n / parts;
		make_group(r, r->samples + from, to - from, v, &groups[1 + i]);
	}
	free(v);
	return 1 + parts;
}

static uint64_t failed(const struct result *r)
{
	uint64_t sum = 0;
	int e;

	for (e = 0; e < MAX_ERRNO; e++)
		sum += r->errors[e];
	return sum;
}

static double per_second(const struct result *r, double v)
{
	return r->elapsed_ns ? v * 1e9 / r->elapsed_ns : 0;
}

void result_print(struct result *r)
{
	struct group g[1 + MAX_GROUPS];
	int n = make_groups(r, g), i;

	printf("workload     %s, mean %.0f bytes, ", r->workload->name, r->workload->mean);
	if (r->outstanding)
		printf("closed loop with %u outstanding", r->outstanding);
	else
		printf("open loop at %.3f Mb/s", r->load_mbps);
	printf(", %u thread%s, %u port%s\n", r->threads, r->threads == 1 ? "" : "s", r->ports,
	       r->ports == 1 ? "" : "s");
	printf("RPCs         %" PRIu64 " sent, %" PRIu64 " done, ", r->sent, r->done);
	if (r->verify)
		printf("%" PRIu64 " verified, ", r->verified);
	printf("%" PRIu64 " failed, %" PRIu64 " lost, %" PRIu64 " sent late\n", failed(r), r->lost,
	       r->late);
	for (i = 0; i < MAX_ERRNO; i++)
		if (r->errors[i])
			printf("  %" PRIu64 " times: %s\n", r->errors[i], strerror(i));
	printf("time         %.6f s\n", r->elapsed_ns / 1e9);
	printf("throughput   %.1f RPC/s, requests %.3f Mb/s, responses %.3f Mb/s\n",
	       per_second(r, r->done), per_second(r, r->request_bytes * 8 / 1e6),
	       per_second(r, r->response_bytes * 8 / 1e6));
	printf("latency us   P50 %.1f, P99 %.1f, P99.9 %.1f; least %.1f, mean %.1f, most %.1f\n",
	       g[0].p50 / 1e3, g[0].p99 / 1e3, g[0].p999 / 1e3, g[0].min / 1e3, g[0].mean / 1e3,
	       g[0].max / 1e3);
	if (r->n_base)
		printf("slowdown     P50 %.2f, P99 %.2f, P99.9 %.2f\n", g[0].slow[0], g[0].slow[1],
		       g[0].slow[2]);
	printf("processor    client %.3f s user, %.3f s system; machine %.3f s\n", r->user_ns / 1e9,
	       r->system_ns / 1e9, r->machine_ns / 1e9);
	printf("%10s %10s %8s %12s %12s %12s", "from bytes", "to", "RPCs", "P50 us", "P99 us",
	       "P99.9 us");
	printf(r->n_base ? " %12s %10s %10s\n" : "\n", "slowdown P50", "P99", "P99.9");
	for (i = 1; i < n; i++) {
		printf("%10u %10u %8zu %12.1f %12.1f %12.1f", g[i].min_size, g[i].max_size, g[i].n,
		       g[i].p50 / 1e3, g[i].p99 / 1e3, g[i].p999 / 1e3);
		if (r->n_base)
			printf(" %12.2f %10.2f %10.2f", g[i].slow[0], g[i].slow[1], g[i].slow[2]);
		putchar('\n');
	}
}

static FILE *open_out(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "w") : stdout;

	if (!f)
		fprintf(stderr, "homa_bench: cannot write %s: %s\n", path, strerror(errno));
	return f;
}

static int close_out(FILE *f, const char *path)
{
	if (!(f == stdout ? fflush(f) : fclose(f)))
		return BENCH_OK;
	fprintf(stderr, "homa_bench: cannot write %s: %s\n", path, strerror(errno));
	return BENCH_FAILED;
}

int result_csv(struct result *r, const char *path)
{
	struct group g[1 + MAX_GROUPS];
	int n = make_groups(r, g), i;
	FILE *f = open_out(path);

	if (!f)
		return BENCH_FAILED;
	fputs("decile,min_size,max_size,rpcs,p50_us,p99_us,p999_us,slowdown_p50,slowdown_p99,slowdown_p999\n", f);
	for (i = 1; i < n; i++) {
		fprintf(f, "%d,%u,%u,%zu,%.3f,%.3f,%.3f", i, g[i].min_size, g[i].max_size, g[i].n,
			g[i].p50 / 1e3, g[i].p99 / 1e3, g[i].p999 / 1e3);
		if (r->n_base)
			fprintf(f, ",%.4f,%.4f,%.4f\n", g[i].slow[0], g[i].slow[1], g[i].slow[2]);
		else
			fputs(",,,\n", f);
	}
	return close_out(f, path);
}

static void add_number(struct json_object *obj, const char *key, double v)
{
	char text[64];

	/* json-c would print 17 digits of what has six at most. */
	snprintf(text, sizeof(text), "%.10g", v);
	json_object_object_add(obj, key, json_object_new_double_s(v, text));
}

static void add_count(struct json_object *obj, const char *key, uint64_t v)
{
	json_object_object_add(obj, key, json_object_new_uint64(v));
}

static struct json_object *json_group(const struct result *r, const struct group *g)
{
	struct json_object *obj = json_object_new_object();

	add_count(obj, "min_size", g->min_size);
	add_count(obj, "max_size", g->max_size);
	add_count(obj, "rpcs", g->n);
	add_number(obj, "min_us", g->min / 1e3);
	add_number(obj, "p50_us", g->p50 / 1e3);
	add_number(obj, "p99_us", g->p99 / 1e3);
	add_number(obj, "p999_us", g->p999 / 1e3);
	add_number(obj, "max_us", g->max / 1e3);
	add_number(obj, "mean_us", g->mean / 1e3);
	if (r->n_base) {
		add_number(obj, "slowdown_p50", g->slow[0]);
		add_number(obj, "slowdown_p99", g->slow[1]);
		add_number(obj, "slowdown_p999", g->slow[2]);
	}
	return obj;
}

static struct json_object *json_result(struct result *r)
{
	struct json_object *obj = json_object_new_object(), *list, *o;
	struct group g[1 + MAX_GROUPS];
	int n = make_groups(r, g), i;

	json_object_object_add(obj, "version", json_object_new_string(HOMA_BENCH_VERSION));
	json_object_object_add(obj, "workload", json_object_new_string(r->workload->name));
	add_number(obj, "mean_size", r->workload->mean);
	json_object_object_add(obj, "mode", json_object_new_string(r->mode));
	add_number(obj, "load_mbps", r->load_mbps);
	add_count(obj, "outstanding", r->outstanding);
	add_count(obj, "threads", r->threads);
	add_count(obj, "ports", r->ports);
	add_count(obj, "answer", r->answer);
	add_count(obj, "seed", r->seed);
	add_count(obj, "wanted", r->wanted);
	add_count(obj, "sent", r->sent);
	add_count(obj, "done", r->done);
	json_object_object_add(obj, "verified", r->verify ? json_object_new_uint64(r->verified) : NULL);
	add_count(obj, "failed", failed(r));
	add_count(obj, "lost", r->lost);
	add_count(obj, "late", r->late);
	o = json_object_new_object();
	for (i = 0; i < MAX_ERRNO; i++)
		if (r->errors[i])
			add_count(o, strerrorname_np(i) ? strerrorname_np(i) : "other", r->errors[i]);
	json_object_object_add(obj, "errors", o);
	add_number(obj, "elapsed_s", r->elapsed_ns / 1e9);
	add_count(obj, "request_bytes", r->request_bytes);
	add_count(obj, "response_bytes", r->response_bytes);
	add_number(obj, "rpcs_per_s", per_second(r, r->done));
	add_number(obj, "request_mbps", per_second(r, r->request_bytes * 8 / 1e6));
	add_number(obj, "response_mbps", per_second(r, r->response_bytes * 8 / 1e6));
	add_number(obj, "user_s", r->user_ns / 1e9);
	add_number(obj, "system_s", r->system_ns / 1e9);
	add_number(obj, "machine_s", r->machine_ns / 1e9);
	json_object_object_add(obj, "all", json_group(r, &g[0]));
	list = json_object_new_array();
	for (i = 1; i < n; i++)
		json_object_array_add(list, json_group(r, &g[i]));
	json_object_object_add(obj, "deciles", list);
	list = json_object_new_array();
	for (i = 0; i < (int)r->n_base; i++) {
		o = json_object_new_object();
		add_count(o, "size", r->base[i].size);
		add_number(o, "us", r->base[i].ns / 1e3);
		json_object_array_add(list, o);
	}
	json_object_object_add(obj, "unloaded", list);
	return obj;
}

int result_json(struct result *r, const char *path)
{
	struct json_object *obj;
	FILE *f = open_out(path);

	if (!f)
		return BENCH_FAILED;
	obj = json_result(r);
	fprintf(f, "%s\n", json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED));
	json_object_put(obj);
	return close_out(f, path);
}

int result_raw(struct result *r, const char *path)
{
	FILE *f = open_out(path);
	size_t i;

	if (!f)
		return BENCH_FAILED;
	for (i = 0; i < r->n; i++)
		fprintf(f, "%u %" PRIu64 "\n", r->samples[i].size, r->samples[i].ns);
	return close_out(f, path);
}
