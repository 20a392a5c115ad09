/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/recover.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/proc_fs.h"
#include "inject/target.h"
#include "safety/pulse.h"

#define RETRY_NS     (10 * NS_PER_MS) /* at first; what takes long is asked for less often */
#define RETRY_MAX_NS (100 * NS_PER_MS)
#define DEATH_NS     (5 * NS_PER_S)

void recover_pause(int64_t began_ns)
{
	int64_t ns = (clock_mono_ns() - began_ns) / 10;
	struct timespec t = { 0 };

	if (ns < RETRY_NS)
		ns = RETRY_NS;
	t.tv_nsec = ns < RETRY_MAX_NS ? ns : RETRY_MAX_NS;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* One attempt: take back, then read back both facts. What stands in the way is kept in words. */
static int attempt(struct journal_slot *s, struct err *e)
{
	const struct change_ops *ops = change_ops_of(s->undo.kind);
	struct text left = text_on(s->left, sizeof(s->left));
	bool again = s->state == SLOT_ENDED; /* whatever is there now came after our end */
	int rc = change_undo_check(&s->undo, e);

	if (rc == 0 && !again)
		rc = ops->undo ? ops->undo(&s->undo, e) : 0;
	if (rc == 0) {
		rc = ops->ended ? ops->ended(&s->undo, &left, e) : 0;
		if (rc > 0 && again) {
			text_add(&left, RECOVER_SINCE_END);
			return err_set(e, EEXIST, "%s", s->left);
		}
		if (rc == 0)
			rc = ops->gone ? ops->gone(&s->undo, &left, e) : 0;
		if (rc > 0)
			rc = err_set(e, EBUSY, "%s", s->left);
	}
	if (rc < 0 && !left.len)
		text_add(&left, "%s", e->msg[e->depth ? e->depth - 1 : 0]);
	return rc;
}

/* NULL where there is nothing to take back, or nothing that a record of brink's says. */
static const struct change_ops *ops_of(const struct journal_slot *s)
{
	struct err ignored;

	if (s->state == SLOT_RESTORED || s->state == SLOT_UNKNOWN ||
	    change_undo_check(&s->undo, &ignored) < 0)
		return NULL;
	return change_ops_of(s->undo.kind);
}

int recover_ready(const struct journal *j, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < j->head.n_slots; i++) {
		const struct change_ops *ops = ops_of(&j->slot[i]);
		struct err one;
		int done = ops && ops->ready ? ops->ready(&j->slot[i].undo, &one) : 0;

		if (done < 0 && rc == 0) {
			rc = done;
			*e = one;
		}
	}
	return rc;
}

/*
 * What a holder owns goes with it and not before, whatever can be read of it meanwhile: one in
 * uninterruptible sleep has closed its files, and their space is not free.
 */
static int holder_is_gone(struct journal_slot *s, struct err *e)
{
	struct proc_stat now;
	int rc = s->holder.pid > 0 ? proc_stat_of(s->holder.pid, &now) : -ESRCH;

	if (rc == -ENOENT || rc == -ESRCH)
		return 0;
	if (rc == 0 && (now.start_ticks != s->holder.start_ticks || proc_is_dead(&now)))
		return 0;
	if (rc < 0)
		err_set(e, -rc, "cannot look for its holder %d: %s", s->holder.pid, strerror(-rc));
	else
		err_set(e, EBUSY, "its holder %d does not die: the kernel keeps it waiting",
			s->holder.pid);
	snprintf(s->left, sizeof(s->left), "%s", e->msg[0]);
	return -e->code;
}

/*
 * That the run's lock is free proves that keeper and spare are dead, not their holders: one may be
 * in uninterruptible sleep, whatever it is about. So each is looked for by itself.
 */
int recover_look_elsewhere(const struct journal *j, const struct journal_slot *s,
			   struct text *ret_left)
{
	const struct change_proc *const who[] = { &s->holder, s->state == SLOT_PLANNED ?
								      NULL :
								      change_proc_of(&s->undo) };

	for (size_t i = 0; j->elsewhere && i < ARRAY_LEN(who); i++) {
		int ended =
			!who[i] || who[i]->pid <= 0 ?
				1 :
				pidns_has_ended(&j->head.pidns, who[i]->pid, who[i]->start_ticks);

		if (ended > 0)
			continue;
		text_add(ret_left, "%s %d of PID namespace %llu %s", i ? "process" : "its holder",
			 who[i]->pid, (unsigned long long)j->head.pidns.ino,
			 ended ? "cannot be looked up from this one" : "lives");
		return -EXDEV;
	}
	return 0;
}

/*
 * Of a holder that nobody can look up its keeper's death is known, and that ends it: it does
 * nothing any more. So what is about no process is taken back all the same, and not called
 * restored.
 */
