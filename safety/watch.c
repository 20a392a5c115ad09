/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/watch.h"

void watch_start(struct watch *w, int64_t clock_ns, int64_t from_ns)
{
	if (w->view.state != CTL_WATCH_OFF || !w->nchecks)
		return;
	w->view.state = CTL_WATCH_ON;
	w->view.clock_ns = clock_ns;
	w->from_ns = from_ns;
	w->deadline_ns = clock_ns + w->within_ns;
	for (size_t i = 0; i < w->nchecks; i++) {
		struct watch_check *k = &w->checks[i];

		k->state = CTL_WATCH_ON;
		k->hard_ns = w->deadline_ns + w->stable_ns + k->patience_ns;
	}
}

/* Which of two outcomes decides for the whole: late, then unknown, then good. */
static bool worse(enum ctl_watch a, enum ctl_watch b)
{
	static const int rank[] = {
		[CTL_WATCH_OK] = 1,
		[CTL_WATCH_UNKNOWN] = 2,
		[CTL_WATCH_LATE] = 3,
	};

	return rank[a] > rank[b];
}

/* Ends the watch once each of its checks is decided. */
static void settle(struct watch *w)
{
	struct ctl_recovery *v = &w->view;
	const struct watch_check *last = &w->checks[0];

	for (size_t i = 0; i < w->nchecks; i++) {
		const struct watch_check *k = &w->checks[i];

		if (k->state == CTL_WATCH_ON)
			return;
		if (worse(k->state, last->state) ||
		    (k->state == last->state && k->first_ns > last->first_ns))
			last = k;
	}
	v->state = last->state;
	v->check = last->check;
	if (v->state == CTL_WATCH_OK)
		v->mttr_ns = last->first_ns - v->clock_ns;
}

/* It said something, and what it said cannot become "good in time" any more. */
static bool is_late(const struct watch *w, const struct watch_check *k)
{
	return k->counted && (!k->streak || k->first_ns > w->deadline_ns);
}

static void count(struct watch *w, struct watch_check *k, enum ctl_status status, int64_t now_ns)
{
	if (status == CTL_NO_DATA)
		return;
	k->counted = true;
	if (status == CTL_FAIL)
		k->streak = 0;
	else if (k->streak++ == 0)
		k->first_ns = now_ns;
	if (now_ns >= w->deadline_ns && is_late(w, k))
		k->state = CTL_WATCH_LATE;
	else if (k->streak >= k->stable && now_ns - k->first_ns >= w->stable_ns)
		k->state = CTL_WATCH_OK;
}

void watch_sample(struct watch *w, unsigned check, enum ctl_status status, int64_t began_ns,
		  int64_t now_ns)
{
	if (w->view.state != CTL_WATCH_ON || began_ns <= w->from_ns)
		return;
	for (size_t i = 0; i < w->nchecks; i++) {
		struct watch_check *k = &w->checks[i];

		if (k->check == check && k->state == CTL_WATCH_ON)
			count(w, k, status, now_ns);
	}
	settle(w);
}

static int64_t check_next(const struct watch *w, const struct watch_check *k)
{
	return is_late(w, k) ? w->deadline_ns : k->hard_ns;
}

void watch_tick(struct watch *w, int64_t now_ns)
{
	if (w->view.state != CTL_WATCH_ON)
		return;
	for (size_t i = 0; i < w->nchecks; i++) {
		struct watch_check *k = &w->checks[i];

		if (k->state == CTL_WATCH_ON && now_ns >= check_next(w, k))
			k->state = is_late(w, k) ? CTL_WATCH_LATE : CTL_WATCH_UNKNOWN;
	}
	settle(w);
}

int64_t watch_next(const struct watch *w)
{
	int64_t next = INT64_MAX;

	if (w->view.state != CTL_WATCH_ON)
		return next;
	for (size_t i = 0; i < w->nchecks; i++) {
		const struct watch_check *k = &w->checks[i];

		if (k->state == CTL_WATCH_ON && check_next(w, k) < next)
			next = check_next(w, k);
	}
	return next;
}
