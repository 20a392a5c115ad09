#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink@.service as `make install` ships it, under a real systemd, and every way for it to die: the main process killed,
# the unit's cgroup killed, the unit and its keeper killed, out of memory, hanging as a whole until the watchdog comes.
# At last a run without a unit, whose every process is killed, is taken back by the clock of its timer in PID 1, while the
# wall clock goes a day back. The kernel is read after each: nothing is left.
# shellcheck disable=SC1091
. "$(dirname "$0")/systemd_lib.sh"

unit=brink@slow.service
hog=/sys/fs/cgroup/brink-victim
other=/sys/fs/cgroup/brink-other

victim() { # $1: a cgroup of its own with one process in it
	mkdir "$1"
	sleep 600 &
	helpers="$helpers $!"
	echo $! >"$1/cgroup.procs"
}
frozen() { grep -qx 'frozen 1' "$1/cgroup.events"; }
thawed() { grep -qx 'frozen 0' "$1/cgroup.events"; }
held() { ifb_there && frozen $hog && ! is_quick; }
restored() { ! ifb_there && thawed $hog && is_quick; }
newest() { find /run/brink -mindepth 2 -name journal -printf '%h\n' | sed 's|.*/||' | sort | tail -n 1; }
state_of_unit() { echo "$(property $unit ActiveState) $(property $unit Result)"; }
is_over() { case $(property $unit ActiveState) in failed | inactive) ;; *) false ;; esac; }
begin() { # $1: in words
	case_name=$1
	systemctl reset-failed $unit 2>/dev/null || :
	systemctl start $unit || fail "$case_name: it does not start: $(systemctl status $unit)"
	upto 60 held || fail "$case_name: not held: $(systemctl status $unit)"
	id=$(newest)
	is_waiting "$(timer_of "$id")"
}
ended() { # $1: the unit's result; the rest is the same for all ways to die
	upto 60 is_over || fail "$case_name: the unit goes on: $(systemctl status $unit)"
	[ "$(state_of_unit)" = "$1" ] || fail "$case_name: the unit is '$(state_of_unit)', not '$1': $(systemctl status $unit)"
	restored || fail "$case_name: not restored when the unit had ended: $(systemctl status $unit)"
	if [ "$1" = "failed oom-kill" ]; then # its ExecStopPost has no memory either: the keeper has done all, and its record tells
		upto 20 eval '[ -z "$(all_of_brink)" ]' || fail "$case_name: the keeper goes on"
		"$BRINK" status >"$dir/status.out" && grep -q "^$id  dead, clean" "$dir/status.out" || fail "$case_name: $(cat "$dir/status.out")"
		"$BRINK" revert "$id" >"$dir/revert.out" 2>"$dir/revert.err" || fail "$case_name: brink revert: $?"
	fi
	[ ! -e "/run/brink/$id" ] || fail "$case_name: its record is left"
	[ "$(property "$(timer_of "$id")" ActiveState)" = inactive ] || fail "$case_name: its timer is left"
	# the keeper of one that hangs was killed a moment ago: systemd has yet to see that its scope is empty
	upto 10 eval '[ "$(property "$(scope_of "$id")" ActiveState)" = inactive ]' || fail "$case_name: its scope is left"
	[ -z "$(all_of_brink)" ] || fail "$case_name: processes are left: $(all_of_brink)"
	same "$case_name"
	survived "$case_name: $1"
}

two_spaces
serve "$b" 10.77.0.2 7101
install_brink
grep -q 'LoadState=loaded' <<<"$(systemctl show -p LoadState brink-revert.service)" || fail "no brink-revert.service"
victim $hog
victim $other
trap 'rc=$?; date -s "@$(($(date +%s) + ${stepped_back:-0}))" >/dev/null; echo 1 >$hog/cgroup.kill; echo 1 >$other/cgroup.kill; (exit $rc); clean_up' EXIT
before
mkdir -p /etc/brink/experiments
cat >/etc/brink/experiments/slow.brink.yaml <<END
brink: 1
name: slow
steady_state:
  - {command: ["true"], every: 2s, timeout: 2s, fail_after: 5}
