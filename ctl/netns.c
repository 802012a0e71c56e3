// SPDX-License-Identifier: GPL-2.0
/*
 * Network namespaces. etranctl changes into the one of a --dev NETNS/IF for as long as it talks to
 * that device and stays in its own mount namespace all the time, so that pins land where they can
 * be found again.
 *
 * Rejected: telling users to run `ip netns exec NS etranctl ...`. That command gives the tool a
 * mount namespace of its own with a fresh /sys, and the pins would vanish with it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "etranctl.h"

#define NETNS_DIR	"/run/netns"

static int home = -1;

static int fd_ino(int fd, uint32_t *ino)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*ino = st.st_ino;
	return 0;
}

uint32_t netns_own_ino(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

static int open_path(struct netns *ns, const char *path, const char *name)
{
	int err;

	ns->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ns->fd < 0)
		return -errno;
	snprintf(ns->name, sizeof(ns->name), "%s", name);
	err = fd_ino(ns->fd, &ns->ino);
	if (err)
		netns_close(ns);
	return err;
}

int netns_open(struct netns *ns, const char *name)
{
	char path[256];

	memset(ns, 0, sizeof(*ns));
	ns->fd = -1;
	if (!name || !*name) {
		ns->ino = netns_own_ino();
		return 0;
	}
	if (strlen(name) >= sizeof(ns->name))
		return -ENAMETOOLONG;
	if (*name == '/')
		return open_path(ns, name, name);
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	return open_path(ns, path, name);
}

void netns_close(struct netns *ns)
{
	if (ns->fd >= 0)
		close(ns->fd);
	ns->fd = -1;
}

int netns_enter(const struct netns *ns)
{
	if (ns->fd < 0)
		return 0;
	if (home < 0) {
		home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home < 0)
			return -errno;
	}
	return setns(ns->fd, CLONE_NEWNET) ? -errno : 0;
}

void netns_leave(void)
{
	/* Going on in a foreign namespace would do harm there. */
	if (home >= 0 && setns(home, CLONE_NEWNET)) {
		perror("etranctl: cannot return to its network namespace");
		abort();
	}
}

struct walk {
	int (*fn)(const struct netns *ns, void *arg);
	void *arg;
	uint32_t *seen;
	size_t n;
};

/* Two names of one namespace count once. */
static int visit(struct walk *w, struct netns *ns)
{
	uint32_t *p;
	size_t i;
	int ret;

	for (i = 0; i < w->n; i++)
		if (w->seen[i] == ns->ino)
			return 0;
	p = realloc(w->seen, (w->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	w->seen = p;
	w->seen[w->n++] = ns->ino;
	/* One that goes away meanwhile, or that may not be entered, cannot be looked at. */
	if (netns_enter(ns))
		return 0;
	ret = w->fn(ns, w->arg);
	if (ns->fd >= 0)
		netns_leave();
	return ret;
}

int netns_each(int (*fn)(const struct netns *ns, void *arg), void *arg)
{
	struct walk w = { .fn = fn, .arg = arg };
	struct dirent *d;
	struct netns ns;
	char path[300];
	DIR *dir;
	int ret;

	netns_open(&ns, NULL);
	ret = visit(&w, &ns);

	dir = ret ? NULL : opendir(NETNS_DIR);
	while (dir && !ret && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || netns_open(&ns, d->d_name))
			continue;
		ret = visit(&w, &ns);
		netns_close(&ns);
	}
	if (dir)
		closedir(dir);

	dir = ret ? NULL : opendir("/proc");
	while (dir && !ret && (d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", d->d_name);
		if (netns_open(&ns, path))
			continue;
		ret = visit(&w, &ns);
		netns_close(&ns);
	}
	if (dir)
		closedir(dir);
	free(w.seen);
	return ret;
}

struct by_ino {
	uint32_t ino;
	struct netns *ns;
};

static int match_ino(const struct netns *ns, void *arg)
{
	struct by_ino *f = arg;

	if (ns->ino != f->ino)
		return 0;
	*f->ns = *ns;
	if (ns->fd >= 0)
		f->ns->fd = fcntl(ns->fd, F_DUPFD_CLOEXEC, 0);
	return 1;
}

int netns_open_ino(struct netns *ns, uint32_t ino)
{
	struct by_ino f = { .ino = ino, .ns = ns };

	memset(ns, 0, sizeof(*ns));
	ns->fd = -1;
	return netns_each(match_ino, &f) == 1 ? 0 : -ENOENT;
}

const char *netns_ifname(const struct netns *ns, const char *ifname, char *buf, size_t len)
{
	snprintf(buf, len, "%s%s%s", ns->name, *ns->name ? "/" : "", ifname);
	return buf;
}

int netns_parse_dev(const char *dev, struct netns *ns, char ifname[IFNAMSIZ])
{
	const char *slash = strrchr(dev, '/');
	const char *name = slash ? slash + 1 : dev;
	char path[128];

	ns->fd = -1;
	if (!*name || strlen(name) >= IFNAMSIZ || (slash && slash == dev))
		return -EINVAL;
	strcpy(ifname, name);
	if (!slash)
		return netns_open(ns, NULL);
	if ((size_t)(slash - dev) >= sizeof(path))
		return -ENAMETOOLONG;
	snprintf(path, sizeof(path), "%.*s", (int)(slash - dev), dev);
	return netns_open(ns, path);
}
