/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what an API server says of a UnifiedVolumeReplication. */
#include "object.h"

#include "json_parts.h"
#include "manifest.h"
#include "node.h"
#include "status_codec.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What of metadata no user of a manifest writes. */
static const char *const servers_own[] = {
	"managedFields",   "ownerReferences",	"finalizers", "selfLink",
	"resourceVersion", "creationTimestamp", "uid",	      "generation",
};

/* Annotations that are requests or records, and no part of a spec. */
static const char *const passing[] = {
	OBJECT_FORCE,
	OBJECT_ASKED_BY,
	"kubectl.kubernetes.io/last-applied-configuration",
};

/* What `status` has beside the fields of the local store's files. */
static const char *const beside[] = {
	"accepted", "version",	     "writer",	  "state",
	"backend",  "discoveredBackends", "observedGeneration",
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

void object_free(struct object *o)
{
	if (!o)
		return;
	spec_unref(o->asked);
	spec_unref(o->spec);
	status_unref(o->status);
	json_decref(o->finalizers);
	free(o->fault);
	free(o);
}

static int copy(const json_t *map, const char *key, char *out, size_t size,
		struct error *err)
{
	const char *text = json_text_at(map, key);

	if (strlen(text) >= size)
		return fail(err, EINVAL, "metadata.%s is too long", key);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

/*
 * Does the newest manager of spec.replicationState apply whole manifests?
 * `kubectl apply` calls itself kubectl-client-side-apply, and an apply of the
 * server's has its own operation.
 */
static bool state_is_applied(const json_t *meta)
{
	const json_t *list = json_object_get(meta, "managedFields"), *fields;
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		fields = json_object_get(json_object_get(item, "fieldsV1"),
					 "f:spec");
		if (json_object_get(fields, "f:replicationState"))
			return strstr(json_text_at(item, "manager"), "apply") ||
			       strcmp(json_text_at(item, "operation"), "Apply") == 0;
	}
	return false;
}

/* WRITER GENERATION, when it is about this generation. */
static void read_asked_by(struct object *o, const char *text)
{
	const char *blank = strrchr(text, ' ');

	if (!blank || strtoll(blank + 1, NULL, 10) != o->generation ||
	    (size_t)(blank - text) >= sizeof o->asked_by)
		return;
	snprintf(o->asked_by, sizeof o->asked_by, "%.*s", (int)(blank - text),
		 text);
}

static int read_metadata(struct object *o, const json_t *meta,
			 struct error *err)
{
	const json_t *notes = json_object_get(meta, "annotations");
	const char *force = json_text_at(notes, OBJECT_FORCE);

	if (copy(meta, "namespace", o->namespace, sizeof o->namespace, err) <
		    0 ||
	    copy(meta, "name", o->name, sizeof o->name, err) < 0 ||
	    copy(meta, "uid", o->uid, sizeof o->uid, err) < 0 ||
	    copy(meta, "resourceVersion", o->version, sizeof o->version, err) <
		    0)
		return -err->code;
	if (!*o->namespace || !*o->name || !*o->version)
		return fail(err, EINVAL, "an object without namespace, name or "
					 "resourceVersion");
	/* Which is what a server makes sure of, if it is one. */
	if (!name_is_dns_label(o->namespace) || !name_is_dns_subdomain(o->name))
		return fail(err, EINVAL, "%s/%s can be no object's name",
			    o->namespace, o->name);
	o->generation =
		json_integer_value(json_object_get(meta, "generation"));
	o->created = time_parse(json_text_at(meta, "creationTimestamp"));
	if (o->created < 0)
		o->created = 0;
	o->deleting = json_is_string(json_object_get(meta,
						     "deletionTimestamp"));
	/* Not a reference: they are counted without locks. */
	o->finalizers = json_deep_copy(json_object_get(meta, "finalizers"));
	o->finalized = json_has_text(o->finalizers, OBJECT_FINALIZER);
	o->applied = state_is_applied(meta);
	/* A longer one is no word of ours; it is refused all the same. */
	snprintf(o->force, sizeof o->force, "%s", force);
	read_asked_by(o, json_text_at(notes, OBJECT_ASKED_BY));
	return 0;
}

/* A manifest with @spec and the metadata that users own; NULL: no memory. */
static json_t *make_manifest(const json_t *meta, json_t *spec)
{
	json_t *root = json_object(), *own = json_copy((json_t *)meta);
	json_t *notes = json_copy(json_object_get(meta, "annotations"));
	size_t i;

	for (i = 0; i < COUNT(servers_own); i++)
		json_object_del(own, servers_own[i]);
	for (i = 0; notes && i < COUNT(passing); i++)
		json_object_del(notes, passing[i]);
	if (notes && json_object_set_new(own, "annotations", notes) < 0)
		goto failed;
	if (json_object_set_new(root, "metadata", own) < 0) {
		json_decref(root);
		return NULL;
	}
	if (json_object_set_new(root, "apiVersion",
				json_string(OBJECT_API_VERSION)) < 0 ||
	    json_object_set_new(root, "kind", json_string(OBJECT_KIND)) < 0 ||
	    json_object_set(root, "spec", spec) < 0) {
		json_decref(root);
		return NULL;
	}
	return root;
failed:
	json_decref(own);
	json_decref(root);
	return NULL;
}

static struct spec *read_spec(const json_t *meta, json_t *spec,
			      struct error *err)
{
	json_t *manifest = make_manifest(meta, spec ? spec : json_null());
	struct spec *read = NULL;
	auto_node root = NULL;

	if (!manifest) {
		fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	root = node_from_json(manifest, err);
	json_decref(manifest);
	if (root)
		read = manifest_from_node(root, NULL, err);
	return read;
}

/* `status` as status_parse knows it. */
static struct node *status_node(const json_t *status, struct error *err)
{
	json_t *root = json_object(), *own = json_copy((json_t *)status);
	struct node *node = NULL;
	size_t i;

	for (i = 0; i < COUNT(beside); i++)
		json_object_del(own, beside[i]);
	/* Each daemon counts replications for itself. */
	if (json_object_set_new(own, "id", json_integer(1)) < 0 ||
	    json_object_set(root, "status", own) < 0)
		fail(err, ENOMEM, "out of memory");
	else
		node = node_from_json(root, err);
	json_decref(own);
	json_decref(root);
	return node;
}

/* The status of a record, with what the object itself says better. */
static int take_status(struct object *o, const json_t *status,
		       struct status_record *record, struct error *err)
{
	struct status draft = *record->status;
	json_int_t version =
		json_integer_value(json_object_get(status, "version"));

	draft.uid = o->uid;
	draft.version = o->version;
	draft.created = o->created;
	draft.resource_version = version > 0 ? (uint64_t)version : 1;
	draft.generation = json_integer_value(
		json_object_get(status, "observedGeneration"));
	o->status = status_new(&draft);
	snprintf(o->writer, sizeof o->writer, "%s", json_text_at(status, "writer"));
	return o->status ? 0 : fail(err, ENOMEM, "out of memory");
}

static int read_accepted(struct object *o, const json_t *meta,
			 const json_t *status, struct error *err)
{
	json_t *accepted = json_object_get(status, "accepted");
	struct status_record record = {0};
	auto_node root = NULL;
	auto_spec spec = NULL;
	int rc;

	if (!json_is_object(accepted))
		return 0;
	root = status_node(status, err);
	rc = root ? status_parse(root, &record, err) : -err->code;
	if (rc < 0)
		return rc;
	if (!record.status)
		return fail(err, EINVAL, "its status has `accepted` and "
					 "nothing else of ours");
	spec = read_spec(meta, accepted, err);
	rc = spec ? take_status(o, status, &record, err) : -err->code;
	if (rc == 0)
		o->spec = manifest_keep_written(spec, record.written);
	status_unref(record.status);
	return rc < 0 || o->spec ? rc : fail(err, ENOMEM, "out of memory");
}

static int read_asked(struct object *o, const json_t *meta, json_t *spec,
		      struct error *err)
{
	struct error fault;

	o->asked = read_spec(meta, spec, &fault);
	if (o->asked && o->spec && spec_equal(o->asked, o->spec)) {
		spec_unref(o->asked);
		o->asked = spec_ref(o->spec);
	}
	if (o->asked)
		return 0;
	if (fault.code == ENOMEM)
		return fail(err, ENOMEM, "out of memory");
	o->fault = strdup(fault.msg);
	return o->fault ? 0 : fail(err, ENOMEM, "out of memory");
}

struct object *object_read(const json_t *value, struct error *err)
{
	const json_t *meta = json_object_get(value, "metadata");
	struct object *o = calloc(1, sizeof *o);

	if (!o) {
		fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (read_metadata(o, meta, err) < 0) {
		object_free(o);
		return NULL;
	}
	if (read_accepted(o, meta, json_object_get(value, "status"), err) < 0 ||
	    read_asked(o, meta, json_object_get(value, "spec"), err) < 0) {
		error_prefix(err, "%s/%s: ", o->namespace, o->name);
		object_free(o);
		return NULL;
	}
	return o;
}
