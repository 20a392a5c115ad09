/* SPDX-License-Identifier: Apache-2.0 */
/* The real launcher with real commands; as root they run as nobody. */
#include "safety/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/proc_fs.h"
#include "tests/support/test.h"

#define DEADLINE_NS (20 * NS_PER_S)
#define SH(script)  ((const char *const[]){ "/bin/sh", "-c", script, NULL })
#define CMD(...)    ((const char *const[]){ __VA_ARGS__, NULL })

static char dir[] = "/tmp/brink-test-launcher-XXXXXX";

struct fixture {
	struct prober launcher;
	struct probe_user user;
	bool used;
};

static int group_setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	return chmod(dir, 0777); /* nobody writes there */
}

static int group_teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void start(struct fixture *f, const char *const *argv)
{
	struct err e = { 0 };
	char line[512];

	*f = (struct fixture){ .launcher = PROBER_NONE };
	if (probe_user_find(&f->user, &e) ||
	    launcher_start(-1, &f->user, (char *const *)(uintptr_t)argv, &f->launcher, &e))
		fail_msg("%s", err_format(&e, line, sizeof(line)));
}

static struct fixture the_fixture;

static int setup(void **state)
{
	*state = &the_fixture;
	start(&the_fixture, NULL);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	prober_stop(&f->launcher);
	return 0;
}

static void in_dir(const char *name, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s", dir, name);
}

static struct probe_spec command(const char *const *argv)
{
	struct probe_spec s = { .source = CHECK_COMMAND,
				.every_ns = 5 * NS_PER_S,
				.timeout_ns = 5 * NS_PER_S };
	size_t used = 0;

	for (; *argv; argv++) {
		assert_true(used + strlen(*argv) < sizeof(s.command.argv));
		strcpy(s.command.argv + used, *argv);
		used += strlen(*argv) + 1;
		s.command.argc++;
	}
	return s;
}

static void take(struct fixture *f, struct probe_msg *m)
{
	int64_t deadline = clock_mono_ns() + DEADLINE_NS;
	struct err e = { 0 };
	int r;

	while ((r = prober_take(&f->launcher, m, &e)) == 0)
		assert_true(io_wait(f->launcher.fd, POLLIN, deadline) > 0);
	if (r < 0)
		fail_msg("%s", e.msg[0]);
	if (m->type == PROBE_MSG_ERROR)
		fail_msg("%s", m->err.msg[0]);
}

/* The first sample of this one check, by a launcher that has no other. */
static struct probe_sample sample_of(struct fixture *f, struct probe_spec spec)
{
	struct err e = { 0 };
	struct probe_msg m;

	if (f->used) {
		prober_stop(&f->launcher);
		start(f, NULL);
	}
	f->used = true;
	assert_int_equal(prober_add(&f->launcher, 17, &spec, &e), 0);
	assert_int_equal(prober_tell(&f->launcher, PROBE_MSG_START, &e), 0);
	take(f, &m);
	assert_int_equal(m.type, PROBE_MSG_SAMPLE);
	assert_int_equal(m.sample.check, 17);
	return m.sample;
}

static void gives(struct fixture *f, const char *const *argv, enum probe_verdict v,
		  const char *text)
{
	struct probe_sample s = sample_of(f, command(argv));

	if (s.verdict != v || !strstr(s.text, text))
		fail_msg("'%s': verdict %u, '%s', not %d, '%s'", argv[0], s.verdict, s.text, v,
			 text);
}

/* The number that a command left in a file of dir, which is then removed. */
static pid_t pid_in(const char *name)
{
	int64_t deadline = clock_mono_ns() + DEADLINE_NS;
	char path[128], text[32] = "";

	in_dir(name, path, sizeof(path));
	while (io_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0) {
		assert_true(clock_mono_ns() < deadline);
		nanosleep(&(struct timespec){ 0, NS_PER_MS }, NULL);
	}
	unlink(path);
	return (pid_t)strtol(text, NULL, 10);
}

static void goes_away(pid_t pid)
{
	int64_t deadline = clock_mono_ns() + DEADLINE_NS;
	struct proc_stat st;

	assert_true(pid > 1);
	while (!proc_stat_of(pid, &st)) {
		if (clock_mono_ns() > deadline)
			fail_msg("process %d (%s) is still there", pid, st.comm);
		nanosleep(&(struct timespec){ 0, NS_PER_MS }, NULL);
	}
}

