#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.delay aimed at a cgroup: what its sockets send is late, what others send to the same port is not. IPv4 and IPv6.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$root" ] || { echo "there is no cgroup v2 here"; exit 77; }
own_clean_up() { rmdir "$root/brink-late" || :; }
two_spaces
mkdir "$root/brink-late"
serve "$b" 127.0.0.1 7999
for address in 10.77.0.2 fd77::2; do serve "$b" $address 7100; done
experiment late <<END
faults:
  - net.delay: {to: ["10.77.0.2:7100", "[fd77::2]:7100"], delay: 150ms, cgroup: /brink-late, netns: $a}
    for: 90s
END
quickest() { # $1: address, $2: cgroup or none; microseconds
	(
		[ -z "$2" ] || echo $BASHPID >"$root/$2/cgroup.procs"
		exec ip netns exec "$a" "$meter" udp "$1" 7100 20 5000
	) >"$dir/look"
	expect "a delay is no loss" "$(cat "$dir/look")" lost 0
	figure "$(cat "$dir/look")" min_us
}
before
hold late 1
for address in 10.77.0.2 fd77::2; do
	within "of the cgroup, $address" "$(quickest $address brink-late)" 149000 300000
	within "of nobody, $address" "$(quickest $address '')" 0 60000
done
stop late
same
