/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "inject/change/pool.h"
#include "inject/target.h"
#include "safety/control.h"
#include "safety/sandbox.h"

#define RT_PRIORITY  (HOLDER_PRIORITY + 1)
#define DEATH_NS     (5 * NS_PER_S)
#define HOLDER_POLLS 4
#define DEAF_NS      (50 * NS_PER_MS)
#define DEAF_TRIES   10
#define NAP_NS       (2 * NS_PER_MS)

/* After a call that fails and would be made again at once: our priority would keep the CPU from
 * everybody. */
static void nap(void)
{
	const struct timespec t = { 0, NAP_NS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

void keeper_send(struct keeper *k, struct kmsg *m)
{
	int rc = k->sock < 0 ? -EPIPE : proto_send(k->sock, m, KMSG_ANSWER_SIZE, false);

	/* a full socket gets one short wait; a runner that still reads nothing hangs, and the undo
	 * does not wait for it */
	if (rc == -EAGAIN && !k->runner_deaf) {
		io_wait(k->sock, POLLOUT, clock_mono_ns() + DEAF_NS);
		rc = proto_send(k->sock, m, KMSG_ANSWER_SIZE, false);
	}
	k->runner_deaf = rc == -EAGAIN;
	if (rc == -EPIPE && k->sock >= 0) {
		auto_close(&k->sock);
		k->sock = -1;
	}
}

void keeper_say(struct keeper *k, enum kmsg_type type, const char *fmt, ...)
{
	struct kmsg m = { .type = (uint16_t)type };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m.u.text, sizeof(m.u.text), fmt, ap);
	va_end(ap);
	keeper_send(k, &m);
}

static void say_halt(struct keeper *k, const char *why, bool by_people)
{
	struct kmsg m = { .type = KMSG_HALT, .value = by_people };

	snprintf(m.u.text, sizeof(m.u.text), "%s", why);
	keeper_send(k, &m);
}

/* Ends the run by itself: told to the runner, everything lifted, whether or not anybody hears it.
 */
static void end_run(struct keeper *k, const char *why, bool by_people)
{
	struct err ignored;

	if (k->lifting_all)
		return;
	say_halt(k, why, by_people);
	snprintf(k->journal.head.why, sizeof(k->journal.head.why), "%s", why);
	keeper_lift_all(k);
	if (k->journal.fd >= 0)
		journal_put_head(&k->journal, &ignored);
}

static bool cannot_hear(const struct keeper *k)
{
	return k->unheard >= DEAF_TRIES;
}

static void runner_gone(struct keeper *k, const char *why)
{
	auto_close(&k->sock);
	k->sock = -1;
	auto_close(&k->runner_pidfd);
	k->runner_pidfd = -1;
	end_run(k, why, false);
	k->finishing = true;
}

/* A runner that hangs must not wake up later and go on: it is killed and its death awaited. One in
 * uninterruptible sleep dies when that ends: the faults do not wait for it. */
static void kill_runner(struct keeper *k)
{
	static const char why[] = "the runner hung and was killed";
	int64_t began = clock_mono_ns();

	pidfd_send_signal(k->runner_pidfd, SIGKILL, NULL, 0);
	end_run(k, why, false);
	for (int64_t until = began + DEATH_NS; clock_mono_ns() < until;) {
		pulse_beat(&k->pulse->keeper); /* or the spare takes us for one that hangs */
		if (io_wait(k->runner_pidfd, POLLIN, clock_mono_ns() + PULSE_BEAT_NS) != 0)
			break;
	}
	keeper_forgive(k, clock_mono_ns() - began); /* the holders' answers wait to be read */
	runner_gone(k, why);
}

static bool something_armed(const struct keeper *k)
{
	for (unsigned i = 0; i < k->n_faults; i++) {
		if (k->fault[i].state > FAULT_PLANNED && k->fault[i].state < FAULT_ENDED)
			return true;
	}
	return false;
}

/* Where each request of the set-up belongs; it is served there once or as often as needed, and
 * nowhere else. */
static const struct {
	enum keeper_stage at, then;
} order[] = {
	[KMSG_BEGIN] = { STAGE_NEW, STAGE_BEGUN },     [KMSG_SHIELD] = { STAGE_BEGUN, STAGE_BEGUN },
	[KMSG_FAULT] = { STAGE_BEGUN, STAGE_BEGUN },   [KMSG_ADD] = { STAGE_BEGUN, STAGE_BEGUN },
	[KMSG_GUARD] = { STAGE_BEGUN, STAGE_GUARDED }, [KMSG_ARM] = { STAGE_GUARDED, STAGE_ARMED },
};

static int set_shield(struct keeper *k, const struct shield *s, struct err *e)
{
	if (s->n_procs > SHIELD_PROCS || s->n_paths > SHIELD_PATHS)
		return err_set(e, EINVAL, "a broken shield");
	k->shield = *s;
	return 0;
}

static int serve_request_of_setup(struct keeper *k, const struct kmsg *m, struct err *e)
{
	switch (m->type) {
	case KMSG_BEGIN:
		return keeper_begin(k, &m->u.begin, e);
	case KMSG_SHIELD:
		return set_shield(k, &m->u.shield, e);
	case KMSG_FAULT:
		return keeper_fault(k, &m->u.fault, e);
	case KMSG_ADD:
		return keeper_add(k, &m->u.spec, e);
	case KMSG_GUARD:
		return keeper_guard(k, e);
	default:
		return keeper_arm(k, e);
	}
}

/*
 * A step that failed is not tried again: half of it may be done. A run that is being ended begins
 * nothing more.
 */
static int serve_setup(struct keeper *k, const struct kmsg *m, struct err *e)
{
	int rc;

	if (m->type < KMSG_BEGIN || m->type > KMSG_ARM)
		return err_set(e, EINVAL, "message %u is not known", m->type);
	if (k->lifting_all)
		return err_set(e, ECANCELED, "the run is being ended");
	if (k->stage != order[m->type].at)
		return err_set(e, EINVAL, "message %u at the wrong time", m->type);
	rc = serve_request_of_setup(k, m, e);
	if (order[m->type].then != order[m->type].at)
		k->stage = rc == 0 ? order[m->type].then : STAGE_FAILED;
	return rc;
}

static int ask_effect(struct keeper *k, unsigned fault)
{
	struct hmsg m = { .type = HMSG_EFFECT };

	if (fault >= k->n_faults || k->fault[fault].sock < 0)
		return -ESRCH;
	return proto_send(k->fault[fault].sock, &m, sizeof(m), false);
}

static int serve_request(struct keeper *k, const struct kmsg *m, struct err *e)
{
	int rc;

	switch (m->type) {
	case KMSG_FIRE:
		return keeper_fire(k, &m->u.list, e);
	case KMSG_LIFT:
		return keeper_lift(k, &m->u.list, e);
	case KMSG_LIFT_ALL:
		keeper_lift_all(k);
		return 0;
	case KMSG_EFFECT:
		rc = ask_effect(k, m->fault);
		return rc < 0 ? err_set(e, -rc, "the fault has no holder") : 0;
	case KMSG_JOIN:
		return keeper_join(k, m, e);
	case KMSG_FINISH:
		keeper_lift_all(k);
		k->finishing = true;
		return 0;
	default:
		return serve_setup(k, m, e);
	}
}

/* It may be calling for an abort. What the keeper says still goes to it: also to one that has
 * lifted all and looks at its checks once more, so that it knows why nothing comes after. */
static void not_heard(struct keeper *k)
{
	static const char why[] = "the runner cannot be heard";

	if (++k->unheard < DEAF_TRIES) {
		nap();
		return;
	}
	if (k->lifting_all)
		say_halt(k, why, false);
	end_run(k, why, false);
	k->finishing = true;
}

/* What the runner has sent: 1, 0 = nothing, -errno. */
static int hear_runner(struct keeper *k, struct kmsg *ret)
{
	int rc;

	if (cannot_hear(k))
		return 0;
	/* closed by keeper_send(): nobody was there to hear it */
	rc = k->sock < 0 ? -EPIPE : proto_recv(k->sock, ret, sizeof(*ret));
	if (rc == -EPIPE) {
		auto_close(&k->sock); /* would wake us without pause */
		k->sock = -1;
		if (!k->finishing)
			runner_gone(k, "the runner is gone");
	} else if (rc < 0) {
		not_heard(k);
	} else {
		k->unheard = 0;
	}
	return rc;
}

static void serve(struct keeper *k)
{
	if (k->sock < 0 && k->runner_pidfd >= 0) /* keeper_send() has met the end of it */
		runner_gone(k, "the runner is gone");
	for (;;) {
		struct kmsg m, done = { .type = KMSG_DONE };

		if (hear_runner(k, &m) <= 0)
			return;
		done.request = m.type;
		done.value = m.value;
		done.code = serve_request(k, &m, &done.u.err);
		done.u.err.pos.file = NULL;
		keeper_send(k, &done);
	}
}

static void hear_holders(struct keeper *k, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct keeper_fault *f = &k->fault[i];
		struct hmsg m;
		int rc = 0;

		while (f->sock >= 0 && (rc = proto_recv(f->sock, &m, sizeof(m))) == 1)
			keeper_heard(k, f, &m);
		/* it is dying: its end of file would wake us without pause, and our priority keep
		 * the CPU from it */
		if (f->sock >= 0 && rc < 0) {
			auto_close(&f->sock);
			f->sock = -1;
		}
		if (f->pid && (p[2 * i + 1].revents & POLLIN))
			keeper_holder_died(k, f);
	}
}

