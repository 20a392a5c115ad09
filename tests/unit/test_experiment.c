/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios/experiment.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "safety/proto.h"
#include "tests/support/lang.h"
#include "tests/support/test.h"

/* link: tests/fakes/fake_faults.c */
#include "tests/fakes/fake_faults.h"

#define TOP    "brink: 1\nname: x\n"
#define CHECKS "steady_state:\n  - http: http://h/\n"
#define FAULTS "faults:\n  - proc.kill: {pid: 7}\n"

static int setup(void **state)
{
	int r = lang_setup(state);

	((struct lang *)*state)->o.faults = fake_faults;
	return r;
}

/* Loads what must be right; shows what was said if it is not. */
static struct experiment *good(struct lang *l, const char *text)
{
	if (lang_load(l, text) != 0)
		fail_msg("%s", l->said);
	return &l->x;
}

static void the_eight_line_example_is_bound(void **state)
{
	struct lang *l = *state;
	struct experiment *x = good(l, "# yaml-language-server: $schema=x\n"
				       "brink: 1\n"
				       "name: web survives a slow database\n"
				       "steady_state:\n"
				       "  - http: http://localhost:8080/health\n"
				       "faults:\n"
				       "  - net.delay: {to: \"localhost:5432\", delay: 200ms}\n"
				       "    for: 30s\n");
	const struct fake_net_delay *spec = x->faults[0].spec;

	assert_string_equal(x->name, "web survives a slow database");
	assert_int_equal(x->n_checks, 1);
	assert_int_equal(x->checks[0].source, CHECK_HTTP);
	assert_string_equal(x->checks[0].id, "http");
	assert_string_equal(x->checks[0].http.url, "http://localhost:8080/health");
	assert_int_equal(x->checks[0].every_ns, NS_PER_S);
	assert_int_equal(x->checks[0].timeout_ns, NS_PER_S);
	assert_int_equal(x->checks[0].fail_after, 3);
	assert_int_equal(x->checks[0].pass_after, 1);
	assert_true(check_status_ok(&x->checks[0].http, 200));
	assert_false(check_status_ok(&x->checks[0].http, 204));
	assert_int_equal(x->n_faults, 1);
	assert_ptr_equal(x->faults[0].ops, fake_faults[0]);
	assert_string_equal(x->faults[0].id, "net-delay");
	assert_int_equal(x->faults[0].for_ns, 30 * NS_PER_S);
	assert_int_equal(x->faults[0].after_ns, 0);
	assert_false(x->faults[0].has_recovery);
	assert_int_equal(spec->delay_ns, 200 * NS_PER_MS);
	assert_int_equal(spec->flow.to.n, 1);
	assert_string_equal(spec->flow.to.at[0], "localhost:5432");
	assert_int_equal(spec->bound.pos.line, 7);
	assert_string_equal(x->file, "t.yaml");
}

static void a_fault_without_for_ends_after_30_seconds(void **state)
{
	struct lang *l = *state;
	struct experiment *x = good(l, TOP CHECKS "faults:\n  - net.delay: {to: h, delay: 1s}\n");

	assert_int_equal(x->faults[0].for_ns, 30 * NS_PER_S);
}

static void a_one_shot_fault_has_no_duration_unless_it_is_repeated(void **state)
{
	struct lang *l = *state;

	assert_int_equal(good(l, TOP CHECKS FAULTS)->faults[0].for_ns, 0);
	assert_int_equal(good(l, TOP CHECKS
			      "faults:\n  - proc.kill: {pid: 7, every: 5s}\n    for: 1m\n")
				 ->faults[0]
				 .for_ns,
			 60 * NS_PER_S);
	assert_int_equal(lang_load(l, TOP CHECKS FAULTS "    for: 1m\n"), -EBADMSG);
	assert_true(lang_has(l, MSG_NOT_HERE, 7, 10));
}

