#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.port_taken as a user has it: a service cannot start while it holds and can afterwards; what others have is left
# alone; a port in use is refused with the name of who has it, before anything is touched.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/net_lib.sh"

# A service that starts, or says why not: SPACE TYPE ADDRESS PORT
start_it() {
	ip netns exec "$1" python3 - "$2" "$3" "$4" <<-'PY'
		import socket, sys
		kind, address, port = sys.argv[1:]
		tcp = kind == "tcp"
		s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
		                  socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
		if tcp:
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as services do
		try:
		    s.bind((address, int(port)))
		    if tcp:
		        s.listen()
		except OSError as e:
		    sys.exit(f"{e.strerror}")
	PY
}
starts() { start_it "$@" 2>"$dir/start.err" || fail "$*: $(cat "$dir/start.err")"; }
fails() {
	! start_it "$@" 2>"$dir/start.err" || fail "$*: it starts"
	grep -q 'Address already in use' "$dir/start.err" || fail "$*: $(cat "$dir/start.err")"
}

two_spaces
serve "$b" :: 7999 7001
before
experiment taken <<END
faults:
  - net.port_taken: {port: 8080, netns: $a}
    for: 90s
  - net.port_taken: {port: 53, proto: udp, address: 10.77.0.1, netns: $a}
    for: 90s
  - net.port_taken: {port: 8081, address: "::1", netns: /run/netns/$a}
    for: 90s
  - net.port_taken: {port: 7002, address: 127.0.0.1, netns: $b}
    for: 90s
END
hold taken 4
fails "$a" tcp 0.0.0.0 8080
fails "$a" tcp 10.77.0.1 8080
fails "$a" tcp ::1 8080
starts "$a" udp 0.0.0.0 8080
starts "$a" tcp 0.0.0.0 8082
starts "$b" tcp 0.0.0.0 8080
fails "$a" udp 10.77.0.1 53
fails "$a" udp 0.0.0.0 53
starts "$a" udp 127.0.0.1 53
fails "$a" tcp ::1 8081
starts "$a" tcp 127.0.0.1 8081
fails "$b" tcp 0.0.0.0 7002
# whoever connects is not refused, and not answered
in_a "$meter" connect 10.77.0.1 8080 1 >"$dir/connect" || :
expect "a connection" "$(cat "$dir/connect")" ok 1
# two runs do not take one port
rc=0
"$BRINK" try net.port_taken port=8080 netns="$a" --for 1s >"$dir/second.out" 2>"$dir/second.err" || rc=$?
[ $rc = 8 ] || fail "a second run: exit $rc"
grep -q 'in use already, by process [0-9]* (brink-holder)' "$dir/second.err" || fail "a second run: $(cat "$dir/second.err")"
stop taken
starts "$a" tcp 0.0.0.0 8080
starts "$a" udp 10.77.0.1 53
starts "$a" tcp ::1 8081
starts "$b" tcp 0.0.0.0 7002
! grep -q 'hit nothing' "$dir/taken.err" || fail "says that it hit nothing"
same "after the run"

refuse() { # $1: exit code, $2: words of the refusal, $3...: of net.port_taken
	local rc=0 want=$1 says=$2
	shift 2
	"$BRINK" try net.port_taken "$@" --for 1s >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc = "$want" ] || fail "$*: exit $rc, not $want"
	grep -q -- "$says" "$dir/try.err" || fail "$*: does not say '$says'"
	grep -q 'Nothing was touched' "$dir/try.err" || fail "$*: was something touched?"
}
refuse 8 "\*:7001/tcp is in use already, by process [0-9]* (prog_meter)" port=7001 netns="$b"
refuse 8 "10.77.0.2:7001/udp is in use already, by process [0-9]* (prog_meter)" port=7001 proto=udp address=10.77.0.2 netns="$b"
refuse 3 "no address" port=7003 address=localhost
refuse 3 "one link" port=7003 address=fe80::1
refuse 2 "from 1 to 65535" port=0
refuse 2 "from 1 to 65535" port=65536

# the holder dies: the port is free at once, and the run says so
cp "$dir/taken.yaml" "$dir/dies.yaml"
hold dies 4
kill -KILL "$(ip netns exec "$a" ss -Hltnp 'sport = :8080' | sed -n 's/.*pid=\([0-9]*\).*/\1/p')"
await "start_it $a tcp 0.0.0.0 8080 2>/dev/null" 5 || fail "the port is not free"
finish dies 6
same "after the death of a holder"