static void status_line(pid_t pid, const char *line)
{
	char path[64], text[8192];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_true(io_read_file(AT_FDCWD, path, text, sizeof(text)) > 0);
	if (!strstr(text, line))
		fail_msg("no '%s' in /proc/%d/status", line, pid);
}

static void launcher_and_commands_have_no_privilege(void **state)
{
	static const char *const lines[] = { "CapInh:\t0000000000000000",
					     "CapPrm:\t0000000000000000",
					     "CapEff:\t0000000000000000",
					     "CapAmb:\t0000000000000000",
					     "NoNewPrivs:\t1",
					     "Seccomp:\t2" };
	struct fixture *f = *state;
	struct probe_spec id = command(CMD("id", "-u"));
	struct probe_sample s;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		status_line(f->launcher.pid, lines[i]);
		gives(f, CMD("grep", "-q", lines[i], "/proc/self/status"), PROBE_OK, "exit code 0");
	}
	if (geteuid() == 0) {
		status_line(f->launcher.pid, "CapBnd:\t0000000000000000");
		assert_int_not_equal(f->user.uid, 0);
	}
	s = sample_of(f, id);
	assert_int_equal(s.verdict, PROBE_OK);
	assert_int_equal((uid_t)s.value, f->user.uid);
	/* descriptors: the three and the one that ls opens */
	s = sample_of(f, command(SH("ls /proc/self/fd | wc -l")));
	assert_int_equal((int)s.value, 4);
}

static void exit_code_and_number_decide(void **state)
{
	struct fixture *f = *state;
	struct probe_spec depth = command(CMD("echo", "42", "deep"));
	struct probe_spec three = command(SH("exit 3"));

	gives(f, CMD("true"), PROBE_OK, "exit code 0");
	gives(f, CMD("/bin/false"), PROBE_FAIL, "exit code 1, expected 0");
	gives(f, SH("echo one >&2; echo ' two\033 ' >&2; exit 5"), PROBE_FAIL,
	      "exit code 5, expected 0:  two\\x1b");
	gives(f, SH("kill -SEGV $$"), PROBE_FAIL, "killed by SIGSEGV");
	three.command.exit_code = 3;
	assert_int_equal(sample_of(f, three).verdict, PROBE_OK);
	depth.is = (struct compare){ .given = true, .op = COMPARE_LT, .value = 40 };
	assert_int_equal(sample_of(f, depth).verdict, PROBE_FAIL);
	depth.is.value = 43;
	assert_int_equal(sample_of(f, depth).verdict, PROBE_OK);
}

static void no_shell_is_ever_involved(void **state)
{
	struct fixture *f = *state;
	struct probe_spec literal = command(CMD("echo", "6", "$((6*7))", ";", "exit 1"));
	char path[128];
	FILE *file;

	literal.is = (struct compare){ .given = true, .op = COMPARE_EQ, .value = 6 };
	assert_int_equal(sample_of(f, literal).verdict, PROBE_OK);
	in_dir("script", path, sizeof(path)); /* execvp would give it to /bin/sh */
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("exit 0\n", file);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
	gives(f, CMD(path), PROBE_NO_DATA, "Exec format error");
	unlink(path);
}

static void what_cannot_be_run_is_no_data(void **state)
{
	struct fixture *f = *state;

	gives(f, CMD("no-such-program-here"), PROBE_NO_DATA,
	      "cannot run 'no-such-program-here': No such file or directory");
	gives(f, CMD("/etc/passwd"), PROBE_NO_DATA, "cannot run '/etc/passwd': Permission denied");
	gives(f, SH("no-such-program-here"), PROBE_NO_DATA,
	      "cannot run '/bin/sh': exit code 127: ");
}