static void every_check_source_is_bound(void **state)
{
	struct lang *l = *state;
	struct experiment *x = good(
		l, TOP
		"targets:\n"
		"  worker: {process: {name: w}, pick: {count: 1, seed: 7}}\n"
		"steady_state:\n"
		"  - {id: web, http: {url: \"https://h:8443/x?y\", status: [2xx, 301-302], contains: ok}}\n"
		"  - {tcp: \"[::1]:5432\", every: 20s, is: \"< 500ms\"}\n"
		"  - {tcp: {to: \"db:6379\", banner: hi}, role: observe, no_data: unknown, netns: blue}\n"
		"  - {command: [/bin/q, --plain], exit: 3, is: \"< 5000\", user: nobody}\n"
		"  - process_up: worker\n"
		"  - process_up: {exe: /usr/bin/w}\n" FAULTS);

	assert_int_equal(x->n_checks, 6);
	assert_string_equal(x->checks[0].id, "web");
	assert_true(check_status_ok(&x->checks[0].http, 250) &&
		    check_status_ok(&x->checks[0].http, 302));
	assert_false(check_status_ok(&x->checks[0].http, 303));
	assert_string_equal(x->checks[0].http.contains, "ok");
	assert_string_equal(x->checks[1].tcp.host, "::1");
	assert_string_equal(x->checks[1].tcp.service, "5432");
	assert_int_equal(x->checks[1].timeout_ns, 5 * NS_PER_S);
	assert_true(x->checks[1].is.given);
	assert_string_equal(x->checks[2].id, "tcp-2");
	assert_string_equal(x->checks[2].tcp.banner, "hi");
	assert_int_equal(x->checks[2].role, ROLE_OBSERVE);
	assert_int_equal(x->checks[2].no_data, NO_DATA_UNKNOWN);
	assert_string_equal(x->checks[2].netns, "blue");
	assert_int_equal(x->checks[3].command.n, 2);
	assert_int_equal(x->checks[3].exit_code, 3);
	assert_ptr_equal(x->checks[4].process_up.ref, &x->targets.at[0]);
	assert_string_equal(x->checks[4].id, "process-up");
	assert_null(x->checks[5].process_up.ref);
	assert_string_equal(x->checks[5].process_up.process.exe, "/usr/bin/w");
	assert_ptr_equal(experiment_check(x, "tcp-2"), &x->checks[2]);
	assert_null(experiment_check(x, "nope"));
}

static void targets_are_declared_once_and_referred_to(void **state)
{
	struct lang *l = *state;
	struct experiment *x =
		good(l, TOP CHECKS
		     "targets:\n"
		     "  w: {process: {exe: /bin/w, user: www}, pick: {percent: 10%}}\n"
		     "  db: {flow: {to: [\"10.0.0.1:5432\", \"10.0.0.2:5432\"], proto: tcp}}\n"
		     "  spool: {path: /var/spool}\n"
		     "  other: {path: {path: /x}}\n"
		     "faults:\n"
		     "  - proc.kill: {target: w, signal: TERM, grace: 2s}\n"
		     "  - net.delay: {target: db, delay: 5ms, direction: both}\n"
		     "  - disk.fill: {target: spool, until: 85%}\n"
		     "  - disk.fill: {target: other, size: 1GiB}\n");
	const struct target *t = x->targets.at;

	assert_int_equal(l->d.warnings, 0);
	assert_int_equal(x->targets.n, 4);
	assert_true(t[0].kind == TARGET_PROCESS && t[0].has_pick &&
		    t[0].pick.percent_ppm == 100000);
	assert_string_equal(t[0].process.user, "www");
	assert_true(t[1].kind == TARGET_FLOW && t[1].flow.to.n == 2 && !t[1].has_pick);
	assert_true(t[2].kind == TARGET_PATH);
	assert_string_equal(t[2].path.path, "/var/spool");
	assert_string_equal(t[3].path.path, "/x");
	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(x->faults[i].target, &t[i]);
	assert_int_equal(((const struct fake_proc_kill *)x->faults[0].spec)->signal, SIGTERM);
	assert_string_equal(x->faults[3].id, "disk-fill-2");
}

static void references_to_targets_must_exist_and_fit(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l,
				   TOP CHECKS "targets:\n  worker: {process: {name: w}}\nfaults:\n"
					      "  - proc.kill: {target: wroker}\n"
					      "  - net.delay: {delay: 1s, target: worker}\n"),
			 -EBADMSG);
	assert_true(lang_has(l, MSG_UNKNOWN_TARGET, 8, 25));
	assert_true(lang_has(l, MSG_TARGET_KIND, 9, 36));
	assert_int_equal(l->d.errors, 2);
	assert_non_null(strstr(l->said, "did you mean 'worker'?"));
	assert_non_null(strstr(l->said, "target 'worker' is a process, and a flow is needed here"));
}

