/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/kernel_has.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/tc_msg.h"

#define STEP_NS  (5 * NS_PER_S)
#define LOOPBACK 1 /* its index in every namespace: net/core/dev.c, register_netdevice() */

static void exec_modprobe(const char *module, int out)
{
	static const char *const paths[] = { "/sbin/modprobe", "/usr/sbin/modprobe",
					     "/bin/modprobe" };
	static char *const env[] = { NULL };
	const char *const argv[] = { "modprobe", "-n", "-v", module, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		execve(paths[i], (char *const *)argv, env); /* execve(2) does not write there */
	_exit(127);
}

bool module_would_load(const char *module)
{
	char said[512] = "";
	int fds[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0)
		exec_modprobe(module, fds[1]);
	close(fds[1]);
	n = pid > 0 && io_wait(fds[0], POLLIN, clock_mono_ns() + STEP_NS) > 0 ?
		    read(fds[0], said, sizeof(said) - 1) : /* the first lines tell */
		    0;
	close(fds[0]);
	if (pid > 0) {
		kill(pid, SIGKILL); /* our child, not reaped yet; a slow disk shall not keep us */
		waitpid(pid, NULL, 0);
	}
	return n > 0 && strstr(said, "insmod") != NULL;
}

/* What a trial says by its exit code. */
enum answer { UNASKED, THERE, MISSING, UNKNOWN };

static enum answer answer_of(int rc)
{
	return rc == 0 ? THERE : rc == -ENOENT || rc == -EOPNOTSUPP ? MISSING : UNKNOWN;
}

static enum answer try_netem(const struct netns_ref *here)
{
	const struct netem_side_spec s = { .delay_ns = NS_PER_MS, .limit = 1 };
	struct nlsock sock = { 0 };
	struct err e;
	int rc = nlsock_open(NETLINK_ROUTE, &sock, &e);

	(void)here;
	return rc < 0 ? UNKNOWN : answer_of(netem_set(&sock, LOOPBACK, &s, &e));
}

static int arm(struct change_spec *s, struct err *e)
{
	struct undo u = { .kind = s->kind };
	struct change c = { .ops = change_ops_of(s->kind), .spec = s };
	int rc = c.ops->prepare(&c, &u, e);

	c.undo = &u;
	return rc < 0 ? rc : c.ops->arm(&c, e);
}

static enum answer try_queue(const struct netns_ref *here)
{
	struct change_spec queue = { .kind = CHANGE_QUEUE, .lease_ms = 1000 };
	struct change_spec gate = { .kind = CHANGE_NFT_GATE, .lease_ms = 1000 };
	struct err e;
	int rc;

	queue.u.queue = (struct queue_spec){ .how.netns = *here, .how.limit = 1, .number = 1 };
	gate.u.gate = (struct nft_gate_spec){ .netns = *here,
					      .table = "brink_scratch_q",
					      .action = GATE_QUEUE,
					      .queue = 1,
					      .share_ppm = 1000000,
					      .n_matches = 1,
					      .match[0].hook = GATE_PREROUTING };
	rc = arm(&queue, &e);
	return answer_of(rc < 0 ? rc : arm(&gate, &e));
}

/* In a namespace of its own, bounded. */
static enum answer in_child(enum answer (*fn)(const struct netns_ref *here))
{
	AUTO(auto_close) int fd = -1;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
		struct netns_ref here = { 0 };
		struct err e;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		netns_forget();
		if (unshare(flags) < 0 || netns_identify("", &here, &e) < 0)
			_exit(UNKNOWN);
		_exit(fn(&here));
	}
	if (pid < 0)
		return UNKNOWN;
	fd = pidfd_open(pid, 0);
	if (fd < 0 || io_wait(fd, POLLIN, clock_mono_ns() + STEP_NS) <= 0)
		kill(pid, SIGKILL); /* our child, not reaped yet: the number is its own */
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return UNKNOWN;
	return (enum answer)WEXITSTATUS(status);
}

static bool loaded(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

/* In this process once: a run may have many faults. */
static enum answer netem_answer, queue_answer;

bool kernel_lacks_netem(void)
{
	if (netem_answer == UNASKED)
		netem_answer = loaded("/sys/module/sch_netem") || module_would_load("sch_netem") ?
				       THERE :
				       in_child(try_netem);
	return netem_answer == MISSING;
}

/* A queue whose reader dies is emptied a moment after the rules that led to it are gone, and the
 * kernel warns of that: nf_reinject() in net/netfilter/nf_queue.c, seen with 6.1. Harmless, but
 * here. */
static bool panics_on_warnings(void)
{
	char value[8] = "";

	return io_read_file(AT_FDCWD, "/proc/sys/kernel/panic_on_warn", value, sizeof(value)) > 0 &&
	       value[0] == '1';
}

int kernel_has_queue(struct err *e)
{
	if (panics_on_warnings())
		return err_set(
			e, EOPNOTSUPP,
			"kernel.panic_on_warn is 1, and the kernel warns when the holder of a "
			"packet queue is killed: set it to 0 for the time of the run");
	if (queue_answer == UNASKED)
		queue_answer =
			module_would_load("nft_queue") || module_would_load("nfnetlink_queue") ?
				THERE :
				in_child(try_queue);
	if (queue_answer != MISSING)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "this kernel has no packet queues that nft rules lead to (CONFIG_NFT_QUEUE): "
		       "use 'engine: kernel' where it has netem, or net.drop with a share");
}
