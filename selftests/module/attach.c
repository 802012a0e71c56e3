// SPDX-License-Identifier: GPL-2.0
/* Transports come, are replaced, and go; what is none is refused with a reason. */
#include "fixture.h"
#include "ops.h"

FIXTURE(attach) {
	FIXTURE_DATA(net) net;
};

FIXTURE_SETUP(attach)
{
	net_setup(_metadata, &self->net, NULL);
}

FIXTURE_TEARDOWN(attach)
{
	libbpf_set_print(tt_silent);
	net_teardown(_metadata, &self->net, NULL);
}

TEST_F(attach, transport_is_listed_with_its_properties)
{
	struct etran_transport_info q = { .id = self->net.transport };
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int dev = et_device();

	ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_TRANSPORT, &q));
	EXPECT_EQ(0, strcmp(TT_NAME, q.name));
	EXPECT_EQ(TT_PROTO, q.ip_proto);
	EXPECT_EQ(ETRAN_OPS_VERSION, q.ops_version);
	EXPECT_EQ(0, q.endpoints);
	EXPECT_NE(0, q.loaded_ns);
	ASSERT_EQ(0, bpf_link_get_info_by_fd(bpf_link__fd(self->net.link), &info, &len));
	EXPECT_EQ(info.id, q.link_id);
	EXPECT_EQ(1, tt->init);
	EXPECT_EQ(0, tt->exit);
	q.id = self->net.transport + 1;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_TRANSPORT, &q));
	EXPECT_EQ(ENOENT, errno);
	close(dev);
}

TEST_F(attach, detached_transport_is_gone_and_its_endpoints_know)
{
	struct pollfd p = { .events = POLLIN };
	struct tt_req r = {
		.daddr = self->net.b->addr, .cookie = 1, .verdict = 2, .flags = TT_F_HOLD,
	};
	struct etran_wait w = { .timeout_ms = ET_PATIENCE_MS };
	struct etran_endpoint_bind b = {};
	struct xsk x;
	int mark = et_log_mark();

	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, xsk_send(&x, 0, TT_SEND, &r, "x", 1));
	EXPECT_EQ(1, x.status->held);
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	ASSERT_TRUE(et_wait_for(tt->exit == 1));
	EXPECT_EQ(0, tt_transport_id());
	EXPECT_TRUE(et_log_has(mark, "etran: transport tt detached"));
	EXPECT_EQ(ETRAN_STATUS_NO_TRANSPORT, x.status->flags);
	EXPECT_EQ(0, x.status->held);
	p.fd = x.ep;
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLERR | POLLHUP, p.revents & (POLLERR | POLLHUP));
	EXPECT_EQ(-1, ioctl(x.ep, ETRAN_IOC_WAIT_RELEASED, &w));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, ioctl(x.ep, ETRAN_IOC_BIND, &b));
	EXPECT_EQ(ESHUTDOWN, errno);
	/* Frames are taken and dropped. */
	ASSERT_EQ(0, xsk_send(&x, 1, TT_SEND, &r, "x", 1));
	EXPECT_EQ(2, et_counter(ETRAN_COUNTERS_ENDPOINT, x.id, "frames_dropped"));
	xsk_close(&x);
	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .no_endpoint = true, .queue = 1 }));
	EXPECT_EQ(-1, xsk_attach(&x, TT_NAME, 0));
	EXPECT_EQ(ENOENT, errno);
	xsk_close(&x);
}

TEST_F(attach, same_transport_can_be_attached_again)
{
	int i;

	for (i = 0; i < 5; i++) {
		bpf_link__destroy(self->net.link);
		ASSERT_TRUE(et_wait_for(tt->exit == (uint32_t)i + 1));
		self->net.link = bpf_map__attach_struct_ops(tt_map(tt_object));
		ASSERT_NE(NULL, self->net.link);
		/* Ids are not used again. */
		EXPECT_LT(self->net.transport, tt_transport_id());
		self->net.transport = tt_transport_id();
	}
	EXPECT_EQ(6, tt->init);
}

