/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that can be written alone, and the rules that need no text. */
#include "manifest.h"
#include "manifests.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
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

#define SWAPPED_SOURCE "cluster: dr-cluster, region: us-west-1"
#define SWAPPED_DESTINATION "cluster: prod-cluster, region: us-east-1"

static const char *const exchanges[] = {
	/* The tutorial's own block. */
	"spec:\n"
	"  sourceEndpoint:\n"
	"    cluster: dr-cluster      # Now source\n"
	"    region: us-west-1\n"
	"  destinationEndpoint:\n"
	"    cluster: prod-cluster    # Now replica\n"
	"    region: us-east-1\n",
	"sourceEndpoint: {" SWAPPED_SOURCE "}\n"
	"destinationEndpoint: {" SWAPPED_DESTINATION ", storageClass: null}\n",
	"destination: {" SWAPPED_DESTINATION "}\nsource: {" SWAPPED_SOURCE
	"}\n",
	"{\"source\":\t{\"cluster\":\"dr-cluster\",\"region\":\"us-west-1\"},"
	"\"destination\":{\"cluster\":\"prod-cluster\",\"region\":"
	"\"us-east-1\",\"storageClass\":\"gold\"}}",
};

START_TEST(endpoints_exchanged)
{
	struct error err = {0};
	struct spec want;
	auto_spec base = base_spec();
	auto_spec a = NULL;
	auto_spec other = NULL;

	want = *base;
	want.source.storage_class = "gold";
	other = spec_new(&want);
	a = manifest_parse_endpoints(exchanges[_i], strlen(exchanges[_i]),
				     other, &err);
	ck_assert_msg(a != NULL, "%s", err.msg);
	ck_assert(endpoint_equal(&a->source, &base->destination));
	ck_assert(endpoint_equal(&a->destination, &other->source));
	ck_assert_ptr_null(a->written);
	want.source = a->source;
	want.destination = a->destination;
	ck_assert(spec_equal(a, &want));
}
END_TEST

/* Where the class comes from when cluster or region alone tells. */
START_TEST(class_taken_over)
{
	static const struct {
		const char *cluster, *region, *class;
	} rows[] = {
		{"one", "elsewhere", "a"},  /* the cluster alone */
		{"two", "north", "b"},	    /* the cluster before the region */
		{"new", "south", "b"},	    /* the region alone */
		{"new", "elsewhere", NULL}, /* neither */
	};
	struct spec from;
	char text[256];
	size_t i;
	auto_spec base = base_spec();
	auto_spec two = NULL;

	from = *base;
	from.source = (struct endpoint){"one", "north", "a"};
	from.destination = (struct endpoint){"two", "south", "b"};
	two = spec_new(&from);
	for (i = 0; i < 4; i++) {
		struct error err = {0};
		auto_spec a = NULL;

		snprintf(text, sizeof text,
			 "source: {cluster: %s, region: %s}\n"
			 "destination: {cluster: z, region: z, "
			 "storageClass: z}\n", rows[i].cluster,
			 rows[i].region);
		a = manifest_parse_endpoints(text, strlen(text), two, &err);
		if (rows[i].class)
			ck_assert_str_eq(a->source.storage_class,
					 rows[i].class);
		else
			ck_assert_str_eq(
				err.msg,
				"source.storageClass (line 1): required, as no "
				"one endpoint has this cluster or region "
				"already");
	}
}
END_TEST

/* Two classes in one cluster: the region tells them apart, or nothing does. */
START_TEST(class_in_one_cluster)
{
	static const char text[] = "source: {cluster: one, region: south}\n"
				   "destination: {cluster: one, region: "
				   "north}\n";
	struct error err = {0};
	struct spec from;
	auto_spec base = base_spec();
	auto_spec two = NULL;
	auto_spec a = NULL;
	auto_spec same = NULL;

	from = *base;
	from.source = (struct endpoint){"one", "north", "a"};
	from.destination = (struct endpoint){"one", "south", "b"};
	two = spec_new(&from);
	a = manifest_parse_endpoints(text, strlen(text), two, &err);
	ck_assert(endpoint_equal(&a->source, &from.destination));
	ck_assert(endpoint_equal(&a->destination, &from.source));
	from.destination.region = "north";
	same = spec_new(&from);
	ck_assert_ptr_null(manifest_parse_endpoints(text, strlen(text), same,
						    &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "destination.storageClass "
					      "(line 2): required, as no "));
}
END_TEST

