#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What narrows a selector: not, icmp, mark, dscp, user, and of net.drop flags, connections, length, every, of: flows.
# For each what is hit and that its neighbour is not, IPv4 and IPv6, out, in and both.
# shellcheck disable=SC1091,SC2154,SC2086
. "$(dirname "$0")/net_lib.sh"

two_spaces
packets=$(dirname "$0")/packets.py
ip -n "$a" addr add 10.77.0.11/24 dev va
ip -n "$a" addr add fd77::11/64 dev va nodad preferred_lft 0 # never by itself
for n in 3 4 5 6; do
	ip -n "$b" addr add 10.77.0.$n/24 dev vb
	ip -n "$b" addr add fd77::$n/64 dev vb nodad
done
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
END
before
mkfifo "$dir/lines"
in_a "$meter" stream 10.77.0.2 7208 <"$dir/lines" >"$dir/stream" 7>&- &
stream=$!
exec 8>"$dir/lines"
await "grep -qs open '$dir/stream'" 5 || fail "no connection"
hold out 14

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

# Flows: all of one fares the same, both ways. Of 300 with 50 %: 150 expected, sigma 8.7.
experiment flows <<END
faults:
  - net.drop: {to: ["10.77.0.2:7301", "[fd77::2]:7301"], proto: udp, share: 50%, of: flows, direction: both, netns: $a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7220-7229", share: 50%, of: flows, netns: $a}
    for: 90s
  - net.drop: {to: "fd77::/64", share: 50%, of: flows, proto: icmp, netns: $a, dev: va}
    for: 90s
END
hold flows 3 --seed 1
python3 "$packets" pairs "$a" "$b" 10.77.0.1 10.77.0.2 7301 300 >"$dir/pairs4" 2>&1 || fail "pairs: $(cat "$dir/pairs4")"
python3 "$packets" pairs "$a" "$b" fd77::1 fd77::2 7301 300 >"$dir/pairs6" 2>&1 || fail "pairs: $(cat "$dir/pairs6")"
in_a python3 "$packets" probes >"$dir/again" <<END || :
any: udp 10.77.0.2 7220 count=5
any: udp 10.77.0.2 7221 count=5
any: udp 10.77.0.2 7222 count=5
any: udp 10.77.0.2 7223 count=5
END
in_a "$meter" burst 10.77.0.2 7221 100 20000 1400 >"$dir/burst" || :
for n in 2 3 4 5 6; do
	in_a ping -n -c 4 -i 0.05 -W 1 fd77::$n >"$dir/ping.$n" 2>&1 || : # ENOBUFS: it asks for errors of its own queue
done
stop flows
same "after flows"
for family in 4 6; do
	there=$(sed -n 's/^there //p' "$dir/pairs$family")
	back=$(sed -n 's/^back //p' "$dir/pairs$family")
	[ "${#there}" -eq 300 ] && [ "$there" = "$back" ] || fail "IPv$family: a flow fares differently on its way back: $(cat "$dir/pairs$family")"
	ones=${there//0/}
	within "flows, IPv$family" ${#ones} 115 185
done
[ "$(grep -cE "'map (00000|11111)'" "$dir/again")" -eq 4 ] || fail "packets of one flow fare differently: $(cat "$dir/again")"
within "TCP flows" "$(figure "$(cat "$dir/burst")" timeout)" 30 70
for n in 2 3 4 5 6; do
	grep -qE '\b[04] received' "$dir/ping.$n" || fail "echoes of one flow fare differently: $(cat "$dir/ping.$n")"
done

# What contradicts itself is refused, and nothing is touched.
refuse() { # $1: what it says; $2...: the fault
	local rc=0 says=$1
	shift
	"$BRINK" try "$@" --for 1s >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc -eq 3 ] || fail "$*: exit $rc, not 3: $(cat "$dir/try.err")"
	grep -qF -- "$says" "$dir/try.err" || fail "$*: does not say: $says: $(cat "$dir/try.err")"
}
x="to=10.77.0.2 netns=$a"
refuse "belongs to no socket" net.drop $x user=0 direction=in
refuse "belongs to no socket" net.drop $x user=0 direction=both
refuse "a mark stays on its host" net.drop $x mark=1 direction=both
refuse "has bits outside its mask" net.drop $x mark=3/2
refuse "is no DSCP" net.drop $x dscp=af55
refuse "is no length" net.drop $x length=9-3
refuse "is no TCP flag" net.drop $x flags=sin
refuse "contradicts the TCP flags" net.drop $x flags=ack connections=new
refuse "works for TCP only" net.drop $x flags=syn proto=udp
refuse "contradicts 'share'" net.drop $x every=3 share=10%
refuse "'not' leaves nothing" net.drop $x not=*
refuse "protocol without ports" net.drop to=10.77.0.2:80 netns=$a proto=icmp
refuse "protocol without ports" net.drop $x not=:80 proto=icmp
same "after refusals"
