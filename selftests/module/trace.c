// SPDX-License-Identifier: GPL-2.0
/*
 * For people who look: each tracepoint says what happened, with the fields that module/README.md
 * promises, and debugfs shows what is kept.
 *
 * Tracepoints are switched on in a trace instance of the test's own.
 */
#include "engine.h"
#include <sys/stat.h>

#define TRACING		"/sys/kernel/tracing"
#define DEBUG		"/sys/kernel/debug/etran"
#define CONSUME		4

FIXTURE(trace) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a, port 1 */
	char dir[128];		/* of the instance */
	char text[65536];	/* what was read last */
};

static int write_file(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC), err = 0;

	if (fd < 0)
		return et_fail("%s", path);
	if (write(fd, what, strlen(what)) < 0)
		err = et_fail("'%s' to %s", what, path);
	close(fd);
	return err;
}

/* Reads a file to self->text. */
static const char *show(FIXTURE_DATA(trace) *self, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), n, at = 0;

	while (fd >= 0 && at < (int)sizeof(self->text) - 1 &&
	       (n = read(fd, self->text + at, sizeof(self->text) - 1 - at)) > 0)
		at += n;
	if (fd < 0)
		et_fail("%s", path);
	self->text[at] = 0;
	close(fd);
	return self->text;
}

FIXTURE_SETUP(trace)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	snprintf(self->dir, sizeof(self->dir), TRACING "/instances/etran_%d", getpid());
	ASSERT_EQ(0, mkdir(self->dir, 0755));
}

FIXTURE_TEARDOWN(trace)
{
	xsk_close(&self->x);
	EXPECT_EQ(0, rmdir(self->dir));
	net_teardown(_metadata, &self->net, NULL);
}

/* Only this event from here on; NULL: none. */
static int only(FIXTURE_DATA(trace) *self, const char *event)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/events/etran/enable", self->dir);
	if (write_file(path, "0"))
		return -1;
	snprintf(path, sizeof(path), "%s/trace", self->dir);
	if (write_file(path, ""))
		return -1;
	if (!event)
		return 0;
	snprintf(path, sizeof(path), "%s/events/etran/%s/enable", self->dir, event);
	return write_file(path, "1");
}

/* Events that were recorded since only(). */
static int events(FIXTURE_DATA(trace) *self)
{
	char path[256];
	char *line;
	int n = 0;

	snprintf(path, sizeof(path), "%s/trace", self->dir);
	show(self, path);
	for (line = self->text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		n += *line && *line != '#';
	}
	return n;
}

/* Whether one of them is exactly that. */
static bool says(FIXTURE_DATA(trace) *self, const char *format, ...)
{
	char want[512];
	va_list ap;
	char *at;

	va_start(ap, format);
	vsnprintf(want, sizeof(want) - 1, format, ap);
	va_end(ap);
	strcat(want, "\n");
	events(self);
	at = strstr(self->text, want);
	/* "<comm>-<pid> [cpu] flags time: event: fields" */
	if (at > self->text + 2 && at[-1] == ' ' && at[-2] == ':')
		return true;
	printf("# not there: %s# but:\n%s", want, self->text);
	return false;
}

TEST_F(trace, egress)
{
	struct tt_req r = eng_req(self->net.b, TX);
	uint64_t handle;
	uint32_t link = self->net.a->link;

	ASSERT_EQ(0, only(self, "egress"));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "payload", 8));
	EXPECT_TRUE(says(self, "egress: transport=tt link=%u queue=0 endpoint=%u payload_len=8 handle=0x0 departure_ns=0 verdict=TX",
			 link, self->x.id));
	r = eng_req(self->net.b, HOLD);
	handle = eng_hold(&self->x, 1, &r);
	ASSERT_NE(0, handle);
	EXPECT_TRUE(says(self, "egress: transport=tt link=%u queue=0 endpoint=%u payload_len=8 handle=0x%llx departure_ns=0 verdict=HOLD",
			 link, self->x.id, (unsigned long long)handle));
	r = eng_req(self->net.b, TX | RETAIN);
	r.flags |= TT_F_TIME;
	r.arg = 12345;	/* long past */
	handle = eng_hold(&self->x, 2, &r);
	ASSERT_NE(0, handle);
	EXPECT_TRUE(says(self, "egress: transport=tt link=%u queue=0 endpoint=%u payload_len=8 handle=0x%llx departure_ns=12345 verdict=TX|RETAIN",
			 link, self->x.id, (unsigned long long)handle));
	/* Received, and kept ones ended, and not a word of it. */
	EXPECT_EQ(3, events(self));
	ASSERT_EQ(0, only(self, NULL));
	r = eng_req(self->net.b, TX);
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "payload", 8));
	EXPECT_EQ(0, events(self));
}

