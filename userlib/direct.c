// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Channels in direct mode: the AF_XDP socket is bound to a queue of the NIC itself, and the driver reads and writes the
 * channel's frames. $ETRAN_NIC_QUEUES says which queues this program may have.
 *
 * What differs from a link device is sleeping and sending, for which the module has no calls of its own there: the driver
 * puts records into the RX ring without it. So the number of deliveries is the ring's own producer
 * index, and a sleep is poll() of endpoint and AF_XDP socket, beside an eventfd for etran_rx_wake(). Rejected: a
 * thread that polls for the others; it would wake for each packet, and then wake another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "direct.h"
#include "error.h"

/* For how long to sleep when there is something in the ring that nobody wants yet. */
#define UNWANTED_MS	1

int direct_queues(uint32_t *first, uint32_t *last)
{
	const char *env = getenv("ETRAN_NIC_QUEUES");
	unsigned long a, b;
	char *end;

	if (!env || !*env)
		return 0;
	a = b = strtoul(env, &end, 0);
	if (end != env && *end == '-') {
		env = end + 1;
		b = strtoul(env, &end, 0);
	}
	if (end == env || *end || a > b || b >= DIRECT_MAX_QUEUES)
		return etran_fail(EINVAL, "ETRAN_NIC_QUEUES must be a queue of the NIC, or a range such as 2-5, of 0..%u, not '%s'",
				  DIRECT_MAX_QUEUES - 1, getenv("ETRAN_NIC_QUEUES"));
	*first = a;
	*last = b;
	return 1;
}

int direct_kick(int xsk)
{
	/* In copy mode a call takes some descriptors, and says EAGAIN when there are more. */
	int tries = 256;

	do {
		if (sendto(xsk, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return 0;
	} while (errno == EAGAIN && tries--);
	/* The driver goes on by itself. */
	return errno == EAGAIN || errno == EBUSY || errno == ENOBUFS ? 0 : -1;
}

void direct_refill(int xsk)
{
	recvfrom(xsk, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

int direct_wait(const struct direct_sleep *d, uint32_t flags, int timeout_ms)
{
	const bool unready = flags & ETRAN_WAIT_UNREADY;
	struct pollfd fd[] = {
		{ .fd = d->wake, .events = POLLIN },
		{ .fd = d->endpoint, .events = unready ? 0 : POLLIN },
		{ .fd = d->xsk, .events = unready ? POLLIN : 0 },
	};
	const int asked = timeout_ms;
	uint64_t n;
	int ret;

	if (d->unwanted) {
		/* Level-triggered: it would not sleep at all. */
		fd[1].events = 0;
		fd[2].events = 0;
		timeout_ms = timeout_ms < 0 || timeout_ms > UNWANTED_MS ? UNWANTED_MS : timeout_ms;
	}
	if (fcntl(d->endpoint, F_GETFL) & O_NONBLOCK)
		timeout_ms = 0;
	ret = poll(fd, 3, timeout_ms);
	if (ret < 0)
		return -1;
	if (fd[1].revents & (POLLERR | POLLHUP | POLLNVAL)) {
		errno = ENODEV;
		return -1;
	}
	if (fd[0].revents && read(d->wake, &n, sizeof(n)) < 0)
		return 0;	/* another thread has read it */
	if (ret || (d->unwanted && timeout_ms && timeout_ms != asked))
		return 0;
	errno = EAGAIN;
	return -1;
}
