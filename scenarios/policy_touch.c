/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "inject/cgroup.h"
#include "inject/change/freeze.h"
#include "inject/change/nft_sets.h"
#include "inject/proc_fs.h"
#include "scenarios/policy_parts.h"

#define CGROUP_DEPTH   32
#define SHOWN_PREFIXES 3

struct walk {
	const char *fault;
	int (*fn)(void *arg, const struct touch *t, struct err *e);
	void *arg;
	struct err *e;
	unsigned *n_procs;
	const struct address_pool *pool;
};

static int each_match(const struct walk *w, const struct nft_gate_spec *g)
{
	struct touch t = {
		.fault = w->fault, .family = TOUCH_NET, .device = g->dev, .gate = g, .pool = w->pool
	};
	char owner[PATH_MAX] = "";
	int rc = 0;

	if (g->only.given & GATE_CGROUP) {
		if (cgroup2_find(g->only.cgroup, owner, sizeof(owner)) < 0)
			owner[0] = '\0';
		t.owner = owner;
	}
	for (unsigned i = 0; i < g->n_matches && rc == 0; i++) {
		t.match = &g->match[i];
		if (!t.match->exempt)
			rc = w->fn(w->arg, &t, w->e);
	}
	return rc;
}

/* What /proc tells of a process; what it does not tell stays unknown. 0 start_ticks: whoever has
 * that number. */
static int touch_process(const struct walk *w, int32_t pid, uint64_t start_ticks)
{
	struct touch t = { .fault = w->fault,
			   .family = TOUCH_PROC,
			   .pid = pid,
			   .uid = -1,
			   .exe = "",
			   .groups = "",
			   .cgroup = "" };
	AUTO(auto_close) int proc = proc_fs_open(w->e);
	AUTO(auto_close) int dir = proc < 0 ? -1 : proc_dir_open(proc, pid);
	char exe[PATH_MAX], groups[8192];
	struct proc_stat stat;
	int32_t tgid;
	uint32_t uid;
	ssize_t n;

	++*w->n_procs;
	if (proc < 0)
		return proc;
	/* gone, or another one by now: then nothing is known of it */
	if (dir < 0 || proc_stat_read(dir, "stat", &stat) < 0 ||
	    (start_ticks && stat.start_ticks != start_ticks))
		return w->fn(w->arg, &t, w->e);
	if (proc_ids(dir, &tgid, &uid) == 0)
		t.uid = uid;
	n = readlinkat(dir, "exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		t.exe = exe;
	}
	if (io_read_file(dir, "cgroup", groups, sizeof(groups)) > 0)
		t.groups = groups;
	return w->fn(w->arg, &t, w->e);
}

static int each_process(const struct walk *w, const struct change_proc *p, unsigned n)
{
	int rc = 0;

	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = touch_process(w, p[i].pid, p[i].start_ticks);
	return rc;
}

static int each_signalled(const struct walk *w, const struct signal_spec *s)
{
	int rc = each_process(w, s->proc, s->n_procs);

	if (rc || !s->every_ns || s->by_pid)
		return rc;
	/* those that the selector will find later */
	return w->fn(w->arg,
		     &(struct touch){ .fault = w->fault,
				      .family = TOUCH_PROC,
				      .uid = s->uid,
				      .exe = s->exe,
				      .groups = "",
				      .cgroup = s->cgroup },
		     w->e);
}

/* As the packets that would come to it. 0.0.0.0 and :: are every address of the host, ip(7). */
static int touch_port(const struct walk *w, const struct port_addr *p)
{
	static const uint8_t none[sizeof(p->addr)] = { 0 };
	bool any = p->family == 0 || memcmp(p->addr, none, sizeof(none)) == 0;
	struct nft_gate_spec gate = { .n_prefixes = 1,
				      .prefix[0] = { .family = p->family,
						     .len = p->family == 4 ? 32 : 128 },
				      .n_matches = 1,
				      .match[0] = { .hook = GATE_INPUT,
						    .proto = p->proto,
						    .dport_lo = p->port,
						    .dport_hi = p->port,
						    .dst_n = !any } };

	memcpy(gate.prefix[0].addr, p->addr, sizeof(p->addr));
	return each_match(w, &gate);
}

