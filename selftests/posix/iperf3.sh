#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# iperf3 on etran's TCP with iperf3 on the kernel's: server and client, both directions, several streams.

. "$(dirname -- "$0")/lib.sh"
posix_up 6

# transfer HOST SERVER PORT ARGUMENTS...: all is sent, and more is received than buffers could hold back: iperf3's server
# stops counting when the client says that it has sent all, whatever is still on its way.
transfer()
{
	"$1" iperf3 -c "$2" -p "$3" -n 8M -J "${@:4}" >"$W/iperf" 2>>"$W/background" &&
	jq -e '.end.sum_sent.bytes >= 8000000 and .end.sum_received.bytes >= 4000000' "$W/iperf" >/dev/null ||
		{ jq .end "$W/iperf"; return 1; }
}

background etran iperf3 -s -B $ADDR_A -p 5201
ok "the server on etran listens" wait_for listens tcp_a 5201
ok "to it" by_etran transfer kernel $ADDR_A 5201
ok "from it" by_etran transfer kernel $ADDR_A 5201 -R
background kernel iperf3 -s -B $ADDR_B -p 5202
ok "the server on the kernel's listens" wait_for listens tcp_b 5202
ok "to it, from a client on etran" by_etran transfer etran $ADDR_B 5202
ok "from it, two streams" by_etran transfer etran $ADDR_B 5202 -R -P 2
posix_end
