/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/target_fields.h"

const struct field_table proc_select_fields = {
	.name = "process",
	.doc = "processes: every key that is given must hold",
	.size = sizeof(struct proc_select),
	.fields = (const struct field[]){ PROC_KEYS(struct proc_select, ), { 0 } },
};

const struct field_table flow_select_fields = {
	.name = "flow",
	.doc = "packets: every key that is given must hold",
	.size = sizeof(struct flow_select),
	.fields = (const struct field[]){ FLOW_KEYS(struct flow_select, ), { 0 } },
};

const struct field_table path_select_fields = {
	.name = "path",
	.doc = "a directory or file",
	.size = sizeof(struct path_select),
	.scalar = "path",
	.fields =
		(const struct field[]){
			{ "path", FIELD_STRING, FIELD_REQUIRED, offsetof(struct path_select, path),
			  .doc = "absolute path" },
			{ 0 },
		},
};

const struct field_table pick_fields = {
	.name = "pick",
	.doc = "how many of those that match, chosen by the seed",
	.size = sizeof(struct pick),
	.fields =
		(const struct field[]){
			{ "count", FIELD_INT, FIELD_GROUP_1, offsetof(struct pick, count), 1,
			  4194304, .doc = "this many" },
			{ "percent", FIELD_PERCENT, FIELD_GROUP_1,
			  offsetof(struct pick, percent_ppm), 1, 1000000,
			  .doc = "this share of them, rounded up" },
			{ "seed", FIELD_INT, 0, offsetof(struct pick, seed),
			  .doc = "the same seed picks the same ones; without it the seed of the run" },
			{ 0 },
		},
};
