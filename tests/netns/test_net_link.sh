#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.link_down and net.mtu as a user has them: felt while they hold, back byte for byte, also when all of brink is
# killed and `brink revert` comes later; devices that carry the operator or the machine are refused.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/net_lib.sh"

two_spaces
ip -n "$a" -6 addr flush dev va # what IPv6 the device had would not come back: tried below
ip -n "$b" -6 addr flush dev vb
serve "$b" :: 7999 7001
reaches() { in_a "$meter" connect 10.77.0.2 7001 1 2>/dev/null | grep -q '^ok 1'; }
large_goes() { in_a ping -q -c 1 -W 1 -M do -s 1400 10.77.0.2 >/dev/null 2>&1; }
large_goes || { reaches && large_goes; } || fail "the namespaces do not reach each other"
before

experiment down <<END
faults:
  - net.link_down: {dev: va, netns: $a}
    for: 90s
END
experiment mtu <<END
faults:
  - net.mtu: {dev: va, mtu: 1300, netns: $a}
    for: 90s
END
hold down 1
! reaches || fail "down: it reaches"
stop down
await reaches 10 || fail "down: not back"
await_up "$a" va
same down
! grep -q 'changed by others' "$dir/down.err" || fail "down: reported before all was back"
! grep -q 'hit nothing' "$dir/down.err" || fail "down: says that it hit nothing"

hold mtu 1
reaches || fail "mtu: small packets do not go"
! large_goes || fail "mtu: large ones go"
stop mtu
large_goes || fail "mtu: not back"
same mtu

# $1 and all below it
family() {
	ps -eo pid=,ppid= | awk -v top="$1" '{ up[$1] = $2 } END { print top; for (n = 0; n < 8; n++)
		for (p in up) if (p != top && (up[p] == top || up[p] in mine) && !(p in mine)) { mine[p]; print p } }'
}
kill_all() { # a check's process may have ended meanwhile
	kill -STOP "$@" 2>/dev/null || :
	kill -KILL "$@" 2>/dev/null || :
	wait "$run" 2>/dev/null || :
	run=
}

# guarded: it stays when everybody is killed at once, and brink revert takes it back
for name in down mtu; do
	cp "$dir/$name.yaml" "$dir/$name-killed.yaml"
	hold "$name-killed" 1
	# shellcheck disable=SC2046 # numbers
	kill_all $(family "$run")
	if [ "$name" = down ]; then ! reaches || fail "down: it is up by itself"; else ! large_goes || fail "mtu: it is back by itself"; fi
	"$BRINK" revert >"$dir/revert.out" 2>"$dir/revert.err" || fail "$name: brink revert: exit $?"
	grep -q '^CLEAN' "$dir/revert.err" || fail "$name: brink revert: not clean"
	await reaches 10 && await large_goes 10 || fail "$name: not back"
	await_up "$a" va
	same "$name, killed"
done

# the printed command uses the name that the device has now, and its number where a shell would make something else of
# that name; of a device that is gone it says so
commands() { "$BRINK" revert --print >"$dir/print.out" 2>"$dir/print.err" || fail "$1: revert --print: exit $?"; }
for name in down mtu; do
	new=renamed shown=renamed
	if [ "$name" = mtu ]; then
		new="a;\$(x)" shown=if$(ip netns exec "$a" cat /sys/class/net/va/ifindex)
	fi
	cp "$dir/$name.yaml" "$dir/$name-renamed.yaml"
	hold "$name-renamed" 1
	# shellcheck disable=SC2046 # numbers
	kill_all $(family "$run")
	ip -n "$a" link set va down && ip -n "$a" link set va name "$new"
	[ "$name" = down ] || ip -n "$a" link set "$new" up
	commands "$name"
	grep -q "ip link set dev $shown " "$dir/print.out" || fail "$name, renamed: $(cat "$dir/print.out")"
	sh -e "$dir/print.out" || fail "$name, renamed: the commands fail: $(cat "$dir/print.out")"
	ip -n "$a" link set "$new" down && ip -n "$a" link set "$new" name va && ip -n "$a" link set va up
	await reaches 10 && await large_goes 10 || fail "$name, renamed: not back"
	"$BRINK" revert >/dev/null 2>"$dir/revert.err" || fail "$name, renamed: brink revert: $(cat "$dir/revert.err")"
done
cp "$dir/mtu.yaml" "$dir/gone.yaml"
hold gone 1
# shellcheck disable=SC2046
kill_all $(family "$run")
ip -n "$a" link set va down && ip -n "$a" link set va netns "$b" name away
commands gone
grep -q "^# the device 'va' is gone" "$dir/print.out" || fail "gone: $(cat "$dir/print.out")"
! grep -v '^#' "$dir/print.out" | grep -q 'ip link' || fail "gone: a command for it: $(cat "$dir/print.out")"
"$BRINK" revert >/dev/null 2>"$dir/revert.err" || fail "gone: brink revert: $(cat "$dir/revert.err")"
ip -n "$b" link set away mtu 1500 netns "$a" name va
bring_up "$a" va 10.77.0.1/24 # again without a link-local address, which a device that moved makes for itself
await reaches 10 || fail "gone: the device is not back"

