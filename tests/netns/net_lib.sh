# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2086,SC2015
# For the tests of network faults: two own namespaces $a and $b, joined by va - vb; sourced, never run by itself.
# 10.77.0.1 and fd77::1 stand in $a, 10.77.0.2 and fd77::2 in $b.
set -eu

tag=$$
a=nt${tag}a
b=nt${tag}b
dir=$(mktemp -d)
meter=$BUILD/tests/netns/prog_meter
spaces="$a $b"
run=
server=
helpers=

fail() {
	echo "FAIL: $*"
	for f in "$dir"/*.err; do
		[ ! -s "$f" ] || sed "s|^|${f##*/}: |" "$f"
	done
	exit 1
}

own_clean_up() { :; } # of a library on top of this one

# Ends what this script has started, by its own numbers, and removes what it has made.
clean_up() {
	local rc=$? ns
	unset IFS
	own_clean_up
	# shellcheck disable=SC2086 # lists of numbers
	kill $run $helpers 2>/dev/null || :
	# shellcheck disable=SC2086
	[ -z "$run$helpers" ] || wait $run $helpers 2>/dev/null || :
	exec 7>&- || :
	[ -z "$server" ] || wait $server 2>/dev/null || :
	for ns in $spaces; do
		ip netns del "$ns" || :
	done
	rm -rf --one-file-system "$dir" # a cgroup tree may be mounted in it
	exit $rc
}

# $1: what to repeat until it succeeds, at most $2 seconds
await() {
	local end=$((${EPOCHREALTIME/./} + $2 * 1000000))
	until eval "$1"; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.05
	done
}

# $1, $2: namespace and device; $3...: addresses. Addresses and routes that would come by themselves stay away.
bring_up() {
	local ns=$1 dev=$2
	shift 2
	ip -n "$ns" link set "$dev" addrgenmode none
	for address; do
		case $address in
		*:*) ip -n "$ns" addr add "$address" dev "$dev" nodad ;;
		*) ip -n "$ns" addr add "$address" dev "$dev" ;;
		esac
	done
	ip -n "$ns" link set "$dev" up
}

two_spaces() {
	trap clean_up EXIT
	ip netns add "$a"
	ip netns add "$b"
	ip -n "$a" link set lo up
	ip -n "$b" link set lo up
	ip -n "$a" link add va type veth peer name vb netns "$b"
	bring_up "$a" va 10.77.0.1/24 fd77::1/64
	bring_up "$b" vb 10.77.0.2/24 fd77::2/64
	await_up "$a" va
	await_up "$b" vb
	mkfifo "$dir/hold"
}

await_up() { await "ip -n '$1' link show '$2' | grep -q 'state UP'" 5 || fail "$2 does not come up"; }

# $1: namespace, $2: address, $3...: ports. Echo servers live as long as descriptor 7 of this shell.
serve() {
	local ns=$1 name
	shift
	name=$dir/ready.$ns.${1//[:.]/_}
	if [ -z "$server" ]; then
		ip netns exec "$ns" "$meter" serve "$@" <"$dir/hold" >"$name" &
		server=$!
		exec 7>"$dir/hold"
	else
		ip netns exec "$ns" "$meter" serve "$@" <"$dir/hold" >"$name" 7>&- &
		server="$server $!"
	fi
	await "grep -qs ready '$name'" 10 || fail "no echo server on $*"
}

in_a() { ip netns exec "$a" "$@"; }
in_b() { ip netns exec "$b" "$@"; }

# What independent readers see, never brink's own dumps. Neighbours and counters move by themselves.
state() {
	local ns dev
	for ns in $spaces; do
		tc -n "$ns" -j qdisc show
		for dev in $(ip -n "$ns" -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
			echo "$ns $dev"
			tc -n "$ns" -j class show dev "$dev" || echo "no classes"
			tc -n "$ns" -j filter show dev "$dev" || echo "no filters"
			tc -n "$ns" -j filter show dev "$dev" ingress || echo "no clsact"
			tc -n "$ns" -j filter show dev "$dev" egress || echo "no clsact"
		done 2>&1
		ip -n "$ns" -d link show
		ip -n "$ns" addr show
		ip -n "$ns" -4 route show table all
		ip -n "$ns" -6 route show table all
		ip -n "$ns" rule show
		ip netns exec "$ns" nft list ruleset
	done
}

# $1: name; the rest of the experiment comes on stdin. The check stands on the loopback of $b, port 7999: it is served.
experiment() {
	cat >"$dir/$1.yaml" <<-END
		brink: 1
		name: $1
		steady_state:
		  - {tcp: "127.0.0.1:7999", netns: $b, every: 1s, fail_after: 10}
	END
	cat >>"$dir/$1.yaml"
}

# Starts $1 and waits until all of its faults ($2: how many) are held; false when it ends before. More arguments go to brink
# run.
try_hold() {
	local name=$1 n=$2
	shift 2
	"$BRINK" run "$dir/$name.yaml" "$@" >"$dir/$name.out" 2>"$dir/$name.err" &
	run=$!
	await "[ \$(grep -c ' held ' '$dir/$name.err') -ge $n ] || ! kill -0 $run 2>/dev/null" 30 || fail "$name is not held"
	kill -0 "$run" 2>/dev/null
}
hold() { try_hold "$@" || fail "$1 ended early"; }

# Awaits the end of $1 with exit code $2.
finish() {
	local rc=0
	wait "$run" || rc=$?
	run=
	[ $rc -eq "$2" ] || fail "$1: exit $rc, not $2"
	grep -q '^CLEAN' "$dir/$1.err" || fail "$1: no proof of the revert"
	! grep -q 'run=' "$dir/$1.err" || [ ! -e "/run/brink/$(run_id "$1")" ] || fail "$1: its run directory is left"
}

# Everything is measured: ends the run now, so that a slow machine needs no longer fault and a quick one does not wait.
stop() {
	kill -0 "$run" 2>/dev/null || fail "$1 ended while it was measured: the machine is too slow for this test"
	"$BRINK" halt "$(run_id "$1")" --why measured >"$dir/halt.out" 2>"$dir/halt.err" || fail "brink halt: exit $?"
	finish "$1" 6
}

run_id() { sed -n 's/.* run=\([0-9A-Z]*\).*/\1/p' "$dir/$1.err" | head -n 1; }

# The number behind word $2 in the line $1 of prog_meter.
figure() { [[ ! $1 =~ (^|[[:space:]])$2\ (-?[0-9]+) ]] || echo "${BASH_REMATCH[2]}"; }

# $1: what it is about, $2: a line of prog_meter, $3...: "word number" that must stand there
expect() {
	local about=$1 line=$2
	shift 2
	while [ $# -gt 0 ]; do
		[ "$(figure "$line" "$1")" = "$2" ] || fail "$about: $1 is not $2: $line"
		shift 2
	done
}

# $1: what, $2: figure, $3, $4: bounds
within() { [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: $2 is not within $3 and $4"; }

# State before and after, byte for byte.
before() { state >"$dir/before"; }
same() {
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || { diff "$dir/before" "$dir/after" || :; fail "something is left: ${1:-}"; }
}