TEST_F(trace, ingress)
{
	struct tt_req r = eng_req(self->net.b, TX);
	/* What is passed the kernel answers with ICMP, which is for the transport too: so it is last. */
	static const struct { uint8_t verdict; const char *name; } cases[] = {
		{ 0, "DROP" }, { CONSUME, "CONSUME" }, { 3, "PASS" },
	};
	unsigned int i;

	ASSERT_EQ(0, only(self, "ingress"));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ((int)i, events(self));
		r.rx_verdict = cases[i].verdict;
		ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "payload", 8));
		ASSERT_TRUE(et_wait_for(events(self) > (int)i));
		EXPECT_TRUE(says(self, "ingress: transport=tt link=%u len=%zu verdict=%s",
				 self->net.b->link, TT_HDRS + 8, cases[i].name));
	}
}

TEST_F(trace, drop)
{
	struct tt_req r = eng_req(self->net.b, DROP);
	uint32_t link = self->net.a->link, own = self->x.id;

	ASSERT_EQ(0, only(self, "drop"));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "payload", 8));
	EXPECT_TRUE(says(self, "drop: transport=tt link=%u reason=frame_verdict n=1", link));
	EXPECT_EQ(1, events(self));
	/* An endpoint that there is not has no transport. */
	self->x.id = 4711;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "payload", 8));
	self->x.id = own;
	EXPECT_TRUE(says(self, "drop: transport=- link=%u reason=frame_endpoint n=1", link));
	/* A packet that cannot be sent: the packet's reason, then the frame's. */
	r = eng_req(self->net.b, TX);
	r.flags |= TT_F_RAW;
	r.hdr_off = 17;
	r.hdr_len = 1000;
	r.version_ihl = 0x45;
	r.proto = TT_PROTO;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "payload", 8));
	EXPECT_TRUE(says(self, "drop: transport=tt link=%u reason=packet_header n=1", link));
	EXPECT_TRUE(says(self, "drop: transport=tt link=%u reason=frame_packet n=1", link));
	EXPECT_EQ(4, events(self));
}

TEST_F(trace, release)
{
	struct tt_req r = eng_req(self->net.b, HOLD);
	uint32_t link = self->net.a->link;
	uint64_t handle;

	ASSERT_EQ(0, only(self, "release"));
	handle = eng_hold(&self->x, 3, &r);
	ASSERT_NE(0, handle);
	EXPECT_EQ(0, events(self));
	EXPECT_EQ(0, eng_do(&self->x, 0, TT_W_RELEASE, 0, handle, 0, 0));
	EXPECT_TRUE(says(self, "release: transport=tt link=%u queue=0 chunk=3 sent=0", link));
	r = eng_req(self->net.b, TX | RETAIN);
	handle = eng_hold(&self->x, 4, &r);
	ASSERT_NE(0, handle);
	EXPECT_EQ(1, events(self));
	EXPECT_EQ(0, eng_do(&self->x, 0, TT_W_RELEASE, 0, handle, 0, 0));
	EXPECT_TRUE(says(self, "release: transport=tt link=%u queue=0 chunk=4 sent=1", link));
	EXPECT_EQ(2, events(self));
}

TEST_F(trace, eject)
{
	struct tt_req r = eng_req(self->net.b, 77);

	ASSERT_EQ(0, only(self, "eject"));
	tt->error_in = 1 << TT_IN_EGRESS;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_NOTHING, &r, NULL, 0));
	/* Before the one who caused it returns. */
	EXPECT_TRUE(says(self, "eject: transport=tt kind=program code=-1000 message=program 0 gives up"));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_PROGRAM, -1000, "program 0 gives up"));
	EXPECT_EQ(1, events(self));
	tt->error_in = 0;
	ASSERT_EQ(0, tt_attach(&self->net));
	xsk_detach(&self->x);
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
	EXPECT_EQ(1, events(self));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, NULL, 0));
	EXPECT_TRUE(says(self, "eject: transport=tt kind=verdict code=77 message=egress returned 77, which is no verdict there"));
	EXPECT_EQ(2, events(self));
}

