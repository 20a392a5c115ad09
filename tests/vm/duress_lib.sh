# SPDX-License-Identifier: Apache-2.0
# Sourced first by the tests of a hostile host, which is the guest: one run with one fault of every way to end (an nft
# table, an ifb, an unlinked file, a ptrace), an enemy, and what must be true afterwards.
# shellcheck shell=bash disable=SC2154,SC2034,SC2015

# While a ksoftirqd of a Linux before 6.4 waits for its CPU, that CPU receives no packets at all (invoke_softirq() in
# kernel/softirq.c): spinners must not take that from who watches. From outside of the world, where it is seen.
if [ "${BRINK_VM:-}" ] && [ -z "${IN_WORLD:-}" ]; then
	for pid in $(pgrep ksoftirqd/); do
		chrt -f -p 99 "$pid" || exit 1
	done
fi
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"
[ "${BRINK_VM:-}" ] || { echo "only in the guest: it hurts"; exit 77; }

enemy=$BUILD/tests/vm/prog_enemy
cases=0
foe=
echo -900 >/proc/self/oom_score_adj # who watches stays; brink is started with a score of its own

modprobe -a sch_netem loop dm_mod ext4 || fail "a module is missing"
modprobe ifb numifbs=0 || fail "no ifb"

# disk NAME MIB: an ext4 on a dm device, mounted on $dir/NAME
disk() {
	local loop
	truncate -s "$2M" "$dir/$1.img"
	loop=$(losetup -f --show "$dir/$1.img") || fail "no loop device"
	echo "0 $(($2 * 2048)) linear $loop 0" >"$dir/$1.table"
	dmsetup create --noudevsync "$(dm "$1")" <"$dir/$1.table" >/dev/null && dmsetup mknodes "$(dm "$1")" ||
		fail "no dm device"
	disks="$disks $1"
	mkdir -p "$dir/$1"
	make_fs "$1"
}
dm() { basename "$0" .sh | sed "s/\$/_$1/"; } # other tests have disks too
make_fs() {
	mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0,nodiscard "/dev/mapper/$(dm "$1")" || fail "no ext4"
	mount "/dev/mapper/$(dm "$1")" "$dir/$1" || fail "cannot mount $1"
}
swap_table() { # NAME: the table on stdin
	dmsetup suspend --noudevsync --noflush --nolockfs "$(dm "$1")" && dmsetup load "$(dm "$1")" &&
		dmsetup resume --noudevsync "$(dm "$1")" || fail "no new table for $1"
}
break_disk() { echo "0 $(blockdev --getsz "/dev/mapper/$(dm "$1")") error" | swap_table "$1"; }
mend_disk() { # after an error ext4 is not itself any more
	umount "$dir/$1" || fail "cannot unmount $1"
	swap_table "$1" <"$dir/$1.table"
	make_fs "$1"
}
suspend() { dmsetup suspend --noudevsync "$(dm "$1")" || fail "cannot suspend $1"; }
resume() { dmsetup resume --noudevsync "$(dm "$1")" || fail "cannot resume $1"; }
read_only() { grep -q " $dir/$1 ext4 ro" /proc/mounts; }
disks=
# a suspended one would stop the end of the guest
trap 'for d in $disks; do dmsetup resume --noudevsync "$(dm "$d")"; done' EXIT

# all_faults FOR: the run of these tests. $victim is to be paused, $dir/target to be filled.
all_faults() {
	cat >"$dir/x.yaml" <<YAML
brink: 1
name: under duress
steady_state:
  - {id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 1s, fail_after: 10}
faults:
  - id: cut
    net.drop: {to: "10.78.0.2:7002/tcp", netns: cr_a}
    for: $1
  - id: slow
    net.delay: {to: "10.78.0.2:7002/udp", delay: 300ms, direction: both, netns: cr_a}
    for: $1
  - id: full
    disk.fill: {path: $dir/target, until: 100%}
    for: $1
  - id: held
    proc.pause: {pid: $victim}
    for: $1
YAML
}
fast() { # no echo of 5 takes 100 ms
	local max
	max=$(in_a "$meter" udp 10.78.0.2 7002 5 1000 | sed 's/.*max_us \([0-9-]*\).*/\1/')
	[ "$max" -ge 0 ] && [ "$max" -lt 100000 ]
}
free_now() { stat -f -c %a "$dir/target"; }
roomy() { [ "$(free_now)" -ge $((free_before - 64)) ]; } # of blocks: what the file system keeps for itself moves a little
runs_on() { # or would, if it had a CPU
	case $(state_of "$victim") in
	S | R) ;;
	*) return 1 ;;
	esac
}
net_over() { connects && fast; }
all_over() { runs_on && roomy && net_over; }
all_felt() { ! runs_on && ! roomy && blocked && ! fast; }

