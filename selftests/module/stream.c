// SPDX-License-Identifier: GPL-2.0
/*
 * ETRAN_IOC_STREAM_OPEN, bpf_etran_stream_set(), stream_open and stream_close: files of connections, of which poll and epoll
 * tell what transport and application said, and whose last close the transport is told.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "streams.h"

FIXTURE(stream) {
	FIXTURE_DATA(net) net;
	struct streams s;
};

FIXTURE_SETUP(stream)
{
	net_setup(_metadata, &self->net, NULL);
	streams_setup(_metadata, &self->s);
}

FIXTURE_TEARDOWN(stream)
{
	streams_teardown(&self->s);
	net_teardown(_metadata, &self->net, NULL);
}

TEST_F(stream, poll_tells_what_transport_and_application_say)
{
	struct etran_stream_user *u = &self->s.users[self->s.id];

	EXPECT_EQ(1, tt->stream_opens);
	EXPECT_EQ(TAG, tt->stream_opened);
	EXPECT_EQ(self->s.id, tt->stream_id);
	EXPECT_EQ(self->s.x.id, tt->stream_endpoint);
	EXPECT_EQ(0, mask(self->s.fd));
	ASSERT_EQ(0, set(&self->s, 0, CONNECTED));
	EXPECT_EQ(POLLOUT, mask(self->s.fd));
	ASSERT_EQ(0, set(&self->s, 100, 0));
	EXPECT_EQ(POLLIN | POLLOUT, mask(self->s.fd));
	u->read = 99;
	EXPECT_EQ(POLLIN | POLLOUT, mask(self->s.fd));
	u->read = 100;
	EXPECT_EQ(POLLOUT, mask(self->s.fd));
	/* What was said before says nothing new. */
	ASSERT_EQ(0, set(&self->s, 50, 0));
	EXPECT_EQ(POLLOUT, mask(self->s.fd));
	u->blocked = 1;
	EXPECT_EQ(0, mask(self->s.fd));
	ASSERT_EQ(0, set(&self->s, 100, ROOM));
	EXPECT_EQ(0, u->blocked);
	EXPECT_EQ(POLLOUT, mask(self->s.fd));
	ASSERT_EQ(0, set(&self->s, 101, FIN));
	EXPECT_EQ(ALL, mask(self->s.fd));
	u->flags = ETRAN_STREAM_SHUT_WR;
	EXPECT_EQ(ALL | POLLHUP, mask(self->s.fd));
	ASSERT_EQ(0, set(&self->s, 101, ENDED | ERROR));
	EXPECT_EQ(ALL | POLLHUP | POLLERR, mask(self->s.fd));
	u->flags |= ETRAN_STREAM_TOLD;
	EXPECT_EQ(ALL | POLLHUP, mask(self->s.fd));
}

TEST_F(stream, level_and_edge_triggered_epoll)
{
	struct etran_stream_user *u = &self->s.users[self->s.id];
	struct epoll_event e = { .events = EPOLLIN }, edge = { .events = EPOLLIN | EPOLLET };
	int lt = epoll_create1(0), et = epoll_create1(0), nested = epoll_create1(0);

	ASSERT_EQ(0, epoll_ctl(lt, EPOLL_CTL_ADD, self->s.fd, &e));
	ASSERT_EQ(0, epoll_ctl(et, EPOLL_CTL_ADD, self->s.fd, &edge));
	ASSERT_EQ(0, epoll_ctl(nested, EPOLL_CTL_ADD, lt, &e));
	EXPECT_EQ(0, epoll_wait(lt, &e, 1, 0));
	EXPECT_EQ(0, epoll_wait(et, &e, 1, 0));
	ASSERT_EQ(0, set(&self->s, 10, 0));
	EXPECT_EQ(1, epoll_wait(nested, &e, 1, 0));
	EXPECT_EQ(1, epoll_wait(lt, &e, 1, 0));
	EXPECT_EQ(1, epoll_wait(lt, &e, 1, 0));
	EXPECT_EQ(1, epoll_wait(et, &e, 1, 0));
	EXPECT_EQ(0, epoll_wait(et, &e, 1, 0));
	/* More of what is there already is an edge, too. */
	ASSERT_EQ(0, set(&self->s, 20, 0));
	EXPECT_EQ(1, epoll_wait(et, &e, 1, 0));
	u->read = 20;
	EXPECT_EQ(0, epoll_wait(lt, &e, 1, 0));
	EXPECT_EQ(0, epoll_wait(nested, &e, 1, 0));
	EXPECT_EQ(0, epoll_wait(et, &e, 1, 0));
	close(nested);
	close(et);
	close(lt);
}

