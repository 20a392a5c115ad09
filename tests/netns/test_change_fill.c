/* SPDX-License-Identifier: Apache-2.0 */
/* link: -Wl,--wrap=openat,--wrap=unlinkat */
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "inject/change/fill.h"
#include "inject/change/kinds.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define MIB ((uint64_t)1 << 20)

struct fixture {
	struct rig r;
	char dir[64], image[80];
	bool mounted;
};

/* A file system that knows no files without a name, and somebody who is quick there: a process that
 * does something to the file of a name before its holder has removed that. */
static bool no_unnamed;
static int somebody = -1;

int __real_openat(int dir, const char *path, int flags, mode_t mode);
int __wrap_openat(int dir, const char *path, int flags, mode_t mode);
int __real_unlinkat(int dir, const char *path, int flags);
int __wrap_unlinkat(int dir, const char *path, int flags);

int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
	if (!no_unnamed || (flags & O_TMPFILE) != O_TMPFILE)
		return __real_openat(dir, path, flags, mode);
	errno = EOPNOTSUPP;
	return -1;
}

int __wrap_unlinkat(int dir, const char *path, int flags)
{
	char done;

	if (somebody >= 0 &&
	    (write(somebody, "", 1) != 1 || read(somebody, &done, sizeof(done)) != 1))
		abort();
	return __real_unlinkat(dir, path, flags);
}

/* A program that must succeed. */
static void run(const char *const argv[])
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("%s ended with status %d", argv[0], status);
}

/* All mounts below are of this process alone. */
static int setup_group(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/brink-fill-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->image, sizeof(f->image), "%s.img", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	no_unnamed = false;
	if (somebody >= 0)
		close(somebody);
	somebody = -1;
	rig_kill(&f->r);
	if (f->mounted)
		assert_int_equal(umount(f->dir), 0);
	unlink(f->image);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void mount_tmpfs(struct fixture *f)
{
	assert_int_equal(mount("none", f->dir, "tmpfs", 0, "size=64m"), 0);
	f->mounted = true;
}

/* A file system in a file. type: ext2 or ext4. */
static void mount_image(struct fixture *f, const char *type)
{
	int fd = open(f->image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(128 * MIB)), 0);
	close(fd);
	run((const char *const[]){ "mke2fs", "-q", "-t", type, f->image, NULL });
	run((const char *const[]){ "mount", "-o", "loop", f->image, f->dir, NULL });
	f->mounted = true;
}

static void set_spec(struct fixture *f, uint64_t size, uint64_t leave)
{
	struct fill_spec *s = &f->r.spec.u.fill;
	struct stat st;

	assert_int_equal(stat(f->dir, &st), 0);
	f->r.spec.kind = CHANGE_FILL;
	snprintf(s->path, sizeof(s->path), "%s", f->dir);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->size_bytes = size;
	s->leave_bytes = leave;
	f->r.caps = UINT64_C(1) << CAP_DAC_OVERRIDE;
}

static uint64_t avail(const struct fixture *f)
{
	struct statvfs fs;

	assert_int_equal(statvfs(f->dir, &fs), 0);
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* errno of an ordinary user who writes bytes into a new file there; 0 = it worked. */
static int other_writes(const struct fixture *f, uint64_t bytes)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		static char buf[65536];
		int fd = open(f->dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

		if (fd < 0 || setuid(65534) < 0)
			_exit(fd < 0 ? errno : 255);
		for (uint64_t done = 0; done < bytes; done += sizeof(buf)) {
			if (write(fd, buf, sizeof(buf)) != (ssize_t)sizeof(buf))
				_exit(errno ? errno : ENOSPC);
		}
		_exit(fsync(fd) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void fill_it(struct fixture *f)
{
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_FIRE);
	assert_true(f->r.step_ns < RIG_STEP_NS);
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rig_gone(&f->r), 1);
}

static void a_level_is_reached_within_one_mib(struct fixture *f, uint64_t leave)
{
	uint64_t before = avail(f), held;

	set_spec(f, UINT64_MAX, leave);
	fill_it(f);
	assert_true(avail(f) >= leave);
	assert_true(avail(f) - leave <= MIB);
	rig_must(&f->r, RIG_EFFECT);
	held = f->r.value;
	assert_true(held >= before - leave - MIB && held <= before - leave + MIB);
	assert_int_equal(other_writes(f, leave + 2 * MIB), ENOSPC);
	rig_must(&f->r, RIG_REFRESH);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_DRAIN);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_true(avail(f) >= before - MIB);
	assert_int_equal(other_writes(f, leave + 2 * MIB), 0);
	rig_must(&f->r, RIG_EFFECT); /* what was, also afterwards */
	assert_int_equal(f->r.value, held);
	rig_done(&f->r);
}

static void the_space_is_back_when_the_holder_is_killed(struct fixture *f)
{
	uint64_t before = avail(f);

	set_spec(f, UINT64_MAX, 0);
	fill_it(f);
	assert_int_equal(avail(f), 0);
	assert_int_equal(other_writes(f, 65536), ENOSPC);
	rig_kill(&f->r);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_true(avail(f) >= before - MIB);
	assert_int_equal(other_writes(f, 65536), 0);
}

