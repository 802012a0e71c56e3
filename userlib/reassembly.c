// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reassembly.h"

int reassembly_begin(struct reassembly *r, uint32_t len)
{
	r->buf = malloc(len);
	if (!r->buf)
		return -ENOMEM;
	r->len = len;
	return 0;
}

void reassembly_free(struct reassembly *r)
{
	free(r->buf);
	free(r->iv);
	memset(r, 0, sizeof(*r));
}

/* First interval that ends at or behind @offset: the first that a piece there can touch. */
static uint32_t first_touched(const struct reassembly *r, uint32_t offset)
{
	uint32_t lo = 0, hi = r->count, mid;

	/* Nearly always the piece continues the last interval. */
	if (hi && r->iv[hi - 1].start <= offset && r->iv[hi - 1].end >= offset)
		return hi - 1;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (r->iv[mid].end < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int make_room(struct reassembly *r)
{
	uint32_t room = r->room ? r->room * 2 : 4;
	struct interval *iv;

	if (r->count < r->room)
		return 0;
	if (r->count >= REASSEMBLY_MAX_INTERVALS)
		return -E2BIG;
	iv = realloc(r->iv, room * sizeof(*iv));
	if (!iv)
		return -ENOMEM;
	r->iv = iv;
	r->room = room;
	return 0;
}

int reassembly_add(struct reassembly *r, uint32_t offset, const void *data, uint32_t len)
{
	const uint8_t *src = data;
	uint32_t end = offset + len, first, last, pos = offset, n, added = 0;
	int err;

	if (offset > r->len || len > r->len - offset)
		return -EINVAL;
	if (!len)
		return 0;

	first = first_touched(r, offset);
	/* @last: behind the last interval that the piece touches. */
	for (last = first; last < r->count && r->iv[last].start <= end; last++)
		;
	if (first == last) {
		err = make_room(r);
		if (err)
			return err;
	}

	/* Copy what lies in the holes between the touched intervals. */
	for (n = first; n < last && pos < end; n++) {
		if (pos < r->iv[n].start) {
			memcpy(r->buf + pos, src + (pos - offset), r->iv[n].start - pos);
			added += r->iv[n].start - pos;
		}
		if (pos < r->iv[n].end)
			pos = r->iv[n].end;
	}
	if (pos < end) {
		memcpy(r->buf + pos, src + (pos - offset), end - pos);
		added += end - pos;
	}
	r->got += added;

	if (first == last) {
		memmove(r->iv + first + 1, r->iv + first, (r->count - first) * sizeof(*r->iv));
		r->iv[first].start = offset;
		r->iv[first].end = end;
		r->count++;
	} else {
		if (r->iv[first].start > offset)
			r->iv[first].start = offset;
		if (r->iv[last - 1].end > end)
			end = r->iv[last - 1].end;
		r->iv[first].end = end;
		memmove(r->iv + first + 1, r->iv + last, (r->count - last) * sizeof(*r->iv));
		r->count -= last - first - 1;
	}
	return added;
}
