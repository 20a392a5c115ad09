# SPDX-License-Identifier: Apache-2.0
# For the tests of signals and terminals; sourced first, never run by itself.
# shellcheck shell=bash source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"

held() { # starts a run whose fault is held
	experiment 60s 0s "$TCP"
	start
	poll 8000 in_phase hold || fail "never held"
	poll 3000 blocked || fail "held, and not felt"
}

clean() { # $1: exit code; the run is over and the machine as before
	ended "${2:-15000}" || fail "the run does not end"
	[ $rc = "$1" ] || fail "exit $rc instead of $1"
	connects || fail "still felt"
	poll 5000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	[ -z "$(record)" ] || fail "a record is left"
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
	echo "# $case_name"
}

end_of() { cat /var/lib/brink/runs/*/events.ndjson | jq -r 'select(.ev == "run.end") | .why'; }

mkdir -p /run/brink/locks
state >"$dir/before"
