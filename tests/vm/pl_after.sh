#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Second boot of run-powerloss: nothing of a fault is there, the disks have their space, and brink says what became of
# the runs: the boot unit has told it for those below /var/lib/brink.
# shellcheck disable=SC1091,SC2154,SC2034
. "$(dirname "$0")/systemd_lib.sh"
BRINK=/usr/local/bin/brink
on_xfs=$(dirname "$0")/pl_on_xfs.sh

avail() { df --output=avail -k "$1" | tail -n 1 | tr -d ' '; }
has_space() { [ "$(avail "$1")" -ge $(($2 - 3072)) ]; } # events and folders take some
is() { # $1: what, $2: seen, $3: expected
	[ "$2" = "$3" ] || fail "$1: '$2', not '$3'"
}
[ "$(cat /srv/ext4/held)" = yes ] || fail "the first boot has not held anything"
read -r ext4 xfs </srv/ext4/before
upto 20 has_space /srv/ext4 "$ext4" || fail "ext4: $((ext4 - $(avail /srv/ext4))) KiB are lost"
upto 20 has_space /srv/xfs "$xfs" || fail "xfs: $((xfs - $(avail /srv/xfs))) KiB are lost"
is "files in data" "$(find /srv/ext4/data /srv/xfs/data -mindepth 1)" ""
is "nft tables" "$(nft list tables)" ""
is "links of brink" "$(ip -o link | grep brink)" ""
is "units of brink" "$(units)" ""
is "records" "$(find /run/brink -name journal 2>/dev/null)" ""

is "the boot unit" "$(property brink-revert.service Result) $(property brink-revert.service ActiveState)" "success active"
journalctl -u brink-revert.service -o cat >"$dir/boot.err"
grep -q 'on-ext4: the machine went down before it was clean' "$dir/boot.err" || fail "the boot unit does not say what became of the run"
answer() { jq -r '"\(.name) \(.verdict) \(.clean) \(.recovered) \(.rebooted)"'; }
is "runs on ext4" "$("$BRINK" runs --json | answer)" "on-ext4 interrupted true true false"
is "runs on xfs, where no boot unit looks" "$("$on_xfs" runs --json | answer)" "on-xfs interrupted null false true"
"$on_xfs" runs | grep -q 'interrupted  *rebooted' || fail "runs says $("$on_xfs" runs)"
"$on_xfs" revert --at-boot 2>"$dir/xfs.err" || fail "revert --at-boot: $?"
grep -q 'on-xfs: the machine went down before it was clean' "$dir/xfs.err" || fail "it does not say what became of the run"
is "runs on xfs" "$("$on_xfs" runs --json | answer)" "on-xfs interrupted true true false"
"$BRINK" revert 2>"$dir/revert.err" || fail "brink revert: $?"
grep -q 'nothing to revert' "$dir/revert.err" || fail "brink revert: $(cat "$dir/revert.err")"
"$BRINK" status >"$dir/status.out" 2>&1 || fail "brink status: $?"

# the disks go on to be used
"$BRINK" try disk.fill path=/srv/xfs/data leave=40MiB --for 1s >"$dir/try.out" 2>"$dir/try.err" || fail "try: $?"
grep -q '^CLEAN' "$dir/try.err" || fail "try: no proof"
echo "# counted: outside_chances 2"
