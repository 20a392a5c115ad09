#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.dns against a real name server: each answer, all at once on one device. Chosen names are hit in any case of their
# letters, over IPv4 and IPv6, in A and AAAA, with and without offloaded checksums; what merely looks alike, or stands in
# another name's answer, is not. getent sees what dig sees. Afterwards, and when brink is killed, all is as before.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

own_clean_up() { rm -rf "/etc/netns/$a"; }
two_spaces
serve "$b" 127.0.0.1 7999
mkdir -p "/etc/netns/$a"
printf 'nameserver 10.77.0.2\nnameserver fd77::2\noptions timeout:1 attempts:1\n' >"/etc/netns/$a/resolv.conf"

# Every name has the addresses 192.0.2.N and 2001:db8::N.
names="db.example.com xdb.example.com db.example.com.test example.org www.example.org a.b.example.org notexample.org
	refused.example.net silent.example.net v4.example.net v4x.example.net v4xx.example.net v6.example.net
	v6x.example.net v6xx.example.net my-thirteenchars.test x.thirteenchars.test odd.thirteenchars.test local.example.net"
records=() n=0
declare -A number
for name in $names; do
	n=$((n + 1))
	number[$name]=$n
	records+=("--host-record=$name,192.0.2.$n,2001:db8::$n")
done
name_server() { # $1: namespace, $2...: addresses
	local ns=$1 address listen=()
	shift
	for address; do listen+=("--listen-address=$address"); done
	ip netns exec "$ns" dnsmasq --keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null --pid-file= --user=root \
		--bind-interfaces "${listen[@]}" "${records[@]}" --txt-record=v4.example.net,text \
		--cname=alias.test,www.example.org --local=/test/example.com/example.org/example.net/ \
		>"$dir/dnsmasq.$ns" 2>&1 7>&- &
	helpers="$helpers $!"
}
name_server "$b" 10.77.0.2 fd77::2
name_server "$a" 127.0.0.53

# $1: server; more for dig. "NAME TYPE", one a line, become "NAME TYPE STATUS data ...".
asked() {
	local server=$1
	shift
	sed "s/^/@$server /" | in_a dig +tries=1 +time=2 +noall +comments +question +answer "$@" -f - >"$dir/dig" 2>&1 || :
	awk '/status:/ { if (line) print line; status = $6 }
		/^;[^ ;]/ { sub(/^;/, ""); sub(/\.$/, "", $1); line = $1 " " $3 " " substr(status, 1, length(status) - 1); next }
		/^[^;]/ { line = line " " $NF }
		END { print line ? line : "nothing" }' "$dir/dig"
}
# $1: what it is about, $2: server; more for dig. Lines as above, with what is wanted.
answers() {
	local what=$1 server=$2
	shift 2
	sort >"$dir/wanted"
	cut -d ' ' -f 1,2 "$dir/wanted" | asked "$server" "$@" | sort >"$dir/is"
	cmp -s "$dir/wanted" "$dir/is" || { diff "$dir/wanted" "$dir/is" || :; fail "$what: $server $* does not answer so"; }
}
ask() { echo "$2 $3" | asked "$1" "${@:4}" | cut -d ' ' -f 3-; } # one alone; nothing: no answer
as_ever() { # its lines
	local name
	for name; do
		echo "$name A NOERROR 192.0.2.${number[${name,,}]}"
		echo "$name AAAA NOERROR 2001:db8::${number[${name,,}]}"
	done
}
both() { # $1: what both types get, $2...: names
	local status=$1 name
	shift
	for name; do printf '%s\n' "$name A $status" "$name AAAA $status"; done
}
all_as_ever() { # $1: what
	for server in 10.77.0.2 fd77::2; do
		as_ever $names | answers "$1" $server
	done
}
await '[ "$(ask 10.77.0.2 db.example.com A)" = "NOERROR 192.0.2.1" ]' 20 || fail "no name server: $(cat "$dir/dnsmasq.$b")"
await '[ "$(ask 127.0.0.53 db.example.com A)" = "NOERROR 192.0.2.1" ]' 20 || fail "no name server: $(cat "$dir/dnsmasq.$a")"
all_as_ever "before"

