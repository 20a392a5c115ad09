#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.drop: every reply in every direction, for IPv4 and IPv6, all at once on one pair of devices. A ruleset of the
# host's own stands in the same namespace and stays as it is.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
ports=$(seq 7101 7109)
# shellcheck disable=SC2086
serve "$b" 10.77.0.2 7100 $ports
# shellcheck disable=SC2086
serve "$b" fd77::2 7100 $ports
in_a nft -f - <<'END'
table inet host {
	set s { type ipv4_addr; flags timeout; elements = { 192.0.2.1 } }
	chain in { type filter hook input priority filter; policy accept; tcp dport 22 ip saddr @s accept; }
	chain out { type filter hook output priority filter; policy accept; meta mark 7 drop; }
}
table netdev other {
	chain e { type filter hook egress device "va" priority 0; policy accept; meta mark 7 drop; }
}
END

# The same nine faults for both families; the server's side has those of the direction `in`.
faults() { # $1: address of the server, $2: of the client
	local port=7100 reply
	for reply in none reset unreachable; do
		echo "  - net.drop: {to: \"$1:$((port + 1))\", reply: $reply, netns: $a}"
		echo "    for: 90s"
		echo "  - net.drop: {to: \"$1:$((port + 2))\", reply: $reply, netns: $b, direction: in, dev: vb}"
		echo "    for: 90s"
		echo "  - net.drop: {to: \"$1:$((port + 3))\", reply: $reply, netns: $a, direction: both}"
		echo "    for: 90s"
		port=$((port + 3))
	done
}
{
	echo "faults:"
	faults 10.77.0.2
	faults "[fd77::2]"
} | experiment matrix

before
hold matrix 18
state >"$dir/during"
cmp -s "$dir/before" "$dir/during" && fail "the readers saw nothing while the faults were held"

probe() { # $1: server, $2: port, $3: verdict on TCP (timeout, refused, ok), $4: UDP packets lost of 5
	# A connection that hears of its ICMP while it is sending the SYN heeds it at the next SYN, after 1 s.
	in_a "$meter" burst "$1" "$2" 2 20000 1400 >"$dir/tcp.$1.$2" &
	probes="$probes $!"
	in_a "$meter" udp "$1" "$2" 5 1000 >"$dir/udp.$1.$2" &
	probes="$probes $!"
	verdicts="$verdicts $1,$2,$3,$4"
}
# A packet that comes from the server's port by itself: only `both` takes it away.
incoming() { # $1: family, $2: server, $3: client, $4: port
	in_b python3 - "$@" <<-'END'
		import socket, sys
		family = socket.AF_INET6 if sys.argv[1] == '6' else socket.AF_INET
		s = socket.socket(family, socket.SOCK_DGRAM)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind((sys.argv[2], int(sys.argv[4])))
		s.sendto(b'x', (sys.argv[3], 9))
	END
}
# Not as JSON: of tables with the owner flag nft(8) 1.0.6 prints there what lies behind its names of flags, and stops in
# the middle, with exit code 0, where that is no UTF-8.
counted() { # $1: chain in $a, $2: port: packets that its rules have counted
	in_a nft list ruleset | awk -v chain="$1" -v port="$2" '$1 == "chain" { meant = $2 == chain }
		meant && $0 ~ "port " port " " { sub(/.* packets /, ""); n += $1 } END { print n + 0 }'
}

probes='' verdicts=''
for server_address in 10.77.0.2 fd77::2; do
	probe $server_address 7100 ok 0
	probe $server_address 7101 timeout 5
	probe $server_address 7102 timeout 5
	probe $server_address 7103 timeout 5
	probe $server_address 7104 refused 0 # a reset is TCP's
	probe $server_address 7105 refused 0
	probe $server_address 7106 refused 0
	probe $server_address 7107 refused 5
	probe $server_address 7108 refused 5
	probe $server_address 7109 refused 5
done
for p in $probes; do
	wait "$p"
done
for v in $verdicts; do
	IFS=, read -r host port tcp lost <<<"$v"
	expect "tcp to $host:$port" "$(cat "$dir/tcp.$host.$port")" "$tcp" 2
	expect "udp to $host:$port" "$(cat "$dir/udp.$host.$port")" lost "$lost"
	# who asks for silence must not see a local error either
	[ "$port" -gt 7103 ] || expect "udp to $host:$port" "$(cat "$dir/udp.$host.$port")" eperm 0
done
for family in "4 10.77.0.2 10.77.0.1" "6 fd77::2 fd77::1"; do
	# shellcheck disable=SC2086
	incoming $family 7103
	incoming $family 7101 # `out` has no rules for it
done
await '[ "$(counted ingress 7103)" -eq 2 ]' 2 || fail "'both' counted $(counted ingress 7103) packets of what comes back"
[ "$(counted egress 7101)" -gt 0 ] || fail "'out' counted nothing of what goes out"
[ "$(counted ingress 7101)" -eq 0 ] || fail "'out' took a packet that came in"
stop matrix
same "after the matrix"
for server_address in 10.77.0.2 fd77::2; do
	for port in $ports; do
		expect "after the run, $port" "$(in_a "$meter" connect $server_address "$port" 1)" ok 1
	done
done
grep -q 'CLEAN  18 of 18 faults reverted' "$dir/matrix.err" || fail "not all reverted"
