#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# malloc.sh ROLE [STEP [once|ever]]: in a process of that role the k-th allocation fails, alone and with all that follow, for k = 1,
# 2, 3, ... until a run allocates no more than k: never a crash, never a hang, never success without the work done, an
# error that names the thing, and nothing left after `brink revert`. STEP > 1: of the allocations from one place of the
# program the first is taken, and of the others each STEP-th (all of them: make check-malloc).
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
tool=$BUILD/tests/crash/prog_hooks
plain=$BRINK
BRINK=$BUILD/hooked/brink
role=$1 step=${2:-1}
FAST='{id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 100ms}'
CALL='{id: call, command: ["true"], every: 2s, timeout: 2s}'

figure() { "$tool" show | sed -n "s/^$1 //p"; }

# One guarded and one self-ending fault: a process that SIGCONT has to wake, and packets.
two_faults() {
	experiment 100ms 0s "$FAST"
	cat >>"$dir/x.yaml" <<YAML
  - id: still
    proc.pause: {pid: $victim}
    for: 100ms
YAML
	[ "$role" != launcher ] && [ "$role" != warden ] || sed -i "s|^faults:|  - $CALL\n&|" "$dir/x.yaml"
}

# What a look at every single run can afford; the long one follows at the end.
quick_state() {
	ip netns exec cr_a nft list tables
	ip -n cr_a -o link show | cut -d: -f 2
	state_of "$victim" | tr RD SS
	record
}

# On a machine that is busy a run may also end because one of brink's processes got no CPU for a second.
busy() { said 'did not answer in time\|hung\|no sample came\|timeout after'; }

# Every event of the run is in its record.
kept() { jq -es 'map(.seq) == [range(length)] and .[-1].ev == "run.end"' /var/lib/brink/runs/*/events.ndjson >/dev/null; }

check_one() { # 1: there was nothing to fail any more; 2: the machine was too busy to tell
	local failed words
	ended 30000 || fail "the run does not end: $(ps -eo pid,stat,wchan:24,comm | grep brink)"
	failed=$(figure failed)
	[ "$(figure crashes)" = 0 ] || fail "a crash: $(figure crash)"
	[ $rc -lt 126 ] || fail "exit $rc"
	[ "$failed" -gt 0 ] || return 1
	if [ $rc = 0 ]; then
		said '^PASS' && said '^CLEAN  2 of 2' || fail "exit 0 without the work done"
		kept || said 'warning: events are not kept' || fail "events are missing, and nothing is said"
		passed=$((passed + 1))
	else
		words=$(grep -iE 'memory|allocat|temporarily|spare keeper|prober|launcher' "$dir/err" | head -n 1)
		if [ -z "$words" ]; then
			busy && [ "$1" -lt 3 ] && return 2
			fail "exit $rc, and no word of what failed"
		fi
		echo "$rc ${words:0:110}" >>"$dir/words"
	fi
	total=$((total + 1))
	poll 12000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	if [ -n "$(record)" ]; then
		"$plain" revert --all >"$dir/revert" 2>&1 || fail "brink revert: $(cat "$dir/revert")"
		reverted=$((reverted + 1))
	fi
	quick_state >"$dir/now"
	cmp -s "$dir/quick" "$dir/now" || fail "not as before: $(diff "$dir/quick" "$dir/now")"
}

sleep 1000 &
victim=$!
mkdir -p /run/brink/locks
state >"$dir/before"
two_faults
total=0 passed=0 reverted=0

for try in 1 2 3; do
	"$tool" set "fail=$role:0:once"
	start
	ended 30000 && [ $rc = 0 ] && break
	[ $try -lt 3 ] && busy || fail "without any failure: exit $rc"
done
[ "$(figure "allocs.$role")" -gt 0 ] || fail "no allocation in $role"
"$plain" revert >/dev/null 2>&1
quick_state >"$dir/quick"
"$tool" sites "$step" >"$dir/k"
for how in ${3:-once ever}; do
	while read -r k; do
		case_name="$role, allocation $k, $how"
		for try in 1 2 3; do
			"$tool" set "fail=$role:$k:$how"
			start
			check_one $try
			again=$?
			[ $again = 2 ] || break
		done
		[ $again = 0 ] || break
	done <"$dir/k"
done
case_name="$role"
[ $total -gt 0 ] || fail "nothing was injected"
state >"$dir/after"
cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
sort "$dir/words" | uniq -c | sort -rn | head -n 40 | sed 's/^/# /'
echo "# $role: $total failed, $passed of these runs passed all the same, $reverted were left to brink revert"
echo "# counted: failed_allocations $total"
