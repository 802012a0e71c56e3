// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * kv_server: keeps keys and values in memory. Some threads wait for requests on one socket; whichever gets
 * one answers it. No state belongs to a client, so there are no connections to look after.
 *
 * A response is copied under the lock of the key's bucket and sent behind it: sending may sleep.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv.h"

#define BUCKETS		(1 << 16)
#define MAX_THREADS	64

/* A key and its value, one behind the other. */
struct entry {
	struct entry *next;
	uint32_t key_len;
	uint32_t value_len;
	char data[];
};

static struct bucket {
	pthread_mutex_t lock;
	struct entry *first;
} buckets[BUCKETS];

static int fd;
static uint64_t used, limit = 64 << 20, served;
static bool failed;

static struct bucket *bucket_of(const char *key, uint32_t len)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	uint32_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)key[i]) * 0x100000001b3ULL;
	return &buckets[(hash ^ hash >> 32) % BUCKETS];
}

/* Under the bucket's lock: where the key's entry hangs, or would. */
static struct entry **find(struct bucket *b, const char *key, uint32_t len)
{
	struct entry **p = &b->first;

	while (*p && ((*p)->key_len != len || memcmp((*p)->data, key, len)))
		p = &(*p)->next;
	return p;
}

static uint64_t size_of(const struct entry *e)
{
	return sizeof(*e) + e->key_len + e->value_len;
}

/* Takes the entry out of its bucket. */
static void drop(struct entry **p)
{
	struct entry *e = *p;

	*p = e->next;
	__atomic_sub_fetch(&used, size_of(e), __ATOMIC_RELAXED);
	free(e);
}

static enum kv_status put(struct bucket *b, const char *key, uint32_t key_len, const char *value,
			  uint32_t value_len)
{
	struct entry *e = malloc(sizeof(*e) + key_len + value_len), **p;
	uint64_t size = sizeof(*e) + key_len + value_len;

	/* With the old value still there, which is worth keeping if the new one finds no room. */
	if (!e || __atomic_add_fetch(&used, size, __ATOMIC_RELAXED) > limit) {
		if (e)
			__atomic_sub_fetch(&used, size, __ATOMIC_RELAXED);
		free(e);
		return KV_FULL;
	}
	e->key_len = key_len;
	e->value_len = value_len;
	memcpy(e->data, key, key_len);
	memcpy(e->data + key_len, value, value_len);
	pthread_mutex_lock(&b->lock);
	p = find(b, key, key_len);
	if (*p)
		drop(p);
	e->next = *p;
	*p = e;
	pthread_mutex_unlock(&b->lock);
	return KV_OK;
}

static enum kv_status get(struct bucket *b, const char *key, uint32_t key_len, char *value,
			  uint32_t *value_len)
{
	enum kv_status status = KV_NOT_FOUND;
	struct entry *e;

	pthread_mutex_lock(&b->lock);
	e = *find(b, key, key_len);
	if (e) {
		*value_len = e->value_len;
		memcpy(value, e->data + key_len, e->value_len);
		status = KV_OK;
	}
	pthread_mutex_unlock(&b->lock);
	return status;
}

static enum kv_status delete(struct bucket *b, const char *key, uint32_t key_len)
{
	enum kv_status status = KV_NOT_FOUND;
	struct entry **p;

	pthread_mutex_lock(&b->lock);
	p = find(b, key, key_len);
	if (*p) {
		drop(p);
		status = KV_OK;
	}
	pthread_mutex_unlock(&b->lock);
	return status;
}

