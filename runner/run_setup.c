/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "inject/change/netns.h"
#include "inject/change/pool.h"
#include "runner/leftovers.h"
#include "runner/run_parts.h"
#include "safety/control.h"
#include "safety/resolver.h"

#define ROOM_NS  (30 * NS_PER_S) /* arming and taking back, on a busy machine */
#define SETUP_NS (60 * NS_PER_S)

/* A command that never ends must not hold a fault for ever. */
static int64_t command_max(const struct run_request *rq)
{
	int64_t run = rq->run_max_ns ? rq->run_max_ns : POLICY_RUN_NS;

	return rq->fault_max_ns && rq->fault_max_ns < run ? rq->fault_max_ns : run;
}

static unsigned check_index(const struct experiment *x, const struct check_spec *c)
{
	return (unsigned)(c - x->checks);
}

static int fill_checks(struct run *r, struct err *e)
{
	const struct experiment *x = r->rq->x;
	struct ctl_check *c = arena_zalloc(&r->arena, (x->n_checks + 1) * sizeof(*c));

	if (!c)
		return err_set(e, ENOMEM, "no memory for the checks");
	for (size_t i = 0; i < x->n_checks; i++) {
		const struct check_spec *s = &x->checks[i];

		c[i] = (struct ctl_check){ .gate = s->role == ROLE_GATE,
					   .unknown_ok = s->no_data == NO_DATA_UNKNOWN,
					   .fail_after = (unsigned)s->fail_after,
					   .pass_after = (unsigned)s->pass_after,
					   .every_ns = s->every_ns,
					   .timeout_ns = s->timeout_ns };
	}
	r->config.checks = c;
	r->config.nchecks = x->n_checks;
	return 0;
}

static int fill_recovery(struct run *r, const struct fault_item *item, struct ctl_recover *ret,
			 struct err *e)
{
	const struct recovery *rec = &item->recovers_within;
	unsigned *list = NULL;

	*ret = (struct ctl_recover){ .given = true,
				     .within_ns = rec->within_ns,
				     .stable_ns = rec->stable_ns };
	if (rec->checks.n) {
		list = arena_zalloc(&r->arena, rec->checks.n * sizeof(*list));
		if (!list)
			return err_set(e, ENOMEM, "no memory for the checks");
	}
	for (size_t i = 0; i < rec->checks.n; i++)
		list[i] = check_index(r->rq->x, rec->check[i]);
	ret->checks = list;
	ret->nchecks = rec->checks.n;
	return 0;
}

static int64_t longest(const struct planned_fault *f, int64_t (*of)(const struct change_spec *s))
{
	int64_t ns = 0;

	for (unsigned i = 0; i < f->n_changes; i++) {
		int64_t one = of(&f->change[i]);

		ns = one > ns ? one : ns;
	}
	return ns;
}

/* Where a disk can only be filled by writing, that may go on until its time is over. */
static int64_t landing(const struct planned_fault *f)
{
	for (unsigned i = 0; i < f->n_changes; i++) {
		if (f->change[i].kind == CHANGE_FILL)
			return f->item->for_ns;
	}
	return longest(f, change_land_ns);
}

static int fill_faults(struct run *r, struct err *e)
{
	const struct run_plan *p = r->rq->plan;
	struct ctl_fault *f = arena_zalloc(&r->arena, (p->n_faults + 1) * sizeof(*f));

	if (!f)
		return err_set(e, ENOMEM, "no memory for the faults");
	for (unsigned i = 0; i < p->n_faults; i++) {
		const struct fault_item *item = p->fault[i].item;
		int rc = item->has_recovery ? fill_recovery(r, item, &f[i].recover, e) : 0;

		if (rc < 0)
			return rc;
		f[i].after_ns = item->after_ns;
		f[i].for_ns = item->for_ns;
		f[i].one_shot = item->for_ns == 0;
		f[i].land_ns = landing(&p->fault[i]);
		f[i].drain_ns = longest(&p->fault[i], change_drain_ns);
	}
	r->config.faults = f;
	r->config.nfaults = p->n_faults;
	return 0;
}

static int fill_rules(struct run *r, struct err *e)
{
	const struct list *when = &r->rq->x->abort.when;
	const struct abort_rule *rules = when->at;
	struct ctl_rule *c = arena_zalloc(&r->arena, (when->n + 1) * sizeof(*c));

	if (!c)
		return err_set(e, ENOMEM, "no memory for the abort rules");
	for (size_t i = 0; i < when->n; i++)
		c[i] = (struct ctl_rule){ .check = check_index(r->rq->x, rules[i].check),
					  .is = rules[i].is,
					  .for_ns = rules[i].for_ns };
	r->config.rules = c;
	r->config.nrules = when->n;
	return 0;
}

