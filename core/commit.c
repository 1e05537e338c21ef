/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a version durable, and public only then.  Per replication one commit
 * is under way at a time; what comes meanwhile waits in its queue, so every
 * change is decided on the version that it replaces.
 */
#include "world_private.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void list_unasked(const void *ctx, enum word word, char *out, size_t n)
{
	group_list_unasked(ctx, word, out, n);
}

void plan_input_for(struct world *w, struct replication *r,
		    const struct spec *spec, const struct status *status,
		    struct plan_input *in)
{
	struct target t;

	spec_target(spec, status, &t);
	*in = (struct plan_input){
		.spec = spec,
		.status = status,
		.capabilities = r->backend ? r->backend->ops->capabilities : 0,
		.has_backend = r->backend != NULL,
		.policy = &w->config->policy,
		.now = w->now,
		.here = t.here,
		.peer = t.peer,
		.here_is_source = t.here == spec->source.cluster,
		.acting = r->work->acting || shared_acts_elsewhere(w, r),
		.store_silence = w->away ? w->away_why : NULL,
		.list_unasked = r->work->group ? list_unasked : NULL,
		.unasked_ctx = r,
		.here_open_until = world_open_until(w, t.here),
		.peer_open_until = world_open_until(w, t.peer),
	};
	sight_read(r->seen, &in->room);
	in->seen = &in->room;
}

/* Fills the conditions of the draft @s; the strings live in @text. */
static void derive(struct world *w, struct replication *r,
		   const struct spec *spec, struct status *s,
		   struct condition_text text[CONDITION_COUNT])
{
	struct condition conditions[CONDITION_COUNT];
	struct plan_input in;
	struct plan plan;

	plan_input_for(w, r, spec, s, &in);
	plan_progress(&in, &plan);
	conditions_derive(&in, &plan, conditions, text);
	memcpy(s->conditions, conditions, sizeof conditions);
}

void commit_derive(struct world *w, struct replication *r, struct status *draft,
		   struct condition_text text[CONDITION_COUNT])
{
	derive(w, r, r->spec, draft, text);
}

/* Between two versions of one replication. */
static void count(struct world *w, const struct replication *r,
		  const struct replication *before)
{
	const struct request *now = &r->status->request;
	const struct request *old = &before->status->request;
	struct backend_counts *counts = counts_of(w, r);
	enum state from = replication_state(before), to = replication_state(r);

	if (counts && from != to)
		counts->changes[from][to]++;
	if (now->id != old->id || now->outcome == old->outcome)
		return;
	durations_add(now->outcome == OUTCOME_VERIFIED
			      ? &w->counts.verified[now->word]
			      : &w->counts.failed[now->word],
		      now->finished - now->accepted);
}

static void publish(struct world *w, struct commit *c)
{
	struct replication *r = c->r, before = *r;
	bool spec_changed = c->spec != before.spec;

	before.seen = sight_ref(before.seen);
	if (c->kept)
		shared_published(w, r, c);
	c->moves = !r->status ||
		   r->status->request.id != c->status->request.id ||
		   r->status->request.outcome != c->status->request.outcome;
	r->spec = spec_ref(c->spec);
	r->status = status_ref(c->status);
	if (before.spec) {
		/* It may lead to a backend now. */
		if (spec_changed && !r->backend)
			world_serve(w, r);
		count(w, r, &before);
		world_change(w, r, &before,
			     FACET_STATUS | (spec_changed ? FACET_SPEC : 0));
		/* Schedule, mode or direction may be others now. */
		if (spec_changed)
			world_track(w, r);
	} else {
		/* A conflict was ruled out when the manifest was accepted. */
		world_serve(w, r);
		if (w->listener)
			w->listener->appeared(w->listener, r);
		world_track(w, r);
	}
	sight_unref(before.seen);
	spec_unref(before.spec);
	status_unref(before.status);
}

/* For so long an edit is looked at again when others are always first. */
#define CONFLICTS_MS 10000

static void commit_free(struct commit *c)
{
	spec_unref(c->spec);
	spec_unref(c->base);
	status_unref(c->status);
	object_free(c->kept);
	free(c);
}

/* worker */
static void commit_run(struct job *job)
{
	struct commit *c = (struct commit *)job;
	struct store *s = c->world->store;
	struct store_write write = {
		.namespace = c->r->ns->name,
		.name = c->r->name,
		.spec = c->spec,
		.status = c->status,
		.expected = c->expected,
		.object = c->object,
		.asks = c->asks,
		.base = c->base,
		.undecided = c->undecided,
		.drop_force = c->drop_force,
		.backend = c->backend,
		.unheard = c->unheard,
	};

	if (c->derived && __atomic_load_n(&c->world->stopping,
					  __ATOMIC_RELAXED)) {
		c->skipped = true;
		return;
	}
	if (c->remove) {
		c->rc = s->ops->remove(s, write.namespace, write.name,
				       c->status, &c->err);
		return;
	}
	c->rc = s->ops->save(s, &write, &c->err);
	c->kept = write.kept;
}

