#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/crash/undo_path.sh and test_record_first.sh for the faults that want netem.
modprobe ifb numifbs=0
modprobe sch_netem
crash=$(dirname "$0")/../crash
export BRINK_FAULTS="net.duplicate net.corrupt net.reorder net.rate net.slot net.impair"
"$crash/undo_path.sh" end || exit 1
BRINK_FAULTS="net.delay net.loss"
"$crash/undo_path.sh" end keeper all && exec "$crash/test_record_first.sh" net.delay
