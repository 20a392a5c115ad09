#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink demo on a kernel with netem: with net.delay, as root and as an ordinary user; its experiments with brink run.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/demo_lib.sh"

with_delay() { # $1: name of a demo
	grep -q 'demo-slow.brink.yaml' "$dir/$1.err" || fail "$1: no net.delay"
	grep -q 'demo-very-slow.brink.yaml' "$dir/$1.err" || fail "$1: no net.delay"
	! grep -q 'net.drop' "$dir/$1.err" || fail "$1: net.drop took its place"
}

where=$dir/programs
copy_build "$where"

# An ordinary user first: the kernel loads what is missing, and no device appears on the machine.
demo_once user "$where" "${as_user[@]}"
with_delay user
grep -q 'modules loaded for it, which stay: .*sch_netem' "$dir/user.err" || fail "user: modules are not told"
demo_once root "$where" "${as_root[@]}"
with_delay root

shop_by_hand
run_plainly demo-slow 0 PASS
run_plainly demo-very-slow 1 FAIL
