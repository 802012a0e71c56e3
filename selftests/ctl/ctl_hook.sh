#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whether direct mode is possible: what `check` says, without and with the module, is what the kernel is.
# On a kernel with module/patches and on one without; which one the lab booted is known by its name.

. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# direct DESCRIPTION FILTER: of the one line about the kernel's part
direct()
{
	json "$1" "[.checks[] | select(.check == \"direct mode\")] | length == 1 and (.[0] | $2)"
}

need_files "$KO"
need_root
hook_verdict
case ${ETRAN_LAB:-} in
stock)		check "the stock kernel has no hook" test "$HAS_HOOK" = 0 ;;
patched|debug)	check "the $ETRAN_LAB kernel has the hook" test "$HAS_HOOK" = 1 ;;
*)		skip_case "the kernel is as its name says" "this is not the lab" ;;
esac

ctl -j check
direct "check tells of the kernel without the module" "$HOOK"
load_module
ctl -j check
direct "and with it" "$HOOK"
if [ "$HAS_HOOK" = 1 ]; then
	direct "and that the module uses the hook" '.text | test("the module uses it")'
else
	direct "and how to come by it" '.cure | test("build a kernel with the patch of module/patches, and etran.ko for it")'
fi
ctl check
expect "the same as text" 0 "^$([ "$HAS_HOOK" = 1 ] && echo ok || echo warn) +direct mode: "
json_ready=$("$CTL" -j check | jq .ready)
check "neither keeps the machine from being ready" test "$json_ready" = true
done_testing
