// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: what keeps a transport alive after etranctl has exited. /sys/fs/bpf/etran/NAME/ holds its
 * BPF link as "link" and each of its maps by name, the program's data sections as rodata, data, bss and
 * data_tunables; and as "show_rpcs" and "show_conns" what 'etranctl rpc' and 'conn' read. Pinning the maps is not a convenience: BPF
 * timers in a map are cancelled when the last user reference to it goes. Filters are pinned in the same way, in /sys/fs/bpf/etran/filter/NAME/.
 *
 * Nothing else is recorded anywhere: which transports and link devices exist is asked of the
 * kernel, and a link device that etranctl made carries an alias. So no file can be out of date.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>

#include "etranctl.h"

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC	0xcafe4a11
#endif

bool bpffs_present(void)
{
	struct statfs st;

	return !statfs(BPFFS_DIR, &st) && (uint32_t)st.f_type == BPF_FS_MAGIC;
}

/* In a mount namespace other than that of the machine (or container) as a whole? */
static bool private_mounts(void)
{
	struct stat self, init;

	return !stat("/proc/self/ns/mnt", &self) && !stat("/proc/1/ns/mnt", &init) &&
	       self.st_ino != init.st_ino;
}

int bpffs_require(void)
{
	if (bpffs_present())
		return CTL_OK;
	/*
	 * A BPF file system mounted here would be gone with this process, and the transport with
	 * it, right after etranctl said that it was loaded.
	 */
	if (private_mounts())
		return fail(CTL_FAILURE, "no BPF file system at " BPFFS_DIR
			    " in this mount namespace ('ip netns exec' hides it), so pins would not last;"
			    " run etranctl outside of it and name the network namespace: --dev NETNS/IF");
	if (mkdir(BPFFS_DIR, 0700) && errno != EEXIST)
		return fail(CTL_FAILURE, "cannot create " BPFFS_DIR ": %s; is sysfs mounted at /sys?",
			    strerror(errno));
	if (mount("bpf", BPFFS_DIR, "bpf", 0, "mode=0700"))
		return fail(CTL_FAILURE, "no BPF file system at " BPFFS_DIR
			    " and it cannot be mounted: %s; try 'mount -t bpf bpf " BPFFS_DIR "'",
			    strerror(errno));
	note("mounted the BPF file system at " BPFFS_DIR);
	return CTL_OK;
}

int bpffs_lock(void)
{
	struct stat a, b;
	int fd;

	/* The directory may go while waiting for its lock: the last unload removes it. */
	for (;;) {
		if (mkdir(PIN_DIR, 0700) && errno != EEXIST)
			return -errno;
		fd = open(PIN_DIR, O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			if (errno == ENOENT)
				continue;
			return -errno;
		}
		if (flock(fd, LOCK_EX)) {
			int err = -errno;

			close(fd);
			return err;
		}
		if (!fstat(fd, &a) && !stat(PIN_DIR, &b) && a.st_ino == b.st_ino)
			return fd;
		close(fd);
	}
}

const char *pin_path(const char *transport, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), PIN_DIR "/%s%s%s", transport, *name ? "/" : "", name);
	return path;
}

bool pin_exists(const char *transport)
{
	struct stat st;

	return !stat(pin_path(transport, ""), &st);
}

const char *pin_map_name(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map), *dot;
	static char buf[128];
	char *p;

	/*
	 * "homa_bpf.rodata": libbpf puts a piece of the object's name in front, but not of
	 * ".data.tunables". A pin's name must not have a dot.
	 */
	dot = bpf_map__is_internal(map) ? strchr(name, '.') : NULL;
	if (!dot)
		return name;
	snprintf(buf, sizeof(buf), "%s", dot + 1);
	for (p = buf; *p; p++)
		if (*p == '.')
			*p = '_';
	return buf;
}

