/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/command.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/proc_fs.h"

/* What wardens get: to end the command (also when the launcher dies), and a signal to pass on. */
#define SIG_END     (SIGRTMIN + 1)
#define SIG_FORWARD (SIGRTMIN + 2)
#define GRACE_NS    NS_PER_S       /* between SIGTERM and SIGKILL of a command with the terminal */
#define KILL_NS     (5 * NS_PER_S) /* a process in uninterruptible sleep may not go at all */
#define LOOK_NS     (10 * NS_PER_MS)
#define STATUS_FD   3

/* A warden's own state. */
struct warden {
	pid_t launcher, child;
	bool terminal;
	bool over; /* the child is, and the launcher knows */
	int status_fd;
	sigset_t signals;
};

static sigset_t warden_signals(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGCHLD);
	sigaddset(&s, SIG_END);
	sigaddset(&s, SIG_FORWARD);
	return s;
}

void command_block_signals(void)
{
	sigset_t s = warden_signals();

	sigprocmask(SIG_BLOCK, &s, NULL);
}

static void default_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As execvp, but a file that the kernel cannot execute is an error and not given to a shell. Sets
 * errno. */
static void exec_in_path(char *const *argv)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];
	int worst = ENOENT, error;

	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, environ);
		return;
	}
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (const char *end; *path && argv[0][0]; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		if (end == path || snprintf(file, sizeof(file), "%.*s/%s", (int)(end - path), path,
					    argv[0]) >= (int)sizeof(file))
			continue; /* an empty entry would be the current folder */
		execve(file, argv, environ);
		/* Of a folder that this user may not search nothing is known: not a reason. */
		error = errno;
		if (error == EACCES && access(file, F_OK))
			error = ENOENT;
		if (error != ENOENT && error != ENOTDIR)
			worst = error;
	}
	errno = worst;
}

static void tell_end(int fd, struct command_end end)
{
	end.ended_ns = clock_mono_ns();
	io_write_full(fd, &end, sizeof(end)); /* whoever is gone needs no answer */
}

/* Between fork and exec of the command itself. out, err: -1 = keep those of the terminal. */
static void child_main(const struct warden *w, char *const *argv, int out, int err)
{
	pid_t warden = getppid();
	int null = -1;

	default_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != warden || warden == w->launcher)
		_exit(127);
	if (!w->terminal) {
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (setsid() < 0 || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
		    dup2(err, 2) < 0) {
			tell_end(w->status_fd, (struct command_end){ .exec_error = errno });
			_exit(127);
		}
	}
	exec_in_path(argv);
	tell_end(w->status_fd, (struct command_end){ .exec_error = errno });
	_exit(127);
}

static int kill_child_of(void *arg, int32_t pid)
{
	const pid_t *self = arg;
	struct proc_stat st;

	/* Our own child that is not reaped: no other process can have its number. */
	if (!proc_stat_of(pid, &st) && st.ppid == *self)
		kill(pid, SIGKILL);
	return 0;
}

/* Waits for a signal of w->signals, at most this long. Returns its number or 0. */
static int wait_signal(const struct warden *w, int64_t ns, siginfo_t *ret)
{
	struct timespec t = { ns / NS_PER_S, ns % NS_PER_S };
	int s = sigtimedwait(&w->signals, ret, &t);

	return s < 0 ? 0 : s;
}

/* Takes the exit status without reaping, so that the number of the group stays taken. True once. */
static bool child_over(struct warden *w)
{
	struct command_end end = { 0 };
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t)w->child, &si, WEXITED | WNOHANG | WNOWAIT) || !si.si_pid)
		return false;
	if (si.si_code == CLD_EXITED)
		end.code = si.si_status;
	else
		end.signal = si.si_status;
	tell_end(w->status_fd,
		 end); /* after an exec error there is one message too many: nobody reads it */
	return true;
}

/* Reaps what came to us from others. True once: when the command itself is over. */
static bool reap(struct warden *w)
{
	for (;;) {
		siginfo_t si = { 0 };

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) || !si.si_pid)
			return false;
		if (si.si_pid == w->child)
			return child_over(w);
		waitpid(si.si_pid, NULL, 0);
	}
}

/* Kills and reaps until there is no child left: as parents die, their children become ours. */
static void end_tree(struct warden *w)
{
	int64_t deadline = clock_mono_ns() + KILL_NS;
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t self = getpid();
	siginfo_t si;

	if (!w->terminal)
		kill(-w->child, SIGKILL);
	kill(w->child, SIGKILL);
	while (clock_mono_ns() < deadline) {
		if (reap(w) || w->over) { /* told: from here on it is reaped like the others */
			w->over = true;
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
			if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
				break;
		}
		if (proc_fd >= 0)
			proc_each(proc_fd, kill_child_of, &self);
		wait_signal(w, LOOK_NS, &si);
	}
	_exit(0);
}

/* The user's command may tidy up before it goes. SIGCONT: it may be stopped. */
static void end_politely(struct warden *w)
{
	int64_t deadline = clock_mono_ns() + GRACE_NS;
	siginfo_t si;

	kill(w->child, SIGTERM);
	kill(w->child, SIGCONT);
	while (!w->over && clock_mono_ns() < deadline) {
		wait_signal(w, LOOK_NS, &si);
		w->over = reap(w);
	}
}

static void warden_loop(struct warden *w)
{
	siginfo_t si = { 0 };

	for (;;) {
		int s = wait_signal(w, NS_PER_S, &si);

		if (s == SIG_FORWARD)
			kill(w->child, si.si_value.sival_int);
		if (s == SIG_END && w->terminal)
			end_politely(w);
		if (s == SIG_END)
			end_tree(w);
		w->over = reap(w);
		if (w->over && w->terminal)
			_exit(0); /* what it left in the background is the user's */
		if (w->over)
			end_tree(w);
	}
}

