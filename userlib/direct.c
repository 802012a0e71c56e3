// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Channels in direct mode: the AF_XDP socket is bound to a queue of the NIC itself, and the driver reads and writes the
 * channel's frames. $ETRAN_NIC_QUEUES says which queues this program may have.
 *
 * What differs from a link device: the driver puts records into the RX ring without the module, so the number of
 * deliveries is the ring's own producer index, which ETRAN_IOC_WAIT_RX is told the address of. Rejected: poll() of
 * endpoint and AF_XDP socket; it has the driver look at its rings at each call, and a short RPC cost half as much again.
 *
 * And a driver fills its whole receive ring with the channel's frames, however few there are. What arrives on another queue of
 * the NIC, or comes from a timer, needs one that the driver has not: so there are twice as many as that ring has slots.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "direct.h"
#include "error.h"

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

uint32_t direct_ring_slots(uint32_t ifindex)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	struct ifreq ifr = { .ifr_data = (void *)&ring };
	int fd;

	if (!if_indextoname(ifindex, ifr.ifr_name))
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		ring.rx_pending = 0;
	close(fd);
	return ring.rx_pending;
}

void direct_refill(int xsk)
{
	recvfrom(xsk, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}
