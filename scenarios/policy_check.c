/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "scenarios/policy_parts.h"

/* Where a maximum of the policy stands, as the root cause of a refusal. */
static int refuse_max(const struct policy_limit *l, const char *key, struct err *e)
{
	if (l->at.file)
		return err_set(e, EPERM, "max.%s in %s:%u; only root may change it", key,
			       l->at.file, l->at.line);
	return err_set(e, EPERM, "built-in limit; root may raise it with max.%s in %s/policy.yaml",
		       key, POLICY_DIR);
}

static int too_long(const char *what, int64_t ns, const struct policy_limit *l, const char *key,
		    struct err *e)
{
	char a[64], b[64];
	struct text is = text_on(a, sizeof(a)), most = text_on(b, sizeof(b));

	units_add_duration(&is, ns);
	units_add_duration(&most, l->value);
	refuse_max(l, key, e);
	return err_ctx(e, "%s %s, %s at most", what, a, b);
}

static int own_limit(const struct limits *l, const char *key, struct err *e)
{
	return err_set(e, EPERM, "limits.%s in %s:%u; who owns the experiment may change it", key,
		       l->bound.pos.file ? l->bound.pos.file : "the experiment", l->bound.pos.line);
}

int policy_check_run(const struct policy *p, const struct limits *l, const struct policy_run *run,
		     struct err *e)
{
	if (p->run_ns.value && run->longest_ns > p->run_ns.value)
		return too_long("the run can last", run->longest_ns, &p->run_ns, "run", e);
	if (p->faults.value && run->n_faults > (size_t)p->faults.value) {
		refuse_max(&p->faults, "faults", e);
		return err_ctx(e, "%zu faults in one run, %lld at most", run->n_faults,
			       (long long)p->faults.value);
	}
	if (l->duration_ns && run->hold_ns > l->duration_ns) {
		own_limit(l, "duration", e);
		return err_ctx(e, "the last fault ends later than the run may last");
	}
	return 0;
}

static int own_rule(struct policy_rule *r, const char *key, const char *value, struct err *e)
{
	switch (key[0]) {
	case 'p':
		r->path = value;
		break;
	case 'c':
		r->cgroup = value;
		break;
	case 'u':
		r->user = value;
		return user_find(value, &r->uid, e);
	default:
		r->flow = value;
		return endpoint_parse(value, &r->end, e);
	}
	return value[0] == '/' ? 0 : err_set(e, EINVAL, "'%.80s' does not begin with /", value);
}

/* limits.deny as rules. */
static int own_rules_make(const struct deny *d, struct policy_judge *ret, struct err *e)
{
	const struct {
		const char *key;
		const struct strings *list;
	} lists[] = { { "paths", &d->paths },
		      { "flows", &d->flows },
		      { "users", &d->users },
		      { "cgroups", &d->cgroups } };

	ret->own =
		calloc(d->paths.n + d->flows.n + d->users.n + d->cgroups.n + 1, sizeof(*ret->own));
	if (!ret->own)
		return err_set(e, ENOMEM, "no memory for limits.deny");
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		for (size_t k = 0; k < lists[i].list->n; k++) {
			struct policy_rule *r = &ret->own[ret->n_own++];

			r->bound.pos = d->bound.pos;
			if (own_rule(r, lists[i].key, lists[i].list->at[k], e) == 0)
				continue;
			err_ctx(e, "limits.deny.%s", lists[i].key);
			e->code = EINVAL;
			err_at(e, d->bound.pos);
			return -EINVAL;
		}
	}
	return 0;
}

static void add_word(struct text *t, const char *word, const char *value)
{
	if (!value)
		return;
	text_add(t, "%s%s", t->len ? ", " : "", word);
	text_add_foreign(t, value, strlen(value));
}

