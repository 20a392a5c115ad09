/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/shaper.h"

#include <string.h>

#include "base/clock.h"
#include "inject/change/netem_spec.h"
#include "inject/change/tc_msg.h"

#define PPM        1000000u
#define DIST_SCALE 8192 /* NETEM_DIST_SCALE */

/* The names of sch_netem.c. */
enum loss_state {
	TX_IN_GAP = 0, /* of the four; the good one of the two */
	TX_IN_BURST,
	LOST_IN_GAP,
	LOST_IN_BURST,
	BAD,
};

/* splitmix64: one multiplication more than the kernel's own generator, and as long a period. */
static uint32_t random32(struct shaper *h)
{
	uint64_t z = h->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(z >> 32);
}

static uint32_t random_corr(struct shaper *h, struct shaper_corr *c)
{
	uint32_t value = random32(h);
	uint64_t rho = (uint64_t)c->rho + 1;

	if (!c->rho)
		return value;
	/* both products together stay below 2^64: the weights add up to 2^32 */
	c->last = (uint32_t)((value * ((UINT64_C(1) << 32) - rho) + c->last * rho) >> 32);
	return c->last;
}

int shaper_init(struct shaper *ret, const struct netem_side_spec *s, uint64_t seed, struct err *e)
{
	*ret = (struct shaper){ .s = s,
				.random = seed,
				.delay.rho = netem_share(s->delay_corr_ppm),
				.loss.rho = netem_share(s->loss_corr_ppm),
				.corrupt.rho = netem_share(s->corrupt_corr_ppm),
				.reorder.rho = netem_share(s->reorder_corr_ppm) };
	ret->delay.last = random32(ret);
	ret->loss.last = random32(ret);
	ret->corrupt.last = random32(ret);
	ret->reorder.last = random32(ret);
	if (s->dist != DIST_UNIFORM &&
	    netem_table((enum netem_dist)s->dist, ret->table, SHAPER_POINTS) < 0)
		return err_set(e, ENOMEM, "no memory for a table of delays");
	return 0;
}

/* loss_4state() */
static bool lost_markov(struct shaper *h)
{
	const struct netem_side_spec *s = h->s;
	uint32_t rnd = random32(h), p14 = netem_share(s->p14_ppm), p32 = netem_share(s->p32_ppm);

	switch (h->loss_state) {
	case TX_IN_GAP:
		if (rnd < p14)
			h->loss_state = LOST_IN_GAP;
		else if (rnd < (uint64_t)p14 + netem_share(s->p13_ppm))
			h->loss_state = LOST_IN_BURST;
		return h->loss_state != TX_IN_GAP;
	case TX_IN_BURST:
		if (rnd < netem_share(s->p23_ppm))
			h->loss_state = LOST_IN_BURST;
		return h->loss_state == LOST_IN_BURST;
	case LOST_IN_BURST:
		if (rnd < p32)
			h->loss_state = TX_IN_BURST;
		else if (rnd < (uint64_t)p32 + netem_share(s->p31_ppm))
			h->loss_state = TX_IN_GAP;
		return h->loss_state == LOST_IN_BURST;
	default:
		h->loss_state = TX_IN_GAP;
		return false;
	}
}

/* loss_gilb_ell() */
static bool lost_gilbert(struct shaper *h)
{
	const struct netem_side_spec *s = h->s;

	if (h->loss_state != BAD) {
		if (random32(h) < netem_share(s->good_to_bad_ppm))
			h->loss_state = BAD;
		return random32(h) < netem_share(s->loss_in_good_ppm);
	}
	if (random32(h) < netem_share(s->bad_to_good_ppm))
		h->loss_state = TX_IN_GAP;
	return random32(h) > netem_share(PPM - s->loss_in_bad_ppm);
}

static bool is_lost(struct shaper *h)
{
	uint32_t share = netem_share(h->s->loss_ppm);

	if (h->s->loss_model == LOSS_MARKOV)
		return lost_markov(h);
	if (h->s->loss_model == LOSS_GILBERT_ELLIOTT)
		return lost_gilbert(h);
	return share && share >= random_corr(h, &h->loss);
}

/* tabledist() */
static int64_t delay_of(struct shaper *h)
{
	const struct netem_side_spec *s = h->s;
	int64_t sigma = s->jitter_ns, t, x;
	uint32_t rnd;

	if (!sigma)
		return s->delay_ns;
	rnd = random_corr(h, &h->delay);
	/* a part of the range, where netem takes a remainder, in which numbers that follow each
	 * other closely are far apart */
	if (s->dist == DIST_UNIFORM)
		return s->delay_ns - sigma +
		       (int64_t)(((uint64_t)rnd * (2 * (uint64_t)sigma)) >> 32);
	t = h->table[rnd % SHAPER_POINTS];
	x = sigma % DIST_SCALE * t;
	x += x >= 0 ? DIST_SCALE / 2 : -DIST_SCALE / 2;
	return x / DIST_SCALE + sigma / DIST_SCALE * t + s->delay_ns;
}

/* packet_time_ns() */
static int64_t time_of(const struct netem_side_spec *s, uint32_t bytes)
{
	double len = (double)bytes + (double)s->packet_overhead;

	if (s->cell_size) {
		int64_t whole = (int64_t)len, cells = whole / s->cell_size;

		cells += whole > cells * s->cell_size;
		len = (double)(cells * (s->cell_size + s->cell_overhead));
	}
	return len < 0 ? 0 : (int64_t)(len * (double)NS_PER_S / (double)s->rate);
}

/* A packet is sent behind the last one; what that costs counts as part of its delay. */
static int64_t sent_at(struct shaper *h, int64_t now, int64_t delay, uint32_t bytes)
{
	if (!h->s->rate)
		return now + delay;
	if (h->last_ns > now) {
		delay -= h->last_ns - now;
		delay = delay > 0 ? delay : 0;
		now = h->last_ns;
	}
	return now + delay + time_of(h->s, bytes);
}

struct shaped shaper_next(struct shaper *h, int64_t now_ns, uint32_t bytes)
{
	const struct netem_side_spec *s = h->s;
	struct shaped ret = { .lost = is_lost(h), .at_ns = now_ns };
	uint32_t corrupt = netem_share(s->corrupt_ppm), reorder = netem_share(s->reorder_ppm);

	if (ret.lost)
		return ret;
	if (corrupt && corrupt >= random_corr(h, &h->corrupt)) {
		ret.corrupted = true;
		ret.bit[0] = random32(h);
		ret.bit[1] = random32(h);
	}
	if (!reorder || h->counter < s->reorder_gap - 1 || reorder < random_corr(h, &h->reorder)) {
		ret.at_ns = sent_at(h, now_ns, delay_of(h), bytes);
		h->counter++;
	} else {
		h->counter = 0; /* at once, ahead of all that wait */
	}
	if (ret.at_ns > h->last_ns)
		h->last_ns = ret.at_ns;
	return ret;
}

int shaper_check(const struct netem_side_spec *s, struct err *e)
{
	if (s->duplicate_ppm)
		return err_set(e, EOPNOTSUPP,
			       "user space cannot duplicate packets: the kernel's queue takes one "
			       "verdict for each packet");
	if (s->slot_max_ns)
		return err_set(e, EOPNOTSUPP, "user space has no slots: only netem has");
	return 0;
}
