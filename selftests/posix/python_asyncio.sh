#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# asyncio's streams (epoll, non-blocking connect): an echo server and 20 clients at once, with checksums, both ways round.

. "$(dirname -- "$0")/lib.sh"
posix_up 4

background etran python3 asyncio_echo.py serve $ADDR_A 9000
background kernel python3 asyncio_echo.py serve $ADDR_B 9001
ok "the server on etran listens" wait_for listens tcp_a 9000
ok "20 clients" by_etran kernel python3 asyncio_echo.py call $ADDR_A 9000
ok "the server on the kernel's listens" wait_for listens tcp_b 9001
ok "20 clients on etran" by_etran etran python3 asyncio_echo.py call $ADDR_B 9001
posix_end
