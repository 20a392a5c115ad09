/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

PRINTF_FMT(2, 0)
static void put(struct err *e, const char *fmt, va_list ap)
{
	unsigned at = e->depth;

	if (at == ERR_DEPTH) /* the root cause stays, the outermost context gives way */
		at = ERR_DEPTH - 1;
	else
		e->depth++;
	vsnprintf(e->msg[at], sizeof(e->msg[at]), fmt, ap);
}

int(err_set)(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	e->pos = (struct src_pos){ 0 };
	e->depth = 0;
	va_start(ap, fmt);
	put(e, fmt, ap);
	va_end(ap);
	return -code;
}

int(err_sys)(struct err *e, const char *fmt, ...)
{
	int code = errno;
	va_list ap;
	size_t used;

	e->code = code;
	e->pos = (struct src_pos){ 0 };
	e->depth = 0;
	va_start(ap, fmt);
	put(e, fmt, ap);
	va_end(ap);
	used = strlen(e->msg[0]);
	snprintf(e->msg[0] + used, sizeof(e->msg[0]) - used, ": %s", strerror(code));
	return -code;
}

int(err_right)(struct err *e, const char *needs, const char *fmt, ...)
{
	int code = errno;
	bool right = code == EPERM || code == EACCES;
	va_list ap;

	e->code = code;
	e->pos = (struct src_pos){ 0 };
	e->depth = 1;
	snprintf(e->msg[0], sizeof(e->msg[0]), "%s%s%s%s", strerror(code), right ? " (needs " : "",
		 right ? needs : "", right ? ")" : "");
	va_start(ap, fmt);
	put(e, fmt, ap);
	va_end(ap);
	return -code;
}

int err_at(struct err *e, struct src_pos pos)
{
	if (!e->pos.file)
		e->pos = pos;
	return -e->code;
}

int(err_ctx)(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(e, fmt, ap);
	va_end(ap);
	return -e->code;
}

char *err_format(const struct err *e, char *buf, size_t size)
{
	struct text t = text_on(buf, size);

	if (e->pos.file)
		text_add(&t, "%s:%u:%u: ", e->pos.file, e->pos.line, e->pos.col);
	for (unsigned i = e->depth; i-- > 0;)
		text_add(&t, "%s%s", e->msg[i], i ? ": " : "");
	if (!e->depth)
		text_add(&t, "no error");
	return buf;
}
