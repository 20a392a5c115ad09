#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SIGKILL and SIGSTOP of everything at once, and of keeper and spare, with faults of other kinds: a paused process runs
# again, a filled disk has its space back, a taken port is free, several faults of one run all end.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"

mkdir -p /run/full /run/brink/locks
mount -t tmpfs -o size=64m full /run/full || fail "no file system to fill"

many() { # one fault of each kind that this kernel has
	cat >"$dir/x.yaml" <<YAML
brink: 1
name: several at once
steady_state:
  - $TCP
faults:
  - id: cut
    net.drop: {to: "10.78.0.2:7002", netns: cr_a}
    for: 60s
  - id: still
    proc.pause: {pid: $victim}
    for: 60s
  - id: full
    disk.fill: {path: /run/full, leave: 4MiB}
    for: 60s
  - id: taken
    net.port_taken: {port: 7010, netns: cr_a}
    for: 60s
YAML
}
ticks() { # the victim counts into a file: it runs as long as that changes
	local was
	was=$(cat "$dir/ticks")
	poll "$1" eval "[ \"\$(cat $dir/ticks)\" != \"$was\" ]"
}
paused() { ! ticks 300; }
free_kib() { df --output=avail -k /run/full | tail -n 1 | tr -d ' '; }
has_space() { [ "$(free_kib)" -ge "$space" ]; }
is_taken() { ip netns exec cr_a ss -Hltn 'sport = :7010' | grep -q 7010; }
is_full() { [ "$(free_kib)" -le 5000 ]; }

(while :; do echo "$EPOCHREALTIME" >"$dir/ticks" && sleep 0.02; done) &
victim=$!
space=$(free_kib)
poll 2000 test -s "$dir/ticks"
state >"$dir/before"
many

held() {
	start
	mkdir -p /run/brink/locks
	poll 15000 eval '[ "$(grep -c " held " "$dir/err")" = 4 ]' || fail "never held"
	blocked || fail "packets pass"
	paused || fail "the process runs"
	is_taken || fail "the port is free"
	is_full || fail "the disk has $(free_kib) KiB"
}
ends() { # within the lease, whoever is dead
	local began
	began=$(now_ms)
	poll $((LEASE_MS + SLACK_MS)) connects || fail "still cut off"
	poll $((LEASE_MS + SLACK_MS)) has_space || fail "the disk is still full: $(free_kib) KiB"
	ticks $((LEASE_MS + SLACK_MS)) || fail "still paused"
	poll $((LEASE_MS + SLACK_MS)) eval '! is_taken' || fail "the port is still taken"
	echo "# $case_name: all ended after $(($(now_ms) - began)) ms at most"
}
everybody() { ps -eo pid=,comm= | awk '$2 ~ /^brink/ { print $1 }'; }
revert_it() {
	poll 10000 only_stopped || fail "processes go on: $(ps -eo pid,stat,comm | grep brink)"
	"$BRINK" revert >/dev/null 2>"$dir/revert" || fail "brink revert: $? $(cat "$dir/revert")"
	grep -q '^CLEAN  run' "$dir/revert" || fail "revert says: $(cat "$dir/revert")"
	poll 12000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	[ -z "$(record)" ] || fail "a record is left"
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
	[ "$(state_of $victim)" != T ] || fail "the process is stopped"
	[ "$(ls -A /run/full)" = "" ] || fail "files are left: $(ls -A /run/full)"
}

case_name="everything killed at once"
held
# shellcheck disable=SC2046
kill -KILL $(everybody)
ends
wait $run
revert_it

case_name="everything stopped at once"
held
# shellcheck disable=SC2046
kill -STOP $(everybody)
ends
revert_it

case_name="keeper and spare killed"
held
# shellcheck disable=SC2046
kill -KILL $(brink_pids brink-keeper) $(brink_pids brink-spare)
ends
ended 15000 || fail "the run does not end"
[ $rc = 20 ] || fail "exit $rc"
revert_it

case_name="the keeper killed"
held
kill -KILL "$(brink_pids brink-keeper)"
ends
ended 15000 || fail "the run does not end"
[ $rc = 6 ] || fail "exit $rc"
[ -z "$(record)" ] || fail "a record is left"

case_name="the runner killed"
held
kill -KILL $run
ends
poll 10000 no_brink || fail "processes are left"
"$BRINK" version 2>"$dir/note" >/dev/null
grep -q 'everything was restored' "$dir/note" || fail "not told: $(cat "$dir/note")"

case_name="one holder killed ends the whole run"
held
kill -KILL "$(brink_pids brink-holder | head -n 1)"
ends
ended 15000 || fail "the run does not end"
[ $rc = 6 ] || fail "exit $rc"
[ -z "$(record)" ] || fail "a record is left"
state >"$dir/after"
cmp -s "$dir/before" "$dir/after" || fail "not as before"
