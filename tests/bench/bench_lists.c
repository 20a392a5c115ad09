/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long lists of addresses: what a packet that is in none of them pays for passing the gate, and how
 * long it takes until they are in place; beside u32 filters, nft rules and an nft set made by tc
 * and nft. A device for each, so that no packet passes two of them; batches of packets in turn.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "inject/change/kinds.h"
#include "inject/change/netns.h"
#include "tests/bench/bench.h"

#define PRIO_FILTERS 4000 /* u32 holds 4,095 in one chain */

enum side { ONE, OURS, U32, RULES, SIDES };
static const char *const devices[SIDES] = { "one", "ours", "u32", "rules" };

static void must(int rc, const struct err *e)
{
	char text[ERR_DEPTH * ERR_LINE];

	if (rc < 0)
		bench_die("%s", err_format(e, text, sizeof(text)));
}

/* The i-th target. */
static uint32_t target(uint32_t i)
{
	return (10u << 24 | 64u << 16) + 2 * i;
}

/* A neighbour behind each device takes the packets and answers nothing. */
static void make_device(enum side side)
{
	bench_shell("ip link add %s type veth peer name %s_p && ip link set %s_p up && "
		    "ip link set %s up && ip addr add 10.8.%u.1/24 dev %s && "
		    "ip neigh add 10.8.%u.2 lladdr 02:00:00:00:00:02 dev %s",
		    devices[side], devices[side], devices[side], devices[side], side, devices[side],
		    side, devices[side]);
}

static void remove_device(enum side side)
{
	bench_shell("ip link del %s", devices[side]);
}

/* A gate that drops packets to the first n targets, as a holder arms it. */
struct armed {
	struct change_spec spec;
	struct address_pool pool;
	struct change c;
	int64_t took_ns;
};

static struct armed *arm(enum side side, uint32_t n, const char *table)
{
	struct armed *a = calloc(1, sizeof(*a));
	struct net_prefix *at = calloc(n, sizeof(*at));
	struct nft_gate_spec *g;
	struct err e = { 0 };
	int64_t began;

	if (!a || !at)
		bench_die("no memory");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t address = htonl(target(i));

		at[i] = (struct net_prefix){ .family = 4, .len = 32 };
		memcpy(at[i].addr, &address, sizeof(address));
	}
	a->pool = (struct address_pool){ n, at };
	a->spec = (struct change_spec){ .kind = CHANGE_NFT_GATE, .lease_ms = 60000 };
	g = &a->spec.u.gate;
	must(netns_identify("", &g->netns, &e), &e);
	snprintf(g->table, sizeof(g->table), "%s", table);
	snprintf(g->dev, sizeof(g->dev), "%s", devices[side]);
	g->action = GATE_DROP;
	g->share_ppm = 1000000;
	g->n_matches = 1;
	g->match[0] =
		(struct net_match){ .hook = GATE_EGRESS, .dst_first = GATE_PREFIXES, .dst_n = n };
	a->c = (struct change){ .ops = &nft_gate_ops, .spec = &a->spec, .pool = &a->pool };
	began = clock_mono_ns();
	must(a->c.ops->arm(&a->c, &e), &e);
	a->took_ns = clock_mono_ns() - began;
	must(a->c.ops->fire(&a->c, &e), &e);
	return a;
}

static void write_u32(const char *path, uint32_t n)
{
	FILE *f = fopen(path, "we");

	if (!f)
		bench_die("cannot write %s", path);
	fprintf(f, "qdisc add dev u32 clsact\n");
	for (uint32_t i = 0; i < n; i++)
		fprintf(f,
			"filter add dev u32 egress protocol ip prio %u u32 match ip dst 10.%u.%u.%u "
			"flowid 1:1\n",
			1 + i / PRIO_FILTERS, target(i) >> 16 & 255, target(i) >> 8 & 255,
			target(i) & 255);
	fclose(f);
}

static void write_nft(const char *path, uint32_t n, bool set)
{
	FILE *f = fopen(path, "we");

	if (!f)
		bench_die("cannot write %s", path);
	if (set)
		fprintf(f, "table netdev peer_set { set s { type ipv4_addr; elements = {\n");
	else
		fprintf(f, "table netdev peer_rules { chain c { type filter hook egress device "
			   "\"rules\" priority 0;\n");
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, set ? "10.%u.%u.%u,\n" : "ip daddr 10.%u.%u.%u drop\n",
			target(i) >> 16 & 255, target(i) >> 8 & 255, target(i) & 255);
	fprintf(f, set ? "}\n}\n}\n" : "}\n}\n");
	fclose(f);
}

