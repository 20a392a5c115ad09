/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TALK_H
#define BRINK_TALK_H

#include <stdbool.h>

#include "base/err.h"

/*
 * The runner's mouth: a thread that writes what others put into a ring, so that a terminal nobody
 * reads, a full pipe or a cut connection never delays an abort. When the ring is full, progress is
 * dropped (and said so once); results wait.
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
/*
 * Waits until everything is written, as long as somebody reads; gives up after 30 s without
 * progress. NULL is allowed. Returns 0, or the errno with which data (descriptor 1) was lost though
 * somebody was there to read it: not EPIPE.
 */
int talk_free(struct talk *t);

#endif
