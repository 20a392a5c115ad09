/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of every kind, not all of which the keeper would take: change_spec_check() says. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define PICK(f, list) ((list)[feed_u8(f) % ARRAY_LEN(list)])

static const char *const devices[] = { "lo", "eth0", "", "brinkifb" };
static const char *const paths[] = { "/tmp", "/", "/var/lib/etcd", "/no/such/folder", "/proc" };
static const char *const cgroups[] = { "", "/a", "/a/b", "/system.slice/ssh.service" };

static uint32_t feed_share(struct feed *f)
{
	return feed_u32(f) % 1000001;
}

static void feed_match(struct feed *f, const struct nft_gate_spec *s, bool netdev,
		       struct net_match *m)
{
	uint8_t hook = feed_u8(f) & 1;

	m->hook = netdev ? (hook ? GATE_EGRESS : GATE_INGRESS) : (hook ? GATE_OUTPUT : GATE_INPUT);
	m->exempt = feed_u8(f) == 1;
	m->proto = feed_u8(f);
	m->dst_n = s->n_prefixes ? (uint16_t)(feed_u8(f) % (s->n_prefixes + 1)) : 0;
	m->src_n = s->n_prefixes ? (uint16_t)(feed_u8(f) % (s->n_prefixes + 1)) : 0;
	m->dst_first = (uint16_t)(s->n_prefixes - m->dst_n);
	m->dport_lo = feed_u16(f);
	m->dport_hi = m->dport_lo;
	m->sport_hi = feed_u8(f);
}

static void feed_gate(struct feed *f, struct nft_gate_spec *s)
{
	bool netdev = feed_u8(f) & 1;

	s->netns.cookie = 1;
	s->share_ppm = feed_share(f);
	s->action = feed_u8(f) % 4;
	s->of_flows = feed_u8(f) & 1;
	s->every = s->share_ppm == 1000000 ? feed_u8(f) : 0;
	s->only = (struct gate_conditions){ .given = feed_u8(f) & GATE_CONDITIONS,
					    .mark_mask = feed_u8(f),
					    .uid = feed_u8(f),
					    .length_hi = feed_u16(f),
					    .dscp = feed_u8(f) & 63,
					    .tcp_mask = feed_u8(f) };
	s->n_prefixes = feed_u8(f) % 5;
	s->n_matches = 1 + feed_u8(f) % 3;
	snprintf(s->table, sizeof(s->table), "brink_t");
	snprintf(s->dev, sizeof(s->dev), "%s", PICK(f, devices));
	snprintf(s->fwd_dev, sizeof(s->fwd_dev), "brinkifb");
	for (unsigned i = 0; i < s->n_prefixes; i++) {
		struct net_prefix *p = &s->prefix[i];

		p->family = feed_u8(f) & 1 ? 6 : 4;
		p->len = (uint8_t)(feed_u8(f) % (p->family == 4 ? 33 : 129));
		feed_bytes(f, p->addr, p->family == 4 ? 4 : 16);
	}
	for (unsigned i = 0; i < s->n_matches; i++)
		feed_match(f, s, netdev, &s->match[i]);
	if (feed_u8(f) == 1) {
		s->action = GATE_QUEUE;
		s->queue = 7;
		for (unsigned i = 0; i < s->n_matches; i++)
			s->match[i].hook = GATE_PREROUTING;
	}
}

static void feed_signal(struct feed *f, struct signal_spec *s)
{
	uint8_t given = feed_u8(f);

	s->signal = 1 + feed_u8(f) % 64;
	s->n_procs = 1 + feed_u8(f) % 3;
	s->uid = given & 1 ? feed_u8(f) : -1;
	for (unsigned i = 0; i < s->n_procs; i++)
		s->proc[i].pid = feed_u8(f) & 1 ? getpid() : 4194000;
	s->every_ns = given & 2 ? 1000000000 : 0;
	s->by_pid = (given & 4) != 0;
	if (given & 8)
		snprintf(s->exe, sizeof(s->exe), "/usr/bin/app");
	if (given & 16)
		snprintf(s->name, sizeof(s->name), "app");
	snprintf(s->cgroup, sizeof(s->cgroup), "%s", PICK(f, cgroups));
}

void feed_change(struct feed *f, struct change_spec *ret)
{
	*ret = (struct change_spec){ .kind = (uint16_t)(1 + feed_u8(f) % (CHANGE_KIND_COUNT - 1)),
				     .lease_ms = 300 + feed_u8(f) };
	switch (ret->kind) {
	case CHANGE_NETEM_SIDE:
		ret->u.netem = (struct netem_side_spec){ .netns.cookie = 1 + feed_u8(f) % 40,
							 .ifb = "brinkifb",
							 .limit = 1 + feed_u8(f),
							 .delay_ns = feed_u32(f),
							 .loss_ppm = feed_share(f),
							 .rate = feed_u32(f),
							 .slot_max_ns = feed_u32(f),
							 .duplicate_ppm = feed_share(f) };
		snprintf(ret->u.netem.dev, sizeof(ret->u.netem.dev), "%s", PICK(f, devices));
		break;
	case CHANGE_QUEUE:
		ret->u.queue.number = feed_u32(f) % 70000;
		ret->u.queue.how = (struct netem_side_spec){ .netns.cookie = 1 + feed_u8(f) % 40,
							     .limit = 1 + feed_u8(f),
							     .delay_ns = feed_u32(f),
							     .corrupt_ppm = feed_share(f) };
		snprintf(ret->u.queue.how.dev, sizeof(ret->u.queue.how.dev), "%s",
			 PICK(f, devices));
		break;
	case CHANGE_NFT_GATE:
		feed_gate(f, &ret->u.gate);
		break;
	case CHANGE_FILL:
		snprintf(ret->u.fill.path, sizeof(ret->u.fill.path), "%s", PICK(f, paths));
		ret->u.fill.size_bytes = feed_u32(f);
		break;
	case CHANGE_FREEZE:
		snprintf(ret->u.freeze.cgroup, sizeof(ret->u.freeze.cgroup), "/sys/fs/cgroup%s",
			 PICK(f, cgroups));
		break;
	case CHANGE_SOCK_RESET:
		feed_gate(f, &ret->u.reset.select);
		break;
	case CHANGE_LINK:
		ret->u.link.netns.cookie = 1 + feed_u8(f) % 40;
		ret->u.link.mtu = feed_u32(f);
		if (ret->u.link.mtu < 68) /* 0 = the device goes down */
			ret->u.link.mtu = 0;
		snprintf(ret->u.link.dev, sizeof(ret->u.link.dev), "%s", PICK(f, devices));
		break;
	case CHANGE_PORT:
		ret->u.port = (struct port_spec){ .netns.cookie = 1 + feed_u8(f) % 40,
						  .at = { .family = feed_u8(f) % 8,
							  .proto = feed_u8(f) % 32,
							  .port = (uint16_t)feed_u32(f) } };
		break;
	case CHANGE_SIGNAL:
		feed_signal(f, &ret->u.signal);
		break;
	default:
		ret->u.pause.proc.pid = feed_u8(f) & 1 ? getpid() : 4194000;
		snprintf(ret->u.pause.name, sizeof(ret->u.pause.name), "app");
	}
}
