#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The experiments of brink demo with plain brink run; and a demo that is stopped or killed.
# shellcheck disable=SC1091
. "$(dirname "$0")/demo_lib.sh"

shop_by_hand
run_plainly demo-lossy 0 PASS
run_plainly demo-cut 1 FAIL

where=$dir/programs
copy_build "$where"
demo_stopped INT "$where" "${as_root[@]}"
demo_stopped TERM "$where" "${as_user[@]}"

# SIGKILL: nobody is left to speak, yet nothing stays but a folder.
start_demo killed "$where" "${as_root[@]}"
await "grep -qs ' held ' '$dir/killed.err'" 20 || fail "killed: no fault is held"
kill -KILL $demo
wait $demo 2>/dev/null || :
await "machine '$where' | cmp -s - '$dir/before'" 15 ||
	{ machine "$where" | diff "$dir/before" - || :; fail "killed: something is left"; }
rm -rf /run/brink-demo-"$demo"-*
