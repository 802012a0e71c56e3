/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the TCP tests share: two hosts (hosts.sh), etran's sockets and the kernel's on them, payload that can be checked,
 * and what the transport counts.
 *
 * A program sets its hosts up once, in main() (TCP_MAIN), because loading a transport takes seconds on an
 * emulated machine; each test then runs in a process of its own.
 */
#ifndef TCP_TEST_H
#define TCP_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <etran_tcp.h>

#include "kselftest_harness.h"
#include "../direct.h"
#include "../link.h"
#include "../transport_test.h"
#include "stream.h"

/* A machine that QEMU emulates is 20 to 50 times slower than a real one. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	20

enum host { HOST_A, HOST_B };

/*
 * What joins the hosts. A program that runs another's cases elsewhere says so before it includes that one: LINK_TESTNIC, or
 * LINK_DIRECT, where etran's sockets are on queues of testnic themselves, zero-copy.
 */
#define LINK_VETH	0
#define LINK_TESTNIC	1
#define LINK_DIRECT	2
#ifndef TCP_LINK
#define TCP_LINK	LINK_VETH
#endif

/* The device of either host, for commands. */
#if TCP_LINK == LINK_VETH
#define DEV_A	"v0"
#define DEV_B	"v0"
#else
#define DEV_A	"tn0"
#define DEV_B	"tn1"
#endif

#define ADDR_A	0x0a4e0001U
#define ADDR_B	0x0a4e0002U
#define ADDR6_A	"fd78::1"
#define ADDR6_B	"fd78::2"

static int netns[2] = { -1, -1 };
static pid_t main_pid;
/* AF_INET, unless a test sets AF_INET6: family of sockets and addresses made by the functions below. */
static int family = AF_INET;

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static void hosts_down(void)
{
	/* A test's process that calls exit() is not meant. */
	if (getpid() != main_pid)
		return;
	fflush(stdout);
	close(netns[HOST_A]);
	close(netns[HOST_B]);
	if (system("bash hosts.sh down")) {
		printf("# hosts.sh down failed\n");
		fflush(stdout);
		_exit(1);
	}
}

/* @which: KERNEL, WIRE or BOTH; @set: "--set" arguments for etranctl load */
static TT_UNUSED void hosts_up(int mtu, const char *which, const char *set)
{
	char cmd[1024];

	main_pid = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (TCP_LINK != LINK_VETH)
		setenv("TCP_DEVICE", "testnic", 1);
	if (TCP_LINK == LINK_DIRECT && !kernel_would_have_direct())
		ksft_exit_skip("this kernel has no AF_XDP hook (module/patches)\n");
	if (TCP_LINK == LINK_DIRECT)
		setenv("TCP_QUEUES", "8", 1);
	snprintf(cmd, sizeof(cmd), "bash hosts.sh up %d %s %s >&2", mtu, which, set);
	atexit(hosts_down);
	if (system(cmd)) {
		printf("Bail out! the hosts cannot be made: %s\n", cmd);
		exit(1);
	}
	netns[HOST_A] = open("/run/netns/tcp_a", O_RDONLY | O_CLOEXEC);
	netns[HOST_B] = open("/run/netns/tcp_b", O_RDONLY | O_CLOEXEC);
	if (netns[HOST_A] < 0 || netns[HOST_B] < 0)
		die("open network namespace");
	if (TCP_LINK != LINK_DIRECT)
		return;
	/* What arrives does so at the queue of the first context of each host, at which the driver fills its buffers. */
	if (link_set_both("rx_queue", 1) || link_set_both("tx_batch", 1))
		exit(1);
	setenv("ETRAN_NIC_QUEUES", "1-7", 1);
}

#define TCP_MAIN(mtu, which, set)						\
	int main(int argc, char **argv)						\
	{									\
		hosts_up(mtu, which, set);					\
		return test_harness_run(argc, argv);				\
	}

/* The calling thread is on that host from here on. */
static TT_UNUSED void enter(enum host host)
{
	if (setns(netns[host], CLONE_NEWNET))
		die("setns");
}

static TT_UNUSED union address address_of(enum host host, uint16_t port)
{
	union address a = { .in6.sin6_family = family, .in6.sin6_port = htons(port) };

	if (family == AF_INET)
		a.in.sin_addr.s_addr = htonl(host == HOST_A ? ADDR_A : ADDR_B);
	else
		inet_pton(AF_INET6, host == HOST_A ? ADDR6_A : ADDR6_B, &a.in6.sin6_addr);
	return a;
}

