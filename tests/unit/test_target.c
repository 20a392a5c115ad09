/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/proc_fs.h"

#define CHILDREN 8
#define WAIT_NS  (10 * NS_PER_S)

struct fixture {
	pid_t child[CHILDREN];
	unsigned n;
	char dir[64];
	char comm[16];
	struct shield shield;
	struct targets targets;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/brink-target-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->comm, sizeof(f->comm), "t) %d (x", getpid());
	f->targets.shield = &f->shield;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	for (unsigned i = 0; i < f->n; i++) {
		kill(f->child[i], SIGKILL);
		waitpid(f->child[i], NULL, 0);
	}
	snprintf(path, sizeof(path), "%s/prog", f->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/link", f->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/other", f->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/pid", f->dir);
	unlink(path);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* A child called name; ready when it has that name. exe: a program that waits when run without
 * arguments; or NULL. */
static pid_t child(struct fixture *f, const char *name, const char *exe)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (exe) /* the pipe closes when exec has happened */
			execl(exe, name, "60", (char *)NULL);
		if (exe || write(ready[1], "x", 1) != 1)
			_exit(126);
		for (;;)
			pause();
	}
	f->child[f->n++] = pid;
	close(ready[1]);
	assert_true(io_wait(ready[0], POLLIN, clock_mono_ns() + WAIT_NS) > 0);
	assert_int_equal(read(ready[0], &c, 1), exe ? 0 : 1);
	close(ready[0]);
	return pid;
}

