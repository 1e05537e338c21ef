/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UnifiedVolumeReplication as an API server may send it: what is taken for
 * ours is written back to what reads the same.
 */
#include "fuzz.h"

#include "object.h"
#include "merge_patch.h"

#include <stdlib.h>
#include <string.h>

static struct object *read_object(const json_t *value)
{
	struct error err = {0};
	struct object *o = object_read(value, &err);

	ck_assert_int_eq(!o, *err.msg != '\0');
	if (!o)
		return NULL;
	ck_assert_int_eq(!o->asked, !!o->fault);
	ck_assert_int_eq(!o->spec, !o->status);
	if (o->fault)
		check_sentence(o->fault);
	return o;
}

static char *status_text(const struct object *o)
{
	const struct object_record record = {
		.spec = o->spec,
		.status = o->status,
		.writer = o->writer,
	};
	json_t *status = object_status(&record);
	char *text = json_dumps(status, JSON_SORT_KEYS);

	json_decref(status);
	ck_assert_ptr_nonnull(text);
	return text;
}

/* As the store writes it, and the server then has it. */
static void check_written(json_t *value, const struct object *o)
{
	char *text = status_text(o), *again;
	json_t *patch = json_pack("{s:o}", "status",
				  json_loads(text, 0, NULL));
	json_t *copy = json_deep_copy(value);
	struct object *other;

	merge_patch(copy, patch);
	other = read_object(copy);
	ck_assert_msg(other && other->spec, "%s", text);
	ck_assert(spec_equal(other->spec, o->spec));
	again = status_text(other);
	ck_assert_str_eq(again, text);
	object_free(other);
	json_decref(copy);
	json_decref(patch);
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *value = json_loadb((const char *)data, size, 0, NULL);
	struct object *o = value ? read_object(value) : NULL;

	if (o && o->spec)
		check_written(value, o);
	object_free(o);
	json_decref(value);
	return 0;
}