/* Heartbeats of the others. Beats count only while something could be in force. */
static void check_beats(struct keeper *k)
{
	pulse_beat(&k->pulse->keeper);
	/* while arming, hundreds of holders of real-time class keep it from its beats */
	if (k->runner_pidfd >= 0 && k->stage != STAGE_ARMING &&
	    pulse_hangs(&k->runner_watch, &k->pulse->runner))
		kill_runner(k);
	/* its death ends the run: keeper_listen() */
	if (k->spare_pidfd >= 0 && pulse_hangs(&k->spare_watch, &k->pulse->spare))
		pidfd_send_signal(k->spare_pidfd, SIGKILL, NULL, 0);
	if (clock_boot_ns() > k->deadline_boot_ns && something_armed(k))
		end_run(k, "the run passed its longest time", false);
}

static bool has_ended(int pidfd)
{
	siginfo_t how = { 0 };

	return pidfd >= 0 && waitid(P_PIDFD, (id_t)pidfd, &how, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       how.si_pid;
}

/* ppoll has failed (ENOMEM): who has died is asked otherwise, and never by a wait. A runner that
 * has, shows at its socket. */
static void look_around(const struct keeper *k, struct pollfd *p)
{
	size_t n = k->n_faults;

	for (size_t i = 0; i < 2 * n + HOLDER_POLLS; i++)
		p[i].revents = 0;
	for (size_t i = 0; i < n; i++) {
		if (has_ended(k->fault[i].pidfd))
			p[2 * i + 1].revents = POLLIN;
	}
	if (has_ended(k->spare_pidfd))
		p[2 * n + 2].revents = POLLIN;
}

void keeper_serve_caller(struct keeper *k)
{
	char why[160];
	int rc = control_serve(k->control, k->begin.starter_uid, k->control_gid, why, sizeof(why));

	if (rc > 0)
		end_run(k, why, true);
	else if (rc < 0) /* who is not let in waits at the door, and wakes us */
		nap();
}

void keeper_listen(struct keeper *k, int64_t deadline_ns)
{
	static struct pollfd p[2 * PROTO_FAULTS + HOLDER_POLLS];
	size_t n = k->n_faults;
	int64_t began = clock_mono_ns(), left = deadline_ns - began, late;
	struct timespec t = { left > 0 ? left / NS_PER_S : 0, left > 0 ? left % NS_PER_S : 0 };
	int ready;

	for (size_t i = 0; i < n; i++) {
		p[2 * i] = (struct pollfd){ .fd = k->fault[i].sock, .events = POLLIN };
		p[2 * i + 1] = (struct pollfd){ .fd = k->fault[i].pidfd, .events = POLLIN };
	}
	/* what waits there unread would wake us without pause, and our priority keep the CPU from
	 * the holders */
	p[2 * n] = (struct pollfd){ .fd = k->stage == STAGE_ARMING || cannot_hear(k) ? -1 : k->sock,
				    .events = POLLIN };
	p[2 * n + 1] = (struct pollfd){ .fd = k->runner_pidfd, .events = POLLIN };
	p[2 * n + 2] = (struct pollfd){ .fd = k->spare_pidfd, .events = POLLIN };
	p[2 * n + 3] = (struct pollfd){ .fd = k->control, .events = POLLIN };
	ready = io_poll(p, 2 * n + HOLDER_POLLS, &t);
	late = clock_mono_ns() - began - (left > 0 ? left : 0);
	if (late > PULSE_LOOK_NS) /* the machine stood still, or we had no CPU */
		keeper_forgive(k, late - PULSE_LOOK_NS);
	if (ready < 0) {
		nap();
		look_around(k, p);
	}
	if (ready) {
		hear_holders(k, p, n);
		if (p[2 * n + 1].revents)
			runner_gone(k, "the runner died");
		if (p[2 * n + 2].revents) {
			waitpid(k->spare, NULL, WNOHANG); /* a stopped tracer may keep it */
			auto_close(&k->spare_pidfd);
			k->spare_pidfd = -1;
			end_run(k, "the spare keeper died", false);
		}
		if (p[2 * n + 3].revents)
			keeper_serve_caller(k);
	}
	check_beats(k);
}

/* What makes the keeper hard to starve. Without privilege it works too, and the user is told what
 * is lost. */
static void harden(struct keeper *k)
{
	struct rlimit files;
	struct sched_param rt = { .sched_priority = RT_PRIORITY };
	AUTO(auto_close) int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (oom < 0 || io_write_full(oom, "-1000", 5) < 0)
		keeper_say(
			k, KMSG_NOTE,
			"the keeper is not shielded from the OOM killer (needs CAP_SYS_RESOURCE)");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max; /* two descriptors for each holder */
		setrlimit(RLIMIT_NOFILE, &files);
	}
	k->rights.caps |= rights_memory();
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		keeper_say(k, KMSG_NOTE, "the keeper's memory is not locked (needs CAP_IPC_LOCK)");
	/* spare and holders inherit it: they have no right to ask for it. What execs gives it up */
	if (sched_setscheduler(0, SCHED_FIFO, &rt) < 0)
		keeper_say(k, KMSG_NOTE,
			   "the keeper has no real-time priority (needs CAP_SYS_NICE)");
}

