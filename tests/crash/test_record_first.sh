#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The record is there before the change: a holder that stops at the very moment at which it has made its change, before
# anybody is told, and then everything is killed: brink revert finds out and takes it back. With every fault.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/crash/faults.sh
. "$(dirname "$0")/faults.sh"
# shellcheck source=tests/crash/guard_lib.sh
. "$(dirname "$0")/guard_lib.sh"

one() { # fault, armed|fired
	case_name="$1, just $2"
	fault_ready "$1"
	"$tool" set "stop=$2"
	fault_experiment "$1" 60s "$FAST"
	# shellcheck disable=SC2086 # words
	start $wrapper
	poll 15000 eval '[ "$(figure stopped)" = 1 ]' || fail "the change was never made"
	kill_all
	[ -n "$(record)" ] || fail "no record"
	restored
}

victim_start
mkdir -p /run/brink/locks
names=$(fault_names) || fail "a fault is missing"
state >"$dir/before"
for name in ${1:-$names}; do
	one "$name" armed
	one "$name" fired
done
