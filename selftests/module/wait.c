// SPDX-License-Identifier: GPL-2.0
/*
 * ETRAN_IOC_WAIT_RX, ETRAN_IOC_KICK, ETRAN_IOC_WAKE: each way in which a sleep ends, none of which is
 * missed, and what is sent before it begins.
 */
#include "fixture.h"
#include <sys/epoll.h>
#include "sleeper.h"

#define FOR_EVER	(-1)
#define ROUNDS		3000

FIXTURE(wait) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a, sends */
	struct xsk y;		/* on b, port 2, sleeps */
	struct tt_req r;
	pid_t sleeper;
};

FIXTURE_SETUP(wait)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1, .chunks = 512 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	self->r = (struct tt_req) {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .dport = 2,
	};
	self->sleeper = 0;
}

FIXTURE_TEARDOWN(wait)
{
	if (self->sleeper > 0) {
		kill(self->sleeper, SIGKILL);
		waitpid(self->sleeper, NULL, 0);
	}
	xsk_close(&self->x);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
}

static uint32_t delivered(const struct xsk *x)
{
	return __atomic_load_n(&x->status->delivered, __ATOMIC_ACQUIRE);
}

/* Return: 0 or an errno. */
static int wait_rx(const struct xsk *x, uint32_t seen, uint32_t flags, int timeout_ms)
{
	struct etran_wait_rx w = {
		.delivered = seen, .flags = flags, .timeout_ms = timeout_ms,
	};

	return ioctl(x->ep, ETRAN_IOC_WAIT_RX, &w) ? errno : 0;
}

static int send_one(FIXTURE_DATA(wait) *self)
{
	return xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1);
}

static void on_signal(int sig)
{
}

/* A process that sleeps on y and exits with the errno, once it does. */
static int sleeper(FIXTURE_DATA(wait) *self, uint32_t flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	self->sleeper = fork();
	if (!self->sleeper) {
		/* Else the transport would stay attached. */
		close(bpf_link__fd(self->net.link));
		sigaction(SIGUSR1, &sa, NULL);
		_exit(wait_rx(&self->y, delivered(&self->y), flags, FOR_EVER));
	}
	return et_wait_for(sleeper_sleeps(self->sleeper)) ? 0 : et_fail("it does not sleep");
}

static int woken(FIXTURE_DATA(wait) *self)
{
	return sleeper_woken(&self->sleeper);
}

TEST_F(wait, wrong_arguments_are_refused)
{
	struct etran_wait_rx w = { .timeout_ms = 0 };
	unsigned int bit;
	int dev = et_device();

	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(EINVAL, wait_rx(&self->y, 0, 1U << bit, 0));
	w.reserved = 1;
	EXPECT_EQ(-1, ioctl(self->y.ep, ETRAN_IOC_WAIT_RX, &w));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->y.ep, ETRAN_IOC_WAIT_RX, NULL));
	EXPECT_EQ(EFAULT, errno);
	w.reserved = 0;
	/* For direct mode only. */
	w.producer = (uintptr_t)self->y.rx.producer;
	EXPECT_EQ(-1, ioctl(self->y.ep, ETRAN_IOC_WAIT_RX, &w));
	EXPECT_EQ(EINVAL, errno);
	w.producer = 0;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_WAIT_RX, &w));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_KICK));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_WAKE));
	EXPECT_EQ(ENOTTY, errno);
	close(dev);
}

TEST_F(wait, the_number_counts_what_is_delivered)
{
	struct xsk_frame f;
	int i;

	EXPECT_EQ(0, delivered(&self->y));
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, send_one(self));
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
		EXPECT_TRUE(et_wait_for(delivered(&self->y) == (uint32_t)i));
	}
	/* What was not delivered does not count. */
	self->r.rx_verdict = 4;
	ASSERT_EQ(0, send_one(self));
	ASSERT_TRUE(et_wait_for(tt->ingress == 6));
	EXPECT_EQ(5, delivered(&self->y));
	EXPECT_EQ(0, delivered(&self->x));
}

TEST_F(wait, returns_at_once_when_the_number_is_another)
{
	EXPECT_EQ(0, wait_rx(&self->y, 1, 0, FOR_EVER));
	EXPECT_EQ(0, wait_rx(&self->y, -1, 0, 0));
	ASSERT_EQ(0, send_one(self));
	ASSERT_TRUE(et_wait_for(delivered(&self->y) == 1));
	EXPECT_EQ(0, wait_rx(&self->y, 0, 0, FOR_EVER));
	/* Whether the record was taken from the ring is nobody's business here. */
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 1, 0, 0));
}

