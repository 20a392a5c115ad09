/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/cgroup.h"
#include "scenarios/policy.h"
#include "scenarios/policy_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "inject/change/freeze.h"
#include "tests/support/test.h"

/* link: tests/fakes/fake_faults.c -Wl,--wrap=freeze_open,--wrap=cgroup2_find,--wrap=cgroup2_each */
#include "tests/fakes/fake_faults.h"

#define MINUTE INT64_C(60000000000)
#define HEAD   "brink_policy: 1\n"

/* A folder of its own in place of /etc/brink, and what was last asked. */
struct world {
	char dir[64];
	struct policy_place place;
	struct policy p;
	bool loaded;
	struct limits limits;
	struct diags d;
	struct err e;
	struct policy_verdict v;
	char said[ERR_DEPTH * ERR_LINE + 400];
};

static void forget(struct world *w)
{
	if (w->loaded)
		policy_done(&w->p);
	w->loaded = false;
	diags_done(&w->d);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	strcpy(w->dir, "/tmp/brink-policy-XXXXXX");
	*state = w;
	if (!mkdtemp(w->dir) || chmod(w->dir, 0755) < 0)
		return -1;
	w->place = (struct policy_place){ w->dir, getuid() };
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char cmd[100];
	int rc;

	forget(w);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", w->dir);
	rc = system(cmd);
	free(w);
	return rc;
}

static void put(const struct world *w, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/policy.d", w->dir);
	if (strchr(name, '/'))
		mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static int load(struct world *w)
{
	int rc;

	forget(w);
	memset(&w->e, 0, sizeof(w->e));
	rc = policy_load(&w->place, fake_faults, &w->p, &w->d, &w->e);
	w->loaded = rc == 0;
	err_format(&w->e, w->said, sizeof(w->said));
	return rc;
}

static int load_text(struct world *w, const char *text)
{
	put(w, "policy.yaml", text);
	return load(w);
}

static bool diag_at(const struct world *w, enum msg_code code, unsigned line, unsigned col)
{
	for (unsigned i = 0; i < w->d.n; i++) {
		if (w->d.at[i].code == code && w->d.at[i].at.line == line &&
		    w->d.at[i].at.col == col)
			return true;
	}
	return false;
}

static bool says(const struct world *w, const char *text)
{
	if (strstr(w->said, text))
		return true;
	fprintf(stderr, "it says: %s\n", w->said);
	return false;
}

static int check(struct world *w, const char *kind, int64_t for_ns, const struct change_spec *c)
{
	const struct policy_fault f = {
		.kind = kind, .for_ns = for_ns, .change = c, .n_changes = 1
	};
	int rc;

	assert_true(w->loaded);
	memset(&w->e, 0, sizeof(w->e));
	rc = policy_check_fault(&w->p, &w->limits, &f, &w->v, &w->e);
	err_format(&w->e, w->said, sizeof(w->said));
	return rc;
}

static uint16_t prefix(struct nft_gate_spec *g, const char *address, unsigned len)
{
	struct net_prefix *p = &g->prefix[g->n_prefixes];
	bool v6 = strchr(address, ':') != NULL;

	p->family = v6 ? 6 : 4;
	p->len = (uint8_t)len;
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, address, p->addr), 1);
	return g->n_prefixes++;
}

/* A gate on eth0 for packets to this address (NULL = any) and port (0 = any). */
static struct change_spec to(const char *address, unsigned len, uint16_t port)
{
	struct change_spec c = { .kind = CHANGE_NFT_GATE };
	struct nft_gate_spec *g = &c.u.gate;

	strcpy(g->dev, "eth0");
	g->n_matches = 1;
	g->match[0] = (struct net_match){ .dport_lo = port, .dport_hi = port, .hook = GATE_EGRESS };
	if (address) {
		g->match[0].dst_first = prefix(g, address, len);
		g->match[0].dst_n = 1;
	}
	return c;
}

static int net(struct world *w, const char *address, unsigned len, uint16_t port)
{
	struct change_spec c = to(address, len, port);

	return check(w, "net.delay", MINUTE, &c);
}

static int fill(struct world *w, const char *path)
{
	struct change_spec c = { .kind = CHANGE_FILL };
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	snprintf(c.u.fill.path, sizeof(c.u.fill.path), "%s", path);
	c.u.fill.dev = st.st_dev;
	c.u.fill.ino = st.st_ino;
	return check(w, "disk.fill", MINUTE, &c);
}

/* This very process, as one to be paused. */
static int self(struct world *w)
{
	struct change_spec c = { .kind = CHANGE_PAUSE };

	c.u.pause.proc.pid = getpid();
	assert_int_equal(proc_start_ticks(getpid(), &c.u.pause.proc.start_ticks, &w->e), 0);
	return check(w, "proc.pause", MINUTE, &c);
}

static void without_a_file_the_built_in_limits_hold(void **state)
{
	struct world *w = *state;

	assert_int_equal(load(w), 0);
	assert_int_equal(net(w, "10.0.0.1", 32, 80), 0);
	assert_non_null(strstr(w->v.text, "built-in limits"));
	assert_int_equal(w->p.fault_ns.value, 30 * MINUTE);
	assert_int_equal(w->p.run_ns.value, 120 * MINUTE);
	rmdir(w->dir);
	assert_int_equal(load(w), 0);
}

