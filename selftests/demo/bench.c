// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define MAX_SIZE	1000000
#define MAX_COUNT	10000000

static void usage(const char *prog)
{
	fprintf(stderr,
		"usage: %s [-p PORT] [-s SIZE[:COUNT],...] [-c COUNT] [-i ID] [-r FILE] [-m] ADDRESS\n"
		"Sends messages to an echo server, one at a time, and checks each byte that comes back.\n"
		"  -p PORT     the server's (default %d)\n"
		"  -s LIST     sizes in bytes, 1..%d, each with how many (default 32,1024,10240,102400,1000000)\n"
		"  -c COUNT    how many of each size that names none (default 100)\n"
		"  -i ID       number of this client, makes its payload its own (default 1)\n"
		"  -r FILE     write size and time in ns of each RPC there\n"
		"  -m          print name=value pairs instead of a table\n",
		prog, BENCH_PORT, MAX_SIZE);
	exit(2);
}

static unsigned long number(const char *prog, const char *text, unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || !n || n > max) {
		fprintf(stderr, "%s: '%s' is not a number in 1..%lu\n", prog, text, max);
		exit(2);
	}
	return n;
}

uint16_t bench_port(const char *text, unsigned int max)
{
	return number("port", text, max);
}

static void parse_sizes(struct bench *b, const char *prog, const char *list, unsigned int count)
{
	char *copy = strdup(list), *save = NULL, *item, *colon;

	if (!copy)
		exit(1);
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		if (b->steps == BENCH_MAX_STEPS) {
			fprintf(stderr, "%s: more than %d sizes\n", prog, BENCH_MAX_STEPS);
			exit(2);
		}
		colon = strchr(item, ':');
		if (colon)
			*colon++ = 0;
		b->step[b->steps].size = number(prog, item, MAX_SIZE);
		b->step[b->steps].count = colon ? number(prog, colon, MAX_COUNT) : count;
		if (b->step[b->steps].size > b->max_size)
			b->max_size = b->step[b->steps].size;
		b->steps++;
	}
	free(copy);
	if (!b->steps)
		usage(prog);
}

void bench_args(struct bench *b, const char *proto, int argc, char **argv)
{
	const char *sizes = "32,1024,10240,102400,1000000";
	unsigned int count = 100;
	int opt;

	memset(b, 0, sizeof(*b));
	b->proto = proto;
	b->id = 1;
	b->server.sin_family = AF_INET;
	b->server.sin_port = htons(BENCH_PORT);
	while ((opt = getopt(argc, argv, "p:s:c:i:r:m")) != -1) {
		switch (opt) {
		case 'p':
			b->server.sin_port = htons(bench_port(optarg, 65535));
			break;
		case 's':
			sizes = optarg;
			break;
		case 'c':
			count = number(argv[0], optarg, MAX_COUNT);
			break;
		case 'i':
			b->id = number(argv[0], optarg, 1000000);
			break;
		case 'r':
			b->raw = fopen(optarg, "w");
			if (!b->raw) {
				fprintf(stderr, "%s: %s: %s\n", argv[0], optarg, strerror(errno));
				exit(1);
			}
			break;
		case 'm':
			b->machine = true;
			break;
		default:
			usage(argv[0]);
		}
	}
	if (optind + 1 != argc)
		usage(argv[0]);
	if (inet_pton(AF_INET, argv[optind], &b->server.sin_addr) != 1) {
		fprintf(stderr, "%s: '%s' is not an IPv4 address\n", argv[0], argv[optind]);
		exit(2);
	}
	parse_sizes(b, argv[0], sizes, count);
}

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Eight bytes of the payload, from everything that they shall depend on. */
static uint64_t word(const struct bench *b, size_t size, unsigned int seq, size_t index)
{
	uint64_t x = ((uint64_t)b->id << 44) ^ ((uint64_t)seq << 22) ^ ((uint64_t)size << 2);

	x = (x + index + 1) * 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	return x * 0xd6e8feb86659fd93ULL;
}

