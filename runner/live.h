/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LIVE_H
#define BRINK_LIVE_H

#include "runner/talk.h"

struct run;

/*
 * The picture at a terminal: a block of at most a dozen lines at the bottom, rewritten in place;
 * finished lines scroll away above it as a log. Only where stderr is a terminal that can move its
 * cursor.
 */
struct live {
	bool on, color;
	unsigned lines; /* of the block that stands on the screen now */
	int64_t drawn_ns;
};

/* on: stderr is a terminal and TERM is not dumb. */
void live_init(struct live *l, bool color);
/* Draws the block anew when it is due (five times a second), or at once. */
void live_draw(struct run *r, bool now);
/* One finished line above the block. */
void live_log(struct run *r, enum talk_weight weight, const char *line);
/* Takes the block away: results follow. */
void live_end(struct run *r);

#endif
