#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink halt, beside runs that go on.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"

second() { # another run, on another device
	sed -e 's/cr_a}/cr_b}/; s/10.78.0.2:7002/10.78.0.1:7002/; s/a crash/another/' "$dir/x.yaml" >"$dir/y.yaml"
	: >"$dir/err2" # the one before said the same
	"$BRINK" run "$dir/y.yaml" >/dev/null 2>"$dir/err2" </dev/null &
	other=$!
	poll 8000 grep -q ' held ' "$dir/err2" || fail "the second is never held: $(cat "$dir/err2")"
}
first() {
	experiment 60s 0s "$TCP"
	: >"$dir/err1" # the one before said the same
	"$BRINK" run "$dir/x.yaml" >/dev/null 2>"$dir/err1" </dev/null &
	run=$!
	poll 8000 grep -q ' held ' "$dir/err1" || fail "never held: $(cat "$dir/err1")"
}
id_of() { sed -n 's/.* run=\([0-9A-Z]*\).*/\1/p' "$dir/$1" | head -n 1; }
ends_6() { # $1: pid
	wait "$1"
	rc=$?
	is_rc 6
}

before
case_name="nothing to halt"
b halt
is_rc 0
says 'nothing to halt: no run goes on here'
b halt 5FAA
is_rc 2
b halt 'not/an id'
is_rc 2
b halt 5FAA --all
is_rc 2
as_before

case_name="the only run is halted, with a reason"
first
id=$(record)
b halt --why 'the wrong host'
is_rc 0
says "halted  run $id: everything was taken back"
ends_6 $run
grep -q 'ABORT  stopped: halted by user 0: the wrong host' "$dir/err1" || fail "the run says: $(cat "$dir/err1")"
connects || fail "still felt"
b halt "$id"
is_rc 0
says "nothing to halt: run $id has ended"
as_before

case_name="--json"
first
id=$(record)
b halt --json "${id: -6}"
is_rc 0
[ "$(cat "$dir/out")" = "{\"run\":\"$id\",\"halted\":true,\"clean\":true}" ] || fail "$(cat "$dir/out")"
ends_6 $run
as_before

case_name="two runs: name one, or --all"
first
one=$(record)
second
b halt
is_rc 2
says 'brink halt --all'
[ "$(grep -c '^  01' "$dir/err")" = 2 ] || fail "does not list both"
b halt "$one"
is_rc 0
ends_6 $run
kill -0 $other || fail "the other one ended too"

case_name="--all tells every run before it waits for one"
first
# shellcheck disable=SC2046 # several pids: lifting takes both more than a second
kill -STOP $(brink_pids brink-holder)
b halt --all
is_rc 0
ends_6 $run
ends_6 $other
as_before
jq -rn '[inputs | select(.ev == "run.halt" or .ev == "run.end")] | sort_by(.mono_ns)[].ev' \
	/var/lib/brink/runs/{"$(id_of err1)","$(id_of err2)"}/events.ndjson >"$dir/order"
[ "$(xargs <"$dir/order")" = 'run.halt run.halt run.end run.end' ] || fail "the order is: $(xargs <"$dir/order")"

case_name="somebody else may not halt it, and cannot hold its keeper up"
first
install -d -m 755 /run/t/pub
install -m 755 "$BRINK" "$BRINK-keeper" "$BRINK-prober" /run/t/pub/
chmod 755 /run/t
rc=0
setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR HOME=/ /run/t/pub/brink halt "$(record)" >"$dir/out" 2>"$dir/err" || rc=$?
is_rc 4
says 'user 65534 may not halt this run'
blocked || fail "it was halted"
kill -INT $run
ends_6 $run
rm -rf /run/t/pub
as_before

case_name="a dead run cannot be halted, only reverted"
first
id=$(record)
kill -KILL $run $(brink_pids brink-keeper) $(brink_pids brink-spare)
wait $run
poll 5000 no_brink || fail "it is not dead"
b halt "$id"
is_rc 20
says 'is dead'
says "sudo brink revert $id"
b halt
is_rc 0
b revert
is_rc 0
as_before
