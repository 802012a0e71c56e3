#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# stats -w: again and again with rates, ended by a signal behind a complete answer, or by what it
# watches going away.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o"
load_module
two_hosts
ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
expect "load" 0

# start ARGUMENT...: etranctl in the background.
start()
{
	: >"$WORK/out"
	"$CTL" "$@" >"$WORK/out" 2>"$WORK/err" &
	PID=$!
	at_exit kill $PID
}

# ends SIGNAL: sends it (none: does not), and takes the exit status.
ends()
{
	local rc=0

	[ "$1" = none ] || kill -"$1" $PID
	wait $PID || rc=$?
	took $rc "etranctl ... -w"
}

answers()
{
	[ "$(wc -l <"$WORK/out")" -ge "$1" ]
}

counted()
{
	tail -n 1 "$WORK/out" |
		jq -e "any(.transports[0].own[]; .name == \"ingress\" and .value == $1 and .rate == 0)"
}

start -j stats --all -w 0.2
check "it answers" wait_for answers 2
check "packets come" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 7
check "and are counted, and some answers later no more come" wait_for counted 7
ends INT
expect "Ctrl-C is no failure" 0
check "nothing was said on stderr" test -z "$ERR"

# all DESCRIPTION JQ-FILTER: of the array of all answers.
all()
{
	check "$1" jq -s -e "$2" "$WORK/out"
}
check "each answer is one line" test "$(wc -l <"$WORK/out")" = "$(jq -s length "$WORK/out")"
all "each has a time, and they go on" '([.[].time] | . == sort) and all(.[]; .time > 1600000000)'
all "each has all that stats tells otherwise" \
	'all(.[]; (.module.counters | length > 50) and .module.sums.frames.holds and (.links | length == 2))'
all "the first has no rates" '[.[0] | .. | .rate? // empty] == []'
all "the others have, of all that is no gauge" \
	'all(.[1:][] | .module.counters, .transports[0].counters, .links[].counters | .[]; has("rate") != .gauge)'
all "the transport's own have them too" 'all(.[1:][].transports[0].own[]; has("rate"))'
all "a rate is how much was added, by some 0.2 s" '
	[.[].transports[0].own[] | select(.name == "ingress")] as $c |
	all(range(1; $c | length); ($c[.].value - $c[. - 1].value) as $d |
		if $d == 0 then $c[.].rate == 0
		else $c[.].rate > 0 and $c[.].rate <= $d / 0.19 end)'
all "seven in all" '[.[].transports[0].own[] | select(.name == "ingress") | .value] | max == 7'

start stats ctltest --all -w 0.2
check "text: it answers" wait_for eval 'says "^ +ingress +7 +0[.]0/s$" "$(<"$WORK/out")"'
ends TERM
expect "SIGTERM is no failure" 0 "^[0-9]{4}-[0-9-]+ [0-9:]+, every 0[.]2 s; Ctrl-C ends it$"
expect "text: a counter with its rate and its sentence" 0 \
	"^  rx_packets +[0-9]+ +[0-9]+[.][0-9]/s  received packets given to a transport$"
expect "text: the first time without" 0 "^  rx_packets +[0-9]+  received"
expect "text: a gauge has no rate" 0 "^  frames_held +0 {10,}frames held"
check "text: no control characters in a file" eval '! says $'\''\033'\'' "$OUT"'

if command -v script >/dev/null; then
	timeout -s INT 10 script -qec "'$CTL' stats ctltest -w 0.2 & sleep 2; kill \$!; wait \$!" \
		"$WORK/typescript" >/dev/null 2>&1 </dev/null
	check "a terminal is cleared" grep -q $'\033\[H\033\[J' "$WORK/typescript"
else
	skip_case "a terminal is cleared" "script is not installed"
fi

start -j stats ctltest -w 60
check "it answers at once" wait_for answers 1
check "it does not keep the module in use meanwhile" \
	wait_for eval '! ls -l /proc/'$PID'/fd | grep -q /dev/etran'
ends INT
expect "Ctrl-C while it waits" 0
json "one answer" '.transports[0].name == "ctltest"'

check "it ends with who reads it" timeout 20 sh -c "'$CTL' stats -w 0.1 | head -n 1"
"$CTL" -j stats -w 0.1 >/dev/full 2>"$WORK/err"
check "a full disk is no success" test $? = 1

start -j stats ctltest -w 0.2
check "it watches one transport" wait_for answers 2
check "which is unloaded" "$CTL" unload ctltest
ends none
expect "that is an error" 1 "no transport 'ctltest' is loaded"
check "the last value says so" eval "tail -n 1 '$WORK/out' | jq -e '.error | test(\"ctltest\")'"
ctl -j stats ctltest -w 1
expect "what was never there" 1 "no transport 'ctltest' is loaded"
json "what was never there: one value" '.error'
done_testing