static void a_fault_longer_than_the_maximum_is_refused_and_the_limit_named(void **state)
{
	struct world *w = *state;
	struct change_spec c = to("10.0.0.1", 32, 80);

	assert_int_equal(load(w), 0);
	assert_int_equal(check(w, "net.delay", 30 * MINUTE, &c), 0);
	assert_int_equal(check(w, "net.delay", 30 * MINUTE + 1000000, &c), -EPERM);
	assert_true(says(
		w,
		"30m at most: built-in limit; root may raise it with max.fault in /etc/brink/policy.yaml"));
	assert_int_equal(load_text(w, HEAD "max: {fault: 1h}\n"), 0);
	assert_int_equal(check(w, "net.delay", 60 * MINUTE, &c), 0);
	assert_int_equal(check(w, "net.delay", 61 * MINUTE, &c), -EPERM);
	assert_true(says(w, "policy.yaml:2; only root may change it"));
}

static int run_of(struct world *w, size_t n, int64_t hold, int64_t longest)
{
	const struct policy_run run = { n, hold, longest };
	int rc = policy_check_run(&w->p, &w->limits, &run, &w->e);

	err_format(&w->e, w->said, sizeof(w->said));
	return rc;
}

static void a_run_has_a_longest_time_and_a_number_of_faults(void **state)
{
	struct world *w = *state;

	assert_int_equal(load(w), 0);
	assert_int_equal(run_of(w, 1000, MINUTE, 120 * MINUTE), 0);
	assert_int_equal(run_of(w, 1, MINUTE, 121 * MINUTE), -EPERM);
	assert_int_equal(load_text(w, HEAD "max:\n  run: 5m\n  faults: 2\n"), 0);
	assert_int_equal(run_of(w, 2, MINUTE, 5 * MINUTE), 0);
	assert_int_equal(run_of(w, 3, MINUTE, 5 * MINUTE), -EPERM);
	assert_true(says(w, "/policy.yaml:4; only root may change it"));
	assert_int_equal(run_of(w, 1, MINUTE, 6 * MINUTE), -EPERM);
	w->limits.duration_ns = MINUTE;
	w->limits.bound.pos = (struct src_pos){ "x.yaml", 9, 1 };
	assert_int_equal(run_of(w, 1, MINUTE, 2 * MINUTE), 0);
	assert_int_equal(run_of(w, 1, MINUTE + 1, 2 * MINUTE), -EPERM);
	assert_true(says(w, "limits.duration in x.yaml:9"));
}

static void of_several_files_the_smallest_maximum_counts_and_all_rules(void **state)
{
	struct world *w = *state;

	put(w, "policy.yaml", HEAD "max: {fault: 2h, processes: 5}\n");
	put(w, "policy.d/20-b.yaml", HEAD "allow: [net.*]\nmax: {fault: 1h}\n");
	put(w, "policy.d/10-a.yaml",
	    HEAD "deny: [{device: eth0, why: production}]\nmax: {processes: 9}\n");
	put(w, "policy.d/old.yaml~", "not read");
	assert_int_equal(load(w), 0);
	assert_int_equal(w->p.n_files, 3);
	assert_non_null(strstr(w->p.name[1], "10-a.yaml"));
	assert_int_equal(w->p.fault_ns.value, 60 * MINUTE);
	assert_int_equal(w->p.processes.value, 5);
	w->limits.processes = 3;
	assert_int_equal(policy_max_processes(&w->p, &w->limits), 3);
	w->limits.processes = 7;
	assert_int_equal(policy_max_processes(&w->p, &w->limits), 5);
	assert_int_equal(net(w, "10.0.0.1", 32, 80), -EPERM); /* deny wins over allow */
	assert_true(says(w, "must not touch outgoing packets to 10.0.0.1:80 on eth0 (production)"));
	assert_true(says(w, "10-a.yaml:2:8 denies device eth0; only root may change it"));
}

static void what_no_allow_rule_names_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(load_text(w, HEAD "allow:\n  - {fault: \"net.*\", device: \"eth*\"}\n"),
			 0);
	assert_int_equal(net(w, "10.0.0.1", 32, 80), 0);
	assert_non_null(strstr(w->v.text, "policy.yaml:3 (net.*, device eth*, at most 30m)"));
	assert_int_equal(w->v.at.line, 3);
	assert_int_equal(self(w), -EPERM);
	assert_true(says(w, "no rule of the policy allows proc.pause for process"));
	assert_true(says(w, "policy.yaml:3 names what may be touched"));
	assert_int_equal(load_text(w, HEAD "allow: [{device: lo}]\n"), 0);
	assert_int_equal(net(w, "10.0.0.1", 32, 80), -EPERM);
}

