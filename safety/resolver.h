/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RESOLVER_H
#define BRINK_RESOLVER_H

#include "safety/probe/prober.h"

#define RESOLVER_NS (5 * NS_PER_S) /* between two rounds */

/*
 * A process that looks host names up again and again: a fork of brink as an ordinary user, without
 * any capability, under the prober's filter of system calls. Name services may keep it waiting for
 * minutes, and nobody else. It asks as brink itself would: in brink's own network namespace, of the
 * servers in /etc/resolv.conf. It speaks the protocol of the prober: PROBE_MSG_NAME for each
 * address that a name was not seen to have before, and whenever a name begins to fail.
 *
 * It ends at once when its socket is closed, in the middle of a look-up too.
 */
struct resolver_item {
	const char *name;
	const struct netns_ref *netns; /* whose route to the address is asked for; NULL = none */
};

struct resolver_job {
	unsigned n;
	const struct resolver_item *at;
};

/* The job is read by the child only, whose copy it is. */
int resolver_start(const struct resolver_job *job, const struct probe_user *u, struct prober *ret,
		   struct err *e);

#endif
