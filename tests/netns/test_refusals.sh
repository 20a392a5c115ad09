#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a run without the rights for it says and leaves, and with which code a run ends whose output is lost, whose
# command is cut off, or whose checks fall silent.
# shellcheck disable=SC1091
. "$(dirname "$0")/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all"
mkdir -m 755 "$dir/bin"
mkdir -m 777 "$dir/home" "$dir/home/full"
chmod 711 "$dir"
cp "$BRINK" "$BUILD"/brink-* "$dir/bin" # where everybody may read

# $1: exit code, $2: text on stderr, then the command line
try() {
	local want=$1 text=$2 rc=0
	shift 2
	"$@" >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc -eq "$want" ] || fail "$*: exit $rc, not $want"
	grep -qF -- "$text" "$dir/try.err" || fail "$*: does not say: $text"
}

# An ordinary user. Network faults are refused at once and nothing is touched; own processes and folders need no right.
in_b_nobody() { ip netns exec "$b" env HOME="$dir/home" $nobody timeout 60 "$dir/bin/brink" "$@"; }
before
start=${EPOCHREALTIME/./}
for fault in "net.drop" "net.delay delay=20ms"; do
	# shellcheck disable=SC2086
	try 8 "needs CAP_NET_ADMIN (root, or a user namespace of your own: unshare -Urn)" \
		in_b_nobody try $fault to=127.0.0.1:7998 --for 1s
	grep -q '^CLEAN' "$dir/try.err" || fail "$fault: refused, and not clean"
done
took=$(((${EPOCHREALTIME/./} - start) / 1000))
[ $took -lt 4000 ] || fail "two refusals took $took ms"
same "refused"
$nobody sleep 300 7>&- &
victim=$!
helpers="$helpers $victim"
await "grep -qx sleep /proc/$victim/comm" 10 || fail "no victim"
try 0 "1 of 1 faults reverted" in_b_nobody try proc.pause pid=$victim --for 1s
try 0 "1 of 1 faults reverted" in_b_nobody try disk.fill path="$dir/home/full" size=64KiB --for 1s
try 0 "CLEAN" in_b_nobody try proc.kill pid=$victim --yes
! kill -0 $victim 2>/dev/null || await "! kill -0 $victim 2>/dev/null" 5 || fail "it lives"

# A path through another process's root is not what its name says.
unshare --mount sh -c "mount -t tmpfs none '$dir/home/full' && cp /bin/sleep '$dir/home/full/prog' && exec '$dir/home/full/prog' 300" 7>&- &
inside=$!
helpers="$helpers $inside"
await "grep -qx prog /proc/$inside/comm" 10 || fail "no process in another mount namespace"
try 3 "leads elsewhere than its name" "$BRINK" try disk.fill path="/proc/$inside/root$dir/home/full" size=64KiB --for 1s
cp /bin/sleep "$dir/home/full/prog"
"$dir/home/full/prog" 300 7>&- &
outside=$!
helpers="$helpers $outside"
try 3 "leads elsewhere than its name" "$BRINK" try proc.kill exe="/proc/$inside/root$dir/home/full/prog" --yes
kill -0 $inside && kill -0 $outside || fail "somebody was killed"

# Root without the right to enter a namespace is unable, not refused.
try 8 "cannot enter the network namespace: Permission denied (needs CAP_SYS_ADMIN: " \
	setpriv --bounding-set=-sys_admin --inh-caps=-all "$BRINK" try net.drop to=127.0.0.1:7998 netns="$b" --for 1s

# Whoever wants that skipped gets 77, whether the plan finds out or the start, and with a command that then never runs.
for more in "" "-- true"; do
	# shellcheck disable=SC2086
	try 77 "needs CAP_SYS_ADMIN" setpriv --bounding-set=-sys_admin --inh-caps=-all \
		"$BRINK" try net.drop to=127.0.0.1:7998 netns="$b" --if-unable=skip $more
	# shellcheck disable=SC2086
	try 77 "needs CAP_NET_ADMIN" in_b_nobody try net.drop to=127.0.0.1:7998 --if-unable=skip $more
done

# A command that ran but was cut off is no command that never ran.
try 6 "CLEAN" ip netns exec "$b" timeout --preserve-status -s INT -k 30 1.5 \
	"$BRINK" try net.drop to=127.0.0.1:7998 -- sleep 60
try 125 "cannot run '/nowhere'" ip netns exec "$b" "$BRINK" try net.drop to=127.0.0.1:7998 -- /nowhere

# Output that is lost is no success.
rc=0
ip netns exec "$b" "$BRINK" try net.drop to=127.0.0.1:7998 --for 200ms --json >/dev/full 2>"$dir/full.err" || rc=$?
[ $rc = 2 ] || fail "--json on a full device: exit $rc, not 2"
grep -q '^CLEAN' "$dir/full.err" || fail "--json on a full device: no proof of the revert"
try 0 "warning: events are not kept in '/dev/full': No space left on device" \
	ip netns exec "$b" "$BRINK" try net.drop to=127.0.0.1:7998 --for 200ms --events /dev/full

# The fresh sample after arming never comes, because the prober stands still: that is what the verdict says.
cat >"$dir/silent.yaml" <<END
brink: 1
name: silent
steady_state:
  - {id: api, tcp: "127.0.0.1:7999", netns: $b, every: 2s, timeout: 500ms, pass_after: 1}
faults:
  - net.drop: {to: "127.0.0.1:7998", netns: $b}
    for: 1s
END
"$BRINK" run "$dir/silent.yaml" >"$dir/silent.out" 2>"$dir/silent.err" &
run=$!
await "grep -q ' steady ' '$dir/silent.err'" 20 || fail "never steady"
prober=$(pgrep -P "$run" -f brink-prober) || fail "no prober"
kill -STOP "$prober"
helpers="$helpers $prober"
finish silent 5
grep -q 'UNFIT  api: no sample came in time after arming' "$dir/silent.err" || fail "another reason"
same
echo "ok: refused, unable, aborted, lost and silent"
