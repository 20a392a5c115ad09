#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The policy in /etc/brink: what it refuses, with which words and exit code 4. In mount and network namespaces of its
# own, with an /etc of its own: the machine's is not touched.
if [ -z "${BRINK_TEST_INSIDE:-}" ]; then
	export BRINK_TEST_INSIDE=1
	user=()
	[ "$(id -u)" = 0 ] || user=(-r)
	unshare "${user[@]}" -m -n true 2>/dev/null || { echo "cannot make namespaces" && exit 77; }
	exec unshare "${user[@]}" -m -n --propagation private "$0"
fi
. "$(dirname "$0")/lib.sh"

mkdir -p "$work/etc/brink"
chmod 755 "$work/etc/brink"
cp /etc/passwd /etc/group /etc/nsswitch.conf "$work/etc/"
cp /etc/ld.so.cache "$work/etc/" 2>/dev/null
echo "127.0.0.1 localhost" >"$work/etc/hosts"
mount --bind "$work/etc" /etc || exit 1
trap 'umount /etc; rm -rf "$work"' EXIT
ip link set lo up || exit 1
umask 022

policy() { # stdin; $1: name, policy.yaml without it
	cat >"/etc/brink/${1:-policy.yaml}"
}

cat >web.brink.yaml <<'X'
brink: 1
name: a lossy database
steady_state:
  - command: ["true"]
faults:
  - id: lossy
    net.drop: {to: "127.0.0.1:5432", dev: lo, share: 10%}
    for: 40s
X

# Nothing may have been done, and nothing been asked of the steady state.
denied() { # $1: text, then the command line
	refused 4 "$@"
	has "$err" "Nothing was touched."
}

expect 0 plan web.brink.yaml
has "$out" "Limits    allowed by the built-in limits (no /etc/brink/policy.yaml; at most 30m)"

sed 's/40s/31m/' web.brink.yaml >long.brink.yaml
denied "it holds for 31m, 30m at most: built-in limit; root may raise it with max.fault in /etc/brink/policy.yaml" \
	run -y long.brink.yaml
has "$err" "long.brink.yaml:6:5: fault 'lossy'"

policy <<'X'
brink_policy: 1
max: {fault: 1h}
X
expect 0 plan long.brink.yaml
has "$out" "Limits    not denied by /etc/brink/policy.yaml (at most 1h)"
sed 's/40s/61m/' web.brink.yaml >longer.brink.yaml
denied "1h at most: max.fault in /etc/brink/policy.yaml:2; only root may change it" run -y longer.brink.yaml

policy <<'X'
brink_policy: 1
deny:
  - {flow: "*:22", why: the way in}
  - {flow: "127.0.0.0/8:5000-6000", why: "ask the database team"}
X
denied "web.brink.yaml:6:5: fault 'lossy': must not touch outgoing packets to 127.0.0.1:5432 on lo (ask the database team): /etc/brink/policy.yaml:4:5 denies flow 127.0.0.0/8:5000-6000; only root may change it" \
	run -y web.brink.yaml
denied "denies flow 127.0.0.0/8:5000-6000" plan web.brink.yaml
sed 's/5432/5432-7000/' web.brink.yaml >range.brink.yaml
denied "policy.yaml:4:5 denies" plan range.brink.yaml
sed 's/5432/80/' web.brink.yaml >other.brink.yaml
expect 0 plan other.brink.yaml
sed 's/to: "127.0.0.1:5432", //' web.brink.yaml >all.brink.yaml
denied "policy.yaml:3:5 denies flow *:22" run -y all.brink.yaml
denied "policy.yaml:3:5 denies flow *:22" try net.drop dev=lo
denied "policy.yaml:4:5 denies" try net.drop to=127.0.0.1:5500 dev=lo -- true

