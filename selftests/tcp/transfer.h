/* SPDX-License-Identifier: GPL-2.0 */
/* A connection of etran with the kernel's TCP that carries data both ways at once, each byte of it compared. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "tcp_test.h"

#define PORT	8100

/* The congestion control of the kernel's end where it listens; NULL: what the kernel does by default. */
static const char *peer_congestion;

/* The kernel's end ends its direction when it has all that etran sends, and not before. */
static bool peer_ends_last;

/* A connection that etran began (or the kernel), @len bytes both ways at once, and its end. */
static void transfer(struct __test_metadata *_metadata, bool passive, uint64_t len)
{
	struct kernel_end in = { .seed = 20, .in = len }, out = { .seed = 22, .out = len };
	union address to = address_of(HOST_B, PORT), any = {};
	static uint8_t b[65536];
	struct etran_tcp *t = context(HOST_A, 0);
	struct etran_socket *s, *l;
	uint64_t at = 0, n;
	int fd, lfd;
	ssize_t got;

	ASSERT_NE(NULL, t);
	s = etran_socket(t, family, 0);
	ASSERT_NE(NULL, s);
	if (passive) {
		l = s;
		any.sa.sa_family = family;
		any.in.sin_port = htons(PORT);
		ASSERT_EQ(0, etran_bind(l, &any.sa, address_len()));
		ASSERT_EQ(0, etran_listen(l, 10)) TH_LOG("%s", etran_strerror_detail());
		enter(HOST_B);
		fd = kernel_connect(PORT);
		ASSERT_LE(0, fd) TH_LOG("connect: errno %d", errno);
		s = etran_accept(l, NULL, NULL, 0);
		ASSERT_NE(NULL, s);
		etran_close(l);
	} else {
		enter(HOST_B);
		lfd = kernel_listen(PORT, 10);
		ASSERT_LE(0, lfd);
		if (peer_congestion)
			ASSERT_EQ(0, setsockopt(lfd, IPPROTO_TCP, TCP_CONGESTION, peer_congestion, strlen(peer_congestion)))
				TH_LOG("%s: errno %d", peer_congestion, errno);
		ASSERT_EQ(0, etran_connect(s, &to.sa, address_len())) TH_LOG("%s",
			etran_strerror_detail());
		fd = accept(lfd, NULL, NULL);
		ASSERT_LE(0, fd);
		close(lfd);
	}
	in.fd = fd;
	out.fd = fd;
	ASSERT_EQ(0, pthread_create(&in.thread, NULL, kernel_receives, &in));
	if (peer_ends_last)
		out.last = &in;
	ASSERT_EQ(0, pthread_create(&out.thread, NULL, kernel_sends, &out));
	while (at < len) {
		n = len - at < sizeof(b) ? len - at : sizeof(b);
		stream_fill(b, 21, at, n);
		ASSERT_EQ(n, etran_send(s, b, n, 0)) TH_LOG("errno %d: %s", errno,
							    etran_strerror_detail());
		at += n;
	}
	ASSERT_EQ(0, etran_shutdown(s, SHUT_WR));
	at = 0;
	while ((got = etran_recv(s, b, sizeof(b), 0)) > 0) {
		ASSERT_EQ(-1, stream_wrong(b, 22, at, got));
		at += got;
	}
	ASSERT_EQ(0, got) TH_LOG("errno %d", errno);
	ASSERT_EQ(len, at);
	if (!peer_ends_last)
		pthread_join(in.thread, NULL);
	pthread_join(out.thread, NULL);
	ASSERT_EQ(0, in.bad) TH_LOG("after %llu", (unsigned long long)in.got);
	ASSERT_EQ(0, out.bad);
	close(fd);
	etran_close(s);
	etran_tcp_close(t);
	ASSERT_TRUE(idle(1000, 30));
	ASSERT_EQ(0, tcp_counter("frame_stale"));
	ASSERT_EQ(0, counter("bad_verdict"));
}

#endif /* TRANSFER_H */
