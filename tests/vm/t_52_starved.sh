#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Memory, CPU and time are taken away while faults are held.
# shellcheck source=tests/vm/duress_lib.sh
. "$(dirname "$0")/duress_lib.sh"

disk target 32
foe() { # WHAT SECONDS HOW: in the background
	"$enemy" "$@" >"$dir/foe" 7>&- &
	foe=$!
}
foe_ends() {
	poll 60000 eval "! kill -0 $foe 2>/dev/null" || fail "the enemy does not end"
	wait $foe || fail "the enemy failed: $(cat "$dir/foe")"
}
foe_killed() {
	kill $foe
	wait $foe 2>/dev/null
}
oom_kills() { sed -n 's/^oom_kill //p' /proc/vmstat; }

# The killer takes the hogs, one after the other; brink goes on and takes everything back in the middle of it.
kills=$(oom_kills)
hold "memory is exhausted" 60s
foe eat 100 1000
poll 60000 eval '[ "$(oom_kills)" -gt "$kills" ]' || fail "the OOM killer does not act"
kill -INT $run
over_soon all_over
ended 60000 || fail "the run does not end"
foe_killed
is_clean 6
calm

# The killer takes the runner and the prober: nobody asked for an end, and there is one.
prepare "memory is exhausted and the runner is killed for it" 60s
start choom -n 1000 --
poll 60000 eval '[ "$(grep -c " held " "$dir/err")" = 4 ]' || fail "never held"
poll 20000 all_felt || fail "held, and not felt"
foe eat 100 0
poll 60000 eval "! kill -0 $run 2>/dev/null" || fail "the OOM killer spares the runner"
over_soon all_over
wait $run 2>/dev/null
rc=$?
foe_killed
[ $rc = 137 ] || fail "exit $rc, not 137"
poll 10000 no_brink || fail "processes are left"
[ -z "$(ip -n cr_a -o link show type ifb)" ] || fail "the ifb is left"
reverts # there is a record to be read, nothing else
calm

# Who watches must not starve: this shell and the echo server.
server=$(pgrep -x prog_meter)
normal() { # again
	chrt -o -p 0 "$server" && chrt -o -p 0 $$
	echo 950000 >/proc/sys/kernel/sched_rt_runtime_us
}
# PRIORITY RUNTIME: spinners on every CPU. Below brink's 90 the keeper works; above it only the kernel does, and what
# it ends by itself ends. What holds a file has no such priority and waits for the CPU like everybody. A runtime of -1: real-time processes leave nothing to others at all.
spinners() {
	echo "$2" >/proc/sys/kernel/sched_rt_runtime_us
	chrt -f -p 99 $$ && chrt -f -p 99 "$server" || fail "no real-time priority"
	hold "spinners of priority $1, runtime $2" 60s chrt -o 0
	foe spin 12 "$1"
	kill -INT $run
	if [ "$1" -gt 90 ]; then over_soon net_over; else over_soon eval 'runs_on && net_over'; fi
	kill -0 $foe 2>/dev/null || fail "the spinners ended too early for this to be a test"
	foe_ends
	normal
	over_soon all_over
	ended 60000 || fail "the run does not end"
	case $rc in
	6) said '^CLEAN' || fail "6 without proof" ;;
	20) said '^NOT CLEAN' || fail "20, and does not say so" ;;
	137) reverts ;; # it hung, in the keeper's eyes
	*) fail "exit $rc" ;;
	esac
	echo "# $case_name: exit $rc"
	[ -z "$(record)" ] || reverts
	calm
}
spinners 80 -1

hold "the wall clock goes a day forward and back" 6s
date -s '+1 day' >/dev/null
all_felt || fail "a step forward ended a fault"
date -s '-2 days' >/dev/null
all_felt || fail "a step back ended a fault"
ended 30000 || fail "the run does not end"
is_clean 0
date -s '+1 day' >/dev/null
calm
finished