# every kind of rule, from an experiment and from a command line: where the rule stands, and where the fault
sleep_exe=$(realpath "$(command -v sleep)")
start_sleep() { # $1: seconds
	sleep "$1" &
	sleeper=$!
	until [ "$(realpath "/proc/$sleeper/exe")" = "$sleep_exe" ]; do # a fork, and then the exec
		kill -0 "$sleeper" || exit 1
	done
}
start_sleep 70
group=$(sed -n 's/^0:://p' "/proc/$sleeper/cgroup")
rules=0
forbids() { # $1: rule, $2: how a refusal names it, $3: fault, $4: its keys, as YAML
	printf 'brink_policy: 1\nmax: {processes: 5}\ndeny:\n  - %s\n' "$1" | policy
	printf 'brink: 1\nname: x\nsteady_state:\n  - command: ["true"]\nfaults:\n  - id: f\n    %s: {%s}\n%s' "$3" "$4" \
		"$([ "$3" = proc.kill ] || echo '    for: 1s')" >deny.brink.yaml
	for how in plan "run -y"; do
		# shellcheck disable=SC2086
		denied "/etc/brink/policy.yaml:4:5 denies $2; only root may change it" $how deny.brink.yaml
		has "$err" "deny.brink.yaml:6:5: fault 'f': must not touch"
	done
	rules=$((rules + 1))
}
forbids "proc.kill" proc.kill proc.kill "pid: $sleeper"
forbids "net.*" "net.*" net.drop 'to: "127.0.0.1:80", dev: lo'
forbids "{fault: disk.fill}" disk.fill disk.fill "path: $work, size: 1MiB"
forbids "{device: lo}" "device lo" net.drop 'to: "127.0.0.1:80", dev: lo'
forbids "{device: \"l*\", why: mine}" "device l*" net.drop 'dev: lo, direction: both'
forbids "{path: $work}" "path $work" disk.fill "path: $work, size: 1MiB"
forbids "{path: $sleep_exe}" "path $sleep_exe" proc.pause "pid: $sleeper"
forbids "{user: $(id -un)}" "user $(id -un)" proc.pause "pid: $sleeper"
forbids "{user: $(id -u), fault: \"proc.*\"}" "proc.*, user $(id -u)" proc.kill "name: sleep, pid: $sleeper"
[ -z "$group" ] || forbids "{cgroup: $group}" "cgroup $group" proc.pause "pid: $sleeper"
forbids '{flow: "*:80/tcp"}' "flow *:80/tcp" net.drop 'to: "127.0.0.1:80", dev: lo'
forbids '{flow: "127.0.0.0/8"}' "flow 127.0.0.0/8" net.drop 'to: "127.0.0.1:80", dev: lo'
forbids '{flow: "[::1]:80"}' "flow [::1]:80" net.drop 'to: "[::1]", dev: lo'
# a unit is the name of a cgroup on the way to a process, of either version
for root in /sys/fs/cgroup /sys/fs/cgroup/pids /sys/fs/cgroup/freezer; do
	unit=brink-test-$$.service
	case $(stat -f -c %T "$root" 2>/dev/null) in
	cgroup*) mkdir "$root/$unit" 2>/dev/null || continue ;;
	*) continue ;;
	esac
	if echo "$sleeper" 2>/dev/null >"$root/$unit/cgroup.procs"; then
		forbids '{unit: "brink-test-*.service"}' 'unit brink-test-*.service' proc.pause "pid: $sleeper"
	fi
	kill "$sleeper"
	wait "$sleeper" 2>/dev/null
	rmdir "$root/$unit"
	break
done
kill "$sleeper" 2>/dev/null
echo "# counted: shield_cases $rules"

# several files: all rules, the smallest maximum
mkdir /etc/brink/policy.d
policy <<<'brink_policy: 1'
policy policy.d/20-more.yaml <<'X'
brink_policy: 1
allow:
  - {fault: "net.*", device: lo}
  - {fault: proc.pause, user: nobody}
max: {fault: 2h, run: 3h}
X
policy policy.d/10-less.yaml <<'X'
brink_policy: 1
max: {fault: 39s}
X
denied "it holds for 40s, 39s at most: max.fault in /etc/brink/policy.d/10-less.yaml:2" run -y web.brink.yaml
rm /etc/brink/policy.d/10-less.yaml
expect 0 plan web.brink.yaml
has "$out" "allowed by /etc/brink/policy.d/20-more.yaml:3 (net.*, device lo, at most 2h)"
start_sleep 60
denied "no rule of the policy allows proc.pause for process $sleeper (sleep)" try proc.pause "pid=$sleeper" --for 1s
has "$err" "allow in /etc/brink/policy.d/20-more.yaml:3 names what may be touched; only root may change it"
denied "no rule of the policy allows disk.fill for the file system of" try disk.fill "path=$work" size=1MiB --for 1s

