/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "inject/cgroup.h"
#include "inject/change/freeze.h"
#include "inject/change/kinds.h"
#include "inject/faults.h"
#include "inject/proc.h"
#include "tests/support/rig.h"
#include "tests/support/test.h"

#define STAND_NS (60 * NS_PER_MS)

struct fixture {
	struct rig r;
	char name[64], dir[200], below[216];
	pid_t target;
	atomic_uint *count;
};

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool file_has(const char *dir, const char *name, const char *part)
{
	char path[300], text[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return io_read_file(AT_FDCWD, path, text, sizeof(text)) >= 0 && strstr(text, part);
}

static void start_target(struct fixture *f, const char *dir)
{
	char pid[16];

	f->target = fork();
	assert_true(f->target >= 0);
	if (f->target == 0) {
		const struct timespec nap = { 0, 200000 };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			atomic_fetch_add(f->count, 1);
			nanosleep(&nap, NULL);
		}
	}
	snprintf(pid, sizeof(pid), "%d", f->target);
	write_file(dir, "cgroup.procs", pid);
}

static void set_spec(struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(f->dir, &st), 0);
	f->r.spec.kind = CHANGE_FREEZE;
	snprintf(f->r.spec.u.freeze.cgroup, sizeof(f->r.spec.u.freeze.cgroup), "%s", f->dir);
	f->r.spec.u.freeze.dev = st.st_dev;
	f->r.spec.u.freeze.ino = st.st_ino;
	f->r.caps = UINT64_C(1) << CAP_DAC_OVERRIDE;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->count != MAP_FAILED);
	assert_int_equal(cgroup2_path("/brink-test-XXXXXX", f->dir, sizeof(f->dir)), 0);
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->name, sizeof(f->name), "%s", strrchr(f->dir, '/'));
	snprintf(f->below, sizeof(f->below), "%s/below", f->dir);
	set_spec(f);
	*state = f;
	return 0;
}

static bool removed(void *dir)
{
	return rmdir(dir) == 0 || errno == ENOENT;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_kill(&f->r);
	if (f->target) {
		kill(f->target, SIGKILL); /* comes through the v2 freezer */
		waitpid(f->target, NULL, 0);
	}
	assert_true(rig_await(removed, f->below));
	assert_true(rig_await(removed, f->dir));
	munmap(f->count, 4096);
	free(f);
	return 0;
}

static bool moves(struct fixture *f)
{
	const struct timespec t = { 0, STAND_NS };
	unsigned before = atomic_load(f->count);

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	return atomic_load(f->count) != before;
}

static bool counter_moves(void *arg)
{
	return moves(arg);
}

static void freeze_it(struct fixture *f)
{
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_ARM);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_true(moves(f));
	rig_must(&f->r, RIG_FIRE);
	assert_true(f->r.touched);
	assert_true(file_has(f->dir, "cgroup.events", "frozen 1"));
	assert_int_equal(rig_ended(&f->r), 1);
	assert_false(moves(f));
}

static void a_whole_cgroup_stands_still_and_runs_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->below, 0755), 0);
	start_target(f, f->below);
	freeze_it(f);
	rig_must(&f->r, RIG_REFRESH);
	rig_must(&f->r, RIG_EFFECT);
	assert_int_equal(f->r.value, 1);
	rig_must(&f->r, RIG_QUIET);
	rig_must(&f->r, RIG_EFFECT); /* what was, also afterwards */
	assert_int_equal(f->r.value, 1);
	assert_true(rig_await(counter_moves, f));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_true(file_has(f->dir, "cgroup.freeze", "0"));
}

static void it_stays_frozen_when_the_holder_dies_and_undo_thaws_it(void **state)
{
	struct fixture *f = *state;

	start_target(f, f->dir);
	freeze_it(f);
	rig_kill(&f->r);
	assert_false(moves(f));
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rig_gone(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(rig_await(counter_moves, f));
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
	assert_int_equal(rig_undo(&f->r), 0);
}

static void what_was_frozen_before_stays_frozen(void **state)
{
	struct fixture *f = *state;

	write_file(f->dir, "cgroup.freeze", "1");
	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(f->r.undo.u.freeze.was_frozen, 1);
	rig_must(&f->r, RIG_ARM);
	rig_must(&f->r, RIG_FIRE);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(file_has(f->dir, "cgroup.freeze", "1"));
	assert_int_equal(rig_gone(&f->r), 0);
}

static void frozen_by_others_before_the_shot_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	write_file(f->dir, "cgroup.freeze", "1");
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EALREADY);
	assert_false(f->r.touched);
	rig_must(&f->r, RIG_QUIET);
	assert_true(file_has(f->dir, "cgroup.freeze", "1"));
}

