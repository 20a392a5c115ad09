#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t_29_podman.sh, with scopes of systemd
exec "$(dirname "$(realpath "$0")")/t_29_podman.sh"
