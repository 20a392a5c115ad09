/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "runner/demo.h"
#include "safety/sandbox.h"

#define VETH    "shop"
#define PREFIX  30
#define STEP_NS (10 * NS_PER_S) /* any single step of a demo on a slow machine */

const char *const demo_address[DEMO_ROLES] = {
	[DEMO_GATEWAY] = "192.0.2.1:8080", [DEMO_BACKEND] = "192.0.2.2:9000"
};

int demo_find(const char *name, const char *installed, char ret[static PATH_MAX], struct err *e)
{
	char folder[PATH_MAX];
	int rc = paths_own_folder(folder, sizeof(folder), e);

	if (rc < 0)
		return rc;
	if (snprintf(ret, PATH_MAX, "%s/examples/demo/%s", folder, name) < PATH_MAX &&
	    access(ret, R_OK) == 0)
		return 0;
	if (snprintf(ret, PATH_MAX, "%s/%s", installed, name) < PATH_MAX && access(ret, R_OK) == 0)
		return 0;
	return err_set(e, ENOENT, "'%s' is neither in examples/demo beside brink nor in '%s'", name,
		       installed);
}

static bool can_write(const char *dir)
{
	return dir && dir[0] == '/' && strlen(dir) < PATHS_LEN / 2 && access(dir, W_OK | X_OK) == 0;
}

int demo_make_base(struct demo_world *w, struct err *e)
{
	const char *own = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		own = "/run";
	snprintf(w->base, sizeof(w->base), "%s/brink-demo-%d-XXXXXX", can_write(own) ? own : "/tmp",
		 getpid());
	if (mkdtemp(w->base))
		return 0;
	err_sys(e, "cannot create a folder '%s'", w->base);
	w->base[0] = '\0';
	return -e->code;
}

/* The namespace as its process finds it once the veth is there. */
static int settle(enum demo_role role, struct err *e)
{
	char address[32];
	struct nlsock s;
	int rc = nlsock_open(NETLINK_ROUTE, &s, e);

	if (rc < 0)
		return rc;
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(demo_address[role], ":"),
		 demo_address[role]);
	rc = demo_link_up(&s, "lo", e);
	if (rc == 0)
		rc = demo_link_quiet(&s, VETH, e);
	if (rc == 0)
		rc = demo_address_add(&s, VETH, address, PREFIX, e);
	if (rc == 0)
		rc = demo_link_up(&s, VETH, e);
	nlsock_close(&s);
	return rc;
}

static void exec_shop(const char *shop, enum demo_role role)
{
	char name[] = "shop", gateway[] = "gateway", backend[] = "backend", own[32], other[32];
	char *const argv[] = { name, role == DEMO_GATEWAY ? gateway : backend, own,
			       role == DEMO_GATEWAY ? other : NULL, NULL };

	snprintf(own, sizeof(own), "%s", demo_address[role]);
	snprintf(other, sizeof(other), "%s", demo_address[DEMO_BACKEND]);
	execv(shop, argv);
}

/* Out of reach of the terminal's signals: the demo ends it. Says "net", then what the shop says, or
 * what went wrong. */
static void part_main(const char *shop, enum demo_role role, int go, int said)
{
	char words[ERR_LINE * 2] = "cannot make a network namespace", byte;
	struct err e = { 0 };
	sigset_t none;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(said, STDOUT_FILENO) >= 0 &&
	    unshare(CLONE_NEWNET) == 0 && write(said, "net\n", 4) == 4 && read(go, &byte, 1) == 1) {
		if (settle(role, &e) == 0 && sandbox_keep_caps(0, &e) == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			exec_shop(shop, role);
			err_sys(&e, "cannot start '%s'", shop);
		}
		err_format(&e, words, sizeof(words));
	}
	dprintf(said, "%s\n", words);
	_exit(127);
}

