#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.delay: every direction, IPv6, jitter of every distribution, lo, and devices with all sorts of qdiscs of the host's
# own, all in one run; afterwards everything is byte for byte as before.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
# shellcheck disable=SC2046
serve "$b" 10.77.0.2 $(seq 7100 7109)
serve "$b" fd77::2 7100 7104
serve "$a" 127.0.0.1 7100 7110

# One device for each kind of qdisc that a host may have.
qdiscs="fq_codel fq htb mq pfifo_fast clsact"
n=0
faults=
for q in $qdiscs; do
	n=$((n + 1))
	ip -n "$a" link add q$n numtxqueues 2 type veth peer name r$n netns "$b"
	bring_up "$a" q$n 10.78.$n.1/24
	bring_up "$b" r$n 10.78.$n.2/24
	serve "$b" 10.78.$n.2 7100 7101
	case $q in
	htb)
		tc -n "$a" qdisc add dev q$n root handle 7: htb default 1
		tc -n "$a" class add dev q$n parent 7: classid 7:1 htb rate 100mbit
		tc -n "$a" filter add dev q$n parent 7: protocol ip pref 3 u32 match ip dport 9 0xffff classid 7:1
		;;
	clsact)
		tc -n "$a" qdisc add dev q$n clsact
		tc -n "$a" filter add dev q$n egress protocol ip pref 3 u32 match ip dport 9 0xffff action drop
		tc -n "$a" filter add dev q$n ingress protocol ip pref 4 u32 match ip dport 9 0xffff action drop
		;;
	*) tc -n "$a" qdisc add dev q$n root handle 7: $q ;;
	esac
	faults="$faults
  - net.delay: {to: \"10.78.$n.2:7101\", delay: 100ms, netns: $a}
    for: 90s"
done

experiment delays <<END
faults:
  - net.delay: {to: "10.77.0.2:7101", delay: 100ms, netns: $a}
    for: 90s
  - net.delay: {to: "10.77.0.2:7102", delay: 80ms, netns: $b, direction: in, dev: vb}
    for: 90s
  - net.delay: {to: "10.77.0.2:7103", delay: 60ms, netns: $a, direction: both}
    for: 90s
  - net.delay: {to: "[fd77::2]:7104", delay: 100ms, netns: $a}
    for: 90s
  - net.delay: {to: "10.77.0.2:7105", delay: 200ms, jitter: 100ms, netns: $a}
    for: 90s
  - net.delay: {to: "10.77.0.2:7106", delay: 200ms, jitter: 50ms, distribution: normal, netns: $a}
    for: 90s
  - net.delay: {to: "10.77.0.2:7107", delay: 200ms, jitter: 50ms, distribution: pareto, netns: $a}
    for: 90s
  - net.delay: {to: "10.77.0.2:7108", delay: 200ms, jitter: 50ms, distribution: paretonormal, netns: $a}
    for: 90s
  - net.delay: {to: "10.77.0.2:7109", delay: 200ms, jitter: 50ms, correlation: 25%, distribution: normal, netns: $a}
    for: 90s
  - net.delay: {to: "127.0.0.1:7110", delay: 100ms, netns: $a}
    for: 90s
$faults
END
count=$((10 + n))
sleep 0.3 # the new links settle
before
hold delays $count
look() { in_a "$meter" udp "$1" "$2" 20 5000 >"$dir/m.$1.$2"; } # one after the other: they would slow each other down
for p in 7100 7101 7102 7103; do look 10.77.0.2 $p; done
for p in 7100 7104; do look fd77::2 $p; done
for p in 7100 7110; do look 127.0.0.1 $p; done
for i in $(seq $n); do
	look 10.78.$i.2 7100
	look 10.78.$i.2 7101
done
jobs=
for p in 7105 7106 7107 7108 7109; do
	in_a "$meter" udp 10.77.0.2 $p 800 5000 >"$dir/m.10.77.0.2.$p" &
	jobs="$jobs $!"
done
for j in $jobs; do wait "$j"; done
stop delays
same
(cd "$dir" && grep . m.*)
grep -q "CLEAN  $count of $count faults reverted" "$dir/delays.err" || fail "not all reverted"

ms() { echo $(($(figure "$(cat "$dir/m.$1.$2")" "$3") / 1000)); }
# The quickest packet tells what was added; a machine that is busy makes others slower.
delayed() { # $1: address, $2: port, $3, $4: milliseconds at least and at most
	within "the quickest packet to $1:$2" "$(ms "$1" "$2" min_us)" "$3" "$4"
	expect "a delay is no loss: $1:$2" "$(cat "$dir/m.$1.$2")" lost 0
}
quick() {
	within "the quickest packet to $1:$2" "$(ms "$1" "$2" min_us)" 0 40
	expect "$1:$2" "$(cat "$dir/m.$1.$2")" lost 0
}
quick 10.77.0.2 7100
quick fd77::2 7100
quick 127.0.0.1 7100
delayed 10.77.0.2 7101 99 160
delayed 10.77.0.2 7102 79 140
delayed 10.77.0.2 7103 119 180 # once on each way
delayed fd77::2 7104 99 160
delayed 127.0.0.1 7110 99 160
for i in $(seq $n); do
	quick 10.78.$i.2 7100
	delayed 10.78.$i.2 7101 99 160
done

# quantiles of 200 ms and a jitter: uniform 200 +- 100; normal, Pareto (shape 3) and 1/4 normal + 3/4 Pareto of sigma 50
spread() { # $1: port, then bounds of p10, of the median, of p90
	within "p10 of $1" "$(ms 10.77.0.2 "$1" p10_us)" "$2" "$3"
	within "median of $1" "$(ms 10.77.0.2 "$1" median_us)" "$4" "$5"
	within "p90 of $1" "$(ms 10.77.0.2 "$1" p90_us)" "$6" "$7"
	expect "a delay is no loss: $1" "$(cat "$dir/m.10.77.0.2.$1")" lost 0
}
spread 7105 105 155 180 250 255 345
spread 7106 120 165 185 250 240 330
spread 7107 155 200 170 230 215 310
spread 7108 145 195 170 235 220 310
spread 7109 120 165 180 250 235 330
