/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of JSON that status.json and the objects of an API server are both
 * made from.  Private to core.
 */
#ifndef UVRFS_JSON_PARTS_H
#define UVRFS_JSON_PARTS_H

#include "spec.h"

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

/* An object of texts; those that are NULL are left out. */
json_t *json_texts(struct maker *m, const struct pair *pairs, size_t count);

/* `spec:` of a manifest. */
json_t *spec_json(struct maker *m, const struct spec *s);

#endif
