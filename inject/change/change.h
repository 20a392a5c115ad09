/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_CHANGE_H
#define BRINK_CHANGE_H

#include <net/if.h>

#include "base/err.h"
#include "base/text.h"
#include "inject/change/rights.h"
#include "inject/shield.h"

/* The closed set. A number stands in journals: never reuse one. */
enum change_kind {
	CHANGE_NETEM_SIDE = 1,
	CHANGE_NFT_GATE = 2,
	CHANGE_FILL = 3,
	CHANGE_PAUSE = 4,  /* ptrace */
	CHANGE_FREEZE = 5, /* cgroup v2 freezer */
	CHANGE_STOP = 6,   /* SIGSTOP / SIGCONT */
	CHANGE_SIGNAL = 7,
	CHANGE_SOCK_RESET = 8, /* SOCK_DESTROY */
	CHANGE_PORT = 9,       /* a bound socket */
	CHANGE_LINK = 10,      /* a device's state or MTU */
	CHANGE_QUEUE = 11,     /* packets held in user space */
	CHANGE_KIND_COUNT
};

enum change_class { CLASS_SELF_ENDING, CLASS_GUARDED, CLASS_PERSISTENT, CLASS_ONE_SHOT };
/* "self-ending", ... */
const char *change_class_name(enum change_class c);

/*
 * A network namespace, found again after a crash: by path, then compared by cookie (inode numbers
 * are reused, cookies are not: SO_NETNS_COOKIE, kernel 5.14). path "" = the namespace in which
 * brink was started.
 */
struct netns_ref {
	char path[128];
	uint64_t cookie;
};

#define GATE_PREFIXES 96
#define GATE_MATCHES  32

/* Addresses in network order; len = prefix length; family 4 or 6. */
struct net_prefix {
	uint8_t family, len;
	uint8_t addr[16];
};

/* Addresses that stand outside the messages: those of a run. See pool.h. */
struct address_pool {
	uint32_t n;
	const struct net_prefix *at;
};

/* Everything given must hold. A list [first, first + n) of addresses means "any of these"; n = 0
 * means any address. From GATE_PREFIXES on they stand in the pool of the run. */
struct net_match {
	uint32_t dst_first, dst_n, src_first, src_n;
	uint16_t dport_lo, dport_hi, sport_lo, sport_hi; /* host order; 0, 0 = any */
	uint8_t proto;                                   /* IPPROTO_*, 0 = any */
	uint8_t hook;   /* the one GATE_* hook in which it stands */
	uint8_t exempt; /* enum gate_exempt: matching packets pass untouched; these stand first */
	uint8_t grows;  /* enum net_grows */
};

/* The lists to which addresses are added while the fault is held: they stand in the pool, and both
 * families have a set, empty or not. */
enum net_grows { GROWS_DST = 1, GROWS_SRC = 2 };

#define GATE_JOINS 64 /* addresses that may join one fault */

/* One more address for the lists of a fault that begin there. */
struct gate_join {
	uint32_t list; /* as net_match.dst_first */
	struct net_prefix at;
};

/* By brink itself, for the host and the operator, or by the user. */
enum gate_exempt { EXEMPT_SHIELD = 1, EXEMPT_CHOSEN = 2 };
enum gate_hook {
	GATE_EGRESS = 1,
	GATE_INGRESS = 2,
	GATE_OUTPUT = 4,
	GATE_INPUT = 8,
	GATE_PREROUTING = 16, /* GATE_QUEUE only, and it alone */
};

/* What must hold on top of a match, for all matches of a gate that act; exemptions ask for none of
 * it. */
enum gate_condition {
	GATE_MARK = 1,
	GATE_DSCP = 2,
	GATE_USER = 4,
	GATE_FLAGS = 8,
	GATE_LENGTH = 16,
	GATE_CGROUP = 32,
	GATE_CONDITIONS = 63 /* all of them */
};
struct gate_conditions {
	uint32_t given; /* enum gate_condition */
	uint32_t mark, mark_mask;
	uint32_t uid;                  /* of whoever opened the socket that sends the packet */
	uint16_t length_lo, length_hi; /* of the IP packet; UINT16_MAX = as long as can be */
	uint8_t dscp;
	uint8_t tcp_flags, tcp_mask; /* of byte 13 of the TCP header, RFC 9293 */
	uint8_t pad;
	uint32_t cgroup_level; /* how deep it is; the root is 0 */
	uint64_t cgroup;       /* inode of its cgroup v2 directory, which is its id */
};

