/* SPDX-License-Identifier: GPL-2.0 */
/* Loading, attaching and finding the test filter. */
#ifndef FILTER_H
#define FILTER_H

#include "fixture.h"
#include "tf.h"

#define PASS	3	/* ETRAN_PASS */

/* As libbpf lays out struct etran_filter_ops of bpf/etran.bpf.h. */
struct shadow {
	void *ingress, *egress, *init, *exit;
	uint32_t version;
	uint32_t flags;
	int32_t priority;
	char name[ETRAN_NAME_LEN];
};

/* A filter that is loaded. */
struct filter {
	struct bpf_object *o;
	struct bpf_link *link;
	volatile struct tf_state *tf;
};

/*
 * Loads number @n, which passes all and writes down that it ran in the map @trace_fd, if that is none of
 * its own; does not attach it.
 */
static ET_UNUSED int tf_load(struct filter *f, int n, int trace_fd, const char *name, int priority,
			     void (*change)(struct shadow *sh))
{
	struct shadow *sh;
	struct bpf_map *m;
	size_t size;

	f->o = bpf_object__open_file(et_path("tf.bpf.o"), NULL);
	if (!f->o)
		return et_fail("tf.bpf.o");
	sh = bpf_map__initial_value(bpf_object__find_map_by_name(f->o, "tf_ops"), &size);
	strcpy(sh->name, name);
	sh->priority = priority;
	if (change)
		change(sh);
	bpf_object__for_each_map(m, f->o) {
		if (strstr(bpf_map__name(m), ".rodata"))
			*(uint32_t *)bpf_map__initial_value(m, &size) = n;
		if (!strcmp(bpf_map__name(m), "tf_trace") && trace_fd >= 0 &&
		    bpf_map__reuse_fd(m, trace_fd))
			return et_fail("reusing a map");
	}
	if (bpf_object__load(f->o))
		return -1;
	bpf_object__for_each_map(m, f->o)
		if (strstr(bpf_map__name(m), ".bss"))
			f->tf = bpf_map__initial_value(m, &size);
	f->tf->in_verdict = PASS;
	f->tf->out_verdict = PASS;
	return 0;
}

static ET_UNUSED struct bpf_map *ops_map(struct filter *f)
{
	return bpf_object__find_map_by_name(f->o, "tf_ops");
}

static ET_UNUSED int tf_attach(struct filter *f)
{
	f->link = bpf_map__attach_struct_ops(ops_map(f));
	return f->link ? 0 : -1;
}

/* The map in which filters write down that they ran. Return: its descriptor. */
static ET_UNUSED int tf_trace_make(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "tf_trace", 4, sizeof(struct tf_trace), 1,
			      &(struct bpf_map_create_opts) {
					.sz = sizeof(struct bpf_map_create_opts),
					.map_flags = BPF_F_MMAPABLE });
}

static ET_UNUSED void remove_filter(struct filter *f)
{
	bpf_link__destroy(f->link);
	bpf_object__close(f->o);
	memset(f, 0, sizeof(*f));
}

/* Return: 0, or -1 when there is none. */
static ET_UNUSED int info(const char *name, struct etran_filter_info *q)
{
	int dev = et_device(), err = -1;

	memset(q, 0, sizeof(*q));
	while (!ioctl(dev, ETRAN_IOC_FILTER, q)) {
		if (!strcmp(q->name, name)) {
			err = 0;
			break;
		}
		q->id++;
	}
	close(dev);
	return err;
}

static ET_UNUSED bool attached(const char *name)
{
	struct etran_filter_info q;

	return !info(name, &q);
}

#endif /* FILTER_H */
