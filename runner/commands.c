/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/commands.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINES(...)                       \
	.example = (const char *const[]) \
	{                                \
		__VA_ARGS__, NULL        \
	}

const struct command commands[VERB_COUNT] = {
	[VERB_TRY] = { "try", "FAULT [KEY=VALUE…] [-- COMMAND…]", "one fault, no file, now",
		       "Makes one fault for a while, takes it back and shows that it is gone. With a "
		       "command behind '--' the fault holds while the command runs, and brink exits "
		       "with the command's code (125: it never ran; brink's own 20: not clean).",
		       LINES("brink try net.delay to=localhost:5432 delay=200ms --for 30s",
			     "brink try proc.pause pid=4242 --check http://localhost:8080/health",
			     "brink try net.drop to=10.0.0.7 -- pytest tests/checkout"),
		       1, ARGS_ANY, "a FAULT", true },
	[VERB_NEW] = { "new", "[NAME]", "write a starter file",
		       "Writes NAME.brink.yaml, a small experiment to change. Never overwrites. "
		       "The name - writes to standard output.",
		       LINES("brink new checkout", "brink new orders --from queue"), 0, 1,
		       "a NAME" },
	[VERB_CHECK] = { "check", "FILE…", "find every mistake in a file; touch nothing",
			 "Reads each file as a run would and lists all mistakes at once, with place "
			 "and remedy. Exit code 3 when there is one.",
			 LINES("brink check web.brink.yaml",
			       "brink check --json experiments/*.yaml"),
			 1, ARGS_ANY, "a FILE" },
	[VERB_PLAN] = { "plan", "FILE", "print each change and its undo; make none",
			"Resolves every target and prints what a run would do, in which order, and "
			"how each part is taken back.",
			LINES("sudo brink plan web.brink.yaml",
			      "sudo brink plan web.brink.yaml --out web.plan"),
			1, 1, "a FILE" },
	[VERB_RUN] = { "run", "FILE", "do it, watch it, undo it, judge it",
		       "Checks the steady state, makes the faults, keeps watching, takes every fault "
		       "back, and reads the system to prove that nothing is left.",
		       LINES("sudo brink run web.brink.yaml",
			     "sudo brink run web.brink.yaml --yes --var base=http://127.0.0.1:8080",
			     "sudo brink run --plan web.plan"),
		       1, 1, "a FILE" },
	[VERB_HALT] = { "halt", "[RUN]", "stop a run now",
			"Stops the run, or the only one there is; it takes its faults back and ends "
			"as aborted. RUN is an id or its unique end.",
			LINES("sudo brink halt", "sudo brink halt --all --why \"wrong host\""), 0,
			1, "a RUN" },
	[VERB_REVERT] = { "revert", "[RUN]", "undo what a dead run left behind",
			  "Takes back from the journal whatever is still there and reads back that it "
			  "is gone. Safe to repeat; never touches what brink did not make.",
			  LINES("sudo brink revert", "sudo brink revert --all",
				"sudo brink revert --print"),
			  0, 1, "a RUN" },
	[VERB_STATUS] = { "status", "[RUN]", "what is running, what it holds, what is left",
			  "Shows the runs of this machine that go on or are not clean, and their "
			  "faults.",
			  LINES("brink status", "brink status --json"), 0, 1, "a RUN" },
	[VERB_RUNS] = { "runs", "", "earlier runs and their verdicts",
			"Lists the runs of this machine, the newest last.",
			LINES("brink runs", "brink runs --json"), 0, 0, "" },
	[VERB_LIST] = { "list", "faults|probes|targets", "what this version can do",
			"Lists the faults, the probes that checks can use, or the kinds of targets.",
			LINES("brink list faults", "brink list probes --json"), 1, 1,
			"faults, probes or targets" },
	[VERB_EXPLAIN] = { "explain", "KEY|FAULT|CODE", "the manual of one word",
			   "Explains a key of the language, a fault, a parameter, a message code or "
			   "an exit code.",
			   LINES("brink explain net.delay", "brink explain steady_state",
				 "brink explain B1042"),
			   1, 1, "a KEY, FAULT or CODE" },
	[VERB_DOCTOR] = { "doctor", "[FILE]", "can this machine do it, and undo it?",
			  "Tries in a scratch namespace what the faults need, and says what is "
			  "missing and how to get it. With a FILE: only what that file needs.",
			  LINES("brink doctor", "brink doctor web.brink.yaml"), 0, 1, "a FILE" },
	[VERB_DEMO] = { "demo", "", "see it work: two experiments on a toy service",
			"Starts a gateway and a backend in namespaces of their own and runs two "
			"shipped experiments on them: one passes, one fails. Nothing is left.",
			LINES("brink demo"), 0, 0, "" },
	[VERB_VERSION] = { "version", "", "print the version", "Prints the version.",
			   LINES("brink version", "brink version --json"), 0, 0, "" },
	[VERB_HELP] = { "help", "[TOPIC]", "help about a command or a topic",
			"Topics: exit-codes, environment, language, safety, policy, or a command.",
			LINES("brink help", "brink help exit-codes", "brink help run"), 0, 1,
			"a TOPIC" },
};

