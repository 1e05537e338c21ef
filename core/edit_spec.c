/* SPDX-License-Identifier: Apache-2.0 */
/* Whole manifests: a draft becomes real, or a replication is changed. */
#include "world_private.h"

#include "manifest.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The manifest must speak of the directory that it is written to. */
static int check_name(const struct replication *r,
		      const struct manifest_meta *meta, struct error *err)
{
	if (*meta->name && strcmp(meta->name, r->name) != 0)
		return fail(err, EINVAL,
			    "metadata.name is '%s', but this is %s/%s",
			    meta->name, r->ns->name, r->name);
	if (*meta->namespace && strcmp(meta->namespace, r->ns->name) != 0)
		return fail(err, EINVAL,
			    "metadata.namespace is '%s', but this is %s/%s",
			    meta->namespace, r->ns->name, r->name);
	return 0;
}

/* The webhook's rule: one source PVC, one replication in a namespace. */
static int check_pvc_is_free(struct replication *r, const struct spec *spec,
			     struct error *err)
{
	const struct replication *other;
	const struct spec *theirs;
	size_t i;

	for (i = 0; i < r->ns->count; i++) {
		other = r->ns->list[i];
		theirs = other->spec ? other->spec : other->work->coming;
		if (other == r || !theirs ||
		    strcmp(theirs->pvc_name, spec->pvc_name) != 0 ||
		    strcmp(theirs->pvc_namespace, spec->pvc_namespace) != 0)
			continue;
		return fail(err, EPERM,
			    "spec.volumeMapping.source: PVC '%s/%s' is already "
			    "referenced by UnifiedVolumeReplication '%s'",
			    spec->pvc_namespace, spec->pvc_name, other->name);
	}
	return 0;
}

/* What is known of the volumes before the replication exists. */
static int look_before_birth(struct world *w, struct replication *r,
			     const struct spec *spec, struct status *draft,
			     struct error *err)
{
	char key[BACKEND_KEY_MAX];
	struct plan_input in;
	struct sighting *s;
	struct target t;
	struct plan plan;

	spec_target(spec, draft, &t);
	replication_choose_backend(w,
				   t.here == spec->source.cluster
					   ? &spec->source
					   : &spec->destination,
				   spec, &r->backend, &r->backend_why);
	if (!r->backend)
		return 0;
	if (backend_check(r->backend, spec, err) < 0)
		return -err->code;
	r->backend->ops->key(r->backend, &t, key);
	s = world_sighting(w, r->backend, key);
	if (!s)
		return fail(err, ENOMEM, "out of memory");
	if (s->r)
		return fail(err, EPERM, "these volumes belong to %s/%s already",
			    s->r->ns->name, s->r->name);
	if (sighting_take(s, r, &t) < 0)
		return fail(err, ENOMEM, "out of memory");
	plan_input_for(w, r, spec, draft, &in);
	plan_request(&in, (enum word)spec->state, false, &plan);
	if (plan.verdict != VERDICT_ALLOWED)
		return fail(err, EPERM, "%s", plan_why(&plan));
	/* Nobody else may be given these volumes while this is on its way. */
	s->r = r;
	r->work->sighting = s;
	return 0;
}

int spec_create(struct world *w, struct replication *r, struct edit *e,
		const struct spec *spec, struct error *err)
{
	struct status draft = {.id = r->id, .created = w->now};
	const struct spec nothing = {.mode = MODE_NONE};
	char uid[UUID_SIZE], audit[PLAN_TEXT_MAX];
	int rc;

	if (!edge_find(STATE_NONE, (enum word)spec->state))
		return fail(err, EPERM,
			    "spec.replicationState: a new replication is "
			    "source or replica, not %s",
			    state_text(spec->state));
	rc = site_choose(w, spec, &draft, err);
	if (rc == 0)
		rc = check_pvc_is_free(r, spec, err);
	/* A store that names its objects itself has the last word. */
	if (rc == 0 && text_make_uuid(uid) < 0)
		rc = fail(err, EIO, "no random numbers for a uid: %m");
	if (rc == 0)
		rc = look_before_birth(w, r, spec, &draft, err);
	if (rc < 0)
		return rc;
	draft.uid = uid;
	if (r->work->shared) {
		draft.uid = r->work->shared->object->uid;
		draft.version = r->work->shared->object->version;
		draft.created = r->work->shared->object->created;
	}
	draft.request = (struct request){
		.id = 1,
		.word = (enum word)spec->state,
		.outcome = OUTCOME_PENDING,
		.accepted = w->now,
		.deadline = w->now + w->config->min_deadline_ms,
		.who = e->who,
	};
	draft.history = &(struct transition){
		.request = 1,
		.word = draft.request.word,
		.outcome = OUTCOME_PENDING,
		.at = w->now,
		.who = e->who,
	};
	draft.history_count = 1;
	snprintf(audit, sizeof audit, "created as %s; ",
		 state_text(spec->state));
	spec_changes(&nothing, spec, audit + strlen(audit),
		     sizeof audit - strlen(audit));
	rc = commit_start(w, r, spec, &draft, e, audit, err);
	if (rc < 0)
		world_unbind(w, r);
	return rc;
}