/* "net.*, device lo" */
static void rule_add(const struct policy_rule *r, struct text *t)
{
	add_word(t, "", r->fault);
	add_word(t, "device ", r->device);
	add_word(t, "flow ", r->flow);
	add_word(t, "path ", r->path);
	add_word(t, "user ", r->user);
	add_word(t, "cgroup ", r->cgroup);
	add_word(t, "unit ", r->unit);
}

struct judge {
	const struct policy *p;
	const struct limits *limits;
	const struct policy_judge *own;
	const struct policy_rule *allowed_by; /* the first thing */
	int64_t n_procs;
};

/* The thing, then why not, then which rule says so and whose it is. */
static int refuse_denied(const struct judge *j, const struct policy_rule *r, const struct touch *t,
			 struct err *e)
{
	bool own = r >= j->own->own && r < j->own->own + j->own->n_own;
	char rule[60], thing[100], why[60];
	struct text rt = text_on(rule, sizeof(rule)), tt = text_on(thing, sizeof(thing));
	struct text wt = text_on(why, sizeof(why));

	rule_add(r, &rt);
	touch_describe(t, &tt);
	if (r->why)
		text_add_foreign(&wt, r->why, strlen(r->why));
	err_set(e, EPERM, "%s%.80s:%u:%u denies %s; %s", own ? "limits.deny in " : "",
		r->bound.pos.file ? r->bound.pos.file : "the experiment", r->bound.pos.line,
		r->bound.pos.col, rule,
		own ? "who owns the experiment may change it" : "only root may change it");
	return err_ctx(e, "must not touch %s%s%s%s", thing, r->why ? " (" : "", why,
		       r->why ? ")" : "");
}

static const struct policy_rule *first_allow(const struct policy *p)
{
	for (unsigned i = 0; i < p->n_files; i++) {
		if (p->file[i]->allow.n)
			return p->file[i]->allow.at;
	}
	return NULL;
}

static int refuse_unlisted(const struct policy *p, const struct touch *t, struct err *e)
{
	const struct policy_rule *r = first_allow(p);
	char thing[100];
	struct text tt = text_on(thing, sizeof(thing));

	touch_describe(t, &tt);
	err_set(e, EPERM, "allow in %.80s:%u names what may be touched; only root may change it",
		r ? r->bound.pos.file : POLICY_DIR, r ? r->bound.pos.line : 0);
	return err_ctx(e, "no rule of the policy allows %s for %s", t->fault, thing);
}

/* The first rule of a list that may hit: 1 with *ret, 0, or -errno. */
static int find_hit(const struct policy_rule *r, size_t n, const struct touch *t,
		    const struct policy_rule **ret, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = rule_may_hit(&r[i], t, e);
		if (rc > 0)
			*ret = &r[i];
	}
	return rc;
}

static int find_denial(const struct judge *j, const struct touch *t, const struct policy_rule **ret,
		       struct err *e)
{
	int rc = find_hit(j->own->own, j->own->n_own, t, ret, e);

	for (unsigned i = 0; i < j->p->n_files && rc == 0; i++)
		rc = find_hit(j->p->file[i]->deny.at, j->p->file[i]->deny.n, t, ret, e);
	return rc;
}

static const struct policy_rule *find_allowance(const struct policy *p, const struct touch *t)
{
	for (unsigned i = 0; i < p->n_files; i++) {
		const struct policy_rule *r = p->file[i]->allow.at;

		for (size_t k = 0; k < p->file[i]->allow.n; k++) {
			if (rule_covers(&r[k], t))
				return &r[k];
		}
	}
	return NULL;
}

static int judge_touch(void *arg, const struct touch *t, struct err *e)
{
	struct judge *j = arg;
	const struct policy_rule *r = NULL;
	int rc = find_denial(j, t, &r, e);

	if (rc < 0)
		return rc;
	if (rc > 0)
		return refuse_denied(j, r, t, e);
	if (t->family == TOUCH_PROC && t->pid)
		j->n_procs++;
	if (!j->p->has_allow)
		return 0;
	r = find_allowance(j->p, t);
	if (!r)
		return refuse_unlisted(j->p, t, e);
	if (!j->allowed_by)
		j->allowed_by = r;
	return 0;
}