/* A child, a grandchild in a session of its own, and one whose parent has ended. */
static void a_timeout_kills_the_command_and_all_it_started(void **state)
{
	struct fixture *f = *state;
	char script[512];
	struct probe_spec spec;
	struct probe_sample s;

	snprintf(script, sizeof(script),
		 "cd %s; echo $$ >a; sh -c 'echo $$ >b; sleep 60; :' & "
		 "setsid sh -c 'trap \"\" TERM HUP; echo $$ >c; sleep 60; :' & "
		 "(setsid sh -c 'echo $$ >d; exec sleep 60' &) & sleep 60; :",
		 dir);
	spec = command(SH(script));
	spec.timeout_ns = 2 * NS_PER_S;
	s = sample_of(f, spec);
	assert_int_equal(s.verdict, PROBE_FAIL);
	assert_string_equal(s.text, "timeout after 2s");
	assert_true(s.took_ns >= 2 * NS_PER_S);
	goes_away(pid_in("a"));
	goes_away(pid_in("b"));
	goes_away(pid_in("c"));
	goes_away(pid_in("d"));
}

static void what_a_command_leaves_behind_neither_delays_it_nor_stays(void **state)
{
	struct fixture *f = *state;
	char script[256];
	struct probe_sample s;

	snprintf(script, sizeof(script),
		 "(setsid sh -c 'echo $$ >%s/e; sleep 60; :' &); "
		 "while ! [ -s %s/e ]; do :; done; echo 7",
		 dir, dir);
	s = sample_of(f, command(SH(script)));
	assert_int_equal(s.verdict, PROBE_OK);
	assert_int_equal((int)s.value, 7);
	goes_away(pid_in("e"));
}

static void endless_output_is_bounded_and_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	struct probe_spec yes = command(CMD("yes", "12345")), echo = command(CMD("echo", "1"));
	struct err e = { 0 };
	struct probe_msg m;

	assert_int_equal(prober_add(&f->launcher, 0, &yes, &e), 0);
	assert_int_equal(prober_add(&f->launcher, 1, &echo, &e), 0);
	assert_int_equal(prober_tell(&f->launcher, PROBE_MSG_START, &e), 0);
	take(f, &m);
	assert_int_equal(m.sample.check, 1);
	assert_int_equal(m.sample.verdict, PROBE_OK);
	f->used = true;
	yes.timeout_ns = 200 * NS_PER_MS;
	assert_string_equal(sample_of(f, yes).text, "timeout after 200ms");
}

static void a_command_is_started_again_each_period(void **state)
{
	struct fixture *f = *state;
	struct probe_spec s = command(CMD("sleep", "60")), quick = command(CMD("true"));
	struct err e = { 0 };
	struct probe_msg m;
	unsigned seq[2] = { 0 };

	s.every_ns = s.timeout_ns =
		200 * NS_PER_MS; /* cut at the instant at which the next one begins */
	quick.every_ns = quick.timeout_ns = NS_PER_S;
	assert_int_equal(prober_add(&f->launcher, 0, &s, &e), 0);
	assert_int_equal(prober_add(&f->launcher, 1, &quick, &e), 0);
	assert_int_equal(prober_tell(&f->launcher, PROBE_MSG_START, &e), 0);
	while (seq[0] < 4 || seq[1] < 2) {
		take(f, &m);
		assert_int_equal(m.sample.seq, seq[m.sample.check]++);
		if (m.sample.check == 0)
			assert_string_equal(m.sample.text, "timeout after 200ms");
		else
			assert_int_equal(m.sample.verdict, PROBE_OK);
	}
}

/* ---- the command of try ---- */

static struct probe_exit run(struct fixture *f)
{
	struct err e = { 0 };
	struct probe_msg m;

	assert_int_equal(prober_tell(&f->launcher, PROBE_MSG_RUN, &e), 0);
	take(f, &m);
	assert_int_equal(m.type, PROBE_MSG_EXITED);
	return m.exited;
}

static void the_command_of_try_gives_its_own_code(void **state)
{
	struct fixture f;
	struct probe_exit x;

	(void)state;
	start(&f, SH("exit 7"));
	x = run(&f);
	prober_stop(&f.launcher);
	assert_true(x.ran && x.code == 7 && !x.signal);
	start(&f, SH("kill -KILL $$"));
	x = run(&f);
	prober_stop(&f.launcher);
	assert_true(x.ran && x.signal == SIGKILL);
	start(&f, CMD("no-such-program-here"));
	x = run(&f);
	prober_stop(&f.launcher);
	assert_true(!x.ran && x.code == 127);
	assert_string_equal(x.text, "cannot run 'no-such-program-here': No such file or directory");
	start(&f, CMD("/etc/passwd"));
	x = run(&f);
	prober_stop(&f.launcher);
	assert_true(!x.ran && x.code == 126);
}

