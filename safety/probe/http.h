/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PROBE_HTTP_H
#define BRINK_PROBE_HTTP_H

#include "safety/probe/proto.h"

/*
 * http and tcp probes: one libcurl multi handle, one thread, plus libcurl's own resolver threads,
 * so that a name service that hangs holds up nobody else. Every probe is a connection of its own:
 * what a new client would see. The only code that knows libcurl; it is linked to brink-prober and
 * to nothing else.
 */
struct http;

/* Once for a process: what libcurl loads and reads only once, before the filter is on. */
int http_init(struct err *e);
int http_new(struct http **ret, struct err *e);
void http_free(struct http *h);

/* Prepares check `index` (CHECK_HTTP or CHECK_TCP) from a copy of the spec. */
int http_add(struct http *h, uint32_t index, const struct probe_spec *spec, struct err *e);
/* Begins one probe. -errno: it cannot begin. */
int http_begin(struct http *h, uint32_t index);
/* Drops the probe under way, if any. Never waits, not even for a resolver. */
void http_cut(struct http *h, uint32_t index);
/* Sleeps until something happens on the probes or on one of the n (at most 4) other descriptors. */
int http_wait(struct http *h, const int *fds, unsigned n);
/*
 * Lets the probes go on. After it, http_take gives those that are over, one by one: seq and check
 * are the caller's to fill in. Returns false when there is no more.
 */
int http_work(struct http *h);
bool http_take(struct http *h, uint32_t *ret_index, struct probe_sample *ret);

#endif
