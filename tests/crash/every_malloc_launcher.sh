#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What malloc.sh says, for each single allocation of the launcher. Takes long: make check-malloc.
exec "$(dirname "$0")/malloc.sh" launcher 1