TEST_F(attach, init_that_fails_refuses_the_transport)
{
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	ASSERT_TRUE(et_wait_for(tt->exit == 1));
	libbpf_set_print(keep_log);
	tt->init_result = -EPROTO;
	EXPECT_EQ(NULL, bpf_map__attach_struct_ops(tt_map(tt_object)));
	EXPECT_EQ(EPROTO, errno);
	tt->init_result = 12345678;	/* no errno */
	EXPECT_EQ(NULL, bpf_map__attach_struct_ops(tt_map(tt_object)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, tt_transport_id());
	EXPECT_EQ(1, tt->exit);
	tt->init_result = 0;
}

TEST_F(attach, update_replaces_programs_under_traffic)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 4,
	};
	volatile struct tt_state *tt2 = NULL;
	struct bpf_object *o;
	struct bpf_map *m;
	struct xsk x;
	pid_t pid;
	int status;

	o = tt_open_object("tt2.bpf.o", &tt2);
	ASSERT_NE(NULL, o);
	m = bpf_object__find_map_by_name(o, "tt_ops");
	/* Registering the map's value is what attaching one does first. */
	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .port = 1 }));
	pid = fork();
	if (!pid) {
		for (;;) {
			for (int i = 0; i < 8; i++)
				xsk_put(&x, i, TT_SEND, &r, "x", 1);
			if (xsk_kick(&x))
				_exit(1);
			xsk_complete(&x, NULL, 0);
		}
	}
	EXPECT_TRUE(et_wait_for(tt->egress > 20));
	EXPECT_EQ(1, tt->version);
	ASSERT_EQ(0, bpf_link__update_map(self->net.link, m));
	EXPECT_EQ(1, tt2->init);
	EXPECT_EQ(1, tt->exit);
	EXPECT_TRUE(et_wait_for(tt2->egress > 20));
	EXPECT_EQ(2, tt2->version);
	/* The old ones are not called any more. */
	uint32_t old = tt->egress, next = tt2->egress;

	EXPECT_TRUE(et_wait_for(tt2->egress > next + 20));
	EXPECT_EQ(old, tt->egress);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(self->net.transport, tt_transport_id());
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "frames_dropped"));
	EXPECT_EQ(0, x.status->flags);
	/* And back. */
	ASSERT_EQ(0, bpf_link__update_map(self->net.link, tt_map(tt_object)));
	EXPECT_EQ(1, tt2->exit);
	ASSERT_EQ(0, xsk_send(&x, 0, TT_SEND, &r, "x", 1));
	EXPECT_LT(old, tt->egress);
	xsk_close(&x);
	bpf_object__close(o);
}

static int update_errno(struct bpf_link *link, struct bpf_object *o, const char *ops)
{
	struct bpf_map *m = bpf_object__find_map_by_name(o, ops);
	int err = bpf_link__update_map(link, m);

	return err ? -err : 0;
}

TEST_F(attach, update_to_another_name_or_protocol_is_refused)
{
	struct bpf_object *o;
	struct shadow *sh;

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	strcpy(sh->name, "other");
	ASSERT_EQ(0, bpf_object__load(o));
	EXPECT_EQ(EINVAL, update_errno(self->net.link, o, "tt_ops"));
	bpf_object__close(o);

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	sh->ip_proto = 252;
	ASSERT_EQ(0, bpf_object__load(o));
	EXPECT_EQ(EINVAL, update_errno(self->net.link, o, "tt_ops"));
	bpf_object__close(o);

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	sh->tcp_urgent = 7;
	ASSERT_EQ(0, bpf_object__load(o));
	EXPECT_EQ(EINVAL, update_errno(self->net.link, o, "tt_ops"));
	bpf_object__close(o);
	EXPECT_EQ(0, tt->exit);
	EXPECT_EQ(self->net.transport, tt_transport_id());
}

TEST_F(attach, second_transport_of_the_same_name_or_protocol_is_refused)
{
	struct bpf_object *o;
	struct bpf_link *l;
	struct shadow *sh;

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	strcpy(sh->name, "other");
	ASSERT_EQ(0, bpf_object__load(o));
	EXPECT_EQ(NULL, attach_one(o, "tt_ops"));
	EXPECT_EQ(EEXIST, errno);
	bpf_object__close(o);

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	sh->ip_proto = 252;
	ASSERT_EQ(0, bpf_object__load(o));
	EXPECT_EQ(NULL, attach_one(o, "tt_ops"));
	EXPECT_EQ(EEXIST, errno);
	bpf_object__close(o);

	/* With both different, it is welcome. */
	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	ASSERT_NE(NULL, o);
	sh->ip_proto = 252;
	strcpy(sh->name, "other");
	ASSERT_EQ(0, bpf_object__load(o));
	l = attach_one(o, "tt_ops");
	EXPECT_NE(NULL, l);
	bpf_link__destroy(l);
	bpf_object__close(o);
}

