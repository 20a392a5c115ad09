/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/modules.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"

#define MODPROBE_NS (20 * NS_PER_S)

static const char *const paths[] = { "/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe" };

/* Runs modprobe without a shell and waits, bounded. What it says is lost on purpose: arming gives
 * the real answer. */
static int run(const char *const argv[], struct err *e)
{
	AUTO(auto_close) int fd = -1;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "cannot start modprobe");
	if (pid == 0) {
		static char *const env[] = { NULL };
		const struct sched_param normal = { 0 };
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		sched_setscheduler(0, SCHED_OTHER, &normal); /* not the keeper's */
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		for (size_t i = 0; i < ARRAY_LEN(paths); i++)
			execve(paths[i], (char *const *)argv,
			       env); /* execve(2) does not write there */
		_exit(127);
	}
	fd = pidfd_open(pid, 0);
	if (fd < 0 || io_wait(fd, POLLIN, clock_mono_ns() + MODPROBE_NS) <= 0)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}

static bool loaded(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

int modules_load(struct change_spec *const *specs, unsigned n, struct err *e)
{
	static const struct {
		enum change_kind kind;
		const char *there, *argv[5];
	} modules[] = {
		{ CHANGE_NETEM_SIDE,
		  "/sys/module/ifb",
		  { "modprobe", "-q", "ifb", "numifbs=0", NULL } },
		{ CHANGE_NETEM_SIDE,
		  "/sys/module/sch_netem",
		  { "modprobe", "-q", "sch_netem", NULL } },
		{ CHANGE_QUEUE,
		  "/sys/module/nfnetlink_queue",
		  { "modprobe", "-q", "nfnetlink_queue", NULL } },
		{ CHANGE_QUEUE, "/sys/module/nft_queue", { "modprobe", "-q", "nft_queue", NULL } },
	};
	int rc = 0;

	for (size_t k = 0; k < ARRAY_LEN(modules) && rc == 0; k++) {
		bool needed = false;

		for (unsigned i = 0; i < n; i++)
			needed |= specs[i]->kind == modules[k].kind;
		if (needed && !loaded(modules[k].there))
			rc = run(modules[k].argv, e);
	}
	return rc;
}
