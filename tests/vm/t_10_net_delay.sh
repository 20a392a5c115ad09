#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.delay through runner, keeper and holder: 100 ms asked, 100 ms seen, another port untouched, and afterwards the
# qdiscs, rules and links are byte for byte what they were.
set -eu
dir=$(mktemp -d)
meter=$BUILD/tests/netns/prog_meter
fail() { echo "FAIL: $*"; exit 1; }

ip netns add dl_a
ip netns add dl_b
ip -n dl_a link add va type veth peer name vb netns dl_b
ip -n dl_a addr add 10.77.0.1/24 dev va
ip -n dl_b addr add 10.77.0.2/24 dev vb
ip -n dl_a link set va up
ip -n dl_b link set vb up
ip -n dl_a link set lo up
trap 'ip netns del dl_a; ip netns del dl_b; rm -rf "$dir"' EXIT

# the echo server lives as long as the descriptor 7 of this shell
mkfifo "$dir/hold"
ip netns exec dl_b "$meter" serve 10.77.0.2 7001 7002 <"$dir/hold" >"$dir/ready" &
exec 7>"$dir/hold"
until grep -q ready "$dir/ready"; do kill -0 $! || fail "no echo server"; done

# independent readers, never brink's own dumps; counters move by themselves and are left out
state() {
	for ns in dl_a dl_b; do
		tc -n $ns -j qdisc show
		for dev in $(ls_links $ns); do
			tc -n $ns -j filter show dev "$dev"
		done
		ip -n $ns -j link show
		ip netns exec $ns nft -j list ruleset
	done
}
ls_links() { ip -n "$1" -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }
median() { sed 's/.*median_us \([0-9-]*\).*/\1/' <<<"$1"; }
lost() { sed 's/.*lost \([0-9]*\).*/\1/' <<<"$1"; }

cat >"$dir/x.yaml" <<EOF
brink: 1
name: a slow neighbour
steady_state:
  - {tcp: "10.77.0.2:7001", netns: dl_a, every: 1s, fail_after: 10}
faults:
  - net.delay: {to: "10.77.0.2:7002", delay: 100ms, netns: dl_a}
    for: 8s
EOF

state >"$dir/before"
base=$(ip netns exec dl_a "$meter" udp 10.77.0.2 7002 50 2000)
"$BRINK" run "$dir/x.yaml" >"$dir/out" 2>"$dir/err" &
run=$!
until grep -q ' held ' "$dir/err"; do kill -0 $run || { cat "$dir/err"; fail "the run ended early"; }; done
slow=$(ip netns exec dl_a "$meter" udp 10.77.0.2 7002 100 10000)
other=$(ip netns exec dl_a "$meter" udp 10.77.0.2 7001 100 10000)
state >"$dir/during"
rc=0
wait $run || rc=$?
after=$(ip netns exec dl_a "$meter" udp 10.77.0.2 7002 50 2000)
state >"$dir/after"
cat "$dir/err"
echo "base   $base"
echo "slow   $slow"
echo "other  $other"
echo "after  $after"

[ $rc -eq 0 ] || fail "exit $rc"
[ "$(lost "$slow")" -eq 0 ] || fail "a delay lost packets"
[ "$(sed "s/.*min_us \([0-9]*\).*/\1/" <<<"$slow")" -ge 100000 ] || fail "a packet came before its time"
added=$(($(median "$slow") - $(median "$base")))
[ $added -le 150000 ] || fail "$added us were added"
[ "$(median "$other")" -lt 50000 ] || fail "the other port was slowed down"
[ "$(median "$after")" -lt 50000 ] || fail "still slow afterwards"
cmp "$dir/before" "$dir/after" || { diff "$dir/before" "$dir/after"; fail "something is left"; }
cmp -s "$dir/before" "$dir/during" && fail "the readers saw no difference while the fault was held"
grep -q 'CLEAN  1 of 1 faults reverted' "$dir/err" || fail "no proof of the revert"
[ -z "$(ls -A /run/brink | grep -v locks)" ] || fail "a run directory is left: $(ls /run/brink)"
