#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The second half of the random runs.
RUNS=${RUNS:-250} FROM=251 exec "$(dirname "$0")/step.sh" random
