/* SPDX-License-Identifier: Apache-2.0 */
/* Removing an object, and saying in one why nothing of it was accepted. */
#include "store_kube_private.h"

#include "clock.h"
#include "json_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * At the version that it was decided on: nobody has asked for anything since.
 * *@left, the caller's, is what waits for its finalizers; NULL: it is gone.
 */
static int ask_to_delete(struct writing *wr, const struct status *status,
			 struct object **left, struct error *err)
{
	json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s*}}", "apiVersion",
				 "v1", "kind", "DeleteOptions",
				 "preconditions", "uid", status->uid,
				 "resourceVersion", status->version);
	struct kube_request q = {
		.method = "DELETE",
		.path = wr->path,
		.body = body,
	};
	json_t *reply = NULL;
	int rc;

	if (!body)
		return fail(err, ENOMEM, "no memory for a request");
	rc = writing_call(wr, &q, &reply, err);
	json_decref(body);
	if (rc == 0 && strcmp(json_text_at(reply, "kind"), OBJECT_KIND) == 0 &&
	    !(*left = object_read(reply, err)))
		rc = -err->code;
	json_decref(reply);
	return rc;
}

static json_t *without_ours(const struct object *o)
{
	json_t *list = json_array(), *item;
	size_t i;

	json_array_foreach(o->finalizers, i, item)
		if (!json_is_string(item) ||
		    strcmp(json_string_value(item), OBJECT_FINALIZER) != 0)
			json_array_append(list, item);
	return list;
}

/* Nothing is left to be done for it: the cluster may let it go. */
static int let_go(struct writing *wr, const struct object *o, struct error *err)
{
	json_t *reply = NULL;
	int rc = writing_patch(wr, "",
			       json_pack("{s:{s:s, s:o}}", "metadata",
					 "resourceVersion", o->version,
					 "finalizers", without_ours(o)),
			       &reply, err);

	json_decref(reply);
	return rc;
}

static int remove_at(struct writing *wr, const struct status *status,
		     struct error *err)
{
	struct object *o = NULL;
	int rc = ask_to_delete(wr, status, &o, err);

	if (rc == 0 && o)
		rc = let_go(wr, o, err);
	object_free(o);
	if (rc != -ECANCELED)
		return rc;
	/* Another was first; or we were, and the answer was lost. */
	rc = writing_get(wr, &o, err);
	if (rc < 0)
		return rc;
	store_kube_tell(wr->k, o);
	return writing_conflict(wr, err);
}

int store_kube_remove(struct store *s, const char *namespace, const char *name,
		      const struct status *status, struct error *err)
{
	const struct store_write names = {.namespace = namespace, .name = name};
	struct writing wr = {
		.k = (struct store_kube *)s,
		.w = &names,
		.end = clock_monotonic() + WRITE_MS,
	};
	int rc = writing_begin(wr.k, err);

	writing_path(namespace, name, wr.path);
	if (rc == 0)
		rc = remove_at(&wr, status, err);
	/* By somebody else, or by us, when the answer was lost. */
	return rc == -ENOENT ? 0 : writing_failed(rc, err);
}

int store_kube_refuse(struct store *s, const struct object *o,
		      const char *reason, const char *sentence,
		      struct error *err)
{
	const struct store_write names = {.namespace = o->namespace,
					  .name = o->name};
	struct writing wr = {
		.k = (struct store_kube *)s,
		.w = &names,
		.end = clock_monotonic() + WRITE_MS,
	};
	json_t *reply = NULL;
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;
	int rc;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
	writing_path(o->namespace, o->name, wr.path);
	rc = writing_patch(&wr, "/status",
		   json_pack("{s:{s:s}, s:{s:I, s:[{s:s, s:s, s:s, s:s, s:s, "
			     "s:I}]}}",
			     "metadata", "resourceVersion", o->version,
			     "status", "observedGeneration",
			     (json_int_t)o->generation, "conditions", "type",
			     "Ready", "status", "False", "reason", reason,
			     "message", sentence, "lastTransitionTime", stamp,
			     "observedGeneration", (json_int_t)o->generation),
		   &reply, err);
	json_decref(reply);
	return rc;
}
