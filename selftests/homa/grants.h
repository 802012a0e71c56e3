/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of grants: peers with addresses of their own send requests by hand to a server on
 * HOST_A, each as much as it was granted, or less where that is the point. Timers are set so long
 * (GRANTS_SET) that nothing but what is tested makes a packet.
 */
#ifndef GRANTS_H
#define GRANTS_H

#include "wire.h"

#define HERE		701
#define CLIENT		0x9000
/* One packet, so that it is known of how many bytes the first GRANT knows. */
#define UNSCHEDULED	1400
#define BONUS_PRIORITY	6
#define ACTIVE		8
#define GRANT_PEERS	12
#define MESSAGES	16
/* Longer than anything takes that happens at once. */
#define MS		60

/**
 * struct message - a request that comes to our server
 * @peer: number of the peer, from 0
 * @id: of the RPC at the peer
 * @len: bytes
 * @sent: bytes that were sent
 * @granted: bytes that may be sent
 * @grants: GRANTs that came
 * @priority: of the last one
 * @bonuses: how many had BONUS_PRIORITY
 */
struct message {
	int peer;
	uint64_t id;
	uint32_t len;
	uint32_t sent;
	uint32_t granted;
	int grants;
	int priority;
	int bonuses;
};

FIXTURE(grants)
{
	struct wire w;
	int server;
	int n;
	struct message m[MESSAGES];
	uint8_t *buf;
	struct packet p;
};

FIXTURE_SETUP(grants)
{
	char cmd[128];
	int i;

	ASSERT_EQ(0, wire_open(&self->w));
	for (i = 0; i < GRANT_PEERS; i++) {
		snprintf(cmd, sizeof(cmd), "ip -n homa_a neigh replace 10.77.0.%d lladdr 02:00:00:00:00:02 nud permanent dev v0",
			 10 + i);
		ASSERT_EQ(0, system(cmd));
	}
	self->server = sock_on(HOST_A, HERE);
	ASSERT_LE(0, self->server);
	self->buf = calloc(1, HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
}

static uint32_t address(int peer)
{
	return htonl((ADDR_A & 0xffffff00) + 10 + peer);
}

static bool send_from(FIXTURE_DATA(grants) *self, int peer, size_t len)
{
	struct packet *p = &self->p;

	wire_frame(&self->w, p, HOMA_IPPROTO, len);
	p->ip.saddr = address(peer);
	p->ip.check = 0;
	p->ip.check = htons(checksum(&p->ip, sizeof(p->ip)));
	return send(self->w.fd, &p->eth, p->len, 0) == (ssize_t)p->len;
}

/* The client forgets an RPC: our server hears of that, and all that it had comes back. */
static void forget(struct __test_metadata *_metadata, FIXTURE_DATA(grants) *self,
		   struct message *m)
{
	wire_common(&self->p, HOMA_RPC_UNKNOWN, CLIENT, HERE, m->id);
	ASSERT_TRUE(send_from(self, m->peer, sizeof(self->p.common)));
}

FIXTURE_TEARDOWN(grants)
{
	int i;

	for (i = 0; i < self->n; i++)
		forget(_metadata, self, &self->m[i]);
	EXPECT_TRUE(!rpcs_idle(20)) TH_LOG("left: %s", rpcs_idle(0));
	homa_close(self->server);
	EXPECT_TRUE(!idle(20)) TH_LOG("left: %s", idle(0));
	close(self->w.fd);
}

/* Send a message's bytes up to @end. */
static void send_to(struct __test_metadata *_metadata, FIXTURE_DATA(grants) *self,
		    struct message *m, uint32_t end)
{
	uint32_t n;

	if (end > m->len)
		end = m->len;
	while (m->sent < end) {
		n = end - m->sent < WIRE_SEGMENT ? end - m->sent : WIRE_SEGMENT;
		wire_common(&self->p, HOMA_DATA, CLIENT, HERE, m->id);
		self->p.data.message_length = htonl(m->len);
		self->p.data.incoming = htonl(UNSCHEDULED);
		self->p.data.offset = htonl(m->sent);
		memcpy(self->p.homa + sizeof(self->p.data), self->buf, n);
		ASSERT_TRUE(send_from(self, m->peer, sizeof(self->p.data) + n));
		m->sent += n;
	}
}

/* A new message; its unscheduled bytes come at once. */
static struct message *begin(struct __test_metadata *_metadata, FIXTURE_DATA(grants) *self, int peer,
			     uint32_t len)
{
	struct message *m = &self->m[self->n++];

	*m = (struct message){ peer, 0x100000 + 2 * self->n, len, 0, UNSCHEDULED };
	send_to(_metadata, self, m, UNSCHEDULED);
	return m;
}

/* Take the GRANTs that come, until none came for some time. Returns how many. */
static int collect(struct __test_metadata *_metadata, FIXTURE_DATA(grants) *self)
{
	uint8_t *in = malloc(HOMA_MAX_MESSAGE_LENGTH);
	struct packet *p = &self->p;
	struct message *m;
	int n = 0;

	while (wire_next(&self->w, p, MS / 2)) {
		/* Takes packets out of the ring, so that there are always buffers. */
		homa_recv(self->server, in, HOMA_MAX_MESSAGE_LENGTH,
			  HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, NULL, NULL, &(uint64_t){ 0 },
			  NULL, NULL);
		if (p->common.type != HOMA_GRANT)
			continue;
		m = &self->m[(be64(p->common.sender_id) - 0x100000) / 2 - 1];
		ASSERT_EQ(m->id | 1, be64(p->common.sender_id));
		ASSERT_EQ(address(m->peer), p->ip.daddr);
		/* Each GRANT says something new. */
		ASSERT_LT(m->granted, ntohl(p->grant.offset));
		ASSERT_GE(m->len, ntohl(p->grant.offset));
		m->granted = ntohl(p->grant.offset);
		m->priority = p->grant.priority;
		m->bonuses += m->priority == BONUS_PRIORITY;
		m->grants++;
		n++;
	}
	homa_recv(self->server, in, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING,
		  NULL, NULL, &(uint64_t){ 0 }, NULL, NULL);
	free(in);
	return n;
}

#define GRANTS_SET	"--set homa_resend_ticks=3000 --set homa_timeout_ticks=60000"

#endif /* GRANTS_H */
