#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What undo_path.sh says, when a run is stopped.
exec "$(dirname "$0")/undo_path.sh" abort
