// SPDX-License-Identifier: GPL-2.0
/*
 * How much messages are granted: a window for each, homa_max_incoming for all. See grants.h.
 */
#include "grants.h"

#define MAX_INCOMING	400000
#define BONUS		50000

/* Bytes under way, of all. */
static uint32_t under_way(FIXTURE_DATA(grants) *self)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < self->n; i++)
		sum += self->m[i].granted - self->m[i].sent;
	return sum;
}

/* One message may have half of what may come in; each further one leaves less for all. */
TEST_F(grants, window_shrinks_with_messages)
{
	struct message *a = begin(_metadata, self, 0, 900000), *b;

	ASSERT_EQ(1, collect(_metadata, self));
	ASSERT_EQ(UNSCHEDULED + MAX_INCOMING / 2, a->granted);
	ASSERT_EQ(0, a->priority);
	b = begin(_metadata, self, 1, 500000);
	ASSERT_EQ(1, collect(_metadata, self));
	ASSERT_EQ(UNSCHEDULED + MAX_INCOMING / 3, b->granted);
	/* The shorter one is above the longer one, and no priority is wasted. */
	ASSERT_EQ(1, b->priority);
	ASSERT_EQ(MAX_INCOMING / 2 + MAX_INCOMING / 3, budget_used());
	/* What arrives comes back; the longer one is granted again when it is below its new window. */
	send_to(_metadata, self, a, 50000);
	ASSERT_EQ(0, collect(_metadata, self));
	send_to(_metadata, self, a, 150000);
	ASSERT_LE(1, collect(_metadata, self));
	ASSERT_LE(a->granted, 150000 + MAX_INCOMING / 3);
	ASSERT_EQ(0, a->priority);
	ASSERT_GE(MAX_INCOMING, under_way(self));
}

/* Never more under way than homa_max_incoming; what is given back goes to the shortest. */
TEST_F(grants, budget)
{
	struct message *a = begin(_metadata, self, 0, 600000), *b, *c;

	collect(_metadata, self);
	b = begin(_metadata, self, 1, 500000);
	collect(_metadata, self);
	c = begin(_metadata, self, 2, 400000);
	collect(_metadata, self);
	/* 1/2 and 1/3 are taken: there is 1/6 where 1/4 was wanted. */
	ASSERT_EQ(UNSCHEDULED + MAX_INCOMING - MAX_INCOMING / 2 - MAX_INCOMING / 3, c->granted);
	ASSERT_EQ(MAX_INCOMING, budget_used());
	/* All bytes of the first arrive, and some more, until it is under its window again. */
	send_to(_metadata, self, a, a->granted);
	collect(_metadata, self);
	ASSERT_LE(UNSCHEDULED + MAX_INCOMING / 4, c->granted);
	ASSERT_GE(MAX_INCOMING + BONUS, budget_used());
	/* An RPC that ends gives back what it had. */
	forget(_metadata, self, a);
	forget(_metadata, self, b);
	forget(_metadata, self, c);
	ASSERT_RPCS_IDLE(5);
	ASSERT_EQ(0, budget_used());
	self->n = 0;
	a = begin(_metadata, self, 3, 600000);
	collect(_metadata, self);
	ASSERT_EQ(UNSCHEDULED + MAX_INCOMING / 2, a->granted);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, GRANTS_SET)
