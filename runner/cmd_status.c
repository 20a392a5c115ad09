/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "runner/commands.h"
#include "runner/effect.h"
#include "runner/history.h"
#include "runner/leftovers.h"
#include "runner/say.h"
#include "safety/recover.h"

/* buf: for the name of an owner. */
static const char *life_word(const struct left_run *r, char *buf, size_t size)
{
	char owner[64];
	static const char *const words[] = { [RUN_ALIVE] = "running",
					     [RUN_DONE] = "dead, clean",
					     [RUN_LEFT] = "dead, NOT CLEAN",
					     [RUN_BLIND] = "cannot be read" };

	if (r->foreign) {
		snprintf(buf, size, "of %s", leftovers_owner(r, owner, sizeof(owner)));
		return buf;
	}
	return r->by_spare ? "being taken back" : words[r->life];
}

/* One fault: the changes [first, first + n) of the journal. */
struct fault_view {
	unsigned first, n;
	const char *label, *state;
	char kinds[120];
	const struct change_ops *counter; /* NULL: what it hits is not known outside of its run */
	struct effect effect;
};

/*
 * Read from the system, not from anybody's memory. 1 = the target feels it, 0 = it does not,
 * negative = cannot be told.
 */
static int is_felt(const struct journal_slot *s)
{
	const struct change_ops *ops = change_ops_of(s->undo.kind);
	char words[256];
	struct text left = text_on(words, sizeof(words));
	struct err ignored;

	return ops && ops->ended ? ops->ended(&s->undo, &left, &ignored) : 0;
}

static bool is_there(const struct journal_slot *s)
{
	const struct change_ops *ops = change_ops_of(s->undo.kind);
	char words[256];
	struct text left = text_on(words, sizeof(words));
	struct err ignored;

	return ops && ops->gone && ops->gone(&s->undo, &left, &ignored) != 0;
}

/* A process of another PID namespace: by its number here somebody else would be looked at. */
static bool is_elsewhere(const struct left_run *r, const struct journal_slot *s)
{
	char words[256];
	struct text left = text_on(words, sizeof(words));

	return change_proc_of(&s->undo) && recover_look_elsewhere(&r->journal, s, &left) < 0;
}

static const char *state_of(const struct left_run *r, const struct fault_view *f)
{
	unsigned restored = 0, felt = 0, blind = 0, there = 0;

	if (r->earlier_boot)
		return "gone with its boot";
	for (unsigned i = f->first; i < f->first + f->n; i++) {
		const struct journal_slot *s = &r->journal.slot[i];
		int rc;

		restored += s->state == SLOT_RESTORED;
		if (s->state == SLOT_RESTORED || s->state == SLOT_PLANNED)
			continue;
		rc = s->state == SLOT_UNKNOWN || is_elsewhere(r, s) ? -1 : is_felt(s);
		felt += rc > 0 && s->state != SLOT_ENDED; /* else it came after our end */
		blind += rc < 0;
		there += s->state != SLOT_UNKNOWN && is_there(s);
	}
	if (restored == f->n)
		return "reverted";
	if (felt)
		return "HELD";
	if (blind)
		return "unknown";
	if (there)
		return r->life == RUN_ALIVE ? "armed" : "LEFT";
	return r->life == RUN_ALIVE ? "not begun" : "gone";
}

/* What the kernel counts for those that it lets hit something. */
static void look_at_effect(const struct left_run *r, struct fault_view *f)
{
	f->counter = NULL;
	f->effect = (struct effect){ 0 };
	for (unsigned i = f->first; i < f->first + f->n && !r->earlier_boot; i++) {
		const struct journal_slot *s = &r->journal.slot[i];
		const struct change_ops *ops = change_ops_of(s->undo.kind);
		struct effect one;
		struct err ignored;

		if (!ops || !ops->seen || s->state == SLOT_RESTORED ||
		    ops->seen(&s->undo, &one, &ignored) < 0)
			continue;
		f->counter = ops;
		f->effect.hits += one.hits;
		f->effect.bytes += one.bytes;
	}
}

/* The next fault at or after slot `at`. False: there is none. */
static bool next_fault(const struct left_run *r, unsigned at, struct fault_view *ret)
{
	const struct journal *j = &r->journal;
	struct text kinds = text_on(ret->kinds, sizeof(ret->kinds));

	if (r->life == RUN_BLIND || at >= j->head.n_slots)
		return false;
	ret->first = at;
	ret->n = 0;
	ret->label = j->slot[at].undo.label;
	while (at < j->head.n_slots && j->slot[at].undo.fault == j->slot[ret->first].undo.fault) {
		const struct change_ops *ops = change_ops_of(j->slot[at].undo.kind);

		text_add(&kinds, "%s%s", ret->n ? ", " : "", ops ? ops->kind : "?");
		ret->n++;
		at++;
	}
	ret->state = state_of(r, ret);
	look_at_effect(r, ret);
	return true;
}