const char *pin_filter(const char *name)
{
	static char path[sizeof(FILTER_DIR) + 1 + 256];

	snprintf(path, sizeof(path), FILTER_DIR "/%s", name);
	return path;
}

int pin_create(const char *transport, struct bpf_object *obj, int link_fd)
{
	struct bpf_map *map;
	int err;

	if (strchr(transport, '/') && mkdir(PIN_DIR "/" FILTER_DIR, 0700) && errno != EEXIST)
		return -errno;
	if (mkdir(pin_path(transport, ""), 0700))
		return -errno;
	bpf_object__for_each_map(map, obj) {
		const char *name = pin_map_name(map);

		if (bpf_map__fd(map) < 0)	/* not created: autocreate was off */
			continue;
		if (!strcmp(name, PIN_LINK)) {
			pin_remove(transport);
			return -EINVAL;
		}
		if (bpf_obj_pin(bpf_map__fd(map), pin_path(transport, name))) {
			err = -errno;
			pin_remove(transport);
			return err;
		}
	}
	err = iters_pin(obj, transport, NULL);
	if (!err)
		err = bpf_obj_pin(link_fd, pin_path(transport, PIN_LINK)) ? -errno : 0;
	if (err) {
		pin_remove(transport);
		return err;
	}
	return 0;
}

int pin_link_fd(const char *transport)
{
	return pin_map_fd(transport, PIN_LINK);
}

int pin_map_fd(const char *transport, const char *map)
{
	int fd = bpf_obj_get(pin_path(transport, map));

	return fd < 0 ? -errno : fd;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int dir_each(const char *path, unsigned char type,
		    int (*fn)(const char *name, void *arg), void *arg)
{
	struct dirent *d;
	char **names = NULL, **p;
	size_t n = 0, i;
	int ret = 0;
	DIR *dir;

	/* Collected first, because @fn may remove what is being read. */
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
		    (d->d_type != DT_UNKNOWN && d->d_type != type))
			continue;
		p = realloc(names, (n + 1) * sizeof(*p));
		if (!p)
			abort();
		names = p;
		names[n] = strdup(d->d_name);
		if (!names[n++])
			abort();
	}
	closedir(dir);
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		if (!ret)
			ret = fn(names[i], arg);
		free(names[i]);
	}
	free(names);
	return ret;
}

int pin_each(const char *transport, int (*fn)(const char *name, void *arg), void *arg)
{
	return dir_each(pin_path(transport, ""), DT_REG, fn, arg);
}

struct transports {
	int (*fn)(const char *name, void *arg);
	void *arg;
};

static int unless_filters(const char *name, void *arg)
{
	struct transports *t = arg;

	return strcmp(name, FILTER_DIR) ? t->fn(name, t->arg) : 0;
}

int pin_each_transport(int (*fn)(const char *name, void *arg), void *arg)
{
	struct transports t = { .fn = fn, .arg = arg };
	int ret = dir_each(PIN_DIR, DT_DIR, unless_filters, &t);

	return ret == -ENOENT ? 0 : ret;
}

int pin_each_filter(int (*fn)(const char *name, void *arg), void *arg)
{
	int ret = dir_each(PIN_DIR "/" FILTER_DIR, DT_DIR, fn, arg);

	return ret == -ENOENT ? 0 : ret;
}

static int unlink_pin(const char *name, void *arg)
{
	return unlink(pin_path(arg, name)) ? -errno : 0;
}

int pin_remove(const char *transport)
{
	char name[256];
	int err;

	snprintf(name, sizeof(name), "%s", transport);
	/* The link first: maps that go while programs use them stop timers only. */
	unlink(pin_path(name, PIN_LINK));
	err = pin_each(name, unlink_pin, name);
	if (!err && rmdir(pin_path(name, "")))
		err = -errno;
	return err == -ENOENT ? 0 : err;
}

void pin_remove_root(void)
{
	rmdir(PIN_DIR "/" FILTER_DIR);
	rmdir(PIN_DIR);
}