static void thawed_by_others_is_a_lost_lease(void **state)
{
	struct fixture *f = *state;

	start_target(f, f->dir);
	freeze_it(f);
	write_file(f->dir, "cgroup.freeze", "0");
	assert_int_equal(rig_do(&f->r, RIG_REFRESH), -ENOENT);
	assert_true(rig_says(&f->r, "thawed by somebody else"));
}

static void a_cgroup_made_anew_is_left_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(rmdir(f->dir), 0);
	assert_int_equal(rig_ended(&f->r), 0); /* gone */
	assert_int_equal(rig_undo(&f->r), 0);
	assert_int_equal(mkdir(f->dir, 0755), 0);
	write_file(f->dir, "cgroup.freeze", "1");
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(file_has(f->dir, "cgroup.freeze", "1"));
	assert_int_equal(rig_gone(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_ARM), -ENOENT);
}

static void is_unknown(struct fixture *f)
{
	assert_int_equal(rig_ended(&f->r), -ESTALE);
	assert_int_equal(rig_gone(&f->r), -ESTALE);
	assert_int_equal(rig_undo(&f->r), -ESTALE);
}

/* What another mount of the hierarchy looks like. */
static void a_path_that_leads_elsewhere_is_not_taken_for_a_cgroup_that_is_gone(void **state)
{
	struct fixture *f = *state;
	char path[sizeof(f->r.undo.u.freeze.cgroup)], folder[] = "/tmp/brink-test-XXXXXX";

	start_target(f, f->dir);
	freeze_it(f);
	memcpy(path, f->r.undo.u.freeze.cgroup, sizeof(path));
	f->r.undo.u.freeze.dev ^= 1; /* another mount there */
	is_unknown(f);
	snprintf(f->r.undo.u.freeze.cgroup, sizeof(path), "%.200s/gone/below", path);
	is_unknown(f);
	f->r.undo.u.freeze.dev ^= 1;
	f->r.undo.u.freeze.ino ^= UINT64_C(1) << 60;
	assert_int_equal(rig_gone(&f->r), 0); /* here it was, and was removed */
	f->r.undo.u.freeze.ino ^= UINT64_C(1) << 60;
	snprintf(f->r.undo.u.freeze.cgroup, sizeof(path), "/no-such-cgroup/below");
	is_unknown(f);
	assert_non_null(mkdtemp(folder));
	snprintf(f->r.undo.u.freeze.cgroup, sizeof(path), "%s", folder);
	is_unknown(f);
	rmdir(folder);
	memcpy(f->r.undo.u.freeze.cgroup, path, sizeof(path));
	assert_int_equal(rig_gone(&f->r), 1);
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_gone(&f->r), 0);
}

static int read_folder(const char *folder, const char *knob, const char *events)
{
	bool asked, frozen;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	write_file(folder, "cgroup.freeze", knob);
	write_file(folder, "cgroup.events", events);
	rc = freeze_read(fd, &asked, &frozen);
	close(fd);
	return rc < 0 ? rc : 2 * asked + frozen;
}

