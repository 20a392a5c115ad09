/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/io.h"
#include "inject/cgroup.h"
#include "inject/kernel_has.h"
#include "runner/commands.h"
#include "runner/keeper_client.h"
#include "runner/leftovers.h"
#include "runner/say.h"
#include "safety/scratch.h"
#include "safety/systemd.h"
#include "scenarios/experiment.h"
#include "scenarios/policy.h"

enum level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL };

/* What is asked about. Without a FILE: all of it. */
enum need {
	NEED_GATE = 1,  /* nftables with owner */
	NEED_NETEM = 2, /* egress hook, ifb, netem */
	NEED_PAUSE = 4,
	NEED_FILL = 8,
	NEED_PROBER = 16,
	NEED_RESET = 32,
	NEED_DEVICE = 64, /* rtnetlink, or a socket */
	NEED_KILL = 128,
	NEED_NETWORK = NEED_GATE | NEED_NETEM | NEED_RESET | NEED_DEVICE,
};

/* What each fault cannot do without. */
static const struct {
	const char *fault;
	enum need need;
} needs[] = {
	{ "net.drop", NEED_GATE },     { "net.partition", NEED_GATE },
	{ "net.dns", NEED_GATE },      { "net.delay", NEED_NETEM },
	{ "net.loss", NEED_NETEM },    { "net.duplicate", NEED_NETEM },
	{ "net.corrupt", NEED_NETEM }, { "net.reorder", NEED_NETEM },
	{ "net.rate", NEED_NETEM },    { "net.slot", NEED_NETEM },
	{ "net.impair", NEED_NETEM },  { "proc.pause", NEED_PAUSE },
	{ "disk.fill", NEED_FILL },    { "net.reset", NEED_RESET },
	{ "proc.kill", NEED_KILL },    { "net.port_taken", NEED_DEVICE },
	{ "net.mtu", NEED_DEVICE },    { "net.link_down", NEED_DEVICE },
};

/* "net.delay net.loss ..." */
static const char *faults_with(unsigned need, char *buf, size_t size)
{
	struct text t = text_on(buf, size);

	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (needs[i].need & need)
			text_add(&t, "%s%s", t.len ? " " : "", needs[i].fault);
	}
	return buf;
}

struct doctor {
	const struct options *o;
	struct scratch_result tried[SCRATCH_COUNT];
	unsigned need;
	bool failed;
	json_t *lines;
	bool root;
};

static const char *const words[] = {
	[LEVEL_OK] = "ok", [LEVEL_WARN] = "warn", [LEVEL_FAIL] = "FAIL"
};

/* help: NULL, or lines that end with '\n', each "how to get it". */
static void say(struct doctor *d, enum level level, const char *help, const char *fmt, ...)
	PRINTF_FMT(4, 5);

