/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/target_fields.h"
#include "scenarios/load.h"

#define DAY INT64_C(86400000000000)
#define MS  INT64_C(1000000)

/* A word of the language that this version refuses. */
#define LATER(word, flags, what)                            \
	{                                                   \
		(word), FIELD_LATER, (flags), .doc = (what) \
	}

const struct field_table var_fields = {
	.name = "vars",
	.doc = "a value by name, for ${name}; a plain value is its default",
	.size = sizeof(struct var_item),
	.scalar = "default",
	.fields =
		(const struct field[]){
			{ "default", FIELD_STRING, FIELD_EMPTY, offsetof(struct var_item, dflt),
			  .doc = "value when nothing else gives one" },
			{ "env", FIELD_STRING, 0, offsetof(struct var_item, env),
			  .doc = "environment variable that is asked before the default" },
			{ "one_of", FIELD_STRINGS, 0, offsetof(struct var_item, one_of),
			  .doc = "the only values allowed" },
			{ "required", FIELD_BOOL, 0, offsetof(struct var_item, required),
			  .dflt = "false", .doc = "whether a value must come from outside" },
			{ 0 },
		},
};

const struct field_table target_fields = {
	.name = "targets",
	.doc = "something that faults are aimed at, by name",
	.size = sizeof(struct target_item),
	.fields =
		(const struct field[]){
			{ "process", FIELD_BLOCK, FIELD_GROUP_1,
			  offsetof(struct target_item, process), .sub = &proc_select_fields,
			  .doc = "processes" },
			{ "flow", FIELD_BLOCK, FIELD_GROUP_1, offsetof(struct target_item, flow),
			  .sub = &flow_select_fields, .doc = "packets" },
			{ "path", FIELD_BLOCK, FIELD_GROUP_1, offsetof(struct target_item, path),
			  .sub = &path_select_fields, .doc = "a directory or file" },
			LATER("service", FIELD_GROUP_1, "a systemd unit"),
			LATER("container", FIELD_GROUP_1, "a container"),
			LATER("cgroup", FIELD_GROUP_1, "a whole control group"),
			LATER("device", FIELD_GROUP_1, "a block or network device"),
			{ "pick", FIELD_BLOCK, 0, offsetof(struct target_item, pick),
			  .sub = &pick_fields, .doc = "how many of the processes that match" },
			{ 0 },
		},
};

const struct field_table recovery_fields = {
	.name = "recovers_within",
	.doc = "how soon the checks must be good again once the fault is taken back",
	.size = sizeof(struct recovery),
	.scalar = "within",
	.fields =
		(const struct field[]){
			{ "within", FIELD_DURATION, FIELD_REQUIRED,
			  offsetof(struct recovery, within_ns), 1 * MS, DAY,
			  .doc = "the longest time to recover" },
			{ "checks", FIELD_STRINGS, 0, offsetof(struct recovery, checks),
			  .doc = "ids of the checks that must recover; without it all that gate" },
			{ "stable", FIELD_DURATION, 0, offsetof(struct recovery, stable_ns), 1 * MS,
			  DAY,
			  .doc = "how long they must stay good; without it three checks in a row" },
			{ 0 },
		},
};

const struct field_table fault_fields = {
	.name = "fault",
	.doc = "one fault: its kind with parameters, and these keys beside it",
	.size = sizeof(struct fault_item),
	.fields =
		(const struct field[]){
			{ "id", FIELD_STRING, 0, offsetof(struct fault_item, id),
			  .doc = "name of the fault in output and reports" },
			{ "for", FIELD_DURATION, 0, offsetof(struct fault_item, for_ns), 1 * MS,
			  DAY, .dflt = EXPERIMENT_FOR, .doc = "how long it holds" },
			{ "after", FIELD_DURATION, 0, offsetof(struct fault_item, after_ns), 0, DAY,
			  .dflt = "0s", .doc = "how long after the start it begins" },
			{ "recovers_within", FIELD_BLOCK, 0,
			  offsetof(struct fault_item, recovers_within), .sub = &recovery_fields,
			  .doc = "how soon the checks must be good again" },
			LATER("ramp", 0, "a slow rise to full strength"),
			{ 0 },
		},
};

const struct field_table abort_rule_fields = {
	.name = "abort.when",
	.doc = "a rule that stops the run, beside the checks that gate it anyway",
	.size = sizeof(struct abort_rule),
	.fields =
		(const struct field[]){
			{ "check", FIELD_STRING, FIELD_GROUP_1,
			  offsetof(struct abort_rule, check_id), .doc = "id of a check" },
			LATER("budget", FIELD_GROUP_1, "an error budget"),
			LATER("promql", FIELD_GROUP_1, "a Prometheus query"),
			LATER("source", 0, "the endpoint of a query"),
			{ "is", FIELD_COMPARE, FIELD_REQUIRED, offsetof(struct abort_rule, is),
			  .doc = "when to stop: failing, or a comparison with the check's number" },
			{ "for", FIELD_DURATION, 0, offsetof(struct abort_rule, for_ns), 0, DAY,
			  .dflt = "0s", .doc = "how long it must hold without a break" },
			{ 0 },
		},
};

