/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/netem_spec.h"

#include "base/clock.h"
#include "base/units.h"

#define PPM          1000000u
#define DRAIN_MAX_NS (60 * NS_PER_S)

struct bounds {
	size_t offset;
	int64_t min, max;
};

#define AT(member) offsetof(struct netem_side_spec, member)

static const size_t shares[] = {
	AT(delay_corr_ppm),   AT(loss_ppm),
	AT(loss_corr_ppm),    AT(good_to_bad_ppm),
	AT(bad_to_good_ppm),  AT(loss_in_bad_ppm),
	AT(loss_in_good_ppm), AT(p13_ppm),
	AT(p31_ppm),          AT(p32_ppm),
	AT(p23_ppm),          AT(p14_ppm),
	AT(duplicate_ppm),    AT(duplicate_corr_ppm),
	AT(corrupt_ppm),      AT(corrupt_corr_ppm),
	AT(reorder_ppm),      AT(reorder_corr_ppm),
};

/* 64 bits each; an unsigned one above INT64_MAX is below the minimum here. */
static const struct bounds numbers[] = {
	{ AT(delay_ns), 0, NETEM_DELAY_MAX_NS },
	{ AT(jitter_ns), 0, NETEM_JITTER_MAX_NS },
	{ AT(reorder_gap), 0, INT32_MAX },
	{ AT(rate), 0, NETEM_RATE_MAX },
	{ AT(packet_overhead), NETEM_OVERHEAD_MIN, NETEM_BYTES_MAX },
	{ AT(cell_size), 0, NETEM_BYTES_MAX },
	{ AT(cell_overhead), -NETEM_BYTES_MAX, NETEM_BYTES_MAX },
	{ AT(slot_min_ns), 0, NETEM_SLOT_MAX_NS },
	{ AT(slot_max_ns), 0, NETEM_SLOT_MAX_NS },
	{ AT(slot_packets), 0, INT32_MAX },
	{ AT(slot_bytes), 0, INT32_MAX },
};

static bool in_bounds(const struct netem_side_spec *s)
{
	const char *at = (const char *)s;

	for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
		if (*(const uint32_t *)(const void *)(at + shares[i]) > PPM)
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		int64_t v = *(const int64_t *)(const void *)(at + numbers[i].offset);

		if (v < numbers[i].min || v > numbers[i].max)
			return false;
	}
	return s->dist <= DIST_PARETONORMAL && s->slot_dist <= DIST_PARETONORMAL &&
	       s->loss_model <= LOSS_MARKOV;
}

/* Those that default to 100 % say nothing without their model. */
static bool has_gilbert(const struct netem_side_spec *s)
{
	return s->good_to_bad_ppm || s->bad_to_good_ppm || s->loss_in_good_ppm ||
	       (s->loss_in_bad_ppm && s->loss_in_bad_ppm != PPM);
}

static bool has_markov(const struct netem_side_spec *s)
{
	return s->p13_ppm || s->p31_ppm || s->p32_ppm || s->p14_ppm ||
	       (s->p23_ppm && s->p23_ppm != PPM);
}

