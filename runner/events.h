/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_EVENTS_H
#define BRINK_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#include "runner/talk.h"

/*
 * events.ndjson: what people and reports read. One JSON object a line: v, run, seq without gaps, t
 * (wall), mono_ns, ev, and the event's own keys. It may fail without harm to anything: the first
 * failure of each file is told.
 */
struct events {
	char run_id[32];
	uint64_t seq;
	int fd[2]; /* the run's own file; the one of --events or report.events. -1 = none */
	bool to_stdout;
	struct talk *talk;
	bool failed[2];
	char path[512];
	const char *extra; /* path of the second one */
};

/*
 * Makes RUNS/RUN/events.ndjson; extra (NULL = none) is appended to. talk: for --json on stdout and
 * for the warning. Never an error of the run: what cannot be opened is told.
 */
void events_open(struct events *ev, const char *runs_dir, const char *run_id, const char *extra,
		 bool to_stdout, struct talk *talk);
/* Writes one event; takes over own (a JSON object; NULL: there was no memory for it, which is
 * told). */
void events_add(struct events *ev, const char *name, json_t *own);
void events_close(struct events *ev);

#endif
