/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "inject/endpoint.h"
#include "inject/faults.h"
#include "inject/net.h"
#include "inject/net_owner.h"
#include "inject/net_words.h"

#define PPM_ALL 1000000u

struct net_drop {
	struct net_spec net;
	uint32_t share_ppm;
	int of, reply, connections;
	int64_t every;
	struct strings flags;
	const char *length;
};

enum drop_of { OF_PACKETS, OF_CONNECTIONS, OF_FLOWS };
enum drop_reply { REPLY_NONE, REPLY_RESET, REPLY_UNREACHABLE };
enum drop_connections { CONN_ANY, CONN_NEW, CONN_ESTABLISHED };

static const char *const of_words[] = { "packets", "connections", "flows", NULL };
static const char *const connection_words[] = { "any", "new", "established", NULL };
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
	  .doc = "share counts packets, new TCP connections, or flows of any protocol (chosen once: a retry fares the same)" },
	{ .name = "every",
	  .type = FIELD_INT,
	  .min = 2,
	  .max = 1000000,
	  .offset = offsetof(struct net_drop, every),
	  .doc = "each packet of this number only: 3 takes the third, the sixth and so on" },
	{ .name = "flags",
	  .type = FIELD_STRINGS,
	  .offset = offsetof(struct net_drop, flags),
	  .doc = "TCP packets with these flags, all of them: syn (is set), no-ack, fin-only" },
	{ .name = "connections",
	  .type = FIELD_ENUM,
	  .words = connection_words,
	  .dflt = "any",
	  .offset = offsetof(struct net_drop, connections),
	  .doc = "new: only the SYN that opens a TCP connection; established: TCP packets without SYN" },
	{ .name = "length",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct net_drop, length),
	  .doc = "IP packets of so many bytes, headers included: 1000-1500, 1000- or -100" },
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

/* RFC 9293: who opens a connection sends SYN alone; SYN and ACK is the answer, which is neither new
 * nor established. There is no conntrack where brink looks. */
static int add_connections(const struct net_drop *d, struct gate_conditions *ret, struct err *e)
{
	if (d->of == OF_CONNECTIONS && d->connections == CONN_ESTABLISHED)
		return err_set(e, EINVAL,
			       "'of: connections' counts new connections and contradicts "
			       "'connections: established': use 'of: flows'");
	if (d->of == OF_CONNECTIONS)
		return net_add_flags(ret, TH_SYN, TH_ACK, "of: connections", e);
	if (d->connections == CONN_NEW)
		return net_add_flags(ret, TH_SYN, TH_ACK, "connections: new", e);
	if (d->connections == CONN_ESTABLISHED)
		return net_add_flags(ret, 0, TH_SYN, "connections: established", e);
	return 0;
}

static int conditions(const struct net_drop *d, struct gate_conditions *ret, struct err *e)
{
	int rc = net_read_flags(&d->flags, ret, e);

	if (rc == 0)
		rc = add_connections(d, ret, e);
	if (rc == 0 && d->length)
		rc = net_read_length(d->length, ret, e);
	if (rc == 0 && d->every && (d->share_ppm < PPM_ALL || d->of != OF_PACKETS))
		rc = err_set(e, EINVAL,
			     "'every' counts packets and contradicts 'share' and 'of': use one");
	if (rc == 0 && d->every && d->reply == REPLY_NONE && d->net.direction == NET_BOTH &&
	    net_owner_given(&d->net))
		rc = err_set(e, EINVAL,
			     "'every' counts both ways together, which silent drops of what "
			     "sockets send and get cannot: write two faults, out and in");
	return rc;
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
	if (rc == 0 && d->connections != CONN_ANY)
		rc = tcp_only(ret, "connections", e);
	if (rc == 0 && d->flags.n)
		rc = tcp_only(ret, "flags", e);
	return rc;
}

static int check_drop(const void *spec, struct err *e)
{
	struct gate_conditions ignored = { 0 };
	struct net_spec net;
	int rc = selector(spec, &net, e);

	if (rc == 0)
		rc = conditions(spec, &ignored, e);
	return rc < 0 ? rc : net_check(&net, e);
}

/* "30% of connections", "every 3rd packet" and what it does to them. */
static void summarise(const struct net_drop *d, struct text *t)
{
	static const char *const verbs[] = { "dropped", "reset", "unreachable" };
	const char *what = d->of == OF_CONNECTIONS ? "new connections" : of_words[d->of];

	if (d->connections != CONN_ANY)
		text_add(t, ", %s connections", connection_words[d->connections]);
	for (size_t i = 0; i < d->flags.n; i++)
		text_add(t, "%s%s", i ? " " : ", flags ", d->flags.at[i]);
	if (d->length)
		text_add(t, ", length %s", d->length);
	if (d->every)
		text_add(t, " one packet in %lld", (long long)d->every);
	if (d->share_ppm < PPM_ALL) {
		text_add(t, " ");
		units_add_percent(t, d->share_ppm);
		text_add(t, " of %s", of_words[d->of]);
	} else if (d->of != OF_PACKETS) {
		text_add(t, " %s", what);
	}
	text_add(t, " %s", verbs[d->reply]);
}

static int plan_drop(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	static const enum gate_action actions[] = { [REPLY_NONE] = GATE_DROP,
						    [REPLY_RESET] = GATE_RESET,
						    [REPLY_UNREACHABLE] = GATE_UNREACHABLE };
	const struct net_drop *d = spec;
	struct net_treatment how = { .action = actions[d->reply],
				     .share_ppm = d->share_ppm,
				     .every = (uint32_t)d->every,
				     .of_flows = d->of != OF_PACKETS };
	struct net_spec net;
	struct text t;
	int rc = selector(d, &net, e);

	if (rc == 0)
		rc = conditions(d, &how.only, e);
	if (rc == 0) /* which checks it again */
		rc = net_plan(&net, &how, ctx, ret, e);
	if (rc < 0)
		return rc;
	t = (struct text){ .buf = ret->summary,
			   .size = sizeof(ret->summary),
			   .len = strlen(ret->summary) };
	summarise(d, &t);
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
