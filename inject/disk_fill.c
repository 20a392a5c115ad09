/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "inject/change/fill.h"
#include "inject/faults.h"
#include "inject/target_fields.h"

#define PPM        1000000u
#define SMB_MAGIC  0xff534d42u /* cifs; linux/magic.h has only the older one */
#define SMB2_MAGIC 0xfe534d42u
#define CEPH_MAGIC 0x00c36400u

struct disk_fill {
	struct bound bound;
	const char *target, *path;
	uint32_t until_ppm;
	uint64_t size_bytes, leave_bytes;
};

static const struct field rows[] = {
	TARGET_KEY(struct disk_fill, target, TARGET_PATH, FIELD_GROUP_1),
	{ .name = "path",
	  .type = FIELD_STRING,
	  .flags = FIELD_GROUP_1,
	  .offset = offsetof(struct disk_fill, path),
	  .doc = "a directory of the file system that is to become full" },
	{ .name = "until",
	  .type = FIELD_PERCENT,
	  .flags = FIELD_GROUP_2,
	  .min = 1,
	  .max = PPM,
	  .offset = offsetof(struct disk_fill, until_ppm),
	  .doc = "until this share of it is used, as df shows it" },
	{ .name = "size",
	  .type = FIELD_SIZE,
	  .flags = FIELD_GROUP_2,
	  .min = 1,
	  .offset = offsetof(struct disk_fill, size_bytes),
	  .doc = "this much" },
	{ .name = "leave",
	  .type = FIELD_SIZE,
	  .flags = FIELD_GROUP_2,
	  .offset = offsetof(struct disk_fill, leave_bytes),
	  .doc = "until only this much is free for ordinary users" },
	{ 0 },
};

static const struct field_table fields = {
	.name = "disk.fill",
	.doc = "takes the free space of a file system, by a file without a name",
	.size = sizeof(struct disk_fill),
	.fields = rows,
};

/* The directory that is to be filled, and what is known of it. */
struct fill_aim {
	char path[PATH_MAX];
	uint64_t dev, ino;
	struct statvfs fs;
	uint64_t block, avail, reserve;
	bool in_memory;
};

static int path_check(const char *path, struct err *e)
{
	if (path[0] != '/')
		return err_set(e, EINVAL, "path '%s' is not an absolute path", path);
	return 0;
}

static int check_fill(const void *spec, struct err *e)
{
	const struct disk_fill *d = spec;

	if (!d->target && !d->path)
		return err_set(e, EINVAL, "say where: 'path' or 'target'");
	if (d->target && d->path)
		return err_set(e, EINVAL, "'target' and 'path' contradict each other");
	return d->path ? path_check(d->path, e) : 0;
}

static int find_path(const struct disk_fill *d, const struct plan_context *ctx, const char **ret,
		     struct err *e)
{
	const struct target *t;
	int rc = check_fill(d, e);

	*ret = d->path;
	if (rc < 0 || !d->target)
		return rc;
	t = targets_find(ctx->targets, d->target);
	if (!t || t->kind != TARGET_PATH)
		return err_set(e, ENOENT, "'%s' is no path of targets:", d->target);
	*ret = t->path.path;
	return path_check(*ret, e);
}

static int find_dir(const char *path, struct fill_aim *aim, struct err *e)
{
	struct stat st;
	int rc = io_realpath(path, aim->path, &st);

	if (rc == -EXDEV)
		return err_set(e, EINVAL,
			       "'%s' leads elsewhere than its name: into another mount namespace?",
			       path);
	if (rc < 0)
		return err_sys(e, "cannot find '%s'", path);
	for (const char *c = aim->path; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(e, EINVAL, "the path has control characters in it");
	}
	if (strlen(aim->path) >= sizeof(((struct fill_spec *)0)->path))
		return err_set(e, ENAMETOOLONG, "'%s' is too long", aim->path);
	if (statvfs(aim->path, &aim->fs) < 0)
		return err_sys(e, "cannot read '%s'", aim->path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "'%s' is no directory", aim->path);
	aim->dev = st.st_dev;
	aim->ino = st.st_ino;
	return 0;
}