static void recovery_is_a_duration_or_a_block(void **state)
{
	struct lang *l = *state;
	struct experiment *x =
		good(l, TOP CHECKS FAULTS
		     "    recovers_within: 10s\n"
		     "  - proc.kill: {pid: 8}\n"
		     "    recovers_within: {checks: [http], within: 2m, stable: 1m}\n");

	assert_true(x->faults[0].has_recovery);
	assert_int_equal(x->faults[0].recovers_within.within_ns, 10 * NS_PER_S);
	assert_int_equal(x->faults[0].recovers_within.stable_ns, 0);
	assert_int_equal(x->faults[0].recovers_within.checks.n, 0);
	assert_int_equal(x->faults[1].recovers_within.within_ns, 120 * NS_PER_S);
	assert_int_equal(x->faults[1].recovers_within.stable_ns, 60 * NS_PER_S);
	assert_ptr_equal(x->faults[1].recovers_within.check[0], &x->checks[0]);
	assert_int_equal(lang_load(l, TOP CHECKS FAULTS
				   "    recovers_within: {checks: [htpt], within: 2m}\n"),
			 -EBADMSG);
	assert_true(lang_has(l, MSG_UNKNOWN_CHECK, 7, 32));
}

static void abort_limits_and_report_are_bound(void **state)
{
	struct lang *l = *state;
	struct experiment *x =
		good(l, TOP CHECKS
		     "  - {id: q, command: [/bin/q], role: observe}\n" FAULTS "abort:\n"
		     "  when:\n"
		     "    - {check: http, is: failing, for: 45s}\n"
		     "    - {check: q, is: \"> 20\"}\n"
		     "  revert_within: 5s\n"
		     "limits:\n"
		     "  duration: 30m\n"
		     "  processes: 2\n"
		     "  deny: {paths: [/, /etc], flows: \"*:22\", users: [root], cgroups: [/a]}\n"
		     "report: {events: \"out/${run.id}.ndjson\"}\n");
	const struct abort_rule *rules = x->abort.when.at;

	assert_int_equal(x->abort.when.n, 2);
	assert_ptr_equal(rules[0].check, &x->checks[0]);
	assert_true(rules[0].is.failing && rules[0].for_ns == 45 * NS_PER_S);
	assert_true(rules[1].is.given && !rules[1].is.failing && rules[1].for_ns == 0);
	assert_int_equal(x->abort.revert_within_ns, 5 * NS_PER_S);
	assert_int_equal(x->limits.duration_ns, 1800 * NS_PER_S);
	assert_int_equal(x->limits.processes, 2);
	assert_int_equal(x->limits.deny.paths.n, 2);
	assert_string_equal(x->limits.deny.flows.at[0], "*:22");
	assert_string_equal(x->report.events, "out/00000000000000000000000000.ndjson");
}

static void a_fault_that_outlasts_the_limit_is_refused(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, TOP CHECKS "limits: {duration: 40s}\nfaults:\n"
						 "  - net.delay: {to: h, delay: 1s}\n"
						 "    after: 11s\n"
						 "  - net.delay: {to: h, delay: 1s}\n"
						 "    after: 10s\n"
						 "  - net.delay: {to: h, delay: 1s}\n"
						 "    for: 41s\n"),
			 -EBADMSG);
	assert_int_equal(l->d.errors, 2);
	assert_true(lang_has(l, MSG_LIMIT, 7, 5));
	assert_true(lang_has(l, MSG_LIMIT, 12, 10));
}

