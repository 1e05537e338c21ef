/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing objects, each by the version that it was decided on, so that nobody's
 * change is lost; and finding out what became of a write whose answer was lost.
 */
#include "store_kube_private.h"

#include "clock.h"
#include "json_parts.h"
#include "status_codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Is what the store has the version that we meant to write? */
static bool is_written(const struct writing *wr, const struct object *o)
{
	return o->status && strcmp(o->writer, wr->writer) == 0;
}

static json_t *metadata_of(struct writing *wr)
{
	json_t *meta = json_object();
	char by[200];

	if (*wr->version)
		json_object_set_new(meta, "resourceVersion",
				    json_string(wr->version));
	snprintf(by, sizeof by, "%s %lld", wr->k->identity,
		 (long long)wr->generation + 1);
	if (object_metadata(meta, wr->w->spec, wr->w->base) < 0 ||
	    json_object_set_new(json_object_get(meta, "annotations"),
				OBJECT_ASKED_BY, json_string(by)) < 0 ||
	    json_object_set_new(json_object_get(meta, "annotations"),
				OBJECT_FORCE, json_null()) < 0) {
		json_decref(meta);
		return NULL;
	}
	return meta;
}

static bool has_ours(const struct object *o)
{
	return o && o->finalized;
}

/* The finalizers with ours among them; NULL without memory. */
static json_t *with_ours(const struct object *o)
{
	json_t *list = o && o->finalizers ? json_deep_copy(o->finalizers)
					  : json_array();

	if (json_array_append_new(list, json_string(OBJECT_FINALIZER)) == 0)
		return list;
	json_decref(list);
	return NULL;
}

/* The object itself: asked first, accepted then. */
static json_t *spec_patch(struct writing *wr)
{
	const struct store_write *w = wr->w;
	json_t *meta = metadata_of(wr);
	json_t *spec = w->base ? object_spec_patch(w->spec, w->base)
			       : object_spec(w->spec);

	/* Without the finalizer a removal would not wait for what it is to
	   do. */
	if (!meta || !spec ||
	    (!has_ours(w->object) &&
	     json_object_set_new(meta, "finalizers", with_ours(w->object)) <
		     0)) {
		json_decref(meta);
		json_decref(spec);
		return NULL;
	}
	return json_pack("{s:o, s:o}", "metadata", meta, "spec", spec);
}

static int write_spec(struct writing *wr, struct error *err)
{
	json_t *reply = NULL;
	int rc = writing_patch(wr, "", spec_patch(wr), &reply, err);

	if (rc == 0)
		writing_version(wr, reply);
	json_decref(reply);
	return rc;
}

/* Of the metadata, when the spec says already what is accepted. */
static int write_marks(struct writing *wr, struct error *err)
{
	const struct store_write *w = wr->w;
	json_t *meta = json_pack("{s:s}", "resourceVersion", wr->version);
	json_t *reply = NULL;
	int rc;

	if (!has_ours(w->object))
		json_object_set_new(meta, "finalizers", with_ours(w->object));
	if (w->drop_force)
		json_object_set_new(meta, "annotations",
				    json_pack("{s:n}", OBJECT_FORCE));
	rc = writing_patch(wr, "", json_pack("{s:o}", "metadata", meta), &reply,
			   err);
	if (rc == 0)
		writing_version(wr, reply);
	json_decref(reply);
	return rc;
}

/* A new one.  What it asks for is what is about to be accepted. */
static int create(struct writing *wr, struct error *err)
{
	const struct store_write *w = wr->w;
	json_t *body = spec_patch(wr), *meta, *reply = NULL;
	struct kube_request q = {.method = "POST", .body = body};
	char path[600];
	int rc;

	if (!body)
		return fail(err, ENOMEM, "no memory for an object");
	meta = json_object_get(body, "metadata");
	json_object_set_new(meta, "name", json_string(w->name));
	json_object_set_new(meta, "namespace", json_string(w->namespace));
	json_object_del(json_object_get(meta, "annotations"), OBJECT_FORCE);
	json_object_set_new(body, "apiVersion",
			    json_string(OBJECT_API_VERSION));
	json_object_set_new(body, "kind", json_string(OBJECT_KIND));
	snprintf(path, sizeof path,
		 UVR_API "/namespaces/%s/unifiedvolumereplications"
			 "?fieldManager=" KUBE_FIELD_MANAGER,
		 w->namespace);
	q.path = path;
	rc = writing_call(wr, &q, &reply, err);
	json_decref(body);
	if (rc == 0)
		writing_version(wr, reply);
	json_decref(reply);
	/* By us, when the answer to it was lost, or by somebody else: as it is
	   there, it is to be accepted. */
	return rc == -EEXIST ? writing_look_anew(wr, err) : rc;
}

