# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2015,SC1091,SC2086,SC2034
# A real sshd in $b and real sessions of it from $a. Sourced, never run by itself. Nothing of it is the machine's: keys,
# configuration, accounts and /etc lie in a folder of this test, the addresses in its own two namespaces.
. "$(dirname "${BASH_SOURCE[0]}")/net_lib.sh"

sshd=/usr/sbin/sshd
sshd_pid=
cases=0
declare -A client
# Nobody's agent, configuration or known hosts.
ssh_words=(ssh -F none -o BatchMode=yes -o IdentityAgent=none -o StrictHostKeyChecking=no
	-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=60)

own_clean_up() {
	[ ! -s "$dir/drop.err" ] || grep -q '^CLEAN' "$dir/drop.err" || "$BRINK" halt "$(run_id drop)" >/dev/null 2>&1 || :
	kill $sshd_pid "${client[@]}" 2>/dev/null || :
	[ -z "$sshd_pid" ] || wait $sshd_pid "${client[@]}" 2>/dev/null || :
	! mountpoint -q /etc || umount -l /etc
	! mountpoint -q "$dir/bin" || umount -l "$dir/bin"
}

# An account of an ordinary user, with a way to root that needs no password: in an /etc of this mount namespace only.
own_accounts() {
	mkdir -m 755 "$dir/etc"
	cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/alternatives "$dir/etc/"
	cp -a /etc/ld.so.cache "$dir/etc/" 2>/dev/null || :
	echo "operator:x:4242:4242::$dir/home:/bin/bash" >>"$dir/etc/passwd"
	echo "operator:x:4242:" >>"$dir/etc/group"
	printf '%s\n' 'root:*:19000:0:99999:7:::' 'operator:*:19000:0:99999:7:::' >"$dir/etc/shadow"
	echo "127.0.0.1 localhost" >"$dir/etc/hosts"
	mkdir -m 755 "$dir/home" "$dir/bin"
	chown 4242:4242 "$dir/home"
	chmod 711 "$dir"
	mount --bind "$dir/etc" /etc
	mount -t tmpfs -o mode=755 bin "$dir/bin" # where a set-user-ID bit counts
	cp /usr/bin/setpriv "$dir/bin/become"
	chmod 4755 "$dir/bin/become"
}

# $1: file of the server, $2...: more lines of its configuration. Starts it in $b; both families, port 22.
start_sshd() {
	local file=$1
	shift
	mkdir -p /run/sshd
	[ -f "$dir/host" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
	[ -f "$dir/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
	cp "$dir/key.pub" "$dir/keys"
	printf '%s\n' "HostKey $dir/host" "AuthorizedKeysFile $dir/keys" "PidFile none" "UsePAM no" \
		"StrictModes no" "PermitRootLogin yes" "PasswordAuthentication no" "MaxStartups 100" \
		"UseDNS no" "PrintMotd no" "$@" >"$dir/sshd_config"
	ip netns exec "$b" "$file" -D -e -f "$dir/sshd_config" >"$dir/sshd.log" 2>&1 &
	sshd_pid=$!
	await "in_b ss -Hltn 'sport = :22' | grep -q LISTEN" 10 || { cat "$dir/sshd.log"; fail "no sshd"; }
}

# $1: name, $2: user, $3: address of the server, $4: own address. A shell over there; its words go in by say_to, come
# back by answers.
login() {
	open_session "$@"
	echo_trip "$1" 90 || fail "no session '$1': $(cat "$dir/$1.ssh.err" "$dir/sshd.log")"
}
open_session() {
	local fds
	mkfifo "$dir/$1.in" "$dir/$1.back"
	ip netns exec "$a" "${ssh_words[@]}" -i "$dir/key" -b "$4" -T "$2@$3" exec bash \
		<"$dir/$1.in" >"$dir/$1.back" 2>"$dir/$1.ssh.err" &
	client[$1]=$!
	exec {fds}>"$dir/$1.in"
	eval "to_$1=$fds"
	exec {fds}<"$dir/$1.back"
	eval "from_$1=$fds"
}
logout() {
	kill "${client[$1]}"
	wait "${client[$1]}" 2>/dev/null || :
	unset "client[$1]"
}
say_to() { # $1: session, $2: words for its shell
	local to=to_$1
	echo "$2" >&"${!to}"
}
answer() { # $1: session, $2: seconds; the line that it says, in $line
	local from=from_$1
	read -r -t "$2" -u "${!from}" line
}
# A word there and back, through the shell at the other end.
trips=0
echo_trip() { # $1: session, $2: seconds [20]
	trips=$((trips + 1))
	say_to "$1" "echo trip-$trips-\$((40 + 2))"
	answer "$1" "${2:-20}" && [ "$line" = "trip-$trips-42" ]
}
alive() { echo_trip "$1" || fail "$about: session '$1' does not answer"; }
lost() { # not within 1.5 s; what it says later is thrown away by `silence`
	trips=$((trips + 1))
	say_to "$1" "echo trip-$trips-\$((40 + 2))"
	! answer "$1" 1.5 || fail "$about: session '$1' answers during a drop that should cut it: $line"
}
again() { # reads up to the answer to the last trip: the session has come back
	local until=trip-$trips-42
	while answer "$1" 30; do
		[ "$line" != "$until" ] || return 0
	done
	fail "$about: session '$1' never came back"
}

# What everybody else sees during a total drop. All at once: each of them waits for an answer that does not come.
all_dropped() {
	local address pids=''
	for address in 10.77.0.2 fd77::2; do
		in_a "$meter" connect $address 7100 1 >"$dir/tcp.$address" &
		pids="$pids $!"
		in_a "$meter" udp $address 7100 3 1000 >"$dir/udp.$address" &
		pids="$pids $!"
		in_a ping -q -c 1 -W 1 $address >"$dir/ping.$address" &
		pids="$pids $!"
	done
	for p in $pids; do
		wait "$p" || :
	done
	for address in 10.77.0.2 fd77::2; do
		expect "$about: tcp to $address" "$(cat "$dir/tcp.$address")" ok 0 timeout 1
		expect "$about: udp to $address" "$(cat "$dir/udp.$address")" sent 3 lost 3
		grep -q ' 0 received' "$dir/ping.$address" || fail "$about: ping to $address is answered"
	done
}
none_dropped() {
	local address
	for address in 10.77.0.2 fd77::2; do
		expect "$about: tcp to $address" "$(in_a "$meter" connect $address 7100 1)" ok 1
	done
}

# $1: session, $2: words before brink there. Starts the drop of everything on vb, both ways, from inside the session.
drop_from() {
	: >"$dir/drop.out"
	: >"$dir/drop.err"
	chmod 666 "$dir/drop.out" "$dir/drop.err"
	# a runner that gets no CPU for a second is killed: what else the machine does is not asked here
	say_to "$1" "${2:-} nice -n -10 $BRINK run $dir/drop.yaml --yes </dev/null >$dir/drop.out 2>$dir/drop.err & echo started"
	answer "$1" 20 || fail "$about: cannot be started"
	await "grep -qs ' held ' '$dir/drop.err'" 40 || { cat "$dir"/drop.*; fail "$about: not held"; }
}
# Ends it, from outside, and waits until its own words say so.
end_drop() {
	local id
	id=$(run_id drop)
	"$BRINK" halt "$id" --why measured >"$dir/halt.out" 2>"$dir/halt.err" || fail "$about: brink halt: exit $?"
	await "grep -qs '^CLEAN' '$dir/drop.err'" 20 || { cat "$dir"/drop.*; fail "$about: not clean"; }
	cases=$((cases + 1))
}
