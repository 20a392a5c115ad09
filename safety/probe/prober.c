/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/prober.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/change/netns.h"

#define START_NS     (10 * NS_PER_S)  /* a starved machine is slow, not broken */
#define STOP_NS      (3 * NS_PER_S)   /* a launcher ends its commands first */
#define DEATH_NS     (50 * NS_PER_MS) /* the runner has its beat */
#define SOCKET_BYTES (1 << 20)        /* samples wait here while the runner is busy */
#define KEPT_FD      (PROBE_FD + 1)

static void default_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &dfl,
			  NULL); /* fails for SIGKILL, SIGSTOP and the two of glibc: right so */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The socket becomes PROBE_FD and keep_fd KEPT_FD, both to be closed by an exec of anybody else;
 * the rest is closed. */
static int place_fds(int sock, int keep_fd, struct err *e)
{
	/* Not closed one by one: close_range takes these too, and after a failure the process ends.
	 */
	int high_sock = fcntl(sock, F_DUPFD_CLOEXEC, KEPT_FD + 1), high_keep = -1;

	if (keep_fd >= 0)
		high_keep = fcntl(keep_fd, F_DUPFD_CLOEXEC, KEPT_FD + 1);
	if (high_sock < 0 || (keep_fd >= 0 && high_keep < 0))
		return err_sys(e, "cannot copy descriptors");
	if (dup3(high_sock, PROBE_FD, O_CLOEXEC) < 0)
		return err_sys(e, "cannot place the socket");
	if (keep_fd >= 0 && dup3(high_keep, KEPT_FD, O_CLOEXEC) < 0)
		return err_sys(e, "cannot place a descriptor");
	if (close_range(keep_fd >= 0 ? KEPT_FD + 1 : KEPT_FD, ~0U, 0))
		return err_sys(e, "cannot close the other descriptors");
	return 0;
}

/* *sock is where the socket is now. */
static int child_prepare(const struct probe_child *c, int *sock, pid_t parent, struct err *e)
{
	int r;

	default_signals();
	netns_forget(); /* as long as these numbers are those of the parent's sockets */
	if (c->own_session && setsid() < 0)
		return err_sys(e, "cannot leave the terminal");
	if (c->netns_fd >= 0 && setns(c->netns_fd, CLONE_NEWNET))
		return err_sys(e, "cannot enter the network namespace");
	r = place_fds(*sock, c->keep_fd, e);
	if (!r) {
		*sock = PROBE_FD;
		r = c->open ? c->open(c->arg, e) : 0;
	}
	if (!r)
		r = sandbox_become(c->user, e);
	if (r)
		return r;
	/* After the change of user, which forgets it. The parent may have died before it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return err_sys(e, "cannot ask to die with the runner");
	return getppid() == parent ? 0 : err_set(e, ESRCH, "the runner has ended");
}

static void child_main(const struct probe_child *c, int sock, pid_t parent)
{
	struct probe_msg m = { .type = PROBE_MSG_ERROR };
	int r = child_prepare(c, &sock, parent, &m.err);

	if (!r)
		r = c->body(c->arg, &m.err);
	if (r < 0) {
		probe_msg_send(sock, &m, true);
		_exit(127);
	}
	_exit(r);
}

/* "killed by SIGSYS". A process that ends closes its files a moment before that can be asked. */
static int how_it_ended(const struct prober *p, struct err *e)
{
	siginfo_t si = { 0 };

	io_wait(p->pidfd, POLLIN, clock_mono_ns() + DEATH_NS);
	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG | WNOWAIT) || !si.si_pid)
		return err_set(e, EPIPE, "the %s (process %d) has closed its socket", p->name,
			       p->pid);
	if (si.si_code == CLD_EXITED)
		return err_set(e, EPIPE, "the %s (process %d) has ended with exit code %d", p->name,
			       p->pid, si.si_status);
	return err_set(e, EPIPE, "the %s (process %d) was killed by %s", p->name, p->pid,
		       units_signal_name(si.si_status));
}

int prober_take(struct prober *p, struct probe_msg *ret, struct err *e)
{
	int r = probe_msg_recv(p->fd, ret);

	if (r == -EPIPE)
		return how_it_ended(p, e);
	if (r < 0)
		return err_set(e, -r, "cannot read from the %s (process %d): %s", p->name, p->pid,
			       strerror(-r));
	if (r && ret->type != PROBE_MSG_SAMPLE && ret->type != PROBE_MSG_EXITED &&
	    ret->type != PROBE_MSG_NAME && ret->type != PROBE_MSG_ERROR &&
	    ret->type != PROBE_MSG_READY)
		return err_set(e, EBADMSG, "the %s (process %d) sent message %u", p->name, p->pid,
			       ret->type);
	return r;
}

static int wait_ready(struct prober *p, struct err *e)
{
	int64_t deadline = clock_mono_ns() + START_NS;
	struct probe_msg m;

	/* counted: what poll(2) says is there may never come, and it says so after the deadline too
	 */
	for (unsigned times = 0; times < IO_INTERRUPTIONS; times++) {
		int r = io_wait(p->fd, POLLIN, deadline);

		if (r < 0)
			return err_set(e, -r, "cannot wait: %s", strerror(-r));
		if (r == 0)
			return err_set(e, ETIMEDOUT, "process %d is not ready in time", p->pid);
		r = prober_take(p, &m, e);
		if (r < 0)
			return r;
		if (r && m.type == PROBE_MSG_READY)
			return 0;
		if (r && m.type == PROBE_MSG_ERROR) {
			*e = m.err;
			return -e->code;
		}
	}
	return err_set(e, EAGAIN, "process %d says nothing that can be read", p->pid);
}

