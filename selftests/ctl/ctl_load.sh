#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A transport from load to unload on two hosts: what each command answers on the way.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o" "$OBJ/other_version.so"
load_module
two_hosts
snapshot >"$WORK/before"

ctl check
expect "check with the module" 0 "This machine is ready"
ctl -j check ctl_a/veth0
json "check of a device" '.ready and any(.checks[]; .check == "device ctl_a/veth0")'
ctl -j version
json "version of the module" '.module.abi == .abi and .module.ops == .ops'
ctl -j list
json "nothing is loaded" '. == []'
ctl list
expect "list of nothing is a heading" 0 "^NAME +PROTO"
ctl show nosuch
expect "show of what is not loaded" 1 "no transport 'nosuch'"
ctl stats nosuch
expect "stats of what is not loaded" 1 "no transport 'nosuch'"
ctl unload nosuch
expect "unload of what is not loaded" 1 "no transport 'nosuch'"
abi=$("$CTL" -j version | jq .abi)
LD_PRELOAD=$OBJ/other_version.so "$CTL" list >"$WORK/out" 2>"$WORK/err"
took $? "etranctl list, other version"
expect "a module of another release" 3 "interface $((abi + 1)) .* built for $abi .*; .*same release"
LD_PRELOAD=$OBJ/other_version.so "$CTL" -j check >"$WORK/out" 2>"$WORK/err"
check "check of a module of another release" test $? = 3

# The module's type information, out of sight.
mkdir "$WORK/btf"
: >"$WORK/btf/vmlinux"
unshare -m sh -c 'mount --bind "$0" /sys/kernel/btf && exec "$@"' "$WORK/btf" "$CTL" load "$OBJ/ok.bpf.o" \
	>"$WORK/out" 2>"$WORK/err"
took $? "etranctl load, module without BTF"
expect "a module without BTF" 3 "no type information of the etran module; .*pahole"

ctl -j load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0 --set ctl_ticks=500 \
	--set ctl_offset=-7 --set ctl_mode=CTL_FAST --set ctl_large=0xffffffffffffffff \
	--set ctl_enabled=false
expect "load on two devices" 0
json "load warns of nothing" 'has("warnings") | not'
json "load is JSON" '.name == "ctltest" and .ip_proto == 253 and .id > 0 and .link_id > 0'
json "load made both link devices" '.devices | length == 2 and all(.created and .xdp_attached)'
LINK_ID=$(jq .link_id "$WORK/out")
for h in ctl_a ctl_b; do
	check "$h: the link device is up" sh -c "ip -n $h -o link show type etran | grep -q '[<,]UP'"
	check "$h: the dispatcher is native XDP" sh -c "ip -n $h link show veth0 | grep -q 'xdp id\|prog/xdp'"
done
check "the link is pinned" test -e $PIN/ctltest/link
check "the maps are pinned" test -e $PIN/ctltest/counters -a -e $PIN/ctltest/rodata
check "ping goes through the dispatchers" pings

ctl -j list
json "list" 'length == 1 and .[0].name == "ctltest" and .[0].ip_proto == 253 and .[0].pinned'
json "list: link id" ".[0].link_id == $LINK_ID"
json "list: devices" '[.[0].devices[] | .netns + "/" + .lower] | sort == ["ctl_a/veth0", "ctl_b/veth0"]'
json "list: since" '.[0].since | test("^20[0-9][0-9]-")'
ctl list
expect "list as a table" 0 "^ctltest +253 .*ctl_a/etran0 on veth0, ctl_b/etran0 on veth0"
ctl -j show ctltest
json "show: tunables have the values set" '[.tunables[] | {(.name): .value}] | add |
	. == {ctl_ticks: 500, ctl_offset: -7, ctl_enabled: false, ctl_mode: "CTL_FAST",
	      ctl_large: 18446744073709551615}'
json "show: tunables have their meaning" '.tunables[] | select(.name == "ctl_ticks") |
	.meaning == "how often, ticks"'
json "show: maps" '[.maps[].name] | index("counters") and index("rodata")'
json "show: TCP's clothes, as JSON" '.tcp_urgent == 59297'
json "show: devices" '.devices | length == 2 and all(.dispatcher and .queues > 0 and .mtu == 1500)'
ctl show ctltest
expect "show as text" 0 "__u32 ctl_ticks = 500"
expect "show: TCP's clothes" 0 "^IP protocol +253, or TCP's with SYN, RST and urgent pointer 0xe7a1$"

