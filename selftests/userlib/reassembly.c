// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Reassembly against a model that keeps one flag a byte. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"

#include "../../userlib/reassembly.h"

#define MAX_LEN	6000

static uint64_t rng = 88172645463325252ULL;

static uint32_t rnd(uint32_t limit)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % limit;
}

FIXTURE(message)
{
	struct reassembly r;
	uint8_t sent[MAX_LEN];
	bool have[MAX_LEN];
	uint32_t len;
};

FIXTURE_SETUP(message)
{
	uint32_t i;

	for (i = 0; i < MAX_LEN; i++)
		self->sent[i] = rnd(256);
}

FIXTURE_TEARDOWN(message)
{
	reassembly_free(&self->r);
}

/* Adds a piece to both; the model says how many bytes were new. */
static int add(FIXTURE_DATA(message) *self, uint32_t offset, uint32_t len, int *model)
{
	uint32_t i;

	*model = 0;
	for (i = offset; i < offset + len; i++) {
		*model += !self->have[i];
		self->have[i] = true;
	}
	return reassembly_add(&self->r, offset, self->sent + offset, len);
}

static bool same(FIXTURE_DATA(message) *self)
{
	uint32_t i, n = 0, prev_end = 0, got = 0;

	for (i = 0; i < self->len; i++) {
		got += self->have[i];
		if (self->have[i] && self->r.buf[i] != self->sent[i])
			return false;
	}
	for (n = 0; n < self->r.count; n++) {
		const struct interval *iv = &self->r.iv[n];

		/* Sorted, not empty, and a hole between any two. */
		if (iv->start >= iv->end || (n && iv->start <= prev_end) || iv->end > self->len)
			return false;
		for (i = iv->start; i < iv->end; i++)
			if (!self->have[i])
				return false;
		got -= iv->end - iv->start;
		prev_end = iv->end;
	}
	return !got;
}

TEST_F(message, one_piece)
{
	int model;

	self->len = 1;
	ASSERT_EQ(0, reassembly_begin(&self->r, self->len));
	EXPECT_FALSE(reassembly_done(&self->r));
	EXPECT_EQ(1, add(self, 0, 1, &model));
	EXPECT_TRUE(reassembly_done(&self->r));
	EXPECT_EQ(0, add(self, 0, 1, &model));
	EXPECT_TRUE(same(self));
}

TEST_F(message, in_order_is_one_interval)
{
	uint32_t off;
	int model;

	self->len = MAX_LEN;
	ASSERT_EQ(0, reassembly_begin(&self->r, self->len));
	for (off = 0; off < MAX_LEN; off += 100) {
		EXPECT_EQ(100, add(self, off, 100, &model));
		EXPECT_EQ(1, self->r.count);
	}
	EXPECT_TRUE(reassembly_done(&self->r));
	EXPECT_TRUE(same(self));
}

TEST_F(message, backwards)
{
	uint32_t off;
	int model;

	self->len = MAX_LEN;
	ASSERT_EQ(0, reassembly_begin(&self->r, self->len));
	for (off = MAX_LEN; off; off -= 100) {
		EXPECT_EQ(100, add(self, off - 100, 100, &model));
		EXPECT_EQ(1, self->r.count);
	}
	EXPECT_TRUE(reassembly_done(&self->r));
	EXPECT_TRUE(same(self));
}

TEST_F(message, one_piece_over_many_holes)
{
	uint32_t off;
	int model;

	self->len = 1000;
	ASSERT_EQ(0, reassembly_begin(&self->r, self->len));
	for (off = 0; off < 1000; off += 20)
		EXPECT_EQ(10, add(self, off, 10, &model));
	EXPECT_EQ(50, self->r.count);
	EXPECT_EQ(500, add(self, 0, 1000, &model));
	EXPECT_EQ(1, self->r.count);
	EXPECT_TRUE(reassembly_done(&self->r));
	EXPECT_TRUE(same(self));
}

TEST_F(message, what_is_there_is_not_changed)
{
	static const uint8_t other[10] = { 0 };
	int model;

	self->len = 30;
	ASSERT_EQ(0, reassembly_begin(&self->r, self->len));
	memset(self->sent, 0xaa, 30);
	EXPECT_EQ(10, add(self, 10, 10, &model));
	EXPECT_EQ(0, reassembly_add(&self->r, 10, other, 10));
	EXPECT_EQ(5, reassembly_add(&self->r, 5, other, 10));
	EXPECT_EQ(0xaa, self->r.buf[10]);
	EXPECT_EQ(0, self->r.buf[5]);
}

TEST_F(message, bad_pieces)
{
	uint8_t data[16] = { 0 };

	self->len = 100;
	ASSERT_EQ(0, reassembly_begin(&self->r, self->len));
	EXPECT_EQ(-EINVAL, reassembly_add(&self->r, 90, data, 11));
	EXPECT_EQ(-EINVAL, reassembly_add(&self->r, 101, data, 1));
	EXPECT_EQ(-EINVAL, reassembly_add(&self->r, UINT32_MAX, data, 2));
	EXPECT_EQ(-EINVAL, reassembly_add(&self->r, 1, data, UINT32_MAX));
	EXPECT_EQ(0, reassembly_add(&self->r, 100, data, 0));
	EXPECT_EQ(0, self->r.got);
	EXPECT_EQ(0, self->r.count);
}

TEST_F(message, too_many_intervals)
{
	uint8_t data[4] = { 1, 2, 3, 4 };
	uint32_t i;

	ASSERT_EQ(0, reassembly_begin(&self->r, 4 * REASSEMBLY_MAX_INTERVALS));
	for (i = 0; i < REASSEMBLY_MAX_INTERVALS; i++)
		ASSERT_EQ(1, reassembly_add(&self->r, 2 * i, data, 1));
	EXPECT_EQ(-E2BIG, reassembly_add(&self->r, 2 * i, data, 1));
	/* Pieces that close a hole still go in. */
	EXPECT_EQ(1, reassembly_add(&self->r, 1, data, 1));
	EXPECT_EQ(1, reassembly_add(&self->r, 2 * i, data, 1));
}

TEST_F(message, random_pieces_until_done)
{
	int round, model, n, steps;
	uint32_t off, len;

	for (round = 0; round < 300; round++) {
		self->len = 1 + rnd(MAX_LEN);
		memset(self->have, 0, sizeof(self->have));
		ASSERT_EQ(0, reassembly_begin(&self->r, self->len));
		for (steps = 0; !reassembly_done(&self->r) && steps < 20000; steps++) {
			/* Both ends as likely as the middle. */
			off = rnd(self->len + 80);
			off = off < 40 ? 0 : off - 40;
			if (off >= self->len)
				off = self->len - 1;
			len = 1 + rnd(round % 3 ? 40 : 1500);
			if (len > self->len - off)
				len = self->len - off;
			n = add(self, off, len, &model);
			ASSERT_EQ(model, n);
			if (steps < 200 || steps % 100 == 0)
				ASSERT_TRUE(same(self));
		}
		ASSERT_TRUE(reassembly_done(&self->r));
		ASSERT_EQ(1, self->r.count);
		ASSERT_EQ(0, memcmp(self->r.buf, self->sent, self->len));
		reassembly_free(&self->r);
	}
}

TEST_HARNESS_MAIN
