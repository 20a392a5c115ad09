# SPDX-License-Identifier: Apache-2.0
# Sourced after world.sh and faults.sh by the tests that the negative controls (tests/support/controls) turn red.
# shellcheck shell=bash disable=SC2154
tool=$BUILD/tests/crash/prog_hooks
plain=$BRINK
BRINK=$BUILD/hooked/brink
# shellcheck disable=SC2034 # for start
run_flags=--yes
FAST='{id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 100ms, fail_after: 20}'

figure() { "$tool" show | sed -n "s/^$1 //p"; }
# All are stopped first: the one that is killed last has no time to take anything back.
kill_all() {
	kill_brink
	wait "$run" 2>/dev/null
	poll 12000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
}
held() {
	# shellcheck disable=SC2086 # words
	start $wrapper
	poll 60000 said ' \(held\|fired\) ' || fail "never held"
}
restored() {
	"$plain" revert --all >"$dir/revert" 2>&1 || fail "brink revert: $(cat "$dir/revert")"
	fault_over
	ticks 5000 || fail "the process does not run"
	mkdir -p /run/brink/locks
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
	echo "# $case_name"
}