/* Nanoseconds for one packet, of a batch. */
static int64_t packet_ns(int fd, enum side side, unsigned batch)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr =
					  htonl(10u << 24 | 8u << 16 | (uint32_t)side << 8 | 2) };
	int64_t began = clock_mono_ns();

	for (unsigned i = 0; i < batch; i++) {
		if (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
			bench_die("cannot send a packet over %s", devices[side]);
	}
	return (clock_mono_ns() - began) / batch;
}

static void say(unsigned order, uint32_t n, const char *what, const char *peer_name,
		struct series *peer, struct series *ours, double aim_ratio)
{
	char words[80], aim[40];
	struct row r = { .order = order,
			 .what = words,
			 .peer_name = peer_name,
			 .peer = peer,
			 .ours = ours,
			 .aim = aim };
	bool faster = aim_ratio > 2;

	snprintf(words, sizeof(words), "net.drop, %u targets: %s", n, what);
	r.ratio = faster ? (double)series_quantile(peer, 0.5) / (double)series_quantile(ours, 0.5) :
			   (double)series_quantile(ours, 0.5) / (double)series_quantile(peer, 0.5);
	snprintf(aim, sizeof(aim), faster ? "%gx faster" : "%gx or less", aim_ratio);
	r.met = faster ? r.ratio >= aim_ratio : r.ratio <= aim_ratio;
	row_print(&r);
}

static void packets(unsigned order, uint32_t n, bool rules)
{
	struct series cost[SIDES] = { 0 };
	unsigned rounds = bench_count("BENCH_LISTS", 200);
	AUTO(auto_close) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (unsigned i = 0; i < rounds; i++) {
		for (enum side s = ONE; s < SIDES; s++) {
			bool slow = s >= U32 && n > 1000;

			if (s != RULES || rules)
				series_add(&cost[s], packet_ns(fd, s, slow ? 20 : 100));
		}
	}
	say(order, n, "a packet to nobody of them", "1 target", &cost[ONE], &cost[OURS], 1.15);
	say(order + 1, n, "a packet to nobody of them", "tc u32", &cost[U32], &cost[OURS], 1.15);
	if (rules)
		say(order + 2, n, "a packet to nobody of them", "nft rules", &cost[RULES],
		    &cost[OURS], 1.15);
	for (enum side s = ONE; s < SIDES; s++)
		series_done(&cost[s]);
}

/* In a process of its own, which takes the table along when it ends. */
static int64_t load_ns(uint32_t n)
{
	int64_t *took = mmap(NULL, sizeof(*took), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t ret;
	pid_t pid;
	int status;

	if (took == MAP_FAILED)
		bench_die("no memory");
	pid = fork();
	if (pid == 0) {
		*took = arm(OURS, n, "brink_lists_load")->took_ns;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		bench_die("cannot arm in a process of its own");
	ret = *took;
	munmap(took, sizeof(*took));
	return ret;
}

static void loads(unsigned order, uint32_t n)
{
	static const char *const tc[] = { "tc", "-batch", "/run/brink/u32", NULL };
	static const char *const nft[] = { "nft", "-f", "/run/brink/set", NULL };
	static const char *const del[] = { "nft", "delete", "table", "netdev", "peer_set", NULL };
	AUTO(series_done) struct series ours = { 0 };
	AUTO(series_done) struct series u32 = { 0 };
	AUTO(series_done) struct series set = { 0 };
	unsigned rounds = bench_count("BENCH_LISTS", 200) / (n > 1000 ? 40 : 10);

	for (unsigned i = 0; i <= rounds; i++) {
		series_add(&ours, load_ns(n));
		series_add(&u32, bench_spawn(tc));
		bench_shell("tc qdisc del dev u32 clsact");
		series_add(&set, bench_spawn(nft));
		bench_spawn(del);
	}
	say(order, n, "in place", "tc -batch", &u32, &ours, 5);
	say(order + 1, n, "in place", "nft -f, a set", &set, &ours, 5);
}

static void measure(unsigned order, uint32_t n)
{
	bool rules = n <= 10000;
	char table[32];

	for (enum side s = OURS; s < SIDES; s++)
		make_device(s);
	write_u32("/run/brink/u32", n);
	write_nft("/run/brink/set", n, true);
	write_nft("/run/brink/rules", n, false);
	loads(order + 3, n);
	snprintf(table, sizeof(table), "brink_lists_%u", n);
	arm(OURS, n, table);
	bench_shell("tc -batch /run/brink/u32");
	if (rules)
		bench_shell("nft -f /run/brink/rules");
	packets(order, n, rules);
	if (rules)
		bench_shell("nft delete table netdev peer_rules");
	for (enum side s = OURS; s < SIDES; s++)
		remove_device(s);
}

int main(void)
{
	bench_world();
	bench_shell("mkdir -p /run/brink");
	make_device(ONE);
	arm(ONE, 1, "brink_lists_one");
	measure(50, 100);
	measure(60, 10000);
	measure(70, 100000);
	return 0;
}
