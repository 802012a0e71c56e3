// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * kv_load: works on a kv_server with some threads and tells how long that takes. It knows what each answer
 * must be: every key belongs to one thread, which remembers the version that it put last.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kv.h"

#define MAX_THREADS	64

/* IPv4's as ::ffff:a.b.c.d */
static struct sockaddr_in6 server = { .sin6_family = AF_INET6 };
static unsigned int n_threads = 1, keys = 1000, max_value = 1000, gets = 90, count = 10000;

/**
 * struct worker - a thread
 * @thread: it
 * @number: of it
 * @fd: its socket
 * @version: of its keys, 0: it was not put, or deleted
 * @random: state of its generator
 * @times: of each operation, ns
 * @done: operations
 * @wrong: answers that were not right
 * @failed: RPCs that failed
 * @out: request
 * @in: response
 */
struct worker {
	pthread_t thread;
	unsigned int number;
	int fd;
	uint32_t *version;
	uint64_t random;
	uint64_t *times;
	unsigned int done;
	unsigned int wrong;
	unsigned int failed;
	char *out;
	char *in;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 29) * 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

static uint32_t next(struct worker *w, uint32_t below)
{
	return mix(++w->random) % below;
}

/* A version of a key has one length, 1..max_value, and one content. */
static uint32_t value_of(unsigned int key, uint32_t version, char *value)
{
	uint64_t seed = (uint64_t)key << 32 | version;
	uint32_t len = 1 + mix(seed) % max_value, i;

	for (i = 0; value && i < len; i++)
		value[i] = mix(seed + i / 8) >> i % 8 * 8;
	return len;
}

/* One RPC. Returns bytes of the response, -1 when it failed. */
static ssize_t call(struct worker *w, enum kv_op op, unsigned int key, uint32_t value_len)
{
	struct kv_request *request = (void *)w->out;
	char name[KV_MAX_KEY];
	int key_len = snprintf(name, sizeof(name), "key/%u", key);
	uint64_t id;
	ssize_t n;

	*request = (struct kv_request){ op, 0, htons(key_len), htonl(value_len) };
	/* The value is there already, with room for the longest key in front. */
	memmove(w->out + sizeof(*request) + key_len, w->out + sizeof(*request) + KV_MAX_KEY, value_len);
	memcpy(w->out + sizeof(*request), name, key_len);
	if (homa_send(w->fd, w->out, sizeof(*request) + key_len + value_len, (struct sockaddr *)&server,
		      sizeof(server), &id, 0, 0)) {
		fprintf(stderr, "kv_load: homa_send: %s\n", etran_strerror_detail());
		return -1;
	}
	n = homa_recv(w->fd, w->in, HOMA_MAX_MESSAGE_LENGTH, 0, NULL, NULL, &id, NULL, NULL);
	if (n < 0)
		fprintf(stderr, "kv_load: %s: %s; is a kv_server there?\n", name, strerror(errno));
	return n;
}

/* Does the response say so, with @len bytes of value? */
static bool says(const struct worker *w, ssize_t n, enum kv_status status, uint32_t len)
{
	const struct kv_response *response = (void *)w->in;

	return n == (ssize_t)(sizeof(*response) + len) && response->status == status &&
	       ntohl(response->value_len) == len;
}

static void one(struct worker *w, enum kv_op op, unsigned int key)
{
	char *value = w->out + sizeof(struct kv_request) + KV_MAX_KEY;
	uint32_t *version = &w->version[key / n_threads], len = 0;
	uint64_t start;
	bool right;
	ssize_t n;

	if (op == KV_PUT)
		len = value_of(key, ++*version, value);
	start = now_ns();
	n = call(w, op, key, len);
	w->times[w->done++] = now_ns() - start;
	if (n < 0) {
		w->failed++;
		return;
	}
	if (op == KV_PUT) {
		right = says(w, n, KV_OK, 0);
	} else if (!*version) {
		right = says(w, n, KV_NOT_FOUND, 0);
	} else if (op == KV_DELETE) {
		right = says(w, n, KV_OK, 0);
	} else {
		len = value_of(key, *version, value);
		right = says(w, n, KV_OK, len) &&
			!memcmp(w->in + sizeof(struct kv_response), value, len);
	}
	if (op == KV_DELETE)
		*version = 0;
	w->wrong += !right;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int mine = (keys - w->number + n_threads - 1) / n_threads;
	unsigned int share = count / n_threads + (w->number < count % n_threads), i, key, choice;

	for (i = 0; i < share && !w->failed; i++) {
		key = next(w, mine) * n_threads + w->number;
		choice = next(w, 100);
		/* Of what are no gets, one in ten deletes. */
		one(w, choice < gets ? KV_GET : next(w, 10) ? KV_PUT : KV_DELETE, key);
	}
	return NULL;
}

