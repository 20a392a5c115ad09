/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SANDBOX_CALLS_H
#define BRINK_SANDBOX_CALLS_H

#include "inject/change/rights.h"
#include "safety/sandbox.h"

/* A build whose processes do more than their sources say: the only place that knows. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif

/* One line of the table: which processes may make this call. */
struct sandbox_row {
	unsigned who; /* bit n = enum sandbox_kind n */
	struct call_rule rule;
};

/* Everything that any process of a run may call but for what the changes add (struct rights). Ends
 * with who 0. */
extern const struct sandbox_row sandbox_table[];
/* What a command and the processes above it get EPERM for. Both end with a rule without a name. */
extern const struct call_rule sandbox_denied[];

#endif
