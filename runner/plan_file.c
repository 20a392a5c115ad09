/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/plan_file.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

#define VERSION  1
#define FILE_MAX ((size_t)4 * 1024 * 1024)

/* Every change of a plan as one line, in order. each() gets them one by one; not 0 ends. */
static int each_line(const struct run_plan *p, int (*each)(void *arg, const char *line), void *arg)
{
	for (unsigned i = 0; i < p->n_faults; i++) {
		const struct planned_fault *f = &p->fault[i];

		for (unsigned k = 0; k < f->n_changes; k++) {
			char line[1400], does[600], undoes[600];
			struct text d = text_on(does, sizeof(does)),
				    u = text_on(undoes, sizeof(undoes));
			int rc;

			change_ops_of(f->change[k].kind)->print(&f->change[k], &d, &u);
			snprintf(line, sizeof(line), "%s %s: %s", f->item->id, f->item->ops->name,
				 does);
			rc = each(arg, line);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static int append(void *arg, const char *line)
{
	return json_array_append_new(arg, json_string(line));
}

static json_t *strings_json(const struct strings *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_string(s->at[i]));
	return list;
}

int plan_file_write(const char *path, const struct prepared *p, const char *file,
		    const struct strings *vars, struct err *e)
{
	json_t *lines = json_array(), *o;
	AUTO(auto_free) char *text = NULL;
	AUTO(auto_close) int fd = -1;
	struct plan_file old = { 0 };
	int rc;

	if (access(path, F_OK) == 0) {
		rc = plan_file_read(path, &old, e);
		plan_file_done(&old);
		if (rc < 0)
			return err_ctx(e, "'%s' is there already and no plan: not overwritten",
				       path);
	}
	each_line(&p->plan, append, lines);
	o = json_pack("{s:i, s:s, s:I, s:s, s:o, s:o}", "brink_plan", VERSION, "file", file, "seed",
		      (json_int_t)p->seed, "run_id", p->run_id, "vars", strings_json(vars), "lines",
		      lines);
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!text)
		return err_set(e, ENOMEM, "no memory for the plan");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_sys(e, "cannot write '%s'", path);
	rc = io_write_full(fd, text, strlen(text));
	rc = rc < 0 ? rc : io_write_full(fd, "\n", 1);
	return rc < 0 ? err_set(e, -rc, "cannot write '%s': %s", path, strerror(-rc)) : 0;
}

static int copy_strings(struct plan_file *f, const json_t *list, struct strings *ret)
{
	size_t n = json_array_size(list);

	ret->at = arena_zalloc(&f->arena, (n + 1) * sizeof(*ret->at));
	for (size_t i = 0; i < n && ret->at; i++) {
		const char *s = json_string_value(json_array_get(list, i));

		ret->at[i] = s ? arena_strndup(&f->arena, s, strlen(s)) : NULL;
		if (!ret->at[i])
			return -EBADMSG;
	}
	ret->n = n;
	return ret->at ? 0 : -ENOMEM;
}

static int take(struct plan_file *f, json_t *o)
{
	const char *file = NULL, *run_id = NULL;
	json_t *lines = NULL, *vars = NULL;
	json_int_t seed = 0;
	int version = 0;

	if (json_unpack(o, "{s:i, s:s, s:I, s:s, s:o, s:o}", "brink_plan", &version, "file", &file,
			"seed", &seed, "run_id", &run_id, "vars", &vars, "lines", &lines) < 0 ||
	    version != VERSION || strlen(run_id) != ULID_LEN)
		return -EBADMSG;
	f->seed = (uint64_t)seed;
	snprintf(f->run_id, sizeof(f->run_id), "%s", run_id);
	f->file = arena_strndup(&f->arena, file, strlen(file));
	return !f->file || copy_strings(f, lines, &f->lines) < 0 ||
			       copy_strings(f, vars, &f->vars) < 0 ?
		       -EBADMSG :
		       0;
}

int plan_file_read(const char *path, struct plan_file *ret, struct err *e)
{
	AUTO(auto_free) char *text = malloc(FILE_MAX);
	json_error_t why;
	ssize_t n;
	json_t *o;
	int rc;

	*ret = (struct plan_file){ 0 };
	if (!text)
		return err_set(e, ENOMEM, "no memory for '%s'", path);
	n = io_read_file(AT_FDCWD, path, text, FILE_MAX);
	if (n < 0)
		return err_set(e, (int)-n, "cannot read '%s': %s", path, strerror((int)-n));
	o = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why);
	if (!o)
		return err_set(e, EBADMSG, "'%s' is no plan: line %d: %s", path, why.line,
			       why.text);
	rc = take(ret, o);
	json_decref(o);
	if (rc < 0)
		plan_file_done(ret);
	return rc < 0 ? err_set(e, EBADMSG, "'%s' is no plan of this version of brink", path) : 0;
}

struct comparison {
	const struct plan_file *f;
	size_t at;
	struct err *e;
};

static int compare_line(void *arg, const char *line)
{
	struct comparison *c = arg;

	if (c->at < c->f->lines.n && strcmp(c->f->lines.at[c->at], line) == 0) {
		c->at++;
		return 0;
	}
	err_set(c->e, ESTALE, "now:     %.140s", line);
	err_ctx(c->e, "planned: %.140s", c->at < c->f->lines.n ? c->f->lines.at[c->at] : "nothing");
	return -ESTALE;
}

int plan_file_compare(const struct plan_file *f, const struct run_plan *p, struct err *e)
{
	struct comparison c = { .f = f, .e = e };
	int rc = each_line(p, compare_line, &c);

	if (rc == 0 && c.at != f->lines.n)
		rc = err_set(e, ESTALE, "planned: %.140s; now nothing", f->lines.at[c.at]);
	return rc < 0 ? err_ctx(e, "the system is not what it was when the plan was made") : 0;
}

void plan_file_done(struct plan_file *f)
{
	arena_done(&f->arena);
	*f = (struct plan_file){ 0 };
}
