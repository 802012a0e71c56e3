#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Socket options of a program reach the transport: those that were set before connect(), and behind it.

. "$(dirname -- "$0")/lib.sh"
posix_up 7

cat >"$W/options.py" <<'END'
import socket, sys, time
from socket import *
s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
s.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, 1)
s.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL, 1)
s.connect((sys.argv[1], 8090))
s.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, 12345)
s.setsockopt(IPPROTO_TCP, TCP_CONGESTION, b"cubic")
info = s.getsockopt(IPPROTO_TCP, TCP_INFO, 104)
# tcpi_state, tcpi_options, tcpi_snd_mss, tcpi_snd_cwnd
print(info[0], info[5] & 1, int.from_bytes(info[16:20], "little"), int.from_bytes(info[80:84], "little"), flush=True)
time.sleep(100)
END

# conn FIELD VALUE: the one connection has it
conn()
{
	"$CTL" conn tcp -j >"$W/conn" && grep -Eq "\"$1\": *$2[,}]?" "$W/conn" || { cat "$W/conn"; return 1; }
}

counted()
{
	[ "$("$CTL" stats tcp | awk -v n="$1" '$1 == n { print $2 }')" -gt 0 ]
}

# Established, with timestamps, a segment of an MTU of 1500, and a window of some.
info_told()
{
	read -r state timestamps mss cwnd <"$W/told"
	[ "$state" = 1 ] && [ "$timestamps" = 1 ] && [ "$mss" = 1448 ] && [ "$cwnd" -ge 2 ] || { cat "$W/told"; return 1; }
}

told()
{
	[ -s "$W/told" ]
}

background kernel python3 -m http.server 8090
ok "the other host listens" wait_for listens tcp_b 8090
set -m
etran python3 "$W/options.py" $ADDR_B >"$W/told" 2>>"$W/background" &
PIDS+=($!)
set +m
ok "connected" wait_for told
ok "TCP_INFO" info_told
ok "SO_KEEPALIVE" conn keepalive true
ok "TCP_USER_TIMEOUT" conn user_timeout_ms 12345
ok "TCP_CONGESTION" conn congestion '"cubic"'
ok "keepalive asks when TCP_KEEPIDLE is over" wait_for counted tx_keepalive
posix_end
