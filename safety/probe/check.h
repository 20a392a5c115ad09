/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_CHECK_H
#define BRINK_PROBE_CHECK_H

#include "base/fields.h"
#include "inject/target.h"

/*
 * One check as the user wrote it: one source and what is expected of it. Bound from the tables
 * below; the probing itself stands in other files of this folder.
 */
enum check_source { CHECK_HTTP = 1, CHECK_TCP, CHECK_COMMAND, CHECK_PROCESS_UP };
enum check_no_data { NO_DATA_FAIL, NO_DATA_UNKNOWN };
enum check_role { ROLE_GATE, ROLE_OBSERVE };

#define CHECK_STATUS_RANGES 16
/* The default of timeout is the smaller one of this and `every`. */
#define CHECK_TIMEOUT_NS (5 * INT64_C(1000000000))

struct status_range {
	uint16_t lo, hi; /* both included */
};

/* `http: URL` or `http: {url, status, contains}`. GET, no redirects followed, no headers of the
 * user's own. */
struct check_http {
	struct bound bound;
	const char *url;
	struct strings status;                          /* as written: 200, 2xx, 200-299 */
	unsigned n_ranges;                              /* the same, parsed by check_finish */
	struct status_range range[CHECK_STATUS_RANGES]; /* any of them is right */
	const char *contains;                           /* NULL = the body does not matter */
};

/* `tcp: HOST:PORT` or `tcp: {to, banner}`. */
struct check_tcp {
	struct bound bound;
	const char *to;
	const char *banner; /* NULL = a connection is enough; else the first bytes must begin with
			       this */
	char host[256], service[32]; /* `to` in two, brackets of IPv6 gone, by check_finish */
};

/* `process_up: TARGET` or `process_up: {pid | exe | name | pid_file | cgroup | user}`. */
struct check_process {
	struct bound bound;
	const char *target;
	const struct target
		*ref; /* the target by that name, set by scenarios/; NULL = process below */
	struct proc_select process;
};

struct check_spec {
	struct bound bound;
	const char *id; /* never NULL after loading: given, or made from the source ("http",
			   "http-2") */
	enum check_source source;
	struct check_http http;
	struct check_tcp tcp;
	struct strings command; /* argv, never a shell */
	int64_t exit_code;      /* command: 0 unless the user says otherwise */
	struct check_process process_up;
	int64_t every_ns, timeout_ns;
	/*
	 * .given == false: the source's own success is enough. failing == true is refused here
	 * (abort rules only). http, tcp: the latency in seconds; command: the number on its stdout.
	 */
	struct compare is;
	int64_t fail_after, pass_after; /* samples in a row */
	int no_data;                    /* enum check_no_data */
	int role;                       /* enum check_role */
	const char *netns, *user;       /* NULL = where brink was started; the invoking user */
};

extern const struct field_table check_fields, check_http_fields, check_tcp_fields,
	check_process_fields;

/* "http", "tcp", "command", "process_up" */
const char *check_source_name(enum check_source s);

/*
 * After binding: sets source, timeout, status ranges, host and service; judges what one field
 * cannot tell. every_ns 0: not known. -EINVAL with *e (outermost line: what is wrong; root: a right
 * form) and in *ret_field the key to point at.
 */
int check_finish(struct check_spec *c, const char **ret_field, struct err *e);

/* Is this HTTP status one of those expected? */
bool check_status_ok(const struct check_http *h, unsigned status);

#endif