static void copy_program(const char *to)
{
	char buf[65536];
	int in = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

static int resolve(struct fixture *f, const struct proc_select *s, const struct pick *pick,
		   struct proc_id *ret)
{
	char text[1024];
	int r;

	memset(&f->e, 0, sizeof(f->e));
	r = proc_resolve(s, pick, &f->targets, ret, CHILDREN, &f->e);
	if (r < 0) {
		assert_int_equal(-r, f->e.code);
		print_message("    (%s)\n", err_format(&f->e, text, sizeof(text)));
	}
	return r;
}

static bool says(const struct fixture *f, const char *part)
{
	char text[1024];

	return strstr(err_format(&f->e, text, sizeof(text)), part) != NULL;
}

static void a_name_with_spaces_and_parentheses_matches_exactly(void **state)
{
	struct fixture *f = *state;
	pid_t pid = child(f, f->comm, NULL);
	struct proc_select s = { .name = f->comm };
	struct proc_id id[CHILDREN];
	uint64_t start = 0;
	char shorter[16];

	assert_int_equal(resolve(f, &s, NULL, id), 1);
	assert_int_equal(id[0].pid, pid);
	assert_int_equal(proc_start_ticks(pid, &start, &f->e), 0);
	assert_int_equal(id[0].start_ticks, start);
	assert_true(start > 0);
	snprintf(shorter, sizeof(shorter), "%.*s", (int)strlen(f->comm) - 1, f->comm);
	s.name = shorter;
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_true(says(f, shorter));
}

static void of_a_long_name_the_kernel_keeps_too_little(void **state)
{
	struct fixture *f = *state;
	char name[64], other[64], path[160];
	struct proc_select s = { .name = name };
	struct proc_id id[CHILDREN];
	pid_t pid;

	snprintf(name, sizeof(name), "%08d-a-very-long-name", getpid());
	snprintf(other, sizeof(other), "%08d-a-very-long-other", getpid());
	snprintf(path, sizeof(path), "%s/%s", f->dir, other);
	copy_program(path);
	child(f, other, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	copy_program(path);
	pid = child(f, path, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	assert_int_equal(id[0].pid, pid);
}

static void all_that_match_come_in_order_of_their_pids(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .name = f->comm };
	struct proc_id id[CHILDREN];

	for (int i = 0; i < 5; i++)
		child(f, f->comm, NULL);
	assert_int_equal(resolve(f, &s, NULL, id), 5);
	for (int i = 1; i < 5; i++)
		assert_true(id[i - 1].pid < id[i].pid);
}

static void every_key_must_hold(void **state)
{
	struct fixture *f = *state;
	pid_t pid = child(f, f->comm, NULL);
	struct proc_select s = { .pid = pid, .name = f->comm, .exe = "/proc/self/exe" };
	char uid[16];
	struct proc_id id[CHILDREN];

	snprintf(uid, sizeof(uid), "%u", geteuid());
	s.user = uid;
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	s.exe = "/bin/sleep";
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_true(says(f, "another file"));
	s.exe = NULL;
	s.user = "4000000000";
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	s.user = NULL;
	s.name = "other";
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_true(says(f, "name"));
}

static void an_executable_matches_through_links_but_not_by_a_hard_link(void **state)
{
	struct fixture *f = *state;
	char prog[80], symlink_path[80], other[80];
	struct proc_select s = { .exe = prog };
	struct proc_id id[CHILDREN];
	pid_t pid;

	snprintf(prog, sizeof(prog), "%s/prog", f->dir);
	snprintf(symlink_path, sizeof(symlink_path), "%s/link", f->dir);
	snprintf(other, sizeof(other), "%s/other", f->dir);
	copy_program(prog);
	assert_int_equal(symlink(prog, symlink_path), 0);
	assert_int_equal(link(prog, other), 0);
	pid = child(f, "prog", prog);
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	assert_int_equal(id[0].pid, pid);
	s.exe = symlink_path;
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	s.exe = other; /* the same file under another name, as busybox has it */
	assert_true(resolve(f, &s, NULL, id) < 0); /* without root others' may be unreadable */
}

static void a_replaced_executable_still_matches(void **state)
{
	struct fixture *f = *state;
	char prog[80];
	struct proc_select s = { .exe = prog };
	struct proc_id id[CHILDREN];

	snprintf(prog, sizeof(prog), "%s/prog", f->dir);
	copy_program(prog);
	child(f, "prog", prog);
	assert_int_equal(unlink(prog), 0);
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	copy_program(prog);
	child(f, "prog", prog);
	assert_int_equal(resolve(f, &s, NULL, id), 2);
}

static void a_pid_file_is_read_and_checked(void **state)
{
	static const char *const bad[] = { "", "x", "12x", "-4", "0", "99999999", "12 13" };
	struct fixture *f = *state;
	char path[80], text[32];
	struct proc_select s = { .pid_file = path };
	struct proc_id id[CHILDREN];
	pid_t pid = child(f, f->comm, NULL);

	snprintf(path, sizeof(path), "%s/pid", f->dir);
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	snprintf(text, sizeof(text), "%d\n", pid);
	write_file(path, text);
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	assert_int_equal(id[0].pid, pid);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		write_file(path, bad[i]);
		assert_int_equal(resolve(f, &s, NULL, id), -EINVAL);
	}
	write_file(path, "4194304"); /* one above the greatest PID */
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(resolve(f, &s, NULL, id), -EINVAL); /* and does not wait for a writer */
}

static void who_writes_a_pid_file_names_his_own(void **state)
{
	struct fixture *f = *state;
	char path[80], link[80], text[32];
	struct proc_select s = { .pid_file = path };
	struct proc_id id[CHILDREN];

	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/pid", f->dir);
	snprintf(text, sizeof(text), "%d\n", child(f, f->comm, NULL));
	write_file(path, text);
	assert_int_equal(chown(path, 4242, 0), 0);
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_true(says(f, "pid_file belongs to another user"));
	assert_int_equal(chown(path, 0, 0), 0);
	snprintf(link, sizeof(link), "%s/link", f->dir);
	assert_int_equal(symlink("pid", link), 0); /* then it is he who names it */
	s.pid_file = link;
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	assert_int_equal(chdir(f->dir), 0);
	assert_int_equal(symlink(f->dir, "other"), 0); /* over folders, from where one stands */
	s.pid_file = "other/link";
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	assert_int_equal(unlink("other"), 0);
	assert_int_equal(symlink(".", "other"), 0);
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	s.pid_file = link;
	assert_int_equal(lchown(link, 4242, 0), 0);
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_true(says(f, "pid_file belongs to another user"));
	s.pid_file = path;
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(resolve(f, &s, NULL, id), -EPERM);
	assert_true(says(f, "mode 0666"));
	assert_int_equal(chmod(path, 0664), 0); /* root's group */
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	assert_int_equal(chown(path, 0, 4242), 0);
	assert_int_equal(resolve(f, &s, NULL, id), -EPERM);
}

static void a_zombie_never_matches(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .name = f->comm };
	struct proc_id id[CHILDREN];
	siginfo_t info;
	pid_t pid = child(f, f->comm, NULL);

	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	s = (struct proc_select){ .pid = pid };
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_true(says(f, "ended"));
}

