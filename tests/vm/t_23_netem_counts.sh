#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.duplicate, net.corrupt, net.reorder, net.loss with a model and net.impair, all at once on one device with different
# selectors: each does what was asked, counted at the receiver, and nothing to the others' packets.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 $(seq 7100 7108)
serve "$b" fd77::2 7109
experiment counts <<END
faults:
  - net.duplicate: {to: "10.77.0.2:7101", share: 20%, netns: $a}
    for: 150s
  - net.corrupt: {to: "10.77.0.2:7102", share: 20%, netns: $a}
    for: 150s
  - net.reorder: {to: "10.77.0.2:7103", share: 30%, delay: 100ms, netns: $a}
    for: 150s
  - net.reorder: {to: "10.77.0.2:7104", share: 100%, gap: 5, delay: 100ms, netns: $a}
    for: 150s
  - net.loss: {to: "10.77.0.2:7105", model: gilbert_elliott, good_to_bad: 5%, bad_to_good: 25%, netns: $a}
    for: 150s
  - net.loss: {to: "10.77.0.2:7106", model: markov, p13: 5%, p31: 25%, p32: 25%, p23: 80%, p14: 2%, netns: $a}
    for: 150s
  - net.impair: {to: "10.77.0.2:7107", delay: 80ms, jitter: 10ms, loss: 20%, duplicate: 30%, netns: $a}
    for: 150s
  - net.duplicate: {to: "[fd77::2]:7109", share: 100%, netns: $b, direction: in, dev: vb}
    for: 150s
END
before
hold counts 8
jobs=
start() { # $1: port, $2...: arguments of prog_meter behind it
	local port=$1
	shift
	in_a "$meter" udp 10.77.0.2 "$port" "$@" >"$dir/m.$port" &
	jobs="$jobs $!"
}
start 7101 1000 5000
start 7102 1000 5000 1400
start 7103 1000 5000
start 7104 1000 5000
start 7105 2000 2500
start 7106 2000 2500
start 7107 1000 5000
start 7100 1000 5000 1400
in_a "$meter" udp fd77::2 7109 50 5000 >"$dir/m.7109"
for j in $jobs; do wait "$j"; done
tc -n "$a" qdisc show >"$dir/qdiscs"
stop counts
same
(cd "$dir" && grep . m.*)

of() { figure "$(cat "$dir/m.$1")" "$2"; }
is() { [ "$(of "$1" "$2")" -eq "$3" ] || fail "port $1: $2 is $(of "$1" "$2"), not $3"; }

# 4 sigma of 1,000 at 20 %: 50
within "duplicates" "$(of 7101 dup)" 150 250
is 7101 lost 0
is 7109 dup 50 # all of them, on the way in
is 7109 lost 0
# what hits a header is lost, what hits the payload comes back with just one bit changed
changed=$(of 7102 corrupt)
within "corrupt or lost" $((changed + $(of 7102 lost))) 150 250
within "corrupt" "$changed" 130 250
is 7102 max_bits 1
# A packet that skips the delay overtakes those of the last 100 ms: these are behind a later one when they come.
within "reordered" "$(of 7103 reordered)" 400 800
is 7103 lost 0
is 7103 dup 0
within "reordered, every fifth" "$(of 7104 reordered)" 500 850
is 7104 lost 0
quick=$(of 7103 min_us)
within "what skips the delay" "$quick" 0 99000
# 5/30 of 2,000 in bursts of 4 on average: sigma 40, for the 30 % correlation of neighbours makes it larger
within "lost in the bad state" "$(of 7105 lost)" 175 510
bursts() { echo $(($(of "$1" lost) * 10 / $(of "$1" bursts))); }
within "ten times the mean length of a burst" "$(bursts 7105)" 28 56 # each by itself: 12
# states 3 and 4 of the chain hold 17 %
within "lost by four states" "$(of 7106 lost)" 200 520
within "ten times the mean length of a burst" "$(bursts 7106)" 14 35
# netem takes the loss of a packet that it copies for the loss of the copy, and may lose the copy too: 14 % and 19 %
within "impair: lost" "$(of 7107 lost)" 80 260
within "impair: duplicates" "$(of 7107 dup)" 130 330
within "impair: the quickest" "$(($(of 7107 min_us) / 1000))" 69 160
for figure in lost dup corrupt; do is 7100 $figure 0; done
# what another reader says that the kernel was told
for words in 'duplicate 20%' 'corrupt 20%' 'reorder 30% gap 1' 'reorder 100% gap 5' \
	'loss gemodel p 5% r 25% 1-h 100% 1-k 0%' 'loss state p13 5% p31 25% p32 25% p23 80% p14 2%' \
	'delay 80ms  10ms loss 20% duplicate 30%'; do
	grep -q -- "$words" "$dir/qdiscs" || fail "tc does not say '$words': $(cat "$dir/qdiscs")"
done
expect "afterwards" "$(in_a "$meter" udp 10.77.0.2 7107 50 2000)" lost 0 dup 0
