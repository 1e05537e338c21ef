/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests as text, and that all of it reads back the same. */
#include "manifest.h"
#include "manifests.h"
#include "suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct spec *base_spec(void)
{
	struct error err = {0};
	struct spec *spec = manifest_parse(WHOLE, strlen(WHOLE), NULL, &err);

	ck_assert_msg(spec != NULL, "%s", err.msg);
	return spec;
}

START_TEST(rendered_whole)
{
	const struct status status = {
		.uid = "8d5e-1",
		.created = 1700000000000,
		.generation = 3,
		.resource_version = 41,
	};
	struct manifest_meta meta;
	struct error err = {0};
	auto_spec base = base_spec();
	auto_spec again = NULL;
	auto_buf out;

	buf_init(&out, 4096);
	manifest_render("database", "production-db", base, &status, &out);
	ck_assert_str_eq(buf_str(&out),
			 "apiVersion: replication.unified.io/v1alpha1\n"
			 "kind: UnifiedVolumeReplication\n"
			 "metadata:\n"
			 "  creationTimestamp: \"2023-11-14T22:13:20Z\"\n"
			 "  generation: 3\n"
			 "  name: production-db\n"
			 "  namespace: database\n"
			 "  resourceVersion: \"41\"\n"
			 "  uid: 8d5e-1\n"
			 "spec:\n"
			 "  destinationEndpoint:\n"
			 "    cluster: dr-cluster\n"
			 "    region: us-west-1\n"
			 "    storageClass: ceph-rbd\n"
			 "  replicationMode: asynchronous\n"
			 "  replicationState: replica\n"
			 "  schedule:\n"
			 "    mode: interval\n"
			 "    rpo: 5m\n"
			 "    rto: 1h\n"
			 "  sourceEndpoint:\n"
			 "    cluster: prod-cluster\n"
			 "    region: us-east-1\n"
			 "    storageClass: ceph-rbd\n"
			 "  volumeMapping:\n"
			 "    destination:\n"
			 "      namespace: database\n"
			 "      volumeHandle: pool/img\n"
			 "    source:\n"
			 "      namespace: database\n"
			 "      pvcName: data\n");
	again = manifest_parse(buf_str(&out), out.len, &meta, &err);
	ck_assert(spec_equal(base, again));
	ck_assert_str_eq(meta.resource_version, "41");
}
END_TEST

START_TEST(rendered_parts_read_back)
{
	struct error err = {0};
	auto_spec base = base_spec();
	auto_spec a = NULL;
	auto_spec b = NULL;
	auto_buf out;

	buf_init(&out, 4096);
	manifest_render_endpoints(base, &out);
	ck_assert_str_eq(buf_str(&out), "source:\n"
					"  cluster: prod-cluster\n"
					"  region: us-east-1\n"
					"  storageClass: ceph-rbd\n"
					"destination:\n"
					"  cluster: dr-cluster\n"
					"  region: us-west-1\n"
					"  storageClass: ceph-rbd\n");
	a = manifest_parse_endpoints(buf_str(&out), out.len, base, &err);
	ck_assert(spec_equal(a, base));
	ck_assert_ptr_null(a->written);
	buf_reset(&out);
	manifest_render_schedule(base, &out);
	ck_assert_str_eq(buf_str(&out), "mode: interval\nrpo: 5m\nrto: 1h\n");
	b = manifest_parse_schedule(buf_str(&out), out.len, base, &err);
	ck_assert(spec_equal(b, base));
	buf_reset(&out);
	manifest_render_volumes(base, &out);
	ck_assert_str_eq(buf_str(&out), "destination:\n"
					"  namespace: database\n"
					"  volumeHandle: pool/img\n"
					"source:\n"
					"  namespace: database\n"
					"  pvcName: data\n");
}
END_TEST

/* One text of pieces that YAML has a meaning for. */
static const char *any_text(unsigned *seed, char *out, size_t size)
{
	static const char *const pieces[] = {
		"a",	"1",	"-",	" ",  "\n",   "\t",	": ",
		"#",	" #",	"'",	"\"", "\\",   "[",	"{",
		"&",	"*",	"!",	"|",  ">",    "%",	"---",
		"yes",	"null", "~",	"?",  "\r",   "\x01",	"\xc2\x85",
		"\xe2\x80\xa8", "\xef\xbb\xbf", "\xf0\x9f\x98\x80"};
	size_t n = 0, k, count;

	*seed = *seed * 1103515245 + 12345;
	count = *seed / 65536 % 7;
	out[0] = '\0';
	for (k = 0; k < count; k++) {
		*seed = *seed * 1103515245 + 12345;
		n += (size_t)snprintf(out + n, size - n, "%s",
				      pieces[*seed / 65536 %
					     (sizeof pieces /
					      sizeof *pieces)]);
	}
	return out;
}

START_TEST(what_is_rendered_parses_to_the_same)
{
	struct spec from;
	unsigned seed = 7, i;
	char t[4][80], full[4][96];

	for (i = 0; i < 4000; i++) {
		struct error err = {0};
		struct pair labels[] = {{"yes", "1"}, {"1", ""}, {"a/b", "no"}};
		struct pair notes[] = {{"null", any_text(&seed, t[0], 80)},
				       {"x/y", any_text(&seed, t[1], 80)}};
		auto_spec base = base_spec();
		auto_spec made = NULL;
		auto_spec again = NULL;
		auto_buf out;

		any_text(&seed, t[2], 80);
		any_text(&seed, t[3], 80);
		snprintf(full[2], sizeof full[2], i % 2 ? "%sx" : "x%s", t[2]);
		snprintf(full[3], sizeof full[3], i % 3 ? "%s." : "7%s", t[3]);
		from = *base;
		from.source.region = full[2];
		from.volume_handle = full[3];
		from.source.cluster = i % 2 ? "yes" : "1";
		from.pvc_name = i % 2 ? "null" : "1e3";
		from.labels = labels;
		from.label_count = i % 4;
		from.annotations = notes;
		from.annotation_count = i % 3;
		from.extensions = i % 16 & EXTENSION_PRESENT ? i % 16 : 0;
		from.mirroring = from.extensions & EXTENSION_CEPH
					 ? (enum mirroring)(i % 3)
					 : MIRRORING_NONE;
		from.rto = i % 2 ? NULL : "0s";
		made = spec_new(&from);
		ck_assert_msg(spec_validate(made, &err) == 0, "%s", err.msg);
		buf_init(&out, 64 * 1024);
		manifest_render("ns", "1", made, NULL, &out);
		again = manifest_parse(buf_str(&out), out.len, NULL, &err);
		ck_assert_msg(again != NULL, "%s\n%s", err.msg, buf_str(&out));
		ck_assert_msg(spec_equal(made, again), "%s", buf_str(&out));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manifest_render");
	TCase *tc = tcase_create("manifest_render");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rendered_whole);
	tcase_add_test(tc, rendered_parts_read_back);
	tcase_add_test(tc, what_is_rendered_parses_to_the_same);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
