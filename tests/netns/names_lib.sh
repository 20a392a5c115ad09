# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC1091,SC2154,SC2016,SC2086,SC2015
# For the tests of host names: net_lib.sh with two namespaces, an echo server in $b, and an /etc of the test's own, in a
# mount namespace that it must have already; sourced, never run by itself.
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
