#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a fault was aimed at goes away: during the hold, and between the death of all of brink and `brink revert`, when
# something else has taken its number or its name. The wrong one is never touched.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"

cases=0
sleeper() { # a process of its own to aim at, in $victim
	sleep 1000 7>&- &
	victim=$!
	poll 5000 eval '[ "$(state_of $victim)" = S ]' || fail "no victim"
}
fault() { # LINE: the only fault, held for a minute; the check stands elsewhere and goes on
	cat >"$dir/x.yaml" <<-YAML
		brink: 1
		name: a target goes
		steady_state:
		  - {id: api, tcp: "10.78.0.2:7001", netns: cr_b, every: 500ms}
		faults:
		  - id: one
		    $1
		    for: 60s
	YAML
}
hold() {
	start
	poll 15000 said ' held ' || fail "never held"
}
ends() { # CODE WORDS: by itself
	ended 30000 || fail "the run does not end"
	[ $rc = "$1" ] || fail "exit $rc, not $1"
	said "$2" || fail "does not say '$2'"
	calm
}
calm() {
	poll 10000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
	[ -z "$(record)" ] || fail "a record is left"
	echo "# $case_name"
	cases=$((cases + 1))
}
kill_all() {
	kill_brink
	wait $run 2>/dev/null
	poll 10000 no_brink || fail "processes are left"
}
reverts() {
	b revert --all
	is_rc 0
	calm
}
ip -n cr_b link set lo up
# the next process of this namespace gets the number $1
reuse_pid() {
	echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid || fail "cannot choose a number"
	"${@:2}" 7>&- 2>/dev/null &
	[ $! = "$1" ] || fail "the number went to somebody else: $!"
}

# A namespace of its own for each, as a container has, with a device that leads to cr_b.
box() {
	ip netns add cr_x
	ip -n cr_x link set lo up
	ip -n cr_x link add vx type veth peer name vy netns cr_b
	ip -n cr_x addr add 10.79.0.1/24 dev vx
	ip -n cr_b addr add 10.79.0.2/24 dev vy
	ip -n cr_x link set vx up
	ip -n cr_b link set vy up
}
unbox() { ip netns del cr_x 2>/dev/null; }
gone() { ! ip -n cr_b link show vy >/dev/null 2>&1; }
away() { # the next one may be made
	unbox
	poll 5000 gone || fail "the namespace lives on"
}
mtu_is() { ip -n cr_x -o link show vx | grep -q "mtu $1 " || fail "exit $rc, and $(ip -n cr_x -o link show vx)"; }
DOWN='net.link_down: {dev: vx, netns: cr_x}'
MTU='net.mtu: {dev: vx, mtu: 1400, netns: cr_x}'
DROP='net.drop: {to: "10.79.0.2:7001", netns: cr_x, dev: vx}'

case_name="the device is deleted during the hold"
box
fault "$DROP"
hold
ip -n cr_x link del vx
ends 6 "somebody has deleted, moved or renamed the device 'vx'"
said '^CLEAN' || fail "no proof"
unbox

case_name="the device is moved to another namespace during the hold"
box
hold
ip -n cr_x link set vx netns cr_a
ends 6 "somebody has deleted, moved or renamed the device 'vx'"
said '^CLEAN' || fail "no proof"
ip -n cr_a link del vx
unbox

case_name="the device is renamed during the hold"
box
hold
ip -n cr_x link set vx name vz
ends 6 "somebody has deleted, moved or renamed the device 'vx'"
said '^CLEAN' || fail "no proof"
ip -n cr_x link del vz
unbox

case_name="the name of the namespace goes during the hold"
box
hold
unbox # the holder keeps the namespace itself
kill -INT $run
ends 6 '^CLEAN'
poll 5000 gone || fail "the namespace lives on"

