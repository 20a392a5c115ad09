#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What malloc.sh says, for each place of the runner that asks for memory. All: make check-malloc.
exec "$(dirname "$0")/malloc.sh" runner 300
