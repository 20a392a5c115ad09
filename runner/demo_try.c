/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/io.h"
#include "runner/demo.h"
#include "runner/prepare.h"
#include "safety/modules.h"

/* Does a file of modprobe.d(5) keep ifb from bringing devices of its own? systemd's does. */
static bool says_numifbs(int dir, const char *name)
{
	char text[16384];
	const char *line = io_read_file(dir, name, text, sizeof(text)) < 0 ? NULL : text;

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "options ifb numifbs=0", 21) == 0)
			return true;
	}
	return false;
}

static bool ifb_brings_none(void)
{
	static const char *const dirs[] = { "/etc/modprobe.d", "/run/modprobe.d",
					    "/usr/lib/modprobe.d", "/lib/modprobe.d" };
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(dirs) && !found; i++) {
		DIR *dir = opendir(dirs[i]);
		struct dirent *d;

		while (dir && !found && (d = readdir(dir))) {
			const char *dot = strrchr(d->d_name, '.');

			found = dot && strcmp(dot, ".conf") == 0 &&
				says_numifbs(dirfd(dir), d->d_name);
		}
		if (dir)
			closedir(dir);
	}
	return found;
}

/* The kernel loads ifb when asked for one, and without that option it adds ifb0 and ifb1 to the
 * machine's network. */
static int check_ifb(const struct demo_world *w, struct err *e)
{
	if (!w->own_user || access("/sys/module/ifb", F_OK) == 0 || ifb_brings_none())
		return 0;
	return err_set(
		e, ENOTSUP,
		"the module 'ifb' is not loaded, and only root can load it without side effects: "
		"sudo modprobe ifb numifbs=0");
}

static int go_to(pid_t pid, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return err_sys(e, "cannot enter the network namespace '%s'", path);
	return 0;
}

/* Structures without effect, as a holder builds them; what no dying process takes along is undone.
 */
static int build(struct planned_fault *f, struct err *e)
{
	struct undo undo[PLAN_CHANGES] = { 0 };
	struct err ignored;
	unsigned n = 0;
	int rc = 0;

	for (; n < f->n_changes && n < PLAN_CHANGES && rc == 0; n++) {
		struct change c = { .ops = change_ops_of(f->change[n].kind),
				    .spec = &f->change[n] };

		undo[n].kind = f->change[n].kind;
		rc = c.ops->prepare(&c, &undo[n], e);
		c.undo = &undo[n];
		if (rc == 0 && c.ops->arm)
			rc = c.ops->arm(&c, e);
	}
	while (n-- > 0)
		change_ops_of(undo[n].kind)->undo(&undo[n], &ignored);
	return rc;
}

static int try_here(const struct demo_world *w, const struct options *o, const char *file,
		    struct err *e)
{
	struct change_spec *specs[PLAN_CHANGES];
	struct planned_fault *f;
	struct prepared p;
	int rc = prepare_begin(o, &p, e);

	if (rc < 0)
		return rc;
	if (prepare_load(o, file, &p) != EXIT_SUCCESS || prepare_plan(o, &p) != EXIT_SUCCESS)
		return err_set(e, EINVAL, "'%s' cannot be planned", file);
	f = &p.plan.fault[0];
	for (unsigned i = 0; i < f->n_changes && i < PLAN_CHANGES; i++)
		specs[i] = &f->change[i];
	rc = modules_load(specs, f->n_changes, e);
	if (rc == 0)
		rc = go_to(w->part[DEMO_GATEWAY].pid, e);
	return rc < 0 ? rc : build(f, e);
}

int demo_try(const struct demo_world *w, const struct options *o, const char *file, struct err *e)
{
	struct err theirs = { .code = EIO };
	int pair[2], rc = check_ifb(w, e);
	pid_t pid;

	if (rc < 0)
		return rc;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, "cannot create a pipe");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (try_here(w, o, file, &theirs) == 0)
			theirs = (struct err){
				0
			}; /* what was expected to fail has left its words there */
		_exit(io_write_full(pair[1], &theirs, sizeof(theirs)) < 0);
	}
	close(pair[1]);
	if (pid < 0 || io_read_full(pair[0], &theirs, sizeof(theirs)) != sizeof(theirs))
		err_set(&theirs, EIO, "the attempt did not come to its end");
	close(pair[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (!theirs.code)
		return 0;
	*e = theirs;
	return -ENOTSUP;
}
