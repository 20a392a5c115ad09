/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h> /* before linux/netfilter.h, which would define the same names */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <linux/netfilter.h>
#include <linux/netlink.h>

#include "base/clock.h"
#include "base/io.h"
#include "inject/change/due_queue.h"
#include "inject/change/kinds.h"
#include "inject/change/netem_spec.h"
#include "inject/change/netns.h"
#include "inject/change/proc_state.h"
#include "inject/change/queue_msg.h"
#include "inject/change/shaper.h"

/* One datagram of verdicts; a whole packet in place of another is one too. */
#define VERDICT_BYTES ((size_t)80 * 1024)
#define PACKET_BYTES  ((size_t)68 * 1024)
#define READS         256               /* packets in one go: a millisecond's work */
#define RUNS          1024              /* words to the kernel in one go */
#define FLOOD         50                /* such goes in a row: others want the CPU too */
#define REST_NS       (200 * NS_PER_US) /* after each go of a flood: a fifth of the CPU */
#define BUFFER_BYTES  (8 * 1024 * 1024) /* of packets that nobody has read yet */
#define SLACK         16384u            /* such packets, beyond those that wait here */
#define PAYLOADS      4096u             /* corrupted packets that wait */
#define EARLY_NS      (50 * NS_PER_US)  /* what waking up and the verdict take; one for several */
#define ETHERNET      14u /* bytes before those that the queue tells, and that netem counts */

struct payload {
	void *bytes;
	size_t n;
	uint32_t next; /* free ones: the one behind, + 1 */
};

struct queue_live {
	struct nlsock sock;
	uint16_t number;
	bool bound, closing;
	unsigned full_goes; /* in a row, after which packets were left unread */
	int timer;
	int64_t timer_ns; /* when it goes off; 0 = it does not */
	struct due_queue held;
	struct shaper shaper;
	struct payload *payload;
	uint32_t free_payload; /* + 1 */
	struct nlbuf out;
	_Alignas(16) char out_bytes[VERDICT_BYTES];
	_Alignas(16) char in_bytes[PACKET_BYTES];
};

static const struct queue_spec *spec_of(const struct change *c)
{
	return &c->spec->u.queue;
}

/* ---- whose queue it is ---- */

/* 1 = some socket has the queue, 0 = none, -errno = cannot tell. A namespace that is gone took it
 * along. */
static int is_bound(const struct netns_ref *ns, uint32_t number, struct err *e)
{
	_Alignas(16) char bytes[2][128];
	struct nlbuf right = nlbuf_on(bytes[0], sizeof(bytes[0]));
	struct nlbuf ask = nlbuf_on(bytes[1], sizeof(bytes[1]));
	struct nlsock *sock = NULL;
	struct err answer;
	int rc = netns_sock(ns, NETLINK_NETFILTER, &sock, e);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	queue_ask_right(&right);
	rc = nlsock_talk(sock, &right, e);
	if (rc < 0)
		return rc;
	queue_ask(&ask, (uint16_t)number);
	rc = nlsock_talk(sock, &ask, &answer);
	if (rc == -ENODEV)
		return 0;
	if (rc == -EPERM)
		return 1;
	*e = answer;
	return rc < 0 ? rc : err_set(e, EBADMSG, "this socket has packet queue %u", number);
}

static int taken(uint32_t number, struct err *e)
{
	return err_set(e, EBUSY,
		       "packet queue %u is in use by another program: start the run again, it "
		       "takes another number",
		       number);
}

static int queue_prepare(struct change *c, struct undo *ret, struct err *e)
{
	const struct queue_spec *s = spec_of(c);
	int rc = is_bound(&s->how.netns, s->number, e);

	if (rc == -EPERM)
		return err_set(e, EACCES,
			       "packet queues may not be used here: needs CAP_NET_ADMIN (root, or "
			       "a user namespace of your own: unshare -Urn)");
	if (rc == -EINVAL) /* nfnetlink_rcv_msg(): no such subsystem */
		return err_set(e, EOPNOTSUPP,
			       "this kernel has no nfnetlink_queue: CONFIG_NETFILTER_NETLINK_QUEUE");
	if (rc > 0)
		return taken(s->number, e);
	if (rc < 0)
		return rc;
	ret->netns = s->how.netns;
	ret->u.queue.number = s->number;
	/* the low bits of a netlink socket's port are its process: libnl, generate_local_port() */
	snprintf(ret->by_hand, sizeof(ret->by_hand),
		 "sh -c 'for p in $(awk \"\\$1 == %u { print \\$2 %% 4194304 }\" "
		 "/proc/net/netfilter/nfnetlink_queue); do grep -qx " HOLDER_COMM
		 " /proc/$p/comm && kill -KILL $p; done'",
		 s->number);
	return 0;
}

