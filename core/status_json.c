/* SPDX-License-Identifier: Apache-2.0 */
/* The text of status.json: everything that is known, for programs. */
#include "status_codec.h"

#include "status_fields.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * A failed addition sticks, as in a buf: without memory some json_set returns
 * -1, and the one look at the end finds it.
 */
struct maker {
	bool failed;
};

/* Takes over @value. */
static void set(struct maker *m, json_t *object, const char *key,
		json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		m->failed = true;
}

static json_t *text_value(const char *text)
{
	auto_buf clean;

	buf_init(&clean, SIZE_MAX / 4);
	if (!text)
		return json_null();
	text = field_clean(text, &clean);
	return clean.failed ? NULL : json_string(text);
}

static json_t *time_value(int64_t ms)
{
	char stamp[TIME_TEXT_MAX];

	return ms > 0 ? json_string(time_text(ms, stamp)) : json_null();
}

static json_t *field_value(const struct field *f, const void *base)
{
	switch ((int)f->kind) {
	case FIELD_TEXT:
		return text_value(field_text(f, base));
	case FIELD_BOOL:
		return json_boolean(field_number(f, base));
	case FIELD_TIME:
		return time_value(field_number(f, base));
	case FIELD_U64:
	case FIELD_UINT:
	case FIELD_INT:
	case FIELD_COUNTER:
		return json_integer(field_number(f, base));
	default:
		return json_string(field_word(f, base));
	}
}

static void set_fields(struct maker *m, json_t *object,
		       const struct field_table *t, const void *base)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		set(m, object, t->rows[i].key, field_value(&t->rows[i], base));
}

static json_t *fields_object(struct maker *m, const struct field_table *t,
			     const void *base)
{
	json_t *object = json_object();

	set_fields(m, object, t, base);
	return object;
}

/* An object of texts; those that are NULL are left out. */
static json_t *texts_object(struct maker *m, const struct pair *pairs,
			    size_t count)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < count; i++)
		if (pairs[i].value)
			set(m, object, pairs[i].key,
			    text_value(pairs[i].value));
	return object;
}

/* The words of the API are "" for none. */
static const char *or_null(const char *word)
{
	return *word ? word : NULL;
}

static json_t *endpoint_object(struct maker *m, const struct endpoint *e)
{
	const struct pair texts[] = {{"cluster", e->cluster},
				     {"region", e->region},
				     {"storageClass", e->storage_class}};

	return texts_object(m, texts, 3);
}

static json_t *mapping_object(struct maker *m, const struct spec *s)
{
	const struct pair source[] = {{"pvcName", s->pvc_name},
				      {"namespace", s->pvc_namespace}};
	const struct pair destination[] = {
		{"volumeHandle", s->volume_handle},
		{"namespace", s->volume_namespace}};
	json_t *object = json_object();

	set(m, object, "source", texts_object(m, source, 2));
	set(m, object, "destination", texts_object(m, destination, 2));
	return object;
}

static json_t *extensions_object(struct maker *m, const struct spec *s)
{
	const struct pair ceph[] = {
		{"mirroringMode", or_null(mirroring_text(s->mirroring))}};
	json_t *object = json_object();

	if (s->extensions & EXTENSION_CEPH)
		set(m, object, "ceph", texts_object(m, ceph, 1));
	if (s->extensions & EXTENSION_TRIDENT)
		set(m, object, "trident", json_object());
	if (s->extensions & EXTENSION_POWERSTORE)
		set(m, object, "powerstore", json_object());
	return object;
}

static json_t *spec_object(struct maker *m, const struct spec *s)
{
	const struct pair schedule[] = {
		{"mode", or_null(schedule_text(s->schedule))},
		{"rpo", s->rpo},
		{"rto", s->rto}};
	json_t *object = json_object();

	set(m, object, "sourceEndpoint", endpoint_object(m, &s->source));
	set(m, object, "destinationEndpoint",
	    endpoint_object(m, &s->destination));
	set(m, object, "volumeMapping", mapping_object(m, s));
	set(m, object, "replicationState", json_string(state_text(s->state)));
	set(m, object, "replicationMode", json_string(mode_text(s->mode)));
	set(m, object, "schedule", texts_object(m, schedule, 3));
	if (s->extensions)
		set(m, object, "extensions", extensions_object(m, s));
	return object;
}

