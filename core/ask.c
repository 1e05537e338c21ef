/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects ask for: a spec that somebody has patched in a shared store is a
 * request like one that was written to a file here, with the same rules.  It is
 * decided once, by the daemon that leads; what is refused stays undone until the
 * spec is patched again.
 */
#include "world_private.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A daemon that has asked for a spec accepts it itself, within this. */
#define WRITER_MS 2000

/* A removal that could not be granted is asked for again after. */
#define REMOVAL_MS 5000

static const struct object *object_of(const struct replication *r)
{
	return r->work->shared ? r->work->shared->object : NULL;
}

static bool wants(const struct replication *r)
{
	const struct object *o = object_of(r);

	if (!o || (r->status && r->status->request.word == WORD_REMOVE))
		return false;
	/* With a status it is born already, and lacked the memory for it. */
	if (!r->spec)
		return !o->deleting && !o->status &&
		       r->work->shared->refused != o->generation;
	/* Somebody may have replaced it without our finalizer, or emptied its
	   status. */
	return o->deleting || *o->force || !o->finalized || !o->status ||
	       o->generation != r->status->generation;
}

static void done(struct edit *e, int rc)
{
	struct replication *r = e->ctx;

	if (r->work->shared)
		r->work->shared->asking = false;
	edit_free(e);
}

/* Just started, and nobody has looked at both sides: that is no reason to refuse
   what was asked meanwhile, which nobody would ask again. */
static bool is_unseen(const struct world *w, const struct replication *r)
{
	struct observation seen;

	if (!r->spec || !r->backend || w->now >= first_word_by(w))
		return false;
	sight_read(r->seen, &seen);
	return seen.here.reach == REACH_UNKNOWN ||
	       seen.peer.reach == REACH_UNKNOWN;
}

int64_t ask_due(const struct world *w, const struct replication *r)
{
	const struct shared_part *part = r->work->shared;

	if (!part || part->asking || !wants(r))
		return INT64_MAX;
	if (part->ask_at > w->now)
		return part->ask_at;
	return is_unseen(w, r) ? first_word_by(w) : INT64_MAX;
}

static void ask_later(const struct world *w, struct replication *r)
{
	r->work->shared->ask_at = w->now + w->config->retry_first_ms;
}

bool ask(struct world *w, struct replication *r)
{
	const struct who who = {.command = "kubernetes"};
	struct shared_part *part = r->work->shared;
	struct edit *e;

	if (!wants(r) || part->asking || w->now < part->ask_at ||
	    is_unseen(w, r))
		return false;
	if (*part->object->asked_by && !part->ask_at) {
		part->ask_at = w->now + WRITER_MS;
		return false;
	}
	e = edit_new(EDIT_ASK, "", 0, &who);
	if (!e) {
		ask_later(w, r);
		return false;
	}
	e->done = done;
	e->ctx = r;
	part->asking = true;
	world_edit(w, r, e);
	return r->work->committing;
}

/* The word that force would have to be given for. */
static const char *word_asked(const struct replication *r,
			      const struct spec *asked)
{
	return spec_endpoints_equal(asked, r->spec)
		       ? state_text(asked->state) : word_text(WORD_SWAP);
}

/* What is asked is so already: that is decided as well, and kept. */
static int settle(struct world *w, struct replication *r, struct edit *e,
		  struct error *err)
{
	struct status draft = *r->status;

	draft.refused = draft.refused_reason = NULL;
	return commit_start(w, r, r->spec, &draft, e, "as it is already", err);
}

int edit_ask(struct world *w, struct replication *r, struct edit *e,
	     struct error *err)
{
	const struct object *o = r->work->shared->object;
	bool force = *o->force;
	const char *word;
	int rc;

