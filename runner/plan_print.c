/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/plan_print.h"

#include <string.h>

#include "base/clock.h"
#include "runner/plan_rights.h"
#include "safety/systemd.h"

static const char *duration(int64_t ns, char *buf, size_t size)
{
	struct text t = text_on(buf, size);

	units_add_duration(&t, ns);
	return buf;
}

/* What a check asks, in a few words. */
static void add_source(struct text *t, const struct check_spec *c)
{
	switch (c->source) {
	case CHECK_HTTP:
		text_add(t, "%s", c->http.url);
		break;
	case CHECK_TCP:
		text_add(t, "tcp %s", c->tcp.to);
		break;
	case CHECK_COMMAND:
		for (size_t i = 0; i < c->command.n; i++)
			text_add(t, "%s%s", i ? " " : "", c->command.at[i]);
		break;
	case CHECK_PROCESS_UP:
		text_add(t, "process %s", c->process_up.target ? c->process_up.target : "up");
		break;
	}
}

static void print_check(const struct check_spec *c, bool first, FILE *out)
{
	char source[200], every[32];
	struct text t = text_on(source, sizeof(source));

	add_source(&t, c);
	fprintf(out, "  %-14s %-5s %s   every %s, ", first ? "Steady state" : "", c->id, source,
		duration(c->every_ns, every, sizeof(every)));
	if (c->role == ROLE_OBSERVE)
		fputs("only observed\n", out);
	else
		fprintf(out, "%d %s in a row = abort\n", (int)c->fail_after,
			c->fail_after == 1 ? "miss" : "misses");
}

static void print_now(const struct probe_sample *s, FILE *out)
{
	static const char *const words[] = {
		[PROBE_OK] = "ok", [PROBE_FAIL] = "FAIL", [PROBE_NO_DATA] = "no data"
	};

	if (s->seq == UINT32_MAX)
		fprintf(out, "  %-14s now: no answer\n", "");
	else
		fprintf(out, "  %-14s now: %-60s %s\n", "", s->text, words[s->verdict % 3]);
}

static void print_changes(const struct planned_fault *f, FILE *out)
{
	for (unsigned k = 0; k < f->n_changes; k++) {
		char does[500], undoes[500];
		struct text d = text_on(does, sizeof(does)), u = text_on(undoes, sizeof(undoes));

		change_ops_of(f->change[k].kind)->print(&f->change[k], &d, &u);
		fprintf(out, "            do    %s\n", does);
		fprintf(out, "            undo  %s\n", undoes);
	}
}

static void print_fault(const struct planned_fault *f, FILE *out)
{
	char after[32], hold[32], class[160];
	struct text t = text_on(class, sizeof(class));
	const struct fault_item *item = f->item;

	fprintf(out, "\n  t+%-7s %-11s %s", duration(item->after_ns, after, sizeof(after)),
		item->ops->name, f->summary);
	if (item->for_ns)
		fprintf(out, "   for %s", duration(item->for_ns, hold, sizeof(hold)));
	planner_add_class(f->class, f->n_changes ? f->change[0].lease_ms : PLAN_LEASE_MS, &t);
	fprintf(out, "\n            %s\n", class);
	for (unsigned i = 0; i < f->n_notes; i++)
		fprintf(out, "            note  %s\n", f->note[i]);
	print_changes(f, out);
}

static unsigned count_undos(const struct run_plan *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_faults; i++) {
		for (unsigned k = 0; k < p->fault[i].n_changes; k++)
			n += change_ops_of(p->fault[i].change[k].kind)->class != CLASS_ONE_SHOT;
	}
	return n;
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

/* By which rule each fault is allowed; one line where they agree. */
static void print_limits(const struct run_plan *p, FILE *out)
{
	for (unsigned i = 0; i < p->n_faults; i++) {
		if (i == 0 || strcmp(p->fault[i].policy.text, p->fault[i - 1].policy.text) != 0)
			fprintf(out, "  %-9s %s\n", i ? "" : "Limits", p->fault[i].policy.text);
	}
}

/* Who is there when all of brink is dead; what is missing is said before, not after. */
static void print_deadman(FILE *out)
{
	const struct systemd_host *host = NULL;
	struct err e;

	if (systemd_find(&host, &e) == 0)
		fputs("  Timer     one in PID 1 reverts when all of brink is dead\n", out);
	else
		fprintf(out,
			"  Missing   %s: when all of brink is dead, guarded faults wait for brink revert\n",
			e.msg[0]);
}

static void print_totals(const struct prepared *p, const char *file, FILE *out)
{
	const struct run_plan *rp = &p->plan;
	unsigned undos = count_undos(rp);
	char end[32], longest[32];

	fprintf(out, "\n  t+%-7s revert everything, then watch the steady state come back\n",
		duration(rp->hold_ns, end, sizeof(end)));
	fprintf(out,
		"\n  Touches   %u network device%s, %u process%s, %u file system%s.   Longest %s.\n",
		rp->devices, plural(rp->devices), rp->processes, rp->processes == 1 ? "" : "es",
		rp->files, plural(rp->files), duration(rp->longest_ns, longest, sizeof(longest)));
	print_limits(rp, out);
	print_deadman(out);
	fprintf(out, "  Shield    %u processes, %u sessions%s%s\n", p->shield.n_procs, p->flows.n,
		p->shield_note[0] ? "; " : "", p->shield_note);
	plan_rights_print(rp, out);
	fprintf(out, "  Seed      %llu\n", (unsigned long long)p->seed);
	fprintf(out, "\nPlan: %u fault%s, %u change%s, %u undo%s.", rp->n_faults,
		plural(rp->n_faults), rp->n_changes, plural(rp->n_changes), undos, plural(undos));
	if (file)
		fprintf(out, "  To do it:  %sbrink run %s --seed %llu",
			p->paths.root ? "sudo " : "", file, (unsigned long long)p->seed);
	fputc('\n', out);
}

void plan_print(const struct prepared *p, const struct probe_sample *now, const char *file,
		FILE *out)
{
	fprintf(out, "Plan for \"%s\"\n\n", p->x.name);
	for (size_t i = 0; i < p->x.n_checks; i++) {
		print_check(&p->x.checks[i], i == 0, out);
		print_now(&now[i], out);
	}
	for (unsigned i = 0; i < p->plan.n_faults; i++)
		print_fault(&p->plan.fault[i], out);
	print_totals(p, file, out);
}
