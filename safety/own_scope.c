/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/own_scope.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"

#define LOOK_NS (10 * NS_PER_MS)

int own_scope_unit(const char *run_id, char buf[static OWN_SCOPE_UNIT], struct err *e)
{
	struct text t = text_on(buf, OWN_SCOPE_UNIT);
	const char *p;

	text_add(&t, "brink-keeper-");
	for (p = run_id; isalnum((unsigned char)*p); p++)
		text_add(&t, "%c", tolower((unsigned char)*p));
	text_add(&t, ".scope");
	if (*p || p == run_id || t.cut)
		return err_set(e, EINVAL, "'%.40s' is no run id", run_id);
	return 0;
}

/* cgroups(7): a line of each hierarchy, "0::/system.slice/brink-keeper-X.scope". */
static bool is_inside(const char *unit)
{
	char text[4096];
	const char *at = text;

	if (io_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) <= 0)
		return false;
	while ((at = strstr(at, unit))) {
		at += strlen(unit);
		if (*at == '\n' || !*at)
			return true;
	}
	return false;
}

/* PID 1 answers when it has accepted the job, and moves the process a little later. */
static int await_inside(const char *unit, int64_t limit_ns, struct err *e)
{
	const struct timespec pause = { 0, LOOK_NS };
	int64_t deadline = clock_mono_ns() + limit_ns;

	while (!is_inside(unit)) {
		if (clock_mono_ns() > deadline)
			return err_set(e, EIO, "systemd does not put the keeper into '%s'", unit);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return 0;
}

int own_scope_enter(const struct systemd_host *h, const char *run_id, struct err *e)
{
	char unit[OWN_SCOPE_UNIT], pid[16], about[64], said[512];
	struct text out = text_on(said, sizeof(said));
	const char *argv[] = { "busctl",
			       "--system",
			       "--quiet",
			       "call",
			       "org.freedesktop.systemd1",
			       "/org/freedesktop/systemd1",
			       "org.freedesktop.systemd1.Manager",
			       "StartTransientUnit",
			       "ssa(sv)a(sa(sv))",
			       unit,
			       "fail",
			       "3",
			       "PIDs",
			       "au",
			       "1",
			       pid,
			       "Description",
			       "s",
			       about,
			       "CollectMode",
			       "s",
			       "inactive-or-failed",
			       "0",
			       NULL };
	int r = systemd_find(&h, e);

	if (!r)
		r = own_scope_unit(run_id, unit, e);
	if (r)
		return r;
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(about, sizeof(about), "keeper of brink run %.26s", run_id);
	r = systemd_call(h, argv, &out, e);
	if (r > 0)
		return systemd_failed(argv[0], &out, r, e);
	return r ? r : await_inside(unit, h->limit_ns, e);
}
