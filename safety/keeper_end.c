/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/io.h"
#include "safety/deadman.h"
#include "safety/keeper.h"
#include "safety/lock.h"

#define SPARE_NS (2 * NS_PER_S)
/* Objects that others may add during a run before the look at the end needs more memory. */
#define MORE_LATER 512

/* One namespace after the other; the run's own one, with the machine's sysctls, comes first. */
static int take_all(struct keeper *k, struct fingerprint *fp, struct err *e)
{
	int rc;

	fp->n = 0;
	rc = fingerprint_take(fp, "", e);
	for (unsigned i = 0; i < k->n_netns && rc == 0; i++) {
		if (k->netns[i].path[0])
			rc = fingerprint_take_in(fp, &k->netns[i], e);
	}
	return rc;
}

/* Gives the pages behind entry n back. */
static void trim(struct fingerprint *fp, uint32_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t used = ((uintptr_t)&fp->entry[n] + page - 1) / page * page;
	uintptr_t end = ((uintptr_t)(fp + 1) + page - 1) / page * page;

	if (used < end)
		munmap((void *)used, end - used);
}

int keeper_baseline(struct keeper *k, struct err *e)
{
	int rc;

	k->before = fingerprint_map(e);
	if (!k->before)
		return -e->code;
	rc = take_all(k, k->before, e);
	if (rc < 0)
		return err_ctx(e, "cannot take the fingerprint of the machine");
	trim(k->before, k->before->n);
	/* for the look at the end: on the undo path there may be no memory to be had */
	k->after = fingerprint_map(e);
	if (!k->after)
		return -e->code;
	if (k->before->n + MORE_LATER < FINGERPRINT_ENTRIES) {
		k->after->room = k->before->n + MORE_LATER;
		trim(k->after, k->after->room);
	}
	if (k->before->unseen & FP_NO_NFT_RIGHT)
		keeper_say(k, KMSG_NOTE,
			   "the nftables ruleset cannot be read without CAP_NET_ADMIN");
	return 0;
}

/* After the keeper's own deadline: what was not taken back by then is taken back by PID 1. */
#define DEADMAN_SLACK_S 10

int keeper_deadman(struct keeper *k, struct err *e)
{
	int64_t left_s = (k->deadline_boot_ns - clock_boot_ns()) / NS_PER_S + DEADMAN_SLACK_S;
	int rc;

	if (left_s <= 0) /* the set-up took as long as the run may */
		return err_set(e, ETIMEDOUT, "the run passed its longest time before it began");
	rc = deadman_arm(NULL, k->begin.run_id, (unsigned)left_s, k->begin.brink, e);

	if (rc == -ENOSYS) {
		keeper_say(k, KMSG_NOTE, "%s", e->msg[0]);
		return 0;
	}
	if (rc == 0)
		rc = deadman_check(NULL, k->begin.run_id, e);
	if (rc == 0)
		rc = deadman_unit(k->begin.run_id, k->journal.head.deadman_unit, e);
	return rc == 0 ? journal_put_head(&k->journal, e) : rc;
}

static void disarm_deadman(struct keeper *k)
{
	char words[ERR_LINE * 2];
	struct err e;

	/* a timer that stays is harmless: it finds nothing to take back */
	if (k->journal.head.deadman_unit[0] && disarmer_ask(&k->disarmer, k->begin.run_id, &e) < 0)
		keeper_say(k, KMSG_NOTE, "the dead-man timer stays: %s",
			   err_format(&e, words, sizeof(words)));
}

static void tell_difference(void *arg, enum fp_change what, const struct fp_entry *entry)
{
	static const char *const words[] = { "added", "removed", "changed" };
	struct keeper *k = arg;
	struct kmsg left = { .type = KMSG_LEFT, .fault = UINT16_MAX };

	if (!entry->ours) {
		keeper_say(k, KMSG_FOREIGN, "%s: %s", words[what], entry->name);
		return;
	}
	if (!fingerprint_is_of(k->begin.run_id, entry->name)) /* another run's: it proves its own */
		return;
	k->outcome = 1;
	snprintf(left.u.left.what, sizeof(left.u.left.what), "%s: %s", words[what], entry->name);
	keeper_send(k, &left);
}

