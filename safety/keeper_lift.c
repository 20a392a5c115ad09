/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "safety/keeper.h"
#include "safety/recover.h"

#define ANSWER_NS (1 * NS_PER_S) /* a holder that does not answer in this time is ended */
#define VERIFY_NS \
	(3 * NS_PER_S) /* the kernel's own clean-up after a holder's death takes milliseconds */
#define RETRY_NS       (5 * NS_PER_MS)
#define UNDO_RETRY_NS  (20 * NS_PER_MS)
#define DRAIN_RETRY_NS (20 * NS_PER_MS)
#define DRAIN_SLACK_NS (5 * NS_PER_S)
#define DEADLINE_SLACK_NS \
	(2 * NS_PER_S) /* the runner lifts on time; this is for one that does not */

static unsigned index_of(const struct keeper *k, const struct keeper_fault *f)
{
	return (unsigned)(f - k->fault);
}

static void enter(struct keeper_fault *f, enum fault_state state)
{
	f->state = state;
	f->since_ns = clock_mono_ns();
	f->retry_ns = f->since_ns;
}

static void tell(struct keeper *k, const struct keeper_fault *f, enum kmsg_type type, int code,
		 const struct err *e)
{
	struct kmsg m = { .type = (uint16_t)type, .fault = (uint16_t)index_of(k, f), .code = code };

	m.value = (uint64_t)clock_mono_ns();
	m.took_ns = (int64_t)m.value - (f->lift_ns ? f->lift_ns : f->since_ns);
	if (e && code < 0) {
		m.u.err = *e;
		m.u.err.pos.file = NULL;
	}
	keeper_send(k, &m);
}

static int order(struct keeper_fault *f, enum hmsg_type type)
{
	struct hmsg m = { .type = type };

	return f->pid ? proto_send(f->sock, &m, sizeof(m), false) : -EPIPE;
}

static void end_holder(struct keeper_fault *f)
{
	if (f->pid)
		pidfd_send_signal(f->pidfd, SIGKILL, NULL, 0);
}

/*
 * Is the effect of every change of the fault over? 0 = yes, 1 = still felt, -errno = cannot tell.
 * planned: also of those that nothing was ordered of.
 */
static int all_ended(struct keeper *k, const struct keeper_fault *f, bool planned, struct err *e)
{
	char words[256];
	struct text left = text_on(words, sizeof(words));

	for (unsigned i = f->first; i < f->first + f->n; i++) {
		const struct journal_slot *s = &k->journal.slot[i];
		const struct change_ops *ops = change_ops_of(s->undo.kind);
		bool asked = ops->ended && (planned || s->state != SLOT_PLANNED);
		int rc = asked ? ops->ended(&s->undo, &left, e) : 0;

		if (rc > 0)
			err_set(e, EBUSY, "%s", words);
		if (rc)
			return rc;
	}
	return 0;
}

static bool has_effect_to_read(struct keeper *k, const struct keeper_fault *f)
{
	for (unsigned i = f->first; i < f->first + f->n; i++) {
		if (change_ops_of(k->spec[i]->kind)->class != CLASS_ONE_SHOT)
			return true;
	}
	return false;
}

static void start_lift(struct keeper_fault *f)
{
	if (f->state >= FAULT_QUIETING || f->state == FAULT_PLANNED)
		return;
	enter(f, FAULT_QUIETING);
	f->lift_ns = f->since_ns;
	f->retry_ns += RETRY_NS; /* the holder's answer comes sooner and brings the look forward */
	if (order(f, HMSG_QUIET) < 0)
		end_holder(f);
}

/* Armed well, and not twice in the list. */
static bool may_fire(const struct keeper *k, const struct kmsg_list *list, uint32_t i)
{
	const struct keeper_fault *f;

	if (list->n > PROTO_FAULTS || list->fault[i] >= k->n_faults)
		return false;
	f = &k->fault[list->fault[i]];
	for (uint32_t j = 0; j < i; j++) {
		if (list->fault[j] == list->fault[i])
			return false;
	}
	return f->state == FAULT_ARMED && f->arm_code == 0;
}

/*
 * From the record alone one must be able to tell whether what stands there can be ours. Twice: no
 * copy of the slot may be left that says "planned", should the newest one be lost.
 */
