/* SPDX-License-Identifier: GPL-2.0 */
/* How long the processor has idled since boot. */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include <stdint.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "../etran_test.h"

/* Return: nanoseconds, which are instructions too; -1: the kernel does not tell, and why is on stderr. */
static int64_t idle_ns(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	static const volatile int64_t *value;
	static int prog = -1;

	if (prog < 0) {
		struct bpf_object *object = bpf_object__open_file(et_path("idle.bpf.o"), NULL);
		struct bpf_map *map;
		size_t size;

		if (!object || bpf_object__load(object))
			return -1;
		map = bpf_object__find_map_by_name(object, ".bss");
		value = map ? bpf_map__initial_value(map, &size) : NULL;
		if (!value)
			return -1;
		prog = bpf_program__fd(bpf_object__next_program(object, NULL));
	}
	return bpf_prog_test_run_opts(prog, &opts) ? -1 : *value;
}

#endif /* BENCH_IDLE_H */
