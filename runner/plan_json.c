/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>

#include "base/clock.h"
#include "runner/plan_print.h"
#include "runner/plan_rights.h"
#include "safety/systemd.h"

static json_t *changes_json(const struct planned_fault *f)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < f->n_changes; k++) {
		const struct change_ops *ops = change_ops_of(f->change[k].kind);
		char does[500], undoes[500];
		struct text d = text_on(does, sizeof(does)), u = text_on(undoes, sizeof(undoes));

		ops->print(&f->change[k], &d, &u);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "kind", ops->kind,
						      "class", change_class_name(ops->class), "do",
						      does, "undo", undoes));
	}
	return list;
}

static json_t *faults_json(const struct run_plan *p)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < p->n_faults; i++) {
		const struct planned_fault *f = &p->fault[i];
		json_t *notes = json_array();

		for (unsigned k = 0; k < f->n_notes; k++)
			json_array_append_new(notes, json_string(f->note[k]));
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:o, s:o}", "id",
						f->item->id, "kind", f->item->ops->name, "what",
						f->summary, "class", change_class_name(f->class),
						"after_s",
						(double)f->item->after_ns / (double)NS_PER_S,
						"for_s", (double)f->item->for_ns / (double)NS_PER_S,
						"changes", changes_json(f), "notes", notes));
	}
	return list;
}

static json_t *checks_json(const struct prepared *p, const struct probe_sample *now)
{
	static const char *const words[] = {
		[PROBE_OK] = "ok", [PROBE_FAIL] = "fail", [PROBE_NO_DATA] = "no_data"
	};
	json_t *list = json_array();

	for (size_t i = 0; i < p->x.n_checks; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "id", p->x.checks[i].id,
						"source", check_source_name(p->x.checks[i].source),
						"now",
						now[i].seq == UINT32_MAX ?
							"no_data" :
							words[now[i].verdict % 3],
						"text", now[i].text));
	return list;
}

void plan_print_json(const struct prepared *p, const struct probe_sample *now, const char *file,
		     FILE *out)
{
	const struct systemd_host *host = NULL;
	struct err ignored;
	json_t *o =
		json_pack("{s:i, s:s, s:s*, s:I, s:f, s:f, s:b, s:o, s:o, s:o}", "v", 1, "name",
			  p->x.name, "file", file, "seed", (json_int_t)p->seed, "hold_s",
			  (double)p->plan.hold_ns / (double)NS_PER_S, "longest_s",
			  (double)p->plan.longest_ns / (double)NS_PER_S, "deadman",
			  systemd_find(&host, &ignored) == 0, "checks", checks_json(p, now),
			  "faults", faults_json(&p->plan), "rights", plan_rights_json(&p->plan));

	if (o)
		json_dumpf(o, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(o);
}