static void *wait_for_the_end(void *arg)
{
	do
		pause();
	while (!arg);
	return arg;
}

static void a_process_whose_first_thread_has_ended_is_alive(void **state)
{
	struct fixture *f = *state;
	int64_t deadline = clock_mono_ns() + WAIT_NS;
	struct proc_stat stat = { 0 };
	uint64_t start = 0;
	pid_t pid = fork();
	pthread_t t;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pthread_create(&t, NULL, wait_for_the_end, NULL);
		syscall(SYS_exit, 0);
	}
	f->child[f->n++] = pid;
	while (stat.state != 'Z') {
		assert_true(clock_mono_ns() < deadline);
		assert_int_equal(proc_stat_of(pid, &stat), 0);
	}
	assert_int_equal(proc_start_ticks(pid, &start, &f->e), 0);
}

static void *read_own_tid(void *arg)
{
	int *fd = arg;
	pid_t tid = gettid();

	assert_int_equal(write(fd[1], &tid, sizeof(tid)), sizeof(tid));
	return read(fd[2], &tid, 1) < 0 ? arg : NULL; /* until the test closes its end */
}

static void a_thread_is_no_process(void **state)
{
	struct fixture *f = *state;
	int report[2], hold[2];
	struct proc_select s = { 0 };
	struct proc_id id[CHILDREN];
	pthread_t t;
	pid_t tid = 0;

	assert_int_equal(pipe(report), 0);
	assert_int_equal(pipe(hold), 0);
	pthread_create(&t, NULL, read_own_tid, (int[]){ report[0], report[1], hold[0] });
	assert_int_equal(read(report[0], &tid, sizeof(tid)), sizeof(tid));
	s.pid = tid;
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	assert_true(says(f, "thread"));
	close(hold[1]);
	pthread_join(t, NULL);
	close(hold[0]);
	close(report[0]);
	close(report[1]);
}

static void kernel_threads_and_pid_1_are_shielded(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .pid = 1 };
	struct proc_id id[CHILDREN];
	struct proc_stat stat;

	assert_int_equal(resolve(f, &s, NULL, id), -EPERM);
	assert_true(says(f, "PID 1"));
	if (proc_stat_of(2, &stat) || !proc_is_kernel(&stat))
		return; /* inside a PID namespace there are none to be seen */
	s = (struct proc_select){ .name = stat.comm };
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
	s = (struct proc_select){ .pid = 2 };
	assert_true(resolve(f, &s, NULL, id) < 0);
}

static void a_shielded_process_among_the_matches_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .name = f->comm };
	struct pick one = { .count = 1 };
	struct proc_id id[CHILDREN];
	char expected[80];

	for (int i = 0; i < 3; i++)
		child(f, f->comm, NULL);
	assert_int_equal(resolve(f, &s, NULL, id), 3);
	f->shield.n_procs = 1;
	f->shield.proc[0].pid = id[1].pid;
	f->shield.proc[0].start_ticks = id[1].start_ticks;
	snprintf(expected, sizeof(expected),
		 "3 processes, one of them is brink's own ancestor %s(%d)", f->comm, id[1].pid);
	assert_int_equal(resolve(f, &s, &one, id), -EPERM);
	assert_true(says(f, expected));
	s = (struct proc_select){ .pid = f->shield.proc[0].pid };
	assert_int_equal(resolve(f, &s, NULL, id), -EPERM);
	f->shield.proc[0].start_ticks++; /* an earlier process of that number was meant */
	assert_int_equal(resolve(f, &s, NULL, id), 1);
}