static void the_command_of_try_gets_signals_and_keeps_our_group(void **state)
{
	struct fixture f;
	char script[256];
	struct err e = { 0 };
	struct probe_msg m;
	pid_t pid;

	(void)state;
	snprintf(script, sizeof(script),
		 "trap 'exit 9' USR1; echo $$ >%s/f; while :; do sleep 0.01; done", dir);
	start(&f, SH(script));
	assert_int_equal(prober_tell(&f.launcher, PROBE_MSG_RUN, &e), 0);
	pid = pid_in("f");
	assert_int_equal(getpgid(pid), getpgid(0));
	assert_int_equal(getsid(pid), getsid(0));
	assert_int_equal(launcher_signal(&f.launcher, SIGUSR1, &e), 0);
	take(&f, &m);
	assert_int_equal(m.type, PROBE_MSG_EXITED);
	assert_int_equal(m.exited.code, 9);
	prober_stop(&f.launcher);
	goes_away(pid);
}

/* One that may tidy up, one that will not go by itself. */
static void when_the_socket_closes_everything_ends(void **state)
{
	struct fixture f;
	struct err e = { 0 };

	(void)state;
	for (int stubborn = 0; stubborn < 2; stubborn++) {
		char trap[128], script[512];
		pid_t pid, below;

		if (stubborn)
			snprintf(trap, sizeof(trap), "trap '' TERM");
		else
			snprintf(trap, sizeof(trap), "trap 'echo 1 >%s/tidy; exit 0' TERM", dir);
		snprintf(script, sizeof(script),
			 "%s; sh -c 'echo $$ >%s/h; sleep 60; :' & echo $$ >%s/g; "
			 "while :; do sleep 0.01; done",
			 trap, dir, dir);
		start(&f, SH(script));
		assert_int_equal(prober_tell(&f.launcher, PROBE_MSG_RUN, &e), 0);
		pid = pid_in("g");
		below = pid_in("h");
		if (!stubborn) /* as by Ctrl-Z: it must get to its trap all the same */
			assert_int_equal(kill(pid, SIGSTOP), 0);
		prober_stop(&f.launcher);
		goes_away(pid);
		goes_away(below);
	}
	assert_int_equal(pid_in("tidy"), 1);
}

static void when_the_launcher_is_killed_everything_ends(void **state)
{
	struct fixture *f = *state;
	char script[256];
	struct probe_spec spec;
	struct err e = { 0 };
	struct probe_msg m;
	pid_t a, b;

	snprintf(script, sizeof(script),
		 "cd %s; (setsid sh -c 'echo $$ >j; sleep 60; :' &); echo $$ >i; sleep 60; :", dir);
	spec = command(SH(script));
	assert_int_equal(prober_add(&f->launcher, 0, &spec, &e), 0);
	assert_int_equal(prober_tell(&f->launcher, PROBE_MSG_START, &e), 0);
	a = pid_in("i");
	b = pid_in("j");
	kill(f->launcher.pid, SIGKILL);
	goes_away(a);
	goes_away(b);
	assert_true(io_wait(f->launcher.fd, POLLIN, clock_mono_ns() + DEADLINE_NS) > 0);
	assert_int_equal(prober_take(&f->launcher, &m, &e), -EPIPE);
}

#define WITH_LAUNCHER(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LAUNCHER(launcher_and_commands_have_no_privilege),
		WITH_LAUNCHER(exit_code_and_number_decide),
		WITH_LAUNCHER(no_shell_is_ever_involved),
		WITH_LAUNCHER(what_cannot_be_run_is_no_data),
		WITH_LAUNCHER(a_timeout_kills_the_command_and_all_it_started),
		WITH_LAUNCHER(what_a_command_leaves_behind_neither_delays_it_nor_stays),
		WITH_LAUNCHER(endless_output_is_bounded_and_holds_up_nobody),
		WITH_LAUNCHER(a_command_is_started_again_each_period),
		cmocka_unit_test(the_command_of_try_gives_its_own_code),
		cmocka_unit_test(the_command_of_try_gets_signals_and_keeps_our_group),
		cmocka_unit_test(when_the_socket_closes_everything_ends),
		WITH_LAUNCHER(when_the_launcher_is_killed_everything_ends),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown) != 0;
}
