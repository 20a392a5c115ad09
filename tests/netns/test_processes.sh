#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The processes of a run and what each of them may do, read from /proc, never from brink's own output: they are found
# from the runner's number downwards. docs/privileges.md has the same table.
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
# shellcheck disable=SC1091
. "$(dirname "$0")/net_lib.sh"

# process | user | permitted, effective and bounding set | no_new_privs | seccomp | session | OOM score
table="
runner      root   -                                                        0 0 caller  0
prober      nobody -                                                        1 2 own     0
launcher    nobody -                                                        1 2 caller  0
warden      nobody -                                                        1 2 caller  0
command     nobody -                                                        1 2 own     0
keeper      root   dac_override,dac_read_search,kill,setpcap,net_admin,ipc_lock,sys_ptrace,sys_admin,sys_resource 0 0 own    -1000
spare       root   dac_override,dac_read_search,kill,setpcap,net_admin,ipc_lock,sys_ptrace,sys_admin,sys_resource 0 0 keeper -1000
net.drop    root   net_admin                                                0 0 keeper  -1000
proc.pause  root   dac_override,kill,sys_ptrace                             0 0 keeper  -1000
disk.fill   root   dac_override                                             0 0 keeper  -1000
"

number_of() { # linux/capability.h
	case $1 in
	dac_override) echo 1 ;;
	dac_read_search) echo 2 ;;
	kill) echo 5 ;;
	setpcap) echo 8 ;;
	net_admin) echo 12 ;;
	ipc_lock) echo 14 ;;
	sys_ptrace) echo 19 ;;
	sys_admin) echo 21 ;;
	sys_nice) echo 23 ;;
	sys_resource) echo 24 ;;
	*) fail "no capability '$1'" ;;
	esac
}

# proc(5). $1: a folder like /proc/PID; field numbers of stat count from the PID, the name stands in brackets.
status() { sed -n "s/^$2:[[:space:]]*//p" "$1/status" | tr -s '\t ' '  ' | sed 's/ *$//'; }
stat_field() { sed 's/.*) //' "$1/stat" | cut -d' ' -f$(($2 - 2)); }
session() { stat_field "$1" 6; }
children() { cat /proc/"$1"/task/*/children | tr ' ' '\n' | sort -n; }
exe() { readlink "/proc/$1/exe"; }
maps() { awk '$6 ~ "^/" { print $6 }' "/proc/$1/maps" | sort -u; }
open_files() { find "/proc/$1/fd" -mindepth 1 -printf '%l\n' | sort -u; }
sockets() { open_files "$1" | sed -n 's/^socket:\[\(.*\)\]$/\1/p'; }
is() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"; }

# What this machine itself may not do, brink cannot have. In the guest of the vm lane it may do everything.
mine=$(status /proc/self CapPrm)
may() { [ $((0x$mine >> $(number_of "$1") & 1)) = 1 ]; }
mask() { # $1: names, as 16 hexadecimal digits
	local name sum=0
	for name in ${1//,/ }; do
		[ "$name" = - ] || sum=$((sum | 1 << $(number_of "$name")))
	done
	printf '%016x' $((sum & 0x$mine))
}

# $1: name in the table, $2: its folder, $3: its number, $4: the session that is not its own
check_process() {
	local user caps nnp seccomp where oom c uid=0 gid=0 groups
	groups=$(status /proc/self Groups)
	read -r _ user caps nnp seccomp where oom <<<"$(grep "^$1 " <<<"$table")"
	[ "$user" = root ] || { uid=$probe_uid gid=$probe_gid groups=$probe_groups; }
	[ "$where" = own ] && where=$3 || where=$4
	may sys_resource || oom=0
	is "$1: Uid" "$(status "$2" Uid)" "$uid $uid $uid $uid"
	is "$1: Gid" "$(status "$2" Gid)" "$gid $gid $gid $gid"
	is "$1: Groups" "$(status "$2" Groups)" "$groups"
	for c in CapPrm CapEff CapBnd; do
		is "$1: $c" "$(status "$2" $c)" "$(mask "$caps")"
	done
	is "$1: CapInh" "$(status "$2" CapInh)" 0000000000000000
	is "$1: CapAmb" "$(status "$2" CapAmb)" 0000000000000000
	is "$1: NoNewPrivs" "$(status "$2" NoNewPrivs)" "$nnp"
	is "$1: Seccomp" "$(status "$2" Seccomp)" "$seccomp"
	is "$1: session" "$(session "$2")" "$where"
	is "$1: oom_score_adj" "$(cat "$2/oom_score_adj")" "$oom"
}

maps_none() { # $1: what, $2: process, $3...: libraries
	local what=$1 pid=$2 lib
	shift 2
	for lib; do
		! maps "$pid" | grep "/lib$lib" || fail "$what has lib$lib in its memory"
	done
}

# The children of $1 of which $2... says yes, into found; there must be exactly $3 of them.
find_children() { # $1: parent, $2: how many, $3...: test
	local parent=$1 many=$2 pid
	shift 2
	found=
	for pid in $(children "$parent"); do
		! "$@" "$pid" || found="$found $pid"
	done
	found=${found# }
	[ "$(wc -w <<<"$found")" = "$many" ] ||
		fail "$many children of process $parent should pass '$*', and these do: '$found'"
}
runs() { [ "$(exe "$2")" = "$1" ]; }
has_open() { open_files "$2" | grep -q "$1"; }
has_not_open() { ! has_open "$@"; }
has_netlink() { # a socket of nf_tables, in the network namespace where it stands
	local inode
	for inode in $(sockets "$1"); do
		! awk -v i="$inode" '$2 == 12 && $NF == i { yes = 1 } END { exit !yes }' "/proc/$1/net/netlink" || return 0
	done
	return 1
}
is_tracer() { [ "$(status "/proc/$victim" TracerPid)" = "$1" ]; }

# Whatever a holder owns through a socket is in no other process of this machine, so that it ends with the holder.
check_alone() {
	local pid inode other
	find /proc/[0-9]*/fd -mindepth 1 -printf '%h %l\n' 2>/dev/null |
		sed -n 's|^/proc/\([0-9]*\)/fd socket:\[\(.*\)\]$|\1 \2|p' >"$dir/sockets"
	for pid; do
		for inode in $(sockets "$pid"); do
			other=$(awk -v i="$inode" -v p="$pid" '$2 == i && $1 != p { print $1 }' "$dir/sockets")
			[ -z "$other" ] || fail "socket $inode of holder $pid is also in process $other"
		done
	done
}

