#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink demo as root where systemd is PID 1: with a dead-man timer that is gone afterwards.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/demo_lib.sh"

copy_build "$dir/programs"
demo_once root "$dir/programs" "${as_root[@]}"
with_delay root
! grep -q 'no dead-man timer' "$dir/root.err" || fail "root: without a dead-man timer"
[ -z "$(systemctl list-units --all --no-legend 'brink-dm-*')" ] || fail "root: a dead-man timer is left"
