// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Messages that are received: a copy, or the pages in which they lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

int message_init(struct message *m, bool zero_copy)
{
	m->n = 0;
	m->buf = zero_copy ? NULL : malloc(HOMA_MAX_MESSAGE_LENGTH);
	m->iov = calloc(zero_copy ? HOMA_MAX_PIECES : 1, sizeof(*m->iov));
	if (m->iov && (m->buf || zero_copy))
		return BENCH_OK;
	fprintf(stderr, "homa_bench: out of memory; free some\n");
	return BENCH_FAILED;
}

void message_free(struct message *m)
{
	free(m->buf);
	free(m->iov);
}

ssize_t message_recv(int fd, struct message *m, int flags, union address *src, size_t *addrlen,
		     uint64_t *id, uint64_t *cookie)
{
	struct sockaddr *from = src ? &src->sa : NULL;
	ssize_t len;

	if (!m->buf) {
		m->n = HOMA_MAX_PIECES;
		len = homa_recv_pages(fd, m->iov, &m->n, flags, from, addrlen, id, NULL, cookie);
	} else {
		m->n = 1;
		len = homa_recv(fd, m->buf, HOMA_MAX_MESSAGE_LENGTH, flags, from, addrlen, id, NULL, cookie);
		m->iov[0] = (struct iovec){ m->buf, len < 0 ? 0 : len };
	}
	if (len < 0)
		m->n = 0;
	return len;
}

void message_done(int fd, struct message *m)
{
	if (!m->buf && m->n)
		homa_release_pages(fd, m->iov, m->n);
	m->n = 0;
}

bool message_is(const struct message *m, const uint8_t *bytes)
{
	int i;

	for (i = 0; i < m->n; bytes += m->iov[i++].iov_len)
		if (memcmp(m->iov[i].iov_base, bytes, m->iov[i].iov_len))
			return false;
	return true;
}
