/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the C tests: the module, two hosts that are joined by a veth pair with a link device
 * at each end, and counters.
 *
 * The hosts are network namespaces without a name, held by descriptors: they go with the process,
 * whatever happens to it. Addresses are fixed (10.0.0.1 and .2, fd00::1 and ::2, MAC 02:00:00:00:00:0a and :0b) and
 * both neighbours are known, so that no test waits for ARP unless it is about that.
 *
 * Everything here returns 0 or -1 after printing why, for ASSERT_EQ(0, ...).
 */
#ifndef ETRAN_TEST_H
#define ETRAN_TEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/etran.h>
#include <linux/if_link.h>

#define ET_ADDR_A	"10.0.0.1"
#define ET_ADDR_B	"10.0.0.2"
#define ET_ADDR6_A	"fd00::1"
#define ET_ADDR6_B	"fd00::2"
#define ET_MAC_A	"02:00:00:00:00:0a"
#define ET_MAC_B	"02:00:00:00:00:0b"
/* How long a test waits for what must happen; emulated machines are slow, and see et_timeouts(). */
#define ET_PATIENCE_MS	(et_debug() ? 20000 : 5000)

/* A shell that has a command ip of its own needs the path of the real one. */
#ifndef ET_IP
#define ET_IP		"ip"
#endif

#define ET_UNUSED	__attribute__((unused))

static ET_UNUSED int et_fail(const char *format, ...)
{
	int err = errno;
	va_list ap;

	printf("# ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf(" (errno %d: %s)\n", err, strerror(err));
	fflush(stdout);
	errno = err;
	return -1;
}

static ET_UNUSED uint64_t et_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* Wait for a condition that nothing can be slept on for, a millisecond at a time. */
#define et_wait_for(condition)							\
({										\
	uint64_t et_end = et_now_ms() + ET_PATIENCE_MS;				\
	bool et_ok;								\
	while (!(et_ok = !!(condition)) && et_now_ms() < et_end)		\
		usleep(1000);							\
	et_ok;									\
})

/* A number from the environment, or the usual one. */
static ET_UNUSED uint64_t et_env(const char *name, uint64_t usual)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : usual;
}

/* Whether this is the debug kernel, on which everything takes ten times as long. */
static ET_UNUSED bool et_debug(void)
{
	const char *lab = getenv("ETRAN_LAB");

	return lab && !strcmp(lab, "debug");
}

#ifdef __KSELFTEST_HARNESS_H
/*
 * Time limits: ETRAN_TEST_TIMEOUT, in seconds, replaces that of each case, and on the debug kernel they
 * are four times as long; as in ./run for the whole program.
 */
static ET_UNUSED void et_timeouts(void)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout = et_env("ETRAN_TEST_TIMEOUT",
					    et_debug() ? t->timeout * 4 : t->timeout);
}
#endif

/* ---- commands and paths ---- */

/* Runs a shell command. Its output is shown when it fails. */
static ET_UNUSED int et_sh(const char *format, ...)
{
	char cmd[2048], out[1024];
	va_list ap;
	size_t n;
	FILE *p;
	int rc;

	va_start(ap, format);
	vsnprintf(cmd, sizeof(cmd) - 8, format, ap);
	va_end(ap);
	strcat(cmd, " 2>&1");
	p = popen(cmd, "re");
	if (!p)
		return et_fail("popen %s", cmd);
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = 0;
	rc = pclose(p);
	if (rc) {
		errno = 0;
		return et_fail("'%s' failed, status %d: %s", cmd, rc, out);
	}
	return 0;
}

/* The path of a file that was built; @rel from this program's own directory. */
static ET_UNUSED const char *et_path(const char *rel)
{
	static char path[PATH_MAX * 2];
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return rel;
	self[n] = 0;
	*strrchr(self, '/') = 0;
	snprintf(path, sizeof(path), "%s/%s", self, rel);
	return path;
}

