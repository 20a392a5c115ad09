#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.loss: 30 % asked, 30 % lost within binomial bounds, out and in, IPv4 and IPv6; another port loses nothing.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7100 7101 7102 7103
serve "$b" fd77::2 7100 7101
experiment loss <<END
faults:
  - net.loss: {to: "10.77.0.2:7101", loss: 30%, netns: $a}
    for: 90s
  - net.loss: {to: "[fd77::2]:7101", loss: 30%, netns: $b, direction: in, dev: vb}
    for: 90s
  - net.loss: {to: "10.77.0.2:7102", loss: 30%, correlation: 25%, netns: $a}
    for: 90s
  - net.loss: {to: "10.77.0.2:7103", loss: 100%, netns: $a}
    for: 90s
END
before
hold loss 4
jobs=
start() { # $1: name, $2...: arguments of prog_meter
	local name=$1
	shift
	in_a "$meter" udp "$@" >"$dir/$name" &
	jobs="$jobs $!"
}
start out4 10.77.0.2 7101 2000 2500
start in6 fd77::2 7101 2000 2500
start correlated 10.77.0.2 7102 2000 2500
start whole 10.77.0.2 7103 50 10000
start other4 10.77.0.2 7100 1000 5000
start other6 fd77::2 7100 1000 5000
for j in $jobs; do wait "$j"; done
state >"$dir/during"
stop loss
same
tail -n 1 "$dir"/{out4,in6,correlated,whole,other4,other6}
# of 2,000: 600 expected, sigma 20.5
within "lost out, IPv4" "$(figure "$(cat "$dir/out4")" lost)" 518 682
within "lost in, IPv6" "$(figure "$(cat "$dir/in6")" lost)" 518 682
within "lost with correlation" "$(figure "$(cat "$dir/correlated")" lost)" 100 900
expect "all" "$(cat "$dir/whole")" lost 50
expect "another port" "$(cat "$dir/other4")" lost 0
expect "another port, IPv6" "$(cat "$dir/other6")" lost 0
[ "$(grep -c '"kind": *"netem"' "$dir/during")" -ge 1 ] || fail "the readers saw no netem while the faults were held"
expect "afterwards" "$(in_a "$meter" udp 10.77.0.2 7103 50 2000)" lost 0
