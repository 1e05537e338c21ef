/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object of an API server, faked: JSON that is changed by merge patches,
 * with a resourceVersion, a generation and a status of its own; and a shared
 * store over it, whose watch tells what the test wants it to, and when.
 */
#ifndef UVRFS_FAKE_CLUSTER_H
#define UVRFS_FAKE_CLUSTER_H

#include "fake_world.h"
#include "merge_patch.h"

#include <jansson.h>

struct cluster_fake {
	json_t *object;			/* NULL: there is none */
	struct store_sink *sink;
	int version;
	bool away;			/* gives no answer */
	bool unheard;			/* nor when it has kept a write */
	bool fenced;			/* another may lead */
	int inside;			/* the fence */
	unsigned writes;		/* of objects and of statuses */
	unsigned refusals, events;
	char reason[64];		/* of the last of each */
	char event[64];
	char noted[256];		/* "KEY ID " of each */
	uint64_t known;			/* what a former daemon gave to "u" */
	bool known_told;		/* and watchers know it */
};

static struct cluster_fake *cluster;

static json_t *at(const char *key)
{
	return json_object_get(cluster->object, key);
}

/* As the server keeps a change: a new version, and for a spec a generation. */
static void keep(json_t *patch)
{
	json_t *before = json_deep_copy(at("spec"));
	json_t *meta = at("metadata");
	char version[16];

	merge_patch(cluster->object, patch);
	json_decref(patch);
	snprintf(version, sizeof version, "v%d", ++cluster->version);
	json_object_set_new(meta, "resourceVersion", json_string(version));
	if (!json_equal(before, at("spec")))
		json_object_set_new(
			meta, "generation",
			json_integer(json_integer_value(json_object_get(
					     meta, "generation")) +
				     1));
	json_decref(before);
}

static json_t *parse_json(const char *text)
{
	json_error_t where;
	json_t *value = json_loads(text, 0, &where);

	ck_assert_msg(value, "%s in %s", where.text, text);
	return value;
}

/* What its watch says of it now. */
static void tell(void)
{
	struct error err;
	struct object *o = object_read(cluster->object, &err);

	ck_assert_msg(o, "%s", err.msg);
	cluster->sink->changed(cluster->sink, o);
}

/* kubectl patch, and the watch. */
UNUSED static void patch_silently(const char *text)
{
	keep(parse_json(text));
}

UNUSED static void patch(const char *text)
{
	patch_silently(text);
	tell();
	run_all();
}

UNUSED static void patch_state(const char *state)
{
	char text[128];

	snprintf(text, sizeof text,
		 "{\"spec\": {\"replicationState\": \"%s\"}}", state);
	patch(text);
}

static const char *text_at(const char *first, const char *second)
{
	const char *text = json_string_value(
		json_object_get(at(first), second));

	return text ? text : "";
}

/* ---- the store over it ---- */

static int cluster_load(struct store *s, struct store_visitor *v,
			struct error *err)
{
	struct object *o = cluster->object ? object_read(cluster->object, err)
					   : NULL;

	if (cluster->object)
		ck_assert_ptr_nonnull(o);
	return o ? v->found_object(v, o) : 0;
}

static int cluster_start(struct store *s, struct store_sink *sink,
			 struct error *err)
{
	cluster->sink = sink;
	return 0;
}

static void cluster_stop(struct store *s)
{
}

static int conflict(struct error *err)
{
	tell();
	return fail(err, ECANCELED, "somebody was first");
}

/* Nobody but who makes one writes to what is not there. */
static int gone(struct error *err)
{
	cluster->sink->vanished(cluster->sink, "database", "db", "");
	return fail(err, ECANCELED, "database/db is no longer in the store");
}

static bool is_at(const struct status *status)
{
	return strcmp(status->version ? status->version : "",
		      text_at("metadata", "resourceVersion")) == 0;
}

static json_t *metadata(const struct store_write *w)
{
	json_t *meta = json_object();

	ck_assert_int_eq(object_metadata(meta, w->spec, w->base), 0);
	json_object_set_new(json_object_get(meta, "annotations"), OBJECT_FORCE,
			    json_null());
	return meta;
}

static int cluster_save(struct store *s, struct store_write *w,
			struct error *err)
{
	struct status draft = *w->status;

	if (cluster->away)
		return fail(err, EHOSTUNREACH, "the server is away");
	if (!cluster->object && w->status->version)
		return gone(err);
	if (!cluster->object)
		cluster->object = parse_json(
			"{\"metadata\": {\"namespace\": \"database\", "
			"\"name\": \"db\", \"uid\": \"u\", "
			"\"generation\": 0}}");
	else if (!is_at(w->status))
		return conflict(err);
	if (w->asks)
		keep(json_pack("{s:o, s:o}", "metadata", metadata(w), "spec",
			       w->base ? object_spec_patch(w->spec, w->base)
				       : object_spec(w->spec)));
	else if (w->drop_force)
		keep(json_pack("{s:{s:{s:n}}}", "metadata", "annotations",
			       OBJECT_FORCE));
	if (w->asks && !w->undecided)
		draft.generation = json_integer_value(
			json_object_get(at("metadata"), "generation"));
	if (!w->object || !w->object->finalized)
		keep(json_pack("{s:{s:[s]}}", "metadata", "finalizers",
			       OBJECT_FINALIZER));
	cluster->writes += 1 + w->asks;
	keep(json_pack("{s:o}", "status",
		       object_status(&(struct object_record){
			       .spec = w->spec,
			       .was = w->object ? w->object->spec : NULL,
			       .status = &draft,
			       .backend = w->backend,
			       .writer = "us",
		       })));
	if (cluster->unheard) {
		strcpy(w->unheard, "us");
		return fail(err, EHOSTUNREACH, "no answer");
	}
	w->kept = object_read(cluster->object, err);
	ck_assert_msg(w->kept, "%s", err->msg);
	return 0;
}