/* Bytes of the kernel's log since @mark, for messages; et_log_mark() sets the mark. */
static char et_log_buf[1 << 20];

static ET_UNUSED int et_log_mark(void)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	static int n;
	char line[64];

	snprintf(line, sizeof(line), "etran selftest mark %d.%d", getpid(), ++n);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		return et_fail("/dev/kmsg");
	close(fd);
	return n;
}

static ET_UNUSED bool et_log_has(int mark, const char *text)
{
	char line[64], *from;
	int n = klogctl(3, et_log_buf, sizeof(et_log_buf) - 1);

	if (n < 0)
		return false;
	et_log_buf[n] = 0;
	snprintf(line, sizeof(line), "etran selftest mark %d.%d", getpid(), mark);
	from = strstr(et_log_buf, line);
	return from && strstr(from, text);
}

/* ---- the module ---- */

static ET_UNUSED const char *et_module_path(void)
{
	static char path[PATH_MAX];
	struct utsname u;

	if (getenv("ETRAN_MODULE"))
		return getenv("ETRAN_MODULE");
	uname(&u);
	snprintf(path, sizeof(path), "../../module/%s/etran.ko", u.release);
	return et_path(path);
}

/* The module of selftests/testnic. */
static ET_UNUSED const char *et_testnic_path(void)
{
	static char path[PATH_MAX];
	struct utsname u;

	if (getenv("ETRAN_TESTNIC"))
		return getenv("ETRAN_TESTNIC");
	uname(&u);
	snprintf(path, sizeof(path), "../testnic/%s/testnic.ko", u.release);
	return et_path(path);
}

static ET_UNUSED int et_insert(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return et_fail("%s", path);
	err = syscall(SYS_finit_module, fd, params, 0);
	close(fd);
	return err ? et_fail("loading %s", path) : 0;
}

/*
 * References go a moment after what they belonged to, so "in use" may linger. That is bounded: it
 * is a failure when it does not end.
 */
static ET_UNUSED int et_remove(const char *name)
{
	if (!et_wait_for(!syscall(SYS_delete_module, name, O_NONBLOCK) || errno == ENOENT))
		return et_fail("the module %s cannot be unloaded", name);
	return 0;
}

static ET_UNUSED int et_testnic_load(void)
{
	return et_insert(et_testnic_path(), "");
}

static ET_UNUSED int et_testnic_unload(void)
{
	return et_remove("testnic");
}

static ET_UNUSED bool et_module_loaded(void)
{
	return !access("/sys/module/etran", F_OK);
}

static ET_UNUSED int et_module_load_with(const char *params)
{
	if (et_module_loaded()) {
		errno = EEXIST;
		return et_fail("the module etran is loaded already, by something else");
	}
	return et_insert(et_module_path(), params);
}

static ET_UNUSED int et_module_load(void)
{
	return et_module_load_with("");
}

static ET_UNUSED int et_module_unload(void)
{
	return et_remove("etran");
}

static ET_UNUSED int et_device(void)
{
	int fd = open("/dev/etran", O_RDWR | O_CLOEXEC);

	return fd < 0 ? et_fail("/dev/etran") : fd;
}

/* A counter's value; UINT64_MAX when there is none of that name. */
static ET_UNUSED uint64_t et_counter(unsigned int scope, uint32_t id, const char *name)
{
	struct etran_counter c[128] = {};
	struct etran_counters q = {
		.scope = scope, .id = id, .count = 128, .buf = (uintptr_t)c,
	};
	uint64_t value = UINT64_MAX;
	int fd = et_device();
	uint32_t i;

	if (fd < 0)
		return value;
	if (ioctl(fd, ETRAN_IOC_COUNTERS, &q))
		et_fail("ETRAN_IOC_COUNTERS, scope %u id %u", scope, id);
	else
		for (i = 0; i < q.count && i < 128; i++)
			if (!strcmp(c[i].name, name))
				value = c[i].value;
	close(fd);
	return value;
}