static void more_than_the_limit_is_refused_and_listed(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .name = f->comm };
	struct pick two = { .count = 2 };
	struct proc_id id[CHILDREN];

	for (int i = 0; i < 3; i++)
		child(f, f->comm, NULL);
	f->targets.max_processes = 2;
	assert_int_equal(resolve(f, &s, NULL, id), -E2BIG);
	assert_true(says(f, "matches 3 processes, 2 are allowed"));
	assert_true(says(f, f->comm));
	assert_int_equal(resolve(f, &s, &two, id), 2);
	f->targets.max_processes = 0;
	assert_int_equal(proc_resolve(&s, NULL, &f->targets, id, 2, &f->e), -E2BIG);
}

static void the_same_seed_picks_the_same_processes(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .name = f->comm };
	struct pick pick = { .count = 3 };
	struct proc_id first[CHILDREN], again[CHILDREN];
	unsigned differ = 0;

	for (int i = 0; i < CHILDREN; i++)
		child(f, f->comm, NULL);
	assert_int_equal(resolve(f, &s, &pick, first), 3);
	for (f->targets.seed = 0; f->targets.seed < 20; f->targets.seed++) {
		assert_int_equal(resolve(f, &s, &pick, first), 3);
		assert_int_equal(resolve(f, &s, &pick, again), 3);
		assert_memory_equal(first, again, 3 * sizeof(*first));
		assert_true(first[0].pid < first[1].pid && first[1].pid < first[2].pid);
		differ += first[0].pid != f->child[0];
	}
	assert_in_range(differ, 1, 19);
	pick.bound.given = 1U << 2; /* the pick's own seed */
	assert_int_equal(resolve(f, &s, &pick, first), 3);
	f->targets.seed++;
	assert_int_equal(resolve(f, &s, &pick, again), 3);
	assert_memory_equal(first, again, 3 * sizeof(*first));
}

static void a_percentage_is_rounded_up_and_a_count_must_be_there(void **state)
{
	struct fixture *f = *state;
	struct proc_select s = { .name = f->comm };
	struct pick pick = { .percent_ppm = 300000 };
	struct proc_id id[CHILDREN];

	for (int i = 0; i < 5; i++)
		child(f, f->comm, NULL);
	assert_int_equal(resolve(f, &s, &pick, id), 2);
	pick.percent_ppm = 1;
	assert_int_equal(resolve(f, &s, &pick, id), 1);
	pick.percent_ppm = 1000000;
	assert_int_equal(resolve(f, &s, &pick, id), 5);
	pick = (struct pick){ .count = 6 };
	assert_int_equal(resolve(f, &s, &pick, id), -ENOENT);
	assert_true(says(f, "matches 5 processes, pick asks for 6"));
	pick = (struct pick){ 0 };
	assert_int_equal(resolve(f, &s, &pick, id), -EINVAL);
}

