/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire between the hosts when it is testnic's (HOMA_DEVICE=testnic for hosts.sh): its faults, its
 * rate, its queue. A setting is of the host that sends; selftests/testnic/README.md lists them.
 */
#ifndef LINK_H
#define LINK_H

#include "homa_test.h"

#define LINK_MAIN(set) \
	TEST_HARNESS_MAIN_WITH_HOSTS_ENV(1500, HOSTS_BOTH, set, "HOMA_DEVICE", "testnic")

/* Return: 0, or -1 after printing why. */
static __attribute__((unused)) int link_set(enum host from, const char *setting, uint64_t value)
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
	return link_set(HOST_A, setting, value) || link_set(HOST_B, setting, value) ? -1 : 0;
}

/* A line of one of testnic's files; UINT64_MAX when there is none. */
static __attribute__((unused)) uint64_t link_get(enum host from, const char *file, const char *line)
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
static __attribute__((unused)) uint64_t link_counter(enum host from, const char *name)
{
	return link_get(from, "counters", name);
}

#endif /* LINK_H */