/*
 * The netdev hooks do not know whose socket a packet is of. So a first gate, in the output hook,
 * puts a tag into these bits of the packet's mark, and the one in the egress hook asks for the tag
 * and takes it off again, before tc or the device sees it. One for each such fault of a run.
 */
#define GATE_TAG_SHIFT 26
#define GATE_TAGS      31u
#define GATE_TAG_MASK  (GATE_TAGS << GATE_TAG_SHIFT)

/*
 * What comes in is treated before it is known whose it is. So a gate that asks for a tag can learn:
 * its egress rules note the flows of the packets that have it, and its ingress rules treat what
 * comes back on a flow that was noted. ONLY: what goes out is noted and else left alone.
 */
enum gate_learn { LEARN_NOTHING, LEARN_TOO, LEARN_ONLY };

/* FLOWS_BACK: what all of the gate's packets come back on is counted by another gate. */
enum gate_flows { FLOWS_NOT, FLOWS_COUNTED, FLOWS_BACK };

enum gate_action {
	GATE_FWD,
	GATE_DROP,
	GATE_RESET,
	GATE_UNREACHABLE,
	GATE_TAG,
	GATE_ANSWER,
	GATE_QUEUE,
};

/* A name in DNS questions, as it stands in them: RFC 1035 section 3.1, in lower case. */
#define DNS_WIRE_MAX 128
struct dns_name {
	uint8_t len;   /* of wire, with the zero byte at its end */
	uint8_t below; /* every name below it, and not the name itself */
	uint8_t wire[DNS_WIRE_MAX];
};

/* DNS messages with one question of one of these names: see nft_dns.h. */
#define DNS_NAMES 8
struct dns_select {
	uint8_t n;      /* 0: the gate does not look into DNS messages */
	uint8_t rcode;  /* GATE_ANSWER: RFC 1035 section 4.1.1, with no records; 0: an address */
	uint8_t family; /* of that address, 4 or 6; 0: there is none */
	uint8_t pad;
	uint8_t addr[16];
	struct dns_name name[DNS_NAMES];
};

/*
 * An own table with owner flag whose rules act only while the lease element lives. EGRESS/INGRESS
 * stand in the netdev family, OUTPUT/INPUT (and forward) and PREROUTING in inet; one gate uses one
 * family.
 */
struct nft_gate_spec {
	struct netns_ref netns;
	char table[32];
	char dev[IFNAMSIZ];     /* "" = any device (inet family only) */
	char fwd_dev[IFNAMSIZ]; /* GATE_FWD: the ifb */
	uint8_t action;
	uint8_t of_flows; /* enum gate_flows: share counts flows, chosen by a hash of protocol,
			     addresses and ports */
	uint16_t n_matches, n_prefixes;
	uint16_t queue;     /* GATE_QUEUE: its number */
	uint32_t pool_crc;  /* crc32c of the addresses in the pool, 0 = none: for texts only */
	uint32_t share_ppm; /* 1,000,000 = all */
	uint32_t every;     /* > 0: each packet of this number only, counted over all matches */
	uint32_t seed;
	uint32_t tag;   /* GATE_TAG: to put on; else to ask for in what goes out, 0 = none */
	uint32_t learn; /* enum gate_learn */
	struct gate_conditions only;
	struct dns_select dns;
	struct net_match match[GATE_MATCHES];
	struct net_prefix prefix[GATE_PREFIXES];
};

/* Ends TCP connections: those whose packets a gate with these matches would judge in OUTPUT and
 * INPUT. Of the gate only netns, dev, matches and prefixes are used. */
struct sock_reset_spec {
	struct nft_gate_spec select;
	int64_t every_ns; /* > 0: again at this period, what is found then */
};

enum netem_dist { DIST_UNIFORM, DIST_NORMAL, DIST_PARETO, DIST_PARETONORMAL };

/* Which packets are lost: each by itself, or by one of tc-netem(8)'s two models. */
enum netem_loss { LOSS_RANDOM, LOSS_GILBERT_ELLIOTT, LOSS_MARKOV };

/*
 * An own ifb with netem. tc-netem(8); percentages in parts per million. Fields of faults point into
 * it: see netem_spec.h.
 */