/* Loads and attaches tt2 with one thing changed. Return: errno, 0 when all went well. */
static int refused(void (*change)(struct shadow *sh))
{
	struct bpf_link *l = NULL;
	struct bpf_object *o;
	struct shadow *sh;
	int err = 0;

	o = open_one("tt2.bpf.o", "tt_ops", &sh);
	if (!o)
		return -1;
	sh->ip_proto = 252;
	strcpy(sh->name, "other");
	change(sh);
	if (bpf_object__load(o)) {
		err = errno;
	} else {
		l = attach_one(o, "tt_ops");
		err = l ? 0 : errno;
	}
	bpf_link__destroy(l);
	bpf_object__close(o);
	return err;
}

static void no_egress(struct shadow *sh) { sh->egress = NULL; }
static void no_ingress(struct shadow *sh) { sh->ingress = NULL; }
static void empty_name(struct shadow *sh) { memset(sh->name, 0, sizeof(sh->name)); }
static void long_name(struct shadow *sh) { memset(sh->name, 'x', sizeof(sh->name)); }
static void slash_name(struct shadow *sh) { strcpy(sh->name, "a/b"); }
static void proto_0(struct shadow *sh) { sh->ip_proto = 0; }
static void proto_icmp(struct shadow *sh) { sh->ip_proto = 1; }
static void version_0(struct shadow *sh) { sh->version = 0; }
static void version_next(struct shadow *sh) { sh->version = ETRAN_OPS_VERSION + 1; }
static void many_queues(struct shadow *sh) { sh->queues = 65537; sh->queue_depth = 1; }
static void deep_queue(struct shadow *sh) { sh->queues = 1; sh->queue_depth = (1 << 20) + 1; }
static void much_queued(struct shadow *sh) { sh->queues = 65536; sh->queue_depth = 65; }
static void no_depth(struct shadow *sh) { sh->queues = 4; sh->queue_depth = 0; }
static void long_timeout(struct shadow *sh) { sh->timeout_ms = 86400001; }
static void clothes_of_its_own(struct shadow *sh) { sh->ip_proto = 6; sh->tcp_urgent = 7; }
static void some_flags(struct shadow *sh) { sh->flags = 1U << 31; }

TEST_F(attach, missing_egress_is_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(no_egress));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: it has no egress, which is mandatory"));
}

TEST_F(attach, missing_ingress_is_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(no_ingress));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: it has no ingress, which is mandatory"));
}

TEST_F(attach, bad_names_are_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(empty_name));
	EXPECT_TRUE(et_log_has(mark, "etran: transport refused: its name must be 1 to 15 of"));
	mark = et_log_mark();
	EXPECT_EQ(EINVAL, refused(long_name));
	EXPECT_TRUE(et_log_has(mark, "etran: transport refused: its name must be"));
	mark = et_log_mark();
	EXPECT_EQ(EINVAL, refused(slash_name));
	EXPECT_TRUE(et_log_has(mark, "etran: transport refused: its name must be"));
}

TEST_F(attach, protocols_of_the_kernel_are_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(proto_0));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: ip_proto 0 cannot be taken"));
	EXPECT_EQ(EINVAL, refused(proto_icmp));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: ip_proto 1 cannot be taken"));
}

TEST_F(attach, tcp_in_tcp_s_clothes_is_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(clothes_of_its_own));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: tcp_urgent is for transports of other IP protocols"));
}

TEST_F(attach, other_versions_are_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(version_next));
	EXPECT_TRUE(et_log_has(mark, "etran: transport refused: built for etran_ops version 3, this is 2; rebuild it"));
	EXPECT_EQ(EINVAL, refused(version_0));
}

