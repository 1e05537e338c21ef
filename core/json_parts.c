/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of JSON that status.json and the API's objects share. */
#include "json_parts.h"

#include "buf.h"
#include "status_fields.h"

#include <stdint.h>
#include <string.h>

void maker_set(struct maker *m, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		m->failed = true;
}

json_t *json_text(const char *text)
{
	auto_buf clean;

	buf_init(&clean, SIZE_MAX / 4);
	if (!text)
		return json_null();
	text = field_clean(text, &clean);
	return clean.failed ? NULL : json_string(text);
}

const char *json_text_at(const json_t *map, const char *key)
{
	const char *text = json_string_value(json_object_get(map, key));

	return text ? text : "";
}

bool json_has_text(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (json_is_string(item) &&
		    strcmp(json_string_value(item), text) == 0)
			return true;
	return false;
}

json_t *json_field(const struct field *f, const void *base,
		   const char *(*stamp)(int64_t ms,
					char out[static TIME_TEXT_MAX]))
{
	char room[TIME_TEXT_MAX];

	switch ((int)f->kind) {
	case FIELD_TEXT:
		return json_text(field_text(f, base));
	case FIELD_BOOL:
		return json_boolean(field_number(f, base));
	case FIELD_TIME:
		return field_number(f, base) > 0
			       ? json_string(stamp(field_number(f, base), room))
			       : json_null();
	case FIELD_U64:
	case FIELD_UINT:
	case FIELD_INT:
	case FIELD_COUNTER:
		return json_integer(field_number(f, base));
	default:
		return json_string(field_word(f, base));
	}
}

json_t *json_texts(struct maker *m, const struct pair *pairs,
			    size_t count)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < count; i++)
		if (pairs[i].value)
			maker_set(m, object, pairs[i].key,
			    json_text(pairs[i].value));
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

	return json_texts(m, texts, 3);
}

static json_t *mapping_object(struct maker *m, const struct spec *s)
{
	const struct pair source[] = {{"pvcName", s->pvc_name},
				      {"namespace", s->pvc_namespace}};
	const struct pair destination[] = {
		{"volumeHandle", s->volume_handle},
		{"namespace", s->volume_namespace}};
	json_t *object = json_object();

	maker_set(m, object, "source", json_texts(m, source, 2));
	maker_set(m, object, "destination", json_texts(m, destination, 2));
	return object;
}

static json_t *extensions_object(struct maker *m, const struct spec *s)
{
	const struct pair ceph[] = {
		{"mirroringMode", or_null(mirroring_text(s->mirroring))}};
	json_t *object = json_object();

	if (s->extensions & EXTENSION_CEPH)
		maker_set(m, object, "ceph", json_texts(m, ceph, 1));
	if (s->extensions & EXTENSION_TRIDENT)
		maker_set(m, object, "trident", json_object());
	if (s->extensions & EXTENSION_POWERSTORE)
		maker_set(m, object, "powerstore", json_object());
	return object;
}

json_t *spec_json(struct maker *m, const struct spec *s)
{
	const struct pair schedule[] = {
		{"mode", or_null(schedule_text(s->schedule))},
		{"rpo", s->rpo},
		{"rto", s->rto}};
	json_t *object = json_object();

	maker_set(m, object, "sourceEndpoint", endpoint_object(m, &s->source));
	maker_set(m, object, "destinationEndpoint",
	    endpoint_object(m, &s->destination));
	maker_set(m, object, "volumeMapping", mapping_object(m, s));
	maker_set(m, object, "replicationState", json_string(state_text(s->state)));
	maker_set(m, object, "replicationMode", json_string(mode_text(s->mode)));
	maker_set(m, object, "schedule", json_texts(m, schedule, 3));
	if (s->extensions)
		maker_set(m, object, "extensions", extensions_object(m, s));
	return object;
}
