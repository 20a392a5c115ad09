/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/due_queue.h"

#include <stddef.h>

struct due_queue due_queue_on(struct due *ring, struct due *heap, uint32_t size)
{
	return (struct due_queue){ .ring = ring, .heap = heap, .size = size };
}

/* The numbers wrap: nfq_id_after() in nfnetlink_queue.c. */
static bool before(const struct due *a, const struct due *b)
{
	return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && (int32_t)(a->id - b->id) < 0);
}

static struct due *ring_at(const struct due_queue *q, uint32_t i)
{
	return &q->ring[(uint32_t)(((uint64_t)q->first + i) % q->size)];
}

static void heap_put(struct due_queue *q, struct due d)
{
	uint32_t i = q->n_heap++;

	while (i && before(&d, &q->heap[(i - 1) / 2])) {
		q->heap[i] = q->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	q->heap[i] = d;
}

static struct due heap_take(struct due_queue *q)
{
	struct due top = q->heap[0], last = q->heap[--q->n_heap];
	uint32_t i = 0;

	for (uint32_t child = 1; child < q->n_heap; child = 2 * i + 1) {
		if (child + 1 < q->n_heap && before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!before(&q->heap[child], &last))
			break;
		q->heap[i] = q->heap[child];
		i = child;
	}
	q->heap[i] = last;
	return top;
}

static struct due ring_take(struct due_queue *q)
{
	struct due d = *ring_at(q, 0);

	q->first = (q->first + 1) % q->size;
	q->n_ring--;
	return d;
}

bool due_put(struct due_queue *q, struct due d)
{
	if (due_count(q) >= q->size)
		return false;
	if (q->n_ring && before(&d, ring_at(q, q->n_ring - 1)))
		heap_put(q, d);
	else
		*ring_at(q, q->n_ring++) = d;
	return true;
}

const struct due *due_first(const struct due_queue *q)
{
	const struct due *ring = q->n_ring ? ring_at(q, 0) : NULL;

	if (!q->n_heap)
		return ring;
	return ring && before(ring, &q->heap[0]) ? ring : &q->heap[0];
}

struct due_run due_take(struct due_queue *q, int64_t now_ns)
{
	struct due_run run = { 0 };

	for (;;) {
		const struct due *d = due_first(q);

		if (!d || d->at_ns > now_ns || (run.n && d->payload))
			return run;
		if (q->n_heap) /* whether an older one waits in there is not known */
			return (struct due_run){ 1, d == q->heap ? heap_take(q) : ring_take(q) };
		run.last = ring_take(q);
		run.n++;
		if (run.last.payload)
			return run;
	}
}