	if (r->spec && o->deleting)
		return edit_remove(w, r, e, err);
	if (r->spec && check_adopted(w, r, err) < 0)
		return -err->code;
	if (!o->asked)
		return fail(err, EINVAL, "%s", o->fault);
	if (!r->spec)
		return spec_create(w, r, e, o->asked, err);
	word = word_asked(r, o->asked);
	if (force && strcmp(o->force, word) != 0)
		return fail(err, EINVAL,
			    "the annotation " OBJECT_FORCE " says '%s', and "
			    "what is asked for is %s: patch both at once",
			    o->force, word);
	if (spec_equal(o->asked, r->spec) && !force)
		return settle(w, r, e, err);
	rc = spec_change(w, r, e,
			 &(struct spec_request){
				 .spec = o->asked,
				 .versioned = !o->applied,
				 .force = force,
			 },
			 err);
	return rc == NOTHING_TO_DO ? settle(w, r, e, err) : rc;
}

/* ---- saying no ---- */

struct refuse_job {
	struct job job;
	struct world *world;
	struct object object;		/* names and version only */
	const char *reason;
	char sentence[ERROR_MSG_MAX];
};

/* worker */
static void refuse_run(struct job *job)
{
	struct refuse_job *j = (struct refuse_job *)job;
	struct store *s = j->world->store;
	struct error err;

	/* When this is lost, whoever leads next decides anew. */
	(void)s->ops->refuse(s, &j->object, j->reason, j->sentence, &err);
}

static void refuse_done(struct job *job)
{
	free(job);
}

/* One that nothing was ever accepted of. */
static void refuse_birth(struct world *w, struct replication *r,
			 enum reason reason, const char *sentence)
{
	struct shared_part *part = r->work->shared;
	struct refuse_job *j = calloc(1, sizeof *j);

	part->refused = part->object->generation;
	if (!j)
		return;
	j->job.lane = LANE_STORE;
	j->job.run = refuse_run;
	j->job.done = refuse_done;
	j->world = w;
	j->object = *part->object;
	j->object.asked = j->object.spec = NULL;
	j->object.status = NULL;
	j->object.finalizers = NULL;
	j->object.fault = NULL;
	j->reason = reason_text(reason);
	snprintf(j->sentence, sizeof j->sentence, "%s", sentence);
	w->jobs->submit(w->jobs, &j->job);
}

/* Somebody has taken out of it what we put in, and it can be put back: an object
   that is being deleted takes no new finalizer. */
static bool is_stripped(const struct object *o)
{
	return o->finalized ? !o->status : !o->deleting;
}

/* It is decided so already. */
static bool is_decided(const struct replication *r, const char *sentence)
{
	const struct object *o = object_of(r);

	return r->spec && r->status->refused && !*o->force &&
	       r->status->generation == o->generation &&
	       strcmp(r->status->refused, sentence) == 0;
}

bool ask_is_told(struct replication *r, const char *sentence)
{
	struct shared_part *part = r->work->shared;
	uint64_t what = text_hash(sentence) + (uint64_t)part->object->generation;
	bool told = part->told == what;

	part->told = what;
	return told;
}

/* Of what was asked: it could not be looked at just now. */
static bool says_nothing(int rc)
{
	return rc == -ENOMEM || rc == -EIO || rc == -EHOSTUNREACH;
}

bool ask_refuse(struct world *w, struct replication *r, int rc,
		const char *sentence)
{
	enum reason reason = rc == -EINVAL ? REASON_VALIDATION_FAILED
					   : REASON_INVALID_STATE_TRANSITION;
	struct shared_part *part = r->work->shared;
	const struct object *o = part->object;
	struct status draft;
	struct error err;
	bool known = is_decided(r, sentence), is_news;

	if (says_nothing(rc)) {
		ask_later(w, r);
		return false;
	}
	if (o->deleting)
		part->ask_at = w->now + REMOVAL_MS;
	if (known && !is_stripped(o))
		return false;
	is_news = !known && !ask_is_told(r, sentence);
	if (is_news)
		replication_event(w, r, true, reason_text(reason), sentence);
	if (!r->spec) {
		refuse_birth(w, r, reason, sentence);
		return is_news;
	}
	draft = *r->status;
	draft.generation = o->generation;
	draft.refused = sentence;
	draft.refused_reason = reason_text(reason);
	/* No outcome of an act: what came of one is still to be written down. */
	if (commit_start(w, r, r->spec, &draft, NULL, "", &err) < 0)
		ask_later(w, r);
	return is_news;
}
