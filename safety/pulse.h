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
#define PULSE_LOOK_NS  (3 * PULSE_BEAT_NS)

/*
 * Heartbeats of one run in shared memory: each process writes the time (CLOCK_MONOTONIC ns) into
 * its own cell every 100 ms; 0 = not started. A second without one means that the process hangs,
 * whatever its state says.
 */
struct pulse {
	_Atomic int64_t runner, keeper, spare;
	_Atomic int64_t holder[PULSE_HOLDERS];
};

/* What one process has seen of the beats of another; starts as zeros. */
struct pulse_watch {
	int64_t beat, looked_ns, silent_ns;
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

/* Has it begun to beat and then stopped? For who does without it meanwhile; who kills asks
 * pulse_hangs(). */
static inline bool pulse_stale(const _Atomic int64_t *cell)
{
	int64_t last = atomic_load_explicit(cell, memory_order_acquire);

	return last && clock_mono_ns() - last > PULSE_STALE_NS;
}

/*
 * Nanoseconds without a beat, as far as who asks was awake to see: from one look to the next
 * counts 300 ms at most, whatever the clock says. A machine that stood still (a paused guest, one
 * without a CPU for seconds) let nobody beat; who wakes first must not kill the others for it.
 */
static inline int64_t pulse_silence(struct pulse_watch *w, const _Atomic int64_t *cell)
{
	int64_t beat = atomic_load_explicit(cell, memory_order_acquire), now = clock_mono_ns();
	int64_t step = now - (beat > w->looked_ns ? beat : w->looked_ns);

	if (beat != w->beat)
		w->silent_ns = 0;
	w->beat = beat;
	w->looked_ns = now;
	if (step > PULSE_LOOK_NS)
		step = PULSE_LOOK_NS;
	if (beat && step > 0) /* else: not begun, or at rest */
		w->silent_ns += step;
	return w->silent_ns;
}

static inline bool pulse_hangs(struct pulse_watch *w, const _Atomic int64_t *cell)
{
	return pulse_silence(w, cell) > PULSE_STALE_NS;
}

#endif