case_name="the container ends during the hold"
unshare --net --fork --kill-child sh -c 'exec sleep 1000' 7>&- &
container=$!
poll 5000 eval '[ -n "$(pgrep -P $container)" ]' || fail "no container"
inner=$(pgrep -P $container)
nsenter --net=/proc/$inner/ns/net ip link set lo up
fault "net.drop: {to: \"127.0.0.1:9\", netns: \"pid:$inner\", dev: lo}"
hold
kill -KILL $inner
wait $container 2>/dev/null
kill -INT $run
ends 6 '^CLEAN'

case_name="all of brink dies, and another namespace has the name"
box
fault "$DROP"
hold
kill_all
away
box
table=$(sed -n 's/.*run=[0-9A-Z]\{10\}\([0-9A-Z]*\).*/\L\1/p' "$dir/err" | head -n 1)
ip netns exec cr_x nft "add table netdev brink_${table}000a; add table inet brink_${table}000a"
ip netns exec cr_x nft -j list ruleset >"$dir/theirs"
grep -q "brink_$table" "$dir/theirs" || fail "no decoy"
reverts
ip netns exec cr_x nft -j list ruleset | cmp -s - "$dir/theirs" || fail "the wrong namespace was touched"
unbox

case_name="another namespace has the name, and the old one lives on"
poll 5000 gone || fail "the namespace lives on"
box
fault "$MTU"
hold
kill_all
ip netns exec cr_x sleep 1000 7>&- &
keeper_of_it=$!
poll 5000 eval '[ "$(readlink /proc/$keeper_of_it/ns/net)" != "$(readlink /proc/self/ns/net)" ]' || fail "nobody in it"
umount /run/netns/cr_x && rm /run/netns/cr_x
ip netns add cr_x
ip -n cr_x link add vx mtu 1400 type bridge # as if it were the one
b revert --print
prints "^nsenter --net=/proc/[0-9]*/ns/net -- ip link set dev vx mtu 1500$"
sh "$dir/out" || fail "what is printed does not run"
mtu_is 1400
nsenter --net=/proc/$keeper_of_it/ns/net ip -o link show vx | grep -q 'mtu 1500 ' || fail "the right one is as it was"
reverts
mtu_is 1400
kill -KILL $keeper_of_it
wait $keeper_of_it 2>/dev/null
away

case_name="the name of a namespace is no part of a command"
box
box_y='cr_y;touch${IFS}pwned;'
ip netns add "$box_y" || fail "no such name"
ip -n "$box_y" link add vq type veth peer name vr
fault "net.mtu: {dev: vq, mtu: 1400, netns: '${box_y/\$/\$\$}'}"
hold
kill_all
b revert --print
(cd "$dir" && sh out) || fail "what is printed does not run"
[ ! -e "$dir/pwned" ] || fail "it is"
ip -n "$box_y" -o link show vq | grep -q 'mtu 1500 ' || fail "it does not take back"
reverts
ip netns del "$box_y"
away

case_name="its index is another device's by now"
for how in alive dead; do
	box
	fault "$DOWN"
	hold
	index=$(ip netns exec cr_x cat /sys/class/net/vx/ifindex)
	[ $how = alive ] || kill_all
	ip -n cr_x link del vx
	ip -n cr_x link add other index "$index" type bridge || fail "no such index"
	if [ $how = alive ]; then
		ends 6 "somebody has changed the device 'vx'"
	else
		b revert --print
		prints 'nothing is to be put back'
		reverts
	fi
	ip -n cr_x -o link show other | grep -q 'state DOWN' || fail "brink has set up another device"
	away
done

case_name="all of brink dies in a namespace that nothing but a mount keeps"
box
fault 'net.mtu: {dev: vx, mtu: 1400}'
start ip netns exec cr_x
poll 15000 said ' held ' || fail "never held"
kill_all
[ -z "$(ip netns pids cr_x)" ] || fail "somebody is in it: $(ip netns pids cr_x)"
mtu_is 1400
b revert --print
prints '^ip netns exec cr_x ip link set dev vx mtu 1500$'
reverts
mtu_is 1500
away