#define et_count(name)	et_counter(ETRAN_COUNTERS_MODULE, 0, name)

/* Every counter of the module, to compare with later. */
struct et_counters {
	struct etran_counter c[128];
	uint32_t n;
};

static ET_UNUSED int et_counters_read(struct et_counters *s, unsigned int scope, uint32_t id)
{
	struct etran_counters q = {
		.scope = scope, .id = id, .count = 128, .buf = (uintptr_t)s->c,
	};
	int fd = et_device(), err;

	if (fd < 0)
		return -1;
	err = ioctl(fd, ETRAN_IOC_COUNTERS, &q);
	close(fd);
	s->n = q.count;
	return err ? et_fail("ETRAN_IOC_COUNTERS") : 0;
}

static ET_UNUSED uint64_t et_value(const struct et_counters *s, const char *name)
{
	uint32_t i;

	for (i = 0; i < s->n; i++)
		if (!strcmp(s->c[i].name, name))
			return s->c[i].value;
	printf("# no counter %s\n", name);
	return UINT64_MAX;
}

/* Whether what came in is accounted for. */
static ET_UNUSED int et_conserved(unsigned int scope, uint32_t id)
{
	struct et_counters s;
	uint64_t v[4];
	int i;
	static const char * const sums[][6] = {
		{ "frames_accepted", "frames_transmitted", "frames_dropped", "frames_held",
		  "frames_queued", "frames_retained" },
		{ "packets_built", "packets_sent", "packets_dropped" },
		{ "rx_packets", "rx_delivered", "rx_consumed", "rx_passed", "rx_dropped" },
	};

	if (et_counters_read(&s, scope, id))
		return -1;
	for (i = 0; i < (scope == ETRAN_COUNTERS_ENDPOINT ? 1 : 3); i++) {
		uint64_t sum = 0;
		int k;

		for (k = 1; k < 6 && sums[i][k]; k++)
			sum += et_value(&s, sums[i][k]);
		v[0] = et_value(&s, sums[i][0]);
		if (v[0] != sum) {
			errno = 0;
			return et_fail("%s is %llu, but what became of them is %llu", sums[i][0],
				       (unsigned long long)v[0], (unsigned long long)sum);
		}
	}
	return 0;
}

/* ---- hosts ---- */

struct et_host {
	int ns;			/* descriptor of its network namespace */
	unsigned int ifindex;	/* of veth0 */
	uint32_t link;		/* id of etran0, which is on top of it */
	unsigned int link_ifindex;
	uint32_t addr;		/* network byte order */
	uint8_t mac[6];
};

struct et_hosts {
	struct et_host a, b;
	int home;		/* the network namespace of the test */
};

/* The calling thread goes to a host; sockets that it opens are there. */
static ET_UNUSED int et_enter(int ns)
{
	return setns(ns, CLONE_NEWNET) ? et_fail("setns") : 0;
}

/* etran0 on top of veth0 of the host where we are. */
static ET_UNUSED int et_link_info(struct et_host *h)
{
	struct etran_link_info q = {};
	int fd = et_device(), err;

	if (fd < 0)
		return -1;
	h->ifindex = if_nametoindex("veth0");
	h->link_ifindex = if_nametoindex("etran0");
	q.ifindex = h->link_ifindex;
	err = ioctl(fd, ETRAN_IOC_LINK, &q);
	close(fd);
	if (err)
		return et_fail("ETRAN_IOC_LINK etran0");
	h->link = q.id;
	return 0;
}

