/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog_stepper [OPTION...] COMMAND [ARGUMENT...]: runs brink under ptrace (stepper.h).
 *   -c         count: prints "points ROLE N calls N" for each part of brink
 *   -k, -s     SIGKILL, SIGSTOP at ...
 *   -f ERRNO   ... the call fails with this number
 *   -a ROLE:N  ... the Nth point (-f: call) of this part
 *   -t MS      ... or so long after the start, wherever everybody is
 *   -x ROLE:N  before that, at this point, the keeper is killed
 *   -v ROLE,.. these get the signal too
 *   -e         the call fails for ever
 *   -r         of calls in a row that only read files the first one counts
 *   -o FILE    what happened is appended here
 * The exit code is the command's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/crash/stepper.h"

static enum step_role role_named(const char *name, size_t n)
{
	for (int i = 0; i < ROLES; i++) {
		if (strlen(step_role_names[i]) == n && strncmp(step_role_names[i], name, n) == 0)
			return (enum step_role)i;
	}
	fprintf(stderr, "prog_stepper: there is no role '%s'\n", name);
	exit(2);
}

static enum step_role parse_point(const char *text, uint64_t *ret_at)
{
	*ret_at = strtoull(text + strcspn(text, ":") + 1, NULL, 10);
	return role_named(text, strcspn(text, ":"));
}

static unsigned parse_victims(const char *text)
{
	unsigned mask = 0;

	while (*text) {
		size_t n = strcspn(text, ",");

		mask |= 1U << role_named(text, n);
		text += n + (text[n] == ',');
	}
	return mask;
}

static void print_counts(const struct step_counts *c, FILE *to)
{
	for (int i = 0; i < ROLES; i++) {
		if (c->points[i] && i != ROLE_OTHERS)
			fprintf(to, "points %s %" PRIu64 " calls %" PRIu64 "\n", step_role_names[i],
				c->points[i], c->calls[i]);
	}
}

static void parse(struct step_plan *p, int opt)
{
	switch (opt) {
	case 'k':
		p->mode = STEP_KILL;
		break;
	case 's':
		p->mode = STEP_STOP;
		break;
	case 'f':
		p->mode = STEP_FAIL;
		p->errnum = atoi(optarg);
		break;
	case 'a':
		p->role = parse_point(optarg, &p->at);
		break;
	case 'x':
		p->first_role = parse_point(optarg, &p->first_at);
		break;
	case 't':
		p->after_ms = atoll(optarg);
		break;
	case 'v':
		p->victims = parse_victims(optarg);
		break;
	case 'e':
		p->forever = true;
		break;
	case 'r':
		p->skim = true;
		break;
	case 'o':
		p->report = optarg;
		break;
	case 'c':
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct step_plan plan = { .mode = STEP_COUNT, .after_ms = -1 };
	struct step_counts counts = { 0 };
	FILE *to;
	int opt, code;

	while ((opt = getopt(argc, argv, "+cksf:a:t:x:v:ero:")) != -1)
		parse(&plan, opt);
	if (optind == argc)
		return 2;
	code = step_run(&plan, argv + optind, &counts);
	to = plan.report ? fopen(plan.report, "ae") : stdout;
	if (to && plan.mode == STEP_COUNT)
		print_counts(&counts, to);
	if (to && plan.report)
		fclose(to);
	return code < 0 ? 127 : code;
}
