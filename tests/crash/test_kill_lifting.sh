#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rows 'lifting' of cases.txt.
exec "$(dirname "$0")/kill.sh" 'lifting '
