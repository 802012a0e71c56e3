// SPDX-License-Identifier: GPL-2.0
/* See homa_test.h. */
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <sys/wait.h>

#define HOMA_TEST_LIB
#include "homa_test.h"
#include "../transport_test.h"

int homa_family = AF_INET;

static int netns[2] = { -1, -1 };
static pid_t main_pid;

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

void hosts_up(int mtu, const char *which, const char *set)
{
	char cmd[1024];

	main_pid = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(cmd, sizeof(cmd), "bash hosts.sh up %d %s %s >&2", mtu, which, set);
	atexit(hosts_down);
	if (system(cmd)) {
		printf("Bail out! the hosts cannot be made: %s\n", cmd);
		exit(1);
	}
	netns[HOST_A] = open("/run/netns/homa_a", O_RDONLY | O_CLOEXEC);
	netns[HOST_B] = open("/run/netns/homa_b", O_RDONLY | O_CLOEXEC);
	if (netns[HOST_A] < 0 || netns[HOST_B] < 0)
		die("open network namespace");
}

void enter(enum host host)
{
	if (setns(netns[host], CLONE_NEWNET))
		die("setns");
}

int sock_on(enum host host, uint16_t port)
{
	union address any = { .in6.sin6_family = homa_family };
	int fd, err;

	any.in6.sin6_port = htons(port);
	enter(host);
	fd = homa_socket(homa_family, 0);
	if (fd < 0)
		printf("# homa_socket: %s\n", etran_strerror_detail());
	if (fd < 0 || !port || !homa_bind(fd, &any.sa, address_len()))
		return fd;
	err = errno;
	homa_close(fd);
	errno = err;
	return -1;
}

uint16_t sock_port(int fd)
{
	union address a;
	socklen_t len = sizeof(a);

	/* The port lies at the same place in both. */
	return homa_getsockname(fd, &a.sa, &len) ? 0 : ntohs(a.in.sin_port);
}

struct sockaddr_in addr_of(enum host host, uint16_t port)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(host == HOST_A ? ADDR_A : ADDR_B),
	};
}

union address address_of(enum host host, uint16_t port)
{
	union address a = { .in6.sin6_family = AF_INET6, .in6.sin6_port = htons(port) };

	if (homa_family == AF_INET)
		a.in = addr_of(host, port);
	else
		inet_pton(AF_INET6, host == HOST_A ? ADDR6_A : ADDR6_B, &a.in6.sin6_addr);
	return a;
}

socklen_t address_len(void)
{
	return homa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

bool address_is(const union address *a, const union address *b)
{
	if (a->sa.sa_family != b->sa.sa_family || a->in.sin_port != b->in.sin_port)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16);
}

static uint64_t word(uint64_t seed, size_t index)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ULL + index * 0xd1342543de82ef95ULL;

	return x ^ x >> 29;
}

void fill(void *buf, size_t len, uint64_t seed)
{
	uint8_t *b = buf;
	uint64_t w;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		w = word(seed, i / 8);
		memcpy(b + i, &w, 8);
	}
	w = word(seed, i / 8);
	memcpy(b + i, &w, len - i);
}