refuse() { # $1: exit code, $2: words of the refusal, $3...: of the fault
	local rc=0 want=$1 says=$2
	shift 2
	before
	"$@" --for 1s >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc = "$want" ] || fail "$*: exit $rc, not $want"
	grep -q -- "$says" "$dir/try.err" || fail "$*: does not say '$says'"
	grep -q 'Nothing was touched' "$dir/try.err" || fail "$*: was something touched?"
	same "$*"
}
ip -n "$a" addr add fd77::1/64 dev va nodad
await "ip -n '$a' -6 route show table local | grep -q fd77::1" 10 || fail "no local route"
refuse 8 "IPv6 address fd77::1" "$BRINK" try net.link_down dev=va netns="$a"
# what decides is read there, not where brink stands
keep() { in_a sh -c "echo $1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down; echo $2 >/proc/sys/net/ipv6/conf/va/keep_addr_on_down"; }
keep -1 1
refuse 8 "IPv6 address fd77::1" "$BRINK" try net.link_down dev=va netns="$a"
keep 1 -1
"$BRINK" try net.link_down dev=va netns="$a" --for 1s >"$dir/try.out" 2>"$dir/try.err" || fail "kept address: $(cat "$dir/try.err")"
in_a ip addr show dev va | grep -q fd77::1 || fail "kept address: it is lost"
keep 0 0
ip -n "$a" addr del fd77::1/64 dev va
ip -n "$a" route add default via 10.77.0.2
refuse 8 "route default/0" "$BRINK" try net.link_down dev=va netns="$a"
# brink in the namespace itself: that is its machine then
refuse 4 "default route of this machine" in_a "$BRINK" try net.mtu dev=va mtu=1300
refuse 4 "loopback of this machine" in_a "$BRINK" try net.link_down dev=lo
refuse 4 "loopback of this machine" in_a "$BRINK" try net.mtu dev=lo mtu=1300
refuse 8 "there is no device 'nodev'" in_a "$BRINK" try net.mtu dev=nodev mtu=1300
refuse 3 "choose a lower one" "$BRINK" try net.mtu dev=va mtu=1500 netns="$a"
ip -n "$a" route del default
# a container's device on it: the kernel takes its MTU down too, and never up again
for kind in "macvlan mode bridge" "ipvlan mode l2"; do
	# shellcheck disable=SC2086 # words
	ip -n "$a" link add link va name above type $kind 2>"$dir/no" || { grep -q 'Unknown device type' "$dir/no" && continue; fail "$kind: $(cat "$dir/no")"; }
	ip -n "$a" link set above netns "$b"
	refuse 8 "'above' of another network namespace stands on it" "$BRINK" try net.mtu dev=va mtu=1300 netns="$a"
	refuse 8 "'above' of another network namespace stands on it" "$BRINK" try net.link_down dev=va netns="$a"
	ip -n "$b" link del above
	tried=1
done
[ -n "${tried:-}" ] || fail "this kernel has neither macvlan nor ipvlan"
# its other names are no names to brink: a policy's rules know it by one
ip -n "$a" link property add dev va altname othername
refuse 8 "there is no device 'othername'" "$BRINK" try net.drop to=10.77.0.2 dev=othername netns="$a"
refuse 8 "there is no device 'othername'" "$BRINK" try net.reset to=10.77.0.2 dev=othername every=500ms netns="$a"
refuse 8 "there is no device 'othername'" "$BRINK" try net.mtu mtu=1300 dev=othername netns="$a"
ip -n "$a" link property del dev va altname othername
# two faults that change the same: the later one would end the run in its middle
before
experiment twice <<END
faults:
  - net.mtu: {dev: va, mtu: 1400, netns: $a}
    for: 6s
  - net.mtu: {dev: va, mtu: 1300, netns: $a}
    after: 6s
END
! "$BRINK" run "$dir/twice.yaml" >"$dir/try.out" 2>"$dir/try.err" || fail "two at once: not refused"
grep -q "does the same to the network device 'va'" "$dir/try.err" || fail "two at once: $(cat "$dir/try.err")"
same "two at once"
sed -i 's/after: 6s/after: 7s/' "$dir/twice.yaml"
"$BRINK" plan "$dir/twice.yaml" >"$dir/try.out" 2>&1 || fail "one after the other: $(cat "$dir/try.out")"
echo "# counted: devices_put_back 6"
