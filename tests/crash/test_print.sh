#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink revert --print: for every fault of the registry, with all of brink killed and with all of brink stopped, exactly
# the printed commands are run by sh. Then the machine is as before, byte for byte, without brink; and brink has nothing
# left to do but to remove the record. A fault without a case here fails the test.
# shellcheck source=tests/crash/world.sh disable=SC2046,SC2034
. "$(dirname "$0")/world.sh"

tracer=$BUILD/tests/crash/prog_tracer
mkdir -p /run/full /run/brink/locks
mount -t tmpfs -o size=64m full /run/full || fail "no file system to fill"
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
box=$(mktemp -u "$v2/brink-print-XXXXXX")
printed=0 cases=0

leave_box() { # a process that the victim just started may still be in it
	[ ! -d "$box" ] || poll 5000 eval 'xargs -n 1 <"$box/cgroup.procs" >"$v2/cgroup.procs" 2>/dev/null; rmdir "$box" 2>/dev/null'
}
trap leave_box EXIT
everybody() { ps -eo pid=,comm=,stat= | awk '$2 ~ /^brink/ && $3 !~ /^Z/ { print $1 }'; }
# the victim counts into a file: it runs as long as that changes
victim() {
	(exec 7>&-; while :; do echo "$EPOCHREALTIME" >"$dir/ticks" && sleep 0.02; done) &
	victim=$!
	poll 5000 test -s "$dir/ticks" || fail "no victim"
}
ticks() {
	local was
	was=$(cat "$dir/ticks")
	poll "$1" eval "[ \"\$(cat $dir/ticks)\" != \"$was\" ]"
}
late() { [ "$(ip netns exec cr_a "$meter" udp 10.78.0.2 7002 2 3000 | sed 's/.*max_us \([0-9-]*\).*/\1/')" -ge 500000 ]; }
twice() { ip netns exec cr_a "$meter" udp 10.78.0.2 7002 2 3000 | grep -q 'dup [1-9]'; }
lossy() { ip netns exec cr_a "$meter" udp 10.78.0.2 7002 8 1000 | grep -q 'lost [1-9]'; }
silent() { # about one name, and not about another one
	ip netns exec cr_a python3 - <<-'END'
		import socket
		def comes_back(name):
		    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    s.settimeout(0.5)
		    s.sendto(b'ab\x80\0\0\1\0\0\0\0\0\0' + name + b'\0\0\1\0\1', ('10.78.0.2', 7002))
		    try:
		        return len(s.recv(99)) > 0
		    except TimeoutError:
		        return False
		raise SystemExit(comes_back(b'\4felt\4test') or not comes_back(b'\4felt\5other'))
	END
}
taken() { ip netns exec cr_a ss -Hltn 'sport = :7010' | grep -q 7010; }
felt() {
	case $1 in
	net.drop | net.partition) blocked ;;
	net.dns) silent ;;
	net.port_taken) taken ;;
	net.link_down) ! ip -n cr_a -o link show dev va | grep -q '[<,]UP[,>]' ;;
	net.mtu) ip -n cr_a -o link show dev va | grep -q 'mtu 1280 ' ;;
	net.delay* | net.reorder | net.rate | net.slot | net.impair) late ;;
	net.loss | net.corrupt) lossy ;;
	net.duplicate) twice ;;
	proc.pause*) ! ticks 300 ;;
	disk.fill) [ "$(df --output=avail -k /run/full | tail -n 1 | tr -d ' ')" -le 5000 ] ;;
	net.reset | proc.kill) said ' held \| fired ' ;;
	esac
}
world() { # all that the commands may not change, and the record apart
	state | grep -vxF "${id:-none}"
	ls -A /run/full
	cat "$box/cgroup.freeze" 2>/dev/null
	awk '{ print $1, $2, $3 }' /proc/mounts
}
hold() { # $1: fault, $2: its keys
	cat >"$dir/x.yaml" <<-YAML
		brink: 1
		name: printed
		steady_state:
		  - {id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 1s, fail_after: 10}
		faults:
		  - id: one
		    ${1%%-*}: {$2}
		    for: 60s
	YAML
	rm -rf /var/lib/brink
	: >"$dir/err"
	"$BRINK" run --yes "$dir/x.yaml" >"$dir/out" 2>"$dir/err" </dev/null &
	run=$!
	poll 60000 eval "felt $1 || ! kill -0 $run 2>/dev/null" || fail "never felt"
	kill -0 $run 2>/dev/null || fail "it ended early"
	poll 20000 said ' held \| fired ' || fail "never held"
	id=$(record)
}
by_hand() { # $1: fault
	"$BRINK" revert --print >"$dir/by-hand" 2>"$dir/print.err" || fail "revert --print: $? $(cat "$dir/by-hand" "$dir/print.err")"
	[ ! -s "$dir/print.err" ] || fail "revert --print says: $(cat "$dir/print.err")"
	! grep -E '(^|[ /;])brink( |$)' "$dir/by-hand" || fail "brink is to be run: $(cat "$dir/by-hand")"
	printed=$((printed + $(grep -vc '^#' "$dir/by-hand")))
	sh -e "$dir/by-hand" >"$dir/hand.out" 2>&1 || fail "they do not work: $(cat "$dir/by-hand" "$dir/hand.out")"
}
as_it_was() { world | cmp -s "$dir/world" -; }
not_felt() { ! felt "$1"; }
clean() { # $1: fault, before and after `brink revert`
	[[ $1 == net.reset || $1 == proc.kill ]] || poll 5000 not_felt "$1" || fail "still felt after: $(cat "$dir/by-hand")"
	poll 10000 as_it_was || fail "not as before: $(world | diff "$dir/world" -) after: $(cat "$dir/by-hand")"
	poll 3000 no_brink || fail "processes are left: $(ps -eo pid,stat,comm | grep brink) after: $(cat "$dir/by-hand")"
	"$BRINK" revert --print >"$dir/again" 2>&1 || fail "again: $(cat "$dir/again")"
	grep -qx "# run $id: nothing of it is left" "$dir/again" || fail "printed again: $(cat "$dir/again")"
	"$BRINK" revert >"$dir/revert" 2>&1 || fail "brink revert: $(cat "$dir/revert")"
	grep -Eq "^CLEAN  run $id|nothing to revert" "$dir/revert" || fail "brink revert says: $(cat "$dir/revert")"
	[ -z "$(record)" ] || fail "its record is left"
	as_it_was || fail "brink revert changed something: $(world | diff "$dir/world" -)"
}
try() { # $1: fault, and a variant behind a dash; $2: its keys
	local how
	for how in KILL STOP; do
		case_name="$1, all of brink gets SIG$how"
		hold "$1" "${2//VICTIM/$victim}"
		prober=$(brink_pids brink-prober)
		kill -$how $(everybody) 2>/dev/null
		kill -KILL $prober 2>/dev/null # it holds nothing; stopped, it ends itself within ten seconds
		[ $how = KILL ] || poll 3000 only_stopped || fail "not stopped: $(ps -eo pid,stat,comm | grep brink)"
		by_hand "$1"
		clean "$1"
		wait $run 2>/dev/null
		cases=$((cases + 1))
		echo "# $case_name: $(grep -vc '^#' "$dir/by-hand") commands"
	done
}

