/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_LINK_STATE_H
#define BRINK_LINK_STATE_H

#include "inject/change/change.h"
#include "inject/change/nlsock.h"

/* It hears the other end: IFF_LOWER_UP of linux/if.h, which cannot stand beside net/if.h. */
#define LINK_LOWER_UP 0x10000u

/* A hardware address: of MAX_ADDR_LEN in linux/netdevice.h at most. n = 0: the device has none. */
struct link_address {
	uint8_t n, at[32];
};

/* A network device as RTM_GETLINK tells it: what setting it down or its MTU depends on. */
struct link_state {
	char name[IFNAMSIZ];
	int ifindex;
	unsigned flags; /* IFF_*: netdevice(7) */
	struct link_address address, broadcast;
	uint32_t mtu;
	uint32_t mtu6;     /* of its IPv6 configuration; 0 = it has none */
	char kind[16];     /* "" = hardware, or told by none */
	int32_t keep_addr; /* its keep_addr_on_down */
	bool has_master;
	bool carries; /* other devices stand on it, or are its ports */
};

/* By name, or with NULL by index, whatever it is called now. s is a socket of NETLINK_ROUTE.
 * -ENODEV: there is no such device. */
int link_state_read(struct nlsock *s, const char *dev, int ifindex, struct link_state *ret,
		    struct err *e);

/*
 * The device of a change: is there something to change, and would all of it be there again after it
 * was down and up (after its MTU was lower and as before)? -EBUSY with *e names the first thing
 * that would be lost: an undo that cannot put everything back is none.
 */
int link_check(struct nlsock *s, const struct link_spec *spec, struct link_state *ret,
	       struct err *e);

/* How many routes and addresses in use the device has: they come back one after the other. */
int link_count(struct nlsock *s, int ifindex, unsigned *ret, struct err *e);

int link_set_up(struct nlsock *s, int ifindex, bool up, struct err *e);
int link_set_mtu(struct nlsock *s, int ifindex, uint32_t mtu, struct err *e);

#endif