/* Two hosts; with @queues a link device of so many queues on each. */
static ET_UNUSED int et_hosts_up(struct et_hosts *t, unsigned int queues)
{
	static const char * const side[2][6] = {
		{ ET_ADDR_A, ET_MAC_A, ET_ADDR_B, ET_MAC_B, ET_ADDR6_A, ET_ADDR6_B },
		{ ET_ADDR_B, ET_MAC_B, ET_ADDR_A, ET_MAC_A, ET_ADDR6_B, ET_ADDR6_A },
	};
	struct et_host *h[2] = { &t->a, &t->b };
	char link[128] = "";
	int i;

	t->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (i = 1; i >= 0; i--) {
		if (unshare(CLONE_NEWNET))
			return et_fail("a new network namespace");
		h[i]->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (h[i]->ns < 0)
			return et_fail("/proc/self/ns/net");
	}
	/* We are in a. */
	if (et_sh(ET_IP " link add veth0 address %s type veth peer name veth0 address %s netns /proc/%d/fd/%d",
		  ET_MAC_A, ET_MAC_B, getpid(), t->b.ns))
		return -1;
	if (queues)
		snprintf(link, sizeof(link),
			 "link add etran0 link veth0 numrxqueues %u type etran\nlink set etran0 up\n",
			 queues);
	for (i = 0; i < 2; i++) {
		const char * const *s = side[i];

		if (et_enter(h[i]->ns) ||
		    et_sh("printf 'link set lo up\nlink set veth0 addrgenmode none\naddr add %s/24 dev veth0\naddr add %s/64 dev veth0 nodad\nlink set veth0 up\nneigh replace %s lladdr %s nud permanent dev veth0\nneigh replace %s lladdr %s nud permanent dev veth0\n%s' | " ET_IP " -batch -",
			  s[0], s[4], s[2], s[3], s[5], s[3], link))
			return -1;
		h[i]->addr = inet_addr(s[0]);
		sscanf(s[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &h[i]->mac[0], &h[i]->mac[1],
		       &h[i]->mac[2], &h[i]->mac[3], &h[i]->mac[4], &h[i]->mac[5]);
		h[i]->ifindex = if_nametoindex("veth0");
		if (queues && et_link_info(h[i]))
			return -1;
	}
	return et_enter(t->a.ns);
}

/* The XDP program @fd on veth0 of both hosts. */
static ET_UNUSED int et_hosts_xdp(struct et_hosts *t, int fd)
{
	struct et_host *h[2] = { &t->a, &t->b };
	int i, err;

	for (i = 0; i < 2; i++) {
		if (et_enter(h[i]->ns))
			return -1;
		err = bpf_xdp_attach(h[i]->ifindex, fd, XDP_FLAGS_DRV_MODE, NULL);
		if (err) {
			errno = -err;
			return et_fail("XDP on veth0");
		}
	}
	return et_enter(t->a.ns);
}

/* How many link devices there are in all network namespaces; -1 on error. */
static ET_UNUSED int et_links(void)
{
	struct etran_link_info q;
	int fd = et_device(), n = 0;
	uint32_t next = 0;

	if (fd < 0)
		return -1;
	for (;; n++) {
		memset(&q, 0, sizeof(q));
		q.id = next;
		q.flags = ETRAN_LINK_ALL_NETNS;
		if (ioctl(fd, ETRAN_IOC_LINK, &q))
			break;
		next = q.id + 1;
	}
	close(fd);
	return errno == ENODEV ? n : et_fail("ETRAN_IOC_LINK");
}

/* Removes the hosts and looks that their link devices went too. */
static ET_UNUSED int et_hosts_down(struct et_hosts *t)
{
	int err = 0;

	if (!t->home)
		return 0;
	if (!et_enter(t->a.ns) && if_nametoindex("veth0"))
		err = et_sh(ET_IP " link del veth0");
	et_enter(t->home);
	close(t->a.ns);
	close(t->b.ns);
	close(t->home);
	if (et_module_loaded() && !et_wait_for(et_links() == 0)) {
		errno = 0;
		return et_fail("%d link devices are left", et_links());
	}
	return err;
}

#endif /* ETRAN_TEST_H */
