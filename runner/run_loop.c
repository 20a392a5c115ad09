/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "runner/run_parts.h"

#define STUCK_NS       (10 * NS_PER_S)
#define NAP_NS         (2 * NS_PER_MS)
#define LENIENT_NS     NS_PER_S
#define LENIENT_NAP_NS (10 * NS_PER_MS)
#define HITS_FAULTS    16 /* more do not fit into the picture */

static void step(struct run *r, const struct ctl_event *ev);
static void lost_prober(struct run *r, struct run_prober *p, const struct err *e);

void run_order(struct run *r, const struct kmsg *m)
{
	if (!r->keeper_lost && keeper_client_send(&r->keeper, m) < 0)
		r->keeper_full = true;
}

static void send_list(struct run *r, enum kmsg_type type, const unsigned *list, size_t n)
{
	struct kmsg m = { .type = (uint16_t)type };

	m.value = type == KMSG_FIRE ? ++r->orders : 0;
	for (size_t i = 0; i < n && i < PROTO_FAULTS; i++) {
		m.u.list.fault[m.u.list.n++] = (uint16_t)list[i];
		if (type == KMSG_FIRE)
			r->fault[list[i]].order = m.value;
	}
	run_order(r, &m);
}

static void send_plain(struct run *r, enum kmsg_type type)
{
	const struct kmsg m = { .type = (uint16_t)type };

	run_order(r, &m);
}

static void start_command(struct run *r)
{
	struct run_prober *p = &r->prober[r->command_prober];
	struct err e;

	r->out.command_ran = prober_tell(&p->p, PROBE_MSG_RUN, &e) == 0;
	if (!r->out.command_ran)
		lost_prober(r, p, &e);
}

static void act(struct run *r, const struct ctl_actions *a)
{
	if (a->undo_all) {
		send_plain(r, KMSG_LIFT_ALL);
		r->decided = true;
	}
	if (a->nundo)
		send_list(r, KMSG_LIFT, a->undo, a->nundo);
	if (a->arm_all)
		send_plain(r, KMSG_GUARD);
	if (a->nfire)
		send_list(r, KMSG_FIRE, a->fire, a->nfire);
	if (a->done)
		r->done = true;
	if (a->finish)
		send_plain(r, KMSG_FINISH);
}

static void step(struct run *r, const struct ctl_event *ev)
{
	struct ctl_actions a;
	enum ctl_phase was = r->phase;

	controller_step(r->ctl, ev, clock_mono_ns(), &a);
	act(r, &a);
	r->phase = controller_phase(r->ctl);
	if (r->phase != was)
		run_say_phase(r, was);
	if (a.start_command && r->command_prober >= 0) /* last: one that cannot be is a step too */
		start_command(r);
}

static void halt(struct run *r, enum ctl_by by, const char *why)
{
	if (!r->halt_why[0])
		snprintf(r->halt_why, sizeof(r->halt_why), "%.199s", why);
	step(r, &(struct ctl_event){ .kind = CTL_HALT, .by = by });
}

/* For the picture only: the last word on it comes with the end of the fault. Never waits for the
 * keeper. */
static void ask_hits(struct run *r)
{
	for (unsigned i = 0; i < r->config.nfaults && i < HITS_FAULTS; i++) {
		struct kmsg m = { .type = KMSG_EFFECT, .fault = (uint16_t)i };

		proto_send(r->keeper.sock, &m, sizeof(m), false);
	}
}

static void heard_fault(struct run *r, const struct kmsg *m)
{
	struct fault_memory *f = &r->fault[m->fault];
	struct ctl_event ev = { .item = m->fault };

	f->live = false;
	if (m->code < 0)
		err_format(&m->u.err, f->trouble, sizeof(f->trouble));
	switch (m->type) {
	case KMSG_LIVE:
		f->live_took_ns = m->took_ns;
		f->live = m->code == 0;
		ev.kind = m->code < 0 ? CTL_LIVE_FAILED : CTL_LIVE;
		break;
	case KMSG_LOST:
		ev.kind = CTL_LOST;
		break;
	case KMSG_ENDED:
		f->ended_took_ns = m->took_ns;
		run_say_fault(r, m->fault, m);
		return;
	default:
		f->reverted_took_ns = m->took_ns;
		f->reverted = m->code == 0;
		ev.kind = m->code < 0 ? CTL_NOT_REVERTED : CTL_REVERTED;
	}
	run_say_fault(r, m->fault, m);
	step(r, &ev);
	run_ask_joins(r, m->fault);
}

