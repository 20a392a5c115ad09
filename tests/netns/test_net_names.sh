#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Host names that come to mean more while a fault is held: the new addresses join it, in lists and in exemptions, alone
# and beside ranges, of both families; what the policy denies, or what lies behind another device, does not; a name that
# cannot be looked up any more keeps what it had.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
. "$(dirname "$0")/names_lib.sh"

hosts "db.test 10.77.0.2" "other.test 10.77.0.2" "free.test 10.77.0.2" "peer.test 10.77.0.8"
experiment names <<END
limits:
  deny: {flows: ["10.77.0.5:7301"]}
faults:
  - net.drop: {to: ["db.test:7301", "other.test:7302"], netns: $a}
    id: db
    for: 170s
  - net.drop: {to: "10.77.0.2/31:7303", not: "free.test", netns: $a, dev: va}
    id: range
    for: 170s
  - net.drop: {to: ["10.77.0.32/28:7304", "db.test:7304"], netns: $a, dev: va}
    id: beside
    for: 170s
  - net.drop: {to: "peer.test:7304", direction: both, netns: $a}
    id: peer
    for: 170s
END
all="10.77.0.2 10.77.0.3 10.77.0.5 10.77.0.31 10.77.0.48 fd77::3"
misses 7301 $all 10.77.0.4
misses 7303 10.77.0.2 10.77.0.3
misses 7304 $all 10.77.0.8 10.77.0.9
"$BRINK" plan "$dir/names.yaml" >"$dir/plan.out" 2>"$dir/plan.err" || fail "cannot be planned"
grep -q 'host names are looked up again' "$dir/plan.out" || fail "the plan does not say that names are looked up again"
before
hold names 4
hits 7301 10.77.0.2
hits 7302 10.77.0.2
hits 7304 10.77.0.2 10.77.0.8
hits 7303 10.77.0.3
misses 7301 10.77.0.3 10.77.0.4 10.77.0.31 10.77.0.48 fd77::3
misses 7304 10.77.0.3 10.77.0.9 10.77.0.31 10.77.0.48
misses 7303 10.77.0.2

hosts "db.test 10.77.0.3 10.77.0.4 10.77.0.5 10.77.0.31 10.77.0.48 fd77::3 127.0.0.1 fd99::1" \
	"other.test 10.77.0.2" "free.test 10.77.0.2 10.77.0.3" "peer.test 10.77.0.9"
for address in 10.77.0.3 10.77.0.31 10.77.0.48 fd77::3; do
	says names " joined  *db: db.test is now also $address\$"
	says names " joined  *beside: db.test is now also $address\$"
done
says names " joined  *range: free.test is now also 10.77.0.3\$"
says names " joined  *peer: peer.test is now also 10.77.0.9\$"
says names "db: db.test is now also 10.77.0.4, which does not join: .*the way in.*policy.yaml:3"
says names "beside: db.test is now also 10.77.0.4, which does not join: .*the way in"
says names "db: db.test is now also 10.77.0.5, which does not join: .*limits.deny"
says names " joined  *beside: db.test is now also 10.77.0.5\$" # it is denied for another port
says names "db: db.test is now also 127.0.0.1, which does not join: it lies behind the device .lo."
hits 7301 10.77.0.2 10.77.0.3 10.77.0.31 10.77.0.48 fd77::3 # 10.77.0.2 is no answer any more
misses 7301 10.77.0.4 10.77.0.5                                     # denied
misses 7302 10.77.0.3 10.77.0.31                                    # of the other name
misses 7303 10.77.0.2 10.77.0.3                                     # left out
hits 7304 10.77.0.2 10.77.0.3 10.77.0.5 10.77.0.31 10.77.0.48 fd77::3 10.77.0.8 10.77.0.9
misses 7304 10.77.0.4
[ "$(grep -c ' db: .*fd99::1' "$dir/names.err")" = 0 ] || fail "an address without a route is told of"

# A name that is gone keeps what it had; one that comes back is looked up as before.
hosts "other.test 10.77.0.2" "free.test 10.77.0.2" "peer.test 10.77.0.9"
says names " warn  *db: cannot resolve .db.test.*; the addresses that it had stay"
says names " warn  *beside: cannot resolve .db.test"
hits 7301 10.77.0.2 10.77.0.3 10.77.0.31
hits 7304 10.77.0.2 10.77.0.3
hosts "db.test 10.77.0.8" "other.test 10.77.0.2" "free.test 10.77.0.2" "peer.test 10.77.0.9"
says names " joined  *db: db.test is now also 10.77.0.8\$"
hits 7301 10.77.0.8
[ "$(grep -c ' joined .* db: db.test is now also 10.77.0.3$' "$dir/names.err")" = 1 ] || fail "an address joined twice"
[ "$(grep -c "db: cannot resolve 'db.test'" "$dir/names.err")" = 1 ] || fail "a failure was told twice"
stop names
same names
events=/var/lib/brink/runs/$(run_id names)/events.ndjson
jq -es 'map(select(.ev == "fault.joined" and .fault == "db" and .name == "db.test") | .address)
	| sort == ["10.77.0.3", "10.77.0.31", "10.77.0.48", "10.77.0.8", "fd77::3"]' "$events" >/dev/null ||
	fail "the events do not have what joined: $(grep joined "$events")"
jq -es 'map(select(.ev == "fault.not_joined" and .fault == "db") | .address)
	| sort == ["10.77.0.4", "10.77.0.5", "127.0.0.1"]' "$events" >/dev/null || fail "the events do not have what did not join"
misses 7301 $all
misses 7304 10.77.0.8 10.77.0.9
