/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that others write to as well: what it tells of its objects becomes
 * what users see here, whoever wrote it.
 *
 * Order: versions count up with each write of a daemon, and an object's
 * generation with each change of its spec, so that news of what has been
 * replaced since, by us, is told from news.
 */
#include "world_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct shared_part *part_of(struct replication *r)
{
	struct work *work = r->work;

	if (!work->shared)
		work->shared = calloc(1, sizeof *work->shared);
	return work->shared;
}

void shared_forget(struct replication *r)
{
	struct shared_part *part = r->work->shared;

	if (!part)
		return;
	shared_unclaim(r);
	object_free(part->object);
	object_free(part->later);
	free(part->unheard);
	status_unref(part->stored);
	free(part);
	r->work->shared = NULL;
}

struct replication *shared_find(struct namespace *ns, const char *name)
{
	struct replication *r = namespace_find(ns, name);
	size_t i;

	for (i = ns->world->hidden ? ns->count : 0; !r && i-- > 0;)
		if (strcmp(ns->list[i]->name, name) == 0)
			r = ns->list[i];
	return r;
}

/* An older version than what is shown, which came by another way. */
static bool is_stale(const struct replication *r, const struct object *o)
{
	const struct object *known = r->work->shared
					     ? r->work->shared->object
					     : NULL;

	if (!known || !r->status || strcmp(known->uid, o->uid) != 0 ||
	    o->as_of > r->work->shared->published)
		return false;
	if (!o->status)
		return !r->work->shared->witnessed;
	if (o->status->resource_version != r->status->resource_version)
		return o->status->resource_version <
		       r->status->resource_version;
	return o->generation < known->generation;
}

/* What others did is told here as well. */
static void note_others(struct world *w, struct replication *r,
			const struct status *before)
{
	static const struct who asked = {.command = "kubernetes"};
	const struct request *now = &r->status->request;
	const struct request *was = &before->request;

	if (was->id != now->id)
		world_note(w, r, &now->who, "accepted", "%s -> %s%s",
			   state_text(now->from), word_text(now->word),
			   now->force ? " force" : "");
	if (r->status->refused &&
	    (!before->refused ||
	     strcmp(before->refused, r->status->refused) != 0))
		world_note(w, r, &asked, "refused", "%s", r->status->refused);
	if ((was->id != now->id || was->outcome != now->outcome) &&
	    (now->outcome == OUTCOME_VERIFIED ||
	     now->outcome == OUTCOME_FAILED))
		world_note(w, r, &(struct who){0}, outcome_text(now->outcome),
			   "%s%s%s", word_text(now->word),
			   r->status->failure ? ": " : "",
			   r->status->failure ? r->status->failure : "");
}

static struct status *with_id(const struct status *from, uint64_t id)
{
	struct status draft = *from;

	draft.id = id;
	return status_new(&draft);
}

static void bind(struct world *w, struct replication *r)
{
	r->work->look_at = w->now + w->config->retry_first_ms;
	r->work->peer_since = w->now;
	world_serve(w, r);
}

/* A draft, or nothing yet, becomes what the object says. */
static void bear(struct world *w, struct replication *r)
{
	const struct object *o = r->work->shared->object;
	struct status *status = with_id(o->status, r->id);

	if (!status)
		return;
	r->spec = spec_ref(o->spec);
	r->status = status;
	/* The rest is load.c's, when every backend has been started. */
	if (w->loading)
		return;
	bind(w, r);
	if (w->listener)
		w->listener->appeared(w->listener, r);
	if (r->status->request.word == WORD_REMOVE)
		world_hide(w, r);
	world_track(w, r);
}

static void become(struct world *w, struct replication *r)
{
	struct shared_part *part = r->work->shared;
	const struct object *o = part->object;
	struct status *status = with_id(o->status, r->id);
	struct replication before = *r;
	bool same = spec_equal(o->spec, r->spec), moved;

	if (!status)
		return;
	before.seen = sight_ref(before.seen);
	r->work->confirmed = false;
	r->status = status;
	/* The same spec keeps its bytes and its place in memory. */
	if (!same || !r->spec->written != !o->spec->written)
		r->spec = spec_ref(o->spec);
	/* Only when somebody has written another status. */
	moved = status->holds_pvc != before.status->holds_pvc ||
		strcmp(replication_here(r)->cluster,
		       replication_here(&before)->cluster) != 0;
	if (!same && !r->backend && !w->loading)
		bind(w, r);
	world_change(w, r, &before,
		     FACET_STATUS | (r->spec != before.spec ? FACET_SPEC : 0));
	if (moved)
		sight_set(&r->seen, NULL);
	if (!same || moved)
		world_track(w, r);
	note_others(w, r, before.status);
	if (r->spec != before.spec)
		spec_unref(before.spec);
	status_unref(before.status);
	sight_unref(before.seen);
	status_unref(part->stored);
	part->stored = NULL;
	if (r->status->request.word == WORD_REMOVE)
		world_hide(w, r);
}

