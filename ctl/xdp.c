// SPDX-License-Identifier: GPL-2.0
/*
 * The dispatcher: a small XDP program that hands each frame to the module. It is embedded in this
 * tool and attached with libxdp, so that it runs beside the XDP programs of other tools that use
 * libxdp and leaves when the last transport does, while theirs stay.
 *
 * Ours is told from others by its name alone: the program that an older etranctl attached has
 * another tag but the same task. Rejected: libxdp_clean_references(), which takes a device of
 * another network namespace for one that is gone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>
#include <linux/if_link.h>

#include "etranctl.h"

#define DISPATCHER_PROG	"etran_rx"
#define LIBXDP_PIN_DIR	BPFFS_DIR "/xdp"

/* embed.S */
extern const char etran_dispatcher_start[], etran_dispatcher_end[];

static bool is_ours(const struct xdp_program *prog)
{
	const char *name = prog ? xdp_program__name(prog) : NULL;

	return name && !strcmp(name, DISPATCHER_PROG);
}

static struct xdp_program *find_ours(struct xdp_multiprog *mp)
{
	struct xdp_program *prog = NULL;

	if (xdp_multiprog__is_legacy(mp)) {
		prog = xdp_multiprog__main_prog(mp);
		return is_ours(prog) ? prog : NULL;
	}
	while ((prog = xdp_multiprog__next_prog(prog, mp)))
		if (is_ours(prog))
			return prog;
	return NULL;
}

int xdp_attached(int ifindex)
{
	struct xdp_multiprog *mp;
	struct link_info info;
	int ret;

	if (link_get_ifindex(ifindex, &info) || !info.xdp_id)
		return 0;
	mp = xdp_multiprog__get_from_ifindex(ifindex);
	if (!mp || libxdp_get_error(mp))
		return 0;
	ret = !!find_ours(mp);
	xdp_multiprog__close(mp);
	return ret;
}

int xdp_attach(int ifindex)
{
	LIBBPF_OPTS(bpf_object_open_opts, open_opts, .object_name = "etran_dispatcher");
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .prog_name = DISPATCHER_PROG);
	struct xdp_program *prog;
	struct bpf_object *obj;
	int err;

	if (xdp_attached(ifindex))
		return 0;
	obj = bpf_object__open_mem(etran_dispatcher_start,
				   etran_dispatcher_end - etran_dispatcher_start, &open_opts);
	if (!obj)
		return -errno;
	opts.obj = obj;
	prog = xdp_program__create(&opts);
	err = libxdp_get_error(prog);
	if (err) {
		bpf_object__close(obj);
		return err;
	}
	err = xdp_program__attach(prog, ifindex, XDP_MODE_NATIVE, 0);
	/* The object belongs to whoever passed it in, also after the program is closed. */
	xdp_program__close(prog);
	bpf_object__close(obj);
	return err ? err : 1;
}

static int detach(int ifindex)
{
	struct xdp_multiprog *mp;
	struct xdp_program *prog;
	int err;

	mp = xdp_multiprog__get_from_ifindex(ifindex);
	err = libxdp_get_error(mp);
	if (!mp || err)
		return err;
	prog = find_ours(mp);
	if (prog) {
		err = xdp_program__detach(prog, ifindex, xdp_multiprog__attach_mode(mp), 0);
		if (!err)
			err = 1;
	}
	xdp_multiprog__close(mp);
	return err;
}

int xdp_detach(int ifindex)
{
	struct link_info info;
	int err, status;
	pid_t pid;

	err = link_get_ifindex(ifindex, &info);
	if (err || !info.xdp_id)
		return 0;
	/*
	 * In a process of its own: libxdp 1.3 does not close all descriptors of the programs that
	 * it looked at, and a program is gone only when the last one is closed.
	 */
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		err = detach(ifindex);
		_exit(err > 0 ? 0 : err < 0 ? (-err > 254 ? EIO : -err) : 255);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -EIO;
	status = WEXITSTATUS(status);
	return status == 0 ? 1 : status == 255 ? 0 : -status;
}

int xdp_features(int ifindex, uint64_t *features, uint32_t *zc_segs)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int err = bpf_xdp_query(ifindex, 0, &opts);

	*features = opts.feature_flags;
	*zc_segs = opts.xdp_zc_max_segs;
	return err;
}

void xdp_prog_name(uint32_t id, char *buf, size_t len)
{
	struct bpf_prog_info info = {};
	__u32 info_len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	snprintf(buf, len, "?");
	if (fd < 0)
		return;
	if (!bpf_prog_get_info_by_fd(fd, &info, &info_len))
		snprintf(buf, len, "%s", info.name);
	close(fd);
}

int xdp_count(void)
{
	struct bpf_prog_info info;
	__u32 id = 0, len;
	int fd, n = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		fd = bpf_prog_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (!bpf_prog_get_info_by_fd(fd, &info, &len) &&
		    (info.type == BPF_PROG_TYPE_XDP || info.type == BPF_PROG_TYPE_EXT) &&
		    !strcmp(info.name, DISPATCHER_PROG))
			n++;
		close(fd);
	}
	return n;
}

/* Is the program pinned at @dir/progN-prog ours? */
static bool pinned_is_ours(int dirfd, const char *entry)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	char path[300];
	bool ours;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, entry);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return false;
	ours = !bpf_prog_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, DISPATCHER_PROG);
	close(fd);
	return ours;
}

/* Removes our program's pins in the directory of a dispatcher that is attached nowhere. */
static void clean_one(const char *name)
{
	char path[300], link[64];
	struct dirent *d;
	int fd, n;
	DIR *dir;

	snprintf(path, sizeof(path), LIBXDP_PIN_DIR "/%s", name);
	dir = opendir(path);
	if (!dir)
		return;
	fd = dirfd(dir);
	while ((d = readdir(dir))) {
		if (sscanf(d->d_name, "prog%d-prog", &n) != 1 || n < 0 || n > 99 ||
		    !strstr(d->d_name, "-prog") || !pinned_is_ours(fd, d->d_name))
			continue;
		snprintf(link, sizeof(link), "prog%d-link", n);
		unlinkat(fd, link, 0);
		unlinkat(fd, d->d_name, 0);
		/* The order of a directory that shrinks under the reader is not defined. */
		rewinddir(dir);
	}
	closedir(dir);
	rmdir(path);	/* stays when programs of others are in it */
}

int xdp_clean_pins(const uint32_t *attached, size_t n)
{
	int ifindex, lock, cleaned = 0;
	struct dirent *d;
	uint32_t id;
	size_t i;
	DIR *dir;

	dir = opendir(LIBXDP_PIN_DIR);
	if (!dir)
		return 0;
	/* libxdp's own lock: a dispatcher is pinned before it is attached. */
	lock = open(LIBXDP_PIN_DIR, O_DIRECTORY | O_CLOEXEC);
	if (lock >= 0)
		flock(lock, LOCK_EX);
	while ((d = readdir(dir))) {
		if (sscanf(d->d_name, "dispatch-%d-%" SCNu32, &ifindex, &id) != 2)
			continue;
		for (i = 0; i < n; i++)
			if (attached[i] == id)
				break;
		if (i < n)
			continue;
		clean_one(d->d_name);
		cleaned++;
	}
	if (lock >= 0)
		close(lock);
	closedir(dir);
	return cleaned;
}
