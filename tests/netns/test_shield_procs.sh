#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Selectors that mean brink itself, another run of it, what it was started from, or PID 1: each is refused in words and
# nobody is touched. In a PID namespace of its own: "everything of root" is this test and nothing else.
# shellcheck disable=SC2086,SC2015
set -eu
if [ -z "${BRINK_TEST_INSIDE:-}" ]; then
	# Kernel threads are in the first PID namespace only. No signal hurts them, if it came to that.
	if [ "$(cat /proc/2/comm 2>/dev/null)" = kthreadd ]; then
		for fault in proc.kill proc.pause; do
			! words=$("$BRINK" try $fault pid=2 --yes 2>&1 </dev/null) &&
				grep -q "process 2 (kthreadd) is no target: it is a kernel thread" <<<"$words" ||
				{ echo "FAIL: $fault of a kernel thread: $words" && exit 1; }
		done
	fi
	BRINK_TEST_INSIDE=1 exec unshare --fork --kill-child --pid --mount-proc --net --propagation private "$0"
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
	echo "FAIL: $*"
	exit 1
}
cases=0
me=$(cat /proc/$$/comm)
sleep 600 &
victim=$!
"$BRINK" try proc.pause pid=$victim --for 2m >"$dir/run.out" 2>"$dir/run.err" </dev/null &
run=$!
end=$((SECONDS + 20))
until grep -q ' held ' "$dir/run.err"; do
	[ $SECONDS -lt $end ] || fail "nothing is held: $(cat "$dir/run.err")"
	sleep 0.05
done
keeper=$(pgrep -P $run -x brink-keeper)
echo $$ >"$dir/pid"
echo $keeper >"$dir/keeper"
# Who is there, and who is stopped.
list() {
	ps -eo pid=,ppid=,stat=,comm= | awk -v me=$$ -v name="$me" \
		'$4 != "ps" && $4 != "awk" && !($2 == me && $4 == name) { print $1, $3 ~ /^[tT]/, $4 }'
}
list >"$dir/before"

# $1: exit code, $2: words, $3...: selector and the rest of what proc.kill and proc.pause are asked for
spared() {
	local code=$1 words=$2 fault rc
	shift 2
	for fault in "proc.kill" "proc.kill signal=HUP" "proc.pause"; do
		rc=0
		timeout 20 "$BRINK" try $fault "$@" --yes >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
		[ $rc = "$code" ] || fail "$fault $*: exit $rc, not $code: $(cat "$dir/out" "$dir/err")"
		grep -qE "$words" "$dir/err" || fail "$fault $*: does not say '$words': $(cat "$dir/err")"
		grep -q '^Nothing was touched' "$dir/err" || fail "$fault $*: was something touched?"
		list >"$dir/after"
		cmp -s "$dir/before" "$dir/after" || fail "$fault $*: somebody was hit: $(diff "$dir/before" "$dir/after")"
		cases=$((cases + 1))
	done
}
spared 4 "one of them is brink('s own ancestor| itself)" name=brink
spared 4 "is shielded: it is brink itself" name=brink-keeper
spared 4 "is shielded: it is brink itself" pid=$keeper
spared 4 "is shielded: it is brink itself" pid_file="$dir/keeper"
spared 4 "is shielded: it is brink itself" exe="$(realpath "$(dirname "$BRINK")/brink-keeper")"
spared 4 "one of them is |is shielded: it is brink" exe="$(realpath "$BRINK")"
spared 4 "one of them is (brink's own ancestor|PID 1|brink itself)" user=root
spared 4 "one of them is (brink's own ancestor|PID 1|brink itself)" user=0
spared 4 "one of them is (brink's own ancestor|PID 1|brink itself)" cgroup=/
spared 4 "is shielded: it is PID 1" pid=1
spared 4 "PID 1|brink's own ancestor" name="$me"
spared 4 "PID 1|brink's own ancestor" pid_file="$dir/pid"
spared 4 "PID 1|brink's own ancestor" exe="$(realpath /proc/$$/exe)"
! sh -c "$BRINK try proc.kill pid=\$\$ --yes || exit 4; true" >"$dir/out" 2>"$dir/err" || fail "an ancestor was hit"
grep -q "is shielded: it is brink's own ancestor" "$dir/err" || fail "an ancestor: $(cat "$dir/err")"
cases=$((cases + 1))

# A choice among many is refused too: who is chosen may be anybody.
cat >"$dir/pick.yaml" <<END
brink: 1
name: a choice
steady_state:
  - {process_up: {pid: $$}}
targets:
  any: {process: {user: root}, pick: {count: 1}}
faults:
  - proc.kill: {target: any}
END
rc=0
"$BRINK" run "$dir/pick.yaml" --yes >"$dir/out" 2>"$dir/err" || rc=$?
[ $rc = 4 ] && grep -q "one of them is" "$dir/err" || fail "a choice: exit $rc: $(cat "$dir/err")"
list >"$dir/after"
cmp -s "$dir/before" "$dir/after" || fail "a choice: somebody was hit"
cases=$((cases + 1))

# What is found later is looked at as well: the selector of a repeated signal means nothing of brink's at first.
cp "$(command -v sleep)" "$dir/brink-later"
"$dir/brink-later" 600 &
other=$!
"$BRINK" try proc.kill name=brink-later signal=CONT every=100ms --for 1s --yes >"$dir/out" 2>"$dir/err" || :
kill -0 $other || fail "a process that only has such a name is gone"
kill $other $run
wait $run || :
grep -q '^CLEAN' "$dir/run.err" || fail "the run beside it: $(cat "$dir/run.err")"
kill $victim
echo "# counted: shield_cases $cases"
