#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The net.delay experiments of brink demo with plain brink run.
# shellcheck disable=SC1091
. "$(dirname "$0")/../netns/demo_lib.sh"

shop_by_hand
run_plainly demo-slow 0 PASS
run_plainly demo-very-slow 1 FAIL
