/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TARGET_FIELDS_H
#define BRINK_TARGET_FIELDS_H

#include "inject/target.h"

/*
 * The rows that several tables share, written once. m is where the selector stands inside the
 * struct T, with its dot: PROC_KEYS(struct proc_kill, process.), or nothing for the selector's own
 * table. At least one of them must be given, or the target beside them.
 */

/* The keys of struct proc_select. */
#define PROC_KEYS(T, m)                                                                          \
	{ .name = "pid",                                                                         \
	  .type = FIELD_INT,                                                                     \
	  .flags = FIELD_LEAST_ONE,                                                              \
	  .offset = offsetof(T, m pid),                                                          \
	  .min = 1,                                                                              \
	  .max = 4194304,                                                                        \
	  .doc = "this process" },                                                               \
		{ .name = "exe",                                                                 \
		  .type = FIELD_STRING,                                                          \
		  .flags = FIELD_LEAST_ONE,                                                      \
		  .offset = offsetof(T, m exe),                                                  \
		  .doc = "absolute path of the program" },                                       \
		{ .name = "name",                                                                \
		  .type = FIELD_STRING,                                                          \
		  .flags = FIELD_LEAST_ONE,                                                      \
		  .offset = offsetof(T, m name),                                                 \
		  .doc = "name of the process as in /proc/PID/comm; more than its 15 bytes "     \
			 "are looked for in its command line" },                                 \
		{ .name = "pid_file",                                                            \
		  .type = FIELD_STRING,                                                          \
		  .flags = FIELD_LEAST_ONE,                                                      \
		  .offset = offsetof(T, m pid_file),                                             \
		  .doc = "file that holds the process number; as root: one that only its owner " \
			 "can write; he means processes of his own, root any" },                 \
		{ .name = "cgroup",                                                              \
		  .type = FIELD_STRING,                                                          \
		  .flags = FIELD_LEAST_ONE,                                                      \
		  .offset = offsetof(T, m cgroup),                                               \
		  .doc = "cgroup v2 path such as /system.slice/nginx.service" },                 \
	{                                                                                        \
		.name = "user", .type = FIELD_STRING, .flags = FIELD_LEAST_ONE,                  \
		.offset = offsetof(T, m user), .doc = "owner of the process: a name or a number" \
	}

/* The keys of struct flow_select. */
#define FLOW_KEYS(T, m)                                                                          \
	{ .name = "to",                                                                          \
	  .type = FIELD_STRINGS,                                                                 \
	  .flags = FIELD_LEAST_ONE,                                                              \
	  .offset = offsetof(T, m to),                                                           \
	  .doc = "destination: address, CIDR or host name, with :port, :port-port and /proto" }, \
		{ .name = "from",                                                                \
		  .type = FIELD_STRINGS,                                                         \
		  .flags = FIELD_LEAST_ONE,                                                      \
		  .offset = offsetof(T, m from),                                                 \
		  .doc = "source, in the same form" },                                           \
		{ .name = "proto",                                                               \
		  .type = FIELD_STRING,                                                          \
		  .flags = FIELD_LEAST_ONE,                                                      \
		  .offset = offsetof(T, m proto),                                                \
		  .doc = "tcp, udp, icmp, icmpv6, sctp or a number" },                           \
		{ .name = "dev",                                                                 \
		  .type = FIELD_STRING,                                                          \
		  .flags = FIELD_LEAST_ONE,                                                      \
		  .offset = offsetof(T, m dev),                                                  \
		  .doc = "device; without it the one that the route to the target uses" },       \
	{                                                                                        \
		.name = "netns", .type = FIELD_STRING, .flags = FIELD_LEAST_ONE,                 \
		.offset = offsetof(T, m netns),                                                  \
		.doc = "network namespace: a name of ip-netns(8), a path, or pid:N"              \
	}

/* The row by which a fault or check names an entry of `targets:` of one kind. */
#define TARGET_KEY(T, m, kind, extra)                                                          \
	{                                                                                      \
		.name = "target", .type = FIELD_REF, .flags = extra, .offset = offsetof(T, m), \
		.min = kind, .max = kind, .doc = "name of an entry of targets"                 \
	}

#endif
