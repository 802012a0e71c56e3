// SPDX-License-Identifier: GPL-2.0
/*
 * More connections are made and ended, by the client first, than there is room for while TIME_WAIT lasts: it takes nothing from
 * the living, neither slots nor ports.
 */
#include "tcp_test.h"

#define PORT		8100
/* tcp.bpf.o has 16,384 slots. */
#define CONNECTIONS	17000

/* Listeners, so that there are ports enough. */
#define LISTENERS	4

static bool end_both(struct etran_socket *c, struct etran_socket *s)
{
	char byte;
	bool ok;

	ok = !etran_shutdown(c, SHUT_WR) && !etran_recv(s, &byte, 1, 0);
	etran_close(s);
	ok = ok && !etran_recv(c, &byte, 1, 0);
	etran_close(c);
	return ok;
}

FIXTURE(time_wait)
{
	struct etran_tcp *a;
	struct etran_tcp *b;
	struct etran_socket *l[LISTENERS];
};

FIXTURE_SETUP(time_wait)
{
	union address at;
	int i;

	self->b = context(HOST_B, 0);
	ASSERT_NE(NULL, self->b);
	for (i = 0; i < LISTENERS; i++) {
		at = address_of(HOST_B, PORT + i);
		self->l[i] = etran_socket(self->b, family, 0);
		ASSERT_NE(NULL, self->l[i]);
		ASSERT_EQ(0, etran_bind(self->l[i], &at.sa, address_len()));
		ASSERT_EQ(0, etran_listen(self->l[i], 8)) TH_LOG("%s", etran_strerror_detail());
	}
	self->a = context(HOST_A, 0);
	ASSERT_NE(NULL, self->a);
}

FIXTURE_TEARDOWN(time_wait)
{
	etran_tcp_close(self->a);
	etran_tcp_close(self->b);
	/* The last ones have their minute. */
	EXPECT_TRUE(idle(16384, 20));
	EXPECT_EQ(0, tcp_counter("frame_stale"));
	EXPECT_EQ(0, counter("bad_verdict"));
}

/* From that port of our own, 0 for any. NULL with errno. */
static struct etran_socket *connected(FIXTURE_DATA(time_wait) *self, int listener, uint16_t from)
{
	union address to = address_of(HOST_B, PORT + listener), own = address_of(HOST_A, from);
	struct etran_socket *c = etran_socket(self->a, family, 0);
	int err;

	if (c && (!from || !etran_bind(c, &own.sa, address_len())) && !etran_connect(c, &to.sa, address_len()))
		return c;
	err = errno;
	etran_close(c);
	errno = err;
	return NULL;
}

/* One of them, from its beginning to its end. Return: 0, or errno of what went wrong. */
static int one(FIXTURE_DATA(time_wait) *self, int listener, uint16_t from)
{
	struct etran_socket *c = connected(self, listener, from), *s;

	if (!c)
		return errno;
	s = etran_accept(self->l[listener], NULL, NULL, 0);
	return s && end_both(c, s) ? 0 : EPROTO;
}

TEST_F(time_wait, gives_way_when_the_table_is_full)
{
	struct etran_socket *keep = connected(self, 0, 0), *kept;
	char byte;
	int i;

	ASSERT_NE(NULL, keep) TH_LOG("%s", etran_strerror_detail());
	kept = etran_accept(self->l[0], NULL, NULL, 0);
	ASSERT_NE(NULL, kept);
	for (i = 0; i < CONNECTIONS; i++)
		ASSERT_EQ(0, one(self, i % LISTENERS, 0))
			TH_LOG("connection %d: %s", i, etran_strerror_detail());
	ASSERT_LT(0, tcp_counter("time_wait_ended"));
	/* Few more than it has to be. */
	ASSERT_GT(CONNECTIONS - 16000, tcp_counter("time_wait_ended"));
	ASSERT_EQ(0, tcp_counter("rx_syn_dropped"));
	ASSERT_EQ(1, etran_send(keep, "k", 1, 0));
	ASSERT_EQ(1, etran_recv(kept, &byte, 1, 0));
	ASSERT_EQ('k', byte);
	etran_close(keep);
	etran_close(kept);
}

/* RFC 6191: when no port is left, and a second has passed. */
TEST_F(time_wait, gives_its_port_to_a_new_connection)
{
	int i;

	ASSERT_TRUE(tunable("tcp_port_min", 50000));
	ASSERT_TRUE(tunable("tcp_port_max", 50009));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, one(self, 0, 0)) TH_LOG("%d: %s", i, etran_strerror_detail());
	ASSERT_EQ(EADDRNOTAVAIL, one(self, 0, 0));
	ASSERT_EQ(EADDRINUSE, one(self, 0, 50003));
	usleep(1100000);
	for (i = 0; i < 9; i++)
		ASSERT_EQ(0, one(self, 0, 0)) TH_LOG("%d: %s", i, etran_strerror_detail());
	usleep(1100000);
	/* Also to who asks for one. */
	ASSERT_EQ(0, one(self, 0, 50003)) TH_LOG("%s", etran_strerror_detail());
	ASSERT_EQ(EADDRINUSE, one(self, 0, 50003));
	ASSERT_TRUE(tunable("tcp_port_max", 65535));
	ASSERT_TRUE(tunable("tcp_port_min", 61000));
}

TCP_MAIN(1500, "BOTH", "")
