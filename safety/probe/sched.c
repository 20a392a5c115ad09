/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/sched.h"

#include "base/clock.h"

/* The share of a second by which item i begins later than item 0, in [0, 1): the golden ratio
 * spreads any number. */
static double spread(uint32_t i)
{
	double x = i * 0.6180339887498949;

	return x - (double)(uint64_t)x;
}

void sched_start(struct sched *s, int64_t now)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct sched_item *t = &s->at[i];
		int64_t span = t->every_ns < NS_PER_S ? t->every_ns : NS_PER_S;

		t->next_ns = now + (int64_t)(spread(i) * (double)span);
		t->running = false;
	}
	s->on = true;
}

void sched_stop(struct sched *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		s->at[i].running = false;
	s->on = false;
}

static int64_t due_ns(const struct sched_item *t)
{
	return t->running ? t->started_ns + t->timeout_ns : t->next_ns;
}

/* The item that is due first; at the same instant one that is to be cut. NULL = nothing is planned.
 */
static struct sched_item *first(const struct sched *s)
{
	struct sched_item *best = NULL;

	for (uint32_t i = 0; s->on && i < s->n; i++) {
		struct sched_item *t = &s->at[i];

		if (!best || due_ns(t) < due_ns(best) ||
		    (due_ns(t) == due_ns(best) && t->running && !best->running))
			best = t;
	}
	return best;
}

enum sched_what sched_take(struct sched *s, int64_t now, uint32_t *ret_i)
{
	struct sched_item *t = first(s);

	if (!t || due_ns(t) > now)
		return SCHED_NOTHING;
	*ret_i = (uint32_t)(t - s->at);
	if (t->running) {
		t->running = false;
		return SCHED_CUT;
	}
	t->running = true;
	t->started_ns = now;
	t->next_ns += t->every_ns * ((now - t->next_ns) / t->every_ns + 1);
	return SCHED_START;
}

void sched_done(struct sched *s, uint32_t i)
{
	s->at[i].running = false;
}

int64_t sched_wake_ns(const struct sched *s)
{
	const struct sched_item *t = first(s);

	return t ? due_ns(t) : INT64_MAX;
}
