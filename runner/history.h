/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_HISTORY_H
#define BRINK_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ulid.h"

/* Earlier runs, from their events.ndjson. What is broken, cut or not UTF-8 in such a file is
 * skipped. */
struct past_run {
	char id[ULID_LEN + 1];
	char name[200], started[32], verdict[24], why[400]; /* safe to print; "" = not known */
	char boot[40];  /* in which it began, see journal_boot_id() */
	int exit;       /* of the run; -1 = it never said how it ended */
	bool ended;     /* it wrote its last event */
	bool clean;     /* ended and clean, or taken back later */
	bool recovered; /* `brink revert` took something back afterwards */
	/* how far it came, for a run that could not say how it ended */
	unsigned faults, reverted; /* planned; given back, read back */
	bool keeper_lost;          /* it could not be told whether it is clean */
	bool guarded;              /* its keeper held the record: from here on it changed things */
	bool whole;                /* all its events were read, not just the first and the last */
	uint64_t last_seq;
};

struct history {
	size_t n;
	struct past_run *at; /* in order of their beginning */
};

/* Reads all of them. No directory = none. */
int history_read(const char *runs_dir, struct history *ret, struct err *e);
void history_done(struct history *h);
/* One of them; -ENOENT: it has no events. */
int history_read_run(const char *runs_dir, const char *id, struct past_run *ret);
/* The run with this id or this end of one, as far as its events tell. -ENOENT: there was none. */
int history_find(const char *runs_dir, const char *id, struct past_run *ret);
/*
 * Its machine went down before it was known to be clean, as far as its events tell: whoever asks
 * knows that it is not at work now. What a run holds is state of the kernel, which ends with its
 * boot.
 */
bool history_cut_off(const struct past_run *r, const char *boot_id);
/* Nothing of it is left, as its events tell: clean at its end or taken back later, or its boot has
 * ended, or it was killed before it changed anything or after it gave everything back. */
bool history_is_over(const struct past_run *r);
/* `brink revert` did its work: one more line for that run, if it has events at all. Before its
 * record goes: a run with neither would be taken for one that lost its record. */
void history_add_recovery(const char *runs_dir, const char *id, unsigned restored, bool clean);

#endif
