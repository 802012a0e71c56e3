#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# redis-server on etran's TCP with redis-benchmark and redis-cli on the kernel's, with a BGSAVE under load, which forks; then
# the server on the kernel's and the clients on etran's.

. "$(dirname -- "$0")/lib.sh"
posix_up 9

server()
{
	"$1" redis-server --bind "$2" --port "$3" --protected-mode no --dir "$W" --dbfilename "$3.rdb" --save ''
}

# cli HOST SERVER PORT COMMAND...
cli()
{
	"$1" redis-cli -h "$2" -p "$3" "${@:4}"
}

load()
{
	"$1" redis-benchmark -h "$2" -p "$3" -c 10 -n 2000 -d 1000 -t set,get -q >"$W/bench" 2>&1 &&
	grep -q GET "$W/bench" || { cat "$W/bench"; return 1; }
}

# What was put in comes out.
value()
{
	local v

	v=$(head -c 20000 /dev/urandom | base64 -w 0)
	printf '%s' "$v" | cli "$1" "$2" "$3" -x set key | grep -qx OK &&
	[ "$(cli "$1" "$2" "$3" get key)" = "$v" ]
}

saved()
{
	cli "$1" "$2" "$3" info persistence | tr -d '\r' | grep -qx rdb_bgsave_in_progress:0 &&
	cli "$1" "$2" "$3" info persistence | tr -d '\r' | grep -qx rdb_last_bgsave_status:ok &&
	[ -s "$W/$3.rdb" ]
}

background server etran $ADDR_A 6379
ok "redis-server listens" wait_for listens tcp_a 6379
ok "a value there and back" by_etran value kernel $ADDR_A 6379
ok "redis-benchmark" by_etran load kernel $ADDR_A 6379
load kernel $ADDR_A 6379 &
loading=$!
ok "BGSAVE under load" cli kernel $ADDR_A 6379 bgsave
wait $loading
loaded=$?
ok "the load goes on" test $loaded = 0
ok "and it is saved" wait_for saved kernel $ADDR_A 6379

background server kernel $ADDR_B 6380
ok "redis-server of the kernel's TCP listens" wait_for listens tcp_b 6380
ok "a value there and back, by redis-cli on etran" by_etran value etran $ADDR_B 6380
ok "redis-benchmark on etran" by_etran load etran $ADDR_B 6380
posix_end