static void tmpfs_is_filled_to_a_level(void **state)
{
	struct fixture *f = *state;

	mount_tmpfs(f);
	a_level_is_reached_within_one_mib(f, 10 * MIB);
}

static void tmpfs_is_filled_to_the_end_and_freed_by_the_kernel(void **state)
{
	struct fixture *f = *state;

	mount_tmpfs(f);
	the_space_is_back_when_the_holder_is_killed(f);
}

static void ext4_is_filled_to_a_level(void **state)
{
	struct fixture *f = *state;

	mount_image(f, "ext4");
	a_level_is_reached_within_one_mib(f, 10 * MIB);
}

static void ext4_is_filled_to_the_end_and_freed_by_the_kernel(void **state)
{
	struct fixture *f = *state;

	mount_image(f, "ext4");
	the_space_is_back_when_the_holder_is_killed(f);
}

/* No extents, so no fallocate: the space is taken by writing. */
static void ext2_is_filled_by_writing(void **state)
{
	struct fixture *f = *state;

	mount_image(f, "ext2");
	a_level_is_reached_within_one_mib(f, 10 * MIB);
}

static void a_size_is_taken_and_no_more(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	mount_tmpfs(f);
	before = avail(f);
	set_spec(f, 5 * MIB, 0);
	fill_it(f);
	assert_int_equal(before - avail(f), 5 * MIB);
}

static void two_fills_of_one_disk_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct rig first;

	mount_tmpfs(f);
	set_spec(f, 5 * MIB, 0);
	fill_it(f);
	first = f->r;
	f->r = (struct rig){ .spec.fault = 1 };
	set_spec(f, 7 * MIB, 0);
	fill_it(f);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_ended(&first), 1);
	rig_kill(&first);
	assert_int_equal(rig_ended(&first), 0);
}

/* A holder may have inherited anything: only what it holds for this fault counts. */
static void other_files_of_a_holder_are_no_leftover(void **state)
{
	struct fixture *f = *state;
	char path[100];
	int named, deleted;

	mount_tmpfs(f);
	set_spec(f, 5 * MIB, 0);
	snprintf(path, sizeof(path), "%s/log", f->dir);
	named = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	deleted = open(f->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(write(named, "text", 4), 4);
	assert_int_equal(write(deleted, "text", 4), 4);
	assert_int_equal(rig_start(&f->r), 0);
	close(named);
	close(deleted);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_ended(&f->r), 0);
	unlink(path);
}

static void nothing_to_take_does_not_land(void **state)
{
	struct fixture *f = *state;

	mount_tmpfs(f);
	set_spec(f, UINT64_MAX, 100 * MIB);
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	rig_must(&f->r, RIG_FIRE);
	assert_int_equal(rig_ended(&f->r), 0);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 0);
}

static void another_directory_of_that_name_is_refused(void **state)
{
	struct fixture *f = *state;

	set_spec(f, MIB, 0);
	mount_tmpfs(f); /* over it */
	assert_int_equal(rig_start(&f->r), -ENOENT);
	assert_true(rig_says(&f->r, "another directory"));
}

static void the_reserve_stays_free_and_is_given_back_when_others_need_it(void **state)
{
	struct fixture *f = *state;
	char path[100];
	int fd;

	assert_int_equal(mount("none", f->dir, "tmpfs", 0, "size=128m"), 0);
	f->mounted = true;
	f->r.shield.n_paths = 1; /* brink keeps its state there, in a folder that is not made yet */
	snprintf(f->r.shield.path[0], sizeof(f->r.shield.path[0]), "%s/brink/run", f->dir);
	set_spec(f, UINT64_MAX, 0);
	fill_it(f);
	assert_true(avail(f) >= 64 * MIB && avail(f) < 65 * MIB);
	snprintf(path, sizeof(path), "%s/other", f->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fallocate(fd, 0, 0, (off_t)(8 * MIB)), 0);
	close(fd);
	assert_true(avail(f) < 60 * MIB);
	rig_must(&f->r, RIG_REFRESH);
	assert_true(avail(f) >= 64 * MIB);
	unlink(path);
}

static void a_reserve_is_kept_only_where_it_matters(void **state)
{
	struct fixture *f = *state;
	struct statvfs fs;
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(dir >= 0);
	assert_int_equal(statvfs("/", &fs), 0);
	assert_true(fill_reserve(dir, &fs, NULL) >= 64 * MIB);
	mount_tmpfs(f);
	close(dir);
	dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(statvfs(f->dir, &fs), 0);
	assert_int_equal(fill_reserve(dir, &fs, &f->r.shield), 0);
	close(dir);
}

/* Killed between the creation and the unlink of a named file, where the file system knows no other.
 */
