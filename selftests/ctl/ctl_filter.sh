#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Filters from add to del, what is refused and why, and that none is left behind.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o" "$OBJ/filter.bpf.o"

# What can be said without the kernel.
ctl -j show "$OBJ/filter.bpf.o"
expect "show of a filter's object" 0
json "show: what it is" '.filter and .name == "ctlfilter" and .priority == 7 and (has("ip_proto") | not)'
json "show: its tunables" '.tunables == [{name: "ctl_verdict", type: "__u32", value: 3, live: false},
	{name: "ctl_counts", type: "bool", value: true, default: true, min: false, max: true, live: true,
	 meaning: "are packets counted?"}]'
ctl show "$OBJ/filter.bpf.o"
expect "show of a filter's object as text" 0 "^priority +7"

load_module
two_hosts
snapshot >"$WORK/before"

ctl -j filter list
json "no filter" '. == []'
ctl filter list
expect "list of nothing is a heading" 0 "^NAME +PRIORITY"
ctl filter del nosuch
expect "del of what is not attached" 1 "no filter 'nosuch' is attached; .*filter list"
ctl load "$OBJ/filter.bpf.o"
expect "a filter is no transport" 1 "is a filter, not a transport; 'etranctl filter add"
ctl filter add "$OBJ/ok.bpf.o"
expect "a transport is no filter" 1 "is a transport, not a filter; 'etranctl load"
ctl load "$OBJ/reserved.bpf.o"
expect "a transport cannot be called filter" 1 "no transport can be called 'filter', .*; give it another name"
ctl filter add "$OBJ/fversion.bpf.o"
expect "a filter of another version" 1 "built for version 99 of struct etran_filter_ops, .*; build it again"
ctl filter add "$OBJ/fnoprogram.bpf.o"
expect "a filter without programs" 1 "neither ingress nor egress; give it one"
ctl filter add "$OBJ/fbadname.bpf.o"
expect "a name that is not valid" 1 "'a/b' in struct etran_filter_ops is not valid; use letters"
ctl filter add "$OBJ/finitfails.bpf.o"
expect "a filter whose init refuses" 1 "Protocol error"
ctl filter add nosuch
expect "no such object" 1 "no file 'nosuch'"
ctl filter add "$OBJ/filter.bpf.o" --set nosuch=1
expect "no such tunable" 2 "has no tunable 'nosuch'; it has ctl_verdict"
clean "nothing is left of those" "$WORK/before"

ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
expect "load a transport" 0
snapshot >"$WORK/loaded"
ctl -j filter add "$OBJ/filter.bpf.o"
expect "add" 0
json "add is JSON" '.name == "ctlfilter" and .priority == 7 and .link_id > 0 and
	.pin == "/sys/fs/bpf/etran/filter/ctlfilter"'
check "the link and the maps are pinned" test -e $PIN/filter/ctlfilter/link -a -e $PIN/filter/ctlfilter/seen
ctl set ctlfilter.ctl_counts=false
expect "set of a filter's live tunable" 0 "^ctlfilter: ctl_counts = false \\(was true\\)"
ctl set ctlfilter.counts=true
expect "set: what is in front is the filter's name, not ctl" 2 "no tunable 'counts'; it has ctl_verdict, ctl_counts"
ctl set ctlfilter.ctl_counts=true
expect "set again" 0 "was false"
ctl set ctlfilter.ctl_verdict=0
expect "set of a filter's constant" 2 "ctl_verdict of 'ctlfilter' is a constant"
ctl filter add "$OBJ/filter.bpf.o"
expect "the same filter again" 1 "'ctlfilter' is attached already \(priority 7, .*; .*filter del ctlfilter"
ctl filter add "$OBJ/filter2.bpf.o" --priority -5 --set ctl_verdict=0
expect "another one" 0 "^second: attached, priority -5"
ctl -j filter list
json "list is in the order of running" 'map(.name) == ["second", "ctlfilter"] and map(.priority) == [-5, 7]'
json "list: properties" '.[1] | .ingress and (.egress | not) and .ops_version == 1 and .pin != null'
ctl -j list
json "filters are no transports" 'map(.name) == ["ctltest"]'
check "the other host sends" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 3
wait_for sh -c "'$CTL' -j filter list | jq -e '.[0].ingress_packets == 3'"
ctl -j filter list
json "list: what they saw and dropped" 'map([.ingress_packets, .ingress_dropped]) == [[3, 3], [0, 0]]'
ctl filter list
expect "list as a table" 0 "^second +-5 +3 +3 +- +- +[0-9]+"
ctl -j stats
json "stats counts them" 'any(.module.counters[]; .name == "rx_filtered" and .value == 3 and .drop)'
ctl filter del second
expect "del" 0 "^second: filter detached"
check "the other host sends again" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 2
wait_for sh -c "'$CTL' -j filter list | jq -e '.[0].ingress_packets == 2'"
check "the other filter sees what follows" sh -c "'$CTL' -j filter list | jq -e '.[0].ingress_packets == 2'"
ctl -j filter del ctlfilter
expect "del in JSON" 0
json "del is JSON" '.detached == "ctlfilter"'
clean "nothing is left of them" "$WORK/loaded"