/* Local file systems with blocks of their own, and writable. */
static int check_kind(struct fill_aim *aim, struct err *e)
{
	static const unsigned long remote[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,  SMB_MAGIC,
						SMB2_MAGIC,      FUSE_SUPER_MAGIC, V9FS_MAGIC,
						AFS_SUPER_MAGIC, AFS_FS_MAGIC,     CODA_SUPER_MAGIC,
						CEPH_MAGIC };
	struct statfs fs;

	if (statfs(aim->path, &fs) < 0)
		return err_sys(e, "cannot read the file system of '%s'", aim->path);
	for (size_t i = 0; i < ARRAY_LEN(remote); i++) {
		if ((unsigned long)fs.f_type == remote[i])
			return err_set(e, EOPNOTSUPP,
				       "'%s' is on a remote or user-space file system: not filled",
				       aim->path);
	}
	if (!aim->fs.f_blocks)
		return err_set(e, EOPNOTSUPP,
			       "'%s' is on a file system that has no size of its own", aim->path);
	if (aim->fs.f_flag & ST_RDONLY)
		return err_set(e, EROFS, "'%s' is read-only", aim->path);
	aim->in_memory = fs.f_type == TMPFS_MAGIC;
	return 0;
}

static int find_aim(const struct disk_fill *d, const struct plan_context *ctx, struct fill_aim *aim,
		    struct err *e)
{
	AUTO(auto_close) int dir = -1;
	const char *path = NULL;
	int rc = find_path(d, ctx, &path, e);

	if (rc == 0)
		rc = find_dir(path, aim, e);
	if (rc == 0)
		rc = check_kind(aim, e);
	if (rc < 0)
		return rc;
	dir = open(aim->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot open '%s'", aim->path);
	aim->block = aim->fs.f_frsize ? aim->fs.f_frsize : aim->fs.f_bsize;
	aim->avail = (uint64_t)aim->fs.f_bavail * aim->block;
	aim->reserve = fill_reserve(dir, &aim->fs, ctx->targets->shield);
	return 0;
}

/* df's share: used / (used + available). Blocks reserved for root count as neither. */
static uint64_t leave_for(const struct fill_aim *aim, uint32_t until_ppm)
{
	uint64_t used = ((uint64_t)aim->fs.f_blocks - aim->fs.f_bfree) * aim->block;
	long double total = (long double)(used + aim->avail);

	return (uint64_t)(total * (PPM - until_ppm) / PPM);
}

static uint32_t used_ppm(const struct fill_aim *aim)
{
	uint64_t used = ((uint64_t)aim->fs.f_blocks - aim->fs.f_bfree) * aim->block;
	long double total = (long double)(used + aim->avail);

	return total > 0 ? (uint32_t)((long double)used * PPM / total) : PPM;
}

/* proc(5): what can be had without swapping, page cache counted as far as it can go. */
static int memory_room(uint64_t *ret, struct err *e)
{
	char text[8192];
	ssize_t n = io_read_file(AT_FDCWD, "/proc/meminfo", text, sizeof(text));
	const char *at = n < 0 ? NULL : strstr(text, "MemAvailable:");

	if (!at)
		return err_set(e, n < 0 ? (int)-n : ENODATA, "cannot read how much memory is free");
	*ret = strtoull(at + strlen("MemAvailable:"), NULL, 10) * 1024;
	return 0;
}

static int check_memory(const struct fill_aim *aim, uint64_t bytes, struct plan *ret, struct err *e)
{
	uint64_t room = 0;
	int rc = aim->in_memory ? memory_room(&room, e) : 0;

	if (rc < 0 || !aim->in_memory)
		return rc;
	if (bytes > room - room / 10)
		return err_set(e, ENOMEM,
			       "'%s' lies in memory, and filling it would take nearly all of it",
			       aim->path);
	plan_note(ret, "%.100s lies in memory: what is taken there is missing as memory",
		  aim->path);
	return 0;
}

static int too_little(const struct fill_aim *aim, uint64_t bytes, struct err *e)
{
	char room[32], kept[32];
	struct text r = text_on(room, sizeof(room)), k = text_on(kept, sizeof(kept));

	units_add_size(&r, bytes / aim->block * aim->block);
	units_add_size(&k, aim->reserve);
	return err_set(e, ENOSPC, "'%.80s' has not that much to take: %s%s%s", aim->path, room,
		       aim->reserve ? "; kept free for / and brink's state: " : "",
		       aim->reserve ? kept : "");
}

/* Fills the spec's two bounds; *ret_bytes: what it will take as things are now. */
static int set_bounds(const struct disk_fill *d, const struct fill_aim *aim, struct fill_spec *s,
		      uint64_t *ret_bytes, struct err *e)
{
	char level[32];
	struct text t = text_on(level, sizeof(level));

	s->size_bytes = d->size_bytes ? d->size_bytes : UINT64_MAX;
	s->leave_bytes = d->until_ppm ? leave_for(aim, d->until_ppm) : d->leave_bytes;
	if (s->leave_bytes < aim->reserve)
		s->leave_bytes = aim->reserve;
	*ret_bytes = aim->avail > s->leave_bytes ? aim->avail - s->leave_bytes : 0;
	if (d->size_bytes && *ret_bytes < d->size_bytes)
		return too_little(aim, *ret_bytes, e);
	if (d->size_bytes)
		*ret_bytes = d->size_bytes;
	if (*ret_bytes < aim->block) {
		units_add_percent(&t, used_ppm(aim) / 1000 * 1000);
		return err_set(e, EALREADY, "'%s' is %s full: nothing is left to take", aim->path,
			       level);
	}
	return 0;
}

static void summarise(const struct disk_fill *d, const struct fill_aim *aim, uint64_t bytes,
		      struct plan *ret)
{
	struct text t = text_on(ret->summary, sizeof(ret->summary));
	char words[32];
	struct text size = text_on(words, sizeof(words));