struct netem_side_spec {
	struct netns_ref netns;
	char ifb[IFNAMSIZ];
	char dev[IFNAMSIZ]; /* whose packets it will get: for texts only */
	int64_t delay_ns, jitter_ns;
	uint32_t delay_corr_ppm, loss_ppm, loss_corr_ppm;
	uint32_t dist;  /* enum netem_dist, of the jitter */
	uint32_t limit; /* packets */
	uint32_t loss_model;
	/* LOSS_GILBERT_ELLIOTT: p, r, 1-h and 1-k */
	uint32_t good_to_bad_ppm, bad_to_good_ppm, loss_in_bad_ppm, loss_in_good_ppm;
	uint32_t p13_ppm, p31_ppm, p32_ppm, p23_ppm, p14_ppm; /* LOSS_MARKOV */
	uint32_t duplicate_ppm, duplicate_corr_ppm;
	uint32_t corrupt_ppm, corrupt_corr_ppm;
	uint32_t reorder_ppm, reorder_corr_ppm;
	uint32_t slot_dist;
	int64_t reorder_gap;
	uint64_t rate;                                     /* bytes a second, 0 = any */
	int64_t packet_overhead, cell_size, cell_overhead; /* bytes */
	int64_t slot_min_ns, slot_max_ns;                  /* both 0 = no slots */
	int64_t slot_packets;                              /* in one slot; 0 = any number */
	uint64_t slot_bytes;
};

/*
 * The same in user space, for kernels without netem: a holder binds a queue of nfnetlink_queue, to
 * which an nft_gate sends packets, and lets each go when its time has come. What comes in only: a
 * packet that its own host sends stays charged to its socket while it waits. Without duplicates and
 * slots; ifb is "".
 */
struct queue_spec {
	struct netem_side_spec how;
	uint32_t number; /* 16 bits */
	uint32_t pad;
	uint64_t seed;
};

struct fill_spec {
	char path[256];
	uint64_t dev, ino;    /* of the directory, st_dev and st_ino */
	uint64_t leave_bytes; /* stop when this much is available to ordinary users (statvfs
				 f_bavail) */
	uint64_t size_bytes;  /* stop after this much; UINT64_MAX = no such bound */
};

struct change_proc {
	int32_t pid;
	uint32_t pad;
	uint64_t start_ticks;
};

struct pause_spec { /* CHANGE_PAUSE, CHANGE_STOP: one process */
	struct change_proc proc;
	char name[32];
};

struct freeze_spec {
	char cgroup[256]; /* absolute path of the cgroup directory */
	uint64_t dev, ino;
};

#define SIGNAL_PROCS 64

struct signal_spec {
	int32_t signal;
	uint32_t n_procs;
	int64_t grace_ns; /* > 0: SIGTERM first, signal to those alive afterwards */
	int64_t every_ns; /* > 0: again at this period, on what the selector finds then */
	struct change_proc proc[SIGNAL_PROCS];
	/* the selector, to find them again; "" = key not given; by_pid: always the processes above
	 */
	char exe[256], name[32], pid_file[256], cgroup[256];
	int64_t uid;        /* -1 = any */
	int64_t pick_count; /* 0 = not by count */
	uint32_t pick_ppm;  /* 0 = not by share */
	uint32_t max_procs; /* limits; 0 = none */
	uint64_t seed;
	uint8_t by_pid, pad[7];
};

struct port_addr {
	uint8_t family; /* 4, 6; 0 = every address of both */
	uint8_t proto;  /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port;  /* host order */
	uint8_t addr[16];
};

struct port_spec {
	struct netns_ref netns;
	struct port_addr at;
};

struct link_spec {
	struct netns_ref netns;
	char dev[IFNAMSIZ];
	uint32_t mtu; /* 0 = the device goes down */
	uint32_t pad;
};

/* What to do, as plain data of a fixed size: the whole message from runner to keeper. */
struct change_spec {
	uint16_t kind; /* enum change_kind */
	uint16_t fault;
	uint32_t lease_ms;
	union {
		struct netem_side_spec netem;
		struct nft_gate_spec gate;
		struct fill_spec fill;
		struct pause_spec pause;
		struct freeze_spec freeze;
		struct signal_spec signal;
		struct sock_reset_spec reset;
		struct port_spec port;
		struct link_spec link;
		struct queue_spec queue;
	} u;
};

