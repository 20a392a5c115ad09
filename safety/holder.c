/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/holder.h"

#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/pool.h"
#include "inject/change/proc_state.h"
#include "safety/sandbox.h"

#define STEP_MS 100

struct holder {
	struct holder_job *job;
	timer_t timer;
	unsigned fired; /* changes whose fire has returned 0; == n: live */
	bool firing, live, quieted;
	int64_t fire_began_ns;
};

/* The lease of the process itself. */
static int set_timer(struct holder *h)
{
	struct itimerspec t = { .it_value = { h->job->lease_ms / 1000,
					      h->job->lease_ms % 1000 * NS_PER_MS } };

	return timer_settime(h->timer, 0, &t, NULL) < 0 ? -errno : 0;
}

static int start_timer(struct holder *h, struct err *e)
{
	struct sigevent how = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	int rc;

	if (timer_create(CLOCK_MONOTONIC, &how, &h->timer) < 0)
		return err_sys(e, "cannot make the holder's timer");
	rc = set_timer(h);
	return rc < 0 ? err_set(e, -rc, "cannot arm the holder's timer") : 0;
}

/*
 * Dying takes the CPU too: on a busy machine the faults of a killed holder would outlive it by its
 * turns in the queue. So it keeps the keeper's real-time class, one below it; a keeper that has
 * none has said so. Not one that fills a disk: it works long in one go, and nobody waits for its
 * end by the millisecond.
 */
static void lower_priority(const struct holder_job *job)
{
	struct sched_param param = { .sched_priority = HOLDER_PRIORITY };
	int policy = SCHED_FIFO;

	for (unsigned i = 0; i < job->n; i++) {
		if (job->change[i].spec->kind == CHANGE_FILL) {
			policy = SCHED_OTHER;
			param.sched_priority = 0;
		}
	}
	if (sched_getscheduler(0) == SCHED_FIFO)
		sched_setscheduler(0, policy, &param);
}

/* Everything that can end this process is in place before it acquires anything. */
static int secure(struct holder *h, struct err *e)
{
	struct holder_job *job = h->job;
	int rc = start_timer(h, e);

	if (rc == 0 && job->pool_fd >= 0)
		rc = pool_open(job->pool_fd, &job->pool, e);
	if (rc < 0)
		return rc;
	if (job->netns_fd >= 0 && setns(job->netns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, "cannot enter the network namespace");
	rc = sandbox_keep_permitted(job->rights.caps, e);
	if (rc < 0)
		return rc;
	/* after the change of credentials, which would clear it: prctl(2) */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, "cannot ask for the keeper's death notice");
	return sandbox_allow(SANDBOX_HOLDER, job->rights.calls, job->rights.n, e);
}

static int arm_all(struct holder *h, struct err *e)
{
	int rc = secure(h, e);

	for (unsigned i = 0; i < h->job->n && rc == 0; i++) {
		struct change *c = &h->job->change[i];

		c->pool = &h->job->pool;
		if (c->ops->arm)
			rc = c->ops->arm(c, e);
	}
	return rc;
}

/* Every gate, whatever happens to one of them. The first error counts. */
static int quiet_all(struct holder *h, struct err *e)
{
	int rc = 0;

	h->firing = h->live = false;
	h->quieted = true;
	for (unsigned i = 0; i < h->job->n; i++) {
		struct change *c = &h->job->change[i];
		struct err one;
		int done = c->ops->quiet ? c->ops->quiet(c, &one) : 0;

		if (done < 0 && rc == 0) {
			rc = done;
			*e = one;
		}
	}
	return rc;
}

