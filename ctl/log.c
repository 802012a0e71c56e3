// SPDX-License-Identifier: GPL-2.0
/*
 * What libbpf and libxdp have to say. Most of it is noise unless something goes wrong, and then the
 * one useful line is among it: so warnings are kept, and whoever reports a failure picks from them.
 * With -d everything goes to stderr as it comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "etranctl.h"

/* A verifier's log can have hundreds of megabytes; nobody reads more than its end. */
#define KEEP_MAX	(1 << 20)

static char *kept;
static size_t kept_len;

static void keep(const char *fmt, va_list ap)
{
	char *text, *p;
	int len;

	len = vasprintf(&text, fmt, ap);
	if (len < 0)
		return;
	if (len > KEEP_MAX) {
		memmove(text, text + len - KEEP_MAX, KEEP_MAX + 1);
		len = KEEP_MAX;
	}
	if (kept_len + len > KEEP_MAX) {
		size_t drop = kept_len + len - KEEP_MAX;

		memmove(kept, kept + drop, kept_len - drop);
		kept_len -= drop;
	}
	p = realloc(kept, kept_len + len + 1);
	if (p) {
		kept = p;
		memcpy(kept + kept_len, text, len + 1);
		kept_len += len;
	}
	free(text);
}

static int print_bpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	va_list ap2;

	va_copy(ap2, ap);
	if (level == LIBBPF_WARN)
		keep(fmt, ap2);
	va_end(ap2);
	return opt_debug ? vfprintf(stderr, fmt, ap) : 0;
}

static int print_xdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	va_list ap2;

	va_copy(ap2, ap);
	if (level == LIBXDP_WARN)
		keep(fmt, ap2);
	va_end(ap2);
	return opt_debug ? vfprintf(stderr, fmt, ap) : 0;
}

void log_setup(void)
{
	libbpf_set_print(print_bpf);
	libxdp_set_print(print_xdp);
}

void log_reset(void)
{
	free(kept);
	kept = NULL;
	kept_len = 0;
}

const char *log_text(void)
{
	return kept ? kept : "";
}

const char *log_find(const char *what)
{
	const char *p = log_text(), *last = NULL;
	static char line[256];

	while ((p = strstr(p, what))) {
		last = p;
		p += strlen(what);
	}
	if (!last)
		return NULL;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(last, "\n"), last);
	return line;
}

void log_print_verifier(int lines)
{
	const char *begin = strstr(log_text(), "-- BEGIN PROG LOAD LOG --");
	const char *end, *p, *prog;

	if (!begin || opt_debug)
		return;
	end = strstr(begin, "-- END PROG LOAD LOG --");
	if (!end)
		end = begin + strlen(begin);
	prog = log_find("prog '");
	if (prog)
		fprintf(stderr, "%s\n", prog);
	/* The last line tells how much the verifier worked; the ones before, what it minds. */
	for (p = end; p > begin && lines >= 0; p--)
		if (p[-1] == '\n' && lines-- == 0)
			break;
	if (p == begin)
		p += strcspn(p, "\n") + 1;
	else
		fprintf(stderr, "    ...\n");
	while (p < end) {
		int len = strcspn(p, "\n");

		if (p + len > end)
			len = end - p;
		fprintf(stderr, "    %.*s\n", len, p);
		p += len + 1;
	}
}
