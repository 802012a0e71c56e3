/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of most tests here: hosts a and b, the test transport attached, its XDP program on
 * both lower devices. Module, BPF object and hosts are made once a program, because that takes
 * longer than most tests; the transport is attached anew for each test, and after each all frames
 * and packets must have been accounted for, and no endpoint and no bound queue be left.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "kselftest_harness.h"
#include "etran_test.h"
#include "xsk.h"

static struct bpf_object *tt_object;
static volatile struct tt_state *tt;

static ET_UNUSED int tt_silent(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vprintf(format, ap) : 0;
}

static ET_UNUSED struct bpf_object *tt_open_object(const char *name, volatile struct tt_state **st)
{
	struct bpf_object *o = bpf_object__open_file(et_path(name), NULL);
	struct bpf_map *m;
	size_t size;

	if (!o || bpf_object__load(o)) {
		et_fail("loading %s", name);
		return NULL;
	}
	bpf_object__for_each_map(m, o)
		if (strstr(bpf_map__name(m), ".bss"))
			*st = bpf_map__initial_value(m, &size);
	return o;
}

static ET_UNUSED struct bpf_map *tt_map(struct bpf_object *o)
{
	return bpf_object__find_map_by_name(o, "tt_ops");
}

static ET_UNUSED int tt_xdp(struct bpf_object *o)
{
	return bpf_program__fd(bpf_object__find_program_by_name(o, "tt_rx"));
}

static struct et_hosts tt_hosts;
/* What the module is loaded with. */
static const char *tt_params ET_UNUSED = "";

/*
 * In TEST_HARNESS_MAIN's place. The harness exits by itself, so it runs in a process of its own and
 * what was set up here is taken down when that has ended, however it ended.
 */
static ET_UNUSED int tt_main(int argc, char **argv, unsigned int queues)
{
	int status = 0;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	et_timeouts();
	libbpf_set_print(tt_silent);
	if (et_module_load_with(tt_params))
		ksft_exit_fail_msg("no module\n");
	tt_object = tt_open_object("tt.bpf.o", &tt);
	if (!tt_object || (queues && (et_hosts_up(&tt_hosts, queues) ||
				      et_hosts_xdp(&tt_hosts, tt_xdp(tt_object))))) {
		bpf_object__close(tt_object);
		et_hosts_down(&tt_hosts);
		et_module_unload();
		ksft_exit_fail_msg("no test transport or no hosts\n");
	}
	child = fork();
	if (!child)
		return test_harness_run(argc, argv);
	if (waitpid(child, &status, 0) != child)
		status = 1;
	if (queues && et_hosts_down(&tt_hosts))
		status = 1;
	bpf_object__close(tt_object);
	if (et_module_unload())
		status = 1;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : KSFT_FAIL;
}

#define TT_MAIN(queues)								\
int main(int argc, char **argv)							\
{										\
	return tt_main(argc, argv, queues);					\
}

FIXTURE(net) {
	struct et_host *a, *b;
	struct bpf_link *link;
	uint32_t transport;
};

static ET_UNUSED uint32_t tt_transport_id(void)
{
	struct etran_transport_info q;
	int dev = et_device();
	uint32_t id = 0;

	memset(&q, 0, sizeof(q));
	while (!ioctl(dev, ETRAN_IOC_TRANSPORT, &q)) {
		if (!strcmp(q.name, TT_NAME))
			id = q.id;
		q.id++;
	}
	close(dev);
	return id;
}

/* The record of how transport @id ended. Return: 0, -1 when there is none (yet). */
static ET_UNUSED int tt_exit_record(uint32_t id, struct etran_exit_record *r)
{
	int dev = et_device(), err;

	memset(r, 0, sizeof(*r));
	while (!(err = ioctl(dev, ETRAN_IOC_EXIT, r)) && r->transport != id)
		r->id++;
	close(dev);
	return err;
}

/* Attaches the test transport again, after it was ejected: it knows no endpoint of before. */
static ET_UNUSED int tt_attach(FIXTURE_DATA(net) *self)
{
	bpf_link__destroy(self->link);
	memset((void *)tt->port, 0, sizeof(tt->port));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	if (!self->link)
		return et_fail("attaching tt again");
	self->transport = tt_transport_id();
	return 0;
}

/* Waits until the test transport is ejected, and looks at what is said of it. */
static ET_UNUSED int tt_ejected(FIXTURE_DATA(net) *self, uint32_t kind, int64_t code,
				const char *msg)
{
	struct etran_exit_record r;

	if (!et_wait_for(!tt_exit_record(self->transport, &r)))
		return et_fail("the transport was not ejected");
	if (r.kind != kind || r.code != code || strcmp(r.msg, msg) || strcmp(r.name, TT_NAME)) {
		errno = 0;
		return et_fail("%s ejected with kind %u, code %lld: %s", r.name, r.kind,
			       (long long)r.code, r.msg);
	}
	return tt_transport_id() ? et_fail("it is still listed") : 0;
}

FIXTURE_SETUP(net)
{
	self->a = &tt_hosts.a;
	self->b = &tt_hosts.b;
	memset((void *)tt, 0, sizeof(*tt));
	/* A test before this one that failed may have left its socket to its exit. */
	ASSERT_TRUE(et_wait_for(et_count("channels") == 0));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	self->transport = tt_transport_id();
	ASSERT_NE(0, self->transport);
	ASSERT_EQ(0, et_enter(self->a->ns));
	/* A test before this one, which is a process of its own, may have made a new one. */
	if (if_nametoindex("etran0"))
		ASSERT_EQ(0, et_link_info(self->a));
}

/* When the test has closed all that it opened. */
FIXTURE_TEARDOWN(net)
{
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	if (self->link) {
		if (tt_transport_id())
			EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_TRANSPORT, self->transport));
		bpf_link__destroy(self->link);
	}
	/* Detaching ended all frames; the sockets' queues are let go of a moment after close(). */
	EXPECT_EQ(0, et_count("frames_held"));
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 0));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
}

#endif /* FIXTURE_H */