const struct field_table abort_fields = {
	.name = "abort",
	.doc = "when to stop early, and how soon everything must be taken back",
	.size = sizeof(struct abort_block),
	.fields =
		(const struct field[]){
			{ "when", FIELD_LIST, 0, offsetof(struct abort_block, when),
			  .sub = &abort_rule_fields, .doc = "rules; any of them stops the run" },
			{ "revert_within", FIELD_DURATION, 0,
			  offsetof(struct abort_block, revert_within_ns), 1 * MS, DAY,
			  .doc = "a slower revert (beyond the time that the plan gives delayed packets to leave) stops the run as aborted; it is NOT CLEAN when it then stays without proof" },
			{ 0 },
		},
};

const struct field_table deny_fields = {
	.name = "limits.deny",
	.doc = "what no fault of this file may touch",
	.size = sizeof(struct deny),
	.fields =
		(const struct field[]){
			{ "paths", FIELD_STRINGS, 0, offsetof(struct deny, paths),
			  .doc = "these paths" },
			{ "flows", FIELD_STRINGS, 0, offsetof(struct deny, flows),
			  .doc = "packets to these addresses and ports" },
			{ "users", FIELD_STRINGS, 0, offsetof(struct deny, users),
			  .doc = "processes of these users" },
			{ "cgroups", FIELD_STRINGS, 0, offsetof(struct deny, cgroups),
			  .doc = "processes in these cgroups" },
			LATER("services", 0, "systemd units"),
			{ 0 },
		},
};

const struct field_table limits_fields = {
	.name = "limits",
	.doc = "the most that this experiment may do; policy can only narrow it",
	.size = sizeof(struct limits),
	.fields =
		(const struct field[]){
			{ "duration", FIELD_DURATION, 0, offsetof(struct limits, duration_ns),
			  1 * MS, DAY, .doc = "longest run" },
			{ "processes", FIELD_INT, 0, offsetof(struct limits, processes), 1, 4194304,
			  .doc = "most processes that a fault may hit" },
			{ "deny", FIELD_BLOCK, 0, offsetof(struct limits, deny),
			  .sub = &deny_fields, .doc = "what no fault may touch" },
			LATER("hosts", 0, "the most machines of a fleet"),
			LATER("percent_of_fleet", 0, "the largest share of a fleet"),
			{ 0 },
		},
};

const struct field_table report_fields = {
	.name = "report",
	.doc = "files that a run leaves behind",
	.size = sizeof(struct report),
	.fields =
		(const struct field[]){
			{ "events", FIELD_STRING, 0, offsetof(struct report, events),
			  .doc = "a second copy of the events, one JSON object a line" },
			LATER("html", 0, "a page for people"),
			LATER("junit", 0, "a JUnit file"),
			LATER("tap", 0, "a TAP file"),
			LATER("markdown", 0, "a Markdown summary"),
			LATER("otlp", 0, "an OpenTelemetry endpoint"),
			{ 0 },
		},
};

const struct field_table experiment_fields = {
	.name = "experiment",
	.doc = "the whole file",
	.size = sizeof(struct experiment),
	.fields =
		(const struct field[]){
			{ "brink", FIELD_INT, FIELD_REQUIRED, offsetof(struct experiment, brink), 1,
			  1000000, .doc = "version of the language: 1" },
			{ "name", FIELD_STRING, FIELD_REQUIRED, offsetof(struct experiment, name),
			  .doc = "what the experiment shows, in one line" },
			{ "description", FIELD_FREE, 0, 0, .doc = "for people" },
			{ "owner", FIELD_FREE, 0, 0, .doc = "for people" },
			{ "tags", FIELD_FREE, 0, 0, .doc = "for people" },
			{ "links", FIELD_FREE, 0, 0, .doc = "for people" },
			{ "vars", FIELD_OTHER, 0, 0, .sub = &var_fields,
			  .doc = "values by name, for ${name}" },
			{ "targets", FIELD_OTHER, 0, 0, .sub = &target_fields,
			  .doc = "what faults are aimed at, by name" },
			{ "steady_state", FIELD_LIST, FIELD_REQUIRED,
			  offsetof(struct experiment, steady_state), .sub = &check_fields,
			  .doc = "checks that are good before, during and after" },
			{ "faults", FIELD_OTHER, FIELD_GROUP_1, 0, .sub = &fault_fields,
			  .doc = "what is broken, for how long" },
			LATER("phases", FIELD_GROUP_1, "a list of stages in order"),
			{ "abort", FIELD_BLOCK, 0, offsetof(struct experiment, abort),
			  .sub = &abort_fields, .doc = "when to stop early" },
			{ "limits", FIELD_BLOCK, 0, offsetof(struct experiment, limits),
			  .sub = &limits_fields, .doc = "the most that may be done" },
			{ "report", FIELD_BLOCK, 0, offsetof(struct experiment, report),
			  .sub = &report_fields, .doc = "files that a run leaves behind" },
			LATER("secrets", 0, "references to secrets"),
			LATER("sources", 0, "named endpoints such as Prometheus"),
			LATER("budgets", 0, "error budgets"),
			LATER("alerts", 0, "alerts that must fire"),
			LATER("schedule", 0, "when to run by itself"),
			LATER("fleet", 0, "many machines"),
			LATER("notify", 0, "whom to tell"),
			{ 0 },
		},
};

const struct field_table *const experiment_tables[] = {
	&experiment_fields,
	&var_fields,
	&target_fields,
	&proc_select_fields,
	&flow_select_fields,
	&path_select_fields,
	&pick_fields,
	&check_fields,
	&check_http_fields,
	&check_tcp_fields,
	&check_process_fields,
	&fault_fields,
	&recovery_fields,
	&abort_fields,
	&abort_rule_fields,
	&limits_fields,
	&deny_fields,
	&report_fields,
	NULL,
};
