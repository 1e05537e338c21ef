/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server keeps and answers: objects in memory by their paths, with
 * resourceVersion, generation, uid and merge patches as Kubernetes has them.
 * What a client writes has no effect on status.
 */
#ifndef UVRFS_FAKE_API_OBJECTS_H
#define UVRFS_FAKE_API_OBJECTS_H

#include "merge_patch.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define API_HANG (-1)		/* as a fault: no answer */

struct api {
	int fd;
	unsigned port;
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t turn;		/* of everybody, with every change */
	bool stopping;
	struct api_conn *conns;
	json_t *objects;		/* by path */
	json_t *events;			/* each with its collection as `of' */
	int version, uids;
	/* Requests "METHOD PATH" that have this in them fail so; 0: none. */
	char fault[64];
	int code;
	int told;			/* watches tell no later version */
	/* What was asked. */
	unsigned writes;		/* all but GET */
	unsigned hung;
	unsigned versions;		/* GET /version, answered well */
	unsigned unwell;		/* the same, answered with a fault */
	char last[512];			/* METHOD PATH of the last write */
	json_t *body;			/* and what it had */
	/* Called, with the lock held, before the next patch: and forgotten. */
	void (*before_patch)(struct api *a, json_t *object);
};

/* ---- objects: with the lock held ---- */

/* The path without namespace and query; returns the object's name, or NULL. */
static inline const char *api_split(const char *path, char of[static 256])
{
	const char *at = path + strspn(path, "/"), *name;
	int parts = strncmp(at, "api/", 4) == 0 ? 2 : 3, i;

	for (i = 0; i < parts && at; i++)
		at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL;
	if (!at)
		return NULL;
	i = (int)(at - path);
	if (strncmp(at, "namespaces/", 11) == 0)
		at = strchr(at + 11, '/') + 1;
	name = strchr(at, '/');
	snprintf(of, 256, "%.*s%.*s", i, path,
		 name ? (int)(name - at) : (int)strlen(at), at);
	return name ? name + 1 : NULL;
}

static inline json_t *api_meta(json_t *object)
{
	if (!json_object_get(object, "metadata"))
		json_object_set_new(object, "metadata", json_object());
	return json_object_get(object, "metadata");
}

static inline const char *api_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(
		json_object_get(object, "metadata"), key));

	return text ? text : "";
}

/* It has changed: a new version, and an event. */
static inline void api_tell(struct api *a, const char *path, json_t *object,
			    const char *type)
{
	char of[256] = "", text[16];

	api_split(path, of);
	snprintf(text, sizeof text, "%d", ++a->version);
	json_object_set_new(api_meta(object), "resourceVersion",
			    json_string(text));
	json_array_append_new(
		a->events,
		json_pack("{s:s, s:i, s:{s:s, s:o}}", "of", of, "version",
			  a->version, "event", "type", type, "object",
			  json_deep_copy(object)));
	pthread_cond_broadcast(&a->turn);
}

static inline void api_change(struct api *a, const char *path, json_t *object,
			      json_t *patch)
{
	json_t *before = json_deep_copy(json_object_get(object, "spec"));
	json_t *generation = json_object_get(api_meta(object), "generation");

	merge_patch(object, patch);
	if (before && !json_equal(before, json_object_get(object, "spec")))
		json_object_set_new(api_meta(object), "generation",
				    json_integer(json_integer_value(generation)
						 + 1));
	json_decref(before);
	api_tell(a, path, object, "MODIFIED");
}

static inline void api_add(struct api *a, const char *path, json_t *object)
{
	json_t *meta = api_meta(object);
	time_t now = time(NULL);
	struct tm tm;
	char uid[16], stamp[32];

	snprintf(uid, sizeof uid, "uid-%d", ++a->uids);
	json_object_set_new(meta, "uid", json_string(uid));
	json_object_set_new(meta, "generation", json_integer(1));
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&now, &tm));
	json_object_set_new(meta, "creationTimestamp", json_string(stamp));
	json_object_set(a->objects, path, object);
	api_tell(a, path, object, "ADDED");
}

/* ---- answers: with the lock held ---- */

static inline json_t *api_status(int code, const char *reason)
{
	return json_pack("{s:s, s:i, s:s, s:s}", "kind", "Status", "code",
			 code, "reason", reason, "message", "says the server");
}

static inline json_t *api_list(struct api *a, const char *of)
{
	json_t *items = json_array(), *object;
	const char *path;
	char text[16], its[256];

	json_object_foreach(a->objects, path, object)
		if (api_split(path, its) && strcmp(its, of) == 0)
			json_array_append(items, object);
	snprintf(text, sizeof text, "%d", a->version);
	return json_pack("{s:{s:s}, s:o}", "metadata", "resourceVersion", text,
			 "items", items);
}

static inline json_t *api_patched(struct api *a, const char *path,
				  json_t *object, json_t *body, int *code)
{
	const char *version;

	if (a->before_patch)
		a->before_patch(a, object);
	a->before_patch = NULL;
	version = api_text(body, "resourceVersion");
	if (*version && strcmp(version, api_text(object, "resourceVersion"))) {
		*code = 409;
		return api_status(409, "Conflict");
	}
	json_object_del(body, "status");
	api_change(a, path, object, body);
	return json_incref(object);
}

static inline json_t *api_deleted(struct api *a, const char *path,
				  json_t *object, json_t *body, int *code)
{
	const char *uid = json_string_value(json_object_get(
		json_object_get(body, "preconditions"), "uid"));

	if (uid && strcmp(uid, api_text(object, "uid")) != 0) {
		*code = 409;
		return api_status(409, "Conflict");
	}
	api_tell(a, path, object, "DELETED");
	json_object_del(a->objects, path);
	return api_status(200, "");
}

static inline json_t *api_created(struct api *a, const char *path, json_t *body,
				  int *code)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", path, api_text(body, "name"));
	if (json_object_get(a->objects, full)) {
		*code = 409;
		return api_status(409, "AlreadyExists");
	}
	*code = 201;
	json_object_del(body, "status");
	api_add(a, full, body);
	return json_incref(body);
}

static inline json_t *api_answer(struct api *a, const char *method,
				 const char *path, json_t *body, int *code)
{
	json_t *object = json_object_get(a->objects, path);
	char of[256] = "";

	*code = 200;
	if (strcmp(path, "/version") == 0)
		return json_pack("{s:s, s:s, s:s}", "major", "1", "minor",
				 "20", "gitVersion", "v1.20.0-fake");
	if (strcmp(method, "GET") == 0 && !api_split(path, of))
		return api_list(a, of);
	if (strcmp(method, "POST") == 0)
		return api_created(a, path, body, code);
	if (!object) {
		*code = 404;
		return api_status(404, "NotFound");
	}
	if (strcmp(method, "PATCH") == 0)
		return api_patched(a, path, object, body, code);
	if (strcmp(method, "DELETE") == 0)
		return api_deleted(a, path, object, body, code);
	return json_incref(object);
}

#endif
