// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * homa_bench client: threads with a socket each, that send requests and time the responses.
 *
 * Closed loop: each thread keeps so many requests outstanding; with one it is a plain ping-pong, blocking in
 * homa_recv(). Open loop: requests are due at the times of a Poisson process, whatever became of those
 * before, and their time counts from when they were due: a server or a client that falls behind cannot
 * hide it by sending less.
 *
 * Slowdown is the time of an RPC divided by the median time of one of its length on an idle network, which is
 * measured first, one RPC at a time, for lengths all over the distribution.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define NS_PER_S	1000000000ULL

/**
 * struct client - what was asked for
 * @server: address and first port
 * @ports: how many the server has
 * @threads: that send
 * @workload: lengths
 * @outstanding: of each thread; open loop: at most
 * @load_mbps: requests of all threads, payload, Mb/s; 0 for a closed loop
 * @rate: the same in requests per second
 * @count: requests of all threads, 0 for no limit
 * @seconds: how long to send, 0 for no limit
 * @warm_up: requests of each thread that are not measured
 * @base: RPCs of each length that tell the unloaded time, 0 for no slowdown
 * @answer: most bytes of a response, 0: as the request
 * @patience: seconds without any response or error after which what is missing is lost
 * @seed: of lengths and times
 * @verify: compare responses
 * @batch: requests that may leave together
 * @zero_copy: receive without copying
 * @csv: file, NULL for none
 * @json: likewise
 * @raw: likewise
 * @quiet: print nothing on stdout
 */
struct client {
	union address server;
	unsigned int ports;
	unsigned int threads;
	struct workload workload;
	unsigned int outstanding;
	double load_mbps;
	double rate;
	uint64_t count;
	unsigned int seconds;
	unsigned int warm_up;
	unsigned int base;
	uint32_t answer;
	unsigned int patience;
	unsigned long seed;
	bool verify;
	unsigned int batch;
	bool zero_copy;
	const char *csv;
	const char *json;
	const char *raw;
	bool quiet;
};

/* A request under way. */
struct slot {
	uint64_t seq;
	uint64_t due;
	uint32_t size;
	uint32_t next;		/* free ones are a list */
	bool used;
};

/**
 * struct sender - a thread
 * @c: all that they share
 * @start: all begin at once
 * @thread: it
 * @number: of it
 * @fd: its socket
 * @random: its lengths and times
 * @in: the response
 * @slots: @c->outstanding of them
 * @free: first free one; @c->outstanding for none
 * @under_way: used ones
 * @seq: of the next request
 * @quota: requests that are measured, 0 for no limit
 * @due: open loop: when the next one is due
 * @size: its length, 0 when it is not chosen yet
 * @was_late: it could not be sent when it was due
 * @end: when sending ends, 0 when the number ends it
 * @room: of @samples
 * @samples: what was measured
 * @n: of them
 * @last: when the last response came
 * @progress: counts whatever happens; main() looks at it
 * @broken: the socket failed
 * @sum: what else is reported
 */
struct sender {
	const struct client *c;
	pthread_barrier_t *start;
	pthread_t thread;
	unsigned int number;
	int fd;
	struct random random;
	struct message in;
	struct slot *slots;
	uint32_t free;
	uint32_t under_way;
	uint64_t seq;
	uint64_t quota;
	uint64_t due;
	uint32_t size;
	bool was_late;
	uint64_t end;
	size_t room;
	struct sample *samples;
	size_t n;
	uint64_t last;
	uint64_t progress;
	bool broken;
	struct result sum;
};

static uint32_t answer_to(const struct client *c, uint32_t size)
{
	return c->answer && size > c->answer ? c->answer : size;
}

static union address next_server(struct sender *s)
{
	union address to = s->c->server;

	to.in.sin_port = htons(ntohs(to.in.sin_port) + (s->seq + s->number) % s->c->ports);
	return to;
}

/* Numbers of different threads never meet. */
static uint64_t payload_number(const struct sender *s, uint64_t seq)
{
	return (uint64_t)s->number << 40 | seq;
}

static bool broken(struct sender *s, const char *call)
{
	/* main() closed it because nothing happened any more. */
	if (errno != EBADF)
		fprintf(stderr, "homa_bench: %s: %s: %s\n", call, strerror(errno),
			etran_strerror_detail());
	s->broken = true;
	return false;
}

