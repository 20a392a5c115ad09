/* SPDX-License-Identifier: Apache-2.0 */
/* The real prober against small servers, all in a network namespace of their own. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "safety/probe/prober.h"
#include "tests/support/probed.h"
#include "tests/support/test.h"

#define HTTP_PORT   8080
#define BANNER_PORT 2525
#define SILENT_PORT 2526
#define DEADLINE_NS (20 * NS_PER_S)
#define CHECKS      16

static char dir[] = "/tmp/brink-test-prober-XXXXXX";
static char prober_path[4096];
static pid_t server;
static int silent_fd = -1;

/* ---- the namespace ---- */

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void cover(const char *name, const char *target, const char *text)
{
	char path[128];

	write_file(name, text);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mount(path, target, NULL, MS_BIND, NULL), 0);
}

static void loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	close(fd);
}

static void find_prober(void)
{
	const char *build = getenv("BUILD");
	char self[4000];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(prober_path, sizeof(prober_path), "%s/brink-prober", build ? build : self);
	if (access(prober_path, X_OK))
		snprintf(prober_path, sizeof(prober_path), "%s/../../brink-prober", self);
	assert_int_equal(access(prober_path, X_OK), 0);
}

static int setup(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53) };
	int http, banner, dns;

	(void)state;
	find_prober();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cover("resolv.conf", "/etc/resolv.conf",
	      "nameserver 127.0.0.1\noptions timeout:5 attempts:3\n");
	cover("nsswitch.conf", "/etc/nsswitch.conf", "hosts: files dns\n");
	loopback_up();
	http = probed_listen(HTTP_PORT);
	banner = probed_listen(BANNER_PORT);
	silent_fd = probed_listen(SILENT_PORT); /* the kernel connects, nobody accepts */
	dns = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(dns, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_true(http >= 0 && banner >= 0 && silent_fd >= 0);
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		probed_serve(http, banner, dns);
		_exit(0);
	}
	close(http);
	close(banner);
	close(dns);
	return server < 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	umount2("/etc/resolv.conf", MNT_DETACH);
	umount2("/etc/nsswitch.conf", MNT_DETACH);
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/nsswitch.conf", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/pid", dir);
	unlink(path);
	return rmdir(dir);
}

/* ---- one prober with a few checks ---- */

struct fixture {
	struct prober prober;
	uint32_t n;
	unsigned count[CHECKS];
	struct probe_sample last[CHECKS];
};

static int probe_setup(void **state)
{
	static struct fixture f;
	struct probe_user u;
	struct err e = { 0 };
	char line[512];

	f = (struct fixture){ .prober = PROBER_NONE };
	*state = &f;
	if (probe_user_find(&u, &e) || prober_start(prober_path, -1, &u, &f.prober, &e)) {
		print_error("%s\n", err_format(&e, line, sizeof(line)));
		return 1;
	}
	return 0;
}

static int probe_teardown(void **state)
{
	struct fixture *f = *state;

	prober_stop(&f->prober);
	return 0;
}

static uint32_t add(struct fixture *f, struct probe_spec s)
{
	struct err e = { 0 };

	if (!s.every_ns)
		s.every_ns = 500 * NS_PER_MS;
	if (!s.timeout_ns)
		s.timeout_ns = s.every_ns;
	assert_true(f->n < CHECKS);
	assert_int_equal(prober_add(&f->prober, f->n, &s, &e), 0);
	return f->n++;
}

static struct probe_spec http(const char *path, const char *contains)
{
	struct probe_spec s = { .source = CHECK_HTTP, .every_ns = NS_PER_S };

	snprintf(s.http.url, sizeof(s.http.url), "http://127.0.0.1:%d%s", HTTP_PORT, path);
	snprintf(s.http.contains, sizeof(s.http.contains), "%s", contains);
	s.http.n_ranges = 1;
	s.http.range[0] = (struct status_range){ 200, 299 };
	return s;
}

