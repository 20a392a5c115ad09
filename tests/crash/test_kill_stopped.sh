#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rows 'held STOP' of cases.txt.
exec "$(dirname "$0")/kill.sh" 'held STOP'
