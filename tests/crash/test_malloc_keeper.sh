#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What malloc.sh says, for each place of keeper, spare and holder that asks for memory. All: make check-malloc.
"$(dirname "$0")/malloc.sh" keeper 60 && "$(dirname "$0")/malloc.sh" spare 60 && exec "$(dirname "$0")/malloc.sh" holder 60