/*
 * Everything that taking it back needs, after a crash of everything: plain data in a journal slot.
 * Holds no pointer, no descriptor. by_hand is the shell command that an operator would type.
 */
struct undo {
	uint16_t kind, fault;
	uint32_t pad;
	char run_id[28];
	char label[64];         /* of the fault, for people: "slow-db" */
	char resource[96];      /* key of the lock, as change_ops.resource() gave it */
	struct netns_ref netns; /* net changes */
	union {
		struct {
			char ifb[IFNAMSIZ];
		} netem;
		struct {
			char table[32];
			uint8_t family; /* NFPROTO_* */
		} gate;
		struct {
			char path[256];
			uint64_t dev, ino;
			uint64_t bytes_before : 63; /* f_bavail bytes before the fill */
			uint64_t by_path : 1; /* 0: files never have a name there, and their space
						 comes back by itself: undo asks the disk nothing */
		} fill;
		struct {
			struct change_proc proc;
			char name[32];
			uint8_t was_stopped; /* CHANGE_STOP: it was stopped before us: leave it so
					      */
		} pause;
		struct {
			char cgroup[256];
			uint64_t dev, ino;
			uint8_t was_frozen;
		} freeze;
		struct {
			int32_t signal;
			uint32_t n_procs;
		} signal;
		struct port_addr port;
		struct {
			char dev[IFNAMSIZ];
			int32_t ifindex;
			uint32_t mtu_before, mtu_set; /* 0, 0: it was up and went down */
			uint32_t had;                 /* routes and addresses in use, before */
			char type[16]; /* "veth": by these and its name it is told from one that
					  got its index */
			uint8_t address_n, address[32];
		} link;
		struct {
			uint32_t number;
		} queue;
	} u;
	char by_hand[512];
};

#define CHANGE_WATCHED 2

/*
 * One change inside a holder. live is the kind's own run-time state (sockets, descriptors, prebuilt
 * messages), made by arm (or fire, for kinds without arm); it ends with the holder's process.
 */
struct change {
	const struct change_ops *ops;
	const struct change_spec *spec;
	const struct undo *undo;
	const struct shield *shield;     /* what a repeated signal must never hit. Borrowed */
	const struct address_pool *pool; /* of the run; NULL = none. Borrowed */
	void *live;
	/* A guarded kind's fire has written, or may have: before that a failure leaves nothing to
	 * take back, and what is there is somebody else's. */
	bool touched;
	/* What the holder waits for beside its orders, from arm on: whenever one of them can be
	 * read, work() is called. */
	unsigned n_watched;
	int watched[CHANGE_WATCHED];
};

/* What a change has done so far. */
struct effect {
	uint64_t hits;  /* in the unit of its kind */
	uint64_t bytes; /* of the packets, where they are what is counted */
};

/*
 * The ops of one kind. 0 or -errno with *e. prepare and print may run anywhere; arm to drain run in
 * the holder; ready, undo, ended and gone run in whoever recovers, from the record alone.
 */
