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
for fault in "net.loss: {loss: 100%," "net.delay: {delay: 4s,"; do
	about=${fault%%:*}
	cat >"$dir/drop.yaml" <<-END
		brink: 1
		name: everything
		steady_state:
		  - {tcp: "127.0.0.1:7999", every: 1s, fail_after: 5}
		faults:
		  - id: all
		    $fault dev: vb, direction: both}
		    for: 5m
	END
	drop_from op "env -i"
	alive op
	alive six
	all_dropped
	neighbours_resolve
	dhcp_works
	alive op
	end_drop
	drop_from six
	alive six
	alive op
	end_drop
done
none_dropped
same
echo "# counted: shield_cases $cases"
