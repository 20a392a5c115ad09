/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_NETEM_H
#define BRINK_NET_NETEM_H

#include "base/clock.h"
#include "inject/change/netem_spec.h"
#include "inject/net.h"

/*
 * All faults of the netem family: one struct, one check, one plan. A fault is a table of rows whose
 * fields point into the netem_side_spec itself; it differs from its sisters in which rows it has
 * and in what it calls them.
 */
struct net_netem {
	struct net_spec net;
	struct netem_side_spec side; /* without netns, ifb, dev and limit */
	int64_t queue_ns, queue_packets;
	int engine; /* enum netem_engine */
};

/* Who holds the packets: netem, or a holder in user space (CHANGE_QUEUE), which can do less. */
enum netem_engine { ENGINE_AUTO, ENGINE_KERNEL, ENGINE_USER };

int netem_fault_check(const void *spec, struct err *e);
int netem_fault_plan(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e);

/*
 * netem's queue in packets, for a spec without it. What a delay or a slot keeps under way must
 * never be lost: 250,000 packets/s, or what the rate can be at most. Behind a rate, or slots of
 * limited size, queue_packets more may wait; or full packets for queue_ns; or, both 0, for a second
 * and not less than 1000. *ret_pps: 0, or above how many packets a second the delay turns into loss
 * all the same, because no more than NETEM_QUEUE_MAX are ever held.
 */
uint32_t netem_limit(const struct netem_side_spec *s, int64_t queue_ns, int64_t queue_packets,
		     uint32_t *ret_pps);

extern const char *const netem_dist_words[], *const netem_model_words[],
						     *const netem_engine_words[];

#define NETEM_OPS                                                                                                            \
	.class_words = "self-ending",                                                                                        \
	.undo_words =                                                                                                        \
		"the rules go with the process that holds them; then the ifb with netem is deleted, if it is still brink's", \
	.check = netem_fault_check, .plan = netem_fault_plan

#define NETEM_ROW(key, kind, member) \
	.name = (key), .type = (kind), .offset = offsetof(struct net_netem, member)

#define NETEM_DELAY(flag)                                                             \
	{                                                                             \
		NETEM_ROW("delay", FIELD_DURATION, side.delay_ns),                    \
			.flags = (flag), .min = NS_PER_US, .max = NETEM_DELAY_MAX_NS, \
			.doc = "how much later each packet arrives"                   \
	}

#define NETEM_JITTER(correlation)                                                            \
	{ NETEM_ROW("jitter", FIELD_DURATION, side.jitter_ns), .max = NETEM_JITTER_MAX_NS,   \
	  .dflt = "0s",                                                                      \
	  .doc = "how far the delay varies; with jitter packets may overtake each other" },  \
		{ NETEM_ROW(correlation, FIELD_PERCENT, side.delay_corr_ppm), .dflt = "0%",  \
		  .doc = "how much each delay follows the one before" },                     \
	{                                                                                    \
		NETEM_ROW("distribution", FIELD_ENUM, side.dist),                            \
			.words = netem_dist_words, .dflt = "uniform", .doc = "of the jitter" \
	}

#define NETEM_ENGINE                                                                               \
	{                                                                                          \
		NETEM_ROW("engine", FIELD_ENUM, engine),                                           \
			.words = netem_engine_words, .dflt = "auto",                               \
			.doc = "who holds the packets: kernel (netem), user (for direction: in); " \
			       "auto takes user where the kernel has no netem"                     \
	}

/* A share of the packets, and how much each decision follows the one before. */
#define NETEM_CHANCE(key, flag, member, what, correlation, corr_member)                      \
	{ NETEM_ROW(key, FIELD_PERCENT, member), .flags = (flag), .min = 1, .doc = (what) }, \
	{                                                                                    \
		NETEM_ROW(correlation, FIELD_PERCENT, corr_member),                          \
			.dflt = "0%",                                                        \
			.doc = "how much each of these decisions follows the one before"     \
	}

#define NETEM_LOSS(flag, correlation)                                                   \
	NETEM_CHANCE("loss", flag, side.loss_ppm, "share of packets that never arrive", \
		     correlation, side.loss_corr_ppm)

#define NETEM_P(key, member, value, what)                                                  \
	{                                                                                  \
		NETEM_ROW(key, FIELD_PERCENT, side.member), .dflt = (value), .doc = (what) \
	}

#define NETEM_MODEL(flag)                                                                        \
	{ NETEM_ROW("model", FIELD_ENUM, side.loss_model), .flags = (flag),                      \
	  .words = netem_model_words, .dflt = "random",                                          \
	  .doc = "losses each by itself, or in bursts: two states, or four (tc-netem(8))" },     \
		NETEM_P("good_to_bad", good_to_bad_ppm, "0%",                                    \
			"gilbert_elliott: chance, at each packet, to enter the bad state (p)"),  \
		NETEM_P("bad_to_good", bad_to_good_ppm, "0%",                                    \
			"gilbert_elliott: chance to leave it: bursts last 1/bad_to_good (r)"),   \
		NETEM_P("loss_in_bad", loss_in_bad_ppm, "100%",                                  \
			"gilbert_elliott: loss in the bad state (1-h)"),                         \
		NETEM_P("loss_in_good", loss_in_good_ppm, "0%",                                  \
			"gilbert_elliott: loss in the good state (1-k)"),                        \
		NETEM_P("p13", p13_ppm, "0%", "markov: from good to a burst of losses"),         \
		NETEM_P("p31", p31_ppm, "0%", "markov: from a burst of losses to good"),         \
		NETEM_P("p32", p32_ppm, "0%", "markov: from lost to received within a burst"),   \
		NETEM_P("p23", p23_ppm, "100%", "markov: from received to lost within a burst"), \
		NETEM_P("p14", p14_ppm, "0%", "markov: from good to a single loss and back")

