/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "inject/target_fields.h"

static const char *const no_data_words[] = { "fail", "unknown", NULL };
static const char *const role_words[] = { "gate", "observe", NULL };

const struct field_table check_http_fields = {
	.name = "http",
	.doc = "a GET request",
	.size = sizeof(struct check_http),
	.scalar = "url",
	.fields =
		(const struct field[]){
			{ "url", FIELD_STRING, FIELD_REQUIRED, offsetof(struct check_http, url),
			  .doc = "http:// or https:// address" },
			{ "status", FIELD_STRINGS, 0, offsetof(struct check_http, status),
			  .dflt = "200",
			  .doc = "expected status: a number, a class such as 2xx, a range such as 200-299, or a list of them" },
			{ "contains", FIELD_STRING, 0, offsetof(struct check_http, contains),
			  .doc = "text that must stand in the body" },
			{ 0 },
		},
};

const struct field_table check_tcp_fields = {
	.name = "tcp",
	.doc = "a TCP connection",
	.size = sizeof(struct check_tcp),
	.scalar = "to",
	.fields =
		(const struct field[]){
			{ "to", FIELD_STRING, FIELD_REQUIRED, offsetof(struct check_tcp, to),
			  .doc = "host:port" },
			{ "banner", FIELD_STRING, 0, offsetof(struct check_tcp, banner),
			  .doc = "text with which the other side must begin" },
			{ 0 },
		},
};

const struct field_table check_process_fields = {
	.name = "process_up",
	.doc = "at least one process that matches is running",
	.size = sizeof(struct check_process),
	.scalar = "target",
	.fields =
		(const struct field[]){
			TARGET_KEY(struct check_process, target, TARGET_PROCESS, FIELD_LEAST_ONE),
			PROC_KEYS(struct check_process, process.),
			{ 0 },
		},
};

#define AT(m) offsetof(struct check_spec, m)

const struct field_table check_fields = {
	.name = "check",
	.doc = "one thing that is measured again and again, and what is expected of it",
	.size = sizeof(struct check_spec),
	.fields =
		(const struct field[]){
			{ "http", FIELD_BLOCK, FIELD_GROUP_1, AT(http), .sub = &check_http_fields,
			  .doc = "a web address answers" },
			{ "tcp", FIELD_BLOCK, FIELD_GROUP_1, AT(tcp), .sub = &check_tcp_fields,
			  .doc = "a port accepts connections" },
			{ "command", FIELD_ARGV, FIELD_GROUP_1, AT(command),
			  .doc = "a program, run without a shell, exits as expected" },
			{ "process_up", FIELD_BLOCK, FIELD_GROUP_1, AT(process_up),
			  .sub = &check_process_fields, .doc = "a process is there" },
			{ "promql", FIELD_LATER, FIELD_GROUP_1, .doc = "a Prometheus query" },
			{ "datadog", FIELD_LATER, FIELD_GROUP_1, .doc = "a Datadog query" },
			{ "newrelic", FIELD_LATER, FIELD_GROUP_1, .doc = "a New Relic query" },
			{ "file", FIELD_LATER, FIELD_GROUP_1, .doc = "a value in a file" },
			{ "source", FIELD_LATER, 0, .doc = "the endpoint of a query" },
			{ "over", FIELD_LATER, 0,
			  .doc = "a window for percentiles and error ratio" },
			{ "id", FIELD_STRING, 0, AT(id), .max = 63,
			  .doc = "name of the check in output and reports" },
			{ "every", FIELD_DURATION, 0, AT(every_ns), INT64_C(10000000),
			  INT64_C(3600000000000), .dflt = "1s",
			  .doc = "time from one sample to the next" },
			{ "timeout", FIELD_DURATION, 0, AT(timeout_ns), INT64_C(1000000),
			  INT64_C(600000000000),
			  .doc = "a sample that takes longer fails; at most every; without it the smaller of every and 5s" },
			{ "is", FIELD_COMPARE, 0, AT(is),
			  .doc = "what the number must be: latency of http and tcp, first word that command prints" },
			{ "exit", FIELD_INT, 0, AT(exit_code), 0, 255, .dflt = "0",
			  .doc = "exit code expected of command" },
			{ "fail_after", FIELD_INT, 0, AT(fail_after), 1, 10000, .dflt = "3",
			  .doc = "failing samples in a row until the check fails" },
			{ "pass_after", FIELD_INT, 0, AT(pass_after), 1, 10000, .dflt = "1",
			  .doc = "passing samples in a row until it is good again" },
			{ "no_data", FIELD_ENUM, 0, AT(no_data), .words = no_data_words,
			  .dflt = "fail", .doc = "what a sample without an answer counts as" },
			{ "role", FIELD_ENUM, 0, AT(role), .words = role_words, .dflt = "gate",
			  .doc = "gate: a failure aborts the run; observe: it is only reported" },
			{ "netns", FIELD_STRING, 0, AT(netns),
			  .doc = "network namespace in which the probe runs: a name of ip-netns, a path, or pid:N" },
			{ "user", FIELD_STRING, 0, AT(user), .doc = "user as whom the probe runs" },
			{ 0 },
		},
};

