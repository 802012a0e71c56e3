// SPDX-License-Identifier: GPL-2.0
/*
 * How long a processor has idled, to the nanosecond: idle.h. /proc/timer_list tells the same behind a list of all timers, the
 * n-th of which it finds by counting from the first: with the timers of 100,000 RPCs that takes for ever.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Of the kernel's what is needed here. */
struct tick_sched {
	__s64 idle_sleeptime;
} __attribute__((preserve_access_index));

extern const struct tick_sched tick_cpu_sched __ksym;

__s64 idle_ns;

SEC("syscall")
int idle(void *ctx)
{
	/* There is one processor. */
	const struct tick_sched *ts = bpf_per_cpu_ptr(&tick_cpu_sched, 0);

	idle_ns = ts ? ts->idle_sleeptime : -1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
