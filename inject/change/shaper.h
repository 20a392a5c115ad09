/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SHAPER_H
#define BRINK_SHAPER_H

#include "inject/change/change.h"

/*
 * What netem would do to a packet, decided in user space: pure functions of the spec, a seed and
 * the time. They follow netem_enqueue() of net/sched/sch_netem.c, so that one fault means the same
 * with either engine. Slots and duplicates are netem's alone.
 */
#define SHAPER_POINTS 4096u

/* get_crandom(): each value follows the one before as much as rho says. */
struct shaper_corr {
	uint32_t last, rho;
};

struct shaper {
	const struct netem_side_spec *s;
	uint64_t random;
	struct shaper_corr delay, loss, corrupt, reorder;
	unsigned loss_state;
	int64_t counter, last_ns; /* packets since one was reordered; when the last one leaves */
	int16_t table[SHAPER_POINTS];
};

struct shaped {
	bool lost, corrupted;
	int64_t at_ns;   /* when it goes on */
	uint32_t bit[2]; /* corrupted: random numbers that choose the byte and the bit */
};

/* s is borrowed. -ENOMEM. */
int shaper_init(struct shaper *ret, const struct netem_side_spec *s, uint64_t seed, struct err *e);
/* One packet more: bytes is its length on the wire, for a rate only. */
struct shaped shaper_next(struct shaper *h, int64_t now_ns, uint32_t bytes);
/* What user space cannot do of it: EOPNOTSUPP and a sentence. */
int shaper_check(const struct netem_side_spec *s, struct err *e);

#endif
