#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A sample of the system calls of every fault fails, with one errno after the other.
POINTS=${POINTS:-80} exec "$(dirname "$0")/step.sh" fail
