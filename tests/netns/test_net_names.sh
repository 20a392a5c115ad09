#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Host names that come to mean more while a fault is held: the new addresses join it, in lists and in exemptions, alone
# and beside ranges, of both families; what the policy denies, or what lies behind another device, does not; a name that
# cannot be looked up any more keeps what it had; a server that never answers keeps nobody waiting. With an /etc of the
# test's own.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
. "$(dirname "$0")/net_lib.sh"

own_clean_up() { umount -l /etc 2>/dev/null || :; }
two_spaces
mkdir "$dir/etc"
cp -a /etc/. "$dir/etc"
mount --bind "$dir/etc" /etc
echo "multi on" >/etc/host.conf
echo "hosts: files" >/etc/nsswitch.conf
[ -d /etc/brink ] || mkdir -m 755 /etc/brink
printf 'brink_policy: 1\ndeny:\n  - {flow: 10.77.0.4, why: the way in}\n' >/etc/brink/policy.yaml
chmod 644 /etc/brink/policy.yaml

for n in 3 4 5 8 9 31 48; do
	ip -n "$b" addr add 10.77.0.$n/24 dev vb
done
ip -n "$b" addr add fd77::3/64 dev vb nodad
ip -n "$a" route add 10.77.0.0/16 via 10.77.0.2
serve "$b" :: 7999 7301 7302 7303 7304
connects() { in_a "$meter" connect "$1" "$2" 1 | grep -q 'ok 1'; }
hits() { # $1: port, then addresses
	local port=$1
	shift
	for address; do
		! connects "$address" "$port" || fail "$address:$port was not hit"
	done
}
misses() {
	local port=$1
	shift
	for address; do
		await "connects $address $port" 5 || fail "$address:$port was hit"
	done
}
hosts() { # "name address..." for each
	local line name address
	for line; do
		name=${line%% *}
		for address in ${line#* }; do
			echo "$address $name"
		done
	done >"$dir/hosts"
	cat "$dir/hosts" >/etc/hosts # the same file: it is mounted in others' places
}
resolver_of() { ps -o pid=,comm= --ppid "$1" | awk '$2 == "brink-resolver" { print $1 }'; }
says() { await "grep -q -- '$2' '$dir/$1.err'" 60 || fail "$1 does not say: $2"; } # lookups come every 5 s

hosts "db.test 10.77.0.2" "other.test 10.77.0.2" "free.test 10.77.0.2" "peer.test 10.77.0.8"
experiment names <<END
limits:
  deny: {flows: ["10.77.0.5:7301"]}
faults:
  - net.drop: {to: ["db.test:7301", "other.test:7302"], netns: $a}
    id: db
    for: 170s
  - net.drop: {to: "10.77.0.2/31:7303", not: "free.test", netns: $a, dev: va}
    id: range
    for: 170s
  - net.drop: {to: ["10.77.0.32/28:7304", "db.test:7304"], netns: $a, dev: va}
    id: beside
    for: 170s
  - net.drop: {to: "peer.test:7304", direction: both, netns: $a}
    id: peer
    for: 170s
END
all="10.77.0.2 10.77.0.3 10.77.0.5 10.77.0.31 10.77.0.48 fd77::3"
misses 7301 $all 10.77.0.4
misses 7303 10.77.0.2 10.77.0.3
misses 7304 $all 10.77.0.8 10.77.0.9
"$BRINK" plan "$dir/names.yaml" >"$dir/plan.out" 2>"$dir/plan.err" || fail "cannot be planned"
grep -q 'host names are looked up again' "$dir/plan.out" || fail "the plan does not say that names are looked up again"
before
hold names 4
hits 7301 10.77.0.2
hits 7302 10.77.0.2
hits 7304 10.77.0.2 10.77.0.8
hits 7303 10.77.0.3
misses 7301 10.77.0.3 10.77.0.4 10.77.0.31 10.77.0.48 fd77::3
misses 7304 10.77.0.3 10.77.0.9 10.77.0.31 10.77.0.48
misses 7303 10.77.0.2

hosts "db.test 10.77.0.3 10.77.0.4 10.77.0.5 10.77.0.31 10.77.0.48 fd77::3 127.0.0.1 fd99::1" \
	"other.test 10.77.0.2" "free.test 10.77.0.2 10.77.0.3" "peer.test 10.77.0.9"
for address in 10.77.0.3 10.77.0.31 10.77.0.48 fd77::3; do
	says names " joined  *db: db.test is now also $address\$"
	says names " joined  *beside: db.test is now also $address\$"
done
says names " joined  *range: free.test is now also 10.77.0.3\$"
says names " joined  *peer: peer.test is now also 10.77.0.9\$"
says names "db: db.test is now also 10.77.0.4, which does not join: .*the way in.*policy.yaml:3"
says names "beside: db.test is now also 10.77.0.4, which does not join: .*the way in"
says names "db: db.test is now also 10.77.0.5, which does not join: .*limits.deny"
says names " joined  *beside: db.test is now also 10.77.0.5\$" # it is denied for another port
says names "db: db.test is now also 127.0.0.1, which does not join: it lies behind the device .lo."
hits 7301 10.77.0.2 10.77.0.3 10.77.0.31 10.77.0.48 fd77::3 # 10.77.0.2 is no answer any more
misses 7301 10.77.0.4 10.77.0.5                                     # denied
misses 7302 10.77.0.3 10.77.0.31                                    # of the other name
misses 7303 10.77.0.2 10.77.0.3                                     # left out
hits 7304 10.77.0.2 10.77.0.3 10.77.0.5 10.77.0.31 10.77.0.48 fd77::3 10.77.0.8 10.77.0.9
misses 7304 10.77.0.4
[ "$(grep -c ' db: .*fd99::1' "$dir/names.err")" = 0 ] || fail "an address without a route is told of"

# A name that is gone keeps what it had; one that comes back is looked up as before.
hosts "other.test 10.77.0.2" "free.test 10.77.0.2" "peer.test 10.77.0.9"
says names " warn  *db: cannot resolve .db.test.*; the addresses that it had stay"
says names " warn  *beside: cannot resolve .db.test"
hits 7301 10.77.0.2 10.77.0.3 10.77.0.31
hits 7304 10.77.0.2 10.77.0.3
hosts "db.test 10.77.0.8" "other.test 10.77.0.2" "free.test 10.77.0.2" "peer.test 10.77.0.9"
says names " joined  *db: db.test is now also 10.77.0.8\$"
hits 7301 10.77.0.8
[ "$(grep -c ' joined .* db: db.test is now also 10.77.0.3$' "$dir/names.err")" = 1 ] || fail "an address joined twice"
[ "$(grep -c "db: cannot resolve 'db.test'" "$dir/names.err")" = 1 ] || fail "a failure was told twice"
stop names
same names
events=/var/lib/brink/runs/$(run_id names)/events.ndjson
jq -es 'map(select(.ev == "fault.joined" and .fault == "db" and .name == "db.test") | .address)
	| sort == ["10.77.0.3", "10.77.0.31", "10.77.0.48", "10.77.0.8", "fd77::3"]' "$events" >/dev/null ||
	fail "the events do not have what joined: $(grep joined "$events")"
jq -es 'map(select(.ev == "fault.not_joined" and .fault == "db") | .address)
	| sort == ["10.77.0.4", "10.77.0.5", "127.0.0.1"]' "$events" >/dev/null || fail "the events do not have what did not join"
misses 7301 $all
misses 7304 10.77.0.8 10.77.0.9

# At most 64 of them, and one line about the rest.
hosts "db.test 10.77.0.2"
experiment many <<END
faults:
  - net.drop: {to: "db.test:7301", netns: $a}
    id: db
    for: 170s
END
hold many 1
for part in 1 2 3; do # one answer has 32 addresses at most
	hosts "db.test 10.77.0.2 $(seq -f "10.77.$part.%g" -s ' ' 1 24)"
	[ $part = 3 ] || says many "is now also 10.77.$part.24"
done
says many "db.test is now also .*, which does not join: that makes more than 64 new ones"
[ "$(grep -c 'does not join' "$dir/many.err")" = 1 ] || fail "more than one line about too many"
hits 7301 10.77.0.2
kill -KILL "$(resolver_of $run)" # without it the run goes on
says many " warn  *host names are not looked up again: .*SIGKILL"
hits 7301 10.77.0.2
stop many
same many

# A server that takes every question and never answers. The run ends on time, by itself and when it is told to.
printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:5\n' >/etc/resolv.conf
echo "hosts: files dns" >/etc/nsswitch.conf
cat >"$dir/silent.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
while True:
    s.recv(4096)
    with open(sys.argv[1], "a") as f:
        f.write("asked\n")
END
ip netns exec "$a" python3 "$dir/silent.py" "$dir/asked" 7>&- >"$dir/silent.out" 2>&1 &
helpers="$helpers $!"
await "in_a ss -Hlun 'sport = 53' | grep -q 127.0.0.1" 10 || fail "no silent server"
printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s "%s" "$@"\n' "$a" "$BRINK" >"$dir/inside"
chmod 755 "$dir/inside"
outside=$BRINK
for how in halt end; do
	hosts "db.test 10.77.0.2"
	experiment silent_$how <<-END
		faults:
		  - net.drop: {to: "db.test:7301"}
		    for: $([ $how = halt ] && echo 170s || echo 20s)
	END
	rm -f "$dir/asked"
	BRINK=$dir/inside
	hold silent_$how 1
	BRINK=$outside
	pid=$(resolver_of $run)
	[ -n "$pid" ] || fail "no resolver"
	[ "$(stat -c %u /proc/$pid)" = "$(id -u nobody)" ] || [ -n "${SUDO_UID:-}" ] || fail "the resolver is root"
	for line in CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000 NoNewPrivs:1 Seccomp:2; do
		tr -d '\t' <"/proc/$pid/status" | grep -qx "$line" || fail "the resolver has not $line"
	done
	: >/etc/hosts
	await "[ -s '$dir/asked' ]" 30 || fail "nobody asked the server"
	hits 7301 10.77.0.2
	start=${EPOCHREALTIME/./}
	if [ $how = halt ]; then
		stop silent_$how
		took=$(((${EPOCHREALTIME/./} - start) / 1000))
	else
		await "grep -q ' reverted ' '$dir/silent_$how.err'" 60 || fail "it does not end"
		start=${EPOCHREALTIME/./}
		finish silent_$how 0
		took=$(((${EPOCHREALTIME/./} - start) / 1000))
	fi
	# a question takes 150 s; what follows a revert includes watching the check recover
	[ $took -lt 25000 ] || fail "$how: took $took ms with a silent server"
	[ ! -e /proc/$pid ] || fail "$how: the resolver is still there"
	echo "$how took $took ms"
	same silent_$how
done
