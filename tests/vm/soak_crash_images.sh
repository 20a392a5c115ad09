#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every crash image of ext4 and of xfs: minutes. make soak
POINTS=0 exec "$(dirname "$(realpath "$0")")/t_80_crash_images.sh"