# What brink itself has opened closes at exec.
check_cloexec() {
	local fd flags
	for fd in "/proc/$1/fd"/*; do
		case $(readlink "$fd") in
		socket:* | */journal | */lock | */locks/* | */netns/*) ;;
		*) continue ;;
		esac
		flags=$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$1/fdinfo/${fd##*/}")
		[ $((flags & 02000000)) != 0 ] ||
			fail "descriptor ${fd##*/} of process $1 ($(readlink "$fd")) stays open across exec"
	done
}

# FIFO 90, and every page of it in memory: all mappings but the kernel's own are locked.
check_hard_to_starve() {
	if may sys_nice; then
		is "keeper: policy" "$(stat_field "/proc/$1" 41)" 1
		is "keeper: real-time priority" "$(stat_field "/proc/$1" 40)" 90
	fi
	! maps "$1" | grep -q '/libasan' || return 0 # its mlockall does nothing
	[ "$(status "/proc/$1" VmLck)" != "0 kB" ] || fail "the keeper's memory is not locked"
	awk '/^[0-9a-f]+-[0-9a-f]+ / { name = $6; where = $1 }
		/^VmFlags:/ && !/ lo( |$)/ && name !~ /^\[v/ { print "not locked: " where " " name; bad = 1 }
		END { exit bad }' "/proc/$1/smaps" || fail "a part of the keeper's memory is not locked"
}

# What a command is, it says itself, and so of the warden above it: both are gone too soon to be found.
chmod 711 "$dir"
mkdir -m 777 "$dir/look"
cat >"$dir/look.sh" <<'END'
#!/bin/sh
cd "$1" || exit 1
for who in command:$$ warden:$PPID; do
	mkdir -p ${who%:*}
	for f in status stat oom_score_adj; do
		cat /proc/${who#*:}/$f >${who%:*}/$f.$$ && mv ${who%:*}/$f.$$ ${who%:*}/$f
	done
done
END
chmod 755 "$dir/look.sh"

two_spaces
mkdir "$dir/disk"
mount -t tmpfs -o size=8m,mode=755 none "$dir/disk"
trap 'rc=$?; umount -l "$dir/disk"; (exit $rc); clean_up' EXIT
serve "$b" 127.0.0.1 7999
ip netns exec "$b" python3 -m http.server -b 127.0.0.1 -d "$dir/look" 7998 >/dev/null 2>&1 7>&- &
helpers="$helpers $!"
sleep 300 7>&- &
victim=$!
helpers="$helpers $victim"
await 'ip netns exec "$b" python3 -c "import socket; socket.create_connection((\"127.0.0.1\", 7998))" 2>/dev/null' 30 ||
	fail "no HTTP server"

experiment x <<END
  - {http: "http://127.0.0.1:7998/", netns: $b, every: 500ms}
  - {command: [$dir/look.sh, $dir/look], every: 1s, timeout: 900ms}
targets:
  victim: {process: {pid: $victim}}
faults:
  - net.drop: {to: "10.77.0.2:7001", netns: $a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7002", netns: $a}
    for: 90s
  - proc.pause: {target: victim}
    for: 90s
  - disk.fill: {path: $dir/disk, until: 50%}
    for: 90s
END

check_run() {
	local here prober launcher keeper spare holders h fault
	here=$(session "/proc/$$")

	# who is there: a prober, a launcher, a keeper; under that a spare and one holder for each fault, nobody else
	find_children "$run" 3 true
	find_children "$run" 1 runs "$BUILD/brink-prober" && prober=$found
	find_children "$run" 1 runs "$BRINK" && launcher=$found
	find_children "$run" 1 runs "$BUILD/brink-keeper" && keeper=$found
	find_children "$keeper" 5 runs "$BUILD/brink-keeper"
	find_children "$keeper" 1 has_open '/journal$' && spare=$found
	find_children "$keeper" 4 has_not_open '/journal$' && holders=$found
	find_children "$keeper" 2 has_netlink && net=$found
	find_children "$keeper" 1 is_tracer && pause=$found
	find_children "$keeper" 1 has_open "^$dir/disk/" && fill=$found
	[ "$(printf '%s\n' $net $pause $fill | sort -u | wc -l)" = 4 ] || fail "a holder holds more than one fault"
	for h in $prober $spare $holders; do
		[ -z "$(children "$h")" ] || fail "process $h has children: $(children "$h")"
	done

	# what each may do
	check_process runner "/proc/$run" "$run" "$here"
	check_process prober "/proc/$prober" "$prober" "$here"
	check_process launcher "/proc/$launcher" "$launcher" "$here"
	check_process warden "$dir/look/warden" 0 "$here"
	check_process command "$dir/look/command" "$(cut -d' ' -f1 "$dir/look/command/stat")" "$here"
	check_process keeper "/proc/$keeper" "$keeper" "$here"
	check_process spare "/proc/$spare" "$spare" "$keeper"
	for h in $net; do
		check_process net.drop "/proc/$h" "$h" "$keeper"
	done
	check_process proc.pause "/proc/$pause" "$pause" "$keeper"
	check_process disk.fill "/proc/$fill" "$fill" "$keeper"
	check_hard_to_starve "$keeper"

	# what each holds
	# shellcheck disable=SC2086 # a list of numbers
	check_alone $holders
	for h in $run $keeper $spare $holders; do
		check_cloexec "$h"
	done
	for h in $keeper $spare $holders; do
		maps_none "process $h of the keeper" "$h" yaml curl jansson nss_ resolv ssl gnutls
	done
	maps_none "the runner" "$run" curl ssl gnutls
	maps_none "the launcher" "$launcher" curl ssl gnutls
	maps_none "the prober" "$prober" yaml jansson nl-
	maps "$prober" | grep -q /libcurl || fail "the prober has no libcurl: this looks at the wrong process"
	maps "$run" | grep -q /libyaml || fail "the runner has no libyaml: this looks at the wrong process"
}

# $1: name
one_run() {
	rm -rf "$dir"/look/*
	hold x 4
	await '[ -e "$dir/look/warden/oom_score_adj" ]' 10 || fail "the command never ran"
	check_run
	kill -INT "$run"
	finish x 6
	grep -q '^CLEAN' "$dir/x.err" || fail "no proof of the revert"
}

before
probe_uid=$(id -u nobody) probe_gid=$(id -g nobody) probe_groups=$(id -G nobody)
unset SUDO_UID SUDO_GID
one_run
# as through sudo: the checks run as the user who called it, here one without a name
export SUDO_UID=4711 SUDO_GID=4712
probe_uid=4711 probe_gid=4712 probe_groups=
one_run
unset SUDO_UID SUDO_GID
same "after two runs"
[ -z "$(find /proc/[0-9]*/fd -lname "$dir/disk/*" 2>/dev/null)" ] || fail "the fill is still held"
