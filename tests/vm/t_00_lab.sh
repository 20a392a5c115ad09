#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lab itself: everything that the other tests of this lane take for granted is there and works.
set -eu

fail() {
	echo "FAIL: $*"
	exit 1
}

[ "$(nproc)" = 2 ] || fail "two CPUs expected, $(nproc) found"
[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || fail "no cgroup2 at /sys/fs/cgroup"
mkdir /sys/fs/cgroup/lab
for c in cpu cpuset io memory pids; do
	grep -qw $c /sys/fs/cgroup/lab/cgroup.controllers || fail "cgroup controller $c is missing"
done
echo 1 >/sys/fs/cgroup/lab/cgroup.freeze
rmdir /sys/fs/cgroup/lab
[ -r /proc/pressure/cpu ] || fail "no PSI"
[ "$(stat -fc %T /)" = overlayfs ] || fail "the root is no overlay: it may be the host's own"
grep -q ' /lower 9p ro,' /run/vm-lower || fail "the host's root below the overlay is not read-only"

for m in sch_netem sch_fq ifb veth nf_tables nft_fwd_netdev cls_bpf act_mirred nfnetlink_queue; do
	modprobe $m || fail "no module $m"
done

ip netns add lab
trap 'ip netns del lab' EXIT
in_lab="ip netns exec lab"
$in_lab ip link set lo up
$in_lab ip link add ifb7 type ifb
$in_lab ip link set ifb7 up
$in_lab ip link add va type veth peer name vb
$in_lab tc qdisc add dev va root fq
$in_lab tc qdisc show dev va | grep -q '^qdisc fq ' || fail "no sch_fq"
$in_lab nft -f - <<'N'
table netdev lab {
	chain out {
		type filter hook egress device "va" priority 0
		fwd to "ifb7"
	}
	chain in {
		type filter hook ingress device "va" priority 0
		fwd to "ifb7"
	}
}
table inet lab {
	set gate {
		type ipv4_addr
		flags timeout
		elements = { 192.0.2.1 timeout 3s }
	}
	chain out {
		type filter hook output priority 0
		ip daddr @gate drop
	}
}
N
$in_lab nft list table netdev lab | grep -q 'hook egress' || fail "no netdev egress hook"

rtt_us() { # the median of five round trips on lo
	$in_lab ping -c 5 -i 0.2 -W 5 127.0.0.1 | sed -n 's/.* time=\([0-9.]*\) ms$/\1/p' | sort -n | awk '
		{ t[NR] = $1 } END { if (NR != 5) exit 1; printf "%d\n", t[3] * 1000 }'
}
before=$(rtt_us)
$in_lab tc qdisc add dev lo root netem delay 50ms
delayed=$(rtt_us)
$in_lab tc qdisc del dev lo root
after=$(rtt_us)
echo "round trip: $before us before, $delayed us with netem 50ms on lo, $after us after"
[ "$delayed" -ge 100000 ] || fail "netem 50ms twice gives $delayed us"
[ "$delayed" -lt 200000 ] || fail "a delay of 100 ms is seen as $delayed us"
[ "$before" -lt 50000 ] && [ "$after" -lt 50000 ] || fail "slow without a delay: $before, $after us"
