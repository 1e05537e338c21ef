/* SPDX-License-Identifier: Apache-2.0 */
/* Specs: copies that own all their text, equality, counting, words. */
#include "spec.h"
#include "suite.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct pair labels[] = {{"tier", "gold"}, {"app", "db"}};
static struct pair annotations[] = {{"uvrfs/deletion-policy", "delete"}};

static struct spec sample(void)
{
	return (struct spec){
		.refs = 77,
		.source = {"prod", "us-east-1", "ceph-rbd"},
		.destination = {"dr", "us-west-1", "ceph-rbd"},
		.pvc_name = "data",
		.pvc_namespace = "database",
		.volume_handle = "pool/image",
		.volume_namespace = "database",
		.state = STATE_REPLICA,
		.mode = MODE_ASYNCHRONOUS,
		.schedule = SCHEDULE_INTERVAL,
		.rpo = "5m",
		.extensions = EXTENSION_PRESENT | EXTENSION_CEPH,
		.mirroring = MIRRORING_SNAPSHOT,
		.labels = labels,
		.label_count = 2,
		.annotations = annotations,
		.annotation_count = 1,
		.written = "by\0tes",
		.written_len = 6,
	};
}

START_TEST(copy_owns_everything)
{
	char cluster[] = "prod", value[] = "gold", written[] = "bytes";
	struct pair own[] = {{"tier", value}, {"app", "db"}};
	struct spec from = sample();
	auto_spec a = NULL;

	from.source.cluster = cluster;
	from.labels = own;
	from.written = written;
	from.written_len = 5;
	a = spec_new(&from);
	memset(cluster, 'x', 4);
	memset(value, 'x', 4);
	memset(written, 'x', 5);
	own[0].key = own[1].key = NULL;
	ck_assert_uint_eq(a->refs, 1);
	ck_assert_str_eq(a->source.cluster, "prod");
	ck_assert_str_eq(a->destination.region, "us-west-1");
	ck_assert_str_eq(a->volume_handle, "pool/image");
	ck_assert_str_eq(a->rpo, "5m");
	ck_assert_ptr_null(a->rto);
	ck_assert_int_eq(a->state, STATE_REPLICA);
	ck_assert_int_eq(a->mirroring, MIRRORING_SNAPSHOT);
	ck_assert_str_eq(a->labels[0].key, "app");
	ck_assert_str_eq(a->labels[1].value, "gold");
	ck_assert_mem_eq(a->written, "bytes", 5);
	ck_assert_str_eq(spec_annotation(a, "uvrfs/deletion-policy"),
			 "delete");
	ck_assert_ptr_null(spec_annotation(a, "uvrfs/other"));
}
END_TEST

START_TEST(copy_of_a_copy_and_of_nothing)
{
	struct spec from = sample(), nothing = {.written_len = 9};
	auto_spec a = spec_new(&from);
	auto_spec b = spec_new(a);
	auto_spec c = spec_new(&nothing);

	ck_assert(spec_equal(a, b));
	ck_assert_uint_eq(b->written_len, 6);
	ck_assert_mem_eq(b->written, "by\0tes", 6);
	ck_assert_ptr_null(c->source.cluster);
	ck_assert_ptr_null(c->written);
	ck_assert_uint_eq(c->written_len, 0);
	ck_assert(!spec_equal(a, c));
	ck_assert(spec_equal(c, c));
}
END_TEST

/* Each change makes another spec; the bytes as written don't. */
START_TEST(equality)
{
	struct pair other[] = {{"app", "db"}, {"tier", "tin"}};
	struct pair swapped[] = {{"app", "db"}, {"tier", "gold"}};
	static const char *const told[17] = {
		"sourceEndpoint.cluster prod -> x",
		"sourceEndpoint.region us-east-1 -> x",
		"sourceEndpoint.storageClass ceph-rbd -> x",
		"destinationEndpoint.cluster dr -> x",
		"destinationEndpoint.region us-west-1 -> x",
		"destinationEndpoint.storageClass ceph-rbd -> x",
		"volumeMapping.source.pvcName data -> x",
		"volumeMapping.source.namespace database -> x",
		"volumeMapping.destination.volumeHandle pool/image -> x",
		"volumeMapping.destination.namespace database -> x",
		"mode asynchronous -> synchronous",
		"schedule.mode interval -> continuous",
		"schedule.rpo 5m -> -",
		"schedule.rto - -> 5m",
		"extensions.ceph there -> -",
		"label tier gold -> tin",
		"annotation uvrfs/deletion-policy delete -> -",
	};
	struct spec from = sample(), changed[17];
	auto_spec a = spec_new(&from);
	char text[128];
	size_t i;

	for (i = 0; i < 17; i++)
		changed[i] = from;
	changed[0].source.cluster = "x";
	changed[1].source.region = "x";
	changed[2].source.storage_class = "x";
	changed[3].destination.cluster = "x";
	changed[4].destination.region = "x";
	changed[5].destination.storage_class = "x";
	changed[6].pvc_name = "x";
	changed[7].pvc_namespace = "x";
	changed[8].volume_handle = "x";
	changed[9].volume_namespace = "x";
	changed[10].mode = MODE_SYNCHRONOUS;
	changed[11].schedule = SCHEDULE_CONTINUOUS;
	changed[12].rpo = NULL;
	changed[13].rto = "5m";
	changed[14].extensions = EXTENSION_PRESENT;
	changed[15].labels = other;
	changed[16].annotation_count = 0;
	for (i = 0; i < 17; i++) {
		auto_spec b = spec_new(&changed[i]);

		ck_assert_msg(!spec_equal(a, b), "change %zu", i);
		ck_assert(!spec_equal_but_state(a, b));
		spec_changes(a, b, text, sizeof text);
		ck_assert_str_eq(text, told[i]);
	}
	from.labels = swapped;
	from.written = NULL;
	from.state = STATE_SOURCE;
	{
		auto_spec b = spec_new(&from);

		ck_assert(!spec_equal(a, b));
		ck_assert(spec_equal_but_state(a, b));
		spec_changes(a, b, text, sizeof text);
		ck_assert_str_eq(text, "");
	}
}
END_TEST