static const struct {
	bool schedule;
	const char *text;
	const char *sentence;
} refused[] = {
	{false, "swop\n", "document (line 1): must be a mapping, is a string"},
	{false, "", "the document is empty"},
	{false, "source: {" SWAPPED_SOURCE "}\n",
	 "destination (line 1): required, is missing"},
	{false, "spec:\n  sourceEndpoint: {cluster: X}\n  schedule: {}\n",
	 "spec.sourceEndpoint.cluster (line 2): 'X' does not match "
	 "^[a-z0-9]([a-z0-9\\-\\.]*[a-z0-9])?$; spec.sourceEndpoint.region "
	 "(line 2): required, is missing; spec.schedule (line 3): unknown "
	 "field (known here: sourceEndpoint, destinationEndpoint); "
	 "spec.destinationEndpoint (line 1): required, is missing"},
	{false, "source: {" SWAPPED_SOURCE "}\ndestination: {" SWAPPED_SOURCE
	 "}\n",
	 "destination (line 2): identical to the source endpoint (cluster: "
	 "'dr-cluster', region: 'us-west-1', storageClass: 'ceph-rbd')"},
	{false, "spec:\n  sourceEndpoint: {" SWAPPED_SOURCE "}\n"
	 "  destinationEndpoint: {" SWAPPED_SOURCE "}\n",
	 "spec.destinationEndpoint (line 3): identical to the source endpoint "
	 "(cluster: 'dr-cluster', region: 'us-west-1', storageClass: "
	 "'ceph-rbd')"},
	{false, "sourceEndpoint: &a {" SWAPPED_SOURCE "}\n"
	 "destinationEndpoint: *a\n",
	 "sourceEndpoint (line 1): anchors are not allowed; "
	 "destinationEndpoint (line 2): aliases are not allowed"},
	{true, "mode: interval\n",
	 "rpo (line 1): required when mode is interval"},
	{true, "schedule:\n  mode: interval\n  rpo: 5x\n  x: y\n",
	 "schedule.rpo (line 3): '5x' does not match ^[0-9]+(s|m|h|d)$; "
	 "schedule.x (line 4): unknown field (known here: mode, rpo, rto)"},
	{true, "spec:\n  schedule: {rpo: 5m}\n  replicationMode: x\n",
	 "spec.schedule.mode (line 2): required, is missing; "
	 "spec.replicationMode (line 3): unknown field (known here: "
	 "schedule)"},
	{true, "rpo: 5m\nrpo: 6m\n",
	 "rpo (line 2): duplicate key, first on line 1; mode (line 1): "
	 "required, is missing"},
};

START_TEST(parts_refused)
{
	struct error err = {0};
	auto_spec base = base_spec();
	auto_spec spec = NULL;
	const char *text = refused[_i].text;

	spec = (refused[_i].schedule ? manifest_parse_schedule
				     : manifest_parse_endpoints)(
		text, strlen(text), base, &err);
	ck_assert_msg(spec == NULL, "accepted: %s", text);
	ck_assert_int_eq(err.code, EINVAL);
	ck_assert_str_eq(err.msg, refused[_i].sentence);
}
END_TEST

START_TEST(schedules)
{
	static const char *const texts[] = {
		"mode: continuous\n", "schedule:\n  mode: continuous\n",
		"spec: {schedule: {mode: continuous, rpo: null}}\n"};
	struct error err = {0};
	auto_spec base = base_spec();
	size_t i;

	for (i = 0; i < 3; i++) {
		auto_spec a = manifest_parse_schedule(
			texts[i], strlen(texts[i]), base, &err);

		ck_assert_msg(a != NULL, "%s", err.msg);
		ck_assert_int_eq(a->schedule, SCHEDULE_CONTINUOUS);
		ck_assert_ptr_null(a->rpo);
		ck_assert_ptr_null(a->rto);
		ck_assert(endpoint_equal(&a->source, &base->source));
	}
}
END_TEST

START_TEST(parts_too_big)
{
	char *text = calloc(1, MANIFEST_MAX + 1);
	struct error err = {0};
	auto_spec base = base_spec();

	ck_assert_ptr_null(manifest_parse_schedule(text, MANIFEST_MAX + 1,
						   base, &err));
	ck_assert_int_eq(err.code, EFBIG);
	free(text);
}
END_TEST

START_TEST(rules_without_text)
{
	struct pair bad[] = {{"a b", "x y"}};
	struct error err = {0};
	struct spec from, nothing = {0};
	auto_spec base = base_spec();

	ck_assert_int_eq(spec_validate(base, &err), 0);
	from = *base;
	from.source = from.destination;
	from.rpo = NULL;
	from.rto = "x";
	from.pvc_name = "A";
	from.volume_handle = "";
	from.state = STATE_NONE;
	from.labels = bad;
	from.label_count = 1;
	ck_assert_int_eq(spec_validate(&from, &err), -EINVAL);
	ck_assert_str_eq(
		err.msg,
		"metadata.labels.a b: the key's name is not at most 63 "
		"letters, digits, and - _ . between them; metadata.labels.a "
		"b: 'x y' is not a label value (at most 63 letters, digits, "
		"and - _ . between them); spec.volumeMapping.source.pvcName: "
		"'A' does not match ^[a-z0-9]([a-z0-9\\-\\.]*[a-z0-9])?$; "
		"spec.volumeMapping.destination.volumeHandle: must not be "
		"empty; spec.replicationState: required, is missing; "
		"spec.schedule.rto: 'x' does not match ^[0-9]+(s|m|h|d)$; "
		"spec.schedule.rpo: required when mode is interval; "
		"spec.destinationEndpoint: identical to the source endpoint "
		"(cluster: 'dr-cluster', region: 'us-west-1', storageClass: "
		"'ceph-rbd')");
	ck_assert_int_eq(spec_validate(&nothing, &err), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manifest_parts");
	TCase *tc = tcase_create("manifest_parts");

	tcase_add_loop_test(tc, endpoints_exchanged, 0,
			    sizeof exchanges / sizeof *exchanges);
	tcase_add_test(tc, class_taken_over);
	tcase_add_test(tc, class_in_one_cluster);
	tcase_add_loop_test(tc, parts_refused, 0,
			    sizeof refused / sizeof *refused);
	tcase_add_test(tc, schedules);
	tcase_add_test(tc, parts_too_big);
	tcase_add_test(tc, rules_without_text);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
