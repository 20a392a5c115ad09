# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2015,SC2086,SC2016
# What a host needs to stay on its network, tried for real between $a and $b. After net_lib.sh; sourced, never run.

# A neighbour is proved from a link-local address, and net_lib gives none. Before `before`.
link_local() {
	ip -n "$a" addr add fe80::1/64 dev va nodad
	ip -n "$b" addr add fe80::2/64 dev vb nodad
}

# Both ends forget each other and ask again, by ARP and by ND. The pings themselves may be dropped.
neighbours_resolve() {
	local ns dev address
	# who was asked knows the other end too, and proves it after this time
	in_a sysctl -qw net.ipv4.neigh.va.delay_first_probe_time=1 net.ipv6.neigh.va.delay_first_probe_time=1
	in_b sysctl -qw net.ipv4.neigh.vb.delay_first_probe_time=1 net.ipv6.neigh.vb.delay_first_probe_time=1
	ip -n "$a" neigh flush dev va
	ip -n "$b" neigh flush dev vb
	for address in 10.77.0.2 fd77::2; do
		ip netns exec "$a" ping -q -c 1 -W 1 $address >/dev/null &
		helpers="$helpers $!"
	done
	for address in 10.77.0.1 fd77::1; do
		ip netns exec "$b" ping -q -c 1 -W 1 $address >/dev/null &
		helpers="$helpers $!"
	done
	while read -r ns dev address; do
		await "ip -n $ns neigh show $address dev $dev | grep -q 'lladdr.* REACHABLE'" 5 ||
			fail "$about: $address is not resolved: $(ip -n "$ns" neigh show dev "$dev")"
		cases=$((cases + 1))
	done <<-END
		$a va 10.77.0.2
		$a va fd77::2
		$b vb 10.77.0.1
		$b vb fd77::1
	END
}

# A real server in $b gives a real client in $a an address; then both speak by plain sockets, as a renewal does.
dhcp_works() {
	local server
	cat >"$dir/udhcpd.conf" <<-END
		start 10.77.0.100
		end 10.77.0.110
		interface vb
		lease_file $dir/leases
		pidfile $dir/udhcpd.pid
		option subnet 255.255.255.0
	END
	printf '#!/bin/sh\n[ "$1" != bound ] || echo "$ip" >"%s"\n' "$dir/bound" >"$dir/dhcp.sh"
	chmod 755 "$dir/dhcp.sh"
	rm -f "$dir/bound"
	: >"$dir/leases"
	ip netns exec "$b" busybox udhcpd -f "$dir/udhcpd.conf" >"$dir/udhcpd.log" 2>&1 &
	server=$!
	helpers="$helpers $server"
	await "in_b ss -Hlun 'sport = :67' | grep -q ." 5 || fail "$about: no DHCP server: $(cat "$dir/udhcpd.log")"
	in_a busybox udhcpc -f -q -n -t 5 -T 1 -i va -s "$dir/dhcp.sh" >"$dir/udhcpc.log" 2>&1 || :
	kill $server
	wait $server 2>/dev/null || :
	helpers=${helpers% "$server"}
	grep -qs '^10\.77\.0\.1[01]' "$dir/bound" || fail "$about: no address by DHCP: $(cat "$dir/udhcpc.log" "$dir/udhcpd.log")"
	cases=$((cases + 1))
	passes 4 10.77.0.1 68 10.77.0.2 67
	passes 6 fd77::1 546 fd77::2 547
}

# $1: family, $2, $3: address and port in $a, $4, $5: of the server in $b. A packet there and one back within a second.
exchange() {
	ip netns exec "$b" python3 - "$1" "$4" "$5" "$dir/listening" <<-'END' &
		import socket, sys
		s = socket.socket(socket.AF_INET6 if sys.argv[1] == '6' else socket.AF_INET, socket.SOCK_DGRAM)
		s.bind((sys.argv[2], int(sys.argv[3])))
		s.settimeout(20)
		open(sys.argv[4], 'w').close()
		try:
		    data, peer = s.recvfrom(100)
		    s.sendto(data, peer)
		except socket.timeout:
		    pass
	END
	await "[ -e '$dir/listening' ]" 10 || return 2
	rm "$dir/listening"
	in_a python3 - "$@" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_INET6 if sys.argv[1] == '6' else socket.AF_INET, socket.SOCK_DGRAM)
		s.bind((sys.argv[2], int(sys.argv[3])))
		s.settimeout(1)
		s.sendto(b'x', (sys.argv[4], int(sys.argv[5])))
		try:
		    sys.exit(s.recvfrom(100)[0] != b'x')
		except socket.timeout:
		    sys.exit(1)
	END
}
passes() {
	exchange "$@" || fail "$about: no answer from $4 port $5"
	wait $!
	cases=$((cases + 1))
}
passes_not() {
	local rc=0
	exchange "$@" || rc=$?
	kill $! && wait $! || :
	[ $rc = 1 ] || fail "$about: exchange with $4 port $5 gave $rc"
}
