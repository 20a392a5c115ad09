#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The machine sleeps (suspend to memory, woken by its clock) while faults are held: leases pause with it and go on after
# it, the time of a fault goes on (such a run ends with 6), brink takes nobody for hung because of it. In a guest whose
# root is in memory.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/net_lib.sh"
cgroup=/sys/fs/cgroup/brink-victim
lease_s=3
slack_s=2

own_clean_up() { [ ! -e $cgroup ] || { echo 1 >$cgroup/cgroup.kill && await "rmdir $cgroup" 5; } 2>/dev/null || :; }
uptime_s() { cut -d. -f1 /proc/uptime; } # counts the sleep: CLOCK_BOOTTIME
sleep_s() { # $1: seconds
	local before
	before=$(uptime_s)
	echo 0 >/sys/class/rtc/rtc0/wakealarm
	echo "+$1" >/sys/class/rtc/rtc0/wakealarm
	echo mem >/sys/power/state || fail "the machine cannot sleep"
	[ $(($(uptime_s) - before)) -ge $(($1 - 1)) ] || fail "it has not slept for $1 s"
}
is_dropped() { [ "$(figure "$(in_a "$meter" udp 10.77.0.2 7101 1 500)" lost)" = 1 ]; }
is_frozen() { grep -qx 'frozen 1' $cgroup/cgroup.events; }
is_felt() { is_dropped && is_frozen; }
is_normal() { ! is_dropped && ! is_frozen; }
file() { # $1: name, $2: for how long
	cat >"$dir/$1.yaml" <<END
brink: 1
name: $1
steady_state:
  - {tcp: "10.77.0.2:7101", netns: $b, every: 1s, fail_after: 10}
faults:
  - net.drop: {to: "10.77.0.2:7101/udp", netns: $a}
    for: $2
  - proc.pause: {cgroup: ${cgroup#/sys/fs/cgroup}}
    for: $2
END
}

two_spaces
serve "$b" 10.77.0.2 7101
mkdir $cgroup
sleep 600 &
helpers=$!
echo $! >$cgroup/cgroup.procs
mkdir -p /run/brink/locks
before

file short 20s
hold short 2
is_felt || fail "not felt"
sleep_s 40
woke=$(uptime_s)
rc=0
wait "$run" || rc=$?
run=
took=$(($(uptime_s) - woke))
[ $rc = 6 ] && grep -q '^CLEAN' "$dir/short.err" && grep -q 'passed its deadline' "$dir/short.err" || fail "a fault whose time passed in the sleep: exit $rc"
[ $took -lt 15 ] || fail "a fault whose time passed in the sleep: lifted $took s after it"
is_normal || fail "still felt"
same "its time passes in the sleep"
echo "# its time passes in the sleep: over $took s after it"

file long 120s
hold long 2
sleep_s 20
is_felt || fail "a fault whose time has not come is not felt after the sleep"
stop long
is_normal || fail "still felt"
same "its time does not pass in the sleep"
echo "# its time does not pass in the sleep: held after it, and taken back"

hold long 2
id=$(run_id long)
# shellcheck disable=SC2046
kill -STOP $(for p in /proc/[0-9]*; do [[ $(readlink "$p/exe") != "$BUILD"/brink* ]] || echo "${p#/proc/}"; done)
sleep_s 20
await '! is_dropped' $((lease_s + slack_s)) || fail "all of brink stopped, then a sleep: still dropped $((lease_s + slack_s)) s after it"
is_frozen || fail "thawed by nobody"
"$BRINK" revert "$id" >"$dir/revert.out" 2>"$dir/revert.err" || fail "brink revert: exit $?"
{ wait "$run" || :; } 2>/dev/null
run=
is_normal || fail "still felt"
same "all of brink stopped"
echo "# all of brink stopped, then a sleep: the lease ends net.drop, brink revert the rest"
