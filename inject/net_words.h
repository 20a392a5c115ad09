/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_NET_WORDS_H
#define BRINK_NET_WORDS_H

#include "base/fields.h"
#include "inject/change/change.h"

/* The words by which a fault chooses packets by what stands in them. Each adds its condition to
 * ret. EINVAL with a right form. */

/* "7", "0x10/0xf0": fwmark and mask, both 32 bits; without a mask all of them. */
int net_read_mark(const char *text, struct gate_conditions *ret, struct err *e);
/* "46", "0x2e", "ef", "af41", "cs1", "le": RFC 2474, 2597, 3246, 5865, 8622. */
int net_read_dscp(const char *text, struct gate_conditions *ret, struct err *e);
/* "1000", "1000-", "-100", "60-1500": bytes of the IP packet with its headers. */
int net_read_length(const char *text, struct gate_conditions *ret, struct err *e);
/* "syn": set; "no-ack": not set; "ack-only": set, and none of fin, syn, rst, psh, ack, urg besides.
 */
int net_read_flags(const struct strings *words, struct gate_conditions *ret, struct err *e);
/* Flags that must be set and flags that must not; EINVAL when that contradicts what was asked for
 * before. what: of whom, for the error. */
int net_add_flags(struct gate_conditions *ret, uint8_t set, uint8_t not_set, const char *what,
		  struct err *e);

#endif