static int cluster_remove(struct store *s, const char *namespace,
			  const char *name, const struct status *status,
			  struct error *err)
{
	if (cluster->away)
		return fail(err, EHOSTUNREACH, "the server is away");
	if (cluster->object && !is_at(status))
		return conflict(err);
	json_decref(cluster->object);
	cluster->object = NULL;
	return 0;
}

static int cluster_refuse(struct store *s, const struct object *o,
			  const char *reason, const char *sentence,
			  struct error *err)
{
	cluster->refusals++;
	snprintf(cluster->reason, sizeof cluster->reason, "%s", reason);
	return 0;
}

static void cluster_event(struct store *s, const struct store_event *event)
{
	cluster->events++;
	snprintf(cluster->event, sizeof cluster->event, "%s", event->reason);
}

static int cluster_fence(struct store *s, int *left_ms, struct error *err)
{
	*left_ms = 500;
	if (cluster->fenced)
		return fail(err, EAGAIN, "another may lead");
	cluster->inside++;
	return 0;
}

static void cluster_unfence(struct store *s)
{
	cluster->inside--;
}

static void cluster_volume(struct store *s, const char *namespace,
			   const char *pvc, int depth, struct buf *out)
{
}

static uint64_t cluster_known_id(struct store *s, const char *uid, bool *told)
{
	*told = cluster->known_told;
	return strcmp(uid, "u") == 0 ? cluster->known : 0;
}

static void cluster_note(const char *what, uint64_t id)
{
	size_t len = strlen(cluster->noted);

	snprintf(cluster->noted + len, sizeof cluster->noted - len,
		 "%s %u ", what, (unsigned)id);
}

static void cluster_note_id(struct store *s, uint64_t id, const char *namespace,
			    const struct object *o)
{
	cluster_note(o ? o->uid : namespace, id);
}

static void cluster_note_gone(struct store *s, uint64_t id)
{
	cluster_note("gone", id);
}

static void cluster_note_told(struct store *s, uint64_t id)
{
	cluster_note("told", id);
}

static uint64_t cluster_lost_id(struct store *s, const char **path)
{
	return 0;
}

static const struct store_ops cluster_ops = {
	.type = "fake cluster",
	.load = cluster_load,
	.new_id = new_id,
	.save = cluster_save,
	.remove = cluster_remove,
	.mkdir = mkdir_one,
	.rmdir = rmdir_one,
	.audit = audit,
	.start = cluster_start,
	.stop = cluster_stop,
	.refuse = cluster_refuse,
	.event = cluster_event,
	.fence = cluster_fence,
	.unfence = cluster_unfence,
	.volume = cluster_volume,
	.known_id = cluster_known_id,
	.note_id = cluster_note_id,
	.note_gone = cluster_note_gone,
	.note_told = cluster_note_told,
	.lost_id = cluster_lost_id,
};

/* ---- the scene ---- */

UNUSED static void lead(bool leads)
{
	cluster->sink->led(cluster->sink, leads, leads ? "us" : "them");
	run_all();
}

/* An object that somebody has applied, and a daemon that leads. */
UNUSED static void apply(const char *state)
{
	char text[1024];

	snprintf(text, sizeof text,
		 "{\"metadata\": {\"namespace\": \"database\", \"name\": "
		 "\"db\", \"uid\": \"u\", \"generation\": 1, "
		 "\"resourceVersion\": \"v0\"}, \"spec\": {"
		 "\"sourceEndpoint\": {\"cluster\": \"prod\", \"region\": "
		 "\"east\", \"storageClass\": \"fast\"}, "
		 "\"destinationEndpoint\": {\"cluster\": \"dr\", \"region\": "
		 "\"west\", \"storageClass\": \"fast\"}, \"volumeMapping\": {"
		 "\"source\": {\"pvcName\": \"db\", \"namespace\": "
		 "\"database\"}, \"destination\": {\"volumeHandle\": "
		 "\"vol-1\", \"namespace\": \"database\"}}, "
		 "\"replicationState\": \"%s\", \"replicationMode\": "
		 "\"asynchronous\", \"schedule\": {\"mode\": "
		 "\"continuous\"}}}",
		 state);
	json_decref(cluster->object);
	cluster->object = parse_json(text);
}

UNUSED static void setup_cluster(void)
{
	prepare();
	cluster = calloc(1, sizeof *cluster);
	f->store.ops = &cluster_ops;
	begin();
	lead(true);
	apply("replica");
	tell();
	run_all();
	look();
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	f->acts = 0;
	cluster->writes = 0;
}

UNUSED static void teardown_cluster(void)
{
	teardown();
	json_decref(cluster->object);
	free(cluster);
}

#endif
