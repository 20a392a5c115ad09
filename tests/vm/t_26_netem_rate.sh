#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several faults at once on one device, each with a selector of its own: a delay to one port, loss to another, a rate, one
# with overhead, one with a short queue, slots to others. Each is felt at its port and nowhere else. The rate and the
# slots are measured by how long what was sent takes to arrive.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 $(seq 7100 7107)
experiment rates <<END
faults:
  - net.delay: {to: "10.77.0.2:7101", delay: 200ms, netns: $a}
    for: 150s
  - net.loss: {to: "10.77.0.2:7102", loss: 30%, netns: $a}
    for: 150s
  - net.rate: {to: "10.77.0.2:7103", rate: 1mbit, netns: $a}
    for: 150s
  - net.rate: {to: "10.77.0.2:7104", rate: 1mbit, packet_overhead: 1250, netns: $a}
    for: 150s
  - net.rate: {to: "10.77.0.2:7105", rate: 1mbit, queue_packets: 10, netns: $a}
    for: 150s
  - net.slot: {to: "10.77.0.2:7106", min_delay: 300ms, max_delay: 300ms, netns: $a}
    for: 150s
  - net.slot: {to: "10.77.0.2:7107", min_delay: 100ms, max_delay: 100ms, packets: 2, netns: $a}
    for: 150s
END
before
hold rates 7
look() { # one after the other: none waits for the processor behind another one
	local port=$1
	shift
	in_a "$meter" udp 10.77.0.2 "$port" "$@" >"$dir/m.$port"
}
look 7101 50 10000
look 7102 500 5000
# 100 packets of 1,250 bytes with their headers at once: a second at 1 Mbit/s
for port in 7103 7104 7105; do look $port 100 0 1208; done
look 7106 300 5000
look 7107 40 0
look 7100 100 5000 1208
tc -n "$a" qdisc show >"$dir/qdiscs"
stop rates
same
(cd "$dir" && grep . m.*)

of() { figure "$(cat "$dir/m.$1")" "$2"; }
is() { [ "$(of "$1" "$2")" -eq "$3" ] || fail "port $1: $2 is $(of "$1" "$2"), not $3"; }

within "a delay of 200 ms" "$(($(of 7101 min_us) / 1000))" 199 350
is 7101 lost 0
within "lost of 500 at 30 %" "$(of 7102 lost)" 109 191
within "without a delay" "$(($(of 7102 min_us) / 1000))" 0 100
# never quicker than the rate, whatever the machine does; and not ten times slower
within "1 Mbit at 1 Mbit/s" "$(of 7103 took_ms)" 980 6000
is 7103 lost 0
within "twice as long with as much overhead" "$(of 7104 took_ms)" 1980 9000
is 7104 lost 0
# ten wait, one leaves every 10 ms while they are sent
within "behind a queue of ten" "$(of 7105 lost)" 50 91
# 1.5 s of packets in slots of 300 ms
within "groups" "$(of 7106 groups)" 3 9
is 7106 lost 0
within "the latest of a slot" "$(($(of 7106 max_us) / 1000))" 250 900
within "40 packets, two in 100 ms" "$(of 7107 took_ms)" 1800 9000
is 7107 lost 0
for figure in lost dup corrupt; do is 7100 $figure 0; done
within "the quickest of the others" "$(($(of 7100 min_us) / 1000))" 0 100
for words in 'rate 1Mbit' 'rate 1Mbit packetoverhead 1250' 'limit 10 .*rate 1Mbit' 'slot 300ms 300ms' \
	'slot 100ms 100ms packets 2'; do
	grep -q -- "$words" "$dir/qdiscs" || fail "tc does not say '$words': $(cat "$dir/qdiscs")"
done
expect "afterwards" "$(in_a "$meter" udp 10.77.0.2 7103 50 0 1208)" lost 0

# What still waits when a fault ends is let out before its device goes: nothing is lost. That is no slow revert.
experiment late <<END
abort: {revert_within: 1s}
faults:
  - net.rate: {to: "10.77.0.2:7103", rate: 50kbit, netns: $a}
    for: 15s
END
hold late 1
in_a "$meter" udp 10.77.0.2 7103 100 0 1208 >"$dir/m.late" & # twenty seconds' worth, more than the keeper waits without a reason
last=$!
await "[ \$(tc -n '$a' -s qdisc show | sed -n 's/.* backlog [0-9A-Za-z]*b \\([0-9]*\\)p.*/\\1/p' | sort -n | tail -n 1) -ge 40 ]" 10 ||
	fail "nothing waits: $(tc -n "$a" -s qdisc show)"
finish late 0
wait $last
same
within "what still waited takes its time" "$(of late took_ms)" 19900 60000
is late lost 0
