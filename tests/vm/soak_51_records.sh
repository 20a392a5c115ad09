#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What brink keeps its records on is dead, or full before and during a run; t_51_records.sh has the rest.
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
hold "the records' disk returns EIO" 60s
break_disk record
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
is_clean 6
off
mend_disk record
calm

small() { # the records in so many bytes of memory
	mount -t tmpfs -o "size=$1,mode=755" small /run/brink || fail "no small file system"
	mkdir -p /run/brink/locks
}
small 16k
prepare "no room for a record" 60s
head -c 100k /dev/zero >/run/brink/junk 2>/dev/null
start choom -n 0 --
ended 30000 || fail "the run does not end"
[ $rc = 8 ] || fail "exit $rc, not 8"
says 'No space left'
all_over || fail "something was changed"
umount /run/brink
calm

small 1m
hold "no room for a record any more" 60s
head -c 2m /dev/zero >/run/brink/junk 2>/dev/null
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
is_clean 6
[ "$(record)" = junk ] || fail "left: $(record)"
umount /run/brink
calm
finished