#define NETEM_DUPLICATE(key, flag, correlation)                                           \
	NETEM_CHANCE(key, flag, side.duplicate_ppm, "share of packets that arrive twice", \
		     correlation, side.duplicate_corr_ppm)

#define NETEM_CORRUPT(key, flag, correlation)                                                      \
	NETEM_CHANCE(key, flag, side.corrupt_ppm,                                                  \
		     "share of packets with one bit turned; a receiver with checksums drops most", \
		     correlation, side.corrupt_corr_ppm)

#define NETEM_REORDER(key, flag, correlation, gap)                                          \
	NETEM_CHANCE(key, flag, side.reorder_ppm,                                           \
		     "share of packets that skip the delay and overtake those before them", \
		     correlation, side.reorder_corr_ppm),                                   \
	{                                                                                   \
		NETEM_ROW(gap, FIELD_INT, side.reorder_gap),                                \
			.min = 1, .max = 1000000, .dflt = "1",                              \
			.doc = "only every so many packets one may skip the delay"          \
	}

#define NETEM_QUEUE_PACKETS(flag)                                                                         \
	{                                                                                                 \
		NETEM_ROW("queue_packets", FIELD_INT, queue_packets),                                     \
			.flags = (flag), .min = 1, .max = NETEM_QUEUE_MAX,                                \
			.doc = "how many packets may wait; more are dropped (a GSO packet counts as one)" \
	}

#define NETEM_RATE(flag)                                                                                                                          \
	{ NETEM_ROW("rate", FIELD_RATE, side.rate), .flags = (flag), .min = NETEM_RATE_MIN,                                                       \
	  .max = NETEM_RATE_MAX, .doc = "as if the packets went through a link so slow" },                                                        \
		{ NETEM_ROW("packet_overhead", FIELD_INT, side.packet_overhead),                                                                  \
		  .min = NETEM_OVERHEAD_MIN, .max = NETEM_BYTES_MAX, .dflt = "0",                                                                 \
		  .doc = "bytes that each packet has more on that link; -14: without its Ethernet header" },                                      \
		{ NETEM_ROW("cell_size", FIELD_INT, side.cell_size), .max = NETEM_BYTES_MAX,                                                      \
		  .dflt = "0",                                                                                                                    \
		  .doc = "bytes of a cell: a packet takes whole cells, as on ATM (48)" },                                                         \
		{ NETEM_ROW("cell_overhead", FIELD_INT, side.cell_overhead),                                                                      \
		  .min = -NETEM_BYTES_MAX, .max = NETEM_BYTES_MAX, .dflt = "0",                                                                   \
		  .doc = "bytes that each cell has more (ATM: 5)" },                                                                              \
		{ NETEM_ROW("queue", FIELD_DURATION, queue_ns), .flags = FIELD_MOST_ONE,                                                          \
		  .min = NS_PER_MS, .max = NETEM_DELAY_MAX_NS,                                                                                    \
		  .doc = "how long full packets may wait for the rate, before more are dropped; without it 1s, and not less than 1000 packets" }, \
		NETEM_QUEUE_PACKETS(FIELD_MOST_ONE)

#define NETEM_SLOT(prefix, flag)                                                                             \
	{ NETEM_ROW(prefix "min_delay", FIELD_DURATION, side.slot_min_ns),                                   \
	  .max = NETEM_SLOT_MAX_NS, .dflt = "0s",                                                            \
	  .doc = "shortest time between two slots, in which packets pile up" },                              \
		{ NETEM_ROW(prefix "max_delay", FIELD_DURATION, side.slot_max_ns),                           \
		  .flags = (flag), .min = NS_PER_US, .max = NETEM_SLOT_MAX_NS,                               \
		  .doc = "longest time between two slots" },                                                 \
		{ NETEM_ROW(prefix "distribution", FIELD_ENUM, side.slot_dist),                              \
		  .words = netem_dist_words, .dflt = "uniform",                                              \
		  .doc = "of these times; not uniform: around the middle, min and max one deviation away" }, \
		{ NETEM_ROW(prefix "packets", FIELD_INT, side.slot_packets), .min = 1,                       \
		  .max = INT32_MAX,                                                                          \
		  .doc = "packets that one slot lets through; without it all that wait" },                   \
	{                                                                                                    \
		NETEM_ROW(prefix "bytes", FIELD_SIZE, side.slot_bytes),                                      \
			.min = 1, .max = INT32_MAX, .doc = "the same in bytes"                               \
	}

#endif
