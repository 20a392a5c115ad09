#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Asked against seen, for a kernel that has netem: each fault of the table below is measured on the way from one network
# namespace to another over a veth, by UDP and one monotonic clock, beside the floor: the same packets without a fault,
# in the same run. Prints a table; nothing here fails on a time. See docs/bench.md.
# shellcheck disable=SC1091,SC2154,SC2086
. "$(dirname "$0")/../netns/net_lib.sh"
. "$(dirname "$0")/accuracy_lib.sh"

# Who does it: words that a fault has besides its own, and its side of the veth.
declare -A engines=([kernel]="netns: $a" [user]="engine: user, direction: in, dev: vb, netns: $b")

# engine | what is measured | fault | its words | what is asked (us; us us; packets of a million; bits/s) | packets, gap in us, bytes
cases() {
	cat <<-END
		kernel|delay|net.delay|delay: 1ms|1000|500 4000 64
		kernel|delay|net.delay|delay: 10ms|10000|500 4000 64
		kernel|delay|net.delay|delay: 100ms|100000|500 4000 64
		kernel|delay|net.delay|delay: 1s|1000000|500 4000 64
		kernel|jitter|net.delay|delay: 50ms, jitter: 10ms, distribution: uniform|50000 10000|2000 3000 64
		kernel|jitter|net.delay|delay: 50ms, jitter: 10ms, distribution: normal|50000 10000|2000 3000 64
		kernel|jitter|net.delay|delay: 50ms, jitter: 10ms, distribution: pareto|50000 10000|2000 3000 64
		kernel|jitter|net.delay|delay: 50ms, jitter: 10ms, distribution: paretonormal|50000 10000|2000 3000 64
		kernel|loss|net.loss|loss: 0.1%|1000|20000 250 64
		kernel|loss|net.loss|loss: 1%|10000|20000 250 64
		kernel|loss|net.loss|loss: 10%|100000|20000 250 64
		kernel|rate|net.rate|rate: 1mbit|1000000|200 0 1000
		kernel|rate|net.rate|rate: 10mbit|10000000|900 0 1000
		kernel|rate|net.rate|rate: 50mbit|50000000|900 0 1000
		kernel|flood|net.delay|delay: 10ms|0|20000 0 64
		user|delay|net.delay|delay: 1ms|1000|500 4000 64
		user|delay|net.delay|delay: 10ms|10000|500 4000 64
		user|delay|net.delay|delay: 100ms|100000|500 4000 64
		user|jitter|net.delay|delay: 50ms, jitter: 10ms, distribution: uniform|50000 10000|2000 3000 64
		user|jitter|net.delay|delay: 50ms, jitter: 10ms, distribution: normal|50000 10000|2000 3000 64
		user|loss|net.loss|loss: 1%|10000|20000 250 64
		user|loss|net.loss|loss: 10%|100000|20000 250 64
		user|rate|net.rate|rate: 10mbit|10000000|900 0 1000
		user|flood|net.delay|delay: 10ms|0|20000 0 64
	END
}
two_spaces
modprobe -a -q ifb sch_netem nft_fwd_netdev nfnetlink_queue nft_queue || : # their loading is not to fall into a run
serve "$b" 127.0.0.1 7999
echo "Kernel $(uname -r), $(nproc) CPUs."
head_row
while IFS='|' read -r engine kind fault words asked packets <&3; do
	# what was measured while a run was lost, because a machine with other work gave the guest no time, is no figure
	for try in 1 2 3 4 5; do
		experiment accuracy <<-END
			faults:
			  - $fault: {to: "10.77.0.2:7201/udp", $words, ${engines[$engine]}}
			    for: 300s
		END
		! try_hold accuracy 1 || measure_case "$engine" "$kind" "$fault" "$words" "$asked" "$packets" >"$dir/row"
		! kill -0 "$run" 2>/dev/null || grep -qE ' (lost|ended|reverted) ' "$dir/accuracy.err" || break
		wait "$run" || :
		run=
		[ $try -lt 5 ] || fail "lost five times"
		echo "# again: $(grep -E ' (lost|halt) ' "$dir/accuracy.err" | head -n 1)"
	done
	cat "$dir/row"
	stop accuracy
done 3< <(cases)
