# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the tests of `brink demo`: it does what it says and leaves nothing; sourced, never run by itself.
set -eu

dir=$(mktemp -d)
chmod 755 "$dir"
spaces=
helpers=

fail() {
	echo "FAIL: $*"
	for f in "$dir"/*.err; do
		[ ! -s "$f" ] || sed "s|^|${f##*/}: |" "$f"
	done
	exit 1
}

# Ends what this script has started, by its own numbers, and removes what it has made.
clean_up() {
	local rc=$? ns
	# shellcheck disable=SC2086 # lists
	[ -z "$helpers" ] || { kill $helpers; wait $helpers; } 2>/dev/null || :
	for ns in $spaces; do
		ip netns del "$ns" || :
	done
	rm -rf "$dir"
	exit $rc
}
trap clean_up EXIT

# $1: what to repeat until it succeeds, at most $2 seconds
await() {
	local end=$((${EPOCHREALTIME/./} + $2 * 1000000))
	until eval "$1"; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.05
	done
}

# The programs that a demo consists of, for an ordinary user too, wherever the build is.
copy_build() { # $1: folder
	mkdir -p "$1/examples"
	cp "$BUILD/brink" "$BUILD/brink-keeper" "$BUILD/brink-prober" "$1/"
	cp -r "$BUILD/examples/demo" "$1/examples/"
	chmod -R a+rX "$1"
}

# How an ordinary user starts something. All of these replace themselves: the process keeps its number.
as_root=(env)
as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR -u HOME)

# What a demo could leave on the machine, by independent readers. Namespaces of other tests (nt, cr_) may come and go;
# processes count by the folder of their program, $1.
machine() {
	local p
	for p in /run/netns/*; do
		case ${p##*/} in
		"*" | nt[0-9]* | cr_*) ;;
		*) echo "$p" ;;
		esac
	done
	ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'
	ip -o addr show | sed 's/ *valid_lft.*//'
	ip route show table all
	nft list ruleset
	for p in /proc/[0-9]*; do
		case $(readlink "$p/exe" 2>/dev/null) in
		"$1"/*) echo "process ${p#/proc/} $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)" ;;
		esac
	done
}

# Those of demos that were killed may lie there, of processes that had the same number.
demo_folders() { compgen -G "/run/brink-demo-*" || :; compgen -G "/tmp/brink-demo-*" || :; }

# Starts a demo and leaves its number in $demo. $1: name, $2: folder of the programs, $3...: how to start it
start_demo() {
	local name=$1 where=$2
	shift 2
	machine "$where" >"$dir/before"
	demo_folders >"$dir/folders"
	"$@" "$where/brink" demo >"$dir/$name.out" 2>"$dir/$name.err" &
	demo=$!
	helpers="$helpers $demo"
}

# $1: name, $2: folder of the programs, $3: exit code. Awaits the end; nothing is left.
end_demo() {
	local rc=0
	wait $demo || rc=$?
	helpers=${helpers% *}
	machine "$2" >"$dir/after"
	[ $rc -eq "$3" ] || fail "$1: exit $rc, not $3"
	[ ! -s "$dir/$1.out" ] || fail "$1: talk on stdout"
	cmp -s "$dir/before" "$dir/after" || { diff "$dir/before" "$dir/after" || :; fail "$1: something is left"; }
	! demo_folders | grep -vxFf "$dir/folders" | grep -- "-demo-$demo-" || fail "$1: a folder is left"
	for id in $(sed -n 's/.* run=\([0-9A-Z]*\)$/\1/p' "$dir/$1.err"); do
		! compgen -G "/tmp/brink-65534/$id" || fail "$1: a run directory is left"
		! compgen -G "/run/brink/$id" || fail "$1: a run directory is left"
		! compgen -G "/var/lib/brink/runs/$id" || fail "$1: events are left"
	done
}

# The designed end, every word of it, and nothing left. Arguments as for start_demo.
demo_once() {
	local name=$1 began=$SECONDS
	start_demo "$@"
	end_demo "$name" "$2" 0
	[ $((SECONDS - began)) -lt 60 ] || [ -n "${BRINK_VM:-}" ] || fail "$name: took $((SECONDS - began)) s"
	[ "$(sed -n 's/^\(PASS\|FAIL\) .*/\1/p' "$dir/$name.err" | tr '\n' ' ')" = "PASS FAIL " ] || fail "$name: not PASS, then FAIL"
	[ "$(grep -c '^CLEAN  1 of 1 faults reverted' "$dir/$name.err")" -eq 2 ] || fail "$name: not twice CLEAN"
	grep -q ' fail  *orders ' "$dir/$name.err" || fail "$name: no check failed"
	grep -q 'GET /orders: 200 .*: the shop is healthy again' "$dir/$name.err" || fail "$name: not shown healthy"
	grep -q 'Both runs ended as designed' "$dir/$name.err" || fail "$name: no last word"
	! grep -q 'changed by others' "$dir/$name.err" || fail "$name: something changed by itself"
}