static void warden_main(struct warden *w, char *const *argv, int out, int err)
{
	prctl(PR_SET_NAME, "brink-warden");
	prctl(PR_SET_PDEATHSIG, SIG_END);
	if (getppid() != w->launcher || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		_exit(1);
	w->child = fork();
	if (w->child == 0)
		child_main(w, argv, out, err);
	if (w->child < 0) {
		tell_end(w->status_fd, (struct command_end){ .exec_error = errno });
		_exit(1);
	}
	/* Not one of the launcher's descriptors stays open here, or its end would go unseen. */
	if (dup3(w->status_fd, STATUS_FD, O_CLOEXEC) >= 0 || w->status_fd == STATUS_FD)
		w->status_fd = STATUS_FD;
	close_range(STATUS_FD + 1, ~0U, 0);
	warden_loop(w);
}

static int make_pipe(int *ret_read, int *ret_write, struct err *e)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return err_sys(e, "cannot make a pipe");
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	*ret_read = fd[0];
	*ret_write = fd[1];
	return 0;
}

static void shut(int *fd)
{
	auto_close(fd);
	*fd = -1;
}

static void command_close(struct command *c)
{
	shut(&c->pidfd);
	shut(&c->status_fd);
	shut(&c->out_fd);
	shut(&c->err_fd);
	c->warden = 0;
}

int command_start(struct command *c, char *const *argv, bool terminal, struct err *e)
{
	struct warden w = { .launcher = getpid(),
			    .terminal = terminal,
			    .signals = warden_signals() };
	AUTO(auto_close) int status = -1;
	AUTO(auto_close) int out = -1;
	AUTO(auto_close) int err = -1;
	int r;

	*c = (struct command){ .pidfd = -1, .status_fd = -1, .out_fd = -1, .err_fd = -1 };
	r = make_pipe(&c->status_fd, &status, e);
	if (!r && !terminal)
		r = make_pipe(&c->out_fd, &out, e);
	if (!r && !terminal)
		r = make_pipe(&c->err_fd, &err, e);
	if (!r) {
		w.status_fd = status;
		c->warden = fork();
		if (c->warden == 0)
			warden_main(&w, argv, out, err);
		if (c->warden < 0)
			r = err_sys(e, "cannot fork");
	}
	if (!r) {
		c->pidfd = pidfd_open(c->warden, 0);
		if (c->pidfd < 0)
			r = err_sys(e, "cannot open a pidfd");
	}
	if (r && c->warden > 0) {
		sigqueue(c->warden, SIG_END, (union sigval){ 0 });
		waitpid(c->warden, NULL, 0);
	}
	if (r)
		command_close(c);
	return r;
}

void command_kill(struct command *c)
{
	if (c->warden > 0)
		sigqueue(c->warden, SIG_END, (union sigval){ 0 });
}

void command_signal(struct command *c, int sig)
{
	if (c->warden > 0)
		sigqueue(c->warden, SIG_FORWARD, (union sigval){ .sival_int = sig });
}

unsigned command_poll(const struct command *c, struct pollfd *ret)
{
	const int fds[COMMAND_FDS] = { c->pidfd, c->over ? -1 : c->status_fd, c->out_fd,
				       c->err_fd };
	unsigned n = 0;

	if (c->warden <= 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (fds[i] >= 0)
			ret[n++] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	}
	return n;
}

/* Keeps the first bytes; reads on so that the command is not held up. */
static void keep_first(struct command *c, const char *s, size_t n)
{
	size_t room = sizeof(c->out) - c->out_len;

	if (n > room)
		n = room;
	memcpy(c->out + c->out_len, s, n);
	c->out_len += n;
}

static void keep_last(struct command *c, const char *s, size_t n)
{
	size_t size = sizeof(c->err), drop;

	if (n > size) {
		s += n - size;
		n = size;
	}
	drop = c->err_len + n > size ? c->err_len + n - size : 0;
	memmove(c->err, c->err + drop, c->err_len - drop);
	c->err_len -= drop;
	memcpy(c->err + c->err_len, s, n);
	c->err_len += n;
}

/* At most so much at once that a command which prints for ever cannot hold up the launcher. */
static void drain(struct command *c, int *fd, void (*keep)(struct command *, const char *, size_t))
{
	char buf[4096];

	for (unsigned i = 0; *fd >= 0 && i < 32; i++) {
		ssize_t n = read(*fd, buf, sizeof(buf));

		if (n > 0)
			keep(c, buf, (size_t)n);
		else if (n == 0 || errno != EINTR) {
			if (n == 0 || errno != EAGAIN)
				shut(fd);
			return;
		}
	}
}

bool command_work(struct command *c)
{
	ssize_t n = -EAGAIN;

	if (c->warden <= 0)
		return false;
	/* The status first: what was printed before it is in the pipes then. */
	if (!c->over)
		n = io_read_full(c->status_fd, &c->end, sizeof(c->end));
	drain(c, &c->out_fd, keep_first);
	drain(c, &c->err_fd, keep_last);
	if (c->over || n == -EAGAIN)
		return false;
	if (n != sizeof(c->end)) /* the warden was killed */
		c->end = (struct command_end){ .exec_error = ECHILD, .ended_ns = clock_mono_ns() };
	c->over = true;
	return true;
}

bool command_gone(struct command *c)
{
	if (c->warden <= 0)
		return true;
	if (waitpid(c->warden, NULL, WNOHANG) == 0)
		return false;
	command_close(c);
	return true;
}
