#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SIGKILL and SIGSTOP of brink's processes, alone and together, in every phase: the table is cases.txt. Run by the
# test_kill_*.sh, each with a part of it, so that none takes long.
# An argument is a pattern: only cases that match it run.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"

reach() { # $1: phase
	case $1 in
	before)
		experiment 60s 0s "$SLOW"
		start
		poll 5000 said ' start ' || fail "the run does not start"
		poll 5000 test -e /run/brink/*/journal || fail "no journal"
		;;
	armed)
		experiment 60s 50s "$TCP"
		start
		poll 8000 in_phase hold || fail "never in phase hold"
		connects || fail "armed, and already felt"
		;;
	held)
		experiment 60s 0s "$TCP"
		start
		poll 8000 said ' held ' || fail "never held"
		blocked || fail "held, and not felt"
		;;
	lifting) # a holder that does not answer keeps the lifting going for a second
		experiment 60s 0s "$TCP"
		start
		poll 8000 said ' held ' || fail "never held"
		kill -STOP "$(brink_pids brink-holder)"
		kill -INT $run
		poll 1000 in_phase lift || fail "never in phase lift"
		;;
	esac
}

pids_of() { # $1: name of a victim
	case $1 in
	runner) echo $run ;;
	prober) # whoever probes in this phase
		brink_pids brink-prober
		brink_pids brink-launcher
		;;
	*) brink_pids "brink-$1" ;;
	esac
}

strike() { # $1: signal, $2: victims
	local v pids=
	for v in ${2//+/ }; do
		set -- "$1" "$(pids_of "$v")"
		[ -n "$2" ] || fail "there is no $v"
		pids="$pids $2"
	done
	# shellcheck disable=SC2086 # several pids; one kill(1) for all
	kill -"$1" $pids
	struck=$(now_ms)
}

check_exit() { # $1: exit code of the table
	if [ "$2" = - ]; then
		[ "$(state_of $run)" = T ] && return # stopped with everybody who could have killed it
		ended 10000 || fail "the runner lives"
		[ $rc = 137 ] || fail "the runner ended with $rc instead of being killed"
		return
	fi
	ended 30000 || fail "the run does not end: $(ps -eo pid,stat,comm | grep brink)"
	[ $rc = "$2" ] || fail "exit $rc instead of $2"
}

check_last() {
	if [ "$1" = 20 ]; then
		tail -n 1 "$dir/err" | grep -q 'or later:  .*brink revert' || fail "the last line is another one"
	fi
}

check_record() { # $1: gone, note or left
	local id
	id=$(record)
	case $1${id:+ with record} in
	any) set -- gone ;;
	any*) set -- note ;;
	esac
	case $1 in
	gone)
		[ -z "$id" ] || fail "a record is left: $id"
		;;
	note)
		[ -n "$id" ] || fail "no record for the next command"
		"$BRINK" version >/dev/null 2>"$dir/note"
		grep -q "run $id ended by itself.*; everything was restored" "$dir/note" || fail "not told: $(cat "$dir/note")"
		;;
	left)
		[ -n "$id" ] || fail "no record for brink revert"
		"$BRINK" version >/dev/null 2>"$dir/note"
		grep -q "warning: run $id died and is not clean" "$dir/note" || fail "no warning: $(cat "$dir/note")"
		"$BRINK" revert >/dev/null 2>"$dir/revert" || fail "brink revert: $? $(cat "$dir/revert")"
		grep -q "^CLEAN  run $id" "$dir/revert" || fail "revert says: $(cat "$dir/revert")"
		;;
	esac
	"$BRINK" revert 2>"$dir/revert" || fail "a second revert: $? $(cat "$dir/revert")"
	grep -q 'nothing to revert' "$dir/revert" || fail "a second revert says: $(cat "$dir/revert")"
	[ -z "$(record)" ] || fail "still a record"
}

one_case() { # phase signal victims exit record words
	case_name="$1 $2 $3"
	reach "$1"
	strike "$2" "$3"
	poll $((LEASE_MS + SLACK_MS)) connects || fail "still felt after the lease"
	echo "# $case_name: felt for $(($(now_ms) - struck)) ms at most"
	check_exit "$2" "$4"
	check_last "$4"
	[ "$6" = - ] || said "${6//_/ }" || fail "does not say '${6//_/ }'"
	poll 15000 only_stopped || fail "processes go on: $(ps -eo pid,stat,comm | grep brink)"
	check_record "$5"
	poll 12000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
}

"$BRINK" version >/dev/null
mkdir -p /run/brink/locks
state >"$dir/before"
n=0
while read -r phase signal victims exit record words; do
	case $phase in '#'* | '') continue ;; esac
	[[ "$phase $signal $victims" == *${1:-}* ]] || continue
	(one_case "$phase" "$signal" "$victims" "$exit" "$record" "$words" </dev/null) || bad="${bad:-}
    $phase $signal $victims"
	n=$((n + 1))
	for p in $(ps -eo pid=,comm= | awk '$2 ~ /^brink/ { print $1 }'); do kill -KILL "$p" 2>/dev/null; done
done <"$(dirname "$0")/cases.txt"
[ -z "${bad:-}" ] || { echo "failed:$bad"; exit 1; }
[ $n -gt 0 ] || { echo "no case matches"; exit 1; }
echo "# counted: kill_cases $n"
