/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "runner/run_parts.h"

/* Signals come through a descriptor, in order, to the one place that decides. */
static int take_signals(struct run *r, struct err *e)
{
	static const int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		sigaddset(&set, wanted[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ,
	       SIG_IGN); /* a file size limit is an error of the write, not the end of the run */
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTSTP, SIG_IGN); /* a stopped runner would look like a hung one */
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals < 0 ? err_sys(e, "cannot watch for signals") : 0;
}

/* What an error before the first change counts as. */
static int code_of(int rc)
{
	switch (-rc) {
	case EBUSY:
	case EPERM:
		return EXIT_REFUSED;
	case ECANCELED:
		return EXIT_ABORTED;
	default:
		return EXIT_UNABLE;
	}
}

static int start(struct run *r, struct err *e)
{
	int rc = run_build_config(r, e);

	if (rc == 0)
		rc = run_start_probers(r, e); /* before our own signals are blocked: children
						 inherit the mask */
	if (rc == 0)
		rc = run_start_resolver(r, e);
	if (rc == 0)
		rc = take_signals(r, e);
	if (rc == 0)
		rc = run_start_keeper(r, e);
	for (unsigned i = 0; i < r->n_probers && rc == 0; i++)
		rc = prober_tell(&r->prober[i].p, PROBE_MSG_START, e);
	return rc;
}

/* Takes samples until every check has one or the slowest should have answered. */
static void first_samples(struct run *r, struct probe_sample *ret, int64_t deadline_ns)
{
	size_t missing = r->config.nchecks;

	while (missing && clock_mono_ns() < deadline_ns) {
		struct pollfd p[RUN_PROBERS];

		for (unsigned i = 0; i < r->n_probers; i++)
			p[i] = (struct pollfd){ .fd = r->prober[i].p.fd, .events = POLLIN };
		poll(p, r->n_probers, 50);
		for (unsigned i = 0; i < r->n_probers; i++) {
			struct probe_msg m;
			struct err e;

			while (prober_take(&r->prober[i].p, &m, &e) == 1) {
				if (m.type != PROBE_MSG_SAMPLE ||
				    m.sample.check >= r->config.nchecks ||
				    ret[m.sample.check].seq != UINT32_MAX)
					continue;
				ret[m.sample.check] = m.sample;
				missing--;
			}
		}
	}
}

static void stop(struct run *r);

int run_probe_once(const struct run_request *rq, struct probe_sample *ret, struct err *e)
{
	struct run r = { .rq = rq,
			 .keeper = KEEPER_CLIENT_NONE,
			 .resolver = PROBER_NONE,
			 .signals = -1,
			 .ev = { .fd = { -1, -1 } } };
	int64_t longest = NS_PER_S;
	int rc = run_build_config(&r, e);

	for (size_t i = 0; i < rq->x->n_checks; i++) {
		ret[i].seq = UINT32_MAX;
		if (rq->x->checks[i].every_ns + rq->x->checks[i].timeout_ns > longest)
			longest = rq->x->checks[i].every_ns + rq->x->checks[i].timeout_ns;
	}
	if (rc == 0)
		rc = run_start_probers(&r, e);
	for (unsigned i = 0; i < r.n_probers && rc == 0; i++)
		rc = prober_tell(&r.prober[i].p, PROBE_MSG_START, e);
	if (rc == 0)
		first_samples(&r, ret, clock_mono_ns() + longest + NS_PER_S);
	stop(&r);
	return rc;
}

static void stop(struct run *r)
{
	keeper_client_leave(&r->keeper); /* those that do not end are waited for, without a beat */
	for (unsigned i = 0; i < r->n_probers; i++)
		prober_stop(&r->prober[i].p);
	prober_stop(&r->resolver);
	names_done(&r->names);
	keeper_client_done(&r->keeper);
	events_close(&r->ev);
	auto_close(&r->signals);
	arena_done(&r->arena);
}

int run_experiment(const struct run_request *rq, struct run_outcome *ret, struct err *e)
{
	struct run r = { .rq = rq,
			 .keeper = KEEPER_CLIENT_NONE,
			 .resolver = PROBER_NONE,
			 .signals = -1,
			 .command_prober = -1,
			 .ev = { .fd = { -1, -1 } },
			 .notify = { .fd = -1 },
			 .out = { .command_code = -1 } };
	struct ctl_result result;
	int rc = start(&r, e);

	if (rc < 0) {
		r.out.code = code_of(rc);
		stop(&r);
		*ret = r.out;
		return rc;
	}
	events_open(&r.ev, rq->paths->runs, rq->plan->run_id, rq->events, rq->json, rq->talk);
	live_init(&r.live, rq->color);
	run_say_start(&r);
	for (unsigned i = 0; i < r.n_early; i++)
		run_say_note(&r, "note", r.early[i]);
	notify_begin(&r.notify);
	rc = sandbox_allow(SANDBOX_RUNNER, NULL, 0, e); /* all that it needs is open and started */
	if (rc < 0) {
		r.out.code = EXIT_UNABLE;
		stop(&r);
		*ret = r.out;
		return rc;
	}
	notify_say(&r.notify, "READY=1");
	run_loop(&r);
	notify_say(&r.notify, "STOPPING=1"); /* all is taken back: output may take its time now */
	controller_result(r.ctl, &result);
	r.out.code = result.code;
	talk_patient(rq->talk);
	run_say_verdict(&r);
	stop(&r);
	notify_end(&r.notify);
	*ret = r.out;
	return 0;
}