TEST_F(attach, unknown_flags_are_refused)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(some_flags));
	EXPECT_TRUE(et_log_has(mark, "etran: transport refused: flags 0x80000000 are not known"));
}

TEST_F(attach, impossible_queues_are_refused_with_a_sentence)
{
	int mark = et_log_mark();

	EXPECT_EQ(EINVAL, refused(many_queues));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: 65537 queues, there can be 65536"));
	EXPECT_EQ(EINVAL, refused(deep_queue));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: queue_depth 1048577, it can be 1048576"));
	EXPECT_EQ(EINVAL, refused(much_queued));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: 65536 queues of 65 frames, all together can have 4194304"));
	EXPECT_EQ(EINVAL, refused(no_depth));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: 4 queues of 0 frames; give both numbers or none"));
	EXPECT_EQ(EINVAL, refused(long_timeout));
	EXPECT_TRUE(et_log_has(mark, "etran: transport other refused: timeout_ms 86400001, it can be 86400000, a day"));
}

/* Loads one etran_ops of refused.bpf.c. Return: 0 when it was refused with @words in the log. */
static int bad_program(const char *ops, const char *words)
{
	struct bpf_object *o = open_one("refused.bpf.o", ops, NULL);
	int err;

	if (!o)
		return -1;
	err = bpf_object__load(o);
	bpf_object__close(o);
	if (!err)
		return et_fail("%s was loaded", ops);
	if (!strstr(verifier_log, words)) {
		printf("%s", verifier_log);
		return et_fail("%s was refused, but not with '%s'", ops, words);
	}
	return 0;
}

TEST_F(attach, sleepable_program_is_refused)
{
	EXPECT_EQ(0, bad_program("sleepable", "attach to unsupported member egress of struct etran_ops"));
}

TEST_F(attach, write_to_a_field_that_is_read_only_is_refused)
{
	EXPECT_EQ(0, bad_program("writes_len", "etran: write of 4 bytes at offset 0: only struct etran_hdr"));
	EXPECT_EQ(0, bad_program("writes_cookie", "etran: write of 8 bytes"));
	EXPECT_EQ(0, bad_program("writes_id", "etran: write of 4 bytes at offset 0"));
}

TEST_F(attach, write_beyond_the_headers_is_refused)
{
	EXPECT_EQ(0, bad_program("writes_beyond", "etran: write of"));
}

TEST_F(attach, hold_outside_egress_is_refused)
{
	EXPECT_EQ(0, bad_program("hold_in_ingress", "calling kernel function bpf_etran_hold is not allowed"));
}

TEST_F(attach, load_outside_gen_is_refused)
{
	EXPECT_EQ(0, bad_program("load_in_egress", "calling kernel function bpf_etran_load is not allowed"));
	EXPECT_EQ(0, bad_program("part_in_egress",
				 "calling kernel function bpf_etran_load_part is not allowed"));
	EXPECT_EQ(0, bad_program("next_in_egress",
				 "calling kernel function bpf_etran_load_next is not allowed"));
}

TEST_F(attach, deliver_outside_ingress_is_refused)
{
	EXPECT_EQ(0, bad_program("deliver_in_gen", "calling kernel function bpf_etran_deliver is not allowed"));
}

TEST_F(attach, other_struct_ops_cannot_call_kfuncs)
{
	EXPECT_EQ(0, bad_program("foreign_tcp", "calling kernel function bpf_etran_gen_kick is not allowed"));
}

TEST_F(attach, xdp_program_cannot_call_the_transports_kfuncs)
{
	struct bpf_object *o = bpf_object__open_file(et_path("refused.bpf.o"), NULL);
	struct bpf_map *m;

	ASSERT_NE(NULL, o);
	bpf_object__for_each_map(m, o)
		if (bpf_map__type(m) == BPF_MAP_TYPE_STRUCT_OPS)
			bpf_map__set_autocreate(m, false);
	bpf_program__set_autoload(bpf_object__find_program_by_name(o, "xdp_kicks"), true);
	verifier_log[0] = 0;
	libbpf_set_print(keep_log);
	EXPECT_NE(0, bpf_object__load(o));
	EXPECT_NE(NULL, strstr(verifier_log, "calling kernel function bpf_etran_gen_kick is not allowed"));
	bpf_object__close(o);
}

TT_MAIN(16)
