#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.dns on a kernel with netem, and one that is older than the host's: a query about a chosen name is late, by UDP and by
# TCP, and no other one is; a response is rewritten, over IPv4 and IPv6, where a question ends at an even or an odd byte.
# shellcheck disable=SC1091,SC2154,SC2086,SC2015,SC2016
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
in_b python3 "$(dirname "$0")/../netns/names.py" serve 7>&- >"$dir/names" &
helpers="$helpers $!"
await "grep -qs ready '$dir/names'" 60 || fail "no name server"
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
ask() { # lines as names.py has them, with what must be there
	sort >"$dir/wanted"
	cut -d ' ' -f 1-4 "$dir/wanted" | in_a python3 "$(dirname "$0")/../netns/names.py" ask >"$dir/said" 2>"$dir/ask.err" || fail "ask"
	cut -d ' ' -f 2- "$dir/said" | sort | diff "$dir/wanted" - || fail "other answers than wanted"
}
of_both() { # $1: udp or tcp, $2...: of the line
	local server
	for server in 10.77.0.2 fd77::2; do echo "$1 $server ${*:2}"; done
}
before
hold late 4
{
	for proto in udp tcp; do
		of_both $proto www.late.test 1 0 192.0.2.1
		of_both $proto a.b.LATE.tesT 28 0 2001:db8::1
		for _ in 1 2 3; do # it is a slow machine: of three each is in time once
			of_both $proto late.test 1 0 192.0.2.1
			of_both $proto www.notlate.test 1 0 192.0.2.1
		done
	done
	for name in gone.test GONES.test; do
		of_both udp $name 1 3
		of_both udp $name 28 3
	done
	for name in wrong.test wrongs.test; do
		of_both udp $name 1 0 198.51.100.7
		of_both udp $name 28 0
	done
	for name in six.test sixs.test; do
		of_both udp $name 28 0 2001:db8:bad::7
		of_both udp $name 1 0
	done
	of_both udp gone.test.test 1 0 192.0.2.1
} | ask
[ "$(awk 'tolower($4) ~ /\.late\.test$/ && $1 >= 1450' "$dir/said" | wc -l)" -eq 8 ] || fail "not all are late: $(cat "$dir/said")"
[ "$(awk '$4 ~ /^(www\.not)?late\.test$/ && $1 < 1400 { print $2, $3, $4 }' "$dir/said" | sort -u | wc -l)" -eq 8 ] ||
	fail "late: $(cat "$dir/said")"
[ "$(in_a nstat -asz UdpInCsumErrors | awk '/Csum/ { print $2 }')" = 0 ] || fail "a wrong checksum"
stop late
same "afterwards"
of_both udp gone.test 1 0 192.0.2.1 | ask
! grep -q 'hit nothing' "$dir/late.err" || fail "something was not hit"