experiment answers <<END
faults:
  - net.dns: {names: db.example.com, answer: nxdomain, netns: $a}
    for: 150s
  - net.dns: {names: ["*.Example.ORG", "*.thirteenchars.test"], answer: servfail, netns: $a}
    for: 150s
  - net.dns: {names: refused.example.net., answer: refused, netns: $a}
    for: 150s
  - net.dns: {names: silent.example.net, answer: none, netns: $a}
    for: 150s
  - net.dns: {names: [v4.example.net, v4x.example.net, "*.example.net.test"], answer: 198.51.100.7, netns: $a}
    for: 150s
  - net.dns: {names: [v6.example.net, v6x.example.net], answer: "2001:db8:bad::7", netns: $a}
    for: 150s
  - net.dns: {names: local.example.net, answer: nxdomain, to: 127.0.0.53, netns: $a}
    for: 150s
END
before
hold answers 7

bites() { # $1: what, $2: server; more for dig
	{
		both NXDOMAIN db.example.com DB.EXAMPLE.COM dB.eXample.cOM
		both SERVFAIL www.example.org A.b.EXAMPLE.org x.thirteenchars.test no.such.example.org
		both REFUSED refused.example.net
		for name in v4.example.net V4x.example.net; do
			echo "$name A NOERROR 198.51.100.7"
			echo "$name AAAA NOERROR"
		done
		echo 'v4.example.net TXT NOERROR "text"'
		for name in v6.example.net V6x.example.net; do
			echo "$name A NOERROR"
			echo "$name AAAA NOERROR 2001:db8:bad::7"
		done
		as_ever xdb.example.com db.example.com.test example.org notexample.org my-thirteenchars.test v4xx.example.net \
			v6xx.example.net local.example.net
		# another name's answer holds one of the chosen names
		echo "alias.test A NOERROR www.example.org. 192.0.2.5"
	} | answers "$@"
}
checksums() { # $1: on or off: the device computes them, and so nobody does
	in_b python3 - "$1" <<-'END'
		import array, fcntl, socket, struct, sys
		value = array.array('B', struct.pack('II', 0x17, sys.argv[1] == 'on'))  # ETHTOOL_STXCSUM
		request = struct.pack('16sP', b'vb', value.buffer_info()[0])
		fcntl.ioctl(socket.socket(), 0x8946, request)  # SIOCETHTOOL
	END
}
for server in 10.77.0.2 fd77::2; do
	bites "offloaded checksums" $server
	bites "without EDNS" $server +noedns
	[ "$(ask $server silent.example.net A +time=1)" = nothing ] || fail "silent, and it answers"
	[ "$(ask $server silent.example.net A +time=1 +tcp)" = nothing ] || fail "silent by TCP, and it answers"
	as_ever xdb.example.com | answers "by TCP" $server +tcp
done
checksums off
for server in 10.77.0.2 fd77::2; do
	bites "real checksums" $server
done
[ "$(in_a nstat -asz UdpInCsumErrors | awk '/Csum/ { print $2 }')" = 0 ] || fail "a wrong checksum over IPv4"
[ "$(in_a nstat -asz Udp6InCsumErrors | awk '/Csum/ { print $2 }')" = 0 ] || fail "a wrong checksum over IPv6"
checksums on
{ as_ever db.example.com && both NXDOMAIN local.example.net; } | answers "on the loopback device" 127.0.0.53

# A name server without checksums, RFC 768; it says who asks for what.
in_b python3 - >"$dir/bare" 2>&1 7>&- <<'END' &
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
s.bind(('10.77.0.2', 5353))
print('ready', flush=True)
while True:
    query, asker = s.recvfrom(4096)
    end = query.index(b'\0', 12) + 5
    answer = b'\xc0\x0c\0\1\0\1\0\0\0\0\0\4\xc0\0\2\x63' * (query[end - 3] == 1)
    s.sendto(query[:2] + b'\x81\x80\0\1\0' + bytes([len(answer) > 0]) + b'\0\0\0\0' + query[12:end] + answer, asker)
END
helpers="$helpers $!"
await "grep -qs ready '$dir/bare'" 10 || fail "no bare name server"
bare() { ask 10.77.0.2 "$1" "$2" -p 5353 +noedns; }
[ "$(bare bare.test A)" = "NOERROR 192.0.2.99" ] || fail "the bare name server: $(bare bare.test A)"