/* Sends a request of s->size bytes. False: not now. */
static bool send_one(struct sender *s, uint64_t due)
{
	struct slot *slot = &s->slots[s->free];
	union address to = next_server(s);

	if (homa_send(s->fd, payload(payload_number(s, s->seq)), s->size, &to.sa, address_len(&to), NULL,
		      s->free + 1, MSG_DONTWAIT)) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		return broken(s, "homa_send");
	}
	slot->seq = s->seq++;
	slot->due = due;
	slot->size = s->size;
	slot->used = true;
	s->free = slot->next;
	s->under_way++;
	s->size = 0;
	s->was_late = false;
	return true;
}

static bool keep_sample(struct sender *s, const struct slot *slot, uint64_t now)
{
	struct sample *p;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 4096;
		p = realloc(s->samples, s->room * sizeof(*p));
		if (!p) {
			errno = ENOMEM;
			return broken(s, "realloc");
		}
		s->samples = p;
	}
	s->samples[s->n++] = (struct sample){ now - slot->due, slot->size, slot->seq };
	return true;
}

/* An RPC has ended: @n bytes came, or @error. */
static void ended(struct sender *s, uint64_t cookie, ssize_t n, int error)
{
	struct slot *slot;
	uint64_t now = now_ns();

	if (!cookie || cookie > s->c->outstanding || !s->slots[cookie - 1].used) {
		fprintf(stderr, "homa_bench: an RPC ended that was not begun, or twice\n");
		s->broken = true;
		return;
	}
	slot = &s->slots[cookie - 1];
	__atomic_store_n(&s->progress, s->progress + 1, __ATOMIC_RELAXED);
	s->last = now;
	slot->used = false;
	slot->next = s->free;
	s->free = cookie - 1;
	s->under_way--;
	if (n < 0) {
		s->sum.errors[error < MAX_ERRNO ? error : 0]++;
		return;
	}
	if (slot->seq < s->c->warm_up)
		return;
	s->sum.done++;
	s->sum.request_bytes += slot->size;
	s->sum.response_bytes += n;
	if (s->c->verify) {
		if (n == answer_to(s->c, slot->size) &&
		    message_is(&s->in, payload(payload_number(s, slot->seq))))
			s->sum.verified++;
		else
			fprintf(stderr, "homa_bench: the response to a request of %u bytes is wrong; it has %zd, and is to have %u\n",
				slot->size, n, answer_to(s->c, slot->size));
	}
	keep_sample(s, slot, now);
}

/* Takes one response or error. False: there is none now, or the socket is broken. */
static bool receive_one(struct sender *s, bool wait)
{
	uint64_t id = 0, cookie = 0;
	ssize_t n;

	n = message_recv(s->fd, &s->in, HOMA_RECV_RESPONSE | (wait ? 0 : HOMA_RECV_NONBLOCKING), NULL,
			 NULL, &id, &cookie);
	if (n < 0 && !id) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		return broken(s, "homa_recv");
	}
	ended(s, cookie, n, n < 0 ? errno : 0);
	message_done(s->fd, &s->in);
	return !s->broken;
}

static bool may_send(const struct sender *s, uint64_t now)
{
	if (s->broken || (s->end && now >= s->end))
		return false;
	return !s->quota || s->seq < s->quota + s->c->warm_up;
}

static void choose_size(struct sender *s)
{
	if (!s->size)
		s->size = workload_length(&s->c->workload, random_unit(&s->random));
}

static void closed_loop(struct sender *s)
{
	uint64_t now;

	for (;;) {
		for (now = now_ns(); may_send(s, now) && s->under_way < s->c->outstanding;
		     now = now_ns()) {
			choose_size(s);
			if (!send_one(s, now))
				break;
		}
		if (s->broken)
			return;
		if (!s->under_way && !may_send(s, now_ns()))
			return;
		if (s->under_way)
			receive_one(s, true);
	}
}

/* Until a response is there, or the next request is due. */
static void sleep_until(struct sender *s, uint64_t due)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	uint64_t now = now_ns(), ns = due > now ? due - now : 0;
	struct timespec t = { ns / NS_PER_S, ns % NS_PER_S };

	if (ppoll(&pfd, 1, &t, NULL) > 0 && pfd.revents & (POLLNVAL | POLLERR)) {
		errno = pfd.revents & POLLNVAL ? EBADF : ENETDOWN;
		broken(s, "ppoll");
	}
}