int run_build_config(struct run *r, struct err *e)
{
	const struct experiment *x = r->rq->x;
	int rc = r->rq->plan->n_faults > PROTO_FAULTS ?
			 err_set(e, E2BIG, "more than %d faults in one run", PROTO_FAULTS) :
			 fill_checks(r, e);

	if (rc == 0)
		rc = fill_faults(r, e);
	if (rc == 0)
		rc = fill_rules(r, e);
	if (rc < 0)
		return rc;
	r->config.hold_command = r->rq->command != NULL;
	r->config.limit_ns = x->limits.duration_ns ? x->limits.duration_ns :
			     r->rq->command        ? command_max(r->rq) :
						     0;
	r->config.undo_ns = x->abort.revert_within_ns;
	r->check = arena_zalloc(&r->arena, (x->n_checks + 1) * sizeof(*r->check));
	r->fault = arena_zalloc(&r->arena, (r->config.nfaults + 1) * sizeof(*r->fault));
	if (!r->check || !r->fault)
		return err_set(e, ENOMEM, "no memory for the run");
	r->ctl = controller_new(&r->config, &r->arena, e);
	return r->ctl ? 0 : -e->code;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The process that serves this check: one per kind, namespace and user. */
static struct run_prober *prober_for(struct run *r, bool launcher, const char *netns,
				     const char *user)
{
	for (unsigned i = 0; i < r->n_probers; i++) {
		struct run_prober *p = &r->prober[i];

		if (p->launcher == launcher && same(p->netns, netns) && same(p->user, user))
			return p;
	}
	return NULL;
}

static int start_prober(struct run *r, bool launcher, const char *netns, const char *user,
			char *const *command, struct err *e)
{
	struct run_prober *p = &r->prober[r->n_probers];
	struct netns_ref ref = { 0 };
	AUTO(auto_close) int fd = -1;
	struct probe_user who;
	char path[PATH_MAX];
	int rc = user ? probe_user_named(user, &who, e) : probe_user_find(&who, e);

	if (r->n_probers == RUN_PROBERS)
		return err_set(e, E2BIG, "checks in more than %d namespaces", RUN_PROBERS);
	if (rc == 0 && netns) {
		rc = netns_identify(netns, &ref, e);
		rc = rc < 0 ? rc : netns_open(&ref, &fd, e);
	}
	if (rc < 0)
		return rc;
	*p = (struct run_prober){
		.p = PROBER_NONE, .launcher = launcher, .netns = netns, .user = user
	};
	if (launcher) {
		rc = launcher_start(fd, &who, command, &p->p, e);
	} else {
		rc = own_executable("brink-prober", path, sizeof(path), e);
		rc = rc < 0 ? rc : prober_start(path, fd, &who, &p->p, e);
	}
	if (rc == 0)
		r->n_probers++;
	return rc;
}

static int add_check(struct run *r, unsigned i, struct err *e)
{
	const struct check_spec *c = &r->rq->x->checks[i];
	bool launcher = c->source == CHECK_COMMAND;
	const char *user = launcher ? c->user : NULL;
	struct probe_spec *spec = arena_zalloc(&r->arena, sizeof(*spec));
	struct run_prober *p = prober_for(r, launcher, c->netns, user);
	int rc = spec ? probe_spec_make(c, spec, e) : err_set(e, ENOMEM, "no memory for a check");

	if (rc == 0 && !p) {
		rc = start_prober(r, launcher, c->netns, user, NULL, e);
		if (rc == 0)
			p = &r->prober[r->n_probers - 1];
	}
	return rc < 0 ? rc : prober_add(&p->p, i, spec, e);
}

int run_start_probers(struct run *r, struct err *e)
{
	int rc = 0;

	r->command_prober = -1;
	if (r->rq->command) {
		rc = start_prober(r, true, NULL, NULL, r->rq->command, e);
		r->command_prober = 0;
	}
	for (unsigned i = 0; i < r->config.nchecks && rc == 0; i++) {
		rc = add_check(r, i, e);
		if (rc < 0)
			err_ctx(e, "check '%s'", r->rq->x->checks[i].id);
	}
	return rc;
}

static int start_resolver(struct run *r, struct err *e)
{
	struct resolver_item *at = arena_zalloc(&r->arena, r->names.n * sizeof(*at));
	const struct resolver_job job = { r->names.n, at };
	struct probe_user who;
	int rc = at ? probe_user_find(&who, e) : err_set(e, ENOMEM, "no memory for the names");

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < r->names.n; i++) {
		const struct name_item *item = &r->names.item[i];

		at[i].name = item->plan->name;
		if (item->plan->routed)
			at[i].netns = change_netns(&r->rq->plan->fault[item->fault].change[0]);
	}
	return resolver_start(&job, &who, &r->resolver, e);
}

