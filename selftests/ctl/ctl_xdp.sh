#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The dispatcher beside XDP programs of others: it joins them, and leaves them alone when it goes.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o" "$OBJ/xdp_other" "$OBJ/xdp_other.bpf.o"
load_module
two_hosts

# libxdp keeps its pins in the mount namespace's /sys/fs/bpf, which 'ip netns exec' would hide.
other()
{
	nsenter --net=/run/netns/ctl_a "$OBJ/xdp_other" "$@"
}

runs()
{
	test "$(other show veth0 | tr '\n' ' ')" = "$1"
}

seen()
{
	local id

	id=$(bpftool -j map list | jq 'map(select(.name == "xdp_othe.bss")) | last | .id')
	bpftool -j map lookup id "$id" key 0 0 0 0 | jq '.formatted.value[".bss"][0].seen // .value[".bss"][0].seen'
}

check "another program attaches first" other attach veth0 "$OBJ/xdp_other.bpf.o"
snapshot >"$WORK/before"
ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
expect "load beside it" 0
check "both run, in the order of their priorities" runs "xdp_other etran_rx "
check "ping goes through both" pings
check "the other one sees packets" test "$(seen)" -gt 0
ctl unload ctltest
expect "unload" 0
check "the other one stays" runs "xdp_other "
clean "all is as before" "$WORK/before"
check "ping still goes" pings
before=$(seen)
check "and again" pings
check "the other one still sees packets" test "$(seen)" -gt "$before"

check "the other one goes" other detach veth0
ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
check "another program comes second" other attach veth0 "$OBJ/xdp_other.bpf.o"
check "both run" runs "xdp_other etran_rx "
check "the other one goes first" other detach veth0
check "the dispatcher stays" runs "etran_rx "
ctl -j show ctltest
json "show says so" 'all(.devices[]; .dispatcher)'
check "ping goes through it" pings
ctl unload ctltest
check "the device is free" runs ""

# A program that was attached without libxdp does not share.
nsenter --net=/run/netns/ctl_a bpftool prog load "$OBJ/xdp_other.bpf.o" /sys/fs/bpf/ctl_other type xdp
at_exit rm -f /sys/fs/bpf/ctl_other
nsenter --net=/run/netns/ctl_a bpftool net attach xdpdrv pinned /sys/fs/bpf/ctl_other dev veth0
snapshot >"$WORK/before"
ctl load "$OBJ/ok.bpf.o" --dev ctl_b/veth0 --dev ctl_a/veth0
expect "a program that does not share its device" 1 "'xdp_other' .*does not share.*xdp off"
clean "it is left alone, and nothing of ours is left" "$WORK/before"
ctl -j check ctl_a/veth0
json "check warns of it" '[.checks[] | select(.check == "device ctl_a/veth0")][0].verdict == "warn"'
nsenter --net=/run/netns/ctl_a bpftool net detach xdpdrv dev veth0
ctl load "$OBJ/ok.bpf.o" --dev ctl_b/veth0 --dev ctl_a/veth0
expect "once it is gone, load succeeds" 0
ctl unload ctltest
done_testing
