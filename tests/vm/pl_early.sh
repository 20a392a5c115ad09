# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced in the guest before systemd starts: the disks of run-powerloss, brink as `make install` leaves it, and its boot
# unit switched on. /etc is new in each boot, the disks are not.
modprobe -a virtio_blk ext4 xfs
mkdir -p /var/lib/brink /srv/xfs
mount -t ext4 /dev/vda /var/lib/brink
mount -t xfs /dev/vdb /srv/xfs
cp -a "$BUILD/installed/." /
systemctl --root=/ enable brink-revert.service
