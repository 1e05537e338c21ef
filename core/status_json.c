/* SPDX-License-Identifier: Apache-2.0 */
/* The text of status.json: everything that is known, for programs. */
#include "status_codec.h"

#include "json_parts.h"
#include "status_fields.h"
#include "text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *time_value(int64_t ms)
{
	char stamp[TIME_TEXT_MAX];

	return ms > 0 ? json_string(time_text(ms, stamp)) : json_null();
}

static void set_fields(struct maker *m, json_t *object,
		       const struct field_table *t, const void *base)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		maker_set(m, object, t->rows[i].key,
			  json_field(&t->rows[i], base, time_text));
}

static json_t *fields_object(struct maker *m, const struct field_table *t,
			     const void *base)
{
	json_t *object = json_object();

	set_fields(m, object, t, base);
	return object;
}

static json_t *metadata_object(struct maker *m, const struct status_view *v)
{
	json_t *object = json_object();
	char room[STATUS_VERSION_MAX];

	maker_set(m, object, "uid", json_text(v->status->uid));
	maker_set(m, object, "creationTimestamp", time_value(v->status->created));
	maker_set(m, object, "generation", json_integer(v->status->generation));
	/* A string, as everywhere in Kubernetes. */
	maker_set(m, object, "resourceVersion",
		  json_string(status_version(v->status, room)));
	maker_set(m, object, "labels",
	    json_texts(m, v->spec->labels, v->spec->label_count));
	maker_set(m, object, "annotations",
	    json_texts(m, v->spec->annotations, v->spec->annotation_count));
	return object;
}

static json_t *conditions_array(struct maker *m, const struct status *s)
{
	json_t *array = json_array(), *item;
	int i;

	for (i = 0; i < CONDITION_COUNT; i++) {
		item = fields_object(m, &condition_fields, &s->conditions[i]);
		maker_set(m, item, "type",
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

	maker_set(m, object, "conditions", conditions_array(m, s));
	maker_set(m, object, "observedGeneration",
	    json_integer(s->conditions[CONDITION_READY].generation));
	maker_set(m, object, "request",
	    s->request.id ? fields_object(m, &request_fields, &s->request)
			  : json_null());
	maker_set(m, object, "intent",
	    s->intent.act ? fields_object(m, &intent_fields, &s->intent)
			  : json_null());
	maker_set(m, object, "history", history_array(m, s));
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
		json_texts(m, texts, sizeof texts / sizeof *texts);
	size_t i;

	for (i = 0; i < sizeof flags / sizeof *flags; i++)
		maker_set(m, object, flags[i].key, json_boolean(flags[i].value));
	maker_set(m, object, "inUse", tri_value(s->in_use));
	maker_set(m, object, "progress",
	    s->progress >= 0 ? json_integer(s->progress) : json_null());
	maker_set(m, object, "dataTime", time_value(s->data_time));
	return object;
}

static json_t *observation_object(struct maker *m, const struct observation *o)
{
	json_t *object = json_object();

	maker_set(m, object, "here", side_object(m, &o->here));
	maker_set(m, object, "peer", side_object(m, &o->peer));
	maker_set(m, object, "peerAlive", json_boolean(o->peer_alive));
	return object;
}

static json_t *view_object(struct maker *m, const struct status_view *v)
{
	enum state state = v->status->failed ? STATE_FAILED : v->spec->state;
	json_t *object = json_object();

	maker_set(m, object, "name", json_text(v->name));
	maker_set(m, object, "namespace", json_text(v->namespace));
	maker_set(m, object, "state", json_string(state_text(state)));
	maker_set(m, object, "backend", json_text(v->backend));
	maker_set(m, object, "metadata", metadata_object(m, v));
	maker_set(m, object, "spec", spec_json(m, v->spec));
	maker_set(m, object, "status", status_object(m, v->status));
	maker_set(m, object, "observation", observation_object(m, v->seen));
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
		text = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS |
						  JSON_ENSURE_ASCII);
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
