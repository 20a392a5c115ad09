#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/crash/undo_path.sh and test_record_first.sh for the faults that want netem.
modprobe ifb numifbs=0
modprobe sch_netem
export BRINK_FAULTS="net.delay net.loss"
crash=$(dirname "$0")/../crash
"$crash/undo_path.sh" end keeper all && exec "$crash/test_record_first.sh" net.delay
