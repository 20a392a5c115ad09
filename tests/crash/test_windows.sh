#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Windows between two system calls that tests/model found: a process is stopped exactly there, or somebody else acts.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
stop_at=$BUILD/tests/crash/prog_stop_at

held() {
	experiment 60s 0s "$TCP"
	start
	poll 8000 in_phase hold || fail "never held"
	poll 3000 blocked || fail "held, and not felt"
}

attach() { # PID CALL [N]: $tracer traces it from now on
	: >"$dir/at"
	"$stop_at" "$@" >"$dir/at" 2>"$dir/at.err" &
	tracer=$!
	poll 3000 grep -q ready "$dir/at" || fail "cannot trace: $(cat "$dir/at.err")"
}
is_there() { wait "$tracer" && stopped=$(tail -n 1 "$dir/at") && [ "$(state_of "$stopped")" = T ]; }

revert() { # whatever is left, it ends here
	b revert --all
	is_rc 0
	poll 3000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	[ -z "$(record)" ] || fail "a record is left"
	connects || fail "still felt"
	as_before
}

halt() { # as brink halt, which waits for its answer and does not speak to a stopped keeper
	python3 - "$1" <<-'PYTHON'
		import socket, struct, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.connect(sys.argv[1])
		s.send(struct.pack("=I120s", 1, b"a test"))
	PYTHON
}

gone() { kill -KILL $run 2>/dev/null; wait $run 2>/dev/null; }
before

case_name="a halt before anything is armed ends the run"
for i in 1 2 3; do
	experiment 60s 0s "$SLOW"
	start
	poll 3000 eval '[ -n "$(record)" ] && [ -n "$(brink_pids brink-keeper)" ]' || fail "no keeper"
	attach "$(brink_pids brink-keeper)" pwrite64 # the first undo record; nothing is armed yet
	is_there || fail "not stopped: $(cat "$dir/at")"
	halt /run/brink/*/control || fail "cannot halt"
	kill -CONT "$stopped"
	ended 15000 || fail "the run does not end, round $i: $(ps -eo pid,stat,comm | grep brink)"
	[ $rc = 6 ] || fail "exit $rc instead of 6"
	poll 3000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	[ -z "$(record)" ] || fail "a record is left"
done
as_before

case_name="a halt while some of many have armed: no more of them are born"
many() { # FAULTS, all on one device
	experiment 60s 0s "$SLOW"
	for ((i = 1; i < $1; i++)); do
		echo "  - {net.drop: {to: \"10.78.0.2:$((7100 + i))\", netns: cr_a}, for: 60s}"
	done >>"$dir/x.yaml"
	start
	poll 3000 eval '[ -n "$(record)" ] && [ -n "$(brink_pids brink-keeper)" ]' || fail "no keeper"
}
holders() { brink_pids brink-holder | wc -l; }
for i in 1 2 3 4 5; do
	many 12
	attach "$(brink_pids brink-keeper)" pwrite64 30 # the note of a holder, before it is told to arm
	is_there || fail "not stopped: $(cat "$dir/at")"
	born=$(holders)
	[ "$born" -gt 2 ] && [ "$born" -lt 9 ] || fail "$born holders of 12 were born: this tests nothing"
	halt /run/brink/*/control || fail "cannot halt"
	kill -CONT "$stopped"
	ended 15000 || fail "the run does not end: $(ps -eo pid,stat,comm | grep brink)"
	said 'the keeper died' || break # a slow machine took the stopped keeper for one that hangs: again
