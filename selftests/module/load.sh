#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module comes and goes: it refuses to load without BTF, loads and unloads any number of
# times, stays while something needs it, and goes afterwards with all that is its own.

. "$(dirname -- "$0")/../lib.sh"
TMP=$(mktemp -d)
TT=$O/selftests/module/tt.bpf.o

cleanup()
{
	"$CTL" unload --all >/dev/null 2>&1
	hosts_down
	module_unload >/dev/null 2>&1
	rm -rf "$TMP"
}
trap cleanup EXIT

refuses_without_btf()
{
	objcopy --remove-section=.BTF --remove-section=.BTF.base "$MODULE" "$TMP/nobtf.ko" || return
	log_mark
	if insmod "$TMP/nobtf.ko" 2>"$TMP/err"; then
		echo "it was loaded"
		rmmod etran
		return 1
	fi
	cat "$TMP/err"
	log_has "etran: this module was built without BTF for this kernel, so no transport could be loaded; install pahole" &&
		module_gone
}

rounds()
{
	local i

	for i in $(seq 20); do
		module_load && [ -c /dev/etran ] && rmmod etran && module_gone || return
	done
}

queues_parameter()
{
	module_load queues=7 && ip -n $HOST_A link add etran7 link veth0 type etran &&
		[ "$(ip -n $HOST_A -d link show etran7 | grep -o 'numrxqueues 7')" ] || return
	# Link devices alone do not hold the module: they go with it.
	rmmod etran && module_gone && ! ip -n $HOST_A link show etran7
}

loads_transport()
{
	module_load && "$CTL" load "$TT" --dev $HOST_A/veth0 --dev $HOST_B/veth0
}

in_use()
{
	rmmod etran 2>"$TMP/err" && { echo "it was removed"; return 1; }
	grep -q "in use" "$TMP/err" || { cat "$TMP/err"; return 1; }
}

# At once: unload has waited until nothing of it holds the module.
unloads_after()
{
	"$CTL" unload --all && rmmod etran && module_gone
}

# An XDP program alone, without a transport.
dispatcher_holds()
{
	module_load && bpftool prog load "$O/selftests/module/rx.bpf.o" /sys/fs/bpf/etran_test_rx type xdp &&
		ip netns exec $HOST_A true && in_use
	local rc=$?
	rm -f /sys/fs/bpf/etran_test_rx
	[ $rc = 0 ] && module_unload
}

endpoint_holds()
{
	local pid rc

	loads_transport || return
	ip netns exec $HOST_A "$O/selftests/module/hold_endpoint" "$TMP/ready" &
	pid=$!
	wait_for test -s "$TMP/ready" || return
	# The transport goes, the endpoint stays until its application closes it.
	"$CTL" unload --all || return
	in_use
	rc=$?
	kill $pid
	wait $pid 2>/dev/null
	[ $rc = 0 ] && module_unload && module_gone
}

modprobe -q veth
hosts_up || exit 1
tap_plan 8
ok module_without_btf_is_refused_with_a_sentence refuses_without_btf
ok module_loads_and_unloads_20_times rounds
ok link_devices_go_with_the_module queues_parameter
ok transport_is_loaded_by_etranctl loads_transport
ok module_in_use_by_a_transport_stays in_use
ok module_goes_after_the_transport unloads_after
ok module_in_use_by_an_xdp_program_stays dispatcher_holds
ok module_in_use_by_an_endpoint_stays endpoint_holds
tap_end
