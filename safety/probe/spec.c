/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "inject/proc_fs.h"
#include "safety/probe/proto.h"

/* src may be NULL: then dst is empty. */
static int put(char *dst, size_t size, const char *src, const char *what, struct err *e)
{
	size_t n = src ? strlen(src) : 0;

	if (n >= size)
		return err_set(e, E2BIG, "%s is longer than %zu bytes", what, size - 1);
	if (n)
		memcpy(dst, src, n);
	dst[n] = '\0';
	return 0;
}

static int make_http(const struct check_http *c, struct probe_http *ret, struct err *e)
{
	int r = put(ret->url, sizeof(ret->url), c->url, "the URL", e);

	if (!r)
		r = put(ret->contains, sizeof(ret->contains), c->contains, "'contains'", e);
	ret->n_ranges = c->n_ranges;
	memcpy(ret->range, c->range, sizeof(ret->range));
	return r;
}

static int make_tcp(const struct check_tcp *c, struct probe_tcp *ret, struct err *e)
{
	int r = put(ret->host, sizeof(ret->host), c->host, "the host name", e);
	const struct servent *known = NULL;

	if (!r && (c->service[0] < '0' || c->service[0] > '9')) {
		known = getservbyname(c->service, "tcp");
		if (!known)
			return err_set(e, ENOENT, "there is no tcp service '%s'", c->service);
		snprintf(ret->service, sizeof(ret->service), "%u", ntohs((uint16_t)known->s_port));
	} else if (!r) {
		r = put(ret->service, sizeof(ret->service), c->service, "the port", e);
	}
	return r ? r : put(ret->banner, sizeof(ret->banner), c->banner, "'banner'", e);
}

static int make_command(const struct check_spec *c, struct probe_command *ret, struct err *e)
{
	size_t used = 0;

	ret->exit_code = c->exit_code;
	for (size_t i = 0; i < c->command.n; i++) {
		int r = put(ret->argv + used, sizeof(ret->argv) - used, c->command.at[i],
			    "the rest of the command", e);

		if (r)
			return r;
		used += strlen(c->command.at[i]) + 1;
	}
	ret->argc = (uint32_t)c->command.n;
	return ret->argc ? 0 : err_set(e, EINVAL, "the command is empty");
}

static int user_id(const char *name, int64_t *ret, struct err *e)
{
	const struct passwd *pw = getpwnam(name);
	char *end;

	if (pw) {
		*ret = pw->pw_uid;
		return 0;
	}
	*ret = strtoll(name, &end, 10);
	if (*name < '0' || *name > '9' || *end || *ret >= UINT32_MAX)
		return err_set(e, ENOENT, "there is no user '%s'", name);
	return 0;
}

static int make_process(const struct check_process *c, struct probe_process *ret, struct err *e)
{
	const struct proc_select *s = c->ref ? &c->ref->process : &c->process;
	struct proc_stat now;
	char comm[16];
	int r;

	ret->pid = s->pid;
	if (s->pid && !proc_stat_of((int32_t)s->pid, &now))
		ret->start_ticks = now.start_ticks;
	ret->uid = -1;
	/* The kernel keeps 15 bytes of a name. */
	snprintf(comm, sizeof(comm), "%s", s->name ? s->name : "");
	r = put(ret->name, sizeof(ret->name), comm, "the name", e);
	if (!r)
		r = put(ret->exe, sizeof(ret->exe), s->exe, "'exe'", e);
	if (!r)
		r = put(ret->pid_file, sizeof(ret->pid_file), s->pid_file, "'pid_file'", e);
	if (!r)
		r = put(ret->cgroup, sizeof(ret->cgroup), s->cgroup, "'cgroup'", e);
	return r || !s->user ? r : user_id(s->user, &ret->uid, e);
}

int probe_spec_make(const struct check_spec *c, struct probe_spec *ret, struct err *e)
{
	int r = err_set(e, EINVAL, "the check has no source");

	*ret = (struct probe_spec){ .source = c->source,
				    .every_ns = c->every_ns,
				    .timeout_ns = c->timeout_ns,
				    .is = c->is };
	if (c->source == CHECK_HTTP)
		r = make_http(&c->http, &ret->http, e);
	else if (c->source == CHECK_TCP)
		r = make_tcp(&c->tcp, &ret->tcp, e);
	else if (c->source == CHECK_COMMAND)
		r = make_command(c, &ret->command, e);
	else if (c->source == CHECK_PROCESS_UP)
		r = make_process(&c->process_up, &ret->process, e);
	if (!r && (c->every_ns <= 0 || c->timeout_ns <= 0 || c->timeout_ns > c->every_ns))
		r = err_set(e, EINVAL, "the timeout is longer than the period");
	return r;
}
