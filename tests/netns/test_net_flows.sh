#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A share of flows; two faults that choose the same packets; what is refused because it contradicts itself.
# shellcheck disable=SC1091,SC2154,SC2086,SC2015,SC2034
. "$(dirname "$0")/net_lib.sh"

two_spaces
packets=$(dirname "$0")/packets.py
for n in 3 4 5 6; do ip -n "$b" addr add fd77::$n/64 dev vb nodad preferred_lft 0; done
# shellcheck disable=SC2046
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 $(seq 7220 7229)
before

# Flows: all of one fares the same, both ways. Of 300 with 50 %: 150 expected, sigma 8.7.
experiment flows <<END
faults:
  - net.drop: {to: ["10.77.0.2:7301", "[fd77::2]:7301"], proto: udp, share: 50%, of: flows, direction: both, netns: $a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7220-7229", share: 50%, of: flows, netns: $a}
    for: 90s
  - net.drop: {to: "fd77::/64", share: 50%, of: flows, proto: icmp, netns: $a, dev: va}
    for: 90s
END
hold flows 3 --seed 1
python3 "$packets" pairs "$a" "$b" 10.77.0.1 10.77.0.2 7301 300 >"$dir/pairs4" 2>&1 || fail "pairs: $(cat "$dir/pairs4")"
python3 "$packets" pairs "$a" "$b" fd77::1 fd77::2 7301 300 >"$dir/pairs6" 2>&1 || fail "pairs: $(cat "$dir/pairs6")"
in_a python3 "$packets" probes >"$dir/again" <<END || :
any: udp 10.77.0.2 7220 count=5
any: udp 10.77.0.2 7221 count=5
any: udp 10.77.0.2 7222 count=5
any: udp 10.77.0.2 7223 count=5
END
in_a "$meter" burst 10.77.0.2 7221 100 20000 1400 >"$dir/burst" || :
for n in 2 3 4 5 6; do
	in_a ping -n -c 4 -i 0.05 -W 1 fd77::$n >"$dir/ping.$n" 2>&1 || : # ENOBUFS: it asks for errors of its own queue
done
stop flows
same "after flows"
for family in 4 6; do
	there=$(sed -n 's/^there //p' "$dir/pairs$family")
	back=$(sed -n 's/^back //p' "$dir/pairs$family")
	[ "${#there}" -eq 300 ] && [ "$there" = "$back" ] || fail "IPv$family: a flow fares differently on its way back: $(cat "$dir/pairs$family")"
	ones=${there//0/}
	within "flows, IPv$family" ${#ones} 115 185
done
# by words: four probes write there at the same time, and a line of one may end up in a line of another
[ "$(grep -oE "'map (00000|11111)'" "$dir/again" | wc -l)" -eq 4 ] || fail "packets of one flow fare differently: $(cat "$dir/again")"
within "TCP flows" "$(figure "$(cat "$dir/burst")" timeout)" 30 70
for n in 2 3 4 5 6; do
	grep -qE '\b[04] received' "$dir/ping.$n" || fail "echoes of one flow fare differently: $(cat "$dir/ping.$n")"
done

# Two faults of which one takes packets from the other: the plan says so, where it can be.
experiment overlap <<END
faults:
  - id: wide
    net.drop: {to: "10.77.0.0/24", dev: va, netns: $a}
    for: 10s
  - id: other-way
    net.drop: {to: "10.77.0.1", direction: in, dev: va, netns: $a}
    for: 10s
  - id: narrow
    net.drop: {to: "10.77.0.2:7220", share: 10%, netns: $a}
    for: 10s
  - id: later
    net.drop: {to: "10.77.0.2:7220", share: 10%, netns: $a}
    for: 10s
    after: 10s
END
"$BRINK" plan "$dir/overlap.yaml" --json >"$dir/overlap.json" || fail "brink plan: exit $?"
[ "$(jq -r '.. | .notes? // empty | .[] | select(test("treats such a packet"))' "$dir/overlap.json" | grep -o "'.*'")" = "'wide'" ] ||
	fail "overlaps: $(cat "$dir/overlap.json")"

# What contradicts itself is refused, and nothing is touched.
refuse() { # $1: what it says; $2...: the fault
	local rc=0 says=$1
	shift
	"$BRINK" try "$@" --for 1s >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc -eq 3 ] || fail "$*: exit $rc, not 3: $(cat "$dir/try.err")"
	grep -qF -- "$says" "$dir/try.err" || fail "$*: does not say: $says: $(cat "$dir/try.err")"
}
x="to=10.77.0.2 netns=$a"
refuse "belongs to no socket" net.drop $x user=0 direction=in
refuse "belongs to no socket" net.drop $x user=0 direction=both
refuse "a mark stays on its host" net.drop $x mark=1 direction=both
refuse "has bits outside its mask" net.drop $x mark=3/2
refuse "is no DSCP" net.drop $x dscp=af55
refuse "is no length" net.drop $x length=9-3
refuse "is no TCP flag" net.drop $x flags=sin
refuse "contradicts the TCP flags" net.drop $x flags=ack connections=new
refuse "works for TCP only" net.drop $x flags=syn proto=udp
refuse "contradicts 'share'" net.drop $x every=3 share=10%
refuse "'not' leaves nothing" net.drop $x not=*
refuse "protocol without ports" net.drop to=10.77.0.2:80 netns=$a proto=icmp
refuse "protocol without ports" net.drop $x not=:80 proto=icmp
ports=() sources=()
for n in 1 2 3 4 5; do ports+=("to=10.77.0.2:$n" "to=[fd77::2]:$n"); done
for n in 1 2 3 4 5 6; do sources+=("from=:$n"); done
refuse "more than the 192 messages" net.drop "${ports[@]}" "${sources[@]}" reply=unreachable netns=$a
refuse "more than 32 combinations" net.drop "${ports[@]}" "${sources[@]}" not=:9 not=:10 netns=$a
"$BRINK" try net.drop "${ports[@]}" "${sources[@]}" netns=$a --for 1s >"$dir/try.out" 2>"$dir/try.err" ||
	fail "as many rules as there is room for: exit $?: $(cat "$dir/try.err")"
same "after refusals"
