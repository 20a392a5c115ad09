#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a fault has hit: packets and bytes, exactly, while it is held (brink status, the picture in a terminal) and in the
# end (progress, verdict, events). A fault that hits nothing says so.
# shellcheck disable=SC1091,SC2154,SC2086
. "$(dirname "$0")/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
experiment counts <<END
faults:
  - net.drop: {to: "10.77.0.2:7101/udp", netns: $a}
    id: out4
    for: 90s
  - net.drop: {to: "[fd77::2]:7101/udp", netns: $a}
    id: out6
    for: 90s
  - net.drop: {to: "10.77.0.2:7102/udp", reply: unreachable, netns: $a}
    id: refused
    for: 90s
  - net.drop: {to: "*:7103/udp", direction: in, dev: vb, netns: $b}
    id: in
    for: 90s
  - net.drop: {to: "10.77.0.2:7104/udp", netns: $a}
    id: nothing
    for: 90s
END
send() { # $1: address, $2: port, $3: how many, $4: bytes of data
	in_a python3 - "$@" <<-'END'
		import socket, sys
		family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
		s = socket.socket(family, socket.SOCK_DGRAM)
		for i in range(int(sys.argv[3])):
		    try:
		        s.sendto(b"x" * int(sys.argv[4]), (sys.argv[1], int(sys.argv[2])))
		    except OSError:
		        pass  # refused
	END
}
# 14 bytes of Ethernet, which only the way out has; 20 or 40 of IP; 8 of UDP
want() {
	cat <<-END
		out4 17 $((17 * (14 + 20 + 8 + 100)))
		out6 5 $((5 * (14 + 40 + 8 + 333)))
		refused 3 $((3 * (20 + 8 + 50)))
		in 9 $((9 * (20 + 8 + 1000)))
		nothing 0 0
	END
}
is() { # $1: where it was read; what was read comes on stdin
	cmp -s - "$dir/want" || { diff "$dir/want" "$dir/got"; fail "$1 says something else"; }
}
want >"$dir/want"
before
hold counts 5 --events "$dir/events"
"$BRINK" status --json >"$dir/status"
jq -r '.faults[] | "\(.fault) \(.packets) \(.bytes)"' "$dir/status" >"$dir/got"
sed 's/ .*/ 0 0/' "$dir/want" | cmp -s - "$dir/got" || fail "before any packet: $(cat "$dir/got")"
send 10.77.0.2 7101 17 100
send fd77::2 7101 5 333
send 10.77.0.2 7102 3 50
send 10.77.0.2 7103 9 1000
"$BRINK" status --json >"$dir/status"
jq -r '.faults[] | "\(.fault) \(.packets) \(.bytes)"' "$dir/status" >"$dir/got"
is "brink status --json" <"$dir/got"
"$BRINK" status >"$dir/status"
grep -q 'HELD *out4 hit 17 packets, 2414 bytes (nft_gate)' "$dir/status" || fail "brink status: $(cat "$dir/status")"
grep -q 'HELD *nothing hit nothing (nft_gate)' "$dir/status" || fail "brink status: $(cat "$dir/status")"
stop counts
same
jq -r 'select(.ev == "fault.effect") | "\(.fault) \(.packets) \(.bytes)"' "$dir/events" >"$dir/got"
is "the event" <"$dir/got"
[ "$(jq -r 'select(.ev == "fault.effect" and .hit == false) | .fault' "$dir/events")" = nothing ] || fail "hit: false"
sed -n 's/.* reverted *\([a-z0-9]*\) .* packets=\([0-9]*\) bytes=\([0-9]*\)$/\1 \2 \3/p' "$dir/counts.err" | sort >"$dir/got"
sort -o "$dir/want" "$dir/want"
is "the progress" <"$dir/got"
grep -q '^       out4 hit 17 packets, 2414 bytes$' "$dir/counts.err" || fail "the verdict does not say it"
grep -q '^       in hit 9 packets, 9252 bytes$' "$dir/counts.err" || fail "the verdict does not say it"
grep -q '^warn   nothing hit nothing' "$dir/counts.err" || fail "the verdict does not warn"
[ "$(grep -c 'hit nothing' "$dir/counts.err")" = 1 ] || fail "it warns of others too"

# The picture: 40 packets of 1,000 bytes are more than one counts by hand.
TERM=xterm script -qfec "'$BRINK' run '$dir/counts.yaml'" "$dir/picture" >/dev/null 2>&1 </dev/null &
run=$!
await "grep -q 'HELD.*nothing' '$dir/picture'" 30 || fail "no picture"
send 10.77.0.2 7101 40 1000
await "grep -q 'HELD.*out4 .*40 packets, 40.7KiB' '$dir/picture'" 10 || fail "the picture does not say it"
"$BRINK" halt "$("$BRINK" status --json | jq -r .run)" >"$dir/halt.out" 2>"$dir/halt.err" || fail "brink halt: exit $?"
wait "$run" || :
run=
same
