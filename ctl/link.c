// SPDX-License-Identifier: GPL-2.0
/*
 * Network devices over rtnetlink, in whatever network namespace the process is in: each call opens
 * a socket of its own, because a socket stays in the namespace that it was made in.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "etranctl.h"

#define SOL_NETLINK_LEVEL	270

/* One message, at most two dozen small attributes. */
struct request {
	struct nlmsghdr nlh;
	struct ifinfomsg ifi;
	char attr[512];
};

static char kernel_says[256];

const char *link_error(void)
{
	return kernel_says;
}

static int nl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int one = 1;

	if (fd < 0)
		return -errno;
	/* The kernel's own words for what it refuses; only missing on old kernels. */
	(void)setsockopt(fd, SOL_NETLINK_LEVEL, NETLINK_EXT_ACK, &one, sizeof(one));
	return fd;
}

static void request_init(struct request *req, uint16_t type, uint16_t flags, int ifindex)
{
	memset(req, 0, sizeof(*req));
	req->nlh.nlmsg_len = NLMSG_LENGTH(sizeof(req->ifi));
	req->nlh.nlmsg_type = type;
	req->nlh.nlmsg_flags = NLM_F_REQUEST | flags;
	req->nlh.nlmsg_seq = 1;
	req->ifi.ifi_family = AF_UNSPEC;
	req->ifi.ifi_index = ifindex;
}

static struct rtattr *put(struct request *req, uint16_t type, const void *data, size_t len)
{
	struct rtattr *rta = (void *)req + NLMSG_ALIGN(req->nlh.nlmsg_len);

	if (NLMSG_ALIGN(req->nlh.nlmsg_len) + RTA_SPACE(len) > sizeof(*req))
		abort();
	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(rta), data, len);
	req->nlh.nlmsg_len = NLMSG_ALIGN(req->nlh.nlmsg_len) + RTA_ALIGN(rta->rta_len);
	return rta;
}

static void put_str(struct request *req, uint16_t type, const char *s)
{
	put(req, type, s, strlen(s) + 1);
}

static void nest_end(struct request *req, struct rtattr *nest)
{
	nest->rta_len = (char *)req + req->nlh.nlmsg_len - (char *)nest;
}

/* Keeps the text of an extended acknowledgement. */
static void read_extack(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = NLMSG_DATA(nlh);
	size_t off = sizeof(*e);
	const struct rtattr *rta;
	int len;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		off += e->msg.nlmsg_len - sizeof(e->msg);
	rta = (const void *)((const char *)e + NLMSG_ALIGN(off));
	len = nlh->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(off);
	for (; RTA_OK(rta, len); rta = RTA_NEXT(rta, len))
		if ((rta->rta_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
			snprintf(kernel_says, sizeof(kernel_says), "%.*s",
				 (int)RTA_PAYLOAD(rta), (const char *)RTA_DATA(rta));
}

/* Sends @req and hands each message of the answer to @fn; ends with the acknowledgement. */
static int talk(struct request *req, int (*fn)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	static char buf[1 << 16] __attribute__((aligned(NLMSG_ALIGNTO)));
	int fd, err = 0, stop = 0;
	bool done = false;

	*kernel_says = 0;
	fd = nl_open();
	if (fd < 0)
		return fd;
	if (sendto(fd, req, req->nlh.nlmsg_len, 0, (void *)&kernel, sizeof(kernel)) < 0) {
		err = -errno;
		goto out;
	}
	while (!done) {
		const struct nlmsghdr *nlh = (const void *)buf;
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		int left = n;

		if (n < 0) {
			if (errno == EINTR)
				continue;
			err = -errno;
			break;
		}
		for (; NLMSG_OK(nlh, (unsigned int)left); nlh = NLMSG_NEXT(nlh, left)) {
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *e = NLMSG_DATA(nlh);

				if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
					err = -EBADMSG;
				else
					err = e->error;
				read_extack(nlh);
				done = true;
				break;
			}
			if (nlh->nlmsg_type == NLMSG_DONE) {
				done = true;
				break;
			}
			/* The rest of a dump is read all the same, for the error behind it. */
			if (fn && !stop)
				stop = fn(nlh, arg);
		}
	}
out:
	close(fd);
	return err ? err : stop;
}

static uint32_t attr_u32(const struct rtattr *rta)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(rta) >= sizeof(v))
		memcpy(&v, RTA_DATA(rta), sizeof(v));
	return v;
}

static void attr_str(const struct rtattr *rta, char *buf, size_t len)
{
	snprintf(buf, len, "%.*s", (int)RTA_PAYLOAD(rta), (const char *)RTA_DATA(rta));
}

static void parse_nested(const struct rtattr *nest, struct link_info *info)
{
	int xdp = (nest->rta_type & NLA_TYPE_MASK) == IFLA_XDP;
	const struct rtattr *rta = RTA_DATA(nest);
	int len = RTA_PAYLOAD(nest);

	for (; RTA_OK(rta, len); rta = RTA_NEXT(rta, len)) {
		int type = rta->rta_type & NLA_TYPE_MASK;

		if (!xdp && type == IFLA_INFO_KIND)
			attr_str(rta, info->kind, sizeof(info->kind));
		else if (xdp && type == IFLA_XDP_ATTACHED && RTA_PAYLOAD(rta))
			info->xdp_mode = *(uint8_t *)RTA_DATA(rta);
		else if (xdp && type == IFLA_XDP_PROG_ID)
			info->xdp_id = attr_u32(rta);
		else if (xdp && type == IFLA_XDP_DRV_PROG_ID)
			info->xdp_id = attr_u32(rta);
	}
}

