/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* homa_bench's own interfaces, file by file. Functions that fail have said why on stderr. */
#ifndef BENCH_H
#define BENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <homa.h>

/* Exit statuses, see the man page. */
enum { BENCH_OK, BENCH_FAILED, BENCH_USAGE };

#define DEFAULT_PORT	4000
#define MAX_PORTS	64
#define MAX_THREADS	64

/* Of either version of IP. The port lies at the same place in both. */
union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline socklen_t address_len(const union address *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

/* ---- main.c -------------------------------------------------------------------------------- */

int server_main(int argc, char **argv);
int client_main(int argc, char **argv);

/* A number from @min to @max, or an error of argp's. */
struct argp_state;
unsigned long arg_number(struct argp_state *state, const char *what, const char *text,
			 unsigned long min, unsigned long max);
/* CLOCK_MONOTONIC, ns */
uint64_t now_ns(void);

/* ---- payload.c ----------------------------------------------------------------------------- */

/*
 * What is sent: @len bytes that depend on @seq. No byte is written for that, they lie in memory that both
 * sides make alike; two messages that follow each other differ in nearly all bytes.
 */
const uint8_t *payload(uint64_t seq);
int payload_init(void);

/* ---- message.c ----------------------------------------------------------------------------- */

/**
 * struct message - what was received
 * @buf: room for a copy; NULL: it stays where it is
 * @iov: its pieces
 * @n: how many
 */
struct message {
	uint8_t *buf;
	struct iovec *iov;
	int n;
};

int message_init(struct message *m, bool zero_copy);
void message_free(struct message *m);
/* As homa_recv(). */
ssize_t message_recv(int fd, struct message *m, int flags, union address *src, size_t *addrlen,
		     uint64_t *id, uint64_t *cookie);
/* Its bytes are not used any more. */
void message_done(int fd, struct message *m);
bool message_is(const struct message *m, const uint8_t *bytes);

/* ---- workload.c ---------------------------------------------------------------------------- */

#define WORKLOAD_POINTS	256

/**
 * struct workload - a distribution of message lengths
 * @name: as given
 * @n: points
 * @length: of the messages, bytes, increasing
 * @fraction: of messages that are not longer, increasing to 1
 * @mean: bytes, of lengths cut at HOMA_MAX_MESSAGE_LENGTH
 */
struct workload {
	char name[64];
	unsigned int n;
	double length[WORKLOAD_POINTS];
	double fraction[WORKLOAD_POINTS];
	double mean;
};

/* W1 to W5, a file with lines "LENGTH,FRACTION", or a number of bytes. */
int workload_load(struct workload *w, const char *what);
/* The length that so large a fraction of messages does not exceed. */
uint32_t workload_length(const struct workload *w, double fraction);

/* ---- random.c ------------------------------------------------------------------------------ */

struct random {
	uint64_t state;
};

/* In [0, 1). */
double random_unit(struct random *r);
/* Between two events of a Poisson process, in units of the mean. */
double random_exponential(struct random *r);

/* ---- result.c ------------------------------------------------------------------------------ */

/**
 * struct sample - an RPC that got its response
 * @ns: from when it was due to when its response had been received
 * @size: bytes of its request
 * @seq: in which order they were sent
 */
struct sample {
	uint64_t ns;
	uint32_t size;
	uint32_t seq;
};

#define MAX_BASE	32
#define MAX_ERRNO	134
#define MAX_GROUPS	10

/**
 * struct result - what came of a run
 * @workload: of what
 * @mode: "closed", "open"
 * @load_mbps: asked for, 0 when closed
 * @outstanding: of each thread, 0 when open
 * @threads: clients
 * @ports: the server's
 * @answer: most bytes of a response, 0: as the request
 * @seed: of lengths and times
 * @verify: were responses compared?
 * @wanted: RPCs that were to be sent, 0 when time ended it
 * @sent: RPCs
 * @done: got a response
 * @verified: of those, with the right bytes
 * @lost: neither response nor error
 * @late: RPCs that could not be sent when they were due, because too much was under way
 * @errors: RPCs that failed, by errno
 * @request_bytes: of those that are done
 * @response_bytes: likewise
 * @elapsed_ns: from the first request to the last response
 * @user_ns: time of the processor of this process
 * @system_ns: likewise
 * @machine_ns: of all processors of this machine, softirqs included, at anything but idling
 * @samples: of each RPC that is done, in no order
 * @n: of @samples
 * @base: unloaded: length and time, increasing lengths
 * @n_base: 0 when it was not measured
 */
struct result {
	const struct workload *workload;
	const char *mode;
	double load_mbps;
	unsigned int outstanding;
	unsigned int threads;
	unsigned int ports;
	uint32_t answer;
	unsigned long seed;
	bool verify;
	uint64_t wanted;
	uint64_t sent;
	uint64_t done;
	uint64_t verified;
	uint64_t lost;
	uint64_t late;
	uint64_t errors[MAX_ERRNO];
	uint64_t request_bytes;
	uint64_t response_bytes;
	uint64_t elapsed_ns;
	uint64_t user_ns;
	uint64_t system_ns;
	uint64_t machine_ns;
	struct sample *samples;
	size_t n;
	struct {
		uint32_t size;
		uint64_t ns;
	} base[MAX_BASE];
	unsigned int n_base;
};

/* Time of the machine's processors at anything but idling, ns; 0 when it cannot be told. */
uint64_t machine_busy_ns(void);
void result_print(struct result *r);
int result_csv(struct result *r, const char *path);
int result_json(struct result *r, const char *path);
int result_raw(struct result *r, const char *path);

#endif /* BENCH_H */
