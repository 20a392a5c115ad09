/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_KINDS_H
#define BRINK_CHANGE_KINDS_H

#include "inject/change/change.h"

/* One file a kind. The list that gives them their numbers is in change.c. */
extern const struct change_ops netem_side_ops, nft_gate_ops, fill_ops, pause_ops, freeze_ops,
	stop_ops, signal_ops, sock_reset_ops, port_ops, link_ops, queue_ops;

#endif