/*
 * The status says for which generation it was decided: as it is numbered now,
 * when nothing else is asked in it.
 */
static struct status *with_generation(const struct writing *wr)
{
	struct status draft = *wr->w->status;
	int i;

	if (wr->w->undecided)
		return status_new(&draft);

	for (i = 0; i < CONDITION_COUNT; i++)
		if (draft.conditions[i].generation == draft.generation)
			draft.conditions[i].generation = wr->generation;
	draft.generation = wr->generation;
	return status_new(&draft);
}

/* Some CustomResourceDefinition of others would drop what it does not know. */
static int check_kept(const struct writing *wr, const json_t *reply,
		      struct error *err)
{
	const json_t *status = json_object_get(reply, "status");

	if (json_object_get(status, "accepted") &&
	    json_object_get(status, "request"))
		return 0;
	return fail(err, EINVAL,
		    "%s does not keep the status of %s/%s: its "
		    "CustomResourceDefinition drops fields; run uvrfs "
		    "install-crd",
		    kube_server(wr->k->kube), wr->w->namespace, wr->w->name);
}

static int write_status(struct writing *wr, const struct status *status,
			json_t **reply, struct error *err)
{
	const struct store_write *w = wr->w;
	const struct object_record record = {
		.spec = w->spec,
		.was = w->object ? w->object->spec : NULL,
		.status = status,
		.backend = w->backend,
		.writer = wr->writer,
	};
	json_t *body = object_status(&record);

	if (body)
		body = json_pack("{s:{s:s}, s:o}", "metadata",
				 "resourceVersion", wr->version, "status",
				 body);
	return writing_patch(wr, "/status", body, reply, err);
}

/* The version was another's: or it is ours, and the answer was lost. */
static int resolve(struct writing *wr, struct object **kept, struct error *err)
{
	struct object *o = NULL;
	int rc = writing_get(wr, &o, err);

	if (rc < 0)
		return rc == -ENOENT ? writing_gone(wr, err) : rc;
	if (is_written(wr, o)) {
		*kept = o;
		return 0;
	}
	store_kube_tell(wr->k, o);
	return writing_conflict(wr, err);
}

/* Everything but the status. */
static int write_object(struct writing *wr, struct error *err)
{
	const struct store_write *w = wr->w;

	if (!*wr->version)
		return create(wr, err);
	if (w->asks)
		return write_spec(wr, err);
	/* At its birth, and when a word of force has been used. */
	if (!has_ours(w->object) || w->drop_force)
		return write_marks(wr, err);
	return 0;
}

/* What is asked is in the object; that it is accepted follows. */
static int accept(struct writing *wr, struct store_write *w, struct error *err)
{
	struct status *status = with_generation(wr);
	json_t *reply = NULL;
	int rc;

	if (!status)
		return fail(err, ENOMEM, "no memory for a status");
	rc = write_status(wr, status, &reply, err);
	if (rc == 0)
		rc = check_kept(wr, reply, err);
	if (rc == 0 && !(w->kept = object_read(reply, err)))
		rc = -err->code;
	else if (rc == -ECANCELED || rc == -ENOENT)
		rc = resolve(wr, &w->kept, err);
	json_decref(reply);
	status_unref(status);
	return rc;
}

static int save(struct store *s, struct store_write *w, struct error *err)
{
	struct writing wr = {
		.k = (struct store_kube *)s,
		.w = w,
		.generation = w->object ? w->object->generation : 0,
		.end = clock_monotonic() + WRITE_MS,
	};
	bool asked = false;
	int rc;

	writing_path(w->namespace, w->name, wr.path);
	snprintf(wr.writer, sizeof wr.writer, "%s/%u", wr.k->identity,
		 ++wr.k->writes);
	if (w->status->version)
		snprintf(wr.version, sizeof wr.version, "%s",
			 w->status->version);
	rc = write_object(&wr, err);
	if (rc == -ECANCELED && *wr.version)
		return writing_look_anew(&wr, err);
	if (rc == 0) {
		asked = w->asks;
		rc = accept(&wr, w, err);
	}
	if (rc == 0 || rc == -ECANCELED || (!asked && !wr.unheard))
		return rc;
	error_prefix(err, w->asks ? "it is asked for, and may still be carried "
				    "out, but was not accepted yet: "
				  : "it may be kept all the same: ");
	if (wr.unheard && w->unheard)
		snprintf(w->unheard, OBJECT_WRITER_MAX, "%s", wr.writer);
	return rc;
}

int store_kube_save(struct store *s, struct store_write *w, struct error *err)
{
	int rc = writing_begin((struct store_kube *)s, err);

	return writing_failed(rc < 0 ? rc : save(s, w, err), err);
}