/* One line within the time for a step; anything but `expected` is what went wrong. */
static int hear(const struct demo_part *p, const char *expected, struct err *e)
{
	char line[ERR_LINE];
	int64_t deadline = clock_mono_ns() + STEP_NS;
	size_t n = 0;

	while (n < sizeof(line) - 1 && io_wait(p->said, POLLIN, deadline) > 0 &&
	       read(p->said, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	if (strcmp(line, expected) == 0)
		return 0;
	return err_set(e, EIO, "the shop does not start: %s", n ? line : "it says nothing");
}

static int start_part(struct demo_world *w, enum demo_role role, struct err *e)
{
	struct demo_part *p = &w->part[role];
	int go[2], said[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(e, "cannot create a pipe");
	p->go = go[1];
	if (pipe2(said, O_CLOEXEC) < 0) {
		close(go[0]);
		return err_sys(e, "cannot create a pipe");
	}
	p->said = said[0];
	p->pid = fork();
	if (p->pid == 0)
		part_main(w->shop, role, go[0], said[1]);
	close(go[0]);
	close(said[1]);
	if (p->pid < 0) {
		p->pid = 0;
		return err_sys(e, "cannot start a process");
	}
	p->pidfd = pidfd_open(p->pid, 0);
	return p->pidfd < 0 ? err_sys(e, "cannot watch a process") : hear(p, "net", e);
}

static void ask_main(const struct demo_world *w, const char *path, int said)
{
	char ns[64], name[] = "shop", ask[] = "ask", whom[32], what[64];
	char *const argv[] = { name, ask, whom, what, NULL };
	AUTO(auto_close) int fd = -1;
	struct err e;

	snprintf(ns, sizeof(ns), "/proc/%d/ns/net", w->part[DEMO_GATEWAY].pid);
	snprintf(whom, sizeof(whom), "%s", demo_address[DEMO_GATEWAY]);
	snprintf(what, sizeof(what), "%s", path);
	fd = open(ns, O_RDONLY | O_CLOEXEC);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd >= 0 && setns(fd, CLONE_NEWNET) == 0 && dup2(said, STDOUT_FILENO) >= 0 &&
	    sandbox_keep_caps(0, &e) == 0)
		execv(w->shop, argv);
	_exit(127);
}

int demo_ask(const struct demo_world *w, const char *path, char *ret, size_t size, struct err *e)
{
	int64_t deadline = clock_mono_ns() + STEP_NS;
	int said[2], status = 0;
	size_t n = 0;
	ssize_t got = 1;
	pid_t pid;

	if (pipe2(said, O_CLOEXEC) < 0)
		return err_sys(e, "cannot create a pipe");
	pid = fork();
	if (pid == 0)
		ask_main(w, path, said[1]);
	close(said[1]);
	while (pid > 0 && got > 0 && n < size - 1 && io_wait(said[0], POLLIN, deadline) > 0) {
		got = read(said[0], ret + n, size - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	close(said[0]);
	if (pid < 0)
		return err_sys(e, "cannot start a process");
	kill(pid, SIGKILL); /* one that is late; one that has ended does not mind */
	waitpid(pid, &status, 0);
	if (strncmp(ret, "200 ", 4) == 0)
		return 0;
	return err_set(e, EIO, "the shop answers: %s", n ? ret : "nothing");
}

/* The first packets may be lost: the kernel takes up to a second to see that both ends of a veth
 * are up. */
static int await_first(const struct demo_world *w, struct err *e)
{
	int64_t deadline = clock_mono_ns() + STEP_NS;
	char answer[200];
	int rc;

	do {
		rc = demo_ask(w, "/orders", answer, sizeof(answer), e);
	} while (rc < 0 && clock_mono_ns() < deadline);
	return rc;
}

int demo_start(struct demo_world *w, struct err *e)
{
	struct nlsock s = { .fd = -1 };
	pid_t in[DEMO_ROLES];
	int rc = 0;

	/* nothing that a run starts gets lost; children that came with us (exec keeps them) are not
	 * ours to wait for */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	w->strangers = waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0;
	for (int i = 0; i < DEMO_ROLES; i++)
		w->part[i] = (struct demo_part){ .pidfd = -1, .go = -1, .said = -1 };
	for (int i = 0; i < DEMO_ROLES && rc == 0; i++) {
		rc = start_part(w, (enum demo_role)i, e);
		in[i] = w->part[i].pid;
	}
	if (rc < 0)
		return rc;
	rc = nlsock_open(NETLINK_ROUTE, &s, e);
	if (rc < 0)
		return rc;
	rc = demo_veth(&s, VETH, in, e);
	nlsock_close(&s);
	for (int i = 0; i < DEMO_ROLES && rc == 0; i++)
		rc = write(w->part[i].go, "!", 1) == 1 ? hear(&w->part[i], "ready", e) :
							 err_sys(e, "the shop does not start");
	return rc < 0 ? rc : await_first(w, e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	remove(path);
	return 0;
}

/* Every descendant, reaped: as subreaper we get those of a runner that died, too. */
static int await_all(struct err *e)
{
	const struct timespec pause = { 0, 5 * NS_PER_MS };
	int64_t deadline = clock_mono_ns() + STEP_NS;

	while (clock_mono_ns() < deadline) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return 0;
		if (pid == 0)
			nanosleep(&pause, NULL);
	}
	return err_set(e, ETIMEDOUT, "some processes of the demo do not end");
}

int demo_end(struct demo_world *w, struct err *e)
{
	int rc;

	for (int i = 0; i < DEMO_ROLES; i++) {
		struct demo_part *p = &w->part[i];

		if (p->pid > 0) {
			kill(p->pid, SIGKILL); /* our child, not reaped yet: nobody else */
			auto_close(&p->pidfd);
			auto_close(&p->go);
			auto_close(&p->said);
		}
		*p = (struct demo_part){ .pidfd = -1, .go = -1, .said = -1 };
	}
	rc = w->strangers ? 0 : await_all(e);
	if (w->base[0])
		nftw(w->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return rc;
}
