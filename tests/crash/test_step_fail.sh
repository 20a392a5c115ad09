#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A sample of the system calls of every fault fails, with one errno after the other.
SAMPLE=${SAMPLE:-10} exec "$(dirname "$0")/step.sh" fail
