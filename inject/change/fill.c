/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/fill.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/units.h"
#include "inject/change/kinds.h"
#include "inject/change/proc_state.h"

/*
 * Files without a name (O_TMPFILE) that only this process holds: when it ends in whatever way, the
 * kernel gives the space back. No inert part: the space is taken when it fires, in steps that stay
 * well below 100 ms.
 */
#define KIB          ((uint64_t)1 << 10)
#define MIB          ((uint64_t)1 << 20)
#define GIB          ((uint64_t)1 << 30)
#define STEP_FIRST   (64 * MIB)
#define STEP_MAX     (4 * GIB)
#define STEP_SLOW_NS (40 * NS_PER_MS)
#define STEP_FAST_NS (10 * NS_PER_MS)
#define NOISE_BYTES  (256 * KIB)
#define WRITE_SLACK  (256 * KIB)
#define NEEDS_FOLDER "CAP_DAC_OVERRIDE: root, or a folder of this user"
#define FILES        64 /* where one file cannot grow far enough */

struct fill_live {
	int dir;
	int fd[FILES];
	unsigned n;
	uint64_t at;      /* where the last file goes on */
	uint64_t step;    /* bytes at a time */
	uint64_t before;  /* held by the files before the last one */
	uint64_t leave;   /* that stays available to ordinary users */
	uint64_t reserve; /* and is given back when others need it */
	uint64_t most;    /* held at any time */
	bool by_write;    /* no fallocate here */
	char *noise;      /* what is written then: zeros may be compressed away */
};

static const struct fill_spec *spec_of(const struct change *c)
{
	return &c->spec->u.fill;
}