	text_add(&t, "%.100s ", aim->path);
	if (d->until_ppm) {
		text_add(&t, "until ");
		units_add_percent(&t, d->until_ppm);
		text_add(&t, ", ");
	} else if (!d->size_bytes) {
		text_add(&t, "until ");
		units_add_size(&t, d->leave_bytes);
		text_add(&t, " are free, ");
	}
	text_add(&t, "+");
	units_add_size(&t, bytes / aim->block * aim->block);
	if (!aim->reserve)
		return;
	units_add_size(&size, aim->reserve);
	plan_note(ret, "reserve: %s stay free on this file system (it holds / or brink's state)",
		  words);
}

static int plan_fill(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	const struct disk_fill *d = spec;
	struct change_spec *c;
	struct fill_aim aim = { 0 };
	uint64_t bytes = 0;
	int rc = find_aim(d, ctx, &aim, e);

	if (rc < 0)
		return rc;
	c = plan_add(ret, ctx, CHANGE_FILL, e);
	if (!c)
		return -e->code;
	snprintf(c->u.fill.path, sizeof(c->u.fill.path), "%s", aim.path);
	c->u.fill.dev = aim.dev;
	c->u.fill.ino = aim.ino;
	rc = set_bounds(d, &aim, &c->u.fill, &bytes, e);
	if (rc == 0)
		rc = check_memory(&aim, bytes, ret, e);
	if (rc < 0)
		return rc;
	ret->files = 1;
	summarise(d, &aim, bytes, ret);
	return 0;
}

static const char *const trials[] = { "path={dir} leave=4MiB", NULL };

const struct fault_ops disk_fill_fault = {
	.name = "disk.fill",
	.summary = "a file system runs full",
	.fields = &fields,
	.class_words = "self-ending",
	.undo_words =
		"the space belongs to a file without a name: the kernel frees it when its holder lets go or dies",
	.example = "path=/var/spool/mail until=95%",
	.trials = trials,
	.check = check_fill,
	.plan = plan_fill,
};
