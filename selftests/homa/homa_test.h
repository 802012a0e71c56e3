/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the Homa tests share: two hosts, sockets on them, payload that can be checked, and what the
 * kernel knows. See libhoma_test.c.
 *
 * A program sets its hosts up once, in main() (TEST_HARNESS_MAIN_WITH_HOSTS), because loading a transport takes
 * seconds on an emulated machine; each test then runs in a process of its own.
 */
#ifndef HOMA_TEST_H
#define HOMA_TEST_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>

#include <homa.h>

/* The harness defines functions, so it can be in one file of a program only. */
#ifndef HOMA_TEST_LIB
#include "kselftest_harness.h"

/* A machine that QEMU emulates is 20 to 50 times slower than a real one. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	100
#endif

enum host { HOST_A, HOST_B };

#define ADDR_A	0x0a4d0001U
#define ADDR_B	0x0a4d0002U
#define ADDR6_A	"fd77::1"
#define ADDR6_B	"fd77::2"

/* AF_INET, unless a test sets AF_INET6: family of sockets and addresses made by the functions below. */
extern int homa_family;

/* An address of that family. */
union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* hosts_up() arguments */
#define HOSTS_BOTH	"BOTH"		/* etran on both */
#define HOSTS_WIRE	"A"		/* etran on HOST_A only, HOST_B is a wire's end */
#define HOSTS_PEER	"PEER"		/* etran on HOST_A, another Homa on HOST_B: homa-interop/ */
#define HOSTS_BARE	"BARE"		/* the module is loaded, nothing more */

/**
 * hosts_up() - make the hosts and load Homa; ends the program when that fails
 *
 * When the program exits, all is removed again; its exit status is 1 when that fails.
 * @mtu: of the veth devices
 * @which: HOSTS_*
 * @set: "--set" arguments for etranctl load, "" for none
 */
void hosts_up(int mtu, const char *which, const char *set);

/* The calling thread is on that host from here on. */
void enter(enum host host);

/* Homa socket on a host; port 0: a client. -1 with errno. Leaves the thread on that host. */
int sock_on(enum host host, uint16_t port);
/* The port of a socket, host byte order; 0 on failure */
uint16_t sock_port(int fd);

struct sockaddr_in addr_of(enum host host, uint16_t port);
/* The same of either family, and its length. */
union address address_of(enum host host, uint16_t port);
socklen_t address_len(void);
/* Are host and port the same? */
bool address_is(const union address *a, const union address *b);

/* Payload that tells where and whose it is. */
void fill(void *buf, size_t len, uint64_t seed);
/* Offset of the first wrong byte, -1 when all are right. */
ssize_t wrong(const void *buf, size_t len, uint64_t seed);

uint64_t now_ms(void);

/* homa_send() to a server on HOST_B */
int request(int fd, uint16_t port, const void *buf, size_t len, uint64_t *id, uint64_t cookie);
/* homa_recv() of a response: the one of *@id, or of any RPC when *@id is 0 */
ssize_t response(int fd, void *buf, size_t room, uint64_t *id, uint64_t *cookie);

/**
 * struct echo_server - threads that answer each request with its own bytes
 * @fd: socket
 * @threads: how many
 * @thread: they
 * @served: requests answered
 * @bad: calls that failed, but for those that ended the thread
 */
struct echo_server {
	int fd;
	int threads;
	pthread_t thread[8];
	uint64_t served;
	uint64_t bad;
};

/* Return: 0, or -1 with errno. */
int echo_start(struct echo_server *s, enum host host, uint16_t port, int threads);
void echo_stop(struct echo_server *s);

/* A counter of the module by name; ends the program when there is none of that name. */
uint64_t counter(const char *name);
/* One of the transport's own, without COUNTER_. */
uint64_t homa_counter(const char *name);
/* Entries in one of the transport's hash maps; -1 when it cannot be read. */
int map_entries(const char *map);
/* Bytes of the grant budget in use, of all links. */
uint64_t budget_used(void);

/**
 * idle() - wait until the kernel knows nothing of any RPC, frame or endpoint any more
 * @seconds: at most
 *
 * Return: NULL, or a text that says what is left.
 */
const char *idle(int seconds);
/* The same but for endpoints, of which tests in progress have some. */
const char *rpcs_idle(int seconds);

#define ASSERT_IDLE(seconds)	do {					\
	const char *left_ = idle(seconds);				\
	ASSERT_TRUE(!left_) TH_LOG("left: %s", left_);			\
} while (0)

#define ASSERT_RPCS_IDLE(seconds) do {					\
	const char *left_ = rpcs_idle(seconds);				\
	ASSERT_TRUE(!left_) TH_LOG("left: %s", left_);			\
} while (0)

#define TEST_HARNESS_MAIN_WITH_HOSTS(mtu, which, set)			\
	int main(int argc, char **argv)					\
	{								\
		hosts_up(mtu, which, set);				\
		return test_harness_run(argc, argv);			\
	}

/* The same, with a variable in the environment of hosts.sh. */
#define TEST_HARNESS_MAIN_WITH_HOSTS_ENV(mtu, which, set, name, value)	\
	int main(int argc, char **argv)					\
	{								\
		setenv(name, value, 1);					\
		hosts_up(mtu, which, set);				\
		return test_harness_run(argc, argv);			\
	}

#endif /* HOMA_TEST_H */
