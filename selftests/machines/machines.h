/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests with two machines share: both are made ready, a server runs on the other one, and nothing is left on either. */
#ifndef MACHINES_H
#define MACHINES_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include "remote.h"

/* machine.sh on either machine. */
#define HERE	"bash machine.sh "
#define THERE	"bash %s/selftests/machines/machine.sh "

static const char *top, *tests;

/* Wait until the other machine runs. */
static bool other_is_there(int seconds)
{
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end) {
		if (!remote("true"))
			return true;
		usleep(200000);
	}
	return false;
}

/* Start a server over there, which says "ready". Return: a descriptor, whose close() ends it; -1: it does not begin. */
#define serve_there(...) server_ready(remote_start("exec " __VA_ARGS__))

static int server_ready(int fd)
{
	char word[256] = "";

	if (fd >= 0 && read(fd, word, sizeof(word) - 1) > 0 && !strncmp(word, "ready", 5))
		return fd;
	printf("# the other machine's server: %s\n", word);
	close(fd);
	return -1;
}

static int local(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int local(const char *format, ...)
{
	char line[4096];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fflush(stdout);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Both machines are ready, whatever a test that was cut short left. What machine.sh up is told behind NUMBER. */
static bool machines_up(const char *here, const char *there)
{
	return other_is_there(300) && !local(HERE "down") && !remote(THERE "down", top) &&
	       !local(HERE "up 1 %s", here) && !remote(THERE "up 2 %s", top, there);
}

/* Nothing is left on either, and neither kernel complains. */
#define EXPECT_BOTH_DOWN() do {							\
	EXPECT_EQ(0, local(HERE "idle"));					\
	EXPECT_EQ(0, remote(THERE "idle", top));				\
	EXPECT_EQ(0, local(HERE "down"));					\
	EXPECT_EQ(0, remote(THERE "down", top));				\
	EXPECT_EQ(0, remote("! dmesg | grep -E -A 20 -f <(grep -vE '^#|^$' %s/selftests/lab/splats)", top)); \
} while (0)

static int machines_main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	top = getenv("ETRAN_TOP");
	tests = getenv("ETRAN_TEST_BUILD");
	if (!getenv("ETRAN_TEST_OTHER")) {
		printf("1..0 # SKIP there is no second machine: 'make check T=machines' starts one\n");
		return 4;
	}
	if (!top || !tests || system(HERE "control 1")) {
		printf("Bail out! eth1 does not work\n");
		return 1;
	}
	return test_harness_run(argc, argv);
}

#endif /* MACHINES_H */
