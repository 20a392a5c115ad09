/* SPDX-License-Identifier: Apache-2.0 */
/* link: tests/fakes/fake_nlsock.c -Wl,--wrap=nlsock_open,--wrap=nlsock_close,--wrap=nlsock_talk */
/* link: -Wl,--wrap=nlsock_ask,--wrap=netns_sock,--wrap=clock_mono_ns */
/* link: -Wl,--wrap=link_same,--wrap=qdisc_watch_open,--wrap=qdisc_watch_heard */
/*
 * netem_side and nft_gate against a small kernel in memory: the whole life of a net.delay, and the
 * same with every call failing once and for ever, with its effect and without. Never a false
 * success.
 */
#include "inject/change/change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "inject/change/kinds.h"
#include "tests/fakes/fake_nlsock.h"
#include "tests/support/test.h"

#define LEASE_MS 3000
#define BEATS    20
#define TRIES    5

/* One net.delay: an ifb with netem, then the gate that forwards to it. */
struct life {
	struct change_spec spec[2];
	struct change change[2];
	struct undo undo[2];
	bool prepared;
};

static void make(struct life *l)
{
	memset(l, 0, sizeof(*l));
	l->spec[0] = (struct change_spec){ .kind = CHANGE_NETEM_SIDE, .lease_ms = LEASE_MS };
	l->spec[0].u.netem = (struct netem_side_spec){ .netns = { .cookie = 1 },
						       .ifb = "brinkabcdefg00a",
						       .dev = "eth0",
						       .delay_ns = 100 * NS_PER_MS,
						       .jitter_ns = NS_PER_MS,
						       .dist = DIST_NORMAL,
						       .limit = 10000 };
	l->spec[1] = (struct change_spec){ .kind = CHANGE_NFT_GATE, .lease_ms = LEASE_MS };
	l->spec[1].u.gate = (struct nft_gate_spec){ .netns = { .cookie = 1 },
						    .table = "brink_abc00a",
						    .dev = "lo",
						    .fwd_dev = "brinkabcdefg00a",
						    .action = GATE_FWD,
						    .n_matches = 2,
						    .n_prefixes = 2,
						    .share_ppm = 1000000 };
	l->spec[1].u.gate.match[0] = (struct net_match){
		.hook = GATE_EGRESS, .proto = 6, .exempt = 1, .sport_lo = 22, .sport_hi = 22
	};
	l->spec[1].u.gate.match[1] = (struct net_match){
		.hook = GATE_EGRESS, .dst_n = 2, .dport_lo = 80, .dport_hi = 90
	};
	l->spec[1].u.gate.prefix[0] = (struct net_prefix){ .family = 4, .len = 8, .addr = { 10 } };
	l->spec[1].u.gate.prefix[1] =
		(struct net_prefix){ .family = 6, .len = 128, .addr = { 0xfd } };
	for (int i = 0; i < 2; i++)
		l->change[i] = (struct change){ .ops = change_ops_of(l->spec[i].kind),
						.spec = &l->spec[i],
						.undo = &l->undo[i] };
}

static void done(struct life *l)
{
	for (int i = 0; i < 2; i++)
		free(l->change[i].live);
}

static int prepare(struct life *l, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		int rc = l->change[i].ops->prepare(&l->change[i], &l->undo[i], e);

		if (rc < 0)
			return rc;
		l->undo[i].kind = l->spec[i].kind;
	}
	l->prepared = true;
	return 0;
}

