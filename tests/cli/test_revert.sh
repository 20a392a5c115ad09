#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink revert, and what the next commands say about an old run.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"
old=$BUILD/tests/cli/prog_journal
A=01ARZ3NDEKTSV4RRFFQ69G5FAA B=01ARZ3NDEKTSV4RRFFQ69G5FBB

plant() { # a table that a kernel without owner flag would have left, and the device that nobody forwards to any more
	ip netns exec cr_a nft "add table inet brink_$1; add chain inet brink_$1 c { type filter hook output priority 0; }; add rule inet brink_$1 c udp dport 7002 drop"
}
before
case_name="nothing to revert"
b revert
is_rc 0
says 'nothing to revert'
b revert nonsense!
is_rc 2
b revert 5FAA
is_rc 2
as_before

case_name="--print says what to type, in the order of undoing, and changes nothing"
plant a1
plant a2
"$old" /run/brink $A label=one netns=cr_a table=brink_a1 label=two table=brink_a2 table=brink_gone
b revert --print
is_rc 0
printf '# run %s\nip netns exec cr_a nft delete table inet brink_a2\nip netns exec cr_a nft delete table inet brink_a1\n' $A >"$dir/want"
cmp "$dir/out" "$dir/want" || fail "prints $(cat "$dir/out")"
ip netns exec cr_a nft list table inet brink_a1 >/dev/null || fail "it changed something"
test -e /run/brink/$A/journal || fail "the record is gone"
bash -e "$dir/out" || fail "the commands do not work"
b revert --print
prints "nothing of it is left"
b revert
is_rc 0
says "^CLEAN  run $A"
as_before

case_name="revert takes back, reads back and removes the record; a second one finds nothing"
plant a1
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
b status
is_rc 0
prints "$A  dead, NOT CLEAN"
prints 'LEFT  *one hit nothing (nft_gate)'
b revert 5faa
is_rc 0
says "^CLEAN  run $A: 1 change taken back"
b revert $A
is_rc 2
as_before

case_name="a record that is gone is not taken for a clean end"
experiment 60s 0s "$TCP"
start
poll 8000 in_phase hold || fail "never held"
id=$(record)
kill_brink
wait $run 2>/dev/null
poll 5000 no_brink || fail "processes are left"
rm -r "/run/brink/$id"
lost() { # $1: run
	local command
	for command in "revert $1" "revert --print $1" "status $1" "halt $1" revert "revert --all" "revert --print" status halt; do
		# shellcheck disable=SC2086 # words
		b $command
		case $command in
		*"$1") is_rc 20 ;;
		*) is_rc 0 && says '^brink: warning: ' ;; # where events cannot be written their end is missing too
		esac
		says "run $1 has no record in /run/brink, and its events do not say that it was clean"
		says 'look for brink_'
		! grep -qE 'nothing to|no run goes on|CLEAN' "$dir/err" || fail "$command: nothing"
		! grep -q . "$dir/out" || case $command in status*) ;; *) fail "$command prints something" ;; esac
	done
}
lost "$id"
mkdir -m 700 "/run/brink/$id" # it has its directory, and nothing in it
lost "$id"
b version
says "run $id died and is not clean"
rmdir "/run/brink/$id"
plant a1
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
b revert
is_rc 0
says "^CLEAN  run $A"
says "run $id has no record"
b revert --unit nobody.service # whose the lost one was nobody can say
is_rc 0
b revert --accept-conflict "$id" # somebody has looked
is_rc 0
b revert
is_rc 0
says 'nothing to revert'
rm -r "/var/lib/brink/runs/$id"
as_before

