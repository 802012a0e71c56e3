// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * TCP without copies: etran_recv_pages() hands out the frames that were received into, etran_send_buffer() those that are
 * to be sent.
 *
 * Receiving. Of a socket that was asked for pages once, segments that come in order stay in their frames, in a list; what the
 * application has read of them is before the list's first. All else goes to the socket's ring, as without: what comes
 * behind a gap, and everything as long as the ring has something, or frames are short (lend.h). So bytes that
 * can be read are first in the list, then in the ring; etran_recv() copies from both. From the ring pages are handed out as
 * memory, which is a copy. Rejected: frames for what is behind a gap, too. They would be out for as long as
 * a peer likes, which could have all of them with a segment of one byte each.
 *
 * Sending. The buffer is the room behind what the newest frame of the socket has already, which is as much as a segment takes.
 * The frame is the kernel's when the segment is pushed; until then nobody but the application has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "error.h"
#include "tcp_sock.h"

static uint32_t pages_count(const struct etran_socket *s)
{
	return s->page_end - s->page_first;
}

bool tcp_page_add(struct etran_socket *s, const uint8_t *data, uint32_t len)
{
	struct lending *l = &s->tcp->lending;
	struct tcp_page *page;
	uint32_t room;

	/* The list begins where was read to, and the ring behind it is empty. */
	if (!s->pages || s->parts || s->have - s->read != s->page_bytes || !lending_possible(l))
		return false;
	/* Moved when that makes much room, so that each is moved once or so. */
	if (s->page_end == s->page_room && s->page_first && s->page_first >= s->page_room / 2) {
		memmove(s->page, s->page + s->page_first, pages_count(s) * sizeof(*s->page));
		s->page_end -= s->page_first;
		s->page_first = 0;
	} else if (s->page_end == s->page_room) {
		room = s->page_room ? 2 * s->page_room : 16;
		page = realloc(s->page, room * sizeof(*page));
		if (!page)
			return false;
		s->page = page;
		s->page_room = room;
	}
	s->page[s->page_end++] = (struct tcp_page){ .data = data, .len = len, .frame = lending_keep(l) };
	s->page_bytes += len;
	return true;
}

uint32_t tcp_pages_get(struct etran_socket *s, uint8_t *buf, uint32_t len, bool take)
{
	uint32_t done = 0, first = s->page_first, i, n;
	struct tcp_page *page;

	for (i = first; i < s->page_end && done < len; i++) {
		page = &s->page[i];
		n = page->len < len - done ? page->len : len - done;
		memcpy(buf + done, page->data, n);
		done += n;
		if (!take)
			continue;
		page->data += n;
		page->len -= n;
		s->page_bytes -= n;
		if (page->len)
			break;
		lending_drop(&s->tcp->lending, page->frame);
		s->page_first++;
	}
	if (s->page_first != first)
		etran_rx_given(s->tcp->ch);
	return done;
}

void tcp_pages_drop(struct etran_socket *s)
{
	bool any = pages_count(s);

	while (s->page_first < s->page_end)
		lending_drop(&s->tcp->lending, s->page[s->page_first++].frame);
	if (any)
		etran_rx_given(s->tcp->ch);
	free(s->page);
	s->page = NULL;
	s->page_first = 0;
	s->page_end = 0;
	s->page_room = 0;
	s->page_bytes = 0;
}

/* Hands out what is in frames. Return: bytes, of which *@count pieces were made. */
static size_t lend_pages(struct etran_socket *s, struct iovec *iov, int *count, int room)
{
	struct lending *l = &s->tcp->lending;
	size_t bytes = 0;

	while (*count < room && pages_count(s) && !lending_full(l)) {
		struct tcp_page *page = &s->page[s->page_first++];

		lending_frame(l, page->frame);
		iov[*count].iov_base = (void *)page->data;
		iov[*count].iov_len = page->len;
		bytes += page->len;
		(*count)++;
	}
	s->page_bytes -= bytes;
	return bytes;
}

/* Hands out what is in the ring, @len bytes from @offset, as one piece. Return: 0, -1 with errno ENOMEM. */
static int lend_ring(struct etran_socket *s, uint64_t offset, uint32_t len, struct iovec *iov)
{
	uint8_t *buf = malloc(len);

	if (!buf)
		return etran_fail(ENOMEM, "no memory to hand out what was received");
	if (lending_memory(&s->tcp->lending, buf, len)) {
		free(buf);
		return -1;
	}
	tcp_ring_get(s, offset, buf, len);
	iov->iov_base = buf;
	iov->iov_len = len;
	return 0;
}