static int arm(struct life *l, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		int rc = l->change[i].ops->arm(&l->change[i], e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int has_ended(const struct change *c, struct text *ret_left, struct err *e)
{
	return c->ops->ended ? c->ops->ended(c->undo, ret_left, e) : 0;
}

/* Is the effect over? As the keeper asks: 0, 1 or -errno. */
static int ended(struct life *l, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		char words[128];
		struct text left = text_on(words, sizeof(words));
		int rc = has_ended(&l->change[i], &left, e);

		if (rc)
			return rc;
	}
	return 0;
}

/* As the holder does, every 100 ms: -errno once the lease is lost. */
static int hold(struct life *l, struct err *e)
{
	for (int beat = 0; beat < BEATS; beat++) {
		int rc;

		fake.now_ns += 100 * NS_PER_MS;
		rc = nft_gate_ops.refresh(&l->change[1], e);
		if (rc < 0)
			return rc;
		assert_true(fake_gate_open()); /* said to live: it lives */
	}
	return 0;
}

/* Returns 0 when everything went well; what was said is checked against the kernel on the way. */
static int live(struct life *l, struct err *e)
{
	int rc = prepare(l, e);

	if (rc < 0) {
		assert_true(fake_untouched());
		return rc;
	}
	rc = arm(l, e);
	assert_false(fake_gate_open()); /* armed, whether or not it worked: without effect */
	if (rc == 0 && ended(l, e) != 0)
		rc = -EIO;
	if (rc == 0)
		rc = nft_gate_ops.fire(&l->change[1], e);
	if (rc == 0)
		assert_true(fake_gate_open());
	if (rc == 0)
		rc = ended(l, e) == 1 ? 0 : -EIO; /* landed? */
	return rc < 0 ? rc : hold(l, e);
}

/* The end of every life. True when it was said that the machine is as before. */
static bool take_back(struct life *l)
{
	bool clean = true;
	struct err e;

	if (!l->prepared)
		return true;
	nft_gate_ops.quiet(&l->change[1], &e);
	if (ended(l, &e) == 0) /* the keeper believes what it reads back, not what quiet said */
		assert_false(fake_gate_open());
	for (int i = 0; i < TRIES && netem_side_ops.drain(&l->change[0], &e) == -EINPROGRESS; i++)
		fake.link[1].qlen = 0;
	fake_holder_dies();
	assert_false(fake_gate_open()); /* whatever failed: no owner, no effect */
	for (int i = 1; i >= 0; i--) {
		const struct change_ops *ops = l->change[i].ops;
		int rc = -1;

		for (int try = 0; try < TRIES && rc; try++) {
			char words[128];
			struct text left = text_on(words, sizeof(words));

			rc = ops->undo(&l->undo[i], &e);
			if (rc == 0)
				rc = has_ended(&l->change[i], &left, &e);
			if (rc == 0)
				rc = ops->gone(&l->undo[i], &left, &e);
		}
		clean &= rc == 0;
	}
	return clean;
}

static void a_life_without_trouble_ends_where_it_began(void **state)
{
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(live(&l, &e), 0);
	assert_int_equal(fake.table[0].unleased, 0);
	assert_true(fake.table[0].rules >= 3);
	assert_string_equal(fake.link[1].qdisc, "netem");
	assert_true(take_back(&l));
	assert_true(fake_untouched());
	assert_true(take_back(&l)); /* a second time finds nothing and says the same */
	done(&l);
}

/* Returns how many calls failed. */
static unsigned one_trouble(unsigned at, int code, bool forever, bool after)
{
	struct err e = { 0 };
	struct life l;
	unsigned failed;
	bool clean;

	fake_reset();
	fake.fail_at = at;
	fake.fail_errno = code;
	fake.forever = forever;
	fake.after = after;
	make(&l);
	live(&l, &e);
	clean = take_back(&l);
	failed = fake.failed;
	if (clean && !fake_untouched())
		fail_msg("call %u, errno %d%s%s: said to be clean, and is not", at, code,
			 forever ? ", for ever" : "", after ? ", with its effect" : "");
	if (!forever && !clean)
		fail_msg("call %u, errno %d: one failure is not overcome", at, code);
	fake.fail_at = 0;
	assert_true(take_back(&l));
	assert_true(fake_untouched());
	done(&l);
	return failed;
}

static unsigned sweep(int code, bool forever, bool after)
{
	unsigned at = 1;

	while (one_trouble(at, code, forever, after))
		at++;
	return at;
}

static void any_call_may_fail_once(void **state)
{
	static const int codes[] = { EPERM, ENOENT, EIO,    EINTR,   ENOMEM,
				     EBUSY, EEXIST, ENODEV, ENOBUFS, ETIMEDOUT };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		assert_true(sweep(codes[i], false, false) > 25);
		assert_true(sweep(codes[i], false, true) > 25);
	}
}

