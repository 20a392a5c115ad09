# SPDX-License-Identifier: Apache-2.0
# Sourced after world.sh: for each fault of the registry at least one that can be made in this world, with what it needs.
# A fault that has none here makes fault_names fail: whoever adds a fault adds it below.
# shellcheck shell=bash disable=SC2154

# NAME or NAME+VARIANT, one a line. Those that want a kernel with netem and ifb are left out where there is none: the vm
# lane has one. BRINK_FAULTS: exactly these.
fault_names() {
	local name known=" net.delay net.delay+queue net.loss net.duplicate net.corrupt net.reorder net.rate net.slot net.impair net.drop net.drop+own net.dns net.dns+answer net.partition net.reset net.port_taken net.port_taken+own net.link_down net.mtu proc.pause proc.pause+freeze proc.pause+stop proc.kill disk.fill disk.fill+disk "
	for name in $("$BRINK" list faults --json | jq -r '.. | .name? // empty'); do
		[[ $known == *" $name "* ]] || { echo "no example of $name in tests/crash/faults.sh" >&2; return 1; }
	done
	for name in ${BRINK_FAULTS:-$known}; do
		case $name in
		net.delay | net.loss | net.duplicate | net.corrupt | net.reorder | net.rate | net.slot | net.impair) [ -n "${BRINK_FAULTS:-}" ] || has_netem || continue ;;
		*+queue) [ -n "${BRINK_FAULTS:-}" ] || has_queue || continue ;;
		esac
		echo "$name"
	done
}

has_netem() {
	if [ -z "${netem:-}" ]; then
		netem=no
		if ip -n cr_b link add tryifb type ifb 2>/dev/null; then
			tc -n cr_b qdisc add dev tryifb root netem delay 1ms 2>/dev/null && netem=yes
			ip -n cr_b link del tryifb
		fi
	fi
	[ $netem = yes ]
}

# Do nft rules lead to packet queues?
has_queue() {
	ip netns exec cr_b nft -c 'add table inet tryq; add chain inet tryq c; add rule inet tryq c queue num 1 bypass' 2>/dev/null
}

# A process to aim at, in a cgroup of its own; it counts into $dir/ticks for as long as it runs.
victim_start() {
	local root
	(while :; do echo "$EPOCHREALTIME" >"$dir/ticks" && sleep 0.02; done) &
	victim=$!
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	# a name of its own: process ids are the same in every world
	cgdir=$(mktemp -d "$root/brink-crash-XXXXXX") && echo $victim >"$cgdir/cgroup.procs" || fail "no cgroup for the process"
	cgroup=${cgdir##*/}
	trap victim_end EXIT
	poll 2000 test -s "$dir/ticks" || fail "the process does not run"
}
victim_end() {
	kill -KILL "$victim" 2>/dev/null
	poll 5000 rmdir "$cgdir" 2>/dev/null
}
ticks() { # the process runs, within $1 ms
	local was
	was=$(cat "$dir/ticks")
	poll "$1" eval "[ \"\$(cat $dir/ticks)\" != \"$was\" ]"
}

# $1: as fault_names said. Makes ready what it needs; $wrapper: words before brink.
wrapper=
fault_ready() {
	case $1 in
	proc.pause+stop) # brink may not trace it, which has more rights, and sends SIGSTOP instead
		wrapper="setpriv --bounding-set -sys_ptrace"
		;;
	proc.kill)
		sleep 1000 &
		prey=$!
		;;
	disk.fill)
		mkdir -p /run/full
		mountpoint -q /run/full || mount -t tmpfs -o size=32m full /run/full || fail "nothing to fill"
		;;
	disk.fill+disk)
		mkdir -p /run/disk
		if ! mountpoint -q /run/disk; then
			truncate -s 32M /run/disk.img && mke2fs -q -t ext4 /run/disk.img && mount -o loop /run/disk.img /run/disk ||
				fail "no disk to fill"
		fi
		;;
	esac
}
fault_over() {
	wrapper=
	if [ -n "${prey:-}" ]; then
		kill -KILL "$prey" 2>/dev/null
		wait "$prey" 2>/dev/null
		prey=
	fi
	! mountpoint -q /run/disk || umount /run/disk || fail "the disk is held"
	rm -f /run/disk.img
}

fault_item() { # $1: as above
	case $1 in
	net.delay) echo 'net.delay: {to: "10.78.0.2:7002", delay: 300ms, direction: both, netns: cr_a}' ;;
	net.delay+queue) echo 'net.delay: {to: "10.78.0.2:7002", delay: 300ms, direction: in, dev: vb, netns: cr_b, engine: user}' ;;
	net.loss) echo 'net.loss: {to: "10.78.0.2:7002", loss: 100%, direction: both, netns: cr_a}' ;;
	net.duplicate) echo 'net.duplicate: {to: "10.78.0.2:7002", share: 100%, direction: both, netns: cr_a}' ;;
	net.corrupt) echo 'net.corrupt: {to: "10.78.0.2:7002", share: 100%, direction: both, netns: cr_a}' ;;
	net.reorder) echo 'net.reorder: {to: "10.78.0.2:7002", share: 50%, delay: 300ms, direction: both, netns: cr_a}' ;;
	net.rate) echo 'net.rate: {to: "10.78.0.2:7002", rate: 4kbit, queue_packets: 5, direction: both, netns: cr_a}' ;;
	net.slot) echo 'net.slot: {to: "10.78.0.2:7002", min_delay: 300ms, max_delay: 300ms, direction: both, netns: cr_a}' ;;
	net.impair) echo 'net.impair: {to: "10.78.0.2:7002", delay: 300ms, jitter: 50ms, loss: 20%, duplicate: 20%, direction: both, netns: cr_a}' ;;
	net.drop) echo 'net.drop: {to: "10.78.0.2:7002", netns: cr_a}' ;;
	net.dns) echo 'net.dns: {names: felt.test, answer: none, to: "10.78.0.2:7002", netns: cr_a}' ;;
	net.dns+answer) echo 'net.dns: {names: "*.test", answer: nxdomain, to: "10.78.0.2:7002", netns: cr_a}' ;;
	net.partition) echo 'net.partition: {from: 10.78.0.2, not: "*:7001", netns: cr_a}' ;;
	net.drop+own) echo 'net.drop: {to: "127.0.0.1:7003"}' ;;
	net.reset) echo 'net.reset: {to: "10.78.0.2:7002", netns: cr_a, every: 1s}' ;;
	net.port_taken) echo 'net.port_taken: {port: 7010, netns: cr_a}' ;;
	net.port_taken+own) echo 'net.port_taken: {port: 7010, proto: udp, address: 127.0.0.1}' ;;
	net.link_down) echo 'net.link_down: {dev: lo, netns: cr_a}' ;;
	net.mtu) echo 'net.mtu: {dev: va, mtu: 1280, netns: cr_a}' ;;
	proc.pause | proc.pause+stop) echo "proc.pause: {pid: $victim}" ;;
	proc.pause+freeze) echo "proc.pause: {cgroup: /$cgroup}" ;;
	proc.kill) echo "proc.kill: {pid: $prey, every: 5s}" ;;
	disk.fill) echo 'disk.fill: {path: /run/full, leave: 4MiB}' ;;
	disk.fill+disk) echo 'disk.fill: {path: /run/disk, leave: 4MiB}' ;;
	esac
}

# $1: as above, $2: how long, $3: check
fault_experiment() {
	cat >"$dir/x.yaml" <<YAML
brink: 1
name: $1
steady_state:
  - $3
faults:
  - id: it
    $(fault_item "$1")
    for: $2
YAML
}