case_name="what the events of a run tell when it could not say how it ended"
runs=/var/lib/brink/runs
told() { # $1: id, $2...: events; of a run of this boot with two faults
	mkdir -p "$runs/$1"
	jq -nc --arg b "$(cat /proc/sys/kernel/random/boot_id)" '{seq: 0, ev: "run.start", faults: 2, boot: $b}' >"$runs/$1/events.ndjson"
	local at=$runs/$1/events.ndjson
	shift
	for ev; do echo "{\"ev\":\"$ev\"}" >>"$at"; done
}
told $A run.phase # killed before anything was changed
told $B run.guarded fault.reverted fault.reverted
b revert
is_rc 0
says 'nothing to revert'
b revert $B
is_rc 0
told $A run.guarded fault.held fault.reverted
b revert # a warning, no verdict
is_rc 0
says "warning: run $A has no record"
! grep -q $B "$dir/err" || fail "$B too"
told $A run.guarded fault.reverted fault.not_reverted
b revert
is_rc 0
says "warning: run $A has no record"
b revert $A
is_rc 20
# one that has said its end has told its user; whoever asks for it by name hears it again
told $A run.guarded fault.reverted fault.reverted run.end # not clean: it was compared
b revert
is_rc 0
b revert $A
is_rc 20
echo '{"ev":"run.end","clean":false,"exit":20}' >>$runs/$A/events.ndjson # not clean, and then its record went
b revert
is_rc 0
says "warning: run $A has no record"
mkdir -m 700 /run/brink/$A
b revert --accept-conflict $A
is_rc 0
[ ! -e /run/brink/$A ] || fail "its directory is left"
b revert
says 'nothing to revert'
told $A run.guarded fault.reverted fault.reverted # killed behind the last call that removes the record
echo '{"ev":"run.end","clean":false,"keeper_lost":true}' >>$runs/$A/events.ndjson
b revert $A
is_rc 0
told $A run.guarded fault.reverted
echo '{"ev":"run.end","clean":false,"keeper_lost":true}' >>$runs/$A/events.ndjson
b revert
is_rc 0
b revert $A
is_rc 20
rm -r $runs/$A
# what was not read may say that it was guarded
told $A && { for ((i = 0; i < 4000; i++)); do echo '{"ev":"check.sample"}'; done; } >>$runs/$A/events.ndjson
b revert
is_rc 0
says "warning: run $A has no record"
rm -r $runs/$A $runs/$B
as_before

case_name="--json"
plant a1
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
b revert --json
is_rc 0
[ "$(jq -c . "$dir/out")" = "{\"run\":\"$A\",\"clean\":true,\"restored\":1,\"left\":[]}" ] || fail "$(cat "$dir/out")"
as_before

case_name="every later command warns, and a run on the same resource is refused"
plant a1
experiment 1s 0s "$TCP"
b plan "$dir/x.yaml"
is_rc 0
prints 'Missing   no systemd here: no dead-man timer in PID 1: when all of brink is dead'
mkdir -p /run/systemd/system
# a folder of the host's in a PID namespace of its own: its systemd would take our numbers for those of others
b plan "$dir/x.yaml"
is_rc 0
prints 'Missing   the systemd here is not PID 1 of this PID namespace: no dead-man timer in PID 1: when all of brink is dead'
b plan --json "$dir/x.yaml"
[ "$(jq .deadman "$dir/out")" = false ] || fail "$(cat "$dir/out")"
b doctor
grep -q 'the systemd here is not PID 1 of this PID namespace' "$dir/out" || fail "doctor: $(cat "$dir/out")"
under_systemd() { # COMMAND...: in a namespace whose PID 1 has systemd's name
	rc=0
	# shellcheck disable=SC2016 # the inner shell expands
	unshare --pid --fork --kill-child --mount-proc bash -c 'printf systemd >/proc/self/comm; "$@"; exit $?' \
		systemd "$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	is_rc 0
}
under_systemd "$BRINK" plan "$dir/x.yaml"
prints 'Timer     one in PID 1 reverts'
under_systemd unshare --pid --fork "$BRINK" plan "$dir/x.yaml" # and /proc is still that systemd's
prints 'Missing   the systemd here is not PID 1'
rmdir /run/systemd/system /run/systemd
key=$(ip netns exec cr_a "$BUILD/tests/cli/prog_cookie" va)
"$old" /run/brink $A label=one resource="$key" netns=cr_a table=brink_a1
b version
is_rc 0
says "warning: run $A died and is not clean. See: sudo brink revert $A"
b run "$dir/x.yaml"
is_rc 4
says "run $A died and has not given back"
says "first: brink revert $A"
b plan "$dir/x.yaml"
is_rc 4
b revert
is_rc 0
b run "$dir/x.yaml"
is_rc 0
as_before

case_name="a run that restored itself is told once, and its record removed"
"$old" /run/brink $A state=clean why='the runner died' table=brink_x
b version
says "note: run $A ended by itself: the runner died; everything was restored"
b version
[ ! -s "$dir/err" ] || fail "told twice"
as_before

