#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# module/patches/apply on the files of Debian's 6.12 that its series changes (see prepare), and, where KSRC_66 or KSRC names
# a tree of 6.6, on those of that one. That the series are well-formed: ../patches.

. "$(dirname -- "$0")/lib.sh"
PATCHES=$ETRAN_TOP/module/patches
APPLY=$PATCHES/apply

trap 'rm -rf "$W"' EXIT

# tree FROM: a copy in $W/tree of what apply wants to see
tree()
{
	rm -rf "$W/tree"
	cp -r "$1" "$W/tree"
	(cd "$W/tree" && find . -type f | sort | xargs sha256sum) > "$W/before"
}

unchanged()
{
	(cd "$W/tree" && find . -type f | sort | xargs sha256sum) | diff "$W/before" -
}

# whole SERIES: apply on the tree; 10 tests
whole()
{
	local f

	ok "$1: is not there at first" fails 1 "does not have the series $1" "$APPLY" --check "$W/tree"
	ok "$1: undoing what is not there" fails 1 "nothing was changed" "$APPLY" --undo "$W/tree"
	ok "$1: changed nothing" unchanged
	ok "$1: fits" fails 0 "has the series $1 now" "$APPLY" "$W/tree"
	ok "$1: is there" fails 0 "has the series $1, " "$APPLY" --check "$W/tree"
	ok "$1: a second time does nothing" fails 0 "already" "$APPLY" "$W/tree"
	ok "$1: is undone" fails 0 "without the series $1 again" "$APPLY" --undo "$W/tree"
	ok "$1: without a trace" unchanged
	f=$(sed -n 's,^--- a/,,p' "$PATCHES/$1"/*.patch | tail -n 1)
	sed -i 's/$/ /' "$W/tree/$f"
	(cd "$W/tree" && find . -type f | sort | xargs sha256sum) > "$W/before"
	ok "$1: a tree that it does not fit is told" fails 1 "$1/0.*does not fit " "$APPLY" "$W/tree"
	ok "$1: and left alone" unchanged
}

KSRC_66=$([ -d "$PREPARED/linux-6.6" ] && echo 10)
tap_plan $((10 + ${KSRC_66:-0} + 9))

tree "$PREPARED/linux-6.12"
whole 6.12
if [ -n "$KSRC_66" ]; then
	tree "$PREPARED/linux-6.6"
	whole 6.6
fi

rm -rf "$W/tree"
mkdir "$W/tree"
ok "no kernel source tree" fails 1 "no kernel source tree" "$APPLY" "$W/tree"
touch "$W/tree/Kbuild"
printf 'VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 9\nEXTRAVERSION =\n' > "$W/tree/Makefile"
ok "a version that there is no series for" fails 1 "no series for Linux 6.1.9, only for 6.12 6.6" "$APPLY" "$W/tree"
ok "usage" fails 2 "^usage: " "$APPLY"
printf 'CONFIG_%s=y\n' NET INET IPV6 BPF_SYSCALL BPF_JIT DEBUG_INFO_BTF MODULES > "$W/tree/.config"
ok "options that are missing are named, with the command that sets them" \
	fails 1 "scripts/config -e XDP_SOCKETS -e DEBUG_INFO_BTF_MODULES && make olddefconfig" "$APPLY" --config "$W/tree"
printf 'CONFIG_%s=y\n' XDP_SOCKETS DEBUG_INFO_BTF_MODULES >> "$W/tree/.config"
ok "none is missing" fails 0 "has all that etran needs" "$APPLY" --config "$W/tree"

DEB=$PATCHES/kernel-deb
ok "kernel-deb: usage" fails 2 "^usage: " "$DEB"
ok "kernel-deb: a version that there is no series for" fails 1 "^kernel-deb: there is no series for Linux 6.1.9" "$DEB" --check "$W/tree"
sed -i 's/^PATCHLEVEL.*/PATCHLEVEL = 6/' "$W/tree/Makefile"
ok "kernel-deb: a tree without its series, with the command that gives it" \
	fails 1 "does not have the series 6.6; to give it: module/patches/apply $W/tree" "$DEB" --check "$W/tree"
# As a kernel that has struct_ops of modules by itself.
mkdir -p "$W/tree/include/uapi/linux"
echo BPF_F_VTYPE_BTF_OBJ_FD > "$W/tree/include/uapi/linux/bpf.h"
sed -i '/XDP_SOCKETS/d' "$W/tree/.config"
ok "kernel-deb: options that are missing" fails 1 "scripts/config -e XDP_SOCKETS && make olddefconfig" "$DEB" --check "$W/tree"
tap_end
