#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who may do what, where root has every capability: the keeper's OOM score, its priority and its locked memory too.
set -eu
dropped=$((~0x$(sed -n 's/^CapPrm:[[:space:]]*//p' /proc/self/status) & 0x1ffffffffff))
[ "$dropped" = 0 ] || { echo "FAIL: the guest lacks capabilities: $dropped"; exit 1; }
exec "$(dirname "$0")/../netns/test_processes.sh"
