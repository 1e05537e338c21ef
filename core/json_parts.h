/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of JSON that status.json and the objects of an API server are both
 * made from, and how such objects are read.
 */
#ifndef UVRFS_JSON_PARTS_H
#define UVRFS_JSON_PARTS_H

#include "spec.h"
#include "status_fields.h"
#include "text.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * A failed addition sticks, as in a buf: without memory some json_set returns
 * -1, and the one look at the end finds it.
 */
struct maker {
	bool failed;
};

/* Takes over @value. */
void maker_set(struct maker *m, json_t *object, const char *key, json_t *value);

/* A string, null for NULL; bytes that are no UTF-8 are escaped. */
json_t *json_text(const char *text);

/* The string at @key of @map, "" when there is none.  The map's. */
const char *json_text_at(const json_t *map, const char *key);

/* That string is an item of @list, an array or not. */
bool json_has_text(const json_t *list, const char *text);

/* A field of the struct at @base; a time as @stamp writes it, null for never. */
json_t *json_field(const struct field *f, const void *base,
		   const char *(*stamp)(int64_t ms,
					char out[static TIME_TEXT_MAX]));

/* An object of texts; those that are NULL are left out. */
json_t *json_texts(struct maker *m, const struct pair *pairs, size_t count);

/* `spec:` of a manifest. */
json_t *spec_json(struct maker *m, const struct spec *s);

#endif
