// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * How long messages are. A distribution is given by points; between two of them lengths are taken to be
 * evenly spread, and the first one stands for itself. What is longer than a Homa message can be is cut.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* Mean of lengths evenly spread from @lo to @hi, each cut at the longest message. */
static double mean_between(double lo, double hi)
{
	double most = HOMA_MAX_MESSAGE_LENGTH;

	if (hi <= most)
		return (lo + hi) / 2;
	if (lo >= most)
		return most;
	return ((most - lo) * (lo + most) / 2 + (hi - most) * most) / (hi - lo);
}

static void set_mean(struct workload *w)
{
	unsigned int i;

	w->mean = mean_between(w->length[0], w->length[0]) * w->fraction[0];
	for (i = 1; i < w->n; i++)
		w->mean += mean_between(w->length[i - 1], w->length[i]) *
			   (w->fraction[i] - w->fraction[i - 1]);
}

static int bad_line(const char *path, int line, const char *why)
{
	fprintf(stderr, "homa_bench: %s:%d: %s; a line is LENGTH,FRACTION, both increasing, the last fraction 1\n",
		path, line, why);
	return BENCH_USAGE;
}

static int read_points(struct workload *w, FILE *f, const char *path)
{
	double length, fraction;
	char text[256];
	int line = 0, end;

	while (fgets(text, sizeof(text), f)) {
		line++;
		if (*text == '#' || text[strspn(text, " \t\r\n")] == 0)
			continue;
		end = 0;
		if (sscanf(text, " %lf , %lf %n", &length, &fraction, &end) != 2 || text[end])
			return bad_line(path, line, "not understood");
		if (w->n == WORKLOAD_POINTS)
			return bad_line(path, line, "too many points");
		if (!(length >= 1) || !(fraction > 0) || fraction > 1.000001 ||
		    (w->n && (length < w->length[w->n - 1] || fraction < w->fraction[w->n - 1])))
			return bad_line(path, line, "out of range or order");
		w->length[w->n] = length;
		w->fraction[w->n++] = fraction;
	}
	if (!w->n || w->fraction[w->n - 1] < 0.999999)
		return bad_line(path, line, "the points end too early");
	w->fraction[w->n - 1] = 1;
	set_mean(w);
	return BENCH_OK;
}

int workload_load(struct workload *w, const char *what)
{
	const char *dir = getenv("HOMA_BENCH_WORKLOADS");
	unsigned long size;
	char path[4096];
	char *end;
	FILE *f;
	int ret;

	memset(w, 0, sizeof(*w));
	snprintf(w->name, sizeof(w->name), "%s", what);
	if (isdigit((unsigned char)*what)) {
		errno = 0;
		size = strtoul(what, &end, 10);
		if (errno || *end || !size || size > HOMA_MAX_MESSAGE_LENGTH) {
			fprintf(stderr, "homa_bench: '%s' is no length of a message; give 1 to %d bytes, W1 to W5, or a file\n",
				what, HOMA_MAX_MESSAGE_LENGTH);
			return BENCH_USAGE;
		}
		w->n = 1;
		w->length[0] = size;
		w->fraction[0] = 1;
		w->mean = size;
		return BENCH_OK;
	}
	if (toupper((unsigned char)*what) == 'W' && what[1] >= '1' && what[1] <= '5' && !what[2])
		snprintf(path, sizeof(path), "%s/w%c.csv", dir ? dir : HOMA_BENCH_DATA, what[1]);
	else
		snprintf(path, sizeof(path), "%s", what);
	f = fopen(path, "r");
	if (!f) {
		fprintf(stderr, "homa_bench: cannot read %s: %s; a workload is W1 to W5 (their files are in $HOMA_BENCH_WORKLOADS or "
			HOMA_BENCH_DATA "), a number of bytes, or a file\n", path, strerror(errno));
		return BENCH_USAGE;
	}
	ret = read_points(w, f, path);
	fclose(f);
	return ret;
}

uint32_t workload_length(const struct workload *w, double fraction)
{
	double length, part;
	unsigned int i;

	for (i = 0; i < w->n - 1 && fraction > w->fraction[i]; i++)
		;
	length = w->length[i];
	if (i && w->fraction[i] > w->fraction[i - 1]) {
		part = (fraction - w->fraction[i - 1]) / (w->fraction[i] - w->fraction[i - 1]);
		length = w->length[i - 1] + part * (w->length[i] - w->length[i - 1]);
	}
	if (length > HOMA_MAX_MESSAGE_LENGTH)
		return HOMA_MAX_MESSAGE_LENGTH;
	return length < 1 ? 1 : length;
}
