#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What brink keeps its records on fails: full, read-only, dead, silent. It is a disk here; /run is memory, which cannot.
# shellcheck source=tests/vm/duress_lib.sh
. "$(dirname "$0")/duress_lib.sh"

disk target 32
disk record 16

on_disk() {
	mkdir -p "$dir/record/brink" /run/brink
	mount --bind "$dir/record/brink" /run/brink || fail "cannot put the records on the disk"
	mkdir -p /run/brink/locks
}
off() {
	umount /run/brink
	mkdir -p /run/brink/locks
}

on_disk
hold "the records become read-only, then all of brink dies" 60s
echo u >/proc/sysrq-trigger # the target too
poll 5000 read_only record || fail "not read-only"
kill_brink
wait $run 2>/dev/null
over_soon eval 'runs_on && net_over'
poll 5000 read_only target || fail "the target is not read-only"
[ -n "$(ip -n cr_a -o link show type ifb)" ] || fail "nothing is left: this tests nothing"
b revert --all
is_rc 20 # of the target's space, and of the record itself
says '^NOT CLEAN'
[ -z "$(ip -n cr_a -o link show type ifb)" ] || fail "the ifb is left"
umount "$dir/target" && mount "/dev/mapper/$(dm target)" "$dir/target"
b revert --all
is_rc 20
says 'Read-only file system'
umount /run/brink
umount "$dir/record" && mount "/dev/mapper/$(dm record)" "$dir/record"
on_disk
reverts
off
calm

# The keeper sleeps in the kernel over its record: faults end by their holders and leases, and the runner does not wait.
on_disk
hold "the records' disk is suspended" 60s
suspend record
kill -INT $run
over_soon runs_on
over_soon all_over
ended 30000 || fail "the run does not end"
is_not_clean
says 'the keeper does not answer and does not die'
resume record
poll 30000 no_brink || fail "processes are left: $(ps -eo pid,stat,wchan:20,comm | grep brink)"
reverts
off
calm

finished