/* The keeper refuses the list as a whole: one of it was lost a moment before. */
static void heard_not_fired(struct run *r, const struct kmsg *m)
{
	for (unsigned i = 0; i < r->config.nfaults; i++) {
		struct kmsg one = { .type = KMSG_LIVE, .fault = (uint16_t)i, .code = m->code };
		struct ctl_fault_view v;

		controller_fault(r->ctl, i, &v);
		one.u.err = m->u.err;
		if (v.phase == CTL_FIRED && r->fault[i].order == m->value)
			heard_fault(r, &one);
	}
}

/* The answers that matter: GUARD is followed by ARM, and all of them can fail. */
static void heard_done(struct run *r, const struct kmsg *m)
{
	char words[ERR_LINE * 4];
	struct ctl_event ev = { .kind = CTL_ARMED };

	if (m->code == 0 && m->request == KMSG_GUARD) {
		run_say_guarded(r); /* before the first change: see history_is_over() */
		send_plain(r, KMSG_ARM);
	}
	if (m->request == KMSG_JOIN && m->code < 0)
		run_heard_joined(r, m);
	if (m->request == KMSG_FIRE && m->code < 0)
		heard_not_fired(r, m);
	if (m->request != KMSG_GUARD && m->request != KMSG_ARM)
		return;
	if (m->code == -ECANCELED) /* it was being ended already, and why has been said */
		return;
	if (m->code < 0) {
		snprintf(r->halt_why, sizeof(r->halt_why), "%s",
			 err_format(&m->u.err, words, sizeof(words)));
		ev = (struct ctl_event){ .kind = CTL_ARM_FAILED, .item = CTL_ALL };
	} else if (m->request == KMSG_GUARD) {
		return;
	}
	step(r, &ev);
}

static void heard(struct run *r, const struct kmsg *m)
{
	switch (m->type) {
	case KMSG_DONE:
		heard_done(r, m);
		break;
	case KMSG_LIVE:
	case KMSG_LOST:
	case KMSG_ENDED:
	case KMSG_REVERTED:
		if (m->fault < r->config.nfaults)
			heard_fault(r, m);
		break;
	case KMSG_HITS:
		if (m->fault < r->config.nfaults && m->code == 0) {
			r->fault[m->fault].effect = (struct effect){ m->value, m->bytes };
			r->fault[m->fault].effect_known = true;
		}
		break;
	case KMSG_JOINED:
		run_heard_joined(r, m);
		break;
	case KMSG_LEFT:
		r->left_fault[r->n_left % RUN_LEFT] = m->fault;
		r->left[r->n_left++ % RUN_LEFT] = m->u.left;
		break;
	case KMSG_FOREIGN:
		snprintf(r->foreign[r->n_foreign++ % RUN_FOREIGN], sizeof(r->foreign[0]), "%.127s",
			 m->u.text);
		break;
	case KMSG_CLEAN:
		step(r, &(struct ctl_event){ .kind = m->code ? CTL_NOT_CLEAN : CTL_CLEAN });
		break;
	case KMSG_HALT:
		run_say_note(r, "halt", m->u.text);
		halt(r, m->value ? CTL_BY_HALT : CTL_BY_KEEPER, m->u.text);
		break;
	case KMSG_NOTE:
		run_say_note(r, "note", m->u.text);
		break;
	}
}

