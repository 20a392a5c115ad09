#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# engine: user, and its holder killed, its holder stopped, all of brink killed, all of it stopped: packets pass again
# within the lease, and nothing is left.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

lease_s=3
slack_s=3

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7100 7101
experiment kill <<END
faults:
  - net.delay: {to: "10.77.0.2:7101", delay: 500ms, direction: in, dev: vb, netns: $b, engine: user}
    for: 120s
END

# $1: all, or the name of one. All processes that run an executable of brink: this machine is the test's own. Without a
# fork for each: an emulated machine is slow.
of_brink() {
	local p exe comm
	for p in /proc/[0-9]*; do
		for exe in brink brink-keeper brink-prober; do
			[ "$p/exe" -ef "$BUILD/$exe" ] && read -r comm <"$p/comm" 2>/dev/null || continue
			[ "$1" = all ] || [ "$1" = "$comm" ] || continue
			echo "${p#/proc/}"
		done
	done
}
rtt_ms() { echo $(($(figure "$(in_a "$meter" udp 10.77.0.2 "${1:-7101}" 1 1000)" median_us) / 1000)); }
is_quick() { [ "$(rtt_ms)" -ge 0 ] && [ "$(rtt_ms)" -lt 400 ]; }
bound() { in_b cat /proc/net/netfilter/nfnetlink_queue | wc -l; }
# nfnetlink_queue.c, seq_show(): the third figure is how many wait for a verdict
some_held() { in_b awk '$3 > 0 { found = 1 } END { exit !found }' /proc/net/netfilter/nfnetlink_queue; }
none_bound() { [ "$(bound)" = 0 ]; }

# $1: signal, $2: to whom; what was sent just before is under way
hit() {
	before
	hold kill 1
	[ "$(bound)" = 1 ] || fail "$(bound) queues are bound, not 1"
	[ "$(rtt_ms)" -ge 499 ] || fail "not delayed"
	[ "$(rtt_ms 7100)" -lt 499 ] || fail "another port is delayed"
	victims=$(of_brink "$2")
	[ -n "$victims" ] || fail "nobody is $2"
	# five seconds long: one look at the queue takes half a second on a busy emulated machine, a packet waits no longer
	in_a "$meter" udp 10.77.0.2 7101 100 50000 >"$dir/under_way" &
	under_way=$!
	await some_held 10 || fail "none of them waits"
	kill -$1 $victims
	t=${EPOCHREALTIME/./}
	await is_quick $((lease_s + slack_s)) || fail "SIG$1 of $2: still delayed after the lease"
	await none_bound $((lease_s + slack_s)) || fail "SIG$1 of $2: the queue is still bound"
	wait $under_way
	echo "SIG$1 of $2: passes again after at most $(((${EPOCHREALTIME/./} - t) / 1000)) ms; under way: $(cut -d' ' -f1-4 "$dir/under_way")"
}

for signal in KILL STOP; do
	hit $signal brink-holder
	finish kill 6
	same "SIG$signal of the holder"
done
for signal in KILL STOP; do
	hit $signal all
	kill -KILL $victims 2>/dev/null || :
	wait "$run" 2>/dev/null || :
	id=$(run_id kill)
	run=
	"$BRINK" revert "$id" >"$dir/revert.out" 2>"$dir/revert.err" || fail "SIG$signal: brink revert failed: $(cat "$dir/revert.err")"
	same "SIG$signal of all"
	[ ! -e "/run/brink/$id" ] || fail "SIG$signal: the run directory is left"
done

expect "afterwards" "$(in_a "$meter" udp 10.77.0.2 7101 50 2000)" lost 0
