#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A fault has an owner and a lease, and each ends it without the other: the table goes with the holder's process,
# whatever its lease says; where it does not go, because somebody has a copy of the holder's socket (or the process is in
# a sleep that no signal ends), the lease ends its effect.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/crash/faults.sh
. "$(dirname "$0")/faults.sh"
# shellcheck source=tests/crash/guard_lib.sh
. "$(dirname "$0")/guard_lib.sh"
tables() { ip netns exec cr_a nft list tables | grep brink; }

victim_start
mkdir -p /run/brink/locks
state >"$dir/before"
fault_experiment net.drop 60s "$FAST"

case_name="the owner without the lease's help"
held
blocked || fail "held, and not felt"
tables >/dev/null || fail "no table"
kill_all
[ -z "$(tables)" ] || fail "the table outlives its owner"
restored

case_name="the lease without the owner's help"
mkfifo "$dir/keep"
held
blocked || fail "held, and not felt"
"$BUILD/tests/crash/prog_keep" "$(brink_pids brink-holder)" <"$dir/keep" >"$dir/kept" &
keeper_of_copies=$!
exec 8>"$dir/keep"
poll 5000 grep -q '^[1-9]' "$dir/kept" || fail "no copy of the holder's socket"
kill_all
tables >/dev/null || fail "the table is gone: this test tests nothing"
poll $((LEASE_MS + SLACK_MS)) connects || fail "still felt after the lease"
tables >/dev/null || fail "the table is gone: this test tests nothing"
exec 8>&-
wait $keeper_of_copies
restored