faults:
  - net.delay: {to: "10.77.0.2:7101", delay: 300ms, netns: $a, direction: both}
    for: 60s
  - proc.pause: {cgroup: ${hog#/sys/fs/cgroup}}
    for: 60s
END
sed 's/60s/2s/' /etc/brink/experiments/slow.brink.yaml >/etc/brink/experiments/short.brink.yaml

case_name="a short one"
systemctl start brink@short.service || fail "it does not start: $(systemctl status brink@short)"
upto 60 held || fail "not held"
grep -q 'status=0\|active' <<<"$(systemctl is-active brink@short.service)" || fail "not active while it runs"
upto 60 restored || fail "not restored"
upto 60 eval '[ "$(property brink@short.service ActiveState)" = inactive ]' || fail "it goes on: $(systemctl status brink@short)"
[ "$(property brink@short.service Result)" = success ] || fail "a short one: $(systemctl status brink@short)"
same "a short one"

! systemctl start brink@none.service 2>/dev/null || fail "a unit without an experiment starts"

begin "systemctl stop"
systemctl stop $unit
ended "failed exit-code"

begin "SIGKILL of the main process"
systemctl kill --kill-whom=main --signal=KILL $unit
ended "failed signal"

begin "cgroup.kill of the unit"
echo 1 >"/sys/fs/cgroup$(property $unit ControlGroup)/cgroup.kill"
ended "failed signal"

begin "SIGKILL of the unit and of its keeper"
"$BRINK" revert --unit other >"$dir/revert.out" 2>"$dir/revert.err" || fail "brink revert --unit other: $?"
held || fail "brink revert --unit other has taken away what is not its own"
systemctl kill --signal=KILL $unit "$(scope_of "$id")"
ended "failed signal"

begin "out of memory"
systemctl set-property --runtime $unit MemoryMax=16K MemorySwapMax=0
ended "failed oom-kill"
systemctl revert $unit

begin "all of it hangs"
# shellcheck disable=SC2046
kill -STOP $(all_of_brink) || :
ended "failed watchdog"

# All of a run is killed; the one thing that takes back its freezer is the clock of its timer.
"$BRINK" try proc.pause cgroup=${other#/sys/fs/cgroup} --for 3s >"$dir/dead.out" 2>"$dir/dead.err" &
run=$!
upto 60 frozen $other || fail "the other cgroup is not frozen"
all=$(all_of_brink)
# at one moment: who is left would take back; some die of the death of others
kill -STOP $all
kill -KILL $all 2>/dev/null || :
wait "$run" || :
run=
id=$(newest)
is_waiting "$(timer_of "$id")"
due=$(property "$(timer_of "$id")" NextElapseUSecMonotonic | to_seconds)
echo "# the timer of the dead run is due in $((due - $(uptime_s))) s"
date -s "@$(($(date +%s) - 86400))" >/dev/null
stepped_back=86400
frozen $other || fail "thawed already: now $(uptime_s), due $due"
upto $((due - $(uptime_s) + 30)) thawed $other || fail "the timer has not fired: now $(uptime_s), due $due"
[ "$(uptime_s)" -ge $((due - 1)) ] || fail "thawed before its time"
echo "# the timer fired on its own, at most $(($(uptime_s) - due)) s late"
upto 10 test ! -e "/run/brink/$id" || fail "the record of the dead run is left"
date -s "@$(($(date +%s) + 86400))" >/dev/null
stepped_back=0
no_timer "after the timer"
same "after the timer"
survived "all of brink killed, the wall clock a day back: the timer's own clock"
"$BRINK" revert >"$dir/revert.out" 2>"$dir/revert.err" || fail "brink revert: $(cat "$dir/revert.err")"
grep -q 'nothing to revert' "$dir/revert.err" || fail "something was left"
echo "# counted: outside_chances $chances"