TEST_F(wait, gives_up_after_the_timeout)
{
	uint64_t t0 = et_now_ms();

	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 0, 0, 0));
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 0, 0, 50));
	EXPECT_LE(50, et_now_ms() - t0);
}

TEST_F(wait, does_not_sleep_with_o_nonblock)
{
	int flags = fcntl(self->y.ep, F_GETFL);

	ASSERT_EQ(0, fcntl(self->y.ep, F_SETFL, flags | O_NONBLOCK));
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 0, 0, FOR_EVER));
	EXPECT_EQ(0, wait_rx(&self->y, 1, 0, FOR_EVER));
	/* It still sends. */
	xsk_put(&self->y, 0, TT_SEND, &self->r, "x", 1);
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 0, ETRAN_WAIT_KICK, FOR_EVER));
	EXPECT_EQ(1, tt->egress);
	ASSERT_EQ(0, fcntl(self->y.ep, F_SETFL, flags));
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, delivered(&self->y), 0, 1));
}

TEST_F(wait, a_delivery_wakes)
{
	struct xsk_frame f;

	ASSERT_EQ(0, sleeper(self, 0));
	ASSERT_EQ(0, send_one(self));
	EXPECT_EQ(0, woken(self));
	EXPECT_EQ(1, xsk_take(&self->y, &f));
}

TEST_F(wait, a_note_from_a_timer_wakes)
{
	ASSERT_EQ(0, sleeper(self, ETRAN_WAIT_UNREADY));
	self->r.seq = self->y.id;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_TIMER, &self->r, NULL, 0));
	EXPECT_EQ(0, woken(self));
}

TEST_F(wait, a_delivery_wakes_all_who_sleep)
{
	pid_t first;
	int status;

	ASSERT_EQ(0, sleeper(self, 0));
	first = self->sleeper;
	ASSERT_EQ(0, sleeper(self, ETRAN_WAIT_UNREADY));
	ASSERT_EQ(0, send_one(self));
	EXPECT_EQ(0, woken(self));
	ASSERT_TRUE(et_wait_for(waitpid(first, &status, WNOHANG) == first));
	EXPECT_EQ(0, status);
}

TEST_F(wait, ready_ends_it_unless_told_otherwise)
{
	uint32_t on = 1, off = 0;

	ASSERT_EQ(0, sleeper(self, 0));
	ASSERT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_READY, &on));
	EXPECT_EQ(0, woken(self));
	EXPECT_EQ(0, wait_rx(&self->y, 0, 0, FOR_EVER));
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 0, ETRAN_WAIT_UNREADY, 1));
	ASSERT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_READY, &off));
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 0, 0, 1));
	/* It sleeps on when what it does not look at changes. */
	ASSERT_EQ(0, sleeper(self, ETRAN_WAIT_UNREADY));
	ASSERT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_READY, &on));
	usleep(20000);
	EXPECT_EQ(0, waitpid(self->sleeper, NULL, WNOHANG));
	ASSERT_EQ(0, send_one(self));
	EXPECT_EQ(0, woken(self));
}

TEST_F(wait, wake_ends_it_and_is_not_forgotten)
{
	struct pollfd p = { .fd = self->y.ep, .events = POLLIN };
	uint32_t seen = delivered(&self->y);

	ASSERT_EQ(0, sleeper(self, ETRAN_WAIT_UNREADY));
	ASSERT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_WAKE));
	EXPECT_EQ(0, woken(self));
	/* Whoever had not begun to sleep does not. */
	EXPECT_EQ(0, wait_rx(&self->y, seen, ETRAN_WAIT_UNREADY, FOR_EVER));
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, seen + 1, ETRAN_WAIT_UNREADY, 0));
	/* Nothing was received. */
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->y.id, "delivered"));
}

