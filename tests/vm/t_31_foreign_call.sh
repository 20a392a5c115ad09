#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A call outside the list kills any process of a run, and the run is taken back, on the kernel of the guest, too.
set -eu
export FOREIGN_KINDS="keeper holder:net-drop recovery"
exec "$(dirname "$0")/../netns/test_foreign_call.sh"
