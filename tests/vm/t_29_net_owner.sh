#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.delay aimed at a cgroup: what its sockets send, what they get back, or both, is late; what a neighbour in another
# cgroup sends to the same port, or gets from it, is not. IPv4 and IPv6, UDP and TCP. Who opens a flow from outside is
# not late until the cgroup has answered.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$root" ] || { echo "there is no cgroup v2 here"; exit 77; }
own_clean_up() {
	kill $run $helpers 2>/dev/null || :
	exec 7>&- || :
	wait 2>/dev/null || :
	run='' helpers='' server=''
	rmdir "$root/brink-late" "$root/brink-next" || :
}
two_spaces
mkdir "$root/brink-late" "$root/brink-next"
serve "$b" 127.0.0.1 7999
for address in 10.77.0.2 fd77::2; do serve "$b" $address 7100 7101 7102; done
(echo $BASHPID >"$root/brink-late/cgroup.procs" && exec ip netns exec "$a" "$meter" serve :: 7103 <"$dir/hold" >"$dir/late" 7>&-) &
server="$server $!"
await "grep -qs ready '$dir/late'" 10 || fail "no server in the cgroup"
to() { echo "to: [\"10.77.0.2:$1\", \"[fd77::2]:$1\"], netns: $a"; }
from() { echo "from: [\"10.77.0.2:$1\", \"[fd77::2]:$1\"], netns: $a"; }
# One fault at a time: a guest without a processor of its own holds no four.
fault() { # $1: name, $2: what
	experiment "$1" <<-END
		faults:
		  - net.delay: {$2, delay: 150ms, cgroup: /brink-late}
		    id: $1
		    for: 170s
	END
	"$BRINK" check "$dir/$1.yaml" >"$dir/check.out" 2>&1 || fail "brink check: $(cat "$dir/check.out")"
}
fault out "$(to 7100)"
fault in "$(from 7101), direction: in"
fault both "$(to 7102), direction: both"
fault served "to: \"*:7103\", direction: in, dev: va, netns: $a"
within_cgroup() { # $1: which, $2...: a command in it
	local c=$1
	shift
	(echo $BASHPID >"$root/$c/cgroup.procs" && exec "$@")
}
measure() { # $1: address, $2: port, $3: cgroup
	within_cgroup $3 ip netns exec "$a" "$meter" udp "$1" $2 20 5000 >"$dir/udp.$1.$2.$3" 7>&- &
	helpers="$helpers $!" probes="$probes $!"
}
quickest() { # $1...: as it was measured; microseconds
	local look
	look=$(cat "$dir/udp.$1.$2.$3")
	expect "a delay is no loss" "$look" lost 0
	figure "$look" min_us
}
tcp() { # $1: address, $2: port, $3...: who; milliseconds to connect, and until the first echo and the second are back: the
# least of five
	local address=$1 port=$2
	shift 2
	"$@" python3 - $address $port <<-'END'
		import socket, sys, time
		def one():
		    t = [time.monotonic()]
		    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
		    t.append(time.monotonic())
		    for _ in range(2):
		        s.send(b"x")
		        s.recv(1)
		        t.append(time.monotonic())
		    return [int((b - a) * 1000) for a, b in zip(t, t[1:])]
		print(*map(min, zip(*[one() for _ in range(5)])))
	END
}
look() { # $1: fault, $2: port, $3, $4: bounds of what the cgroup sees; the neighbour sees nothing of it
	local address c p probes=''
	hold "$1" 1
	for address in 10.77.0.2 fd77::2; do
		for c in brink-late brink-next; do measure $address $2 $c; done
	done
	for p in $probes; do wait "$p"; done
	helpers=
	for address in 10.77.0.2 fd77::2; do
		within "$1, of the cgroup, $address" "$(quickest $address $2 brink-late)" $3 $4
		within "$1, of the neighbour, $address" "$(quickest $address $2 brink-next)" 0 140000
	done
}
hits() { # $1: fault, $2: packets
	"$BRINK" status --json >"$dir/status"
	[ "$(jq -r '.faults[].packets' "$dir/status")" = "$2" ] || fail "$1, packets: $(cat "$dir/status")"
}
before
look out 7100 149000 2000000
hits out 40 # 20 datagrams of each family, and nothing of the neighbour's
stop out
look in 7101 149000 2000000
hits in 40
stop in
look both 7102 299000 2000000
hits both 80
read -r connected echoed again <<<"$(tcp 10.77.0.2 7102 within_cgroup brink-late ip netns exec "$a")"
within "both, TCP, connect" $connected 299 5000
within "both, TCP, echo" $echoed 299 5000
read -r connected echoed again <<<"$(tcp 10.77.0.2 7102 within_cgroup brink-next ip netns exec "$a")"
within "both, TCP of the neighbour" $((connected + echoed)) 0 200
stop both
# A SYN-ACK is of no socket yet: what comes is late once the server has answered for the first time.
hold served 1
for address in 10.77.0.1 fd77::1; do
	read -r connected echoed again <<<"$(tcp $address 7103 in_b)"
	within "served, connect" $connected 0 140
	within "served, the second echo" $again 149 5000
done
stop served
same
"$BRINK" plan "$dir/in.yaml" >"$dir/plan.out" 2>&1 || fail "brink plan: $(cat "$dir/plan.out")"
grep -q 'what opens a flow from outside passes' "$dir/plan.out" || fail "the plan does not say whom it spares"

refused() { # $1: words, $2: the item: by check and by plan alike
	local verb rc
	experiment bad <<-END
		faults:
		  - net.delay: {$(to 7100), delay: 1ms, cgroup: /brink-late, $2}
		    for: 10s
	END
	for verb in check plan; do
		rc=0
		"$BRINK" $verb "$dir/bad.yaml" >"$dir/bad.out" 2>&1 || rc=$?
		[ $rc != 0 ] && grep -q -- "$1" "$dir/bad.out" || fail "$verb, $2: exit $rc, $(cat "$dir/bad.out")"
	done
}
refused "go together with 'direction: out' only" "mark: 7, direction: in, dev: va"
refused "'mark' and 'direction: both' contradict each other\|go together with" "mark: 7, direction: both"
refused "belongs to no socket yet" "user: root, direction: both"
same
