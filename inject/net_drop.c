/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <string.h>

#include "inject/endpoint.h"
#include "inject/faults.h"
#include "inject/net.h"

struct net_drop {
	struct net_spec net;
	uint32_t share_ppm;
	int of, reply;
};

enum drop_of { OF_PACKETS, OF_CONNECTIONS };
enum drop_reply { REPLY_NONE, REPLY_RESET, REPLY_UNREACHABLE };

static const char *const of_words[] = { "packets", "connections", NULL };
static const char *const reply_words[] = { "none", "reset", "unreachable", NULL };

static const struct field rows[] = {
	{ .name = "share",
	  .type = FIELD_PERCENT,
	  .dflt = "100%",
	  .min = 1,
	  .offset = offsetof(struct net_drop, share_ppm),
	  .doc = "how many of them" },
	{ .name = "of",
	  .type = FIELD_ENUM,
	  .words = of_words,
	  .dflt = "packets",
	  .offset = offsetof(struct net_drop, of),
	  .doc = "share counts packets, or new TCP connections (chosen once: a retry fares the same)" },
	{ .name = "reply",
	  .type = FIELD_ENUM,
	  .words = reply_words,
	  .dflt = "none",
	  .offset = offsetof(struct net_drop, reply),
	  .doc = "what the sender gets: nothing, a TCP reset, or ICMP port unreachable" },
	NET_FIELDS(struct net_drop),
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.drop",
	.doc = "drops or refuses chosen packets, by an own nf_tables table",
	.size = sizeof(struct net_drop),
	.fields = rows,
};

/* A reset exists for TCP only: without a protocol the fault means TCP, any other one is a
 * contradiction. */
static int tcp_only(struct net_spec *net, const char *key, struct err *e)
{
	uint8_t proto = IPPROTO_TCP;
	int rc;

	if (net->target)
		return 0;
	rc = net->proto ? endpoint_proto(net->proto, &proto, e) : 0;
	if (rc < 0)
		return rc;
	if (proto != IPPROTO_TCP)
		return err_set(e, EINVAL, "'%s' works for TCP only, not for '%s'", key, net->proto);
	net->proto = "tcp";
	return 0;
}

/* The selector as it is meant: with TCP where the fault knows nothing else. */
static int selector(const struct net_drop *d, struct net_spec *ret, struct err *e)
{
	int rc = 0;

	*ret = d->net;
	if (d->reply == REPLY_RESET)
		rc = tcp_only(ret, "reply: reset", e);
	if (rc == 0 && d->of == OF_CONNECTIONS)
		rc = tcp_only(ret, "of: connections", e);
	return rc;
}

static int check_drop(const void *spec, struct err *e)
{
	struct net_spec net;
	int rc = selector(spec, &net, e);

	return rc < 0 ? rc : net_check(&net, e);
}

static int plan_drop(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	static const enum gate_action actions[] = { [REPLY_NONE] = GATE_DROP,
						    [REPLY_RESET] = GATE_RESET,
						    [REPLY_UNREACHABLE] = GATE_UNREACHABLE };
	static const char *const verbs[] = { " dropped", " reset", " unreachable" };
	const struct net_drop *d = spec;
	const struct net_treatment how = { .action = actions[d->reply],
					   .share_ppm = d->share_ppm,
					   .of_connections = d->of == OF_CONNECTIONS };
	struct net_spec net;
	struct text t;
	int rc = selector(d, &net, e);

	if (rc == 0) /* which checks it again */
		rc = net_plan(&net, &how, ctx, ret, e);
	if (rc < 0)
		return rc;
	t = (struct text){ .buf = ret->summary,
			   .size = sizeof(ret->summary),
			   .len = strlen(ret->summary) };
	if (d->share_ppm < 1000000) {
		text_add(&t, " ");
		units_add_percent(&t, d->share_ppm);
		text_add(&t, " of %s", of_words[d->of]);
	} else if (d->of == OF_CONNECTIONS) {
		text_add(&t, " new connections");
	}
	text_add(&t, "%s", verbs[d->reply]);
	return 0;
}

static const char *const trials[] = { "to={addr}:{port} netns={netns}", NULL };

const struct fault_ops net_drop_fault = {
	.name = "net.drop",
	.summary = "chosen packets or connections are dropped, reset or answered unreachable",
	.fields = &fields,
	.class_words = "self-ending",
	.undo_words = "the nf_tables table goes with the process that holds it",
	.example = "to=10.0.0.7:443 reply=reset",
	.trials = trials,
	.check = check_drop,
	.plan = plan_drop,
};
