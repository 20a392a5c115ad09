#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Not one packet is lost when a delay ends: the redirect to the ifb goes first, then what is under way leaves, then the
# ifb goes. The other way round it would swallow what it holds and all that is still sent to it.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"

cat >"$dir/x.yaml" <<YAML
brink: 1
name: slow for a while
steady_state:
  - {id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 1s, fail_after: 10}
faults:
  - id: slow
    net.delay: {to: "10.78.0.2:7002", delay: 400ms, direction: both, netns: cr_a}
    for: 2s
YAML
modprobe ifb numifbs=0
modprobe sch_netem
start
poll 60000 said ' held ' || fail "never held"
# over the end of the delay: 4 s, a packet each 10 ms
ip netns exec cr_a "$meter" udp 10.78.0.2 7002 400 10000 >"$dir/m" || fail "the meter fails"
ended 60000 || fail "the run does not end"
[ $rc = 0 ] || fail "exit $rc"
said '^CLEAN  1 of 1' || fail "not clean"
cat "$dir/m"
grep -q 'lost 0\b' "$dir/m" || fail "packets were lost: $(cat "$dir/m")"
