// SPDX-License-Identifier: GPL-2.0
/*
 * Homa's tunables while it runs: what the wire shows after 'etranctl set', and that values which that
 * would refuse, written past it, do no harm: RPCs end, and nothing is left of them.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include "wire.h"

#define SERVER	700
#define HERE	701
#define CLIENT	0x9000
#define MS	60
#define PIN	"/sys/fs/bpf/etran/homa/data_tunables"

FIXTURE(live)
{
	WIRE_MEMBERS;
	uint8_t *buf;
};

FIXTURE_SETUP(live)
{
	WIRE_SETUP(HERE);
	self->buf = calloc(1, HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
}

static void set(struct __test_metadata *_metadata, const char *assignments)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd), "etranctl set %s >/dev/null", assignments);
	ASSERT_EQ(0, system(cmd)) TH_LOG("%s", cmd);
}

static void defaults(struct __test_metadata *_metadata)
{
	set(_metadata, "homa.unsched_bytes=40000 homa.starved_bytes=10000 homa.tick_ns=1ms "
	    "homa.resend_ticks=5 homa.timeout_ticks=100 homa.request_ack_ticks=2 homa.window=0 "
	    "homa.max_incoming=400000 homa.grant_step=10000 homa.link_mbps=25000 "
	    "homa.max_rpcs_per_peer=8 homa.max_overcommit=8 homa.unsched_cutoff_6=2800 "
	    "homa.unsched_cutoff_7=200 homa.cutoff_version=1 homa.priority_map_6=6 "
	    "homa.max_nic_queue_usecs=40 homa.max_link_usage=99 homa.max_sched_prio=3 "
	    "homa.fifo_grant_increment=50000 homa.grant_fifo_fraction=50");
}

FIXTURE_TEARDOWN(live)
{
	defaults(_metadata);
	WIRE_TEARDOWN();
}

/* Bytes of DATA that are sent of a request of @len without a GRANT. Then it gets all, and its answer. */
static uint32_t unscheduled(struct __test_metadata *_metadata, FIXTURE_DATA(live) *self, uint32_t len)
{
	struct wire_message m = { SERVER, self->port, 0, (const uint8_t *)"done", 4, 4 };
	uint32_t bytes = 0;
	uint64_t id;
	char in[8];

	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, len, &id, 0));
	while (wire_next_of(&self->w, &self->p, HOMA_DATA, MS / 4) && !self->p.data.retransmit)
		bytes += wire_payload(&self->p);
	if (bytes < len)
		ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, len, 0));
	while (wire_next_of(&self->w, &self->p, HOMA_DATA, MS / 4))
		;
	m.id = id | 1;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
	ASSERT_EQ(4, response(self->fd, in, sizeof(in), &id, NULL));
	wire_drain(&self->w);
	return bytes;
}

/* The next message has the new length without grants, in whole packets. */
TEST_F(live, unsched_bytes)
{
	ASSERT_EQ(29 * WIRE_SEGMENT, unscheduled(_metadata, self, 100000));
	set(_metadata, "homa.unsched_bytes=10K");
	ASSERT_EQ(8 * WIRE_SEGMENT, unscheduled(_metadata, self, 100000));
	set(_metadata, "homa.homa_unsched_bytes=1");
	ASSERT_EQ(WIRE_SEGMENT, unscheduled(_metadata, self, 100000));
}

/* Peers are told the new cutoffs with their new version; the map counts from the next packet. */
TEST_F(live, priorities)
{
	struct wire_message m = { CLIENT, HERE, 0xa000, (const uint8_t *)"hello", 5, 5 };
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	uint64_t id = 0;
	char in[8];

	set(_metadata, "homa.unsched_cutoff_7=100 homa.unsched_cutoff_6=200 homa.cutoff_version=0x777 "
	    "homa.priority_map_6=2");
	self->w.cutoffs = true;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_CUTOFFS, MS));
	ASSERT_EQ(htons(0x777), self->p.cutoffs.cutoff_version);
	ASSERT_EQ(100, ntohl(self->p.cutoffs.unsched_cutoffs[7]));
	ASSERT_EQ(200, ntohl(self->p.cutoffs.unsched_cutoffs[6]));
	ASSERT_EQ(15000, ntohl(self->p.cutoffs.unsched_cutoffs[5]));
	ASSERT_EQ(5, homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST,
			       (struct sockaddr *)&from, &addrlen, &id, NULL, NULL));
	ASSERT_EQ(0, homa_reply(self->server, "x", 1, (struct sockaddr *)&from, addrlen, id));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
	ASSERT_EQ(2 << 5, self->p.ip.tos);
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, m.id));
}