done
[ $rc = 6 ] || fail "exit $rc instead of 6"
lifted=$(jq -s 'map(select(.ev == "fault.reverted")) | length' /var/lib/brink/runs/*/events.ndjson)
[ "$lifted" -lt 12 ] || fail "$born were born before the halt, $lifted were lifted"
poll 3000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
[ -z "$(record)" ] || fail "a record is left"
as_before

case_name="a keeper that is stopped while it proves the end: revert comes through"
held
attach "$(brink_pids brink-keeper)" pwrite64 2 # the slot is restored, the head says clean
kill -INT $run
is_there || fail "not stopped: $(cat "$dir/at")"
gone
revert

case_name="a keeper that dies with its proof, or as its record goes: its spare says so"
for call in 'pwrite64 2' 'unlinkat 1' 'unlinkat 4'; do
	held
	# shellcheck disable=SC2086 # two words
	attach "$(brink_pids brink-keeper)" $call
	kill -INT $run
	is_there || fail "not stopped: $(cat "$dir/at")"
	kill -KILL "$stopped"
	ended 15000 || fail "the run does not end, $call"
	[ $rc = 6 ] || fail "exit $rc instead of 6, $call: $(cat "$dir/err")"
	said '^CLEAN' || fail "no proof, $call: $(cat "$dir/err")"
	[ -z "$(record)" ] || fail "a record is left, $call"
done
as_before

case_name="a prober that does not end costs the runner nothing"
cat >"$dir/x.yaml" <<YAML
brink: 1
name: unfit
steady_state:
  - {id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 500ms, pass_after: 50}
  - {id: closed, tcp: "10.78.0.2:7999", netns: cr_b, every: 1s, fail_after: 4}
faults:
  - {net.drop: {to: "10.78.0.2:7002", netns: cr_a}, for: 60s}
YAML
start
prober() { in_netns=$(grep -lx brink-prober $(ip netns pids cr_a | sed 's|.*|/proc/&/comm|') 2>/dev/null) && [ -n "$in_netns" ]; }
poll 3000 prober || fail "no prober: $(cat "$dir/err")"
kill -STOP "$(cut -d / -f 3 <<<"$in_netns")"
ended 15000 || fail "the run does not end"
[ $rc = 5 ] || fail "exit $rc instead of 5: $(cat "$dir/err")"
said 'closed is not in its steady state' || fail "says: $(cat "$dir/err")"
poll 3000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
as_before

case_name="a keeper that is stopped as it leaves holds no resource"
sleep 1000 &
victim=$!
paused() { [ "$(awk '$1 == "TracerPid:" { print $2 }' /proc/$victim/status)" != 0 ]; }
pause() {
	cat >"$dir/x.yaml" <<-YAML
		brink: 1
		name: a pause
		targets: {victim: {process: {pid: $victim}}}
		steady_state: [$TCP]
		faults: [{proc.pause: {target: victim}, for: 60s}]
	YAML
	"$BRINK" run "$dir/x.yaml" >"$dir/out" 2>"$dir/err" </dev/null & # start() would throw the locks away
	run=$!
	poll 8000 paused || fail "not paused"
}
pause
attach "$(brink_pids brink-keeper)" unlinkat 4 # control, journal, lock, directory: its record is gone
kill -INT $run
is_there || fail "not stopped: $(cat "$dir/at")"
gone
paused && fail "still paused"
old=$stopped
pause
kill -INT $run
ended 15000 || fail "the next run does not end"
[ $rc = 6 ] || fail "exit $rc instead of 6"
kill -CONT "$old"
kill -KILL $victim
wait $victim 2>/dev/null
poll 3000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
as_before

case_name="a spare that is stopped as it is born, unknown to the journal: revert comes through"
experiment 60s 0s "$SLOW"
start
poll 3000 eval '[ -n "$(record)" ] && [ -n "$(brink_pids brink-keeper)" ]' || fail "no keeper"
attach "$(brink_pids brink-keeper)" fork
is_there || fail "no child was stopped: $(cat "$dir/at")"
gone
revert

case_name="a holder that dies once it has armed, before the keeper looks, fails the arming"
has_table() { in_a nft list tables | grep -q brink_; }
for i in 1 2 3 4 5; do
	experiment 60s 0s "$SLOW"
	start
	poll 3000 eval '[ -n "$(record)" ] && [ -n "$(brink_pids brink-keeper)" ]' || fail "no keeper"
	attach "$(brink_pids brink-keeper)" seccomp # behind the order to arm, before the answer
	is_there || fail "not stopped: $(cat "$dir/at")"
	poll 3000 has_table || fail "the holder does not arm"
	holder=$(brink_pids brink-holder)
	kill -KILL "$holder"
	poll 3000 eval '[ "$(state_of $holder)" = Z ]' || fail "the holder does not die"
	kill -CONT "$stopped"
	began=$(now_ms)
	ended 20000 || fail "the run does not end"
	said 'the keeper died' || break # a slow machine took the stopped keeper for one that hangs: again
done
[ $rc = 8 ] || fail "exit $rc instead of 8"
says 'its holder died'
[ $(($(now_ms) - began)) -lt 8000 ] || fail "the run waits for a fault that nobody holds"
poll 3000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
as_before

case_name="nothing is said to have ended while its holder could still fire"
experiment 60s 2s "$TCP"
start
poll 8000 in_phase hold || fail "never in phase hold"
holder=$(brink_pids brink-holder)
kill -STOP "$holder"
sleep 2.2 # until the order to fire lies in its socket: nothing tells of it
kill -INT $run
ended 15000 || fail "the run does not end"
jq -es 'map(select(.ev == "fault.ended")) | length == 1' /var/lib/brink/runs/*/events.ndjson >"$dir/n" || fail "its end was not told"
# told when it was killed for its silence, a second after the order to be quiet; not 5 ms after it
took=$(jq -s 'map(select(.ev == "fault.ended"))[0].took_ms | floor' /var/lib/brink/runs/*/events.ndjson)
[ "$took" -ge 500 ] || fail "said to have ended after $took ms, with its holder stopped"
[ -z "$(brink_pids brink-holder)" ] || fail "the holder is left"
b revert --all
as_before

case_name="a recovery that nobody hears leaves the record, which says clean: no other trace of it is written"
held
id=$(record)
kill_brink
gone
poll 3000 no_brink || fail "processes are left"
python3 - "$BRINK-keeper" "$id" <<-'PYTHON' || fail "the recovery ends with $?"
	import os, socket, sys
	ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	os.set_inheritable(other.fileno(), True)
	ours.close()
	os.execv(sys.argv[1], ["brink-keeper", "recover", str(other.fileno()), "/run/brink", "0", "0", sys.argv[2]])
PYTHON
connects || fail "still felt"
[ "$(record)" = "$id" ] || fail "the record is gone, and its events do not say that it is clean"
b version
says "run $id ended by itself.*everything was restored"
b revert
is_rc 0
says 'nothing to revert'
as_before
