// SPDX-License-Identifier: GPL-2.0
/*
 * xdp_other attach IF OBJ: attaches OBJ's program with libxdp, as xdp-loader would.
 * xdp_other show IF: the names of all programs there, in the order in which they run.
 * xdp_other detach IF: takes xdp_other off, and only it.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

static int attach(int ifindex, const char *path)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .open_filename = path);
	struct xdp_program *prog = xdp_program__create(&opts);
	int err = libxdp_get_error(prog);

	if (err)
		return err;
	err = xdp_program__attach(prog, ifindex, XDP_MODE_NATIVE, 0);
	xdp_program__close(prog);
	return err;
}

static int show(int ifindex, int detach)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *prog = NULL;
	int err = libxdp_get_error(mp), found = 0;

	if (!mp || err)
		return detach ? -1 : 0;
	while ((prog = xdp_multiprog__next_prog(prog, mp))) {
		if (!detach) {
			puts(xdp_program__name(prog));
		} else if (!strcmp(xdp_program__name(prog), "xdp_other")) {
			found = 1;
			err = xdp_program__detach(prog, ifindex, xdp_multiprog__attach_mode(mp), 0);
			break;
		}
	}
	xdp_multiprog__close(mp);
	return detach && !found ? -1 : err;
}

int main(int argc, char **argv)
{
	int ifindex = argc > 2 ? (int)if_nametoindex(argv[2]) : 0, err = -1;

	if (!ifindex) {
		fprintf(stderr, "usage: xdp_other attach IF OBJ | show IF | detach IF\n");
		return 2;
	}
	if (!strcmp(argv[1], "attach") && argc > 3)
		err = attach(ifindex, argv[3]);
	else if (!strcmp(argv[1], "show"))
		err = show(ifindex, 0);
	else if (!strcmp(argv[1], "detach"))
		err = show(ifindex, 1);
	if (err)
		fprintf(stderr, "xdp_other %s: %d\n", argv[1], err);
	return !!err;
}