/* How long nobody answers until the application is told, in ms. */
static uint64_t gives_up(struct __test_metadata *_metadata, FIXTURE_DATA(live) *self)
{
	uint64_t id, start = now_ms();
	char in[8];

	ASSERT_EQ(0, request(self->fd, SERVER, "hello", 5, &id, 0));
	ASSERT_EQ(-1, response(self->fd, in, sizeof(in), &id, NULL));
	ASSERT_EQ(ETIMEDOUT, errno);
	return now_ms() - start;
}

TEST_F(live, timeout)
{
	uint64_t ms = gives_up(_metadata, self);

	ASSERT_LE(100, ms);
	set(_metadata, "homa.timeout_ticks=400");
	ms = gives_up(_metadata, self);
	ASSERT_LE(400, ms);
	set(_metadata, "homa.timeout_ticks=20 homa.tick_ns=2ms");
	ms = gives_up(_metadata, self);
	ASSERT_LE(40, ms);
	ASSERT_GT(400, ms);
}

/* A request of ours is granted by a peer as ever; one of the peer's arrives with few grants. */
static void exchange(struct __test_metadata *_metadata, FIXTURE_DATA(live) *self)
{
	static uint64_t next = 0xb000;
	struct wire_message m = { CLIENT, HERE, next += 2, self->buf, 60000, 1400 };
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	uint32_t granted = 1400, sent = 0, grants = 0;
	uint64_t id = 0, end = now_ms() + 20000;
	ssize_t n = -1;

	unscheduled(_metadata, self, 20000);
	while (n < 0 && now_ms() < end) {
		for (; sent < granted; sent += 1400)
			ASSERT_TRUE(wire_data(&self->w, &m, sent, 1400));
		if (wire_next(&self->w, &self->p, 5) && self->p.common.type == HOMA_GRANT) {
			grants++;
			granted = ntohl(self->p.grant.offset);
		}
		id = 0;
		n = homa_recv(self->server, self->buf, HOMA_MAX_MESSAGE_LENGTH,
			      HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, (struct sockaddr *)&from,
			      &addrlen, &id, NULL, NULL);
	}
	ASSERT_EQ(60000, n) TH_LOG("granted %u, %u GRANTs", granted, grants);
	ASSERT_EQ(0, homa_reply(self->server, "x", 1, (struct sockaddr *)&from, addrlen, id));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, m.id));
	wire_drain(&self->w);
}

/* What is granted may be less than a GRANT is worth: it goes on all the same. */
TEST_F(live, window_below_grant_step)
{
	set(_metadata, "homa.window=2000 homa.grant_step=1M");
	exchange(_metadata, self);
	set(_metadata, "homa.window=0 homa.max_incoming=10K homa.grant_step=9000");
	exchange(_metadata, self);
}

/* Every byte of the map, whatever it means, past etranctl. */
TEST_F(live, nonsense_does_no_harm)
{
	static const uint8_t bytes[] = { 0, 0xff, 0x80, 1 };
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	uint64_t id, packets;
	uint8_t *map;
	int fd;
	size_t i;

	fd = bpf_obj_get(PIN);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bpf_map_get_info_by_fd(fd, &info, &len));
	map = mmap(NULL, info.value_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < sizeof(bytes); i++) {
		struct wire_message m = { CLIENT, HERE, 0xc000 + 2 * i, self->buf, 60000, 1400 };

		memset(map, bytes[i], info.value_size);
		packets = counter("packets_sent");
		ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 50000, &id, 0));
		ASSERT_TRUE(wire_data(&self->w, &m, 0, 1400));
		usleep(50000);
		/* No storm: a timer that never rests would send as fast as the machine can. */
		ASSERT_GT(1000, counter("packets_sent") - packets) TH_LOG("%02x", bytes[i]);
		ASSERT_EQ(0, homa_abort(self->fd, id, 0));
		ASSERT_TRUE(wire_control(&self->w, HOMA_RPC_UNKNOWN, CLIENT, HERE, m.id));
		ASSERT_RPCS_IDLE(20);
		wire_drain(&self->w);
	}
	munmap(map, info.value_size);
	close(fd);
	defaults(_metadata);
	exchange(_metadata, self);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, "")