static TT_UNUSED socklen_t address_len(void)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static TT_UNUSED uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* A context on a host with so many frames each way; NULL after printing why not. */
static TT_UNUSED struct etran_tcp *context_with(enum host host, uint32_t frames, uint32_t rcvbuf)
{
	struct etran_tcp_config config = { .channel = { .tx_frames = frames, .rx_frames = frames },
					   .rcvbuf = rcvbuf };
	struct etran_tcp *t;

	enter(host);
	t = etran_tcp_open(&config);
	if (!t)
		printf("# etran_tcp_open: %s\n", etran_strerror_detail());
	return t;
}

static TT_UNUSED struct etran_tcp *context(enum host host, uint32_t rcvbuf)
{
	return context_with(host, 1024, rcvbuf);
}

/* One of the transport's counters, without COUNTER_. */
static TT_UNUSED uint64_t tcp_counter(const char *name)
{
	return transport_counter("tcp", name);
}

/* A tunable of the loaded transport gets another value, for all tests that follow. False: it does not. */
static TT_UNUSED bool tunable(const char *name, unsigned int value)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "etranctl set tcp.%s=%u >&2", name, value);
	return !system(cmd);
}

/* Connections in the transport's table; -1 when that cannot be read. */
static TT_UNUSED int conns_used(void)
{
	return transport_slots_used("tcp", "conn_slots");
}

/* A counter of the module. */
static TT_UNUSED uint64_t counter(const char *name)
{
	return module_counter(name);
}

/* Wait until the table has at most @conns connections, and no frame is held. True: so it is. */
static TT_UNUSED bool idle(int conns, int seconds)
{
	uint64_t end = now_ms() + seconds * 1000;

	for (;;) {
		if (conns_used() <= conns && !counter("frames_held") && !counter("frames_retained"))
			return true;
		if (now_ms() >= end)
			break;
		usleep(5000);
	}
	printf("# left: %d connections, %llu frames held, %llu retained\n", conns_used(),
	       (unsigned long long)counter("frames_held"),
	       (unsigned long long)counter("frames_retained"));
	return false;
}

/* A setting of the kernel's TCP on a host, where the thread is from then on. */
static TT_UNUSED int sysctl_set(enum host host, const char *name, const char *value)
{
	char path[128];
	FILE *f;
	int err;

	enter(host);
	snprintf(path, sizeof(path), "/proc/thread-self/root/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "we");
	err = !f || fputs(value, f) < 0;
	if (f && fclose(f))
		err = 1;
	if (err)
		printf("# %s: %s\n", path, strerror(errno));
	return -err;
}

/* Kernel sockets, on the host where the thread is. -1 with errno. */
static TT_UNUSED int kernel_listen(uint16_t port, int backlog)
{
	union address a = address_of(HOST_B, port);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &a.sa, address_len()) || listen(fd, backlog)) {
		close(fd);
		return -1;
	}
	return fd;
}

static TT_UNUSED int kernel_connect(uint16_t port)
{
	union address a = address_of(HOST_A, port);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -1;
	if (connect(fd, &a.sa, address_len())) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/**
 * struct kernel_end - a thread on HOST_B with the kernel's end of a connection
 * @thread: it
 * @fd: connection; the thread closes it
 * @out: bytes that it sends, stream @seed
 * @in: bytes that it expects, stream @seed + 1
 * @seed: see there
 * @got: bytes that came, right ones
 * @bad: what went wrong: 0 nothing
 * @last: who sends ends its direction only when this one, which receives, is through; or NULL
 */
struct kernel_end {
	pthread_t thread;
	int fd;
	uint64_t out;
	uint64_t in;
	uint64_t seed;
	uint64_t got;
	int bad;
	struct kernel_end *last;
};

static TT_UNUSED void *kernel_sends(void *arg)
{
	struct kernel_end *k = arg;
	static __thread uint8_t b[65536];
	uint64_t at = 0;

	while (at < k->out) {
		size_t n = k->out - at < sizeof(b) ? k->out - at : sizeof(b);
		ssize_t w;

		stream_fill(b, k->seed, at, n);
		w = send(k->fd, b, n, MSG_NOSIGNAL);
		if (w <= 0) {
			k->bad = errno;
			return NULL;
		}
		at += w;
	}
	if (k->last)
		pthread_join(k->last->thread, NULL);
	shutdown(k->fd, SHUT_WR);
	return NULL;
}

static TT_UNUSED void *kernel_receives(void *arg)
{
	struct kernel_end *k = arg;
	static __thread uint8_t b[65536];
	ssize_t n;

	while ((n = recv(k->fd, b, sizeof(b), 0)) > 0) {
		if (stream_wrong(b, k->seed + 1, k->got, n) >= 0) {
			k->bad = EBADMSG;
			return NULL;
		}
		k->got += n;
	}
	if (n < 0)
		k->bad = errno;
	else if (k->got != k->in)
		k->bad = ENODATA;
	return NULL;
}

#endif /* TCP_TEST_H */
