/* SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <string.h>

#include "base/clock.h"
#include "scenarios/load.h"
#include "scenarios/policy_parts.h"

#define DAY (INT64_C(24) * 3600 * NS_PER_S)

const struct field_table policy_rule_fields = {
	.name = "policy.rule",
	.doc = "one entry of allow or deny; all its keys must hold; a plain value is its fault",
	.size = sizeof(struct policy_rule),
	.scalar = "fault",
	.fields =
		(const struct field[]){
			{ "fault", FIELD_STRING, FIELD_LEAST_ONE,
			  offsetof(struct policy_rule, fault),
			  .doc = "kind of fault, or a pattern such as net.*" },
			{ "device", FIELD_STRING, FIELD_LEAST_ONE,
			  offsetof(struct policy_rule, device),
			  .doc = "packets on this network device, or on those that fit the pattern" },
			{ "flow", FIELD_STRING, FIELD_LEAST_ONE, offsetof(struct policy_rule, flow),
			  .doc = "packets with this end: ADDRESS[/LEN][:PORT[-PORT]][/tcp|/udp], * for any address" },
			{ "path", FIELD_STRING, FIELD_LEAST_ONE, offsetof(struct policy_rule, path),
			  .doc = "the tree below it, its file system, and processes that run a program of it" },
			{ "user", FIELD_STRING, FIELD_LEAST_ONE, offsetof(struct policy_rule, user),
			  .doc = "processes of this user, and faults on packets of its sockets: a name or a number" },
			{ "cgroup", FIELD_STRING, FIELD_LEAST_ONE,
			  offsetof(struct policy_rule, cgroup),
			  .doc = "processes in this cgroup or below it, and faults on packets of their sockets" },
			{ "unit", FIELD_STRING, FIELD_LEAST_ONE, offsetof(struct policy_rule, unit),
			  .doc = "processes of a systemd unit, and faults on packets of their sockets: its whole name, or a pattern such as postgresql@*.service" },
			{ "why", FIELD_STRING, 0, offsetof(struct policy_rule, why),
			  .doc = "the reason, shown to whoever is refused" },
			{ 0 },
		},
};

const struct field_table policy_max_fields = {
	.name = "policy.max",
	.doc = "the most of everything; the smallest of all files counts",
	.size = sizeof(struct policy_max),
	.fields =
		(const struct field[]){
			{ "fault", FIELD_DURATION, 0, offsetof(struct policy_max, fault_ns),
			  NS_PER_MS, 366 * DAY,
			  .doc = "longest time of one fault; 30m where no file says it" },
			{ "run", FIELD_DURATION, 0, offsetof(struct policy_max, run_ns), NS_PER_MS,
			  366 * DAY,
			  .doc = "longest run with its recovery; 2h where no file says it" },
			{ "processes", FIELD_INT, 0, offsetof(struct policy_max, processes), 1,
			  4194304, .doc = "most processes that a fault may hit" },
			{ "faults", FIELD_INT, 0, offsetof(struct policy_max, faults), 1, 1000000,
			  .doc = "most faults of a run" },
			{ 0 },
		},
};

const struct field_table policy_fields = {
	.name = "policy",
	.doc = "the whole file",
	.size = sizeof(struct policy_file),
	.fields =
		(const struct field[]){
			{ "brink_policy", FIELD_INT, FIELD_REQUIRED,
			  offsetof(struct policy_file, brink_policy), 1, 1000000,
			  .doc = "version of this format: 1" },
			{ "allow", FIELD_LIST, 0, offsetof(struct policy_file, allow),
			  .sub = &policy_rule_fields,
			  .doc = "what may be touched; with it, nothing else may" },
			{ "deny", FIELD_LIST, 0, offsetof(struct policy_file, deny),
			  .sub = &policy_rule_fields,
			  .doc = "what must not be touched; wins over allow" },
			{ "max", FIELD_BLOCK, 0, offsetof(struct policy_file, max),
			  .sub = &policy_max_fields, .doc = "the most of everything" },
			{ 0 },
		},
};

const struct field_table *const policy_tables[] = { &policy_fields, &policy_rule_fields,
						    &policy_max_fields, NULL };

/* A rule and where its parts stand. */
struct rule_place {
	struct policy_rule *r;
	const struct node *node;
	const struct fault_ops *const *faults;
	struct diags *d;
};

static struct span place_of(const struct rule_place *p, const char *key)
{
	const struct node *n = p->node->type == NODE_MAP ? node_get(p->node, key) : p->node;

	return n && n->type == NODE_SCALAR ? n->at :
					     (struct span){ p->node->at.line, p->node->at.col, 0 };
}

static void say_wrong(const struct rule_place *p, const char *key, const char *value,
		      const char *caret)
{
	char shown[300];
	struct diag *g = diag_add(p->d, DIAG_ERROR, MSG_POLICY_RULE, place_of(p, key),
				  "'%s' is no %s that a rule can have",
				  bind_shown(value, shown, sizeof(shown)), key);

	diag_caret(g, "%s", caret);
}

static unsigned family_of(const char *kind)
{
	return strncmp(kind, "net.", 4) == 0  ? TOUCH_NET :
	       strncmp(kind, "disk.", 5) == 0 ? TOUCH_DISK :
	       strncmp(kind, "proc.", 5) == 0 ? TOUCH_PROC :
						TOUCH_ANY;
}

