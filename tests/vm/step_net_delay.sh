#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# For make soak-vm: under emulation it takes minutes.
# What tests/crash/test_step_*.sh do with every fault that the host can do, here with one that needs netem: SIGKILL at
# some of the points of net.delay, and of brink revert after it. A guest without KVM is ten times slower.
export SOAK_FAULT=net.delay WORLDS=2 EVERY=1s END_MS=60000 SLACK_MS=2000
POINTS=${POINTS:-6} "$(dirname "$0")/../crash/step.sh" kill || exit 1
POINTS=${POINTS:-2} "$(dirname "$0")/../crash/step.sh" recovery