static void *wait_in(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	return (void *)(long)(poll(&p, 1, 10000) == 1 ? p.revents : -1);
}

TEST_F(stream, who_sleeps_is_woken)
{
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_in, &self->s.fd));
	usleep(50000);
	ASSERT_EQ(0, set(&self->s, 1, 0));
	pthread_join(thread, &ret);
	EXPECT_EQ(POLLIN, (long)ret);
	self->s.users[self->s.id].read = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_in, &self->s.fd));
	usleep(50000);
	self->s.users[self->s.id].flags = ETRAN_STREAM_SHUT_RD;
	ASSERT_EQ(0, ioctl(self->s.fd, ETRAN_IOC_STREAM_WAKE));
	pthread_join(thread, &ret);
	EXPECT_EQ(POLLIN, (long)ret);
}

/* No frame was left for a stream that has none under way: others' frames come back. */
TEST_F(stream, starved_streams_are_woken_by_others)
{
	uint32_t id = 0;
	int fd = stream_open(&self->s.x, TAG + 1, -1, &id);

	ASSERT_LE(0, fd);
	tt->stream_tag = TAG + 1;
	ASSERT_EQ(0, eng_do(&self->s.x, 0, TT_W_STREAM, id, self->s.x.id, 0, CONNECTED));
	self->s.users[id].blocked = 1;
	tt->stream_tag = TAG;
	ASSERT_EQ(0, set(&self->s, 0, ROOM));
	EXPECT_EQ(0, mask(fd));
	self->s.users[0].blocked = 1;
	ASSERT_EQ(0, set(&self->s, 0, ROOM));
	EXPECT_EQ(POLLOUT, mask(fd));
	close(fd);
}

TEST_F(stream, the_last_close_of_the_last_copy_is_told)
{
	int copy = dup(self->s.fd), status;
	pid_t child;

	self->s.users[self->s.id].read = 77;
	self->s.users[self->s.id].flags = ETRAN_STREAM_ABORT;
	close(self->s.fd);
	self->s.fd = -1;
	EXPECT_EQ(0, tt->stream_closes);
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(0);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, tt->stream_closes);
	EXPECT_EQ(0, set(&self->s, 78, 0));
	EXPECT_EQ(POLLIN, mask(copy));
	close(copy);
	EXPECT_EQ(1, tt->stream_closes);
	EXPECT_EQ(TAG, tt->stream_closed);
	EXPECT_EQ(77, tt->stream_read);
	EXPECT_EQ(ETRAN_STREAM_ABORT, tt->stream_flags);
	EXPECT_EQ(-ENOENT, set(&self->s, 79, 0));
	/* Its number is clean for the next one. */
	EXPECT_EQ(0, self->s.users[self->s.id].read);
	EXPECT_EQ(0, self->s.users[self->s.id].flags);
}

TEST_F(stream, a_number_of_another_tag_is_not_meant)
{
	tt->stream_tag = TAG + 1;
	EXPECT_EQ(-ENOENT, set(&self->s, 5, CONNECTED));
	tt->stream_tag = TAG;
	EXPECT_EQ(0, mask(self->s.fd));
	EXPECT_EQ(-EINVAL, set(&self->s, 5, 32));
	EXPECT_EQ(-ENOENT, eng_do(&self->s.x, 0, TT_W_STREAM, 0, self->s.x.id, 5, CONNECTED));
	EXPECT_EQ(-ENOENT, eng_do(&self->s.x, 0, TT_W_STREAM, ETRAN_STREAMS_MAX, self->s.x.id, 5, 0));
	EXPECT_EQ(-ENOENT, eng_do(&self->s.x, 0, TT_W_STREAM, self->s.id, self->s.x.id + 1, 5, 0));
}

