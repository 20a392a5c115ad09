/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_LINK_WATCH_H
#define BRINK_CHANGE_LINK_WATCH_H

#include <linux/sockios.h>
#include <stdbool.h>

#include "base/err.h"
#include "inject/change/rights.h"

/* What link_same() calls; the watch is CALLS_NETLINK. */
#define CALLS_LINK_SAME                              \
	{                                            \
		"ioctl", 1, WHOLE_WORD, SIOCGIFINDEX \
	}

/*
 * Others may delete, move or rename a device while a fault uses it, or put another qdisc on it.
 * Both looks are cheap enough for every beat of every holder: no dump, no lock of the kernel's.
 */

/* Does the device of that name still have that index, in the namespace of this socket (any kind)?
 * -ENODEV with *e: it is gone, renamed, or another one has its name. */
int link_same(int sock, const char *name, int ifindex, struct err *e);

/* Hears of every change of a qdisc in the namespace that the caller is in. Returns the descriptor
 * or -errno. */
int qdisc_watch_open(struct err *e);
/* Has a qdisc of that device changed since the last call, as far as can be told? Never waits. */
bool qdisc_watch_heard(int watch, int ifindex);

#endif
