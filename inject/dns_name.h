/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_DNS_NAME_H
#define BRINK_DNS_NAME_H

#include "inject/change/change.h"

/*
 * A name of DNS as people write it: "db.example.com" is that name, "*.example.com" every name below
 * example.com and not itself, "*" every name. A dot at the end changes nothing. EINVAL with a right
 * form: RFC 1035 section 2.3.4; letters outside ASCII are not converted.
 */
int dns_name_read(const char *text, struct dns_name *ret, struct err *e);

#endif