static void any_call_may_fail_for_ever(void **state)
{
	static const int codes[] = { EPERM, EIO, ENOMEM, EBUSY, EINTR, ETIMEDOUT };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		assert_true(sweep(codes[i], true, false) > 25);
		assert_true(sweep(codes[i], true, true) > 25);
	}
}

static void a_holder_without_beats_loses_its_lease_and_never_gets_it_again(void **state)
{
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(live(&l, &e), 0);
	fake.now_ns += LEASE_MS * NS_PER_MS + 1;
	assert_false(fake_gate_open()); /* by itself */
	assert_int_equal(nft_gate_ops.refresh(&l.change[1], &e), -ENOENT);
	assert_false(fake_gate_open());
	fake.now_ns += NS_PER_S;
	assert_int_equal(nft_gate_ops.refresh(&l.change[1], &e), 0);
	assert_false(fake_gate_open());
	assert_int_equal(nft_gate_ops.quiet(&l.change[1], &e), 0);
	assert_true(take_back(&l));
	done(&l);
}

static void the_lease_is_renewed_before_half_of_it_is_over(void **state)
{
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(live(&l, &e), 0);
	for (int beat = 0; beat < 100; beat++) {
		fake.now_ns += 100 * NS_PER_MS;
		assert_int_equal(nft_gate_ops.refresh(&l.change[1], &e), 0);
		assert_true(fake.table[0].expires_ns - fake.now_ns >= LEASE_MS * NS_PER_MS / 2);
	}
	assert_true(take_back(&l));
	done(&l);
}

static void a_gate_that_was_never_armed_is_quiet(void **state)
{
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(nft_gate_ops.quiet(&l.change[1], &e), 0);
	assert_int_equal(fake.calls, 0);
	/* its socket could not be opened: descriptor 0 is somebody else's */
	fake.fail_at = 1;
	fake.fail_errno = EMFILE;
	assert_int_equal(nft_gate_ops.arm(&l.change[1], &e), -EMFILE);
	assert_int_equal(nft_gate_ops.quiet(&l.change[1], &e), 0);
	assert_int_equal(fake.calls, 1);
	done(&l);
}

static void what_netem_still_holds_is_waited_for(void **state)
{
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(live(&l, &e), 0);
	fake.link[1].qlen = 3;
	assert_int_equal(netem_side_ops.drain(&l.change[0], &e), -EINPROGRESS);
	fake.link[1].qlen = 0;
	assert_int_equal(netem_side_ops.drain(&l.change[0], &e), 0);
	assert_true(take_back(&l));
	done(&l);
}

