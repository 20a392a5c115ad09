#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several runs at once, and everything that must be refused before anything is touched.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

two_spaces
ip -n "$a" link add wa type veth peer name wb netns "$b"
bring_up "$a" wa 10.78.0.1/24
bring_up "$b" wb 10.78.0.2/24
await_up "$a" wa
await_up "$b" wb
serve "$b" 127.0.0.1 7999
serve "$b" 0.0.0.0 7101 7102

one() { # $1: name, $2: selector and treatment, $3: for how long
	experiment "$1" <<-END
		faults:
		  - net.drop: {$2}
		    for: $3
	END
}

# Two devices: both runs work at the same time. The same device: the second is refused and told who has it.
before
one first "to: \"10.77.0.2:7101\", netns: $a" 5s
one second "to: \"10.78.0.2:7101\", netns: $a" 2s
one third "to: \"10.77.0.2:7102\", netns: $a" 2s
hold first 1
first=$run
rc=0
"$BRINK" run "$dir/third.yaml" >"$dir/third.out" 2>"$dir/third.err" || rc=$?
[ $rc -eq 4 ] || fail "a second run on the same device: exit $rc, not 4"
grep -q "$(run_id first)" "$dir/third.err" || fail "the refused run is not told who has the device"
expect "what the refused run wanted" "$(in_a "$meter" connect 10.77.0.2 7102 1)" ok 1
hold second 1
expect "the first run" "$(in_a "$meter" connect 10.77.0.2 7101 1)" timeout 1
expect "the second run" "$(in_a "$meter" connect 10.78.0.2 7101 1)" timeout 1
finish second 0
expect "after the second run" "$(in_a "$meter" connect 10.78.0.2 7101 1)" ok 1
expect "the first run still" "$(in_a "$meter" connect 10.77.0.2 7101 1)" timeout 1
run=$first
finish first 0
same "after runs side by side"
# the lock was given back
hold third 1
finish third 0
same "after the third run"

# $1: what, $2: fault, $3: exit code, $4: words of the message
refused() {
	local rc=0
	echo "$2" | sed 's/^/faults:\n  - /; s/$/\n    for: 2s/' | experiment bad
	timeout 20 "$BRINK" run "$dir/bad.yaml" >"$dir/bad.out" 2>"$dir/bad.err" || rc=$?
	[ $rc -eq "$3" ] || fail "$1: exit $rc, not $3"
	grep -q "$4" "$dir/bad.err" || fail "$1: it does not say '$4'"
	grep -q 'Nothing was touched' "$dir/bad.err" || fail "$1: it does not say that nothing was touched"
	same "$1"
}
refused "a name that does not exist" "net.drop: {to: \"no-such-host.invalid:80\", netns: $a}" 8 "cannot resolve 'no-such-host.invalid'"
refused "a device that does not exist" "net.drop: {to: \"10.77.0.2:80\", dev: nodev0, netns: $a}" 8 "'nodev0'"
refused "a namespace that does not exist" 'net.drop: {to: "10.77.0.2:80", netns: no-such-netns}' 8 "no-such-netns"
refused "a process that does not exist" 'net.drop: {to: "10.77.0.2:80", netns: "pid:4194304"}' 8 "4194304"
refused "a process number with more behind it" "net.drop: {to: \"10.77.0.2:80\", netns: \"pid:1x\"}" 3 "pid:1x"
refused "a file that is no namespace" 'net.drop: {to: "10.77.0.2:80", netns: /etc/hostname}' 3 "'/etc/hostname' is no network namespace"
refused "no route" "net.drop: {to: \"192.0.2.1:80\", netns: $a}" 8 "192.0.2.1"
refused "no device" "net.drop: {to: \"*:80\", netns: $a}" 3 "'dev'"
refused "a reset of UDP" "net.drop: {to: \"10.77.0.2:80\", proto: udp, reply: reset, netns: $a}" 3 "TCP only"
refused "a reset of UDP, said in the address" "net.drop: {to: \"10.77.0.2:80/udp\", reply: reset, netns: $a}" 3 "contradicts"
refused "connections of UDP" "net.drop: {to: \"10.77.0.2:80/udp\", of: connections, share: 50%, netns: $a}" 3 "contradicts"
refused "two protocols" "net.drop: {to: \"10.77.0.2:80/tcp\", from: \"10.77.0.1/udp\", netns: $a}" 3 "different protocols"
refused "protocol against address" "net.drop: {to: \"10.77.0.2:80/tcp\", proto: udp, netns: $a}" 3 "contradicts"
refused "a port too large" "net.drop: {to: \"10.77.0.2:65536\", netns: $a}" 3 "65536"
refused "an address without an end" "net.drop: {to: \"[fd77::2:80\", netns: $a}" 3 "open '\['"
refused "a prefix too long" "net.drop: {to: \"10.77.0.0/33\", netns: $a}" 3 "prefix length"
refused "no share at all" "net.drop: {to: \"10.77.0.2:80\", share: 0%, netns: $a}" 3 "share"
refused "an unknown protocol" "net.drop: {to: \"10.77.0.2:80\", proto: quic, netns: $a}" 3 "quic"
