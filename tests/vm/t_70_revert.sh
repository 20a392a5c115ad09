#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What really stays behind when all of brink dies: the ifb of a net.delay, which no kernel object's end removes. It is
# without effect; `brink revert`, or the lines of `brink revert --print`, remove it.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"

cat >"$dir/x.yaml" <<YAML
brink: 1
name: slow, then dead
steady_state:
  - {id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 1s, fail_after: 10}
faults:
  - id: slow
    net.delay: {to: "10.78.0.2:7002", delay: 300ms, direction: both, netns: cr_a}
    for: 60s
YAML
left() { ip -n cr_a -o link show type ifb | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }
fast() { # no echo of 20 takes 100 ms
	local max
	max=$(ip netns exec cr_a "$meter" udp 10.78.0.2 7002 20 1000 | sed 's/.*max_us \([0-9-]*\).*/\1/')
	[ "$max" -ge 0 ] && [ "$max" -lt 100000 ]
}
killed() { # a run, held, then everything of it killed at once
	start
	poll 60000 said ' held ' || fail "never held"
	! fast || fail "held, and not felt"
	kill_brink
	wait $run
	poll 10000 no_brink || fail "processes are left"
	poll $((LEASE_MS + SLACK_MS)) fast || fail "still felt after the lease"
	[ -n "$(left)" ] || fail "nothing is left: this test tests nothing"
}
as_it_was() {
	[ -z "$(left)" ] || fail "left: $(left)"
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
	echo "# $case_name"
}

modprobe ifb numifbs=0
modprobe sch_netem
mkdir -p /run/brink/locks
state >"$dir/before"

case_name="brink revert"
killed
b status
prints 'LEFT  *slow'
b plan "$dir/x.yaml"
is_rc 4
says 'has not given back'
b revert
is_rc 0
says '^CLEAN  run .* change'
as_it_was

case_name="the printed commands"
killed
b revert --print
is_rc 0
bash -e "$dir/out" || fail "they do not work: $(cat "$dir/out")"
[ -z "$(left)" ] || fail "left: $(left)"
b revert
is_rc 0
as_it_was
