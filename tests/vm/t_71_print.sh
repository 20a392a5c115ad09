#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The printed commands in the guest, whose kernel has all faults.
exec "$(dirname "$0")/../crash/test_print.sh"
