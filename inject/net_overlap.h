/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_OVERLAP_H
#define BRINK_NET_OVERLAP_H

#include "inject/change/change.h"

/*
 * May one packet be chosen by both of these changes? False for anything but gates on one device.
 * What they exempt is not looked at: better a word too many. pool: of the run that both are of.
 */
bool gates_overlap(const struct change_spec *a, const struct change_spec *b,
		   const struct address_pool *pool);

/* May a packet be of both? 0 = any; ICMP stands for ICMPv6 too. */
bool net_protos_meet(uint8_t a, uint8_t b);

#endif
