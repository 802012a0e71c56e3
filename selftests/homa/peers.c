// SPDX-License-Identifier: GPL-2.0
/*
 * Ten thousand hosts, each with an RPC at the same time, all with the same ports and the same id: what tells
 * them apart is their address alone. They stand behind HOST_B, so one neighbour answers for all.
 */
#include "wire_check.h"

#define HOSTS	10000
#define SERVER	700	/* the hosts' server port */
#define CLIENT	0x9000	/* the hosts' client port */
#define HERE	701	/* our server's port */
#define ID	0x5000
/* So many packets are on their way at once: what the buffers of the one who receives have room for. */
#define BATCH	100
/* Longer than anything takes that happens at once. */
#define MS	500

/**
 * struct asked - a request that we have
 * @id: of the RPC
 * @from: who asks
 */
struct asked {
	uint64_t id;
	union address from;
};

FIXTURE(peers)
{
	WIRE_MEMBERS;
	struct asked *asked;
	uint8_t *done;
};

WIRE_FAMILIES(peers);

FIXTURE_SETUP(peers)
{
	homa_family = variant->family;
	setenv("ETRAN_TX_FRAMES", "16384", 1);
	WIRE_SETUP(HERE);
	enter(HOST_A);
	ASSERT_EQ(0, system("ip route replace " WIRE_BEHIND " via 10.77.0.2 && "
			    "ip -6 route replace " WIRE_BEHIND6 " via fd77::2"));
	self->asked = calloc(HOSTS + 1, sizeof(*self->asked));
	self->done = calloc(HOSTS + 1, 1);
	ASSERT_NE(NULL, self->asked);
	ASSERT_NE(NULL, self->done);
}

FIXTURE_TEARDOWN(peers)
{
	free(self->asked);
	free(self->done);
	WIRE_TEARDOWN();
}

/* A message of one packet from a host, which says who it is from. */
static bool say(FIXTURE_DATA(peers) *self, uint16_t host, uint16_t sport, uint16_t dport, uint64_t id)
{
	struct wire_message m = { sport, dport, id, (const uint8_t *)&host, sizeof(host), sizeof(host) };

	self->w.host = host;
	return wire_data(&self->w, &m, 0, sizeof(host));
}

/* The next packet of DATA for a host: its number, which is also the payload. 0: none came, or they differ. */
static uint16_t heard(FIXTURE_DATA(peers) *self)
{
	uint16_t host;

	if (!wire_next_of(&self->w, &self->p, HOMA_DATA, MS))
		return 0;
	host = wire_is_for(&self->p);
	if (wire_payload(&self->p) != sizeof(host) ||
	    memcmp(self->p.homa + sizeof(self->p.data), &host, sizeof(host)))
		return 0;
	return host;
}

/* Each host asks, we have all requests, then each is answered. */
static void serve(struct __test_metadata *_metadata, FIXTURE_DATA(peers) *self, uint64_t id)
{
	union address from, expected;
	uint16_t host, got;
	uint32_t i, k;
	size_t len;

	memset(self->done, 0, HOSTS + 1);
	for (i = 1; i <= HOSTS; i += BATCH) {
		for (k = i; k < i + BATCH; k++)
			ASSERT_TRUE(say(self, k, CLIENT, HERE, id));
		for (k = i; k < i + BATCH; k++) {
			uint64_t rpc = 0;

			len = sizeof(from);
			ASSERT_EQ(sizeof(got), homa_recv(self->server, &got, sizeof(got), HOMA_RECV_REQUEST,
							 &from.sa, &len, &rpc, NULL, NULL));
			expected = wire_behind(got, CLIENT);
			ASSERT_TRUE(address_is(&expected, &from));
			ASSERT_LE(1, got);
			ASSERT_GE(HOSTS, got);
			ASSERT_EQ(0, self->done[got]++);
			self->asked[got].id = rpc;
			self->asked[got].from = from;
		}
	}
	ASSERT_EQ(HOSTS, map_entries("rpcs"));
	wire_drain(&self->w);
	for (i = 1; i <= HOSTS; i += BATCH) {
		for (k = i; k < i + BATCH; k++) {
			host = k;
			ASSERT_EQ(0, homa_reply(self->server, &host, sizeof(host), &self->asked[k].from.sa,
						address_len(), self->asked[k].id));
		}
		for (k = i; k < i + BATCH; k++) {
			host = heard(self);
			ASSERT_NE(0, host);
			ASSERT_EQ(CLIENT, ntohs(self->p.common.dport));
			ASSERT_EQ(id | 1, be64(self->p.common.sender_id));
			ASSERT_EQ(1, self->done[host]++);
			self->w.host = host;
			ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, id));
		}
	}
	ASSERT_RPCS_IDLE(20);
}

TEST_F(peers, ten_thousand_clients_at_once)
{
	uint64_t failed = homa_counter("rpc_failed");

	serve(_metadata, self, ID);
	/* More hosts than Homa remembers: what it knew of the first is long forgotten. */
	serve(_metadata, self, ID + 2);
	ASSERT_EQ(failed, homa_counter("rpc_failed"));
	ASSERT_EQ(0, homa_counter("rx_table_full"));
}

TEST_F(peers, ten_thousand_servers_at_once)
{
	uint64_t cookie, id, failed = homa_counter("rpc_failed");
	union address to;
	uint16_t host;
	uint32_t i, k;
	size_t len;

	for (i = 1; i <= HOSTS; i += BATCH) {
		for (k = i; k < i + BATCH; k++) {
			host = k;
			to = wire_behind(host, SERVER);
			ASSERT_EQ(0, homa_send(self->fd, &host, sizeof(host), &to.sa, address_len(),
					       &self->asked[k].id, k, 0));
		}
		for (k = i; k < i + BATCH; k++) {
			host = heard(self);
			ASSERT_NE(0, host);
			ASSERT_EQ(SERVER, ntohs(self->p.common.dport));
			ASSERT_EQ(self->asked[host].id, be64(self->p.common.sender_id));
			ASSERT_EQ(0, self->done[host]++);
		}
	}
	ASSERT_EQ(HOSTS, map_entries("rpcs"));
	/* The last one asked is the first that answers. */
	for (i = HOSTS; i > 0; i -= BATCH) {
		for (k = i; k > i - BATCH; k--)
			ASSERT_TRUE(say(self, k, SERVER, self->port, self->asked[k].id | 1));
		for (k = i; k > i - BATCH; k--) {
			id = 0;
			len = sizeof(to);
			ASSERT_EQ(sizeof(host), homa_recv(self->fd, &host, sizeof(host), HOMA_RECV_RESPONSE,
							  &to.sa, &len, &id, NULL, &cookie));
			ASSERT_EQ(host, cookie);
			ASSERT_EQ(self->asked[host].id, id);
			ASSERT_EQ(1, self->done[host]++);
		}
	}
	ASSERT_EQ(failed, homa_counter("rpc_failed"));
	ASSERT_RPCS_IDLE(20);
}

/* Homa's clock is slow, as ten thousand RPCs take longer than a tick here. */
TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, "--set tick_ns=1s")
