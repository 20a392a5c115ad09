#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.drop with a share: 30 % of packets within binomial bounds (4 sigma); 30 % of connections, chosen once: a chosen
# one fails again at every retry, the others never; connections that exist already are left alone.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7100 7101 7102 7103
serve "$b" fd77::2 7100 7101 7102 7103

experiment share <<END
faults:
  - net.drop: {to: "10.77.0.2:7101/udp", share: 30%, netns: $a}
    for: 90s
  - net.drop: {to: "[fd77::2]:7101/udp", share: 30%, netns: $b, direction: in, dev: vb}
    for: 90s
  - net.drop: {to: "10.77.0.2:7102", share: 30%, of: connections, netns: $a}
    for: 90s
  - net.drop: {to: "[fd77::2]:7102", share: 30%, of: connections, reply: reset, netns: $a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7103", of: connections, reply: reset, netns: $a}
    for: 90s
END
before

# a connection from before the fault: each line to descriptor 8 sends one byte
mkfifo "$dir/lines"
in_a "$meter" stream 10.77.0.2 7103 <"$dir/lines" >"$dir/stream" 7>&- &
stream=$!
exec 8>"$dir/lines"
await "grep -qs open '$dir/stream'" 5 || fail "no connection"

hold share 5 --seed 1
pids=
start() { # $1: name, $2...: mode and arguments of prog_meter
	local name=$1
	shift
	in_a "$meter" "$@" >"$dir/$name" 8>&- &
	pids="$pids $!"
}
start out4 udp 10.77.0.2 7101 4000 400
start in6 udp fd77::2 7101 4000 400
start other4 udp 10.77.0.2 7100 1000 1000
start first4 burst 10.77.0.2 7102 1000 20000 1400 # 1400 ms: each SYN was sent twice
start first6 burst fd77::2 7102 1000 20000 1400
start all burst 10.77.0.2 7103 20 20000 1400
for p in $pids; do wait "$p"; done
pids=
start second4 burst 10.77.0.2 7102 1000 20000 1400
start second6 burst fd77::2 7102 1000 20000 1400
start moved4 burst 10.77.0.2 7102 1000 30000 1400
for p in $pids; do wait "$p"; done
echo >&8
echo >&8
await "[ \$(wc -l <'$dir/stream') -ge 3 ]" 3 || fail "the old connection says nothing"
stop share
exec 8>&-
wait $stream
same

# of 4,000: 1,200 expected, sigma 29; of 1,000: 300, sigma 14.5
within "packets out, IPv4" "$(figure "$(cat "$dir/out4")" lost)" 1084 1316
within "packets in, IPv6" "$(figure "$(cat "$dir/in6")" lost)" 1084 1316
expect "packets out, IPv4" "$(cat "$dir/out4")" eperm 0
expect "the other port" "$(cat "$dir/other4")" lost 0
within "connections, IPv4" "$(figure "$(cat "$dir/first4")" timeout)" 242 358
within "connections, IPv6" "$(figure "$(cat "$dir/first6")" refused)" 242 358
within "connections from other ports" "$(figure "$(cat "$dir/moved4")" timeout)" 242 358
expect "connections, IPv4" "$(cat "$dir/first4")" refused 0 other 0
expect "connections, IPv6" "$(cat "$dir/first6")" timeout 0 other 0
expect "all new connections" "$(cat "$dir/all")" refused 20
for family in 4 6; do
	[ "$(sed 's/.*map //' "$dir/first$family")" = "$(sed 's/.*map //' "$dir/second$family")" ] ||
		fail "IPv$family: a connection that was tried again fared differently"
done
[ "$(sed 's/.*map //' "$dir/first4")" != "$(sed 's/.*map //' "$dir/moved4")" ] || fail "the hash ignores the port"
[ "$(grep -c '^ok' "$dir/stream")" -eq 2 ] || fail "a connection from before the fault was hurt: $(cat "$dir/stream")"