/* As of poll(). Other threads' children cause such signals, too. */
TEST_F(wait, a_signal_without_handler_does_not_interrupt)
{
	int status;

	ASSERT_EQ(0, sleeper(self, 0));
	ASSERT_EQ(0, kill(self->sleeper, SIGSTOP));
	ASSERT_EQ(self->sleeper, waitpid(self->sleeper, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(self->sleeper, SIGCONT));
	ASSERT_TRUE(et_wait_for(sleeper_sleeps(self->sleeper)));
	EXPECT_EQ(0, waitpid(self->sleeper, &status, WNOHANG));
	ASSERT_EQ(0, send_one(self));
	EXPECT_EQ(0, woken(self));
}

TEST_F(wait, a_signal_interrupts)
{
	ASSERT_EQ(0, sleeper(self, 0));
	/* SA_RESTART makes no difference, as with poll(). */
	ASSERT_EQ(0, kill(self->sleeper, SIGUSR1));
	EXPECT_EQ(EINTR, woken(self));
}

TEST_F(wait, the_end_of_the_transport_ends_it)
{
	ASSERT_EQ(0, sleeper(self, ETRAN_WAIT_UNREADY));
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	EXPECT_EQ(ENODEV, woken(self));
	EXPECT_EQ(ENODEV, wait_rx(&self->y, 0, 0, FOR_EVER));
	EXPECT_EQ(ENODEV, wait_rx(&self->y, 1, 0, FOR_EVER));
	/* The device still reads, and drops, what it is given. */
	xsk_put(&self->y, 0, TT_SEND, &self->r, "x", 1);
	EXPECT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(1, xsk_complete(&self->y, NULL, 0));
	EXPECT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_WAKE));
}

