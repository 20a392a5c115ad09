/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_FINGERPRINT_H
#define BRINK_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "inject/change/change.h"

#define FINGERPRINT_ENTRIES 8192

/*
 * What a machine looks like, one hash an object, so that a difference has a name: qdiscs, classes,
 * filters, links, addresses, routes, rules, permanent neighbours, the nf_tables ruleset, sysctls.
 * What moves by itself is left out: counters, timers, handles that the kernel numbers, dynamic
 * neighbours, carrier, volatile sysctls.
 */
struct fp_entry {
	uint64_t key, value;
	char name[63]; /* "qdisc tbf dev eth0 root"; cut when longer */
	uint8_t ours;  /* its name says that brink made it */
};

enum fp_unseen {
	FP_NO_NFT_RIGHT = 1,  /* the ruleset may not be read: no CAP_NET_ADMIN */
	FP_NO_NFT_KERNEL = 2, /* this kernel has no nf_tables */
};

/* 640 KiB, only the part in use is touched: keep it in static memory. Zeroed = empty. */
struct fingerprint {
	uint32_t n;
	uint32_t room;   /* entries that may be used; 0 = all */
	uint32_t unseen; /* enum fp_unseen */
	struct fp_entry entry[FINGERPRINT_ENTRIES];
};

/*
 * Adds the state of the network namespace in which the caller is. scope "" is brink's own namespace
 * and adds the sysctls of kernel, vm and fs too; any other scope stands before each name, so that
 * one fingerprint can hold several namespaces. Allocates nothing, uses about 100 KiB of stack. A
 * dump that fails or that is interrupted for ever, and more objects than fit, is an error: then *fp
 * is not usable. -E2BIG: more objects than fit.
 */
int fingerprint_take(struct fingerprint *fp, const char *scope, struct err *e);

/* The same of that namespace, wherever it is: see netns_open(). Gone = nothing to add. */
int fingerprint_take_in(struct fingerprint *fp, const struct netns_ref *ref, struct err *e);

/* An empty one, for as long as the process lives. NULL with *e. */
struct fingerprint *fingerprint_map(struct err *e);

/* Is this the name of an object of that run? They carry the end of its id, in lower case:
 * inject/net.c. */
bool fingerprint_is_of(const char *run_id, const char *name);

enum fp_change { FP_ADDED, FP_REMOVED, FP_CHANGED };

/* Calls fn for each object that differs, in order of names. Returns their number. fn may be NULL.
 */
uint32_t fingerprint_diff(const struct fingerprint *before, const struct fingerprint *after,
			  void (*fn)(void *arg, enum fp_change what, const struct fp_entry *entry),
			  void *arg);

#endif