static struct probe_spec tcp(const char *host, unsigned port, const char *banner)
{
	struct probe_spec s = { .source = CHECK_TCP };

	snprintf(s.tcp.host, sizeof(s.tcp.host), "%s", host);
	snprintf(s.tcp.service, sizeof(s.tcp.service), "%u", port);
	snprintf(s.tcp.banner, sizeof(s.tcp.banner), "%s", banner);
	return s;
}

/* Takes samples until each check has this many. Sequence numbers must not have gaps. */
static void probe_until(struct fixture *f, unsigned each)
{
	int64_t deadline = clock_mono_ns() + DEADLINE_NS;
	struct err e = { 0 };
	unsigned ready;

	assert_int_equal(prober_tell(&f->prober, PROBE_MSG_START, &e), 0);
	do {
		struct probe_msg m;
		int r = prober_take(&f->prober, &m, &e);

		if (r < 0)
			fail_msg("%s", e.msg[0]);
		if (r == 0)
			assert_true(io_wait(f->prober.fd, POLLIN, deadline) > 0);
		if (r) {
			assert_int_equal(m.type, PROBE_MSG_SAMPLE);
			assert_true(m.sample.check < f->n);
			assert_int_equal(m.sample.seq, f->count[m.sample.check]++);
			f->last[m.sample.check] = m.sample;
		}
		ready = 0;
		for (uint32_t i = 0; i < f->n; i++)
			ready += f->count[i] >= each;
	} while (ready < f->n);
}

static void expect(const struct fixture *f, uint32_t i, enum probe_verdict v, const char *text)
{
	if (f->last[i].verdict != v || !strstr(f->last[i].text, text))
		fail_msg("check %u: verdict %u, '%s', not %d, '%s'", i, f->last[i].verdict,
			 f->last[i].text, v, text);
	for (const char *c = f->last[i].text; *c; c++)
		assert_true((unsigned char)*c >= 0x20);
}

static unsigned open_files(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The value of "Key:" in /proc/PID/status. */
static void status_of(pid_t pid, const char *key, char *ret, size_t size)
{
	char path[64], text[8192], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_true(io_read_file(AT_FDCWD, path, text, sizeof(text)) > 0);
	at = strstr(text, key);
	assert_non_null(at);
	snprintf(ret, size, "%.*s", (int)strcspn(at + strlen(key), "\n"), at + strlen(key));
}

static void the_prober_has_no_privilege_at_all(void **state)
{
	static const char *const sets[] = { "CapInh:\t", "CapPrm:\t", "CapEff:\t", "CapBnd:\t",
					    "CapAmb:\t" };
	const struct fixture *f = *state;
	pid_t pid = f->prober.pid;
	char v[256], want[64];
	struct probe_user u;
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		status_of(pid, sets[i], v, sizeof(v));
		assert_string_equal(v, "0000000000000000");
	}
	status_of(pid, "NoNewPrivs:\t", v, sizeof(v));
	assert_string_equal(v, "1");
	status_of(pid, "Seccomp:\t", v, sizeof(v));
	assert_string_equal(v, "2");
	assert_int_equal(probe_user_find(&u, &e), 0);
	assert_int_not_equal(u.uid, 0);
	snprintf(want, sizeof(want), "%u\t%u\t%u\t%u", u.uid, u.uid, u.uid, u.uid);
	status_of(pid, "Uid:\t", v, sizeof(v));
	assert_string_equal(v, want);
	status_of(pid, "Name:\t", v, sizeof(v));
	assert_string_equal(v, "brink-prober");
	assert_int_equal(getsid(pid), pid);
}