struct change_ops {
	const char *kind; /* "nft_gate" */
	enum change_class class;
	bool by_holder; /* all of it goes with its holder, and as long as that lives nobody else can
			   end it: by hand too, the holder is what is killed */
	/* What arm to effect need in the holder, and undo, ended and gone in whoever recovers. A
	 * call outside the list kills the process. */
	struct rights holder, undoer;
	/* Reads the system, writes nothing: identities into the undo record. c->undo is not set
	 * yet. */
	int (*prepare)(struct change *c, struct undo *ret, struct err *e);
	/* In the keeper, right before the record says that the change may have been made: what
	 * of it tells how things were before is looked at again. May be NULL. */
	int (*recount)(struct undo *u, struct err *e);
	/* Builds the structure, without effect. May be NULL. */
	int (*arm)(struct change *c, struct err *e);
	/* Gives effect. -EINPROGRESS: call again soon (a fill in steps under 100 ms). May be NULL.
	 */
	int (*fire)(struct change *c, struct err *e);
	/* Every beat (100 ms) while live: renews the lease, does what is due. -ENOENT: lost, never
	 * taken again. */
	int (*refresh)(struct change *c, struct err *e);
	/* One more address, while live. NULL: it has no lists that grow. */
	int (*join)(struct change *c, const struct gate_join *j, struct err *e);
	/* Does what the watched descriptors bring, without waiting and for a few milliseconds at
	 * most: orders are read in between. Until the holder's end. May be NULL. */
	int (*work)(struct change *c, struct err *e);
	/* Ends the effect, as fast as can be. NULL: undo ends it. */
	int (*quiet)(struct change *c, struct err *e);
	/* Called until it returns 0 or the deadline passes; -EINPROGRESS: packets are still in
	 * flight. May be NULL. */
	int (*drain)(struct change *c, struct err *e);
	/* What is counted, one and many ("packet", "packets"), and how much of it there was so far.
	 * Both are NULL for what only serves another change. */
	const char *unit[2];
	int (*effect)(struct change *c, struct effect *ret, struct err *e);
	/* The same for whoever has the record alone, where the system tells. May be NULL. */
	int (*seen)(const struct undo *u, struct effect *ret, struct err *e);
	/* Opens and keeps, in this process, what undo, ended and gone will use: from the first
	 * change on nothing is opened or allocated any more. May be NULL. */
	int (*ready)(const struct undo *u, struct err *e);
	/* Removes or restores all that is left. Idempotent; not there any more = 0;
	 * compare-and-restore. */
	int (*undo)(const struct undo *u, struct err *e);
	/* Effect read back: 0 = ended, 1 = still felt (ret_left says what), -errno = cannot tell.
	 * NULL: it has none. */
	int (*ended)(const struct undo *u, struct text *ret_left, struct err *e);
	/* State read back: 0 = as before, 1 = something is left, -EEXIST = changed by others,
	 * -errno = cannot tell. */
	int (*gone)(const struct undo *u, struct text *ret_left, struct err *e);
	/* The command of the record as it is now, where what it names may have got another name.
	 * -ENOENT: *e says what is gone, there is nothing to put back; any other -errno: cannot
	 * tell. NULL: it stays what it was. */
	int (*by_hand)(const struct undo *u, struct text *ret, struct err *e);
	/* The key of the lock: two runs on one resource exclude each other. "net-COOKIE-eth0",
	 * "mount-DEV", ... */
	int (*resource)(const struct change_spec *s, struct text *ret_key);
	/* One line each, the shell equivalents, for the plan. */
	int (*print)(const struct change_spec *s, struct text *ret_do, struct text *ret_undo);
};

/* NULL for a number that is no kind (a damaged journal, a forged message). */
const struct change_ops *change_ops_of(unsigned kind);
/* The shell command that takes it back now, from where this process stands; that of the record
 * where nobody knows better. -ENOENT: there is nothing left, *e says why. Any other -errno: where
 * it would have to be typed cannot be told, and there is none. */
int change_by_hand(const struct undo *u, struct text *ret, struct err *e);
/* What resource() stands for, in words: "the network device 'eth0'", "process 12 (nginx)". */
void change_resource_words(const struct change_spec *s, struct text *ret);
/* Do both change the same of one thing, which only one at a time can take back? */
bool change_is_same_thing(const struct change_spec *a, const struct change_spec *b);
/* The network namespace that a change works in; NULL = it has nothing to do with any. */
const struct netns_ref *change_netns(const struct change_spec *s);
/* The longest time that packets which it holds need to leave once its gate is closed; 0: it holds
 * none. */
int64_t change_drain_ns(const struct change_spec *s);
/* How long its firing takes by itself, while all goes well: the grace of a single signal. 0 = it is
 * done at once. */
int64_t change_land_ns(const struct change_spec *s);
/* The process that a change was made to; NULL = it is about none. */
const struct change_proc *change_proc_of(const struct undo *u);
/* Is every number, length and string of a spec that came over a socket within its bounds? pooled:
 * addresses in the pool of the run. */
int change_spec_check(const struct change_spec *s, uint32_t pooled, struct err *e);
bool net_prefix_ok(const struct net_prefix *p);
/* What says which packets or connections it is about; NULL: it is about something else. */
const struct nft_gate_spec *change_gate_of(const struct change_spec *s);
/* The same of an address that is to join: one whole address, and a change of the fault has a list
 * there that grows. */
int change_join_check(const struct gate_join *j, const struct change_spec *const *spec, unsigned n,
		      struct err *e);
/*
 * The same of a record that came from a journal, whoever wrote it: what undo removes by its name
 * must bear brink's mark, or it is somebody else's. -EBADMSG.
 */
int change_undo_check(const struct undo *u, struct err *e);

#endif
