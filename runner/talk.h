/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TALK_H
#define BRINK_TALK_H

#include <stdbool.h>

#include "base/err.h"

/*
 * The runner's mouth: a thread that writes what others put into a ring, so that a terminal nobody
 * reads, a full pipe or a cut connection never delays an abort. When the ring is full, what comes
 * is dropped and counted, progress first; from talk_patient() on results wait. One thread talks.
 */
enum talk_weight { TALK_PROGRESS, TALK_RESULT };

struct talk;

/* Starts the thread; it blocks all signals. */
struct talk *talk_new(struct err *e);
/* One whole line (newline added) to descriptor 1 (data) or 2 (talk). */
void talk_line(struct talk *t, int fd, enum talk_weight weight, const char *fmt, ...)
	PRINTF_FMT(4, 5);
/* The same for text that is there already, of any length. False: dropped. */
bool talk_text(struct talk *t, int fd, enum talk_weight weight, const char *text, size_t n);
/* The run is over: nobody is kept waiting any more when results wait for their reader. */
void talk_patient(struct talk *t);
/*
 * Waits until everything is written, as long as somebody reads; gives up after 30 s without
 * progress. NULL is allowed. Returns 0, or the errno with which data (descriptor 1) was lost though
 * somebody was there to read it: not EPIPE. ENOBUFS: it was read too slowly.
 */
int talk_free(struct talk *t);

#endif
