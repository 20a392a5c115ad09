#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a person does to a run: every way out is the same, and none skips a revert.
# shellcheck source=tests/crash/signals_lib.sh
. "$(dirname "$0")/signals_lib.sh"

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
