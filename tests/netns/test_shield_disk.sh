#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disk.fill where brink keeps its state: a reserve stays, whatever was asked for and by whatever name the file system
# was meant, be it a bind mount, a link, a subvolume or an overlay; brink goes on meanwhile. Elsewhere full is full.
# shellcheck disable=SC2086,SC2015
set -eu
if [ -z "${BRINK_TEST_INSIDE:-}" ]; then
	BRINK_TEST_INSIDE=1 exec unshare --mount --propagation private "$0"
fi

MIB=1048576
RESERVE=$((64 * MIB))
dir=$(mktemp -d)
run=
victim=
clean_up() {
	local rc=$? m
	[ -z "$run" ] || { kill "$run" && wait "$run" || :; }
	[ -z "$victim" ] || kill "$victim"
	cd /
	for m in /var/lib/brink "$dir/over" "$dir/data" "$dir/state" "$dir/bound" "$dir/full" "$dir/small"; do
		! mountpoint -q "$m" || umount -l "$m"
	done
	rm -rf "$dir"
	exit $rc
}
trap clean_up EXIT
fail() {
	echo "FAIL: $*"
	exit 1
}
cases=0
slack=0
free_of() { echo $(($(stat -f -c '%a * %S' "$1"))); }
# What belongs to nobody: btrfs calls it available only when it has taken its blocks apart again, half a minute later.
unused_of() { echo $(($(stat -f -c '%f * %S' "$1"))); }

# $1: name of the folder, $2: whose space must be left, $3: bytes that stay, $4...: of disk.fill. Looked at while held.
fills() {
	local path=$1 of=$2 stays=$3 left before rc=0
	shift 3
	before=$(unused_of "$of")
	: >"$dir/err"
	"$BRINK" try disk.fill "path=$path" "$@" --for 2m --yes >"$dir/out" 2>"$dir/err" </dev/null &
	run=$!
	end=$((SECONDS + 30))
	until grep -q ' held ' "$dir/err"; do
		[ $SECONDS -lt $end ] && kill -0 $run 2>/dev/null || fail "$path $*: $(cat "$dir/err")"
		sleep 0.05
	done
	left=$(free_of "$of")
	[ $left -ge $((stays - slack)) ] && [ $left -le $((stays + 8 * MIB)) ] || fail "$path $*: $left bytes are free, not $stays"
	# brink itself can still work: a run of its own, from its journal to the record of it
	"$BRINK" try proc.pause pid=$victim --for 1s --yes >"$dir/other.out" 2>"$dir/other.err" </dev/null ||
		fail "$path $*: no other run meanwhile: $(cat "$dir/other.err")"
	kill -INT $run
	wait $run || rc=$?
	run=
	[ $rc = 6 ] && grep -q '^CLEAN' "$dir/err" || fail "$path $*: exit $rc: $(cat "$dir/err")"
	await_unused "$of" $((before - 8 * MIB)) || fail "$path $*: $(unused_of "$of") bytes are free again, $before were"
	cases=$((cases + 1))
}
await_unused() {
	local end=$((SECONDS + 10))
	until [ "$(unused_of "$1")" -ge "$2" ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
# $1: folder, $2: exit code, $3: words, $4...: of disk.fill
refused() {
	local path=$1 code=$2 words=$3 rc=0 before
	shift 3
	before=$(free_of "$path")
	"$BRINK" try disk.fill "path=$path" "$@" --for 1s --yes >"$dir/no.out" 2>"$dir/no.err" </dev/null || rc=$?
	[ $rc = "$code" ] && grep -q "$words" "$dir/no.err" && grep -q '^Nothing was touched' "$dir/no.err" ||
		fail "$path $*: exit $rc: $(cat "$dir/no.err")"
	[ "$(free_of "$path")" -ge $((before - MIB)) ] || fail "$path $*: something was taken"
	cases=$((cases + 1))
}
sleep 600 &
victim=$!

# Journals, in memory: under every name of the file system.
mount -t tmpfs -o size=200m,mode=755 tmpfs /run
mkdir -p /run/brink /run/elsewhere "$dir/bound" "$dir/full" "$dir/small" "$dir/state"
mount --bind /run/elsewhere "$dir/bound"
ln -s /run "$dir/link"
fills /run /run $RESERVE until=100%
fills /run/elsewhere /run $RESERVE leave=1MiB
fills "$dir/bound" /run $RESERVE until=100%
fills "$dir/link" /run $RESERVE until=99%
refused /run 8 "kept free for / and brink's state: 64MiB" size=190MiB
umount "$dir/bound"

# One that is no larger than the reserve.
mount -t tmpfs -o size=60m,mode=755 tmpfs /run
refused /run 8 "nothing is left to take" until=100%
refused /run 8 "kept free" size=1MiB
umount /run

# Where brink keeps nothing: not a byte.
mount -t tmpfs -o size=32m tmpfs "$dir/full"
fills "$dir/full" "$dir/full" 0 until=100%

# Records of runs on one subvolume of a btrfs, the fill on another: other device numbers, the same space.
truncate -s 400M "$dir/image"
mkfs.btrfs -q -m single "$dir/image" >"$dir/mkfs.out" 2>&1 || fail "$(cat "$dir/mkfs.out")"
mount -o loop "$dir/image" "$dir/state"
btrfs -q subvolume create "$dir/state/runs"
btrfs -q subvolume create "$dir/state/data"
mkdir -p /var/lib/brink "$dir/data"
mount --bind "$dir/state/runs" /var/lib/brink
mount -o subvol=data,loop "$dir/image" "$dir/data" 2>/dev/null || mount --bind "$dir/state/data" "$dir/data"
[ "$(stat -c %d /var/lib/brink)" != "$(stat -c %d "$dir/data")" ] || fail "the subvolumes have one number"
slack=$((RESERVE / 2)) # what it sets aside for its own trees once they grow it counts as taken
: >"$dir/err"
"$BRINK" try disk.fill "path=$dir/data" size=1MiB --for 2m --yes >"$dir/out" 2>"$dir/err" </dev/null &
run=$!
end=$((SECONDS + 20))
until grep -q ' held ' "$dir/err"; do
	[ $SECONDS -lt $end ] || fail "btrfs: $(cat "$dir/err")"
	sleep 0.05
done
refused "$dir/state" 4 "the file system of '$dir/state' is in use" size=1MiB
kill -INT $run
wait $run || :
run=
fills "$dir/data" /var/lib/brink $RESERVE until=100%
slack=0
umount "$dir/data" /var/lib/brink "$dir/state"

# An overlay takes from what lies below it, as a container's root does.
mount -t tmpfs -o size=200m tmpfs "$dir/state"
mkdir "$dir/state/runs" "$dir/state/lower" "$dir/state/upper" "$dir/state/work" "$dir/over"
mount --bind "$dir/state/runs" /var/lib/brink
mount -t overlay -o "lowerdir=$dir/state/lower,upperdir=$dir/state/upper,workdir=$dir/state/work" overlay "$dir/over"
fills "$dir/over" /var/lib/brink $RESERVE until=100%
echo "# counted: shield_cases $cases"
