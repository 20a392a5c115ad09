/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "runner/commands.h"
#include "runner/history.h"
#include "runner/leftovers.h"
#include "runner/say.h"

/* The end of the id: its beginning is its time, alike in all runs of a day. */

enum now {
	NOW_OVER,  /* or what became of it is not known */
	NOW_ALIVE, /* according to its journal */
	NOW_CUT,   /* the machine went down before it was clean */
};

static enum now now_of(const struct left_runs *l, const struct past_run *r)
{
	char boot_id[40] = "";
	struct err ignored;

	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->at[i].id, r->id) == 0)
			return l->at[i].life == RUN_ALIVE ? NOW_ALIVE : NOW_OVER;
	}
	journal_boot_id(boot_id, &ignored);
	return r->boot[0] && history_cut_off(r, boot_id) ? NOW_CUT : NOW_OVER;
}

static const char *verdict_of(const struct past_run *r, enum now now)
{
	if (r->ended && r->verdict[0])
		return r->verdict;
	return now == NOW_ALIVE ? "running" : "interrupted";
}

static const char *clean_of(const struct past_run *r, enum now now)
{
	if (now == NOW_CUT)
		return "rebooted";
	if (r->recovered && r->clean)
		return "reverted";
	if (!r->ended && !r->recovered)
		return now == NOW_ALIVE ? "-" : "?";
	return r->clean ? "clean" : "NOT CLEAN";
}

static void print_json(const struct past_run *r, enum now now)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b}", "run", r->id, "started",
			      r->started, "name", r->name, "verdict", verdict_of(r, now), "ended",
			      r->ended, "recovered", r->recovered, "rebooted", now == NOW_CUT);

	if (r->ended || r->recovered)
		json_object_set_new(o, "clean", json_boolean(r->clean));
	if (r->exit >= 0)
		json_object_set_new(o, "exit", json_integer(r->exit));
	if (r->why[0])
		json_object_set_new(o, "why", json_string(r->why));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void print_line(const struct past_run *r, enum now now)
{
	printf("%s  %-19.19s  %-11s  %-9s  %s\n", ulid_short(r->id), r->started, verdict_of(r, now),
	       clean_of(r, now), r->name);
}

int cmd_runs(const struct options *o)
{
	struct left_runs l = { 0 };
	struct history h = { 0 };
	struct err e = { 0 };
	struct paths p;

	paths_find(&p);
	if (history_read(p.runs, &h, &e) < 0 || leftovers_find(&p, false, &l, &e) < 0) {
		say_error(o, &e);
		history_done(&h);
		return EXIT_UNABLE;
	}
	if (!h.n && !o->json)
		fprintf(stderr, "no runs yet in %s\n", p.runs);
	for (size_t i = 0; i < h.n; i++) {
		if (o->json)
			print_json(&h.at[i], now_of(&l, &h.at[i]));
		else
			print_line(&h.at[i], now_of(&l, &h.at[i]));
	}
	leftovers_done(&l);
	history_done(&h);
	return EXIT_PASS;
}