/* How the keeper ended, for the bug report that this line is. */
static void add_end(const struct run *r, int rc, struct text *t)
{
	siginfo_t how = { 0 };

	if (r->keeper.pidfd >= 0 &&
	    waitid(P_PIDFD, (id_t)r->keeper.pidfd, &how, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    how.si_pid)
		text_add(t, " (the keeper ended: %s %d)",
			 how.si_code == CLD_EXITED ? "exit code" : "signal", how.si_status);
	else if (rc != -EPIPE && rc != -ETIMEDOUT)
		text_add(t, " (%s)", strerror(-rc));
}

static void keeper_lost(struct run *r, int rc)
{
	const char *why = rc == -ETIMEDOUT ? "the keeper hangs" : "keeper and spare are gone";
	char words[240];
	struct text t = text_on(words, sizeof(words));

	if (rc == -ETIMEDOUT)
		text_add(&t, "the keeper does not answer and does not die: the kernel keeps it "
			     "waiting. Its spare takes everything back when that ends");
	else
		text_add(&t, "keeper and spare are gone: nobody is left to read the system back");
	add_end(r, rc, &t);
	r->keeper_lost = true;
	run_say_note(r, "error", words);
	halt(r, CTL_BY_KEEPER, why);
	for (unsigned i = 0; i < r->config.nfaults; i++)
		step(r, &(struct ctl_event){ .kind = CTL_NOT_REVERTED, .item = i });
	step(r, &(struct ctl_event){ .kind = CTL_NOT_CLEAN });
}

static void hear_keeper(struct run *r)
{
	struct kmsg m;
	int rc;

	if (r->keeper_lost)
		return;
	while (!r->done && (rc = proto_recv(r->keeper.sock, &m, KMSG_ANSWER_SIZE)) != 0) {
		if (rc == 1) {
			heard(r, &m);
			continue;
		}
		keeper_lost(r, rc);
		return;
	}
}

static void heard_sample(struct run *r, const struct probe_sample *s)
{
	static const enum ctl_status status[] = {
		[PROBE_OK] = CTL_PASS, [PROBE_FAIL] = CTL_FAIL, [PROBE_NO_DATA] = CTL_NO_DATA
	};
	struct ctl_event ev = { .kind = CTL_SAMPLE,
				.item = s->check,
				.began_ns = s->started_ns,
				.value = s->has_value ? s->value : NAN };

	if (s->check >= r->config.nchecks || s->verdict > PROBE_NO_DATA)
		return;
	ev.status = status[s->verdict];
	run_say_sample(r, s->check, s);
	step(r, &ev);
}

static void heard_exit(struct run *r, const struct probe_exit *x)
{
	r->out.command_ran = x->ran;
	r->out.command_code = x->ran ? (x->signal ? 128 + x->signal : x->code) : x->code;
	if (!x->ran)
		run_say_note(r, "error", x->text);
	step(r, &(struct ctl_event){ .kind = CTL_COMMAND_EXITED, .code = r->out.command_code });
}

static void lost_prober(struct run *r, struct run_prober *p, const struct err *e)
{
	char words[ERR_LINE * 3];

	run_say_note(r, "error", err_format(e, words, sizeof(words)));
	auto_close(&p->p.fd); /* which ends it; waited for at the end, where no beat is due */
	p->p.fd = -1;
	halt(r, p->launcher ? CTL_BY_LAUNCHER : CTL_BY_PROBER, words);
}

static void hear_prober(struct run *r, struct run_prober *p)
{
	struct probe_msg m;
	struct err e;
	int rc;

	while (p->p.fd >= 0 && (rc = prober_take(&p->p, &m, &e)) != 0) {
		if (rc == 1 && m.type == PROBE_MSG_SAMPLE) {
			heard_sample(r, &m.sample);
		} else if (rc == 1 && m.type == PROBE_MSG_EXITED) {
			heard_exit(r, &m.exited);
		} else if (rc == 1 && m.type == PROBE_MSG_ERROR) { /* its last words */
			err_ctx(&m.err, "the %s", p->p.name);
			lost_prober(r, p, &m.err);
			return;
		} else if (rc < 0) {
			lost_prober(r, p, &e);
			return;
		}
	}
}

static void hear_signals(struct run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signals, &s, sizeof(s)) == sizeof(s)) {
		char why[64];

		snprintf(why, sizeof(why), "%s", units_signal_name((int)s.ssi_signo));
		if (s.ssi_signo == SIGCHLD || s.ssi_signo == SIGCONT)
			continue;
		if (r->interrupted) /* a second one never skips a revert */
			run_say_note(r, "note",
				     "already stopping: the faults are being taken back");
		r->interrupted = true;
		/* with a command the terminal's SIGINT reached it too: its end ends the run */
		if (r->command_prober >= 0 && s.ssi_signo != SIGINT) {
			struct err e;

			launcher_signal(&r->prober[r->command_prober].p, (int)s.ssi_signo, &e);
		}
		halt(r, s.ssi_signo == SIGHUP ? CTL_BY_TERMINAL : CTL_BY_SIGNAL, why);
	}
}

