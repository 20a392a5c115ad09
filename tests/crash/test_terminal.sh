#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a terminal or a pipe does to a run: nobody reads it, or it is closed. Each of the first two is waited for as long
# as brink waits for a reader.
# shellcheck source=tests/crash/signals_lib.sh
. "$(dirname "$0")/signals_lib.sh"
stuck=$BUILD/tests/crash/prog_terminal

for kind in pty pipe; do
	case_name="a $kind that nobody reads does not delay the revert"
	experiment 60s 0s "$TCP"
	rm -f "$dir/pid"
	rm -rf /var/lib/brink /run/brink
	"$stuck" $kind "$dir/pid" "$BRINK" run "$dir/x.yaml" </dev/null >/dev/null 2>&1 &
	run=$!
	poll 8000 in_phase hold || fail "never held"
	poll 3000 blocked || fail "held, and not felt"
	began=$(now_ms)
	kill -INT "$(cat "$dir/pid")"
	# far less than the 30 s that it waits for a reader, enough beside other tests
	poll 8000 connects || fail "the revert waits for the terminal"
	poll 8000 eval '[ -z "$(record)" ]' || fail "the end waits for the terminal"
	echo "# reverted $(($(now_ms) - began)) ms after the signal, with the $kind full"
	clean 6 45000 # the last lines wait for a reader, bounded
done

case_name="a terminal that is closed ends the run"
experiment 60s 0s "$TCP"
rm -rf /var/lib/brink /run/brink "$dir/pid"
"$stuck" pty "$dir/pid" "$BRINK" run "$dir/x.yaml" </dev/null >/dev/null 2>&1 &
run=$!
poll 8000 in_phase hold || fail "never held"
poll 3000 blocked || fail "held, and not felt"
kill -USR1 $run
clean 6 45000
end_of | grep -q "stopped: SIGHUP" || fail "the reason is '$(end_of)'"
