#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A system call that is in no list: for every kind of process of a run prog_foreign makes one call of it another one.
# That process is killed, and the run is taken back by those that are left. Before, each of them holds exactly the
# capabilities that brink plan said: rights.py.
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
# shellcheck disable=SC1091
. "$(dirname "$0")/net_lib.sh"
foreign=$(dirname "$meter")/prog_foreign

two_spaces
chmod 711 "$dir"
mkdir "$dir/disk" "$dir/cg"
mount -t tmpfs -o size=8m,mode=755 none "$dir/disk"
mount -t cgroup2 none "$dir/cg"
group=$(basename "$(mktemp -d "$dir/cg/brink-fc-XXXXXXXXXX")")
trap 'rc=$?; set +e; echo 1 >"$dir/cg/$group/cgroup.kill"; umount -l "$dir/disk"; 
	await "rmdir \"$dir/cg/$group\" 2>/dev/null; [ ! -d \"$dir/cg/$group\" ]" 10; umount -l "$dir/cg"; (exit $rc); clean_up' EXIT
serve "$b" 127.0.0.1 7999

# $1: a name for it. A process that does nothing, its number in $victim.
victim() {
	sleep 300 7>&- &
	victim=$!
	helpers="$helpers $victim"
	await "grep -qx sleep /proc/$victim/comm" 10 || fail "no victim"
}
victim
paused=$victim
setpriv --reuid=65534 --regid=65534 --clear-groups sleep 300 7>&- &
stopped=$!
helpers="$helpers $stopped"
(echo "$BASHPID" >"$dir/cg/$group/cgroup.procs" && exec sleep 300 7>&-) &
await "grep -q . '$dir/cg/$group/cgroup.procs'" 10 || fail "nobody in the cgroup"
prey=prey$$
mkdir -m 755 "$dir/bin" && cp /bin/sleep "$dir/bin/$prey"
(while :; do
	setpriv --pdeathsig KILL "$dir/bin/$prey" 300 7>&- &
	wait
done) 2>/dev/null &
respawn=$!
helpers="$helpers $respawn"
await "pgrep -x $prey >/dev/null" 10 || fail "no victims to kill"

# A slow machine must not end a run by itself.
checks() {
	cat <<-END
		brink: 1
		name: foreign
		steady_state:
		  - {tcp: "127.0.0.1:7999", netns: $b, every: 3s, pass_after: 1, fail_after: 100}
		  - {command: [true], every: 3s, pass_after: 1, fail_after: 100}
	END
}
{ checks && cat; } >"$dir/all.yaml" <<END
targets:
  paused: {process: {pid: $paused}}
  frozen: {process: {cgroup: /$group}}
  killed: {process: {name: $prey}}
faults:
  - net.drop: {to: "10.77.0.2:7001", netns: $a}
    for: 90s
  - proc.pause: {target: paused}
    for: 90s
  - disk.fill: {path: $dir/disk, until: 50%}
    for: 90s
  - proc.pause: {target: frozen}
    for: 90s
  - proc.kill: {target: killed, every: 2s}
    for: 90s
END

# Nothing of a fault is left.
all_back() {
	await "! grep -q '^State:.[tT]' /proc/$paused/status" 5 || fail "$1: the process is still held"
	await "grep -qx 'frozen 0' '$dir/cg/$group/cgroup.events'" 5 || fail "$1: the cgroup is still frozen"
	await "[ \$(df --output=used '$dir/disk' | tail -n 1) = 0 ]" 5 || fail "$1: the disk is still full"
	await same_now 5 || same "$1"
}
same_now() {
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after"
}

# $1: kind. What it holds, and what comes of a foreign call of it.
strike() {
	local pid said
	python3 "$(dirname "$0")/rights.py" "$run" "$dir/plan" >"$dir/who" || { cat "$dir/who"; fail "$1: see above"; }
	pid=$(sed -n "s/^$1 //p" "$dir/who" | head -n 1)
	[ "$pid" ] || fail "no $1"
	said=$(timeout 30 "$foreign" "$pid") || fail "$1: no foreign call was made"
	[ "$said" = "killed by SIGSYS" ] || fail "$1: $said"
	n=$((n + 1))
}

