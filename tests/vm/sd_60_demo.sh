#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink demo where systemd is PID 1: as root with a dead-man timer that is gone afterwards, as a user without one.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/demo_lib.sh"

where=$dir/programs
copy_build "$where"
demo_once root "$where" "${as_root[@]}"
[ -z "$(systemctl list-units --all --no-legend 'brink-dm-*')" ] || fail "root: a dead-man timer is left"
demo_once user "$where" "${as_user[@]}"
grep -q 'only root can arm a dead-man timer' "$dir/user.err" || fail "user: it does not say what is missing"