# A packet of the transport's protocol, from one host to the other.
check "the other host sends" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 3
wait_for sh -c "'$CTL' -j stats ctltest | jq -e '.transports[0].own[] | select(.name == \"ingress\") | .value >= 3'"
ctl -j stats ctltest
json "stats: the transport's own counter, by its name" \
	'.transports[0].own == [{name: "ingress", value: 3}]'
json "stats NAME is about the transport alone" '(has("module") | not) and (.links == [])'
ctl -j stats ctltest --all
json "stats --all has those that are zero" \
	'[.transports[0].own[].name] == ["ingress", "never"]'
json "stats --all: counters describe themselves" \
	'.transports[0].counters | length > 10 and all(.text | length > 5)'
ctl -j stats
json "stats: the frames' sum holds" '.module.sums.frames.holds and .module.sums.packets.holds'
json "stats: all scopes" '(.module.counters | type) == "array" and (.links | length == 2) and
	(.transports | length == 1)'
ctl -j stats --dev ctl_a/veth0
json "stats --dev" '(.links | length == 1) and .links[0].netns == "ctl_a" and (has("module") | not)'
ctl -j stats --dev ctl_b/etran0
json "stats --dev by the link device's name" '.links[0].netns == "ctl_b"'
ctl stats --dev ctl_a/lo
expect "stats of a device without link device" 1 "no link device"
ctl stats
expect "stats as text" 0 "^  frames: frames_accepted [0-9]+ = .*holds"
ctl check ctl_a/veth0
expect "check of a device in use" 0 "with etran's dispatcher"

ctl load "$OBJ/ok.bpf.o"
expect "the same transport again" 1 "'ctltest' is loaded already .*$LINK_ID.*; .*unload ctltest"
ctl load "$OBJ/sameproto.bpf.o"
expect "another with its protocol" 1 "253 is taken by the transport 'ctltest' .*$LINK_ID"
ctl load "$OBJ/samename.bpf.o" --dev ctl_a/veth0
expect "another with its name" 1 "'ctltest' is loaded already"
check "the first one is still there" loaded ctltest
check "its devices too" sh -c "ip -n ctl_a -o link show type etran | grep -q etran0"

ctl unload ctltest
expect "unload" 0 "^ctltest: unloaded"
check "unload tells what went" grep -q "ctl_a/etran0: link device removed" <<<"$OUT"
clean "nothing is left" "$WORK/before"
check "ping goes on" pings

ctl load "$OBJ/badprog.bpf.o" --dev ctl_a/veth0
expect "a program that the verifier refuses" 1 "refused a program"
check "the verifier's last words are shown" grep -q "R[0-9].*invalid mem access" <<<"$ERR"
check "not more than the last" test "$(wc -l <<<"$ERR")" -lt 20
ctl -d load "$OBJ/badprog.bpf.o"
check "-d shows all of them" test "$(wc -l <<<"$ERR")" -gt 40
clean "nothing is left of it" "$WORK/before"
ctl load "$OBJ/initfails.bpf.o" --dev ctl_a/veth0
expect "a transport whose init refuses" 1 "Protocol error"
clean "nothing is left of that" "$WORK/before"

ctl load "$OBJ/ok.bpf.o"
expect "load without a device" 0
ctl -j unload --all
json "unload --all is JSON" '.unloaded == ["ctltest"]'
ctl -j unload --all
json "unload --all of nothing" '.unloaded == [] and .removed == []'
clean "nothing is left after unload --all" "$WORK/before"

# Only one of two at once can have the name; the other gets the sentence.
"$CTL" load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 >"$WORK/1" 2>&1 &
one=$!
"$CTL" load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 >"$WORK/2" 2>&1 &
two=$!
wait $one
rc1=$?
wait $two
rc2=$?
check "of two loads at once one succeeds" test $((rc1 + rc2)) = 1
check "and the other says why not" grep -q "is loaded already" "$WORK/1" "$WORK/2"
ctl unload ctltest
clean "nothing is left of either" "$WORK/before"
done_testing
