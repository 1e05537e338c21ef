/* SPDX-License-Identifier: Apache-2.0 */
/* The set of replications: who is in it, by id and by name, and its clock. */
#include "world_private.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world *world_new(const struct world_config *config, struct store *store,
			struct jobs *jobs)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->config = config;
	w->store = store;
	w->jobs = jobs;
	lines_init(&w->log, WORLD_LOG_MAX);
	lines_init(&w->audit, AUDIT_MAX);
	shared_init(w);
	record_init(w);
	return w;
}

void replication_free(struct replication *r)
{
	struct edit *e;

	while (r->work && (e = r->work->first)) {
		r->work->first = e->next;
		edit_free(e);
	}
	if (r->work) {
		shared_forget(r);
		result_drop(r->work);
	}
	free(r->work);
	sight_unref(r->seen);
	spec_unref(r->spec);
	status_unref(r->status);
	free(r->refusal.sentence);
	free((char *)r->refusal.who.command);
	lines_finish(&r->log);
	free(r->name);
	free(r);
}

static void nothing(void *node)
{
}

void world_free(struct world *w)
{
	size_t i;

	if (!w)
		return;
	tdestroy(w->by_name, nothing);
	shared_finish(w);
	record_finish(w);
	world_free_sightings(w);
	world_free_groups(w);
	for (i = 0; i < w->count; i++)
		replication_free(w->all[i]);
	for (i = 0; i < w->namespace_count; i++) {
		free(w->namespaces[i]->list);
		free(w->namespaces[i]);
	}
	for (i = 0; i < w->cluster_count; i++) {
		free(w->clusters[i]->name);
		free(w->clusters[i]);
	}
	for (i = 0; i < w->backend_count; i++)
		free(w->sinks[i]);
	free(w->all);
	free(w->namespaces);
	free(w->clusters);
	free(w->sinks);
	timers_finish(&w->timers);
	lines_finish(&w->log);
	lines_finish(&w->audit);
	free(w);
}

void world_set_listener(struct world *w, struct world_listener *l)
{
	w->listener = l;
}

void world_change(struct world *w, struct replication *r,
		  const struct replication *before, unsigned facets)
{
	if (w->listener)
		w->listener->changed(w->listener, r, before, facets);
}

/* ---- arrays in the order of ids ---- */

/* Room for one more pointer in an array of pointers; @list is its address. */
static int grow(void *list, size_t count, size_t *cap)
{
	void **old = *(void ***)list, **new;

	if (count < *cap)
		return 0;
	new = reallocarray(old, *cap ? *cap * 2 : 8, sizeof *new);
	if (!new)
		return -ENOMEM;
	*(void ***)list = new;
	*cap = *cap ? *cap * 2 : 8;
	return 0;
}

