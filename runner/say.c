/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/say.h"

#include <stdio.h>
#include <string.h>

#include "base/exit.h"

const char *say_on(bool color, enum say_color c)
{
	static const char *const codes[] = { [SAY_PLAIN] = "",
					     [SAY_BOLD] = "\033[1m",
					     [SAY_RED] = "\033[1;31m",
					     [SAY_GREEN] = "\033[32m",
					     [SAY_YELLOW] = "\033[1;33m" };

	return color ? codes[c] : "";
}

const char *say_off(bool color, enum say_color c)
{
	return color && c != SAY_PLAIN ? "\033[0m" : "";
}

static void say_head(const struct options *o)
{
	bool color = options_color(o, STDERR_FILENO);

	fprintf(stderr, "brink: %serror:%s ", say_on(color, SAY_RED), say_off(color, SAY_RED));
}

/* A message may quote what somebody else wrote: no control character of it reaches the terminal. */
static void put_line(const char *before, const char *text)
{
	char safe[4 * (ERR_DEPTH * ERR_LINE + 400)];
	struct text t = text_on(safe, sizeof(safe));

	text_add_foreign(&t, text, strlen(text));
	fprintf(stderr, "%s%s\n", before, safe);
}

void say_error(const struct options *o, const struct err *e)
{
	char buf[ERR_DEPTH * ERR_LINE + 400];

	say_head(o);
	put_line("", err_format(e, buf, sizeof(buf)));
}

static void put_with_help(const char *before, const struct err *e)
{
	put_line(before, e->msg[e->depth - 1]);
	for (unsigned i = e->depth - 1; i-- > 0;)
		put_line("  = help: ", e->msg[i]);
}

void say_refused(const struct options *o, const struct err *e)
{
	if (!e->depth)
		return;
	say_head(o);
	put_with_help("", e);
}

void say_warning(const struct err *e)
{
	put_with_help("brink: warning: ", e);
}

int say_flush(int rc)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return rc;
	if (errno == EPIPE)
		return rc;
	fprintf(stderr, "brink: error: cannot write the output: %s\n", strerror(errno));
	return rc ? rc : EXIT_USAGE;
}
