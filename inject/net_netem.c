/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_netem.h"

#include <string.h>

#include "inject/change/shaper.h"
#include "inject/kernel_has.h"
#include "inject/net_owner.h"

#define LIMIT_PPS     250000
#define LIMIT_MIN     10000
#define SHORT_PACKET  42   /* bytes: Ethernet, IPv4 and UDP without data */
#define QUEUE_PACKETS 1000 /* the default of tc-netem(8) */
#define PPM_ALL       1000000u
#define USER_PPS      250000u /* small UDP packets, a holder on a CPU to itself: docs/bench.md */

const char *const netem_dist_words[] = { "uniform", "normal", "pareto", "paretonormal", NULL };
const char *const netem_model_words[] = { "random", "gilbert_elliott", "markov", NULL };

/* Does it let through no more than so much at a time? Then packets wait, and too many are lost. */
static bool is_narrow(const struct netem_side_spec *s)
{
	return s->rate || s->slot_packets || s->slot_bytes;
}

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static double queue_room(const struct netem_side_spec *s, int64_t queue_ns, int64_t queue_packets)
{
	double full = (double)s->rate / NETEM_FULL_PACKET; /* packets a second */

	if (queue_packets)
		return (double)queue_packets;
	if (queue_ns)
		return 1 + full * seconds(queue_ns);
	return full > QUEUE_PACKETS ? full : QUEUE_PACKETS;
}

uint32_t netem_limit(const struct netem_side_spec *s, int64_t queue_ns, int64_t queue_packets,
		     uint32_t *ret_pps)
{
	/* half as much again as could be under way at once; a jitter distribution reaches beyond
	 * the jitter, and that of slots beyond the longest one */
	double held = seconds(s->delay_ns + 3 * s->jitter_ns + 3 * s->slot_max_ns);
	double pps = LIMIT_PPS, packets;

	if (s->rate && (double)s->rate / SHORT_PACKET < pps)
		pps = (double)s->rate / SHORT_PACKET;
	packets = 1.5 * pps * held * (s->duplicate_ppm ? 2 : 1);
	*ret_pps = 0;
	if (is_narrow(s))
		packets += queue_room(s, queue_ns, queue_packets);
	else if (packets < LIMIT_MIN)
		packets = LIMIT_MIN;
	if (packets <= NETEM_QUEUE_MAX)
		return (uint32_t)packets;
	if (!is_narrow(s))
		*ret_pps = (uint32_t)(pps * NETEM_QUEUE_MAX / packets);
	return NETEM_QUEUE_MAX;
}

const char *const netem_engine_words[] = { "auto", "kernel", "user", NULL };

static bool does_something(const struct netem_side_spec *s)
{
	return s->delay_ns || s->loss_ppm || s->loss_model != LOSS_RANDOM || s->duplicate_ppm ||
	       s->corrupt_ppm || s->rate || s->slot_max_ns;
}

/* Whatever the kernel has. */
static int check_user(const struct net_netem *n, struct err *e)
{
	int rc = shaper_check(&n->side, e);

	if (rc == 0 && n->net.direction != NET_IN)
		rc = err_set(e, EOPNOTSUPP,
			     "user space holds only what comes in (what goes out stays charged to "
			     "its sender's socket): use 'direction: in', here or at the other end");
	if (rc == 0 && net_owner_given(&n->net))
		rc = err_set(e, EOPNOTSUPP,
			     "in user space it is not known whose socket a packet is for: choose it "
			     "by its port");
	return rc < 0 ? err_ctx(e, "engine: user") : 0;
}

int netem_fault_check(const void *spec, struct err *e)
{
	const struct net_netem *n = spec;
	int rc = netem_spec_check(&n->side, e);

	if (rc < 0)
		return rc;
	if (!does_something(&n->side))
		return err_set(e, EINVAL, "nothing would happen to the packets: say what shall");
	if (n->queue_ns && !n->side.rate)
		return err_set(e, EINVAL,
			       "a queue is measured in time by its rate: give 'rate' too");
	if (n->queue_packets && !is_narrow(&n->side))
		return err_set(
			e, EINVAL,
			"nothing makes packets wait in a queue: give 'rate', or packets or bytes of slots");
	if (n->net.mark && n->net.direction != NET_OUT && net_owner_given(&n->net))
		return err_set(e, EINVAL,
			       "'mark' and whose sockets go together with 'direction: out' only: "
			       "what comes in is known by its flow");
	rc = n->engine == ENGINE_USER ? check_user(n, e) : 0;
	return rc < 0 ? rc : net_check(&n->net, e);
}