case_name="a conflict is not clean, unless it is accepted"
ip -n cr_a link add brinkaa type veth peer name other
"$old" /run/brink $A label=slow netns=cr_a ifb=brinkaa
b revert
is_rc 20
says 'NOT CLEAN  slow: .*brinkaa'
says "by hand:   brink revert --accept-conflict $A"
tail -n 1 "$dir/err" | grep -q "or later:  sudo brink revert $A" || fail "last line"
b revert --print
is_rc 20
prints "^# left as it is: .*brinkaa"
! grep -q '^[^#]' "$dir/out" || fail "it would remove what is not brink's: $(cat "$dir/out")"
test -e /run/brink/$A/journal || fail "the record is gone"
b revert --accept-conflict
is_rc 0
says 'slow: left as it is'
ip -n cr_a link show brinkaa >/dev/null || fail "it removed what is not brink's"
ip -n cr_a link del brinkaa
as_before

case_name="all was taken back, but the whole could not be proven: it is looked at"
plant a1
"$old" /run/brink $A state=dirty label=one netns=cr_a slot=restored table=brink_a1
b revert
is_rc 20
says "NOT CLEAN  one: .*brink_a1"
ip netns exec cr_a nft list table inet brink_a1 >/dev/null || fail "what was taken back once is somebody else's now"
b revert --accept-conflict
is_rc 0
says 'one: left as it is'
ip netns exec cr_a nft delete table inet brink_a1
"$old" /run/brink $A state=dirty label=one netns=cr_a slot=restored table=brink_a1
marked=brink_$(printf %s "${A: -6}" | tr A-Z a-z)zz # the run's, and none of its changes tells of it
ip netns exec cr_a nft "add table inet $marked; add table inet brink_zzzzzz01"
b revert
is_rc 20
says "NOT CLEAN  .*nft table inet $marked"
! grep -q brink_zzzzzz01 "$dir/err" || fail "another run's"
b revert --print
is_rc 20
prints "it could not prove the whole: brink revert $A looks"
ip netns exec cr_a nft delete table inet brink_zzzzzz01
b revert --accept-conflict
is_rc 0
says "left as it is: .*$marked"
ip netns exec cr_a nft delete table inet $marked
"$old" /run/brink $A state=dirty label=one netns=cr_a slot=restored table=brink_a1
b revert
is_rc 0
as_before

case_name="a record in a directory that others can write into is not believed"
plant a1
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
chmod 777 /run/brink/$A
b status
prints "$A  cannot be read  others can write into"
b revert --print
is_rc 20
prints "others can write into"
! grep -q '^[^#]' "$dir/out" || fail "it prints a command"
b revert
is_rc 20
says 'others can write into'
chmod 700 /run/brink/$A
b revert
is_rc 0
as_before

case_name="two runs: name one, or --all"
plant a1
plant a2
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
"$old" /run/brink $B label=two netns=cr_a table=brink_a2
b revert
is_rc 2
says "^  $A"
ip netns exec cr_a nft list table inet brink_a1 >/dev/null || fail "it changed something"
b revert --all
is_rc 0
says "^CLEAN  run $A"
says "^CLEAN  run $B"
as_before

case_name="--unit: only what that unit started"
"$old" /run/brink $A unit=web.service label=one netns=cr_a table=brink_a1
"$old" /run/brink $B unit=other.service label=two netns=cr_a table=brink_a2
b revert --unit web
is_rc 0
[ ! -e /run/brink/$A ] || fail "the unit's run is left"
[ -e /run/brink/$B ] || fail "another unit's run was taken"
b revert --unit nobody.service
is_rc 0
b revert --all
is_rc 0
as_before

case_name="--at-boot: only runs of earlier boots, whose kernel state is gone"
"$old" /run/brink $A boot=00000000-0000-0000-0000-000000000000 label=one netns=cr_a table=of_the_host
"$old" /run/brink $B label=two netns=cr_a table=brink_a2
b revert --at-boot
is_rc 0
[ ! -e /run/brink/$A ] || fail "the old record is left"
[ -e /run/brink/$B ] || fail "a run of this boot was taken"
b revert $B
is_rc 0
as_before

