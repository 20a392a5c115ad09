#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A sample of the stop points of every fault. They wait for leases mostly.
POINTS=${POINTS:-50} WORLDS=${WORLDS:-12} exec "$(dirname "$0")/step.sh" stop