static void a_gate_on_any_device_needs_a_rule_for_any_device(void **state)
{
	struct world *w = *state;
	struct change_spec c = to("10.0.0.1", 32, 80);

	c.u.gate.dev[0] = '\0';
	assert_int_equal(load_text(w, HEAD "allow: [{device: \"eth*\"}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -EPERM);
	assert_int_equal(load_text(w, HEAD "allow: [{device: \"*\"}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{device: wlan0}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -EPERM);
}

static void a_denied_flow_refuses_whatever_could_hit_it(void **state)
{
	struct world *w = *state;
	struct change_spec c;

	assert_int_equal(load_text(w, HEAD "deny: [{flow: \"10.1.0.0/16:5432\"}]\n"), 0);
	assert_int_equal(net(w, "10.1.2.3", 32, 5432), -EPERM);
	assert_int_equal(net(w, "10.1.2.3", 32, 0), -EPERM);
	assert_int_equal(net(w, "10.0.0.0", 8, 5432), -EPERM);
	assert_int_equal(net(w, NULL, 0, 5432), -EPERM);
	assert_int_equal(net(w, NULL, 0, 0), -EPERM);
	assert_true(says(w, "denies flow 10.1.0.0/16:5432"));
	assert_int_equal(net(w, "10.1.2.3", 32, 80), 0);
	assert_int_equal(net(w, "10.2.2.3", 32, 5432), 0);
	assert_int_equal(net(w, "2001:db8::1", 128, 5432), 0);
	c = to("10.9.9.9", 32, 0); /* the answers of the denied service */
	c.u.gate.match[0].sport_lo = c.u.gate.match[0].sport_hi = 5432;
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -EPERM);
	c.u.gate.match[0].exempt = 1;
	assert_int_equal(check(w, "net.drop", MINUTE, &c), 0);
}

static void a_denied_port_leaves_faults_on_other_services_alone(void **state)
{
	struct world *w = *state;
	struct change_spec c = to("10.9.9.9", 32, 5432);

	assert_int_equal(load_text(w, HEAD "deny: [{flow: \"*:22\"}]\n"), 0);
	assert_int_equal(check(w, "net.delay", MINUTE, &c), 0);
	c.u.gate.match[0].dport_lo = 20;
	assert_int_equal(check(w, "net.delay", MINUTE, &c), -EPERM);
	c.u.gate.match[0].dport_lo = c.u.gate.match[0].dport_hi =
		40000; /* may be a client's, of port 22 */
	assert_int_equal(check(w, "net.delay", MINUTE, &c), -EPERM);
	c.u.gate.match[0].sport_lo = 1024;
	c.u.gate.match[0].sport_hi = 65535;
	assert_int_equal(check(w, "net.delay", MINUTE, &c), 0);
	c = to("10.9.9.9", 32, 0);
	assert_int_equal(check(w, "net.delay", MINUTE, &c), -EPERM);
	c.u.gate.match[0].proto = IPPROTO_ICMP;
	assert_int_equal(check(w, "net.delay", MINUTE, &c), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{flow: \"*:22/tcp\"}]\n"), 0);
	c.u.gate.match[0].proto = IPPROTO_UDP;
	assert_int_equal(check(w, "net.delay", MINUTE, &c), 0);
}

/* icmp of a fault is ICMPv6 as well. */
static void icmp_is_that_of_both_families(void **state)
{
	struct world *w = *state;
	struct change_spec c = to("2001:db8::5", 128, 0), four = to("10.0.0.5", 32, 0);

	c.u.gate.match[0].proto = four.u.gate.match[0].proto = IPPROTO_ICMP;
	assert_int_equal(load_text(w, HEAD "deny: [{flow: \"2001:db8::5/icmpv6\"}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -EPERM);
	assert_int_equal(check(w, "net.drop", MINUTE, &four), 0);
	assert_int_equal(load_text(w, HEAD "allow: [{flow: \"*/icmp\"}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -EPERM);
	assert_int_equal(check(w, "net.drop", MINUTE, &four), 0);
}

static void a_port_of_any_address_is_one_of_each(void **state)
{
	struct world *w = *state;
	struct change_spec c = { .kind = CHANGE_PORT };
	struct port_addr *at = &c.u.port.at;

	assert_int_equal(load_text(w, HEAD "deny: [{flow: \"10.0.0.5:8080\"}]\n"), 0);
	*at = (struct port_addr){ .family = 4, .proto = IPPROTO_TCP, .port = 8080 };
	assert_int_equal(check(w, "net.port_taken", MINUTE, &c), -EPERM);
	at->family = 6;
	assert_int_equal(check(w, "net.port_taken", MINUTE, &c), -EPERM);
	at->family = 0;
	assert_int_equal(check(w, "net.port_taken", MINUTE, &c), -EPERM);
	at->family = 4;
	at->addr[0] = 10;
	at->addr[3] = 6;
	assert_int_equal(check(w, "net.port_taken", MINUTE, &c), 0);
}

static void a_denied_address_is_compared_with_what_the_fault_names(void **state)
{
	struct world *w = *state;

	assert_int_equal(load_text(w, HEAD "deny: [{flow: 10.0.0.9}, {flow: \"2001:db8::/32\"}]\n"),
			 0);
	assert_int_equal(net(w, "10.0.0.8", 32, 5432), 0);
	assert_int_equal(net(w, "10.0.0.9", 32, 5432), -EPERM);
	assert_int_equal(net(w, NULL, 0, 5432), -EPERM);
	assert_int_equal(net(w, "2001:db8::7", 128, 0), -EPERM);
	assert_int_equal(net(w, "2001:db9::7", 128, 0), 0);
}

static void an_allowed_flow_must_hold_all_of_the_fault(void **state)
{
	struct world *w = *state;

	assert_int_equal(load_text(w, HEAD "allow: [{flow: \"10.0.0.0/8:5000-6000\"}]\n"), 0);
	assert_int_equal(net(w, "10.1.2.3", 32, 5432), 0);
	assert_int_equal(net(w, "10.1.0.0", 16, 6000), 0);
	assert_int_equal(net(w, "10.1.2.3", 32, 6001), -EPERM);
	assert_int_equal(net(w, "10.1.2.3", 32, 0), -EPERM);
	assert_int_equal(net(w, "8.0.0.0", 6, 5432), -EPERM);
	assert_int_equal(net(w, NULL, 0, 5432), -EPERM);
	assert_int_equal(fill(w, w->dir), -EPERM);
}

static void a_denied_path_stands_for_its_tree_and_its_file_system(void **state)
{
	struct world *w = *state;
	char text[200];

	snprintf(text, sizeof(text), HEAD "deny: [{path: %s}]\n", w->dir);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(fill(w, w->dir), -EPERM);
	assert_true(says(w, "must not touch the file system of /tmp/brink-policy-"));
	assert_int_equal(fill(w, "/tmp"), -EPERM); /* the same space */
	assert_int_equal(fill(w, "/dev/shm"), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{path: /dev}]\n"), 0);
	assert_int_equal(fill(w, "/dev/shm"), -EPERM); /* another file system, the same tree */
	assert_int_equal(load_text(w, HEAD "deny: [{path: /}]\n"), 0);
	assert_int_equal(fill(w, "/dev/shm"), 0);
	assert_int_equal(fill(w, "/"), -EPERM);
}

static void an_allowed_path_stands_for_its_tree(void **state)
{
	struct world *w = *state;
	char text[200];

	snprintf(text, sizeof(text), HEAD "allow: [{path: %s/}]\n", w->dir);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(fill(w, w->dir), 0);
	assert_int_equal(fill(w, "/tmp"), -EPERM);
	assert_int_equal(self(w), -EPERM);
}

static void processes_are_judged_by_user_program_and_cgroup(void **state)
{
	struct world *w = *state;
	char text[400], exe[200];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	assert_true(n > 0);
	exe[n] = '\0';
	snprintf(text, sizeof(text), HEAD "deny: [{user: \"%u\"}]\n", getuid());
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(self(w), -EPERM);
	snprintf(text, sizeof(text), HEAD "deny: [{user: \"%u\"}]\n", getuid() + 1);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(self(w), 0);
	snprintf(text, sizeof(text), HEAD "deny: [{fault: proc.kill, user: \"%u\"}]\n", getuid());
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(self(w), 0); /* a pause */
	snprintf(text, sizeof(text), HEAD "deny: [{path: \"%s\"}]\n", exe);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(self(w), -EPERM);
	snprintf(text, sizeof(text), HEAD "deny: [{path: \"%s-other\"}]\n", exe);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(self(w), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{cgroup: /}]\n"), 0);
	assert_int_equal(self(w), -EPERM);
	assert_int_equal(load_text(w, HEAD "deny: [{cgroup: /no/such}]\n"), 0);
	assert_int_equal(self(w), 0);
	snprintf(text, sizeof(text), HEAD "allow: [{user: \"%u\", path: \"%s\"}]\n", getuid(), exe);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(self(w), 0);
	snprintf(text, sizeof(text), HEAD "allow: [{user: \"%u\", path: \"%s\"}]\n", getuid() + 1,
		 exe);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(self(w), -EPERM);
}

static void a_process_of_which_nothing_is_known_is_refused(void **state)
{
	struct world *w = *state;
	struct change_spec c = { .kind = CHANGE_STOP };

	c.u.pause.proc =
		(struct change_proc){ .pid = getpid(), .start_ticks = 1 }; /* not this one */
	assert_int_equal(load_text(w, HEAD "deny: [{user: \"65000\"}]\n"), 0);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), -EPERM);
	assert_int_equal(load_text(w, HEAD "allow: [{user: \"0\"}]\n"), 0);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), -EPERM);
}

/* A folder that looks like a cgroup will do. */
int __wrap_freeze_open(const char *cgroup, uint64_t dev, uint64_t ino);

int __wrap_freeze_open(const char *cgroup, uint64_t dev, uint64_t ino)
{
	(void)dev;
	(void)ino;
	return open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void all_processes_below_a_frozen_cgroup_are_judged(void **state)
{
	struct world *w = *state;
	struct change_spec c = { .kind = CHANGE_FREEZE };
	char pid[16], text[100], list[100];

	snprintf(c.u.freeze.cgroup, sizeof(c.u.freeze.cgroup), "%s", w->dir);
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	put(w, "cgroup.procs", "");
	assert_int_equal(load_text(w, HEAD "deny: [{user: \"65000\"}]\n"), 0);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), -EPERM); /* empty: whoever comes */
	put(w, "policy.d/cgroup.procs", pid);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), 0);
	snprintf(text, sizeof(text), HEAD "deny: [{user: \"%u\"}]\n", getuid());
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), -EPERM);
	assert_true(says(w, "must not touch process "));
	assert_int_equal(load_text(w, HEAD "max: {processes: 1}\n"), 0);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), 0);
	put(w, "cgroup.procs", pid);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), -EPERM);
	snprintf(list, sizeof(list), "%s/policy.d/cgroup.procs", w->dir);
	assert_int_equal(unlink(list), 0);
	assert_int_equal(check(w, "proc.pause", MINUTE, &c), -ENOENT); /* cannot tell */
}

