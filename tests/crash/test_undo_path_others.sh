#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What undo_path.sh says, when runner or holder is killed.
exec "$(dirname "$0")/undo_path.sh" runner holder
