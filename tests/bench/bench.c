/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/text.h"

extern char **environ;

void series_add(struct series *s, int64_t ns)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->at = reallocarray(s->at, s->room, sizeof(s->at[0]));
		if (!s->at)
			bench_die("no memory");
	}
	s->at[s->n++] = ns;
}

void series_done(struct series *s)
{
	free(s->at);
	*s = (struct series){ 0 };
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t series_quantile(struct series *s, double q)
{
	if (!s->n)
		return 0;
	qsort(s->at, s->n, sizeof(s->at[0]), by_value);
	return s->at[(size_t)(q * (double)(s->n - 1) + 0.5)];
}

static void add_time(struct text *t, int64_t ns, double unit)
{
	double v = (double)ns / unit;

	text_add(t, v < 100 ? "%.3g" : "%.0f", v);
}

/* "1.23 / 6.02 / 14.5 ms (300)": median, p99, largest, how many. One unit for the three, chosen by
 * the median. */
static void add_series(struct text *t, struct series *s)
{
	bool ms = series_quantile(s, 0.5) >= NS_PER_MS / 10;
	double unit = ms ? (double)NS_PER_MS : (double)NS_PER_US;

	add_time(t, series_quantile(s, 0.5), unit);
	text_add(t, " / ");
	add_time(t, series_quantile(s, 0.99), unit);
	text_add(t, " / ");
	add_time(t, series_quantile(s, 1), unit);
	text_add(t, " %s (%zu)", ms ? "ms" : "us", s->n);
}

void row_print(const struct row *r)
{
	char buf[800];
	struct text t = text_on(buf, sizeof(buf));

	text_add(&t, "%u\t%s\t", r->order, r->what);
	if (r->peer) {
		text_add(&t, "%s ", r->peer_name);
		add_series(&t, r->peer);
	} else {
		text_add(&t, "%s", r->peer_name ? r->peer_name : "-");
	}
	text_add(&t, "\t");
	if (r->ours)
		add_series(&t, r->ours);
	else
		text_add(&t, "%s", r->ours_text);
	if (r->ratio > 0)
		text_add(&t, r->ratio < 100 ? "\t%.3gx" : "\t%.0fx", r->ratio);
	else
		text_add(&t, "\t-");
	text_add(&t, "\t%s\t%s\n", r->aim, r->aim[0] == '-' ? "-" : r->met ? "met" : "MISSED");
	fputs(buf, stdout);
	fflush(stdout);
}

void bench_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

unsigned bench_count(const char *env, unsigned dflt)
{
	const char *s = getenv(env);
	unsigned long n = s ? strtoul(s, NULL, 10) : 0;

	return n && n < 100000 ? (unsigned)n : dflt;
}

const char *bench_program(const char *name, char *buf, size_t size)
{
	const char *build = getenv("BUILD");

	snprintf(buf, size, "%s/%s", build ? build : "build", name);
	return buf;
}

void bench_shell(const char *fmt, ...)
{
	char command[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		bench_die("failed: %s", command);
}

int64_t bench_spawn(const char *const *argv)
{
	posix_spawn_file_actions_t files;
	int64_t began, took;
	int status, rc;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	began = clock_mono_ns();
	rc = posix_spawnp(&pid, argv[0], &files, NULL, (char *const *)argv, environ);
	if (rc != 0)
		bench_die("cannot start '%s': %s", argv[0], strerror(rc));
	if (waitpid(pid, &status, 0) != pid)
		bench_die("'%s' is lost", argv[0]);
	took = clock_mono_ns() - began;
	posix_spawn_file_actions_destroy(&files);
	if (status != 0)
		bench_die("'%s' ended with status 0x%x", argv[0], (unsigned)status);
	return took;
}

static void empty_folder(const char *path)
{
	mkdir(path, 0755); /* there already: good */
	if (mount("bench", path, "tmpfs", 0, "mode=755") < 0)
		bench_die("cannot mount on '%s': %s", path, strerror(errno));
}

void bench_world(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		fprintf(stderr, "%s: not measured: needs root, for namespaces of its own\n",
			program_invocation_short_name);
		exit(BENCH_SKIP);
	}
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		bench_die("cannot keep mounts to itself: %s", strerror(errno));
	empty_folder("/run/brink");
	empty_folder("/var/lib/brink");
	bench_shell("ip link set lo up");
}
