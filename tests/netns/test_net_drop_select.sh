#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whose packets: addresses, ranges, host names, ports, protocols, both ends at once, namespaces, devices by route.
# All faults are in force at the same time, most of them on one device. Then: what no selector may ever catch.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

two_spaces
ip -n "$a" link add wa type veth peer name wb netns "$b"
bring_up "$a" wa 10.78.0.1/24
bring_up "$b" wb 10.78.0.2/24
await_up "$a" wa
await_up "$b" wb
ip -n "$a" addr add 10.77.0.11/24 dev va
for n in 3 4 5 6 7 8; do ip -n "$b" addr add 10.77.0.$n/24 dev vb; done
for n in f 10 11 12; do ip -n "$b" addr add fd77::$n/64 dev vb nodad; done
# shellcheck disable=SC2046
serve "$b" :: 67 547 7999 $(seq 7200 7219)
serve "$a" :: 7210 7211
ip netns exec "$a" sleep 60 7>&- >&- 2>&- &
helpers=$!

# a name with two homes: in a mount namespace of its own, the machine's file stays as it is
printf '10.77.0.2 twohomes\n10.78.0.2 twohomes\n127.0.0.1 localhost\n::1 localhost\n' >"$dir/hosts"
cat >"$dir/brink" <<END
#!/bin/sh
exec unshare -m sh -c 'mount --bind "$dir/hosts" /etc/hosts && exec "\$@"' sh "$BRINK" "\$@"
END
chmod +x "$dir/brink"
BRINK=$dir/brink

experiment select <<END
targets:
  db:
    flow: {to: "10.77.0.2:7214", netns: $a}
faults:
  - net.drop: {to: "10.77.0.4/30:7201", netns: $a}
    for: 90s
  - net.drop: {to: ["10.77.0.4/31:7202", "10.77.0.6/31:7202"], netns: $a}
    for: 90s
  - net.drop: {to: ["10.77.0.6/31:7203", "10.77.0.4/31:7203", "10.77.0.7:7203"], netns: $a}
    for: 90s
  - net.drop: {to: "[fd77::10/127]:7204", netns: $a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7205-7207/tcp", netns: $a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7209", proto: udp, netns: $a}
    for: 90s
  - net.drop: {to: 10.77.0.3, proto: icmp, netns: $a}
    for: 90s
  - net.drop: {to: 10.77.0.5, from: 10.77.0.11, netns: $a}
    for: 90s
  - net.drop: {to: "localhost:7210", netns: $a}
    for: 90s
  - net.drop: {to: "twohomes:7212", netns: $a}
    for: 90s
  - net.drop: {target: db}
    for: 90s
  - net.drop: {to: "10.77.0.2:7215", netns: /run/netns/$a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7216", netns: "pid:$helpers"}
    for: 90s
  - net.drop: {from: "*:21000", dev: va, netns: $a}
    for: 90s
  - net.drop: {to: ["10.77.0.2:7217", "10.77.0.3:7218"], netns: $a}
    for: 90s
END
before
hold select 15

jobs=()
# $1: word that must stand there; $2: name of the probe; $3...: its command
probe() {
	local word=$1 name=$2
	shift 2
	in_a "$@" >"$dir/p.$name" 2>&1 &
	jobs+=("$!,$word,$name")
}
tcp() { probe "$1 1" "tcp.$2.$3" "$meter" connect "$2" "$3" 1; }
blocked() { for p in "${@:2}"; do tcp timeout "$1" "$p"; done; }
passes() { for p in "${@:2}"; do tcp ok "$1" "$p"; done; }
ping_of() { probe "$1" "ping.$2.$3" ping -n -c 1 -W 1 -I "$2" "$3"; }

for n in 4 5 6 7; do blocked 10.77.0.$n 7201 7202 7203; done
for n in 3 8; do passes 10.77.0.$n 7200 7201 7202 7203; done
passes 10.77.0.4 7200
blocked fd77::10 7204
blocked fd77::11 7204
passes fd77::f 7204
passes fd77::12 7204
passes fd77::10 7205 # the range is IPv4
passes 10.77.0.2 7204 7208 7209
blocked 10.77.0.2 7205 7206 7207
probe 'lost 1' udp.7209 "$meter" udp 10.77.0.2 7209 1 1000
probe 'lost 0' udp.7205 "$meter" udp 10.77.0.2 7205 1 1000 # the range is TCP
ping_of '0 received' 10.77.0.1 10.77.0.3
ping_of '1 received' 10.77.0.1 10.77.0.2
passes 10.77.0.3 7209
ping_of '0 received' 10.77.0.11 10.77.0.5
ping_of '1 received' 10.77.0.1 10.77.0.5
ping_of '1 received' 10.77.0.11 10.77.0.8
blocked 127.0.0.1 7210
blocked ::1 7210
passes 127.0.0.1 7211
passes ::1 7211
blocked 10.77.0.2 7212
blocked 10.78.0.2 7212
passes 10.77.0.2 7213
passes 10.78.0.2 7213 7214
blocked 10.77.0.2 7214 7215 7216
probe 'timeout 1' from.21000 "$meter" burst 10.77.0.2 7200 1 21000 300
probe 'ok 1' from.21001 "$meter" burst 10.77.0.2 7200 1 21001 300
blocked 10.77.0.2 7217
passes 10.77.0.3 7217
blocked 10.77.0.3 7218
passes 10.77.0.2 7218

for j in "${jobs[@]}"; do wait "${j%%,*}" || :; done
stop select
same "after the selectors"
for j in "${jobs[@]}"; do
	IFS=, read -r _ word name <<<"$j"
	grep -q "\b$word\b" "$dir/p.$name" || fail "$name: not '$word': $(cat "$dir/p.$name")"
done

# Everything, both ways. A host must still find its neighbours and its address: ARP, ND, DHCP.
experiment all <<END
faults:
  - net.drop: {to: "*", dev: va, netns: $a, direction: both}
    for: 90s
END
before
hold all 1
datagram() { # $1: source port, $2: address, $3: port. Does it come back?
	in_a python3 -c '
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
s.settimeout(0.5)
s.sendto(b"x", (sys.argv[2], int(sys.argv[3])))
s.recv(10)' "$@" 2>"$dir/datagram"
}
in_a ip neigh flush dev va
in_a ping -n -c 1 -W 1 10.77.0.2 >"$dir/ping4" && fail "a ping passed"
in_a ping -n -c 1 -W 1 fd77::2 >"$dir/ping6" && fail "an IPv6 ping passed"
in_a ip neigh show dev va >"$dir/neigh"
grep -q '^10.77.0.2 lladdr' "$dir/neigh" || fail "ARP was hurt: $(cat "$dir/neigh")"
grep -q '^fd77::2 lladdr' "$dir/neigh" || fail "neighbour discovery was hurt: $(cat "$dir/neigh")"
datagram 68 10.77.0.2 67 || fail "DHCP was hurt"
datagram 546 fd77::2 547 || fail "DHCPv6 was hurt"
datagram 1068 10.77.0.2 67 && fail "another port to a DHCP server passed"
expect "the other device" "$(in_a "$meter" connect 10.78.0.2 7200 1)" ok 1
expect "all of this device" "$(in_a "$meter" connect 10.77.0.8 7200 1)" timeout 1
stop all
same "after everything"
expect "afterwards" "$(in_a "$meter" connect 10.77.0.8 7200 1)" ok 1
