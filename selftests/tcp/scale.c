// SPDX-License-Identifier: GPL-2.0
/*
 * Very many connections at once: bpf/tcp/tcp_large.bpf.c. Both hosts are in one kernel and share its table, so there they
 * are twice as many. What a connection and a round trip cost with 10 of them, with 1,000 and with all is printed, in
 * instructions, as the clock counts these; and what memory of this process an idle one needs.
 *
 * ETRAN_TEST_COUNT=100000: so many connections, not the usual number. full_table.c is the same with a small table that is
 * used to its last slots.
 */
#include "tcp_test.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	400

#define PORT		8200
#define LISTENERS	64
#ifndef CONNS_USUALLY
#define OBJECT		"tcp_large"
#define CONNS_USUALLY	20000
#endif
#define CONNS_MAX	120000
/* Closing takes no minute for each of them. */
#define SET		"--set tcp_time_wait_ms=500 --set tcp_fin_timeout_ms=2000"

static struct etran_socket *client[CONNS_MAX], *server[CONNS_MAX];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Connections from @from to @to, one after the other. What each costs, both ends; 0: one could not be made. */
static uint64_t open_some(struct etran_tcp *a, struct etran_socket **l, int from, int to)
{
	uint64_t began = now_ns();
	union address addr;
	int i;

	for (i = from; i < to; i++) {
		addr = address_of(HOST_B, PORT + i % LISTENERS);
		client[i] = etran_socket(a, family, 0);
		if (!client[i] || etran_connect(client[i], &addr.sa, address_len())) {
			printf("# connection %d: %s\n", i, etran_strerror_detail());
			return 0;
		}
		server[i] = etran_accept(l[i % LISTENERS], NULL, NULL, 0);
		if (!server[i])
			return 0;
	}
	return (now_ns() - began) / (to - from);
}

/* A byte there and one back, on @n connections, @step apart. What each costs; 0: one failed. */
static uint64_t ping(int n, int step)
{
	uint64_t began = now_ns();
	uint8_t c;
	int i;

	for (i = 0; i < n; i++) {
		struct etran_socket *a = client[i * step], *b = server[i * step];

		c = i;
		if (etran_send(a, &c, 1, 0) != 1 || etran_recv(b, &c, 1, 0) != 1 || c != (uint8_t)i)
			return 0;
		c++;
		if (etran_send(b, &c, 1, 0) != 1 || etran_recv(a, &c, 1, 0) != 1 || c != (uint8_t)(i + 1))
			return 0;
	}
	return (now_ns() - began) / n;
}

/* The same, without what is done the first time only. */
static uint64_t trip_cost(int n, int step)
{
	return ping(n, step) ? ping(n, step) : 0;
}

/* Bytes of memory of this process. */
static uint64_t memory(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (uint64_t)pages * sysconf(_SC_PAGESIZE);
}

/* What etranctl lists in that state. */
static int listed(const char *state)
{
	char cmd[128], buf[32] = "-1";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "etranctl conn tcp --state %s | tail -n +2 | wc -l", state);
	f = popen(cmd, "r");
	if (f && !fgets(buf, sizeof(buf), f))
		snprintf(buf, sizeof(buf), "-1");
	if (f)
		pclose(f);
	return atoi(buf);
}

TEST(many_connections)
{
	int i, conns = atoi(getenv("ETRAN_TEST_COUNT") ?: "0") ?: CONNS_USUALLY;
	uint64_t connect[3], trip[3], before, after;
	struct etran_socket *l[LISTENERS];
	struct bpf_map_info info;
	struct etran_tcp *a, *b;

	ASSERT_TRUE(conns >= 2000 && conns <= CONNS_MAX) TH_LOG("ETRAN_TEST_COUNT: from 2000 to %d", CONNS_MAX);
	b = context_with(HOST_B, 4096, 4096);
	ASSERT_NE(NULL, b);
	for (i = 0; i < LISTENERS; i++) {
		union address any = { .in.sin_family = family, .in.sin_port = htons(PORT + i) };

		l[i] = etran_socket(b, family, 0);
		ASSERT_NE(NULL, l[i]);
		ASSERT_EQ(0, etran_bind(l[i], &any.sa, address_len()));
		ASSERT_EQ(0, etran_listen(l[i], 64)) TH_LOG("%s", etran_strerror_detail());
	}
	a = context_with(HOST_A, 4096, 4096);
	ASSERT_NE(NULL, a);
	ASSERT_NE(0, open_some(a, l, 0, 10));
	trip[0] = trip_cost(10, 1);
	ASSERT_NE(0, trip[0]);
	connect[0] = open_some(a, l, 10, 110);
	ASSERT_NE(0, connect[0]);
	ASSERT_NE(0, open_some(a, l, 110, 900));
	connect[1] = open_some(a, l, 900, 1000);
	ASSERT_NE(0, connect[1]);
	trip[1] = trip_cost(100, 10);
	ASSERT_NE(0, trip[1]);
	before = memory();
	ASSERT_NE(0, open_some(a, l, 1000, conns - 100));
	after = memory();
	connect[2] = open_some(a, l, conns - 100, conns);
	ASSERT_NE(0, connect[2]);
	ASSERT_EQ(2 * conns, conns_used());
	ASSERT_EQ(2 * conns, listed("estab"));
	trip[2] = trip_cost(100, conns / 100);
	ASSERT_NE(0, trip[2]);
	/* Each of them is there. */
	ASSERT_NE(0, ping(conns, 1));
	close(transport_map("tcp", "conns", &info));
	printf("# an idle connection: %u bytes of its map, and of both applications' memory %llu\n",
	       info.value_size, (unsigned long long)(after - before) / (conns - 1100));
	for (i = 0; i < 3; i++)
		printf("# with %d connections: to connect %llu, a round trip %llu\n",
		       i == 2 ? conns : i ? 1000 : 10, (unsigned long long)connect[i],
		       (unsigned long long)trip[i]);
	EXPECT_EQ(0, tcp_counter("queue_full"));
	EXPECT_EQ(0, tcp_counter("rx_syn_dropped"));
	EXPECT_EQ(0, tcp_counter("tx_cookie"));
	etran_tcp_close(a);
	etran_tcp_close(b);
	EXPECT_TRUE(idle(0, 60));
	EXPECT_EQ(0, tcp_counter("frame_stale"));
}

int main(int argc, char **argv)
{
	setenv("TCP_OBJECT", OBJECT, 1);
	hosts_up(1500, "BOTH", SET);
	return test_harness_run(argc, argv);
}