TEST_F(wait, the_end_of_the_device_ends_it)
{
	ASSERT_EQ(0, sleeper(self, ETRAN_WAIT_UNREADY));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_EQ(ENODEV, woken(self));
	EXPECT_EQ(ENODEV, wait_rx(&self->y, 0, ETRAN_WAIT_KICK, FOR_EVER));
	EXPECT_EQ(ENODEV, wait_rx(&self->y, 1, 0, 0));
	EXPECT_EQ(-1, ioctl(self->y.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, ioctl(self->y.ep, ETRAN_IOC_WAKE));
	EXPECT_EQ(ENODEV, errno);
	/* For the tests behind this one. */
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 numrxqueues 16 type etran && ip link set etran0 up"));
	ASSERT_EQ(0, et_link_info(self->net.b));
}

TEST_F(wait, a_process_that_sleeps_can_be_killed)
{
	int status;

	ASSERT_EQ(0, sleeper(self, 0));
	ASSERT_EQ(0, kill(self->sleeper, SIGKILL));
	ASSERT_EQ(self->sleeper, waitpid(self->sleeper, &status, 0));
	self->sleeper = 0;
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

TEST_F(wait, kick_sends_the_whole_ring)
{
	int i;

	/* More than the module takes in one go: 64. */
	for (i = 0; i < 200; i++)
		xsk_put(&self->x, i, TT_SEND, &self->r, "x", 1);
	EXPECT_EQ(0, tt->egress);
	EXPECT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(200, tt->egress);
	EXPECT_EQ(200, xsk_complete(&self->x, NULL, 0));
	/* Of an empty ring nothing. */
	EXPECT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(200, tt->egress);
	EXPECT_EQ(200, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_accepted"));
}

TEST_F(wait, kick_comes_before_sleep)
{
	int i;

	for (i = 0; i < 100; i++)
		xsk_put(&self->x, i, TT_SEND, &self->r, "x", 1);
	EXPECT_EQ(EAGAIN, wait_rx(&self->x, 0, 0, 1));
	EXPECT_EQ(0, tt->egress);
	EXPECT_EQ(EAGAIN, wait_rx(&self->x, 0, ETRAN_WAIT_KICK, 1));
	EXPECT_EQ(100, tt->egress);
	/* Also when there is nothing to wait for. */
	xsk_put(&self->x, 100, TT_SEND, &self->r, "x", 1);
	EXPECT_EQ(0, wait_rx(&self->x, 1, ETRAN_WAIT_KICK, FOR_EVER));
	EXPECT_EQ(101, tt->egress);
}

TEST_F(wait, a_device_that_is_down_sends_later)
{
	ASSERT_EQ(0, et_sh("ip link set etran0 down"));
	xsk_put(&self->y, 0, TT_SEND, &self->r, "x", 1);
	EXPECT_EQ(-1, ioctl(self->y.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(ENETDOWN, errno);
	EXPECT_EQ(EAGAIN, wait_rx(&self->y, 0, ETRAN_WAIT_KICK, 1));
	EXPECT_EQ(0, tt->egress);
	EXPECT_EQ(0, xsk_complete(&self->y, NULL, 0));
	ASSERT_EQ(0, et_sh("ip link set etran0 up"));
	EXPECT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(1, tt->egress);
	EXPECT_EQ(1, xsk_complete(&self->y, NULL, 0));
}

/*
 * One record at a time, so that the receiver is about to sleep each time that one comes: a wake-up
 * that is lost is never made good.
 */
TEST_F_TIMEOUT(wait, no_delivery_is_missed, 120)
{
	volatile uint32_t *got = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				      -1, 0);
	uint32_t i, n, seen;
	struct xsk_frame f;
	uint64_t end;
	int err;

	ASSERT_NE(MAP_FAILED, (void *)got);
	self->sleeper = fork();
	if (!self->sleeper) {
		for (n = 0; n < ROUNDS; ) {
			seen = delivered(&self->y);
			if (xsk_take(&self->y, &f)) {
				xsk_fill(&self->y, f.addr / XSK_CHUNK * XSK_CHUNK);
				__atomic_store_n(got, ++n, __ATOMIC_RELEASE);
				continue;
			}
			err = wait_rx(&self->y, seen, n % 2 ? ETRAN_WAIT_UNREADY : 0,
				      ET_PATIENCE_MS);
			if (err)
				_exit(err);
		}
		_exit(0);
	}
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, xsk_send(&self->x, i % 256, TT_SEND, &self->r, "x", 1));
		xsk_complete(&self->x, NULL, 0);
		/* Sometimes before it sleeps, sometimes after. */
		end = et_now_ms() + ET_PATIENCE_MS;
		while (__atomic_load_n(got, __ATOMIC_ACQUIRE) == i && et_now_ms() < end)
			if (i % 3)
				sched_yield();
		ASSERT_EQ(i + 1, __atomic_load_n(got, __ATOMIC_ACQUIRE));
	}
	EXPECT_EQ(0, woken(self));
	munmap((void *)got, 4096);
}

/* As fast as they come, from three sockets, for two who sleep: at last both know of all. */
TEST_F_TIMEOUT(wait, many_deliveries_at_once, 120)
{
	pid_t second, sender[2];
	uint32_t i, k, seen;
	int status, err;

	for (k = 0; k < 2; k++) {
		second = self->sleeper;
		self->sleeper = fork();
		if (self->sleeper)
			continue;
		while ((seen = delivered(&self->y)) < 3 * 2000) {
			err = wait_rx(&self->y, seen, 0, ET_PATIENCE_MS);
			if (err)
				_exit(err);
		}
		_exit(0);
	}
	for (k = 0; k < 2; k++) {
		sender[k] = fork();
		if (sender[k])
			continue;
		/* Wakes count as deliveries do, and are made from any CPU. */
		for (i = 0; i < 2000; i++)
			if (ioctl(self->y.ep, ETRAN_IOC_WAKE))
				_exit(1);
		_exit(0);
	}
	for (i = 0; i < 2000; i++) {
		struct xsk_frame f;

		ASSERT_EQ(0, xsk_send(&self->x, i % 256, TT_SEND, &self->r, "x", 1));
		xsk_complete(&self->x, NULL, 0);
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
		xsk_fill(&self->y, f.addr / XSK_CHUNK * XSK_CHUNK);
	}
	for (k = 0; k < 2; k++) {
		ASSERT_EQ(sender[k], waitpid(sender[k], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, woken(self));
	ASSERT_TRUE(et_wait_for(waitpid(second, &status, WNOHANG) == second));
	EXPECT_EQ(0, status);
	EXPECT_EQ(3 * 2000, delivered(&self->y));
}

/* Poll and epoll report what they did before, each record once, whoever sleeps beside them. */
TEST_F(wait, pollers_beside_it_are_not_disturbed)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	struct xsk_frame f;

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->y.ep, &e));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 0));
	ASSERT_EQ(0, sleeper(self, 0));
	ASSERT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_WAKE));
	EXPECT_EQ(0, woken(self));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 10));
	ASSERT_EQ(0, sleeper(self, 0));
	ASSERT_EQ(0, send_one(self));
	EXPECT_EQ(0, woken(self));
	EXPECT_EQ(1, epoll_wait(ep, &e, 1, ET_PATIENCE_MS));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 10));
	EXPECT_EQ(1, xsk_take(&self->y, &f));
	close(ep);
}

TT_MAIN(16)
