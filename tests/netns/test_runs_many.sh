#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fifty runs at once in fifty network namespaces. Each has its own effect; then half of them, chosen at random, lose
# processes by SIGKILL: their faults end within the lease, all others are held on and end when they are told to. In the
# end every namespace is as it was.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015,SC2034,SC2046,SC2010,SC2143
. "$(dirname "$0")/net_lib.sh"

N=50
LEASE_MS=3000
SLACK_MS=2000 # some 300 processes of brink share the machine
fail() { # the words of fifty runs are too many
	echo "FAIL: $*"
	for i in ${others:-$all}; do
		grep -H ' halt \| error \|ABORT' "$dir/$i.err" || kill -0 "${runner[$i]}" || echo "run $i is dead"
	done
	"$BRINK" revert --print 2>&1 | head -n 30
	exit 1
}
trap clean_up EXIT
spaces=''
others=''
for i in $(seq $N); do
	ip netns add "many$tag.$i"
	spaces="$spaces many$tag.$i"
	ip -n "many$tag.$i" link set lo up
done
declare -A runner
own_clean_up() { kill "${runner[@]}" 2>/dev/null || :; }

# As net_lib's, all namespaces at once: there are many of them.
state() {
	local ns pids=''
	for ns in $spaces; do
		ip netns exec "$ns" sh -c 'nft list ruleset; tc qdisc show; tc filter show dev lo ingress; tc filter show dev lo egress
			ip -d link show; ip addr show; ip rule show; ip route show table all' >"$dir/state.$ns" 2>&1 &
		pids="$pids $!"
	done
	for ns in $pids; do
		wait $ns
	done
	for ns in $spaces; do
		cat "$dir/state.$ns"
	done
}

# In which of the namespaces a packet over the loopback arrives.
mkfifo "$dir/ask" "$dir/said"
python3 "$(dirname "$0")/answers.py" $spaces <"$dir/ask" >"$dir/said" &
helpers=$!
exec 8>"$dir/ask" 9<"$dir/said"
look() {
	echo >&8
	IFS= read -r -t 20 answers <&9 || fail "the observer is gone"
}
# $1: what, $2: the namespaces that should answer
expect_answers() {
	[ "$answers" = "$2" ] || fail "$1: it is '$answers' that answer, not '$2'"
}
all=$(seq -s ' ' $N)' '
look
expect_answers "before" "$all"
before

for i in $(seq $N); do
	cat >"$dir/$i.yaml" <<-END
		brink: 1
		name: run $i
		steady_state:
		  - {process_up: {pid: $$}, every: 2s, fail_after: 3}
		faults:
		  - net.drop: {dev: lo, netns: many$tag.$i}
		    for: 5m
	END
	: >"$dir/$i.err"
	# what else the machine does is not asked here: a runner that gets no CPU for a second is killed
	nice -n -10 "$BRINK" run "$dir/$i.yaml" >"$dir/$i.out" 2>"$dir/$i.err" </dev/null &
	runner[$i]=$!
done
start=${EPOCHREALTIME/./}
await "[ \$(cat '$dir'/*.err | grep -c ' held ') -eq $N ]" 30 || {
	for i in $(seq $N); do
		grep -q ' held ' "$dir/$i.err" || fail "run $i is not held: $(cat "$dir/$i.err" "$dir/$i.out")"
	done
}
echo "$N runs held after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
look
expect_answers "while all are held" ""
[ "$("$BRINK" runs 2>/dev/null | grep -c 'run [0-9]')" -ge $N ] || fail "brink runs does not show all of them"

below() { # the processes below $1, and it
	local p
	for p in $(pgrep -P "$1"); do
		below "$p"
	done
	echo "$1"
}
# $1: of which run, $2: in which way. One SIGKILL for all that is chosen.
cut() { # and no word of the shell about it
	local pid=${runner[$1]} keeper
	keeper=$(pgrep -P "$pid" -x brink-keeper)
	case $2 in
	0) kill -KILL "$pid" ;;
	1) kill -KILL "$keeper" ;;
	2) kill -KILL $(pgrep -P "$keeper" | shuf -n 1 --random-source=<(yes $1)) ;; # the spare, or the holder
	3) kill -KILL $(below "$pid") ;;
	esac
}
RANDOM=20
chosen=$(seq $N | shuf -n $((N / 2)) --random-source=<(yes 1) | sort -n | tr '\n' ' ')
others=$(printf '%s\n' $all $chosen | sort -n | uniq -u | tr '\n' ' ')
for i in $chosen; do
	cut $i $((RANDOM % 4))
done
killed=${EPOCHREALTIME/./}
until look && [ "$answers" = "$chosen" ] || [ ${EPOCHREALTIME/./} -gt $((killed + 10000000)) ]; do
	sleep 0.05
done
took=$(((${EPOCHREALTIME/./} - killed) / 1000))
expect_answers "after the deaths" "$chosen"
[ $took -le $((LEASE_MS + SLACK_MS)) ] || fail "the faults of the dead ended after $took ms"
echo "faults of $((N / 2)) runs ended within $took ms of their death"

# What a death has left, if anything, is given back; nobody else's is touched.
for i in $chosen; do
	wait "${runner[$i]}" 2>/dev/null || :
	unset "runner[$i]"
	id=$(run_id $i)
	await "[ ! -e /run/brink/$id ] || '$BRINK' revert $id >'$dir/revert.$i' 2>&1" 20 ||
		fail "brink revert of run $i: $(cat "$dir/revert.$i")"
done
look
expect_answers "after the revert of the dead" "$chosen"
for i in $others; do
	kill -0 "${runner[$i]}" || fail "run $i ended"
done

"$BRINK" halt --all --why measured >"$dir/halt.out" 2>"$dir/halt.err" || fail "brink halt --all: exit $?"
for i in $others; do
	rc=0
	wait "${runner[$i]}" || rc=$?
	[ $rc = 6 ] || fail "run $i: exit $rc, not 6"
	grep -q '^CLEAN' "$dir/$i.err" || fail "run $i: not clean"
	unset "runner[$i]"
done
look
expect_answers "afterwards" "$all"
same "after $N runs"
[ -z "$(ls /run/brink | grep -v '^locks$')" ] || fail "records are left: $(ls /run/brink)"
echo "# counted: concurrent_runs $N"
