/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_PORT_H
#define BRINK_PORT_H

#include "inject/change/change.h"

/* Is a socket in the way of this one? 0, or -EADDRINUSE with *e that names who holds it as far as
 * /proc tells; reads only. */
int port_is_free(const struct port_spec *s, struct err *e);
/* "[::1]:8080/tcp", "*:53/udp" */
void port_add(struct text *t, const struct port_addr *p);

#endif
