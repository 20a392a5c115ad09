/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PULSE_H
#define BRINK_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

#define PULSE_HOLDERS  1024
#define PULSE_BEAT_NS  (100 * NS_PER_MS)
#define PULSE_STALE_NS NS_PER_S

/*
 * Heartbeats of one run in shared memory: each process writes the time (CLOCK_MONOTONIC ns) into
 * its own cell every 100 ms; 0 = not started. A beat older than a second means that the process
 * hangs, whatever its state says.
 */
struct pulse {
	_Atomic int64_t runner, keeper, spare;
	_Atomic int64_t holder[PULSE_HOLDERS];
};

/* A new page, shared with forked and (by its descriptor) with executed children. The caller closes
 * *ret_fd. */
struct pulse *pulse_new(int *ret_fd, struct err *e);
/* Maps one that was inherited. NULL with *e. */
struct pulse *pulse_map(int fd, struct err *e);

static inline void pulse_beat(_Atomic int64_t *cell)
{
	atomic_store_explicit(cell, clock_mono_ns(), memory_order_release);
}

/* Not judged until the next beat, or until so long from now: a rest without an end would hide one
 * that is stopped in it. */
static inline void pulse_rest(_Atomic int64_t *cell, int64_t ns)
{
	atomic_store_explicit(cell, clock_mono_ns() + ns, memory_order_release);
}

/* Has it begun to beat and then stopped? */
static inline bool pulse_stale(const _Atomic int64_t *cell)
{
	int64_t last = atomic_load_explicit(cell, memory_order_acquire);

	return last && clock_mono_ns() - last > PULSE_STALE_NS;
}

#endif
