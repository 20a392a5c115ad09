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

# As when its guest is paused, or has no CPU: nobody beats meanwhile, and none of them hangs. The lease is 3 s.
all() { ps -eo pid=,stat=,comm= | awk '$3 ~ /^brink/ && $2 !~ /^Z/ { print $1 }'; }
stand_still() { # $1: seconds. The time is what is tested.
	them=$(all)
	# shellcheck disable=SC2086 # several pids; one kill(1) for all
	{ kill -STOP $them; sleep "$1"; kill -CONT $run; sleep 0.2; kill -CONT $them; } # the others get a CPU later
}

case_name="all of it stands still for one and a half seconds, and goes on"
experiment 60s 0s "{id: api, tcp: \"10.78.0.2:7001\", netns: cr_a, every: 200ms, fail_after: 1}" # silence of 600 ms fails
start
poll 8000 in_phase hold || fail "never held"
poll 3000 blocked || fail "held, and not felt"
stand_still 1.5
sleep 1.5 # whoever takes another for one that hangs does it within a second
[ "$(all)" = "$them" ] || fail "not the same processes: $(cat "$dir/err")"
blocked || fail "the fault went away"
kill -INT $run
clean 6

case_name="all of it stands still beyond the lease, and ends"
held
stand_still 5
clean 6
end_of | grep -q 'its holder died' || fail "the reason is '$(end_of)'"

# A run that waits for another one's lock has nothing to take back, and lets itself be told to end.
cat >"$dir/one.yaml" <<YAML
brink: 1
name: the one that has the device
steady_state:
  - $TCP
faults:
  - id: small
    net.mtu: {dev: va, mtu: 1400, netns: cr_a}
    for: 60s
YAML
sed 's/1400/1300/' "$dir/one.yaml" >"$dir/two.yaml"
is_small() { ip -n cr_a link show va | grep -q 'mtu 1400'; }
keepers() { brink_pids brink-keeper | wc -l; }
rm -rf /var/lib/brink /run/brink
"$BRINK" run "$dir/one.yaml" >/dev/null 2>"$dir/one.err" </dev/null &
first=$!
poll 8000 is_small || fail "the first one is not held: $(cat "$dir/one.err")"
one=$(keepers)
for sig in INT KILL HALT; do
	case_name="$sig while it waits for a lock"
	"$BRINK" run --lock-timeout 1h "$dir/two.yaml" >"$dir/out" 2>"$dir/err" </dev/null &
	second=$!
	poll 8000 eval '[ "$(keepers)" -gt $one ]' || fail "no second run: $(cat "$dir/err")"
	if [ $sig = HALT ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups python3 - /run/brink/*/control <<-PYTHON
			import socket, sys
			for path in sys.argv[1:]: # who may not is refused, and it waits on
			    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
			        s.settimeout(5)
			        s.connect(path)
			        assert int.from_bytes(s.recv(200)[:4], "little", signed=True) == -1
		PYTHON
		id=$(sed -n 's/.* run=\([0-9A-Z]*\).*/\1/p' "$dir/one.err")
		other=$(find /run/brink -maxdepth 1 -name '0*' ! -name "$id" -printf '%f\n')
		"$BRINK" halt "$other" --why enough >"$dir/halt" 2>&1 || fail "brink halt: $? $(cat "$dir/halt")"
		grep -q "halted  run $other" "$dir/halt" || fail "brink halt says: $(cat "$dir/halt")"
	else
		kill -$sig $second
	fi
	poll 5000 eval '! kill -0 $second 2>/dev/null' || fail "it waits on"
	wait $second
	rc=$?
	[ $sig = KILL ] || [ $rc = 6 ] || fail "exit $rc: $(cat "$dir/err")"
	[ $sig != HALT ] || said 'halted by user 0: enough' || fail "says: $(cat "$dir/err")"
	[ $sig = KILL ] || said 'Nothing was touched' || fail "says: $(cat "$dir/err")"
	poll 5000 eval '[ "$(keepers)" = $one ]' || fail "its keeper waits on"
	is_small || fail "the first one is not held any more"
	echo "# $case_name"
done
kill -INT $first
wait $first
poll 5000 no_brink || fail "processes are left"

case_name="brink revert says what it waits for"
held
kill_brink
wait $run
: >"$dir/report"
"$BUILD/tests/crash/prog_stepper" -s -a recovery:100 -o "$dir/report" "$BRINK" revert >"$dir/out" 2>"$dir/err" </dev/null &
run=$!
poll 8000 grep -q '^struck recovery' "$dir/report" || fail "the process that takes back is not stopped: $(cat "$dir/report" "$dir/err")"
worker=$(brink_pids brink-keeper)
poll 20000 said "not done after 10 s: process $worker (brink-keeper) is stopped" || fail "says: $(cat "$dir/err")"
said 'brink revert --print' || fail "says no way on: $(cat "$dir/err")"
kill -CONT "$worker"
clean 0
