// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The door to the network, opened when it is first needed, and what the environment says: etran-run(1).
 *
 * A child of fork() has no part in its parent's memory for payload; it opens a door of its own when it needs one. Its
 * copies of the parent's connections can be used as these are shared before (shared.c), but for those whose handshake is
 * under way; its listeners it replaces (lifecycle.c). Descriptors that it has of its parent's sockets keep these open,
 * as with the kernel's TCP, until it closes them; the parent's door it closes at once.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "preload.h"

__thread int inside __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct etran_tcp *tcp;
/* The door's descriptors. */
static int fds[4], nfds;
static bool failed;
static unsigned int forks;
static pid_t owner;
/* A bit for each port. */
static uint8_t ports[65536 / 8];
static bool all_ports = true, verbose;
static uint32_t rcvbuf, sndbuf;

void context_say(const char *format, ...)
{
	char text[512];
	va_list ap;
	int n, at;

	if (!verbose)
		return;
	at = snprintf(text, sizeof(text), "etran[%d]: ", (int)owner);
	va_start(ap, format);
	n = vsnprintf(text + at, sizeof(text) - at - 1, format, ap);
	va_end(ap);
	n = at + n > (int)sizeof(text) - 2 ? (int)sizeof(text) - 2 : at + n;
	text[n] = '\n';
	syscall(SYS_write, STDERR_FILENO, text, n + 1);
}

static uint32_t number(const char *name, uint32_t most)
{
	const char *text = getenv(name);
	unsigned long n;
	char *end;

	if (!text || !*text)
		return 0;
	errno = 0;
	n = strtoul(text, &end, 0);
	if (*end || errno || n > most) {
		fprintf(stderr, "etran: %s=%s has to be an integer up to %u; it is not used\n", name, text, most);
		return 0;
	}
	return n;
}

/* "80,443,8000-8099" */
static void read_ports(const char *text)
{
	unsigned long first, last;
	char *end;

	all_ports = false;
	while (*text) {
		first = last = strtoul(text, &end, 10);
		if (end != text && *end == '-')
			last = strtoul(end + 1, &end, 10);
		if (end == text || (*end && *end != ',') || first > last || last > 65535) {
			fprintf(stderr, "etran: ETRAN_PORTS: '%s' is no list of ports as 80,8000-8099; from there on it is not used\n",
				text);
			return;
		}
		for (; first <= last; first++)
			ports[first / 8] |= 1 << first % 8;
		text = *end ? end + 1 : end;
	}
}

static void before_fork(void)
{
	connections_share(true);
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	forks++;
	owner = getpid();
	tcp = NULL;
	failed = false;
	pthread_mutex_unlock(&lock);
	inside++;
	while (nfds) {
		real(close)(fds[--nfds]);
		table_clear_internal(fds[nfds]);
	}
	inside--;
	listeners_in_child();
}

/* Behind table.c's, whose lock is free then when in_child() runs. */
static void __attribute__((constructor(102))) begin(void)
{
	const char *text = getenv("ETRAN_PORTS");

	owner = getpid();
	verbose = getenv("ETRAN_VERBOSE") && *getenv("ETRAN_VERBOSE") != '0';
	if (text && *text && strcmp(text, "all"))
		read_ports(text);
	rcvbuf = number("ETRAN_RCVBUF", 8U << 20);
	sndbuf = number("ETRAN_SNDBUF", 128U << 20) / 1448;
	pthread_atfork(before_fork, in_parent, in_child);
}

unsigned int context_forks(void)
{
	return forks;
}

bool context_borrowed(void)
{
	return getpid() != owner;
}

bool context_port(uint16_t port)
{
	return all_ports || ports[port / 8] & 1 << port % 8;
}

struct etran_tcp *context_opened(void)
{
	return tcp;
}

struct etran_tcp *context_get(void)
{
	struct etran_tcp_config config = { .rcvbuf = rcvbuf, .sndbuf = sndbuf };

	if (context_borrowed())
		return NULL;
	pthread_mutex_lock(&lock);
	if (!tcp && !failed) {
		inside++;
		tcp = etran_tcp_open(&config);
		inside--;
		if (tcp) {
			int i;

			nfds = etran_tcp_fds(tcp, fds);
			for (i = 0; i < nfds; i++)
				table_set_internal(fds[i]);
		} else {
			failed = true;
			context_say("the kernel's TCP is used: %s", etran_strerror_detail());
		}
	}
	pthread_mutex_unlock(&lock);
	return tcp;
}
