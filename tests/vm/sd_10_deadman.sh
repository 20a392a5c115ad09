#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# With systemd as PID 1: the dead-man timer of a run, what it does when all of brink is dead, and a run that is itself
# a unit which is stopped or killed.
# shellcheck disable=SC1091
. "$(dirname "$0")/systemd_lib.sh"

# The timer of run $1 waits for its time: not before the run is over ($2 seconds), and within 3 minutes of that.
check_timer() {
	local timer left_s
	timer=$(timer_of "$1")
	grep -qxF "$timer" <<<"$(units)" || fail "there is no $timer, but: $(units)"
	systemctl list-timers --all --no-legend | grep -q "$timer" || fail "$timer is not in list-timers"
	is_waiting "$timer"
	left_s=$((($(systemctl show --property=NextElapseUSecMonotonic "$timer" --timestamp=us --value |
		to_seconds) - $(cut -d. -f1 /proc/uptime))))
	within "seconds until $timer" $left_s "$2" $(($2 + 3 * 60))
}

two_spaces
serve "$b" 10.77.0.2 7101
before

# 1. The timer is there while a fault is held, and gone after a normal end.
"$BRINK" try net.drop to=10.77.0.2:7101 netns="$a" --for 14s >"$dir/try.out" 2>"$dir/try.err" &
run=$!
await '[ -n "$(units)" ] || ! kill -0 $run' 60 || fail "no dead-man timer"
await 'dropped || ! kill -0 $run' 30
kill -0 $run || fail "try ended early: $(cat "$dir/try.out")"
check_timer "$(find /run/brink -mindepth 2 -name journal -printf '%h\n' | sed 's|.*/||')" 8
finish try 0
no_timer "after a normal end"
same "after try"

cat >"$dir/slow.yaml" <<END
brink: 1
name: slow
steady_state:
  - {command: ["true"], every: 4s, timeout: 4s, fail_after: 5}
faults:
  - net.delay: {to: "10.77.0.2:7101", delay: 300ms, netns: $a, direction: both}
    for: 60s
END

# 2. All of brink is killed: the delay ends within the lease, the timer's service takes the rest away.
hold slow 1
[ "$(rtt_ms)" -ge 599 ] || fail "not delayed"
id=$(run_id slow)
check_timer "$id" 50
victims=$(all_of_brink)
[ "$(wc -w <<<"$victims")" -ge 5 ] || fail "runner, launcher, keeper, spare and holder expected: $victims"
# shellcheck disable=SC2086 # a list of numbers
kill -KILL $victims
await is_quick $((lease_s + slack_s)) || fail "still delayed after the lease"
wait "$run" || :
run=
ifb_there || fail "the test expects an ifb that is left"
timer=$(timer_of "$id")
is_waiting "$timer"
# its time would come in some minutes; what it starts then is started now
systemctl start "${timer%.timer}.service" || fail "the service of the timer failed"
await '! ifb_there' 30 || fail "the service has not removed the ifb"
await '[ ! -e "/run/brink/$id" ]' 10 || fail "the run directory is left"
await '[ -z "$(units)" ]' 10 || no_timer "after the dead-man service"
same "after the dead-man service"
"$BRINK" revert >"$dir/revert.out" 2>"$dir/revert.err" || fail "brink revert: $(cat "$dir/revert.err")"
grep -q 'nothing to revert' "$dir/revert.err" || fail "something was left"

# 3. A run that is a unit. Stopped, it reverts. sd_20_units.sh has the other ways for a unit to end.
hold_unit() { # $1: name
	systemd-run --quiet --unit="$1" --property=RemainAfterExit=yes --property=StandardError="file:$dir/$1.err" \
		--property=StandardOutput=null "$BRINK" run "$dir/slow.yaml"
	await 'grep -qs " held " "$dir/'"$1"'.err"' 60 || fail "$1: not held"
	[ "$(rtt_ms)" -ge 599 ] || fail "$1: not delayed"
}
hold_unit app
systemctl stop app || fail "systemctl stop: $?"
grep -q '^CLEAN' "$dir/app.err" || fail "a stopped unit has not proved its revert"
is_quick || fail "delayed after systemctl stop"
no_timer "after systemctl stop"
same "after systemctl stop"
systemctl status app >"$dir/app.status" 2>&1 || :
grep -q 'status=6' "$dir/app.status" || fail "the exit code is not 6: $(cat "$dir/app.status")"
systemctl reset-failed app || :

# 4. In a scope, as from a login session: the scope is stopped, brink reverts and says 6.
systemd-run --quiet --scope --unit=shell "$BRINK" run "$dir/slow.yaml" >"$dir/slow.out" 2>"$dir/slow.err" &
run=$!
await 'grep -qs " held " "$dir/slow.err"' 60 || fail "scope: not held"
systemctl stop shell.scope
finish slow 6
grep -q '^CLEAN' "$dir/slow.err" || fail "a stopped scope has not proved its revert"
no_timer "after a stopped scope"
same "after a stopped scope"