static void a_selector_without_keys_or_with_bad_ones_is_refused(void **state)
{
	static const struct proc_select bad[] = {
		{ .pid = 0 },          { .name = "" },
		{ .exe = "relative" }, { .cgroup = "relative" },
		{ .pid = -1 },         { .user = "4294967295" },
	};
	struct fixture *f = *state;
	struct proc_id id[CHILDREN];
	struct proc_select s = { .user = "no-such-user-here" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(resolve(f, &bad[i], NULL, id), -EINVAL);
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
}

static void a_pidfd_is_of_exactly_this_process(void **state)
{
	struct fixture *f = *state;
	pid_t pid = child(f, f->comm, NULL);
	struct proc_id id = { .pid = pid };
	int fd;

	assert_int_equal(proc_start_ticks(pid, &id.start_ticks, &f->e), 0);
	fd = proc_open(&id, &f->e);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	id.start_ticks++;
	assert_int_equal(proc_open(&id, &f->e), -ESRCH);
	id.start_ticks--;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	f->n = 0;
	assert_int_equal(proc_open(&id, &f->e), -ESRCH);
	assert_int_equal(proc_start_ticks(pid, &id.start_ticks, &f->e), -ESRCH);
}

static void a_stat_line_is_parsed_whatever_the_name_holds(void **state)
{
	static const char tail[] = "0 0 0 -1 4194304 1 2 3 4 5 6 7 8 20 -5 3 0 987654321 1 2 3";
	static const char *const bad[] = { "",         "12",           "12 (x",   "12 (x)",
					   "12 (x) S", "12 (x) S 1 2", ") ( S 1", "(x) S 1 0 0 0" };
	char line[256];
	struct proc_stat s;

	(void)state;
	snprintf(line, sizeof(line), "77 (a) S 1 (b) R 5 %s", tail);
	assert_int_equal(proc_stat_parse(line, &s), 0);
	assert_string_equal(s.comm, "a) S 1 (b");
	assert_int_equal(s.pid, 77);
	assert_int_equal(s.ppid, 5);
	assert_int_equal(s.state, 'R');
	assert_int_equal(s.threads, 3);
	assert_int_equal(s.start_ticks, 987654321);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(proc_stat_parse(bad[i], &s), -EBADMSG);
}

static void a_cgroup_holds_itself_and_what_is_below(void **state)
{
	static const char text[] =
		"9:name=systemd:/user\n4:cpu,cpuacct:/docker/ab\n0::/sys.slice/a:b.service/x";

	(void)state;
	assert_true(proc_cgroup_within(text, "/sys.slice/a:b.service/x"));
	assert_true(proc_cgroup_within(text, "/sys.slice/a:b.service"));
	assert_true(proc_cgroup_within(text, "/sys.slice/"));
	assert_true(proc_cgroup_within(text, "/docker/ab")); /* version 1 */
	assert_true(proc_cgroup_within(text, "/"));
	assert_false(proc_cgroup_within(text, "/sys.slice/a:b"));
	assert_false(proc_cgroup_within(text, "/docker/a"));
	assert_false(proc_cgroup_within(text, "/sys.slice/a:b.service/x/y"));
	assert_false(proc_cgroup_within("", "/"));
	assert_false(proc_cgroup_within("garbage\n:\n", "/a"));
}

static void own_cgroup_of_a_child_matches(void **state)
{
	struct fixture *f = *state;
	char text[4096], *path;
	struct proc_select s = { .name = f->comm };
	struct proc_id id[CHILDREN];

	child(f, f->comm, NULL);
	assert_true(io_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) > 0);
	path = strchr(strchr(text, ':') + 1, ':') + 1;
	path[strcspn(path, "\n")] = '\0';
	s.cgroup = path;
	assert_int_equal(resolve(f, &s, NULL, id), 1);
	s.cgroup = "/no/such/group";
	assert_int_equal(resolve(f, &s, NULL, id), -ENOENT);
}

static void a_name_is_made_safe_to_print(void **state)
{
	struct fixture *f = *state;
	pid_t pid = child(f, "a\033[31m", NULL);
	char buf[80];

	assert_string_equal(proc_name(pid, buf, sizeof(buf)), "a\\x1b[31m");
	assert_string_equal(proc_name(1 << 30, buf, sizeof(buf)), "?");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_name_with_spaces_and_parentheses_matches_exactly),
		TEST(of_a_long_name_the_kernel_keeps_too_little),
		TEST(all_that_match_come_in_order_of_their_pids),
		TEST(every_key_must_hold),
		TEST(an_executable_matches_through_links_but_not_by_a_hard_link),
		TEST(a_replaced_executable_still_matches),
		TEST(a_pid_file_is_read_and_checked),
		TEST(who_writes_a_pid_file_names_his_own),
		TEST(a_zombie_never_matches),
		TEST(a_process_whose_first_thread_has_ended_is_alive),
		TEST(a_thread_is_no_process),
		TEST(kernel_threads_and_pid_1_are_shielded),
		TEST(a_shielded_process_among_the_matches_is_refused_by_name),
		TEST(more_than_the_limit_is_refused_and_listed),
		TEST(the_same_seed_picks_the_same_processes),
		TEST(a_percentage_is_rounded_up_and_a_count_must_be_there),
		TEST(a_selector_without_keys_or_with_bad_ones_is_refused),
		TEST(a_pidfd_is_of_exactly_this_process),
		TEST(a_stat_line_is_parsed_whatever_the_name_holds),
		TEST(a_cgroup_holds_itself_and_what_is_below),
		TEST(own_cgroup_of_a_child_matches),
		TEST(a_name_is_made_safe_to_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
