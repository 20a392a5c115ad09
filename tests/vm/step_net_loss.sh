#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Calls that fail and processes that are stopped, with a fault that needs netem; see step_net_delay.sh.
export SOAK_FAULT=net.loss WORLDS=2 EVERY=1s END_MS=60000 SLACK_MS=2000
POINTS=${POINTS:-6} "$(dirname "$0")/../crash/step.sh" fail || exit 1
POINTS=${POINTS:-2} "$(dirname "$0")/../crash/step.sh" stop
