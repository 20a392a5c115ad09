#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Beside rules of iptables(8), of its old tables and of those in nf_tables: they are the same before, during and after
# faults of every hook, and go on working. Outgoing packets are seen as they are when the host's rules are done with them.
# shellcheck disable=SC1091,SC2154,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7211 7212 7213 7214 7215 7216
serve "$a" 10.77.0.1 7221 7222

# $1: legacy or nft
rules() {
	local v=$1
	in_a iptables-$v -t nat -A OUTPUT -d 10.77.0.9 -p tcp -j DNAT --to-destination 10.77.0.2 &&
		in_a iptables-$v -t mangle -A OUTPUT -p tcp --dport 7211 -j MARK --set-mark 7 &&
		in_a iptables-$v -t raw -A PREROUTING -s 10.77.0.66 -j DROP &&
		in_a iptables-$v -A INPUT -p tcp --dport 7222 -j REJECT --reject-with tcp-reset &&
		in_a iptables-$v -A OUTPUT -m comment --comment "the host's" -j ACCEPT &&
		in_a ip6tables-$v -A OUTPUT -p udp --dport 7299 -j DROP
}
saved() { { in_a iptables-$1-save && in_a ip6tables-$1-save; } 2>&1 | sed '/^#/d; s/ \[[0-9:]*\]$//'; }
connects() { in_a "$meter" connect "$1" "$2" 1 2>/dev/null | grep -q 'ok 1'; }
from_b() { in_b "$meter" connect 10.77.0.1 "$1" 1 2>/dev/null | grep -q 'ok 1'; }
both_ways() { # the host's own rules
	connects 10.77.0.9 7214 && ! from_b 7222
}

experiment iptables <<END
faults:
  - net.drop: {to: "10.77.0.2:7211-7212", mark: 7, netns: $a}
    for: 170s
  - net.drop: {to: "10.77.0.2:7213", reply: reset, proto: tcp, netns: $a}
    for: 170s
  - net.drop: {from: "10.77.0.2:7215", direction: in, dev: va, netns: $a}
    for: 170s
  - net.partition: {from: "10.77.0.2", not: ["*:7211-7215", "*:7222"], netns: $a}
    for: 170s
END

try() { # $1: legacy or nft
	local saved
	rules $1 || fail "no rules of iptables-$1"
	saved=$(saved $1)
	grep -q DNAT <<<"$saved" && grep -q 7299 <<<"$saved" || fail "no rules are seen: $saved"
	await both_ways 5 && from_b 7221 && connects 10.77.0.2 7211 && connects 10.77.0.9 7213 || fail "$1: not as it should be to begin with"
	hold iptables 4
	[ "$(saved $1)" = "$saved" ] || fail "$1: other rules during the faults: $(saved $1)"
	both_ways || fail "$1: the host's rules do not work any more"
	! connects 10.77.0.2 7211 || fail "$1: the mark of the host's rules is not seen"
	connects 10.77.0.2 7212 || fail "$1: hit without the mark"
	! connects 10.77.0.2 7213 && ! connects 10.77.0.9 7213 || fail "$1: not hit behind the host's translation"
	! connects 10.77.0.2 7215 || fail "$1: not hit where it comes in"
	! from_b 7221 || fail "$1: not parted"
	stop iptables
	! in_a nft list tables | grep brink || fail "$1: a table is left"
	[ "$(saved $1)" = "$saved" ] || fail "$1: other rules afterwards: $(saved $1)"
	both_ways && from_b 7221 && connects 10.77.0.2 7211 || fail "$1: not as before"
}
try nft
in_a iptables-nft-restore <<<"" && in_a nft flush ruleset # of this namespace
if in_a iptables-legacy -t nat -S >/dev/null 2>&1; then
	try legacy
else
	echo "# this kernel has none of the old tables"
fi