static void every_word_of_a_later_version_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{ TOP CHECKS "phases: []\n", "'phases'" },
		{ TOP CHECKS FAULTS "secrets: {a: {env: X}}\n", "'secrets'" },
		{ TOP CHECKS FAULTS "sources: {}\n", "'sources'" },
		{ TOP CHECKS FAULTS "budgets: []\n", "'budgets'" },
		{ TOP CHECKS FAULTS "alerts:\n", "'alerts'" },
		{ TOP CHECKS FAULTS "schedule: {}\n", "'schedule'" },
		{ TOP CHECKS FAULTS "fleet: {}\n", "'fleet'" },
		{ TOP CHECKS FAULTS "notify: []\n", "'notify'" },
		{ TOP CHECKS FAULTS "report: {html: x}\n", "'html'" },
		{ TOP CHECKS FAULTS "report: {junit: x}\n", "'junit'" },
		{ TOP CHECKS FAULTS "report: {otlp: x}\n", "'otlp'" },
		{ TOP CHECKS FAULTS "limits: {hosts: 3}\n", "'hosts'" },
		{ TOP CHECKS FAULTS "limits: {percent_of_fleet: 3%}\n", "'percent_of_fleet'" },
		{ TOP CHECKS FAULTS "limits: {deny: {services: [x]}}\n", "'services'" },
		{ TOP CHECKS FAULTS "    ramp: 3s\n", "'ramp'" },
		{ TOP CHECKS "faults:\n  - cpu.burn: {load: 80%}\n", "'cpu.burn'" },
		{ TOP CHECKS "faults:\n  - mem.hold: {size: 1GiB}\n", "'mem.hold'" },
		{ TOP CHECKS "faults:\n  - net.rate: {}\n", "'net.rate'" },
		{ TOP CHECKS "faults:\n  - net.corrupt: {}\n", "'net.corrupt'" },
		{ TOP CHECKS "faults:\n  - syscall.fail: {}\n", "'syscall.fail'" },
		{ TOP "steady_state:\n  - promql: up\n" FAULTS, "'promql'" },
		{ TOP "steady_state:\n  - datadog: up\n" FAULTS, "'datadog'" },
		{ TOP "steady_state:\n  - newrelic: up\n" FAULTS, "'newrelic'" },
		{ TOP "steady_state:\n  - file: /x\n" FAULTS, "'file'" },
		{ TOP CHECKS "    over: 30s\n" FAULTS, "'over'" },
		{ TOP CHECKS "    source: prom\n" FAULTS, "'source'" },
		{ TOP CHECKS "    is: {p99: \"< 1s\"}\n" FAULTS,
		  "percentiles and error ratios are" },
		{ TOP CHECKS FAULTS "targets: {a: {service: x}}\n", "'service'" },
		{ TOP CHECKS FAULTS "targets: {a: {container: x}}\n", "'container'" },
		{ TOP CHECKS FAULTS "targets: {a: {cgroup: x}}\n", "'cgroup'" },
		{ TOP CHECKS FAULTS "targets: {a: {device: x}}\n", "'device'" },
		{ TOP CHECKS FAULTS "abort: {when: [{budget: b, is: \"> 5%\"}]}\n", "'budget'" },
		{ TOP CHECKS FAULTS "abort: {when: [{promql: b, is: \"> 5%\"}]}\n", "'promql'" },
	};
	struct lang *l = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(lang_load(l, cases[i].text), -EBADMSG);
		if (l->d.errors != 1 || l->d.at[0].code != MSG_LATER ||
		    !strstr(l->d.at[0].text, cases[i].word) ||
		    !strstr(l->d.at[0].text, "not in this version"))
			fail_msg("%s\n%s", cases[i].word, l->said);
	}
}

static void words_for_people_and_free_keys_are_accepted(void **state)
{
	struct lang *l = *state;

	good(l, TOP
	     "description: >\n  long\n  text\nowner: me\ntags: [a, b]\nlinks: {runbook: http://x}\nx-any: {a: [1]}\n"
	     "steady_state:\n  - {http: \"http://h/\", x-note: 1}\n"
	     "faults:\n  - proc.kill: {pid: 7, x-a: 1}\n    x-b: {}\n"
	     "limits: {x-c: 1}\n");
	assert_int_equal(l->d.warnings, 0);
}

static void a_fault_has_exactly_one_kind(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, TOP CHECKS "faults:\n"
						 "  - for: 3s\n"
						 "  - proc.kill: {pid: 3}\n"
						 "    disk.fill: {path: /x, size: 1MiB}\n"
						 "  - net.dely: {to: x}\n"
						 "  - just text\n"
						 "  - fro: 3s\n"
						 "    proc.kill: {pid: 3}\n"
						 "  - some.thing: {}\n"),
			 -EBADMSG);
	assert_int_equal(l->d.errors, 6);
	assert_true(lang_has(l, MSG_ONE_KIND, 6, 5));
	assert_true(lang_has(l, MSG_ONE_KIND, 8, 5));
	assert_true(lang_has(l, MSG_UNKNOWN_FAULT, 9, 5));
	assert_true(lang_has(l, MSG_SHAPE, 10, 5));
	assert_true(lang_has(l, MSG_UNKNOWN_KEY, 11, 5));
	assert_true(lang_has(l, MSG_UNKNOWN_FAULT, 13, 5));
}