case_name="--at-boot: runs that went down with the machine, told by their events alone"
runs=/var/lib/brink/runs
cut() { # $1: id, $2: boot id, $3...: more lines
	mkdir -p "$runs/$1"
	printf '{"v":1,"run":"%s","seq":0,"t":"2026-11-20T13:02:11.004Z","ev":"run.start","name":"%s","boot":"%s"}\n' "$1" "n $1" "$2" >"$runs/$1/events.ndjson"
	shift 2
	[ $# = 0 ] || printf '%s\n' "$@" >>"$runs/$id/events.ndjson"
}
rm -rf $runs
now=$(cat /proc/sys/kernel/random/boot_id) then=00000000-0000-0000-0000-000000000000
b revert --at-boot
is_rc 0
says 'nothing to revert: no run was cut off'
id=01ARZ3NDEKTSV4RRFFQ69G5FC1 && cut $id $then
id=01ARZ3NDEKTSV4RRFFQ69G5FC2 && cut $id $then '{"seq":9,"ev":"run.end","exit":20,"verdict":"not-clean","clean":false}'
id=01ARZ3NDEKTSV4RRFFQ69G5FC3 && cut $id $then '{"seq":9,"ev":"run.end","exit":0,"verdict":"pass","clean":true}'
id=01ARZ3NDEKTSV4RRFFQ69G5FC4 && cut $id "$now"
id=01ARZ3NDEKTSV4RRFFQ69G5FC5 && mkdir -p $runs/$id && head -c 3000 /dev/zero >$runs/$id/events.ndjson
id=01ARZ3NDEKTSV4RRFFQ69G5FC6 && cut $id $then && "$old" /run/brink $id label=one netns=cr_a table=brink_a9
clean_of() { jq -r "select(.run == \"01ARZ3NDEKTSV4RRFFQ69G5F$1\") | \"\(.clean) \(.rebooted)\"" "$dir/out"; }
b runs --json
[ "$(clean_of C1) $(clean_of C2) $(clean_of C3) $(clean_of C4) $(clean_of C5)" = \
	"null true false true true false null false null false" ] || fail "$(cat "$dir/out")"
b revert --at-boot
is_rc 0
for id in C1 C2 C5; do
	says "run 01ARZ3NDEKTSV4RRFFQ69G5F$id.*went down"
done
[ "$(grep -c 'went down' "$dir/err")" = 3 ] || fail "says $(cat "$dir/err")"
b runs --json
[ "$(clean_of C1) $(clean_of C2) $(clean_of C3) $(clean_of C4) $(clean_of C5)" = \
	"true false true false true false null false true false" ] || fail "$(cat "$dir/out")"
b revert --at-boot
is_rc 0
says 'nothing to revert'
b revert
is_rc 0
rm -rf $runs
as_before

case_name="processes of another PID namespace: never looked up by their numbers, never called restored"
# shellcheck disable=SC2016 # the inner shell expands
unshare --pid --fork --kill-child --mount-proc bash -c 'sleep 1000 & kill -STOP $!; echo $! >/run/t/inner; exec sleep 1001' &
inner=$!
poll 5000 test -s /run/t/inner || fail "no namespace"
inner=$(cat /proc/$inner/task/$inner/children)
within() { nsenter --target "${inner% }" --pid --mount "$@"; }
stopped() { [[ $(within ps -o stat= -p "$(cat /run/t/inner)") = T* ]]; }
within "$old" /run/brink $A label=asleep stop="$(cat /run/t/inner)"
poll 5000 stopped || fail "not stopped" # the signal, as the run would have sent it
b revert
is_rc 20
says "NOT CLEAN  asleep: process [0-9]* of PID namespace $(within stat -Lc %i /proc/self/ns/pid) cannot be looked up from this one"
says "by hand:   brink revert $A # in its PID namespace"
b revert --print
is_rc 20
prints "^# asleep: process .*; brink revert $A in its PID namespace"
! grep -q '^[^#]' "$dir/out" || fail "it would signal somebody else: $(cat "$dir/out")"
b status
prints 'unknown *asleep'
stopped || fail "it runs"
within "$BRINK" revert $A 2>"$dir/err" || fail "exit $? in its own namespace"
! stopped || fail "it is stopped"
as_before

case_name="the same, with a boot_id of its own, as containers may have"
within kill -STOP "$(cat /run/t/inner)"
poll 5000 stopped || fail "not stopped"
within "$old" /run/brink $A boot=00000000-0000-0000-0000-000000000000 label=asleep stop="$(cat /run/t/inner)"
b revert --at-boot
is_rc 0
b revert
is_rc 20
says "NOT CLEAN  asleep: process [0-9]* of PID namespace"
b status
prints 'unknown *asleep'
touch -d @1 /run/brink/$A/journal # before this machine started: it went down with its boot
b revert --at-boot
is_rc 0
[ ! -e /run/brink/$A ] || fail "the old record is left"
within kill -CONT "$(cat /run/t/inner)"
as_before

case_name="the same: what is about no process is taken back, but nobody knows about its holder"
plant a1
within "$old" /run/brink $A label=one netns=cr_a holder="$(cat /run/t/inner)" table=brink_a1
b revert
is_rc 20
says "NOT CLEAN  one: its holder [0-9]* of PID namespace"
! ip netns exec cr_a nft list table inet brink_a1 >/dev/null 2>&1 || fail "the table is left"
b revert --accept-conflict
is_rc 0
says 'one: left as it is'
plant a1
within "$old" /run/brink $A label=one netns=cr_a table=brink_a1
b revert # no holder yet: nobody has to be looked up
is_rc 0
as_before

case_name="the same: a live run has its lock, whatever its numbers mean here"
within "$old" /run/brink $A label=asleep stop="$(cat /run/t/inner)"
exec 8>/run/brink/$A/lock
flock 8
b version
[ ! -s "$dir/err" ] || fail "a live run is called dead: $(cat "$dir/err")"
b revert $A
is_rc 4
says "run $A is alive"
exec 8>&-
kill -KILL "${inner% }"
b revert --accept-conflict
is_rc 0
as_before

case_name="a record that cannot be read is never called clean"
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
dd if=/dev/zero of=/run/brink/$A/journal bs=4096 count=2 conv=notrunc status=none
b revert $A
is_rc 20
says "nobody can say what run $A changed"
rm -r /run/brink/$A
as_before

case_name="a slot that cannot be read is never called clean"
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
dd if=/dev/zero of=/run/brink/$A/journal bs=4096 seek=2 count=2 conv=notrunc status=none
b revert $A
is_rc 20
says "slot 0 of the journal cannot be read"
says "by hand:   look for brink_.*rm -r /run/brink/$A"
rm -r /run/brink/$A
as_before

case_name="nobody is told to throw away the record of another version of brink"
"$old" /run/brink $A label=one netns=cr_a table=brink_a1 version=4711
: >/run/brink/$A/lock
b revert $A
is_rc 20
says "the journal is of version 4711, this brink reads"
says "by hand:   brink revert $A, of the brink that made it"
! grep -q 'rm -r' "$dir/err" || fail "it shall be thrown away"
rm -r /run/brink/$A
as_before

case_name="a run that died before it wrote anything"
"$old" /run/brink $A
truncate -s 4096 /run/brink/$A/journal
b revert $A
is_rc 0
mkdir /run/brink/$B
b revert --all
is_rc 0
as_before

case_name="a lost record is never called clean"
for how in emptied short missing link fifo folder; do
	"$old" /run/brink $A label=one netns=cr_a table=brink_a1
	: >/run/brink/$A/lock # the keeper makes it when its journal is complete
	case $how in
	emptied) : >/run/brink/$A/journal ;;
	short) truncate -s 4095 /run/brink/$A/journal ;;
	missing) rm /run/brink/$A/journal ;;
	link) mv /run/brink/$A/journal "$dir/moved" && ln -s "$dir/moved" /run/brink/$A/journal ;;
	fifo) rm /run/brink/$A/journal && mkfifo /run/brink/$A/journal ;;
	folder) rm /run/brink/$A/journal && mkdir /run/brink/$A/journal ;;
	esac
	b status
	is_rc 0
	prints "$A  cannot be read"
	[ $how != fifo ] || prints 'the journal is no regular file'
	b revert --print
	is_rc 20
	b version
	says "run $A died and is not clean"
	b revert $A
	is_rc 20
	says "nobody can say what run $A changed"
	says "by hand:   look for .*rm -r /run/brink/$A"
	[ -e /run/brink/$A/lock ] || fail "$how: the record is gone"
	rm -r /run/brink/$A
