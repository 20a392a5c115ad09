# SPDX-License-Identifier: Apache-2.0
# For the scripts that compare what was asked for with what is seen: sourced after net_lib.sh. On the way from namespace
# $a to $b, by UDP and one monotonic clock: port 7200 is the floor, the fault is on port 7201.
# shellcheck shell=bash disable=SC2154,SC2086

oneway=$BUILD/tests/bench/prog_oneway
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
	[ "$kind" != jitter ] || set -- "$@" "${words##*[ =]}" $((middle + floor_p50)) "$jitter"
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
		row "$@" "${words##*[ =]}" "$floor" "$(times)" \
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

head_row() { row engine what asked "floor: min / p50 / p99" "seen: min / p50 / p99" off; }