static void http_answers_are_judged_by_status_body_and_time(void **state)
{
	struct fixture *f = *state;
	struct probe_spec slow = http("/slow", "");
	uint32_t ok = add(f, http("/ok", "")), found = add(f, http("/ok", "is well"));
	uint32_t missing = add(f, http("/ok", "not \x07well")), bad = add(f, http("/500", ""));
	uint32_t redirect = add(f, http("/redirect", "")), closed = add(f, http("/close", ""));
	uint32_t control = add(f, http("/control", "ok")), garbage = add(f, http("/garbage", ""));
	uint32_t late, big, never, fast;
	struct probe_spec hang = http("/never", "");

	slow.is = (struct compare){
		.given = true, .op = COMPARE_LT, .unit = UNIT_TIME, .value = 0.1
	};
	late = add(f, slow);
	slow.is.value = 0.9;
	fast = add(f, slow);
	big = add(f, http("/big", "needle"));
	hang.timeout_ns = 300 * NS_PER_MS;
	never = add(f, hang);
	probe_until(f, 2);

	expect(f, ok, PROBE_OK, "status 200");
	assert_int_equal(f->last[ok].status, 200);
	assert_true(f->last[ok].has_value && f->last[ok].value > 0 && f->last[ok].value < 1);
	expect(f, found, PROBE_OK, "status 200");
	expect(f, missing, PROBE_FAIL, "status 200, but the body does not contain 'not \\x07well'");
	expect(f, bad, PROBE_FAIL, "status 500, expected 2xx");
	expect(f, redirect, PROBE_FAIL, "status 302, expected 2xx");
	expect(f, closed, PROBE_FAIL, "connection closed without an answer");
	expect(f, control, PROBE_OK, "status 200");
	expect(f, garbage, PROBE_FAIL, "");
	expect(f, late, PROBE_FAIL, " ms, limit < 100ms");
	assert_true(f->last[late].took_ns >= 300 * NS_PER_MS);
	expect(f, fast, PROBE_OK, "status 200");
	expect(f, big, PROBE_FAIL, "does not contain 'needle' in its first MiB");
	expect(f, never, PROBE_FAIL, "timeout after 300ms");
	assert_true(f->last[never].took_ns >= 300 * NS_PER_MS);
}

static void a_check_that_cannot_be_made_ends_the_prober_with_the_reason(void **state)
{
	struct fixture *f = *state;
	struct probe_msg m;
	struct err e = { 0 };

	add(f, tcp("a/b", 80, ""));
	assert_true(io_wait(f->prober.fd, POLLIN, clock_mono_ns() + DEADLINE_NS) > 0);
	assert_int_equal(prober_take(&f->prober, &m, &e), 1);
	assert_int_equal(m.type, PROBE_MSG_ERROR);
	assert_string_equal(m.err.msg[0], "'a/b' is not a host name");
}

static void tcp_is_judged_by_connection_and_banner(void **state)
{
	struct fixture *f = *state;
	uint32_t open = add(f, tcp("127.0.0.1", SILENT_PORT, "")), v6 = add(f, tcp("::1", 9, ""));
	uint32_t refused = add(f, tcp("127.0.0.1", 9, "")),
		 named = add(f, tcp("localhost", BANNER_PORT, "220"));
	uint32_t both = add(f, tcp("localhost", 9, "")); /* two addresses, both refuse */
	uint32_t whole = add(f, tcp("127.0.0.1", BANNER_PORT, "220 mail"));
	uint32_t wrong = add(f, tcp("127.0.0.1", BANNER_PORT, "554"));
	uint32_t silent = add(f, tcp("127.0.0.1", SILENT_PORT, "220"));
	uint32_t unknown = add(f, tcp("nosuch.test", 80, ""));

	probe_until(f, 3);
	expect(f, open, PROBE_OK, "connected");
	assert_true(f->last[open].has_value);
	expect(f, v6, PROBE_FAIL, "cannot connect: Connection refused");
	expect(f, refused, PROBE_FAIL, "cannot connect: Connection refused");
	expect(f, both, PROBE_FAIL, "cannot connect: Connection refused");
	expect(f, named, PROBE_OK, "banner as expected");
	expect(f, whole, PROBE_OK, "banner as expected");
	expect(f, wrong, PROBE_FAIL, "banner is '220 ', expected '554'");
	expect(f, silent, PROBE_FAIL, "timeout after 500ms");
	expect(f, unknown, PROBE_FAIL, "cannot resolve 'nosuch.test'");
}