/* The status is gone: somebody has emptied it.  Ours stands, as the newest. */
static void restore(struct world *w, struct replication *r)
{
	struct status draft = *r->status, *status;

	draft.version = r->work->shared->object->version;
	status = status_new(&draft);
	if (!status)
		return;
	status_unref(r->status);
	r->status = status;
	world_note(w, r, &(struct who){0}, "store",
		   "the status was taken out of the store; it is kept, and "
		   "written again");
}

/* From its first object on its id is that object's. */
static void set_object(struct world *w, struct replication *r, struct object *o)
{
	struct shared_part *part = r->work->shared;

	if (!part->object)
		w->store->ops->note_id(w->store, r->id, o->namespace, o);
	if (!part->object && !part->untold)
		w->store->ops->note_told(w->store, r->id);
	object_free(part->object);
	part->object = o;
	if (o->spec)
		shared_claim(r, o->spec);
}

/* No commit is under way. */
static void take(struct world *w, struct replication *r, struct object *o)
{
	struct shared_part *part = part_of(r);
	const char *version = r->status ? r->status->version : NULL;

	if (!part || is_stale(r, o)) {
		object_free(o);
		return;
	}
	if (!part->object || part->object->generation != o->generation)
		part->ask_at = 0;
	set_object(w, r, o);
	shared_hear(w, r, o);
	part->witnessed |= o->status != NULL;
	if (!r->spec && o->status)
		bear(w, r);
	else if (r->spec && !o->status)
		restore(w, r);
	else if (r->spec && (!version || strcmp(version, o->version) != 0))
		become(w, r);
}

static struct replication *add(struct world *w, struct namespace *ns,
			       const struct object *o)
{
	struct error err;
	bool told = false;
	uint64_t id = w->store->ops->known_id(w->store, o->uid, &told);
	struct replication *r;
	struct shared_part *part;

	if (!id)
		id = w->store->ops->new_id(w->store, &err);
	r = id ? world_make(w, ns, o->name, id) : NULL;
	part = r ? part_of(r) : NULL;
	if (part)
		part->untold = !told;
	if (r && !o->status && w->listener)
		w->listener->appeared(w->listener, r);
	return r;
}

void shared_note_namespace(struct world *w, const char *name, uint64_t id)
{
	if (w->shared)
		w->store->ops->note_id(w->store, id, name, NULL);
}

void shared_note_gone(struct world *w, uint64_t id)
{
	if (w->shared)
		w->store->ops->note_gone(w->store, id);
}

bool world_is_untold(const struct replication *r)
{
	return r->work->shared && r->work->shared->untold;
}

void world_told(struct world *w, uint64_t id)
{
	const struct replication *r = w->shared ? world_by_id(w, id) : NULL;

	if (r && r->work->shared)
		r->work->shared->untold = false;
	if (w->shared)
		w->store->ops->note_told(w->store, id);
}

uint64_t world_lost_id(struct world *w, const char **path)
{
	return w->shared ? w->store->ops->lost_id(w->store, path) : 0;
}

static struct namespace *namespace_of(struct world *w, const struct object *o)
{
	struct namespace *ns = world_namespace(w, o->namespace);
	struct error err;
	uint64_t id;

	if (ns)
		return ns;
	id = w->store->ops->new_id(w->store, &err);
	ns = id ? world_add_namespace(w, o->namespace, id) : NULL;
	if (ns)
		shared_note_namespace(w, ns->name, id);
	return ns;
}

struct removed {
	struct removed *next;
	char uid[64];
};

static struct removed **find_removed(struct world *w, const char *uid)
{
	struct removed **at = &w->removed;

	while (*at && strcmp((*at)->uid, uid) != 0)
		at = &(*at)->next;
	return at;
}

void shared_note_removed(struct world *w, const struct replication *r)
{
	const struct shared_part *part = r->work->shared;
	struct removed *one;

	if (!part || !part->object)
		return;
	one = calloc(1, sizeof *one);
	if (!one)
		return;
	snprintf(one->uid, sizeof one->uid, "%s", part->object->uid);
	one->next = w->removed;
	w->removed = one;
}

