/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing the world up: backends, what the store holds, what was under way. */
#include "world_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct loader {
	struct store_visitor visitor;
	struct world *world;
};

struct sighting_job {
	struct job job;
	struct world_sink *sink;
	char *key;
	struct sight *seen;
};

/* On the loop: an observation has come in. */
static void sighted(struct job *job)
{
	struct sighting_job *j = (struct sighting_job *)job;
	struct world *w = j->sink->world;
	struct sighting *s = world_sighting(w, j->sink->backend, j->key);

	/* One that is being born has no spec yet, and takes this with it. */
	if (!s)
		sight_lost(w, j->sink->backend);
	else if (s->r && s->r->spec)
		world_take_sight(w, s->r, j->seen);
	else if (sight_at(s->seen) <= sight_at(j->seen))
		sighting_keep(s, j->seen, NULL);
	if (s)
		sighting_tidy(w, s);
	sight_unref(j->seen);
	free(j->key);
	free(j);
}

void sight_lost(struct world *w, const struct backend *b)
{
	size_t i;

	for (i = 0; i < w->backend_count; i++)
		if (w->sinks[i]->backend == b && !w->sinks[i]->again_at)
			w->sinks[i]->again_at = w->now +
						w->config->retry_first_ms;
}

/* On the loop. */
static void was_lost(struct job *job)
{
	struct world_sink *ws = (void *)((char *)job -
					 offsetof(struct world_sink, lost));

	atomic_store(&ws->is_lost, false);
	sight_lost(ws->world, ws->backend);
}

int64_t sights_due(const struct world *w)
{
	int64_t due = INT64_MAX;
	size_t i;

	for (i = 0; i < w->backend_count; i++)
		if (w->sinks[i]->again_at && w->sinks[i]->again_at < due)
			due = w->sinks[i]->again_at;
	return due;
}

static void ask_anew(struct world *w, struct replication *r)
{
	struct error err;

	if (!r->work->sighting && world_bind(w, r, &err) < 0)
		world_note(w, r, &(struct who){0}, "backend", "%s", err.msg);
	else
		world_track(w, r);
}

/* Of whom isn't known. */
void sights_ask_anew(struct world *w)
{
	struct world_sink *ws;
	size_t i, k;

	for (i = 0; i < w->backend_count; i++) {
		ws = w->sinks[i];
		if (!ws->again_at || w->now < ws->again_at)
			continue;
		ws->again_at = 0;
		for (k = 0; k < w->count; k++)
			if (w->all[k]->spec && w->all[k]->backend == ws->backend)
				ask_anew(w, w->all[k]);
	}
}

/* Any thread. */
static void tell_lost(struct world_sink *ws)
{
	if (!atomic_exchange(&ws->is_lost, true))
		ws->world->jobs->post(ws->world->jobs, &ws->lost);
}

/* Any thread. */
static void observed(struct sink *sink, const char *key,
		     const struct observation *seen)
{
	struct world_sink *ws = (struct world_sink *)sink;
	struct sighting_job *j = calloc(1, sizeof *j);

	if (!j) {
		tell_lost(ws);
		return;
	}
	j->job.done = sighted;
	j->sink = ws;
	j->key = strdup(key);
	j->seen = sight_new(seen);
	if (!j->key || !j->seen) {
		sight_unref(j->seen);
		free(j->key);
		free(j);
		tell_lost(ws);
		return;
	}
	ws->world->jobs->post(ws->world->jobs, &j->job);
}

int world_add_backend(struct world *w, struct backend *b, struct error *err)
{
	struct world_sink **sinks, *sink = calloc(1, sizeof *sink);

	sinks = sink ? reallocarray(w->sinks, w->backend_count + 1,
				    sizeof *sinks)
		     : NULL;
	if (!sinks) {
		free(sink);
		return fail(err, ENOMEM, "out of memory");
	}
	sink->sink.observed = observed;
	sink->lost.done = was_lost;
	sink->world = w;
	sink->backend = b;
	w->sinks = sinks;
	w->sinks[w->backend_count++] = sink;
	return 0;
}

static int found_namespace(struct store_visitor *v, const char *name,
			   uint64_t id)
{
	struct world *w = ((struct loader *)v)->world;

	return world_add_namespace(w, name, id) ? 0 : -ENOMEM;
}

