# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Crash images: a file system with /var/lib/brink and a target of disk.fill on it stands on dm-log-writes, which records
# every write while runs begin, end and are killed. Then the disk is put back to one moment after the other, and a random
# part of what no flush had forced on top, as after a power cut; each image is mounted as a fresh boot would, and read:
# the space of a fill is there again, and brink neither crashes nor says of a run what its own events do not say.
# crash_images FS POINTS: POINTS = 0: every moment. Sourced, by a test that has sourced ../crash/world.sh.

slack_kib=3072
images=0 with_name=0 said_clean=0 said_cut=0

free_kib() { df --output=avail -k "$1" | tail -n 1 | tr -d ' '; }
mark() { # all that is there now is on the disk, and this moment has a name
	sync -f "$dir/m" && dmsetup message logged 0 mark "$1" || fail "no mark"
}
on_loop() { losetup -f --show "$1" || fail "no loop device"; }

make_disk() { # $1: file system
	truncate -s 320M "$dir/data" "$dir/base"
	truncate -s 600M "$dir/log"
	data=$(on_loop "$dir/data") log=$(on_loop "$dir/log")
	case $1 in
	ext4) mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$data" ;;
	xfs) mkfs.xfs -q -f "$data" ;;
	esac || fail "mkfs.$1"
	blockdev --flushbufs "$data"
	cp --sparse=always "$dir/data" "$dir/base"
	base=$(on_loop "$dir/base")
	sectors=$(blockdev --getsz "$data")
	dmsetup create logged --noudevsync --table "0 $sectors log-writes $data $log" || fail "no dm-log-writes"
	mkdir -p "$dir/m" "$dir/img"
	mount -t "$1" "/dev/mapper/logged" "$dir/m" || fail "cannot mount"
	mkdir -p "$dir/m/lib" "$dir/m/data" /var/lib/brink
	mount --bind "$dir/m/lib" /var/lib/brink
}
fill_run() {
	cat >"$dir/x.yaml" <<-YAML
		brink: 1
		name: a full disk
		steady_state:
		  - {id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 1s, fail_after: 10}
		faults:
		  - id: full
		    disk.fill: {path: $dir/m/data, leave: 40MiB}
		    for: 300s
	YAML
	: >"$dir/err"
	"$BRINK" run "$dir/x.yaml" >"$dir/out" 2>"$dir/err" </dev/null &
	run=$!
	poll 60000 said ' held ' || fail "never held"
}
workload() {
	free0=$(free_kib "$dir/m")
	mark empty
	fill_run
	[ "$(free_kib "$dir/m")" -lt $((free0 - 100000)) ] || fail "not filled"
	mark held
	"$BRINK" halt >/dev/null 2>&1 || fail "brink halt: $?"
	wait $run
	said '^CLEAN' || fail "the run is not clean"
	mark ended
	fallocate -l 32M "$dir/m/data/named" # what a fill with a name would leave: these images must be told apart
	mark named
	rm "$dir/m/data/named"
	fill_run
	mark held-again
	kill_brink
	wait $run
	mark killed
	"$BRINK" revert >/dev/null 2>&1 || fail "brink revert: $?"
	mark reverted
	umount /var/lib/brink && umount "$dir/m" && dmsetup remove --noudevsync logged || fail "cannot unmount"
}

