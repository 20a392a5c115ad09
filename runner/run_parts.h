/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_RUN_PARTS_H
#define BRINK_RUN_PARTS_H

#include "base/exit.h"
#include "runner/events.h"
#include "runner/keeper_client.h"
#include "runner/live.h"
#include "runner/names.h"
#include "runner/notify.h"
#include "runner/run.h"
#include "safety/controller.h"
#include "safety/launcher.h"

#define RUN_PROBERS 16
#define RUN_LEFT    32
#define RUN_FOREIGN 32
#define RUN_EARLY   8
#define LAST_TEXTS  3
#define SPARK       24

/* The last bad samples of a check, for the sentence about its failure. */
struct check_memory {
	char text[LAST_TEXTS][PROBE_TEXT];
	int64_t at_wall_ns[LAST_TEXTS];
	unsigned bad;       /* in a row */
	unsigned bad_total; /* of the run */
	double last_value;
	char last_text[PROBE_TEXT];
	int64_t last_took_ns;
	float spark[SPARK]; /* a ring of the last latencies in ms; 0 = none */
	unsigned spark_n;
};

struct fault_memory {
	int64_t live_took_ns, ended_took_ns, reverted_took_ns;
	struct effect effect; /* so far */
	bool effect_known, reverted;
	bool live;      /* held now */
	uint64_t order; /* number of the order to fire it; 0 = none yet */
	char trouble[ERR_LINE * 2];
};

/* A prober or launcher and whom it probes as and where. */
struct run_prober {
	struct prober p;
	bool launcher;
	const char *netns, *user;
};

struct run {
	const struct run_request *rq;
	struct arena arena;
	struct ctl_config config;
	struct controller *ctl;
	struct keeper_client keeper;
	struct pulse_watch keeper_watch, spare_watch;
	int64_t lenient_ns; /* until then nobody's silence is judged */
	struct run_prober prober[RUN_PROBERS];
	unsigned n_probers;
	int command_prober;     /* index; -1 = none */
	struct prober resolver; /* none where no fault has a host name */
	struct names names;
	int signals; /* signalfd */
	struct events ev;
	struct live live;
	struct notify notify;
	struct check_memory *check;
	struct fault_memory *fault;
	enum ctl_phase phase;
	bool decided;    /* the run was aborted: later samples are not among its reasons */
	uint64_t orders; /* to fire */
	bool keeper_lost, done, interrupted;
	bool keeper_full; /* it takes no orders: it is lost */
	char halt_why[200];
	unsigned n_left, n_foreign;
	struct kmsg_left left[RUN_LEFT];
	uint16_t left_fault[RUN_LEFT];
	char foreign[RUN_FOREIGN][128];
	unsigned n_early; /* what the keeper had to say before anything could be said */
	char early[RUN_EARLY][160];
	struct run_outcome out;
};

/* run_setup.c */
int run_build_config(struct run *r, struct err *e);
int run_start_probers(struct run *r, struct err *e);
int run_start_resolver(struct run *r, struct err *e);
int run_start_keeper(struct run *r, struct err *e);

/* run_loop.c */
void run_loop(struct run *r);
/* To the keeper, now or a beat later. */
void run_order(struct run *r, const struct kmsg *m);

/* run_names.c: what host names come to mean. */
void run_hear_resolver(struct run *r);
void run_ask_joins(struct run *r, unsigned fault);
void run_heard_joined(struct run *r, const struct kmsg *m);

/* run_say.c: progress, events and the verdict. */
void run_say_start(struct run *r);
/* Everything is on record, nothing is changed yet. */
void run_say_guarded(struct run *r);
void run_say_phase(struct run *r, enum ctl_phase was);
void run_say_fault(struct run *r, unsigned fault, const struct kmsg *m);
void run_say_sample(struct run *r, unsigned check, const struct probe_sample *s);
/* at == NULL: the name cannot be looked up; why == NULL: its new address has joined the fault. */
void run_say_name(struct run *r, unsigned item, const struct net_prefix *at, const char *why);
void run_say_note(struct run *r, const char *word, const char *text);
void run_say_verdict(struct run *r);

#endif
