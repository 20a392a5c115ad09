#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Memory, CPU and time are taken away while faults are held.
# shellcheck source=tests/vm/duress_lib.sh
. "$(dirname "$0")/duress_lib.sh"

disk target 32
oom_kills() { sed -n 's/^oom_kill //p' /proc/vmstat; }

# The killer takes the hogs, one after the other; brink goes on and takes everything back in the middle of it.
kills=$(oom_kills)
hold "memory is exhausted" 60s
foe eat 100 1000
poll 60000 eval '[ "$(oom_kills)" -gt "$kills" ]' || fail "the OOM killer does not act"
kill -INT $run 2>/dev/null
over_soon all_over
ended 60000 || fail "the run does not end"
foe_killed
honest
calm

# The killer takes the runner and the prober: nobody asked for an end, and there is one.
prepare "memory is exhausted and the runner is killed for it" 60s
start choom -n 1000 --
poll 60000 eval '[ "$(grep -c " held " "$dir/err")" = 4 ]' || fail "never held"
poll 20000 all_felt || fail "held, and not felt"
foe eat 100 0
poll 60000 eval "! kill -0 $run 2>/dev/null" || fail "the OOM killer spares the runner"
over_soon all_over
wait $run 2>/dev/null
rc=$?
foe_killed
[ $rc = 137 ] || fail "exit $rc, not 137"
poll 10000 no_brink || fail "processes are left"
[ -z "$(ip -n cr_a -o link show type ifb)" ] || fail "the ifb is left"
reverts # there is a record to be read, nothing else
calm

spinners 80 -1

hold "the wall clock goes a day forward and back" 60s
date -s '+1 day' >/dev/null
all_felt || fail "a step forward ended a fault"
date -s '-2 days' >/dev/null
all_felt || fail "a step back ended a fault"
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
is_clean 6
date -s '+1 day' >/dev/null
calm
finished