/* Makes the response to a request of @n bytes. Returns its length. */
static size_t answer(const char *in, size_t n, char *out)
{
	struct kv_response response = { .status = KV_BAD };
	uint32_t key_len, value_len, got = 0;
	struct kv_request request;
	const char *key;

	/* Lengths come from somebody else: they must be exactly those of the message. */
	if (n >= sizeof(request)) {
		memcpy(&request, in, sizeof(request));
		key = in + sizeof(request);
		key_len = ntohs(request.key_len);
		value_len = ntohl(request.value_len);
		if (!key_len || key_len > KV_MAX_KEY || value_len > KV_MAX_VALUE ||
		    n != sizeof(request) + key_len + value_len)
			request.op = 0;
		if (request.op == KV_PUT)
			response.status = put(bucket_of(key, key_len), key, key_len, key + key_len,
					      value_len);
		else if (request.op == KV_GET && !value_len)
			response.status = get(bucket_of(key, key_len), key, key_len,
					      out + sizeof(response), &got);
		else if (request.op == KV_DELETE && !value_len)
			response.status = delete(bucket_of(key, key_len), key, key_len);
	}
	response.value_len = htonl(got);
	memcpy(out, &response, sizeof(response));
	return sizeof(response) + got;
}

static void *serve(void *arg)
{
	char *in = malloc(HOMA_MAX_MESSAGE_LENGTH), *out = malloc(HOMA_MAX_MESSAGE_LENGTH);
	struct sockaddr_in6 client;
	size_t addrlen;
	uint64_t id;
	ssize_t n;

	(void)arg;
	while (in && out) {
		id = 0;
		addrlen = sizeof(client);
		n = homa_recv(fd, in, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
			      (struct sockaddr *)&client, &addrlen, &id, NULL, NULL);
		if (n < 0 && errno == EBADF)	/* main() closed it */
			break;
		if (n < 0 && !id && errno != EINTR) {
			fprintf(stderr, "kv_server: homa_recv: %s\n", etran_strerror_detail());
			failed = true;
			kill(getpid(), SIGTERM);
			break;
		}
		if (n < 0)
			continue;
		n = answer(in, n, out);
		/* A client that is gone needs no answer. */
		if (!homa_reply(fd, out, n, (struct sockaddr *)&client, addrlen, id))
			__atomic_add_fetch(&served, 1, __ATOMIC_RELAXED);
	}
	free(in);
	free(out);
	return NULL;
}

static int usage(const char *prog)
{
	fprintf(stderr, "usage: %s [-p PORT] [-t THREADS] [-m MBYTES]\n"
		"Keeps keys and values; prints \"ready\", ends at SIGTERM or SIGINT.\n"
		"  -p PORT     default %d\n"
		"  -t THREADS  default 2\n"
		"  -m MBYTES   of memory for keys and values, default 64\n", prog, KV_PORT);
	return 2;
}

int main(int argc, char **argv)
{
	/* Clients over IPv4 come as ::ffff:a.b.c.d. */
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(KV_PORT) };
	int opt, n = 2, i, sig;
	pthread_t threads[MAX_THREADS];
	sigset_t set;

	while ((opt = getopt(argc, argv, "p:t:m:")) != -1) {
		if (opt == 'p')
			addr.sin6_port = htons(atoi(optarg));
		else if (opt == 't')
			n = atoi(optarg);
		else if (opt == 'm')
			limit = strtoull(optarg, NULL, 10) << 20;
		else
			return usage(argv[0]);
	}
	if (optind != argc || n < 1 || n > MAX_THREADS || !limit)
		return usage(argv[0]);
	for (i = 0; i < BUCKETS; i++)
		pthread_mutex_init(&buckets[i].lock, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = homa_socket(AF_INET6, 0);
	if (fd < 0 || homa_bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		fprintf(stderr, "kv_server: %s\n", etran_strerror_detail());
		return 1;
	}
	/* A thread that has answered looks for the next request at once; what is there first may have answers that leave together. */
	homa_set_batch(fd, 16);
	for (i = 0; i < n; i++) {
		if (pthread_create(&threads[i], NULL, serve, NULL)) {
			fprintf(stderr, "kv_server: a thread cannot be started\n");
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	sigwait(&set, &sig);
	homa_close(fd);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("served %llu, %llu bytes in use\n", (unsigned long long)served,
	       (unsigned long long)used);
	return failed;
}
