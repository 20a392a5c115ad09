/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "inject/change/nft_dns.h"
#include "inject/dns_name.h"
#include "inject/endpoint.h"
#include "inject/faults.h"
#include "inject/net_netem.h"
#include "inject/resolv_conf.h"

#define PPM_ALL  1000000u
#define DNS_PORT 53

struct net_dns {
	struct net_spec net; /* to, not, dev, netns: the rest is not said by the user */
	struct strings names;
	const char *answer;
	int64_t delay_ns;
	uint32_t share_ppm;
};

static const struct field rows[] = {
	{ .name = "names",
	  .type = FIELD_STRINGS,
	  .flags = FIELD_REQUIRED,
	  .offset = offsetof(struct net_dns, names),
	  .doc = "what is asked for: db.example.com, \"*.example.com\" for all below it, \"*\" for all; at most 8" },
	{ .name = "answer",
	  .type = FIELD_STRING,
	  .flags = FIELD_GROUP_1,
	  .offset = offsetof(struct net_dns, answer),
	  .doc = "what comes back instead: none, nxdomain, servfail, refused, or an IPv4 or IPv6 address" },
	{ .name = "delay",
	  .type = FIELD_DURATION,
	  .flags = FIELD_GROUP_1,
	  .min = NS_PER_US,
	  .max = NETEM_DELAY_MAX_NS,
	  .offset = offsetof(struct net_dns, delay_ns),
	  .doc = "how much later each query arrives" },
	{ .name = "share",
	  .type = FIELD_PERCENT,
	  .dflt = "100%",
	  .min = 1,
	  .offset = offsetof(struct net_dns, share_ppm),
	  .doc = "how many of these messages: each by itself" },
	{ .name = "to",
	  .type = FIELD_STRINGS,
	  .offset = offsetof(struct net_dns, net.to),
	  .doc = "the name servers, port 53 where none is said; without it those of resolv.conf(5)" },
	{ .name = "not",
	  .type = FIELD_STRINGS,
	  .offset = offsetof(struct net_dns, net.not ),
	  .doc = "packets to or from these pass untouched" },
	{ .name = "dev",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct net_dns, net.dev),
	  .doc = "device; without it those that the routes to the name servers use" },
	{ .name = "netns",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct net_dns, net.netns),
	  .doc = "network namespace: a name of ip-netns(8), a path, or pid:N" },
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.dns",
	.doc = "keeps, delays or rewrites the DNS messages about chosen names, by an own nf_tables table",
	.size = sizeof(struct net_dns),
	.fields = rows,
};