/* What the faults that fit the pattern can touch; 0: none fits. Those of later versions count. */
static unsigned families_of(const struct rule_place *p)
{
	unsigned all = 0;

	for (size_t i = 0; p->faults[i]; i++) {
		if (fnmatch(p->r->fault, p->faults[i]->name, 0) == 0)
			all |= family_of(p->faults[i]->name);
	}
	for (size_t i = 0; load_later_kinds[i]; i++) {
		if (fnmatch(p->r->fault, load_later_kinds[i], 0) == 0)
			all |= family_of(load_later_kinds[i]);
	}
	return all;
}

static void check_fault(const struct rule_place *p)
{
	unsigned best = fields_tolerance(p->r->fault) + 1;
	const char *near = NULL;
	char caret[100];

	for (size_t i = 0; p->faults[i]; i++) {
		unsigned d = fields_distance(p->r->fault, p->faults[i]->name, best);

		if (d < best) {
			best = d;
			near = p->faults[i]->name;
		}
	}
	snprintf(caret, sizeof(caret), "%s%s%s",
		 near ? "did you mean '" : "no fault fits it. See: brink list faults",
		 near ? near : "", near ? "'?" : "");
	say_wrong(p, "fault", p->r->fault, caret);
}

/* A rule whose keys exclude each other would look like safety and be none. */
static void check_families(const struct rule_place *p)
{
	const struct policy_rule *r = p->r;
	unsigned kinds = r->fault ? families_of(p) : TOUCH_ANY, keys = TOUCH_ANY;
	struct diag *g;

	if (!kinds) {
		check_fault(p);
		return;
	}
	if (r->device || r->flow)
		keys &= TOUCH_NET;
	if (r->path)
		keys &= TOUCH_DISK | TOUCH_PROC;
	if (r->user || r->cgroup || r->unit)
		keys &= TOUCH_PROC | TOUCH_NET;
	if (keys & kinds)
		return;
	g = diag_add(p->d, DIAG_ERROR, MSG_NOT_HERE,
		     (struct span){ p->node->at.line, p->node->at.col, 0 },
		     "this rule can never fit: no fault has all of its keys");
	diag_note(
		g,
		"help: device and flow are of net faults, path of disk and proc faults, user, cgroup and unit "
		"of proc faults and of net faults that are aimed at one");
}

/* Numbers only: what a name stands for may change, and may need the network that is to be broken.
 */
static bool is_number(const char *flow)
{
	const char *end = strpbrk(flow, ":/");
	size_t len = end ? (size_t)(end - flow) : strlen(flow);
	unsigned dots = 0;

	if (flow[0] == '[' || (end && *end == ':' && strchr(end + 1, ':')))
		return strspn(flow, "[0123456789abcdefABCDEF:.]") >= strcspn(flow, "/]");
	if (len == 0 || (len == 1 && *flow == '*'))
		return true;
	for (size_t i = 0; i < len; i++)
		dots += flow[i] == '.';
	return dots == 3 && strspn(flow, "0123456789.") == len;
}

static void check_flow(const struct rule_place *p)
{
	struct policy_rule *r = p->r;
	struct err e = { 0 };

	if (!is_number(r->flow))
		say_wrong(p, "flow", r->flow, "write the address as a number, or * for any");
	else if (endpoint_parse(r->flow, &r->end, &e) < 0)
		say_wrong(p, "flow", r->flow, "write ADDRESS[/LEN][:PORT[-PORT]][/tcp|/udp]");
}

/* Those that have processes: systemd.unit(5). Without its end a name would fit nothing. */
static bool is_unit(const char *unit)
{
	static const char *const ends[] = { ".service", ".scope", ".slice", ".socket",
					    ".mount",   ".swap",  ".*",     "*" };
	size_t len = strlen(unit);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len >= n && strcmp(unit + len - n, ends[i]) == 0)
			return !strchr(unit, '/');
	}
	return false;
}

static void check_rule(const struct rule_place *p)
{
	struct policy_rule *r = p->r;
	struct err e = { 0 };

	check_families(p);
	if (r->flow)
		check_flow(p);
	if (r->path && r->path[0] != '/')
		say_wrong(p, "path", r->path, "write an absolute path");
	if (r->cgroup && r->cgroup[0] != '/')
		say_wrong(p, "cgroup", r->cgroup,
			  "write a path such as /system.slice/nginx.service");
	if (r->unit && !is_unit(r->unit))
		say_wrong(p, "unit", r->unit, "write a whole name such as nginx.service");
	if (r->user && user_find(r->user, &r->uid, &e) < 0)
		say_wrong(p, "user", r->user, e.msg[0]);
}

static void check_list(const struct list *list, const struct node *node,
		       const struct fault_ops *const *faults, struct diags *d)
{
	struct policy_rule *r = list->at;

	for (size_t i = 0; i < list->n; i++) /* bind_list made as many as there are items */
		check_rule(&(struct rule_place){ &r[i], node->item[i], faults, d });
}

static struct src_pos key_pos(const struct policy_file *f, const struct node *max, const char *key)
{
	const struct node *n = max && max->type == NODE_MAP ? node_get(max, key) : NULL;

	return n ? (struct src_pos){ f->bound.pos.file, n->at.line, n->at.col } :
		   (struct src_pos){ 0 };
}

void policy_understand(struct policy_file *f, const struct node *root,
		       const struct fault_ops *const *faults, struct diags *d)
{
	const struct node *max = node_get(root, "max");

	f->max.fault_at = key_pos(f, max, "fault");
	f->max.run_at = key_pos(f, max, "run");
	f->max.processes_at = key_pos(f, max, "processes");
	f->max.faults_at = key_pos(f, max, "faults");
	check_list(&f->allow, node_get(root, "allow"), faults, d);
	check_list(&f->deny, node_get(root, "deny"), faults, d);
}