/* ---- in the holder ---- */

static int flush(struct queue_live *l, struct err *e)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	unsigned times = 0;

	while (l->out.n) {
		if (sendto(l->sock.fd, l->out.data, l->out.len, 0, (struct sockaddr *)&to,
			   sizeof(to)) < 0) {
			if (io_again(&times))
				continue;
			return err_sys(e, "cannot let packets go");
		}
		l->out = nlbuf_on(l->out_bytes, VERDICT_BYTES);
	}
	return 0;
}

/* Room for one message more, whose payload has n bytes. */
static int make_room(struct queue_live *l, size_t n, struct err *e)
{
	bool full = l->out.n == NLBUF_MESSAGES || VERDICT_BYTES - l->out.len < n + 64;

	return full ? flush(l, e) : 0;
}

static int judge(struct queue_live *l, uint32_t id, uint32_t verdict, struct err *e)
{
	int rc = make_room(l, 0, e);

	if (rc == 0)
		queue_verdict(&l->out, l->number, id, verdict);
	return rc;
}

/* The bytes with one bit turned, to be sent in place of the packet. 0: no room for more. */
static uint32_t keep_payload(struct queue_live *l, const struct queue_packet *p,
			     const uint32_t bit[2])
{
	uint32_t place = l->free_payload;
	struct payload *at = place ? &l->payload[place - 1] : NULL;
	uint8_t *bytes = at && p->n ? malloc(p->n) : NULL;

	if (!bytes)
		return 0;
	memcpy(bytes, p->payload, p->n);
	bytes[bit[0] % p->n] ^= (uint8_t)(1u << bit[1] % 8);
	l->free_payload = at->next;
	at->bytes = bytes;
	at->n = p->n;
	return place;
}

static int send_payload(struct queue_live *l, const struct due *d, struct err *e)
{
	struct payload *at = &l->payload[d->payload - 1];
	int rc = make_room(l, at->n, e);

	if (rc == 0)
		queue_replace(&l->out, l->number, d->id, at->bytes, at->n);
	free(at->bytes);
	*at = (struct payload){ .next = l->free_payload };
	l->free_payload = d->payload;
	return rc;
}

/* A packet has come: its fate, and its place among those that wait. One too many is lost, as with
 * netem; so is a corrupted one that cannot be kept. */
static int take_in(struct queue_live *l, const struct queue_packet *p, struct err *e)
{
	struct shaped fate;
	struct due d = { .id = p->id };

	/* before the shaper: what finds no room takes no time of the rate's, as with netem */
	if (due_count(&l->held) >= l->held.size)
		return judge(l, p->id, NF_DROP, e);
	fate = shaper_next(&l->shaper, clock_mono_ns(), p->bytes + ETHERNET);
	d.at_ns = fate.at_ns;
	if (fate.lost)
		return judge(l, p->id, NF_DROP, e);
	if (fate.corrupted && !l->closing) {
		d.payload = keep_payload(l, p, fate.bit);
		if (!d.payload)
			return judge(l, p->id, NF_DROP, e);
	}
	due_put(&l->held, d);
	return 0;
}