static int start(struct worker *w, unsigned int number)
{
	w->number = number;
	w->random = number * 1000003ULL;
	w->fd = homa_socket(AF_INET6, 0);
	if (w->fd < 0) {
		fprintf(stderr, "kv_load: %s\n", etran_strerror_detail());
		return 1;
	}
	w->version = calloc(keys / n_threads + 1, sizeof(*w->version));
	w->times = calloc(count / n_threads + 1, sizeof(*w->times));
	w->out = malloc(HOMA_MAX_MESSAGE_LENGTH);
	w->in = malloc(HOMA_MAX_MESSAGE_LENGTH);
	if (!w->version || !w->times || !w->out || !w->in)
		return 1;
	return pthread_create(&w->thread, NULL, work, w);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int report(struct worker *w, uint64_t ns)
{
	uint64_t *times = calloc(count, sizeof(*times));
	unsigned int done = 0, wrong = 0, failed = 0, i;

	if (!times)
		return 1;
	for (i = 0; i < n_threads; i++) {
		memcpy(times + done, w[i].times, w[i].done * sizeof(*times));
		done += w[i].done;
		wrong += w[i].wrong;
		failed += w[i].failed;
	}
	qsort(times, done, sizeof(*times), by_value);
	printf("operations %u wrong %u failed %u\n", done, wrong, failed);
	printf("%.0f a second, P50 %.1f us, P99 %.1f us\n", done * 1e9 / ns, times[(done - 1) / 2] / 1e3,
	       times[(done - 1) * 99ULL / 100] / 1e3);
	free(times);
	return done != count || wrong || failed;
}

static int parse_address(const char *text)
{
	struct in_addr in;

	if (inet_pton(AF_INET6, text, &server.sin6_addr) == 1)
		return 0;
	if (inet_pton(AF_INET, text, &in) != 1)
		return -1;
	server.sin6_addr.s6_addr[10] = 0xff;
	server.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&server.sin6_addr.s6_addr[12], &in, sizeof(in));
	return 0;
}

static int usage(const char *prog)
{
	fprintf(stderr, "usage: %s [-p PORT] [-t THREADS] [-k KEYS] [-v BYTES] [-g PERCENT] [-c COUNT] ADDRESS\n"
		"Puts, gets and deletes keys of a kv_server and checks each answer.\n"
		"  -p PORT     the server's, default %d\n"
		"  -t THREADS  with a socket each, default 1\n"
		"  -k KEYS     default 1000\n"
		"  -v BYTES    most of a value, default 1000\n"
		"  -g PERCENT  of operations that are gets, default 90\n"
		"  -c COUNT    operations, default 10000\n", prog, KV_PORT);
	return 2;
}

int main(int argc, char **argv)
{
	static struct worker workers[MAX_THREADS];
	unsigned int i;
	uint64_t ns;
	int opt;

	server.sin6_port = htons(KV_PORT);
	while ((opt = getopt(argc, argv, "p:t:k:v:g:c:")) != -1) {
		unsigned int n = optarg ? strtoul(optarg, NULL, 10) : 0;

		if (opt == 'p')
			server.sin6_port = htons(n);
		else if (opt == 't')
			n_threads = n;
		else if (opt == 'k')
			keys = n;
		else if (opt == 'v')
			max_value = n;
		else if (opt == 'g')
			gets = n;
		else if (opt == 'c')
			count = n;
		else
			return usage(argv[0]);
	}
	if (optind + 1 != argc || parse_address(argv[optind]) || !n_threads ||
	    n_threads > MAX_THREADS || keys < n_threads || !max_value || max_value > KV_MAX_VALUE ||
	    gets > 100 || count < n_threads)
		return usage(argv[0]);
	ns = now_ns();
	for (i = 0; i < n_threads; i++)
		if (start(&workers[i], i))
			return 1;
	for (i = 0; i < n_threads; i++)
		pthread_join(workers[i].thread, NULL);
	ns = now_ns() - ns;
	for (i = 0; i < n_threads; i++)
		homa_close(workers[i].fd);
	return report(workers, ns);
}