static int found(struct store_visitor *v, const char *namespace,
		 const char *name, struct spec *spec, struct status *status)
{
	struct world *w = ((struct loader *)v)->world;
	struct namespace *ns = world_namespace(w, namespace);
	struct replication *r;

	r = ns ? world_make(w, ns, name, status->id) : NULL;
	if (!r)
		return -ENOMEM;
	r->spec = spec_ref(spec);
	r->status = status_ref(status);
	return 0;
}

static int found_object(struct store_visitor *v, struct object *o)
{
	shared_take(((struct loader *)v)->world, o);
	return 0;
}

static void complain(struct store_visitor *v, const char *sentence)
{
	world_note(((struct loader *)v)->world, NULL, &(struct who){0}, "store",
		   "%s", sentence);
}

static void audit_line(struct store_visitor *v, const char *line)
{
	lines_add(&((struct loader *)v)->world->audit, line);
}

/* Fills in what a status without a request needs for one. */
static int check_adoption(const struct world *w, const struct replication *r,
			  struct status *draft, struct error *err)
{
	if (!edge_find(STATE_NONE, (enum word)r->spec->state))
		return fail(err, EPERM,
			    "%s/%s was put into the store by hand in state %s; "
			    "only source and replica can be adopted: remove it "
			    "and make it anew",
			    r->ns->name, r->name, state_text(r->spec->state));
	/* A copied file has its site already. */
	if (draft->site && *draft->site)
		return 0;
	return site_choose(w, r->spec, draft, err);
}

int check_adopted(const struct world *w, const struct replication *r,
		  struct error *err)
{
	struct status draft = *r->status;

	return draft.request.id ? 0 : check_adoption(w, r, &draft, err);
}

/*
 * A replication without a request was put there by hand: what its manifest says
 * is adopted, as if it had just been written.
 */
static int adopt_by_hand(struct world *w, struct replication *r,
			 struct error *err)
{
	struct status draft = *r->status, *made;

	if (draft.request.id)
		return 0;
	if (check_adoption(w, r, &draft, err) < 0)
		return -err->code;
	draft.request = (struct request){
		.id = 1,
		.word = (enum word)r->spec->state,
		.outcome = OUTCOME_PENDING,
		.accepted = w->now,
		.deadline = w->now + w->config->min_deadline_ms,
	};
	made = status_new(&draft);
	if (!made)
		return fail(err, ENOMEM, "out of memory");
	status_unref(r->status);
	r->status = made;
	return 0;
}

static int take_up(struct world *w, struct replication *r, struct error *err)
{
	int rc;

	if (!r->spec)
		return 0;
	/* Whether an act that was under way ran is told only by what is seen
	   from now on. */
	r->work->trust_after = w->now;
	/* What the watch tells first spares asking for each. */
	r->work->look_at = w->now + w->config->retry_first_ms;
	r->work->peer_since = w->now;
	rc = adopt_by_hand(w, r, err);
	if (rc == 0)
		rc = world_bind(w, r, err);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		world_note(w, r, &(struct who){0}, "store", "%s", err->msg);
	if (r->status->request.outcome == OUTCOME_PENDING && w->leads)
		world_note(w, r, &(struct who){0}, "resumed", "%s was under way",
			   word_text(r->status->request.word));
	if (r->status->request.word == WORD_REMOVE)
		world_hide(w, r);
	world_track(w, r);
	reconcile(w, r);
	return 0;
}

int world_load(struct world *w, int64_t now, struct error *err)
{
	struct loader loader = {
		.visitor = {
			.found_namespace = found_namespace,
			.found = found,
			.found_object = found_object,
			.complain = complain,
			.audit_line = audit_line,
		},
		.world = w,
	};
	struct backend *b;
	size_t i;
	int rc;

	w->now = now;
	w->loaded_at = now;
	w->loading = true;
	rc = w->store->ops->load(w->store, &loader.visitor, err);
	w->loading = false;
	if (rc < 0)
		return rc;
	for (i = 0; i < w->backend_count; i++) {
		b = w->sinks[i]->backend;
		rc = b->ops->start(b, &w->sinks[i]->sink, err);
		if (rc < 0)
			return error_prefix(err, "backend %s: ", b->name);
	}
	for (i = 0; i < w->count && rc == 0; i++)
		rc = take_up(w, w->all[i], err);
	return rc < 0 ? rc : shared_start(w, err);
}
