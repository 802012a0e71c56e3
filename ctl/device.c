// SPDX-License-Identifier: GPL-2.0
/* /dev/etran: what the module tells about itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "etranctl.h"

static int ask(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int device_open(void)
{
	int fd = open(ETRAN_DEV, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int device_version(int fd, struct etran_version *ver)
{
	int err;

	memset(ver, 0, sizeof(*ver));
	err = ask(fd, ETRAN_IOC_VERSION, ver);
	ver->module[sizeof(ver->module) - 1] = 0;
	return err;
}

int device_transport(int fd, uint32_t id, struct etran_transport_info *info)
{
	int err;

	memset(info, 0, sizeof(*info));
	info->id = id;
	err = ask(fd, ETRAN_IOC_TRANSPORT, info);
	info->name[sizeof(info->name) - 1] = 0;
	return err;
}

int device_exit(int fd, uint32_t id, struct etran_exit_record *rec)
{
	int err;

	memset(rec, 0, sizeof(*rec));
	rec->id = id;
	err = ask(fd, ETRAN_IOC_EXIT, rec);
	rec->name[sizeof(rec->name) - 1] = 0;
	rec->msg[sizeof(rec->msg) - 1] = 0;
	rec->last[sizeof(rec->last) - 1] = 0;
	return err;
}

int device_transport_by_name(int fd, const char *name, struct etran_transport_info *info)
{
	uint32_t id = 0;
	int err;

	while (!(err = device_transport(fd, id, info))) {
		if (!strcmp(info->name, name))
			return 0;
		id = info->id + 1;
	}
	return err;
}

int device_filter(int fd, uint32_t id, struct etran_filter_info *info)
{
	int err;

	memset(info, 0, sizeof(*info));
	info->id = id;
	err = ask(fd, ETRAN_IOC_FILTER, info);
	info->name[sizeof(info->name) - 1] = 0;
	return err;
}

int device_filter_by_name(int fd, const char *name, struct etran_filter_info *info)
{
	uint32_t id = 0;
	int err;

	while (!(err = device_filter(fd, id, info))) {
		if (!strcmp(info->name, name))
			return 0;
		id = info->id + 1;
	}
	return err;
}

int device_link(int fd, uint32_t id, struct etran_link_info *link)
{
	/* Who may not see all namespaces sees its own. */
	uint32_t flags = ETRAN_LINK_ALL_NETNS;
	int err;

	do {
		memset(link, 0, sizeof(*link));
		link->id = id;
		link->flags = flags;
		err = ask(fd, ETRAN_IOC_LINK, link);
		if (err != -EPERM || !flags)
			break;
		flags = 0;
	} while (1);
	link->name[sizeof(link->name) - 1] = 0;
	link->lower_name[sizeof(link->lower_name) - 1] = 0;
	return err;
}

int device_link_by_ifindex(int fd, uint32_t ifindex, struct etran_link_info *link)
{
	memset(link, 0, sizeof(*link));
	link->ifindex = ifindex;
	return ask(fd, ETRAN_IOC_LINK, link);
}

int device_counters(int fd, uint32_t scope, uint32_t id, struct etran_counter **list,
		    uint32_t *count)
{
	struct etran_counters ask_for = { .scope = scope, .id = id };
	uint32_t room = 0, i;
	int err;

	*list = NULL;
	/* First how many there are; once more if some were added meanwhile. */
	while (!(err = ask(fd, ETRAN_IOC_COUNTERS, &ask_for))) {
		if (ask_for.count <= room) {
			*count = ask_for.count;
			for (i = 0; i < *count; i++) {
				(*list)[i].name[sizeof((*list)[i].name) - 1] = 0;
				(*list)[i].text[sizeof((*list)[i].text) - 1] = 0;
			}
			return 0;
		}
		free(*list);
		room = ask_for.count;
		*list = calloc(room, sizeof(**list));
		if (!*list)
			return -ENOMEM;
		ask_for = (struct etran_counters) {
			.scope = scope, .id = id, .count = room, .buf = (uintptr_t)*list,
		};
	}
	free(*list);
	*list = NULL;
	return err;
}