case_name="the record is removed during the hold, then the keeper dies"
box
fault "$MTU"
hold
rm -r "/run/brink/$(record)"
kill -KILL $(brink_pids brink-keeper)
ends 6 'the keeper died; its spare took over'
said '^CLEAN' || fail "no proof"
mtu_is 1500
away

case_name="somebody takes an address away while the device is down"
box
ip netns exec cr_x sysctl -qw net.ipv6.conf.vx.disable_ipv6=1 # its addresses come when they like
ip -n cr_x addr add 10.79.0.100/32 dev vx
fault "$DOWN"
hold
ip -n cr_x addr del 10.79.0.100/32 dev vx
kill -INT $run
ended 60000 || fail "the run does not end"
[ $rc = 20 ] || fail "exit $rc, not 20"
said "brink revert --accept-conflict" || fail "does not say what to do"
ip -n cr_x -o link show vx | grep -q 'UP' || fail "down"
b revert --print
prints '^# left as it is: of .vx. '
b revert
is_rc 20
b revert --accept-conflict
is_rc 0
calm
away

is_down() { ip -n cr_x -o link show vx | grep -q 'state DOWN'; }
later() { # LINE WISH...: the fault waits for its time, and somebody else wishes something of the device
	box
	fault "$1"
	echo '    after: 3s' >>"$dir/x.yaml"
	start
	poll 15000 in_phase hold || fail "never in phase hold"
	ip -n cr_x link set vx "${@:2}"
}
case_name="somebody sets the device down again when its fault has ended"
box
ip netns exec cr_x sysctl -qw net.ipv6.conf.vx.disable_ipv6=1
ip -n cr_x addr add 10.79.0.100/32 dev vx
fault "$DOWN"
hold
ip -n cr_x addr del 10.79.0.100/32 dev vx # so that brink waits for it to come back, and there is time
kill -INT $run
poll 10000 eval 'grep -qs "\"ev\":\"fault.ended\"" /var/lib/brink/runs/*/events.ndjson' || fail "it does not end"
ip -n cr_x link set vx down
ended 60000 || fail "the run does not end"
[ $rc = 20 ] || fail "exit $rc, not 20"
said "since the fault has ended: not by brink" || fail "says: $(cat "$dir/err")"
b revert --print
is_rc 20
prints '^# left as it is: .*, since the fault has ended: not by brink$'
b status
prints 'LEFT '
b revert
is_rc 20
is_down || fail "brink has set up what somebody has set down"
b revert --accept-conflict
is_rc 0
is_down || fail "brink has set up what somebody has set down"
calm
away

case_name="what somebody else did before the fault's time is not taken back"
later "$DOWN" down
ends 8 "somebody has changed the device 'vx' meanwhile"
said '^CLEAN' || fail "no proof"
is_down || fail "brink has set up what it has not set down"
away

case_name="what somebody else did before the fault's time is not taken back by brink revert"
later "$DOWN" down
kill_all
is_down || fail "up"
b revert --print
prints 'nothing of it is left'
reverts
is_down || fail "brink has set up what it has not set down"
away

case_name="a cgroup that somebody else froze before the fault's time stays frozen, whatever the shot fails with"
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
frozen=$(mktemp -d "$v2/brink-duress-XXXXXX") && [ -e "$frozen/cgroup.freeze" ] || fail "no cgroup v2 with a freezer here"
sleeper
echo "$victim" >"$frozen/cgroup.procs"
fault "proc.pause: {cgroup: /${frozen##*/}}"
echo '    after: 3s' >>"$dir/x.yaml"
start
poll 15000 in_phase hold || fail "never in phase hold"
echo 1 >"$frozen/cgroup.freeze"
mkdir -p "$frozen$(printf '/d%.0s' {1..40})" # too deep to be looked through: it fails before it writes
ends 8 'nested more than'
said '^CLEAN' || fail "no proof"
[ "$(cat "$frozen/cgroup.freeze")" = 1 ] || fail "brink has thawed what it has not frozen"
echo 0 >"$frozen/cgroup.freeze"
kill -KILL "$victim"
wait "$victim" 2>/dev/null
poll 5000 eval 'find "$frozen" -depth -type d -exec rmdir {} + 2>/dev/null' || fail "the cgroup is left"