done
as_before

case_name="a run that died while it made its journal, or while its record was being removed"
mkdir /run/brink/$A /run/brink/$B
: >/run/brink/$A/journal # no lock yet
printf clean >/run/brink/$B/lock
b revert --all
is_rc 0
as_before

case_name="somebody else's file in the record: what is brink's goes, the file stays"
plant a1
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
: >/run/brink/$A/lock
: >/run/brink/$A/mine
b revert
is_rc 0
says "^CLEAN  run $A: 1 change"
says "its directory stays"
[ "$(ls /run/brink/$A)" = mine ] || fail "$(ls /run/brink/$A)"
b revert --print
is_rc 0
rm -r /run/brink/$A
as_before

case_name="--print: a slot that cannot be read is exit 20"
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
dd if=/dev/zero of=/run/brink/$A/journal bs=4096 seek=2 count=2 conv=notrunc status=none
b revert --print
is_rc 20
prints "record 0 cannot be read"
rm -r /run/brink/$A
as_before

case_name="a record that was given to somebody else is named with its owner, and never clean"
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
chown -R 65534 /run/brink/$A
b status
prints "$A  of nobody"
b revert
is_rc 20
says "the directory of run $A belongs to nobody"
b revert $A
is_rc 20
rm -r /run/brink/$A
as_before