static void hits_are_what_the_counters_say(void **state)
{
	struct err e = { 0 };
	struct effect x = { 1, 1 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(live(&l, &e), 0);
	assert_int_equal(nft_gate_ops.effect(&l.change[1], &x, &e), 0);
	assert_int_equal(x.hits + x.bytes, 0);
	fake.table[0].packets = UINT64_C(5000000000);
	fake.table[0].bytes = UINT64_C(7000000000000);
	assert_int_equal(nft_gate_ops.effect(&l.change[1], &x, &e), 0);
	assert_int_equal(x.hits, UINT64_C(5000000000));
	assert_int_equal(x.bytes, UINT64_C(7000000000000));
	x = (struct effect){ 0 }; /* the same for whoever has the record alone */
	assert_int_equal(nft_gate_ops.seen(&l.undo[1], &x, &e), 0);
	assert_int_equal(x.hits, UINT64_C(5000000000));
	assert_int_equal(x.bytes, UINT64_C(7000000000000));
	assert_true(take_back(&l));
	assert_int_equal(nft_gate_ops.seen(&l.undo[1], &x, &e), -ENOENT);
	done(&l);
}

static void what_others_do_to_its_devices_is_noticed(void **state)
{
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(live(&l, &e), 0);
	assert_int_equal(nft_gate_ops.refresh(&l.change[1], &e), 0);
	fake.link[0].ifindex = 77; /* deleted, and made anew */
	assert_int_equal(nft_gate_ops.refresh(&l.change[1], &e), -ENODEV);
	fake.link[0].ifindex = 1;

	fake.qdiscs_changed = true; /* others', or of no consequence */
	assert_int_equal(netem_side_ops.refresh(&l.change[0], &e), 0);
	snprintf(fake.link[1].qdisc, sizeof(fake.link[1].qdisc), "pfifo");
	fake.qdiscs_changed = true;
	assert_int_equal(netem_side_ops.refresh(&l.change[0], &e), -ENOENT);
	fake.link[1].ifindex = 78;
	assert_int_equal(netem_side_ops.refresh(&l.change[0], &e), -ENODEV);

	/* one of the same name and kind that somebody else made */
	fake.link[1].mac[5] ^= 1;
	assert_int_equal(netem_side_ops.undo(&l.undo[0], &e), -EEXIST);
	fake.link[1].mac[5] ^= 1;
	assert_true(take_back(&l));
	assert_true(fake_untouched());
	done(&l);
}

static void what_others_made_is_left_alone(void **state)
{
	char words[128];
	struct text left = text_on(words, sizeof(words));
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(prepare(&l, &e), 0);
	/* a device of that name which is no ifb */
	fake.link[1] =
		(struct fake_link){ .ifindex = 9, .name = "brinkabcdefg00a", .kind = "veth" };
	assert_int_equal(netem_side_ops.undo(&l.undo[0], &e), -EEXIST);
	assert_int_equal(fake.link[1].ifindex, 9);
	/* and when it is there before the run: refused before anything is made */
	assert_int_equal(netem_side_ops.prepare(&l.change[0], &l.undo[0], &e), -EEXIST);
	/* a table that another living process owns */
	fake.table[0] = (struct fake_table){
		.used = true, .family = 5, .name = "brink_abc00a", .owner = 77
	};
	assert_int_equal(nft_gate_ops.undo(&l.undo[1], &e), -EPERM);
	assert_int_equal(nft_gate_ops.gone(&l.undo[1], &left, &e), 1);
	assert_non_null(strstr(words, "brink_abc00a"));
	done(&l);
}

/* Somebody has renamed it, and may have given its name to another one. */
static void by_another_name_it_is_brinks_device_all_the_same(void **state)
{
	char words[128];
	struct err e = { 0 };

	(void)state;
	for (int taken = 0; taken < 2; taken++) {
		struct text left = text_on(words, sizeof(words));
		struct life l;

		fake_reset();
		make(&l);
		assert_int_equal(live(&l, &e), 0);
		snprintf(fake.link[1].name, sizeof(fake.link[1].name), "mine");
		if (taken) {
			fake.link[2] = fake.link[1];
			fake.link[2].ifindex = 9;
			fake.link[2].mac[5] ^= 1;
			snprintf(fake.link[2].name, sizeof(fake.link[2].name), "brinkabcdefg00a");
		}
		assert_int_equal(netem_side_ops.refresh(&l.change[0], &e), -ENODEV);
		assert_int_equal(netem_side_ops.gone(&l.undo[0], &left, &e), 1);
		assert_string_equal(
			words,
			"the device 'mine' is still there (it was called 'brinkabcdefg00a')");
		assert_int_equal(netem_side_ops.undo(&l.undo[0], &e), 0);
		assert_int_equal(fake.link[1].ifindex, 0);
		assert_int_equal(netem_side_ops.undo(&l.undo[0], &e), taken ? -EEXIST : 0);
		assert_int_equal(fake.link[2].ifindex, taken ? 9 : 0);
		memset(&fake.link[2], 0, sizeof(fake.link[2]));
		assert_true(take_back(&l));
		assert_true(fake_untouched());
		done(&l);
	}
}

/* Their addresses may be equal: 8 bits of them are the name's. */
static void what_another_fault_of_the_run_made_is_left_alone(void **state)
{
	char words[128];
	struct text left = text_on(words, sizeof(words));
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(live(&l, &e), 0);
	fake.link[2] = fake.link[1];
	fake.link[2].ifindex = 9;
	snprintf(fake.link[2].name, sizeof(fake.link[2].name), "brinkabcdefg01a");
	assert_true(take_back(&l));
	assert_int_equal(netem_side_ops.undo(&l.undo[0], &e), 0);
	assert_int_equal(netem_side_ops.gone(&l.undo[0], &left, &e), 0);
	assert_int_equal(fake.link[2].ifindex, 9);
	done(&l);
}

static void a_namespace_that_is_gone_took_everything_with_it(void **state)
{
	char words[128];
	struct text left = text_on(words, sizeof(words));
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(prepare(&l, &e), 0);
	fake.netns_gone = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(l.change[i].ops->undo(&l.undo[i], &e), 0);
		assert_int_equal(has_ended(&l.change[i], &left, &e), 0);
		assert_int_equal(l.change[i].ops->gone(&l.undo[i], &left, &e), 0);
	}
	/* any other trouble with it is no absence */
	fake.fail_at = fake.calls + 1;
	fake.fail_errno = EACCES;
	fake.forever = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(l.change[i].ops->undo(&l.undo[i], &e), -EACCES);
		assert_int_equal(l.change[i].ops->ended ? has_ended(&l.change[i], &left, &e) :
							  -EACCES,
				 -EACCES);
		assert_int_equal(l.change[i].ops->gone(&l.undo[i], &left, &e), -EACCES);
	}
	done(&l);
}

