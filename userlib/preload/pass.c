// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Descriptors that come from other processes or go to them: by messages of AF_UNIX sockets (SCM_RIGHTS), and those that a
 * program begins with. See shared.c.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload.h"

/* The kernel's name for files of etran's connections and listeners. */
#define STREAM_LINK	"anon_inode:[etran-stream]"

static void each_right(const struct msghdr *msg, void (*call)(void *context, int fd), void *context)
{
	const char *end = (const char *)msg->msg_control + msg->msg_controllen;
	struct cmsghdr *c;
	size_t at;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		/* What the program says of its length is the kernel's to judge, but not to be believed. */
		if (c->cmsg_len < sizeof(*c) || c->cmsg_len > (size_t)(end - (const char *)c))
			break;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (at = CMSG_LEN(0); at + sizeof(fd) <= c->cmsg_len; at += sizeof(fd)) {
			memcpy(&fd, (const char *)c + at, sizeof(fd));
			call(context, fd);
		}
	}
}

static void to_batch(void *context, int fd)
{
	batch_add(context, fd);
}

void rights_sent(const struct msghdr *msg)
{
	struct batch b = {};

	if (!msg->msg_control || inside)
		return;
	each_right(msg, to_batch, &b);
	batch_share(&b);
}

static void to_table(void *context, int fd)
{
	(void)context;
	shared_known(fd);
}

void rights_received(struct msghdr *msg)
{
	if (msg->msg_control && !inside)
		each_right(msg, to_table, NULL);
}

SHIM int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (msgs[i].msg_hdr.msg_controllen)
			rights_sent(&msgs[i].msg_hdr);
	return real(sendmmsg)(fd, msgs, n, flags);
}

SHIM int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags, struct timespec *timeout)
{
	int i, got = real(recvmmsg)(fd, msgs, n, flags, timeout);

	for (i = 0; i < got; i++)
		if (msgs[i].msg_hdr.msg_controllen)
			rights_received(&msgs[i].msg_hdr);
	return got;
}

/* Behind context.c's, without which there is no table. */
static void __attribute__((constructor(103))) begin(void)
{
	char link[sizeof(STREAM_LINK) + 1];
	int err = errno;
	struct dirent *d;
	ssize_t n;
	DIR *dir;

	dir = opendir("/proc/self/fd");
	while (dir && (d = readdir(dir))) {
		n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link));
		if (n == sizeof(STREAM_LINK) - 1 && !memcmp(link, STREAM_LINK, n))
			shared_known(atoi(d->d_name));
	}
	if (dir)
		closedir(dir);
	errno = err;
}