case_name="two reverts at once"
plant a1
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
"$BRINK" revert $A 2>"$dir/first" &
first=$!
"$BRINK" revert --all 2>"$dir/second" &
second=$!
wait $first || [ $? = 2 ] || fail "the first: $(cat "$dir/first")" # 2: the other one was done before it looked
wait $second || fail "the second: $(cat "$dir/second")"
as_before

case_name="killed in the middle and run again"
for i in 1 2 3 4 5 6 7 8; do plant k$i; done
# shellcheck disable=SC2046
"$old" /run/brink $A netns=cr_a $(for i in 1 2 3 4 5 6 7 8; do echo label=f$i table=brink_k$i; done)
"$BRINK" revert $A 2>/dev/null &
poll 5000 eval '! ip netns exec cr_a nft list table inet brink_k8 >/dev/null 2>&1' || fail "it does not begin"
kill -KILL $! $(brink_pids brink-keeper) 2>/dev/null
wait $! 2>/dev/null
b revert --all
is_rc 0
as_before

case_name="not root: a clear sentence"
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
install -d -m 755 /run/t/pub
install -m 755 "$BRINK" "$BRINK-keeper" "$BRINK-prober" /run/t/pub/
chmod 755 /run/t
rc=0
setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR HOME=/ /run/t/pub/brink revert $A >"$dir/out" 2>"$dir/err" || rc=$?
is_rc 8
says "run $A belongs to root"
says "sudo brink revert $A"
b revert
is_rc 0
rm -rf /run/t/pub
as_before

