#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nginx with one process on etran's TCP (edge-triggered epoll, sendfile, keep-alive), curl and wrk on the kernel's; then nginx on
# the kernel's and wrk on etran's. Then nginx with two workers, which inherit one listener, or have one each (reuseport).

. "$(dirname -- "$0")/lib.sh"
posix_up 15

mkdir "$W/files"
head -c 1000000 /dev/urandom >"$W/files/large"
head -c 500 /dev/urandom >"$W/files/small"

# config ADDRESS PORT PROCESSES [REUSEPORT]
config()
{
	cat >"$W/$2.conf" <<-END
		daemon off; $3 pid $W/$2.pid; error_log $W/$2.log;
		events { worker_connections 256; }
		http {
			log_format who \$pid; access_log $W/$2.who who; sendfile on; tcp_nopush on;
			client_body_temp_path $W/t1; proxy_temp_path $W/t2; fastcgi_temp_path $W/t3;
			uwsgi_temp_path $W/t4; scgi_temp_path $W/t5;
			server { listen $1:$2 $4; root $W/files; }
		}
	END
	chmod 755 "$W"
}

fetch()
{
	"$1" curl -sS -m 60 -o "$W/got1" "$2/small" -o "$W/got2" "$2/large" &&
	cmp "$W/got1" "$W/files/small" && cmp "$W/got2" "$W/files/large"
}

# Requests were answered, none wrongly.
load()
{
	"$1" wrk -t 1 -c 16 -d 2 "$2/small" >"$W/wrk" 2>&1
	! grep -E 'Socket errors|Non-2xx' "$W/wrk" && awk '/requests in/ && $1 > 0 { n = 1 } END { exit !n }' "$W/wrk" ||
		{ cat "$W/wrk"; return 1; }
}

config $ADDR_A 8080 "master_process off;"
background etran nginx -c "$W/8080.conf" -e "$W/error"
ok "nginx on etran listens" wait_for listens tcp_a 8080
ok "curl" by_etran fetch kernel http://$ADDR_A:8080
ok "wrk" by_etran load kernel http://$ADDR_A:8080
config $ADDR_B 8081 "master_process off;"
background kernel nginx -c "$W/8081.conf" -e "$W/error"
ok "nginx on the kernel's listens" wait_for listens tcp_b 8081
ok "curl on etran" by_etran fetch etran http://$ADDR_B:8081
ok "wrk on etran" by_etran load etran http://$ADDR_B:8081

# Which processes have answered?
workers()
{
	sort -u "$W/$1.who"
}

# at_work N: so many workers have had a listener of their own
at_work()
{
	[ "$(cat "$W"/*.log "$W/background" | grep -c 'listens at descriptor')" -ge "$1" ]
}

both_work()
{
	[ "$(workers "$1" | wc -l)" = 2 ] || { workers "$1"; return 1; }
}

gone()
{
	! kill -0 "$1"
}

# Its master starts another one.
worker_killed()
{
	local pid

	pid=$(workers 8082 | head -n 1)
	kill -9 "$pid" && wait_for gone "$pid" && fetch kernel http://$ADDR_A:8082
}

config $ADDR_A 8082 "user root; worker_processes 2;"
background etran nginx -c "$W/8082.conf" -e "$W/error"
ok "nginx with two workers: both listen" wait_for at_work 2
ok "two workers: curl" by_etran fetch kernel http://$ADDR_A:8082
ok "two workers: wrk" by_etran load kernel http://$ADDR_A:8082
ok "two workers: both answer" both_work 8082
ok "two workers: one is killed, curl" by_etran worker_killed
ok "two workers: the master starts another one" wait_for at_work 3
config $ADDR_A 8083 "user root; worker_processes 2;" reuseport
background etran nginx -c "$W/8083.conf" -e "$W/error"
ok "nginx with reuseport: both workers listen" wait_for at_work 5
ok "reuseport: wrk" by_etran load kernel http://$ADDR_A:8083
ok "reuseport: both workers answer" both_work 8083
posix_end
