#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What malloc.sh says, for each single allocation of keeper, spare and holder. Takes long: make check-malloc.
"$(dirname "$0")/malloc.sh" keeper && "$(dirname "$0")/malloc.sh" spare && exec "$(dirname "$0")/malloc.sh" holder
