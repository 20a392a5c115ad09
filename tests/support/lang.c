/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/lang.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

int lang_setup(void **state)
{
	struct lang *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	strcpy(l->dir, "/tmp/brink-lang-XXXXXX");
	l->home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = l;
	return l->home >= 0 && mkdtemp(l->dir) && chdir(l->dir) == 0 ? 0 : -1;
}

static void forget(struct lang *l)
{
	if (l->loaded)
		experiment_done(&l->x);
	l->loaded = false;
	diags_done(&l->d);
	free(l->said);
	l->said = NULL;
	memset(&l->e, 0, sizeof(l->e));
}

int lang_teardown(void **state)
{
	static const char *const made[] = { "t.yaml", "vars", "fifo", "big" };
	struct lang *l = *state;

	forget(l);
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		unlink(made[i]);
	if (fchdir(l->home) < 0 || rmdir(l->dir) < 0)
		return -1;
	close(l->home);
	free(l);
	return 0;
}

void lang_write(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

int lang_load_path(struct lang *l, const char *path)
{
	size_t size;
	FILE *out;

	forget(l);
	l->r = experiment_load(path, &l->o, &l->x, &l->d, &l->e);
	l->loaded = l->r == 0;
	out = open_memstream(&l->said, &size);
	assert_non_null(out);
	diags_print(&l->d, out);
	assert_int_equal(fclose(out), 0);
	return l->r;
}

int lang_load_bytes(struct lang *l, const char *text, size_t n)
{
	lang_write("t.yaml", text, n);
	return lang_load_path(l, "t.yaml");
}

int lang_load(struct lang *l, const char *text)
{
	return lang_load_bytes(l, text, strlen(text));
}

bool lang_has(const struct lang *l, enum msg_code code, unsigned line, unsigned col)
{
	for (unsigned i = 0; i < l->d.n; i++) {
		if (l->d.at[i].code == code && l->d.at[i].at.line == line &&
		    l->d.at[i].at.col == col)
			return true;
	}
	fprintf(stderr, "no B%u at %u:%u in:\n%s", (unsigned)code, line, col, l->said);
	return false;
}
