/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROTO_H
#define BRINK_PROTO_H

#include <stdbool.h>
#include <stddef.h>

#include "inject/change/change.h"
#include "safety/pulse.h"

/*
 * What runner and keeper, keeper and holder say to each other: packets of one fixed size each over
 * SOCK_SEQPACKET socketpairs. Nothing in them is a pointer or of variable length.
 */
#define PROTO_FAULTS PULSE_HOLDERS

enum kmsg_type {
	/* runner -> keeper; each is answered by one KMSG_DONE with the same type in `request` */
	KMSG_BEGIN = 1, /* u.begin: locks and run directory */
	KMSG_SHIELD,    /* u.shield */
	KMSG_FAULT,     /* u.fault: the next fault; its changes follow */
	KMSG_ADD,       /* u.spec: one change: checked, locked */
	KMSG_GUARD,     /* modules, fingerprint, prepare, journal, dead-man timer */
	KMSG_ARM,       /* holders, structures; verified to have no effect */
	KMSG_FIRE, /* u.list: these faults, together. DONE = accepted; KMSG_LIVE follows for each */
	KMSG_LIFT, /* u.list. DONE = accepted; KMSG_ENDED and KMSG_REVERTED follow for each */
	KMSG_LIFT_ALL, /* all gates before any structure */
	KMSG_EFFECT,   /* fault: KMSG_HITS follows */
	KMSG_FINISH,   /* lift what is left, fingerprint, journal; KMSG_LEFT, KMSG_FOREIGN, then
			  KMSG_CLEAN */
	/* keeper -> runner */
	KMSG_DONE,  /* request, code, u.err */
	KMSG_LIVE,  /* fault, code, took_ns, u.err: in place, read back */
	KMSG_LOST,  /* fault, u.err: its lease or holder is gone */
	KMSG_ENDED, /* fault, code, took_ns, value (when, CLOCK_MONOTONIC): the effect was read back
		       as ended */
	KMSG_REVERTED, /* fault, code, took_ns, value (when), u.err: restored, read back */
	KMSG_HITS,     /* fault, value, bytes; code = -errno when it cannot be told */
	KMSG_LEFT,     /* fault, u.left: not confirmed, and the command by hand */
	KMSG_FOREIGN,  /* u.text: a difference that others made */
	KMSG_CLEAN,    /* code 0 = clean; else not */
	KMSG_HALT,     /* u.text: somebody said halt, or the keeper ends the run by itself */
	KMSG_NOTE, /* u.text: something that the user must know (no dead-man timer, no real-time,
		      ...) */
	/* runner -> keeper: fault, u.join, value: any number. One more address, while it is live.
	 * DONE = accepted, has that number; KMSG_JOINED follows */
	KMSG_JOIN,
	KMSG_JOINED, /* keeper -> runner: fault, value: of the request, code, u.err */
};

#define PROTO_DIR 256

struct kmsg_begin {
	char run_id[28];
	uint32_t starter_uid;
	char name[128];
	char started[32];
	char state_dir[PROTO_DIR]; /* /run/brink, or $XDG_RUNTIME_DIR/brink */
	char brink[PROTO_DIR];     /* path of the executable for the dead-man timer */
	int64_t duration_ns;       /* the longest time that the run may take, from GUARD on */
	int64_t lock_timeout_ns;
	int64_t fault_max_ns; /* policy: the longest `for` */
	uint32_t max_faults;
	uint32_t control_gid; /* control_group(), looked up by the runner: it loads foreign code
				 (nss) */
};

struct kmsg_fault {
	int64_t for_ns; /* 0 = one-shot */
	char label[64]; /* "slow-db" */
};

struct kmsg_list {
	uint32_t n;
	uint16_t fault[PROTO_FAULTS];
};

struct kmsg_left {
	char what[256], by_hand[512];
};

struct kmsg {
	uint16_t type, request;
	uint16_t fault, pad;
	int32_t code;
	uint32_t pad2;
	int64_t took_ns;
	uint64_t value, bytes; /* KMSG_HITS: struct effect */
	union {
		struct kmsg_begin begin;
		struct shield shield;
		struct kmsg_fault fault;
		struct change_spec spec;
		struct kmsg_list list;
		struct gate_join join;
		struct kmsg_left left;
		struct err err;
		char text[512];
	} u;
};

/* What the keeper sends is shorter, so that many answers fit into a socket that is read late. */
#define KMSG_ANSWER_SIZE (offsetof(struct kmsg, u) + sizeof(struct err))
_Static_assert(sizeof(struct kmsg_left) <= sizeof(struct err), "an answer holds what is left");

/* keeper -> holder, answered by one message of the same type; LOST comes by itself */
enum hmsg_type {
	HMSG_ARM = 1,
	HMSG_FIRE,
	HMSG_QUIET,
	HMSG_DRAIN,
	HMSG_EFFECT,
	HMSG_LOST,
	HMSG_JOIN
};

#define HMSG_UNKNOWN UINT64_MAX /* an effect that cannot be told */

struct hmsg {
	uint32_t type;
	int32_t code;
	int64_t took_ns;
	/* HMSG_EFFECT and HMSG_QUIET: struct effect. value of a JOIN: comes back; of a FIRE that
	 * failed: the first change that was not touched */
	uint64_t value, bytes;
	struct err err;
	struct gate_join join;
};

/* A connected pair, CLOEXEC, send buffers large enough for a few messages. */
int proto_pair(int ret_fd[2], struct err *e);
/* One packet of exactly size bytes. Returns 0, -EPIPE (never a signal), -EAGAIN when !wait, or
 * -errno. */
int proto_send(int fd, const void *msg, size_t size, bool wait);
/* One packet, without waiting. Returns 1, 0 when there is none, -EPIPE at the end, -EBADMSG for a
 * wrong size. */
int proto_recv(int fd, void *ret_msg, size_t size);
/*
 * One packet, until the deadline (CLOCK_MONOTONIC ns; INT64_MAX: however long it takes). Returns 1,
 * 0 at the deadline, or -errno as above; -EAGAIN when a thousand times in a row poll(2) says that
 * something is there and nothing is.
 */
int proto_await(int fd, void *ret_msg, size_t size, int64_t deadline_ns);

#endif
