/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/commands.h"
#include "runner/execute.h"
#include "runner/say.h"

int cmd_plan(const struct options *o)
{
	const char *file = o->args.at[0];
	struct prepared p;
	struct err e = { 0 };
	int rc;

	if (prepare_begin(o, &p, &e) < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	rc = prepare_load(o, file, &p);
	if (rc == EXIT_PASS)
		rc = prepare_plan(o, &p);
	if (rc == EXIT_PASS)
		rc = execute_show(o, &p, file);
	prepare_done(&p);
	return rc;
}
