/* SPDX-License-Identifier: Apache-2.0 */
#include "inject/net_words.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_SIX 0x3f /* fin syn rst psh ack urg: what "-only" is about; ECN's two stand aside */

/* A whole number from the beginning of the text; *end behind it. */
static bool number(const char *text, unsigned long max, unsigned long *ret, const char **end)
{
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoul(text, &stop, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	*end = stop;
	return !errno && *ret <= max && stop[-1] != 'x';
}

int net_read_mark(const char *text, struct gate_conditions *ret, struct err *e)
{
	unsigned long mark, mask = UINT32_MAX;
	const char *end;

	if (!number(text, UINT32_MAX, &mark, &end) ||
	    (*end == '/' && !number(end + 1, UINT32_MAX, &mask, &end)) || *end)
		return err_set(e, EINVAL,
			       "'%s' is no mark: write VALUE or VALUE/MASK, for example 0x10/0xf0",
			       text);
	if (!mask || (mark & ~mask))
		return err_set(e, EINVAL,
			       "no packet has the mark '%s': the value has bits outside its mask",
			       text);
	ret->given |= GATE_MARK;
	ret->mark = (uint32_t)mark;
	ret->mark_mask = (uint32_t)mask;
	return 0;
}

/* The names of IANA's registry; those that are a pattern (cs0 to cs7, af11 to af43) are read as
 * such. */
static const struct {
	const char *name;
	uint8_t value;
} dscp_names[] = { { "be", 0 }, { "le", 1 }, { "voice-admit", 44 }, { "ef", 46 } };

static bool dscp_of_name(const char *text, unsigned long *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(dscp_names); i++) {
		if (strcmp(text, dscp_names[i].name) == 0) {
			*ret = dscp_names[i].value;
			return true;
		}
	}
	if (strncmp(text, "cs", 2) == 0 && text[2] >= '0' && text[2] <= '7' && !text[3]) {
		*ret = (unsigned long)(text[2] - '0') << 3;
		return true;
	}
	if (strncmp(text, "af", 2) == 0 && text[2] >= '1' && text[2] <= '4' && text[3] >= '1' &&
	    text[3] <= '3' && !text[4]) {
		*ret = (unsigned long)(text[2] - '0') << 3 | (unsigned long)(text[3] - '0') << 1;
		return true;
	}
	return false;
}

int net_read_dscp(const char *text, struct gate_conditions *ret, struct err *e)
{
	unsigned long v;
	const char *end;

	if (!dscp_of_name(text, &v) && (!number(text, 63, &v, &end) || *end))
		return err_set(e, EINVAL,
			       "'%s' is no DSCP: write 0 to 63, ef, cs0 to cs7, af11 to af43, be, "
			       "le or voice-admit",
			       text);
	ret->given |= GATE_DSCP;
	ret->dscp = (uint8_t)v;
	return 0;
}

int net_read_length(const char *text, struct gate_conditions *ret, struct err *e)
{
	unsigned long lo = 0, hi = UINT16_MAX;
	const char *p = text;
	bool ok = *p == '-' || number(p, UINT16_MAX, &lo, &p);

	if (ok && *p == '-') {
		p++;
		if (*p || p == text + 1)
			ok = number(p, UINT16_MAX, &hi, &p);
		else
			hi = UINT16_MAX;
	} else {
		hi = lo;
	}
	if (!ok || *p || lo > hi)
		return err_set(e, EINVAL,
			       "'%s' is no length: write BYTES, FROM-TO, FROM- or -TO, up to %d, "
			       "for example 1000-1500",
			       text, UINT16_MAX);
	ret->given |= GATE_LENGTH;
	ret->length_lo = (uint16_t)lo;
	ret->length_hi = (uint16_t)hi;
	return 0;
}

/* RFC 9293, RFC 3168. */
static const struct {
	const char *name;
	uint8_t bit;
} flag_names[] = { { "fin", TH_FIN }, { "syn", TH_SYN }, { "rst", TH_RST }, { "psh", TH_PUSH },
		   { "ack", TH_ACK }, { "urg", TH_URG }, { "ece", 0x40 },   { "cwr", 0x80 } };

static bool is_word(const char *word, const char *before, const char *name, const char *behind)
{
	size_t a = strlen(before), n = strlen(name);

	return strncmp(word, before, a) == 0 && strncmp(word + a, name, n) == 0 &&
	       strcmp(word + a + n, behind) == 0;
}

int net_add_flags(struct gate_conditions *ret, uint8_t set, uint8_t not_set, const char *what,
		  struct err *e)
{
	uint8_t is_not = ret->tcp_mask & (uint8_t)~ret->tcp_flags;

	if ((set & is_not) || (not_set & ret->tcp_flags))
		return err_set(e, EINVAL,
			       "'%s' contradicts the TCP flags that were asked for before it",
			       what);
	ret->given |= GATE_FLAGS;
	ret->tcp_mask |= set | not_set;
	ret->tcp_flags |= set;
	return 0;
}

static int read_flag(const char *word, struct gate_conditions *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
		const char *name = flag_names[i].name;
		uint8_t bit = flag_names[i].bit;

		if (is_word(word, "", name, ""))
			return net_add_flags(ret, bit, 0, word, e);
		if (is_word(word, "no-", name, ""))
			return net_add_flags(ret, 0, bit, word, e);
		if (is_word(word, "", name, "-only"))
			return net_add_flags(ret, bit, FLAGS_SIX & (uint8_t)~bit, word, e);
	}
	return err_set(e, EINVAL,
		       "'%s' is no TCP flag: write fin, syn, rst, psh, ack, urg, ece or cwr, with "
		       "no- before it or -only behind it",
		       word);
}

int net_read_flags(const struct strings *words, struct gate_conditions *ret, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < words->n && rc == 0; i++)
		rc = read_flag(words->at[i], ret, e);
	return rc;
}