static int mark_fired(struct keeper *k, const struct keeper_fault *f, struct err *e)
{
	int rc = 0;

	for (unsigned i = f->first; i < f->first + f->n && rc == 0; i++) {
		struct journal_slot *s = &k->journal.slot[i];
		const struct change_ops *ops = change_ops_of(s->undo.kind);

		if (s->state != SLOT_PLANNED)
			continue;
		rc = ops->recount ? ops->recount(&s->undo, e) : 0;
		if (rc < 0)
			break;
		s->state = SLOT_INTENT;
		rc = journal_put(&k->journal, i, e);
		rc = rc == 0 ? journal_put(&k->journal, i, e) : rc;
		pulse_beat(&k->pulse->keeper);
	}
	return rc < 0 ? err_ctx(e, "fault '%s'", f->info.label) : 0;
}

/* That one, and those behind it, were not touched: the order never came, or its firing failed
 * before. They are not taken back either: they may be somebody else's by now. */
static void unmark_fired(struct keeper *k, const struct keeper_fault *f, uint64_t from)
{
	struct err ignored;

	for (uint64_t i = from; i < f->n; i++) {
		unsigned at = f->first + (unsigned)i;
		struct journal_slot *s = &k->journal.slot[at];

		if (change_ops_of(s->undo.kind)->class != CLASS_GUARDED || s->state != SLOT_INTENT)
			continue;
		s->state = SLOT_PLANNED;
		journal_put(&k->journal, at, &ignored);
	}
}

int keeper_fire(struct keeper *k, const struct kmsg_list *list, struct err *e)
{
	int64_t now = clock_boot_ns();

	if (k->stage != STAGE_ARMED || k->lifting_all)
		return err_set(e, EINVAL, "nothing is fired before all is armed, or after the end");
	for (uint32_t i = 0; i < list->n; i++) {
		if (!may_fire(k, list, i))
			return err_set(e, EINVAL, "a fault of those to be fired is not armed");
	}
	for (uint32_t i = 0; i < list->n; i++) {
		int rc = mark_fired(k, &k->fault[list->fault[i]], e);

		if (rc == 0)
			continue;
		for (uint32_t j = 0; j <= i; j++)
			unmark_fired(k, &k->fault[list->fault[j]], 0);
		return rc;
	}
	for (uint32_t i = 0; i < list->n; i++) {
		struct keeper_fault *f = &k->fault[list->fault[i]];

		enter(f, FAULT_FIRING);
		f->deadline_boot_ns = now + f->info.for_ns + DEADLINE_SLACK_NS;
		if (order(f, HMSG_FIRE) < 0)
			end_holder(f);
	}
	return 0;
}

int keeper_lift(struct keeper *k, const struct kmsg_list *list, struct err *e)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->n > PROTO_FAULTS || list->fault[i] >= k->n_faults)
			return err_set(e, EINVAL, "there is no such fault to lift");
	}
	for (uint32_t i = 0; i < list->n; i++)
		start_lift(&k->fault[list->fault[i]]);
	return 0;
}

int keeper_join(struct keeper *k, const struct kmsg *m, struct err *e)
{
	struct keeper_fault *f = m->fault < k->n_faults ? &k->fault[m->fault] : NULL;
	struct hmsg h = { .type = HMSG_JOIN, .value = m->value, .join = m->u.join };
	int rc;

	if (!f || f->state != FAULT_LIVE)
		return err_set(e, ECANCELED, "the fault is not held");
	if (f->joined == GATE_JOINS)
		return err_set(e, E2BIG, "%d addresses have joined it already", GATE_JOINS);
	rc = change_join_check(&m->u.join, (const struct change_spec *const *)k->spec + f->first,
			       f->n, e);
	if (rc < 0)
		return rc;
	rc = proto_send(f->sock, &h, sizeof(h), false);
	if (rc < 0)
		return err_set(e, -rc, "its holder does not listen");
	f->joined++;
	return 0;
}

void keeper_lift_all(struct keeper *k)
{
	if (k->lifting_all)
		return;
	k->lifting_all = true;
	for (unsigned i = 0; i < k->n_faults; i++)
		start_lift(&k->fault[i]);
}