static void neither_yes_nor_no_is_not_thawed(void **state)
{
	char folder[] = "/tmp/brink-test-XXXXXX", path[2][64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/cgroup.%s", folder, i ? "events" : "freeze");
		close(open(path[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	assert_int_equal(read_folder(folder, "0\n", "populated 1\nfrozen 0\n"), 0);
	assert_int_equal(read_folder(folder, "1\n", "populated 1\nfrozen 1\n"), 3);
	assert_int_equal(truncate(path[1], 0), 0);
	assert_int_equal(read_folder(folder, "0\n", "populated 1\n"), -EBADMSG);
	assert_int_equal(truncate(path[0], 0), 0);
	assert_int_equal(read_folder(folder, "", "populated 1\nfrozen 0\n"), -EBADMSG);
	unlink(path[0]);
	unlink(path[1]);
	rmdir(folder);
}

/* A folder that looks like a cgroup: one below it for each level, the last one holds this process.
 */
static int make_tree(const char *folder, unsigned depth)
{
	char pid[16];
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), top = dir;

	snprintf(pid, sizeof(pid), "%d\n", getpid());
	for (unsigned i = 0;; i++) {
		int fd = openat(dir, "cgroup.procs", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), below;

		assert_true(fd >= 0);
		if (i == depth)
			assert_true(write(fd, pid, strlen(pid)) > 0);
		close(fd);
		if (i < depth)
			assert_int_equal(mkdirat(dir, "x", 0700), 0);
		below = i < depth ? openat(dir, "x", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		if (dir != top)
			close(dir);
		if (below < 0)
			return top;
		dir = below;
	}
}

static void remove_tree(const char *folder)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0);
}

static void who_cannot_be_looked_at_is_not_taken_for_nobody(void **state)
{
	struct fixture *f = *state;
	struct freeze_check k = { .shield = &f->r.shield };
	char shallow[] = "/tmp/brink-test-XXXXXX", deep[] = "/tmp/brink-test-XXXXXX";
	struct rlimit was, few;
	unsigned refused = 0;
	int dir, rc = 0;

	f->r.shield.n_procs = 1;
	f->r.shield.proc[0] = (struct shield_proc){ .pid = getpid(),
						    .role = SHIELD_ANCESTOR,
						    .start_ticks = rig_start_ticks(getpid()) };
	assert_non_null(mkdtemp(shallow));
	dir = make_tree(shallow, 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	for (few.rlim_cur = (rlim_t)dir + 1; rc != -EPERM; few.rlim_cur++) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		rc = freeze_check(&k, dir, &f->r.e);
		assert_true(rc == -EMFILE || rc == -EPERM); /* and never 0 */
		refused += rc == -EMFILE;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(refused >= 4); /* at its list of folders, a folder, a list, the process */
	close(dir);
	remove_tree(shallow);
	assert_non_null(mkdtemp(deep));
	dir = make_tree(deep, 40);
	assert_int_equal(freeze_check(&k, dir, &f->r.e), -ELOOP);
	assert_true(rig_says(&f->r, "nested more than"));
	close(dir);
	remove_tree(deep);
}

/* Recorded in a cgroup namespace of its own, the path is another one than here: what it is here
 * need not exist, or is somebody else's. */
static void a_cgroup_that_has_another_path_here_is_found(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->below, 0755), 0);
	start_target(f, f->dir);
	freeze_it(f);
	rig_kill(&f->r);
	snprintf(f->r.undo.u.freeze.cgroup, sizeof(f->r.undo.u.freeze.cgroup), "%s", f->below);
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rmdir(f->below), 0);
	assert_int_equal(rig_ended(&f->r), 1);
	assert_int_equal(rig_gone(&f->r), 1);
	assert_int_equal(rig_undo(&f->r), 0);
	assert_true(rig_await(counter_moves, f));
	assert_int_equal(rig_gone(&f->r), 0);
}

/* The own knob was put back; that it stands still is another one's doing now. */
static void a_cgroup_above_that_others_froze_is_no_leftover(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(mkdir(f->below, 0755), 0);
	assert_int_equal(stat(f->below, &st), 0);
	snprintf(f->r.spec.u.freeze.cgroup, sizeof(f->r.spec.u.freeze.cgroup), "%s", f->below);
	f->r.spec.u.freeze.ino = st.st_ino;
	start_target(f, f->below);
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	rig_must(&f->r, RIG_FIRE);
	write_file(f->dir, "cgroup.freeze", "1");
	rig_must(&f->r, RIG_QUIET);
	assert_int_equal(rig_ended(&f->r), 0);
	assert_int_equal(rig_gone(&f->r), 0);
}