static int make_sockets(int fd[2], struct err *e)
{
	int size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
		return err_sys(e, "cannot make a socket pair");
	for (int i = 0; i < 2;
	     i++) { /* SO_SNDBUF is bounded by a sysctl, FORCE needs CAP_NET_ADMIN */
		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return 0;
}

int probe_child_start(const struct probe_child *c, struct prober *ret, struct err *e)
{
	struct prober p = PROBER_NONE;
	pid_t parent = getpid();
	int fd[2], r;

	p.name = c->name;
	r = make_sockets(fd, e);
	if (r)
		return err_ctx(e, "%s", c->name);
	p.pid = fork();
	if (p.pid == 0)
		child_main(c, fd[1], parent);
	r = p.pid < 0 ? err_sys(e, "cannot fork") : 0;
	close(fd[1]);
	p.fd = fd[0];
	if (!r) {
		p.pidfd = pidfd_open(p.pid, 0); /* our child, not yet reaped: no other process */
		r = p.pidfd < 0 ? err_sys(e, "cannot open a pidfd") : wait_ready(&p, e);
	}
	if (r) {
		prober_stop(&p);
		return err_ctx(e, "%s", c->name);
	}
	*ret = p;
	return 0;
}

void prober_stop(struct prober *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (p->pid <= 0)
		return;
	if (p->pidfd >= 0 && io_wait(p->pidfd, POLLIN, clock_mono_ns() + STOP_NS) == 0) {
		/* Fails where it has another uid and we no CAP_KILL: then it dies with us, by
		 * PDEATHSIG. */
		pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
		io_wait(p->pidfd, POLLIN, clock_mono_ns() + STOP_NS);
	}
	waitpid(p->pid, NULL, WNOHANG);
	if (p->pidfd >= 0)
		close(p->pidfd);
	*p = (struct prober)PROBER_NONE;
}

/* With its own last words, where it had time for them. */
static int cannot_reach(struct prober *p, int code, struct err *e)
{
	struct probe_msg m;
	int r = code == -EPIPE ? prober_take(p, &m, e) : 0;

	while (r == 1 && m.type != PROBE_MSG_ERROR)
		r = prober_take(p, &m, e);
	if (r == 1) {
		*e = m.err;
		return err_ctx(e, "the %s", p->name);
	}
	return r < 0 ? r :
		       err_set(e, -code, "cannot reach the %s (process %d): %s", p->name, p->pid,
			       strerror(-code));
}

int prober_add(struct prober *p, uint32_t check, const struct probe_spec *spec, struct err *e)
{
	struct probe_msg m = { .type = PROBE_MSG_SPEC, .check = check };
	int r;

	m.spec = *spec;
	r = probe_msg_send(p->fd, &m, true);
	return r ? cannot_reach(p, r, e) : 0;
}

int prober_tell(struct prober *p, enum probe_msg_type type, struct err *e)
{
	struct probe_msg m = { .type = type };
	int r = probe_msg_send(p->fd, &m, true);

	return r ? cannot_reach(p, r, e) : 0;
}

/* A copy of the program that this user may execute: its own file may be closed to others (umask
 * 077). */
static int exec_copy(int exe, char *const *argv, char *const *env)
{
	struct stat st;
	off_t at = 0;
	int fd;

	if (fstat(exe, &st))
		return -1;
	errno = EACCES;
	if (!(st.st_mode & 0111)) /* nobody may: no program */
		return -1;
	fd = memfd_create("brink-prober", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	while (at < st.st_size) {
		ssize_t n = sendfile(fd, exe, &at, (size_t)(st.st_size - at));

		if (n <= 0)
			return -1;
	}
	return execveat(fd, "", argv, env, AT_EMPTY_PATH);
}

/*
 * By descriptor, because the path to it may lead through a folder (root's home) that this user may
 * not enter. With an empty environment: no proxies, no LD_ variables, no secrets.
 */
static int exec_prober(void *arg, struct err *e)
{
	static char name[] = "brink-prober";
	char *argv[] = { name, NULL };
	char *env[] = { NULL };

	(void)arg;
	if (fcntl(PROBE_FD, F_SETFD, 0) < 0)
		return err_sys(e, "cannot pass the socket");
	execveat(KEPT_FD, "", argv, env, AT_EMPTY_PATH);
	if (errno == EACCES)
		exec_copy(KEPT_FD, argv, env);
	return err_sys(e, "cannot execute brink-prober");
}

int prober_start(const char *path, int netns_fd, const struct probe_user *u, struct prober *ret,
		 struct err *e)
{
	AUTO(auto_close) int exe = open(path, O_RDONLY | O_CLOEXEC);
	struct probe_child c = { .name = "prober",
				 .body = exec_prober,
				 .netns_fd = netns_fd,
				 .own_session = true,
				 .user = u,
				 .keep_fd = exe };

	if (exe < 0)
		return err_sys(e, "cannot open the prober '%s'", path);
	return probe_child_start(&c, ret, e);
}