static json_t *metadata_object(struct maker *m, const struct status_view *v)
{
	json_t *object = json_object();
	char version[24];

	snprintf(version, sizeof version, "%" PRIu64,
		 v->status->resource_version);
	set(m, object, "uid", text_value(v->status->uid));
	set(m, object, "creationTimestamp", time_value(v->status->created));
	set(m, object, "generation", json_integer(v->status->generation));
	/* A string, as everywhere in Kubernetes. */
	set(m, object, "resourceVersion", json_string(version));
	set(m, object, "labels",
	    texts_object(m, v->spec->labels, v->spec->label_count));
	set(m, object, "annotations",
	    texts_object(m, v->spec->annotations, v->spec->annotation_count));
	return object;
}

static json_t *conditions_array(struct maker *m, const struct status *s)
{
	json_t *array = json_array(), *item;
	int i;

	for (i = 0; i < CONDITION_COUNT; i++) {
		item = fields_object(m, &condition_fields, &s->conditions[i]);
		set(m, item, "type",
		    json_string(condition_type_text((enum condition_type)i)));
		if (json_array_append_new(array, item) < 0)
			m->failed = true;
	}
	return array;
}

static json_t *history_array(struct maker *m, const struct status *s)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < s->history_count; i++)
		if (json_array_append_new(
			    array, fields_object(m, &transition_fields,
						 &s->history[i])) < 0)
			m->failed = true;
	return array;
}

static json_t *status_object(struct maker *m, const struct status *s)
{
	json_t *object = fields_object(m, &status_fields, s);

	set(m, object, "conditions", conditions_array(m, s));
	set(m, object, "observedGeneration",
	    json_integer(s->conditions[CONDITION_READY].generation));
	set(m, object, "request",
	    s->request.id ? fields_object(m, &request_fields, &s->request)
			  : json_null());
	set(m, object, "intent",
	    s->intent.act ? fields_object(m, &intent_fields, &s->intent)
			  : json_null());
	set(m, object, "history", history_array(m, s));
	return object;
}

static json_t *tri_value(enum tri tri)
{
	return tri == TRI_UNKNOWN ? json_null() : json_boolean(tri == TRI_YES);
}

static json_t *side_object(struct maker *m, const struct side *s)
{
	const struct pair texts[] = {{"native", s->native},
				     {"inUseBy", s->in_use_by},
				     {"why", s->why},
				     {"reach", reach_text(s->reach)},
				     {"claim", role_text(s->claim)},
				     {"fact", role_text(s->fact)}};
	const struct {
		const char *key;
		bool value;
	} flags[] = {{"busy", s->busy},		{"complete", s->complete},
		     {"following", s->following}, {"caughtUp", s->caught_up},
		     {"diverged", s->diverged},
		     {"hasLastCopy", s->has_last_copy}};
	json_t *object =
		texts_object(m, texts, sizeof texts / sizeof *texts);
	size_t i;

	for (i = 0; i < sizeof flags / sizeof *flags; i++)
		set(m, object, flags[i].key, json_boolean(flags[i].value));
	set(m, object, "inUse", tri_value(s->in_use));
	set(m, object, "progress",
	    s->progress >= 0 ? json_integer(s->progress) : json_null());
	set(m, object, "dataTime", time_value(s->data_time));
	return object;
}

static json_t *observation_object(struct maker *m, const struct observation *o)
{
	json_t *object = json_object();

	set(m, object, "here", side_object(m, &o->here));
	set(m, object, "peer", side_object(m, &o->peer));
	set(m, object, "peerAlive", json_boolean(o->peer_alive));
	return object;
}

static json_t *view_object(struct maker *m, const struct status_view *v)
{
	enum state state = v->status->failed ? STATE_FAILED : v->spec->state;
	json_t *object = json_object();

	set(m, object, "name", text_value(v->name));
	set(m, object, "namespace", text_value(v->namespace));
	set(m, object, "state", json_string(state_text(state)));
	set(m, object, "backend", text_value(v->backend));
	set(m, object, "metadata", metadata_object(m, v));
	set(m, object, "spec", spec_object(m, v->spec));
	set(m, object, "status", status_object(m, v->status));
	set(m, object, "observation", observation_object(m, v->seen));
	return object;
}

int status_json(const struct status_view *view, struct buf *out)
{
	struct maker m = {false};
	json_t *object = view_object(&m, view);
	char *text = NULL;
	size_t before = out->len;
	int rc = 0;

	if (!m.failed)
		text = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(object);
	if (!text)
		return -ENOMEM;
	buf_puts(out, text);
	buf_putc(out, '\n');
	free(text);
	if (out->failed) {
		rc = -out->failed;
		out->len = before;
	}
	return rc;
}
