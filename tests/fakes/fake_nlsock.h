/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_FAKES_FAKE_NLSOCK_H
#define BRINK_TESTS_FAKES_FAKE_NLSOCK_H

#include "inject/change/nlsock.h"

/*
 * A tiny kernel behind nlsock_open/talk/ask/close, netns_sock and clock_mono_ns:
 * links (and who watches them), qdiscs, and nf_tables tables with an owner and a lease under a
 * virtual clock. A batch happens as a whole or not at all. Any call can be made to fail. Link with
 * FAKE_NLSOCK_WRAPS of the Makefile's link line; see test_change.c.
 */
#define FAKE_LINKS  8
#define FAKE_TABLES 8

struct fake_link {
	int ifindex; /* 0 = free */
	char name[16], kind[16], qdisc[16];
	uint8_t mac[6];
	uint32_t qlen;
};

struct fake_table {
	bool used;
	uint8_t family;
	char name[40];
	int owner; /* number of the socket, 0 = none */
	bool has_lease_set, lease;
	int64_t expires_ns;
	unsigned sets, chains, rules;
	unsigned unleased;       /* rules that act without asking for the lease */
	uint64_t packets, bytes; /* what the counters say */
};

struct fake_kernel {
	int64_t now_ns;
	struct fake_link link[FAKE_LINKS];
	struct fake_table table[FAKE_TABLES];
	int next_ifindex, next_sock;
	bool no_netem, no_ifb, netns_gone;
	bool qdiscs_changed; /* what a watch of qdiscs hears next */
	/* Fails the call with this number (from 1), and all after it if `forever`; 0 = none. */
	unsigned calls, fail_at;
	bool forever;
	bool after; /* the call has its effect, only its answer is lost */
	int fail_errno;
	unsigned failed; /* how many calls did */
};

extern struct fake_kernel fake;

/* Everything as at the start: lo, nothing else. Sockets of netns_sock() are open again. */
void fake_reset(void);
/* The process that opened sockets by nlsock_open() dies: they are closed, and what they own goes.
 */
void fake_holder_dies(void);
/* Is a lease alive in any table? */
bool fake_gate_open(void);
/* Is nothing there but what was at the start? */
bool fake_untouched(void);

#endif