/* Verbs of later versions, and words by which other tools call what brink has. */
static const struct {
	const char *word, *instead; /* NULL: not in this version */
} absent[] = {
	{ "watch", NULL },
	{ "report", NULL },
	{ "schedule", NULL },
	{ "fleet", NULL },
	{ "agent", NULL },
	{ "ui", NULL },
	{ "config", NULL },
	{ "schema", NULL },
	{ "completion", NULL },
	{ "fmt", "brink does not rewrite files: comments would be lost" },
	{ "undo", "write: brink revert" },
	{ "rollback", "write: brink revert" },
	{ "recover", "write: brink revert" },
	{ "stop", "write: brink halt" },
	{ "abort", "write: brink halt" },
	{ "validate", "write: brink check" },
	{ "lint", "write: brink check" },
	{ "init", "write: brink new" },
	{ "start", "write: brink run" },
	{ "exec", "write: brink run" },
	{ "ps", "write: brink status" },
	{ "ls", "write: brink list" },
};

enum verb command_find(const char *name)
{
	for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
		if (strcmp(commands[v].name, name) == 0)
			return v;
	}
	return VERB_NONE;
}

static const char *nearest_verb(const char *word)
{
	unsigned best = fields_tolerance(word) + 1;
	const char *found = NULL;
	size_t n = strlen(word);

	for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
		unsigned d = n > 1 && strncmp(word, commands[v].name, n) == 0 ?
				     0 :
				     fields_distance(word, commands[v].name, best);

		if (d < best) {
			best = d;
			found = commands[v].name;
		}
	}
	return found;
}

/* Does it look like the file of an experiment? */
static bool looks_like_file(const char *word)
{
	const char *dot = strrchr(word, '.');
	struct stat st;

	return strchr(word, '/') || (dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"))) ||
	       (stat(word, &st) == 0 && S_ISREG(st.st_mode));
}

static int refuse_known(const char *word, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
		if (strcmp(absent[i].word, word) != 0)
			continue;
		err_set(e, EINVAL, "%s",
			absent[i].instead ? absent[i].instead : "brink help lists what there is");
		return absent[i].instead ? err_ctx(e, "there is no 'brink %s'", word) :
					   err_ctx(e, "'brink %s' is not in this version", word);
	}
	return 0;
}

int command_refuse(const char *word, struct err *e)
{
	const char *near = nearest_verb(word);
	char buf[ERR_LINE];
	struct text t = text_on(buf, 100);
	int r = refuse_known(word, e);

	if (r)
		return r;
	text_add_foreign(&t, word, strnlen(word, 90));
	if (looks_like_file(word)) {
		err_set(e, EINVAL, "write: brink run %s", buf);
		return err_ctx(e, "'%s' is a file, not a command", buf);
	}
	if (near)
		err_set(e, EINVAL, "did you mean 'brink %s'?", near);
	else
		err_set(e, EINVAL, "brink help lists the commands");
	return err_ctx(e, "unknown command '%s'", buf);
}
