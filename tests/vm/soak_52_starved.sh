#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# More of t_52_starved.sh: the page cache, the other spinners, a crowd, and no process more.
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
spinners 80 950000
spinners 95 950000
spinners 95 -1

mkdir "$dir/sparse"
truncate -s 64M "$dir/sparse.img"
mkfs.ext4 -q -O ^has_journal "$dir/sparse.img" && mount -o loop "$dir/sparse.img" "$dir/sparse" || fail "no file system to read"
truncate -s 3G "$dir/sparse/big" || fail "no file to read"
hold "the page cache is thrashed" 60s
foe thrash 8 "$dir/sparse/big"
other=$foe
foe thrash 8 "$dir/sparse/big"
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
foe_ends
wait $other
is_clean 6
umount "$dir/sparse"
calm

hold "200 runnable tasks at nice -20" 60s
foe crowd 8 200
kill -INT $run
over_soon all_over
foe_ends
ended 60000 || fail "the run does not end"
echo "# $case_name: exit $rc"
[ -z "$(record)" ] || reverts
calm


# Not one process more: at the start, where every step needs one, and while faults are held.
mkdir /sys/fs/cgroup/duress || fail "no cgroup"
for n in 1 2 3 4 5 6 7 8 20; do
	prepare "$n processes" 300ms
	echo $n >/sys/fs/cgroup/duress/pids.max
	start sh -c 'echo $$ >/sys/fs/cgroup/duress/cgroup.procs && exec "$@"' sh
	ended 60000 || fail "the run does not end"
	case $rc in
	0) said '^CLEAN' || fail "exit 0 without proof" ;;
	6 | 8) said '^CLEAN\|Nothing was touched' || fail "$rc without proof" ;;
	*) fail "exit $rc" ;;
	esac
	all_over || fail "still felt"
	echo "# $case_name: exit $rc"
	calm
done
[ $rc = 0 ] || fail "20 processes are not enough"
echo max >/sys/fs/cgroup/duress/pids.max
hold "no process more" 60s sh -c 'echo $$ >/sys/fs/cgroup/duress/cgroup.procs && exec "$@"' sh
echo 1 >/sys/fs/cgroup/duress/pids.max
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
is_clean 6
calm
rmdir /sys/fs/cgroup/duress
finished
