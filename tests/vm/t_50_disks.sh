#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The disk that a fault fills fails, becomes read-only, or answers no more, while the fault is held.
# shellcheck source=tests/vm/duress_lib.sh
. "$(dirname "$0")/duress_lib.sh"

disk target 32

hold "the target's disk returns EIO" 60s
break_disk target
kill -INT $run
over_soon all_over # taking back asks the disk for nothing
ended 30000 || fail "the run does not end"
is_clean 6
mend_disk target
calm

# A file system that is read-only frees nothing: "reverted" would be a lie.
hold "the target's file system becomes read-only" 60s
echo u >/proc/sysrq-trigger
poll 5000 read_only target || fail "not read-only"
kill -INT $run
over_soon eval 'runs_on && net_over'
ended 30000 || fail "the run does not end"
! roomy || fail "the space is back: this tests nothing"
is_not_clean
said 'NOT CLEAN *full .* bytes in .* come back when it is mounted anew' || fail "does not say what is left"
b revert --all
is_rc 20
umount "$dir/target"
mount "/dev/mapper/$(dm target)" "$dir/target" || fail "cannot mount it again"
roomy || fail "the space is not back"
reverts
calm

# Its holder sleeps in the kernel when it gives the file back: every other fault is taken back, and the run ends.
hold "the target's disk is suspended" 60s
echo 3 >/proc/sys/vm/drop_caches
suspend target
kill -INT $run
over_soon eval 'runs_on && net_over'
ended 40000 || fail "the run does not end"
is_not_clean
said 'NOT CLEAN *full *its holder [0-9]* does not die' || fail "does not say who stands in the way"
[ "$(grep -c ' reverted .*verified=yes' "$dir/err")" = 3 ] || fail "not all others were reverted"
b revert --all
is_rc 20
says 'its holder [0-9]* does not die'
resume target
poll 10000 no_brink || fail "processes are left: $(ps -eo pid,stat,wchan:20,comm | grep brink)"
reverts
calm

# What ext4 had reserved and then did not need is free again once it is written.
no_room() {
	sync -f "$dir/target"
	cat /dev/zero 2>"$dir/junk.err" >>"$dir/target/junk"
	# the last blocks are given to no file that is written, because it might need one for its own extents
	while [ "$(free_now)" -gt 0 ] && fallocate -l 1 "$(mktemp "$dir/target/rest.XXXXXX")" 2>>"$dir/junk.err"; do :; done
	[ "$(free_now)" = 0 ]
}
poll 30000 no_room || fail "cannot fill the disk: $(free_now) blocks are free, $(cat "$dir/junk.err")"
prepare "the target's disk is full before" 60s
free_before=0
start choom -n 0 --
ended 60000 || fail "the run does not end"
[ $rc = 8 ] && says 'nothing is left to take' && says '^Nothing was touched' || fail "exit $rc, and does not say that there was nothing to fill"
calm
finished
