#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Host names, the other half: an end to what joins, a resolver that dies, and a name server that takes every question and
# never answers, which keeps neither the end of a run nor an abort waiting.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
. "$(dirname "$0")/names_lib.sh"

# At most 64 of them, and one line about the rest.
hosts "db.test 10.77.0.2"
experiment many <<END
faults:
  - net.drop: {to: "db.test:7301", netns: $a}
    id: db
    for: 170s
END
before
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
