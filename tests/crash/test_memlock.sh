#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Root without the right to raise limits, as in many containers: what the keeper maps after it has locked its memory
# must not fail on the limit of locked memory.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
before

case_name="a low limit of locked memory that cannot be raised"
experiment 60s 0s "$TCP"
start setpriv --bounding-set -sys_resource prlimit --memlock=2097152:2097152
poll 8000 in_phase hold || fail "never held"
poll 3000 blocked || fail "held, and not felt"
grep -q 'VmLck:[[:space:]]*[1-9]' "/proc/$(brink_pids brink-keeper)/status" || fail "its memory is not locked"
kill -INT $run
ended 15000 || fail "the run does not end"
[ $rc = 6 ] || fail "exit $rc instead of 6"
as_before
