#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rows 'armed' of cases.txt.
exec "$(dirname "$0")/kill.sh" 'armed '
