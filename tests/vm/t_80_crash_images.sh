#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A few crash images of ext4 and of xfs; soak_crash_images.sh has all of them.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"
# shellcheck source=tests/vm/crash_images.sh
. "$(dirname "$0")/crash_images.sh"

crash_images_begin
for fs in ext4 xfs; do
	crash_images $fs "${POINTS:-3}"
done
crash_images_end