/* One wait, at most a beat long. */
static void wait_and_hear(struct run *r)
{
	struct pollfd p[RUN_PROBERS + 3];
	int64_t now = clock_mono_ns(), next = controller_next(r->ctl), left = PULSE_BEAT_NS / 2;
	struct timespec t, nap = { 0, NAP_NS };
	unsigned n = 0;
	int ready;

	if (now < r->lenient_ns && next < now + LENIENT_NAP_NS)
		next = now + LENIENT_NAP_NS;
	if (next - now < left)
		left = next > now ? next - now : 0;
	t = (struct timespec){ left / NS_PER_S, left % NS_PER_S };
	p[n++] = (struct pollfd){ .fd = r->signals, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = r->keeper_lost ? -1 : r->keeper.sock, .events = POLLIN };
	for (unsigned i = 0; i < r->n_probers; i++)
		p[n++] = (struct pollfd){ .fd = r->prober[i].p.fd, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = r->resolver.fd, .events = POLLIN };
	ready = io_poll(p, n, &t);
	if (ready < 0) { /* out of memory: then everybody is asked, none of them makes us wait */
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		for (unsigned i = 0; i < n; i++)
			p[i].revents = POLLIN;
	} else if (ready == 0) {
		return;
	}
	for (unsigned i = 0; i < r->n_probers; i++) {
		if (p[2 + i].revents)
			hear_prober(r, &r->prober[i]);
	}
	if (p[1].revents)
		hear_keeper(r);
	if (p[n - 1].revents)
		run_hear_resolver(r);
	if (p[0].revents)
		hear_signals(r);
}

/* Not even SIGKILL has ended it: it is in uninterruptible sleep, and its spare must not act yet.
 * Faults with a lease have ended by now. */
static bool hangs_for_ever(const struct run *r)
{
	return r->keeper_watch.silent_ns > STUCK_NS && io_wait(r->keeper.pidfd, POLLIN, 0) == 0;
}

/* A keeper that hangs is killed, so that its spare takes over; it has our user id. */
static void watch_keeper(struct run *r)
{
	const struct pulse *p = r->keeper.pulse;
	bool spare_beats = !pulse_hangs(&r->spare_watch, &p->spare) && p->spare;
	bool hangs = pulse_hangs(&r->keeper_watch, &p->keeper);

	pulse_beat(&r->keeper.pulse->runner);
	notify_beat(&r->notify);
	if (r->keeper_lost || r->keeper.pidfd < 0)
		return;
	keeper_client_flush(&r->keeper);
	if (hangs_for_ever(r) || r->keeper_full) {
		keeper_lost(r, -ETIMEDOUT);
		return;
	}
	if (spare_beats)
		return;
	if (hangs)
		pidfd_send_signal(r->keeper.pidfd, SIGKILL, NULL, 0);
	/* a spare that is stopped keeps the socket open and will never speak: the keeper's death is
	 * the end of both */
	if (p->spare && io_wait(r->keeper.pidfd, POLLIN, 0) > 0) {
		hear_keeper(r); /* its last word may be that all is clean */
		if (!r->done && !r->keeper_lost)
			keeper_lost(r, -EPIPE);
	}
}

/*
 * The machine stood still, or we had no CPU: then keeper and probers may have had none either. For
 * a second nobody's silence is held against him; not twice in a row, so that what never answers has
 * an end on the slowest machine too.
 */
static void note_standstill(struct run *r, int64_t *looked_ns)
{
	int64_t now = clock_mono_ns();

	if (now - *looked_ns > PULSE_LOOK_NS && *looked_ns >= r->lenient_ns)
		r->lenient_ns = now + LENIENT_NS;
	*looked_ns = now;
}

void run_loop(struct run *r)
{
	int64_t hits_at = 0, looked_ns = clock_mono_ns();

	step(r, &(struct ctl_event){ .kind = CTL_TICK });
	while (!r->done) {
		wait_and_hear(r);
		watch_keeper(r);
		live_draw(r, false);
		note_standstill(r, &looked_ns);
		if (controller_next(r->ctl) <= looked_ns)
			step(r, &(struct ctl_event){
					.kind = looked_ns < r->lenient_ns ? CTL_WOKE : CTL_TICK });
		if (r->phase == CTL_HOLD && clock_mono_ns() > hits_at) {
			hits_at = clock_mono_ns() + NS_PER_S / 2;
			ask_hits(r);
		}
	}
}
