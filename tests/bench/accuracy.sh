#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Asked against seen, for a kernel that has netem: each fault of the table below is measured on the way from one network
# namespace to another over a veth, by UDP and one monotonic clock, beside the floor: the same packets without a fault,
# in the same run. Prints a table; nothing here fails on a time. See docs/bench.md.
# shellcheck disable=SC1091,SC2154,SC2086
. "$(dirname "$0")/../netns/net_lib.sh"

oneway=$BUILD/tests/bench/prog_oneway
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
# $1: port, $2: "packets gap bytes", then what prog_oneway is told of a shape. A line of it in $line.
measure() {
	local port=$1 packets=$2
	shift 2
	# shellcheck disable=SC2086
	line=$("$oneway" "$a" "$b" 10.77.0.2 $port $packets "$@") || fail "cannot measure"
	echo "# $port $packets $*: $line"
}
a_second() { calc "%.0f packets/s" "$(of bits) / 8 / (64 + 42)"; } # of a flood: HEADERS of prog_oneway.c
of() { figure "$line" "$1"; }
row() { printf '%-7s %-60s %-13s %-29s %-29s %s\n' "$@"; }
times() { awk -v a="$(of min_us)" -v b="$(of p50_us)" -v c="$(of p99_us)" 'BEGIN { printf "%.2f / %.2f / %.1f ms", a / 1e3, b / 1e3, c / 1e3 }'; }
calc() { awk "BEGIN { printf \"$1\", $2 }"; }

# One case, while its fault is held, after the same packets without it at the port beside. $1...: its columns.
measure_case() {
	local engine=$1 kind=$2 fault=$3 words=$4 asked=$5 packets=$6 middle jitter floor floor_min floor_p50 sent lost
	read -r middle jitter <<<"$asked"
	measure 7200 "$packets"
	floor_p50=$(of p50_us)
	floor_min=$(of min_us)
	lost=$(($(of sent) - $(of got)))
	case $kind in
	loss) floor="$lost of $(of sent)" ;;
	flood) floor=$(a_second) ;;
	rate) floor=$(calc "%.1f Mbit/s" "$(of bits) / 1e6") ;;
	*) floor=$(times) ;;
	esac
	set -- 7201 "$packets"
	[ "$kind" != jitter ] || set -- "$@" "${words##*: }" $((middle + floor_p50)) "$jitter"
	measure "$@"
	sent=$(of sent)
	lost=$((sent - $(of got)))
	set -- "$engine" "$fault ${words//:/}"
	case $kind in
	delay)
		row "$@" "$(calc "%g ms" "$middle / 1e3")" "$floor" "$(times)" \
			"the quickest, less the floor's: $(calc "%+.2f ms" "($(of min_us) - $floor_min - $middle) / 1e3")"
		;;
	jitter)
		row "$@" "${words##*: }" "$floor" "$(times)" \
			"Kolmogorov $(calc "%.3f" "$(of ks) / 1e6"); chance alone: under $(calc "%.3f" "1.36 / sqrt($(of got))")"
		;;
	loss)
		row "$@" "$(calc "%g of %d" "$middle * $sent / 1e6, $sent")" "$floor" "$lost of $sent" \
			"$(calc "%.3f %%" "$lost * 100 / $sent"); chance alone: +-$(calc "%.3f %%" "1.96 * sqrt($middle / 1e6 * (1 - $middle / 1e6) / $sent) * 100")"
		;;
	flood) row "$@" "as many as can be" "$floor" "$(a_second)" "came: $(of got) of $sent" ;;
	rate)
		row "$@" "$(calc "%g Mbit/s" "$middle / 1e6")" "$floor" "$(calc "%.3f Mbit/s" "$(of bits) / 1e6")" \
			"$(calc "%+.2f %%" "($(of bits) / $middle - 1) * 100"); came: $(of got) of $sent"
		;;
	esac
}

two_spaces
modprobe -a -q ifb sch_netem nft_fwd_netdev nfnetlink_queue nft_queue || : # their loading is not to fall into a run
serve "$b" 127.0.0.1 7999
echo "Kernel $(uname -r), $(nproc) CPUs."
row engine what asked "floor: min / p50 / p99" "seen: min / p50 / p99" off
while IFS='|' read -r engine kind fault words asked packets <&3; do
	# what was measured while a run was lost, because a machine with other work gave the guest no time, is no figure
	for try in 1 2 3 4 5; do
		experiment accuracy <<-END
			faults:
			  - $fault: {to: "10.77.0.2:7201/udp", $words, ${engines[$engine]}}
			    for: 300s
		END
		! try_hold accuracy 1 || measure_case "$engine" "$kind" "$fault" "$words" "$asked" "$packets" >"$dir/row"
		! kill -0 "$run" 2>/dev/null || break
		wait "$run" || :
		run=
		[ $try -lt 5 ] || fail "lost five times"
		echo "# again: $(grep -E ' (lost|halt) ' "$dir/accuracy.err" | head -n 1)"
	done
	cat "$dir/row"
	stop accuracy
done 3< <(cases)