START_TEST(many_changes)
{
	struct pair more[] = {{"app", "db"}, {"b", "it's, or so"}, {"c", ""}};
	struct pair notes[] = {{"aa", "1"}, {"uvrfs/x", "y"}, {"zz", "2"}};
	struct spec from = sample(), to = sample();
	auto_spec a = spec_new(&from);
	auto_spec b = NULL;
	char text[512];

	to.source = from.destination;
	to.destination = from.source;
	to.labels = more;
	to.label_count = 3;
	to.annotations = notes;
	to.annotation_count = 3;
	b = spec_new(&to);
	spec_changes(a, b, text, sizeof text);
	ck_assert_str_eq(text,
			 "endpoints exchanged, annotation uvrfs/deletion-policy "
			 "delete -> -, annotation uvrfs/x - -> y, "
			 "label b - -> 'it''s, or so', label c - -> '', "
			 "label tier gold -> -, annotation aa - -> 1, "
			 "annotation zz - -> 2");
	/* What weighs most is told first. */
	spec_changes(a, b, text, 120);
	ck_assert_str_eq(text,
			 "endpoints exchanged, annotation uvrfs/deletion-policy "
			 "delete -> -, and 6 more");
	spec_changes(a, b, text, 40);
	ck_assert_str_eq(text, "and 8 more");
}
END_TEST

START_TEST(endpoints)
{
	struct endpoint a = {"c", "r", "s"}, b = {"c", "r", "t"};

	ck_assert(endpoint_equal(&a, &a));
	ck_assert(!endpoint_equal(&a, &b));
}
END_TEST

static void *count_up_and_down(void *spec)
{
	int i;

	for (i = 0; i < 10000; i++)
		spec_unref(spec_ref(spec));
	spec_unref(spec);
	return NULL;
}

START_TEST(counting_from_threads)
{
	struct spec from = sample();
	struct spec *a = spec_new(&from);
	pthread_t threads[4];
	size_t i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						count_up_and_down,
						spec_ref(a)), 0);
	for (i = 0; i < 100; i++)
		spec_unref(spec_new(a));
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(a->refs, 1);
	spec_unref(a);
	spec_unref(NULL);
}
END_TEST

START_TEST(words)
{
	int i;

	for (i = MODE_NONE; i <= MODE_ASYNCHRONOUS; i++)
		ck_assert_int_eq(mode_parse(mode_text((enum mode)i)), i);
	for (i = SCHEDULE_NONE; i <= SCHEDULE_INTERVAL; i++)
		ck_assert_int_eq(schedule_parse(
			schedule_text((enum schedule_mode)i)), i);
	for (i = MIRRORING_NONE; i <= MIRRORING_SNAPSHOT; i++)
		ck_assert_int_eq(mirroring_parse(
			mirroring_text((enum mirroring)i)), i);
	ck_assert_int_eq(mode_parse("eventual"), MODE_NONE);
	ck_assert_int_eq(mode_parse("Synchronous"), MODE_NONE);
	ck_assert_int_eq(schedule_parse("manual"), SCHEDULE_NONE);
	ck_assert_int_eq(mirroring_parse("image"), MIRRORING_NONE);
	ck_assert_str_eq(mode_text(MODE_NONE), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spec");
	TCase *tc = tcase_create("spec");

	tcase_add_test(tc, copy_owns_everything);
	tcase_add_test(tc, copy_of_a_copy_and_of_nothing);
	tcase_add_test(tc, equality);
	tcase_add_test(tc, many_changes);
	tcase_add_test(tc, endpoints);
	tcase_add_test(tc, counting_from_threads);
	tcase_add_test(tc, words);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