static int read_names(const struct strings *names, struct dns_select *ret, struct err *e)
{
	if (names->n > DNS_NAMES)
		return err_set(e, E2BIG, "more than %d names: use *.DOMAIN, or another fault",
			       DNS_NAMES);
	for (ret->n = 0; ret->n < names->n; ret->n++) {
		int rc = dns_name_read(names->at[ret->n], &ret->name[ret->n], e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* RFC 1035 section 4.1.1 */
static int read_answer(const char *word, struct dns_select *ret, struct err *e)
{
	static const struct {
		const char *word;
		uint8_t rcode;
	} codes[] = { { "none", 0 }, { "servfail", 2 }, { "nxdomain", 3 }, { "refused", 5 } };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (strcmp(word, codes[i].word) == 0) {
			ret->rcode = codes[i].rcode;
			return 0;
		}
	}
	if (inet_pton(AF_INET, word, ret->addr) == 1)
		ret->family = 4;
	else if (inet_pton(AF_INET6, word, ret->addr) == 1)
		ret->family = 6;
	else
		return err_set(e, EINVAL,
			       "'%s' is no answer: none, nxdomain, servfail, refused, 192.0.2.1 or "
			       "2001:db8::1",
			       word);
	return 0;
}

static int read_select(const struct net_dns *d, struct dns_select *ret, struct err *e)
{
	int rc = read_names(&d->names, ret, e);

	return rc < 0 || !d->answer ? rc : read_answer(d->answer, ret, e);
}

static bool rewrites(const struct dns_select *s)
{
	return s->rcode || s->family;
}

/* Files and names are read later, and then the protocols have to agree. */
static int check_server(const char *text, bool udp_only, bool dev, struct err *e)
{
	struct endpoint ep;
	int rc = text[0] == '@' ? 0 : endpoint_syntax(text, &ep, e);

	if (rc < 0 || text[0] == '@')
		return rc;
	if (!ep.n_prefixes && !dev)
		return err_set(e, EINVAL, "'to' names no address: say 'dev' to choose the device");
	if (ep.proto && ep.proto != IPPROTO_UDP && (udp_only || ep.proto != IPPROTO_TCP))
		return err_set(e, EINVAL, "'%s': %s", text,
			       udp_only ? "answers are rewritten in UDP only" :
					  "name servers are asked by UDP and TCP");
	return 0;
}

static int check_dns(const void *spec, struct err *e)
{
	const struct net_dns *d = spec;
	struct dns_select s = { 0 };
	int rc = read_select(d, &s, e);

	for (size_t i = 0; i < d->net.to.n && rc == 0; i++)
		rc = check_server(d->net.to.at[i], rewrites(&s), d->net.dev != NULL, e);
	return rc < 0 || !d->net.to.n ? rc : net_check(&d->net, e);
}

/* What is not answered is asked all the same: glibc asks for the errors of its own queue
 * (IP_RECVERR), so that a query which is dropped here would be no silence to it. */
static int selector(const struct net_dns *d, const struct dns_select *s, struct arena *mem,
		    struct net_spec *ret, struct err *e)
{
	int rc = 0;

	*ret = d->net;
	ret->direction = NET_OUT;
	if (!ret->to.n)
		rc = resolv_conf_servers(ret->netns, mem, &ret->to, e);
	if (rc == 0 && !d->delay_ns) {
		ret->direction = NET_IN;
		ret->proto = rewrites(s) ? "udp" : NULL;
		ret->from = ret->to;
		ret->to = (struct strings){ 0 };
	}
	return rc;
}

static void summarise(const struct net_dns *d, const struct dns_select *s, struct plan *ret)
{
	struct text t = { .buf = ret->summary,
			  .size = sizeof(ret->summary),
			  .len = strlen(ret->summary) };

	dns_add_select(&t, s);
	if (d->delay_ns) {
		text_add(&t, " +");
		units_add_duration(&t, d->delay_ns);
	} else if (!rewrites(s)) {
		text_add(&t, " dropped");
	}
	if (d->share_ppm < PPM_ALL) {
		text_add(&t, ", ");
		units_add_percent(&t, d->share_ppm);
		text_add(&t, " of them");
	}
}

static void note_limits(const struct dns_select *s, struct plan *ret)
{
	plan_note(ret,
		  "who has a name in a cache (nscd, systemd-resolved, the program itself) does "
		  "not ask for it; what is asked by TLS or HTTPS is not seen");
	if (rewrites(s))
		plan_note(ret,
			  "an answer is rewritten when it comes: where no name server answers, or "
			  "by TCP, nothing is");
}

/* What check_server() could not see, because it stands in a file. */
static int check_gates(const struct plan *p, struct err *e)
{
	for (unsigned i = 0; i < p->n_changes; i++) {
		const struct change_spec *c = &p->change[i];

		if (c->kind == CHANGE_NFT_GATE && !dns_gate_ok(&c->u.gate))
			return err_set(
				e, EINVAL,
				"name servers are asked by UDP and TCP, and answers are "
				"rewritten in UDP only: another protocol stands in the list of "
				"'to'");
	}
	return 0;
}

static int plan_dns(const void *spec, const struct plan_context *ctx, struct plan *ret,
		    struct err *e)
{
	AUTO(arena_done) struct arena mem = { 0 };
	const struct net_dns *d = spec;
	struct netem_side_spec netem = { .delay_ns = d->delay_ns };
	struct dns_select s = { 0 };
	struct net_treatment how = { .action = d->delay_ns ? GATE_FWD : GATE_DROP,
				     .share_ppm = d->share_ppm,
				     .port = DNS_PORT,
				     .dns = &s,
				     .netem = &netem };
	struct net_spec net;
	uint32_t pps;
	int rc = check_dns(spec, e);

	netem.limit = netem_limit(&netem, 0, 0, &pps);
	if (rc == 0)
		rc = read_select(d, &s, e);
	if (rewrites(&s))
		how.action = GATE_ANSWER;
	if (rc == 0)
		rc = selector(d, &s, &mem, &net, e);
	if (rc == 0)
		rc = net_plan(&net, &how, ctx, ret, e);
	if (rc == 0)
		rc = check_gates(ret, e);
	if (rc < 0)
		return rc;
	summarise(d, &s, ret);
	note_limits(&s, ret);
	return 0;
}

/* An echo is a name server that answers with the question. */
static const char *const trials[] = { "names=felt.test answer=none to={addr}:{port} netns={netns}",
				      "names=*.test answer=nxdomain to={addr}:{port} netns={netns}",
				      NULL };

const struct fault_ops net_dns_fault = {
	.name = "net.dns",
	.summary = "chosen names are not resolved, late, or to a wrong address",
	.fields = &fields,
	.class_words = "self-ending",
	.undo_words =
		"the nf_tables table goes with the process that holds it; a delay's ifb with netem is then deleted",
	.example = "names=db.example.com answer=nxdomain",
	.trials = trials,
	.check = check_dns,
	.plan = plan_dns,
};
