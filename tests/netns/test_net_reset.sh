#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.reset as a user has it: which connections between two namespaces end, by address, port, direction and device; once
# and again, beside checks of the same port; what is said when none was there; that nothing else is touched.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/net_lib.sh"
. "$(dirname "$0")/keep_lib.sh"

own_clean_up() { keep_no_more; }

two_spaces
ip -n "$a" addr add 10.77.0.11/24 dev va
ip -n "$a" link add wa type veth peer name wb netns "$b"
bring_up "$a" wa 10.78.0.1/24
bring_up "$b" wb 10.78.0.2/24
await_up "$a" wa
await_up "$b" wb
serve "$b" :: 7999 7001 7002
keep one=10.77.0.2,7001 two=10.77.0.2,7002 six=fd77::2,7001 far=10.78.0.2,7001

n=0
# $1: words behind net.reset; $2: which end. 103 ECONNABORTED: ended here; 104 ECONNRESET: ended at the other end.
try() {
	# shellcheck disable=SC2086 # words
	"$BRINK" try net.reset $1 --yes >"$dir/try.out" 2>"$dir/try.err" || fail "$1: exit $?"
	ended "$2" || fail "$1: ended: $line, not $2"
	grep -q '^CLEAN' "$dir/try.err" || fail "$1: not clean"
	if [ "$2" = none ]; then
		grep -q '^warn .*hit nothing' "$dir/try.err" || fail "$1: does not say that it hit nothing"
	else
		! grep -q 'hit nothing' "$dir/try.err" || fail "$1: says that it hit nothing"
	fi
	n=$((n + 1))
}
before
try "to=10.77.0.2:7001 netns=$a" "one:103"
try "to=10.77.0.0/24 netns=$a" "one:103 two:103"
try "to=[fd77::2] netns=$a" "six:103"
try "to=*:7001-7001 netns=$a" "one:103 six:103 far:103"
try "to=10.77.0.2 proto=tcp from=10.77.0.1 netns=$a" "one:103 two:103"
try "to=10.77.0.2 from=10.77.0.11 netns=$a" none
try "from=10.78.0.1 netns=$a" "far:103"
try "dev=va netns=$a" "one:103 two:103 six:103"
try "dev=wa to=*:7001 netns=$a" "far:103"
try "dev=wa to=10.77.0.2:7001 netns=$a" none
# the server's side: its listener is of IPv6, its IPv4 connections are mapped
try "to=10.77.0.2:7001 direction=in netns=$b" "one:104"
try "from=10.77.0.2:7002 netns=$b" "two:104"
try "to=[fd77::2]:7001 direction=both netns=$b" none
try "from=[fd77::2]:7001 direction=both netns=$b" "six:104"
try "to=10.77.0.2:7001" none # in the namespace of brink itself
same "after $n resets"

refuse() { # $1: exit code, $2: words of the refusal, $3...: of net.reset
	local rc=0 want=$1 says=$2
	shift 2
	"$BRINK" try net.reset "$@" --yes >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc = "$want" ] || fail "$*: exit $rc, not $want"
	grep -q -- "$says" "$dir/try.err" || fail "$*: does not say '$says'"
	ended none || fail "$*: refused, and ended: $line"
}
refuse 3 "only TCP connections" to=10.77.0.2:7001/udp netns="$a"
refuse 3 "only TCP connections" to=10.77.0.2 proto=icmp netns="$a"
refuse 3 "every connection" netns="$a"
refuse 8 "nodev" dev=nodev netns="$a"

# again and again, until the end; the checks of the run itself connect to the same port all the time
cat >"$dir/again.yaml" <<END
brink: 1
name: again
steady_state:
  - {id: same, tcp: "10.77.0.2:7001", netns: $a, every: 100ms, fail_after: 1, pass_after: 1}
  - {tcp: "127.0.0.1:7999", netns: $b, every: 1s, fail_after: 10}
faults:
  - net.reset: {to: "10.77.0.2:7001", netns: $a, every: 200ms}
    for: 90s
END
: >"$dir/again.err"
"$BRINK" run --yes "$dir/again.yaml" >"$dir/again.out" 2>"$dir/again.err" &
run=$!
for i in 1 2 3; do
	await 'ended one:103' 20 || fail "not ended for the ${i}th time: $line"
done
grep -q ' fired ' "$dir/again.err" || fail "never fired"
stop again
ended one:103 || ended none || fail "after the end: $line"
sleep 0.4 # two rounds, had it gone on
ended none || fail "it goes on after the end: $line"
! grep -q 'hit nothing' "$dir/again.err" || fail "says that it hit nothing"
same "after the repeated one"
echo "# counted: resets_of_a_run $n"
