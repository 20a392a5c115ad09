#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# engine: user on this kernel. Where nft rules lead to packet queues it delays, else it is refused before anything is
# changed, with what is missing; what it cannot do at all is refused everywhere.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7100 7101

has_queue() {
	in_b nft -c 'add table inet tryq; add chain inet tryq c; add rule inet tryq c queue num 1 bypass' 2>"$dir/why" || return 1
	in_b test -e /proc/net/netfilter/nfnetlink_queue
}

# $1: exit code, $2: words, $3...: brink plan of these faults
refused() {
	local want=$1 words=$2 rc=0
	shift 2
	experiment refused <<-END
		faults:
		  - $*
		    for: 5s
	END
	"$BRINK" plan "$dir/refused.yaml" >"$dir/refused.out" 2>"$dir/refused.err" || rc=$?
	[ $rc = "$want" ] || fail "$*: exit $rc, not $want"
	grep -q "$words" "$dir/refused.err" || fail "$*: does not say '$words'"
}

before
to="to: \"10.77.0.2:7101\", dev: vb, netns: $b, engine: user"
refused 3 "only what comes in" "net.delay: {$to, delay: 60ms}"
refused 3 "only what comes in" "net.delay: {$to, delay: 60ms, direction: both}"
refused 3 "cannot duplicate" "net.duplicate: {$to, share: 10%, direction: in}"
refused 3 "no slots" "net.impair: {$to, slot_max_delay: 10ms, direction: in}"
same "what was refused has changed something"

if has_queue; then
	experiment held <<-END
		faults:
		  - net.delay: {$to, delay: 60ms, direction: in}
		    for: 60s
	END
	hold held 1
	late=$(in_a "$meter" udp 10.77.0.2 7101 10 5000)
	other=$(in_a "$meter" udp 10.77.0.2 7100 10 5000)
	stop held
	within "delayed, us" "$(figure "$late" min_us)" 59900 500000
	expect "delayed" "$late" lost 0
	expect "another port" "$other" lost 0
else
	echo "# this kernel has no nft queue: $(head -n 1 "$dir/why")"
	refused 8 "no packet queues that nft rules lead to" "net.delay: {$to, delay: 60ms, direction: in}"
fi
same
