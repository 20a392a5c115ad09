#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# engine: user on a kernel whose nf_tables has no queue: its holder alone, the rule before it made by iptables(8), which
# brink never uses. So it can be measured without emulation. Prints a table; nothing here fails on a time.
# shellcheck disable=SC1091,SC2154,SC2086
. "$(dirname "$0")/../netns/net_lib.sh"
. "$(dirname "$0")/accuracy_lib.sh"

NUMBER=7201
if ! command -v iptables >/dev/null; then
	echo "needs iptables"
	exit 77
fi

# what is measured | words of prog_queue | what is asked, as in accuracy.sh | packets, gap in us, bytes
cases() {
	cat <<-END
		delay|delay=1ms|1000|2000 1000 64
		delay|delay=10ms|10000|2000 1000 64
		delay|delay=100ms|100000|2000 1000 64
		delay|delay=1s|1000000|2000 1000 64
		jitter|delay=50ms jitter=10ms distribution=uniform|50000 10000|10000 500 64
		jitter|delay=50ms jitter=10ms distribution=normal|50000 10000|10000 500 64
		jitter|delay=50ms jitter=10ms distribution=pareto|50000 10000|10000 500 64
		jitter|delay=50ms jitter=10ms distribution=paretonormal|50000 10000|10000 500 64
		loss|loss=1%|10000|20000 50 64
		loss|loss=10%|100000|20000 50 64
		rate|rate=1mbit|1000000|200 0 1000
		rate|rate=10mbit|10000000|900 0 1000
		rate|rate=50mbit|50000000|900 0 1000
		flood|delay=10ms|0|200000 0 64
		flood|loss=1%|0|200000 0 64
	END
}

two_spaces
in_b iptables -t mangle -A PREROUTING -p udp --dport 7201 -j NFQUEUE --queue-num $NUMBER --queue-bypass || fail "no rule"
mkfifo "$dir/until"
echo "Kernel $(uname -r), $(nproc) CPUs."
head_row
while IFS='|' read -r kind words asked packets <&3; do
	"$BUILD/tests/bench/prog_queue" "$b" $NUMBER $words <"$dir/until" >"$dir/queue.out" 2>&1 &
	helpers=$!
	exec 8>"$dir/until"
	await "grep -q ready '$dir/queue.out' || ! kill -0 $helpers" 10
	grep -q ready "$dir/queue.out" || fail "$(cat "$dir/queue.out")"
	measure_case user "$kind" net.impair "$words" "$asked" "$packets"
	exec 8>&-
	wait $helpers || fail "$(cat "$dir/queue.out")"
	helpers=
done 3< <(cases)

# What one holder can do at most, whoever sends and whoever receives: it is stopped until many packets wait, and goes on.
# The columns of the kernel's list: number, port, waiting, ...: nfnetlink_queue.c.
WAITING=15000
"$BUILD/tests/bench/prog_queue" "$b" $NUMBER delay=1ms <"$dir/until" >"$dir/queue.out" 2>&1 &
helpers=$!
exec 8>"$dir/until"
await "grep -q ready '$dir/queue.out'" 10 || fail "$(cat "$dir/queue.out")"
for n in 1 2 3 4 5; do
	kill -STOP $helpers
	"$oneway" "$a" "$b" 10.77.0.2 7201 $WAITING 0 64 >"$dir/sent" &
	sender=$!
	in_b bash -c '
		waiting() { read -r _ _ n _ </proc/net/netfilter/nfnetlink_queue; }
		until waiting && [ $n -ge '$WAITING' ]; do sleep 0.01; done
		began=${EPOCHREALTIME/./}
		kill -CONT '$helpers'
		until waiting && [ $n = 0 ]; do :; done
		echo $((${EPOCHREALTIME/./} - began))' >"$dir/took"
	wait $sender
	row user "net.impair delay=1ms" "$WAITING" "all wait" "$(calc "%.0f packets/s" "$WAITING * 1e6 / $(cat "$dir/took")")" "came: $(figure "$(cat "$dir/sent")" got) of $WAITING"
done
exec 8>&-
wait $helpers || fail "$(cat "$dir/queue.out")"
helpers=
