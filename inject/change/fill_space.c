/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "inject/change/fill.h"

/*
 * Whose space is it? A device number is not enough: subvolumes of one btrfs have different ones and
 * one space, and an overlay takes from what lies below it.
 */
#define RESERVE_MIN ((uint64_t)64 << 20)

/* The directory of that name, or the one in which it will be made. */
static int open_nearest(const char *path)
{
	char up[256];
	int fd;

	snprintf(up, sizeof(up), "%s", path);
	for (;;) {
		char *end = strrchr(up, '/');

		fd = open(up, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 || !end || !up[1])
			return fd;
		end[end == up] = '\0';
	}
}

static bool btrfs_id(int dir, uint8_t ret[static BTRFS_FSID_SIZE])
{
	struct btrfs_ioctl_fs_info_args info = { 0 };

	if (ioctl(dir, BTRFS_IOC_FS_INFO, &info) < 0)
		return false;
	memcpy(ret, info.fsid, BTRFS_FSID_SIZE);
	return true;
}

static bool same_btrfs(int a, int b)
{
	uint8_t id[2][BTRFS_FSID_SIZE];

	/* one that does not tell might be the other: better a reserve too many */
	return !btrfs_id(a, id[0]) || !btrfs_id(b, id[1]) || !memcmp(id[0], id[1], sizeof(id[0]));
}

/* An overlay shows the figures of the file system that it writes to. */
static bool same_figures(const struct statfs *a, const struct statfs *b)
{
	uint64_t x = a->f_bfree, y = b->f_bfree, apart = x > y ? x - y : y - x;

	return a->f_blocks == b->f_blocks && a->f_bsize == b->f_bsize && apart <= a->f_blocks / 100;
}

static bool same_space(int a, int b)
{
	struct stat sa, sb;
	struct statfs fa, fb;

	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0 || fstatfs(a, &fa) < 0 || fstatfs(b, &fb) < 0)
		return false;
	if (sa.st_dev == sb.st_dev)
		return true;
	if (fa.f_type == BTRFS_SUPER_MAGIC && fb.f_type == BTRFS_SUPER_MAGIC)
		return same_btrfs(a, b);
	if (fa.f_type == OVERLAYFS_SUPER_MAGIC || fb.f_type == OVERLAYFS_SUPER_MAGIC)
		return same_figures(&fa, &fb);
	return false;
}

static bool is_of(int dir, const char *path)
{
	AUTO(auto_close) int other = open_nearest(path);

	return other >= 0 && same_space(dir, other);
}

bool fill_same_space(const char *path, const char *other)
{
	AUTO(auto_close) int dir = open_nearest(path);

	return dir >= 0 && is_of(dir, other);
}

uint64_t fill_reserve(int dir, const struct statvfs *fs, const struct shield *shield)
{
	uint64_t total = (uint64_t)fs->f_blocks * fs->f_frsize;
	bool kept = is_of(dir, "/");

	for (uint32_t i = 0; shield && i < shield->n_paths && i < SHIELD_PATHS && !kept; i++)
		kept = is_of(dir, shield->path[i]);
	if (!kept)
		return 0;
	return total / 100 > RESERVE_MIN ? total / 100 : RESERVE_MIN;
}

void fill_key(const struct fill_spec *s, struct text *ret)
{
	AUTO(auto_close) int dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t id[BTRFS_FSID_SIZE];
	struct statfs fs;

	if (dir < 0 || fstatfs(dir, &fs) < 0 || fs.f_type != BTRFS_SUPER_MAGIC ||
	    !btrfs_id(dir, id)) {
		text_add(ret, "mount-%llu", (unsigned long long)s->dev);
		return;
	}
	text_add(ret, "mount-");
	for (size_t i = 0; i < sizeof(id); i++)
		text_add(ret, "%02x", id[i]);
}
