#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.dns on a kernel with netem, and one that is older than the host's: a query about a chosen name is late, by UDP and by
# TCP, and no other one is; a response is rewritten, over IPv4 and IPv6, where a question ends at an even or an odd byte.
# shellcheck disable=SC1091,SC2154,SC2086,SC2015,SC2016
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
for family in 4 6; do
	in_b python3 "$(dirname "$0")/../netns/names.py" serve $family 7>&- >"$dir/names$family" &
	helpers="$helpers $!"
	await "grep -qs ready '$dir/names$family'" 20 || fail "no name server: $(cat "$dir/names$family")"
done
experiment late <<END
faults:
  - net.dns: {names: ["*.Late.test"], delay: 1500ms, to: ["10.77.0.2", "fd77::2"], netns: $a}
    for: 120s
  - net.dns: {names: [gone.test, gones.test], answer: nxdomain, to: ["10.77.0.2", "fd77::2"], netns: $a}
    for: 120s
  - net.dns: {names: [wrong.test, wrongs.test], answer: 198.51.100.7, to: ["10.77.0.2", "fd77::2"], netns: $a}
    for: 120s
  - net.dns: {names: [six.test, sixs.test], answer: "2001:db8:bad::7", to: ["10.77.0.2", "fd77::2"], netns: $a}
    for: 120s
END
# $1: udp or tcp, $2: name, $3: type, $4: what must be there. Prints milliseconds.
ask() {
	local server said
	for server in 10.77.0.2 fd77::2; do
		said=$(in_a python3 "$(dirname "$0")/../netns/names.py" $1 $server $2 $3) || fail "$1 $server $2 $3: $said"
		[ "${said#* }" = "$4" ] || fail "$1 $server $2 $3: '$said', not '$4'"
		echo "${said%% *}"
	done
}
late() { # $1: udp or tcp, $2: name
	local ms
	for ms in $(ask $1 $2 1 "0 192.0.2.1"); do
		[ $ms -ge 1450 ] || fail "$1 $2 comes after $ms ms"
	done
}
in_time() { # it is a slow machine: of five one is
	local i ms least=9999
	for i in 1 2 3 4 5; do
		for ms in $(ask $1 $2 1 "0 192.0.2.1"); do [ $ms -ge $least ] || least=$ms; done
	done
	[ $least -lt 1400 ] || fail "$1 $2 comes after $least ms"
}
before
hold late 4
for proto in udp tcp; do
	late $proto www.late.test
	late $proto a.b.LATE.tesT
	in_time $proto late.test
	in_time $proto www.notlate.test
done
for name in gone.test GONES.test; do
	ask udp $name 1 "3"
	ask udp $name 28 "3"
done >/dev/null
for name in wrong.test wrongs.test; do
	ask udp $name 1 "0 198.51.100.7"
	ask udp $name 28 "0"
done >/dev/null
for name in six.test sixs.test; do
	ask udp $name 28 "0 2001:db8:bad::7"
	ask udp $name 1 "0"
done >/dev/null
ask udp gone.test.test 1 "0 192.0.2.1" >/dev/null
[ "$(in_a nstat -asz UdpInCsumErrors | awk '/Csum/ { print $2 }')" = 0 ] || fail "a wrong checksum"
stop late
same "afterwards"
in_time udp www.late.test
! grep -q 'hit nothing' "$dir/late.err" || fail "something was not hit"