with_netem() { # $1: what $fault is about
	if [ -z "${BRINK_VM:-}" ]; then
		echo "# $fault: this kernel is the host's; the guest's has netem"
		return
	fi
	modprobe ifb numifbs=0 && modprobe sch_netem || fail "no netem"
	try "$fault" "to: \"10.78.0.2:7002\", $1, netns: cr_a"
}
with_queue() { # the same in user space
	[ -n "${BRINK_VM:-}" ] || return 0
	try "$fault-queue" "to: \"10.78.0.2:7002\", $1, direction: in, dev: vb, netns: cr_b, engine: user"
}

victim
state >/dev/null
id=
world >"$dir/world"
for fault in $("$BRINK" list faults --json | jq -r .fault); do
	case $fault in
	net.drop) try net.drop 'to: "10.78.0.2:7002", netns: cr_a' ;;
	net.dns) try net.dns 'names: felt.test, answer: none, to: "10.78.0.2:7002", netns: cr_a' ;;
	net.partition) try net.partition 'from: 10.78.0.2, not: "*:7001", netns: cr_a' ;;
	net.delay) with_netem 'delay: 900ms' && with_queue 'delay: 900ms' ;;
	net.loss) with_netem 'loss: 60%' ;;
	net.duplicate) with_netem 'share: 100%' ;;
	net.corrupt) with_netem 'share: 100%' ;;
	net.reorder) with_netem 'share: 1%, delay: 900ms' ;;
	net.rate) with_netem 'rate: 1kbit, packet_overhead: 30' ;;
	net.slot) with_netem 'min_delay: 900ms, max_delay: 900ms' ;;
	net.impair) with_netem 'delay: 900ms, duplicate: 20%' ;;
	net.port_taken) try net.port_taken 'port: 7010, netns: cr_a' ;;
	net.link_down) try net.link_down 'dev: va, netns: cr_a' ;;
	net.mtu) try net.mtu 'dev: va, mtu: 1280, netns: cr_a' ;;
	net.reset) try net.reset 'to: "10.78.0.2:7002", netns: cr_a, every: 500ms' ;; # the run goes on
	proc.kill) try proc.kill "pid: VICTIM, signal: CONT, every: 500ms" ;; # the run goes on
	proc.pause)
		try proc.pause "pid: VICTIM"
		"$tracer" "$victim" >"$dir/tracing" 7>&- &
		tracing=$!
		poll 5000 grep -q ready "$dir/tracing" || fail "no tracer"
		try proc.pause-signal "pid: VICTIM"
		kill $tracing
		if [ -n "$v2" ] && mkdir "$box" 2>/dev/null && echo "$victim" >"$box/cgroup.procs" 2>/dev/null; then
			world >"$dir/world"
			try proc.pause-cgroup "cgroup: /${box#"$v2"/}"
			leave_box
			world >"$dir/world"
		elif [ -n "${BRINK_VM:-}" ]; then
			fail "no cgroup to freeze"
		fi
		;;
	disk.fill) try disk.fill 'path: /run/full, leave: 4MiB' ;;
	*) fail "the fault '$fault' has no case here" ;;
	esac
done
echo "# counted: printed_reverts $cases"
[ $printed -gt 0 ] || fail "nothing was ever printed"
