/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what an API server is to keep of a replication. */
#include "object.h"

#include "backend.h"
#include "json_parts.h"
#include "status_codec.h"
#include "status_fields.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

json_t *object_spec(const struct spec *spec)
{
	struct maker m = {false};
	json_t *object = spec_json(&m, spec);

	if (!m.failed)
		return object;
	json_decref(object);
	return NULL;
}

/* The merge patch that makes @to out of @from. */
static json_t *difference(struct maker *m, json_t *from, json_t *to)
{
	json_t *patch = json_object(), *value, *old;
	const char *key;

	json_object_foreach(to, key, value) {
		old = json_object_get(from, key);
		if (json_is_object(old) && json_is_object(value)) {
			value = difference(m, old, value);
			if (json_object_size(value))
				maker_set(m, patch, key, value);
			else
				json_decref(value);
		} else if (!json_equal(old, value)) {
			maker_set(m, patch, key, json_incref(value));
		}
	}
	json_object_foreach(from, key, value)
		if (!json_object_get(to, key))
			maker_set(m, patch, key, json_null());
	return patch;
}

json_t *object_spec_patch(const struct spec *spec, const struct spec *base)
{
	struct maker m = {false};
	json_t *from = spec_json(&m, base), *to = spec_json(&m, spec);
	json_t *patch = difference(&m, from, to);

	json_decref(from);
	json_decref(to);
	if (!m.failed)
		return patch;
	json_decref(patch);
	return NULL;
}

/*
 * null when it is not set.  Times are exact but for those of metav1, which are
 * to the second.
 */
static json_t *field_json(const struct field *f, const void *base, bool exact)
{
	if (!f->always && field_is_unset(f, base))
		return json_null();
	return json_field(f, base, exact ? time_text_ms : time_text);
}

/* In a list nothing is merged, so nothing need be null. */
static void put_fields(struct maker *m, json_t *object,
		       const struct field_table *t, const void *base)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		maker_set(m, object, t->rows[i].key,
			  field_json(&t->rows[i], base, true));
}

static json_t *list_item(struct maker *m, const struct field_table *t,
			 const void *base)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->rows[i].always || !field_is_unset(&t->rows[i], base))
			maker_set(m, object, t->rows[i].key,
				  field_json(&t->rows[i], base,
					     t != &condition_fields));
	return object;
}

static void append(struct maker *m, json_t *array, json_t *item)
{
	if (json_array_append_new(array, item) < 0)
		m->failed = true;
}

static json_t *conditions_json(struct maker *m, const struct status *s)
{
	json_t *array = json_array(), *item;
	int i;

	for (i = 0; i < CONDITION_COUNT; i++) {
		item = list_item(m, &condition_fields, &s->conditions[i]);
		maker_set(m, item, "type",
			  json_string(condition_type_text(
				  (enum condition_type)i)));
		/* metav1 wants the key, whatever it says. */
		if (!json_object_get(item, "message"))
			maker_set(m, item, "message", json_string(""));
		append(m, array, item);
	}
	return array;
}

static json_t *history_json(struct maker *m, const struct status *s)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < s->history_count; i++)
		append(m, array,
		       list_item(m, &transition_fields, &s->history[i]));
	return array;
}

static json_t *fields_json(struct maker *m, const struct field_table *t,
			   const void *base)
{
	json_t *object = json_object();

	put_fields(m, object, t, base);
	return object;
}

static json_t *backends_json(struct maker *m, const struct backend *b,
			     const struct status *s)
{
	json_t *array = json_array(), *item = json_object();
	json_t *words = json_array();
	const struct capability_name *c;

	for (c = capability_names; c->bit; c++)
		if (b->ops->capabilities & c->bit)
			append(m, words, json_string(c->object));
	maker_set(m, item, "name", json_string(b->name));
	maker_set(m, item, "type", json_string(b->ops->type));
	maker_set(m, item, "available",
		  json_boolean(s->conditions[CONDITION_SYNCED].status ==
			       CONDITION_TRUE));
	maker_set(m, item, "capabilities", words);
	append(m, array, item);
	return array;
}

json_t *object_status(const struct object_record *record)
{
	const struct spec *spec = record->spec;
	const struct status *s = record->status;
	const struct backend *b = record->backend;
	json_t *object = json_object();
	struct maker m = {false};
	char digest[24];

	snprintf(digest, sizeof digest, "%016" PRIx64,
		 status_spec_digest(spec));
	put_fields(&m, object, &status_fields, s);
	json_object_del(object, "id");
	json_object_del(object, "created");
	maker_set(&m, object, "conditions", conditions_json(&m, s));
	maker_set(&m, object, "observedGeneration",
		  json_integer(s->generation));
	maker_set(&m, object, "specDigest", json_string(digest));
	maker_set(&m, object, "acceptedState",
		  json_string(state_text(spec->state)));
	maker_set(&m, object, "request",
		  fields_json(&m, &request_fields, &s->request));
	maker_set(&m, object, "intent",
		  s->intent.act ? fields_json(&m, &intent_fields, &s->intent)
				: json_null());
	maker_set(&m, object, "history", history_json(&m, s));
	maker_set(&m, object, "written",
		  spec->written ? json_stringn(spec->written,
					       spec->written_len)
				: json_null());
	maker_set(&m, object, "accepted",
		  record->was ? object_spec_patch(spec, record->was)
			      : object_spec(spec));
	maker_set(&m, object, "version",
		  json_integer((json_int_t)s->resource_version));
	maker_set(&m, object, "writer", json_string(record->writer));
	maker_set(&m, object, "state",
		  json_string(state_text(s->failed ? STATE_FAILED
						   : spec->state)));
	maker_set(&m, object, "backend",
		  b ? json_string(b->name) : json_null());
	maker_set(&m, object, "discoveredBackends",
		  b ? backends_json(&m, b, s) : json_array());
	if (!m.failed)
		return object;
	json_decref(object);
	return NULL;
}

static bool has_pair(const struct pair *list, size_t count, const char *key)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(list[i].key, key) == 0)
			return true;
	return false;
}

static json_t *pairs_json(struct maker *m, const struct pair *list,
			  size_t count)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < count; i++)
		maker_set(m, object, list[i].key, json_text(list[i].value));
	return object;
}

/* Those that are no longer there are told to go. */
static void drop_pairs(struct maker *m, json_t *object, const struct pair *was,
		       size_t count, const struct pair *list, size_t now)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!has_pair(list, now, was[i].key))
			maker_set(m, object, was[i].key, json_null());
}

int object_metadata(json_t *metadata, const struct spec *s,
		    const struct spec *was)
{
	struct maker m = {false};
	json_t *labels = pairs_json(&m, s->labels, s->label_count);
	json_t *notes = pairs_json(&m, s->annotations, s->annotation_count);

	if (was) {
		drop_pairs(&m, labels, was->labels, was->label_count,
			   s->labels, s->label_count);
		drop_pairs(&m, notes, was->annotations, was->annotation_count,
			   s->annotations, s->annotation_count);
	}
	maker_set(&m, metadata, "labels", labels);
	maker_set(&m, metadata, "annotations", notes);
	return m.failed ? -1 : 0;
}
