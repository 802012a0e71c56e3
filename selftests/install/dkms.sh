#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The release's tar archive through DKMS: what it built (see prepare) is installed, carries Homa, and goes
# without a trace; kernels that will not do are skipped with a sentence, not failed; a module of another
# build of this kernel is refused.

. "$(dirname -- "$0")/lib.sh"
DKMS="dkms --no-depmod"
FAKE=$W/kernel

tap_plan 34

cleanup()
{
	server_cleanup
	dkms remove -m etran -v "$VERSION" --all >/dev/null 2>&1
	rm -rf "/usr/src/etran-$VERSION" /var/lib/dkms/etran
	rm -f "/lib/modules/$FAKE_RELEASE/build"
	rmdir "/lib/modules/$FAKE_RELEASE" 2>/dev/null
	modules_end
}
trap cleanup EXIT

# btf FILE: it has type information, and its identifiers are resolved
btf()
{
	readelf -SW "$1" | grep -q ' \.BTF ' &&
		readelf -x .BTF_ids "$1" | grep -qE '^ +0x[0-9a-f]+ .*[1-9a-f]'
}

unpacked_btf()
{
	case $1 in
	*.xz) xz -dc "$1" ;;
	*) cat "$1" ;;
	esac > "$W/etran.ko" && btf "$W/etran.ko"
}

signed()
{
	# Kernels without module signatures have no use for one.
	grep -q '^CONFIG_MODULE_SIG=y' "$KDIR/.config" && [ -x "$KDIR/scripts/sign-file" ] || return 0
	[ "$(modinfo -F signer etran)" = "DKMS module signing key" ]
}

# A pattern for this very text.
R=${RELEASE//[+.]/.}

status_is()
{
	dkms status -m etran -v "$VERSION" >"$W/status"
	grep -qE "$1" "$W/status" || { cat "$W/status"; return 1; }
}

# ---- what was built on the host --------------------------------------------

ok "dkms built the release's archive, for another kernel than the running one" \
	grep -q "^Tarball location:" "$PREPARED/dkms.log"
ok "from headers without vmlinux" test ! -e "$PREPARED/headers/vmlinux"
ok "all parts name one version" test "$(
	{ sed -n 's/^VERSION[ \t?:]*=[ \t]*//p' "$ETRAN_TOP"/{Makefile,module/Makefile,ctl/Makefile,userlib/Makefile,tools/Makefile}
	  sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' "$ETRAN_TOP/module/main.c"
	  echo "$VERSION"; } | sort -u)" = "$VERSION"
ok "modules of few" modules_begin
ok "dkms takes it" dkms ldtarball "$PREPARED/built.tar.gz"
ok "it is built" status_is "^etran/$VERSION, $R, x86_64: built"
ok "dkms install" dkms install -m etran -v "$VERSION" -k "$RELEASE"
ok "it is installed" status_is "^etran/$VERSION, $R, x86_64: installed"
ok "where depmod prefers it" test "$(modinfo -n etran)" = "$(ls "$MODULES"/updates/dkms/etran.ko*)"
ok "it has BTF" unpacked_btf "$(modinfo -n etran)"
ok "it is signed where the kernel knows signatures" signed
uses_it "$CTL" "$O/bpf/homa.bpf.o"
ok "modprobe -r" wait_for modprobe -r etran
ok "dkms remove" dkms remove -m etran -v "$VERSION" --all
ok "nothing is left of it" not_installed

# ---- kernels that will not do ----------------------------------------------

tar -xzf "$PREPARED/etran-$VERSION.tar.gz" -C "$W"
ok "dkms add, of the unpacked archive" dkms add "$W/etran-$VERSION"

# fake [FILE]: headers of FAKE_RELEASE: links to ours, but with a copy of FILE
FAKE_RELEASE=6.99.0-etran-test
fake()
{
	local at=$FAKE part dir=$KDIR

	rm -rf "$FAKE"
	mkdir -p "$FAKE" "/lib/modules/$FAKE_RELEASE"
	ln -sfn "$FAKE" "/lib/modules/$FAKE_RELEASE/build"
	find "$dir/" -mindepth 1 -maxdepth 1 -exec ln -s -t "$at" {} +
	[ -n "${1:-}" ] || return 0
	for part in ${1//\// }; do
		rm "$at/$part"
		at=$at/$part
		dir=$dir/$part
		[ -d "$dir" ] || { cp "$dir" "$at"; continue; }
		mkdir "$at"
		find "$dir/" -mindepth 1 -maxdepth 1 -exec ln -s -t "$at" {} +
	done
}

skipped()
{
	fails 77 "$1" dkms build -m etran -v "$VERSION" -k "$FAKE_RELEASE"
}

# The name of the enumerator that came with struct_ops of modules.
fake vmlinux
sed -i 's/BPF_F_VTYPE_BTF_OBJ_FD/BPF_F_VTYPE_XXX_XXX_XX/g' "$FAKE/vmlinux"
ok "a kernel without struct_ops of modules is skipped" \
	skipped "^etran: $FAKE_RELEASE: the kernel takes no struct_ops from modules; use "
ok "autoinstall passes over it, too" fails 0 "$FAKE_RELEASE: the kernel takes no struct_ops from modules; use " \
	dkms autoinstall -k "$FAKE_RELEASE"
ok "and built nothing" fails 0 "^etran/$VERSION: added$" dkms status -m etran
fake .config
sed -i '/^CONFIG_XDP_SOCKETS=/d; s/^CONFIG_BPF_JIT=y/CONFIG_BPF_JIT=n/' "$FAKE/.config"
ok "a kernel without options is skipped, and they are named" \
	skipped "built without CONFIG_BPF_JIT CONFIG_XDP_SOCKETS; use "
fake
rm "$FAKE/vmlinux"
ok "a kernel whose BTF is nowhere is skipped" skipped "BTF.* is neither in .*; install linux-image-"
ok "no build is left" fails 0 "^etran/$VERSION: added$" dkms status -m etran
ok "dkms remove, of what was never built" dkms remove -m etran -v "$VERSION" --all

# ---- where BTF is found ----------------------------------------------------

# found WHERE: kernel-check does so for this release and the headers in FAKE
found()
{
	local got

	got=$(BOOT=$W/boot "$ETRAN_TOP/module/kernel-check" "$FAKE" "$RELEASE" "$W/btf") || return 1
	[ "$got" = "$1" ] || { echo "$got, not $1"; return 1; }
}

not_found()
{
	fails 77 "the running kernel is another build" \
		env BOOT="$W/boot" "$ETRAN_TOP/module/kernel-check" "$FAKE" "$RELEASE"
}

mkdir -p "$W/boot"
ok "headers without vmlinux, of the running kernel: its own BTF" found /sys/kernel/btf/vmlinux
fake include/generated/utsversion.h
rm "$FAKE/vmlinux"
sed -i 's/UTS_VERSION ".*"/UTS_VERSION "#99 another build"/' "$FAKE"/include/generated/utsversion.h
ok "of another build of that version: not that one's" not_found
cp "$PREPARED/boot/vmlinuz-$RELEASE" "$W/boot/"
ok "nor the image of another build" not_found

# ---- a module of another build ---------------------------------------------

ok "a module of another build of this kernel is refused" \
	fails 1 "could not insert module" insmod "$PREPARED/other_build.ko"
ok "the log tells why" bash -c \
	"dmesg | tail -n 20 | grep -E 'etran: .* with the headers of this |failed to validate module .etran. BTF'"
ok "nothing is left of it" module_gone
tap_end