# It was net.delay, on a kernel that has netem.
with_delay() { # $1: name of a demo
	grep -q 'demo-slow.brink.yaml' "$dir/$1.err" || fail "$1: no net.delay"
	grep -q 'demo-very-slow.brink.yaml' "$dir/$1.err" || fail "$1: no net.delay"
	! grep -q 'net.drop' "$dir/$1.err" || fail "$1: net.drop took its place"
}

# Stopped by a signal in the middle of a fault, as a terminal's Ctrl-C reaches it: the demo alone; the second one
# changes nothing. Arguments as for start_demo, but $1: the signal.
demo_stopped() {
	local signal=$1
	shift
	start_demo "$signal" "$@"
	await "grep -qs ' held ' '$dir/$signal.err' || ! kill -0 $demo 2>/dev/null" 100 || fail "$signal: no fault is held"
	kill -"$signal" $demo || fail "$signal: ended early"
	kill -"$signal" $demo || fail "$signal: did not wait for its revert"
	end_demo "$signal" "$1" 6
	grep -q '^ABORT  stopped: ' "$dir/$signal.err" || fail "$signal: no ABORT"
	grep -q '^CLEAN  1 of 1 faults reverted' "$dir/$signal.err" || fail "$signal: not clean"
	grep -q "^Stopped by SIG$signal" "$dir/$signal.err" || fail "$signal: does not say who stopped it"
}

# The same files with plain `brink run`, on a pair of named namespaces.
shop_by_hand() {
	g=sg$$ b=sb$$
	spaces="$g $b"
	ip netns add $g
	ip netns add $b
	ip -n $g link add va type veth peer name vb netns $b
	for at in "$g va 192.0.2.1/30" "$b vb 192.0.2.2/30"; do
		# shellcheck disable=SC2086 # three words
		set -- $at
		ip -n "$1" link set lo up
		ip -n "$1" link set "$2" addrgenmode none
		ip -n "$1" addr add "$3" dev "$2"
		ip -n "$1" link set "$2" up
	done
	ip netns exec $b "$BUILD/examples/demo/shop" backend 192.0.2.2:9000 >"$dir/b.ready" &
	helpers=$!
	ip netns exec $g "$BUILD/examples/demo/shop" gateway 192.0.2.1:8080 192.0.2.2:9000 >"$dir/g.ready" &
	helpers="$helpers $!"
	await "grep -qs ready '$dir/b.ready' && grep -qs ready '$dir/g.ready'" 10 || fail "the shop does not open"
	await "ask /orders >/dev/null" 10 || fail "the shop does not sell"
}

ask() { ip netns exec "$g" "$BUILD/examples/demo/shop" ask 192.0.2.1:8080 "$1"; }

# $1: file without its ending, $2: exit code, $3: first word of the verdict
run_plainly() {
	local rc=0
	"$BRINK" run "$BUILD/examples/demo/$1.brink.yaml" --var "gateway_ns=$g" >"$dir/$1.out" 2>"$dir/$1.err" || rc=$?
	[ $rc -eq "$2" ] || fail "$1: exit $rc, not $2"
	grep -q "^$3 " "$dir/$1.err" || fail "$1: no $3"
	grep -q '^CLEAN  1 of 1 faults reverted' "$dir/$1.err" || fail "$1: no proof of the revert"
	! grep -q 'did not bite' "$dir/$1.err" || fail "$1: it hit nothing"
	ask /orders | grep -q 'fresh from the backend' || fail "$1: the shop is not healthy afterwards"
}
