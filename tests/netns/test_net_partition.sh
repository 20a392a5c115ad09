#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.partition: this host cut off from its peers; and a router that cuts off two of those between whom it stands. Both
# ways and one way, TCP, UDP and ICMP, IPv4 and IPv6; others go on speaking to each of them, neighbours are found.
# shellcheck disable=SC1091,SC2154,SC2086,SC2015,SC2034
. "$(dirname "$0")/net_lib.sh"

two_spaces
packets=$(dirname "$0")/packets.py
c=nt${tag}c
ip netns add "$c"
spaces="$spaces $c"
ip -n "$c" link set lo up
ip -n "$b" link add wb type veth peer name wc netns "$c"
bring_up "$b" wb 10.79.0.1/24 fd79::1/64 fe80::1/64
ip -n "$b" addr add fe80::2/64 dev vb nodad # a router asks for its neighbours from such an address
bring_up "$c" wc 10.79.0.2/24 fd79::2/64
await_up "$b" wb
await_up "$c" wc
ip netns exec "$b" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for n in 11 12 13; do
	ip -n "$a" addr add 10.77.0.$n/24 dev va
	ip -n "$a" addr add fd77::$n/64 dev va nodad preferred_lft 0
done
for n in 3 4; do
	ip -n "$b" addr add 10.77.0.$n/24 dev vb
	ip -n "$b" addr add fd77::$n/64 dev vb nodad preferred_lft 0
done
ip -n "$a" route add 10.79.0.0/24 via 10.77.0.2
ip -n "$a" route add fd79::/64 via fd77::2
ip -n "$c" route add 10.77.0.0/24 via 10.79.0.1
ip -n "$c" route add fd77::/64 via fd79::1
for address in 127.0.0.1 10.77.0.2 fd77::2 10.79.0.1 fd79::1; do serve "$b" $address 7999 7200; done
for address in 10.79.0.2 fd79::2; do serve "$c" $address 7200 7201; done
for address in 10.77.0.1 fd77::1 10.77.0.11 fd77::11; do serve "$a" $address 7200; done

