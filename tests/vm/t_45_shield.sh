#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.loss of everything and net.delay of everything, both ways, from inside a real session of a real sshd: it answers at
# once, IPv4 and IPv6, with and without an environment; ARP, ND and DHCP go on; everything else is lost, or late.
# shellcheck disable=SC1091,SC2154,SC2034
. "$(dirname "$0")/../netns/ssh_lib.sh"
. "$(dirname "$0")/../netns/basics_lib.sh"

two_spaces
ip -n "$a" addr add 10.77.0.10/24 dev va
ip -n "$a" addr add fd77::10/64 dev va nodad
link_local
own_accounts
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7100
serve "$b" fd77::2 7100
start_sshd $sshd
login op root 10.77.0.2 10.77.0.10
login six root fd77::2 fd77::10
before
# $1: fault, $2: the session that does it, $3: words before brink there
from_inside() {
	about=${1%%:*}
	cat >"$dir/drop.yaml" <<-END
		brink: 1
		name: everything
		steady_state:
		  - {tcp: "127.0.0.1:7999", every: 1s, fail_after: 5}
		faults:
		  - id: all
		    $1 dev: vb, direction: both}
		    for: 5m
	END
	drop_from "$2" "$3"
	alive op
	alive six
	all_dropped
	neighbours_resolve
	dhcp_works
	alive op
	end_drop
}
from_inside "net.loss: {loss: 100%," op "env -i"
from_inside "net.delay: {delay: 4s," six ""
none_dropped
same
echo "# counted: shield_cases $cases"