/* Whatever goes over it. */
static int touch_link(const struct walk *w, const struct link_spec *l)
{
	struct nft_gate_spec gate = { .n_matches = 1, .match[0] = { .hook = GATE_EGRESS } };

	memcpy(gate.dev, l->dev, sizeof(gate.dev));
	return each_match(w, &gate);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static int each_listed(const struct walk *w, int dir)
{
	AUTO(auto_close) int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	AUTO(close_file) FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	int rc = 0, pid;

	if (!f)
		return err_sys(w->e, "cannot read who is in a cgroup");
	(void)take_fd(&fd); /* the stream's now */
	while (rc == 0 && fscanf(f, "%d", &pid) == 1) {
		if (pid > 0) /* 0: of another PID namespace, out of everyone's sight here */
			rc = touch_process(w, pid, 0);
	}
	return rc;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as cgroups are, at most CGROUP_DEPTH */
static int each_below(const struct walk *w, int dir, unsigned depth)
{
	AUTO(auto_close) int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(close_dir) DIR *d = again < 0 ? NULL : fdopendir(again);
	const struct dirent *entry;
	int rc = 0;

	if (!d)
		return err_sys(w->e, "cannot read a cgroup");
	(void)take_fd(&again); /* the stream's now */
	if (depth == CGROUP_DEPTH)
		rc = err_set(w->e, ELOOP, "cgroups are nested deeper than %d", CGROUP_DEPTH);
	if (rc == 0)
		rc = each_listed(w, dir);
	while (rc == 0 && (entry = readdir(d))) {
		AUTO(auto_close) int sub = -1;

		if (entry->d_name[0] == '.')
			continue;
		sub = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			rc = each_below(w, sub, depth + 1);
		else if (errno != ENOTDIR && errno != ENOENT)
			rc = err_sys(w->e, "cannot read a cgroup");
	}
	return rc;
}

/* All that is in the cgroup now; where it is empty, whoever will be in it. */
static int each_frozen(const struct walk *w, const struct freeze_spec *s)
{
	AUTO(auto_close) int dir = freeze_open(s->cgroup, s->dev, s->ino);
	int rc = dir < 0 ? err_set(w->e, -dir, "cannot open cgroup '%.80s'", s->cgroup) :
			   each_below(w, dir, 0);

	if (rc || *w->n_procs)
		return rc;
	return w->fn(w->arg,
		     &(struct touch){ .fault = w->fault,
				      .family = TOUCH_PROC,
				      .uid = -1,
				      .exe = "",
				      .groups = "",
				      .cgroup = s->cgroup },
		     w->e);
}

int touch_each(const char *fault, const struct change_spec *c, const struct address_pool *pool,
	       int (*fn)(void *arg, const struct touch *t, struct err *e), void *arg, struct err *e)
{
	unsigned n_procs = 0;
	const struct walk w = { fault, fn, arg, e, &n_procs, pool };
	struct touch t = { .fault = fault };

	switch (c->kind) {
	case CHANGE_NETEM_SIDE:
		t.family = TOUCH_NET;
		t.device = c->u.netem.dev;
		return fn(arg, &t, e);
	case CHANGE_QUEUE:
		t.family = TOUCH_NET;
		t.device = c->u.queue.how.dev;
		return fn(arg, &t, e);
	case CHANGE_NFT_GATE:
		return each_match(&w, &c->u.gate);
	case CHANGE_FILL:
		t.family = TOUCH_DISK;
		t.fill = &c->u.fill;
		return fn(arg, &t, e);
	case CHANGE_PAUSE:
	case CHANGE_STOP:
		return each_process(&w, &c->u.pause.proc, 1);
	case CHANGE_FREEZE:
		return each_frozen(&w, &c->u.freeze);
	case CHANGE_SIGNAL:
		return each_signalled(&w, &c->u.signal);
	case CHANGE_SOCK_RESET:
		return each_match(&w, &c->u.reset.select);
	case CHANGE_LINK:
		return touch_link(&w, &c->u.link);
	case CHANGE_PORT:
		return touch_port(&w, &c->u.port.at);
	default:
		return err_set(e, ENOTSUP, "the policy does not know changes of kind %u", c->kind);
	}
}

static void add_end(struct text *t, const char *word, const struct touch *touch,
		    const struct endpoint *ports, const uint32_t range[2])
{
	const struct gate_list l = gate_list_of(touch->gate, touch->pool, range[0], range[1]);
	struct endpoint ep = *ports;

	if (!range[1] && !ep.port_hi)
		return;
	ep.n_prefixes = range[1] < SHOWN_PREFIXES ? range[1] : SHOWN_PREFIXES;
	memcpy(ep.prefix, l.at, ep.n_prefixes * sizeof(ep.prefix[0]));
	text_add(t, " %s ", word);
	endpoint_add(t, &ep);
	if (range[1] > SHOWN_PREFIXES)
		text_add(t, " and %u more", range[1] - SHOWN_PREFIXES);
}

static void describe_net(const struct touch *t, struct text *ret)
{
	const struct net_match *m = t->match;
	struct endpoint dst = { 0 }, src = { 0 };

	if (m) {
		dst = (struct endpoint){ .port_lo = m->dport_lo,
					 .port_hi = m->dport_hi,
					 .proto = m->proto };
		src = (struct endpoint){ .port_lo = m->sport_lo,
					 .port_hi = m->sport_hi,
					 .proto = m->proto };
		text_add(ret, "%s ",
			 m->hook == GATE_INGRESS || m->hook == GATE_INPUT ? "incoming" :
									    "outgoing");
	}
	text_add(ret, "packets");
	if (m) {
		add_end(ret, "to", t, &dst, (const uint32_t[]){ m->dst_first, m->dst_n });
		add_end(ret, "from", t, &src, (const uint32_t[]){ m->src_first, m->src_n });
	}
	text_add(ret, t->device[0] ? " on %s" : " on any device%s", t->device);
}

static void describe_process(const struct touch *t, struct text *ret)
{
	char name[80];

	if (t->pid)
		text_add(ret, "process %d (%s)", t->pid, proc_name(t->pid, name, sizeof(name)));
	else
		text_add(ret, "a process that is found later");
}

void touch_describe(const struct touch *t, struct text *ret)
{
	switch (t->family) {
	case TOUCH_NET:
		describe_net(t, ret);
		break;
	case TOUCH_DISK:
		text_add(ret, "the file system of ");
		text_add_foreign(ret, t->fill->path, strlen(t->fill->path));
		break;
	default:
		describe_process(t, ret);
		break;
	}
}
