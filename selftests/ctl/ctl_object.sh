#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Objects that are refused before the kernel sees them, tunables, and a machine without the module
# or without privileges.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o"

refused()
{
	local what=$1 file=$2 pattern=$3
	shift 3

	ctl -j load "$file" "$@"
	expect "$what" 1 "$pattern"
	check "$what: JSON error" says '^\{"error":".{10,}"\}$' "$OUT"
}
refused "a missing file" /nonexistent/x.bpf.o "No such file"
refused "an unknown name" no-such-transport "ETRAN_BPF_PATH"
refused "a directory" /tmp "not a file"
refused "an ELF program" /bin/true "not a BPF object"
refused "a text" "$0" "not a BPF object"
: >"$WORK/empty.bpf.o"
refused "an empty file" "$WORK/empty.bpf.o" "not a BPF object"
head -c 600 "$OBJ/ok.bpf.o" >"$WORK/cut.bpf.o"
refused "an object that was cut off" "$WORK/cut.bpf.o" "not a BPF object"
refused "a BPF object without transport" "$OBJ/xdp_other.bpf.o" "neither an etran transport nor a filter"
refused "an object for another version" "$OBJ/version.bpf.o" "version 99 .* this is version 2"
refused "two transports in one object" "$OBJ/two.bpf.o" "2 transports"
refused "the wrong section" "$OBJ/section.bpf.o" "\.struct_ops\.link"
refused "no name" "$OBJ/noname.bpf.o" "name"
refused "a name with a slash" "$OBJ/badname.bpf.o" "'a/b'"
refused "no protocol" "$OBJ/noproto.bpf.o" "ip_proto"
refused "no ingress" "$OBJ/noingress.bpf.o" "no ingress"

ctl show "$OBJ/ok.bpf.o"
expect "show OBJ" 0 "ctl_ticks = 100"
ctl -j show "$OBJ/ok.bpf.o"
json "show OBJ is JSON" '.name == "ctltest" and .loaded == false and .ip_proto == 253'
json "show OBJ tells of TCP's clothes" '.tcp_urgent == 59297'
json "show OBJ lists the tunables" '[.tunables[] | {(.name): .value}] | add |
	. == {ctl_ticks: 100, ctl_offset: -5, ctl_enabled: true, ctl_mode: "CTL_SLOW", ctl_large: 1}'
json "show OBJ says what they mean, where the source does" '[.tunables[] | select(.meaning)] |
	length == 1 and .[0].name == "ctl_ticks" and .[0].meaning == "how often, ticks"'
(cd "$OBJ" && ETRAN_BPF_PATH='' "$CTL" -j show ok) >"$WORK/out" 2>&1
check "a name is not looked for in the working directory" grep -q "no file\|not loaded" "$WORK/out"
export ETRAN_BPF_PATH=/nonexistent::$OBJ
ctl -j show ok
json "a name is found in ETRAN_BPF_PATH" '.object | endswith("/ok.bpf.o")'
unset ETRAN_BPF_PATH

bad_set()
{
	ctl load "$OBJ/ok.bpf.o" --set "$1"
	expect "--set $1" 2 "$2"
}
bad_set nonsense "VAR=VALUE"
bad_set "=5" "VAR=VALUE"
bad_set nosuch=5 "no tunable 'nosuch'; it has ctl_ticks, ctl_offset"
bad_set ctl_table=5 "no tunable 'ctl_table'"
bad_set ctl_ticks= "no value"
bad_set ctl_ticks=5x "no value"
bad_set ctl_ticks=-1 "from 0 to 4294967295"
bad_set ctl_ticks=4294967296 "from 0 to 4294967295"
bad_set ctl_offset=32768 "from -32768 to 32767"
bad_set ctl_offset=-32769 "from -32768 to 32767"
bad_set ctl_enabled=2 "from 0 to 1"
bad_set ctl_enabled=maybe "true or false"
bad_set ctl_mode=CTL_NONE "no value"
bad_set ctl_large=18446744073709551616 "out of range"

