#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Descriptors run out: at the start of a run, at every number of them, and of every process of it while it holds its
# faults. Nothing is left, or the run says so and `brink revert` takes it back.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"

mkdir "$dir/target"
mount -t tmpfs -o size=8m target "$dir/target" || fail "no file system to fill"
sleep 1000 7>&- &
victim=$!
cases=0
free_now() { stat -f -c %a "$dir/target"; }
free_before=$(free_now)
faults() { # $1: for how long
	experiment "$1" 0s "$TCP"
	cat >>"$dir/x.yaml" <<-YAML
		  - id: full
		    disk.fill: {path: $dir/target, until: 100%}
		    for: $1
		  - id: held
		    proc.pause: {pid: $victim}
		    for: $1
	YAML
}
all_over() { [ "$(state_of $victim)" = S ] && [ "$(free_now)" -ge "$free_before" ] && connects; }
settled_run() { # what must be true of it whatever it met
	poll 10000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	poll $((LEASE_MS + SLACK_MS)) all_over || fail "still felt"
	if [ -n "$(record)" ]; then
		[ $rc != 0 ] || fail "exit 0, and a record is left"
		! said '^CLEAN' || said "record cannot be removed" || fail "says CLEAN, and a record is left"
		b revert --all
		is_rc 0
		[ -z "$(record)" ] || fail "a record is left by brink revert"
	fi
	rm -rf /run/brink/locks/*
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
	cases=$((cases + 1))
}
mkdir -p /run/brink/locks
state >"$dir/before"

# From too few for anything to enough: every step of the start is where it ends once.
faults 300ms
codes=
for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 18 20 24 28 32 64; do
	case_name="$n descriptors"
	start prlimit --nofile="$n:$n"
	ended 30000 || fail "the run does not end"
	case $rc in
	0) said '^CLEAN' || fail "exit 0 without proof" ;;
	2 | 4 | 6 | 8 | 20 | 127) ;;
	*) fail "exit $rc" ;;
	esac
	codes="$codes $n:$rc"
	mkdir -p /run/brink/locks
	settled_run
done
echo "# exit codes:$codes"
[ "$rc" = 0 ] || fail "64 descriptors are not enough"

faults 60s
for who in brink brink-keeper brink-holder brink-spare all; do
	case_name="no descriptor more for $who"
	start
	poll 15000 eval '[ "$(grep -c " held " "$dir/err")" = 3 ]' || fail "never held"
	pids=$(brink_pids "$who")
	[ "$who" != all ] || pids=$(ps -eo pid=,comm= | awk '$2 ~ /^brink/ { print $1 }')
	for pid in $pids; do prlimit --nofile=0:0 --pid "$pid" || [ "$who" = all ] || fail "cannot limit $pid"; done
	kill -INT "$run"
	ended 30000 || fail "the run does not end"
	case $rc in
	6) said '^CLEAN' || fail "6 without proof" ;;
	20) said '^NOT CLEAN' || fail "20, and does not say NOT CLEAN" ;;
	*) fail "exit $rc" ;;
	esac
	echo "# $case_name: exit $rc"
	settled_run
done
echo "# counted: duress_cases $cases"
