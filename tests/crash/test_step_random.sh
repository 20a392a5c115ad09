#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random SIGKILL and SIGSTOP of random subsets at random moments: the same ones every time. They wait for leases mostly.
RUNS=${RUNS:-510} WORLDS=${WORLDS:-12} exec "$(dirname "$0")/step.sh" random
