/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_PROC_UP_H
#define BRINK_PROBE_PROC_UP_H

#include "safety/probe/proto.h"

/*
 * Is at least one process that fits alive (and no zombie)? proc_fd is an open /proc. Sets verdict,
 * text and value (how many). The prober runs as an ordinary user: where the program file of a
 * process that otherwise fits is hidden from it, and no visible one fits, the answer is "no data",
 * never a guess.
 */
void proc_up_probe(const struct probe_process *p, int proc_fd, struct probe_sample *s);

#endif