static void what_cannot_be_read_is_neither_ended_nor_gone(void **state)
{
	char words[128];
	struct text left = text_on(words, sizeof(words));
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	make(&l);
	assert_int_equal(prepare(&l, &e), 0);
	fake.fail_errno = EIO;
	for (int i = 0; i < 2; i++) { /* the socket is there, the question fails */
		fake.fail_at = fake.calls + 2;
		assert_int_equal(l.change[i].ops->gone(&l.undo[i], &left, &e), -EIO);
		fake.fail_at = fake.calls + 2;
		fake.forever = true;
		assert_int_equal(l.change[i].ops->undo(&l.undo[i], &e), -EIO);
		fake.forever = false;
	}
	fake.fail_at = fake.calls + 2;
	assert_int_equal(nft_gate_ops.ended(&l.undo[1], &left, &e), -EIO);
	done(&l);
}

static void a_kernel_without_netem_or_ifb_says_so(void **state)
{
	char text[600];
	struct err e = { 0 };
	struct life l;

	(void)state;
	fake_reset();
	fake.no_netem = true;
	make(&l);
	assert_true(live(&l, &e) < 0);
	assert_non_null(strstr(err_format(&e, text, sizeof(text)), "sch_netem"));
	assert_non_null(strstr(text, "linux-modules-extra (Ubuntu)")); /* not cut off */
	assert_true(take_back(&l));
	assert_true(fake_untouched());
	done(&l);
	fake_reset();
	fake.no_ifb = true;
	make(&l);
	assert_true(live(&l, &e) < 0);
	assert_non_null(strstr(err_format(&e, text, sizeof(text)), "module 'ifb'"));
	assert_non_null(strstr(text, "linux-modules-extra (Ubuntu)"));
	assert_true(take_back(&l));
	assert_true(fake_untouched());
	done(&l);
}

static void a_forged_number_is_no_kind(void **state)
{
	(void)state;
	assert_null(change_ops_of(0));
	assert_null(change_ops_of(CHANGE_KIND_COUNT));
	assert_null(change_ops_of(UINT16_MAX));
	for (unsigned i = 1; i < CHANGE_KIND_COUNT; i++) {
		assert_non_null(change_ops_of(i));
		assert_non_null(change_ops_of(i)->undo);
		assert_non_null(change_ops_of(i)->gone);
		assert_non_null(change_ops_of(i)->prepare);
		assert_non_null(change_ops_of(i)->resource);
		assert_non_null(change_ops_of(i)->print);
	}
}

#define REFUSED(which, ...)                                             \
	do {                                                            \
		struct life refused;                                    \
		make(&refused);                                         \
		struct change_spec *s = &refused.spec[which];           \
		assert_int_equal(change_spec_check(s, 0, &e), 0);       \
		__VA_ARGS__;                                            \
		assert_int_equal(change_spec_check(s, 0, &e), -EINVAL); \
	} while (0)

