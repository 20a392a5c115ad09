#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What undo_path.sh says, when all is killed and brink revert takes back.
exec "$(dirname "$0")/undo_path.sh" all