void policy_ctx_processes(const struct policy *p, const struct limits *l, struct err *e)
{
	int64_t most = policy_max_processes(p, l);

	if (most && most == l->processes)
		err_ctx(e, "limits.processes in %.100s:%u",
			l->bound.pos.file ? l->bound.pos.file : "?", l->bound.pos.line);
	else if (most && p->processes.at.file)
		err_ctx(e, "max.processes in %.100s:%u, which only root may change",
			p->processes.at.file, p->processes.at.line);
}

static int check_processes(const struct judge *j, struct err *e)
{
	int64_t most = policy_max_processes(j->p, j->limits);

	if (!most || j->n_procs <= most)
		return 0;
	if (most == j->limits->processes)
		own_limit(j->limits, "processes", e);
	else
		refuse_max(&j->p->processes, "processes", e);
	return err_ctx(e, "would hit %lld processes, %lld at most", (long long)j->n_procs,
		       (long long)most);
}

static void say_allowed(const struct judge *j, struct policy_verdict *ret)
{
	struct text t = text_on(ret->text, sizeof(ret->text));
	const struct policy *p = j->p;
	char rule[80];
	struct text rt = text_on(rule, sizeof(rule));

	ret->at = (struct src_pos){ 0 };
	if (j->allowed_by) {
		ret->at = j->allowed_by->bound.pos;
		rule_add(j->allowed_by, &rt);
		text_add(&t, "allowed by %s:%u (%s, at most ", ret->at.file, ret->at.line, rule);
	} else if (p->n_files) {
		text_add(&t, "not denied by %s%s (at most ", p->name[0],
			 p->n_files > 1 ? " and policy.d" : "");
	} else {
		text_add(&t, "allowed by the built-in limits (no %s/policy.yaml; at most ",
			 POLICY_DIR);
	}
	units_add_duration(&t, p->fault_ns.value);
	text_add(&t, ")");
}

static int judge_fault(struct judge *j, const struct policy_fault *f, struct err *e)
{
	int rc = 0;

	if (f->for_ns > j->p->fault_ns.value)
		return too_long("it holds for", f->for_ns, &j->p->fault_ns, "fault", e);
	for (unsigned i = 0; i < f->n_changes && rc == 0; i++)
		rc = touch_each(f->kind, &f->change[i], &f->pool, judge_touch, j, e);
	if (rc == 0 && j->p->has_allow && !j->allowed_by)
		rc = err_set(e, EPERM, "the policy cannot tell what this fault touches");
	return rc < 0 ? rc : check_processes(j, e);
}

int policy_judge_make(const struct policy *p, const struct limits *l, struct policy_judge *ret,
		      struct err *e)
{
	int rc;

	*ret = (struct policy_judge){ .p = p, .l = l };
	rc = own_rules_make(&l->deny, ret, e);
	if (rc < 0)
		policy_judge_done(ret);
	return rc;
}

int policy_judge_fault(const struct policy_judge *own, const struct policy_fault *f,
		       struct policy_verdict *ret, struct err *e)
{
	struct judge j = { .p = own->p, .limits = own->l, .own = own };
	int rc = judge_fault(&j, f, e);

	if (rc == 0)
		say_allowed(&j, ret);
	return rc;
}

void policy_judge_done(struct policy_judge *j)
{
	free(j->own);
	*j = (struct policy_judge){ 0 };
}

int policy_check_fault(const struct policy *p, const struct limits *l, const struct policy_fault *f,
		       struct policy_verdict *ret, struct err *e)
{
	struct policy_judge j;
	int rc = policy_judge_make(p, l, &j, e);

	if (rc < 0)
		return rc;
	rc = policy_judge_fault(&j, f, ret, e);
	policy_judge_done(&j);
	return rc;
}
