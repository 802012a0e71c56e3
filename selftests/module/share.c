// SPDX-License-Identifier: GPL-2.0
/*
 * ETRAN_IOC_STREAM_SHARE, _GIVE and the ioctls of streams, as far as a transport without stream_share has to do with them: what
 * is refused, in which way, and that nothing else has changed then. Data of shared streams: selftests/posix/processes.sh.
 */
#include <sys/ioctl.h>

#include "streams.h"

FIXTURE(share) {
	FIXTURE_DATA(net) net;
	struct streams s;
};

FIXTURE_SETUP(share)
{
	net_setup(_metadata, &self->net, NULL);
	streams_setup(_metadata, &self->s);
}

FIXTURE_TEARDOWN(share)
{
	streams_teardown(&self->s);
	net_teardown(_metadata, &self->net, NULL);
}

/* Return: 0 or a negative errno. */
static int asked(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

static int share(const struct xsk *x, struct etran_stream_shared *streams, uint32_t count)
{
	struct etran_stream_share s = { .streams = (uintptr_t)streams, .count = count };

	return asked(x->ep, ETRAN_IOC_STREAM_SHARE, &s);
}

TEST_F(share, a_transport_that_has_none_and_all_goes_on)
{
	struct etran_stream_shared s = { .id = self->s.id, .room = 65536, .error = 99 };
	struct etran_stream_info info;

	ASSERT_EQ(0, set(&self->s, 10, CONNECTED));
	self->s.users[self->s.id].read = 4;
	ASSERT_EQ(0, share(&self->s.x, &s, 1));
	EXPECT_EQ(EOPNOTSUPP, s.error);
	/* Twice: nothing is left of the first time. */
	ASSERT_EQ(0, share(&self->s.x, &s, 1));
	EXPECT_EQ(EOPNOTSUPP, s.error);
	ASSERT_EQ(0, asked(self->s.fd, ETRAN_IOC_STREAM_INFO, &info));
	EXPECT_EQ(0, info.state & ETRAN_STREAM_IS_SHARED);
	EXPECT_EQ(self->s.x.id, info.endpoint);
	EXPECT_EQ(POLLIN | POLLOUT, mask(self->s.fd));
	self->s.users[self->s.id].read = 10;
	EXPECT_EQ(POLLOUT, mask(self->s.fd));
	ASSERT_EQ(0, set(&self->s, 11, 0));
	EXPECT_EQ(POLLIN | POLLOUT, mask(self->s.fd));
	EXPECT_EQ(0, tt->stream_closes);
	close(self->s.fd);
	self->s.fd = -1;
	EXPECT_EQ(1, tt->stream_closes);
	EXPECT_EQ(TAG, tt->stream_closed);
	EXPECT_EQ(10, tt->stream_read);
}

TEST_F(share, refusals_of_the_whole)
{
	struct etran_stream_shared one = { .id = self->s.id, .room = 65536, .error = 99 };
	struct etran_stream_share s = { .streams = (uintptr_t)&one, .count = 1, .reserved = 1 };
	void *end;

	EXPECT_EQ(-EINVAL, share(&self->s.x, &one, 0));
	EXPECT_EQ(-EINVAL, share(&self->s.x, &one, ETRAN_STREAMS_MAX + 1));
	EXPECT_EQ(-EINVAL, share(&self->s.x, &one, UINT32_MAX));
	EXPECT_EQ(-EINVAL, asked(self->s.x.ep, ETRAN_IOC_STREAM_SHARE, &s));
	/* None of these looked at a stream. */
	EXPECT_EQ(99, one.error);
	EXPECT_EQ(-EFAULT, asked(self->s.x.ep, ETRAN_IOC_STREAM_SHARE, NULL));
	EXPECT_EQ(-EFAULT, share(&self->s.x, NULL, 1));
	/* The second of two is not there. */
	end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, end);
	ASSERT_EQ(0, mprotect(end + 4096, 4096, PROT_NONE));
	memcpy(end + 4096 - sizeof(one), &one, sizeof(one));
	EXPECT_EQ(-EFAULT, share(&self->s.x, end + 4096 - sizeof(one), 2));
	/* What cannot be answered. */
	ASSERT_EQ(0, mprotect(end, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, share(&self->s.x, end + 4096 - sizeof(one), 1));
	munmap(end, 8192);
	/* It is an endpoint that is asked. */
	s.reserved = 0;
	EXPECT_EQ(-ENOTTY, asked(self->s.fd, ETRAN_IOC_STREAM_SHARE, &s));
	EXPECT_EQ(0, mask(self->s.fd));
}

TEST_F(share, refusals_of_single_streams)
{
	struct etran_stream_shared s[] = {
		{ .id = 0, .room = 65536 },
		{ .id = self->s.id + 1, .room = 65536 },
		{ .id = ETRAN_STREAMS_MAX, .room = 65536 },
		{ .id = UINT32_MAX, .room = 65536 },
		{ .id = self->s.id, .room = 0 },
		{ .id = self->s.id, .room = ETRAN_STREAM_ROOM_MAX + 1 },
		{ .id = self->s.id, .room = UINT32_MAX },
		{ .id = self->s.id, .room = 65536, .reserved = 1 },
		{ .id = self->s.id, .room = 1 },
		{ .id = self->s.id, .room = ETRAN_STREAM_ROOM_MAX },
		{ .id = self->s.id, .room = 65536, .read = UINT64_MAX },
	};
	static const uint32_t errors[] = {
		ENOENT, ENOENT, ENOENT, ENOENT, EINVAL, EINVAL, EINVAL, EINVAL, EOPNOTSUPP,
		EOPNOTSUPP, EOPNOTSUPP,
	};
	uint32_t i;

	/* One that is refused does not keep others. */
	ASSERT_EQ(0, share(&self->s.x, s, ARRAY_SIZE(s)));
	for (i = 0; i < ARRAY_SIZE(s); i++)
		EXPECT_EQ(errors[i], s[i].error) TH_LOG("entry %u", i);
	EXPECT_EQ(0, tt->stream_closes);
}

TEST_F(share, nothing_is_given_to_what_is_not_shared)
{
	struct etran_stream_give g = { .id = self->s.id, .buf = (uintptr_t)&g, .len = 8 };

	EXPECT_EQ(-ENOENT, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, &g));
	g.flags = ETRAN_STREAM_GIVEN;
	EXPECT_EQ(-ENOENT, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, &g));
	g.len = 0;
	EXPECT_EQ(-ENOENT, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, &g));
	g.id = self->s.id + 1;
	EXPECT_EQ(-ENOENT, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, &g));
	g.id = self->s.id;
	g.flags = ETRAN_STREAM_LOST;
	EXPECT_EQ(-EINVAL, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, &g));
	g.flags = ETRAN_STREAM_GIVEN | ETRAN_STREAM_LOST << 1;
	EXPECT_EQ(-EINVAL, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, &g));
	g.flags = 0;
	g.reserved = 1;
	EXPECT_EQ(-EINVAL, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, &g));
	EXPECT_EQ(-EFAULT, asked(self->s.x.ep, ETRAN_IOC_STREAM_GIVE, NULL));
	g.reserved = 0;
	EXPECT_EQ(-ENOTTY, asked(self->s.fd, ETRAN_IOC_STREAM_GIVE, &g));
	/* It is the application's as before. */
	ASSERT_EQ(0, set(&self->s, 1, CONNECTED));
	EXPECT_EQ(POLLIN | POLLOUT, mask(self->s.fd));
}

