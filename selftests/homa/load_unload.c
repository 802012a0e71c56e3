// SPDX-License-Identifier: GPL-2.0
/*
 * Homa is loaded and unloaded 200 times while programs use it. They get errors, make new sockets
 * and go on; afterwards nothing is left. Some rounds are etranctl's; loading the object takes most
 * of the time there, so in the others it is loaded once and its transport attached and detached,
 * which is what can go wrong under traffic.
 */
#include <net/if.h>
#include <linux/if_link.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "homa_test.h"

#define PORT		1000
#define ETRANCTL_ROUNDS	5
#define ROUNDS		195

static volatile bool stop;

/**
 * struct user - a program that uses Homa while it can
 * @thread: it
 * @server: it answers; else it asks
 * @sockets: sockets made
 * @done: RPCs completed or answered
 * @wrong: responses that were wrong
 */
struct user {
	pthread_t thread;
	bool server;
	uint64_t sockets;
	uint64_t done;
	uint64_t wrong;
};

static void serve(struct user *u, int fd, uint8_t *buf)
{
	struct sockaddr_in from, sin = addr_of(HOST_B, PORT);
	size_t addrlen;
	uint64_t id;
	ssize_t n;

	if (homa_bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return;
	for (;;) {
		id = 0;
		addrlen = sizeof(from);
		n = homa_recv(fd, buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
			      (struct sockaddr *)&from, &addrlen, &id, NULL, NULL);
		if (n < 0 || homa_reply(fd, buf, n, (struct sockaddr *)&from, addrlen, id))
			return;
		u->done++;
	}
}

static void ask(struct user *u, int fd, uint8_t *buf)
{
	size_t len;
	uint64_t id;
	ssize_t n;

	while (!stop) {
		len = u->done % 8 == 7 ? 60000 : 300;
		fill(buf, len, u->done);
		if (request(fd, PORT, buf, len, &id, 0))
			return;
		n = response(fd, buf, HOMA_MAX_MESSAGE_LENGTH, &id, NULL);
		if (n < 0 && (errno == ENETDOWN || errno == ESHUTDOWN))
			return;
		if (n < 0) {
			usleep(1000);
			continue;
		}
		if (n != (ssize_t)len || wrong(buf, n, u->done) >= 0)
			u->wrong++;
		u->done++;
	}
}

static void *use(void *arg)
{
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	struct user *u = arg;
	int fd;

	enter(u->server ? HOST_B : HOST_A);
	while (!stop) {
		fd = homa_socket(AF_INET, 0);
		if (fd < 0) {
			usleep(1000);
			continue;
		}
		u->sockets++;
		if (u->server)
			serve(u, fd, buf);
		else
			ask(u, fd, buf);
		homa_close(fd);
	}
	free(buf);
	return NULL;
}

static uint64_t done(const struct user *u, int n)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum += *(volatile uint64_t *)&u[i].done;
	return sum;
}

/* Traffic has to have begun before the transport goes again. */
static void wait_for_rpcs(struct __test_metadata *_metadata, struct user *u, int n, uint64_t rpcs)
{
	uint64_t end = now_ms() + 10000, before = done(u, n);

	while (done(u, n) < before + rpcs && now_ms() < end)
		usleep(500);
	ASSERT_LE(before + rpcs, done(u, n));
}

/* What etranctl does besides, once: link devices and the dispatcher on both hosts. */
static struct bpf_object *devices(struct __test_metadata *_metadata, const char *build)
{
	struct bpf_object *obj;
	char path[256];
	int h, fd;

	ASSERT_EQ(0, system("for h in a b; do ip -n homa_$h link add link v0 name etran0 type etran && ip -n homa_$h link set etran0 up || exit 1; done"));
	snprintf(path, sizeof(path), "%s/bpf/dispatcher.bpf.o", build);
	obj = bpf_object__open_file(path, NULL);
	ASSERT_NE(NULL, obj);
	ASSERT_EQ(0, bpf_object__load(obj));
	fd = bpf_program__fd(bpf_object__next_program(obj, NULL));
	for (h = HOST_A; h <= HOST_B; h++) {
		enter(h);
		ASSERT_EQ(0, bpf_xdp_attach(if_nametoindex("v0"), fd, XDP_FLAGS_DRV_MODE, NULL));
	}
	return obj;
}

