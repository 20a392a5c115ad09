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

# $1: server, $2: name, $3: type; more for dig. "STATUS data ...", or "nothing"
ask() {
	local server=$1 name=$2 type=$3
	shift 3
	in_a dig +tries=1 +time=2 +noall +comments +answer "$@" "@$server" "$name" "$type" >"$dir/dig" 2>&1 || :
	awk '/status:/ { sub(/,/, "", $6); s = $6 } /^[^;]/ { d = d " " $NF } END { print s ? s d : "nothing" }' "$dir/dig"
}
answers() { # $1: what, $2: wanted, $3...: as ask
	local what=$1 want=$2 is
	shift 2
	is=$(ask "$@")
	[ "$is" = "$want" ] || { cat "$dir/dig"; fail "$what: '$*' gives '$is', not '$want'"; }
}
as_ever() { # $1: what, $2: server, $3: name; more for dig
	local what=$1 server=$2 name=$3
	shift 3
	answers "$what" "NOERROR 192.0.2.${number[${name,,}]}" "$server" "$name" A "$@"
	answers "$what" "NOERROR 2001:db8::${number[${name,,}]}" "$server" "$name" AAAA "$@"
}
all_as_ever() { # $1: what
	local name server
	for server in 10.77.0.2 fd77::2; do
		for name in $names; do as_ever "$1" $server $name; done
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

bites() { # $1: what, $2: server
	local d=db.example.com
	for name in $d ${d^^} dB.eXample.cOM; do
		answers "$1" NXDOMAIN "$2" $name A
		answers "$1" NXDOMAIN "$2" $name AAAA
	done
	for name in www.example.org A.b.EXAMPLE.org x.thirteenchars.test no.such.example.org; do
		answers "$1" SERVFAIL "$2" $name A
		answers "$1" SERVFAIL "$2" $name AAAA
	done
	answers "$1" REFUSED "$2" refused.example.net A
	for name in v4.example.net V4x.example.net; do
		answers "$1" "NOERROR 198.51.100.7" "$2" $name A
		answers "$1" NOERROR "$2" $name AAAA
	done
	answers "$1, another type" 'NOERROR "text"' "$2" v4.example.net TXT
	for name in v6.example.net V6x.example.net; do
		answers "$1" "NOERROR 2001:db8:bad::7" "$2" $name AAAA
		answers "$1" NOERROR "$2" $name A
	done
	for name in xdb.example.com db.example.com.test example.org notexample.org my-thirteenchars.test v4xx.example.net v6xx.example.net local.example.net; do
		as_ever "$1" "$2" $name
	done
	# another name's answer holds one of the chosen names
	answers "$1, alias" "NOERROR www.example.org. 192.0.2.5" "$2" alias.test A
}
for server in 10.77.0.2 fd77::2; do
	bites "offloaded checksums" $server
	answers "silent" nothing $server silent.example.net A +time=1
	answers "silent by TCP" nothing $server silent.example.net A +time=1 +tcp
	as_ever "by TCP" $server xdb.example.com +tcp
done
as_ever "the loopback's own fault is for one server" 127.0.0.53 db.example.com
answers "on the loopback device" NXDOMAIN 127.0.0.53 local.example.net A

stop answers
same "after the answers"
all_as_ever "afterwards"