static void open_loop(struct sender *s)
{
	double interval = NS_PER_S / (s->c->rate / s->c->threads);
	uint64_t now;

	s->due = now_ns() + random_exponential(&s->random) * interval;
	for (;;) {
		now = now_ns();
		while (may_send(s, s->due) && s->due <= now) {
			choose_size(s);
			if (s->under_way < s->c->outstanding && send_one(s, s->due)) {
				s->due += random_exponential(&s->random) * interval;
				continue;
			}
			if (!s->was_late)
				s->sum.late++;
			s->was_late = true;
			break;
		}
		while (receive_one(s, false))
			;
		if (s->broken)
			return;
		if (!may_send(s, s->due)) {
			if (!s->under_way)
				return;
			sleep_until(s, now + NS_PER_S);
		} else if (s->was_late) {
			/* Frames become free without a word. */
			sleep_until(s, now + 100000);
		} else {
			sleep_until(s, s->due);
		}
	}
}

static void *run_sender(void *arg)
{
	struct sender *s = arg;

	pthread_barrier_wait(s->start);
	if (s->c->seconds)
		s->end = now_ns() + s->c->seconds * NS_PER_S;
	if (s->c->rate > 0)
		open_loop(s);
	else
		closed_loop(s);
	s->sum.sent = s->seq < s->c->warm_up ? 0 : s->seq - s->c->warm_up;
	s->sum.lost = s->under_way;
	__atomic_store_n(&s->progress, UINT64_MAX, __ATOMIC_RELEASE);
	return NULL;
}

static int sender_open(struct sender *s, const struct client *c, unsigned int number)
{
	uint32_t i;

	s->c = c;
	s->number = number;
	s->random.state = c->seed * 1000003 + number;
	s->fd = homa_socket(c->server.sa.sa_family, 0);
	if (s->fd < 0 || homa_set_batch(s->fd, c->batch)) {
		fprintf(stderr, "homa_bench: homa_socket: %s\n", etran_strerror_detail());
		return BENCH_FAILED;
	}
	if (message_init(&s->in, c->zero_copy))
		return BENCH_FAILED;
	s->slots = calloc(c->outstanding, sizeof(*s->slots));
	if (!s->slots) {
		fprintf(stderr, "homa_bench: out of memory; free some\n");
		return BENCH_FAILED;
	}
	for (i = 0; i < c->outstanding; i++)
		s->slots[i].next = i + 1;
	if (c->count)
		s->quota = c->count / c->threads + (number < c->count % c->threads);
	return BENCH_OK;
}

static void sender_close(struct sender *s)
{
	if (s->fd >= 0)
		homa_close(s->fd);
	message_free(&s->in);
	free(s->slots);
	free(s->samples);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* One length, one RPC at a time: the median time. 0 after a failure. */
static uint64_t unloaded_time(struct sender *s, uint32_t size)
{
	uint64_t *times = calloc(s->c->base, sizeof(*times)), start, median, id;
	unsigned int i;
	ssize_t n;

	/* The first two warm up. */
	for (i = 0; times && i < s->c->base + 2; i++, s->seq++) {
		union address to = next_server(s);

		start = now_ns();
		if (homa_send(s->fd, payload(s->seq), size, &to.sa, address_len(&to), &id, 0, 0)) {
			fprintf(stderr, "homa_bench: homa_send: %s: %s\n", strerror(errno),
				etran_strerror_detail());
			break;
		}
		n = message_recv(s->fd, &s->in, 0, NULL, NULL, &id, NULL);
		if (n < 0) {
			fprintf(stderr, "homa_bench: no response from port %u: %s; is a homa_bench server there?\n",
				ntohs(to.in.sin_port), strerror(errno));
			break;
		}
		if (i >= 2)
			times[i - 2] = now_ns() - start;
		message_done(s->fd, &s->in);
	}
	if (!times || i < s->c->base + 2) {
		free(times);
		return 0;
	}
	qsort(times, s->c->base, sizeof(*times), by_value);
	median = times[(s->c->base - 1) / 2];
	free(times);
	return median;
}

static int measure_base(struct sender *s, struct result *r)
{
	uint32_t size, last = 0;
	uint64_t ns;
	int i;

	for (i = 0; i <= 20 && s->c->base; i++) {
		size = workload_length(&s->c->workload, i / 20.0);
		if (size == last)
			continue;
		last = size;
		ns = unloaded_time(s, size);
		if (!ns)
			return BENCH_FAILED;
		r->base[r->n_base].size = size;
		r->base[r->n_base++].ns = ns;
	}
	s->seq = 0;
	return BENCH_OK;
}

static uint64_t progress(const struct sender *s, unsigned int n)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += __atomic_load_n(&s[i].progress, __ATOMIC_ACQUIRE);
	return sum;
}