static void add_share(struct text *t, const char *word, uint32_t ppm)
{
	if (!ppm)
		return;
	text_add(t, " %s ", word);
	units_add_percent(t, ppm);
}

static void add_time(struct text *t, const char *word, int64_t ns)
{
	if (!ns)
		return;
	text_add(t, "%s", word);
	units_add_duration(t, ns);
}

static void summarise(const struct netem_side_spec *s, struct plan *ret)
{
	struct text t = { .buf = ret->summary,
			  .size = sizeof(ret->summary),
			  .len = strlen(ret->summary) };

	add_time(&t, " +", s->delay_ns);
	add_time(&t, " ±", s->jitter_ns);
	add_share(&t, "loss", s->loss_ppm);
	if (s->loss_model != LOSS_RANDOM)
		text_add(&t, " loss %s", netem_model_words[s->loss_model]);
	add_share(&t, "duplicate", s->duplicate_ppm);
	add_share(&t, "corrupt", s->corrupt_ppm);
	add_share(&t, "reorder", s->reorder_ppm);
	if (s->rate) {
		text_add(&t, " rate ");
		units_add_rate(&t, s->rate);
	}
	add_time(&t, " slots of ", s->slot_max_ns);
}

/* Asks the kernel only where there is a choice. */
static int choose_engine(const struct net_netem *n, enum netem_engine *ret, struct err *e)
{
	struct err ignored;

	*ret = (enum netem_engine)n->engine;
	if (*ret == ENGINE_AUTO) {
		bool can = check_user(n, &ignored) == 0 && kernel_lacks_netem() &&
			   kernel_has_queue(&ignored) >= 0;

		*ret = can ? ENGINE_USER : ENGINE_KERNEL;
		return 0;
	}
	return *ret == ENGINE_USER ? kernel_has_queue(e) : 0;
}

static void note_limits(const struct net_netem *n, const struct netem_side_spec *s, uint32_t pps,
			struct plan *ret)
{
	char buf[40];
	struct text t = text_on(buf, sizeof(buf));

	units_add_duration(&t, netem_spec_drain_ns(s));
	if (is_narrow(s))
		plan_note(
			ret,
			"at most %u packets wait (a GSO packet counts as one), more are dropped; at the end they have %s to leave, the rest is lost",
			s->limit, buf);
	if (is_narrow(s) && n->net.direction == NET_BOTH)
		plan_note(ret, "both ways go through one queue and share what it lets through");
	if (pps)
		plan_note(
			ret,
			"no more than %u packets are held at a time: above %u packets/s the delay turns into loss",
			s->limit, pps);
}

int netem_fault_plan(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	const struct net_netem *n = spec;
	struct netem_side_spec side = n->side;
	struct net_treatment how = { .action = GATE_FWD, .share_ppm = PPM_ALL, .netem = &side };
	enum netem_engine engine = ENGINE_KERNEL;
	uint32_t pps;
	int rc = netem_fault_check(spec, e);

	if (rc == 0)
		rc = choose_engine(n, &engine, e);
	if (engine == ENGINE_USER)
		how.action = GATE_QUEUE;

	side.limit = netem_limit(&side, n->queue_ns, n->queue_packets, &pps);
	if (rc == 0)
		rc = net_plan(&n->net, &how, ctx, ret, e);
	if (rc < 0)
		return rc;
	summarise(&side, ret);
	note_limits(n, &side, pps, ret);
	if (engine == ENGINE_USER)
		plan_note(ret, "via user space, up to about %u packets/s; more pass untouched",
			  USER_PPS);
	return 0;
}