static json_t *faults_json(const struct left_run *r)
{
	json_t *list = json_array();
	struct fault_view f = { 0 };

	for (unsigned at = 0; next_fault(r, at, &f); at = f.first + f.n) {
		json_t *o = json_pack("{s:s, s:s, s:s}", "fault", f.label, "state", f.state,
				      "changes", f.kinds);

		if (o && f.counter)
			effect_set(o, f.counter, &f.effect);
		json_array_append_new(list, o);
	}
	return list;
}

static void print_json(const struct left_run *r)
{
	const struct journal_head *h = &r->journal.head;
	char buf[ERR_LINE * 4];
	json_t *o = json_pack("{s:s, s:s, s:b}", "run", r->id, "state",
			      life_word(r, buf, sizeof(buf)), "alive", r->life == RUN_ALIVE);

	if (r->life == RUN_BLIND) {
		json_object_set_new(o, "error", json_string(err_format(&r->err, buf, sizeof(buf))));
	} else {
		json_object_set_new(o, "name", json_string(h->name));
		json_object_set_new(o, "started", json_string(h->started));
		json_object_set_new(o, "keeper", json_integer(h->keeper.pid));
		json_object_set_new(o, "why", json_string(h->why));
		json_object_set_new(o, "faults", faults_json(r));
	}
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void print_text(const struct options *o, const struct paths *p, const struct left_run *r)
{
	const struct journal_head *h = &r->journal.head;
	bool color = options_color(o, STDOUT_FILENO);
	enum say_color c = r->life == RUN_LEFT ? SAY_RED : SAY_PLAIN;
	char buf[ERR_LINE * 4];
	struct text name = text_on(buf, sizeof(buf));
	struct fault_view f = { 0 };

	printf("%s  %s%s%s", r->id, say_on(color, c), life_word(r, buf, sizeof(buf)),
	       say_off(color, c));
	if (r->life == RUN_BLIND) {
		printf("  %s\n", err_format(&r->err, buf, sizeof(buf)));
		return;
	}
	text_add_foreign(&name, h->name, strlen(h->name));
	printf("  since %.19s  %s\n", h->started, buf);
	if (h->why[0])
		printf("  why    %s\n", leftovers_why(r, buf, sizeof(buf)));
	for (unsigned at = 0; next_fault(r, at, &f); at = f.first + f.n) {
		name = text_on(buf, sizeof(buf));
		text_add_foreign(&name, f.label, strlen(f.label));
		if (f.counter) {
			text_add(&name, " hit ");
			effect_add(&name, f.counter, &f.effect);
		}
		printf("  %-18s %s (%s)\n", f.state, buf, f.kinds);
	}
	if (leftovers_frozen(r, buf, sizeof(buf)))
		printf("  frozen:      its keeper goes on when the cgroup '%s' is thawed\n", buf);
	else if (r->by_spare)
		puts("  ends:        the spare keeper is taking it back");
	else if (r->life == RUN_ALIVE)
		printf("  to end it:   brink halt %s\n", r->id);
	if (r->life == RUN_LEFT)
		printf("  to clean:    %sbrink revert %s\n", p->root ? "sudo " : "", r->id);
}

static int show(const struct options *o, const struct paths *p, const struct left_runs *l)
{
	const struct left_run *only = NULL;
	struct err e = { 0 };
	int rc = o->args.n ? leftovers_choose(p, l, o->args.at[0], &only, &e) : 0;

	if (rc == -ENODATA) {
		say_refused(o, &e);
		return EXIT_NOT_CLEAN;
	}
	if (rc > 0) {
		fprintf(stderr, "run %s has ended and left nothing behind. See: brink runs\n",
			o->args.at[0]);
		return EXIT_PASS;
	}
	if (rc < 0) {
		say_error(o, &e);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (only && only != &l->at[i])
			continue;
		if (o->json)
			print_json(&l->at[i]);
		else
			print_text(o, p, &l->at[i]);
	}
	if (!only && leftovers_say_lost(p) == 0 && !l->n && !o->json)
		fputs("no run goes on here, and none has left anything behind\n", stderr);
	return EXIT_PASS;
}

int cmd_status(const struct options *o)
{
	struct left_runs l = { 0 };
	struct err e = { 0 };
	struct paths p;
	int code;

	paths_find(&p);
	if (leftovers_find(&p, true, &l, &e) < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	code = show(o, &p, &l);
	leftovers_done(&l);
	return code;
}