ssize_t wrong(const void *buf, size_t len, uint64_t seed)
{
	const uint8_t *b = buf;
	uint64_t w, have;
	size_t i, k;

	for (i = 0; i < len; i += 8) {
		w = word(seed, i / 8);
		have = ~w;
		memcpy(&have, b + i, len - i < 8 ? len - i : 8);
		for (k = 0; k < 8 && i + k < len; k++)
			if (((uint8_t *)&w)[k] != ((uint8_t *)&have)[k])
				return i + k;
	}
	return -1;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

int request(int fd, uint16_t port, const void *buf, size_t len, uint64_t *id, uint64_t cookie)
{
	union address to = address_of(HOST_B, port);

	return homa_send(fd, buf, len, &to.sa, address_len(), id, cookie, 0);
}

ssize_t response(int fd, void *buf, size_t room, uint64_t *id, uint64_t *cookie)
{
	return homa_recv(fd, buf, room, HOMA_RECV_RESPONSE, NULL, NULL, id, NULL, cookie);
}

static void *echo_thread(void *arg)
{
	struct echo_server *s = arg;
	union address client;
	size_t addrlen, len;
	uint64_t id;
	ssize_t n;
	void *buf;

	buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	if (!buf)
		die("malloc");
	for (;;) {
		id = 0;
		addrlen = sizeof(client);
		n = homa_recv(s->fd, buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
			      &client.sa, &addrlen, &id, &len, NULL);
		if (n < 0 && (errno == EBADF || errno == ENETDOWN || errno == ESHUTDOWN))
			break;
		if (n >= 0 && !homa_reply(s->fd, buf, n, &client.sa, addrlen, id))
			__sync_fetch_and_add(&s->served, 1);
		else if (!__sync_fetch_and_add(&s->bad, 1))
			printf("# echo server: %s: errno %d, %s\n", n < 0 ? "homa_recv" : "homa_reply", errno,
			       etran_strerror_detail());
	}
	free(buf);
	return NULL;
}

int echo_start(struct echo_server *s, enum host host, uint16_t port, int threads)
{
	memset(s, 0, sizeof(*s));
	s->fd = sock_on(host, port);
	if (s->fd < 0)
		return -1;
	for (; s->threads < threads; s->threads++)
		if (pthread_create(&s->thread[s->threads], NULL, echo_thread, s))
			die("pthread_create");
	return 0;
}

void echo_stop(struct echo_server *s)
{
	int i;

	homa_close(s->fd);
	for (i = 0; i < s->threads; i++)
		pthread_join(s->thread[i], NULL);
}

uint64_t counter(const char *name)
{
	return module_counter(name);
}

uint64_t homa_counter(const char *name)
{
	return transport_counter("homa", name);
}

int map_entries(const char *map)
{
	struct bpf_map_info info;
	int n = 0, fd;
	void *key;

	if (!strcmp(map, "rpcs"))
		return transport_slots_used("homa", "rpc_slots");
	/* These have an array, too, and a port each. */
	if (!strcmp(map, "endpoints"))
		map = "ports";
	fd = transport_map("homa", map, &info);
	if (fd < 0)
		return -1;
	key = calloc(1, info.key_size);
	if (!key)
		die("calloc");
	if (!bpf_map_get_next_key(fd, NULL, key))
		do {
			n++;
		} while (!bpf_map_get_next_key(fd, key, key));
	free(key);
	close(fd);
	return n;
}

uint64_t budget_used(void)
{
	struct bpf_map_info info;
	uint64_t v, sum = 0;
	int fd = transport_map("homa", "incoming", &info);
	uint32_t i;

	if (fd < 0)
		die("map \"incoming\"");
	for (i = 0; i < info.max_entries; i++)
		if (!bpf_map_lookup_elem(fd, &i, &v))
			sum += v;
	close(fd);
	return sum;
}

static const char *wait_idle(int seconds, bool endpoints)
{
	uint64_t end = now_ms() + seconds * 1000;
	static char text[256];
	int rpcs, ports, eps;
	uint64_t held, budget, open;

	for (;;) {
		rpcs = map_entries("rpcs");
		held = counter("frames_held");
		budget = budget_used();
		eps = endpoints ? map_entries("endpoints") : 0;
		ports = endpoints ? map_entries("ports") : 0;
		open = endpoints ? counter("endpoints") + counter("channels") : 0;
		if (!rpcs && !held && !budget && !eps && !ports && !open)
			return NULL;
		if (now_ms() >= end)
			break;
		usleep(5000);
	}
	snprintf(text, sizeof(text),
		 "%d RPCs, %llu frames held, %llu bytes granted, %d endpoints and %d ports in Homa's maps, %llu endpoints and AF_XDP sockets in the module",
		 rpcs, (unsigned long long)held, (unsigned long long)budget, eps, ports,
		 (unsigned long long)open);
	return text;
}

const char *idle(int seconds)
{
	return wait_idle(seconds, true);
}

const char *rpcs_idle(int seconds)
{
	return wait_idle(seconds, false);
}