static void an_allow_list_refuses_what_touches_nothing_that_it_knows(void **state)
{
	struct world *w = *state;
	struct change_spec c = to("10.0.0.1", 32, 80);

	c.u.gate.match[0].exempt = 1;
	assert_int_equal(load_text(w, HEAD "allow: [\"*\"]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -EPERM);
	c.kind = CHANGE_KIND_COUNT;
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -ENOTSUP);
}

static void a_repeated_signal_is_judged_by_its_selector_too(void **state)
{
	struct world *w = *state;
	struct change_spec c = { .kind = CHANGE_SIGNAL };
	struct signal_spec *s = &c.u.signal;

	s->n_procs = 1;
	s->proc[0].pid = getpid();
	s->every_ns = MINUTE;
	s->uid = -1;
	strcpy(s->exe, "/usr/bin/app");
	assert_int_equal(load_text(w, HEAD "deny: [{user: \"65000\"}]\n"), 0);
	assert_int_equal(check(w, "proc.kill", MINUTE, &c), -EPERM);
	assert_true(says(w, "a process that is found later"));
	s->uid = 64000;
	assert_int_equal(check(w, "proc.kill", MINUTE, &c), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{path: /usr/bin}]\n"), 0);
	assert_int_equal(check(w, "proc.kill", MINUTE, &c), -EPERM);
	assert_int_equal(load_text(w, HEAD "deny: [{path: /usr/sbin/x}, {cgroup: /a/b}]\n"), 0);
	strcpy(s->cgroup, "/a"); /* could be in /a/b */
	assert_int_equal(check(w, "proc.kill", MINUTE, &c), -EPERM);
	strcpy(s->cgroup, "/a/c");
	assert_int_equal(check(w, "proc.kill", MINUTE, &c), 0);
}

/* A hierarchy of cgroups: their numbers are their places in it, from 1 on. */
static const char *const tree[] = { "/",
				    "/system.slice",
				    "/system.slice/ssh.service",
				    "/system.slice/web.service",
				    "/app.slice",
				    "/system.slice/web.service/ssh.service" };

int __wrap_cgroup2_find(uint64_t ino, char *ret, size_t size);
int __wrap_cgroup2_find(uint64_t ino, char *ret, size_t size)
{
	if (ino - 1 >= ARRAY_LEN(tree))
		return -ENOENT;
	snprintf(ret, size, "%s", tree[ino - 1]);
	return 0;
}

static size_t n_tree = ARRAY_LEN(tree) - 1;

int __wrap_cgroup2_each(const char *path, int (*fn)(void *arg, const char *path, uint64_t ino),
			void *arg);
int __wrap_cgroup2_each(const char *path, int (*fn)(void *arg, const char *path, uint64_t ino),
			void *arg)
{
	int rc = 0;

	assert_string_equal(path, "");
	for (size_t i = 1; i < n_tree && rc == 0; i++)
		rc = fn(arg, tree[i], i + 1);
	return rc;
}

static int aimed_at(struct world *w, const char *cgroup, const uint32_t *uid)
{
	struct change_spec c = to("10.0.0.1", 32, 80);
	struct gate_conditions *only = &c.u.gate.only;

	if (uid) {
		only->given |= GATE_USER;
		only->uid = *uid;
	}
	only->given |= cgroup ? GATE_CGROUP : 0;
	for (only->cgroup = 1; cgroup && only->cgroup <= ARRAY_LEN(tree); only->cgroup++) {
		if (strcmp(tree[only->cgroup - 1], cgroup) == 0)
			break;
	}
	return check(w, "net.drop", MINUTE, &c);
}

static void a_network_fault_on_a_cgroup_is_judged_by_it(void **state)
{
	static const struct {
		const char *rule, *aim;
		int denied, allowed; /* by that rule */
	} cases[] = {
		{ "cgroup: /system.slice/ssh.service", "/system.slice/ssh.service", -EPERM, 0 },
		{ "cgroup: /system.slice", "/system.slice/ssh.service", -EPERM, 0 },
		{ "cgroup: /", "/system.slice/ssh.service", -EPERM, 0 },
		/* all that is below the aim is hit, and not only what is allowed */
		{ "cgroup: /system.slice/ssh.service", "/system.slice", -EPERM, -EPERM },
		{ "cgroup: /system.slice/ssh.service", "/system.slice/web.service", 0, -EPERM },
		{ "cgroup: /system.slice/ssh", "/system.slice/ssh.service", 0, -EPERM },
		{ "cgroup: /app.slice", "gone", -EPERM, -EPERM },
		{ "unit: ssh.service", "/system.slice/ssh.service", -EPERM, 0 },
		{ "unit: ssh.service", "/system.slice", -EPERM, -EPERM },
		{ "unit: system.slice", "/system.slice/ssh.service", -EPERM, 0 },
		{ "unit: ssh.service", "/system.slice/web.service", 0, -EPERM },
		{ "unit: ssh.service", "/app.slice", 0, -EPERM }, /* it runs elsewhere */
		{ "unit: pg.service", "/app.slice", -EPERM,
		  -EPERM }, /* it could be started there */
		{ "unit: pg.service", "/system.slice/web.service", 0, -EPERM },
		{ "unit: \"s*.service\"", "/app.slice", -EPERM, -EPERM },
		{ "unit: ssh.service", "gone", -EPERM, -EPERM },
		{ "unit: ssh.service", NULL, 0, -EPERM }, /* aimed at nobody's sockets */
		{ "cgroup: /", NULL, 0, -EPERM },
	};
	struct world *w = *state;
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), HEAD "deny: [{%s}]\n", cases[i].rule);
		assert_int_equal(load_text(w, text), 0);
		if (aimed_at(w, cases[i].aim, NULL) != cases[i].denied)
			fail_msg("deny %s, aimed at %s", cases[i].rule, cases[i].aim);
		snprintf(text, sizeof(text), HEAD "allow: [{%s}]\n", cases[i].rule);
		assert_int_equal(load_text(w, text), 0);
		if (aimed_at(w, cases[i].aim, NULL) != cases[i].allowed)
			fail_msg("allow %s, aimed at %s", cases[i].rule, cases[i].aim);
	}
	assert_int_equal(load_text(w, HEAD "deny: [{unit: ssh.service, flow: \"*:22\"}]\n"), 0);
	assert_int_equal(aimed_at(w, "/system.slice/ssh.service", NULL), 0); /* all its keys */
	n_tree++; /* delegated: below a unit */
	assert_int_equal(load_text(w, HEAD "deny: [{unit: ssh.service}]\n"), 0);
	assert_int_equal(aimed_at(w, "/system.slice/web.service", NULL), -EPERM);
	n_tree--;
}

