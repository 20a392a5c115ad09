/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_FINGERPRINT_PARTS_H
#define BRINK_FINGERPRINT_PARTS_H

/* Inside of safety/fingerprint*.c only. */

#include <linux/netlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <stddef.h>

#include "safety/fingerprint.h"

#define FP_LINKS 1024
#define FP_NODES 2048
#define FP_BUF   32768
#define FP_SEED  UINT64_C(0xcbf29ce484222325)

struct fp_link {
	int32_t ifindex;
	char name[IFNAMSIZ];
};

/* A place where filters can hang: a qdisc, a class, a direction of clsact. */
struct fp_node {
	int32_t ifindex;
	uint32_t parent;
};

/* One fingerprint_take at work. */
struct fp_take {
	struct fingerprint *fp;
	const char *scope;
	struct err *e;
	uint32_t seq;
	uint32_t n_links, n_nodes;
	struct fp_link link[FP_LINKS];
	struct fp_node node[FP_NODES];
};

/* A request for a dump: header, family header, attributes. */
struct fp_request {
	struct nlmsghdr nh;
	alignas(NLMSG_ALIGNTO) unsigned char body[600];
};

struct fp_attrs {
	const unsigned char *at;
	size_t left;
};

/* The parts. Each adds its objects; -EAGAIN: the kernel's list changed meanwhile, try again. */
int fp_links(struct fp_take *t);
int fp_addresses(struct fp_take *t);
int fp_routes(struct fp_take *t);
int fp_rules(struct fp_take *t);
int fp_neighbours(struct fp_take *t);
int fp_tc(struct fp_take *t);
int fp_nft(struct fp_take *t);
int fp_sysctls(struct fp_take *t);

/* Adds one object, or -E2BIG with the error set. */
int fp_add(struct fp_take *t, uint64_t key, uint64_t value, const char *fmt, ...) PRINTF_FMT(4, 5);
/* The name of a link, "if7" when it is not in the list. buf: where the latter is written. */
const char *fp_link_name(const struct fp_take *t, int32_t ifindex, char buf[static IFNAMSIZ]);

uint64_t fp_hash(uint64_t h, const void *data, size_t n);
uint64_t fp_hash_u32(uint64_t h, uint32_t v);

/* A netlink socket for dumps: a descriptor or -errno with the error set. */
int fp_open(struct fp_take *t, int protocol);
/* An empty request of this type with a family header of n bytes. */
struct fp_request fp_request(uint16_t type, const void *header, size_t n);
/* Appends one attribute to a request. What does not fit is a bug in the caller. */
void fp_request_attr(struct fp_request *r, uint16_t type, const void *data, size_t n);
/*
 * Sends a request and calls fn for each object of the answer. 0, what fn returned, -EAGAIN when the
 * list changed during the dump, or -errno; *e is set except for the errors that the kernel answered
 * with and -EAGAIN.
 */
int fp_dump(struct fp_take *t, int fd, struct fp_request *r,
	    int (*fn)(struct fp_take *t, const struct nlmsghdr *nh, void *arg), void *arg);

/* The attributes behind a family header of n bytes, and those inside an attribute. */
struct fp_attrs fp_attrs_of(const struct nlmsghdr *nh, size_t n);
struct fp_attrs fp_attrs_in(const struct nlattr *a);
const struct nlattr *fp_attr_next(struct fp_attrs *i);
unsigned fp_attr_type(const struct nlattr *a);
const void *fp_attr_data(const struct nlattr *a);
size_t fp_attr_len(const struct nlattr *a);
uint32_t fp_attr_u32(const struct nlattr *a); /* 0 when it is shorter */
const struct nlattr *fp_attr_find(struct fp_attrs i, unsigned type);
/* The text of an attribute, or "". Not terminated by the kernel: cut at 255 bytes into buf. */
const char *fp_attr_text(struct fp_attrs i, unsigned type, char buf[static 256]);
uint64_t fp_hash_attr(uint64_t h, const struct nlattr *a);
/* All attributes whose bit is set in types (types from 64 on: none). */
uint64_t fp_hash_some(uint64_t h, struct fp_attrs i, uint64_t types);
#define FP_BIT(type) (UINT64_C(1) << (type))

#endif
