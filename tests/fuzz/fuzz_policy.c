/* SPDX-License-Identifier: Apache-2.0 */
/* link: -fsanitize=fuzzer tests/fakes/fake_arena.c -Wl,--wrap=getaddrinfo */
/* fuzz: -max_len=6144 -dict=tests/fuzz/policy.dict */
/*
 * A policy file, then, behind a byte 1E, a change as it would come to be judged by it. A change
 * that a deny rule hits is refused; nothing is allowed under an allow list that names nothing of
 * it.
 */
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenarios/policy.h"
#include "tests/fuzz/fuzz.h"

#define BETWEEN 0x1e

static const char *const kinds[] = {
	[CHANGE_NETEM_SIDE] = "net.delay", [CHANGE_NFT_GATE] = "net.drop",
	[CHANGE_FILL] = "disk.fill",       [CHANGE_PAUSE] = "proc.pause",
	[CHANGE_FREEZE] = "proc.pause",    [CHANGE_STOP] = "proc.pause",
	[CHANGE_SIGNAL] = "proc.kill",     [CHANGE_SOCK_RESET] = "net.reset",
	[CHANGE_PORT] = "net.port_taken",  [CHANGE_LINK] = "net.mtu",
	[CHANGE_QUEUE] = "net.delay"
};

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret);

/* Nobody is asked over a network. */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)ret;
	return EAI_NONAME;
}

static void print(struct diags *d)
{
	char *said = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&said, &n);

	FUZZ_MUST(f);
	diags_print(d, f);
	fclose(f);
	fuzz_must_be_safe(said, n);
	free(said);
}

/* The lines of the plan. */
static void must_print(const struct change_spec *s)
{
	char does[600], undoes[600], key[100];
	struct text d = text_on(does, sizeof(does)), u = text_on(undoes, sizeof(undoes));
	struct text k = text_on(key, sizeof(key));

	change_ops_of(s->kind)->print(s, &d, &u);
	change_ops_of(s->kind)->resource(s, &k);
	FUZZ_MUST(d.len && u.len && d.len < sizeof(does));
}

static void judge(const struct policy *p, struct feed *f)
{
	struct change_spec *s = malloc(sizeof(*s));
	struct limits limits = { 0 };
	struct policy_verdict v = { 0 };
	struct policy_run run = { .n_faults = feed_u8(f),
				  .longest_ns = (int64_t)feed_u32(f) << 16 };
	struct policy_fault what = { .n_changes = 1, .change = s };
	struct err e = { 0 };
	int r;

	FUZZ_MUST(s);
	what.for_ns = (int64_t)feed_u32(f) << 12;
	run.hold_ns = run.longest_ns / 2;
	r = policy_check_run(p, &limits, &run, &e);
	FUZZ_MUST(r == 0 || e.code == -r);
	feed_change(f, s);
	if (change_spec_check(s, 0, &e) < 0) { /* the keeper takes no such change */
		free(s);
		return;
	}
	what.kind = kinds[s->kind];
	r = policy_check_fault(p, &limits, &what, &v, &e);
	FUZZ_MUST(r == 0 || e.code == -r);
	FUZZ_MUST(r < 0 || !p->has_allow || v.at.file);
	FUZZ_MUST(r < 0 || what.for_ns <= p->fault_ns.value || !p->fault_ns.value);
	must_print(s);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_place where = { fuzz_dir(), geteuid() };
	struct feed f = { data, size }, text = feed_until(&f, BETWEEN);
	int dir = open(fuzz_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct diags d = { 0 };
	struct policy p;
	struct err e = { 0 };
	int r;

	fuzz_write(dir, "policy.yaml", text.at, text.left);
	close(dir);
	r = policy_load(&where, NULL, &p, &d, &e);
	FUZZ_MUST(r == 0 || (r < 0 && e.code == -r));
	print(&d);
	if (r == 0) {
		FUZZ_MUST(d.errors == 0 && p.n_files == 1);
		judge(&p, &f);
		policy_done(&p);
	} else {
		fuzz_error_must_be_safe(&e);
	}
	diags_done(&d);
	return FUZZ_KEEP;
}