/* The first place in @list whose id is greater than @id. */
static size_t place_after(struct replication *const *list, size_t count,
			  uint64_t id)
{
	size_t low = 0, high = count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (list[mid]->id <= id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void put_in(struct replication **list, size_t *count,
		   struct replication *r)
{
	size_t i = place_after(list, *count, r->id);

	memmove(&list[i + 1], &list[i], (*count - i) * sizeof *list);
	list[i] = r;
	++*count;
}

static void take_out(struct replication **list, size_t *count,
		     struct replication *r)
{
	size_t i = place_after(list, *count, r->id);

	memmove(&list[i - 1], &list[i], (*count - i) * sizeof *list);
	--*count;
}

struct replication *world_after(struct world *w, uint64_t id)
{
	size_t i = place_after(w->all, w->count, id);

	return i < w->count ? w->all[i] : NULL;
}

/* The first after @after that users may see. */
static struct replication *next(struct replication *const *list, size_t count,
				uint64_t after)
{
	size_t i = place_after(list, count, after);

	while (i < count && list[i]->work->hidden)
		i++;
	return i < count ? list[i] : NULL;
}

struct replication *world_next(struct world *w, uint64_t after)
{
	return next(w->all, w->count, after);
}

struct replication *namespace_next(struct namespace *ns, uint64_t after)
{
	return next(ns->list, ns->count, after);
}

struct replication *world_by_id(struct world *w, uint64_t id)
{
	struct replication *r = id ? world_next(w, id - 1) : NULL;

	return r && r->id == id ? r : NULL;
}

/* ---- namespaces: few, so a plain search will do ---- */

struct namespace *world_next_namespace(struct world *w, uint64_t after)
{
	size_t i;

	for (i = 0; i < w->namespace_count; i++)
		if (w->namespaces[i]->id > after)
			return w->namespaces[i];
	return NULL;
}

struct namespace *world_namespace(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->namespace_count; i++)
		if (strcmp(w->namespaces[i]->name, name) == 0)
			return w->namespaces[i];
	return NULL;
}

struct namespace *world_namespace_by_id(struct world *w, uint64_t id)
{
	struct namespace *ns = id ? world_next_namespace(w, id - 1) : NULL;

	return ns && ns->id == id ? ns : NULL;
}

struct namespace *namespace_new(struct world *w, const char *name, uint64_t id)
{
	struct namespace *ns;

	if (grow(&w->namespaces, w->namespace_count + w->namespaces_coming,
		 &w->namespace_cap) < 0)
		return NULL;
	ns = calloc(1, sizeof *ns);
	if (!ns)
		return NULL;
	ns->id = id;
	ns->world = w;
	snprintf(ns->name, sizeof ns->name, "%s", name);
	w->namespaces_coming++;
	return ns;
}

void namespace_drop(struct namespace *ns)
{
	ns->world->namespaces_coming--;
	free(ns);
}

void namespace_add(struct namespace *ns)
{
	struct world *w = ns->world;
	size_t i;

	for (i = w->namespace_count; i && w->namespaces[i - 1]->id > ns->id;
	     i--)
		w->namespaces[i] = w->namespaces[i - 1];
	w->namespaces[i] = ns;
	w->namespace_count++;
	w->namespaces_coming--;
}

struct namespace *world_add_namespace(struct world *w, const char *name,
				      uint64_t id)
{
	struct namespace *ns = namespace_new(w, name, id);

	if (ns)
		namespace_add(ns);
	return ns;
}

void world_stop(struct world *w)
{
	__atomic_store_n(&w->stopping, true, __ATOMIC_RELAXED);
	record_retry(w);
}

uint64_t world_last_id(const struct world *w)
{
	return w->store->ops->last_id(w->store);
}

/* ---- replications ---- */

static int compare_names(const void *a, const void *b)
{
	const struct replication *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns->id < y->ns->id ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct replication *namespace_find(struct namespace *ns, const char *name)
{
	struct replication probe = {.ns = ns, .name = (char *)name};
	void *node = tfind(&probe, &ns->world->by_name, compare_names);

	return node ? *(struct replication **)node : NULL;
}

static struct replication *replication_new(struct namespace *ns,
					   const char *name, uint64_t id)
{
	struct replication *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->id = id;
	r->ns = ns;
	r->name = strdup(name);
	r->work = calloc(1, sizeof *r->work);
	lines_init(&r->log, LOG_MAX);
	if (!r->name || !r->work) {
		replication_free(r);
		return NULL;
	}
	r->work->r = r;
	r->work->last = &r->work->first;
	return r;
}

static int insert(struct world *w, struct replication *r)
{
	struct namespace *ns = r->ns;

	if (grow(&w->all, w->count, &w->cap) < 0 ||
	    grow(&ns->list, ns->count, &ns->cap) < 0 ||
	    timers_reserve(&w->timers, w->count + 1) < 0 ||
	    !tsearch(r, &w->by_name, compare_names))
		return -ENOMEM;
	put_in(w->all, &w->count, r);
	put_in(ns->list, &ns->count, r);
	return 0;
}

struct replication *world_make(struct world *w, struct namespace *ns,
			       const char *name, uint64_t id)
{
	struct replication *r = replication_new(ns, name, id);

	if (r && insert(w, r) < 0) {
		replication_free(r);
		r = NULL;
	}
	return r;
}

/* Takes @r out of users' sight; what is left to do for it goes on. */
void world_hide(struct world *w, struct replication *r)
{
	if (r->work->hidden)
		return;
	r->work->hidden = true;
	w->hidden++;
	shared_note_gone(w, r->id);
	if (w->listener)
		w->listener->vanishing(w->listener, r);
	tdelete(r, &w->by_name, compare_names);
}

/* Takes @r out of the set, and frees it now or when its last call ends. */
void world_withdraw(struct world *w, struct replication *r)
{
	struct work *work = r->work;
	struct edit *e;

	while ((e = work->first)) {
		work->first = e->next;
		edit_find_gone(w, r, e);
	}
	work->last = &work->first;
	timer_arm(&w->timers, &work->timer, INT64_MAX);
	world_unbind(w, r);
	cluster_use(w, &work->here, NULL);
	cluster_use(w, &work->peer, NULL);
	world_hide(w, r);
	w->hidden--;
	take_out(w->all, &w->count, r);
	take_out(r->ns->list, &r->ns->count, r);
	work->gone = true;
	replication_free_when_idle(r);
}

void replication_free_when_idle(struct replication *r)
{
	if (r->work->gone && !r->work->acting && !r->work->committing)
		replication_free(r);
}

enum state replication_state(const struct replication *r)
{
	if (!r->spec)
		return STATE_NONE;
	return r->status->failed ? STATE_FAILED : r->spec->state;
}

/* ---- the clock, and what only looks ---- */

int64_t world_now(const struct world *w)
{
	return w->now;
}

int64_t world_due(const struct world *w)
{
	struct timer *first = timers_first(&w->timers);
	int64_t due = sights_due(w);

	if (w->record.retry_at < due)
		due = w->record.retry_at;

	return first && first->due < due ? first->due : due;
}

/*
 * The clock was set back: waits are lengths of time, so they move with it, or
 * nothing would be tried again for as long as it was set back.
 */
static void shift_waits(struct world *w, int64_t by)
{
	size_t i;

	for (i = 0; i < w->cluster_count; i++)
		if (w->clusters[i]->open_until)
			w->clusters[i]->open_until -= by;
	for (i = 0; i < w->backend_count; i++)
		if (w->sinks[i]->again_at)
			w->sinks[i]->again_at -= by;
	for (i = 0; i < w->count; i++) {
		struct work *work = w->all[i]->work;

		work->retry_at -= by;
		work->store_retry_at -= by;
		work->look_at -= by;
		work->peer_since -= by;
		if (work->shared)
			shared_shift_waits(work->shared, by);
		if (work->timer.slot)
			timer_arm(&w->timers, &work->timer,
				  work->timer.due - by);
	}
}

void world_tick(struct world *w, int64_t now)
{
	struct timer *t;

	if (now < w->now)
		shift_waits(w, w->now - now);
	w->now = now;
	sights_ask_anew(w);
	record_tick(w);
	while ((t = timers_first(&w->timers)) && t->due <= now) {
		void *work = (char *)t - offsetof(struct work, timer);

		timer_arm(&w->timers, t, INT64_MAX);
		reconcile(w, ((struct work *)work)->r);
	}
}

bool world_is_observed(struct world *w)
{
	while (w->observed < w->count &&
	       (!w->all[w->observed]->backend || sight_at(w->all[w->observed]->seen)))
		w->observed++;
	return w->observed == w->count;
}

struct backend *world_backend(struct world *w, size_t index)
{
	return index < w->backend_count ? w->sinks[index]->backend : NULL;
}

const char *world_site(const struct world *w)
{
	return w->config->site;
}

struct lines *world_log(struct world *w)
{
	return &w->log;
}

struct lines *world_audit(struct world *w)
{
	return &w->audit;
}

void world_plan(struct world *w, struct replication *r, enum word word,
		bool force, struct plan *out)
{
	struct plan_input in;

	plan_input_for(w, r, r->spec, r->status, &in);
	plan_request(&in, word, force, out);
}