policy policy.d/30-few.yaml <<'X'
brink_policy: 1
allow: ["proc.*"]
max: {processes: 1}
X
sleeper2=$sleeper
start_sleep 61
denied "max.processes in /etc/brink/policy.d/30-few.yaml:3, which only root may change" \
	try proc.pause name=sleep --for 1s
kill "$sleeper" "$sleeper2"
rm -r /etc/brink/policy.d

# a policy that is not root's alone, or cannot be understood, allows nothing
policy <<<'brink_policy: 1'
chmod 666 /etc/brink/policy.yaml
denied "nothing is allowed: the policy '/etc/brink/policy.yaml' can be written by others than root: chmod go-w" \
	plan web.brink.yaml
chmod 644 /etc/brink/policy.yaml
chmod 775 /etc/brink
denied "the policy '/etc/brink' can be written by others than root" plan web.brink.yaml
chmod 755 /etc/brink
if chown nobody /etc/brink/policy.yaml 2>/dev/null; then # without root there is but one user
	denied "belongs to user $(id -u nobody), not to root" run -y web.brink.yaml
	chown 0 /etc/brink/policy.yaml
fi
policy <<'X'
brink_policy: 1
deny:
  - {fault: net.dorp}
  - {unit: ssh}
max: {fault: 30}
X
denied "policy.yaml:3:13: error: 'net.dorp' is no fault that a rule can have [B1301]" run -y web.brink.yaml
has "$err" "did you mean 'net.drop'?"
has "$err" "policy.yaml:4:12: error: 'ssh' is no unit that a rule can have"
has "$err" "policy.yaml:5:14: error: '30' is not a duration [B1007]"
has "$err" "nothing is allowed: the policy '/etc/brink/policy.yaml' cannot be understood"
expect 0 check web.brink.yaml # which touches nothing and asks no policy
rm /etc/brink/policy.yaml

# whose sockets: a user, and where there are cgroups one of them, all above it and its unit
top=/brink-policy-$$-$RANDOM
policy <<X
brink_policy: 1
deny:
  - {user: nobody}
  - {cgroup: $top/below}
  - {unit: brink-$$.service}
X
drop() { echo try net.drop to=127.0.0.1:5432 dev=lo "$@" --for 1s; }
# shellcheck disable=SC2046 # words
denied "policy.yaml:3:5 denies user nobody" $(drop user=nobody)
cgroups=$(sed -n 's/^[^ ]* \([^ ]*\) cgroup2 .*/\1/p' /proc/mounts | head -n 1)
left_out=
if [ -n "$cgroups" ] && mkdir "$cgroups$top"; then
	trap 'rmdir "$cgroups$top"/*/ "$cgroups$top"; umount /etc; rm -rf "$work"' EXIT
	mkdir "$cgroups$top/below" "$cgroups$top/other" "$cgroups$top/brink-$$.service"
	for aim in "cgroup=$top/below" "cgroup=$top"; do
		# shellcheck disable=SC2046
		denied "policy.yaml:4:5 denies cgroup $top/below" $(drop "$aim")
	done
	for aim in "unit=brink-$$.service" "cgroup=$top/brink-$$.service"; do
		# shellcheck disable=SC2046
		denied "policy.yaml:5:5 denies unit brink-$$.service" $(drop "$aim")
	done
	# shellcheck disable=SC2046
	expect 0 $(drop "cgroup=$top/other") --dry-run
else
	left_out="no cgroup can be made here"
fi
rm /etc/brink/policy.yaml

# the experiment's own
cat >>web.brink.yaml <<'X'
limits:
  deny:
    flows: ["*:22", "127.0.0.1:5432"]
X
denied "limits.deny in web.brink.yaml:11:5 denies flow 127.0.0.1:5432; who owns the experiment may change it" \
	run -y web.brink.yaml
[ -z "$left_out" ] || [ "$failures" != 0 ] || { echo "$left_out" && exit 77; }
finish