/* The gate is open as far as the holder knows: ask the kernel. */
static void heard_fired(struct keeper *k, struct keeper_fault *f, const struct hmsg *m)
{
	struct kmsg out = { .type = KMSG_LIVE,
			    .fault = (uint16_t)index_of(k, f),
			    .took_ns = m->took_ns,
			    .value = (uint64_t)clock_mono_ns() };
	struct err e = m->err;
	int rc = m->code;

	if (rc < 0 && f->state < FAULT_UNDOING) /* also when it is being lifted by now */
		unmark_fired(k, f, m->value);
	if (f->state != FAULT_FIRING)
		return;
	if (rc == 0 && has_effect_to_read(k, f)) {
		rc = all_ended(k, f, false, &e);
		if (rc == 0)
			rc = err_set(&e, ENODATA,
				     "the fault did not land: nothing of it is in the kernel");
		else if (rc > 0)
			rc = 0;
	}
	out.code = rc;
	if (rc < 0)
		out.u.err = e;
	if (rc == 0)
		enter(f, FAULT_LIVE);
	keeper_send(k, &out);
	if (rc < 0)
		start_lift(f);
}

/* A structure that has an effect before its gate is open is a bug of the construction: it must not
 * go on. */
static void heard_armed(struct keeper *k, struct keeper_fault *f, const struct hmsg *m)
{
	if (f->state != FAULT_ARMING)
		return;
	f->arm_err = m->err;
	f->arm_code = m->code;
	if (f->arm_code == 0) {
		f->arm_code = all_ended(k, f, true, &f->arm_err);
		if (f->arm_code > 0)
			f->arm_code = -f->arm_err.code;
	}
	enter(f, FAULT_ARMED);
}

void keeper_heard(struct keeper *k, struct keeper_fault *f, const struct hmsg *m)
{
	struct kmsg hits = { .type = KMSG_HITS,
			     .fault = (uint16_t)index_of(k, f),
			     .code = m->code,
			     .value = m->value,
			     .bytes = m->bytes };

	switch (m->type) {
	case HMSG_ARM:
		heard_armed(k, f, m);
		break;
	case HMSG_FIRE:
		heard_fired(k, f, m);
		break;
	case HMSG_QUIET: /* whether it worked is read from the kernel */
		f->heard_quiet = true;
		f->retry_ns = 0;
		if (m->value != HMSG_UNKNOWN)
			keeper_send(k, &(struct kmsg){ .type = KMSG_HITS,
						       .fault = hits.fault,
						       .value = m->value,
						       .bytes = m->bytes });
		if (m->code < 0)
			end_holder(f);
		break;
	case HMSG_DRAIN:
		if (f->state == FAULT_DRAINING && m->code != -EINPROGRESS)
			enter(f, FAULT_EXITING);
		break;
	case HMSG_EFFECT:
		keeper_send(k, &hits);
		break;
	case HMSG_JOIN:
		hits.type = KMSG_JOINED;
		hits.u.err = m->err;
		keeper_send(k, &hits);
		break;
	case HMSG_LOST:
		tell(k, f, KMSG_LOST, m->code ? m->code : -ENOENT, &m->err);
		start_lift(f);
		break;
	}
}

void keeper_holder_died(struct keeper *k, struct keeper_fault *f)
{
	struct err e;

	waitpid(f->pid, NULL, WNOHANG); /* a stopped tracer may keep the rest of it */
	f->pid = 0;
	k->last_death_ns = clock_mono_ns();
	for (unsigned i = f->first; i < f->first + f->n; i++)
		k->journal.slot[i].holder.pid =
			0; /* dead and buried: recover_slot() need not ask */
	auto_close(&f->sock);
	f->sock = -1;
	auto_close(&f->pidfd);
	f->pidfd = -1;
	f->retry_ns = 0;
	if (f->state >= FAULT_QUIETING)
		return;
	err_set(&e, ESRCH, "its holder died");
	if (k->stage == STAGE_ARMING) { /* also of one that is armed, until the runner knows that */
		f->arm_code = -ESRCH;
		f->arm_err = e;
	}
	tell(k, f, KMSG_LOST, -ESRCH, &e);
	start_lift(f);
}

