# SPDX-License-Identifier: Apache-2.0
# Sourced first by every test here: runs the rest of the test in namespaces of its own (processes, mounts, network), so
# that no process outlives it and nothing of the machine can be touched, not even by a brink that is wrong.
# shellcheck shell=bash
set -u
: "${BRINK:?}" "${BUILD:?}"

if [ -z "${IN_WORLD:-}" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "needs root"
		exit 77
	fi
	IN_WORLD=1 exec unshare --fork --kill-child --pid --mount --net --mount-proc --propagation private "$0" "$@"
fi

fail() {
	echo "FAIL: ${case_name:-}: $*"
	if [ -s "$dir/err" ]; then
		cut -c 1-160 "$dir/err" | sed 's/^/    run: /'
	fi
	exit 1
}

mount -t tmpfs run /run && mount -t tmpfs lib /var/lib || exit 1
mkdir -p /run/netns /run/t
dir=/run/t
meter=$BUILD/tests/netns/prog_meter
LEASE_MS=3000 SLACK_MS=${SLACK_MS:-1500}

ip netns add cr_a && ip netns add cr_b || exit 1
ip -n cr_a link add va type veth peer name vb netns cr_b
ip -n cr_a addr add 10.78.0.1/24 dev va
ip -n cr_b addr add 10.78.0.2/24 dev vb
ip -n cr_a link set va up
ip -n cr_b link set vb up
ip -n cr_a link set lo up
ip link set lo up
# what is not brink's must stay as it is
ip netns exec cr_a nft -f - <<'RULES' || exit 1
table inet of_the_host {
	set s { type inet_service; elements = { 22, 80 } }
	chain c { type filter hook output priority 0; tcp dport @s accept; }
}
RULES
tc -n cr_a qdisc add dev va root tbf rate 1gbit burst 64kb latency 50ms || exit 1
mkfifo "$dir/hold"
ip netns exec cr_b "$meter" serve 10.78.0.2 7001 7002 <"$dir/hold" >"$dir/ready" &
exec 7>"$dir/hold"
mkfifo "$dir/nothing"
exec 6<>"$dir/nothing"
until grep -qs ready "$dir/ready"; do kill -0 $! || fail "no echo server"; done

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# poll MS COMMAND...: until it succeeds, at most so long
poll() {
	local until=$((${EPOCHREALTIME/./} / 1000 + $1))
	shift
	until "$@"; do
		[ $((${EPOCHREALTIME/./} / 1000)) -lt $until ] || return 1
		# between two looks, never instead of one; nobody writes there, and no process is forked for it
		read -rt 0.02 -u 6 || :
	done
}

# independent readers, never brink's own dumps
state() {
	local ns
	for ns in cr_a cr_b; do
		ip netns exec $ns nft -j list ruleset
		tc -n $ns -j qdisc show
		ip -n $ns -j link show
		ip -n $ns -j addr show
		ip -n $ns -j rule show
		ip netns exec $ns sysctl -a 2>/dev/null | grep -E '^net\.(ipv4|ipv6)\.conf\.(all|va|vb)\.' | sort
	done
	ls -A /run/brink 2>/dev/null | grep -vx locks # that one stays, and is made by the first that needs it
}

settled() { # the links themselves stop changing
	! { ip -n cr_a -o addr show dev va; ip -n cr_b -o addr show dev vb; } | grep -q tentative &&
		ip -n cr_a -o link show dev va | grep -q 'state UP' && ip -n cr_b -o link show dev vb | grep -q 'state UP'
}
poll 5000 settled || fail "the links do not settle"

# not ip-netns(8): its mounts wait for an RCU grace period, and thereby for a CPU that others may have taken
in_a() { nsenter --net=/run/netns/cr_a "$@"; }
connects() { in_a "$meter" connect 10.78.0.2 7002 1 2>/dev/null | grep -q '^ok 1'; }
blocked() { ! connects; }

# brink_pids NAME: those that are alive, zombies are not
brink_pids() { ps -eo pid=,stat=,comm= | awk -v c="$1" '$3 == c && $2 !~ /^Z/ { print $1 }'; }
no_brink() { [ -z "$(ps -eo stat=,comm= | awk '$2 ~ /^brink/ && $1 !~ /^Z/')" ]; }
only_stopped() { [ -z "$(ps -eo stat=,comm= | awk '$2 ~ /^brink/ && $1 !~ /^[ZTt]/')" ]; }
state_of() { ps -o stat= -p "$1" | cut -c1; }
# All of brink at one moment: none shall do another one's work before it dies itself
kill_brink() {
	local all
	all=$(ps -eo pid=,comm= | awk '$2 ~ /^brink/ { print $1 }')
	# shellcheck disable=SC2086 # a list of numbers
	kill -STOP $all
	# shellcheck disable=SC2086
	kill -KILL $all 2>/dev/null
}
record() { ls /run/brink 2>/dev/null | grep -v '^locks$'; }
said() { grep -q -- "$1" "$dir/err"; }
in_phase() { cat /var/lib/brink/runs/*/events.ndjson 2>/dev/null | grep -q "\"phase\":\"$1\""; }

# experiment FOR AFTER CHECK-LINE
experiment() {
	cat >"$dir/x.yaml" <<YAML
brink: 1
name: a crash
steady_state:
  - $3
faults:
  - id: cut
    net.drop: {to: "10.78.0.2:7002", netns: cr_a}
    for: $1
    after: $2
YAML
}
TCP='{id: api, tcp: "10.78.0.2:7001", netns: cr_a, every: 500ms}'
SLOW='{id: slow, command: ["sleep", "4"], every: 6s, timeout: 5s}'

# Starts the run in the background; $run is its pid. Further arguments: words before "brink"; $run_flags: behind "run".
start() {
	rm -rf /var/lib/brink /run/brink 2>/dev/null # a mount point stays
	: >"$dir/err"
	# shellcheck disable=SC2086 # words
	"$@" "$BRINK" run ${run_flags:-} "$dir/x.yaml" >"$dir/out" 2>"$dir/err" </dev/null &
	run=$!
}

# Exit code of the run into $rc; 1 when it does not end.
ended() {
	poll "$1" eval "! kill -0 $run 2>/dev/null" || return 1
	wait "$run"
	rc=$?
}

# For tests of one command after the other.
b() { # brink ARGS: exit code in rc, output in out and err
	rc=0
	"$BRINK" "$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
}
is_rc() { [ $rc = "$1" ] || fail "exit $rc instead of $1: $(cat "$dir/out" "$dir/err")"; }
says() { grep -q -- "$1" "$dir/err" || fail "does not say '$1': $(cat "$dir/err")"; }
prints() { grep -q -- "$1" "$dir/out" || fail "does not print '$1': $(cat "$dir/out")"; }
before() {
	mkdir -p /run/brink/locks
	state >"$dir/before"
}
as_before() {
	state >"$dir/after"
	cmp -s "$dir/before" "$dir/after" || fail "not as before: $(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
	echo "# $case_name"
}
