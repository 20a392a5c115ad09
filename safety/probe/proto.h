/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_PROTO_H
#define BRINK_PROBE_PROTO_H

#include "inject/change/change.h"
#include "safety/probe/check.h"

/*
 * What runner and prober (or launcher) say to each other over a SOCK_SEQPACKET socketpair: plain
 * data, one message a packet, each type of one fixed size. The peer's end is descriptor 3; it ends
 * when that is closed.
 */
#define PROBE_FD         3
#define PROBE_TEXT       160
#define PROBE_CHECKS_MAX 4096

struct probe_http {
	char url[2048];
	char contains[512]; /* empty = the body does not matter */
	uint32_t n_ranges;
	struct status_range range[CHECK_STATUS_RANGES];
};

struct probe_tcp {
	char host[256], service[32];
	char banner[256]; /* empty = a connection is enough */
};

struct probe_command {
	int64_t exit_code;
	uint32_t argc;
	char argv[8192]; /* argc terminated strings, one after the other */
};

/* As struct proc_select; empty and -1 = not given. */
struct probe_process {
	int64_t pid, uid;
	uint64_t start_ticks; /* of pid when the check was made, so that a reused number does not
				 pass; 0 = any */
	char name[16], exe[1024], pid_file[1024], cgroup[1024];
};

struct probe_spec {
	uint32_t source; /* enum check_source */
	int64_t every_ns, timeout_ns;
	struct compare is;
	union {
		struct probe_http http;
		struct probe_tcp tcp;
		struct probe_command command;
		struct probe_process process;
	};
};

enum probe_verdict { PROBE_OK, PROBE_FAIL, PROBE_NO_DATA };

struct probe_sample {
	uint32_t check;   /* the runner's index */
	uint32_t seq;     /* of this check, from 0, without gaps: a gap is a sample that found the
			     socket full */
	uint32_t verdict; /* enum probe_verdict */
	int32_t status;   /* http: the status; command: the exit code; else 0 */
	int64_t started_ns, took_ns; /* CLOCK_MONOTONIC */
	double value; /* http, tcp: latency in seconds; command: the number; process_up: how many */
	uint32_t has_value;
	char text[PROBE_TEXT]; /* one line, safe on a terminal */
};

/* How the command of `brink try … -- CMD` ended. */
struct probe_exit {
	int32_t ran;    /* 0: it never ran, text says why */
	int32_t code;   /* exit code; 127 or 126 when it never ran */
	int32_t signal; /* that ended it, or 0 */
	char text[PROBE_TEXT];
};

/* What a host name means, see safety/resolver.h. */
struct probe_name {
	uint32_t name;        /* the runner's number for it */
	uint32_t found;       /* 0: it cannot be looked up, text says why */
	struct net_prefix at; /* one address */
	char dev[IFNAMSIZ];   /* on the way to it; "" = none, or not asked for */
	char text[PROBE_TEXT];
};

enum probe_msg_type {
	PROBE_MSG_READY = 1, /* peer -> runner: sandboxed, waiting */
	PROBE_MSG_ERROR,     /* peer -> runner: could not start; the peer ends */
	PROBE_MSG_SPEC,      /* runner -> peer: one more check */
	PROBE_MSG_START,     /* runner -> peer: begin to probe */
	PROBE_MSG_STOP,      /* runner -> peer: drop what is under way, begin nothing new */
	PROBE_MSG_SAMPLE,    /* peer -> runner */
	PROBE_MSG_RUN,       /* runner -> launcher: start the command given to launcher_start */
	PROBE_MSG_SIGNAL,    /* runner -> launcher: for that command */
	PROBE_MSG_EXITED,    /* launcher -> runner */
	PROBE_MSG_NAME,      /* resolver -> runner */
};

struct probe_msg {
	uint32_t type;
	uint32_t check; /* SPEC only */
	union {
		struct err err;
		struct probe_spec spec;
		struct probe_sample sample;
		struct probe_exit exited;
		struct probe_name name;
		int32_t signal;
	};
};

/* Bytes of a message of that type on the socket; 0 = no such type. */
size_t probe_msg_size(uint32_t type);
/*
 * Sends one message. wait == false: -EAGAIN when the socket is full. -EPIPE when the other side is
 * gone (never a signal). Returns 0 or -errno.
 */
int probe_msg_send(int fd, const struct probe_msg *m, bool wait);
/*
 * Takes one message without waiting. Returns 1, 0 when there is none, -EPIPE at the end, -EBADMSG
 * when its size is not the one of its type, or -errno. Every string in *ret is terminated and
 * printable, an error is one.
 */
int probe_msg_recv(int fd, struct probe_msg *ret);

/* The plain form of a check. -E2BIG: a text of it is too long, *e says which. Looks up the user of
 * a process_up. */
int probe_spec_make(const struct check_spec *c, struct probe_spec *ret, struct err *e);

#endif
