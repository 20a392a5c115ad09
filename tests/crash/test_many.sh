#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hundreds of faults at once: the kernel frees the tables of holders one after the other, 13 ms each. The last ones wait
# for longer than a single holder may take to die, and are no finding.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
before

case_name="400 faults are taken back"
{
	printf 'brink: 1\nname: many\nsteady_state:\n  - %s\nfaults:\n' "$TCP"
	for i in {1..400}; do
		echo "  - {net.drop: {to: \"10.78.0.2:$((20000 + i))\", netns: cr_a}, for: 60s}"
	done
} >"$dir/x.yaml"
start
poll 20000 in_phase hold || fail "never held"
kill -INT $run
ended 60000 || fail "the run does not end"
[ $rc = 6 ] || fail "exit $rc instead of 6"
poll 5000 no_brink || fail "processes are left"
[ -z "$(record)" ] || fail "a record is left"
as_before