void shared_forget_removed(struct world *w, const char *uid)
{
	struct removed **at = find_removed(w, uid), *one = *at;

	if (!one)
		return;
	*at = one->next;
	free(one);
}

void shared_finish(struct world *w)
{
	while (w->removed)
		shared_forget_removed(w, w->removed->uid);
}

void shared_take(struct world *w, struct object *o)
{
	struct namespace *ns = namespace_of(w, o);
	struct replication *r = ns ? shared_find(ns, o->name) : NULL;
	const struct shared_part *part = r ? r->work->shared : NULL;
	bool another = part && part->object &&
		       strcmp(part->object->uid, o->uid) != 0;

	/* Its end may have been told while it was looked up. */
	if ((o->looked_up && (!r || another)) || *find_removed(w, o->uid)) {
		object_free(o);
		return;
	}
	/* The old one of the same name went while nobody looked. */
	if (another) {
		world_withdraw(w, r);
		r = NULL;
	}
	if (ns && !r)
		r = add(w, ns, o);
	if (!r || !part_of(r)) {
		world_note(w, NULL, &(struct who){0}, "store",
			   "no memory for %s/%s", o->namespace, o->name);
		object_free(o);
		return;
	}
	if (r->work->committing) {
		object_free(r->work->shared->later);
		r->work->shared->later = o;
		return;
	}
	take(w, r, o);
	if (!w->loading)
		reconcile(w, r);
}

void shared_catch_up(struct world *w, struct replication *r)
{
	struct shared_part *part = r->work->shared;
	struct object *later = part ? part->later : NULL;

	if (!later)
		return;
	part->later = NULL;
	take(w, r, later);
}

void shared_published(struct world *w, struct replication *r, struct commit *c)
{
	struct shared_part *part = part_of(r);
	struct status *status = c->kept->status
					? with_id(c->kept->status, r->id)
					: NULL;

	if (!part || !status)
		return;
	status_unref(c->status);
	c->status = status;
	set_object(w, r, c->kept);
	c->kept = NULL;
	part->published = w->now;
	part->told = 0;
	status_unref(part->stored);
	part->stored = NULL;
}

/* ---- while the store is away ---- */

void shared_show(struct world *w, struct replication *r)
{
	struct shared_part *part = r->work->shared;
	struct condition_text text[CONDITION_COUNT];
	struct status draft, *shown;
	struct replication before = *r;

	if (!part || !r->spec)
		return;
	draft = *r->status;
	commit_derive(w, r, &draft, text);
	if (status_conditions_equal(&draft, r->status))
		return;
	shown = status_new(&draft);
	if (!shown)
		return;
	if (!part->stored)
		part->stored = status_ref(r->status);
	r->status = shown;
	world_change(w, r, &before, FACET_STATUS);
	status_unref(before.status);
}

void shared_show_stored(struct world *w, struct replication *r)
{
	struct shared_part *part = r->work->shared;
	struct replication before = *r;

	if (!part || !part->stored)
		return;
	r->status = part->stored;
	part->stored = NULL;
	world_change(w, r, &before, FACET_STATUS);
	status_unref(before.status);
}

bool shared_acts_elsewhere(const struct world *w, const struct replication *r)
{
	const struct status *s = r->status;

	return w->shared && !w->leads && s &&
	       s->request.outcome == OUTCOME_PENDING &&
	       s->intent.act != ACT_NONE &&
	       s->intent.request == s->request.id &&
	       s->failure_at < s->intent.at &&
	       w->now - s->intent.at < w->config->act_timeout_ms;
}

const char *world_leader(const struct world *w)
{
	return w->shared ? w->leader : NULL;
}

bool world_leads(const struct world *w)
{
	return w->leads;
}

const char *world_store_silence(const struct world *w)
{
	return w->shared ? w->away_why : NULL;
}

void world_describe_volume(struct world *w, const struct replication *r,
			   int depth, struct buf *out)
{
	struct target t;

	if (w->shared && r->spec) {
		w->store->ops->volume(w->store, r->spec->pvc_namespace,
				      r->spec->pvc_name, depth, out);
	} else if (r->backend && r->backend->ops->volume) {
		replication_target(r, &t);
		r->backend->ops->volume(r->backend, &t, depth, out);
	}
}

void replication_event(struct world *w, struct replication *r, bool warning,
		       const char *reason, const char *message)
{
	const struct shared_part *part = r->work->shared;

	if (!part || !part->object)
		return;
	w->store->ops->event(w->store, &(struct store_event){
					       .namespace = r->ns->name,
					       .name = r->name,
					       .uid = part->object->uid,
					       .warning = warning,
					       .reason = reason,
					       .message = message,
				       });
}