/* Waits for all; one that waits for what never comes loses its socket. */
static void join(struct sender *senders, const struct client *c)
{
	uint64_t was = 0, is, quiet_since = now_ns();
	struct timespec t;
	unsigned int i;

	for (i = 0; i < c->threads; i++) {
		for (;;) {
			clock_gettime(CLOCK_REALTIME, &t);
			t.tv_sec++;
			if (!pthread_timedjoin_np(senders[i].thread, NULL, &t))
				break;
			is = progress(senders, c->threads);
			if (is != was)
				quiet_since = now_ns();
			was = is;
			if (now_ns() - quiet_since < c->patience * NS_PER_S)
				continue;
			fprintf(stderr, "homa_bench: nothing has happened for %u s; what is missing is taken for lost\n",
				c->patience);
			homa_close(senders[i].fd);
			pthread_join(senders[i].thread, NULL);
			senders[i].fd = -1;
			break;
		}
	}
}

static uint64_t ns_of(struct timeval t)
{
	return t.tv_sec * NS_PER_S + t.tv_usec * 1000ULL;
}

static int collect(struct sender *senders, const struct client *c, struct result *r, uint64_t start)
{
	int status = BENCH_OK, e;
	uint64_t last = start;
	unsigned int i;

	for (i = 0; i < c->threads; i++)
		r->n += senders[i].n;
	r->samples = malloc((r->n ? r->n : 1) * sizeof(*r->samples));
	if (!r->samples) {
		fprintf(stderr, "homa_bench: out of memory; free some\n");
		return BENCH_FAILED;
	}
	r->n = 0;
	for (i = 0; i < c->threads; i++) {
		struct sender *s = &senders[i];

		memcpy(r->samples + r->n, s->samples, s->n * sizeof(*s->samples));
		r->n += s->n;
		r->sent += s->sum.sent;
		r->done += s->sum.done;
		r->verified += s->sum.verified;
		r->lost += s->sum.lost;
		r->late += s->sum.late;
		r->request_bytes += s->sum.request_bytes;
		r->response_bytes += s->sum.response_bytes;
		for (e = 0; e < MAX_ERRNO; e++)
			r->errors[e] += s->sum.errors[e];
		if (s->last > last)
			last = s->last;
		if (s->broken)
			status = BENCH_FAILED;
	}
	r->elapsed_ns = last - start;
	if (r->done < r->sent || (c->verify && r->verified < r->done))
		status = BENCH_FAILED;
	return status;
}

/* Starts all threads at once, and waits for them. */
static int measure(struct sender *senders, const struct client *c, struct result *r)
{
	struct rusage before, after;
	pthread_barrier_t barrier;
	uint64_t start, busy;
	unsigned int i;

	if (pthread_barrier_init(&barrier, NULL, c->threads + 1))
		return BENCH_FAILED;
	for (i = 0; i < c->threads; i++) {
		senders[i].start = &barrier;
		errno = pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]);
		if (errno) {
			/* Those that wait at the barrier cannot be told; the process ends. */
			perror("homa_bench: a thread cannot be started");
			exit(BENCH_FAILED);
		}
	}
	getrusage(RUSAGE_SELF, &before);
	busy = machine_busy_ns();
	start = now_ns();
	pthread_barrier_wait(&barrier);
	join(senders, c);
	getrusage(RUSAGE_SELF, &after);
	r->machine_ns = machine_busy_ns() - busy;
	r->user_ns = ns_of(after.ru_utime) - ns_of(before.ru_utime);
	r->system_ns = ns_of(after.ru_stime) - ns_of(before.ru_stime);
	pthread_barrier_destroy(&barrier);
	return collect(senders, c, r, start);
}

