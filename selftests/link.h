/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire between two hosts when it is testnic's: its faults, its rate, its queue. A setting is of the host that sends, 0 or
 * 1, whose device is tn0 or tn1; testnic/README.md lists them.
 */
#ifndef ETRAN_LINK_H
#define ETRAN_LINK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Return: 0, or -1 after printing why. */
static __attribute__((unused)) int link_set(int from, const char *setting, uint64_t value)
{
	char path[128];
	FILE *f;
	int err;

	snprintf(path, sizeof(path), "/sys/kernel/debug/testnic/tn%d/%s", from, setting);
	f = fopen(path, "we");
	err = !f || fprintf(f, "%llu", (unsigned long long)value) < 0;
	if (f && fclose(f))
		err = 1;
	if (err)
		printf("# %s: %s\n", path, strerror(errno));
	return -err;
}

/* The same in both directions. */
static __attribute__((unused)) int link_set_both(const char *setting, uint64_t value)
{
	return link_set(0, setting, value) || link_set(1, setting, value) ? -1 : 0;
}

/* A line of one of testnic's files; UINT64_MAX when there is none. */
static __attribute__((unused)) uint64_t link_get(int from, const char *file, const char *line)
{
	unsigned long long value;
	char path[128], name[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/testnic/tn%d/%s", from, file);
	f = fopen(path, "re");
	while (f && !found && fscanf(f, "%63s %llu", name, &value) == 2)
		found = !strcmp(name, line);
	if (f)
		fclose(f);
	if (!found)
		printf("# %s: no line %s\n", path, line);
	return found ? value : UINT64_MAX;
}

/* A counter of testnic. */
static __attribute__((unused)) uint64_t link_counter(int from, const char *name)
{
	return link_get(from, "counters", name);
}

#endif /* ETRAN_LINK_H */
