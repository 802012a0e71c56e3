/* SPDX-License-Identifier: GPL-2.0 */
/*
 * redis-server and redis-benchmark as they come, over the kernel's TCP and, by the shim, over etran's: what a request of 50 clients
 * costs, all of redis' own work included. A run is a redis-benchmark of its own, so what it costs to begin and to connect is in
 * both N and 2N, and in neither's difference.
 *
 * The shim leaves to the kernel what etran cannot take; so each run looks who made the connections.
 */
#ifndef BENCH_REDIS_H
#define BENCH_REDIS_H

#include <fcntl.h>
#include "hosts.h"

#define REDIS_PORT	"6379"
#define REDIS_CLIENTS	"50"
#define REDIS_SERVER	"/bench/redis-server"
#define REDIS_BENCHMARK	"/bench/redis-benchmark"
#define REDIS_SHIM	"/bench/libetran-preload.so"

static pid_t redis_kernel, redis_etran;

/* A program on this host, quiet, with the shim or without. Return: its process */
static pid_t redis_start(const char * const *argv, bool etran, int ns)
{
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	if (etran)
		setenv("LD_PRELOAD", REDIS_SHIM, 1);
	if (!et_enter(ns))
		execv(argv[0], (char * const *)argv);
	_exit(127);
}

/* Connections that the kernel's TCP began on this host; -1 when it does not say. */
static long kernel_connections(void)
{
	FILE *f = fopen("/proc/net/snmp", "re");
	char line[512];
	long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tcp: %*d %*d %*d %*d %ld", &n) != 1)
			n = -1;
	if (f)
		fclose(f);
	return n;
}

/* @n requests of all clients together. Return: 0, -1 */
static int redis_requests(const char *name, unsigned int n, bool etran)
{
	char count[16];
	const char *argv[] = { REDIS_BENCHMARK, "-h", etran ? etran_b : tcp_b, "-p", REDIS_PORT, "-c",
			       REDIS_CLIENTS, "-n", count, "-t", strstr(name, "redis_get") ? "get" : "set", "-q", NULL };
	long before = kernel_connections(), made;
	int status = -1;
	pid_t pid;

	snprintf(count, sizeof(count), "%u", n);
	pid = redis_start(argv, etran, hosts.a.ns);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return -1;
	made = kernel_connections() - before;
	return etran ? made : made < atoi(REDIS_CLIENTS);
}

/* Does anybody accept connections there? redis-benchmark waits for ever when nobody does. */
static bool redis_listens(const char *addr)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(REDIS_PORT)),
				  .sin_addr.s_addr = inet_addr(addr) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = !connect(fd, (struct sockaddr *)&to, sizeof(to));

	close(fd);
	return yes;
}

/* A server, and it answers. Return: its process; -1 after saying why not */
static pid_t redis_serve(bool etran)
{
	const char * const argv[] = { REDIS_SERVER, "--bind", etran ? etran_b : tcp_b, "--port", REDIS_PORT, "--save", "",
				      "--appendonly", "no", "--protected-mode", "no", NULL };
	pid_t pid = redis_start(argv, etran, hosts.b.ns);
	int tries, status;

	for (tries = 0; pid > 0 && tries < 50 && waitpid(pid, &status, WNOHANG) != pid; tries++) {
		usleep(100000);
		if (redis_listens(argv[2]))
			break;
	}
	if (pid > 0 && !redis_requests("redis_set", 50, etran))
		return pid;
	errno = 0;
	return bench_fail("redis-server over %s TCP does not answer", etran ? "etran's" : "the kernel's");
}

static int redis_run(const struct bench_case *c, unsigned int ops, bool etran)
{
	errno = 0;
	return redis_requests(c->name, ops, etran) ?
		bench_fail("redis-benchmark over %s TCP failed, or the kernel made the wrong connections",
			   etran ? "etran's" : "the kernel's") : 0;
}

static int redis_over_kernel(const struct bench_case *c, unsigned int ops)
{
	return redis_run(c, ops, false);
}

static int redis_over_etran(const struct bench_case *c, unsigned int ops)
{
	return redis_run(c, ops, true);
}

/* The queue of the client before is free a moment after that has ended. */
static int redis_prepare(const struct bench_case *c)
{
	usleep(200000);
	return 0;
}

/* What programs that choose none have, of either host. Only the first namespace says what others may choose. */
static int redis_congestion(const char *name)
{
	const int ns[] = { open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC), hosts.a.ns, hosts.b.ns };
	int i, err = 0;

	for (i = 0; name && !err && i < 3; i++)
		err = et_enter(ns[i]) || et_sh("echo %s >/proc/sys/net/ipv4/tcp_%scongestion_control", name,
					       i ? "" : "allowed_");
	close(ns[0]);
	return et_enter(hosts.a.ns) || err ? -1 : 0;
}

static int redis_up(const char *congestion, bool etran)
{
	if (redis_congestion(congestion))
		return -1;
	redis_kernel = redis_serve(false);
	if (redis_kernel > 0 && etran)
		redis_etran = redis_serve(true);
	return redis_kernel < 0 || redis_etran < 0 ? -1 : 0;
}

static void redis_down(void)
{
	stop(&redis_etran);
	stop(&redis_kernel);
}

#endif /* BENCH_REDIS_H */