/* Its holder has lifted it, and it was read back. Where there is no holder left to say so, its undo
 * is still ours to do. */
static void mark_ended(struct keeper *k, const struct keeper_fault *f)
{
	struct err ignored;

	for (unsigned i = f->first; i < f->first + f->n; i++) {
		struct journal_slot *s = &k->journal.slot[i];

		if (change_ops_of(s->undo.kind)->class != CLASS_GUARDED || s->state != SLOT_INTENT)
			continue;
		s->state = SLOT_ENDED;
		journal_put(&k->journal, i, &ignored);
	}
}

static void step_quieting(struct keeper *k, struct keeper_fault *f, int64_t now)
{
	struct err e;
	int rc = all_ended(k, f, false, &e);

	/* a holder that has not answered may still find an older order to fire; one that the kernel
	 * keeps waiting in the middle of it has closed a file whose space is not free yet */
	if (rc == 0 && f->pid && !f->heard_quiet)
		rc = err_set(&e, EBUSY, "its holder %d does not answer", f->pid);
	if (rc == 0) {
		if (f->pid)
			mark_ended(k, f);
		enter(f, FAULT_ENDED);
		tell(k, f, KMSG_ENDED, 0, NULL);
		return;
	}
	f->retry_ns = now + RETRY_NS;
	if (!f->pid) /* nobody is left to quiet it, and no kernel object ends a guarded one */
		recover_end_effects(&k->journal, f->first, f->n);
	if (now - f->since_ns > ANSWER_NS)
		end_holder(f);
	if (now - f->since_ns > ANSWER_NS + VERIFY_NS || (!f->pid && !f->lift_ns)) {
		enter(f, FAULT_ENDED); /* not confirmed: undo and gone decide, and say so */
		tell(k, f, KMSG_ENDED, rc < 0 ? rc : -EBUSY, &e);
	}
}

/* When everything is lifted, no structure goes before every gate is closed. */
static bool gates_open(const struct keeper *k)
{
	for (unsigned i = 0; k->lifting_all && i < k->n_faults; i++) {
		enum fault_state s = k->fault[i].state;

		if (s > FAULT_PLANNED && s < FAULT_ENDED)
			return true;
	}
	return false;
}

static void step_draining(struct keeper *k, struct keeper_fault *f, int64_t now)
{
	(void)k;
	f->retry_ns = now + DRAIN_RETRY_NS;
	if (!f->pid || now - f->since_ns > f->drain_ns + DRAIN_SLACK_NS || order(f, HMSG_DRAIN) < 0)
		enter(f, FAULT_EXITING);
}

static void tell_left(struct keeper *k, const struct keeper_fault *f, const struct journal_slot *s)
{
	struct kmsg m = { .type = KMSG_LEFT, .fault = (uint16_t)index_of(k, f) };
	struct text by_hand = text_on(m.u.left.by_hand, sizeof(m.u.left.by_hand));

	snprintf(m.u.left.what, sizeof(m.u.left.what), "%s", s->left);
	recover_by_hand(s, &by_hand);
	keeper_send(k, &m);
}

/*
 * SIGKILL does not reach a process in uninterruptible sleep: a disk that answers no more holds it.
 * What it owns stays until then, nobody can take it back before, and the run does not wait for a
 * day that may not come.
 */
static void give_up_holder(struct keeper *k, struct keeper_fault *f)
{
	struct err e, ignored;

	err_set(&e, EBUSY, "its holder %d does not die: the kernel keeps it waiting", f->pid);
	for (unsigned i = f->first; i < f->first + f->n; i++) {
		struct journal_slot *s = &k->journal.slot[i];

		snprintf(s->left, sizeof(s->left), "%s", e.msg[0]);
		s->last_errno = -EBUSY;
		journal_put(&k->journal, i, &ignored);
		tell_left(k, f, s);
	}
	enter(f, FAULT_DIRTY);
	tell(k, f, KMSG_REVERTED, -EBUSY, &e);
}

