// SPDX-License-Identifier: GPL-2.0
/* Counters, named and explained, for ETRAN_IOC_COUNTERS. See counters.h. */
#include <linux/uaccess.h>
#include "compat.h"
#include "counters.h"

DEFINE_PER_CPU(struct etran_counter_set, etran_module_counters);

static const struct {
	const char *name;
	const char *text;
	u32 flags;
} counter_info[ETRAN_NR_COUNTERS] = {
#define C(n, t) [ETRAN_C_##n] = { #n, t, 0 },
#define D(n, t) [ETRAN_C_##n] = { #n, t, ETRAN_COUNTER_DROP },
#define G(n, t) [ETRAN_C_##n] = { #n, t, ETRAN_COUNTER_GAUGE },
	ETRAN_COUNTER_LIST(C, D, G)
#undef C
#undef D
#undef G
};

/* A counter's name. */
const char *etran_counter_name(enum etran_counter_id id)
{
	return counter_info[id].name;
}

/* Whether a counter tells a reason for dropping. */
bool etran_counter_drops(enum etran_counter_id id)
{
	return counter_info[id].flags & ETRAN_COUNTER_DROP;
}

/**
 * etran_counters_fill - sum a set and copy it to user space with names
 * @set: the counters
 * @q: the question; @q->count is set to the number of counters there are
 *
 * Return: 0 or -EFAULT. Context: process, may sleep.
 */
int etran_counters_fill(struct etran_counter_set __percpu *set, struct etran_counters *q)
{
	struct etran_counter __user *buf = u64_to_user_ptr(q->buf);
	u32 room = q->count, i;
	int cpu;

	q->count = ETRAN_NR_COUNTERS;
	for (i = 0; i < min_t(u32, room, ETRAN_NR_COUNTERS); i++) {
		struct etran_counter c = { .flags = counter_info[i].flags };

		strscpy(c.name, counter_info[i].name);
		strscpy(c.text, counter_info[i].text);
		for_each_possible_cpu(cpu)
			c.value += READ_ONCE(per_cpu_ptr(set, cpu)->v[i]);
		if (copy_to_user(&buf[i], &c, sizeof(c)))
			return -EFAULT;
	}
	return 0;
}
