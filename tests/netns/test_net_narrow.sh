#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What narrows a selector: not, icmp, mark, dscp, user, and of net.drop flags, connections, length, every.
# For each what is hit and that its neighbour is not, IPv4 and IPv6, out, in and both.
# shellcheck disable=SC1091,SC2154,SC2086,SC2015,SC2034
. "$(dirname "$0")/net_lib.sh"

two_spaces
packets=$(dirname "$0")/packets.py
ip -n "$a" addr add 10.77.0.11/24 dev va
ip -n "$a" addr add fd77::11/64 dev va nodad preferred_lft 0 # never by itself
for n in 3 4 5 6; do
	ip -n "$b" addr add 10.77.0.$n/24 dev vb
	ip -n "$b" addr add fd77::$n/64 dev vb nodad
done
chmod 711 "$dir"
cp "$meter" "$dir/meter" # where everybody may read
ip netns exec "$a" setpriv --reuid 4711 --regid 4711 --clear-groups "$dir/meter" serve :: 7231 7232 <"$dir/hold" >"$dir/owned" &
server=$!
exec 7>"$dir/hold"
await "grep -qs ready '$dir/owned'" 10 || fail "no server of user 4711"
serve "$b" 127.0.0.1 7999
for address in 10.77.0.2 fd77::2; do # not on any address: answers would come from another one
	# shellcheck disable=SC2046
	serve "$b" $address $(seq 7200 7229)
done
for address in 10.77.0.3 fd77::3 10.77.0.4 fd77::4 10.77.0.5 fd77::5; do serve "$b" $address 7200 7201 7202; done

# $1: what must come of it, $2...: a probe of packets.py, in $a
probes() { echo "$1: ${*:2}" >>"$dir/probes"; }
both_families() { # $1: what must come of it, $2: udp or tcp, $3: port, $4...: keys
	probes "$1" "$2" 10.77.0.2 "${@:3}"
	probes "$1" "$2" fd77::2 "${@:3}"
}
judge() { # $1: what it is about
	in_a python3 "$packets" probes <"$dir/probes" >"$dir/judged" 2>&1 || fail "$1: $(cat "$dir/judged")"
	echo "$1: $(cat "$dir/judged")"
	: >"$dir/probes"
}

to() { echo "to: [\"10.77.0.2:$1\", \"[fd77::2]:$1\"], netns: $a"; }
experiment out <<END
faults:
  - net.drop: {to: ["10.77.0.0/24:7201-7202", "[fd77::/64]:7201-7202"], not: [10.77.0.3, "fd77::3", "*:7202/udp"], dev: va, netns: $a}
    for: 90s
  - net.drop: {to: ["10.77.0.5", "fd77::5"], proto: icmp, netns: $a}
    for: 90s
  - net.drop: {$(to 7203), mark: 0x10/0xf0}
    for: 90s
  - net.drop: {$(to 7204), dscp: ef}
    for: 90s
  - net.drop: {$(to 7205), user: 4711}
    for: 90s
  - net.drop: {$(to 7206), flags: [syn, no-ack]}
    for: 90s
  - net.drop: {$(to 7207), flags: fin}
    for: 90s
  - net.drop: {$(to 7208), connections: new}
    for: 90s
  - net.drop: {$(to 7209), connections: established}
    for: 90s
  - net.drop: {$(to 7210), length: 500-700}
    for: 90s
  - net.drop: {$(to 7211), every: 3}
    for: 90s
  - net.drop: {to: ["10.77.0.2:7212", "[fd77::2]:7212"], direction: both, every: 3, netns: $a}
    for: 90s
  - net.drop: {$(to 7214), user: root, dscp: 10, mark: 7}
    for: 90s
  - net.drop: {$(to 7215), flags: syn, mark: 1, reply: reset}
    for: 90s
  - net.drop: {$(to 7216), flags: fin, user: 4711}
    for: 90s
  - net.drop: {from: "*:7231", user: 4711, flags: [syn, ack], dev: va, netns: $a}
    for: 90s
  - net.drop: {from: "*:7232", user: 4712, dev: va, netns: $a}
    for: 90s
END
before
mkfifo "$dir/lines"
in_a "$meter" stream 10.77.0.2 7208 <"$dir/lines" >"$dir/stream" 7>&- &
stream=$!
exec 8>"$dir/lines"
await "grep -qs open '$dir/stream'" 5 || fail "no connection"
hold out 17

probes timeout tcp 10.77.0.2 7201
probes timeout tcp 10.77.0.4 7202
probes ok tcp 10.77.0.3 7201
probes ok tcp 10.77.0.2 7200
probes timeout tcp fd77::2 7201
probes timeout tcp fd77::4 7202
probes ok tcp fd77::3 7201
both_families 'map 0' udp 7201
both_families 'map 1' udp 7202

both_families ok tcp 7203
both_families 'map 11' udp 7203 count=2 mark=0x2f
both_families 'map 00' udp 7203 count=2 mark=0x1f
both_families timeout tcp 7203 mark=0x10
both_families 'map 00' udp 7204 count=2 tos=0xb8
both_families 'map 0' udp 7204 tos=0xb9
both_families 'map 1' udp 7204 tos=0xb0
both_families timeout tcp 7204 tos=0xb8
both_families ok tcp 7204
both_families 'map 0' udp 7205 user=4711
both_families timeout tcp 7205 user=4711
both_families 'map 1' udp 7205 user=4712
both_families ok tcp 7205

