/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/exit.h"
#include "inject/fault.h"
#include "runner/help.h"
#include "scenarios/experiment.h"

const struct help_row help_environment[] = {
	{ "NO_COLOR", "not empty: no colour, unless --color=always" },
	{ "CLICOLOR_FORCE",
	  "neither empty nor 0: colour even in a pipe, unless NO_COLOR or --color" },
	{ "TERM", "dumb or empty: no colour and no cursor movement" },
	{ "XDG_RUNTIME_DIR", "without root: journals and locks stand in its folder brink" },
	{ "XDG_STATE_HOME", "without root: events of runs stand in its folder brink/runs" },
	{ "HOME",
	  "without root and XDG_STATE_HOME: events of runs stand in its .local/state/brink/runs" },
	{ "PATH", "where commands of checks and of brink try are looked for" },
	{ "SUDO_UID, SUDO_GID",
	  "checks and the command of try run as this user; as root without sudo: as nobody" },
	{ "SSH_CONNECTION", "a hint to the session that no fault may touch" },
	{ 0 },
};

const struct help_row help_files[] = {
	{ "/etc/brink/policy.yaml", "what may be done on this machine; belongs to root" },
	{ "/etc/brink/experiments/NAME.brink.yaml", "what brink@NAME.service runs" },
	{ "/run/brink/RUN/", "undo journal and control socket of a run; gone at a reboot" },
	{ "/run/brink/locks/", "one lock for each resource that a run holds" },
	{ "/var/lib/brink/runs/RUN/events.ndjson", "what happened, one JSON object a line" },
	{ 0 },
};

static void para(FILE *out, const char *text)
{
	help_wrap(out, 0, 0, text);
	fputc('\n', out);
}

static void rows(FILE *out, const struct help_row *row)
{
	for (; row->name; row++) {
		fprintf(out, "  %s\n      ", row->name);
		help_wrap(out, 6, 6, row->text);
	}
}

static void print_exit_codes(FILE *out)
{
	size_t n;
	const struct exit_info *x = exit_list(&n);

	fprintf(out, "code  name       machine\n");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%4d  %-9s  %-13s  ", x[i].code, x[i].name, x[i].machine);
		help_wrap(out, 32, 32, x[i].meaning);
	}
	fputc('\n', out);
	para(out, "20 overrides every other code. brink try FAULT -- COMMAND exits with the "
		  "command's own code; with the run's where that is 0 or the run ended first; with "
		  "125 where a run was begun that never came to the command.");
}

static void print_environment(FILE *out)
{
	rows(out, help_environment);
	fprintf(out, "\nFiles\n");
	rows(out, help_files);
}

static void print_language(FILE *out)
{
	fputs("An experiment, in a file that ends in .brink.yaml:\n"
	      "\n"
	      "  brink: 1\n"
	      "  name: web survives a slow database\n"
	      "  steady_state:\n"
	      "    - http: http://localhost:8080/health\n"
	      "  faults:\n"
	      "    - net.delay: {to: \"localhost:5432\", delay: 200ms}\n"
	      "      for: 30s\n"
	      "\n"
	      "Top level keys\n",
	      out);
	for (const struct field *f = experiment_tables[0]->fields; f->name; f++) {
		if (f->type == FIELD_LATER)
			continue;
		fprintf(out, "  %-14s", f->name);
		help_wrap(out, 16, 16, f->doc);
	}
	fprintf(out, "\nFaults\n");
	for (size_t i = 0; fault_registry[i]; i++) {
		fprintf(out, "  %-14s", fault_registry[i]->name);
		help_wrap(out, 16, 16, fault_registry[i]->summary);
	}
	fputc('\n', out);
	para(out,
	     "Values have units: durations 500ms 10s 2m 1h30m, sizes 64MiB, rates 10mbit, shares 30%. "
	     "Comparisons are text: \"< 500ms\". ${name} is a variable of vars. Unknown keys "
	     "are errors; keys that begin with x- are yours. A fault without 'for' holds "
	     "for " EXPERIMENT_FOR ".");
	para(out, "brink explain KEY tells all about one word; man 5 brink-experiment has the "
		  "whole language.");
}

static void print_safety(FILE *out)
{
	para(out,
	     "A fault is a lease, never a state. Every fault has an end: its 'for', a failing "
	     "check, brink halt, Ctrl-C, or the death of brink itself. Each is written into an "
	     "undo journal before it is made, and 'clean' is said only after the kernel was "
	     "read back.");
	fputs("  self-ending  the kernel ends it within the lease (3 s), whatever dies\n"
	      "  guarded      a second process ends it, else a timer in PID 1\n"
	      "  persistent   it survives a reboot; the boot unit ends it\n"
	      "  one-shot     there is nothing to take back: a killed process\n\n",
	      out);
	para(out,
	     "Never touched: the connections of sshd's sessions and yours first of all, brink and "
	     "its ancestors, PID 1, ARP and neighbour discovery, and what policy denies. "
	     "What brink did not make it never removes or alters.");
	para(out, "When something could not be taken back, the exit code is 20 and the last lines "
		  "say what is known to be left. brink revert tries again, brink revert --print "
		  "shows the commands that undo it by hand.");
}

static void print_policy(FILE *out)
{
	para(out, "/etc/brink/policy.yaml says what may be done on this machine. It must belong to "
		  "root and be writable by nobody else; files and flags can only narrow it.");
	para(out,
	     "Without that file: at most 30 minutes a fault, 2 hours a run, and the shield on.");
	para(out, "With it: lists 'allow' and 'deny' by fault, device, path, unit, user and flow, "
		  "and maxima. A refusal names the rule with file and line, and exits 4.");
	para(out, "An experiment has limits of its own (brink explain limits); the smaller wins.");
}

const struct help_topic help_topics[] = {
	{ "exit-codes", "what each exit code means, and the state of the machine",
	  print_exit_codes },
	{ "environment", "variables that brink reads, and its files", print_environment },
	{ "language", "the experiment language on one page", print_language },
	{ "safety", "what ends a fault, and what is never touched", print_safety },
	{ "policy", "who decides what is allowed", print_policy },
	{ 0 },
};
