/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_TESTS_SUPPORT_PROBED_H
#define BRINK_TESTS_SUPPORT_PROBED_H

#include <stdint.h>

/* Small services for the prober's tests, on loopback. */

/* A listening TCP socket, or -1. */
int probed_listen(uint16_t port);
/*
 * Serves until killed, a thread for each connection. http: /ok /500 /redirect /control /garbage
 * /big /slow /never /close. banner: "220 mail" in two pieces. dns (a bound UDP socket): names that
 * begin with "no" do not exist, every other question is never answered.
 */
void probed_serve(int http, int banner, int dns);

#endif
