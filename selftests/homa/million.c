// SPDX-License-Identifier: GPL-2.0
/*
 * RPC after RPC over a wire that loses one packet in a thousand: when the last of very many has ended,
 * no more memory is in use than when a tenth of them had: the kernel's, that of Homa's maps, of the module,
 * of this process, which has the library's. With one million it takes minutes, so it is fewer unless
 * ETRAN_TEST_COUNT=1000000 ETRAN_TEST_TIMEOUT=3000 says so.
 */
#include <dirent.h>
#include <fcntl.h>
#include <bpf/bpf.h>
#include "link.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	3600

#define PORT		300
#define USUALLY		30000
/* Outstanding at a time. */
#define WINDOW		32
#define PINS		"/sys/fs/bpf/etran/homa"
/*
 * What the kernel may use more: its caches come and go. One object of 64 bytes for each of 900,000 RPCs
 * would be 57 MB.
 */
#define SLACK_KB	3000

/**
 * struct memory - what is in use when no RPC is under way
 * @kernel_kb: slabs that nothing can reclaim
 * @vmalloc_kb: of vmalloc()
 * @percpu_kb: of each CPU
 * @maps_kb: of Homa's maps
 * @process_kb: of this process
 */
struct memory {
	long kernel_kb;
	long vmalloc_kb;
	long percpu_kb;
	long maps_kb;
	long process_kb;
};

/* A line "NAME: VALUE" of a file of that form; -1 when there is none. */
static long line_of(const char *path, const char *name)
{
	char text[256];
	long value = -1;
	FILE *f = fopen(path, "re");

	while (f && fgets(text, sizeof(text), f))
		if (!strncmp(text, name, strlen(name)) && text[strlen(name)] == ':')
			value = atol(text + strlen(name) + 1);
	if (f)
		fclose(f);
	return value;
}

/* -1 when one of them cannot be looked at. */
static long maps_kb(void)
{
	struct dirent *d;
	long bytes = 0, one;
	char path[512];
	int fd, n = 0;
	DIR *dir = opendir(PINS);

	while (dir && (d = readdir(dir))) {
		if (*d->d_name == '.')
			continue;
		snprintf(path, sizeof(path), PINS "/%s", d->d_name);
		fd = bpf_obj_get(path);
		if (fd < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		one = line_of(path, "map_type") < 0 ? 0 : line_of(path, "memlock");
		close(fd);
		if (one < 0)
			return -1;
		bytes += one;
		n += one > 0;
	}
	if (dir)
		closedir(dir);
	return n ? bytes / 1024 : -1;
}

static int memory_now(struct memory *m)
{
	/* What is freed after a grace period, or waits for a page to fill, is not in use. */
	sleep(2);
	m->kernel_kb = line_of("/proc/meminfo", "SUnreclaim");
	m->vmalloc_kb = line_of("/proc/meminfo", "VmallocUsed");
	m->percpu_kb = line_of("/proc/meminfo", "Percpu");
	m->maps_kb = maps_kb();
	m->process_kb = line_of("/proc/self/status", "VmRSS");
	return m->kernel_kb < 0 || m->vmalloc_kb < 0 || m->percpu_kb < 0 || m->maps_kb < 0 ||
	       m->process_kb < 0 ? -1 : 0;
}

static size_t size_of(unsigned int i)
{
	if (i % 1000 == 500)
		return 100000;
	if (i % 100 == 50)
		return 10000;
	return 8 + i % 200;
}

/* RPCs from number @from to before @to, of which none is under way before or afterwards. */
static void rpcs(struct __test_metadata *_metadata, int fd, unsigned int from, unsigned int to,
		 uint8_t *ended)
{
	static uint8_t buf[100000];
	unsigned int sent = from, received = from;
	uint64_t id, rpc;
	ssize_t n;

	while (received < to) {
		while (sent < to && sent - received < WINDOW) {
			fill(buf, size_of(sent), sent);
			ASSERT_EQ(0, request(fd, PORT, buf, size_of(sent), &id, sent));
			sent++;
		}
		id = 0;
		n = response(fd, buf, sizeof(buf), &id, &rpc);
		ASSERT_LT(0, n) TH_LOG("RPC %llu: errno %d", (unsigned long long)rpc, errno);
		ASSERT_LT(rpc, to);
		ASSERT_EQ(0, ended[rpc]++);
		ASSERT_EQ(size_of(rpc), n);
		ASSERT_EQ(-1, wrong(buf, n, rpc));
		received++;
	}
	ASSERT_RPCS_IDLE(30);
}

static void log_memory(struct __test_metadata *_metadata, const char *when, const struct memory *m)
{
	TH_LOG("%s: kernel %ld KB of slabs, %ld KB of vmalloc(), %ld KB per CPU; maps %ld KB; process %ld KB",
	       when, m->kernel_kb, m->vmalloc_kb, m->percpu_kb, m->maps_kb, m->process_kb);
}

TEST(no_memory_grows)
{
	unsigned int count = atoi(getenv("ETRAN_TEST_COUNT") ?: "0") ?: USUALLY;
	struct echo_server server;
	struct memory early, late;
	uint64_t lost, open;
	uint8_t *ended;
	int fd;

	ended = malloc(count);
	ASSERT_TRUE(ended != NULL);
	memset(ended, 0, count);
	ASSERT_EQ(0, echo_start(&server, HOST_B, PORT, 1));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	lost = link_counter(HOST_A, "wire_lost");
	ASSERT_EQ(0, link_set_both("loss", 1000));
	open = counter("endpoints") + counter("channels");

	rpcs(_metadata, fd, 0, count / 10, ended);
	ASSERT_EQ(0, memory_now(&early));
	log_memory(_metadata, "after a tenth", &early);
	rpcs(_metadata, fd, count / 10, count, ended);
	ASSERT_EQ(0, memory_now(&late));
	log_memory(_metadata, "after all", &late);
	TH_LOG("%u RPCs, %llu packets lost of one direction", count,
	       (unsigned long long)(link_counter(HOST_A, "wire_lost") - lost));

	EXPECT_GE(early.kernel_kb + SLACK_KB, late.kernel_kb);
	EXPECT_GE(early.vmalloc_kb + SLACK_KB, late.vmalloc_kb);
	EXPECT_GE(early.percpu_kb + SLACK_KB, late.percpu_kb);
	EXPECT_GE(early.maps_kb + SLACK_KB, late.maps_kb);
	EXPECT_GE(early.process_kb + SLACK_KB, late.process_kb);
	EXPECT_EQ(open, counter("endpoints") + counter("channels"));
	EXPECT_EQ(0, counter("frames_held"));
	EXPECT_LT(lost, link_counter(HOST_A, "wire_lost"));

	ASSERT_EQ(0, link_set_both("loss", 0));
	homa_close(fd);
	echo_stop(&server);
	EXPECT_EQ(0, server.bad);
	EXPECT_EQ(count, server.served);
	EXPECT_EQ(0, homa_counter("rpc_failed"));
	ASSERT_IDLE(30);
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

LINK_MAIN("")
