/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_BENCH_HELD_H
#define BRINK_TESTS_BENCH_HELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HELD_PORT    7001 /* of the first net.drop; the others follow */
#define HELD_CHECKED 7999
#define HELD_HOLDERS 8
#define HELD_FAULTS  5 /* of HELD_FIVE */

/* faults: of the runs that are measured. %d: a process to pause. */
#define HELD_DROP  "  - {net.drop: {to: \"127.0.0.1:7001\"}, for: 60s}\n"
#define HELD_PAUSE "  - {proc.pause: {target: victim}, for: 60s}\n"
#define HELD_FIVE                                              \
	HELD_DROP                                              \
	"  - {net.drop: {to: \"127.0.0.1:7002\"}, for: 60s}\n" \
	"  - {net.drop: {to: \"127.0.0.1:7003\"}, for: 60s}\n" \
	"  - {net.drop: {to: \"127.0.0.1:7004\", proto: tcp, reply: reset}, for: 60s}\n" HELD_PAUSE

/* A real run of the real program, whose faults are held. */
struct held {
	pid_t runner, keeper, spare, victim;
	int keeper_pidfd;
	pid_t holder[HELD_HOLDERS]; /* in the order of their birth */
	unsigned n_holders;
	int listener;  /* what the check of the run connects to; closing it fails the run */
	int out;       /* the run's events */
	char path[64]; /* the experiment */
	char *seen;    /* what was read of the events */
	size_t n_seen, room;
	int status; /* of the runner, when it is over */
};

/* What the check connects to. */
int held_listen(void);
/* Starts a run with these faults and waits until n of them are held. In bench_world(). */
void held_start(struct held *h, const char *faults, unsigned n);
/* Waits until runner and keeper are gone and everything that was written is read. */
void held_end(struct held *h);
/*
 * The number under key in the event: the largest of all events of that name. Returns 0 when there
 * is none. name NULL: the last event of all.
 */
int64_t held_stamp(const struct held *h, const char *event, const char *key);
/* How many events of that name there are. */
unsigned held_count(const struct held *h, const char *event);
/* Removes the rest. After held_end(). */
void held_done(struct held *h);
/* Is that process stopped by a tracer? */
bool held_is_paused(pid_t pid);
/* The number in a line "key: number" of /proc/PID/status, or -1. */
long held_status(pid_t pid, const char *key);

#endif
