#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An ordinary user: own namespaces, processes, folders and a delegated cgroup need no right; what is not the user's is
# told with the capability that is missing and what helps, exit code 8, and nothing is touched.
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
# shellcheck disable=SC1091
. "$(dirname "$0")/net_lib.sh"

two_spaces
chmod 711 "$dir"
mkdir "$dir/bin" "$dir/home" "$dir/cg" "$dir/roots"
chown 4711:4712 "$dir/home"
chmod 755 "$dir/bin" "$dir/roots"
cp "$BRINK" "$BUILD/brink-keeper" "$BUILD/brink-prober" "$dir/bin"
mount -t cgroup2 none "$dir/cg"
group=$(mktemp -d "$dir/cg/brink-rl-XXXXXXXXXX")
chmod 755 "$group"
mkdir "$group/mine" "$group/roots"
chown -R 4711:4712 "$group/mine"
trap 'rc=$?; set +e; echo 1 >"$group/cgroup.kill"
	await "rmdir \"$group\"/* \"$group\" 2>/dev/null; [ ! -d \"$group\" ]" 10
	umount -l "$dir/cg"; (exit $rc); clean_up' EXIT
as_user="setpriv --reuid=4711 --regid=4712 --clear-groups --inh-caps=-all env HOME=$dir/home XDG_RUNTIME_DIR= \
	PATH=$dir/bin:/usr/bin:/bin:/usr/sbin:/sbin"

# $1: wanted exit code, $2: words that must be said; $3...: the command line, run by sh as the user
try() {
	local want=$1 text=$2 rc=0
	shift 2
	(cd / && exec $as_user timeout 60 "$@") >"$dir/try.out" 2>"$dir/try.err" </dev/null || rc=$?
	[ $rc -eq "$want" ] || fail "$*: exit $rc, not $want"
	grep -qF -- "$text" "$dir/try.err" || fail "$*: does not say: $text"
	grep -qE '^CLEAN|^Nothing was touched' "$dir/try.err" || fail "$*: no word on what it left"
	n=$((n + 1))
}

before
n=0
# own user, network, mount and PID namespaces, as root in them or under the own number
own='ip link set lo up && brink try net.drop to=127.0.0.1:7001 --for 300ms'
try 0 "1 of 1 faults reverted" unshare -Urnm sh -c "$own"
try 0 "1 of 1 faults reverted" unshare -Urnmpf --mount-proc sh -c "$own"
try 0 "1 of 1 faults reverted" unshare -Un --map-current-user --keep-caps sh -c "$own"
try 0 "1 of 1 faults reverted" unshare -Urnmpf --mount-proc sh -c "sleep 300 & $own netns=pid:\$!"
# the processes of others may not be looked at, nor what stands on the device from there
link='ip link add va type veth peer name vb && ip link set va up && ip link set vb up && brink try net.mtu dev=va mtu=1400 --for 300ms'
try 0 "1 of 1 faults reverted" unshare -Urnm sh -c "$link"
try 0 "1 of 1 faults reverted" unshare -Urnmpf --mount-proc sh -c "$link"
try 0 "1 of 1 faults reverted" unshare -Urnmpf --mount-proc sh -c 'sleep 300 & brink try proc.pause pid=$! --for 300ms'
try 0 "CLEAN" unshare -Urnmpf --mount-proc sh -c 'sleep 300 & brink try proc.kill pid=$! --yes'
try 0 "1 of 1 faults reverted" unshare -Urm sh -c \
	'mount -t tmpfs -o size=4m none /mnt && brink try disk.fill path=/mnt until=90% --for 300ms'

# own processes, an own folder, a cgroup that was given away
mine=$($as_user sh -c 'sleep 300 >/dev/null 2>&1 7>&- & echo $!')
helpers="$helpers $mine"
try 0 "1 of 1 faults reverted" brink try proc.pause pid="$mine" --for 300ms
for lost in "the keeper is not shielded from the OOM killer (needs CAP_SYS_RESOURCE)" \
	"the keeper has no real-time priority (needs CAP_SYS_NICE)" "only root can arm a dead-man timer in PID 1"; do
	[ "$(grep -cF -- "$lost" "$dir/try.err")" = 1 ] || fail "not said once: $lost"
done
try 0 "1 of 1 faults reverted" brink try disk.fill path="$dir/home" size=64KiB --for 300ms
echo "$mine" >"$group/mine/cgroup.procs"
try 0 "1 of 1 faults reverted" brink try proc.pause cgroup="/${group##*/}/mine" --for 300ms
grep -qx "frozen 0" "$group/mine/cgroup.events" || fail "the user's cgroup is still frozen"
try 0 "CLEAN" brink try proc.kill pid="$mine" --yes

# what is not the user's
sleep 300 7>&- &
roots=$!
helpers="$helpers $roots"
echo $roots >"$group/roots/cgroup.procs"
try 8 "may not be signalled: Operation not permitted (needs CAP_KILL: root, or the user whose process it is)" \
	brink try proc.pause pid=$roots --for 300ms
try 8 "cannot send SIGKILL to process $roots: Operation not permitted (needs CAP_KILL: root, " \
	brink try proc.kill pid=$roots --yes
try 8 "cannot make a file in '$dir/roots': Permission denied (needs CAP_DAC_OVERRIDE: root, or a folder of this user)" \
	brink try disk.fill path="$dir/roots" size=64KiB --for 300ms
try 8 "Permission denied (needs CAP_DAC_OVERRIDE: root, or a cgroup delegated to this user)" \
	brink try proc.pause cgroup="/${group##*/}/roots" --for 300ms
try 8 "needs CAP_NET_ADMIN (root, or a user namespace of your own: unshare -Urn)" \
	brink try net.drop to=127.0.0.1:7001 --for 300ms
try 8 "cannot enter the network namespace: Permission denied (needs CAP_SYS_ADMIN: root, or start brink inside it)" \
	brink try net.drop to=127.0.0.1:7001 netns="$a" --for 300ms
cat >"$dir/user.yaml" <<END
brink: 1
name: user
steady_state: [{command: [true], user: root}]
faults:
  - disk.fill: {path: $dir/home, size: 64KiB}
    for: 300ms
END
try 8 "only root can run a check as 'root' (needs CAP_SETUID)" brink run "$dir/user.yaml"
grep -q '^State:.S' /proc/$roots/status || fail "root's process was touched"
[ -z "$(ls -A "$dir/roots")" ] || fail "root's folder was touched"

same
echo "# counted: rootless_runs $n"
