#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What make install installs is what the packages do (but for their papers), and make uninstall removes just that. Both
# were run on the host (see prepare).

. "$(dirname -- "$0")/lib.sh"
trap 'rm -rf "$W"' EXIT

tap_plan 3

# Names in the packages, as make install would have them: another prefix, no directory of the architecture, manual
# pages not compressed.
packaged()
{
	local deb

	for deb in "$PREPARED"/deb/{etran-tools,libetran0,libetran-dev}_*.deb; do
		dpkg-deb -c "$deb" | awk '$1 !~ /^d/ { print $6 }'
	done | grep -v '^./usr/share/\(doc\|lintian\)/' |
		sed 's,^./usr/,./usr/local/,; s,/lib/x86_64-linux-gnu/,/lib/,; s,\(/man/.*\)\.gz$,\1,' | sort
}

same()
{
	packaged > "$W/packaged"
	grep -v of-somebody-else "$PREPARED/installed" | diff - "$W/packaged"
}

ok "make install installs something" test "$(wc -l < "$PREPARED/installed")" -gt 30
ok "what the packages do" same
ok "make uninstall leaves nothing of it" test "$(cat "$PREPARED/left")" = ./usr/local/bin/of-somebody-else
tap_end