# With what the source says of them.
ctl -j show "$OBJ/live.bpf.o"
json "show OBJ: kinds, units, ranges, defaults" '[.tunables[] | select(.name | startswith("ctltest_"))] |
	[.[] | select(.live) | .name] == ["ctltest_first", "ctltest_room", "ctltest_pause", "ctltest_share",
		"ctltest_shift", "ctltest_on", "ctltest_mode"] and
	any(. == {name: "ctltest_room", type: "__u32", value: 10, default: 10, unit: "bytes", min: 1,
		max: 1000000, live: true, meaning: "how much fits"}) and
	any(. == {name: "ctltest_shift", type: "__s16", value: -3, default: -3, min: -10, max: 10, live: true,
		meaning: "which way"}) and
	any(.name == "ctltest_on" and .default == true) and
	any(.name == "ctltest_mode" and .default == "CTL_SLOW" and .max == "CTL_FAST") and
	any(.name == "ctltest_fixed" and .default == 7 and .live == false)'
ctl show "$OBJ/live.bpf.o"
expect "show OBJ as text" 0 "__u32 ctltest_room = 10 bytes \(default 10, from 1 to 1000000, live\)"
expect "show OBJ: a constant" 0 "__u32 ctltest_fixed = 7 packets \(default 7, from 1 to 8, at load\)"
bad_live()
{
	ctl load "$OBJ/live.bpf.o" --set "$1"
	expect "--set $1" 2 "$2"
}
bad_live room=0 "ctltest_room=0 is out of range; ctltest_room is from 1 to 1000000 bytes"
bad_live ctltest_room=1000001 "from 1 to 1000000 bytes"
bad_live room=1001K "from 1 to 1000000 bytes"
bad_live room=10ms "'10ms' is no value for ctltest_room; it is a __u32, give a number of bytes, or one with a unit like 10K"
bad_live room=99999999999999G "out of range"
bad_live pause=1500ns "ctltest_pause=1500ns is no whole number of us; ctltest_pause is counted in those"
bad_live pause=1 "from 1000 to 2000000000 us"
bad_live share=101% "from 0 to 100 1/100"
bad_live shift=11 "from -10 to 10"
bad_live shift=1K "'1K' is no value for ctltest_shift"
bad_live fixed=9 "from 1 to 8 packets"
bad_live mode=CTL_NONE "no value"
bad_live other_room=1 "no tunable 'other_room'"

if [ "$(id -u)" = 0 ]; then
	# Files of root's home may be out of reach for others.
	cp "$CTL" "$OBJ/ok.bpf.o" "$WORK" && chmod -R a+rX "$WORK"
	CTL=$WORK/etranctl
	setpriv --reuid 65534 --regid 65534 --clear-groups "$CTL" load "$WORK/ok.bpf.o" \
		>"$WORK/out" 2>"$WORK/err"
	took $? "etranctl load, as nobody"
	expect "without privileges" 1 "CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN"
	setpriv --bounding-set -net_admin "$CTL" load "$WORK/ok.bpf.o" >"$WORK/out" 2>"$WORK/err"
	took $? "etranctl load, without CAP_NET_ADMIN"
	expect "without one capability" 1 "needs CAP_NET_ADMIN, which"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$CTL" unload x >"$WORK/out" 2>"$WORK/err"
	took $? "etranctl unload, as nobody"
	expect "unload without privileges" 1 "needs CAP_"
	CTL=$BUILD/bin/etranctl
fi

if [ -d /sys/module/etran ]; then
	echo "# the module is loaded: what happens without it is not tested"