by_getent() { # $1: name, $2: wanted
	local is
	is=$(ip netns exec "$a" getent ahosts "$1" | awk '{ print $1 }' | sort -u | tr '\n' ' ') || :
	[ "$is" = "$2" ] || fail "getent: '$1' is '$is', not '$2'"
}
by_getent db.example.com ""
by_getent www.example.org ""
by_getent refused.example.net ""
by_getent v4.example.net "198.51.100.7 "
by_getent V6.example.net "2001:db8:bad::7 "
by_getent xdb.example.com "192.0.2.2 2001:db8::2 "
by_getent notexample.org "192.0.2.7 2001:db8::7 "
began=${EPOCHREALTIME/./}
by_getent silent.example.net "" # is waited for: no error of the own host tells glibc sooner
[ $((${EPOCHREALTIME/./} - began)) -ge 900000 ] || fail "getent was told that nothing will come"

stop answers
same "after the answers"
all_as_ever "afterwards"
by_getent silent.example.net "192.0.2.9 2001:db8::9 "

# Every name; a share of them; a port of its own, without checksums; names of which nobody asks anything.
experiment more <<END
faults:
  - net.dns: {names: "*", answer: refused, to: "10.77.0.2:5353", netns: $a, not: 10.77.0.9}
    for: 150s
  - net.dns: {names: xdb.example.com, answer: nxdomain, share: 50%, to: "fd77::2", netns: $a}
    for: 150s
  - net.dns: {names: no.body.asks, answer: nxdomain, netns: $a}
    for: 150s
END
hold more 3
for type in A AAAA MX; do
	[ "$(bare bare.test $type)" = REFUSED ] || fail "every name, $type: $(bare bare.test $type)"
done
as_ever xdb.example.com | answers "another server" 10.77.0.2
hit=$(yes "xdb.example.com A" | head -n 40 | asked fd77::2 | grep -c NXDOMAIN)
within "half of 40" $hit 5 35 # the odds against it are 1 in a million
stop more
grep -q 'net-dns-3 hit nothing' "$dir/more.err" || fail "nobody asked, and it is not said"
[ "$(grep -c 'hit nothing' "$dir/more.err")" = 1 ] || fail "what was hit is said to be not"

experiment address <<END
faults:
  - net.dns: {names: "*.test", answer: 198.51.100.7, to: "10.77.0.2:5353", netns: $a}
    for: 150s
END
hold address 1
for name in bare.test bare4.test; do # a question that ends at an even byte, and one at an odd byte
	[ "$(bare $name A)" = "NOERROR 198.51.100.7" ] || fail "without checksums: $(bare $name A)"
	[ "$(bare $name MX)" = NOERROR ] || fail "without checksums, another type: $(bare $name MX)"
done

# All of brink is killed at once: the table goes with its holder.
group=$(ps -eo pid=,ppid= | awk -v top="$run" '{ up[$1] = $2 } END { print top; for (n = 0; n < 8; n++)
	for (p in up) if (p != top && (up[p] == top || up[p] in mine) && !(p in mine)) { mine[p]; print p } }')
kill -STOP $group && kill -KILL $group
wait "$run" 2>/dev/null || :
run=
await '[ "$(bare bare.test A)" = "NOERROR 192.0.2.99" ]' 5 || fail "killed, and still felt"
"$BRINK" revert >"$dir/revert.out" 2>"$dir/revert.err" || fail "brink revert: exit $?"
grep -q '^CLEAN' "$dir/revert.err" || fail "brink revert: not clean"
same "killed"

refuse() { # $1: exit code, $2: words of the refusal, $3...: of the fault
	local rc=0 want=$1 says=$2
	shift 2
	"$BRINK" try net.dns "$@" --for 1s >"$dir/try.out" 2>"$dir/try.err" || rc=$?
	[ $rc = "$want" ] || { cat "$dir/try.err"; fail "$*: exit $rc, not $want"; }
	grep -q -- "$says" "$dir/try.err" || { cat "$dir/try.err"; fail "$*: does not say '$says'"; }
	same "$*"
}
refuse 3 "xn--" names=bücher.example answer=nxdomain netns="$a"
refuse 3 "is no answer" names=x.test answer=nodata netns="$a"
refuse 3 "UDP only" names=x.test answer=nxdomain to=10.77.0.2/tcp netns="$a"
refuse 2 "answer" names=x.test netns="$a"
echo 10.77.0.2/sctp >"$dir/servers"
refuse 3 "another protocol" names=x.test answer=none to="@$dir/servers" dev=va netns="$a"
refuse 2 "answer" names=x.test answer=none delay=1s netns="$a"
rm "/etc/netns/$a/resolv.conf"
: >"/etc/netns/$a/resolv.conf"
refuse 8 "names no name server" names=x.test answer=none netns="$a"
