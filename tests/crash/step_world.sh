#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One of the worlds of step.sh: tries every fault of the registry, again and again, and strikes each time at another
# point. step_world.sh MODE SHARD SHARDS; see step.sh for the variables.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"

mode=$1 shard=$2 shards=$3
: "${SHARED:?}" "${STEP_CGROUP:?}"
stepper=$BUILD/tests/crash/prog_stepper felt=$BUILD/tests/crash/prog_felt
HOLD=${HOLD:-150ms} EVERY=${EVERY:-300ms} END_MS=${END_MS:-20000} STOPPED_MS=4000
errnos=(4 5 28 30 12 11 1) # EINTR EIO ENOSPC EROFS ENOMEM EAGAIN EPERM
parts="runner keeper spare holder prober launcher warden newborn"
shared_parts=" runner prober launcher warden newborn " # do the same, or only read, whatever the fault is
slice=${PART%/*} slices=${PART#*/}
declare -A n_of count
leftovers=0 told_leftovers=0 turn=0 case_name=setup same_yet= items=() kept=() how=count

# ---- what the world offers ----

mkdir -p /run/small
mount -t tmpfs -o size=16m small /run/small || exit 1
kib=$(df --output=avail -k /run/small | tail -n 1)
cgroup_top=$(awk '$9 == "cgroup2" || $10 == "cgroup2" || / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
cgroup=
if [ -n "$cgroup_top" ]; then
	cgroup=/$STEP_CGROUP-$shard
	mkdir "$cgroup_top$cgroup" 2>/dev/null && [ -e "$cgroup_top$cgroup/cgroup.freeze" ] || cgroup=
fi
mkfifo "$dir/report"
exec 8<>"$dir/report"

worker= stepper_pid=
is_alive() { [ -n "$1" ] && [ -e "/proc/$1/comm" ] && read -r line <"/proc/$1/stat" && [[ ${line##*) } != Z* ]]; }
new_worker() {
	is_alive "$worker" && return
	"$felt" worker "$dir/count" </dev/null >/dev/null 2>&1 &
	worker=$!
	disown
	[ -z "$cgroup" ] || echo $worker >"$cgroup_top$cgroup/cgroup.procs" || fail "cannot use cgroup $cgroup"
}
looked_at_here() { [ $(($1 % shards)) = "$shard" ]; } # $1: number of an item
leave_world() {
	local i
	for i in "${!items[@]}"; do # nobody shall wait for what this one did not come to
		! looked_at_here "$i" || [ -e "$SHARED/$i" ] || echo broken >"$SHARED/$i"
	done
	[ -z "$worker" ] || kill -KILL "$worker" 2>/dev/null # never 0: the whole group
	[ -z "$cgroup" ] || poll 3000 rmdir "$cgroup_top$cgroup" 2>/dev/null
}
trap leave_world EXIT

look='nft -j list ruleset; tc -j qdisc show; ip -j link show; ip -j addr show; ip -j rule show
grep -s . /proc/sys/net/ipv4/conf/{all,va,vb}/* /proc/sys/net/ipv6/conf/{all,va,vb}/*'
snapshot() {
	local ns
	for ns in cr_a cr_b; do nsenter --net=/run/netns/$ns bash -c "$look"; done
	[ -z "$cgroup" ] || cat "$cgroup_top$cgroup/cgroup.freeze" "$cgroup_top$cgroup/cgroup.type"
	ls -A /run/small
	ls -A /run/brink 2>/dev/null | grep -v '^locks$'
}
# ends_in MS: normal for everybody outside
normal_in() {
	"$felt" normal "$1" /run/netns/cr_a 10.78.0.2 7002 /run/small "$kib" "$dir/count" \
		"$([ "$class" = one-shot ] && echo 0 || echo $worker)" >"$dir/felt"
}
felt_in() { "$felt" fault "$1" /run/netns/cr_a 10.78.0.2 7002 /run/small "$kib" "$dir/count" $worker >"$dir/felt"; }

# Only the processes of this world are in its /proc. What is looked at again and again forks nothing: that was half of
# the time of all trials.
declare -A ours=() # brink's processes: pid -> state; zombies left out
find_ours() {
	local p comm line
	ours=()
	for p in /proc/[0-9]*; do
		read -r comm 2>/dev/null <"$p/comm" && [[ $comm == brink* ]] || continue
		read -r line 2>/dev/null <"$p/stat" || continue
		line=${line##*) }
		[[ $line == [ZX]* ]] || ours[${p#/proc/}]=${line%% *}
	done
	return 0
}
told() { # what they wait in
	local pid
	find_ours
	for pid in "${!ours[@]}"; do
		echo "$(cat "/proc/$pid/comm")($pid) ${ours[$pid]} $(cat "/proc/$pid/wchan") $(cut -c 1-60 "/proc/$pid/syscall")"
	done
}
none_left() { find_ours && [ ${#ours[@]} = 0 ]; }
all_stopped() { find_ours && [[ ${ours[*]} != *[!Tt\ ]* ]]; }
kill_all() {
	find_ours
	[ ${#ours[@]} = 0 ] || kill -KILL "${!ours[@]}" 2>/dev/null
}
kill_stopped() {
	local pid
	find_ours
	for pid in "${!ours[@]}"; do
		[[ ${ours[$pid]} != [Tt] ]] || kill -KILL "$pid" 2>/dev/null
	done
}
is_held_or_over() {
	local text
	read -rd '' text <"$dir/err"
	[[ $text == *' held '* || -s $dir/ended ]]
}

# ---- one trial ----

bad() {
	leftovers=$((leftovers + 1))
	echo "FAIL: $case_name: $*"
	sed 's/^/    felt: /' "$dir/felt" 2>/dev/null
	tail -n 6 "$dir/err" | cut -c 1-220 | sed 's/^/    run: /'
	return 1
}

trial_file() { # $1: an item of faults:, with places
	local t=$1 for=
	t=${t//'{netns}'/cr_a} t=${t//'{addr}'/10.78.0.2} t=${t//'{port}'/7002} t=${t//'{dir}'/'/run/small'}
	t=${t//'{dev}'/va} t=${t//'{pid}'/$worker} t=${t//'{cgroup}'/$cgroup}
	[ "$class" = one-shot ] || for="for: $HOLD"
	cat >"$dir/x.yaml" <<YAML
brink: 1
name: a trial
steady_state:
  - {id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: $EVERY, fail_after: 20}
  - {id: cmd, command: ["true"], every: $EVERY, fail_after: 20}
faults:
  - $t
    $for
YAML
}

begin() { # the rest: the stepper's options, then the command
	rm -rf /var/lib/brink /run/brink
	while read -r -t 0 -u 8; do read -r -u 8; done
	new_worker
	poll 3000 test -s "$dir/count" || fail "no worker"
	trial_file "$item"
	: >"$dir/err"
	launch "$@"
}
launch() {
	: >"$dir/ended"
	{
		local code=0
		"$stepper" -r -o "$dir/report" "$@" >"$dir/out" 2>"$dir/err" </dev/null 8>&- || code=$?
		echo "ended $code" >"$dir/ended"
		echo "ended $code" >&8
	} &
	stepper_pid=$!
}
# Reads what the stepper says until a line of this kind; it stands in $line then.
hear() { # $1: milliseconds, $2: pattern
	local until=$((${EPOCHREALTIME/./} / 1000 + $1)) left wait
	for (( ; ; )); do
		left=$((until - ${EPOCHREALTIME/./} / 1000))
		[ $left -gt 0 ] || return 1
		printf -v wait %d.%03d $((left / 1000)) $((left % 1000))
		if ! read -r -t $wait -u 8 line; then
			line=$(cat "$dir/ended") # a line that came in just then is lost
			[ -n "$line" ] || return 1
		fi
		[[ $line != crashed* || $how = fail ]] || bad "$line"
		# shellcheck disable=SC2053 # patterns
		[[ $line == ended* ]] && rc=${line#ended }
		[[ $line == $2 ]] && return 0
		[[ $line != ended* ]] || return 1
	done
}

# From the strike on: felt as normal in time, the end, the way back.
judge() { # $1: the first report line
	local struck left
	struck=$(now_ms)
	if [ "$class" != guarded ]; then
		normal_in $((LEASE_MS + SLACK_MS)) || bad "still felt after the lease ($1)" || return
	fi
	if [ "$rc" = - ]; then
		left=$END_MS
		[[ $how != stop ]] || left=$((STOPPED_MS - ($(now_ms) - struck)))
		if ! hear $((left > 0 ? left : 1)) 'ended *'; then
			end_it "$1" || return
		fi
	fi
	settle "$1"
}
# A call that fails for ever may keep everybody waiting for as long as the run's own limits say: minutes. The sample does
# not wait for them, `make soak` does (PATIENCE_MS).
end_it() {
	case $how in
	stop) kill_stopped ;;
	fail)
		[ -z "${PATIENCE_MS:-}" ] || { hear "$PATIENCE_MS" 'ended *' && return; bad "the run never ends ($1)"; return; }
		count[cut_off]=$((${count[cut_off]:-0} + 1))
		kill_all
		;;
	*) bad "the run does not end ($1)" || return ;;
	esac
	hear $END_MS 'ended *' || bad "the run does not end when its processes are killed ($1)"
}
settle() {
	if [ "$how" = stop ]; then
		poll 8000 all_stopped || bad "processes go on ($1)" || return
		kill_stopped
	fi
	poll 12000 none_left || bad "processes are left ($1): $(told)" || return
	if [ "$rc" = 0 ] || grep -q '^CLEAN' "$dir/err"; then
		# a note for the next command may stay: the machine is clean, brink revert takes it away
		snapshot >"$dir/seen"
		grep -vE '^[0-9A-Z]{26}$' "$dir/seen" >"$dir/after"
		cmp -s "$dir/before" "$dir/after" || bad "exit $rc, CLEAN, and not as before ($1): $(diff_it)" || return
		! cmp -s "$dir/after" "$dir/seen" || same_yet=1
	fi
	way_back "$1"
}
diff_it() { diff "$dir/before" "$dir/after" | cut -c 1-400; }
way_back() {
	cp "$dir/err" "$dir/run.err"
	"$BRINK" revert >"$dir/out" 2>"$dir/err" </dev/null || bad "brink revert: exit $? ($1)" || return
	poll 5000 none_left || bad "processes are left after revert ($1)" || return
	normal_in 1500 || bad "still felt after brink revert ($1)" || return
	[ -z "$same_yet" ] || ! grep -q 'nothing to revert' "$dir/err" || return 0
	snapshot >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || bad "not as before ($1): $(diff_it)" || return
}
clean_up() { # after a failure, for the next trial
	kill_all
	[ -z "$stepper_pid" ] || kill -KILL "$stepper_pid" 2>/dev/null
	poll 5000 none_left
	"$BRINK" revert --all >/dev/null 2>&1 </dev/null
	rm -rf /run/brink
}
# shellcheck disable=SC2086
one() { # $1: counter, $2: first line to wait for, the rest: the stepper's options
	local counter=$1 first=$2
	shift 2
	rc=- same_yet=
	begin "$@" "$BRINK" run --yes "$dir/x.yaml"
	if ! hear 30000 "$first"; then
		[ "$rc" != - ] || bad "nothing happens: $(told)" || { clean_up; return; }
		count[missed]=$((${count[missed]:-0} + 1))
		line="the point was not reached"
	else
		count[$counter]=$((${count[$counter]:-0} + 1))
	fi
	judge "$line" || clean_up
	[ -z "${VERBOSE:-}" ] || echo "$SECONDS s: $case_name: $line"
	wait $stepper_pid 2>/dev/null
}

# ---- the faults ----

# Every trial of the registry. Each is looked at by one world, into $SHARED/NUMBER: "class" or "left", then its points.
find_items() {
	local name i
	items=() classes=() kept=()
	for name in $("$BRINK" list faults --json | jq -r .fault); do
		[ -z "${SOAK_FAULT:-}" ] || [ "$SOAK_FAULT" = "$name" ] || continue
		while read -r item; do items+=("$item"); done < <("$BRINK" explain "$name" --json | jq -r '.trials[]')
	done
	[ ${#items[@]} -gt 0 ] || fail "nothing to try"
	for i in "${!items[@]}"; do
		looked_at_here "$i" || continue
		item=${items[i]} case_name=$item
		if take_item; then
			[ "$mode" = random ] || { check_bite && measure; } # the others have seen to that
			{ echo "class $class"; for k in "${!n_of[@]}"; do echo "$k ${n_of[$k]}"; done; } >"$dir/item"
		else
			echo "left $why" >"$dir/item"
		fi
		cp "$dir/item" "$SHARED/$i.new" && mv "$SHARED/$i.new" "$SHARED/$i"
	done
	for i in "${!items[@]}"; do
		poll 240000 test -e "$SHARED/$i" || fail "nobody says what ${items[i]} is like"
		load_item "$i"
		[ "$class" = left ] || kept+=("$i") classes[i]=$class
	done
	[ ${#kept[@]} -gt 0 ] || fail "nothing that this kernel can do"
}
load_item() { # $1: number
	local key value
	n_of=()
	while read -r key value; do
		case $key in
		class) class=$value ;;
		left)
			class=left
			[ "$shard" != 0 ] || echo "# left to the guest: ${items[$1]} ($value)"
			;;
		broken) fail "${items[$1]} was not tried" ;;
		*) n_of[$key]=$value ;;
		esac
	done <"$SHARED/$1"
}
# 1: this kernel cannot, $why. Its class into $class.
take_item() {
	if [[ $item == *'{cgroup}'* && -z $cgroup ]]; then
		why="no cgroup v2 with a freezer here"
		return 1
	fi
	new_worker
	poll 3000 test -s "$dir/count"
	for class in one-shot ''; do # with a duration or without: the plan tells
		trial_file "$item"
		! "$BRINK" plan "$dir/x.yaml" --json >"$dir/plan" 2>"$dir/err" </dev/null || break
	done
	if grep -q 'this kernel has no packet queues' "$dir/err"; then
		why="this kernel has no nft queue"
		return 1
	fi
	class=$(jq -r '.faults[0].class' "$dir/plan") && [ -n "$class" ] || fail "cannot plan: $(cat "$dir/err")"
	for _ in 1 2 3 4 5 6; do # a loaded machine may miss a check
		rc=0
		rm -rf /run/brink /var/lib/brink
		new_worker
		trial_file "$item"
		"$BRINK" run --yes "$dir/x.yaml" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
		[ $rc != 0 ] || break
		if [ $rc = 8 ] && ! has_netem && doctor_misses_netem; then
			why="this kernel has no netem"
			return 1
		fi
	done
	[ $rc = 0 ] || fail "without any strike it ends with $rc"
	poll 3000 none_left || fail "processes are left"
}
doctor_misses_netem() {
	"$BRINK" doctor --json "$dir/x.yaml" |
		jq -e '.lines[] | select(.level == "FAIL" and (.text | test("netem")))' >/dev/null
}
has_netem() { # asked of the kernel itself
	ip netns exec cr_b tc qdisc add dev lo root netem delay 1ms 2>/dev/null || return 1
	ip netns exec cr_b tc qdisc del dev lo root
}

# The trial bites at all: without that all the rest proves nothing.
check_bite() {
	local tries=6
	until bites; do
		[ $((tries -= 1)) -gt 0 ] || fail "$item is not felt"
	done
}
bites() {
	local bite=0
	rc=-
	begin -c "$BRINK" run --yes "$dir/x.yaml"
	felt_in $END_MS || bite=$?
	[ "$rc" != - ] || hear $END_MS 'ended *' || fail "$item does not end"
	poll 8000 none_left || fail "processes are left: $(told)"
	return $bite
}
# How many points each part has, into n_of[PART].
measure() {
	local word role tries=6
	until measure_once; do
		[ $((tries -= 1)) -gt 0 ] || fail "the trial alone ends with $rc"
		poll 8000 none_left
	done
	poll 5000 none_left || fail "processes are left"
	echo "# points of $item: $(for r in $parts recovery; do [ -z "${n_of[$r]:-}" ] || echo -n "$r ${n_of[$r]} "; done)"
}
measure_once() {
	local word role
	n_of=()
	rc=-
	begin -c "$BRINK" run --yes "$dir/x.yaml"
	while hear $END_MS '*' && [[ $line != ended* ]]; do
		read -r word role n_of_points _ n_of_calls <<<"$line"
		[ "$word" = points ] || continue
		n_of[$role]=$n_of_points n_of[$role.calls]=$n_of_calls
	done
	[ "$rc" = 0 ]
}

# $1: number of a job. The same one in every world, however often each part called this time. A sample takes few jobs of
# each fault: the turn sees to it that they are not the same world's every time.
mine() { [ $((($1 + turn) % (shards * slices))) = $((shard * slices + slice)) ]; }
is_shared() { [[ $shared_parts == *" $1 "* ]]; }
# A point of a shared part is struck once, with one of the faults after the other; those of the others with each fault.
takes() { # $1: part, $2: number of the point
	! is_shared "$1" || [ $(($2 % ${#kept[@]})) = "$turn" ]
}
# POINTS: about so many of all faults, as many of each; else every STEPth.
every() { # $1: "" for points, ".calls" for calls; the rest: parts. Leaves $step.
	local kind=$1 all=0 role
	shift
	step=$STEP
	[ -n "${POINTS:-}" ] || return 0
	for role; do
		if is_shared "$role"; then
			all=$((all + ${n_of[$role$kind]:-0} / ${#kept[@]}))
		else
			all=$((all + ${n_of[$role$kind]:-0}))
		fi
	done
	step=$((all / share + 1))
}

# shellcheck disable=SC2086 # a list
sweep_strikes() { # $1: kill or stop, $2: counter
	local role at step k=0
	how=$1
	every "" $parts
	for role in $parts; do
		k=$((k + 1))
		for ((at = 1; at <= ${n_of[$role]:-0}; at += step)); do
			takes "$role" $((at / step)) && mine $((at / step + k)) || continue
			case_name="$item, SIG${1^^} of $role at point $at"
			one "$2" 'struck *' "-${1:0:1}" -a "$role:$at"
		done
	done
}
# The spare at work: the keeper dies first, while the fault is in force.
sweep_spare() {
	local at step
	how=kill
	every "" keeper
	for ((at = 3; at <= 400; at += step)); do
		mine $((at / step)) || continue
		case_name="$item, the keeper dies, then SIGKILL of spare at point $at"
		one kill_points 'struck *' -k -x "holder:$((n_of[holder] / 2))" -a "spare:$at"
	done
}
# A call meets one errno after each fault; with EVERY_ERRNO also all of them, each after one fault or another.
meets() { # $1: number of the call, $2: index of the errno, $3: number of the part
	[ $((($1 + $3) % 14)) = "$2" ] || { [ -n "${EVERY_ERRNO:-}" ] && [ $((($1 + $2) % ${#kept[@]})) = "$turn" ]; }
}
# shellcheck disable=SC2086
sweep_failures() {
	local role at e n step k=0
	how=fail
	every .calls $parts
	for role in $parts; do
		k=$((k + 1))
		for ((at = 1; at <= ${n_of[$role.calls]:-0}; at += step)); do
			n=$((at / step))
			takes "$role" $n || continue
			for ((e = 0; e < 14; e++)); do
				meets $n $e $k || { [ -n "${EVERY_ERRNO:-}" ] && is_shared "$role"; } || continue
				mine $((n + k + e * shards)) || continue
				fail_one "$item" one "$role:$at" $e
			done
		done
	done
}
fail_one() { # $1: words, $2: one or one_recovery, $3: ROLE:CALL, $4: index of the errno; from 7 on for ever
	local e=${errnos[$4 % 7]}
	case_name="$1, call $3 fails with $e, once"
	if [ "$4" -ge 7 ]; then
		case_name="${case_name%once}for ever"
		"$2" failed_calls 'failed *' -f "$e" -a "$3" -e
	else
		"$2" failed_calls 'failed *' -f "$e" -a "$3"
	fi
}

# A run whose processes all die while it is held, then brink revert under the stepper. Its checks have time: one that a
# loaded machine misses makes the run unfit.
dead_run() {
	local tries=12
	until dies_held; do
		[ $((tries -= 1)) -gt 0 ] || { bad "no dead run"; clean_up; return 1; }
		clean_up
	done
}
dies_held() {
	rc=-
	if [ "$class" = one-shot ]; then # it is over at once: as soon as its holder has begun
		EVERY=600ms begin -k -a holder:200 -v runner,keeper,spare,holder "$BRINK" run --yes "$dir/x.yaml"
	else
		EVERY=600ms HOLD=60s begin -k -a others:1 "$BRINK" run --yes "$dir/x.yaml" # strikes nowhere
		poll $END_MS is_held_or_over || return 1
		kill_all
	fi
	hear $END_MS 'ended *' || clean_up
	poll 5000 none_left || clean_up
	wait $stepper_pid 2>/dev/null
	[ -n "$(record)" ]
}
one_recovery() { # $1: counter, $2: pattern, the rest: the stepper's options
	local counter=$1 first=$2
	shift 2
	dead_run || return
	rc=- same_yet=
	: >"$dir/err"
	launch "$@" "$BRINK" revert
	if hear 30000 "$first"; then
		count[$counter]=$((${count[$counter]:-0} + 1))
	else
		count[missed]=$((${count[missed]:-0} + 1))
	fi
	[ "$rc" != - ] || hear 40000 'ended *' || { bad "brink revert does not end"; clean_up; return; }
	poll 12000 none_left || { bad "processes of brink revert are left"; clean_up; return; }
	if [ "$rc" = 0 ] || grep -q '^CLEAN' "$dir/err"; then
		snapshot >"$dir/after"
		cmp -s "$dir/before" "$dir/after" || { bad "revert: exit $rc, CLEAN, and not as before: $(diff_it)"; clean_up; return; }
	fi
	way_back "$line" || clean_up
	wait $stepper_pid 2>/dev/null
}
measure_recovery() {
	local word role
	dead_run || fail "no dead run"
	n_of=([holder]=${n_of[holder]} [keeper]=${n_of[keeper]})
	rc=-
	launch -c "$BRINK" revert
	while hear $END_MS '*' && [[ $line != ended* ]]; do
		read -r word role n_of_points _ n_of_calls <<<"$line"
		[ "$word" = points ] || continue
		r_of[$role]=$n_of_points r_of[$role.calls]=$n_of_calls
	done
	[ "$rc" = 0 ] || fail "brink revert ends with $rc: $(cat "$dir/err")"
	[ "$shard" != 0 ] || echo "# points of brink revert after $item: runner ${r_of[runner]} newborn ${r_of[newborn]:-0} recovery ${r_of[recovery]}"
}
sweep_recovery() {
	local role at e step k=0
	declare -A r_of=([recovery]=0)
	measure_recovery
	step=$STEP
	[ -z "${POINTS:-}" ] || step=$(((r_of[runner] + r_of[recovery]) / share * 2 + 1))
	for role in runner newborn recovery; do
		k=$((k + 1))
		how=kill
		for ((at = 1; at <= ${r_of[$role]:-0}; at += step)); do
			mine $((at / step + k)) || continue
			case_name="after $item, SIGKILL of brink revert's $role at point $at"
			one_recovery recovery_points 'struck *' -k -a "$role:$at"
		done
		how=fail
		for ((at = 1; at <= ${r_of[$role.calls]:-0}; at += step)); do
			for ((e = 0; e < 14; e++)); do
				meets $((at / step)) $e $k && mine $((at / step + k + e * shards)) || continue
				fail_one "after $item, brink revert" one_recovery "$role:$at" $e
			done
		done
	done
}

# Run number N is the same every time: what happens in it comes from N alone.
random_run() { # $1: N
	local victims=() v all=(runner keeper spare holder prober launcher) i moment
	RANDOM=$(($1 * 7919 % 32768))
	i=${kept[RANDOM % ${#kept[@]}]}
	item=${items[i]} class=${classes[i]}
	how=kill
	[ $((RANDOM % 2)) = 0 ] || how=stop
	while [ ${#victims[@]} = 0 ]; do
		for v in "${all[@]}"; do [ $((RANDOM % 3)) = 0 ] && victims+=("$v"); done
	done
	v=$(IFS=,; echo "${victims[*]}")
	moment="-t $((RANDOM % 450))"
	case ${victims[0]} in # as many points as every run of it has
	spare) i=4 ;;
	launcher | holder) i=150 ;;
	*) i=600 ;;
	esac
	[ $((RANDOM % 2)) = 0 ] || moment="-a ${victims[0]}:$((RANDOM % i + 1))"
	case_name="random run $1: $item, SIG${how^^} of $v, $moment"
	# shellcheck disable=SC2086
	one random_runs 'struck *' "-${how:0:1}" $moment -v "$v"
}

# A run that was over before its moment came counts for nothing: others take its place.
random_runs() { # $1: N
	local n want=$((${count[random_runs]:-0} + 1))
	for ((n = $1; ${count[random_runs]:-0} < want && n < $1 + 60000; n += 10000)); do random_run $n; done
}

# What is new since it was told last: who is cut off has said most of it.
tell_counts() {
	for c in "${!count[@]}"; do echo "count $c ${count[$c]}"; done
	echo "count leftovers $((leftovers - told_leftovers))"
	count=() told_leftovers=$leftovers
}

# ---- all of it ----

class=one-shot
find_items
share=$((${POINTS:-0} / ${#kept[@]} + 1))
rm -rf /run/brink
mkdir -p /run/brink
new_worker
rm -rf /run/brink /var/lib/brink
"$BRINK" revert >/dev/null 2>&1
snapshot >"$dir/before"
how=count
if [ "$mode" = random ]; then
	for ((n = FROM; n < FROM + RUNS; n++)); do
		! mine "$n" || random_runs "$n"
	done
else
	for turn in "${!kept[@]}"; do
		i=${kept[turn]}
		load_item "$i"
		item=${items[i]} case_name=$item
		case $mode in
		kill)
			sweep_strikes kill kill_points
			sweep_spare
			;;
		stop) sweep_strikes stop stop_points ;;
		fail) sweep_failures ;;
		recovery) sweep_recovery ;;
		esac
		tell_counts
	done
fi
tell_counts
[ $leftovers = 0 ]
