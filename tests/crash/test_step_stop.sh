#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A sample of the stop points of every fault.
POINTS=${POINTS:-50} exec "$(dirname "$0")/step.sh" stop
