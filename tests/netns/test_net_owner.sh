#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whose sockets: packets of a cgroup, a unit, a container, a process are dropped, reset or counted; those of everybody
# else, to and from the same ports, are not. Out and in, IPv4 and IPv6, TCP and UDP, connections that stand already. No
# packet leaves with brink's tag in its mark, and the host's own mark stays as it was.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$root" ] || { echo "there is no cgroup v2 here"; exit 77; }
top=$(mktemp -d "$root/brink-owner-XXXXXX") # process ids are the same in every test's namespace
top=${top##*/}
id=$(printf '%064x' $$)
cgroups="inner web.service docker-$id.scope alone crowd serves pair two"
own_clean_up() {
	local c
	for c in inner alone crowd pair two; do # by their own numbers
		kill $(cat "$root/$top/$c/cgroup.procs" 2>/dev/null) 2>/dev/null || :
	done
	kill $run $helpers 2>/dev/null || :
	exec 7>&- || :
	wait 2>/dev/null || :
	run='' helpers='' server=''
	for c in $(cd "$root/$top" && ls -d inner/box/* inner/box 2>/dev/null) inner/below/web.service inner/below $cgroups; do
		[ ! -d "$root/$top/$c" ] || rmdir "$root/$top/$c" || :
	done
	rmdir "$root/$top" || :
}
two_spaces
for c in $cgroups; do mkdir "$root/$top/$c"; done
mkdir "$root/$top/inner/below"
serve "$b" 127.0.0.1 7999
for address in 10.77.0.2 fd77::2; do
	# shellcheck disable=SC2046
	serve "$b" $address $(seq 7400 7410)
done

within_cgroup() { # $1: which, $2...: a command in it
	local c=$1
	shift
	(echo $BASHPID >"$root/$top/$c/cgroup.procs" && exec "$@")
}
in_a_of() { # $1: cgroup, the rest in $a
	local c=$1
	shift
	within_cgroup "$c" ip netns exec "$a" "$@"
}
# a server of its own cgroup in $b, beside the others
(echo $BASHPID >"$root/$top/serves/cgroup.procs" && exec ip netns exec "$b" "$meter" serve :: 7420 7421 <"$dir/hold" >"$dir/serves" 7>&-) &
server="$server $!"
await "grep -qs ready '$dir/serves'" 10 || fail "no server in a cgroup"
in_a_of alone sleep 1000 7>&- & # one process, and a crowd
helpers="$helpers $!"
await "[ \$(wc -l <'$root/$top/alone/cgroup.procs') = 1 ]" 5 || fail "nobody is alone"
alone=$(cat "$root/$top/alone/cgroup.procs")
for _ in 1 2; do
	in_a_of crowd sleep 1000 7>&- &
	helpers="$helpers $!"
done
await "[ \$(wc -l <'$root/$top/crowd/cgroup.procs') = 2 ]" 5 || fail "there is no crowd"
crowd=$(head -n 1 "$root/$top/crowd/cgroup.procs")
# programs of their own: two processes of one, alone together; one of another beside somebody else; one in two cgroups
for program in pair mixed apart; do cp "$(command -v sleep)" "$dir/$program-$$"; done
runs() { # $1: cgroup, $2: program
	in_a_of "$1" "$dir/$2-$$" 1000 7>&- &
	helpers="$helpers $!"
}
runs pair pair
runs pair pair
runs crowd mixed
runs two apart
await "[ \$(pgrep -cx '(pair|mixed|apart)-$$') = 4 ]" 5 || fail "not all programs run"

# The host's own look at what leaves, behind brink's hook: marks with a tag, and its own mark.
ip netns exec "$a" nft -f - <<END
table netdev of_the_host {
	counter tagged { }
	counter own { }
	chain c {
		type filter hook egress device "va" priority 10;
		meta mark & 0x7c000000 != 0 counter name tagged
		meta mark & 0xff == 0x15 counter name own
	}
}
END
host_counts() { ip netns exec "$a" nft -j list counter netdev of_the_host "$1" | jq '.nftables[] | .counter? // empty | .packets'; }

to() { echo "to: [\"10.77.0.2:$1\", \"[fd77::2]:$1\"], netns: $a"; }
experiment owners <<END
faults:
  - net.drop: {$(to 7401), cgroup: /$top/inner}
    for: 170s
  - net.drop: {$(to 7402), unit: web.service}
    for: 170s
  - net.drop: {$(to 7403), container: ${id:0:60}}
    for: 170s
  - net.drop: {$(to 7404), pid: $alone}
    for: 170s
  - net.drop: {$(to 7405), cgroup: /$top/inner, reply: reset}
    for: 170s
  - net.drop: {$(to 7406), cgroup: /$top/inner, share: 50%}
    for: 170s
  - net.drop: {to: "*:7420-7421", direction: in, cgroup: /$top/serves, dev: vb, netns: $b}
    for: 170s
  - net.drop: {to: "*:7407", direction: in, cgroup: /$top/serves, dev: vb, netns: $b}
    for: 170s
  - net.drop: {$(to 7408), exe: $dir/pair-$$}
    for: 170s
  - net.drop: {$(to 7409), name: pair-$$}
    for: 170s
  - net.drop: {$(to 7410), cgroup: /$top/inner, direction: both, reply: reset}
    for: 170s
  - net.drop: {$(to 7412), cgroup: /$top/inner, direction: both}
    id: both
    for: 170s
  - net.drop: {$(to 7413), cgroup: /$top/inner, direction: both, of: flows, share: 50%}
    for: 170s
END
connect() { "$@" "$meter" connect "$address" "$port" 1; }
tries() { # $1: what a connect must print, $2: port, $3...: who
	local want=$1 port=$2 address
	shift 2
	for address in 10.77.0.2 fd77::2; do
		case $want in
		ok) await "connect $* | grep -q 'ok 1'" 5 || fail "$port at $address: $* was hit" ;;
		*) connect "$@" | grep -q "$want 1" || fail "$port at $address: $* was not hit: $(connect "$@")" ;;
		esac
	done
}
tries ok 7401 in_a_of inner # nothing is in force
tries ok 7420 in_a
# two connections that stand before the fault: one of the cgroup, one of nobody
stream() { # $1: name, $2...: who
	local name=$1
	shift
	mkfifo "$dir/$name.in"
	"$@" "$meter" stream 10.77.0.2 7401 <"$dir/$name.in" >"$dir/$name.out" 7>&- &
	helpers="$helpers $!"
}
stream mine in_a_of inner
exec 8>"$dir/mine.in"
stream other in_a
exec 9>"$dir/other.in"
await "grep -q open '$dir/mine.out' && grep -q open '$dir/other.out'" 10 || fail "no connections"
before
"$BRINK" plan "$dir/owners.yaml" >"$dir/plan.out" 2>&1 || fail "cannot be planned: $(cat "$dir/plan.out")"
hold owners 13
echo x >&8
echo x >&9
await "grep -q lost '$dir/mine.out' && grep -q ok '$dir/other.out'" 10 ||
	fail "connections that stood before: $(cat "$dir/mine.out" "$dir/other.out")"
for who in inner inner/below; do tries timeout 7401 in_a_of $who; done
for who in "in_a" "in_a_of crowd"; do tries ok 7401 $who; done
tries timeout 7402 in_a_of web.service
tries ok 7402 in_a_of inner
tries timeout 7403 in_a_of "docker-$id.scope"
tries ok 7403 in_a
tries timeout 7404 in_a_of alone
tries ok 7404 in_a_of crowd
for port in 7408 7409; do
	tries timeout $port in_a_of pair
	tries ok $port in_a_of two
done
tries refused 7405 in_a_of inner
tries ok 7405 in_a
tries ok 7400 in_a_of inner # another port
tries timeout 7420 in_a
tries ok 7407 in_a # a server of another cgroup
for address in 10.77.0.2 fd77::2; do
	mine=$(in_a_of inner "$meter" udp $address 7401 20 1000)
	expect "UDP to $address" "$mine" sent 20 lost 20
	expect "UDP of others to $address" "$(in_a "$meter" udp $address 7401 20 1000)" lost 0
	some=$(figure "$(in_a_of inner "$meter" udp $address 7406 200 500)" lost)
	within "half of the UDP to $address" "$some" 60 140
done
tries refused 7410 in_a_of inner
tries ok 7410 in_a
# Both ways, exactly: what comes in by itself is hit before the cgroup has sent anything, and that of others is not.
heard() { # $1: address here, $2: address there, $3...: who; how many of 7 that the other end sends come in
	local here=$1 there=$2 n
	shift 2
	"$@" python3 - "$here" >"$dir/heard" 7>&- <<-'END' &
		import socket, sys
		s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
		s.bind((sys.argv[1], 9001))
		print("ready", flush=True)
		n = 0
		while s.recv(100) != b"end":  # from another port, which nothing is done to
		    n += 1
		print("heard", n)
	END
	n=$!
	helpers="$helpers $n"
	await "grep -q ready '$dir/heard'" 60 || fail "nobody listens"
	in_b python3 - "$here" "$there" <<-'END'
		import socket, sys
		family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
		for port, words in (7412, [b"x" * 10] * 7), (7414, [b"end"]):
		    s = socket.socket(family, socket.SOCK_DGRAM)
		    s.bind((sys.argv[2], port))
		    for w in words:
		        s.sendto(w, (sys.argv[1], 9001))
	END
	wait "$n"
	figure "$(cat "$dir/heard")" heard
}
for end in "10.77.0.1 10.77.0.2" "fd77::1 fd77::2"; do
	[ "$(heard $end in_a_of inner)" = 0 ] || fail "both, from $end: the cgroup heard $(cat "$dir/heard")"
	[ "$(heard $end in_a_of crowd)" = 7 ] || fail "both, from $end: others heard $(cat "$dir/heard")"
done
hit() { "$BRINK" status --json "$(run_id owners)" | jq -r '.faults[] | select(.fault == "both") | "\(.packets) \(.bytes)"'; }
[ "$(hit)" = "14 $((7 * (28 + 10) + 7 * (48 + 10)))" ] || fail "both: $(hit) were hit on the way in"
for address in 10.77.0.2 fd77::2; do
	in_a_of inner "$meter" udp $address 7412 5 1000 >"$dir/out"
	expect "both, out to $address" "$(cat "$dir/out")" sent 5 lost 5
done
[ "$(hit | cut -d ' ' -f 1)" = 24 ] || fail "both: $(hit) were hit in the end"
# a flow fares the same both ways, in two tables
within_cgroup inner python3 "$(dirname "$0")/packets.py" pairs $a $b 10.77.0.1 10.77.0.2 7413 40 >"$dir/pairs"
there=$(sed -n 's/^there //p' "$dir/pairs") back=$(sed -n 's/^back //p' "$dir/pairs")
[ "$there" = "$back" ] || fail "flows there and back: $(cat "$dir/pairs")"
within "flows of 40" "$(tr -d 0 <<<"$there" | tr -d '\n' | wc -c)" 8 32
in_a_of inner python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x15)
for i in range(40):
    s.sendto(b"x", ("10.77.0.2", 7406))
'
[ "$(host_counts own)" -gt 0 ] || fail "the host's own mark is lost"
[ "$(host_counts tagged)" = 0 ] || fail "$(host_counts tagged) packets left with brink's tag"
exec 8>&- 9>&-
stop owners
ip netns exec "$a" nft reset counters >/dev/null
same
grep -q "CLEAN  13 of 13 faults reverted" "$dir/owners.err" || fail "not all reverted"
! grep -q "hit nothing\|did not bite" "$dir/owners.err" || grep "hit nothing\|did not bite" "$dir/owners.err"

refused() { # $1: words, $2: the item
	local rc=0
	experiment bad <<-END
		faults:
		  - net.drop: {$(to 7401), $2}
		    for: 10s
	END
	"$BRINK" run "$dir/bad.yaml" >"$dir/bad.out" 2>"$dir/bad.err" || rc=$?
	[ $rc != 0 ] && grep -q -- "$1" "$dir/bad.err" || fail "$2: exit $rc, does not say '$1': $(cat "$dir/bad.err")"
}
mkdir "$root/$top/inner/below/web.service"
refused "means more than one cgroup" "unit: web.service"
rmdir "$root/$top/inner/below/web.service"
refused "no cgroup of a unit 'nothing.service'" "unit: nothing.service"
refused "no cgroup of a container" "container: ffffffffffff"
refused "too short for the id" "container: abc"
# What the runtimes call a container: the first is meant, what else it makes is not. The slice's end looks like an id.
mkdir "$root/$top/inner/box"
for names in "docker-ID.scope" "libpod-ID.scope libpod-conmon-ID.scope" "libpod-ID" "cri-containerd-ID.scope" \
	"crio-ID.scope crio-conmon-ID.scope" "ID kubepods-burstable-pod12345678_ID.slice"; do
	box=$(printf 'c0ffee%058x' $RANDOM)
	made=
	for name in ${names//ID/$box}; do
		mkdir "$root/$top/inner/box/$name"
		made="$made $root/$top/inner/box/$name"
	done
	set -- $made
	experiment box <<-END
		faults:
		  - net.drop: {$(to 7401), container: ${box:0:62}}
		    for: 10s
	END
	"$BRINK" plan "$dir/box.yaml" >"$dir/box.out" 2>&1 || fail "container '$names': $(cat "$dir/box.out")"
	grep -q "of sockets of cgroup $(stat -c %i "$1")" "$dir/box.out" || fail "container '$names': $(cat "$dir/box.out")"
	rmdir $made
done
rmdir "$root/$top/inner/box"
refused "shares a cgroup with others.*systemd-run --scope.*'cgroup: /$top/crowd'" "pid: $crowd"
refused "shares a cgroup with others" "exe: $dir/mixed-$$"
runs pair apart
await "[ \$(pgrep -cx apart-$$) = 2 ]" 5 || fail "it does not run"
refused "the 2 processes of name 'apart-$$' are in several cgroups.*'cgroup: /$top/two'" "name: apart-$$"
refused "the 2 processes of exe '$dir/pair-$$' share a cgroup with others" "exe: $dir/pair-$$"
refused "no process matches name 'nobody-$$'" "name: nobody-$$"
refused "is not an absolute path" "exe: sleep"
refused "give one" "exe: $dir/pair-$$, name: pair-$$"
refused "there is no process" "pid: 4194303"
refused "there is no cgroup" "cgroup: /$top/nowhere"
refused "give one" "cgroup: /$top/inner, pid: $alone"
refused "'every' counts both ways together" "cgroup: /$top/inner, direction: both, every: 3"
same