void bench_fill(const struct bench *b, uint8_t *buf, size_t size, unsigned int seq)
{
	uint64_t w;
	size_t i;

	for (i = 0; i < size; i += sizeof(w)) {
		w = word(b, size, seq, i);
		memcpy(buf + i, &w, size - i < sizeof(w) ? size - i : sizeof(w));
	}
}

bool bench_verify(const struct bench *b, const uint8_t *buf, size_t got, size_t size,
		  unsigned int seq)
{
	size_t i, j, n;
	uint64_t w;

	if (got != size) {
		fprintf(stderr, "%s client %u: RPC %u: sent %zu bytes, received %zu\n", b->proto,
			b->id, seq, size, got);
		return false;
	}
	for (i = 0; i < size; i += sizeof(w)) {
		w = word(b, size, seq, i);
		n = size - i < sizeof(w) ? size - i : sizeof(w);
		if (!memcmp(buf + i, &w, n))
			continue;
		for (j = 0; buf[i + j] == ((uint8_t *)&w)[j]; j++)
			;
		fprintf(stderr, "%s client %u: RPC %u of %zu bytes: byte %zu is 0x%02x, not 0x%02x\n",
			b->proto, b->id, seq, size, i + j, buf[i + j], ((uint8_t *)&w)[j]);
		return false;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest time that at least @percent of all RPCs did not exceed. */
static uint64_t percentile(const uint64_t *sorted, unsigned int n, unsigned int percent)
{
	if (!n)
		return 0;
	return sorted[((uint64_t)n * percent + 99) / 100 - 1];
}

static void print_step(const struct bench *b, unsigned int step, unsigned int done,
		       unsigned int verified, const uint64_t *sorted)
{
	uint64_t median = percentile(sorted, done, 50), p99 = percentile(sorted, done, 99);

	if (b->machine)
		printf("proto=%s client=%u size=%zu wanted=%u done=%u verified=%u median_ns=%llu p99_ns=%llu\n",
		       b->proto, b->id, b->step[step].size, b->step[step].count, done, verified,
		       (unsigned long long)median, (unsigned long long)p99);
	else
		printf("%10zu %8u %8u %12.1f %12.1f\n", b->step[step].size, done, verified,
		       median / 1e3, p99 / 1e3);
	fflush(stdout);
}

int bench_run(struct bench *b,
	      ssize_t (*rpc)(void *arg, const void *out, size_t size, void *in, size_t room),
	      void *arg)
{
	uint8_t *out = malloc(b->max_size), *in = malloc(b->max_size);
	unsigned int step, i, done, verified, seq = 0;
	uint64_t *times, start;
	ssize_t got = 0;

	if (!out || !in)
		goto no_memory;
	if (!b->machine)
		printf("%10s %8s %8s %12s %12s\n", "bytes", "RPCs", "verified", "median us",
		       "P99 us");
	for (step = 0; step < b->steps && got >= 0; step++) {
		size_t size = b->step[step].size;

		times = calloc(b->step[step].count, sizeof(*times));
		if (!times)
			goto no_memory;
		done = verified = 0;
		for (i = 0; i < b->step[step].count; i++, seq++) {
			bench_fill(b, out, size, seq);
			memset(in, 0, size);
			start = bench_now();
			got = rpc(arg, out, size, in, b->max_size);
			if (got < 0)
				break;
			times[done++] = bench_now() - start;
			verified += bench_verify(b, in, got, size, seq);
			if (b->raw)
				fprintf(b->raw, "%zu %llu\n", size,
					(unsigned long long)times[done - 1]);
		}
		qsort(times, done, sizeof(*times), compare);
		print_step(b, step, done, verified, times);
		if (verified != b->step[step].count)
			b->failed = true;
		free(times);
	}
	free(out);
	free(in);
	if (b->raw && fclose(b->raw)) {
		perror("raw file");
		b->failed = true;
	}
	return b->failed;
no_memory:
	fprintf(stderr, "%s client %u: no memory\n", b->proto, b->id);
	free(out);
	free(in);
	return 1;
}