static void a_message_with_a_value_out_of_bounds_is_refused(void **state)
{
	struct err e = { 0 };

	(void)state;
	REFUSED(0, s->kind = 0);
	REFUSED(0, s->kind = CHANGE_KIND_COUNT);
	REFUSED(0, s->lease_ms = 0);
	REFUSED(0, s->lease_ms = UINT32_MAX);
	REFUSED(0, memset(s->u.netem.ifb, 'a', sizeof(s->u.netem.ifb)));
	REFUSED(0, strcpy(s->u.netem.ifb, "eth0")); /* not a name of brink's own */
	REFUSED(0, memset(s->u.netem.dev, 'a', sizeof(s->u.netem.dev)));
	REFUSED(0, s->u.netem.netns.cookie = 0);
	REFUSED(0, memset(s->u.netem.netns.path, 'a', sizeof(s->u.netem.netns.path)));
	REFUSED(0, s->u.netem.delay_ns = -1);
	REFUSED(0, s->u.netem.loss_ppm = 1000001);
	REFUSED(0, s->u.netem.dist = 4);
	REFUSED(0, s->u.netem.limit = 0);
	REFUSED(0, s->u.netem.limit = UINT32_MAX);
	REFUSED(0, s->u.netem.loss_model = 3);
	REFUSED(0, s->u.netem.slot_dist = 4);
	REFUSED(0, s->u.netem.p32_ppm = 1000001);
	REFUSED(0, s->u.netem.reorder_corr_ppm = 1000001);
	REFUSED(0, s->u.netem.jitter_ns = 3 * NS_PER_S, s->u.netem.delay_ns = 4 * NS_PER_S);
	REFUSED(0, s->u.netem.reorder_gap = -1);
	REFUSED(0, s->u.netem.rate = UINT64_MAX);
	REFUSED(0, s->u.netem.packet_overhead = -21, s->u.netem.rate = 1000);
	REFUSED(0, s->u.netem.cell_size = INT64_MIN);
	REFUSED(0, s->u.netem.cell_overhead = INT64_MIN);
	REFUSED(0, s->u.netem.slot_max_ns = 3 * NS_PER_S);
	REFUSED(0, s->u.netem.slot_bytes = UINT64_MAX, s->u.netem.slot_max_ns = NS_PER_MS);
	REFUSED(1, strcpy(s->u.gate.table, "filter"));
	REFUSED(1, strcpy(s->u.gate.fwd_dev, "eth1"));
	REFUSED(1, s->u.gate.action = GATE_TAG);
	REFUSED(1, s->u.gate.action = GATE_ANSWER); /* without names */
	REFUSED(1, s->u.gate.action = GATE_ANSWER + 1);
	REFUSED(1, s->u.gate.n_matches = 0);
	REFUSED(1, s->u.gate.n_matches = GATE_MATCHES + 1);
	REFUSED(1, s->u.gate.n_prefixes = GATE_PREFIXES + 1);
	REFUSED(1, s->u.gate.share_ppm = 1000001);
	REFUSED(1, s->u.gate.prefix[0].family = 5);
	REFUSED(1, s->u.gate.prefix[0].len = 33);
	REFUSED(1, s->u.gate.prefix[1].len = 129);
	REFUSED(1, s->u.gate.match[1].dst_n = 3);
	REFUSED(1, s->u.gate.match[1].dst_first = UINT16_MAX);
	REFUSED(1, s->u.gate.match[1].src_n = UINT16_MAX);
	REFUSED(1, s->u.gate.match[1].hook = 0);
	REFUSED(1, s->u.gate.match[1].hook = GATE_EGRESS | GATE_INGRESS);
	REFUSED(1, s->u.gate.match[1].hook = GATE_OUTPUT); /* two families in one table */
	REFUSED(1, s->u.gate.match[1].dport_lo = 91);
	REFUSED(1, s->u.gate.match[0].exempt = EXEMPT_CHOSEN + 1);
	REFUSED(1, s->u.gate.of_flows = FLOWS_BACK + 1);
	REFUSED(1, s->u.gate.learn = LEARN_TOO); /* from no tag */
	REFUSED(1, s->u.gate.tag = 1u << GATE_TAG_SHIFT; s->u.gate.learn = LEARN_ONLY + 1);
	REFUSED(1, s->u.gate.tag = 1u << GATE_TAG_SHIFT; s->u.gate.learn = LEARN_ONLY;
		s->u.gate.action = GATE_DROP);
	REFUSED(1, s->u.gate.tag = 1u << GATE_TAG_SHIFT; s->u.gate.learn = LEARN_ONLY;
		s->u.gate.every = 2);
	REFUSED(1, s->u.gate.tag = 1u << GATE_TAG_SHIFT; s->u.gate.learn = LEARN_ONLY;
		s->u.gate.share_ppm = 5);
	REFUSED(1, s->u.gate.every = 2; s->u.gate.share_ppm = 1);
	REFUSED(1, s->u.gate.only.given = GATE_CONDITIONS + 1);
	REFUSED(1, s->u.gate.only.mark = 1);
	REFUSED(1, s->u.gate.only.dscp = 64);
	REFUSED(1, s->u.gate.only.tcp_flags = 1);
	REFUSED(1, s->u.gate.only.length_lo = 1);
}