TEST_F(share, calls_of_shared_streams_alone)
{
	char text[8] = "unharmed";
	struct etran_stream_io io = { .buf = (uintptr_t)text, .len = sizeof(text) };
	struct etran_stream_set s = { .set = ETRAN_STREAM_NODELAY };
	struct etran_endpoint_bind b = {};
	uint32_t error = 99;
	int n = 99;

	ASSERT_EQ(0, set(&self->s, 8, CONNECTED));
	EXPECT_EQ(-EOPNOTSUPP, asked(self->s.fd, ETRAN_IOC_STREAM_RECV, &io));
	EXPECT_EQ(-EOPNOTSUPP, asked(self->s.fd, ETRAN_IOC_STREAM_SEND, &io));
	EXPECT_EQ(-EOPNOTSUPP, asked(self->s.fd, ETRAN_IOC_STREAM_SET, &s));
	EXPECT_EQ(-EOPNOTSUPP, asked(self->s.fd, ETRAN_IOC_STREAM_ERROR, &error));
	EXPECT_EQ(-EOPNOTSUPP, asked(self->s.fd, ETRAN_IOC_BIND, &b));
	EXPECT_EQ(-EOPNOTSUPP, asked(self->s.fd, FIONREAD, &n));
	EXPECT_EQ(-1, read(self->s.fd, text, sizeof(text)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->s.fd, text, sizeof(text)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, memcmp(text, "unharmed", 8));
	EXPECT_EQ(99, error);
	EXPECT_EQ(99, n);
	/* None of these is an endpoint's. */
	EXPECT_EQ(-ENOTTY, asked(self->s.x.ep, ETRAN_IOC_STREAM_RECV, &io));
	EXPECT_EQ(-ENOTTY, asked(self->s.x.ep, ETRAN_IOC_STREAM_SEND, &io));
	EXPECT_EQ(-ENOTTY, asked(self->s.x.ep, ETRAN_IOC_STREAM_SET, &s));
	EXPECT_EQ(-ENOTTY, asked(self->s.x.ep, ETRAN_IOC_STREAM_ERROR, &error));
	/* Another process's descriptor is no other. */
	if (!fork())
		_exit(asked(self->s.fd, ETRAN_IOC_STREAM_RECV, &io) != -EOPNOTSUPP);
	ASSERT_LT(0, wait(&n));
	EXPECT_EQ(0, n);
	EXPECT_EQ(0, self->s.users[self->s.id].flags);
	EXPECT_EQ(POLLIN | POLLOUT, mask(self->s.fd));
}

TEST_F(share, what_there_is_to_know_of_any_stream)
{
	struct etran_stream_info info, zero = {};
	uint32_t i;
	static const struct {
		uint32_t set, state;
	} steps[] = {
		{ 0, 0 },
		{ CONNECTED, ETRAN_STREAM_IS_OPEN },
		{ FIN, ETRAN_STREAM_IS_OPEN | ETRAN_STREAM_IS_FIN },
		{ ENDED, ETRAN_STREAM_IS_OPEN | ETRAN_STREAM_IS_FIN | ETRAN_STREAM_IS_ENDED },
	};

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		ASSERT_EQ(0, set(&self->s, 10 * i, steps[i].set));
		memset(&info, 0xff, sizeof(info));
		ASSERT_EQ(0, asked(self->s.fd, ETRAN_IOC_STREAM_INFO, &info));
		EXPECT_EQ(TAG, info.tag);
		EXPECT_EQ(steps[i].state, info.state);
		EXPECT_EQ(0, strncmp(info.transport, TT_NAME, sizeof(info.transport)));
		EXPECT_EQ(self->s.x.id, info.endpoint);
		EXPECT_EQ(0, info.flags);
		/* The application knows these. */
		EXPECT_EQ(0, info.readable);
		EXPECT_EQ(0, info.unacked);
		EXPECT_EQ(0, info.sent);
		EXPECT_EQ(0, info.error);
		EXPECT_EQ(0, memcmp(info.reserved, zero.reserved, sizeof(zero.reserved)));
	}
	self->s.users[self->s.id].flags = ETRAN_STREAM_SHUT_WR | ETRAN_STREAM_TOLD;
	ASSERT_EQ(0, asked(self->s.fd, ETRAN_IOC_STREAM_INFO, &info));
	EXPECT_EQ(ETRAN_STREAM_SHUT_WR | ETRAN_STREAM_TOLD, info.flags);
	EXPECT_EQ(-EFAULT, asked(self->s.fd, ETRAN_IOC_STREAM_INFO, NULL));
	EXPECT_EQ(-ENOTTY, asked(self->s.x.ep, ETRAN_IOC_STREAM_INFO, &info));
}