/* Of values within their bounds: nothing here may overflow. */
static int contradictions(const struct netem_side_spec *s, struct err *e)
{
	bool gilbert = s->loss_model == LOSS_GILBERT_ELLIOTT, markov = s->loss_model == LOSS_MARKOV;
	const struct {
		bool wrong;
		const char *why;
	} rules[] = {
		{ s->jitter_ns > s->delay_ns,
		  "jitter is larger than delay: a packet cannot arrive before it was sent" },
		{ !s->jitter_ns && (s->delay_corr_ppm || s->dist != DIST_UNIFORM),
		  "correlation and distribution describe the jitter: give 'jitter' too" },
		{ (gilbert || markov) && s->loss_ppm,
		  "'model' and a percentage of loss contradict each other: keep one of them" },
		{ !s->loss_ppm && s->loss_corr_ppm,
		  "a correlation of losses needs a percentage of loss: give 'loss', without 'model'" },
		{ !gilbert && has_gilbert(s),
		  "good_to_bad, bad_to_good, loss_in_bad and loss_in_good belong to 'model: gilbert_elliott'" },
		{ !markov && has_markov(s),
		  "p13, p31, p32, p23 and p14 belong to 'model: markov'" },
		{ gilbert && !(s->good_to_bad_ppm && s->bad_to_good_ppm),
		  "the gilbert_elliott model needs 'good_to_bad' and 'bad_to_good', above 0%" },
		{ markov && !(s->p13_ppm && s->p31_ppm),
		  "the markov model needs 'p13' and 'p31', above 0%" },
		/* each pair leaves the same state; loss_4state() adds them in 32 bits */
		{ markov && (s->p13_ppm + s->p14_ppm > PPM || s->p31_ppm + s->p32_ppm > PPM),
		  "p13 and p14, and p31 and p32, are ways out of one state: 100% together at most" },
		{ !s->duplicate_ppm && s->duplicate_corr_ppm,
		  "a correlation of duplicates needs a percentage: give 'duplicate' too" },
		{ !s->corrupt_ppm && s->corrupt_corr_ppm,
		  "a correlation of corruption needs a percentage: give 'corrupt' too" },
		{ !s->reorder_ppm && (s->reorder_corr_ppm || s->reorder_gap > 1),
		  "a gap and a correlation describe the reordering: give 'reorder' too" },
		{ s->reorder_ppm && !s->delay_ns,
		  "reordering needs a delay: it is what the chosen packets are spared" },
		{ s->reorder_ppm == PPM && s->reorder_gap <= 1,
		  "of 100% none is left to be overtaken: give a gap, or less" },
		{ !s->rate && (s->packet_overhead || s->cell_size || s->cell_overhead),
		  "packet_overhead, cell_size and cell_overhead describe the rate: give 'rate' too" },
		{ s->rate && s->rate < NETEM_RATE_MIN,
		  "a rate below 1kbit stops the traffic: use net.drop" },
		{ s->cell_overhead && !s->cell_size, "cell_overhead needs 'cell_size'" },
		{ s->cell_overhead < 0 && -s->cell_overhead >= s->cell_size,
		  "cell_overhead takes away the whole cell" },
		{ s->slot_min_ns > s->slot_max_ns,
		  "the shortest delay of a slot is above the longest one" },
		{ !s->slot_max_ns && (s->slot_packets || s->slot_bytes || s->slot_dist),
		  "packets, bytes and distribution of slots need a delay between them" },
		{ s->slot_dist != DIST_UNIFORM && s->slot_min_ns == s->slot_max_ns,
		  "the distribution of slots needs a shortest and a longest delay that differ" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (rules[i].wrong)
			return err_set(e, EINVAL, "%s", rules[i].why);
	}
	return 0;
}

int netem_spec_check(const struct netem_side_spec *s, struct err *e)
{
	return in_bounds(s) ? contradictions(s, e) :
			      err_set(e, EINVAL, "a value for netem is out of its bounds");
}

/* Packets that one slot lets through; UINT64_MAX: as many as there are. */
static uint64_t slot_room(const struct netem_side_spec *s)
{
	uint64_t n = s->slot_packets ? (uint64_t)s->slot_packets : UINT64_MAX;
	uint64_t m = s->slot_bytes ? s->slot_bytes / NETEM_FULL_PACKET + 1 : UINT64_MAX;

	return n < m ? n : m;
}

int64_t netem_spec_drain_ns(const struct netem_side_spec *s)
{
	double queue = 0, slots = 0;

	if (s->rate)
		queue = (double)s->limit * NETEM_FULL_PACKET / (double)s->rate;
	if (s->slot_max_ns)
		slots = ((double)s->limit / (double)slot_room(s) + 1) * (double)s->slot_max_ns /
			(double)NS_PER_S;
	if (slots > queue)
		queue = slots;
	return s->delay_ns + 3 * s->jitter_ns +
	       (queue < (double)DRAIN_MAX_NS / (double)NS_PER_S ?
			(int64_t)(queue * (double)NS_PER_S) :
			DRAIN_MAX_NS);
}

/* A share and its correlation behind it, if any. */
static void add_chance(struct text *t, const char *word, uint32_t ppm, uint32_t corr_ppm)
{
	if (!ppm)
		return;
	text_add(t, " %s ", word);
	units_add_percent(t, ppm);
	if (!corr_ppm)
		return;
	text_add(t, " ");
	units_add_percent(t, corr_ppm);
}

static void add_percents(struct text *t, const char *word, const uint32_t *ppm, size_t n)
{
	text_add(t, " loss %s", word);
	for (size_t i = 0; i < n; i++) {
		text_add(t, " ");
		units_add_percent(t, ppm[i]);
	}
}

static void add_loss(struct text *t, const struct netem_side_spec *s)
{
	const uint32_t ge[] = { s->good_to_bad_ppm, s->bad_to_good_ppm, s->loss_in_bad_ppm,
				s->loss_in_good_ppm };
	const uint32_t gi[] = { s->p13_ppm, s->p31_ppm, s->p32_ppm, s->p23_ppm, s->p14_ppm };

	if (s->loss_model == LOSS_GILBERT_ELLIOTT)
		add_percents(t, "gemodel", ge, ARRAY_LEN(ge));
	else if (s->loss_model == LOSS_MARKOV)
		add_percents(t, "state", gi, ARRAY_LEN(gi));
	else
		add_chance(t, "loss", s->loss_ppm, s->loss_corr_ppm);
}

static const char *const dists[] = { "uniform", "normal", "pareto", "paretonormal" };

static void add_delay(struct text *t, const struct netem_side_spec *s)
{
	if (!s->delay_ns)
		return;
	text_add(t, " delay ");
	units_add_duration(t, s->delay_ns);
	if (s->jitter_ns) {
		text_add(t, " ");
		units_add_duration(t, s->jitter_ns);
	}
	if (s->delay_corr_ppm) {
		text_add(t, " ");
		units_add_percent(t, s->delay_corr_ppm);
	}
	if (s->dist != DIST_UNIFORM)
		text_add(t, " distribution %s", dists[s->dist & 3]);
}

static void add_rate(struct text *t, const struct netem_side_spec *s)
{
	if (!s->rate)
		return;
	text_add(t, " rate ");
	units_add_rate(t, s->rate);
	if (s->packet_overhead || s->cell_size)
		text_add(t, " %lld %lld %lld", (long long)s->packet_overhead,
			 (long long)s->cell_size, (long long)s->cell_overhead);
}

static void add_slot(struct text *t, const struct netem_side_spec *s)
{
	bool dist = s->slot_dist != DIST_UNIFORM;

	if (!s->slot_max_ns)
		return;
	text_add(t, " slot ");
	if (dist)
		text_add(t, "distribution %s ", dists[s->slot_dist & 3]);
	units_add_duration(t, dist ? (s->slot_min_ns + s->slot_max_ns) / 2 : s->slot_min_ns);
	text_add(t, " ");
	units_add_duration(t, dist ? (s->slot_max_ns - s->slot_min_ns) / 2 : s->slot_max_ns);
	if (s->slot_packets)
		text_add(t, " packets %lld", (long long)s->slot_packets);
	if (s->slot_bytes)
		text_add(t, " bytes %llu", (unsigned long long)s->slot_bytes);
}

void netem_spec_add(struct text *t, const struct netem_side_spec *s)
{
	text_add(t, "netem limit %u", s->limit);
	add_delay(t, s);
	add_loss(t, s);
	add_chance(t, "corrupt", s->corrupt_ppm, s->corrupt_corr_ppm);
	add_chance(t, "duplicate", s->duplicate_ppm, s->duplicate_corr_ppm);
	add_chance(t, "reorder", s->reorder_ppm, s->reorder_corr_ppm);
	if (s->reorder_ppm && s->reorder_gap > 1)
		text_add(t, " gap %lld", (long long)s->reorder_gap);
	add_rate(t, s);
	add_slot(t, s);
}
