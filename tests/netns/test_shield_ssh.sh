#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real sshd and real sessions of it. Inside a session brink drops everything on the only device, both ways, IPv4 and
# IPv6: the session answers, and so do all others of that sshd, wherever they come from; who is cut off may come back;
# nothing else passes. The session is found without an environment, after a change of user, by a process that has left
# it, and where the server has a name of its own.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/ssh_lib.sh"

two_spaces
for n in $(seq 10 31); do # one more than an exemption has room for
	ip -n "$a" addr add 10.77.0.$n/24 dev va
done
ip -n "$a" addr add fd77::10/64 dev va nodad
own_accounts
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7100
serve "$b" fd77::2 7100
cat >"$dir/drop.yaml" <<END
brink: 1
name: everything
steady_state:
  - {tcp: "127.0.0.1:7999", every: 1s, fail_after: 10}
faults:
  - id: all
    net.drop: {dev: vb, direction: both}
    for: 90s
END
start_sshd $sshd
before

# One by one, each on its own: the only session is the operator's.
about="one session, IPv4"
login op root 10.77.0.2 10.77.0.10
drop_from op
alive op
all_dropped
alive op
end_drop
alive op
grep -q "1 established session on vb left alone" <(in_b "$BRINK" plan "$dir/drop.yaml") || fail "$about: the plan does not say it"

about="without an environment"
drop_from op "env -i"
alive op
all_dropped
end_drop

about="reconnect from the same address"
drop_from op
login back root 10.77.0.2 10.77.0.10
alive back
! in_a timeout 3 "${ssh_words[@]}" -i "$dir/key" -b 10.77.0.11 -T root@10.77.0.2 true 2>/dev/null ||
	fail "$about: one from another address comes in, which no established session is from"
all_dropped
end_drop

about="a process that has left the session, and no ancestor of it owns a connection"
drop_from op "setsid --fork"
alive op
alive back
all_dropped
end_drop

about="IPv6"
login six root fd77::2 fd77::10
drop_from six
alive six
alive op
all_dropped
end_drop

about="a session of an ordinary user who becomes root for it"
login user operator 10.77.0.2 10.77.0.12
say_to user 'echo $UID'
answer user 10 && [ "$line" = 4242 ] || fail "$about: the session is not the user's: $line"
drop_from user "env -i $dir/bin/become --reuid 0 --regid 0 --clear-groups"
alive user
alive op
alive six
all_dropped
end_drop

about="more sessions, from more addresses than find room"
for n in $(seq 13 31); do
	open_session many$n root 10.77.0.2 10.77.0.$n
done
for n in $(seq 13 31); do
	alive many$n
done
drop_from op
for n in $(seq 13 31); do
	alive many$n
	cases=$((cases + 1))
done
alive op
alive user
alive six
all_dropped
grep -q "left alone (all of TCP port 22)" <(in_b "$BRINK" plan "$dir/drop.yaml") || fail "$about: the plan does not say it"
end_drop

about="a process of somebody else's session"
n=0
for pid in $(in_b ss -Htnp state established 'sport = :22' | grep -o 'pid=[0-9]*' | sort -u | cut -d= -f2) "$sshd_pid"; do
	rc=0
	"$BRINK" try proc.kill pid=$pid --yes >"$dir/kill.out" 2>"$dir/kill.err" || rc=$?
	[ $rc = 4 ] && grep -q "is shielded: it is a login session" "$dir/kill.err" || fail "$about: $pid, exit $rc"
	n=$((n + 1))
done
[ $n -ge 24 ] || fail "$about: there are $n of them only" # 23 sessions, one of them has two, and the listener
cases=$((cases + n))
alive user
for n in $(seq 13 31); do
	logout many$n
done

# A server of another name is no known one: the operator's own session is found all the same, another's is not.
about="a server of another name"
kill "$sshd_pid"
wait "$sshd_pid" || :
for s in op back six user; do
	logout $s
done
await "! in_b ss -Htn state established 'sport = :22' | grep -q ." 20 || fail "$about: old sessions stay"
cp $sshd "$dir/bin/bastion"
start_sshd "$dir/bin/bastion" "Port 22"
login far root 10.77.0.2 10.77.0.14
login near operator 10.77.0.2 10.77.0.15
drop_from near "env -i $dir/bin/become --reuid 0 --regid 0 --clear-groups"
alive near
lost far
all_dropped
end_drop
again far
none_dropped
same
echo "# counted: shield_cases $cases"
