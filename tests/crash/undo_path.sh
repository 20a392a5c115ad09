#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# undo_path.sh ENDING...: from the first change on keeper, spare and recovery, and holders from the order to close their
# gate on, allocate nothing, execute nothing and open no file on a disk: whoever does aborts (tests/fakes/hooks.c). With
# every fault of the registry. ENDING: end, abort, runner, holder, keeper (killed), all (killed, then brink revert).
# undo_path.sh noticed: a process that does it on purpose is seen.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/crash/faults.sh
. "$(dirname "$0")/faults.sh"
# shellcheck source=tests/crash/guard_lib.sh
. "$(dirname "$0")/guard_lib.sh"

watched() { # ROLE...: each came to its undo path, and none did there what it must not
	local role
	for role; do
		[ "$(figure "watched.$role")" -gt 0 ] || fail "the $role was not watched"
	done
	[ "$(figure violations)" = 0 ] || fail "on the undo path: $(figure violation)"
	[ "$(figure crashes)" = 0 ] || fail "a crash: $(figure crash)"
}
done_well() { # $1: exit code of the run, - = it was killed
	ended 30000 || fail "the run does not end"
	[ "$1" = - ] || [ $rc = "$1" ] || fail "exit $rc instead of $1: $(figure violation) $(figure crash)"
	poll 12000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
}

one() { # fault ending
	case_name="$1, $2"
	fault_ready "$1"
	"$tool" set undo_path
	fault_experiment "$1" 60s "$FAST"
	case $2 in
	end)
		fault_experiment "$1" 200ms "$FAST"
		# shellcheck disable=SC2086
		start $wrapper
		done_well 0
		watched keeper spare holder
		;;
	abort)
		held
		kill -INT $run
		done_well 6
		watched keeper spare holder
		;;
	runner)
		held
		kill -KILL $run
		done_well -
		watched keeper spare
		;;
	holder)
		held
		kill -KILL "$(brink_pids brink-holder)"
		done_well 6
		watched keeper spare
		;;
	keeper)
		held
		kill -KILL "$(brink_pids brink-keeper)"
		done_well 6
		watched keeper spare
		said 'its spare took over' || fail "no spare took over"
		;;
	all)
		held
		kill_all
		[ -n "$(record)" ] || fail "no record"
		said "verdict" && fail "not killed in time"
		"$BRINK" revert --all >"$dir/revert" 2>&1 || fail "brink revert: $(cat "$dir/revert") $(figure violation)"
		watched recover
		;;
	esac
	[ "$(figure opened)" -gt 0 ] || [ "$2" = all ] || fail "no open was looked at"
	fault_over
	"$plain" revert >"$dir/revert" 2>&1 || fail "brink revert: $(cat "$dir/revert")"
	ticks 5000 || fail "the process does not run"
	mkdir -p /run/brink/locks # a fault without a resource leaves none
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
	n=$((n + 1))
}

# Whoever does there what it must not is noticed: without this the rest proves nothing.
noticed() { # role misdeed
	case_name="the $1 does it all the same: $2"
	fault_ready net.drop
	"$tool" set undo_path "misdeed=$1:$2"
	fault_experiment net.drop 60s "$FAST"
	held
	case $1 in
	keeper) kill -INT $run ;; # its spare finishes
	spare) kill -KILL "$(brink_pids brink-keeper)" ;;
	recover)
		kill_all
		"$BRINK" revert --all >"$dir/revert" 2>&1 && fail "brink revert ended well"
		;;
	esac
	[ "$1" = recover ] || done_well "$([ "$1" = keeper ] && echo 6 || echo 20)"
	[ "$(figure violations)" = 1 ] || fail "not noticed"
	figure violation | grep -q "^$1: .*$2" || fail "noticed something else: $(figure violation)"
	figure crash | grep -q "^$1: signal 6" || fail "it went on: $(figure crash)"
	"$plain" revert >"$dir/revert" 2>&1 || fail "brink revert: $(cat "$dir/revert")"
	n=$((n + 1))
}

mkdir -p /run/brink/locks
victim_start
names=$(fault_names) || fail "a fault is missing"
state >"$dir/before"
n=0
if [ "${1:-}" = noticed ]; then
	for role in keeper spare recover; do
		for deed in malloc mmap open exec; do
			noticed $role $deed
		done
	done
	echo "# $n misdeeds noticed"
	exit 0
fi
for ending; do
	for name in $names; do
		one "$name" "$ending"
	done
done
# shellcheck disable=SC2086 # one line
echo "# $* with" $names
echo "# counted: watched_undo_paths $n"
