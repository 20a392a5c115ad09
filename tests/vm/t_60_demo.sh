#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink demo as an ordinary user on a kernel with netem: the kernel loads what is missing, no device appears outside.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/demo_lib.sh"

copy_build "$dir/programs"
demo_once user "$dir/programs" "${as_user[@]}"
with_delay user
