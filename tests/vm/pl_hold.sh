#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# First boot of run-powerloss: two runs hold faults of all kinds, then the power goes.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/systemd_lib.sh"
BRINK=/usr/local/bin/brink

avail() { df --output=avail -k "$1" | tail -n 1 | tr -d ' '; }
mountpoint -q /var/lib/brink && mountpoint -q /srv/xfs || fail "no disks"
[ "$(property brink-revert.service Result) $(property brink-revert.service ActiveState)" = "success active" ] ||
	fail "the boot unit: $(systemctl status brink-revert.service)"
two_spaces
serve "$b" 10.77.0.2 7101
mkdir -p /sys/fs/cgroup/brink-victim
sleep 600 &
helpers=$!
echo $! >/sys/fs/cgroup/brink-victim/cgroup.procs
echo "$(avail /srv/ext4) $(avail /srv/xfs)" >/srv/ext4/before

begin() { # $1: name, $2: the folder to fill, $3: what else; /var/lib/brink as it stands there
	cat >"$dir/$1.yaml" <<-END
		brink: 1
		name: $1
		steady_state:
		  - {command: ["true"], every: 2s, timeout: 2s}
		faults:
		  - disk.fill: {path: $2, leave: 40MiB}
		    for: 300s
		$3
	END
	"$BRINK" run "$dir/$1.yaml" >"$dir/$1.out" 2>"$dir/$1.err" &
	helpers="$helpers $!"
}
begin on-ext4 /srv/xfs/data "  - net.delay: {to: \"10.77.0.2:7101\", delay: 300ms, netns: $a, direction: both}
    for: 300s
  - proc.pause: {cgroup: /brink-victim}
    for: 300s"
upto 90 eval '[ "$(grep -c " held " "$dir/on-ext4.err")" = 3 ]' || fail "on-ext4 is not held"
BRINK=$(dirname "$0")/pl_on_xfs.sh
begin on-xfs /srv/ext4/data ""
upto 60 grep -q ' held ' "$dir/on-xfs.err" || fail "on-xfs is not held"
[ "$(avail /srv/ext4)" -lt 60000 ] && [ "$(avail /srv/xfs)" -lt 60000 ] || fail "not filled"
ifb_there && grep -qx 'frozen 1' /sys/fs/cgroup/brink-victim/cgroup.events || fail "not held"
sync -f /srv/ext4
sync -f /srv/xfs
echo yes >/srv/ext4/held
sync -f /srv/ext4
touch /run/vm/cut
upto 30 false || fail "the power stays"
