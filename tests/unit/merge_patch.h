/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 7386, as API servers take it. */
#ifndef UVRFS_MERGE_PATCH_H
#define UVRFS_MERGE_PATCH_H

#include <jansson.h>

static inline void merge_patch(json_t *into, json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach(patch, key, value) {
		if (json_is_null(value)) {
			json_object_del(into, key);
		} else if (json_is_object(value)) {
			if (!json_is_object(json_object_get(into, key)))
				json_object_set_new(into, key, json_object());
			merge_patch(json_object_get(into, key), value);
		} else {
			json_object_set_new(into, key, json_deep_copy(value));
		}
	}
}

#endif