/* Alone, so that nothing else wakes the prober up. */
static void an_answer_that_comes_at_once_is_sent_at_once(void **state)
{
	struct fixture *f = *state;
	struct probe_spec s = tcp("localhost", 9, ""); /* two addresses, both refuse */

	s.every_ns = NS_PER_S;
	add(f, s);
	probe_until(f, 2);
	expect(f, 0, PROBE_FAIL, "cannot connect: Connection refused");
	assert_true(f->last[0].took_ns < 900 * NS_PER_MS);
}

static void a_hundred_probes_leave_no_descriptor_behind(void **state)
{
	struct fixture *f = *state;
	struct probe_spec s[] = { http("/ok", ""), http("/never", ""),
				  tcp("127.0.0.1", SILENT_PORT, ""),
				  tcp("127.0.0.1", BANNER_PORT, "220"),
				  tcp("localhost", SILENT_PORT, "x") };
	unsigned before;

	for (size_t i = 0; i < ARRAY_LEN(s); i++) {
		s[i].every_ns = s[i].timeout_ns = 20 * NS_PER_MS;
		add(f, s[i]);
	}
	probe_until(f, 5);
	before = open_files(f->prober.pid);
	probe_until(f, 100);
	assert_in_range(open_files(f->prober.pid), 1, before + 2 * ARRAY_LEN(s));
}

static void a_name_service_that_hangs_holds_up_nobody_else(void **state)
{
	struct fixture *f = *state;
	struct probe_spec hang = http("/ok", ""), fine = http("/ok", "");
	uint32_t slow, ok;
	int64_t start = clock_mono_ns();

	snprintf(hang.http.url, sizeof(hang.http.url), "http://silent.test/");
	hang.timeout_ns = 200 * NS_PER_MS;
	hang.every_ns = 300 * NS_PER_MS;
	fine.every_ns = fine.timeout_ns = 250 * NS_PER_MS;
	slow = add(f, hang);
	ok = add(f, fine);
	probe_until(f, 5);
	expect(f, slow, PROBE_FAIL, "timeout after 200ms");
	expect(f, ok, PROBE_OK, "status 200");
	assert_true(f->last[slow].took_ns < NS_PER_S);
	assert_true(clock_mono_ns() - start < 8 * NS_PER_S); /* one answer takes libc 15 s */
	start = clock_mono_ns();
	prober_stop(&f->prober); /* with resolver threads under way */
	assert_true(clock_mono_ns() - start < NS_PER_S);
}

static struct probe_spec process(int64_t pid, const char *name)
{
	struct probe_spec s = { .source = CHECK_PROCESS_UP };

	s.process.pid = pid;
	s.process.uid = -1;
	snprintf(s.process.name, sizeof(s.process.name), "%s", name);
	return s;
}

