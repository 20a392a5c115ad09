#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink runs, on histories that are whole, cut, damaged or hostile.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"
runs=/var/lib/brink/runs
event() { # run event rest
	printf '{"v":1,"run":"%s","seq":0,"t":"2026-11-20T13:02:11.004Z","mono_ns":1,"ev":"%s"%s}\n' "$1" "$2" "${3:-}"
}
line() { # n: of the table, fields squeezed
	sed -n "$1p" "$dir/out" | tr -s ' '
}

case_name="no runs"
b runs
is_rc 0
says 'no runs yet'

case_name="a list, newest last"
A=01ARZ3NDEKTSV4RRFFQ69G5FAA B=01BRZ3NDEKTSV4RRFFQ69G5FBB C=01CRZ3NDEKTSV4RRFFQ69G5FCC D=01DRZ3NDEKTSV4RRFFQ69G5FDD
mkdir -p $runs/{$A,$B,$C,$D,not-a-run,01ERZ3NDEKTSV4RRFFQ69G5FEE}
{
	event $C run.start ',"name":"third"'
	printf '{"v":1,"run":"%s","seq":1,"ev":"run.e' $C # cut off in the middle of a line
} >$runs/$C/events.ndjson
{
	event $A run.start ',"name":"first"'
	echo 'no json at all'
	printf '\0\0\xff\xfe\n[1,2]\n"text"\n{"ev":7}\n\n'
	head -c 300000 /dev/zero | tr '\0' 'x' # one line longer than any buffer
	echo
	event $A run.end ',"verdict":"pass","exit":0,"clean":true,"why":"everything expected happened"'
} >$runs/$A/events.ndjson
{
	event $B run.start ',"name":"second\u001b[31m\nline"'
	event $B run.end ',"verdict":"not clean","exit":20,"clean":false'
	event $B run.recovered ',"clean":true'
} >$runs/$B/events.ndjson
{
	event $D run.start ',"name":"fourth"'
	event $D run.end ',"verdict":"not clean","exit":20,"clean":false'
} >$runs/$D/events.ndjson
b runs
is_rc 0
[ "$(wc -l <"$dir/out")" = 4 ] || fail "$(cat "$dir/out")"
[ "$(line 1)" = "KTSV4RRFFQ69G5FAA 2026-11-20T13:02:11 pass clean first" ] || [ "$(line 1)" = "FQ69G5FAA 2026-11-20T13:02:11 pass clean first" ] ||
	[[ "$(line 1)" == *"5FAA 2026-11-20T13:02:11 pass clean first" ]] || fail "$(line 1)"
[[ "$(line 2)" == *"5FBB 2026-11-20T13:02:11 not clean reverted second\\x1b[31m\\x0aline" ]] || fail "$(line 2)"
[[ "$(line 3)" == *"5FCC 2026-11-20T13:02:11 interrupted ? third" ]] || fail "$(line 3)"
[[ "$(line 4)" == *"5FDD 2026-11-20T13:02:11 not clean NOT CLEAN fourth" ]] || fail "$(line 4)"
echo "# $case_name"

case_name="--json"
b runs --json
is_rc 0
[ "$(jq -s 'length' "$dir/out")" = 4 ] || fail "$(cat "$dir/out")"
[ "$(sed -n 3p "$dir/out" | jq -c '[.verdict, .ended, has("clean")]')" = '["interrupted",false,false]' ] || fail "$(sed -n 3p "$dir/out")"
[ "$(sed -n 2p "$dir/out" | jq -c '[.verdict, .recovered, .clean]')" = '["not clean",true,true]' ] || fail "$(sed -n 2p "$dir/out")"
echo "# $case_name"

case_name="a run that was killed is interrupted, then reverted; its events keep counting"
rm -r $runs
experiment 60s 0s "$TCP"
"$BRINK" run "$dir/x.yaml" >/dev/null 2>"$dir/err" </dev/null &
run=$!
poll 8000 said ' held ' || fail "never held"
id=$(record)
b runs
prints 'running'
kill -KILL $run $(brink_pids brink-keeper) $(brink_pids brink-spare)
wait $run
poll 5000 no_brink || fail "processes are left"
b runs
prints 'interrupted  ?'
b revert
is_rc 0
b runs
prints 'interrupted  reverted'
[ "$(jq -s 'map(.seq) == [range(length)]' $runs/"$id"/events.ndjson)" = true ] || fail "seq has gaps"
echo "# $case_name"

case_name="a run whose runner was killed restored itself: the next command says so, and runs knows it"
"$BRINK" run "$dir/x.yaml" >/dev/null 2>"$dir/err" </dev/null &
run=$!
poll 8000 said ' held ' || fail "never held"
kill -KILL $run
wait $run
poll 5000 no_brink || fail "processes are left"
b version
says 'the runner .*; everything was restored'
b runs
tail -n 1 "$dir/out" | grep -q 'interrupted  reverted' || fail "$(cat "$dir/out")"
echo "# $case_name"
