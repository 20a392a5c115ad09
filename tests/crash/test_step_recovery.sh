#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A sample of the points and of the calls of brink revert.
POINTS=${POINTS:-26} exec "$(dirname "$0")/step.sh" recovery
