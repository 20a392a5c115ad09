/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DUE_QUEUE_H
#define BRINK_DUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Packets that wait for their time. Pure: knows no clock and no kernel. Those that come in the
 * order of their times, as all do without jitter, stand in a ring; one that overtakes others goes
 * into a heap beside it. Packets of one time leave in the order of their numbers.
 */
struct due {
	int64_t at_ns;
	uint32_t id;      /* of nfnetlink_queue: one more for each packet, 32 bits that wrap */
	uint32_t payload; /* a place in a store of the caller's; 0 = none */
};

struct due_queue {
	struct due *ring, *heap; /* room for `size` each */
	uint32_t size, first, n_ring, n_heap;
};

/* Room for that many, of the caller's own memory; at least 1. */
struct due_queue due_queue_on(struct due *ring, struct due *heap, uint32_t size);
static inline uint32_t due_count(const struct due_queue *q)
{
	return q->n_ring + q->n_heap;
}
/* False: it is full. */
bool due_put(struct due_queue *q, struct due d);
/* The next one that leaves, or NULL. */
const struct due *due_first(const struct due_queue *q);

/* Packets that leave together. */
struct due_run {
	uint32_t n;      /* 0: none is due */
	struct due last; /* the one of the highest number; of a run of 1 the only one */
};
/*
 * Takes out packets that are due. More than one only where one word "all up to this number" says
 * the same of all that wait in the kernel: nothing older stays behind. One with a payload comes
 * alone.
 */
struct due_run due_take(struct due_queue *q, int64_t now_ns);

#endif
