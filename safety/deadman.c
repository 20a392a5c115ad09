/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/deadman.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define PREFIX "brink-dm-"
#define SUFFIX ".timer"

int deadman_unit(const char *run_id, char buf[static DEADMAN_UNIT], struct err *e)
{
	struct text t = text_on(buf, DEADMAN_UNIT);
	const char *p;

	text_add(&t, PREFIX);
	for (p = run_id; isalnum((unsigned char)*p); p++)
		text_add(&t, "%c", tolower((unsigned char)*p));
	text_add(&t, SUFFIX);
	if (*p || p == run_id || t.cut)
		return err_set(e, EINVAL, "'%.40s' is no run id", run_id);
	return 0;
}

int deadman_here(struct err *e)
{
	const struct systemd_host *h = NULL;

	return systemd_find(&h, e);
}

/* ActiveState and SubState of the timer, as "active waiting". */
static int read_state(const struct systemd_host *h, const char *unit, struct text *ret_out,
		      struct err *e)
{
	const char *argv[] = { "systemctl", "show", "--property=ActiveState,SubState", unit, NULL };
	int r = systemd_call(h, argv, ret_out, e);

	if (r > 0)
		return systemd_failed(argv[0], ret_out, r, e);
	return r;
}

int deadman_arm(const struct systemd_host *h, const char *run_id, unsigned seconds,
		const char *brink, struct err *e)
{
	char unit[DEADMAN_UNIT], unit_arg[DEADMAN_UNIT + 16], after[48], program[256], run[64];
	char said[512];
	struct text out = text_on(said, sizeof(said));
	const char *argv[] = { "systemd-run", "--quiet", "--collect",
			       unit_arg,      after,     "--timer-property=AccuracySec=100ms",
			       program,       "revert",  "--lock-timeout=1m",
			       run,           NULL };
	int r = systemd_find(&h, e);

	if (!r)
		r = deadman_unit(run_id, unit, e);
	if (r)
		return r;
	/* systemd expands both of these in command lines */
	if (brink[0] != '/' || strlen(brink) >= sizeof(program) || strpbrk(brink, "$%"))
		return err_set(e, EINVAL, "'%s' cannot be the command of a timer", brink);
	snprintf(unit_arg, sizeof(unit_arg), "--unit=%s", unit);
	unit_arg[strlen(unit_arg) - strlen(SUFFIX)] = '\0';
	snprintf(after, sizeof(after), "--on-active=%us", seconds);
	snprintf(program, sizeof(program), "%s", brink);
	snprintf(run, sizeof(run), "%s", run_id);
	r = systemd_call(h, argv, &out, e);
	if (r > 0)
		return systemd_failed(argv[0], &out, r, e);
	return r ? r : deadman_check(h, run_id, e);
}

int deadman_check(const struct systemd_host *h, const char *run_id, struct err *e)
{
	char unit[DEADMAN_UNIT], said[512];
	struct text out = text_on(said, sizeof(said));
	int r = systemd_find(&h, e);

	if (!r)
		r = deadman_unit(run_id, unit, e);
	if (!r)
		r = read_state(h, unit, &out, e);
	if (r)
		return r;
	if (!strstr(said, "ActiveState=active\n") || !strstr(said, "SubState=waiting\n"))
		return err_set(e, ENOENT, "the timer '%s' does not wait", unit);
	return 0;
}

int deadman_disarm(const struct systemd_host *h, const char *run_id, struct err *e)
{
	char unit[DEADMAN_UNIT], said[512];
	struct text out = text_on(said, sizeof(said));
	const char *argv[] = { "systemctl", "stop", unit, NULL };
	int r = systemd_find(&h, e);

	if (!r)
		r = deadman_unit(run_id, unit, e);
	if (!r)
		r = systemd_call(h, argv, &out, e);
	if (r < 0)
		return r;
	/* whatever the answer to "stop" was (5: there is no such unit): the state decides */
	out = text_on(said, sizeof(said));
	r = read_state(h, unit, &out, e);
	if (r)
		return r;
	if (!strstr(said, "ActiveState=inactive\n"))
		return err_set(e, EBUSY, "the timer '%s' could not be stopped", unit);
	return 0;
}