static int drain_all(struct holder *h, struct err *e)
{
	for (unsigned i = 0; i < h->job->n; i++) {
		struct change *c = &h->job->change[i];
		int rc = c->ops->drain ? c->ops->drain(c, e) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int sum_effect(struct holder *h, struct hmsg *ret, struct err *e)
{
	ret->value = ret->bytes = 0;
	for (unsigned i = 0; i < h->job->n; i++) {
		struct change *c = &h->job->change[i];
		struct effect one = { 0 };
		int rc = c->ops->effect ? c->ops->effect(c, &one, e) : 0;

		if (rc < 0)
			return rc;
		ret->value += one.hits;
		ret->bytes += one.bytes;
	}
	return 0;
}

/* To each change of the fault that has such a list; one that fails keeps no other from it. */
static int join_all(struct holder *h, const struct gate_join *j, struct err *e)
{
	int rc = 0;

	if (!h->live)
		return err_set(e, ECANCELED, "the fault is not held");
	for (unsigned i = 0; i < h->job->n; i++) {
		struct change *c = &h->job->change[i];
		struct err one;
		int done = c->ops->join ? c->ops->join(c, j, &one) : 0;

		if (done < 0 && rc == 0) {
			rc = done;
			*e = one;
			err_ctx(e, "not in every table of the fault");
		}
	}
	return rc;
}

static void answer(struct holder *h, struct hmsg *m, int rc)
{
	m->code = rc;
	/* a keeper that does not read is a dead one, and a fault that it was told nothing of, or
	 * not of its loss, would pass for one that is held */
	if (proto_send(h->job->sock, m, sizeof(*m), false) < 0)
		_exit(1);
}

/* Goes on with firing: one step of the change that is due, or the answer when all are in place. */
static void fire_step(struct holder *h)
{
	struct hmsg m = { .type = HMSG_FIRE };
	int rc = 0;

	while (h->fired < h->job->n) {
		struct change *c = &h->job->change[h->fired];

		rc = c->ops->fire ? c->ops->fire(c, &m.err) : 0;
		if (rc == -EINPROGRESS)
			return;
		if (rc < 0)
			break;
		h->fired++;
	}
	h->firing = false;
	h->live = rc == 0;
	m.took_ns = clock_mono_ns() - h->fire_began_ns;
	m.value = h->fired;
	if (rc < 0) {
		struct err ignored;

		m.value += h->job->change[h->fired].touched;
		quiet_all(h, &ignored);
	}
	answer(h, &m, rc);
}

static void obey(struct holder *h, const struct hmsg *order)
{
	struct hmsg m = { .type = order->type };
	int64_t began = clock_mono_ns();
	struct err ignored;
	int rc = 0;

	switch (order->type) {
	case HMSG_ARM:
		rc = arm_all(h, &m.err);
		break;
	case HMSG_FIRE:
		if (h->quieted) { /* once lifted or lost: never again by this run */
			rc = err_set(&m.err, ECANCELED, "the lease was given up");
			break;
		}
		h->firing = true;
		h->fire_began_ns = began;
		fire_step(h);
		return;
	case HMSG_QUIET:
		rc = quiet_all(h, &m.err);
		if (sum_effect(h, &m, &ignored) < 0) /* the last word on what it hit */
			m.value = HMSG_UNKNOWN;
		break;
	case HMSG_DRAIN:
		rc = drain_all(h, &m.err);
		break;
	case HMSG_EFFECT:
		rc = sum_effect(h, &m, &m.err);
		break;
	case HMSG_JOIN:
		m.value = order->value;
		rc = join_all(h, &order->join, &m.err);
		break;
	default:
		_exit(2);
	}
	m.took_ns = clock_mono_ns() - began;
	answer(h, &m, rc);
}

/* Something of the fault is lost: nothing of it goes on. */
static void give_up(struct holder *h, struct hmsg *m, int rc)
{
	struct err ignored;

	quiet_all(h, &ignored);
	answer(h, m, rc);
}

static void refresh_all(struct holder *h)
{
	struct hmsg m = { .type = HMSG_LOST };

	for (unsigned i = 0; i < h->job->n && h->live; i++) {
		struct change *c = &h->job->change[i];
		int rc = c->ops->refresh ? c->ops->refresh(c, &m.err) : 0;

		if (rc < 0)
			give_up(h, &m, rc);
	}
}

/* What a change watches can be read. A change whose work fails is lost. */
static void work_all(struct holder *h, const struct pollfd *p)
{
	for (unsigned i = 0; i < h->job->n; i++) {
		struct change *c = &h->job->change[i];
		struct hmsg m = { .type = HMSG_LOST };
		bool ready = false;
		int rc;

		for (unsigned k = 0; k < c->n_watched; k++)
			ready |= (p++)->revents != 0;
		rc = ready ? c->ops->work(c, &m.err) : 0;
		if (rc < 0) {
			c->n_watched = 0;
			give_up(h, &m, rc);
			return; /* the descriptors are not those of the list any more */
		}
	}
}

/* Every 100 ms. Whoever does not beat gets no renewal: neither the faults nor this process live on
 * without them. */
static void beat(struct holder *h)
{
	struct pulse *p = h->job->pulse;
	bool idle = !h->firing && !h->live;

	pulse_beat(&p->holder[h->job->fault]);
	if (pulse_stale(&p->keeper) || (!idle && pulse_stale(&p->runner)))
		return;
	set_timer(h);
	refresh_all(h);
}

/* Leaves the standard streams and what the job names; a run of many faults has descriptors beyond
 * any small number. */
static void close_others(const struct holder_job *job)
{
	const int keep[] = { job->sock, job->runner_pidfd, job->keeper_pidfd, job->netns_fd,
			     job->pool_fd };
	unsigned from = STDERR_FILENO + 1;

	for (;;) {
		unsigned next = UINT_MAX;

		for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
			if (keep[i] >= (int)from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		}
		if (next > from)
			close_range(from, next == UINT_MAX ? next : next - 1, 0);
		if (next == UINT_MAX)
			return;
		from = next + 1;
	}
}

#define OWN_FDS 3

/* What the changes watch, behind the holder's own. */
static unsigned add_watched(const struct holder_job *job, struct pollfd *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < job->n; i++) {
		for (unsigned k = 0; k < job->change[i].n_watched; k++)
			p[n++] = (struct pollfd){ .fd = job->change[i].watched[k],
						  .events = POLLIN };
	}
	return n;
}

/* One wait: orders first, then the deaths of others, then what the changes themselves wait for. */
static void turn(struct holder *h, int64_t *next_beat)
{
	struct pollfd p[OWN_FDS + PLAN_CHANGES * CHANGE_WATCHED] = {
		{ .fd = h->job->sock, .events = POLLIN },
		{ .fd = h->job->runner_pidfd, .events = POLLIN },
		{ .fd = h->job->keeper_pidfd, .events = POLLIN }
	};
	unsigned n_watched = add_watched(h->job, p + OWN_FDS);
	int64_t left = *next_beat - clock_mono_ns();
	struct timespec t = { .tv_nsec = h->firing || left < 0 ? 0 : left }; /* below a second */
	int ready = io_poll(p, OWN_FDS + n_watched, &t);
	struct hmsg m;
	struct err ignored;
	int rc = proto_recv(h->job->sock, &m, sizeof(m));

	if (ready < 0 || (rc < 0 && rc != -EPIPE)) /* would fail again at once, at our priority */
		short_nap();
	if (rc == 1)
		obey(h, &m); /* arming: what is watched from then on comes with the next turn */
	if (rc == -EPIPE)
		_exit(0);
	if (p[2].revents) { /* the spare takes over from the journal; what we own ends here */
		quiet_all(h, &ignored);
		_exit(1);
	}
	if (p[1].revents) {
		if (h->live || h->firing)
			quiet_all(h, &ignored);
		h->quieted = true;         /* nothing is fired any more */
		h->job->runner_pidfd = -1; /* poll(2) skips it from now on */
	}
	if (h->firing)
		fire_step(h);
	if (n_watched)
		work_all(h, p + OWN_FDS);
	if (clock_mono_ns() >= *next_beat) {
		beat(h);
		*next_beat = clock_mono_ns() + STEP_MS * NS_PER_MS;
	}
}

void holder_main(struct holder_job *job)
{
	struct holder h = { .job = job };
	int64_t next_beat = clock_mono_ns();
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL); /* SIGKILL comes through */
	lower_priority(job);
	netns_forget();
	close_others(job);
	prctl(PR_SET_NAME, "brink-holder");
	pulse_beat(&job->pulse->holder[job->fault]);
	for (;;)
		turn(&h, &next_beat);
}
