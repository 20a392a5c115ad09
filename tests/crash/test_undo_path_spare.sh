#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What undo_path.sh says, when the keeper is killed.
exec "$(dirname "$0")/undo_path.sh" keeper
