/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two clusters with a claim each, a backend `ceph' over them, and somebody who
 * listens to it.  dr-cluster is here; prod-cluster has the manifest's source.
 */
#ifndef UVRFS_FAKE_CEPH_H
#define UVRFS_FAKE_CEPH_H

#include "ear.h"
#include "ceph_vr.h"
#include "csi.h"
#include "fake_api.h"
#include "plan.h"
#include "text.h"

#include <errno.h>

/*
 * jansson's counts of references are atomic, but for one look at whether there
 * is a count at all, and the library itself is not instrumented: that whoever
 * frees comes after whoever has read is not seen.
 */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:json_incref\nrace:json_decref\nrace:json_delete\n"
	       "race:libjansson\n";
}
#endif

#define PROD "prod-cluster"
#define DR "dr-cluster"
#define CEPH "/apis/replication.storage.openshift.io/v1alpha1"
#define VRS CEPH "/namespaces/database/volumereplications/"
#define VR VRS "db"
#define CLASSES CEPH "/volumereplicationclasses/"
#define CORE "/api/v1/namespaces/database/"
#define T1 "2026-11-28T01:00:00Z"
#define T2 "2026-11-28T02:00:00Z"
#define SOURCE (struct vr){.asked = "primary", .cdr = "TFF", \
			   .replicating = "T", .synced = T1}
#define REPLICA(marks) (struct vr){.asked = "secondary", .cdr = marks}

static struct {
	struct api prod, dr;
	struct backend *b;
	struct ear ear;
	struct spec spec;
	struct target target;
	char key[BACKEND_KEY_MAX];
	struct error err;
	uint64_t serial, request;
	unsigned overrides;
	int timeout_ms;
} t;

#define await_key(key, is, what) ear_await(&t.ear, key, is, what)
#define AWAIT(is) await_key(t.key, is, #is)

/* ---- what is in the clusters ---- */

/* A claim of that name, bound to the volume of that handle. */
static void put_claim(struct api *a, const char *name, const char *handle)
{
	char path[300], text[600];

	snprintf(path, sizeof path, CORE "persistentvolumeclaims/%s", name);
	snprintf(text, sizeof text,
		 "{\"metadata\": {\"namespace\": \"database\", \"name\": "
		 "\"%s\"}, \"spec\": {\"volumeName\": \"pv-%s\"}}", name, name);
	api_put(a, path, text);
	snprintf(path, sizeof path, "/api/v1/persistentvolumes/pv-%s", name);
	snprintf(text, sizeof text,
		 "{\"metadata\": {\"name\": \"pv-%s\"}, \"spec\": {\"csi\": {"
		 "\"driver\": \"rbd.csi.ceph.com\", \"volumeHandle\": \"%s\"}, "
		 "\"claimRef\": {\"namespace\": \"database\", \"name\": "
		 "\"%s\"}}}", name, handle, name);
	api_put(a, path, text);
}

/* The VolumeReplication at @path as @vr is, for the claim @claim. */
static void put_vr(struct api *a, const char *path, const char *claim,
		   struct vr vr)
{
	json_t *o, *source = json_pack("{s:s, s:s, s:s}", "apiGroup", "",
				       "kind", "PersistentVolumeClaim", "name",
				       claim);

	vr.generation = 1;
	o = make_vr(&vr);
	json_object_set_new(api_meta(o), "name",
			    json_string(strrchr(path, '/') + 1));
	json_object_del(api_meta(o), "annotations");
	json_object_set_new(json_object_get(o, "spec"), "dataSource", source);
	pthread_mutex_lock(&a->lock);
	api_add(a, path, o);
	json_decref(o);
	pthread_mutex_unlock(&a->lock);
}

/* csi-addons has done what is asked of the one at @path, or not. */
static void says_at(struct api *a, const char *path, struct vr vr)
{
	json_t *object, *model;

	pthread_mutex_lock(&a->lock);
	object = json_object_get(a->objects, path);
	ck_assert_ptr_nonnull(object);
	vr.generation = (int)json_integer_value(
		json_object_get(api_meta(object), "generation"));
	vr.asked = json_string_value(json_object_get(
		json_object_get(object, "spec"), "replicationState"));
	model = make_vr(&vr);
	json_object_set(object, "status", json_object_get(model, "status"));
	json_decref(model);
	api_tell(a, path, object, "MODIFIED");
	pthread_mutex_unlock(&a->lock);
}

static inline void says(struct api *a, struct vr vr)
{
	says_at(a, VR, vr);
}

/* Somebody asks for it, and csi-addons does it. */
static inline void becomes(struct api *a, struct vr vr)
{
	char text[100];

	snprintf(text, sizeof text, "{\"spec\": {\"replicationState\": "
		 "\"%s\"}}", vr.asked);
	api_edit(a, VR, text);
	says(a, vr);
}

/* What it has there: a string as it is, else JSON, in a static buffer. */
static inline const char *get(struct api *a, const char *path, const char *first,
		       const char *second)
{
	static char text[256];
	const json_t *o;
	char *all;

	pthread_mutex_lock(&a->lock);
	o = json_object_get(json_object_get(json_object_get(a->objects, path),
					    first), second);
	all = json_is_string(o) ? strdup(json_string_value(o))
				: json_dumps(o, JSON_ENCODE_ANY | JSON_COMPACT);
	snprintf(text, sizeof text, "%s", all ? all : "");
	free(all);
	pthread_mutex_unlock(&a->lock);
	return text;
}

#define ASKED(a) get(a, VR, "spec", "replicationState")

/* ---- the backend ---- */

static inline void start_as(const char *type, int silent_ms)
{
	char prod[64], dr[64];
	struct csi_access sites[2] = {{.cluster = PROD}, {.cluster = DR}};

	snprintf(prod, sizeof prod, "http://127.0.0.1:%u", t.prod.port);
	snprintf(dr, sizeof dr, "http://127.0.0.1:%u", t.dr.port);
	sites[0].access.server = strdup(prod);
	sites[1].access.server = strdup(dr);
	t.b = csi_new(type, "rook", sites, 2, silent_ms, &t.err);
	ck_assert_msg(t.b, "%s", t.err.msg);
	ck_assert_int_eq(t.b->ops->start(t.b, &t.ear.sink, &t.err), 0);
	t.b->ops->key(t.b, &t.target, t.key);
	ck_assert_int_eq(t.b->ops->track(t.b, &t.target, &t.err), 0);
}

static inline void start(int silent_ms)
{
	start_as("ceph", silent_ms);
}

/* It is told, news or not. */
static inline void track_anew(void)
{
	unsigned before;

	pthread_mutex_lock(&t.ear.lock);
	before = t.ear.count;
	pthread_mutex_unlock(&t.ear.lock);
	ck_assert_int_eq(t.b->ops->track(t.b, &t.target, &t.err), 0);
	pthread_mutex_lock(&t.ear.lock);
	while (t.ear.count == before)
		pthread_cond_wait(&t.ear.heard, &t.ear.lock);
	pthread_mutex_unlock(&t.ear.lock);
}

static void end(void)
{
	if (!t.b)
		return;
	t.b->ops->stop(t.b);
	t.b->ops->free(t.b);
	t.b = NULL;
}

static void setup_clusters(void)
{
	memset(&t, 0, sizeof t);
	ear_init(&t.ear);
	t.spec = (struct spec){.source = {PROD, "east", "fast"},
			       .destination = {DR, "west", "fast"},
			       .pvc_name = "db",
			       .pvc_namespace = "database",
			       .volume_handle = "vol-1",
			       .volume_namespace = "database",
			       .state = STATE_REPLICA,
			       .mode = MODE_ASYNCHRONOUS,
			       .schedule = SCHEDULE_CONTINUOUS,
			       .rpo = "15m"};
	t.target = (struct target){&t.spec, DR, PROD, true};
	t.request = 1;
	t.timeout_ms = 10000;
	api_start(&t.prod);
	api_start(&t.dr);
	put_claim(&t.prod, "db", "vol-1");
	put_claim(&t.dr, "db", "vol-1");
}

static inline void put_pair(void)
{
	put_vr(&t.prod, VR, "db", SOURCE);
	put_vr(&t.dr, VR, "db", REPLICA("TTT"));
}

static void teardown_clusters(void)
{
	end();
	api_stop(&t.prod);
	api_stop(&t.dr);
}

static int act_again(enum act act, uint64_t serial)
{
	struct order o = {act, serial, t.timeout_ms, t.overrides, t.request};

	*t.err.msg = '\0';
	return t.b->ops->act(t.b, &t.target, &o, &t.err);
}

static inline int act(enum act what)
{
	return act_again(what, ++t.serial);
}

static inline unsigned writes(void)
{
	return t.prod.writes + t.dr.writes;
}

#define REFUSES(what, code) \
	do { \
		unsigned before = writes(); \
		ck_assert_int_eq(act(what), -(code)); \
		ck_assert_uint_eq(writes(), before); \
	} while (0)
#define TAKES(what) \
	ck_assert_msg(act(what) == 0, "%s: %s", act_text(what), t.err.msg)

/* ---- conditions ---- */

static inline bool is_listed(const struct observation *o)
{
	return o->here.reach == REACH_OK && o->peer.reach == REACH_OK;
}

static inline bool is_in_use(const struct observation *o)
{
	return o->peer.in_use == TRI_YES;
}

static inline bool is_steady(const struct observation *o)
{
	return side_verified_role(&o->here) == ROLE_REPLICA &&
	       o->here.complete && o->here.following && !o->here.busy &&
	       side_verified_role(&o->peer) == ROLE_SOURCE &&
	       o->here.in_use == TRI_NO && o->peer.in_use == TRI_NO;
}

#endif