# prepare NAME FOR: a victim, a note of how things are
prepare() {
	case_name=$1
	sleep 1000 7>&- &
	victim=$!
	poll 5000 runs_on || fail "no victim"
	free_before=$(free_now)
	all_faults "$2"
	before
}
# hold NAME FOR: a run whose four faults are held. More arguments: words before "brink".
hold() {
	prepare "$1" "$2"
	shift 2
	start choom -n 0 -- "$@"
	poll 60000 eval '[ "$(grep -c " held " "$dir/err")" = 4 ]' || fail "never held"
	poll 20000 all_felt || fail "held, and not felt"
}
# Within the lease and some, from now on; $1...: what must be over
over_soon() {
	local began
	began=$(now_ms)
	poll $((LEASE_MS + SLACK_MS)) "$@" || fail "still felt: $(ps -eo pid,stat,wchan:20,comm | grep brink)"
	echo "# $case_name: over after at most $(($(now_ms) - began)) ms"
}
# The enemy is gone: nothing of brink runs, and the guest is as before
calm() {
	kill "$victim"
	wait "$victim" 2>/dev/null
	poll 10000 no_brink || fail "processes are left: $(ps -eo pid,stat,wchan:20,comm | grep brink)"
	[ -z "$(record)" ] || fail "a record is left"
	as_before
	cases=$((cases + 1))
}
# reverts: what the run left is taken back by a later command
reverts() {
	[ -n "$(record)" ] || fail "no record is left"
	b revert --all
	is_rc 0
	says '^CLEAN'
}
is_clean() { # code: the verdict of the run that ended
	[ $rc = "$1" ] || fail "exit $rc, not $1"
	said '^CLEAN' || fail "no proof of the revert"
}
is_not_clean() {
	[ $rc = 20 ] || fail "exit $rc, not 20"
	said '^NOT CLEAN' || fail "20, and does not say NOT CLEAN"
	! said '^CLEAN' || fail "it says both"
}
# foe WHAT SECONDS HOW: an enemy in the background
foe() {
	"$enemy" "$@" >"$dir/foe" 7>&- &
	foe=$!
}
foe_ends() {
	poll 60000 eval "! kill -0 $foe 2>/dev/null" || fail "the enemy does not end"
	wait $foe || fail "the enemy failed: $(cat "$dir/foe")"
}
foe_killed() {
	kill $foe
	wait $foe 2>/dev/null
}

watchers() { # $1...: words before a process id
	local pid
	for pid in $$ $(pgrep -x prog_meter); do
		"$@" "$pid" || fail "no other priority for $pid"
	done
}

# spinners PRIORITY RUNTIME: on every CPU. Below brink's 90 the keeper works; above it only the kernel does, and what it
# ends by itself ends. What holds a file has no such priority and waits for the CPU like everybody. A runtime of -1:
# real-time processes leave nothing to others at all.
spinners() {
	echo "$2" >/proc/sys/kernel/sched_rt_runtime_us
	watchers chrt -f -p 99
	hold "spinners of priority $1, runtime $2" 60s chrt -o 0
	foe spin 12 "$1"
	kill -INT $run
	if [ "$1" -gt 90 ]; then over_soon net_over; else over_soon eval 'runs_on && net_over'; fi
	kill -0 $foe 2>/dev/null || fail "the spinners ended too early for this to be a test"
	foe_ends
	watchers chrt -o -p 0
	echo 950000 >/proc/sys/kernel/sched_rt_runtime_us
	over_soon all_over
	ended 60000 || fail "the run does not end"
	honest
	calm
}
# Who starves for a second has hung, in the keeper's eyes, and is killed: then the record tells what the run cannot.
honest() {
	case $rc in
	6) said '^CLEAN' || fail "6 without proof" ;;
	20) said '^NOT CLEAN' || fail "20, and does not say so" ;;
	137) ! said 'CLEAN' || fail "killed, and has spoken" ;;
	*) fail "exit $rc" ;;
	esac
	echo "# $case_name: exit $rc"
	poll 20000 no_brink || fail "processes are left: $(ps -eo pid,stat,wchan:20,comm | grep brink)"
	[ $rc = 6 ] || reverts
}
finished() { echo "# counted: duress_cases $cases"; }