TEST(two_hundred_rounds_under_traffic)
{
	const char *build = getenv("ETRAN_BUILD") ?: "../../build";
	struct user u[5] = { { .server = true }, { .server = true } };
	struct bpf_object *dispatcher, *homa;
	struct bpf_link *link;
	struct bpf_map *map;
	uint64_t refused, t;
	char path[256];
	int i, h;

	libbpf_set_print(NULL);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, pthread_create(&u[i].thread, NULL, use, &u[i]));

	t = now_ms();
	for (i = 0; i < ETRANCTL_ROUNDS; i++) {
		ASSERT_EQ(0, system("bash hosts.sh load BOTH >/dev/null 2>&1"));
		wait_for_rpcs(_metadata, u, 5, 2);
		ASSERT_EQ(0, system("etranctl unload homa >/dev/null"));
	}
	TH_LOG("%d rounds of etranctl: %llu ms", ETRANCTL_ROUNDS, (unsigned long long)(now_ms() - t));

	dispatcher = devices(_metadata, build);
	snprintf(path, sizeof(path), "%s/bpf/homa.bpf.o", build);
	homa = bpf_object__open_file(path, NULL);
	ASSERT_NE(NULL, homa);
	ASSERT_EQ(0, bpf_object__load(homa));
	map = bpf_object__find_map_by_name(homa, "homa");
	ASSERT_NE(NULL, map);
	t = now_ms();
	for (i = 0; i < ROUNDS; i++) {
		link = bpf_map__attach_struct_ops(map);
		ASSERT_NE(NULL, link) TH_LOG("round %d: errno %d", i, errno);
		/* Mostly at once, in the middle of somebody's socket or bind. */
		if (i % 10 == 0)
			wait_for_rpcs(_metadata, u, 5, 2);
		else
			usleep(i % 7 * 1000);
		ASSERT_EQ(0, bpf_link__destroy(link));
	}
	TH_LOG("%d rounds by hand: %llu ms", ROUNDS, (unsigned long long)(now_ms() - t));

	link = bpf_map__attach_struct_ops(map);
	ASSERT_NE(NULL, link);
	wait_for_rpcs(_metadata, u, 5, 20);
	stop = true;
	ASSERT_EQ(0, bpf_link__destroy(link));
	for (i = 0; i < 5; i++) {
		pthread_join(u[i].thread, NULL);
		EXPECT_EQ(0, u[i].wrong);
		EXPECT_LT(20, u[i].sockets);
		EXPECT_TRUE(u[i].server || u[i].done > 20);
	}

	for (t = now_ms() + 5000; now_ms() < t &&
	     counter("endpoints") + counter("channels") + counter("frames_held") +
	     counter("frames_retained");)
		usleep(5000);
	EXPECT_EQ(0, counter("endpoints"));
	EXPECT_EQ(0, counter("channels"));
	EXPECT_EQ(0, counter("frames_held") + counter("frames_retained"));
	EXPECT_EQ(counter("frames_accepted"),
		  counter("frames_transmitted") + counter("frames_dropped"));
	refused = counter("bad_verdict");
	EXPECT_EQ(0, refused);
	for (h = HOST_A; h <= HOST_B; h++) {
		enter(h);
		EXPECT_EQ(0, bpf_xdp_detach(if_nametoindex("v0"), XDP_FLAGS_DRV_MODE, NULL));
	}
	EXPECT_EQ(0, system("for h in a b; do ip -n homa_$h link del etran0 || exit 1; done"));
	bpf_object__close(homa);
	bpf_object__close(dispatcher);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BARE, "")
