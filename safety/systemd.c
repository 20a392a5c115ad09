/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/systemd.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/pidns.h"

#define NOT_FOUND   127
#define NOT_STARTED 126

static const struct systemd_host this_machine = {
	.marker = "/run/systemd/system",
	.path = "/usr/bin:/bin:/usr/sbin:/sbin",
	.limit_ns = 10 * NS_PER_S,
};

/* Of the machine: uid 0 of a user namespace is nobody to PID 1. user_namespaces(7) */
static bool is_root(void)
{
	char map[64];
	unsigned inside, outside;

	if (geteuid() != 0)
		return false;
	if (io_read_file(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) <= 0)
		return true; /* a kernel without user namespaces */
	return sscanf(map, "%u %u", &inside, &outside) == 2 && inside == 0 && outside == 0;
}

/*
 * Is PID 1 of this process systemd? What it is told about a process is a number, and it reads that
 * in its own PID namespace. The folder /run/systemd may be the host's (-v /run:/run, unshare -pf):
 * there the number would be that of somebody else. A container with a systemd of its own has it as
 * PID 1.
 */
static int ask_pid1(struct err *e)
{
	struct pidns_ref own;
	char comm[64] = "";
	int r = pidns_own(&own, e);
	ssize_t n = r ? 0 : io_read_file(AT_FDCWD, "/proc/1/comm", comm, sizeof(comm));

	if (n < 0)
		return err_set(e, (int)-n, "cannot read who PID 1 is: %s", strerror((int)-n));
	if (r && r != -EXDEV)
		return r;
	if (r || strcmp(comm, "systemd") != 0)
		return err_set(e, ENOSYS,
			       "the systemd here is not PID 1 of this PID namespace: no dead-man "
			       "timer in PID 1");
	return 0;
}

static bool is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

int systemd_find(const struct systemd_host **h, struct err *e)
{
	bool this = !*h;
	struct stat st;
	int r;

	if (this) {
		*h = &this_machine;
		if (!is_root()) /* a user's own manager ends with the session */
			return err_set(e, ENOSYS, "only root can arm a dead-man timer in PID 1");
	}
	r = lstat((*h)->marker, &st) < 0 ? -errno : 0;
	if (r && !is_absent(-r)) /* it may be there: nobody may go on as if it were not */
		return err_set(e, -r, "cannot look for systemd at '%s': %s", (*h)->marker,
			       strerror(-r));
	if (r || !S_ISDIR(st.st_mode))
		return err_set(e, ENOSYS, "no systemd here: no dead-man timer in PID 1");
	return this ? ask_pid1(e) : 0;
}

/* Where the answer of the tool is expected. */
static void not_started(int error)
{
	char words[80];
	struct text t = text_on(words, sizeof(words));

	text_add(&t, "it cannot be started: %s", strerror(error));
	io_write_full(STDOUT_FILENO, words, strlen(words));
	_exit(NOT_STARTED);
}

/*
 * In the child, between fork and exec: nothing here allocates. Only what stands in none of the
 * folders is not installed; one that is there and does not start is an error.
 */
static void exec_tool(const char *path, const char *const argv[], int out)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "LC_ALL=C",
					   "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", NULL };
	const struct sched_param normal = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int error = 0;
	sigset_t none;

	sched_setscheduler(0, SCHED_OTHER, &normal); /* not the keeper's */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(NOT_STARTED);
	while (*path) {
		size_t n = strcspn(path, ":");
		char file[256];
		struct text t = text_on(file, sizeof(file));

		text_add(&t, "%.*s/%s", (int)n, path, argv[0]);
		if (t.cut)
			errno = ENAMETOOLONG;
		else
			execve(file, (char *const *)argv, (char *const *)env);
		if (!is_absent(errno))
			error = errno;
		path += n + (path[n] == ':');
	}
	if (error)
		not_started(error);
	_exit(NOT_FOUND);
}

/* Reads what a tool says until it has ended. 0, or -ETIMEDOUT. */
static int collect(int fd, int pidfd, struct text *ret_out, int64_t deadline_ns)
{
	for (;;) {
		char buf[256];
		int events = io_wait(fd, POLLIN, deadline_ns);
		ssize_t n;

		if (events < 0)
			return events;
		if (events == 0 || clock_mono_ns() >= deadline_ns) /* or it talks for ever */
			return -ETIMEDOUT;
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			text_add(ret_out, "%.*s", (int)n, buf);
	}
	return io_wait(pidfd, POLLIN, deadline_ns) > 0 ? 0 : -ETIMEDOUT;
}

int systemd_call(const struct systemd_host *h, const char *const argv[], struct text *ret_out,
		 struct err *e)
{
	int64_t deadline = clock_mono_ns() + h->limit_ns;
	AUTO(auto_close) int in = -1;
	AUTO(auto_close) int out = -1;
	AUTO(auto_close) int pidfd = -1;
	int fds[2], status = 0, r;
	unsigned times = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe for '%s'", argv[0]);
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return err_sys(e, "cannot start '%s'", argv[0]);
	if (pid == 0)
		exec_tool(h->path, argv, out);
	close(take_fd(&out));
	pidfd = pidfd_open(pid, 0);
	r = pidfd < 0 ? -errno : collect(in, pidfd, ret_out, deadline);
	if (r) /* it is our child and not reaped: the number is still its own */
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (!io_again(&times))
			return err_sys(e, "cannot wait for '%s'", argv[0]);
	if (r)
		return err_set(e, -r, "'%s' did not answer: %s", argv[0], strerror(-r));
	if (!WIFEXITED(status))
		return err_set(e, EIO, "'%s' was killed", argv[0]);
	if (WEXITSTATUS(status) == NOT_FOUND)
		return err_set(e, ENOSYS, "'%s' is not installed", argv[0]);
	return WEXITSTATUS(status);
}

int systemd_failed(const char *tool, const struct text *out, int code, struct err *e)
{
	char shown[120];
	struct text t = text_on(shown, sizeof(shown));

	text_add_foreign(&t, out->buf, strcspn(out->buf, "\n"));
	return err_set(e, EIO, "'%s' failed with %d: %s", tool, code, shown);
}
