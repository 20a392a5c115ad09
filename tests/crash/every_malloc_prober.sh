#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What malloc.sh says, for each single allocation of the prober. Takes long: make check-malloc.
exec "$(dirname "$0")/malloc.sh" prober 1
