#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# engine: user: packets that come in are held in user space, without netem. Delay, jitter, loss, corruption and rate,
# IPv4 and IPv6, local and forwarded; others are not touched; nothing is left. All clocks are those of user space: the
# kernel's receive time of a packet is taken before it waits.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
c=nt${tag}c
spaces="$spaces $c"
ip netns add "$c"
ip -n "$b" link add wb type veth peer name wc netns "$c"
# who forwards IPv6 asks for neighbours from a link-local address: ndisc_send_ns() of ndisc.c
bring_up "$b" wb 10.79.0.1/24 fd79::1/64 fe80::79/64
ip -n "$b" addr add fe80::77/64 dev vb nodad
bring_up "$c" wc 10.79.0.2/24 fd79::2/64
await_up "$b" wb
await_up "$c" wc
in_b sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$a" route add 10.79.0.0/24 via 10.77.0.2
ip -n "$a" route add fd79::/64 via fd77::2
ip -n "$c" route add default via 10.79.0.1
ip -n "$c" route add default via fd79::1
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 $(seq 7100 7107)
serve "$b" fd77::2 7100 7101 7102
serve "$c" 10.79.0.2 7100 7101
serve "$c" fd79::2 7100 7101

into_b() { echo "direction: in, dev: vb, netns: $b, engine: user"; }
experiment held <<END
faults:
  - net.delay: {to: "10.77.0.2:7101", delay: 50ms, $(into_b)}
    for: 90s
  - net.delay: {to: "[fd77::2]:7101", delay: 50ms, $(into_b)}
    for: 90s
  - net.delay: {to: "10.79.0.2:7101", delay: 50ms, $(into_b)}
    for: 90s
  - net.delay: {to: "[fd79::2]:7101", delay: 50ms, $(into_b)}
    for: 90s
  - net.loss: {to: "10.77.0.2:7102", loss: 30%, $(into_b)}
    for: 90s
  - net.loss: {to: "[fd77::2]:7102", loss: 30%, correlation: 25%, $(into_b)}
    for: 90s
  - net.delay: {to: "10.77.0.2:7103", delay: 100ms, jitter: 50ms, $(into_b)}
    for: 90s
  - net.corrupt: {to: "10.77.0.2:7104", share: 100%, $(into_b)}
    for: 90s
  - net.rate: {to: "10.77.0.2:7105", rate: 100kbit, $(into_b)}
    for: 90s
  - net.rate: {to: "10.77.0.2:7107", rate: 100kbit, queue: 1s, $(into_b)}
    for: 90s
  - net.reorder: {to: "10.77.0.2:7106", share: 50%, delay: 60ms, $(into_b)}
    for: 90s
END
bound() { in_b cat /proc/net/netfilter/nfnetlink_queue | wc -l; }
# The kernel adds routes and neighbours of new links on its own.
settled() {
	state >"$dir/look"
	cmp -s "$dir/look" "$dir/last" || { mv "$dir/look" "$dir/last"; return 1; }
}
await settled 60 || fail "the new links do not come to rest"
before
hold held 11
[ "$(bound)" = 11 ] || fail "$(bound) queues are bound, not 11"
look() { in_a "$meter" udp "$1" "$2" "${3:-20}" "${4:-5000}" ${5:-} >"$dir/m.$1.$2"; }
for to in 10.77.0.2 fd77::2 10.79.0.2 fd79::2; do
	look $to 7100
	look $to 7101
done
look 10.77.0.2 7103 100
look 10.77.0.2 7104 100 5000 400
look 10.77.0.2 7105 100 1000
look 10.77.0.2 7106 100
# What found no room in the queue has cost nothing of the rate: who comes afterwards does not wait for it.
in_a "$meter" udp 10.77.0.2 7107 500 1000 400 >"$dir/flood"
look 10.77.0.2 7107 5 100000
look 10.77.0.2 7102 600 2000
look fd77::2 7102 600 2000
ip -n "$b" link show type ifb | grep . && fail "there is an ifb"
stop held
same
[ "$(bound)" = 0 ] || fail "a queue is left"
(cd "$dir" && grep . m.*)
grep -q "CLEAN  11 of 11 faults reverted" "$dir/held.err" || fail "not all reverted"

of() { figure "$(cat "$dir/m.$1.$2")" "$3"; }
for to in 10.77.0.2 fd77::2 10.79.0.2 fd79::2; do
	within "the quickest packet to $to:7101, us" "$(of $to 7101 min_us)" 49900 150000
	expect "a delay is no loss: $to:7101" "$(cat "$dir/m.$to.7101")" lost 0
	within "the quickest packet to $to:7100, us" "$(of $to 7100 min_us)" 0 45000
	expect "$to:7100" "$(cat "$dir/m.$to.7100")" lost 0
done
within "jitter: the quickest, us" "$(of 10.77.0.2 7103 min_us)" 49900 95000
within "jitter: reordered" "$(of 10.77.0.2 7103 reordered)" 20 99
expect "jitter is no loss" "$(cat "$dir/m.10.77.0.2.7103")" lost 0
# 400 bytes without a sum of UDP: few bits are of the headers, whose packets nobody gets
within "corrupted" "$(of 10.77.0.2 7104 corrupt)" 70 100
expect "corrupted" "$(cat "$dir/m.10.77.0.2.7104")" max_bits 1
within "reordered" "$(of 10.77.0.2 7106 reordered)" 10 90
within "reordered: the quickest, us" "$(of 10.77.0.2 7106 min_us)" 0 59000
# of 600: 180 expected, sigma 11.2
within "lost, IPv4" "$(of 10.77.0.2 7102 lost)" 135 225
within "lost with correlation, IPv6" "$(of fd77::2 7102 lost)" 30 300
# 99 packets of 46 bytes on the wire or more behind the first one, at 12,500 bytes a second
within "rate: 100 packets took, ms" "$(of 10.77.0.2 7105 took_ms)" 350 9000
expect "rate: none lost" "$(cat "$dir/m.10.77.0.2.7105")" lost 0
cat "$dir/flood"
within "rate, a flood: lost" "$(figure "$(cat "$dir/flood")" lost)" 100 495
expect "rate, after a flood: none lost" "$(cat "$dir/m.10.77.0.2.7107")" lost 0
expect "afterwards" "$(in_a "$meter" udp 10.77.0.2 7102 50 2000)" lost 0
