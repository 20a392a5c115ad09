/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/revert_print.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit.h"
#include "inject/proc_fs.h"
#include "safety/recover.h"

struct printer {
	const struct left_run *run;
	bool any;
	int code;
	int64_t began_ns;
};

static void print_head(struct printer *p)
{
	if (!p->any)
		printf("# run %s\n", p->run->id);
	p->any = true;
}

static bool lives(const struct change_proc *p)
{
	struct proc_stat s;

	return p->pid > 0 && proc_stat_of(p->pid, &s) == 0 && s.start_ticks == p->start_ticks &&
	       !proc_is_dead(&s);
}

static bool is_stopped(const struct change_proc *p)
{
	struct proc_stat s;

	return lives(p) && proc_stat_of(p->pid, &s) == 0 && (s.state == 'T' || s.state == 't');
}

static void print_kill(struct printer *p, const struct change_proc *who, bool *line)
{
	print_head(p);
	printf("%s%d", *line ? " " : "kill -KILL ", who->pid);
	*line = true;
}

/*
 * First of all whoever could wake up later and go on, and the holders: the kernel takes away what
 * they own. One may die of the death of another before its turn.
 */
static void print_processes(struct printer *p)
{
	const struct journal *j = &p->run->journal;
	const struct change_proc *const peers[] = { &j->head.keeper, &j->head.spare,
						    &j->head.runner };
	bool line = false;

	if (j->elsewhere) /* whoever has the numbers here */
		return;
	for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
		if (is_stopped(peers[i]))
			print_kill(p, peers[i], &line);
	}
	for (unsigned i = 0; i < j->head.n_slots; i++) {
		const struct change_proc *h = &j->slot[i].holder;

		if ((!i || h->pid != j->slot[i - 1].holder.pid) && lives(h))
			print_kill(p, h, &line);
	}
	if (line)
		puts(" || :");
}

/* Is it gone, in words if not? A device that somebody has just set up again has its addresses back
 * a moment later: -ESTALE until then. All of the run together wait as long as one with `brink
 * revert`. */
static int look_gone(const struct printer *p, const struct undo *u, const struct change_ops *ops,
		     char *words, size_t n)
{
	struct err ignored;
	int rc;

	for (;;) {
		struct text left = text_on(words, n);

		rc = ops->gone(u, &left, &ignored);
		if (rc != -ESTALE || clock_mono_ns() - p->began_ns >= RECOVER_SLOT_NS)
			return rc;
		recover_pause(p->began_ns);
	}
}

/* Nobody can say from here what became of a process: true when that is all there is to it. */
static bool print_elsewhere(struct printer *p, const struct journal_slot *s)
{
	const struct journal *j = &p->run->journal;
	char words[256];
	struct text left = text_on(words, sizeof(words));

	if (recover_look_elsewhere(j, s, &left) == 0)
		return false;
	print_head(p);
	printf("# %s: %s; brink revert %s in its PID namespace\n", s->undo.label, words,
	       p->run->id);
	p->code = EXIT_NOT_CLEAN;
	return change_proc_of(&s->undo) != NULL;
}

/* What could not be read back needs its command; what is somebody else's now must not get it. */
static void print_slot(struct printer *p, unsigned i)
{
	const struct journal_slot *s = &p->run->journal.slot[i];
	const struct change_ops *ops = change_ops_of(s->undo.kind);
	char words[256] = "";
	struct text left = text_on(words, sizeof(words));
	char command[sizeof(s->undo.by_hand) + 4 * sizeof(s->undo.netns.path) + 80] = "";
	struct text by_hand = text_on(command, sizeof(command));
	struct err e = { 0 };
	bool again = s->state == SLOT_ENDED; /* what is there now came after our end */
	int ended = 0, gone = 0, now;

	if (s->state == SLOT_RESTORED || s->state == SLOT_PLANNED ||
	    (ops && ops->by_holder && !p->run->journal.elsewhere && lives(&s->holder)))
		return;
	if (s->state == SLOT_UNKNOWN || !ops) {
		print_head(p);
		printf("# record %u cannot be read\n", i);
		p->code = EXIT_NOT_CLEAN;
		return;
	}
	if (print_elsewhere(p, s))
		return;
	if (ops->ended)
		ended = ops->ended(&s->undo, &left, &e);
	if (ended > 0 && again)
		text_add(&left, RECOVER_SINCE_END);
	if (ended == -ESTALE) /* its command would meet something else, or nothing */
		snprintf(words, sizeof(words), "%s", e.msg[0]);
	if (!ended && ops->gone)
		gone = look_gone(p, &s->undo, ops, words, sizeof(words));
	now = change_by_hand(&s->undo, &by_hand, &e);
	if (!ended && !gone) {
		if (now == -ENOENT) {
			print_head(p);
			printf("# %s: nothing is to be put back\n", e.msg[0]);
		}
		return;
	}
	print_head(p);
	if (gone == -EEXIST || gone == -ESTALE || ended == -ESTALE || !command[0] || again) {
		printf("# left as it is: %s\n", words[0] ? words : s->undo.label);
		p->code = EXIT_NOT_CLEAN;
		return;
	}
	puts(command);
}

int revert_print(const struct left_run *run)
{
	struct printer p = { .run = run, .code = EXIT_PASS, .began_ns = clock_mono_ns() };
	char buf[ERR_LINE * 4];

	if (run->life == RUN_BLIND) {
		printf("# run %s: %s\n", run->id, err_format(&run->err, buf, sizeof(buf)));
		return run->err.code == ENOENT ? EXIT_PASS : EXIT_NOT_CLEAN;
	}
	if (!run->earlier_boot) {
		print_processes(&p);
		for (unsigned i = run->journal.head.n_slots; i-- > 0;)
			print_slot(&p, i);
	}
	if (!p.any && !run->earlier_boot && run->journal.head.state == HEAD_DIRTY) {
		printf("# run %s: none of its changes is left, and it could not prove the whole: brink "
		       "revert %s looks\n",
		       run->id, run->id);
		return EXIT_NOT_CLEAN;
	}
	if (!p.any)
		printf("# run %s: nothing of it is left\n", run->id);
	return p.code;
}
