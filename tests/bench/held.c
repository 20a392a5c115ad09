/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/held.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"
#include "tests/bench/bench.h"

#define WAIT_NS (120 * NS_PER_S) /* a thousand faults on a busy machine */
#define TRIES   5

int held_listen(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(HELD_CHECKED),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		bench_die("cannot listen on port %d: %s", HELD_CHECKED, strerror(errno));
	return fd;
}

/* Ends with us. */
static pid_t start_victim(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void write_experiment(struct held *h, const char *faults)
{
	AUTO(auto_close) int fd = -1;

	snprintf(h->path, sizeof(h->path), "/tmp/brink-bench-XXXXXX");
	fd = mkstemp(h->path);
	if (fd < 0 || dprintf(fd,
			      "brink: 1\nname: bench\n"
			      "targets:\n  victim:\n    process: {pid: %d}\n"
			      "steady_state:\n  - {tcp: \"127.0.0.1:%d\", every: 100ms}\n"
			      "faults:\n%s",
			      (int)h->victim, HELD_CHECKED, faults) < 0)
		bench_die("cannot write '%s'", h->path);
}

static void start_runner(struct held *h)
{
	char brink[400], said[80];
	int pipe_fd[2];

	bench_program("brink", brink, sizeof(brink));
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		bench_die("no pipe");
	fcntl(pipe_fd[0], F_SETPIPE_SZ, 1024 * 1024); /* the run never waits for us */
	snprintf(said, sizeof(said), "%s.err", h->path);
	h->runner = fork();
	if (h->runner == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* it takes everything back by itself */
		dup2(pipe_fd[1], STDOUT_FILENO);
		dup2(open(said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO);
		execl(brink, brink, "run", "--json", "--quiet", h->path, (char *)NULL);
		_exit(127);
	}
	close(pipe_fd[1]);
	h->out = pipe_fd[0];
}

/* False at the end of the events. */
static bool read_some(struct held *h)
{
	ssize_t n;

	if (h->room - h->n_seen < 65536) {
		h->room += 1024 * 1024;
		h->seen = realloc(h->seen, h->room);
		if (!h->seen)
			bench_die("no memory");
	}
	n = read(h->out, h->seen + h->n_seen, h->room - h->n_seen - 1);
	if (n <= 0)
		return false;
	h->n_seen += (size_t)n;
	h->seen[h->n_seen] = 0;
	return true;
}

/* Calls fn for each event; the last line may be cut. */
static void each_event(const struct held *h, const char *event,
		       void (*fn)(const json_t *o, void *arg), void *arg)
{
	const char *end;

	for (const char *at = h->seen; at && (end = strchr(at, '\n')); at = end + 1) {
		json_t *o = json_loadb(at, (size_t)(end - at), 0, NULL);
		const char *ev = json_string_value(json_object_get(o, "ev"));

		if (ev && strcmp(ev, event) == 0)
			fn(o, arg);
		json_decref(o);
	}
}

static void add_one(const json_t *o, void *arg)
{
	(void)o;
	++*(unsigned *)arg;
}

unsigned held_count(const struct held *h, const char *event)
{
	unsigned n = 0;

	each_event(h, event, add_one, &n);
	return n;
}

struct largest {
	const char *key;
	int64_t value;
};

static void take_larger(const json_t *o, void *arg)
{
	struct largest *l = arg;
	int64_t v = json_integer_value(json_object_get(o, l->key));

	if (v > l->value)
		l->value = v;
}

int64_t held_stamp(const struct held *h, const char *event, const char *key)
{
	struct largest l = { .key = key };

	each_event(h, event, take_larger, &l);
	return l.value;
}

long held_status(pid_t pid, const char *key)
{
	char path[64], buf[8192], name[40];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (io_read_file(AT_FDCWD, path, buf, sizeof(buf)) < 0)
		return -1;
	snprintf(name, sizeof(name), "\n%s:", key);
	at = strstr(buf, name);
	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

bool held_is_paused(pid_t pid)
{
	return held_status(pid, "TracerPid") > 0;
}

static bool is_named(pid_t pid, const char *name)
{
	char path[64], buf[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return io_read_file(AT_FDCWD, path, buf, sizeof(buf)) > 0 && strcmp(buf, name) == 0;
}

static void see(struct held *h, pid_t pid)
{
	long parent = held_status(pid, "PPid");

	if (parent == h->runner && is_named(pid, "brink-keeper"))
		h->keeper = pid;
	if (h->keeper && parent == h->keeper && is_named(pid, "brink-spare"))
		h->spare = pid;
	if (h->keeper && parent == h->keeper && is_named(pid, "brink-holder") &&
	    h->n_holders < HELD_HOLDERS)
		h->holder[h->n_holders++] = pid;
}

/* Twice: numbers of processes may have wrapped, so that a child comes before its parent. */
static void find_processes(struct held *h)
{
	for (int i = 0; i < 2; i++) {
		DIR *d = opendir("/proc");

		h->n_holders = 0;
		for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
			see(h, atoi(e->d_name));
		if (d)
			closedir(d);
	}
	if (!h->keeper)
		bench_die("the run has no keeper");
	h->keeper_pidfd = pidfd_open(h->keeper, 0);
}

static bool begins(struct held *h, const char *faults, unsigned n)
{
	int64_t deadline = clock_mono_ns() + WAIT_NS;

	*h = (struct held){ .listener = held_listen(),
			    .victim = start_victim(),
			    .keeper_pidfd = -1 };
	write_experiment(h, faults);
	start_runner(h);
	while (held_count(h, "fault.held") < n) {
		if (io_wait(h->out, POLLIN, deadline) <= 0 || !read_some(h))
			return false;
	}
	find_processes(h);
	return true;
}

/* On a busy machine a check can come too late before a run has begun. */
void held_start(struct held *h, const char *faults, unsigned n)
{
	for (int i = 0; i < TRIES; i++) {
		if (begins(h, faults, n))
			return;
		if (i + 1 == TRIES)
			bench_die("the run did not begin: see %s.err", h->path);
		held_end(h);
		held_done(h);
	}
}

void held_end(struct held *h)
{
	if (waitpid(h->runner, &h->status, 0) != h->runner)
		bench_die("the runner is lost");
	if (h->keeper_pidfd >= 0 &&
	    io_wait(h->keeper_pidfd, POLLIN, clock_mono_ns() + WAIT_NS) <= 0)
		bench_die("the keeper does not end");
	while (read_some(h))
		;
}

void held_done(struct held *h)
{
	char said[80];

	kill(h->victim, SIGKILL);
	waitpid(h->victim, NULL, 0);
	auto_close(&h->keeper_pidfd);
	auto_close(&h->listener);
	auto_close(&h->out);
	unlink(h->path);
	snprintf(said, sizeof(said), "%s.err", h->path);
	unlink(said);
	free(h->seen);
}
