/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "inject/change/netns.h"
#include "inject/change/port.h"
#include "inject/faults.h"

struct port_taken {
	struct bound bound;
	int64_t port;
	const char *address, *netns;
	int proto; /* index into proto_words */
};

static const char *const proto_words[] = { "tcp", "udp", NULL };

static const struct field rows[] = {
	{ .name = "port",
	  .type = FIELD_INT,
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = UINT16_MAX,
	  .offset = offsetof(struct port_taken, port),
	  .doc = "which one: nobody may have it when the fault begins" },
	{ .name = "address",
	  .type = FIELD_STRING,
	  .dflt = "*",
	  .offset = offsetof(struct port_taken, address),
	  .doc = "an IPv4 or IPv6 address of this machine; * is all of both" },
	{ .name = "proto",
	  .type = FIELD_ENUM,
	  .words = proto_words,
	  .dflt = "tcp",
	  .offset = offsetof(struct port_taken, proto),
	  .doc = "tcp or udp" },
	{ .name = "netns",
	  .type = FIELD_STRING,
	  .offset = offsetof(struct port_taken, netns),
	  .doc = "network namespace: a name of ip-netns(8), a path, or pid:N" },
	{ 0 },
};

static const struct field_table fields = {
	.name = "net.port_taken",
	.doc = "a port is in use: a service that wants it cannot start",
	.size = sizeof(struct port_taken),
	.fields = rows,
};

static int read_address(const struct port_taken *p, struct port_addr *ret, struct err *e)
{
	static const uint8_t link_local[2] = { 0xfe, 0x80 };

	*ret = (struct port_addr){ .port = (uint16_t)p->port,
				   .proto = p->proto ? IPPROTO_UDP : IPPROTO_TCP };
	if (strcmp(p->address, "*") == 0)
		return 0;
	if (inet_pton(AF_INET, p->address, ret->addr) == 1)
		ret->family = 4;
	else if (inet_pton(AF_INET6, p->address, ret->addr) == 1)
		ret->family = 6;
	else
		return err_set(e, EINVAL, "'%s' is no address: write 127.0.0.1, ::1 or *",
			       p->address);
	if (ret->family == 6 && memcmp(ret->addr, link_local, sizeof(link_local)) == 0)
		return err_set(e, EINVAL, "'%s' is an address of one link: take another one, or *",
			       p->address);
	return 0;
}

static int check_port(const void *spec, struct err *e)
{
	struct port_addr at;

	return read_address(spec, &at, e);
}

static int plan_port(const void *spec, const struct plan_context *ctx, struct plan *ret,
		     struct err *e)
{
	const struct port_taken *p = spec;
	struct text t = text_on(ret->summary, sizeof(ret->summary));
	struct port_addr at;
	struct change_spec *c;
	int rc = read_address(p, &at, e);

	if (rc < 0)
		return rc;
	c = plan_add(ret, ctx, CHANGE_PORT, e);
	if (!c)
		return -e->code;
	c->u.port.at = at;
	rc = netns_identify(p->netns ? p->netns : "", &c->u.port.netns, e);
	if (rc == 0)
		rc = port_is_free(&c->u.port, e);
	if (rc < 0)
		return rc;
	port_add(&t, &at);
	if (at.proto == IPPROTO_TCP)
		plan_note(ret, "who connects to port %u gets a connection and no answer", at.port);
	return 0;
}

static const char *const trials[] = { "port=7010 netns={netns}",
				      "port=7010 proto=udp netns={netns}", NULL };

const struct fault_ops net_port_taken_fault = {
	.name = "net.port_taken",
	.summary = "a port is in use already when a service wants it",
	.fields = &fields,
	.class_words = "self-ending",
	.undo_words = "the port is free again as soon as the process that holds it ends",
	.example = "port=8080",
	.trials = trials,
	.check = check_port,
	.plan = plan_port,
};