/* In the memory that was made for it; in new one only where others added very much. */
static int look_again(struct keeper *k, struct err *e)
{
	int rc = take_all(k, k->after, e);
	struct fingerprint *larger;

	if (rc != -E2BIG || !k->after->room)
		return rc;
	larger = fingerprint_map(e);
	if (!larger)
		return -e->code;
	k->after = larger;
	return take_all(k, larger, e);
}

/* Proof that the machine looks as before. What cannot be read is not clean. */
static void compare(struct keeper *k)
{
	struct err e;
	char words[400];

	if (!k->guarded)
		return; /* nothing was ever changed */
	if (look_again(k, &e) < 0) {
		k->outcome = 1;
		keeper_say(k, KMSG_NOTE, "the machine cannot be compared with before: %s",
			   err_format(&e, words, sizeof(words)));
		return;
	}
	fingerprint_diff(k->before, k->after, tell_difference, k);
}

/* It has nothing left to guard; one that is stopped just now must not outlive the run with its
 * locks. */
static void end_spare(struct keeper *k)
{
	if (k->spare_pidfd < 0)
		return;
	pidfd_send_signal(k->spare_pidfd, SIGKILL, NULL, 0);
	io_wait(k->spare_pidfd, POLLIN, clock_mono_ns() + SPARE_NS);
	waitpid(k->spare, NULL, WNOHANG);
	auto_close(&k->spare_pidfd);
	k->spare_pidfd = -1;
}

/* By name, for everyone who inherited them: one that is stopped keeps no resource from other runs.
 */
static void release_locks(struct keeper *k)
{
	while (k->n_locks)
		lock_release(k->lock[--k->n_locks].fd);
}

/* The run is clean, whether or not its record can go: later commands find it and must not be a
 * surprise. */
static void remove_record(struct keeper *k)
{
	int rc = journal_remove(k->state_dir, k->run_dir, k->begin.run_id);

	if (rc == -ENOTEMPTY)
		keeper_say(k, KMSG_NOTE,
			   "the run's directory stays: somebody else's files are in it");
	else if (rc < 0)
		keeper_say(k, KMSG_NOTE,
			   "the run's record cannot be removed: %s; brink revert does it later",
			   strerror(-rc));
}

void keeper_finish(struct keeper *k)
{
	struct kmsg m = { .type = KMSG_CLEAN };
	struct err ignored;

	k->ended = true;
	k->outcome = 0;
	/* nothing is in force any more; reading the machine takes its time */
	pulse_rest(&k->pulse->keeper, KEEPER_REST_NS);
	for (unsigned i = 0; i < k->n_faults; i++)
		k->outcome |= k->fault[i].state == FAULT_DIRTY;
	compare(k);
	if (k->journal.fd >= 0) {
		k->journal.head.state = k->outcome ? HEAD_DIRTY : HEAD_CLEAN;
		pulse_beat(&k->pulse->keeper); /* a write that never ends must show */
		journal_put_head(&k->journal, &ignored);
		pulse_rest(&k->pulse->keeper, KEEPER_REST_NS);
	}
	if (!k->outcome) {
		release_locks(k);
		disarm_deadman(k);
	}
	/* without a runner nobody reported what was changed: the record stays for the next brink
	 * command */
	if (!k->outcome && k->run_dir >= 0 && (k->sock >= 0 || !k->guarded))
		remove_record(k);
	m.code = k->outcome ? -EBUSY : 0;
	keeper_send(k, &m);
	end_spare(k); /* until then it would have said so in our place */
	disarmer_end(&k->disarmer);
}
