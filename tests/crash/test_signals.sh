#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a person or a terminal does to a run: every way out is the same, and none skips a revert.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
stuck=$BUILD/tests/crash/prog_terminal

held() { # starts a run whose fault is held
	experiment 60s 0s "$TCP"
	start "$@"
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

for sig in INT TERM HUP QUIT; do
	case_name="SIG$sig ends the run"
	held
	kill -$sig $run
	clean 6
	end_of | grep -q "stopped: SIG$sig" || fail "the reason is '$(end_of)'"
done

case_name="a second Ctrl-C does not skip the revert"
held
kill -STOP "$(brink_pids brink-holder)" # makes the lifting last
kill -INT $run
poll 1000 in_phase lift || fail "never in phase lift"
for _ in 1 2 3; do kill -INT $run; done
clean 6
said 'already stopping' || fail "nothing said about the second one"

case_name="Ctrl-Z does not stop it"
held
kill -TSTP $run
[ "$(state_of $run)" != T ] || fail "stopped"
kill -INT $run
clean 6

case_name="a SIGSTOP that is taken back at once does no harm"
held
kill -STOP $run
kill -CONT $run
blocked || fail "the fault went away"
kill -INT $run
clean 6

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
	poll 1500 connects || fail "the revert waits for the terminal"
	poll 1500 eval '[ -z "$(record)" ]' || fail "the end waits for the terminal"
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