/* What watches from outside goes by these names. */
TEST_F(trace, fields_are_those_that_are_documented)
{
	static const struct { const char *event, *field[8]; } want[] = {
		{ "egress", { "transport", "link", "queue", "endpoint", "payload_len", "handle",
			      "departure_ns", "verdict" } },
		{ "ingress", { "transport", "link", "len", "verdict" } },
		{ "drop", { "transport", "link", "reason", "n" } },
		{ "release", { "transport", "link", "queue", "chunk", "sent" } },
		{ "eject", { "transport", "kind", "code", "message" } },
	};
	char path[256], field[64];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		snprintf(path, sizeof(path), TRACING "/events/etran/%s/format", want[i].event);
		show(self, path);
		for (k = 0; k < 8 && want[i].field[k]; k++) {
			snprintf(field, sizeof(field), " %s;\toffset:", want[i].field[k]);
			EXPECT_NE(NULL, strstr(self->text, field))
				TH_LOG("%s has no field %s", want[i].event, want[i].field[k]);
		}
		/* Names of constants mean nothing to who reads this. */
		EXPECT_EQ(NULL, strstr(self->text, "ETRAN_")) TH_LOG("%s", self->text);
	}
}

TEST_F(trace, debugfs_shows_what_is_kept)
{
	uint64_t held, queued[2], timed, rank = 0, first = 0;
	struct tt_req r = eng_req(self->net.b, HOLD);
	char line[256];
	unsigned int i, ms = 0, cpu, waits, due;
	long long ns;
	const char *at;

	EXPECT_STREQ("", show(self, DEBUG "/frames"));
	EXPECT_STREQ("", show(self, DEBUG "/queues"));
	EXPECT_STREQ("", show(self, DEBUG "/wheels"));

	held = eng_hold(&self->x, 0, &r);
	ASSERT_NE(0, held);
	for (i = 0; i < 2; i++) {
		queued[i] = eng_hold(&self->x, 1 + i, &r);
		ASSERT_NE(0, queued[i]);
		ASSERT_EQ(0, eng_do(&self->x, 9, TT_W_PUSH, 3, queued[i], 50 - i, RANK));
	}
	r = eng_req(self->net.b, TX | RETAIN);
	r.flags |= TT_F_DELAY;
	r.arg = 3000000000;
	timed = eng_hold(&self->x, 3, &r);
	ASSERT_NE(0, timed);
	usleep(50000);

	show(self, DEBUG "/frames");
	for (i = 0; i < 4; i++) {
		static const char * const state[] = { "held", "queued", "queued", "timed" };

		snprintf(line, sizeof(line), "tt etran0 queue 0 chunk %u: endpoint %u %s packet, 8 bytes, cookie 0x11, untouched for ",
			 i, self->x.id, state[i]);
		at = strstr(self->text, line);
		ASSERT_NE(NULL, at) TH_LOG("no '%s' in:\n%s", line, self->text);
		EXPECT_EQ(1, sscanf(at + strlen(line), "%u ms\n", &ms));
		EXPECT_LE(40, ms);
		EXPECT_GT(60000, ms);
	}
	EXPECT_EQ(NULL, strstr(self->text, "chunk 4:"));

	show(self, DEBUG "/queues");
	EXPECT_EQ(3, sscanf(self->text, "tt queue 3: %u frames, 2 of them ranked, first %llx at rank %llu\n",
			    &i, (unsigned long long *)&first, (unsigned long long *)&rank));
	EXPECT_EQ(2, i);
	EXPECT_EQ(queued[1], first);
	EXPECT_EQ(49, rank);
	EXPECT_EQ(NULL, strstr(self->text, "queue 4"));

	show(self, DEBUG "/wheels");
	ASSERT_EQ(4, sscanf(self->text, "CPU %u: %u packets wait, %u are due, timer at %lld ns from now\n",
			    &cpu, &waits, &due, &ns)) TH_LOG("%s", self->text);
	EXPECT_EQ(1, waits);
	EXPECT_EQ(0, due);
	/* The timer looks after the block of slots that it is in, 16.8 ms before it at most. */
	EXPECT_GT(3000000000, ns);

	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, eng_do(&self->x, 9, TT_W_RELEASE, 0, queued[i], 0, 0));
	EXPECT_EQ(0, eng_do(&self->x, 9, TT_W_RELEASE, 0, held, 0, 0));
	EXPECT_EQ(0, eng_do(&self->x, 9, TT_W_RELEASE, 0, timed, 0, 0));
	EXPECT_STREQ("", show(self, DEBUG "/frames"));
	EXPECT_STREQ("", show(self, DEBUG "/queues"));
	EXPECT_STREQ("", show(self, DEBUG "/wheels"));
}

TT_MAIN(16)