static int run(struct client *c)
{
	struct result r = {
		.workload = &c->workload, .threads = c->threads, .ports = c->ports,
		.mode = c->rate > 0 ? "open" : "closed", .answer = c->answer, .seed = c->seed,
		.verify = c->verify, .wanted = c->count,
		.load_mbps = c->rate * c->workload.mean * 8 / 1e6,
		.outstanding = c->rate > 0 ? 0 : c->outstanding,
	};
	struct sender *senders = calloc(c->threads, sizeof(*senders));
	int status = senders ? payload_init() : BENCH_FAILED;
	unsigned int i;

	for (i = 0; senders && i < c->threads; i++)
		senders[i].fd = -1;
	for (i = 0; !status && i < c->threads; i++)
		status = sender_open(&senders[i], c, i);
	if (!status)
		status = measure_base(&senders[0], &r);
	if (!status) {
		status = measure(senders, c, &r);
		if (!c->quiet)
			result_print(&r);
		if ((c->csv && result_csv(&r, c->csv)) || (c->json && result_json(&r, c->json)) ||
		    (c->raw && result_raw(&r, c->raw)))
			status = BENCH_FAILED;
	}
	for (i = 0; senders && i < c->threads; i++)
		sender_close(&senders[i]);
	free(senders);
	free(r.samples);
	return status;
}

/* Long options without a letter. */
enum { OPT_CSV = 256, OPT_JSON, OPT_RAW, OPT_SEED, OPT_NO_VERIFY, OPT_UNLOADED, OPT_PATIENCE };

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What is sent:", 1 },
	{ "workload", 'w', "W1..W5|FILE|BYTES", 0,
	  "Lengths of requests: a workload of the Homa papers, lines LENGTH,FRACTION of a file, or always so many bytes (default 32)", 1 },
	{ "answer", 'a', "BYTES", 0, "What the server was told: most bytes of a response (default: as the request)", 1 },
	{ "port", 'p', "PORT", 0, "The server's first port (default 4000)", 1 },
	{ "ports", 'n', "N", 0, "Requests go to so many ports in turn (default 1)", 1 },
	{ "threads", 't', "N", 0, "Threads that send, each with a socket of its own (default 1)", 1 },
	{ "batch", 'b', "N", 0, "Up to N requests of a thread leave together: homa_set_batch() (default 1)", 1 },
	{ "zero-copy", 'z', NULL, 0, "Receive without copying: homa_recv_pages()", 1 },
	{ NULL, 0, NULL, 0, "When:", 2 },
	{ "outstanding", 'o', "N", 0,
	  "Closed loop: each thread keeps N requests outstanding (default 1). Open loop: it has at most N (default 1000)", 2 },
	{ "load", 'l', "MBPS", 0,
	  "Open loop, a Poisson process: requests of all threads make up so many Mb/s of payload", 2 },
	{ "rate", 'r', "N", 0, "The same, as requests per second", 2 },
	{ NULL, 0, NULL, 0, "How long:", 3 },
	{ "count", 'c', "N", 0, "So many requests of all threads (default 1000, with --time no limit)", 3 },
	{ "time", 'd', "SECONDS", 0, "So long", 3 },
	{ "warm-up", 'W', "N", 0, "Requests of each thread before that are not counted (default 10)", 3 },
	{ "patience", OPT_PATIENCE, "SECONDS", 0,
	  "Give up when nothing has happened for so long (default 30)", 3 },
	{ NULL, 0, NULL, 0, "What comes of it:", 4 },
	{ "unloaded", 'u', "N", 0,
	  "RPCs of each length that tell how long one takes unloaded (default 10); 0: no slowdown", 4 },
	{ "no-verify", OPT_NO_VERIFY, NULL, 0, "Do not compare the bytes of responses", 4 },
	{ "csv", OPT_CSV, "FILE", 0, "Write a line for each tenth of the RPCs by length; '-' is stdout", 4 },
	{ "json", OPT_JSON, "FILE", 0, "Write all results as one JSON object; '-' is stdout", 4 },
	{ "raw", OPT_RAW, "FILE", 0, "Write bytes and ns of each RPC", 4 },
	{ "seed", OPT_SEED, "N", 0, "Of lengths and times (default 1)", 4 },
	{ "quiet", 'q', NULL, 0, "Print no text", 4 },
	{}
};

static double positive(struct argp_state *state, const char *what, const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v > 0) || v > 1e9)
		argp_error(state, "%s: '%s' is not a number above 0", what, text);
	return v;
}

