/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/dns_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

static int check_characters(const char *text, struct err *e)
{
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			return err_set(e, EINVAL,
				       "'%s' is not in the form in which it is asked for: write it "
				       "with xn--, as idn2(1) shows it",
				       text);
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return err_set(e, EINVAL,
				       "'%s' is no DNS name: write db.example.com, or "
				       "*.example.com for all below it",
				       text);
	}
	return 0;
}

/* Its first byte, the length of a label, is also a character that stands in labels. */
static bool is_ambiguous(const struct dns_name *n)
{
	return n->wire[0] == '-' || (n->wire[0] >= '0' && n->wire[0] <= '9');
}

static int put_label(struct dns_name *n, const char *label, size_t len, const char *text,
		     struct err *e)
{
	if (len == 0 || len > LABEL_MAX)
		return err_set(e, EINVAL,
			       "'%s' is no DNS name: between its dots stand 1 to %d "
			       "characters",
			       text, LABEL_MAX);
	if (n->len + len + 2 + (n->below ? 2 : 0) > DNS_WIRE_MAX)
		return err_set(e, EINVAL,
			       "'%.60s...' is too long: brink looks at names of up to "
			       "%d characters",
			       text, DNS_WIRE_MAX - 2);
	n->wire[n->len++] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		n->wire[n->len++] = (uint8_t)tolower((unsigned char)label[i]);
	return 0;
}

int dns_name_read(const char *text, struct dns_name *ret, struct err *e)
{
	struct dns_name n = { .below = text[0] == '*' };
	const char *at = text;
	int rc;

	if (strcmp(text, "*") == 0) {
		*ret = (struct dns_name){ .below = 1, .len = 1 };
		return 0;
	}
	if (strncmp(text, "*.", 2) == 0)
		at += 2;
	rc = check_characters(at, e);
	do {
		size_t len = strcspn(at, ".");

		if (rc == 0)
			rc = put_label(&n, at, len, text, e);
		at += len;
		at += *at == '.';
	} while (rc == 0 && *at);
	if (rc < 0)
		return rc;
	n.wire[n.len++] = 0;
	if (n.below && is_ambiguous(&n))
		return err_set(e, EINVAL,
			       "'%s': a first label of %u characters cannot be told from the end of "
			       "a longer one; name what is below it",
			       text, n.wire[0]);
	*ret = n;
	return 0;
}
