#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A slot of the journal that cannot be read any more is neither the end of the journal nor clean: what stands before and
# behind it is taken back, and brink says that it does not know the rest.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/crash/faults.sh
. "$(dirname "$0")/faults.sh"
# shellcheck source=tests/crash/guard_lib.sh
. "$(dirname "$0")/guard_lib.sh"
stopped() { [ "$(state_of "$1")" = T ]; }

victim_start
mkdir -p /run/brink/locks
state >"$dir/before"
pids=
for _ in 1 2 3; do
	sleep 1000 &
	pids="$pids $!"
done
# shellcheck disable=SC2086 # words
set -- $pids
cat >"$dir/x.yaml" <<YAML
brink: 1
name: three in a row
steady_state:
  - $FAST
faults:
$(for p; do printf -- '  - proc.pause: {pid: %s}\n    for: 60s\n' "$p"; done)
YAML
wrapper="setpriv --bounding-set -sys_ptrace" # SIGSTOP: nothing but the record takes it back
case_name="the middle one of three slots is lost"
start $wrapper
poll 15000 eval '[ "$(grep -c " held " "$dir/err")" = 3 ]' || fail "never held"
kill_all
stopped "$1" && stopped "$2" && stopped "$3" || fail "not stopped: this test tests nothing"
# the head has the blocks 0 and 1, slot I the blocks 2I+2 and 2I+3
dd if=/dev/zero of="/run/brink/$(record)/journal" bs=4096 seek=4 count=2 conv=notrunc status=none
"$plain" revert --all >"$dir/revert" 2>&1
rc=$?
! stopped "$1" || fail "what stands before the hole was not taken back"
! stopped "$3" || fail "what stands behind the hole was not taken back"
[ $rc = 20 ] || fail "exit $rc: $(cat "$dir/revert")"
grep -q 'slot 1 of the journal cannot be read' "$dir/revert" || fail "not said: $(cat "$dir/revert")"
[ -n "$(record)" ] || fail "the record is gone"
kill -KILL "$@"
echo "# $case_name"