/* The pair of queue_delay, from the life of a net.delay. */
static void make_queue(struct change_spec *queue, struct change_spec *gate)
{
	struct life l;

	make(&l);
	*queue = l.spec[0];
	queue->kind = CHANGE_QUEUE;
	queue->u.queue = (struct queue_spec){ .how = l.spec[0].u.netem, .number = 65535 };
	queue->u.queue.how.ifb[0] = '\0';
	*gate = l.spec[1];
	gate->u.gate.action = GATE_QUEUE;
	gate->u.gate.queue = 65535;
	gate->u.gate.fwd_dev[0] = '\0';
	for (unsigned i = 0; i < gate->u.gate.n_matches; i++)
		gate->u.gate.match[i].hook = GATE_PREROUTING;
}

#define REFUSED_QUEUE(which, ...)                                       \
	do {                                                            \
		struct change_spec pair[2], *s = &pair[which];          \
		make_queue(&pair[0], &pair[1]);                         \
		assert_int_equal(change_spec_check(s, 0, &e), 0);       \
		__VA_ARGS__;                                            \
		assert_int_equal(change_spec_check(s, 0, &e), -EINVAL); \
	} while (0)

static void a_queue_is_fed_by_prerouting_alone(void **state)
{
	struct err e = { 0 };
	struct undo u = { .kind = CHANGE_QUEUE, .u.queue.number = 65535 };

	(void)state;
	REFUSED_QUEUE(0, s->u.queue.number = 0);
	REFUSED_QUEUE(0, s->u.queue.number = 65536);
	REFUSED_QUEUE(0, s->u.queue.how.netns.cookie = 0);
	REFUSED_QUEUE(0, s->u.queue.how.limit = 0);
	REFUSED_QUEUE(0, s->u.queue.how.delay_ns = -1);
	REFUSED_QUEUE(0, s->u.queue.how.duplicate_ppm = 1);
	REFUSED_QUEUE(0, s->u.queue.how.slot_max_ns = 1);
	REFUSED_QUEUE(1, s->u.gate.queue = 0);
	REFUSED_QUEUE(1, s->u.gate.action = GATE_DROP);
	REFUSED_QUEUE(1, s->u.gate.action = GATE_QUEUE + 1);
	REFUSED_QUEUE(1, s->u.gate.match[0].hook = GATE_OUTPUT);
	REFUSED_QUEUE(1, s->u.gate.match[1].hook = GATE_INPUT);
	REFUSED(1, s->u.gate.queue = 1);
	REFUSED(1, s->u.gate.match[0].hook = s->u.gate.match[1].hook = GATE_PREROUTING);
	assert_int_equal(change_undo_check(&u, &e), 0);
	u.u.queue.number = 65536;
	assert_int_equal(change_undo_check(&u, &e), -EBADMSG);
}

