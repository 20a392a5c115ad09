# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
# Connections that are held and asked about, for the tests of net.reset; sourced after net_lib.sh.

keep() { # keep.py's NAME=ADDRESS,PORT..., from $a
	mkfifo "$dir/ask" "$dir/told"
	in_a python3 "$(dirname "$0")/keep.py" "$@" <"$dir/ask" >"$dir/told" 7>&- &
	helpers=$!
	exec 8>"$dir/ask" 9<"$dir/told"
	read -r -t 20 line <&9 && [ "$line" = ready ] || fail "no connections: $line"
}
ended() { # $1: exactly these, since the last time
	echo >&8
	read -r -t 20 line <&9 || fail "nobody tells"
	[ "$line" = "$1" ]
}
keep_no_more() { exec 8>&- 9<&- || :; }