static void ids_are_unique_well_formed_and_made_where_missing(void **state)
{
	struct lang *l = *state;
	struct experiment *x = good(l, TOP CHECKS "faults:\n"
						  "  - proc.kill: {pid: 1}\n"
						  "  - proc.kill: {pid: 2}\n"
						  "  - {id: proc-kill-2, proc.kill: {pid: 3}}\n"
						  "  - {id: http, proc.kill: {pid: 3}}\n");

	assert_string_equal(x->faults[0].id, "proc-kill");
	assert_string_equal(x->faults[1].id, "proc-kill-3");
	assert_string_equal(x->faults[2].id, "proc-kill-2");
	assert_int_equal(lang_load(l, TOP CHECKS "    id: Web\n" FAULTS
						 "    id: a\n  - {id: a, proc.kill: {pid: 3}}\n"
						 "  - {id: a.b, proc.kill: {pid: 3}}\n"),
			 -EBADMSG);
	assert_true(lang_has(l, MSG_BAD_NAME, 5, 9));
	assert_true(lang_has(l, MSG_SAME_ID, 9, 10));
	assert_true(lang_has(l, MSG_BAD_NAME, 10, 10));
	assert_int_equal(l->d.errors, 3);
}

static void a_newer_language_is_told_apart_from_mistakes(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, "brink: 2\nnmae: x\nbogus: 1\n"), -EBADMSG);
	assert_int_equal(l->d.errors, 1);
	assert_true(lang_has(l, MSG_LANGUAGE, 1, 8));
	assert_int_equal(lang_load(l, "brink: 0\n"), -EBADMSG);
	assert_true(lang_has(l, MSG_LANGUAGE, 1, 8));
	assert_int_equal(lang_load(l, "brink: one\nname: x\n" CHECKS FAULTS), -EBADMSG);
	assert_true(lang_has(l, MSG_WHOLE_NUMBER, 1, 8));
}

static void checks_that_cannot_work_are_refused(void **state)
{
	static const struct {
		const char *item;
		enum msg_code code;
		unsigned col;
	} cases[] = {
		{ "http: ftp://h/", MSG_CHECK_VALUE, 11 },
		{ "http: \"http:///x\"", MSG_CHECK_VALUE, 11 },
		{ "http: {url: http://h/, status: 99}", MSG_CHECK_VALUE, 36 },
		{ "http: {url: http://h/, status: 300-200}", MSG_CHECK_VALUE, 36 },
		{ "tcp: localhost", MSG_CHECK_VALUE, 10 },
		{ "tcp: \"::1:80\"", MSG_CHECK_VALUE, 10 },
		{ "tcp: \"h:0\"", MSG_CHECK_VALUE, 10 },
		{ "tcp: \"h:65536\"", MSG_CHECK_VALUE, 10 },
		{ "{tcp: \"h:80\", exit: 1}", MSG_NOT_HERE, 25 },
		{ "{tcp: \"h:80\", is: \"< 5\"}", MSG_CHECK_VALUE, 23 },
		{ "{tcp: \"h:80\", is: failing}", MSG_CHECK_VALUE, 23 },
		{ "{process_up: {pid: 3}, is: \"< 5\"}", MSG_CHECK_VALUE, 32 },
		{ "{tcp: \"h:80\", http: http://h/}", MSG_AT_MOST_ONE, 5 },
		{ "{every: 1s}", MSG_EXACTLY_ONE, 5 },
		{ "process_up: {}", MSG_MISSING, 17 },
		{ "{tcp: \"h:80\", every: 1ms}", MSG_RANGE, 26 },
		{ "{tcp: \"h:80\", fail_after: 0}", MSG_RANGE, 31 },
		{ "{tcp: \"h:80\", role: gates}", MSG_WORD, 25 },
	};
	struct lang *l = *state;
	char text[400];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), "%ssteady_state:\n  - %s\n%s", TOP, cases[i].item,
			 FAULTS);
		assert_int_equal(lang_load(l, text), -EBADMSG);
		assert_true(lang_has(l, cases[i].code, 4, cases[i].col));
		assert_int_equal(l->d.errors, 1);
	}
}

static void abort_rules_must_fit_their_check(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, TOP CHECKS "  - process_up: {pid: 3}\n" FAULTS
						 "abort:\n  when:\n"
						 "    - {check: http, is: \"> 20%\"}\n"
						 "    - {check: process-up, is: \"> 20\"}\n"
						 "    - {check: htpt, is: failing}\n"
						 "    - {check: http}\n"),
			 -EBADMSG);
	assert_int_equal(l->d.errors, 4);
	assert_true(lang_has(l, MSG_NOT_HERE, 10, 25));
	assert_true(lang_has(l, MSG_NOT_HERE, 11, 31));
	assert_true(lang_has(l, MSG_UNKNOWN_CHECK, 12, 15));
	assert_true(lang_has(l, MSG_MISSING, 13, 7));
}