else
	for c in "load $OBJ/ok.bpf.o" "unload ctltest" list "show ctltest" "set ctltest.x=1" stats; do
		[ "$(id -u)" = 0 ] || [ "${c%% *}" = list ] || [ "${c%% *}" = stats ] || continue
		# shellcheck disable=SC2086
		ctl $c
		expect "without the module: ${c%% *}" 3 "module is not loaded; .*(modprobe|insmod)"
	done
	ctl -j list
	json "without the module: JSON error" '.error | test("modprobe")'
	ctl check
	NO_SENTENCE=1 expect "without the module: check" 3
	check "check says what fails" grep -q "^fail  module" <<<"$OUT"
	check "check says the cure" grep -q "modprobe etran" <<<"$OUT"
	ctl -j check
	json "check is JSON" '.ready == false and any(.checks[]; .check == "module" and
		.verdict == "fail" and (.cure | length > 0))'
	json "check tells which kernel this is" "any(.checks[]; .check == \"kernel\" and .verdict == \"ok\" and
		(.text | startswith(\"Linux $(uname -r) ($(uname -v)), \")))"
	hook_verdict
	json "without the module: check tells of the AF_XDP hook" "any(.checks[]; .check == \"direct mode\" and $HOOK)"
	ctl version
	expect "without the module: version" 0 "not loaded"
	if [ "$(id -u)" = 0 ]; then
		# What of the module is installed: another directory of the kernel's modules, as this tool sees it.
		modules=$(readlink -f "/lib/modules/$(uname -r)")
		mkdir "$WORK/modules" "$WORK/dkms"
		missing()
		{
			unshare -m sh -c 'mount --bind "$0" "$1" && { [ -z "$2" ] || mount --bind "$2" /var/lib; } &&
				shift 2 && exec "$@"' "$WORK/modules" "$modules" "$@" >"$WORK/out" 2>"$WORK/err"
			took $? "etranctl, with other modules installed"
		}
		module_says()
		{
			json "$1" "any(.checks[]; .check == \"module\" and .verdict == \"fail\" and (.cure | test(\"$2\")))"
		}
		missing "" "$CTL" -j check
		module_says "neither module nor headers: both are to be installed" \
			"^apt-get install linux-headers-$(uname -r | sed 's/[+.]/./g') etran-dkms; then modprobe etran"
		mkdir "$WORK/modules/build" "$WORK/dkms/dkms" "$WORK/dkms/dkms/etran"
		missing "$WORK/dkms" "$CTL" -j check
		module_says "DKMS has it, but no headers" "^apt-get install linux-headers-[^ ]*; then"
		touch "$WORK/modules/build/.config"
		missing "$WORK/dkms" "$CTL" -j check
		module_says "DKMS has it and did not build it" "^dkms autoinstall "
		missing "" "$CTL" -j check
		module_says "headers, but no source" "^apt-get install etran-dkms, or make dkms-install"
		echo "updates/dkms/etran.ko.xz:" >"$WORK/modules/modules.dep"
		missing "" "$CTL" -j check
		module_says "it is installed" "^load it: modprobe etran"
		missing "" "$CTL" list
		expect "another command says the same" 3 "module is not loaded; load it: modprobe"

		# A kernel of another age, as far as it can be told from outside: its type information
		# is exchanged for one that knows no struct_ops of modules, and for none.
		mkdir "$WORK/btf"
		read -r off size < <(readelf -SW "$OBJ/ok.bpf.o" | sed 's/\[ */[/' |
			awk '$2 == ".BTF" { print $5, $6 }')
		tail -c +$((16#$off + 1)) "$OBJ/ok.bpf.o" | head -c $((16#$size)) >"$WORK/btf/vmlinux"
		in_btf()
		{
			unshare -m sh -c 'mount --bind "$0" /sys/kernel/btf && exec "$@"' "$WORK/btf" "$CTL" "$@" \
				>"$WORK/out" 2>"$WORK/err"
			took $? "etranctl $*, with other BTF"
		}
		check "its type information can be read" bpftool btf dump file "$WORK/btf/vmlinux"
		in_btf load "$OBJ/ok.bpf.o"
		expect "a kernel without module struct_ops" 3 "takes no struct_ops from modules; use Linux 6.9"
		in_btf -j check
		json "check of such a kernel" 'any(.checks[]; .check == "module struct_ops" and .verdict == "fail")'
		json "check of such a kernel: no AF_XDP hook" 'any(.checks[]; .check == "direct mode" and
			.verdict == "warn" and (.cure | test("module/patches")))'
		rm "$WORK/btf/vmlinux"
		in_btf -j check
		json "it cannot be told without type information" 'any(.checks[]; .check == "direct mode" and
			.verdict == "warn" and (.text | test("does not tell")))'
		in_btf load "$OBJ/ok.bpf.o"
		expect "a kernel without type information" 3 "no type information.*; .*CONFIG_DEBUG_INFO_BTF"
		ctl unload --all
		expect "without the module: unload --all has nothing to do" 0 "nothing is loaded"
	fi
fi
done_testing