static void say(struct doctor *d, enum level level, const char *help, const char *fmt, ...)
{
	static const enum say_color colors[] = {
		[LEVEL_OK] = SAY_GREEN, [LEVEL_WARN] = SAY_YELLOW, [LEVEL_FAIL] = SAY_RED
	};
	bool color = options_color(d->o, STDOUT_FILENO);
	char line[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	d->failed |= level == LEVEL_FAIL;
	if (d->o->json) {
		json_array_append_new(d->lines, json_pack("{s:s, s:s, s:s}", "level", words[level],
							  "text", line, "help", help ? help : ""));
		return;
	}
	if (d->o->quiet && level == LEVEL_OK)
		return;
	printf("  %s%-4s%s  %s\n", say_on(color, colors[level]), words[level],
	       say_off(color, colors[level]), line);
	while (help && *help) {
		int n = (int)strcspn(help, "\n");

		printf("          %.*s\n", n, help);
		help += n + (help[n] == '\n');
	}
}

static bool read_text(const char *path, char *buf, size_t size)
{
	return io_read_file(AT_FDCWD, path, buf, size) >= 0;
}

/* ---- the kernel ---- */

static void look_at_kernel(struct doctor *d)
{
	struct utsname u = { 0 };
	struct stat st;
	int fd = pidfd_open(getpid(), 0);
	bool v2 = stat("/sys/fs/cgroup/cgroup.controllers", &st) == 0;
	bool gate = d->tried[SCRATCH_OWNER].state == SCRATCH_OK;

	uname(&u);
	if (fd < 0)
		say(d, LEVEL_FAIL, "brink needs kernel 5.14 or later\n", "kernel %s has no pidfd",
		    u.release);
	else
		say(d, LEVEL_OK, NULL, "kernel %s%s, pidfd%s", u.release, v2 ? ", cgroup v2" : "",
		    gate ? ", nftables with owner flag" : "");
	auto_close(&fd);
}

static void explain_namespaces(struct doctor *d)
{
	static const char *const knobs[][2] = {
		{ "/proc/sys/user/max_user_namespaces", "0" },
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1" },
	};
	const struct scratch_result *r = &d->tried[SCRATCH_NETNS],
				    *identity = &d->tried[SCRATCH_IDENTITY];
	char value[32], names[300];

	if (!(d->need & NEED_NETWORK))
		return;
	if (r->state == SCRATCH_OK) {
		if (!d->root)
			say(d, LEVEL_OK, NULL, "user and network namespaces for this user");
		if (identity->state != SCRATCH_OK)
			say(d, LEVEL_FAIL, NULL, "%s: %s",
			    faults_with(NEED_NETWORK, names, sizeof(names)), identity->text);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(knobs); i++) {
		if (read_text(knobs[i][0], value, sizeof(value)) &&
		    strcmp(value, knobs[i][1]) == 0) {
			say(d, LEVEL_FAIL, "or run brink as root\n",
			    "no user namespaces: %s is %s (network faults were not tried)",
			    knobs[i][0], value);
			return;
		}
	}
	say(d, LEVEL_FAIL, "or run brink as root\n",
	    "no namespace of its own for network faults: %s", r->text);
}

/* Else explain_namespaces() has said why not. */
static bool was_tried(const struct doctor *d, unsigned need)
{
	return (d->need & need) && d->tried[SCRATCH_IDENTITY].state == SCRATCH_OK;
}

static const char egress_help[] =
	"the egress hook needs kernel 5.16 or later, CONFIG_NETFILTER_EGRESS; direction: in, and "
	"net.drop with a reply, do without it\n";

static void look_at_gate(struct doctor *d)
{
	const struct scratch_result *egress = &d->tried[SCRATCH_EGRESS],
				    *r = &d->tried[SCRATCH_OWNER];
	char names[200], path[PATH_MAX];

	if (!was_tried(d, NEED_GATE | NEED_NETEM))
		return;
	faults_with(NEED_GATE, names, sizeof(names));
	if (r->state == SCRATCH_OK) {
		say(d, LEVEL_OK, NULL, "%s", names);
		say(d, LEVEL_OK, NULL,
		    "undo after SIGKILL: nftables owner table vanished with its process after %.1f ms (tested)",
		    (double)r->took_ns / (double)NS_PER_MS);
		if (egress->state == SCRATCH_FAILED)
			say(d, LEVEL_WARN, egress_help,
			    "%s: what goes out cannot be dropped in silence: tried: an nft chain in the egress hook: %s",
			    names, egress->text);
	} else if (r->state == SCRATCH_WOULD_LOAD) {
		say(d, LEVEL_WARN, NULL, "%s: not tried, a run would load these kernel modules: %s",
		    names, r->text);
	} else {
		say(d, LEVEL_FAIL,
		    "needs nf_tables with owner flag: kernel 5.12 or later, CONFIG_NF_TABLES\n",
		    "%s: tried: an nft table with an owner: %s", names, r->text);
	}
	if (cgroup2_path("/any", path, sizeof(path)) < 0)
		say(d, LEVEL_WARN,
		    "boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2\n",
		    "no cgroup v2: no network fault can be aimed at a cgroup, unit, container or process");
}

static void look_at_devices(struct doctor *d)
{
	const struct scratch_result *r = &d->tried[SCRATCH_RESET];
	char names[200];

	if (was_tried(d, NEED_DEVICE))
		say(d, LEVEL_OK, NULL, "%s", faults_with(NEED_DEVICE, names, sizeof(names)));
	if (!was_tried(d, NEED_RESET))
		return;
	faults_with(NEED_RESET, names, sizeof(names));
	if (r->state == SCRATCH_OK)
		say(d, LEVEL_OK, NULL, "%s (SOCK_DESTROY: tested)", names);
	else if (r->state == SCRATCH_WOULD_LOAD)
		say(d, LEVEL_WARN, NULL, "%s: not tried, a run would load these kernel modules: %s",
		    names, r->text);
	else
		say(d, LEVEL_FAIL, NULL, "%s: %s", names, r->text);
}

static void look_at_netem(struct doctor *d)
{
	/* the first one says what user space does instead */
	static const char packages[] =
		"with direction: in  all but net.duplicate and net.slot work without it, in user "
		"space, by a packet queue\n"
		"Debian          apt install linux-image-amd64 (not the cloud kernel)\n"
		"Ubuntu          apt install linux-modules-extra-$(uname -r) && modprobe sch_netem\n"
		"Fedora/RHEL     dnf install kernel-modules-extra\n"
		"WSL2            needs a kernel built with CONFIG_NET_SCH_NETEM and CONFIG_IFB\n"
		"until then      net.drop with a share works without it\n";
	const struct scratch_result *egress = &d->tried[SCRATCH_EGRESS],
				    *r = &d->tried[SCRATCH_NETEM];
	char names[200];
	struct err ignored;

	if (!was_tried(d, NEED_NETEM))
		return;
	faults_with(NEED_NETEM, names, sizeof(names));
	if (egress->state == SCRATCH_FAILED)
		say(d, LEVEL_FAIL, egress_help, "%s: tried: an nft chain in the egress hook: %s",
		    names, egress->text);
	if (r->state == SCRATCH_FAILED)
		say(d, LEVEL_FAIL,
		    kernel_has_queue(&ignored) == 0 ? packages : strchr(packages, '\n') + 1,
		    "%s: tried: qdisc netem on a scratch ifb device: %s", names, r->text);
	else if (r->state == SCRATCH_WOULD_LOAD)
		say(d, LEVEL_WARN, NULL,
		    "%s: not tried, a run would load these kernel modules, which then stay: %s",
		    names, r->text);
	else if (egress->state == SCRATCH_OK)
		say(d, LEVEL_OK, NULL, "%s (netem on a scratch ifb device: tested)", names);
}

/* ---- processes and files ---- */

/* Where the second hierarchy is mounted: "/sys/fs/cgroup", or ".../unified" beside the old ones. */
static bool has_freezer(void)
{
	static const char *const tops[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char path[PATH_MAX], text[4096], *own;

	if (!read_text("/proc/self/cgroup", text, sizeof(text)))
		return false;
	own = strstr(text, "0::/");
	if (!own)
		return false;
	own += 3;
	own[strcspn(own, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		struct stat st;

		snprintf(path, sizeof(path), "%s/cgroup.controllers", tops[i]);
		if (stat(path, &st) < 0)
			continue;
		snprintf(path, sizeof(path), "%s%s/cgroup.freeze", tops[i], own);
		return own[1] == '\0' ||
		       access(path, W_OK) == 0; /* the root of the tree has no such file */
	}
	return false;
}

static void look_at_processes(struct doctor *d)
{
	const struct scratch_result *r = &d->tried[SCRATCH_PTRACE];
	char yama[32] = "";

	if (d->need & NEED_KILL)
		say(d, LEVEL_OK, NULL, "proc.kill");
	if (!(d->need & NEED_PAUSE))
		return;
	read_text("/proc/sys/kernel/yama/ptrace_scope", yama, sizeof(yama));
	if (r->state == SCRATCH_OK)
		say(d, LEVEL_OK, NULL,
		    "proc.pause (ptrace on a process that is not brink's child: tested)");
	else
		say(d, LEVEL_WARN, NULL,
		    "proc.pause: ptrace: %s%s%s: works for processes brink may trace; else by SIGSTOP, guarded",
		    r->text, yama[0] ? ", yama ptrace_scope=" : "", yama);
	if (!has_freezer())
		say(d, LEVEL_WARN, NULL,
		    "proc.pause of a whole cgroup: no cgroup v2 freezer that may be written here");
}

static void look_at_files(struct doctor *d)
{
	const struct scratch_result *r = &d->tried[SCRATCH_TMPFILE];

	if (!(d->need & NEED_FILL))
		return;
	if (r->state == SCRATCH_OK)
		say(d, LEVEL_OK, NULL, "disk.fill (a file without a name on /tmp: tested)");
	else
		say(d, LEVEL_FAIL, NULL, "disk.fill: on /tmp: %s", r->text);
}

/* ---- brink itself ---- */

static void look_at_parts(struct doctor *d)
{
	static const char *const parts[] = { "brink-keeper", "brink-prober" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct err e = { 0 };

		if (i == 1 && !(d->need & NEED_PROBER))
			continue;
		if (own_executable(parts[i], path, sizeof(path), &e) < 0)
			say(d, LEVEL_FAIL, "make install puts it there\n", "%s", e.msg[0]);
	}
}

static void look_at_guard(struct doctor *d)
{
	const struct systemd_host *host = NULL;
	struct err e = { 0 };

	if (!d->root)
		say(d, LEVEL_WARN, NULL,
		    "not root: own namespaces and own processes only; no timer in PID 1");
	else if (systemd_find(&host, &e) < 0)
		say(d, LEVEL_WARN, NULL, "%s; keeper and spare still undo", e.msg[0]);
	else if (access("/usr/bin/systemd-run", X_OK) < 0 && access("/bin/systemd-run", X_OK) < 0)
		say(d, LEVEL_WARN, NULL, "no systemd-run: no dead-man timer in PID 1");
	else
		say(d, LEVEL_OK, NULL,
		    "dead-man timer: systemd is PID 1 and has systemd-run (not tried)");
	if (d->tried[SCRATCH_REALTIME].state != SCRATCH_OK)
		say(d, LEVEL_WARN, NULL, "the keeper gets no real-time priority: %s",
		    d->tried[SCRATCH_REALTIME].text);
	if (d->tried[SCRATCH_MEMLOCK].state != SCRATCH_OK)
		say(d, LEVEL_WARN, NULL, "the keeper cannot lock its memory: %s",
		    d->tried[SCRATCH_MEMLOCK].text);
}

static void look_at_leftovers(struct doctor *d)
{
	struct left_runs l = { 0 };
	struct err e = { 0 };
	struct paths p;
	size_t left = 0;
	char buf[ERR_LINE * 2], help[100];

	paths_find(&p);
	if (leftovers_find(&p, false, &l, &e) < 0) {
		say(d, LEVEL_FAIL, NULL, "%s", err_format(&e, buf, sizeof(buf)));
		return;
	}
	for (size_t i = 0; i < l.n; i++) {
		if (l.at[i].life != RUN_LEFT && !(l.at[i].life == RUN_BLIND && !l.at[i].foreign))
			continue;
		left++;
		snprintf(help, sizeof(help), "write: %sbrink revert %s\n", p.root ? "sudo " : "",
			 l.at[i].id);
		say(d, LEVEL_FAIL, help, "run %s died and is not clean", l.at[i].id);
	}
	if (!left)
		say(d, LEVEL_OK, NULL, "no leftovers from earlier runs");
	leftovers_done(&l);
}

static void look_at_policy(struct doctor *d)
{
	struct policy p;
	struct diags diags = { 0 };
	struct err e = { 0 };
	char buf[ERR_LINE * 4];
	int rc = policy_load(&policy_place, NULL, &p, &diags, &e);

	if (rc == -EBADMSG)
		say(d, LEVEL_FAIL, "until it is right, every run is refused\n",
		    "%s/policy.yaml has %u mistake%s", POLICY_DIR, diags.errors,
		    diags.errors == 1 ? "" : "s");
	else if (rc < 0)
		say(d, LEVEL_FAIL, "until it is right, every run is refused\n", "%s",
		    err_format(&e, buf, sizeof(buf)));
	else if (!p.n_files)
		say(d, LEVEL_WARN, NULL,
		    "no %s/policy.yaml: built-in limits apply (30 min a fault, 2 h a run, shield on)",
		    POLICY_DIR);
	else
		say(d, LEVEL_OK, NULL, "policy: %u file%s in %s", p.n_files,
		    p.n_files == 1 ? "" : "s", POLICY_DIR);
	if (rc == 0)
		policy_done(&p);
	if (rc == -EBADMSG && !d->o->json)
		diags_print(&diags, stderr);
	diags_done(&diags);
}

/* ---- with a FILE ---- */

static unsigned need_of(const char *fault)
{
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (strcmp(needs[i].fault, fault) == 0)
			return needs[i].need;
	}
	return 0;
}

static int read_needs(const struct options *o, unsigned *ret)
{
	const struct load_options how = { .n_vars = o->vars.n,
					  .vars = o->vars.at,
					  .n_var_files = o->var_files.n,
					  .var_files = o->var_files.at };
	struct diags diags = { 0 };
	struct experiment x;
	struct err e = { 0 };
	int rc = experiment_load(o->args.at[0], &how, &x, &diags, &e);

	*ret = 0;
	diags_print(&diags, stderr);
	diags_done(&diags);
	if (rc == -EBADMSG)
		return EXIT_INVALID;
	if (rc < 0) {
		say_error(o, &e);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < x.n_faults; i++)
		*ret |= need_of(x.faults[i].ops->name);
	for (size_t i = 0; i < x.n_checks; i++)
		*ret |= x.checks[i].source == CHECK_COMMAND ? 0 : NEED_PROBER;
	experiment_done(&x);
	return EXIT_PASS;
}

int cmd_doctor(const struct options *o)
{
	struct doctor d = { .o = o, .need = UINT_MAX, .root = paths_is_root() };
	struct err e = { 0 };
	int rc = o->args.n ? read_needs(o, &d.need) : EXIT_PASS;

	if (rc != EXIT_PASS)
		return rc;
	fflush(stdout); /* children must not print it again */
	if (scratch_try(d.tried, &e) < 0) {
		say_error(o, &e);
		return EXIT_UNABLE;
	}
	d.lines = json_array();
	look_at_kernel(&d);
	explain_namespaces(&d);
	look_at_gate(&d);
	look_at_netem(&d);
	look_at_devices(&d);
	look_at_processes(&d);
	look_at_files(&d);
	look_at_guard(&d);
	look_at_parts(&d);
	look_at_leftovers(&d);
	look_at_policy(&d);
	if (o->json) {
		json_t *all = json_pack("{s:b, s:O}", "ok", !d.failed, "lines", d.lines);

		json_dumpf(all, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(all);
	}
	json_decref(d.lines);
	return d.failed ? EXIT_UNABLE : EXIT_PASS;
}