static void a_network_fault_on_a_user_is_judged_by_it(void **state)
{
	const uint32_t me = getuid(), other = me + 60000;
	struct world *w = *state;
	char text[100];

	snprintf(text, sizeof(text), HEAD "deny: [{user: \"%u\"}]\n", me);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(aimed_at(w, NULL, &me), -EPERM);
	assert_int_equal(aimed_at(w, NULL, &other), 0);
	assert_int_equal(aimed_at(w, NULL, NULL), 0);
	assert_int_equal(aimed_at(w, "/", NULL), -EPERM); /* this process is in it */
	assert_int_equal(aimed_at(w, "/", &other), 0);
	assert_int_equal(aimed_at(w, "/app.slice", NULL), 0); /* and nobody in this */
	assert_int_equal(aimed_at(w, "gone", NULL), -EPERM);
	snprintf(text, sizeof(text), HEAD "allow: [{user: \"%u\"}]\n", me);
	assert_int_equal(load_text(w, text), 0);
	assert_int_equal(aimed_at(w, NULL, &me), 0);
	assert_int_equal(aimed_at(w, "/", &me), 0);
	assert_int_equal(aimed_at(w, "/", NULL), -EPERM);
	assert_int_equal(aimed_at(w, NULL, &other), -EPERM);
	/* a user's sockets where the user has processes */
	assert_int_equal(load_text(w, HEAD "deny: [{cgroup: /}]\n"), 0);
	assert_int_equal(aimed_at(w, NULL, &me), -EPERM);
	assert_int_equal(load_text(w, HEAD "deny: [{cgroup: /app.slice}, {unit: ssh.service}]\n"),
			 0);
	assert_int_equal(aimed_at(w, NULL, &other), 0);
	assert_int_equal(load_text(w, HEAD "allow: [{cgroup: /}]\n"), 0);
	assert_int_equal(aimed_at(w, NULL, &me), -EPERM); /* they can be elsewhere */
}

