// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * homa_bench: how long RPCs take and what they cost. The server answers with what it gets; all that is
 * measured, is measured by the client.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

const char *argp_program_version = "homa_bench " HOMA_BENCH_VERSION;

unsigned long arg_number(struct argp_state *state, const char *what, const char *text,
			 unsigned long min, unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 0);
	if (errno || end == text || *end || strchr(text, '-') || n < min || n > max)
		argp_error(state, "%s: '%s' is not a number from %lu to %lu", what, text, min, max);
	return n;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static const char doc[] =
	"Measures Homa RPCs: latencies, slowdown by message length, throughput, processor time."
	"\vCommands:\n"
	"  server           answers requests\n"
	"  client ADDRESS   sends them and measures\n\n"
	"'homa_bench COMMAND --help' tells more.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *command = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		*command = state->next - 1;
		/* The rest is the command's. */
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command given");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "COMMAND [OPTION...]", doc };
	static char name[64];
	int command = 0;

	argp_err_exit_status = BENCH_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &command);
	snprintf(name, sizeof(name), "homa_bench %.40s", argv[command]);
	if (!strcmp(argv[command], "server") || !strcmp(argv[command], "client")) {
		bool server = *argv[command] == 's';

		argv[command] = name;
		return (server ? server_main : client_main)(argc - command, argv + command);
	}
	fprintf(stderr, "homa_bench: there is no command '%s'; 'homa_bench --help' lists them\n",
		argv[command]);
	return BENCH_USAGE;
}
