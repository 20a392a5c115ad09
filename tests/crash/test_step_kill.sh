#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A sample of the kill points of every fault; make soak takes all of them.
POINTS=${POINTS:-110} exec "$(dirname "$0")/step.sh" kill