static void parse_address(struct argp_state *state, struct client *c, const char *text)
{
	if (c->server.sa.sa_family)
		argp_error(state, "too many arguments: '%s'", text);
	if (inet_pton(AF_INET, text, &c->server.in.sin_addr) == 1) {
		c->server.sa.sa_family = AF_INET;
		return;
	}
	/* What lies there was part of no address. */
	c->server.in6.sin6_flowinfo = 0;
	if (inet_pton(AF_INET6, text, &c->server.in6.sin6_addr) != 1)
		argp_error(state, "'%s' is neither an IPv4 nor an IPv6 address", text);
	c->server.sa.sa_family = AF_INET6;
}

static void parse_end(struct argp_state *state, struct client *c)
{
	if (!c->server.sa.sa_family)
		argp_error(state, "the server's address is missing");
	if (ntohs(c->server.in.sin_port) + c->ports > HOMA_MIN_DEFAULT_PORT)
		argp_error(state, "--ports: the last would be %u; ports of servers end at %u",
			   ntohs(c->server.in.sin_port) + c->ports - 1, HOMA_MIN_DEFAULT_PORT - 1);
	if (c->load_mbps > 0 && c->rate > 0)
		argp_error(state, "--load and --rate say the same; give one");
	if (!c->workload.n && workload_load(&c->workload, "32"))
		exit(BENCH_USAGE);
	if (c->load_mbps > 0)
		c->rate = c->load_mbps * 1e6 / 8 / c->workload.mean;
	if (!c->outstanding)
		c->outstanding = c->rate > 0 ? 1000 : 1;
	if (!c->count && !c->seconds)
		c->count = 1000;
	if (c->count && c->count < c->threads)
		argp_error(state, "--count: there are more threads than requests");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct client *c = state->input;

	switch (key) {
	case 'w':
		if (workload_load(&c->workload, arg))
			exit(BENCH_USAGE);
		return 0;
	case 'a':
		c->answer = arg_number(state, "--answer", arg, 1, HOMA_MAX_MESSAGE_LENGTH);
		return 0;
	case 'p':
		c->server.in.sin_port = htons(arg_number(state, "--port", arg, 1, HOMA_MIN_DEFAULT_PORT - 1));
		return 0;
	case 'n':
		c->ports = arg_number(state, "--ports", arg, 1, MAX_PORTS);
		return 0;
	case 't':
		c->threads = arg_number(state, "--threads", arg, 1, MAX_THREADS);
		return 0;
	case 'o':
		c->outstanding = arg_number(state, "--outstanding", arg, 1, 100000);
		return 0;
	case 'l':
		c->load_mbps = positive(state, "--load", arg);
		return 0;
	case 'r':
		c->rate = positive(state, "--rate", arg);
		return 0;
	case 'c':
		c->count = arg_number(state, "--count", arg, 1, 1000000000);
		return 0;
	case 'd':
		c->seconds = arg_number(state, "--time", arg, 1, 86400);
		return 0;
	case 'W':
		c->warm_up = arg_number(state, "--warm-up", arg, 0, 1000000);
		return 0;
	case OPT_PATIENCE:
		c->patience = arg_number(state, "--patience", arg, 1, 86400);
		return 0;
	case 'u':
		c->base = arg_number(state, "--unloaded", arg, 0, 100000);
		return 0;
	case OPT_NO_VERIFY:
		c->verify = false;
		return 0;
	case OPT_CSV:
		c->csv = arg;
		return 0;
	case OPT_JSON:
		c->json = arg;
		return 0;
	case OPT_RAW:
		c->raw = arg;
		return 0;
	case OPT_SEED:
		c->seed = arg_number(state, "--seed", arg, 0, UINT32_MAX);
		return 0;
	case 'b':
		c->batch = arg_number(state, "--batch", arg, 1, HOMA_MAX_BATCH);
		return 0;
	case 'z':
		c->zero_copy = true;
		return 0;
	case 'q':
		c->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		parse_address(state, c, arg);
		return 0;
	case ARGP_KEY_END:
		parse_end(state, c);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int client_main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "ADDRESS",
		"Sends requests to a homa_bench server and measures the RPCs.\v"
		"Exit status: 0 when every RPC got the right response, 1 when not, 2 for wrong usage.",
	};
	struct client c = {
		.server.in.sin_port = htons(DEFAULT_PORT), .ports = 1, .threads = 1, .batch = 1, .warm_up = 10,
		.base = 10, .patience = 30, .seed = 1, .verify = true,
	};

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	return run(&c);
}
