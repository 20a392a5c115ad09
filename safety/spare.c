/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/proc_state.h"
#include "safety/keeper.h"
#include "safety/recover.h"
#include "safety/sandbox.h"

#define LOOK_NS     (200 * NS_PER_MS)
#define TAKEOVER_NS (30 * NS_PER_S) /* without the changes */

/* Until the keeper, our parent, is dead. One that hangs is killed, so that never two of them work
 * on one journal. */
static void await_death(struct keeper *k, int keeper_pidfd)
{
	struct pulse_watch watch = { 0 };

	for (;;) {
		int rc;

		pulse_beat(&k->pulse->spare);
		rc = io_wait(keeper_pidfd, POLLIN, clock_mono_ns() + LOOK_NS);
		if (rc > 0)
			return;
		if (rc < 0 && getppid() != k->journal.head.keeper.pid)
			return;
		if (rc < 0) /* it would fail again at once, at our priority */
			short_nap();
		if (pulse_hangs(&watch, &k->pulse->keeper))
			pidfd_send_signal(keeper_pidfd, SIGKILL, NULL, 0);
	}
}

static void tell_fault(struct keeper *k, unsigned index)
{
	struct keeper_fault *f = &k->fault[index];
	struct kmsg m = { .type = KMSG_REVERTED, .fault = (uint16_t)index };

	f->state = FAULT_RESTORED;
	for (unsigned i = f->first; i < f->first + f->n; i++) {
		const struct journal_slot *s = &k->journal.slot[i];
		struct kmsg left = { .type = KMSG_LEFT, .fault = (uint16_t)index };
		struct text by_hand;

		if (s->state == SLOT_RESTORED)
			continue;
		f->state = FAULT_DIRTY;
		m.code = s->last_errno ? s->last_errno : -EBUSY;
		snprintf(left.u.left.what, sizeof(left.u.left.what), "%s", s->left);
		by_hand = text_on(left.u.left.by_hand, sizeof(left.u.left.by_hand));
		recover_by_hand(s, &by_hand);
		keeper_send(k, &left);
	}
	if (m.code)
		err_set(&m.u.err, -m.code, "not confirmed");
	keeper_send(k, &m);
}

/*
 * A runner that hangs too must not wake up later and speak of a run that is over. Everything is
 * restored by now: there is time to wait for its next beat, or for the end of patience.
 */
static void end_silent_runner(struct keeper *k)
{
	struct pulse_watch watch = { 0 };
	int64_t now = clock_mono_ns();
	bool hangs = false;

	if (k->runner_pidfd < 0)
		return;
	/* one that has never beaten does not hang; our own time without a CPU is none of its
	 * silence
	 */
	while (!hangs && k->pulse->runner && k->pulse->runner <= now &&
	       clock_mono_ns() - now < 10 * PULSE_STALE_NS) {
		int rc = io_wait(k->runner_pidfd, POLLIN, clock_mono_ns() + PULSE_BEAT_NS / 2);

		if (rc > 0)
			break;
		if (rc < 0)
			short_nap();
		hangs = pulse_hangs(&watch, &k->pulse->runner);
	}
	if (!hangs)
		return;
	pidfd_send_signal(k->runner_pidfd, SIGKILL, NULL, 0);
	if (io_wait(k->runner_pidfd, POLLIN, clock_mono_ns() + NS_PER_S) > 0) {
		auto_close(&k->sock);
		k->sock = -1;
	}
}

/*
 * The journal on the medium is the truth, not the memory of a process that may have been cut off
 * anywhere. What cannot be read there is as this process was born with it: taking back twice does
 * no harm.
 */
static int take_over(struct keeper *k)
{
	struct err e;

	journal_again(&k->journal);
	/* at work, not to be taken for one that hangs: for as long as all that can take */
	pulse_rest(&k->pulse->spare, TAKEOVER_NS + k->journal.head.n_slots * RECOVER_SLOT_NS);
	if (k->journal.head.state == HEAD_CLEAN) { /* it was, and had still to say so */
		keeper_finish(k);
		return k->outcome ? 20 : 0;
	}
	keeper_say(k, KMSG_HALT, "the keeper died; its spare took over");
	snprintf(k->journal.head.why, sizeof(k->journal.head.why), "the keeper died");
	recover_end_holders(&k->journal, &e);
	recover_all(&k->journal, RECOVER_SLOT_NS);
	end_silent_runner(k);
	for (unsigned i = 0; i < k->n_faults; i++)
		tell_fault(k, i);
	keeper_finish(k);
	return k->outcome ? 20 : 0;
}

/*
 * Own sockets, because answers to the keeper's last question may wait in its own: opened now, while
 * nothing is changed yet and an error ends the run. The takeover opens and allocates nothing.
 */
static void get_ready(struct keeper *k)
{
	char words[ERR_LINE * 2];
	struct err e;

	netns_forget();
	if (recover_ready(&k->journal, &e) == 0)
		return;
	keeper_say(k, KMSG_NOTE, "the spare keeper cannot get ready: %s",
		   err_format(&e, words, sizeof(words)));
	_exit(1);
}

void spare_main(struct keeper *k, int keeper_pidfd)
{
	struct err e;

	prctl(PR_SET_NAME, "brink-spare");
	auto_close(&k->control); /* nobody would answer there */
	k->control = -1;
	get_ready(k);
	mlockall(MCL_CURRENT |
		 MCL_FUTURE); /* not inherited; where it is not allowed the keeper has said so */
	if (sandbox_keep_permitted(k->rights.caps, &e) < 0 ||
	    sandbox_allow(SANDBOX_SPARE, k->rights.calls, k->rights.n, &e) < 0)
		_exit(1); /* the run ends before anything is fired */
	await_death(k, keeper_pidfd);
	_exit(take_over(k));
}