static int attempt_elsewhere(const struct journal *j, struct journal_slot *s, struct err *e)
{
	char words[sizeof(s->left)] = "";
	struct text left = text_on(words, sizeof(words));
	int there = recover_look_elsewhere(j, s, &left), rc = 0;

	if (s->state != SLOT_PLANNED && (there == 0 || !change_proc_of(&s->undo)))
		rc = attempt(s, e);
	if (rc < 0 || there == 0)
		return rc;
	memcpy(s->left, words, sizeof(s->left));
	return err_set(e, -there, "%s", words);
}

static int attempt_here(struct journal_slot *s, struct err *e)
{
	int rc = holder_is_gone(s, e);

	return rc == 0 && s->state != SLOT_PLANNED ? attempt(s, e) : rc;
}

int recover_slot(struct journal *j, unsigned i, int64_t deadline_ns, struct err *e)
{
	struct journal_slot *s = &j->slot[i];
	int64_t began = clock_mono_ns(), slept;
	struct err ignored;
	int rc;

	if (s->state == SLOT_RESTORED)
		return 0;
	if (s->state == SLOT_UNKNOWN) {
		snprintf(s->left, sizeof(s->left), "slot %u of the journal cannot be read", i);
		return err_set(e, EBADMSG, "%s", s->left);
	}
	for (;;) {
		rc = j->elsewhere ? attempt_elsewhere(j, s, e) : attempt_here(s, e);
		s->attempts++;
		/* EEXIST: somebody else's now; asking again changes nothing */
		if (rc == 0 || rc == -EEXIST || clock_mono_ns() >= deadline_ns)
			break;
		slept = clock_mono_ns();
		recover_pause(began);
		slept = clock_mono_ns() - slept;
		if (slept > PULSE_LOOK_NS) /* so did what is waited for */
			deadline_ns += slept - PULSE_LOOK_NS;
	}
	s->last_errno = rc;
	if (rc == 0)
		s->state = SLOT_RESTORED;
	journal_put(j, i, &ignored);
	return rc;
}

bool recover_is_acceptable(const struct journal_slot *s)
{
	const struct change_ops *ops = change_ops_of(s->undo.kind);

	if (s->last_errno == -EACCES)
		return ops && ops->by_holder;
	if (s->last_errno == -ESTALE)
		return ops && ops->class == CLASS_GUARDED;
	return s->last_errno == -EEXIST || s->last_errno == -EXDEV;
}

void recover_by_hand(const struct journal_slot *s, struct text *ret)
{
	struct err ignored;

	if (s->last_errno == -EXDEV)
		text_add(ret,
			 "brink revert %s # in its PID namespace: nsenter -a -t PID; where that has "
			 "ended: brink revert --accept-conflict %s",
			 s->undo.run_id, s->undo.run_id);
	else if (recover_is_acceptable(s))
		text_add(ret, "brink revert --accept-conflict %s # leaves it as it is",
			 s->undo.run_id);
	else
		change_by_hand(&s->undo, ret, &ignored);
}

static int end_holder(const struct change_proc *p, struct err *e)
{
	const struct proc_id id = { .pid = p->pid, .start_ticks = p->start_ticks };
	AUTO(auto_close) int fd = proc_open(&id, e);

	if (fd == -ESRCH)
		return 0;
	if (fd < 0)
		return fd;
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, "cannot end holder %d", p->pid);
	if (io_wait(fd, POLLIN, clock_mono_ns() + DEATH_NS) <= 0)
		return err_set(e, ETIMEDOUT, "holder %d does not die", p->pid);
	return 0;
}

int recover_end_holders(struct journal *j, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < j->head.n_slots; i++) {
		const struct change_proc *p = &j->slot[i].holder;
		struct err one;
		int done;

		if (j->elsewhere || !p->pid || (i && j->slot[i - 1].holder.pid == p->pid))
			continue;
		done = end_holder(p, &one);
		if (done < 0 && rc == 0) {
			rc = done;
			*e = one;
		}
	}
	return rc;
}

void recover_end_effects(struct journal *j, unsigned first, unsigned n)
{
	for (unsigned i = first + n; i-- > first;) {
		const struct journal_slot *s = &j->slot[i];
		const struct change_ops *ops = ops_of(s);
		struct err ignored;

		if (j->elsewhere && change_proc_of(&s->undo)) /* whoever has the number here */
			continue;
		if (ops && ops->undo && ops->class == CLASS_GUARDED && s->state == SLOT_INTENT)
			ops->undo(&s->undo, &ignored);
	}
}

unsigned recover_all(struct journal *j, int64_t per_slot_ns)
{
	unsigned left = 0;

	recover_end_effects(j, 0, j->head.n_slots);
	for (unsigned i = j->head.n_slots; i-- > 0;) {
		struct err e;

		left += recover_slot(j, i, clock_mono_ns() + per_slot_ns, &e) < 0;
	}
	return left;
}
