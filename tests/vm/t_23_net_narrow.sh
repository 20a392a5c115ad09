#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What narrows a selector narrows that of faults with netem, too: not, icmp, mark, dscp, user, IPv4 and IPv6.
# shellcheck disable=SC1091,SC2154,SC2086,SC2015,SC2034
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
packets=$(dirname "$0")/../netns/packets.py
serve "$b" 127.0.0.1 7999
for address in 10.77.0.2 fd77::2; do serve "$b" $address 7200 7201 7202 7203 7204 7205; done
to() { echo "to: [\"10.77.0.2:$1\", \"[fd77::2]:$1\"], loss: 100%, netns: $a"; }
experiment narrow <<END
faults:
  - net.loss: {$(to 7201), not: "*:7201/tcp"}
    for: 90s
  - net.loss: {$(to 7202), dscp: ef}
    for: 90s
  - net.loss: {$(to 7203), mark: 0x10/0xf0}
    for: 90s
  - net.loss: {$(to 7204), user: 4711}
    for: 90s
  - net.loss: {to: ["10.77.0.2", "fd77::2"], proto: icmp, direction: both, loss: 100%, netns: $a}
    for: 90s
END
before
hold narrow 5
for address in 10.77.0.2 fd77::2; do
	cat <<-END
		map 0: udp $address 7201
		ok: tcp $address 7201
		map 00: udp $address 7202 count=2 tos=0xb8
		map 1: udp $address 7202 tos=0x28
		ok: tcp $address 7202
		map 00: udp $address 7203 count=2 mark=0x1f
		map 1: udp $address 7203 mark=0x2f
		ok: tcp $address 7203
		map 00: udp $address 7204 count=2 user=4711
		timeout: tcp $address 7204 user=4711
		map 1: udp $address 7204 user=4712
		ok: tcp $address 7204
		ok: tcp $address 7205 user=4711 tos=0xb8
	END
done >"$dir/probes"
in_a python3 "$packets" probes <"$dir/probes" >"$dir/judged" 2>&1 || fail "$(cat "$dir/judged")"
in_a ip neigh flush dev va
for address in 10.77.0.2 fd77::2; do
	in_a ping -n -c 1 -W 1 $address >"$dir/ping" && fail "a ping to $address passed"
	in_a ip neigh show dev va >"$dir/neigh"
	grep -q "^$address lladdr" "$dir/neigh" || fail "ARP or neighbour discovery was hurt: $(cat "$dir/neigh")"
done
stop narrow
same
echo "narrowed: $(cat "$dir/judged")"
