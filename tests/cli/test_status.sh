#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink status: what goes on, what it holds, what is left, read from the system.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"
fault() { jq -r "select(.run == \"$1\") | .faults[] | \"\\(.fault) \\(.state)\"" "$dir/out"; }

before
case_name="nothing"
b status
is_rc 0
says 'no run goes on here'
b status --json
is_rc 0
[ ! -s "$dir/out" ] || fail "prints $(cat "$dir/out")"
b status 5FAA
is_rc 2
as_before

case_name="a run: armed, held, over"
experiment 60s 3s "$TCP"
start
poll 8000 in_phase hold || fail "never in phase hold"
id=$(record)
b status --json
is_rc 0
[ "$(jq -r '.state + " " + .name' "$dir/out")" = "running a crash" ] || fail "$(cat "$dir/out")"
[ "$(fault "$id")" = "cut armed" ] || fail "armed is shown as '$(fault "$id")'"
until grep -q '"ev":"fault.held"' /var/lib/brink/runs/*/events.ndjson; do kill -0 $run || fail "ended"; done
b status "$id"
is_rc 0
prints "$id  running  since 2.*a crash"
prints 'HELD  *cut hit nothing (nft_gate)'
prints "brink halt $id"
b status --json "${id: -5}"
[ "$(fault "$id")" = "cut HELD" ] || fail "held is shown as '$(fault "$id")'"
kill -INT $run
wait $run
b status "$id"
is_rc 0
says "run $id has ended and left nothing behind"
as_before

case_name="a dead run"
"$BUILD/tests/cli/prog_journal" /run/brink 01ARZ3NDEKTSV4RRFFQ69G5FAA why='$(tput bel)' label=one netns=cr_a table=brink_gone
printf 'x' >/run/brink/not-a-run
mkdir /run/brink/01ARZ3NDEKTSV4RRFFQ69G5FBB
b status --json
is_rc 0
[ "$(fault 01ARZ3NDEKTSV4RRFFQ69G5FAA)" = "one gone" ] || fail "$(cat "$dir/out")"
[ "$(jq -s 'length' "$dir/out")" = 2 ] || fail "$(cat "$dir/out")"
b status
is_rc 0
prints 'FAA  dead, NOT CLEAN'
prints 'FBB  cannot be read'
rm -r /run/brink/0* /run/brink/not-a-run
as_before

case_name="only the spare works"
experiment 60s 0s "$TCP"
start
poll 8000 said ' held ' || fail "never held"
id=$(record)
# shellcheck disable=SC2046
kill -STOP $(brink_pids brink-keeper)
b status
is_rc 0
prints "$id  being taken back"
prints 'the spare keeper is taking it back'
! grep -q 'brink halt' "$dir/out" || fail "$(cat "$dir/out")"
poll 15000 eval "! kill -0 $run 2>/dev/null" || fail "it does not end"
wait $run
b revert
is_rc 0
as_before