# What the events themselves say, by other eyes: is there a whole line of that kind?
line() { tr -d '\0' <"$1" | grep -qE "^\{.*\"ev\":\"run\.$2\".*\"clean\":true.*\}\$"; }
run_brink() { # $1: name of the answer, $2...: command
	local name=$1
	shift
	"$BRINK" "$@" >"$dir/$name.out" 2>"$dir/$name.err"
	rc=$?
	[ $rc = 0 ] || fail "image $image: brink $*: exit $rc: $(cat "$dir/$name.out" "$dir/$name.err")"
	! grep -q 'Sanitizer' "$dir/$name.err" || fail "image $image: brink $*: $(cat "$dir/$name.err")"
}
ask_brink() { # as in the boot after: nothing in /run, another boot id
	local events id before after
	run_brink runs1 runs --json
	for events in "$dir"/img/lib/runs/*/events.ndjson; do
		[ -f "$events" ] || continue
		id=${events%/*} id=${id##*/}
		before=no
		! line "$events" end && ! line "$events" recovered || before=yes
		after=$(sed -n "s/.*\"run\":\"$id\".*\"clean\":\([a-z]*\).*/\1/p" "$dir/runs1.out")
		case $before.$after in
		yes.true) said_clean=$((said_clean + 1)) ;;
		no.true) fail "image $image: of run $id brink says that it is clean, its events do not: $(tail -c 600 "$events")" ;;
		*) said_cut=$((said_cut + 1)) ;;
		esac
	done
	run_brink boot revert --at-boot
	run_brink runs2 runs --json
	! grep -v '"clean":true' "$dir/runs2.out" | grep . || fail "image $image: not told after --at-boot: $(cat "$dir/boot.err")"
	run_brink status status
	run_brink revert revert
	grep -q 'nothing to revert' "$dir/revert.err" || fail "image $image: brink revert says $(cat "$dir/revert.err")"
}
has_space() { [ "$(free_kib "$dir/img")" -ge $((free0 - slack_kib)) ]; }
look() { # $1: file system, $2: device
	mount -t "$1" "$2" "$dir/img" || fail "image $image: does not mount"
	if [ -s "$dir/img/data/named" ]; then
		! has_space || fail "image $image: a lost space is not seen"
		with_name=$((with_name + 1))
	elif [ -d "$dir/img/lib" ]; then
		poll 20000 has_space || fail "image $image: $((free0 - $(free_kib "$dir/img"))) KiB are lost"
		mount --bind "$dir/img/lib" /var/lib/brink
		ask_brink
		umount /var/lib/brink
	fi
	umount "$dir/img" || fail "image $image: cannot unmount"
	images=$((images + 1))
}
# $1: file system, $2: first entry that is not on the disk, $3: end of the writes no flush had forced, $4: seed
image() {
	truncate -s 0 "$dir/cow" && truncate -s 320M "$dir/cow"
	dmsetup create image --noudevsync --table "0 $sectors snapshot $base $cow N 16" || fail "no snapshot"
	[ -z "${4:-}" ] || "$replay" "$dir/log" some /dev/mapper/image "$2" "$3" "$4" || fail "replay"
	image="$1 $2${4:+ and some up to $3, seed $4}"
	look "$1" /dev/mapper/image
	dmsetup remove --noudevsync image || fail "cannot remove the snapshot"
}
# The first flush behind entry $1 of the list; no fork: most entries make no image.
next_flush() {
	local i
	for ((i = $1; i < ${#list[@]}; i++)); do
		case ${list[i]} in
		*" F"[-U]*) break ;;
		esac
	done
	flush=$i
}
replay_all() { # $1: file system, $2: how many moments beside the marks, 0 = all
	local step at=0 i mark flush list
	"$replay" "$dir/log" list >"$dir/list" || fail "no list"
	mapfile -t list <"$dir/list"
	step=$(($2 ? ${#list[@]} / ($2 + 1) : 1))
	truncate -s 320M "$dir/cow"
	cow=$(on_loop "$dir/cow")
	mount --bind "$dir/boot_id" /proc/sys/kernel/random/boot_id || fail "no other boot id"
	for ((i = 1; i <= ${#list[@]}; i++)); do # the disk holds entries 0 to i - 1
		read -r _ _ _ _ mark <<<"${list[i - 1]}"
		[ -n "$mark" ] || [ $((i % step)) = 0 ] || continue
		"$replay" "$dir/log" apply "$base" $at $i || fail "replay"
		at=$i
		image "$1" $i
		next_flush $i
		[ -n "$mark" ] || [ $flush -le $((i + 1)) ] || image "$1" $i $flush $i
	done
	umount /proc/sys/kernel/random/boot_id
	losetup -d "$cow"
	echo "# $1: ${#list[@]} writes, flushes and marks in the log"
}
crash_images() {
	export DM_DISABLE_UDEV=1
	make_disk "$1"
	workload
	replay_all "$1" "$2"
	losetup -d "$data" && losetup -d "$log" && losetup -d "$base"
	rm -f "$dir/data" "$dir/log" "$dir/base" "$dir/cow"
}
crash_images_begin() {
	replay=$BUILD/tests/vm/prog_replay
	modprobe -a loop dm_mod dm_log_writes dm_snapshot ext4 xfs || fail "no modules"
	echo 11111111-2222-3333-4444-555555555555 >"$dir/boot_id"
	mkdir -p /run/brink/locks
}
crash_images_end() {
	[ $with_name -gt 0 ] || fail "no image with a lost space: the check sees nothing"
	[ $said_clean -gt 0 ] && [ $said_cut -gt 0 ] || fail "runs said to be clean: $said_clean, cut off: $said_cut"
	echo "# runs in the images: $said_clean clean, $said_cut cut off, none of them said wrongly; $with_name images with a lost space told apart"
	echo "# counted: crash_images $images"
}
