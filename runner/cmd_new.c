/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "runner/commands.h"
#include "runner/say.h"

#define SUFFIX       ".brink.yaml"
#define FILE_MODE    0644
#define NAME_MAX_LEN 63

#define HEAD "# yaml-language-server: $schema=https://brink.example/schema/brink-1.json\nbrink: 1\n"

/* Each is a whole file; %s is its name. All of them pass brink check as they stand. */
static const struct {
	const char *from, *text;
} starters[] = {
	{ "web", HEAD "name: \"%s: the web service survives a slow database\"\n"
		      "\n"
		      "# What must be true before, during and after.\n"
		      "steady_state:\n"
		      "  - id: web-up\n"
		      "    http: http://localhost:8080/health\n"
		      "    every: 1s\n"
		      "    fail_after: 3           # so many misses in a row end the run\n"
		      "\n"
		      "# What is broken, for how long. brink takes it back by itself.\n"
		      "faults:\n"
		      "  - net.delay: {to: \"localhost:5432\", delay: 200ms, jitter: 50ms}\n"
		      "    for: 30s\n"
		      "    recovers_within: 10s\n"
		      "\n"
		      "limits:\n"
		      "  duration: 2m\n" },
	{ "db",
	  HEAD "name: \"%s: clients survive a database that refuses connections\"\n"
	       "\n"
	       "steady_state:\n"
	       "  - id: app-up\n"
	       "    http: http://localhost:8080/health\n"
	       "  - id: database-port          # refused while the fault holds: only reported\n"
	       "    tcp: localhost:5432\n"
	       "    role: observe\n"
	       "\n"
	       "targets:\n"
	       "  database:\n"
	       "    flow: {to: \"localhost:5432\", proto: tcp}\n"
	       "\n"
	       "faults:\n"
	       "  - net.drop: {target: database, reply: reset, of: connections, share: 50%%}\n"
	       "    for: 30s\n"
	       "    recovers_within: {checks: [app-up], within: 15s}\n"
	       "\n"
	       "limits:\n"
	       "  duration: 2m\n" },
	{ "queue", HEAD "name: \"%s: the queue drains after its broker was cut off\"\n"
			"\n"
			"steady_state:\n"
			"  - id: broker-port\n"
			"    tcp: localhost:5672\n"
			"    fail_after: 20           # the cut itself must not end the run\n"
			"  - id: queue-depth            # a program that prints one number\n"
			"    command: [/usr/local/bin/queue-depth, --plain]\n"
			"    is: \"< 5000\"\n"
			"    every: 5s\n"
			"\n"
			"faults:\n"
			"  - net.loss: {to: \"localhost:5672\", loss: 30%%}\n"
			"    for: 20s\n"
			"  - net.drop: {to: \"localhost:5672\"}\n"
			"    after: 25s\n"
			"    for: 10s\n"
			"    recovers_within: {checks: [queue-depth], within: 1m}\n"
			"\n"
			"limits:\n"
			"  duration: 3m\n" },
};

static const char *find_starter(const char *from, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(starters); i++) {
		if (strcmp(starters[i].from, from) == 0)
			return starters[i].text;
	}
	err_set(e, EINVAL, "write --from=web, --from=db or --from=queue");
	if (strcmp(from, "gameday") == 0)
		err_ctx(e, "--from=gameday is not in this version");
	else
		err_ctx(e, "there is no such starter");
	return NULL;
}

/* The last part of a path without its suffix, checked: it goes into the file and into its name. */
static int name_of(const char *arg, struct text *ret, struct err *e)
{
	const char *slash = strrchr(arg, '/'), *base = slash ? slash + 1 : arg;
	size_t n = strlen(base);

	if (n > strlen(SUFFIX) && strcmp(base + n - strlen(SUFFIX), SUFFIX) == 0)
		n -= strlen(SUFFIX);
	text_add(ret, "%.*s", (int)n, base);
	for (size_t i = 0; i < n; i++) {
		if (!isascii(base[i]) || !(isalnum(base[i]) || (i && strchr("-_.", base[i]))))
			n = 0;
	}
	if (n && n <= NAME_MAX_LEN)
		return 0;
	err_set(e, EINVAL, "letters, digits, '-', '_' and '.', at most %d; it becomes NAME%s",
		NAME_MAX_LEN, SUFFIX);
	return err_ctx(e, "this is not a good name for an experiment");
}

/* A new file or nothing: never over another one, and no half of one stays behind. */
static int write_new(const char *path, const char *text, struct err *e)
{
	AUTO(auto_close)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	int r;

	if (fd < 0 && errno == EEXIST)
		return err_set(e, EEXIST, "'%.120s' is there already; nothing was written", path);
	if (fd < 0)
		return err_sys(e, "cannot make '%.100s'", path);
	r = io_write_full(fd, text, strlen(text));
	if (r < 0) {
		unlink(path);
		return err_set(e, -r, "cannot write '%.100s': %s", path, strerror(-r));
	}
	return 0;
}

static void say_written(const struct options *o, const char *path)
{
	if (o->json) {
		json_t *object = json_pack("{s:s}", "file", path);

		json_dumpf(object, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(object);
	}
	if (!o->quiet)
		fprintf(stderr, "wrote %s\nnext: brink check %s\n", path, path);
}

/* dir/NAME.brink.yaml for what the user wrote. */
static int path_of(const char *arg, const char *name, char *path, size_t size, struct err *e)
{
	const char *slash = strrchr(arg, '/');
	struct text t = text_on(path, size);

	text_add(&t, "%.*s%s%s", slash ? (int)(slash + 1 - arg) : 0, arg, name, SUFFIX);
	return t.cut ? err_set(e, ENAMETOOLONG, "the path is too long") : 0;
}

int cmd_new(const struct options *o)
{
	const char *arg = o->args.n ? o->args.at[0] : o->from;
	const char *starter;
	char name[300], path[1024], text[4096];
	struct text n = text_on(name, sizeof(name)), t = text_on(text, sizeof(text));
	struct err e = { 0 };
	bool to_stdout = strcmp(arg, "-") == 0;

	starter = find_starter(o->from, &e);
	if (!starter || name_of(to_stdout ? o->from : arg, &n, &e) < 0) {
		say_refused(o, &e);
		return EXIT_USAGE;
	}
	for (const char *at = starter; *at; at += strcspn(at, "%")) {
		/* %s is the name, %% a percent sign */
		if (*at == '%') {
			text_add(&t, "%s", at[1] == 's' ? name : "%");
			at += 2;
		}
		text_add(&t, "%.*s", (int)strcspn(at, "%"), at);
	}
	if (to_stdout) {
		fputs(text, stdout);
		return EXIT_PASS;
	}
	if (path_of(arg, name, path, sizeof(path), &e) < 0 || write_new(path, text, &e) < 0) {
		say_error(o, &e);
		return EXIT_USAGE;
	}
	say_written(o, path);
	return EXIT_PASS;
}
