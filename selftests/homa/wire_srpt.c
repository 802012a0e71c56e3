// SPDX-License-Identifier: GPL-2.0
/*
 * Which messages are granted: the shortest, balanced over peers, and a share for the oldest. At what
 * priority. See grants.h.
 */
#include "grants.h"

#define WINDOW		20000
#define BONUS		50000

TEST_F(grants, shortest_first)
{
	struct message *m[ACTIVE], *shortest, *late;
	int i;

	/* As many as may be active, the longest first; of the last ones each is above all before. */
	for (i = 0; i < ACTIVE; i++) {
		m[i] = begin(_metadata, self, i, 500000 - 40000 * i);
		ASSERT_LE(1, collect(_metadata, self));
		ASSERT_LE(1, m[i]->grants) TH_LOG("message %d", i);
		ASSERT_EQ(i < 4 ? i : 3, m[i]->priority) TH_LOG("message %d", i);
	}
	/* A longer one than all: it waits. */
	late = begin(_metadata, self, 9, 600000);
	collect(_metadata, self);
	ASSERT_EQ(late->bonuses, late->grants);
	/* A shorter one than all takes the place of the longest, which gets no more. */
	shortest = begin(_metadata, self, 8, 100000);
	collect(_metadata, self);
	ASSERT_LE(1, shortest->grants);
	ASSERT_EQ(3, shortest->priority);
	i = m[0]->grants - m[0]->bonuses;
	send_to(_metadata, self, m[0], m[0]->granted);
	collect(_metadata, self);
	ASSERT_EQ(i, m[0]->grants - m[0]->bonuses);
	/* When it has all, the longest has its place again: of those that wait it is the shortest. */
	while (shortest->sent < shortest->len) {
		ASSERT_LT(shortest->sent, shortest->granted);
		send_to(_metadata, self, shortest, shortest->granted);
		collect(_metadata, self);
	}
	ASSERT_LT(i, m[0]->grants - m[0]->bonuses);
	ASSERT_EQ(late->bonuses, late->grants);
}

/* One peer may have all grants while it is alone; any other takes one of them, however long. */
TEST_F(grants, balanced_over_peers)
{
	struct message *m, *other;
	int i;

	for (i = 0; i < ACTIVE; i++)
		begin(_metadata, self, 0, 300000 + 10000 * i);
	collect(_metadata, self);
	for (i = 0; i < ACTIVE; i++)
		ASSERT_LE(1, self->m[i].grants) TH_LOG("message %d", i);
	/* Another of the same peer, longer: not now. */
	m = begin(_metadata, self, 0, 900000);
	collect(_metadata, self);
	ASSERT_EQ(m->bonuses, m->grants);
	other = begin(_metadata, self, 1, 800000);
	collect(_metadata, self);
	ASSERT_LE(1, other->grants - other->bonuses);
	/* The longest of the other peer has made room. */
	m = &self->m[ACTIVE - 1];
	i = m->grants - m->bonuses;
	send_to(_metadata, self, m, m->granted);
	collect(_metadata, self);
	ASSERT_EQ(i, m->grants - m->bonuses);
}

/* The oldest message goes on although there always are shorter ones. */
TEST_F(grants, oldest_does_not_starve)
{
	struct message *oldest, *m;
	uint64_t total = 0;
	int i, k;

	oldest = begin(_metadata, self, 0, 1000000);
	collect(_metadata, self);
	/* It sends nothing of what it was granted when it was alone, so all others are shorter. */
	for (i = 1; i <= ACTIVE; i++)
		begin(_metadata, self, i, 700000);
	collect(_metadata, self);
	/* Other tests' messages have brought it near its first share; so the time to the second. */
	for (k = 0; k < 60 && oldest->bonuses < 2; k++) {
		if (!oldest->bonuses)
			total = 0;
		for (i = 1; i <= ACTIVE; i++) {
			m = &self->m[i];
			total += m->granted - m->sent;
			send_to(_metadata, self, m, m->granted);
		}
		collect(_metadata, self);
	}
	ASSERT_EQ(2, oldest->bonuses);
	/* And its first one, when it was alone. */
	ASSERT_EQ(3, oldest->grants);
	ASSERT_EQ(UNSCHEDULED + WINDOW + 2 * BONUS, oldest->granted);
	/* 5% of what the others got. */
	ASSERT_LE(700000, total);
	ASSERT_GE(1500000, total);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, GRANTS_SET " --set homa_window=20000")
