#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink demo as root on a kernel with netem.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/demo_lib.sh"

copy_build "$dir/programs"
demo_once root "$dir/programs" "${as_root[@]}"
with_delay root
