# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced in the guest before systemd starts: the disks of run-powerloss, brink as `make install` leaves it, and its boot
# unit switched on. /etc is new in each boot, the disks are not.
modprobe -a virtio_blk ext4 xfs
mkdir -p /var/lib/brink /srv/ext4 /srv/xfs
mount -t ext4 /dev/vda /srv/ext4
mount -t xfs /dev/vdb /srv/xfs
mkdir -p /srv/ext4/lib /srv/ext4/data /srv/xfs/lib /srv/xfs/data
mount --bind /srv/ext4/lib /var/lib/brink
cp -a "$BUILD/installed/." /
systemctl --root=/ enable brink-revert.service