static void a_process_is_up_while_it_lives_and_is_no_zombie(void **state)
{
	struct fixture *f = *state;
	struct probe_spec by_file = process(0, ""), no_file = process(0, ""),
			  by_exe = process(0, "");
	struct probe_spec reused = process(getpid(), "");
	uint32_t self = add(f, process(getpid(), "")), up = add(f, process(server, "")), down, file,
		 missing, exe, other;
	char text[32];
	struct err e = { 0 };

	down = add(f, process(0, "no-such-name"));
	snprintf(text, sizeof(text), "%d\n", getpid());
	write_file("pid", text);
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(by_file.process.pid_file, sizeof(by_file.process.pid_file), "%s/pid", dir);
	file = add(f, by_file);
	snprintf(no_file.process.pid_file, sizeof(no_file.process.pid_file), "%s/none", dir);
	missing = add(f, no_file);
	by_exe.process.pid = getpid(); /* root's, which the prober may not see */
	snprintf(by_exe.process.exe, sizeof(by_exe.process.exe), "/usr/sbin/other");
	exe = add(f, by_exe);
	reused.process.start_ticks = 1;
	other = add(f, reused);
	probe_until(f, 2);
	expect(f, self, PROBE_OK, "is alive");
	expect(f, up, PROBE_OK, "is alive");
	expect(f, down, PROBE_FAIL, "no such process");
	expect(f, file, PROBE_OK, "is alive");
	expect(f, missing, PROBE_FAIL, "the pid file is not there");
	expect(f, exe, PROBE_NO_DATA, "may not see which program");
	expect(f, other, PROBE_FAIL, "is not there, or another one");

	assert_int_equal(prober_tell(&f->prober, PROBE_MSG_STOP, &e), 0);
	kill(server, SIGKILL); /* and not reaped: a zombie. This test is the last one to need it */
	assert_int_equal(waitid(P_PID, (id_t)server, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	probe_until(f, f->count[up] + 3);
	expect(f, up, PROBE_FAIL, "is not there");
	expect(f, self, PROBE_OK, "is alive");
}

static void the_end_of_the_prober_is_seen_with_its_reason(void **state)
{
	struct fixture *f = *state;
	struct probe_msg m;
	struct err e = { 0 };

	kill(f->prober.pid, SIGKILL);
	assert_true(io_wait(f->prober.pidfd, POLLIN, clock_mono_ns() + DEADLINE_NS) > 0);
	assert_int_equal(prober_take(&f->prober, &m, &e), -EPIPE);
	assert_non_null(strstr(e.msg[0], "was killed by SIGKILL"));
}

static void the_prober_ends_when_its_socket_closes(void **state)
{
	struct fixture *f = *state;
	siginfo_t si = { 0 };

	close(f->prober.fd);
	f->prober.fd = -1;
	assert_true(io_wait(f->prober.pidfd, POLLIN, clock_mono_ns() + DEADLINE_NS) > 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)f->prober.pidfd, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(si.si_code, CLD_EXITED);
	assert_int_equal(si.si_status, 0);
}

static void a_prober_that_cannot_start_says_why(void **state)
{
	struct prober p = PROBER_NONE;
	struct probe_user u;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(probe_user_find(&u, &e), 0);
	assert_int_equal(prober_start("/nonexistent/brink-prober", -1, &u, &p, &e), -ENOENT);
	assert_int_equal(prober_start("/etc/resolv.conf", -1, &u, &p, &e),
			 -EACCES); /* ours: write_file */
	assert_string_equal(e.msg[0], "cannot execute brink-prober: Permission denied");
	assert_int_equal(prober_start(prober_path, STDIN_FILENO, &u, &p, &e), -EINVAL);
	assert_int_equal(p.pid, -1);
}

#define WITH_PROBER(t) cmocka_unit_test_setup_teardown(t, probe_setup, probe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PROBER(the_prober_has_no_privilege_at_all),
		WITH_PROBER(http_answers_are_judged_by_status_body_and_time),
		WITH_PROBER(a_check_that_cannot_be_made_ends_the_prober_with_the_reason),
		WITH_PROBER(tcp_is_judged_by_connection_and_banner),
		WITH_PROBER(an_answer_that_comes_at_once_is_sent_at_once),
		WITH_PROBER(a_hundred_probes_leave_no_descriptor_behind),
		WITH_PROBER(a_name_service_that_hangs_holds_up_nobody_else),
		WITH_PROBER(the_end_of_the_prober_is_seen_with_its_reason),
		WITH_PROBER(the_prober_ends_when_its_socket_closes),
		cmocka_unit_test(a_prober_that_cannot_start_says_why),
		WITH_PROBER(a_process_is_up_while_it_lives_and_is_no_zombie),
	};

	if (geteuid() != 0) {
		printf("needs root: makes network namespaces\n");
		return SKIP_STATUS;
	}
	return cmocka_run_group_tests(tests, setup, teardown) != 0;
}