TEST_F(share, nothing_comes_of_a_dead_endpoint)
{
	struct etran_stream_info info = {};

	close(self->s.x.ep);
	munmap(self->s.users, USERS);
	munmap((void *)self->s.x.status, self->s.x.map_len);
	self->s.x.status = NULL;
	self->s.x.ep = -1;
	EXPECT_EQ(POLLERR | POLLHUP, mask(self->s.fd) & (POLLERR | POLLHUP));
	EXPECT_EQ(0, asked(self->s.fd, ETRAN_IOC_STREAM_INFO, &info));
	EXPECT_EQ(TAG, info.tag);
	EXPECT_EQ(-EOPNOTSUPP, asked(self->s.fd, ETRAN_IOC_STREAM_RECV, &(struct etran_stream_io) {}));
	/* What teardown unmaps. */
	self->s.users = mmap(NULL, USERS, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
}

/* Without the transport there is nothing that could share. */
TEST_F(share, the_transport_is_gone)
{
	struct etran_stream_shared s = { .id = self->s.id, .room = 65536 };

	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	ASSERT_TRUE(et_wait_for(mask(self->s.fd) & POLLHUP));
	ASSERT_EQ(0, share(&self->s.x, &s, 1));
	EXPECT_NE(0, s.error);
	EXPECT_NE(EOPNOTSUPP, s.error);
}

TT_MAIN(16)
