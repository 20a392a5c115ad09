#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every process of brink killed at once, then every one stopped at once, while packets are delayed: the delay ends
# within the lease without any help, and `brink revert` takes away what is left.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

lease_s=3
slack_s=2

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7101
experiment kill <<END
faults:
  - net.delay: {to: "10.77.0.2:7101", delay: 300ms, netns: $a, direction: both}
    for: 60s
END

# All processes that run an executable of brink: this machine is the test's own.
all_of_brink() {
	local exe
	for p in /proc/[0-9]*; do
		exe=$(readlink "$p/exe" 2>/dev/null) || continue
		case $exe in
		"$(realpath "$BUILD")"/brink*) echo "${p#/proc/}" ;;
		esac
	done
}
rtt_ms() { echo $(($(figure "$(in_a "$meter" udp 10.77.0.2 7101 1 1000)" median_us) / 1000)); }
# one packet, no tail: a packet that is under way when the lease ends is still late
is_quick() { [ "$(rtt_ms)" -ge 0 ] && [ "$(rtt_ms)" -lt 200 ]; }

before
for signal in KILL STOP; do
	hold kill 1
	[ "$(rtt_ms)" -ge 599 ] || fail "not delayed"
	victims=$(all_of_brink)
	[ "$(wc -w <<<"$victims")" -ge 5 ] || fail "runner, keeper, spare, holder and prober expected: $victims"
	# shellcheck disable=SC2086
	kill -$signal $victims
	t=${EPOCHREALTIME/./}
	await is_quick $((lease_s + slack_s)) || fail "SIG$signal: still delayed after the lease"
	echo "SIG$signal of all: ended after at most $(((${EPOCHREALTIME/./} - t) / 1000)) ms"
	if [ $signal = STOP ]; then
		# shellcheck disable=SC2086
		kill -KILL $victims 2>/dev/null || :
	fi
	wait "$run" 2>/dev/null || :
	id=$(run_id kill)
	run=
	ip -n "$a" -o link show type ifb | grep -q brink || fail "SIG$signal: the test expects an ifb that is left"
	"$BRINK" revert "$id" >"$dir/revert.out" 2>"$dir/revert.err" || fail "SIG$signal: brink revert failed: $(cat "$dir/revert.err")"
	same "SIG$signal"
	[ ! -e "/run/brink/$id" ] || fail "SIG$signal: the run directory is left"
	"$BRINK" revert "$id" >"$dir/again.out" 2>"$dir/again.err" && again=0 || again=$?
	[ $again -ne 20 ] || fail "SIG$signal: a second revert finds something"
done
is_quick || fail "slow afterwards"
