/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about one object, within one deadline. */
#include "store_kube_private.h"

#include "clock.h"
#include "json_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int writing_left(const struct writing *wr)
{
	int64_t left = wr->end - clock_monotonic();

	return left > 1 ? (int)left : 1;
}

void writing_path(const char *namespace, const char *name,
			char out[static 512])
{
	snprintf(out, 512, UVR_API "/namespaces/%s/unifiedvolumereplications/%s",
		 namespace, name);
}

void writing_version(struct writing *wr, const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");

	snprintf(wr->version, sizeof wr->version, "%s",
		 json_text_at(meta, "resourceVersion"));
	wr->generation = json_integer_value(json_object_get(meta,
							    "generation"));
}

int writing_get(struct writing *wr, struct object **out, struct error *err)
{
	struct kube_request q = {
		.method = "GET",
		.path = wr->path,
		.timeout_ms = writing_left(wr),
	};
	int64_t as_of = clock_wall();
	json_t *value = NULL;
	int rc = kube_call(wr->k->conn, &q, &value, err);

	if (rc < 0)
		return rc;
	*out = object_read(value, err);
	json_decref(value);
	if (!*out)
		return -err->code;
	(*out)->as_of = as_of;
	(*out)->looked_up = true;
	return 0;
}

int writing_conflict(struct writing *wr, struct error *err)
{
	return fail(err, ECANCELED, "%s/%s: somebody else changed it first",
		    wr->w->namespace, wr->w->name);
}

int writing_gone(struct writing *wr, struct error *err)
{
	/* Another may have come in its place. */
	const char *uid = wr->w->object ? wr->w->object->uid : "";

	pthread_mutex_lock(&wr->k->lock);
	if (wr->k->sink)
		wr->k->sink->vanished(wr->k->sink, wr->w->namespace,
				      wr->w->name, uid);
	pthread_mutex_unlock(&wr->k->lock);
	return fail(err, ECANCELED, "%s/%s is no longer in the store",
		    wr->w->namespace, wr->w->name);
}

int writing_look_anew(struct writing *wr, struct error *err)
{
	struct object *o = NULL;
	int rc = writing_get(wr, &o, err);

	if (rc == -ENOENT)
		return writing_gone(wr, err);
	if (rc < 0)
		return rc;
	store_kube_tell(wr->k, o);
	return writing_conflict(wr, err);
}

int writing_begin(struct store_kube *k, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&k->lock);
	if (*k->told_why)
		rc = fail(err, EHOSTUNREACH, "%s", k->told_why);
	pthread_mutex_unlock(&k->lock);
	return rc;
}

/* Others have noticed that the server is away: nobody need wait for long. */
static bool is_away(struct store_kube *k)
{
	struct error err;

	return writing_begin(k, &err) < 0;
}

/* Whatever else answers with JSON must not be taken for the object. */
static int check_reply(const struct writing *wr, const json_t *reply,
		       struct error *err)
{
	const json_t *meta = json_object_get(reply, "metadata");

	if (strcmp(json_text_at(meta, "name"), wr->w->name) == 0 &&
	    *json_text_at(meta, "resourceVersion"))
		return 0;
	return fail(err, EPROTO, "%s answered with what is not %s/%s",
		    kube_server(wr->k->kube), wr->w->namespace, wr->w->name);
}

int writing_call(struct writing *wr, struct kube_request *q, json_t **reply,
		struct error *err)
{
	bool maybe;
	int rc;

	for (;;) {
		q->timeout_ms = writing_left(wr);
		/* A dead connection must not take all of the time. */
		if (q->timeout_ms > WRITE_MS / 2)
			q->timeout_ms = WRITE_MS / 2;
		rc = kube_call(wr->k->conn, q, reply, err);
		if (rc == 0 && strcmp(q->method, "DELETE") != 0)
			rc = check_reply(wr, *reply, err);
		if (rc < 0) {
			json_decref(*reply);
			*reply = NULL;
		}
		maybe = kube_may_have_happened(rc);
		wr->unheard |= maybe;
		if (!maybe || is_away(wr->k) ||
		    wr->end - clock_monotonic() < 500)
			return rc;
		kube_pause(wr->k->conn, 100);
	}
}

int writing_patch(struct writing *wr, const char *sub, json_t *body,
		 json_t **reply, struct error *err)
{
	struct kube_request q = {
		.method = "PATCH",
		.type = KUBE_MERGE_PATCH,
		.body = body,
	};
	char path[600];
	int rc;

	if (!body)
		return fail(err, ENOMEM, "no memory for a patch");
	snprintf(path, sizeof path, "%s%s?fieldManager=" KUBE_FIELD_MANAGER,
		 wr->path, sub);
	q.path = path;
	rc = writing_call(wr, &q, reply, err);
	json_decref(body);
	return rc;
}

int writing_failed(int rc, struct error *err)
{
	if (rc == 0 || rc == -ECANCELED || rc == -EINVAL || rc == -EACCES ||
	    rc == -ENOENT || rc == -ENOMEM)
		return rc;
	err->code = EHOSTUNREACH;
	return -EHOSTUNREACH;
}