static int read_packets(struct queue_live *l, struct err *e)
{
	l->full_goes++;
	for (unsigned i = 0; i < READS; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(l->sock.fd, l->in_bytes, PACKET_BYTES, MSG_DONTWAIT,
				     (struct sockaddr *)&from, &size);

		if (n < 0 && errno == EAGAIN) {
			l->full_goes = 0;
			return 0;
		}
		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return err_sys(e, "cannot read packets from queue %u", l->number);
		if (from.nl_pid) /* only the kernel's word counts */
			continue;
		for (const struct nlmsghdr *h = (const void *)l->in_bytes; NLMSG_OK(h, n);
		     h = NLMSG_NEXT(h, n)) {
			struct queue_packet p;
			int rc = queue_read(h, &p) ? take_in(l, &p, e) : 0;

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* All of a run but one with a payload, which stands at its end, by one word. */
static int let_run(struct queue_live *l, const struct due_run *run, struct err *e)
{
	const struct due *last = &run->last;
	int rc = 0;

	if (run->n == 1 && !last->payload)
		return judge(l, last->id, NF_ACCEPT, e);
	if (run->n > 1) {
		rc = make_room(l, 0, e);
		if (rc == 0)
			queue_accept_until(&l->out, l->number, last->id - (last->payload ? 1 : 0));
	}
	return rc == 0 && last->payload ? send_payload(l, last, e) : rc;
}

static int let_go(struct queue_live *l, struct err *e)
{
	int64_t now = clock_mono_ns() + EARLY_NS;
	int rc = 0;

	for (unsigned i = 0; i < RUNS && rc == 0; i++) {
		struct due_run run = due_take(&l->held, now);

		if (!run.n)
			break;
		rc = let_run(l, &run, e);
	}
	return rc < 0 ? rc : flush(l, e);
}

static int set_timer(struct queue_live *l, struct err *e)
{
	const struct due *first = due_first(&l->held);
	int64_t at = first ? first->at_ns - EARLY_NS : 0;
	const struct itimerspec t = { .it_value = { at / NS_PER_S, at % NS_PER_S } };

	if (at == l->timer_ns)
		return 0;
	if (timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &t, NULL) < 0)
		return err_sys(e, "cannot set the timer of queue %u", l->number);
	l->timer_ns = at;
	return 0;
}

static int queue_work(struct change *c, struct err *e)
{
	const struct timespec rest = { .tv_nsec = REST_NS };
	struct queue_live *l = c->live;
	uint64_t gone_off;
	int rc;

	if (!l->bound)
		return 0;
	if (l->full_goes > FLOOD) /* of real-time class: the runner shall not miss its beats */
		clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
	if (read(l->timer, &gone_off, sizeof(gone_off)) > 0)
		l->timer_ns = 0;
	rc = read_packets(l, e);
	if (rc == 0)
		rc = let_go(l, e);
	return rc < 0 ? rc : set_timer(l, e);
}

static enum queue_copy copy_of(const struct netem_side_spec *s)
{
	return s->corrupt_ppm ? QUEUE_WHOLE : s->rate ? QUEUE_LENGTHS : QUEUE_NUMBERS;
}

static int make_store(struct queue_live *l, const struct netem_side_spec *s, struct err *e)
{
	struct due *ring = calloc(s->limit, sizeof(*ring)), *heap = calloc(s->limit, sizeof(*heap));

	l->held = due_queue_on(ring, heap, s->limit);
	if (s->corrupt_ppm)
		l->payload = calloc(PAYLOADS, sizeof(*l->payload));
	if (!ring || !heap || (s->corrupt_ppm && !l->payload))
		return err_set(e, ENOMEM, "no memory for %u packets", s->limit);
	for (uint32_t i = PAYLOADS; l->payload && i; i--) {
		l->payload[i - 1].next = l->free_payload;
		l->free_payload = i;
	}
	return 0;
}

static int bind_queue(struct queue_live *l, const struct netem_side_spec *s, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	const int bytes_unread = BUFFER_BYTES, on = 1;
	int rc;

	queue_bind(&b, l->number);
	queue_configure(&b, l->number, copy_of(s), s->limit + SLACK);
	rc = nlsock_talk(&l->sock, &b, e);
	if (rc == -EPERM || rc == -EBUSY)
		return taken(l->number, e);
	if (rc < 0)
		return rc;
	l->bound = true;
	/* what does not fit passes untouched: no reason to stop reading */
	if (setsockopt(l->sock.fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) < 0)
		return err_sys(e, "cannot set up a netlink socket");
	/* beyond net.core.rmem_max for who may; less is no error: socket(7) */
	if (setsockopt(l->sock.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes_unread, sizeof(int)) < 0)
		setsockopt(l->sock.fd, SOL_SOCKET, SO_RCVBUF, &bytes_unread, sizeof(int));
	return 0;
}

/* Nothing comes before the gate is open. */
static int queue_arm(struct change *c, struct err *e)
{
	const struct queue_spec *s = spec_of(c);
	struct queue_live *l = aligned_alloc(16, sizeof(*l));
	int rc;

	if (!l)
		return err_set(e, ENOMEM, "no memory for a packet queue");
	memset(l, 0, sizeof(*l));
	l->timer = l->sock.fd = -1;
	l->number = (uint16_t)s->number;
	l->out = nlbuf_on(l->out_bytes, VERDICT_BYTES);
	c->live = l;
	rc = make_store(l, &s->how, e);
	if (rc == 0)
		rc = shaper_init(&l->shaper, &s->how, s->seed, e);
	if (rc < 0)
		return rc;
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->timer < 0)
		return err_sys(e, "cannot make a timer");
	rc = nlsock_open(NETLINK_NETFILTER, &l->sock, e);
	if (rc == 0)
		rc = bind_queue(l, &s->how, e);
	if (rc < 0)
		return rc;
	c->watched[0] = l->sock.fd;
	c->watched[1] = l->timer;
	c->n_watched = 2;
	return 0;
}

/* From here on no memory is asked for: what still comes is not corrupted. */
static int queue_quiet(struct change *c, struct err *e)
{
	struct queue_live *l = c->live;

	(void)e;
	if (l)
		l->closing = true;
	return 0;
}

/* The gate is closed: what waits leaves at its time, then nobody needs the queue. */
static int queue_drain(struct change *c, struct err *e)
{
	struct queue_live *l = c->live;
	_Alignas(16) char bytes[128];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	int rc;

	if (!l || !l->bound)
		return 0;
	rc = queue_work(c, e);
	if (rc < 0)
		return rc;
	if (due_count(&l->held) || l->full_goes) /* what is unread would be lost */
		return -EINPROGRESS;
	l->bound = false;
	queue_unbind(&b, l->number);
	return nlsock_talk(&l->sock, &b, e);
}

/* ---- from the record alone ---- */

static int queue_ready(const struct undo *u, struct err *e)
{
	struct nlsock *sock;
	int rc = netns_sock(&u->netns, NETLINK_NETFILTER, &sock, e);

	return rc == -ENOENT ? 0 : rc;
}

/* The kernel gives it up when the holder ends; that the holder ends is the business of whoever
 * recovers. */
static int queue_undo(const struct undo *u, struct err *e)
{
	(void)u;
	(void)e;
	return 0;
}

static int queue_gone(const struct undo *u, struct text *ret_left, struct err *e)
{
	int rc = is_bound(&u->netns, u->u.queue.number, e);

	if (rc > 0)
		text_add(ret_left, "packet queue %u is still bound", u->u.queue.number);
	return rc;
}

static int queue_resource(const struct change_spec *s, struct text *ret_key)
{
	text_add(ret_key, "net-%llx-%s", (unsigned long long)s->u.queue.how.netns.cookie,
		 s->u.queue.how.dev);
	return 0;
}

static int queue_print(const struct change_spec *cs, struct text *ret_do, struct text *ret_undo)
{
	const struct queue_spec *s = &cs->u.queue;

	text_add(ret_do, "queue %u (bound by a holder process): as ", s->number);
	netem_spec_add(ret_do, &s->how);
	text_add(ret_do, " would, in user space");
	text_add(ret_undo,
		 "queue %u is given up once it holds no packet; the kernel does it when "
		 "the holder ends",
		 s->number);
	return 0;
}

static const struct call_rule holder_calls[] = { CALLS_NETLINK,
						 { "timerfd_create", ANY_ARG },
						 { "timerfd_settime", ANY_ARG },
						 { "timerfd_settime64", ANY_ARG },
						 { 0 } };

const struct change_ops queue_ops = {
	.kind = "queue_delay",
	.class = CLASS_SELF_ENDING,
	.by_holder = true,
	.holder = { CAP_BIT(NET_ADMIN), holder_calls },
	.undoer = { CAP_BIT(NET_ADMIN), NULL },
	.prepare = queue_prepare,
	.arm = queue_arm,
	.work = queue_work,
	.quiet = queue_quiet,
	.drain = queue_drain,
	.ready = queue_ready,
	.undo = queue_undo, /* no ended: without the gate that leads to it it has no effect */
	.gone = queue_gone,
	.resource = queue_resource,
	.print = queue_print,
};