case_name="an MTU that somebody else chose before the fault's time stays"
for theirs in 1400 1450; do # the fault's own, and another one
	later "$MTU" mtu $theirs
	ends 8 "somebody has changed the device 'vx' meanwhile"
	said '^CLEAN' || fail "no proof"
	mtu_is $theirs
	away
done

case_name="one copy of what a held fault changed is lost"
for block in 2 3; do
	box
	fault "$MTU"
	hold
	kill_all
	dd if=/dev/zero "of=/run/brink/$(record)/journal" bs=4096 seek=$block count=1 conv=notrunc status=none
	reverts
	mtu_is 1500
	away
done

case_name="the record is emptied during the hold, then the keeper dies"
box
fault "$MTU"
hold
: >"/run/brink/$(record)/journal"
kill -KILL $(brink_pids brink-keeper)
ended 30000 || fail "the run does not end"
mtu_is 1500
poll 10000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink)"
rm -rf /run/brink
calm
away

case_name="who waited for a dead run's lock does not begin on what it has left"
box
fault "$MTU"
hold
first=$(ps -eo pid=,comm= | awk '$2 ~ /^brink/ { print $1 }')
sed 's/1400/1300/' "$dir/x.yaml" >"$dir/y.yaml"
"$BRINK" run --lock-timeout 30s "$dir/y.yaml" >"$dir/out2" 2>"$dir/err2" </dev/null &
second=$!
poll 10000 eval '[ "$(brink_pids brink-keeper | wc -l)" = 2 ]' || fail "no second run: $(cat "$dir/err2"; ps -eo pid,stat,comm)" # it has planned by now
# shellcheck disable=SC2086 # a list of numbers
kill -STOP $first
# shellcheck disable=SC2086
kill -KILL $first
wait $run 2>/dev/null
wait $second
[ $? = 4 ] || fail "the second one: $(cat "$dir/err2")"
grep -q "has not given back" "$dir/err2" || fail "the second one says: $(cat "$dir/err2")"
reverts
away

case_name="the process ends during the hold"
sleeper
fault "proc.pause: {pid: $victim}"
hold
kill -KILL $victim
wait $victim 2>/dev/null
ended 5000 || kill -INT $run
ends 6 '1 of 1 faults reverted'
said '^CLEAN' || fail "no proof"

case_name="the process ends during the hold, and another one has its number"
sleeper
fault "proc.pause: {pid: $victim}"
hold
kill -KILL $victim
wait $victim 2>/dev/null
reuse_pid $victim sleep 1000
kill -STOP $victim # as its owner wants it
ended 5000 || kill -INT $run
ends 6 "1 of 1 faults reverted"
[ "$(state_of $victim)" = T ] || fail "the wrong process was touched: $(state_of $victim)"
kill -KILL $victim

case_name="all of brink dies with a stopped process, and another one has its number"
sleeper
# somebody else traces it, so that brink has to stop it by a signal, which outlives brink
python3 -c '
import ctypes, signal, sys
assert ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), 0, 0) == 0 # PTRACE_SEIZE
print("traced", flush=True)
signal.pause()' $victim >"$dir/traced" 7>&- &
tracer=$!
poll 10000 grep -q traced "$dir/traced" || fail "nobody traces it"
fault "proc.pause: {pid: $victim}"
hold
kill_all
[ -n "$(record)" ] || fail "no record is left"
kill -KILL $tracer
wait $tracer 2>/dev/null
kill -KILL $victim
wait $victim 2>/dev/null
reuse_pid $victim sleep 1000
kill -STOP $victim
reverts
[ "$(state_of $victim)" = T ] || fail "the wrong process was touched: $(state_of $victim)"
kill -KILL $victim
echo "# counted: duress_cases $cases"
