/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RECOVER_H
#define BRINK_RECOVER_H

#include "base/clock.h"
#include "safety/journal.h"

#define RECOVER_SLOT_NS (3 * NS_PER_S) /* so long one slot is tried where nobody waits for more */

/*
 * Taking back from the journal alone. The same code serves a normal end, the spare and `brink
 * revert`. undo -> ended? -> gone?, repeated until deadline_ns (CLOCK_MONOTONIC); the slot's state
 * is written as facts arrive; a journal that cannot be written does not stop the undo. 0 = restored
 * and read back; else -errno, and slot->left says what is there.
 */
int recover_slot(struct journal *j, unsigned i, int64_t deadline_ns, struct err *e);

/* Sleeps before the next look at what is not gone yet: 10 ms at first, ever longer up to 100 ms. */
void recover_pause(int64_t began_ns);

/*
 * Of a record from another PID namespace (journal.elsewhere): have the slot's holder and the
 * process that it is about ended? Only then the numbers in it may be looked up here, and are found
 * gone. 0: yes, or the record is of this one; -EXDEV: that is not known, ret_left says of whom.
 */
int recover_look_elsewhere(const struct journal *j, const struct journal_slot *s,
			   struct text *ret_left);

/*
 * May a person say that it is well as it is (brink revert --accept-conflict)? Somebody else's value
 * stands there (EEXIST), or what is missing may be others' doing (ESTALE of a guarded change); or
 * it cannot be looked at (EACCES), and all of it ended with its holder; or who is concerned is of
 * another PID namespace (EXDEV), which may have ended with all that was in it.
 */
bool recover_is_acceptable(const struct journal_slot *s);
/* Said behind what is there of a slot that its holder had ended (SLOT_ENDED). */
#define RECOVER_SINCE_END ", since the fault has ended: not by brink"
/* What a person can type: see change_by_hand(). */
void recover_by_hand(const struct journal_slot *s, struct text *ret);

/*
 * Before the first undo: opens and keeps what the undo of all slots will use (change_ops.ready).
 * The first error counts; the undo of that slot will try again.
 */
int recover_ready(const struct journal *j, struct err *e);

/* Ends holders that a dead keeper left (by pidfd and start time), waits for their death, bounded.
 */
int recover_end_holders(struct journal *j, struct err *e);

/*
 * Ends what is felt of guarded changes in the slots [first, first + n), their holders gone: before
 * any structure is removed. Says nothing: recover_slot() reads back.
 */
void recover_end_effects(struct journal *j, unsigned first, unsigned n);

/* All slots, effects before structures, last one first. Returns how many are not restored. */
unsigned recover_all(struct journal *j, int64_t per_slot_ns);

#endif