/* What can be read, or as much of it as there is room for. Return: bytes, -1 with errno. */
static ssize_t lend(struct etran_socket *s, struct iovec *iov, int *iovcnt)
{
	struct lending *l = &s->tcp->lending;
	int room = *iovcnt, count = 0;
	size_t bytes;

	if (lending_full(l))
		return etran_fail(ENOBUFS, "the application has %u pages of this context, there are no more until it gives some back with etran_release_pages()",
				  l->lent);
	bytes = lend_pages(s, iov, &count, room);
	if (!pages_count(s) && count < room && !lending_full(l) && s->have > s->read + bytes) {
		uint32_t n = s->have - s->read - bytes;

		if (!lend_ring(s, s->read + bytes, n, &iov[count])) {
			count++;
			bytes += n;
		} else if (!bytes) {
			return -1;
		}
	}
	*iovcnt = count;
	tcp_was_read(s, bytes);
	return bytes;
}

ssize_t etran_recv_pages(struct etran_socket *s, struct iovec *iov, int *iovcnt, int flags)
{
	struct etran_tcp *t = s->tcp;
	uint32_t delivered;
	ssize_t ret = -1;

	if (!iov || !iovcnt)
		return etran_fail(EFAULT, "iov or iovcnt is NULL");
	if (*iovcnt < 1)
		return etran_fail(EINVAL, "room for %d pieces", *iovcnt);
	if (flags & ~MSG_DONTWAIT)
		return etran_fail(EINVAL, "etran_recv_pages() knows the flag MSG_DONTWAIT only");
	tcp_lock(t);
	if (!lending_begin(&t->lending, t->ch)) {
		s->pages = true;
		do {
			delivered = etran_rx_delivered(t->ch);
			tcp_take_all(t);
			if (s->have > s->read) {
				ret = lend(s, iov, iovcnt);
				break;
			}
			ret = tcp_recv_wait(s, delivered, s->nonblock || flags & MSG_DONTWAIT);
		} while (ret > 0);
		if (!ret)
			*iovcnt = 0;
	}
	tcp_unlock(t);
	return ret;
}

int etran_release_pages(struct etran_socket *s, const struct iovec *iov, int iovcnt)
{
	struct etran_tcp *t = s->tcp;
	int ret;

	if (!iov && iovcnt)
		return etran_fail(EFAULT, "iov is NULL");
	if (iovcnt < 0)
		return etran_fail(EINVAL, "%d pieces", iovcnt);
	tcp_lock(t);
	ret = lending_release(&t->lending, iov, iovcnt, "etran_recv_pages");
	tcp_unlock(t);
	return ret;
}

void *etran_send_buffer(struct etran_socket *s, size_t *len, int flags)
{
	struct etran_tcp *t = s->tcp;
	void *buf = NULL;

	if (!len) {
		etran_fail(EFAULT, "len is NULL");
		return NULL;
	}
	if (flags & ~MSG_DONTWAIT) {
		etran_fail(EINVAL, "etran_send_buffer() knows the flag MSG_DONTWAIT only");
		return NULL;
	}
	tcp_lock(t);
	if (!tcp_send_ready(s, s->nonblock || flags & MSG_DONTWAIT)) {
		s->lent = true;
		buf = (uint8_t *)(s->open + 1) + s->open_len;
		*len = s->mss - s->open_len;
	}
	tcp_unlock(t);
	return buf;
}

int etran_send_commit(struct etran_socket *s, size_t len, int flags)
{
	struct etran_tcp *t = s->tcp;
	int ret = -1;

	if (flags & ~(MSG_MORE | MSG_BATCH | MSG_NOSIGNAL | MSG_DONTWAIT))
		return etran_fail(EINVAL, "etran_send_commit() knows the flags MSG_MORE and MSG_BATCH only");
	tcp_lock(t);
	tcp_take_all(t);
	if (!s->lent) {
		etran_fail(EINVAL, "etran_send_buffer() gave no buffer of this socket that was not committed");
	} else if (s->open && len > s->mss - s->open_len) {
		etran_fail(EINVAL, "%zu bytes in a buffer of %u", len, s->mss - s->open_len);
	} else {
		s->lent = false;
		ret = tcp_send_fault(s);
		/* Nobody else pushes it without an end. */
		if (!ret && s->open) {
			s->open_len += len;
			if (s->open_len)
				tcp_frame_push(s, tcp_send_waits(s, flags));
			ret = flags & MSG_BATCH ? 0 : etran_tx_kick(t->ch);
		}
	}
	tcp_unlock(t);
	return ret;
}