static bool same_volumes(const struct spec *a, const struct spec *b)
{
	return strcmp(a->pvc_name, b->pvc_name) == 0 &&
	       strcmp(a->pvc_namespace, b->pvc_namespace) == 0 &&
	       strcmp(a->volume_handle, b->volume_handle) == 0 &&
	       strcmp(a->volume_namespace, b->volume_namespace) == 0;
}

static int check_endpoints(const struct replication *r, const struct spec *spec,
			   bool versioned, struct error *err)
{
	if (spec_endpoints_equal(spec, r->spec))
		return 0;
	if (!versioned)
		return fail(err, EPERM,
			    "spec: the endpoints are others than now, and a "
			    "manifest without metadata.resourceVersion never "
			    "changes endpoints: write swap to endpoints");
	if (!spec_endpoints_exchanged(spec, r->spec) ||
	    replication_here(r) == &r->spec->source ||
	    spec->state != r->spec->state)
		return fail(err, EPERM,
			    "spec: endpoints change only by being exchanged, "
			    "from source, with nothing else");
	return 0;
}

/* What a robot with yesterday's manifest must not do in a failover. */
static int check_undo(const struct replication *r, const struct spec *spec,
		      struct error *err)
{
	const struct edge *edge =
		edge_find(replication_state(r), (enum word)spec->state);

	if (spec->state == r->spec->state || !edge ||
	    !(edge->flags & EDGE_UNDO))
		return 0;
	return fail(err, EPERM,
		    "spec.replicationState: %s now; a manifest without "
		    "metadata.resourceVersion never goes back to %s: write it "
		    "to state",
		    state_text(replication_state(r)), state_text(spec->state));
}

/* The same spec: maybe other bytes, and maybe again what was refused. */
static int keep(struct world *w, struct replication *r, struct edit *e,
		const struct spec *spec, struct error *err)
{
	struct status draft = *r->status;
	bool refused = draft.refused;

	draft.refused = draft.refused_reason = NULL;
	if (!refused && (!spec->written ||
			       (r->spec->written &&
				r->spec->written_len == spec->written_len &&
				memcmp(r->spec->written, spec->written,
				       spec->written_len) == 0)))
		return NOTHING_TO_DO;
	return commit_start(w, r, spec, &draft, e,
			    "spec.yaml: other bytes, the same spec", err);
}

int spec_change(struct world *w, struct replication *r, struct edit *e,
		const struct spec_request *q, struct error *err)
{
	const struct spec *spec = q->spec;
	int rc;

	if (!same_volumes(spec, r->spec))
		return fail(err, EPERM, "spec.volumeMapping is immutable");
	rc = check_endpoints(r, spec, q->versioned, err);
	if (rc == 0 && !q->versioned)
		rc = check_undo(r, spec, err);
	if (rc < 0)
		return rc;
	if (spec_equal(spec, r->spec) && !q->force)
		return keep(w, r, e, spec, err);
	rc = check_spec_change(w, r, spec, err);
	if (rc < 0)
		return rc;
	if (!spec_endpoints_equal(spec, r->spec))
		return request_word(w, r, e, spec, WORD_SWAP, q->force, err);
	if (spec->state != r->spec->state || q->force)
		return request_word(w, r, e, spec, (enum word)spec->state,
				    q->force, err);
	return change_spec(w, r, e, spec, err);
}

int edit_spec(struct world *w, struct replication *r, struct edit *e,
	      struct error *err)
{
	struct manifest_meta meta;
	char room[STATUS_VERSION_MAX];
	const char *version;
	auto_spec spec = manifest_parse(e->text, e->len, &meta, err);

	if (!spec || check_name(r, &meta, err) < 0)
		return -err->code;
	if (!r->spec)
		return spec_create(w, r, e, spec, err);
	version = status_version(r->status, room);
	if (*meta.resource_version &&
	    strcmp(meta.resource_version, version) != 0)
		return fail(err, ECANCELED,
			    "metadata.resourceVersion is %s, but it is %s now: "
			    "somebody else changed it first; read it again",
			    meta.resource_version, version);
	return spec_change(w, r, e,
			   &(struct spec_request){
				   .spec = spec,
				   .versioned = *meta.resource_version,
			   },
			   err);
}