int run_start_resolver(struct run *r, struct err *e)
{
	const struct run_request *rq = r->rq;
	const struct names_of of = { rq->plan, rq->flows, rq->policy, &rq->x->limits };
	int rc = names_new(&of, &r->arena, &r->names, e);

	return rc < 0 || !r->names.n ? rc : start_resolver(r, e);
}

/* What is lost without root, mostly. */
static void keep_note(void *arg, const struct kmsg *m)
{
	struct run *r = arg;

	if (m->type == KMSG_NOTE && r->n_early < RUN_EARLY)
		snprintf(r->early[r->n_early++], sizeof(r->early[0]), "%.159s", m->u.text);
}

static int ask(struct run *r, struct kmsg *m, struct err *e)
{
	int64_t until = clock_mono_ns() + SETUP_NS + r->rq->lock_timeout_ns;

	return keeper_client_ask(&r->keeper, m, until, keep_note, r, e);
}

/* Of faults that end together, and of the last one. */
static int64_t longest_drain(const struct run *r)
{
	int64_t ns = 0;

	for (size_t i = 0; i < r->config.nfaults; i++) {
		if (r->config.faults[i].drain_ns > ns)
			ns = r->config.faults[i].drain_ns;
	}
	return ns;
}

static int ask_begin(struct run *r, struct err *e)
{
	const struct run_request *rq = r->rq;
	struct kmsg m = { .type = KMSG_BEGIN };
	struct kmsg_begin *b = &m.u.begin;
	char when[32], self[PROTO_DIR] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	snprintf(b->run_id, sizeof(b->run_id), "%s", rq->plan->run_id);
	snprintf(b->name, sizeof(b->name), "%s", rq->x->name);
	snprintf(b->started, sizeof(b->started), "%s",
		 clock_iso(clock_wall_ns(), when, sizeof(when)));
	snprintf(b->state_dir, sizeof(b->state_dir), "%s", rq->paths->state);
	snprintf(b->brink, sizeof(b->brink), "%s", n > 0 ? self : "");
	b->starter_uid = getuid();
	b->duration_ns = (rq->command ? command_max(rq) : rq->plan->longest_ns) +
			 controller_before_ns(r->ctl) + ROOM_NS + longest_drain(r);
	b->lock_timeout_ns = rq->lock_timeout_ns;
	b->fault_max_ns = rq->fault_max_ns;
	b->max_faults = rq->plan->n_faults;
	b->control_gid = control_group();
	return ask(r, &m, e);
}

static int ask_fault(struct run *r, unsigned i, struct err *e)
{
	const struct planned_fault *f = &r->rq->plan->fault[i];
	struct kmsg m = { .type = KMSG_FAULT };
	int rc;

	m.u.fault.for_ns = f->item->for_ns;
	snprintf(m.u.fault.label, sizeof(m.u.fault.label), "%s", f->item->id);
	rc = ask(r, &m, e);
	for (unsigned k = 0; k < f->n_changes && rc == 0; k++) {
		m = (struct kmsg){ .type = KMSG_ADD };
		m.u.spec = f->change[k];
		rc = ask(r, &m, e);
	}
	return rc < 0 ? err_ctx(e, "fault '%s'", f->item->id) : 0;
}

/* Processes that were not there yet when the shield was found. */
static void shield_process(struct shield *s, pid_t pid)
{
	struct err ignored;
	uint64_t start = 0;

	if (s->n_procs < SHIELD_PROCS && proc_start_ticks(pid, &start, &ignored) == 0)
		s->proc[s->n_procs++] = (struct shield_proc){ .pid = pid,
							      .role = SHIELD_SELF,
							      .start_ticks = start };
}

int run_start_keeper(struct run *r, struct err *e)
{
	const struct plan_pool *pool = &r->rq->plan->pool;
	struct kmsg m = { .type = KMSG_SHIELD };
	AUTO(auto_close) int addresses = pool->n ? pool_seal(pool->at, pool->n, e) : -1;
	int rc = pool->n && addresses < 0 ? addresses : 0;

	if (rc == 0)
		rc = keeper_client_start(&r->keeper, addresses, e);
	r->keeper.stop_fd = r->signals;

	m.u.shield = *r->rq->shield;
	for (unsigned i = 0; i < r->n_probers; i++)
		shield_process(&m.u.shield, r->prober[i].p.pid);
	if (r->resolver.pid > 0)
		shield_process(&m.u.shield, r->resolver.pid);

	/* from here on nothing in this process needs a right: not the loop, not the report */
	if (rc == 0)
		rc = sandbox_keep_caps(0, e);
	if (rc == 0)
		rc = ask_begin(r, e);
	if (rc == 0)
		rc = ask(r, &m, e);
	for (unsigned i = 0; i < r->rq->plan->n_faults && rc == 0; i++)
		rc = ask_fault(r, i, e);
	/* with the locks taken: who had them while we waited may have died and left something */
	return rc == 0 ? leftovers_check(r->rq->paths, r->rq->plan, e) : rc;
}
