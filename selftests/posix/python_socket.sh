#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of Python's socket module, those about TCP, across a wire: with etran's TCP at the server's side of each and the
# kernel's at the client's, and the other way round. See python_socket.py.

. "$(dirname -- "$0")/lib.sh"

CONNECTIONS="BasicTCPTest BasicTCPTest2 NonBlockingTCPTests TCPTimeoutTest InterruptedSendTimeoutTest
	NetworkConnectionAttributesTest NetworkConnectionBehaviourTest ContextManagersTest CreateServerTest
	CreateServerFunctionalTest TCPCloserTest"
FILES="FileObjectClassTestCase UnbufferedFileObjectClassTestCase LineBufferedFileObjectClassTestCase
	SmallBufferedFileObjectClassTestCase UnicodeReadFileObjectClassTestCase UnicodeWriteFileObjectClassTestCase
	UnicodeReadWriteFileObjectClassTestCase SendfileUsingSendTest SendfileUsingSendfileTest"
MESSAGES="SendmsgTCPTest RecvmsgTCPTest RecvmsgIntoTCPTest"

# python SERVER CLIENT ADDRESS CLASS...: where it may write
python()
{
	(cd "$W" && ip netns exec tcp_a "$RUN" timeout 150 python3 "$POSIX_DIR/python_socket.py" "$@")
}

posix_up 6
for what in CONNECTIONS FILES MESSAGES; do
	ok "the server on etran: ${what,,}" by_etran python tcp_a tcp_b $ADDR_A ${!what}
	ok "the client on etran: ${what,,}" by_etran python tcp_b tcp_a $ADDR_B ${!what}
done
posix_end
