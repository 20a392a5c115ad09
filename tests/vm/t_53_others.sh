#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Somebody else works on the same devices while faults are held: what is brink's own is missed at once and the run ends;
# what is his stays as he made it.
# shellcheck source=tests/vm/duress_lib.sh
. "$(dirname "$0")/duress_lib.sh"

disk target 32
ifb() { ip -n cr_a -o link show type ifb | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }
others_changed() { before; } # from now on that is how things are

# What is lost is noticed: $1: for how long the rest may last. The run ends by itself, 6 and clean.
lost() {
	over_soon net_over
	ended 30000 || fail "the run does not end"
	is_clean 6
	said "lost .*$1" || fail "does not say '$1'"
	over_soon all_over
}

hold "brink's ifb is deleted" 60s
ip -n cr_a link del "$(ifb)" || fail "cannot delete it"
lost "somebody has deleted, moved or renamed the device 'brink"
calm

hold "netem is removed from brink's ifb" 60s
tc -n cr_a qdisc del dev "$(ifb)" root || fail "cannot remove it"
lost "somebody has removed netem"
calm

hold "brink's ifb is replaced by another one of its name" 60s
name=$(ifb)
ip -n cr_a link del "$name"
ip -n cr_a link add "$name" type ifb || fail "cannot make it"
over_soon net_over
ended 30000 || fail "the run does not end"
is_not_clean
said "is not the one that brink made" || fail "does not say why"
[ "$(ifb)" = "$name" ] || fail "it was removed"
b revert --all
is_rc 20
[ "$(ifb)" = "$name" ] || fail "it was removed"
ip -n cr_a link del "$name"
reverts
calm

# Rules and qdiscs of his own, put there during the hold, on the device that the faults use.
hold "others add, replace and flush" 60s
ip netns exec cr_a nft flush ruleset
ip netns exec cr_a nft delete table inet of_the_host 2>/dev/null
! blocked && fail "a flush ended the fault"
for table in $(ip netns exec cr_a nft list tables | sed -n 's/^table \(netdev brink[^ ]*\|inet brink[^ ]*\).*/\1/p' | tr ' ' /); do
	! ip netns exec cr_a nft delete table ${table/\// } 2>/dev/null || fail "not even the owner flag kept $table"
done
ip netns exec cr_a nft -f - <<'RULES' || fail "his table is refused"
table netdev his {
	chain out { type filter hook egress device "va" priority 10; ip ttl 1 drop; }
}
table inet his {
	chain c { type filter hook output priority 5; tcp dport 9 drop; }
}
RULES
tc -n cr_a qdisc replace dev va root handle 5: pfifo limit 77
tc -n cr_a qdisc add dev va clsact
tc -n cr_a filter add dev va egress protocol ip pref 7 u32 match ip dport 9 0xffff action drop
tc -n cr_a filter add dev va ingress protocol ip pref 8 u32 match ip dport 9 0xffff action drop
filters() { tc -n cr_a filter show dev va egress; tc -n cr_a filter show dev va ingress; }
his=$(filters)
all_felt || fail "not felt any more"
kill -INT $run
over_soon all_over
ended 30000 || fail "the run does not end"
is_clean 6
said 'changed by others' || grep -q foreign /var/lib/brink/runs/*/events.ndjson || fail "not a word of it"
[ "$(filters)" = "$his" ] || fail "his filters are not as he made them"
ip netns exec cr_a nft list ruleset >"$dir/rules"
grep -q 'ip ttl 1 drop' "$dir/rules" && grep -q 'tcp dport 9 drop' "$dir/rules" || fail "his rules are not as he made them"
! grep -q brink "$dir/rules" || fail "a table is left"
tc -n cr_a qdisc show dev va | grep -q 'pfifo 5: root.*limit 77p' || fail "his qdisc is not as he made it"
others_changed
calm
finished
