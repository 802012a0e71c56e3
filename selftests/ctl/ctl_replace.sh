#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Other programs for a loaded transport, under traffic; what cannot take its place; and what show
# tells of transports that are gone.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o" "$OBJ/next.bpf.o"
load_module
two_hosts
snapshot >"$WORK/before"

own()
{
	"$CTL" -j stats ctltest --all | jq -e ".transports[0].own[] | select(.name == \"$1\") | .value"
}

map_id()
{
	bpftool -j map show pinned "$PIN/ctltest/$1" | jq .id
}

ctl -j show
json "show without argument" '.transports == [] and .ended == []'
ctl replace "$OBJ/next.bpf.o"
expect "nothing is loaded that could be replaced" 1 "no transport 'ctltest' is loaded"

ctl -j load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0 --set ctl_ticks=500
expect "load" 0
LINK_ID=$(jq .link_id "$WORK/out")
ID=$(jq .id "$WORK/out")
counters=$(map_id counters)
bss=$(map_id bss)
rodata=$(map_id rodata)
check "packets come" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 3
check "and are counted" wait_for eval '[ "$(own ingress)" = 3 ]'

ctl -j show ctltest
json "show before: numbers" ".state_version == 0 and .queues == 0 and .timeout_ms == 0 and
	.replaced == null and .ended == [] and .id == $ID"
ctl show ctltest
expect "show before: uptime" 0 "^since .*, for 00:[0-9:]+$"
ctl -j show
json "show without argument lists it" '[.transports[].name] == ["ctltest"]'
ctl show
expect "and prints it" 0 "^ctltest +253 +00:[0-9:]+ +0 +- +- +0$"

refused()
{
	ctl replace "$OBJ/$1.bpf.o"
	expect "$2" 1 "$3"
	check "$2: nothing has changed" eval "[ \"\$(ls $PIN/ctltest)\" = \"\$(cat '$WORK/pins')\" ]"
}
ls $PIN/ctltest >"$WORK/pins"
refused state "another version of the state" \
	"the state of 'ctltest' is of version 0, the object's is of version 7"
refused queues "other queues" "'ctltest' has 0 queues of 0 frames, the object wants 2 of 16"
refused samename "another protocol" "'ctltest' is loaded for IP protocol 253, the object is for 254"
refused sameproto "another name" "IP protocol 253 is 'ctltest', and 'other' cannot replace"
refused bigger "a map of another size" "the map 'counters' of 'ctltest' is percpu_array of 2 .*of 3"
refused moved "a global variable elsewhere" "global variable 'ctl_other' of 'ctltest' is not where"
refused badprog "a program that the verifier refuses" "refused a program"
refused initfails "an init that refuses" "did not replace 'ctltest': Protocol error"
refused nolink "a map with a name that is taken" "a map of 'ctltest' is called 'link'"
ctl replace "$OBJ/next.bpf.o" --set nosuch=1
expect "a tunable that there is not" 2 "no tunable 'nosuch'"
check "the first programs still run" eval '[ "$(own never)" = 0 ]'

# The sender goes on all the time, in bursts that a veth device has room for; no packet may get lost.
ip netns exec ctl_b sh -c 'for i in $(seq 60); do "$0" 10.9.0.1 253 20 || exit 1; done' \
	"$OBJ/send_proto" &
sender=$!
wait_for eval '[ "$(own ingress)" -gt 10 ]'
ctl -j replace "$OBJ/next.bpf.o"
expect "replace under traffic" 0
json "what it says" ".name == \"ctltest\" and .id == $ID and .link_id == $LINK_ID and
	(.maps_kept | sort) == [\"bss\", \"counters\"] and .maps_new == [\"added\"] and
	.maps_gone == [\"dropped\"]"
wait $sender
check "the sender had no error" test $? = 0
check "every packet was counted, by old or new programs" wait_for eval '[ "$(own ingress)" = 1203 ]'
check "the global variable went on" eval \
	"[ \"\$(bpftool -j map dump pinned $PIN/ctltest/bss | jq '.[0].formatted.value | .[\".bss\"][] | .ctl_seen // empty')\" = 1203 ]"
check "packets are seen by the new programs" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 2
check "which have a counter of their own" wait_for eval '[ "$(own never)" -ge 2 ]'
check "the counters are the same map" test "$(map_id counters)" = "$counters"
check "the variables too" test "$(map_id bss)" = "$bss"
check "the constants are not" test "$(map_id rodata)" != "$rodata"
check "pins are those of the new object" test -e $PIN/ctltest/added -a ! -e $PIN/ctltest/dropped
check "nothing else is pinned" sh -c "! ls $PIN/ctltest | grep new-"
ctl -j show ctltest
json "show after: it is the same transport" ".id == $ID and .link_id == $LINK_ID and
	(.replaced | test(\"^20\")) and .loaded"
json "tunables keep their values, new ones have the object's" \
	'[.tunables[] | {(.name): .value}] | add | .ctl_ticks == 500 and .ctl_added == 11'
ctl show ctltest
expect "show after, as text" 0 "^replaced +20"

ctl replace "$OBJ/ok.bpf.o" --set ctl_ticks=9
expect "and back, with a tunable set" 0 "^ctltest: replaced, 2 maps kept, 1 new, 1 gone"
ctl -j show ctltest
json "it is set" '[.tunables[] | {(.name): .value}] | add | .ctl_ticks == 9'

# One that ejects itself.
ctl replace "$OBJ/errors.bpf.o"
expect "replaced by one with an error" 0
SEEN=$(own ingress)
check "a packet too many" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 1
check "it is gone" wait_for eval '! loaded ctltest'
ctl list
expect "list is empty" 0 "^NAME"
check "and tells where to look" says "'ctltest' was ejected; 'etranctl show ctltest' tells why" "$ERR"
ctl show ctltest
expect "show tells why" 0 "why +ctl: packet $((SEEN + 1)) is one too many"
check "kind and code" says "kind, code +program, -42" "$OUT"
check "and what ran last" says "last programs CPU [0-9]+: ingress" "$OUT"
ctl -j show ctltest
json "the same in JSON" ".loaded == false and (.ended | length) == 1 and (.ended[0] |
	.ejected and .kind == \"program\" and .code == -42 and .id == $ID and .frames == 0 and
	(.message | test(\"one too many\")) and (.last_programs | test(\"ingress\")) and
	.loaded_ns < .ended_ns)"
ctl replace "$OBJ/ok.bpf.o"
expect "what was ejected cannot be replaced" 1 "no transport 'ctltest' is loaded"
check "ping goes on" pings
ctl load "$OBJ/ok.bpf.o"
expect "it can be loaded again" 0
ctl list
check "list does not mind any more" test -z "$ERR"
ctl unload ctltest
expect "unload" 0
ctl -j show
json "the latest end comes first" '[.ended[] | .kind] == ["unload", "program"]'
ctl show
expect "in words" 0 "^ctltest: unloaded 20.* after 00:"
clean "nothing is left" "$WORK/before"
done_testing
