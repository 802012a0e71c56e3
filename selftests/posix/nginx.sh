#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nginx with one process on etran's TCP (edge-triggered epoll, sendfile, keep-alive), curl and wrk on the kernel's; then nginx on
# the kernel's and wrk on etran's.

. "$(dirname -- "$0")/lib.sh"
posix_up 6

mkdir "$W/files"
head -c 1000000 /dev/urandom >"$W/files/large"
head -c 500 /dev/urandom >"$W/files/small"

# config ADDRESS PORT
config()
{
	cat >"$W/$2.conf" <<-END
		daemon off; master_process off; pid $W/$2.pid; error_log $W/$2.log;
		events { worker_connections 256; }
		http {
			access_log off; sendfile on; tcp_nopush on;
			client_body_temp_path $W/t1; proxy_temp_path $W/t2; fastcgi_temp_path $W/t3;
			uwsgi_temp_path $W/t4; scgi_temp_path $W/t5;
			server { listen $1:$2; root $W/files; }
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
	"$1" wrk -t 1 -c 8 -d 2 "$2/small" >"$W/wrk" 2>&1
	! grep -E 'Socket errors|Non-2xx' "$W/wrk" && awk '/requests in/ && $1 > 0 { n = 1 } END { exit !n }' "$W/wrk" ||
		{ cat "$W/wrk"; return 1; }
}

config $ADDR_A 8080
background etran nginx -c "$W/8080.conf" -e "$W/error"
ok "nginx on etran listens" wait_for listens tcp_a 8080
ok "curl" by_etran fetch kernel http://$ADDR_A:8080
ok "wrk" by_etran load kernel http://$ADDR_A:8080
config $ADDR_B 8081
background kernel nginx -c "$W/8081.conf" -e "$W/error"
ok "nginx on the kernel's listens" wait_for listens tcp_b 8081
ok "curl on etran" by_etran fetch etran http://$ADDR_B:8081
ok "wrk on etran" by_etran load etran http://$ADDR_B:8081
posix_end
