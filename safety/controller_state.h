/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_SAFETY_CONTROLLER_STATE_H
#define BRINK_SAFETY_CONTROLLER_STATE_H

/* The inside of a controller, for controller.c and controller_event.c only. */

#include "safety/controller.h"
#include "safety/watch.h"

struct check {
	struct ctl_check cfg;
	struct ctl_check_view view;
	int64_t began_ns; /* of the last sample; a probe never overlaps itself */
	int64_t heard_ns; /* last sample, or the last time that silence counted as one */
	bool fresh;       /* passed with a probe that began after ARMED */
	bool broken;      /* failed since HOLD began */
	uint64_t hold_known, hold_unknown;
};

struct fault {
	const struct ctl_fault *cfg;
	struct ctl_fault_view view;
};

struct rule {
	const struct ctl_rule *cfg;
	bool on, proven; /* proven: a sample says that it was on for all of its time */
	int64_t since_ns;
};

struct controller {
	struct ctl_config cfg;
	enum ctl_phase phase;
	int64_t now_ns, next_ns;
	int64_t phase_ns; /* when the phase began */
	int64_t hold_ns;
	int64_t last_end_ns, last_known_ns; /* of the faults: when it was, when it was known */
	struct check *checks;
	struct fault *faults;
	struct rule *rules;
	struct watch *watches; /* nfaults, and one for the gates that none of them names */
	unsigned *fire, *undo; /* the lists of a step */
	struct ctl_actions out;
	struct ctl_cause cause;
	bool tick; /* absence may be judged in this step */
	bool touched, undo_all, watch, clean, command_started;
	int command_code;
};

/* Has t come? If not, the caller is to be back by then. */
bool ctl_due(struct controller *c, int64_t t);
/* The same for what is judged by absence: at a TICK, when nothing waits to be heard. */
bool ctl_overdue(struct controller *c, int64_t t);
void ctl_enter(struct controller *c, enum ctl_phase phase);
/* Of a fault that needs an undo and was not told to end. */
bool ctl_is_on(const struct fault *f);
/* The one way out. The first cause stays; a later one changes at most how soon the run is over. */
void ctl_stop(struct controller *c, const struct ctl_cause *why);
void ctl_stop_item(struct controller *c, enum ctl_cause_kind kind, unsigned item);
void ctl_stop_check(struct controller *c, enum ctl_cause_kind kind, unsigned check);
/* This fault's undo is not confirmed. */
void ctl_stick(struct controller *c, unsigned fault);

/* Applies one event to the phase it comes in. */
void ctl_hear(struct controller *c, const struct ctl_event *ev);
/* Lets silence count as a sample where it lasted too long. */
void ctl_hear_silence(struct controller *c);

/* What a cause makes of a run that is clean in the end (enum exit_code). */
int ctl_cause_code(enum ctl_cause_kind kind);

#endif