TEST_F(stream, a_socket_beside_it_counts)
{
	int pair[2], pipefd[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	ASSERT_EQ(0, pipe(pipefd));
	EXPECT_EQ(-ENOTSOCK, stream_open(&self->s.x, 1, pipefd[0], NULL));
	EXPECT_EQ(-ENOTSOCK, stream_open(&self->s.x, 1, self->s.fd, NULL));
	EXPECT_EQ(-EBADF, stream_open(&self->s.x, 1, 9999, NULL));
	fd = stream_open(&self->s.x, 1, pair[0], NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, mask(fd) & POLLIN);
	ASSERT_EQ(1, write(pair[1], "x", 1));
	EXPECT_EQ(POLLIN, mask(fd) & POLLIN);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	close(pipefd[0]);
	close(pipefd[1]);
}

TEST_F(stream, refusals)
{
	struct etran_stream_open o = { .tag = 1, .flags = O_APPEND, .beside = -1 };
	uint32_t closes = tt->stream_closes;

	EXPECT_EQ(-1, ioctl(self->s.x.ep, ETRAN_IOC_STREAM_OPEN, &o));
	EXPECT_EQ(EINVAL, errno);
	o.flags = 0;
	o.reserved[1] = 1;
	EXPECT_EQ(-1, ioctl(self->s.x.ep, ETRAN_IOC_STREAM_OPEN, &o));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->s.x.ep, ETRAN_IOC_STREAM_OPEN, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->s.fd, ETRAN_IOC_KICK));
	EXPECT_EQ(ENOTTY, errno);
	tt->stream_result = -ENOENT;
	EXPECT_EQ(-ENOENT, stream_open(&self->s.x, 1, -1, NULL));
	tt->stream_result = 0;
	/* What the transport refused it is not told the end of. */
	EXPECT_EQ(closes, tt->stream_closes);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, self->s.x.ep,
				   ETRAN_MMAP_STREAMS));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->s.x.ep,
				   ETRAN_MMAP_STREAMS + USERS));
}

TEST_F(stream, there_are_so_many_and_no_more)
{
	struct rlimit lim = { 20000, 20000 };
	uint32_t closes = tt->stream_closes, i;
	int fd = 0, first = -1, last = -1;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &lim));
	for (i = 1; i < ETRAN_STREAMS_MAX - 1; i++) {
		fd = stream_open(&self->s.x, i, -1, NULL);
		ASSERT_LE(0, fd) TH_LOG("number %u", i);
		first = first < 0 ? fd : first;
		last = fd;
	}
	EXPECT_EQ(-ENFILE, stream_open(&self->s.x, i, -1, NULL));
	ASSERT_EQ(0, close_range(first, last, 0));
	EXPECT_EQ(closes + ETRAN_STREAMS_MAX - 2, tt->stream_closes);
}

TEST_F(stream, dead_with_its_endpoint)
{
	struct pollfd p = { .fd = self->s.fd, .events = POLLIN };

	close(self->s.x.ep);
	munmap(self->s.users, USERS);
	munmap((void *)self->s.x.status, self->s.x.map_len);
	self->s.x.status = NULL;
	self->s.x.ep = -1;
	EXPECT_EQ(1, poll(&p, 1, 5000));
	EXPECT_EQ(POLLIN | POLLERR | POLLHUP, p.revents);
	close(self->s.fd);
	self->s.fd = -1;
	EXPECT_EQ(0, tt->stream_closes);
	/* What teardown unmaps. */
	self->s.users = mmap(NULL, USERS, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
}

TT_MAIN(16)
