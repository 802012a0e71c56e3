// SPDX-License-Identifier: GPL-2.0
/* Priorities on the wire when tunables are not what they are by default. */
#include "wire.h"

#define SERVER	700
#define CLIENT	0x9000
#define HERE	701
#define MS	60

FIXTURE(priorities)
{
	WIRE_MEMBERS;
};

FIXTURE_SETUP(priorities)
{
	WIRE_SETUP(HERE);
}

FIXTURE_TEARDOWN(priorities)
{
	WIRE_TEARDOWN();
}

/* DATA and control packets: what the map says of their priority. */
TEST_F(priorities, are_mapped)
{
	static const uint8_t map[] = { 0, 0, 1, 1, 2, 2, 3, 4 };
	struct wire_message m = { SERVER, self->port, 0, (const uint8_t *)"done", 4, 4 };
	uint64_t id, got;
	char in[8];
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, request(self->fd, SERVER, "hello", 5, &id, 0));
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
		/* To a peer that sent no CUTOFFS. */
		ASSERT_EQ(map[6] << 5, self->p.tos);
		ASSERT_TRUE(wire_resend(&self->w, SERVER, self->port, id | 1, 0, 5, i));
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
		ASSERT_EQ(1, self->p.data.retransmit);
		ASSERT_EQ(map[i] << 5, self->p.tos) TH_LOG("priority %d", i);
		m.id = id | 1;
		ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
		got = id;
		ASSERT_EQ(4, response(self->fd, in, sizeof(in), &got, NULL));
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS));
		ASSERT_EQ(map[7] << 5, self->p.tos);
	}
}

TEST_F(priorities, other_cutoffs)
{
	static const uint32_t want[] = { 1000000, 70000, 60000, 50000, 40000, 3000, 200, 100 };
	struct wire_message m = { CLIENT, HERE, 0xa000, (const uint8_t *)"hello", 5, 5 };
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	uint64_t id = 0;
	char in[8];
	int i;

	self->w.cutoffs = true;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_CUTOFFS, MS));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(want[i], ntohl(self->p.cutoffs.unsched_cutoffs[i])) TH_LOG("cutoff %d", i);
	ASSERT_EQ(htons(0x777), self->p.cutoffs.cutoff_version);
	ASSERT_EQ(5, homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST,
			       (struct sockaddr *)&from, &addrlen, &id, NULL, NULL));
	ASSERT_EQ(0, homa_reply(self->server, "x", 1, (struct sockaddr *)&from, addrlen, id));
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, m.id));
}

#define SET	"--set homa_priority_map_1=0 --set homa_priority_map_2=1 --set homa_priority_map_3=1 --set homa_priority_map_4=2 --set homa_priority_map_5=2 --set homa_priority_map_6=3 --set homa_priority_map_7=4 --set homa_cutoff_version=0x777 --set homa_unsched_cutoff_7=100 --set homa_unsched_cutoff_6=200 --set homa_unsched_cutoff_5=3000 --set homa_unsched_cutoff_4=40000 --set homa_unsched_cutoff_3=50000 --set homa_unsched_cutoff_2=60000 --set homa_unsched_cutoff_1=70000"

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, SET)
