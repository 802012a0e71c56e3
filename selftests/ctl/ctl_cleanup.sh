#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A transport comes off without a trace, also when something else went wrong before: its device is
# gone, its namespace is gone, it was ejected, it belongs to somebody else, the module is in use.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o"
load_module
two_hosts
snapshot >"$WORK/before"
load()
{
	ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
}

load
expect "load" 0
check "the module cannot be removed meanwhile" sh -c "! rmmod etran"
ctl unload ctltest
check "afterwards it can" wait_for rmmod etran
insmod "$KO"

load
bpftool link detach id "$("$CTL" -j list | jq '.[0].link_id')"
wait_for sh -c "! '$CTL' -j list | jq -e 'length > 0'"
ctl list
check "an ejected transport is not listed" test "$(wc -l <<<"$OUT")" = 1
ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
expect "it can be loaded again" 0
check "what was left of it is removed" grep -q "removing what a detached 'ctltest' left" <<<"$ERR"
bpftool link detach id "$("$CTL" -j list | jq '.[0].link_id')"
wait_for sh -c "! '$CTL' -j list | jq -e 'length > 0'"
ctl unload ctltest
expect "unload of an ejected transport" 0 "detached already"
clean "nothing is left of it" "$WORK/before"

load
ip netns exec ctl_a ip link del veth0
ctl -j list
json "the link device goes with the device underneath" '.[0].devices == []'
ctl unload ctltest
expect "unload when the devices are gone" 0
check "no pins are left" sh -c "! ls /sys/fs/bpf/etran /sys/fs/bpf/xdp/dispatch-* 2>/dev/null | grep ."
check "no programs are left" wait_for sh -c "! bpftool prog list | grep -E 'etran_rx|ctl_'"
check "the module can be removed" wait_for rmmod etran
insmod "$KO"
for h in ctl_a ctl_b; do
	ip netns del $h
done
two_hosts

load
ip netns del ctl_b
wait_for sh -c "'$CTL' -j list | jq -e '.[0].devices | length == 0'"
ctl unload ctltest
expect "unload when a namespace is gone" 0
check "no programs are left of it" wait_for sh -c "! bpftool prog list | grep -E 'etran_rx|ctl_'"
ip netns del ctl_a
two_hosts
snapshot >"$WORK/before"

# A namespace without a name, that one process is in.
unshare -n sleep 300 &
sleeper=$!
at_exit "kill $sleeper"
wait_for test "$(readlink /proc/$sleeper/ns/net)" != "$(readlink /proc/self/ns/net)"
ip link add vx0 type veth peer name vx1
ip link set vx1 netns $sleeper
ip link set vx0 up
nsenter --net=/proc/$sleeper/ns/net ip link set vx1 up
ctl -j load "$OBJ/ok.bpf.o" --dev vx0 --dev /proc/$sleeper/ns/net/vx1
expect "a namespace by a process" 0
ctl unload ctltest
expect "unload finds it" 0 "/proc/[0-9]+/ns/net/etran0: link device removed"
check "its link device is gone" sh -c "! nsenter --net=/proc/$sleeper/ns/net ip link show type etran | grep ."
ip link del vx0
kill $sleeper
wait $sleeper 2>/dev/null
clean "nothing is left in it" "$WORK/before"

# ip netns exec: another mount namespace, with a /sys of its own.
ip netns exec ctl_a "$CTL" load "$OBJ/ok.bpf.o" --dev veth0 >"$WORK/out" 2>"$WORK/err"
took $? "ip netns exec ctl_a etranctl load"
expect "ip netns exec is told what to do instead" 1 "ip netns exec.*; .*--dev NETNS/IF"

# A BPF file system of its own: pins that others cannot see.
unshare -m sh -c "mount -t bpf bpf /sys/fs/bpf; '$CTL' load '$OBJ/ok.bpf.o' --dev ctl_a/veth0;
		  echo \$? >'$WORK/rc'; exec sleep 300" >/dev/null 2>&1 &
sleeper=$!
at_exit "kill $sleeper"
wait_for test -s "$WORK/rc"
check "load in a mount namespace of its own" test "$(cat "$WORK/rc")" = 0
ctl unload ctltest
expect "unload from outside is refused" 1 "another mount namespace.*--force"
check "it is still loaded" loaded ctltest
ctl unload ctltest --force
check "with --force it goes" sh -c "! '$CTL' -j list | jq -e 'length > 0'"
kill $sleeper
wait $sleeper 2>/dev/null
ctl unload --all
ip -n ctl_a link set dev veth0 xdp off
ip -n ctl_a -o link show type etran | grep . && ip -n ctl_a link del etran0
clean "nothing is left after that" "$WORK/before"

# The BPF file system is not mounted: load mounts it.
umount /sys/fs/bpf && {
	ctl -j check
	json "check warns of a missing BPF file system" \
		'any(.checks[]; .check == "BPF file system" and .verdict == "warn")'
	ctl load "$OBJ/ok.bpf.o"
	expect "load mounts it" 0
	check "and says so" grep -q "mounted the BPF file system" <<<"$ERR"
	check "the pins are there" test -e $PIN/ctltest/link
	ctl unload ctltest
}
check "at last the module can be removed" wait_for rmmod etran
done_testing
