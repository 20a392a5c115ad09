#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink whose /var/lib/brink stands on the xfs disk of run-powerloss.
# shellcheck disable=SC2016 # the inner shell expands
exec unshare --mount --propagation private sh -c \
	'mount --bind /srv/xfs/lib /var/lib/brink && exec /usr/local/bin/brink "$@"' brink "$@"
