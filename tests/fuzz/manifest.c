/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests, and the parts of them that are written to `endpoints` and
 * `schedule`: what is accepted is rendered to what is accepted and the same.
 */
#include "fuzz.h"

#include "manifest.h"
#include "node.h"
#include "manifests.h"

#include <jansson.h>
#include <errno.h>
#include <string.h>

static const char whole[] = WHOLE;

typedef void render(const struct spec *spec, struct buf *out);

static const struct status status = {
	.uid = "0",
	.generation = 1,
	.resource_version = 1,
};

static void render_manifest(const struct spec *spec, struct buf *out)
{
	manifest_render("database", "db", spec, &status, out);
}

/* A copy of its own, so that a byte too far is seen. */
static struct spec *parse(const char *text, size_t len, struct error *err)
{
	char *copy = malloc(len);
	struct spec *spec;

	memcpy(copy, text, len);
	*err = (struct error){0};
	spec = manifest_parse(copy, len, NULL, err);
	free(copy);
	if (!spec) {
		ck_assert(err->code == EINVAL || err->code == EFBIG);
		check_sentence(err->msg);
	}
	return spec;
}

static void check_spec(const struct spec *spec)
{
	auto_buf first, second;
	struct error err;
	auto_spec again = NULL;

	ck_assert_msg(spec_validate(spec, &err) == 0, "%s", err.msg);
	buf_init(&first, 4 * MANIFEST_MAX);
	buf_init(&second, 4 * MANIFEST_MAX);
	render_manifest(spec, &first);
	ck_assert_int_eq(first.failed, 0);
	again = parse(buf_str(&first), first.len, &err);
	if (!again && err.code == EFBIG)
		return;
	ck_assert_msg(again, "%s: %s", err.msg, buf_str(&first));
	ck_assert(spec_equal(again, spec));
	render_manifest(again, &second);
	ck_assert_str_eq(buf_str(&second), buf_str(&first));
}

static void check_json(const char *text, size_t len, const struct spec *same)
{
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	auto_spec spec = NULL;
	auto_node root = NULL;
	struct error err;

	if (!value)
		return;
	root = node_from_json(value, &err);
	spec = root ? manifest_from_node(root, NULL, &err) : NULL;
	json_decref(value);
	if (spec)
		check_spec(spec);
	if (spec && same)
		ck_assert(spec_equal(spec, same));
}

static void check_part(const char *text, size_t len,
		       struct spec *(*parse_part)(const char *, size_t,
						  const struct spec *,
						  struct error *),
		       render *render_part)
{
	struct error err = {0};
	auto_spec base = parse(whole, sizeof whole - 1, &err);
	auto_spec again = NULL;
	auto_spec spec = parse_part(text, len, base, &err);
	auto_buf out;

	buf_init(&out, MANIFEST_MAX);
	if (!spec) {
		check_sentence(err.msg);
		return;
	}
	render_part(spec, &out);
	again = parse_part(buf_str(&out), out.len, spec, &err);
	ck_assert_msg(again, "%s: %s", err.msg, buf_str(&out));
	ck_assert(spec_equal(again, spec));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct error err;
	auto_spec spec = parse(text, size, &err);

	if (spec) {
		ck_assert_uint_eq(spec->written_len, size);
		ck_assert_mem_eq(spec->written, text, size);
		check_spec(spec);
	}
	check_json(text, size, spec);
	check_part(text, size, manifest_parse_endpoints,
		   manifest_render_endpoints);
	check_part(text, size, manifest_parse_schedule,
		   manifest_render_schedule);
	return 0;
}
