/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fakes/fake_faults.h"

static const char *const direction_words[] = { "out", "in", "both", NULL };

static const struct field_table delay_fields = {
	.name = "net.delay",
	.doc = "later packets",
	.size = sizeof(struct fake_net_delay),
	.fields =
		(const struct field[]){
			{ "delay", FIELD_DURATION, FIELD_REQUIRED,
			  offsetof(struct fake_net_delay, delay_ns), 1000, INT64_C(60000000000),
			  .doc = "how much later" },
			{ "jitter", FIELD_DURATION, 0, offsetof(struct fake_net_delay, jitter_ns),
			  .dflt = "0s" },
			{ "correlation", FIELD_PERCENT, 0,
			  offsetof(struct fake_net_delay, correlation_ppm), .dflt = "0%" },
			TARGET_KEY(struct fake_net_delay, target, TARGET_FLOW, FIELD_LEAST_ONE),
			FLOW_KEYS(struct fake_net_delay, flow.),
			{ "direction", FIELD_ENUM, 0, offsetof(struct fake_net_delay, direction),
			  .words = direction_words, .dflt = "out" },
			{ 0 },
		},
};

static const struct field_table kill_fields = {
	.name = "proc.kill",
	.doc = "a signal",
	.size = sizeof(struct fake_proc_kill),
	.fields =
		(const struct field[]){
			TARGET_KEY(struct fake_proc_kill, target, TARGET_PROCESS, FIELD_LEAST_ONE),
			PROC_KEYS(struct fake_proc_kill, process.),
			{ "signal", FIELD_SIGNAL, 0, offsetof(struct fake_proc_kill, signal),
			  .dflt = "KILL" },
			{ "grace", FIELD_DURATION, 0, offsetof(struct fake_proc_kill, grace_ns),
			  .dflt = "0s" },
			{ "every", FIELD_DURATION, 0, offsetof(struct fake_proc_kill, every_ns),
			  .doc = "x" },
			{ 0 },
		},
};

static const struct field_table fill_fields = {
	.name = "disk.fill",
	.doc = "a full disk",
	.size = sizeof(struct fake_disk_fill),
	.fields =
		(const struct field[]){
			TARGET_KEY(struct fake_disk_fill, target, TARGET_PATH, FIELD_GROUP_1),
			{ "path", FIELD_STRING, FIELD_GROUP_1,
			  offsetof(struct fake_disk_fill, path), .doc = "x" },
			{ "until", FIELD_PERCENT, FIELD_GROUP_2,
			  offsetof(struct fake_disk_fill, until_ppm), 1, 1000000, .doc = "x" },
			{ "size", FIELD_SIZE, FIELD_GROUP_2, offsetof(struct fake_disk_fill, size),
			  .doc = "x" },
			{ "leave", FIELD_SIZE, FIELD_GROUP_2,
			  offsetof(struct fake_disk_fill, leave), .doc = "x" },
			{ 0 },
		},
};

static int check_delay(const void *spec, struct err *e)
{
	const struct fake_net_delay *d = spec;

	return d->jitter_ns > d->delay_ns ? err_set(e, EINVAL, "jitter is larger than delay") : 0;
}

const struct fault_ops *const fake_faults[] = {
	&(const struct fault_ops){ .name = "net.delay",
				   .summary = "later packets",
				   .fields = &delay_fields,
				   .check = check_delay },
	&(const struct fault_ops){ .name = "proc.kill",
				   .summary = "a signal",
				   .fields = &kill_fields,
				   .one_shot = true },
	&(const struct fault_ops){
		.name = "disk.fill", .summary = "a full disk", .fields = &fill_fields },
	NULL,
};