/* Random bytes from a socket: whatever is accepted can be printed and looked at without harm. */
static void random_messages_do_no_harm(void **state)
{
	struct err e = { 0 };
	unsigned accepted = 0;

	(void)state;
	srand(7);
	for (int i = 0; i < 20000; i++) {
		char a[2000], b[600];
		struct text t = text_on(a, sizeof(a)), u = text_on(b, sizeof(b));
		struct life l;
		struct change_spec *s;

		make(&l);
		s = &l.spec[i & 1];
		for (int k = rand() % 3; k >= 0; k--)
			((unsigned char *)s)[(size_t)rand() % (i & 2 ? 400 : sizeof(*s))] =
				(unsigned char)rand();
		if (change_spec_check(s, 0, &e) < 0)
			continue;
		accepted++;
		change_ops_of(s->kind)->print(s, &t, &u);
	}
	assert_true(accepted > 1000);
}

static void only_a_list_of_the_fault_that_grows_takes_an_address(void **state)
{
	struct gate_join j = { .list = GATE_PREFIXES + 1, .at = { 4, 32, { 10, 0, 0, 7 } } };
	const struct change_spec *spec[2];
	struct net_match *m;
	struct err e = { 0 };
	struct life l;

	(void)state;
	make(&l);
	spec[0] = &l.spec[0];
	spec[1] = &l.spec[1];
	m = &l.spec[1].u.gate.match[1];
	assert_int_equal(change_join_check(&j, spec, 2, &e), -EINVAL);
	m->grows = GROWS_DST; /* of a list in the message: it has no room */
	assert_int_equal(change_spec_check(spec[1], 3, &e), -EINVAL);
	m->dst_first = GATE_PREFIXES + 1;
	assert_int_equal(change_spec_check(spec[1], 3, &e), 0);
	assert_int_equal(change_spec_check(spec[1], 2, &e), -EINVAL);
	assert_int_equal(change_join_check(&j, spec, 2, &e), 0);
	assert_int_equal(change_join_check(&j, spec, 1, &e), -EINVAL);
	m->grows = GROWS_SRC; /* any source: nothing that could grow */
	assert_int_equal(change_spec_check(spec[1], 3, &e), -EINVAL);
	assert_int_equal(change_join_check(&j, spec, 2, &e), -EINVAL);
	m->grows = 4;
	assert_int_equal(change_spec_check(spec[1], 3, &e), -EINVAL);
	m->grows = GROWS_DST;
	j.list--;
	assert_int_equal(change_join_check(&j, spec, 2, &e), -EINVAL);
	j.list++;
	j.at.len = 31;
	assert_int_equal(change_join_check(&j, spec, 2, &e), -EINVAL);
	j.at = (struct net_prefix){ 6, 32, { 0xfd } };
	assert_int_equal(change_join_check(&j, spec, 2, &e), -EINVAL);
	j.at = (struct net_prefix){ 6, 128, { 0xfd } };
	assert_int_equal(change_join_check(&j, spec, 2, &e), 0);
	j.at.family = 5;
	assert_int_equal(change_join_check(&j, spec, 2, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_list_of_the_fault_that_grows_takes_an_address),
		cmocka_unit_test(a_life_without_trouble_ends_where_it_began),
		cmocka_unit_test(any_call_may_fail_once),
		cmocka_unit_test(any_call_may_fail_for_ever),
		cmocka_unit_test(a_holder_without_beats_loses_its_lease_and_never_gets_it_again),
		cmocka_unit_test(the_lease_is_renewed_before_half_of_it_is_over),
		cmocka_unit_test(a_gate_that_was_never_armed_is_quiet),
		cmocka_unit_test(what_netem_still_holds_is_waited_for),
		cmocka_unit_test(hits_are_what_the_counters_say),
		cmocka_unit_test(what_others_do_to_its_devices_is_noticed),
		cmocka_unit_test(what_others_made_is_left_alone),
		cmocka_unit_test(by_another_name_it_is_brinks_device_all_the_same),
		cmocka_unit_test(what_another_fault_of_the_run_made_is_left_alone),
		cmocka_unit_test(a_namespace_that_is_gone_took_everything_with_it),
		cmocka_unit_test(what_cannot_be_read_is_neither_ended_nor_gone),
		cmocka_unit_test(a_kernel_without_netem_or_ifb_says_so),
		cmocka_unit_test(a_forged_number_is_no_kind),
		cmocka_unit_test(a_message_with_a_value_out_of_bounds_is_refused),
		cmocka_unit_test(a_queue_is_fed_by_prerouting_alone),
		cmocka_unit_test(random_messages_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
