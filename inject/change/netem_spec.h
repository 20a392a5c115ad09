/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_NETEM_SPEC_H
#define BRINK_CHANGE_NETEM_SPEC_H

#include "inject/change/change.h"

/*
 * What netem is asked for, in itself: the fields of a fault point straight into a netem_side_spec,
 * so all that must hold between them is said here once, for the user and for the keeper.
 */

/* tabledist() of sch_netem.c takes a signed 32-bit number of ns and cuts the rest off silently. */
#define NETEM_JITTER_MAX_NS (2 * NS_PER_S)
#define NETEM_DELAY_MAX_NS  (60 * NS_PER_S)
/* get_slot_next() multiplies the difference of a slot's delays by 32 random bits, in 63 bits. */
#define NETEM_SLOT_MAX_NS (2 * NS_PER_S)
/* packet_time_ns() adds the overhead to the length as unsigned: the shortest packet must not become
 * one of 2^64 bytes. 20: an IPv4 header on a device without a link layer. */
#define NETEM_OVERHEAD_MIN (-20)
#define NETEM_BYTES_MAX    65535
#define NETEM_RATE_MIN     125                    /* 1 kbit/s */
#define NETEM_RATE_MAX     INT64_C(1250000000000) /* 10 tbit/s */
#define NETEM_QUEUE_MAX    2000000                /* packets: some GiB of them */
#define NETEM_FULL_PACKET  1514                   /* bytes of a full one on Ethernet */

/* Do the values contradict each other, or overflow in the kernel? EINVAL and a sentence. */
int netem_spec_check(const struct netem_side_spec *s, struct err *e);
/* How long it may take until netem is empty once no packet comes any more; never above a minute
 * beyond the delay itself, however slow the rate. */
int64_t netem_spec_drain_ns(const struct netem_side_spec *s);
/* A probability as netem counts it, in parts of 2^32 - 1. */
static inline uint32_t netem_share(uint32_t ppm)
{
	return (uint32_t)((uint64_t)ppm * UINT32_MAX / 1000000);
}
/* As tc-netem(8) writes it: "netem limit 10000 delay 200ms 50ms loss 1%". */
void netem_spec_add(struct text *t, const struct netem_side_spec *s);

#endif