# $1: namespace; the probes of packets.py come on stdin
judge() {
	ip netns exec "$1" python3 "$packets" probes >"$dir/judged" 2>&1 || fail "$name, from $1: $(cat "$dir/judged")"
}
# $1: 1 when it must be answered, $2: namespace, $3...: address, and its source
echoes() {
	local came=1 n=$2
	ip netns exec "$n" ping -n -c 1 -W "$((1 + 4 * $1))" ${4:+-I $4} "$3" >"$dir/ping" 2>&1 || came=0
	[ $came -eq "$1" ] || fail "$name: ping $3 from $n: $came, not $1"
}
# $1, $2: two namespaces; $3, $4: their addresses; $5, $6: what arrives of three there and back
arrives() {
	python3 "$packets" pairs "$1" "$2" "$3" "$4" 7300 3 >"$dir/pairs" 2>&1
	[ "$(cat "$dir/pairs")" = "there $5
back $6" ] || fail "$name: between $3 and $4: $(cat "$dir/pairs")"
}
cut() { # $1: name; the faults come on stdin
	name=$1
	experiment "$name"
	before
	hold "$name" 3
}
over() {
	stop "$name"
	same "after $name"
}

name=before
for address in 10.77.0.2 fd77::2 10.79.0.2 fd79::2; do echoes 1 "$a" $address; done

cut host <<END
faults:
  - net.partition: {from: [10.77.0.2, "fd77::2"], not: "*:7999", netns: $a}
    for: 90s
  - net.partition: {from: [10.77.0.3, "fd77::3"], direction: out, netns: $a}
    for: 90s
  - net.partition: {from: [10.77.0.4, "fd77::4"], direction: in, netns: $a}
    for: 90s
END
arrives "$a" "$b" 10.77.0.1 10.77.0.3 000 111
arrives "$a" "$b" fd77::1 fd77::3 000 111
arrives "$a" "$b" 10.77.0.1 10.77.0.4 111 000
arrives "$a" "$b" fd77::1 fd77::4 111 000
judge "$a" <<END
timeout: tcp 10.77.0.2 7200
timeout: tcp fd77::2 7200
map 00: udp 10.77.0.2,fd77::2 7200 count=2
ok: tcp 10.77.0.2 7999
ok: tcp fd77::2 7999
ok: tcp 10.79.0.2 7200
ok: tcp fd79::2 7200
END
judge "$b" <<END
timeout: tcp 10.77.0.1 7200
timeout: tcp fd77::1 7200
timeout: tcp 10.77.0.11 7200
END
judge "$c" <<END
ok: tcp 10.77.0.1 7200
ok: tcp fd77::1 7200
ok: tcp 10.79.0.1 7200
END
arrives "$a" "$b" 10.77.0.1 10.77.0.2 000 000
arrives "$a" "$b" fd77::1 fd77::2 000 000
arrives "$a" "$c" 10.77.0.1 10.79.0.2 111 111
in_a ip neigh flush dev va
echoes 0 "$a" 10.77.0.2
echoes 0 "$a" fd77::2
in_a ip neigh show dev va >"$dir/neigh"
grep -q '^10.77.0.2 lladdr' "$dir/neigh" || fail "ARP was hurt: $(cat "$dir/neigh")"
grep -q '^fd77::2 lladdr' "$dir/neigh" || fail "neighbour discovery was hurt: $(cat "$dir/neigh")"
over

sides="between: [10.77.0.1, \"fd77::1\"], and: [10.79.0.2, \"fd79::2\"], netns: $b"
cut router <<END
faults:
  - net.partition: {$sides, not: "*:7201"}
    for: 90s
  - net.partition: {between: [10.77.0.12, "fd77::12"], and: [10.79.0.0/24, "fd79::/64"], direction: out, netns: $b}
    for: 90s
  - net.partition: {between: [10.77.0.13, "fd77::13"], and: [10.79.0.2, "fd79::2"], direction: in, netns: $b}
    for: 90s
END
arrives "$a" "$c" 10.77.0.12 10.79.0.2 000 111
arrives "$a" "$c" fd77::12 fd79::2 000 111
arrives "$a" "$c" 10.77.0.13 10.79.0.2 111 000
arrives "$a" "$c" fd77::13 fd79::2 111 000
judge "$a" <<END
timeout: tcp 10.79.0.2 7200
timeout: tcp fd79::2 7200
ok: tcp 10.79.0.2 7201
ok: tcp fd79::2 7201
ok: tcp 10.79.0.2 7200 source=10.77.0.11
ok: tcp fd79::2 7200 source=fd77::11
ok: tcp 10.77.0.2 7200
ok: tcp fd77::2 7200
ok: tcp 10.79.0.1 7200
END
judge "$c" <<END
timeout: tcp 10.77.0.1 7200
timeout: tcp fd77::1 7200
ok: tcp 10.77.0.11 7200
ok: tcp fd77::11 7200
ok: tcp 10.79.0.1 7200
END
arrives "$a" "$c" 10.77.0.1 10.79.0.2 000 000
arrives "$a" "$c" fd77::1 fd79::2 000 000
arrives "$a" "$b" 10.77.0.1 10.77.0.2 111 111
arrives "$b" "$c" fd79::1 fd79::2 111 111
echoes 0 "$a" 10.79.0.2
echoes 0 "$a" fd79::2
echoes 1 "$a" 10.79.0.2 10.77.0.11
echoes 1 "$a" fd79::2 fd77::11
over

# one of the two is the host itself: whichever side it stands on, the device is the one to the other
for sides in "between=10.77.0.1 and=10.77.0.2" "between=10.77.0.2 and=10.77.0.1"; do
	"$BRINK" try net.partition $sides netns="$a" --for 1s --dry-run >"$dir/plan" 2>&1 || fail "no plan: $(cat "$dir/plan")"
	grep -q 'table netdev .* on va$' "$dir/plan" && ! grep -q ' on .*lo' "$dir/plan" || fail "another device: $(cat "$dir/plan")"
done

refuse() { # $1: what it says; $2...: keys
	local rc=0 says=$1
	shift
	"$BRINK" try net.partition "$@" netns="$a" --for 1s >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc -ne 0 ] && grep -qF -- "$says" "$dir/try.err" || fail "$*: exit $rc, does not say: $says: $(cat "$dir/try.err")"
}
before
refuse "net.drop takes them" from=10.77.0.2:80
refuse "net.drop takes them" from=10.77.0.2/udp
refuse "names no address" 'from=*'
refuse "give both" between=10.77.0.2
refuse "give both" from=10.77.0.2 and=10.77.0.3
refuse "from" between=10.77.0.2 and=10.77.0.3 from=10.77.0.2
refuse "from" dev=va
same "after refusals"