/* The directory, by its path, and only if it is the one that was planned. */
static int open_dir(const char *path, uint64_t dev, uint64_t ino, struct err *e)
{
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return err_right(e, NEEDS_FOLDER, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot read '%s'", path);
	if (st.st_dev != dev || st.st_ino != ino)
		return err_set(e, ENOENT, "'%s' is another directory now", path);
	return take_fd(&fd);
}

static bool is_btrfs(int dir)
{
	struct statfs fs;

	return fstatfs(dir, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

/* A disk that fails or hangs must not be in the way when the fault is taken back: whether that will
 * need it is found out now, with an empty file that nobody can see. */
static bool needs_path(int dir)
{
	AUTO(auto_close) int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 || is_btrfs(dir);
}

static int fill_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct fill_spec *s = spec_of(c);
	struct text by_hand = text_on(ret->by_hand, sizeof(ret->by_hand));
	AUTO(auto_close) int dir = open_dir(s->path, s->dev, s->ino, e);
	struct statvfs fs;

	if (dir < 0)
		return dir;
	if (fstatvfs(dir, &fs) < 0)
		return err_sys(e, "cannot read the file system of '%s'", s->path);
	memcpy(ret->u.fill.path, s->path, sizeof(ret->u.fill.path));
	ret->u.fill.dev = s->dev;
	ret->u.fill.ino = s->ino;
	ret->u.fill.bytes_before = (uint64_t)fs.f_bavail * fs.f_frsize & (UINT64_MAX >> 1);
	ret->u.fill.by_path = needs_path(dir);
	text_add(&by_hand,
		 "for p in $(grep -lx " HOLDER_COMM " /proc/[0-9]*/comm | cut -d/ -f3); do "
		 "ls -l /proc/$p/fd | grep -F ");
	shell_quote(&by_hand, s->path);
	text_add(&by_hand, "%s | grep -q deleted && kill -KILL $p; done", s->path[1] ? "/" : "");
	return 0;
}

static int fill_arm(struct change *c, struct err *e)
{
	const struct fill_spec *s = spec_of(c);
	struct fill_live *l = calloc(1, sizeof(*l));
	struct statvfs fs;

	if (!l)
		return err_set(e, ENOMEM, "no memory for a fill");
	c->live = l;
	l->step = STEP_FIRST;
	l->dir = open_dir(s->path, s->dev, s->ino, e);
	if (l->dir < 0)
		return l->dir;
	if (fstatvfs(l->dir, &fs) < 0)
		return err_sys(e, "cannot read the file system of '%s'", s->path);
	l->reserve = fill_reserve(l->dir, &fs, c->shield);
	l->leave = s->leave_bytes > l->reserve ? s->leave_bytes : l->reserve;
	return 0;
}

static int open_unnamed(const struct change *c, struct err *e)
{
	const struct fill_live *l = c->live;
	struct stat st;
	char name[64];
	/* O_EXCL: nobody can link it, see open(2) */
	int fd = openat(l->dir, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* EISDIR: a kernel, ENOENT and EINVAL: file systems that do not know O_TMPFILE */
	if (!c->undo->u.fill.by_path ||
	    (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL))
		return err_right(e, NEEDS_FOLDER, "cannot make a file in '%s'", spec_of(c)->path);
	fill_spare_name(name, sizeof(name), c->undo);
	fd = openat(l->dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_right(e, NEEDS_FOLDER, "cannot make a file in '%s'", spec_of(c)->path);
	if (unlinkat(l->dir, name, 0) < 0)
		err_sys(e, "cannot remove '%s/%s'", spec_of(c)->path, name);
	else if (fstat(fd, &st) < 0)
		err_sys(e, "cannot look at the file that was '%s/%s'", spec_of(c)->path, name);
	else if (st.st_nlink) /* it would outlive us under another name */
		err_set(e, EBUSY,
			"somebody has moved '%s/%s', and may keep that file (it is empty)",
			spec_of(c)->path, name);
	else
		return fd;
	close(fd);
	return -e->code;
}

static int add_file(struct change *c, struct err *e)
{
	struct fill_live *l = c->live;
	int fd;

	if (l->n == FILES)
		return err_set(e, EFBIG,
			       "no file can grow far enough in '%s' (a limit on file size?)",
			       spec_of(c)->path);
	fd = open_unnamed(c, e);
	if (fd < 0)
		return fd;
	l->fd[l->n++] = fd;
	l->at = 0;
	if (lseek(fd, fill_mark(c->undo), SEEK_SET) < 0)
		return err_sys(e, "cannot mark a file in '%s'", spec_of(c)->path);
	return 0;
}

/* What the last file really holds: a failed fallocate may have left some. */
static int held_by_last(const struct fill_live *l, uint64_t *ret)
{
	struct stat st;

	*ret = 0;
	if (!l->n)
		return 0;
	if (fstat(l->fd[l->n - 1], &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_blocks * 512;
	return 0;
}

/* How much is still missing. */
static int gap_of(const struct change *c, uint64_t *ret_gap, uint64_t *ret_block)
{
	struct fill_live *l = c->live;
	const struct fill_spec *s = spec_of(c);
	uint64_t avail, held;
	struct statvfs fs;
	int rc = held_by_last(l, &held);

	if (rc < 0 || fstatvfs(l->dir, &fs) < 0)
		return rc < 0 ? rc : -errno;
	if (l->by_write) /* written blocks may have no place on the disk yet */
		held = held > l->at ? held : l->at;
	held += l->before;
	l->most = held > l->most ? held : l->most;
	avail = (uint64_t)fs.f_bavail * fs.f_frsize;
	*ret_block = fs.f_frsize ? fs.f_frsize : 4096;
	*ret_gap = avail > l->leave ? avail - l->leave : 0;
	if (held >= s->size_bytes)
		*ret_gap = 0;
	else if (s->size_bytes - held < *ret_gap)
		*ret_gap = s->size_bytes - held;
	return 0;
}

static void make_noise(char *buf, size_t size)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i + sizeof(x) <= size; i += sizeof(x)) { /* Marsaglia's xorshift64 */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(buf + i, &x, sizeof(x));
	}
}

/* Without fallocate: written until the step's time is over. Bytes written, or -errno when there was
 * none. */
static int64_t write_noise(struct fill_live *l, uint64_t bytes)
{
	int64_t end = clock_mono_ns() + STEP_SLOW_NS;
	uint64_t done = 0;

	if (!l->noise) {
		l->noise = malloc(NOISE_BYTES);
		if (!l->noise)
			return -ENOMEM;
		make_noise(l->noise, NOISE_BYTES);
	}
	while (done < bytes && clock_mono_ns() < end) {
		size_t want = bytes - done < NOISE_BYTES ? (size_t)(bytes - done) : NOISE_BYTES;
		ssize_t n = pwrite(l->fd[l->n - 1], l->noise, want, (off_t)(l->at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return done ? (int64_t)done : n ? -errno : -EIO;
		/* gives them their place on the disk now, and with it the metadata that they cost
		 */
		sync_file_range(l->fd[l->n - 1], (off_t)(l->at + done), n, SYNC_FILE_RANGE_WRITE);
		done += (size_t)n;
	}
	return (int64_t)done;
}

/* Bytes taken, or -errno. */
static int64_t take(struct fill_live *l, uint64_t bytes)
{
	if (l->by_write)
		return write_noise(l, bytes);
	if (fallocate(l->fd[l->n - 1], 0, (off_t)l->at, (off_t)bytes) == 0)
		return (int64_t)bytes;
	return -errno;
}

static void adapt(struct fill_live *l, int64_t took_ns)
{
	if (took_ns > STEP_SLOW_NS && l->step > MIB)
		l->step /= 2;
	else if (took_ns < STEP_FAST_NS && l->step < STEP_MAX)
		l->step *= 2;
}

/* A step failed. 0: full, as far as can be; -EINPROGRESS: another way; -errno. */
static int failed(struct change *c, int error, uint64_t tried, uint64_t block, struct err *e)
{
	struct fill_live *l = c->live;
	uint64_t held;
	int rc;

	switch (error) {
	case -EINTR:
		return -EINPROGRESS;
	case -ENOSPC:
		if (tried <= block)
			return 0;
		l->step = tried / 2 / block * block; /* also closes the last gap in small extents */
		l->step = l->step < block ? block : l->step;
		return -EINPROGRESS;
	case -EOPNOTSUPP:
	case -ENOSYS:
		l->by_write = true;
		return -EINPROGRESS;
	case -EFBIG:
		rc = held_by_last(l, &held);
		if (rc < 0)
			break;
		if (!held && tried > block) { /* the first step was larger than a file may be */
			l->step = tried / 2 > block ? tried / 2 : block;
			return -EINPROGRESS;
		}
		l->before += held;
		rc = add_file(c, e);
		return rc < 0 ? rc : -EINPROGRESS;
	default:
		break;
	}
	return err_set(e, -error, "cannot take %llu bytes in '%s': %s", (unsigned long long)tried,
		       spec_of(c)->path, strerror(-error));
}

/* Written blocks cost indirect ones beside them (1 in 256 at worst): the level must not be missed
 * by those. */
static uint64_t gap_to_write(uint64_t gap)
{
	uint64_t margin = gap / 128 + WRITE_SLACK;

	return gap > margin ? gap - margin : 0;
}

static int fill_fire(struct change *c, struct err *e)
{
	struct fill_live *l = c->live;
	uint64_t gap = 0, block = 1, bytes;
	int64_t began = clock_mono_ns(), got;
	int rc = l->n ? 0 : add_file(c, e);

	if (rc < 0)
		return rc;
	rc = gap_of(c, &gap, &block);
	if (rc < 0)
		return err_set(e, -rc, "cannot read the file system of '%s': %s", spec_of(c)->path,
			       strerror(-rc));
	gap = l->by_write && l->leave ? gap_to_write(gap) : gap;
	bytes = (gap < l->step ? gap : l->step) / block * block;
	if (!bytes)
		return 0;
	got = take(l, bytes);
	if (got < 0)
		return failed(c, (int)got, bytes, block, e);
	l->at += (uint64_t)got;
	if (!l->by_write)
		adapt(l, clock_mono_ns() - began);
	return -EINPROGRESS;
}

/* The reserve is for others: what they take of it is given back from the end of the file. */
static int fill_refresh(struct change *c, struct err *e)
{
	struct fill_live *l = c->live;
	struct statvfs fs;
	uint64_t avail, back;

	if (!l->reserve || !l->n)
		return 0;
	if (fstatvfs(l->dir, &fs) < 0)
		return err_sys(e, "cannot read the file system of '%s'", spec_of(c)->path);
	avail = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (avail >= l->reserve)
		return 0;
	back = l->reserve - avail < l->at ? l->reserve - avail : l->at;
	if (ftruncate(l->fd[l->n - 1], (off_t)(l->at - back)) < 0)
		return err_sys(e, "cannot give space back in '%s'", spec_of(c)->path);
	l->at -= back;
	return 0;
}

static int fill_quiet(struct change *c, struct err *e)
{
	struct fill_live *l = c->live;

	(void)e;
	while (l && l->n) {
		/* who has opened it too, through /proc, keeps an empty one */
		(void)!ftruncate(l->fd[--l->n], 0);
		auto_close(&l->fd[l->n]);
		l->fd[l->n] = -1;
	}
	return 0;
}

/* btrfs gives the space back with its next transaction, 30 s later if nobody asks. */
static int fill_drain(struct change *c, struct err *e)
{
	struct fill_live *l = c->live;
	int rc = 0;

	if (!l || l->dir < 0)
		return 0;
	if (is_btrfs(l->dir) && syncfs(l->dir) < 0)
		rc = err_sys(e, "cannot sync '%s'", spec_of(c)->path);
	auto_close(&l->dir);
	l->dir = -1;
	return rc;
}

static int fill_effect(struct change *c, struct effect *ret, struct err *e)
{
	const struct fill_live *l = c->live;

	(void)e;
	*ret = (struct effect){ .hits = l ? l->most : 0 };
	return 0;
}

static int fill_resource(const struct change_spec *s, struct text *ret_key)
{
	fill_key(&s->u.fill, ret_key);
	return 0;
}

static int fill_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct fill_spec *s = &cs->u.fill;

	text_add(ret_do, "fallocate  a file without a name in %s, ", s->path);
	if (s->size_bytes != UINT64_MAX) {
		units_add_size(ret_do, s->size_bytes);
		text_add(ret_do, ", at most ");
	}
	text_add(ret_do, "until ");
	units_add_size(ret_do, s->leave_bytes);
	text_add(ret_do, " are available");
	text_add(ret_undo,
		 "close  the file; the kernel frees its space, also when the holder dies");
	return 0;
}

/* Files without a name are opened for writing, or made and removed at once; none is cut short but
 * by ftruncate, and none is found by a name again. */
static const struct call_rule holder_calls[] = {
	{ "openat", 2, O_TRUNC, 0 },
	{ "open", 1, OPEN_BITS, O_RDONLY },
	CALLS_LOOK,
	{ "unlinkat", ANY_ARG },
	{ "fallocate", ANY_ARG },
	{ "ftruncate", ANY_ARG },
	{ "ftruncate64", ANY_ARG },
	{ "pwrite64", ANY_ARG },
	{ "sync_file_range", ANY_ARG },
	{ "sync_file_range2", ANY_ARG },
	{ "syncfs", ANY_ARG },
	{ "ioctl", 1, WHOLE_WORD, BTRFS_IOC_FS_INFO }, /* whose space is it? fill_space.c */
	{ 0 },
};
/* The spare name, and btrfs. Which holder of any run holds the space is read from /proc/PID/fd. */
static const struct call_rule undoer_calls[] = {
	{ "unlink", ANY_ARG },
	{ "unlinkat", ANY_ARG },
	{ "syncfs", ANY_ARG },
	{ 0 },
};

const struct change_ops fill_ops = {
	.kind = "fill",
	.class = CLASS_SELF_ENDING,
	.by_holder = true,
	.holder = { CAP_BIT(DAC_OVERRIDE), holder_calls },
	.undoer = { CAP_BIT(DAC_OVERRIDE) | CAP_BIT(SYS_PTRACE), undoer_calls },
	.prepare = fill_prepare,
	.arm = fill_arm,
	.fire = fill_fire,
	.refresh = fill_refresh,
	.quiet = fill_quiet,
	.drain = fill_drain,
	.unit = { "byte", "bytes" },
	.effect = fill_effect,
	.undo = fill_undo,
	.ended = fill_ended,
	.gone = fill_gone,
	.resource = fill_resource,
	.print = fill_print,
};
