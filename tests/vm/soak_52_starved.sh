#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# More of t_52_starved.sh: the page cache, the other spinners, a crowd, and no process more.
# shellcheck source=tests/vm/duress_lib.sh
. "$(dirname "$0")/duress_lib.sh"

disk target 32
spinners 80 950000
spinners 95 950000
spinners 95 -1

mkdir "$dir/sparse"
truncate -s 64M "$dir/sparse.img"
mkfs.ext4 -q -O ^has_journal "$dir/sparse.img" && mount -o loop "$dir/sparse.img" "$dir/sparse" || fail "no file system to read"
truncate -s 3G "$dir/sparse/big" || fail "no file to read"
hold "the page cache is thrashed" 60s
foe thrash 8 "$dir/sparse/big"
other=$foe
foe thrash 8 "$dir/sparse/big"
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
foe_ends
wait $other
honest
umount "$dir/sparse"
calm

hold "200 runnable tasks at nice -20" 60s
foe crowd 12 200
kill -INT $run
over_soon all_over
foe_ends
ended 60000 || fail "the run does not end"
honest
calm

# Not one process more: at the start, where every step needs one, and while faults are held.
mkdir /sys/fs/cgroup/duress || fail "no cgroup"
for n in 1 2 3 4 5 6 7 8 20; do
	prepare "$n processes" 300ms
	echo $n >/sys/fs/cgroup/duress/pids.max
	start sh -c 'echo $$ >/sys/fs/cgroup/duress/cgroup.procs && exec "$@"' sh
	ended 60000 || fail "the run does not end"
	case $rc in
	0) said '^CLEAN' || fail "exit 0 without proof" ;;
	6 | 8) said '^CLEAN\|Nothing was touched' || fail "$rc without proof" ;;
	*) fail "exit $rc" ;;
	esac
	all_over || fail "still felt"
	echo "# $case_name: exit $rc"
	calm
done
[ $rc = 0 ] || fail "20 processes are not enough"
echo max >/sys/fs/cgroup/duress/pids.max
hold "no process more" 60s sh -c 'echo $$ >/sys/fs/cgroup/duress/cgroup.procs && exec "$@"' sh
echo 1 >/sys/fs/cgroup/duress/pids.max
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
is_clean 6
calm
rmdir /sys/fs/cgroup/duress
finished