static void a_named_file_is_found_and_removed_by_undo(void **state)
{
	struct fixture *f = *state;
	char path[128];

	mount_tmpfs(f);
	set_spec(f, MIB, 0);
	assert_int_equal(rig_start(&f->r), 0);
	f->r.undo.u.fill.by_path = 1;
	snprintf(path, sizeof(path), "%s/.brink-%s-0", f->dir, f->r.undo.run_id);
	close(open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(rig_gone(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static unsigned names_in(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* "." and ".." */
}

static void without_unnamed_files_one_of_a_name_is_removed_at_once(void **state)
{
	struct fixture *f = *state;

	no_unnamed = true;
	mount_tmpfs(f);
	set_spec(f, 2 * MIB, 0);
	fill_it(f);
	assert_int_equal(f->r.undo.u.fill.by_path, 1);
	assert_int_equal(names_in(f->dir), 0);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_ended(&f->r), 0);
}

/* The descriptor of the holder's file, as anybody finds it: its number, and *ret its path. */
static void holders_file(const struct fixture *f, char *ret, size_t size)
{
	char link[256], want[80];

	snprintf(want, sizeof(want), "%s/", f->dir);
	for (int fd = 3; fd < 64; fd++) {
		ssize_t n;

		snprintf(ret, size, "/proc/%d/fd/%d", f->r.holder, fd);
		n = readlink(ret, link, sizeof(link) - 1);
		if (n > 0 && strncmp(link, want, strlen(want)) == 0)
			return;
	}
	fail_msg("the holder has no file there");
}

static void nobody_else_keeps_the_space(void **state)
{
	struct fixture *f = *state;
	char path[64], his[80];
	uint64_t before;
	int fd;

	mount_tmpfs(f);
	before = avail(f);
	set_spec(f, UINT64_MAX, MIB);
	fill_it(f);
	holders_file(f, path, sizeof(path));
	snprintf(his, sizeof(his), "%s/his", f->dir);
	assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, his, AT_SYMLINK_FOLLOW), -1);
	assert_int_equal(errno, ENOENT);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	rig_must(&f->r, RIG_QUIET);
	assert_true(avail(f) >= before - MIB);
	close(fd);
}

static pid_t start_somebody(const char *from, const char *to,
			    int (*does)(const char *, const char *))
{
	int pair[2];
	pid_t pid;
	char go;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[0]);
		if (read(pair[1], &go, sizeof(go)) != 1 || does(from, to) < 0)
			_exit(1);
		_exit(write(pair[1], &go, sizeof(go)) != 1);
	}
	close(pair[1]);
	somebody = pair[0];
	return pid;
}

/* Who moves it, or keeps it by another name, would keep what it holds when its holder has ended. */
static void what_somebody_keeps_is_never_filled(struct fixture *f,
						int (*does)(const char *, const char *),
						const char *said)
{
	char path[128], his[80];
	struct stat st;
	int status;
	pid_t pid;

	no_unnamed = true;
	mount_tmpfs(f);
	set_spec(f, 2 * MIB, 0);
	snprintf(path, sizeof(path), "%s/.brink-%s-0", f->dir, "01JD3W9K7Q0000000000000000");
	snprintf(his, sizeof(his), "%s/his", f->dir);
	pid = start_somebody(path, his, does);
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	assert_true(rig_do(&f->r, RIG_FIRE) < 0);
	assert_true(rig_says(&f->r, said));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(stat(his, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(unlink(his), 0);
	assert_int_equal(names_in(f->dir), 0);
}

static void a_moved_file_is_never_filled(void **state)
{
	what_somebody_keeps_is_never_filled(*state, rename, "cannot remove");
}

static void a_linked_file_is_never_filled(void **state)
{
	what_somebody_keeps_is_never_filled(*state, link, "somebody has moved");
}

/* The next run, or the user who takes the disk away, does not wait for the holder. */
static void drain_lets_go_of_the_file_system(void **state)
{
	struct fixture *f = *state;

	mount_tmpfs(f);
	set_spec(f, MIB, 0);
	fill_it(f);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(umount(f->dir), -1);
	assert_int_equal(errno, EBUSY);
	rig_must(&f->r, RIG_DRAIN);
	assert_int_equal(umount(f->dir), 0);
	f->mounted = false;
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(tmpfs_is_filled_to_a_level),
		TEST(tmpfs_is_filled_to_the_end_and_freed_by_the_kernel),
		TEST(ext4_is_filled_to_a_level),
		TEST(ext4_is_filled_to_the_end_and_freed_by_the_kernel),
		TEST(ext2_is_filled_by_writing),
		TEST(a_size_is_taken_and_no_more),
		TEST(two_fills_of_one_disk_are_told_apart),
		TEST(other_files_of_a_holder_are_no_leftover),
		TEST(nothing_to_take_does_not_land),
		TEST(another_directory_of_that_name_is_refused),
		TEST(the_reserve_stays_free_and_is_given_back_when_others_need_it),
		TEST(a_reserve_is_kept_only_where_it_matters),
		TEST(a_named_file_is_found_and_removed_by_undo),
		TEST(without_unnamed_files_one_of_a_name_is_removed_at_once),
		TEST(nobody_else_keeps_the_space),
		TEST(a_moved_file_is_never_filled),
		TEST(a_linked_file_is_never_filled),
		TEST(drain_lets_go_of_the_file_system),
	};

	return cmocka_run_group_tests(tests, setup_group, NULL) != 0;
}
