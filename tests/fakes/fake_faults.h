/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_FAKE_FAULTS_H
#define BRINK_FAKE_FAULTS_H

#include "inject/fault.h"
#include "inject/target_fields.h"

/* Faults with tables like the real ones and no plan: for tests of the language alone.
 * NULL-terminated. */
extern const struct fault_ops *const fake_faults[];

struct fake_net_delay {
	struct bound bound;
	const char *target;
	struct flow_select flow;
	int direction;
	int64_t delay_ns, jitter_ns;
	uint32_t correlation_ppm;
};

struct fake_proc_kill {
	struct bound bound;
	const char *target;
	struct proc_select process;
	int signal;
	int64_t grace_ns, every_ns;
};

struct fake_disk_fill {
	struct bound bound;
	const char *target, *path;
	uint32_t until_ppm;
	uint64_t size, leave;
};

#endif