/*
 * The store did not take it.  Conditions are what is true whether they can be
 * kept or not, so a version that holds nothing else is shown all the same, with
 * the resource version that the store still has.
 */
static void publish_unsaved(struct world *w, struct commit *c)
{
	struct status draft = *c->status, *shown;

	draft.resource_version = c->expected;
	shown = status_new(&draft);
	if (!shown)
		return;
	status_unref(c->status);
	c->status = shown;
	publish(w, c);
}

static void answer(struct world *w, struct commit *c)
{
	struct replication *r = c->r;
	struct edit *e = c->edit;

	/* What an object asks is tried again soon. */
	if (c->rc < 0 && e && e->kind == EDIT_ASK &&
	    ask_is_told(r, c->err.msg)) {
		e->done(e, c->rc);
		return;
	}
	if (c->rc < 0) {
		if (!w->away && !c->again)
			world_note(w, r, e ? &e->who : &(struct who){0},
				   "store", "%s", c->err.msg);
		if (!e)
			return;
		w->counts.edits[EDIT_FAILED]++;
		shared_note_unheard(r, c);
		replication_set_refusal(w, r, &e->who, c->err.msg);
		world_audit_line(w, r->ns->name, r->name, &e->who, "failed",
				 "%s: %s", c->audit, c->err.msg);
	} else if (c->remove && !e) {
		world_audit_line(w, r->ns->name, r->name, &(struct who){0},
				 "removed", "%s", c->audit);
	} else if (c->event) {
		world_note(w, r, &(struct who){0}, c->event, "%s", c->audit);
		replication_event(w, r, r->status->failure != NULL,
				  r->status->failure ? "Failed" : "Verified",
				  c->audit);
	} else if (e) {
		w->counts.edits[EDIT_ACCEPTED]++;
		replication_clear_refusal(w, r);
		world_note(w, r, &e->who, "accepted", "%s", c->audit);
		world_audit_line(w, r->ns->name, r->name, &e->who, "accepted",
				 "%s", c->audit);
		replication_event(w, r, false, "Accepted", c->audit);
	}
	if (e)
		e->done(e, c->rc);
}

/*
 * Somebody else was first: what was asked is looked at again, with what it is
 * now, unless that goes on for too long.
 */
static bool ask_again(struct world *w, struct commit *c)
{
	struct work *work = c->r->work;
	struct edit *e = c->edit;
	int64_t *since;

	if (!work->shared || c->rc != -ECANCELED)
		return false;
	since = e ? &e->conflict_since : &work->shared->conflict_since;
	*since = *since ? *since : w->now;
	if (w->now - *since > CONFLICTS_MS) {
		*since = 0;
		return false;
	}
	if (e) {
		e->next = work->first;
		work->first = e;
		if (!e->next)
			work->last = &e->next;
		c->edit = NULL;
	}
	return true;
}

/*
 * The store has told meanwhile that the object is gone: by us, if that was asked
 * for, or by somebody else.  What it took nevertheless has come to nothing.
 */
static void abandon(struct world *w, struct commit *c)
{
	struct replication *r = c->r;
	struct edit *e = c->edit;
	bool good = c->remove && c->rc == 0;
	const char *why = c->rc < 0 ? c->err.msg : "it is removed by now";

	if (good || e)
		world_audit_line(w, r->ns->name, r->name,
				 e ? &e->who : &(struct who){0},
				 good ? "accepted" : "failed", "%s%s%s", c->audit,
				 good ? "" : ": ", good ? "" : why);
	w->counts.edits[EDIT_FAILED] += e && !good;
	if (e)
		e->done(e, c->remove ? c->rc : -ENOENT);
	commit_free(c);
	replication_free_when_idle(r);
}

static void conclude(struct world *w, struct commit *c)
{
	struct replication *r = c->r;
	struct work *work = r->work;

	if (c->rc == 0)
		publish(w, c);
	else if (c->derived && !c->again && !work->shared)
		publish_unsaved(w, c);
	if (c->rc == 0 && !work->hidden &&
	    r->status->request.word == WORD_REMOVE)
		world_hide(w, r);
	if (c->rc == 0 && work->shared)
		work->shared->conflict_since = 0;
	/* Without a store nothing may be begun: look again after a while. */
	if (c->rc < 0)
		work->store_retry_at = w->now + w->config->retry_first_ms;
	else if (c->takes_result)
		result_drop(work);
	if (!r->spec)
		world_unbind(w, r);
	answer(w, c);
}

static void commit_done(struct job *job)
{
	struct commit *c = (struct commit *)job;
	struct world *w = c->world;
	struct replication *r = c->r;
	struct work *work = r->work;

	if (c->rc == -EUCLEAN) {
		work->unsure = true;
		c->rc = -EIO;
	}
	work->unsure = work->unsure && c->rc != 0;
	work->committing = false;
	work->coming = NULL;
	r->ns->busy--;
	shared_find_kept(c);
	if (work->gone) {
		abandon(w, c);
		return;
	}
	if (c->skipped) {
		commit_free(c);
		world_pump(w, r);
		return;
	}
	if (c->rc == 0 && c->remove) {
		shared_note_removed(w, r);
		answer(w, c);
		world_withdraw(w, r);
		commit_free(c);
		return;
	}
	if (!ask_again(w, c))
		conclude(w, c);
	else if (!r->spec)
		world_unbind(w, r);
	if (c->moves)
		group_reconcile(w, r);
	work->confirmed = c->rc == 0;
	commit_free(c);
	shared_catch_up(w, r);
	if (world_pump(w, r)) {
		if (!work->committing)
			reconcile(w, r);
		work->confirmed = false;
	}
}

