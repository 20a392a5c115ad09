#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What undo_path.sh says, when a run ends by itself.
exec "$(dirname "$0")/undo_path.sh" end
