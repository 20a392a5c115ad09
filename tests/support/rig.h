/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_SUPPORT_RIG_H
#define BRINK_TESTS_SUPPORT_RIG_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/clock.h"
#include "inject/change/change.h"

#define RIG_WAIT_NS (10 * NS_PER_S)
/* No call may keep a holder from its beat. They aim at less than 100 ms; a busy machine takes its
 * time. */
#define RIG_STEP_NS (500 * NS_PER_MS)

/*
 * One change as a run has it: prepared here, armed to drained in a process of its own that is
 * called like a holder and has a holder's capabilities, taken back and read back here again, from
 * the record alone.
 */
struct rig {
	struct change_spec spec;
	struct undo undo;
	struct shield shield;
	uint64_t caps; /* of the holder; UINT64_MAX = all that this process has */
	struct err e;
	uint64_t value;  /* of the last RIG_EFFECT */
	int64_t step_ns; /* the longest call of the last order */
	bool touched;    /* by the last order or one before: see struct change */
	pid_t holder;
	int sock;
	char left[256];
};

enum rig_order { RIG_ARM = 1, RIG_FIRE, RIG_REFRESH, RIG_QUIET, RIG_DRAIN, RIG_EFFECT };

/* Prepares and forks the holder. 0 or what prepare said. The spec must be filled. */
int rig_start(struct rig *r);
/* One order. Fire is repeated while it says -EINPROGRESS. Fails the test when there is no answer in
 * time. */
int rig_do(struct rig *r, enum rig_order order);
/* Must succeed; prints the error when not. */
void rig_must(struct rig *r, enum rig_order order);
/* Starts, arms and fires it: all must succeed. */
void rig_hold(struct rig *r);
int rig_undo(struct rig *r);
int rig_ended(struct rig *r);
int rig_gone(struct rig *r);
/* SIGKILL, and its death awaited. */
void rig_kill(struct rig *r);
/* Lets it end as the keeper does. Harmless when it is dead already. */
void rig_done(struct rig *r);
bool rig_says(const struct rig *r, const char *part);

/* For cmocka_run_group_tests(): a network namespace of the test's own, with its lo up. */
int rig_own_netns(void **state);
/* Waits until fn is true, within RIG_WAIT_NS. */
bool rig_await(bool (*fn)(void *arg), void *arg);
/* Start ticks of a process, read here. */
uint64_t rig_start_ticks(pid_t pid);
/* The state letters of all threads of a process, as "RSt", in ret. */
const char *rig_states(pid_t pid, char *ret, size_t size);

#endif