# $1: kind, as rights.py calls it; $2: exit code of the run; $3: words of its report
one() {
	local rc=0
	: >"$dir/all.err"
	hold all 4 --yes
	strike "$1"
	for kind in prober launcher; do
		grep -q "^$kind " "$dir/who" || fail "there is no $kind"
	done
	wait "$run" || rc=$?
	run=
	[ "$rc" = "$2" ] || fail "$1: exit $rc, not $2"
	[ -z "$3" ] || grep -q "$3" "$dir/all.err" || fail "$1: does not say '$3'"
	if [ "$1" = runner ]; then # nobody is left to say that it is clean; the record stays, and says so
		await "[ ! -e /proc/$(sed -n 's/^keeper //p' "$dir/who") ]" 20 || fail "runner: its keeper stays"
		"$BRINK" revert --all >"$dir/revert.out" 2>&1 || fail "runner: revert: exit $?"
	else
		grep -q '^CLEAN' "$dir/all.err" || fail "$1: no proof of the revert"
	fi
	all_back "$1"
}

before
"$BRINK" plan --json "$dir/all.yaml" >"$dir/plan" 2>"$dir/plan.err" || fail "plan: exit $?"
n=0
wants() { [ -z "${FOREIGN_KINDS:-}" ] || [[ " $FOREIGN_KINDS " == *" $1 "* ]]; } # a slow machine takes some of them
! wants runner || one runner 159 ""
! wants prober || one prober 6 "stopped: the prober (process [0-9]*) "
! wants keeper || one keeper 6 "the keeper died; its spare took over"
! wants spare || one spare 6 "the spare keeper died"
for f in net-drop proc-pause disk-fill proc-pause-2 proc-kill; do
	! wants "holder:$f" || one "holder:$f" 6 "its holder died"
done

# Who takes back after everybody is dead: it waits for the lock when it makes the call. The next one does the work.
recovery() {
	: >"$dir/all.err"
	hold all 4 --yes
	python3 "$(dirname "$0")/rights.py" "$run" "$dir/plan" >"$dir/who" || { cat "$dir/who"; fail "recovery: see above"; }
	exec 8<"/run/brink/$(run_id all)/lock"
	# shellcheck disable=SC2046
	kill -KILL $(sed 's/.* //' "$dir/who") 2>/dev/null || :
	wait "$run" 2>/dev/null || :
	run=
	flock -w 20 8 || fail "recovery: the run is not dead"
	"$BRINK" revert "$(run_id all)" 8<&- >"$dir/revert.out" 2>&1 &
	run=$!
	await 'pid=$(pgrep -P "$run" -x brink-keeper)' 20 || fail "no recovery"
	await 'grep -q "^Seccomp:.2" "/proc/$pid/status"' 20 || fail "the recovery is not filtered"
	grep -q '^NoNewPrivs:.1' "/proc/$pid/status" || fail "recovery: no no_new_privs"
	said=$(timeout 30 "$foreign" "$pid") || fail "recovery: no foreign call was made"
	[ "$said" = "killed by SIGSYS" ] || fail "recovery: $said"
	rc=0
	wait "$run" || rc=$?
	run=
	[ $rc = 20 ] || fail "revert whose worker was killed: exit $rc, not 20"
	n=$((n + 1))
	exec 8<&-
	"$BRINK" revert --all >"$dir/revert.out" 2>&1 || fail "revert: exit $?"
	all_back recovery
}
! wants recovery || recovery

# SIGSTOP, where ptrace is not allowed.
stop_holder() {
	{ checks && cat; } >"$dir/stopped.yaml" <<END
faults:
  - proc.pause: {pid: $stopped}
    for: 90s
END
	without="setpriv --bounding-set=-sys_ptrace --inh-caps=-all"
	$without "$BRINK" plan --json "$dir/stopped.yaml" >"$dir/plan" 2>"$dir/plan.err" || fail "plan: exit $?"
	grep -q '"kind":"stop"' "$dir/plan" || fail "it would not be stopped by a signal"
	brink=$BRINK
	printf '#!/bin/sh\nexec %s %s "$@"\n' "$without" "$BRINK" >"$dir/without" && chmod 755 "$dir/without"
	BRINK=$dir/without
	hold stopped 1
	BRINK=$brink
	grep -q '^State:.T' "/proc/$stopped/status" || fail "it is not stopped"
	strike holder:proc-pause
	finish stopped 6
	await "! grep -q '^State:.T' /proc/$stopped/status" 5 || fail "it is still stopped"
}
! wants stop || stop_holder
echo "# counted: filtered_processes $n"
same "at the end"
