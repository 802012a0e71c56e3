#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# set: live tunables of a loaded transport, one way and all ways in which it is refused; and that the
# transport's programs see what was set.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/live.bpf.o" "$OBJ/livenext.bpf.o"
load_module
two_hosts
snapshot >"$WORK/before"

ctl set ctltest.room=1
expect "set of what is not loaded" 1 "no transport or filter 'ctltest' is loaded"
clean "and nothing is left of that" "$WORK/before"
ctl load "$OBJ/live.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0 --set room=20 --set ctltest_fixed=3
expect "load sets live ones and constants, by either name" 0

# values FILTER: what show says of all tunables fits.
values()
{
	ctl -j show ctltest
	json "$1" "[.tunables[] | {(.name): .value}] | add | $2"
}
values "what load set" '.ctltest_room == 20 and .ctltest_fixed == 3 and .ctltest_pause == 1000'

never()
{
	"$CTL" -j stats ctltest --all | jq -e '.transports[0].own[] | select(.name == "never") | .value'
}
ingress()
{
	"$CTL" -j stats ctltest --all | jq -e '.transports[0].own[] | select(.name == "ingress") | .value'
}
packets()
{
	local was
	was=$(ingress)
	ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 "$1" && wait_for eval "[ \$(ingress) = $((was + $1)) ]"
}
check "packets come" packets 2
check "programs see the value of before" test "$(never)" = 0
ctl -j set ctltest.room=777
expect "set" 0
json "what it says" '. == {set: [{name: "ctltest", tunable: "ctltest_room", value: 777, was: 20, unit: "bytes"}]}'
check "more come" packets 3
check "programs see the new value" test "$(never)" = 3
ctl set ctltest.ctltest_room=778
expect "set by the whole name" 0 "^ctltest: ctltest_room = 778 bytes \(was 777\)$"
check "and more" packets 2
check "programs see that" test "$(never)" = 3

ctl set ctltest.room=3K ctltest.pause=1500ms ctltest.share=17% ctltest.shift=-10 ctltest.on=false \
	ctltest.mode=CTL_FAST ctltest.first=9
expect "set of several, in other units" 0
values "all of them" '.ctltest_room == 3000 and .ctltest_pause == 1500000 and .ctltest_share == 17 and
	.ctltest_shift == -10 and .ctltest_on == false and .ctltest_mode == "CTL_FAST" and .ctltest_first == 9'
ctl set ctltest.room=1Ki ctltest.pause=2s
expect "binary units" 0 "ctltest_room = 1024 bytes"

refused()
{
	local what=$1 status=$2 pattern=$3
	shift 3

	ctl set "$@"
	expect "$what" "$status" "$pattern"
	ctl -j show ctltest
	json "$what: nothing has changed" "[.tunables[] | {(.name): .value}] | add |
		.ctltest_room == 1024 and .ctltest_pause == 2000000 and .ctltest_fixed == 3"
}
refused "out of range" 2 "ctltest_room=0 is out of range; ctltest_room is from 1 to 1000000 bytes" ctltest.room=0
refused "the last of several is out of range" 2 "ctltest_share=101 is out of range" \
	ctltest.room=5 ctltest.pause=5ms ctltest.share=101
refused "the first of several" 2 "'x' is no value for ctltest_room; it is a __u32, give a number of bytes" \
	ctltest.room=x ctltest.pause=5ms
refused "one that there is not" 2 "'ctltest' has no tunable 'nosuch'; it has ctl_ticks, .*ctltest_room" \
	ctltest.room=5 ctltest.nosuch=1
refused "another transport among them" 1 "no transport or filter 'other' is loaded" \
	ctltest.room=5 other.room=5
refused "a constant" 2 "ctltest_fixed of 'ctltest' is a constant .*; 'etranctl replace OBJ --set fixed=4'" \
	ctltest.room=5 ctltest.fixed=4
refused "a constant without a range" 2 "ctl_ticks of 'ctltest' is a constant" ctltest.ctl_ticks=4
refused "not an assignment" 2 "not understood; give it as NAME.TUNABLE=VALUE" ctltest.room
refused "no transport" 2 "not understood" room=5
refused "no tunable" 2 "not understood" ctltest.=5
ctl -j set ctltest.room=0
check "JSON error" says '^\{"error":".{10,}"\}$' "$OUT"
setpriv --reuid 65534 --regid 65534 --clear-groups "$CTL" set ctltest.room=5 >"$WORK/out" 2>"$WORK/err"
took $? "etranctl set, as nobody"
check "without privileges it fails" test "$RC" != 0
values "and nothing has changed" '.ctltest_room == 1024'

# Past etranctl, by who may write the map: what programs read with etran_bounded() is in its range all
# the same, or they would have ejected themselves.
python3 - "$PIN/ctltest/data_tunables" <<'EOP'
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
path = ctypes.create_string_buffer(sys.argv[1].encode())
class Attr(ctypes.Structure):
    _fields_ = [('pathname', ctypes.c_uint64), ('fd', ctypes.c_uint32), ('flags', ctypes.c_uint32)]
attr = Attr(ctypes.addressof(path), 0, 0)
fd = libc.syscall(321, 7, ctypes.byref(attr), ctypes.sizeof(attr))
if fd < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
with mmap.mmap(fd, 4096) as m:
    for i in range(64):
        m[i] = 0xaa
EOP
check "a write past etranctl" test $? = 0
values "is seen" '.ctltest_share == 170'
check "packets come" packets 3
check "programs are not harmed" loaded ctltest
ctl set ctltest.room=777 ctltest.share=5 ctltest.on=true ctltest.mode=CTL_SLOW ctltest.pause=1s ctltest.first=0 \
	ctltest.shift=1
expect "set repairs it" 0

was=$(never)
ctl replace "$OBJ/livenext.bpf.o"
expect "replaced by one where they lie elsewhere" 0
values "live ones keep their values, too" '.ctltest_room == 777 and .ctltest_pause == 1000000 and
	.ctltest_fixed == 3 and (has("ctltest_first") | not)'
check "packets come" packets 2
# That one counts each packet, and those of the value once more.
check "the new programs see them" test "$(never)" = $((was + 4))
ctl set ctltest.room=5
expect "set of the new ones" 0 "was 777"
check "packets come" packets 2
check "the new programs see that" test "$(never)" = $((was + 6))
ctl replace "$OBJ/live.bpf.o" --set room=9 --set fixed=4
expect "and back, with one of each kind set" 0
values "they are set" '.ctltest_room == 9 and .ctltest_fixed == 4 and .ctltest_first == 1 and .ctltest_pause == 1000000'
ctl unload ctltest
expect "unload" 0
clean "nothing is left" "$WORK/before"
done_testing
