// SPDX-License-Identifier: GPL-2.0
/* What 'etranctl rpc' says of RPCs in each of their states, at a host whose peer is played by hand. */
#include "wire.h"

#define SERVER	700
#define HERE	701
#define CLIENT	0x9000
#define MS	60

FIXTURE(show)
{
	WIRE_MEMBERS;
	uint8_t *buf;
	uint64_t start;
};

FIXTURE_SETUP(show)
{
	WIRE_SETUP(HERE);
	self->buf = calloc(1, HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
	self->start = now_ms();
}

FIXTURE_TEARDOWN(show)
{
	WIRE_TEARDOWN();
}

/* Is the jq filter true of the answer to "rpc homa" with these options? */
static bool shows(const char *options, const char *filter)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd), "etranctl -j rpc homa %s | jq -e '%s' >/dev/null || { etranctl rpc homa >&2; false; }",
		 options, filter);
	return !system(cmd);
}

TEST_F(show, nothing)
{
	ASSERT_TRUE(shows("", ". == []"));
}

TEST_F(show, a_client_from_begin_to_end)
{
	struct wire_message m = { SERVER, self->port, 0, self->buf, 2800, 2800 };
	char filter[512];
	uint64_t id;

	/* More than goes without a grant, so what was sent is known exactly. */
	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 100000, &id, 0));
	snprintf(filter, sizeof(filter),
		 "length == 1 and (.[0] | .transport == \"homa\" and .id == %lu and .role == \"client\" and .state == \"outgoing\" and .peer == \"10.77.0.2\" and .peer_port == %u and .port == %u and .sent == %u and .send_length == 100000 and .received == 0 and .receive_length == 0 and .error == 0 and .endpoint > 0 and .link > 0 and .age_ns > 0)",
		 (unsigned long)id, SERVER, self->port, 29 * WIRE_SEGMENT);
	ASSERT_TRUE(shows("", filter));
	ASSERT_TRUE(shows("--state outgoing --peer 10.77.0.2 --port 700", "length == 1"));
	ASSERT_TRUE(shows("--peer 10.77.0.3", ". == []"));

	m.id = id | 1;
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, m.id, 100000, 0));
	usleep(20000);
	ASSERT_TRUE(shows("", "length == 1 and .[0].sent == 100000"));
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 1400));
	snprintf(filter, sizeof(filter),
		 "length == 1 and (.[0] | .id == %lu and .state == \"incoming\" and .received == 1400 and .receive_length == 2800 and .quiet_ns <= .age_ns)",
		 (unsigned long)id);
	/* It has arrived when it is seen. */
	usleep(20000);
	ASSERT_TRUE(shows("", filter));
	ASSERT_TRUE(wire_data(&self->w, &m, 1400, 1400));
	ASSERT_EQ(2800, response(self->fd, self->buf, HOMA_MAX_MESSAGE_LENGTH, &id, NULL));
	ASSERT_TRUE(shows("", ". == []"));
}

TEST_F(show, a_server_from_begin_to_end)
{
	struct wire_message m = { CLIENT, HERE, 0xa000, self->buf, 2800, 2800 };
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	char filter[512];
	uint64_t id = 0;

	ASSERT_TRUE(wire_data(&self->w, &m, 0, 1400));
	usleep(20000);
	snprintf(filter, sizeof(filter),
		 "length == 1 and (.[0] | .id == %u and .role == \"server\" and .state == \"incoming\" and .peer_port == %u and .port == %u and .received == 1400 and .receive_length == 2800 and .send_length == 0)",
		 0xa001, CLIENT, HERE);
	ASSERT_TRUE(shows("", filter));
	ASSERT_TRUE(wire_data(&self->w, &m, 1400, 1400));
	ASSERT_EQ(2800, homa_recv(self->server, self->buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
				  (struct sockaddr *)&from, &addrlen, &id, NULL, NULL));
	ASSERT_TRUE(shows("--state in-service", "length == 1 and .[0].received == 2800"));
	ASSERT_EQ(0, homa_reply(self->server, self->buf, 5000, (struct sockaddr *)&from, addrlen, id));
	ASSERT_TRUE(shows("--state outgoing", "length == 1 and .[0].sent == 5000 and .[0].send_length == 5000"));
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, m.id));
	usleep(20000);
	ASSERT_TRUE(shows("", ". == []"));
}

TEST_F(show, age_and_silence)
{
	char filter[256];
	uint64_t id;

	ASSERT_EQ(0, request(self->fd, SERVER, "hello", 5, &id, 0));
	usleep(50000);
	snprintf(filter, sizeof(filter),
		 "length == 1 and (.[0] | .age_ns >= 50000000 and .age_ns < %lu000000000 and .quiet_ns > 0 and .quiet_ns <= .age_ns)",
		 60UL);
	ASSERT_TRUE(shows("", filter));
	ASSERT_EQ(0, homa_abort(self->fd, id, 0));
}

/* Nothing answers here: what is tested must not be given up, nor asked for, meanwhile. */
TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, "--set resend_ticks=20000 --set timeout_ticks=100000 --set request_ack_ticks=20000")
