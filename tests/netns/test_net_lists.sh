#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lists of addresses that find no room in a message: 100,000 from a file, 10,000 in the experiment, ranges that touch each
# other, IPv4 and IPv6 in one list, exclusions. Members are hit, their neighbours are not; the host's own state is byte
# for byte as before. What is wrong with a list is told with file and line before anything is touched.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

two_spaces
# whatever is in there is in $b, and answers
ip -n "$a" route add 10.64.0.0/10 via 10.77.0.2
ip -n "$b" route add local 10.64.0.0/10 dev lo
ip -n "$a" -6 route add fd64::/16 via fd77::2
ip -n "$b" -6 route add local fd64::/16 dev lo
# such an address is none of a device: $b could not ask for its neighbour with it, and has no link-local one
ip -n "$b" neigh add fd77::1 lladdr "$(ip -n "$a" -j link show va | jq -r '.[0].address')" dev vb
serve "$b" :: 7999 7301 7302 7303 7304

# the members of a list: every second address, so that its neighbour is none
python3 - "$dir" <<'END'
import sys
with open(sys.argv[1] + "/many", "w") as f:
    f.write("# every second one\n\n")
    for i in range(100000):
        n = 2 * i
        f.write("10.%d.%d.%d   # %d\n" % (64 + (n >> 16), n >> 8 & 255, n & 255, i))
with open(sys.argv[1] + "/six", "w") as f:
    for i in range(20000):
        f.write("fd64::%x:%x\n" % (i >> 8, 2 * (i & 255)))
    for i in range(3000):
        f.write("10.80.%d.%d\n" % (i >> 7, 2 * (i & 127)))
with open(sys.argv[1] + "/ranges", "w") as f:
    for i in range(2000):  # each touches the next one; every fourth is left out
        if i % 4 != 3:
            f.write("10.90.%d.%d/30\n" % (i >> 6, 4 * (i & 63)))
with open(sys.argv[1] + "/lists.faults", "w") as f:
    f.write("  - net.drop: {to: [%s], netns: NS}\n    for: 90s\n" % ", ".join(
        '"10.100.%d.%d:7304"' % (i >> 7, 2 * (i & 127)) for i in range(9000)))
END
experiment lists <<END
faults:
  - net.drop: {to: "@$dir/many", netns: $a, not: ["10.64.0.8", "10.64.0.16"]}
    for: 90s
  - net.drop: {to: "@$dir/six", direction: both, netns: $a}
    for: 90s
  - net.drop: {to: "@$dir/ranges", netns: $a, dev: va}
    for: 90s
$(sed "s/NS/$a/" "$dir/lists.faults")
END
connects() { in_a "$meter" connect "$1" "${2:-7304}" 1 | grep -q 'ok 1'; }
hits() {
	for address; do
		! connects "$address" || fail "$address is in a list and was not hit"
	done
}
misses() {
	for address; do
		await "connects $address" 5 || fail "$address is in no list and was hit"
	done
}
misses 10.64.0.0 fd64:: fd64::1 # as long as nothing is in force
before
"$BRINK" plan "$dir/lists.yaml" >"$dir/plan.out" 2>"$dir/plan.err" || fail "cannot be planned"
grep -q 'to 10.64.0.0,10.64.0.2,10.64.0.4,10.64.0.6 and 99996 more on va' "$dir/plan.out" || fail "plan: $(cat "$dir/plan.out")"
hold lists 4
hits 10.64.0.0 10.64.0.2 10.65.134.158 10.67.13.62 10.65.0.0
misses 10.64.0.1 10.64.0.3 10.67.13.63 10.67.13.64 10.64.0.8 10.64.0.16
hits fd64:: fd64::2 fd64::4e:3e 10.80.0.2 10.80.23.110
misses fd64::1 fd64::4e:3f fd64::4e:40 10.80.0.1 10.80.23.112
hits 10.90.0.0 10.90.0.11 10.90.0.16 10.90.31.59
misses 10.90.0.12 10.90.0.15 10.90.31.60 10.89.255.255
hits 10.100.0.0 10.100.70.78
misses 10.100.0.1 10.100.70.80
await "connects 10.100.0.0 7303" 5 || fail "another port was hit"
stop lists
same
grep -q "CLEAN  4 of 4 faults reverted" "$dir/lists.err" || fail "not all reverted"

# A plan is only as good as its list.
"$BRINK" plan "$dir/lists.yaml" --out "$dir/lists.plan" >/dev/null 2>"$dir/plan.err" || fail "cannot be planned into a file"
sed -i 's/^10.64.0.2 /10.64.0.3 /' "$dir/many"
rc=0
"$BRINK" run --plan "$dir/lists.plan" >"$dir/changed.out" 2>"$dir/changed.err" || rc=$?
[ $rc != 0 ] && grep -q 'not what it was when the plan was made' "$dir/changed.err" || fail "another list under an old plan: exit $rc"

refused() { # $1: words, $2: the item, $3: fault [net.drop]
	local rc=0
	experiment bad <<-END
		faults:
		  - ${3:-net.drop}: {$2, netns: $a}
		    for: 10s
	END
	"$BRINK" run "$dir/bad.yaml" >"$dir/bad.out" 2>"$dir/bad.err" || rc=$?
	[ $rc != 0 ] && grep -q -- "$1" "$dir/bad.err" || fail "$2: exit $rc, does not say '$1'"
}
printf '10.77.0.2\n10.77.0.9\n10.300.0.1\n' >"$dir/wrong"
: >"$dir/empty"
refused "$dir/wrong:3" "to: \"@$dir/wrong\", dev: va"
refused "no address in" "to: \"@$dir/empty\", dev: va"
refused "cannot read the addresses" "to: \"@$dir/nowhere\""
printf '10.77.0.2\n10.77.0.3:443\n' >"$dir/services"
printf '*\n10.77.0.2\n' >"$dir/all"
refused "is about hosts" "from: \"@$dir/services\", dev: va" net.partition
refused "names no address" "from: \"@$dir/all\", dev: va" net.partition
refused "protocol without ports" "to: \"@$dir/services\", dev: va, proto: icmp"
refused "'@' without a file" 'to: "@"'
same