# Ejected for a bad verdict: it is not there any more, its pins are.
ctl filter add "$OBJ/filter.bpf.o" --set ctl_verdict=77
expect "a filter that returns nonsense is added" 0
check "packets go through it" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 1
check "it is ejected" wait_for sh -c "'$CTL' -j filter list 2>/dev/null | jq -e '. == []'"
check "the kernel's log says why" sh -c "dmesg | grep -q 'filter ctlfilter ejected: its ingress program returned 77'"
ctl filter list
check "list says that it was detached" grep -q "filter 'ctlfilter' was detached, .*; .*del ctlfilter" <<<"$ERR"
ctl filter add "$OBJ/filter.bpf.o"
expect "it can be added again" 0
check "what was left of it is removed" grep -q "removing what a detached 'ctlfilter' left" <<<"$ERR"
bpftool link detach id "$("$CTL" -j filter list | jq '.[0].link_id')"
wait_for sh -c "'$CTL' -j filter list 2>/dev/null | jq -e '. == []'"
ctl filter del ctlfilter
expect "del of a detached filter" 0 "detached already"
clean "nothing is left of it either" "$WORK/loaded"

# One that is pinned where this process cannot see it.
unshare -m sh -c "mount -t bpf bpf /sys/fs/bpf; '$CTL' filter add '$OBJ/filter.bpf.o';
		  echo \$? >'$WORK/rc'; exec sleep 300" >/dev/null 2>&1 &
sleeper=$!
at_exit "kill $sleeper"
wait_for test -s "$WORK/rc"
check "add in a mount namespace of its own" test "$(cat "$WORK/rc")" = 0
ctl filter del ctlfilter
expect "del from outside is refused" 1 "another mount namespace.*--force"
ctl filter del ctlfilter --force
expect "with --force it goes" 0
kill $sleeper
wait $sleeper 2>/dev/null

# Filters outlive transports; --all takes both.
ctl filter add "$OBJ/filter.bpf.o"
ctl filter add "$OBJ/filter2.bpf.o"
ctl unload ctltest
expect "unload of the transport" 0
ctl -j filter list
json "the filters stay" 'length == 2'
check "they keep the module" sh -c "! rmmod etran"
ctl -j unload --all
json "unload --all names them" '.unloaded == [] and (.filters | sort) == ["ctlfilter", "second"]'
clean "nothing is left after unload --all" "$WORK/before"
check "the module can be removed" wait_for rmmod etran
insmod "$KO"

# As an ordinary user.
cp "$CTL" "$OBJ/filter.bpf.o" "$WORK" && chmod -R a+rX "$WORK"
setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/etranctl" filter add "$WORK/filter.bpf.o" \
	>"$WORK/out" 2>"$WORK/err"
took $? "etranctl filter add, as nobody"
expect "without privileges" 1 "adding a filter needs CAP_NET_ADMIN.*; run it as root"
done_testing