both_families open tcp 7216 user=4711
both_families ok tcp 7216
both_families timeout tcp 7206
both_families 'map 1' udp 7206
both_families open tcp 7207
both_families timeout tcp 7208
both_families silent tcp 7209
probes 'map 1' udp 10.77.0.2 7210 size=471
probes 'map 0' udp 10.77.0.2 7210 size=472
probes 'map 0' udp 10.77.0.2 7210 size=672
probes 'map 1' udp 10.77.0.2 7210 size=673
probes 'map 1' udp fd77::2 7210 size=451
probes 'map 0' udp fd77::2 7210 size=452
probes 'map 0' udp fd77::2 7210 size=652
probes 'map 1' udp fd77::2 7210 size=653
probes 'map 110110110' udp 10.77.0.2,fd77::2 7211 count=9
probes 'map 101010' udp 10.77.0.2,fd77::2 7212 count=6
both_families 'map 0' udp 7214 tos=0x28 mark=7
both_families 'map 1' udp 7214 tos=0x28
both_families 'map 1' udp 7214 mark=7
both_families refused tcp 7215 mark=1
both_families ok tcp 7215 mark=3
judge out
# The answer to a SYN belongs to no socket yet: it counts as its listener's.
in_b python3 "$packets" probes >"$dir/judged" 2>&1 <<END || fail "user: $(cat "$dir/judged")"
timeout: tcp 10.77.0.1 7231
timeout: tcp fd77::1 7231
ok: tcp 10.77.0.1 7232
ok: tcp fd77::1 7232
END

in_a ip neigh flush dev va
for address in 10.77.0.5 fd77::5; do
	in_a ping -n -c 1 -W 1 $address >"$dir/ping" && fail "a ping to $address passed"
	in_a ip neigh show dev va >"$dir/neigh"
	grep -q "^$address lladdr" "$dir/neigh" || fail "ARP or neighbour discovery was hurt: $(cat "$dir/neigh")"
done
for address in 10.77.0.6 fd77::6; do
	in_a ping -n -c 1 -W 5 $address >"$dir/ping" || fail "a ping to $address was hit"
done
probes ok tcp 10.77.0.5 7200
probes ok tcp fd77::5 7200
judge icmp
echo >&8
await "[ \$(wc -l <'$dir/stream') -ge 2 ]" 3 || fail "the old connection says nothing"
stop out
exec 8>&-
wait $stream
same "after out"
[ "$(grep -c '^ok' "$dir/stream")" -eq 1 ] || fail "connections: new has hurt an old one: $(cat "$dir/stream")"

# what comes in
into() { echo "to: \"*:$1\", direction: in, dev: vb, netns: $b"; }
experiment in <<END
faults:
  - net.drop: {$(into 7201), not: [10.77.0.11, "fd77::11"]}
    for: 90s
  - net.drop: {$(into 7202), dscp: af21}
    for: 90s
  - net.drop: {$(into 7203), flags: syn}
    for: 90s
  - net.drop: {$(into 7204), length: "-100"}
    for: 90s
  - net.drop: {$(into 7205), every: 2}
    for: 90s
  - net.drop: {$(into 7206), connections: established}
    for: 90s
  - net.drop: {from: ["10.77.0.11", "fd77::11"], direction: in, proto: icmp, dev: vb, netns: $b}
    for: 90s
  - net.drop: {to: "*:7207", direction: both, length: 100-, dev: va, netns: $a}
    for: 90s
  - net.drop: {to: "*:7208", direction: both, flags: [syn, ack], dev: va, netns: $a}
    for: 90s
END
hold in 9
both_families timeout tcp 7201
probes ok tcp 10.77.0.2 7201 source=10.77.0.11
probes ok tcp fd77::2 7201 source=fd77::11
both_families 'map 0' udp 7202 tos=0x48
both_families 'map 1' udp 7202 tos=0x50
both_families timeout tcp 7203
both_families 'map 1' udp 7203
both_families 'map 0' udp 7204 size=10
both_families 'map 1' udp 7204 size=100
both_families silent tcp 7206
probes 'map 10101010' udp 10.77.0.2,fd77::2 7205 count=8
both_families 'map 1' udp 7207
both_families 'map 0' udp 7207 size=200
both_families timeout tcp 7208 # the answer to the SYN is what is dropped
judge in
in_a ping -n -c 1 -W 1 -I 10.77.0.11 10.77.0.2 >"$dir/ping" && fail "a ping came in"
in_a ping -n -c 1 -W 1 -I fd77::11 fd77::2 >"$dir/ping" && fail "an IPv6 ping came in"
in_a ping -n -c 1 -W 5 10.77.0.2 >"$dir/ping" || fail "another ping was hit"
in_a ping -n -c 1 -W 5 fd77::2 >"$dir/ping" || fail "another IPv6 ping was hit"
stop in
same "after in"