static int parse(const struct nlmsghdr *nlh, struct link_info *info)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);
	const struct rtattr *rta = IFLA_RTA(ifi);
	int len = nlh->nlmsg_len - NLMSG_LENGTH(sizeof(*ifi));
	bool elsewhere = false;

	if (nlh->nlmsg_type != RTM_NEWLINK || len < 0)
		return -EBADMSG;
	memset(info, 0, sizeof(*info));
	info->ifindex = ifi->ifi_index;
	info->flags = ifi->ifi_flags;
	for (; RTA_OK(rta, len); rta = RTA_NEXT(rta, len)) {
		switch (rta->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			attr_str(rta, info->name, sizeof(info->name));
			break;
		case IFLA_IFALIAS:
			attr_str(rta, info->alias, sizeof(info->alias));
			break;
		case IFLA_LINK:
			info->lower = attr_u32(rta);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_MTU:
			info->mtu = attr_u32(rta);
			break;
		case IFLA_NUM_RX_QUEUES:
			info->rx_queues = attr_u32(rta);
			break;
		case IFLA_NUM_TX_QUEUES:
			info->tx_queues = attr_u32(rta);
			break;
		case IFLA_LINKINFO:
		case IFLA_XDP:
			parse_nested(rta, info);
			break;
		}
	}
	/* Its number says nothing here. */
	if (elsewhere)
		info->lower = 0;
	return 0;
}

static int take(const struct nlmsghdr *nlh, void *arg)
{
	return parse(nlh, arg);
}

int link_get(const char *name, struct link_info *info)
{
	struct request req;

	memset(info, 0, sizeof(*info));
	request_init(&req, RTM_GETLINK, NLM_F_ACK, 0);
	put_str(&req, IFLA_IFNAME, name);
	return talk(&req, take, info);
}

int link_get_ifindex(int ifindex, struct link_info *info)
{
	struct request req;

	memset(info, 0, sizeof(*info));
	request_init(&req, RTM_GETLINK, NLM_F_ACK, ifindex);
	return talk(&req, take, info);
}

/* A dump is collected first: @fn may ask the kernel itself, and change what is being dumped. */
struct collect {
	struct link_info *list;
	size_t n;
};

static int add(const struct nlmsghdr *nlh, void *arg)
{
	struct collect *c = arg;
	struct link_info *p;

	p = realloc(c->list, (c->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	c->list = p;
	if (!parse(nlh, &p[c->n]))
		c->n++;
	return 0;
}

int link_each(int (*fn)(const struct link_info *info, void *arg), void *arg)
{
	struct collect c = {};
	struct request req;
	size_t i;
	int ret;

	request_init(&req, RTM_GETLINK, NLM_F_DUMP, 0);
	ret = talk(&req, add, &c);
	for (i = 0; !ret && i < c.n; i++)
		ret = fn(&c.list[i], arg);
	free(c.list);
	return ret;
}

struct find {
	int lower;
	struct link_info *info;
};

static int match_lower(const struct link_info *info, void *arg)
{
	struct find *f = arg;

	if (strcmp(info->kind, "etran") || info->lower != f->lower)
		return 0;
	*f->info = *info;
	return 1;
}

int link_find_etran(int lower, struct link_info *info)
{
	struct find f = { .lower = lower, .info = info };
	int ret = link_each(match_lower, &f);

	return ret < 0 ? ret : ret ? 0 : -ENODEV;
}

int link_create_etran(int lower)
{
	struct rtattr *nest;
	struct request req;
	uint32_t idx = lower;

	/* Without a name the kernel chooses the first free etranN. */
	request_init(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0);
	put(&req, IFLA_LINK, &idx, sizeof(idx));
	nest = put(&req, IFLA_LINKINFO, NULL, 0);
	put_str(&req, IFLA_INFO_KIND, "etran");
	nest_end(&req, nest);
	return talk(&req, NULL, NULL);
}

int link_set_up(int ifindex, const char *alias)
{
	struct request req;

	request_init(&req, RTM_NEWLINK, NLM_F_ACK, ifindex);
	req.ifi.ifi_flags = IFF_UP;
	req.ifi.ifi_change = IFF_UP;
	if (alias)
		put(&req, IFLA_IFALIAS, alias, strlen(alias));
	return talk(&req, NULL, NULL);
}

int link_delete(int ifindex)
{
	struct request req;

	request_init(&req, RTM_DELLINK, NLM_F_ACK, ifindex);
	return talk(&req, NULL, NULL);
}

int link_driver(const char *name, char *buf, size_t len)
{
	struct ethtool_drvinfo drv = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = {};
	int fd, err = 0;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_data = (void *)&drv;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0)
		err = -errno;
	close(fd);
	snprintf(buf, len, "%.*s", (int)sizeof(drv.driver), drv.driver);
	return err;
}
