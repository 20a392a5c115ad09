#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink demo as an ordinary user where systemd is PID 1: no timer for it, and that is said.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/demo_lib.sh"

copy_build "$dir/programs"
demo_once user "$dir/programs" "${as_user[@]}"
with_delay user
grep -q 'only root can arm a dead-man timer' "$dir/user.err" || fail "user: it does not say what is missing"