static struct commit *commit_new(struct world *w, struct replication *r,
				 struct edit *edit)
{
	struct commit *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->job.lane = LANE_STORE;
	c->job.urgent = edit;		/* somebody waits for it */
	c->job.run = commit_run;
	c->job.done = commit_done;
	c->world = w;
	c->r = r;
	c->edit = edit;
	return c;
}

/*
 * The object that a shared store has says what is asked, and is changed when
 * something else is accepted; but not by what the daemon writes of itself while
 * what was asked is refused.  What somebody has asked meanwhile, and nobody has
 * decided yet, stays asked.
 */
static void compare_asked(struct world *w, struct commit *c)
{
	const struct replication *r = c->r;
	const struct object *o = r->work->shared ? r->work->shared->object
						 : NULL;
	const struct status *draft = c->status;
	bool decides = c->edit && c->edit->kind == EDIT_ASK, mends;

	c->backend = r->backend;
	c->object = o;
	if (!w->shared || c->remove)
		return;
	if (!o || !r->spec) {
		c->asks = !o || !o->asked || !spec_equal(c->spec, o->asked);
		return;
	}
	mends = r->status->refused && !draft->refused;
	c->undecided = !decides && o->generation != draft->generation;
	c->asks = (c->spec != r->spec || mends) &&
		  (!o->asked || !spec_equal(c->spec, o->asked));
	if (c->asks && (c->undecided || o->asked))
		c->base = spec_ref(c->undecided ? r->spec : o->asked);
	c->drop_force = *o->force &&
			(decides || draft->refused != r->status->refused);
}

static void send(struct world *w, struct commit *c)
{
	compare_asked(w, c);
	c->r->work->committing = true;
	c->r->work->commit = c;
	c->r->ns->busy++;
	w->jobs->submit(w->jobs, &c->job);
}

int commit_start(struct world *w, struct replication *r,
		 const struct spec *spec, struct status *draft,
		 struct edit *edit, const char *audit, struct error *err)
{
	struct condition_text text[CONDITION_COUNT];
	struct commit *c = commit_new(w, r, edit);

	if (!c)
		return fail(err, ENOMEM, "out of memory");
	c->expected = draft->resource_version++;
	draft->updated = w->now;
	if (!r->spec || !spec_equal_but_state(r->spec, spec))
		draft->spec_changed = w->now;
	if (edit && edit->kind == EDIT_ASK)
		draft->generation = r->work->shared->object->generation;
	else if (!w->shared && (!r->spec || !spec_equal(r->spec, spec)))
		draft->generation++;
	derive(w, r, spec, draft, text);
	c->spec = spec_ref(spec);
	c->status = status_new(draft);
	if (!c->status) {
		commit_free(c);
		return fail(err, ENOMEM, "out of memory");
	}
	snprintf(c->audit, sizeof c->audit, "%s", audit);
	text_clip(c->audit);
	if (!r->spec)
		r->work->coming = c->spec;
	send(w, c);
	return 0;
}

int commit_outcome(struct world *w, struct replication *r,
		   const struct spec *spec, struct status *draft,
		   const char *event, const char *text)
{
	struct error err;

	if (commit_start(w, r, spec, draft, NULL, text, &err) < 0)
		return -err.code;
	r->work->commit->event = event;
	r->work->commit->takes_result = true;
	return 0;
}

/*
 * Sends the conditions when they differ from those that are shown, or when the
 * store may hold what was refused.
 */
int commit_derived(struct world *w, struct replication *r,
		   struct status *draft)
{
	struct condition_text text[CONDITION_COUNT];
	struct commit *c;
	bool same;

	derive(w, r, r->spec, draft, text);
	same = status_conditions_equal(draft, r->status);
	if (same && !r->work->unsure)
		return 0;
	c = commit_new(w, r, NULL);
	if (!c)
		return -ENOMEM;
	c->derived = true;
	c->again = same;
	c->expected = draft->resource_version++;
	draft->updated = w->now;
	c->spec = spec_ref(r->spec);
	c->status = status_new(draft);
	if (!c->status) {
		commit_free(c);
		return -ENOMEM;
	}
	send(w, c);
	return 0;
}

int commit_remove(struct world *w, struct replication *r, struct edit *edit,
		  const char *audit, struct error *err)
{
	struct commit *c = commit_new(w, r, edit);

	if (!c)
		return fail(err, ENOMEM, "out of memory");
	c->remove = true;
	c->status = status_ref(r->status);
	snprintf(c->audit, sizeof c->audit, "%s", audit);
	send(w, c);
	return 0;
}