/* Looked at once, before all memory is locked; each holder maps its own. */
static int count_addresses(struct keeper *k, struct err *e)
{
	struct address_pool pool = { 0 };
	int rc = k->pool_fd < 0 ? 0 : pool_open(k->pool_fd, &pool, e);

	k->pooled = pool.n;
	pool_close(&pool);
	return rc;
}

static int start(struct keeper *k, int pulse_fd, pid_t runner, struct err *e)
{
	int rc;

	k->spec = calloc(JOURNAL_SLOTS, sizeof(struct change_spec *));
	k->pulse = pulse_map(pulse_fd, e);
	if (!k->spec)
		return err_set(e, ENOMEM, "no memory for the keeper");
	if (!k->pulse)
		return -e->code;
	k->runner.pid = runner;
	rc = proc_start_ticks(runner, &k->runner.start_ticks, e);
	if (rc < 0)
		return rc;
	k->runner_pidfd = pidfd_open(runner, 0);
	k->self_pidfd = pidfd_open(getpid(), 0);
	if (k->runner_pidfd < 0 || k->self_pidfd < 0)
		return err_sys(e, "cannot watch the runner");
	/* as long as it is our parent its number was not given to another process */
	if (getppid() != runner)
		return err_set(e, ESRCH, "the runner is gone");
	rc = count_addresses(k, e);
	if (rc < 0)
		return rc;
	harden(k);
	return sandbox_keep_permitted(rights_any() | k->rights.caps, e);
}

static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL); /* a terminal's signals are the runner's business */
}

int keeper_live(struct keeper *k)
{
	while (!k->ended) {
		keeper_listen(k, keeper_next(k));
		serve(k);
		keeper_advance(k);
		if (k->finishing && keeper_all_settled(k))
			keeper_finish(k);
	}
	return k->outcome ? 20 : 0;
}

int keeper_run(int sock, int pulse_fd, int pool_fd, pid_t runner)
{
	static struct keeper keeper = KEEPER_NONE;
	struct keeper *k = &keeper;
	struct kmsg fail = { .type = KMSG_DONE };

	k->sock = sock;
	k->pool_fd = pool_fd;
	block_signals();
	fail.code = start(k, pulse_fd, runner, &fail.u.err);
	if (fail.code < 0) {
		keeper_send(k, &fail);
		return 1;
	}
	return keeper_live(k);
}
