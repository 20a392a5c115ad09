#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything is dropped at both ends of the only link, both ways; ARP, ND and DHCP go on all the same: neighbours that
# were forgotten are found again, a client gets an address, and no other packet passes.
# shellcheck disable=SC1091,SC2154,SC2034
. "$(dirname "$0")/net_lib.sh"
. "$(dirname "$0")/basics_lib.sh"

two_spaces
link_local
cases=0
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7100
serve "$b" fd77::2 7100
before
about="before the drop"
passes 6 fd77::1 546 fd77::2 548
cases=0
experiment both <<END
faults:
  - net.drop: {dev: va, direction: both, netns: $a}
    for: 90s
  - net.drop: {dev: vb, direction: both, netns: $b}
    for: 90s
END
hold both 2
about="during the drop"
neighbours_resolve
dhcp_works
passes_not 6 fd77::1 546 fd77::2 548
passes_not 4 10.77.0.1 68 10.77.0.2 69
for address in 10.77.0.2 fd77::2; do
	expect "tcp to $address" "$(in_a "$meter" connect $address 7100 1)" ok 0 timeout 1
done
stop both
same
echo "# counted: shield_cases $cases"