/* The gate that tags knows whose packets they are; what looks for the tag goes by it. */
static void behind_a_tag_the_owner_has_been_judged(void **state)
{
	struct change_spec c = to("10.0.0.1", 32, 80);
	struct world *w = *state;

	c.u.gate.tag = 1u << GATE_TAG_SHIFT;
	assert_int_equal(load_text(w, HEAD "deny: [{unit: ssh.service}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), 0);
	assert_int_equal(load_text(w, HEAD "allow: [{unit: ssh.service}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), 0);
	c.u.gate.action = GATE_TAG;
	c.u.gate.only = (struct gate_conditions){ .given = GATE_CGROUP, .cgroup = 3 };
	assert_int_equal(check(w, "net.drop", MINUTE, &c), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{unit: ssh.service}]\n"), 0);
	assert_int_equal(check(w, "net.drop", MINUTE, &c), -EPERM);
	assert_true(says(w, "denies unit ssh.service"));
}

static void a_unit_is_known_by_the_name_of_its_cgroup(void **state)
{
	static const struct {
		const char *groups;
		bool hit;
	} procs[] = {
		{ "0::/system.slice/ssh.service\n", true },
		{ "0::/system.slice/ssh.service/below\n", true },
		{ "12:pids:/system.slice/ssh.service\n1:name=systemd:/x\n", true },
		{ "0::/system.slice/ssh.service.d\n", false },
		{ "0::/system.slice/openssh.service\n", false },
		{ "0::/\n", false },
		{ "0::/system.slice/pg@1.service\n", true },
		{ "0::/app.slice/a\\x2ddb.service\n", true }, /* as systemd writes a dash */
		{ "1:name=systemd:/x\n0::/app.slice/web@10.0.0.1:80.service\n", true },
		{ "1:net.service:/x\n", false }, /* a controller's name is no folder */
		{ "", true },                    /* not known */
	};
	struct policy_rule rules[] = { { .unit = "ssh.service" },
				       { .unit = "pg@*.service" },
				       { .unit = "a\\x2ddb.service" },
				       { .unit = "web@10.0.0.1:80.service" },
				       { .unit = "net.service" } };
	struct touch t = { .fault = "proc.kill", .family = TOUCH_PROC, .pid = 4242, .exe = "" };
	struct world *w = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(procs); i++) {
		bool hit = false, covered = false;

		t.groups = procs[i].groups;
		for (size_t k = 0; k < ARRAY_LEN(rules); k++) {
			hit |= rule_may_hit(&rules[k], &t, &e) > 0;
			covered |= rule_covers(&rules[k], &t);
		}
		if (hit != procs[i].hit || covered != (procs[i].hit && t.groups[0]))
			fail_msg("%s", t.groups);
	}
	t = (struct touch){ .fault = "proc.kill", .family = TOUCH_PROC, .groups = "", .exe = "" };
	t.cgroup = "/system.slice"; /* found later, perhaps there */
	assert_int_equal(rule_may_hit(&rules[0], &t, &e), 1);
	assert_false(rule_covers(&rules[0], &t));
	t.cgroup = "/system.slice/ssh.service";
	assert_true(rule_covers(&rules[0], &t));
	t.family = TOUCH_DISK;
	assert_int_equal(rule_may_hit(&rules[0], &t, &e), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{unit: ssh.service, why: the way in}]\n"), 0);
	assert_int_equal(self(w), 0);
	assert_int_equal(load_text(w, HEAD "allow: [{unit: \"*.service\"}]\n"), 0);
	assert_int_equal(self(w), -EPERM);
}

static void a_rule_is_known_however_it_is_written(void **state)
{
	struct policy_rule rules[] = { { .cgroup = "//app.slice/./db/" },
				       { .cgroup = NULL },
				       { .path = "/srv/app/prog" },
				       { .path = "/srv/app" } };
	struct touch t = { .fault = "proc.kill",
			   .family = TOUCH_PROC,
			   .pid = 4242,
			   .groups = "0::/app.slice/db\n",
			   .exe = "/srv/app/prog (deleted)" }; /* replaced since it began */
	char dir[PATH_MAX];
	struct err e;

	(void)state;
	assert_int_equal(cgroup2_path("/app.slice/db", dir, sizeof(dir)), 0);
	rules[1].cgroup = dir; /* as the files of the freezer are found */
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		assert_int_equal(rule_may_hit(&rules[i], &t, &e), 1);
		assert_true(rule_covers(&rules[i], &t));
	}
	t.groups = "0::/app.slice/db2\n";
	t.exe = "/srv/app2/prog (deleted)";
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		assert_int_equal(rule_may_hit(&rules[i], &t, &e), 0);
}

static void too_many_processes_are_refused_by_the_smaller_limit(void **state)
{
	struct world *w = *state;
	struct change_spec c = { .kind = CHANGE_SIGNAL };

	c.u.signal.n_procs = 3;
	for (unsigned i = 0; i < 3; i++)
		c.u.signal.proc[i].pid = getpid();
	assert_int_equal(load_text(w, HEAD "max: {processes: 2}\n"), 0);
	assert_int_equal(check(w, "proc.kill", 0, &c), -EPERM);
	assert_true(says(w, "would hit 3 processes, 2 at most: max.processes in"));
	w->limits.processes = 1;
	w->limits.bound.pos = (struct src_pos){ "x.yaml", 9, 1 };
	assert_int_equal(check(w, "proc.kill", 0, &c), -EPERM);
	assert_true(says(w, "1 at most: limits.processes in x.yaml:9"));
	assert_int_equal(load_text(w, HEAD "max: {processes: 3}\n"), 0);
	w->limits.processes = 0;
	assert_int_equal(check(w, "proc.kill", 0, &c), 0);
}

static void the_experiments_own_denials_hold_without_a_policy(void **state)
{
	const char *flows[] = { "*:22", "*:2379-2380" }, *paths[] = { "/dev" }, *users[] = { "0" };
	struct world *w = *state;

	assert_int_equal(load(w), 0);
	w->limits.deny.bound.pos = (struct src_pos){ "x.yaml", 12, 3 };
	w->limits.deny.flows = (struct strings){ 2, flows };
	assert_int_equal(net(w, "10.0.0.1", 32, 2380), -EPERM);
	assert_true(says(
		w,
		"limits.deny in x.yaml:12:3 denies flow *:2379-2380; who owns the experiment may change it"));
	assert_int_equal(net(w, "10.0.0.1", 32, 5432), 0);
	assert_int_equal(net(w, NULL, 0, 0), -EPERM);
	w->limits.deny.paths = (struct strings){ 1, paths };
	assert_int_equal(fill(w, "/dev/shm"), -EPERM);
	paths[0] = "relative";
	assert_int_equal(fill(w, "/dev/shm"), -EINVAL);
	assert_true(says(w, "x.yaml:12:3: limits.deny.paths: 'relative' does not begin with /"));
	w->limits.deny.paths.n = 0;
	w->limits.deny.users = (struct strings){ 1, users };
	assert_int_equal(self(w), getuid() == 0 ? -EPERM : 0);
	users[0] = "no-such-user";
	assert_int_equal(self(w), -EINVAL);
}

static void only_files_that_root_alone_can_write_are_read(void **state)
{
	struct world *w = *state;
	char path[100], other[110];

	assert_int_equal(load_text(w, HEAD), 0);
	snprintf(path, sizeof(path), "%s/policy.yaml", w->dir);
	snprintf(other, sizeof(other), "%s/elsewhere", w->dir);
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(load(w), -EPERM);
	assert_true(says(w, "can be written by others than root: chmod go-w"));
	assert_int_equal(chmod(path, 0646), 0);
	assert_int_equal(load(w), -EPERM);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(w->dir, 0777), 0);
	assert_int_equal(load(w), -EPERM);
	assert_int_equal(chmod(w->dir, 0755), 0);
	assert_int_equal(load(w), 0);
	w->place.owner = getuid() + 1;
	assert_int_equal(load(w), -EPERM);
	assert_true(says(w, "belongs to user"));
	w->place.owner = getuid();
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(load(w), -EPERM);
	assert_true(says(w, "links are not followed"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(load(w), -EPERM);
}

static void a_file_of_the_folder_is_held_to_the_same_rules(void **state)
{
	struct world *w = *state;
	char path[100];

	put(w, "policy.d/a.yaml", HEAD);
	assert_int_equal(load(w), 0);
	snprintf(path, sizeof(path), "%s/policy.d", w->dir);
	assert_int_equal(chmod(path, 0775), 0);
	assert_int_equal(load(w), -EPERM);
	assert_int_equal(chmod(path, 0755), 0);
	put(w, "policy.d/b.yml", HEAD);
	assert_int_equal(load(w), -EPERM);
	assert_true(says(w, "ends in .yml"));
}

static void mistakes_are_said_with_their_place(void **state)
{
	struct world *w = *state;

	assert_int_equal(load_text(w, HEAD "allow:\n  - {fualt: x}\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_UNKNOWN_KEY, 3, 6));
	assert_int_equal(load_text(w, HEAD "deny:\n  - {why: nothing}\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_MISSING, 3, 5));
	assert_int_equal(load_text(w, HEAD "deny:\n  - {fault: net.dely}\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_POLICY_RULE, 3, 13));
	assert_string_equal(w->d.at[0].caret, "did you mean 'net.delay'?");
	assert_int_equal(load_text(w, HEAD "deny:\n  - nte.*\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_POLICY_RULE, 3, 5));
	assert_int_equal(load_text(w, HEAD "deny: [{fault: cpu.burn}]\n"),
			 0); /* of a later version */
	assert_int_equal(load_text(w, HEAD "deny: [{unit: ssh}]\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_POLICY_RULE, 2, 15));
	assert_int_equal(load_text(w, HEAD "deny: [{path: /srv, device: eth0}]\n"), -EBADMSG);
	assert_int_equal(load_text(w,
				   HEAD "deny: [{path: var}, {cgroup: a}, {user: no-such-user}]\n"),
			 -EBADMSG);
	assert_int_equal(w->d.errors, 3);
	assert_int_equal(load_text(w, HEAD "max: {fault: 10}\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_DURATION, 2, 14));
	assert_int_equal(load_text(w, "allow: [net.*]\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_MISSING, 1, 1));
	assert_int_equal(load_text(w, "brink_policy: 2\nnew_key: 1\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_LANGUAGE, 1, 15));
	assert_int_equal(w->d.errors, 1);
	assert_int_equal(load_text(w, "\t- [\n"), -EBADMSG);
	assert_int_equal(w->e.code, EBADMSG); /* who prints only *e must have one */
	assert_int_equal(load_text(w, ""), -EBADMSG);
	assert_int_equal(load_text(w, HEAD "allow: []\n"),
			 -EBADMSG); /* never "everything" by mistake */
	assert_int_equal(load_text(w, HEAD "deny: [{fault: \"${x}\"}]\n"), -EBADMSG);
}

static void a_rule_that_can_never_fit_is_a_mistake(void **state)
{
	struct world *w = *state;

	assert_int_equal(load_text(w, HEAD "deny:\n  - {device: lo, path: /srv}\n"), -EBADMSG);
	assert_true(diag_at(w, MSG_NOT_HERE, 3, 5));
	assert_int_equal(load_text(w, HEAD "deny:\n  - {fault: \"disk.*\", flow: \"*:22\"}\n"),
			 -EBADMSG);
	assert_true(diag_at(w, MSG_NOT_HERE, 3, 5));
	assert_int_equal(load_text(w, HEAD "deny:\n  - {fault: \"disk.*\", user: root}\n"),
			 -EBADMSG);
	assert_int_equal(load_text(w, HEAD "deny: [{path: /srv, user: root}]\n"), 0);
	assert_int_equal(load_text(w, HEAD "deny: [{device: lo, user: root}]\n"), 0);
}

static void flows_of_a_policy_are_numbers(void **state)
{
	static const char *const good[] = { "10.0.0.1",      "10.0.0.0/8:80-90/tcp",
					    "*:53/udp",      "*",
					    ":22",           "[2001:db8::1]:443",
					    "2001:db8::/32", "fe80::1" },
				 *const bad[] = { "localhost", "localhost:80", "cafe",
						  "10.0",      "10.0.1:80",    "*:x",
						  "*:0",       "10.0.0.0/33",  "a.b.c.d",
						  "*/nix",     "[::1",         "face::book" };
	struct world *w = *state;
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(text, sizeof(text), HEAD "deny:\n  - flow: \"%s\"\n", good[i]);
		if (load_text(w, text) != 0)
			fail_msg("%s is refused", good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), HEAD "deny:\n  - flow: \"%s\"\n", bad[i]);
		if (load_text(w, text) != -EBADMSG || !diag_at(w, MSG_POLICY_RULE, 3, 11))
			fail_msg("%s is taken", bad[i]);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_a_file_the_built_in_limits_hold),
		T(a_fault_longer_than_the_maximum_is_refused_and_the_limit_named),
		T(a_run_has_a_longest_time_and_a_number_of_faults),
		T(of_several_files_the_smallest_maximum_counts_and_all_rules),
		T(what_no_allow_rule_names_is_refused),
		T(a_gate_on_any_device_needs_a_rule_for_any_device),
		T(a_denied_flow_refuses_whatever_could_hit_it),
		T(a_denied_port_leaves_faults_on_other_services_alone),
		T(icmp_is_that_of_both_families),
		T(a_port_of_any_address_is_one_of_each),
		T(a_denied_address_is_compared_with_what_the_fault_names),
		T(an_allowed_flow_must_hold_all_of_the_fault),
		T(a_denied_path_stands_for_its_tree_and_its_file_system),
		T(an_allowed_path_stands_for_its_tree),
		T(processes_are_judged_by_user_program_and_cgroup),
		T(a_process_of_which_nothing_is_known_is_refused),
		T(all_processes_below_a_frozen_cgroup_are_judged),
		T(an_allow_list_refuses_what_touches_nothing_that_it_knows),
		T(a_repeated_signal_is_judged_by_its_selector_too),
		T(a_unit_is_known_by_the_name_of_its_cgroup),
		T(a_rule_is_known_however_it_is_written),
		T(a_network_fault_on_a_cgroup_is_judged_by_it),
		T(a_network_fault_on_a_user_is_judged_by_it),
		T(behind_a_tag_the_owner_has_been_judged),
		T(too_many_processes_are_refused_by_the_smaller_limit),
		T(the_experiments_own_denials_hold_without_a_policy),
		T(only_files_that_root_alone_can_write_are_read),
		T(a_file_of_the_folder_is_held_to_the_same_rules),
		T(mistakes_are_said_with_their_place),
		T(a_rule_that_can_never_fit_is_a_mistake),
		T(flows_of_a_policy_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
