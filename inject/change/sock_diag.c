/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/change/sock_diag.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct listing {
	uint8_t family, proto;
	sock_each *each;
	void *arg;
};

/* The four words of an address, or the last one of an address that is mapped. */
static void read_address(const struct sock_seen *s, const __be32 from[4], uint8_t ret[16])
{
	bool mapped = s->family == 4 && s->diag_family == AF_INET6;

	memcpy(ret, mapped ? &from[3] : from, s->family == 4 ? 4 : 16);
}

static bool is_mapped(const __be32 a[4])
{
	return !a[0] && !a[1] && a[2] == htonl(0xffff);
}

static int take(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct listing *l = arg;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	struct sock_seen s = { .diag_family = l->family, .diag_proto = l->proto };

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return err_set(e, EBADMSG, "a broken answer about a socket");
	if (m->idiag_family != l->family)
		return 0;
	s.family =
		l->family == AF_INET || (is_mapped(m->id.idiag_src) && is_mapped(m->id.idiag_dst)) ?
			4 :
			6;
	s.state = m->idiag_state;
	s.local_port = ntohs(m->id.idiag_sport);
	s.remote_port = ntohs(m->id.idiag_dport);
	s.inode = m->idiag_inode;
	s.id = m->id;
	read_address(&s, m->id.idiag_src, s.local);
	read_address(&s, m->id.idiag_dst, s.remote);
	return l->each(&s, l->arg, e);
}

static int list_family(struct nlsock *s, uint8_t family, const struct sock_query *q,
		       sock_each *each, void *arg, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct inet_diag_req_v2 r = { .sdiag_family = family,
				      .sdiag_protocol = q->proto,
				      .idiag_states = q->states,
				      .id.idiag_sport = htons(q->port) };
	struct listing l = { family, q->proto, each, arg };
	int rc;

	nlbuf_msg(&b, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &r, sizeof(r), "cannot list the sockets");
	rc = nlsock_ask(s, &b, take, NULL, &l, e);

	/* never ENOENT, which reads as "the namespace is gone" */
	return rc == -ENOENT ?
		       err_set(e, EOPNOTSUPP,
			       "this kernel cannot list sockets (modules tcp_diag, udp_diag)") :
		       rc;
}

int sock_list(struct nlsock *s, const struct sock_query *q, sock_each *each, void *arg,
	      struct err *e)
{
	int rc = list_family(s, AF_INET, q, each, arg, e);

	return rc < 0 ? rc : list_family(s, AF_INET6, q, each, arg, e);
}

static int ask_destroy(struct nlsock *s, uint8_t family, uint8_t proto,
		       const struct inet_diag_sockid *id, struct err *e)
{
	_Alignas(16) char bytes[256];
	struct nlbuf b = nlbuf_on(bytes, sizeof(bytes));
	struct inet_diag_req_v2 r = { .sdiag_family = family, .sdiag_protocol = proto, .id = *id };
	int rc;

	nlbuf_msg(&b, SOCK_DESTROY, NLM_F_ACK, &r, sizeof(r), "cannot reset a connection");
	rc = nlsock_talk(s, &b, e);
	if (rc ==
	    -ESTALE) /* another socket in its place: sock_diag_check_cookie() in sock_diag.c */
		return err_set(e, ENOENT, "the connection is gone");
	if (rc == -EOPNOTSUPP)
		return err_set(e, EOPNOTSUPP,
			       "this kernel cannot reset a connection: it was built without "
			       "CONFIG_INET_DIAG_DESTROY (net.drop with reply: reset needs no such "
			       "thing)");
	return rc;
}

int sock_destroy(struct nlsock *s, const struct sock_seen *seen, struct err *e)
{
	return ask_destroy(s, seen->diag_family, seen->diag_proto, &seen->id, e);
}

int sock_destroy_try(struct nlsock *s, struct err *e)
{
	/* no socket has port 0 on both ends; a cookie that is no number of any socket */
	const struct inet_diag_sockid none = { .idiag_cookie = { 1, UINT32_MAX } };
	int rc = ask_destroy(s, AF_INET, IPPROTO_TCP, &none, e);

	return rc == -ENOENT ? 0 : rc;
}