static void warnings_do_not_refuse_a_file(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, TOP CHECKS "    role: observe\n" FAULTS
						 "targets: {a: {path: /x}}\n"),
			 0);
	assert_int_equal(l->d.warnings, 2);
	assert_true(lang_has(l, MSG_NO_GATE, 4, 3));
	assert_true(lang_has(l, MSG_UNUSED_TARGET, 8, 11));
}

static void aliases_bind_like_what_they_stand_for(void **state)
{
	struct lang *l = *state;
	struct experiment *x =
		good(l, TOP CHECKS
		     "x-d: &d {to: h, delay: 5ms}\nfaults:\n  - net.delay: *d\n  - net.delay: *d\n");

	assert_int_equal(((const struct fake_net_delay *)x->faults[1].spec)->delay_ns,
			 5 * NS_PER_MS);
}

static void a_thousand_faults_are_checked_in_proportion(void **state)
{
	static char text[300000];
	struct text t = text_on(text, sizeof(text));
	struct lang *l = *state;
	int64_t start;

	text_add(&t, TOP CHECKS "faults:\n");
	for (int i = 0; i < 4000; i++)
		text_add(&t, "  - net.delay: {to: \"h:%d\", delay: 200ms}\n    for: 30s\n", i + 1);
	assert_false(t.cut);
	start = clock_mono_ns();
	assert_int_equal(lang_load(l, text), -EBADMSG);
	/* functional, not a benchmark: anything quadratic takes minutes under the sanitizers */
	assert_true(clock_mono_ns() - start < 10 * NS_PER_S);
	assert_int_equal(l->d.errors, 1); /* more than one run may have: said once */
	assert_true(lang_has(l, MSG_TOO_MANY, 6 + 2 * PROTO_FAULTS, 5));
}

static void a_fault_that_no_run_would_take_is_refused_where_it_stands(void **state)
{
	struct lang *l = *state;

	assert_int_equal(lang_load(l, TOP CHECKS "faults:\n"
						 "  - net.delay: {to: h, delay: 1s, jitter: 2s}\n"),
			 -EBADMSG);
	assert_int_equal(l->d.errors, 1);
	assert_true(lang_has(l, MSG_FAULT_VALUE, 6, 5));
	/* what could not be bound is not judged as well */
	assert_int_equal(lang_load(l, TOP CHECKS "faults:\n  - net.delay: {to: h, jitter: 2s}\n"),
			 -EBADMSG);
	assert_int_equal(l->d.errors, 1);
	assert_int_equal(lang_load(l,
				   TOP "targets:\n  db: {flow: {to: \"10.0.0.1:99999\"}}\n" CHECKS
				       "faults:\n  - net.delay: {target: db, delay: 1s}\n"),
			 -EBADMSG);
	assert_true(lang_has(l, MSG_FAULT_VALUE, 4, 14));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, lang_teardown)
	const struct CMUnitTest tests[] = {
		T(the_eight_line_example_is_bound),
		T(a_fault_without_for_ends_after_30_seconds),
		T(a_one_shot_fault_has_no_duration_unless_it_is_repeated),
		T(every_check_source_is_bound),
		T(targets_are_declared_once_and_referred_to),
		T(references_to_targets_must_exist_and_fit),
		T(recovery_is_a_duration_or_a_block),
		T(abort_limits_and_report_are_bound),
		T(a_fault_that_outlasts_the_limit_is_refused),
		T(every_word_of_a_later_version_is_refused_by_name),
		T(words_for_people_and_free_keys_are_accepted),
		T(a_fault_has_exactly_one_kind),
		T(ids_are_unique_well_formed_and_made_where_missing),
		T(a_newer_language_is_told_apart_from_mistakes),
		T(checks_that_cannot_work_are_refused),
		T(abort_rules_must_fit_their_check),
		T(warnings_do_not_refuse_a_file),
		T(aliases_bind_like_what_they_stand_for),
		T(a_fault_that_no_run_would_take_is_refused_where_it_stands),
		T(a_thousand_faults_are_checked_in_proportion),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