#undef AT

const char *check_source_name(enum check_source s)
{
	static const char *const names[] = { [CHECK_HTTP] = "http",
					     [CHECK_TCP] = "tcp",
					     [CHECK_COMMAND] = "command",
					     [CHECK_PROCESS_UP] = "process_up" };

	return (unsigned)s < ARRAY_LEN(names) && names[s] ? names[s] : "nothing";
}

/* What is wrong is the outermost line, the right form the root: as in base/units.c. */
static int wrong(struct err *e, const char *text, const char *what, const char *right)
{
	char buf[200];
	struct text t = text_on(buf, sizeof(buf));

	text_add_foreign(&t, text, strnlen(text, 40));
	err_set(e, EINVAL, "%s", right);
	return err_ctx(e, "'%.90s' is not %s", buf, what);
}

/* Three digits of a status at s, or -1. */
static int status_at(const char *s)
{
	for (int i = 0; i < 3; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
	}
	return s[0] >= '1' && s[0] <= '5' ? (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0') :
					    -1;
}

static int status_range_parse(const char *s, struct status_range *ret)
{
	int lo, hi;

	if (s[0] >= '1' && s[0] <= '5' && strcasecmp(s + 1, "xx") == 0) {
		ret->lo = (uint16_t)((s[0] - '0') * 100);
		ret->hi = (uint16_t)(ret->lo + 99);
		return 0;
	}
	lo = hi = status_at(s);
	if (lo >= 0 && s[3] == '-') {
		hi = status_at(s + 4);
		s += 4;
	}
	if (lo < 0 || hi < lo || s[3])
		return -1;
	*ret = (struct status_range){ (uint16_t)lo, (uint16_t)hi };
	return 0;
}

static int finish_http(struct check_http *h, const char **ret_field, struct err *e)
{
	const char *host = strncasecmp(h->url, "http://", 7) == 0  ? h->url + 7 :
			   strncasecmp(h->url, "https://", 8) == 0 ? h->url + 8 :
								     NULL;

	*ret_field = "url";
	if (!host || !*host || strchr("/:?#", *host) || strpbrk(h->url, " \t\r\n"))
		return wrong(e, h->url, "a web address",
			     "write http://host[:port]/path or https://…");
	*ret_field = "status";
	if (!h->status.n || h->status.n > CHECK_STATUS_RANGES)
		return wrong(e, "status", "a list of 1 to 16 items",
			     "name classes such as 2xx or ranges such as 200-299");
	for (size_t i = 0; i < h->status.n; i++) {
		if (status_range_parse(h->status.at[i], &h->range[i]) < 0)
			return wrong(e, h->status.at[i], "an HTTP status",
				     "write 200, 2xx or 200-299");
	}
	h->n_ranges = (unsigned)h->status.n;
	return 0;
}

/* "host:port" or "[v6]:port" into its parts. */
static int split_address(const char *to, struct check_tcp *ret)
{
	const char *colon = strrchr(to, ':');
	size_t n = colon ? (size_t)(colon - to) : 0;
	unsigned long port;
	char *end;

	if (!n || colon[1] < '0' || colon[1] > '9')
		return -1;
	port = strtoul(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535 || strlen(colon + 1) >= sizeof(ret->service))
		return -1;
	if (to[0] == '[' && to[n - 1] == ']') {
		to++;
		n -= 2;
	} else if (memchr(to, ':', n)) {
		return -1; /* which colon is the port's? */
	}
	if (!n || n >= sizeof(ret->host) || memchr(to, ' ', n) || memchr(to, '/', n))
		return -1;
	memcpy(ret->host, to, n);
	ret->host[n] = '\0';
	memcpy(ret->service, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

static int find_source(const struct check_spec *c, enum check_source *ret)
{
	for (int s = CHECK_HTTP; s <= CHECK_PROCESS_UP; s++) {
		if (fields_given(&check_fields, c, check_source_name(s))) {
			*ret = s;
			return 0;
		}
	}
	return -1;
}

/* Keys that would be without effect on this source. */
static int check_fits(const struct check_spec *c, const char **ret_field, struct err *e)
{
	*ret_field = "exit";
	if (c->source != CHECK_COMMAND && fields_given(&check_fields, c, "exit"))
		return wrong(e, "exit", "for this source", "only command has an exit code");
	*ret_field = "is";
	if (c->is.given && c->source == CHECK_PROCESS_UP)
		return wrong(e, "is", "for this source", "process_up has no number to compare");
	if (c->is.failing)
		return wrong(e, "failing", "for a check",
			     "it belongs to abort.when; a check fails by itself");
	if (c->is.given && c->source != CHECK_COMMAND && c->is.unit != UNIT_TIME)
		return wrong(e, "is", "a time",
			     "the number of http and tcp is the latency: is: \"< 500ms\"");
	*ret_field = "netns";
	if (c->source == CHECK_PROCESS_UP && c->netns)
		return wrong(e, "netns", "for this source",
			     "processes are found by their own keys");
	*ret_field = "timeout";
	if (c->every_ns && c->timeout_ns > c->every_ns) {
		err_set(e, EINVAL,
			"a sample ends before the next one begins: a shorter timeout, or a longer every");
		return err_ctx(e, "'timeout' is longer than 'every'");
	}
	return 0;
}

int check_finish(struct check_spec *c, const char **ret_field, struct err *e)
{
	if (find_source(c, &c->source) < 0) {
		*ret_field = NULL;
		return err_set(e, EINVAL, "a check needs one of http, tcp, command and process_up");
	}
	if (!fields_given(&check_fields, c, "timeout"))
		c->timeout_ns = c->every_ns < CHECK_TIMEOUT_NS ? c->every_ns : CHECK_TIMEOUT_NS;
	if (c->source == CHECK_HTTP) {
		int r = finish_http(&c->http, ret_field, e);

		if (r)
			return r;
	}
	*ret_field = "to";
	if (c->source == CHECK_TCP && split_address(c->tcp.to, &c->tcp) < 0)
		return wrong(e, c->tcp.to, "an address with a port",
			     "write host:port, or [IPv6]:port");
	*ret_field = "command";
	if (c->source == CHECK_COMMAND && (!c->command.n || !c->command.at[0][0]))
		return wrong(e, "command", "a program",
			     "write a list: [/usr/bin/test, -e, /run/ready]");
	return check_fits(c, ret_field, e);
}

bool check_status_ok(const struct check_http *h, unsigned status)
{
	for (unsigned i = 0; i < h->n_ranges; i++) {
		if (status >= h->range[i].lo && status <= h->range[i].hi)
			return true;
	}
	return false;
}