case_name="not root: the record of a run that began in another session, with another environment"
install -d -m 755 /run/t/pub
install -m 755 "$BRINK" "$BRINK-keeper" "$BRINK-prober" "$old" /run/t/pub/
install -d -o 65534 -g 65534 /run/user/65534 /run/t/session
user=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/run/t/session XDG_RUNTIME_DIR=/run/t/session)
u() { rc=0; "${user[@]}" /run/t/pub/brink "$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?; }
lasts=00000000-0000-0000-0000-000000000000
"${user[@]}" /run/t/pub/prog_journal /run/user/65534/brink $A boot=$lasts label=one table=brink_a1
"${user[@]}" /run/t/pub/prog_journal /run/t/session/brink $B boot=$lasts label=two table=brink_a2
u status
is_rc 0
prints "$A  dead, NOT CLEAN"
prints "$B  dead, NOT CLEAN"
u version
says "run $A died and is not clean. See: brink revert $A"
u revert
is_rc 2
says "^  $A"
u revert --all
is_rc 0
says "^CLEAN  run $A"
says "^CLEAN  run $B"
[ -z "$(ls /run/user/65534/brink /run/t/session/brink | grep ^0)" ] || fail "a record is left"
ln -s ../user/65534 /run/t/same # two names of one directory
user+=(XDG_RUNTIME_DIR=/run/t/same)
"${user[@]}" /run/t/pub/prog_journal /run/user/65534/brink $A boot=$lasts label=one table=brink_a1
u revert
is_rc 0
says "^CLEAN  run $A"
user+=(XDG_RUNTIME_DIR=/run/t/session)
"${user[@]}" /run/t/pub/prog_journal /run/user/65534/brink $A boot=$lasts label=one table=brink_a1
chmod 777 /run/user/65534/brink # no keeper would have used it
u revert
is_rc 0
says 'nothing to revert'
rm -rf /run/t/pub /run/t/session /run/t/same /run/user/65534
as_before

case_name="a run that is alive is refused"
experiment 60s 0s "$TCP"
: >"$dir/err" # of the run before: it had a fault held too
"$BRINK" run "$dir/x.yaml" >/dev/null 2>"$dir/err" </dev/null &
run=$!
poll 8000 said ' held ' || fail "never held"
id=$(record)
b revert "$id"
is_rc 4
says "run $id is alive"
says "brink halt $id"
blocked || fail "it took something back"
for how in "" --all --print; do
	# shellcheck disable=SC2086 # no word, or one
	b revert $how
	is_rc 4
	says "run $id is alive"
	says "brink halt $id"
done
b revert --unit nobody.service
is_rc 0
kill -INT $run
wait $run
as_before

case_name="--lock-timeout: a live one is waited for"
: >"$dir/err" # of the run before: it had a fault held too
"$BRINK" run "$dir/x.yaml" >/dev/null 2>"$dir/err" </dev/null &
run=$!
poll 8000 said ' held ' || fail "never held"
id=$(record)
"$BRINK" revert --lock-timeout 20s "$id" >"$dir/waits" 2>&1 &
waits=$!
"$BRINK" halt "$id" >/dev/null 2>&1 || fail "brink halt: $?"
wait $waits || fail "revert: $? $(cat "$dir/waits")"
grep -q 'nothing to revert' "$dir/waits" || fail "revert says $(cat "$dir/waits")"
wait $run
as_before

case_name="a dead one is taken back, a live one beside it is named"
: >"$dir/err" # of the run before: it had a fault held too
"$BRINK" run "$dir/x.yaml" >/dev/null 2>"$dir/err" </dev/null &
run=$!
poll 8000 said ' held ' || fail "never held"
id=$(record)
plant a1
"$old" /run/brink $A label=one netns=cr_a table=brink_a1
b revert
is_rc 4
says "run $id is alive"
says "^CLEAN  run $A: 1 change"
kill -INT $run
wait $run
as_before

case_name="--lock-timeout: a run that is stopped as a whole is not waited for"
start
poll 8000 said ' held ' || fail "never held"
id=$(record)
# shellcheck disable=SC2046
kill -STOP $run $(brink_pids brink-holder) $(brink_pids brink-keeper) $(brink_pids brink-spare)
SECONDS=0
b revert --lock-timeout 10m "$id"
is_rc 0
[ $SECONDS -lt 300 ] || fail "waited for $SECONDS s"
says "^CLEAN  run $id"
wait $run 2>/dev/null
as_before

case_name="a run that was killed a moment ago is waited for"
for i in 1 2 3; do
	start
	poll 8000 said ' held ' || fail "never held"
	id=$(record)
	# shellcheck disable=SC2046
	kill -KILL $run $(brink_pids brink-holder) $(brink_pids brink-keeper) $(brink_pids brink-spare)
	b revert
	is_rc 0
	says "^CLEAN  run $id"
	wait $run 2>/dev/null
done
as_before

case_name="a run whose keeper was killed is waited for until the spare has taken it back"
start
poll 8000 said ' held ' || fail "never held"
# shellcheck disable=SC2046
kill -KILL $run $(brink_pids brink-keeper)
b revert
is_rc 0
b status
says 'no run goes on here'
connects || fail "still cut"
as_before

cgroup2=$(awk '$9 == "cgroup2" || $8 == "cgroup2" || $10 == "cgroup2" { print $5; exit }' /proc/self/mountinfo)
case_name="a frozen keeper is alive, and named"
cg=$cgroup2/brink-test-$RANDOM-$$
if [ -n "$cgroup2" ] && mkdir "$cg"; then
	start
	poll 8000 said ' held ' || fail "never held"
	id=$(record)
	for p in $(brink_pids brink-keeper) $(brink_pids brink-spare); do echo "$p" >"$cg/cgroup.procs"; done
	echo 1 >"$cg/cgroup.freeze"
	kill -KILL $run # it would end a keeper that hangs
	b revert
	frozen=$(cat "$dir/err")
	echo 0 >"$cg/cgroup.freeze"
	poll 8000 no_brink || fail "they do not end"
	rmdir "$cg"
	is_rc 4
	[[ $frozen == *"run $id is alive, but its keeper is frozen"*"$cg"* ]] || fail "$frozen"
	b revert
	is_rc 0
	as_before
else
	echo "no cgroup can be made here"
	exit 77
fi