static void step_exiting(struct keeper *k, struct keeper_fault *f, int64_t now)
{
	if (!f->pid) {
		enter(f, FAULT_UNDOING);
		return;
	}
	if (f->sock >= 0) { /* the holder leaves by itself at the end of its socket */
		auto_close(&f->sock);
		f->sock = -1;
	}
	f->retry_ns = now + ANSWER_NS;
	if (now - f->since_ns <= ANSWER_NS)
		return;
	end_holder(f);
	/* Not by one look after a time in which the machine stood still. The kernel frees what they
	 * own one after the other: patience begins anew with each death. */
	if (!f->killed_ns)
		f->killed_ns = now;
	if (now - f->killed_ns > VERIFY_NS && now - k->last_death_ns > VERIFY_NS)
		give_up_holder(k, f);
}

/* One attempt at every slot, last one first; what fails is tried again for a while, between
 * heartbeats. */
static void step_undoing(struct keeper *k, struct keeper_fault *f, int64_t now)
{
	struct err e, first = { 0 };
	int rc = 0;

	for (unsigned i = f->first + f->n; i-- > f->first;) {
		int one = recover_slot(&k->journal, i, 0, &e);

		pulse_beat(&k->pulse->keeper); /* all of them may take longer than a beat */
		if (one < 0 && rc == 0) {
			rc = one;
			first = e;
		}
	}
	if (rc < 0 && now - f->since_ns < VERIFY_NS) {
		f->retry_ns = now + UNDO_RETRY_NS;
		return;
	}
	for (unsigned i = f->first; i < f->first + f->n; i++) {
		if (k->journal.slot[i].state != SLOT_RESTORED)
			tell_left(k, f, &k->journal.slot[i]);
	}
	enter(f, rc == 0 ? FAULT_RESTORED : FAULT_DIRTY);
	tell(k, f, KMSG_REVERTED, rc, &first);
}

static void step(struct keeper *k, struct keeper_fault *f, int64_t now)
{
	switch (f->state) {
	case FAULT_QUIETING:
		step_quieting(k, f, now);
		break;
	case FAULT_ENDED:
		f->retry_ns = now + RETRY_NS;
		if (!gates_open(k))
			enter(f, FAULT_DRAINING);
		break;
	case FAULT_DRAINING:
		step_draining(k, f, now);
		break;
	case FAULT_EXITING:
		step_exiting(k, f, now);
		break;
	case FAULT_UNDOING:
		step_undoing(k, f, now);
		break;
	case FAULT_LIVE:
		if (f->info.for_ns && clock_boot_ns() > f->deadline_boot_ns) {
			keeper_say(k, KMSG_HALT,
				   "%s passed its deadline and was lifted by the keeper",
				   f->info.label);
			start_lift(f);
		}
		break;
	default:
		break;
	}
}

void keeper_advance(struct keeper *k)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (unsigned i = 0; i < k->n_faults; i++) {
			struct keeper_fault *f = &k->fault[i];
			enum fault_state was = f->state;
			int64_t now = clock_mono_ns();

			if (now < f->retry_ns)
				continue;
			step(k, f, now);
			pulse_beat(
				&k->pulse->keeper); /* a thousand faults take longer than a beat */
			moved |= f->state != was;
		}
	}
}

void keeper_forgive(struct keeper *k, int64_t ns)
{
	for (unsigned i = 0; i < k->n_faults; i++) {
		struct keeper_fault *f = &k->fault[i];

		f->since_ns += ns;
		if (f->killed_ns)
			f->killed_ns += ns;
	}
	k->last_death_ns += ns;
}

int64_t keeper_next(const struct keeper *k)
{
	int64_t next = clock_mono_ns() + PULSE_BEAT_NS;

	for (unsigned i = 0; i < k->n_faults; i++) {
		const struct keeper_fault *f = &k->fault[i];

		if (f->state >= FAULT_QUIETING && f->state < FAULT_RESTORED && f->retry_ns < next)
			next = f->retry_ns;
	}
	return next;
}

bool keeper_all_settled(const struct keeper *k)
{
	for (unsigned i = 0; i < k->n_faults; i++) {
		enum fault_state s = k->fault[i].state;

		if (s != FAULT_RESTORED && s != FAULT_DIRTY && s != FAULT_PLANNED)
			return false;
	}
	return true;
}