static void a_cgroup_with_a_shielded_process_is_refused(void **state)
{
	struct fixture *f = *state;

	start_target(f, f->dir);
	f->r.shield.n_procs = 1;
	f->r.shield.proc[0] = (struct shield_proc){ .pid = f->target,
						    .role = SHIELD_ANCESTOR,
						    .start_ticks = rig_start_ticks(f->target) };
	assert_int_equal(rig_start(&f->r), 0);
	assert_int_equal(rig_do(&f->r, RIG_ARM), -EPERM);
	assert_true(rig_says(&f->r, "shielded"));
	assert_true(moves(f));
}

/* As brink in a container meets a cgroup of the host. */
static int check_from_within(struct fixture *f)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct freeze_check k = { .shield = &f->r.shield };
		struct err e;
		int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0 || unshare(CLONE_NEWPID) < 0)
			_exit(1);
		pid = fork();
		if (pid == 0)
			_exit(-freeze_check(&k, dir, &e));
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return -WEXITSTATUS(status);
}

static void who_cannot_be_seen_is_not_frozen(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check_from_within(f), 0); /* nobody in it */
	start_target(f, f->dir);
	assert_int_equal(check_from_within(f), -EPERM);
}

static void the_shield_is_asked_again_when_it_fires(void **state)
{
	struct fixture *f = *state;
	char pid[16];

	assert_int_equal(mkdir(f->below, 0755), 0);
	start_target(f, f->dir);
	assert_int_equal(rig_start(&f->r), 0);
	rig_must(&f->r, RIG_ARM);
	snprintf(pid, sizeof(pid), "%d", f->r.holder); /* comes in: brink itself */
	write_file(f->below, "cgroup.procs", pid);
	assert_int_equal(rig_do(&f->r, RIG_FIRE), -EPERM);
	assert_true(rig_says(&f->r, "brink itself"));
	assert_false(f->r.touched); /* should others freeze it by now, it stays frozen */
	assert_true(moves(f));
}

static void a_cgroup_alone_is_planned_as_one_freeze(void **state)
{
	struct fixture *f = *state;
	const struct targets t = { .shield = &f->r.shield };
	const struct plan_context ctx = { .run_id = "01JD3W9K7Q0000000000000000",
					  .targets = &t,
					  .lease_ms = 3000 };
	struct proc_spec spec = { .select = { .cgroup = f->name } };
	struct plan *p = calloc(1, sizeof(*p));
	struct err e = { 0 };

	assert_non_null(p);
	start_target(f, f->dir);
	assert_int_equal(proc_pause_fault.plan(&spec, &ctx, p, &e), 0);
	assert_int_equal(p->n_changes, 1);
	assert_int_equal(p->change[0].kind, CHANGE_FREEZE);
	assert_string_equal(p->change[0].u.freeze.cgroup, f->dir);
	assert_int_equal(p->processes, 1);
	memset(p, 0, sizeof(*p));
	spec.select.user = "0"; /* not the whole of it */
	assert_int_equal(proc_pause_fault.plan(&spec, &ctx, p, &e), 0);
	assert_int_equal(p->change[0].kind, CHANGE_PAUSE);
	free(p);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_whole_cgroup_stands_still_and_runs_again),
		TEST(it_stays_frozen_when_the_holder_dies_and_undo_thaws_it),
		TEST(what_was_frozen_before_stays_frozen),
		TEST(frozen_by_others_before_the_shot_is_refused),
		TEST(thawed_by_others_is_a_lost_lease),
		TEST(a_cgroup_made_anew_is_left_alone),
		TEST(a_path_that_leads_elsewhere_is_not_taken_for_a_cgroup_that_is_gone),
		TEST(a_cgroup_that_has_another_path_here_is_found),
		cmocka_unit_test(neither_yes_nor_no_is_not_thawed),
		TEST(who_cannot_be_looked_at_is_not_taken_for_nobody),
		TEST(a_cgroup_above_that_others_froze_is_no_leftover),
		TEST(a_cgroup_with_a_shielded_process_is_refused),
		TEST(who_cannot_be_seen_is_not_frozen),
		TEST(the_shield_is_asked_again_when_it_fires),
		TEST(a_cgroup_alone_is_planned_as_one_freeze),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
