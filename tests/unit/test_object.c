/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of an API server: what is written reads back, whatever is in it. */
#include "fake_cluster.h"
#include "suite.h"

static struct error err;

static struct object *read_text(const char *text)
{
	json_t *value = parse_json(text);
	struct object *o = object_read(value, &err);

	json_decref(value);
	return o;
}

static struct object *read_now(void)
{
	struct object *o = object_read(cluster->object, &err);

	ck_assert_msg(o, "%s", err.msg);
	return o;
}

START_TEST(what_is_written_reads_back)
{
	struct object *o;

	ck_assert_int_eq(put(EDIT_HOLD, "a \"reason\": {x}"), 0);
	ck_assert_int_eq(put(EDIT_HOLD, ""), 0);
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	o = read_now();
	ck_assert(spec_equal(o->spec, the()->spec));
	ck_assert_ptr_eq(o->asked, o->spec);
	ck_assert_str_eq(o->writer, "us");
	ck_assert_str_eq(o->status->version, the()->status->version);
	ck_assert_uint_eq(o->status->resource_version,
			  the()->status->resource_version);
	ck_assert_int_eq(o->status->generation, the()->status->generation);
	ck_assert_uint_eq(o->status->request.id, the()->status->request.id);
	ck_assert_int_eq(o->status->request.deadline,
			 the()->status->request.deadline);
	ck_assert_int_eq(o->status->request.word, WORD_PROMOTING);
	ck_assert_str_eq(o->status->request.who.command, "bash");
	ck_assert_uint_eq(o->status->history_count,
			  the()->status->history_count);
	ck_assert_uint_eq(o->status->last_serial, the()->status->last_serial);
	ck_assert(status_conditions_equal(o->status, the()->status));
	ck_assert_ptr_null(o->status->hold);
	object_free(o);
}
END_TEST

/* A merge patch takes away what is no longer there. */
START_TEST(what_is_gone_is_gone)
{
	struct object *o;

	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	o = read_now();
	ck_assert_ptr_nonnull(o->status->failure);
	object_free(o);
	f->act_rc = 0;
	advance(60000);
	look();
	o = read_now();
	ck_assert_int_eq(o->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_ptr_null(o->status->failure);
	ck_assert_int_eq(o->status->intent.act, ACT_NONE);
	object_free(o);
}
END_TEST

/* Also deep within what was accepted. */
START_TEST(what_is_accepted_no_longer_is_gone)
{
	struct object *o;

	patch("{\"spec\": {\"schedule\": {\"rpo\": \"5m\"}, \"extensions\": "
	      "{\"ceph\": {\"mirroringMode\": \"journal\"}}}}");
	ck_assert_int_eq(the()->spec->mirroring, MIRRORING_JOURNAL);
	patch("{\"spec\": {\"schedule\": {\"rpo\": null}, \"extensions\": "
	      "{\"ceph\": null, \"trident\": {}}}}");
	o = read_now();
	ck_assert_uint_eq(o->spec->extensions,
			  EXTENSION_PRESENT | EXTENSION_TRIDENT);
	ck_assert_int_eq(o->spec->mirroring, MIRRORING_NONE);
	ck_assert_ptr_null(o->spec->rpo);
	ck_assert_ptr_eq(o->asked, o->spec);
	object_free(o);
}
END_TEST

START_TEST(bytes_that_were_written_are_kept)
{
	struct object *o;
	static const char text[] =
		"# mine\n" MANIFEST("prod", "db", "vol-1", "replica",
				    "synchronous");

	ck_assert_int_eq(put(EDIT_SPEC, text), 0);
	o = read_now();
	ck_assert_uint_eq(o->spec->written_len, strlen(text));
	ck_assert_int_eq(memcmp(o->spec->written, text, strlen(text)), 0);
	object_free(o);
}
END_TEST

START_TEST(annotations_that_are_no_part_of_a_spec)
{
	struct object *o;

	patch_silently("{\"metadata\": {\"annotations\": {\"uvrfs/force\": "
		       "\"swap\", \"uvrfs/asked-by\": \"host 1\", "
		       "\"kubectl.kubernetes.io/last-applied-configuration\": "
		       "\"{}\", \"mine\": \"1\"}}}");
	o = read_now();
	ck_assert_uint_eq(o->spec->annotation_count, 1);
	ck_assert_str_eq(spec_annotation(o->spec, "mine"), "1");
	ck_assert_str_eq(o->force, "swap");
	ck_assert_str_eq(o->asked_by, "host");
	object_free(o);
	/* It is about another generation. */
	patch_silently("{\"spec\": {\"schedule\": {\"rpo\": \"9m\"}}}");
	o = read_now();
	ck_assert_str_eq(o->asked_by, "");
	ck_assert_str_eq(o->asked->rpo, "9m");
	ck_assert_ptr_null(o->spec->rpo);
	object_free(o);
}
END_TEST

START_TEST(marks)
{
	struct object *o;

	patch_silently("{\"metadata\": {\"deletionTimestamp\": "
		       "\"2026-01-01T00:00:00Z\", \"finalizers\": [\"x/y\", "
		       "\"replication.storage.io/finalizer\"]}}");
	o = read_now();
	ck_assert(o->deleting && !o->applied);
	ck_assert_uint_eq(json_array_size(o->finalizers), 2);
	object_free(o);
	patch_silently("{\"metadata\": {\"managedFields\": [{\"manager\": "
		       "\"argocd\", \"operation\": \"Apply\", \"fieldsV1\": "
		       "{\"f:spec\": {\"f:replicationState\": {}}}}]}}");
	o = read_now();
	ck_assert(o->applied);
	object_free(o);
}
END_TEST

START_TEST(labels_come_and_go)
{
	json_t *meta = json_object();
	struct pair was[] = {{"a", "1"}, {"b", "2"}}, now[] = {{"b", "3"}};
	struct spec old = *the()->spec, new = old;
	char *text;

	old.labels = was;
	old.label_count = 2;
	new.labels = now;
	new.label_count = 1;
	ck_assert_int_eq(object_metadata(meta, &new, &old), 0);
	text = json_dumps(json_object_get(meta, "labels"), JSON_SORT_KEYS);
	ck_assert_str_eq(text, "{\"a\": null, \"b\": \"3\"}");
	free(text);
	json_decref(meta);
}
END_TEST

START_TEST(what_is_no_object)
{
	static const char *const texts[] = {
		"{}", "{\"metadata\": 1}",
		"{\"metadata\": {\"name\": \"a\", \"namespace\": \"b\"}}",
		("{\"metadata\": {\"name\": [], \"namespace\": \"b\", "
		 "\"resourceVersion\": \"1\"}}"),
	};
	size_t i;

	for (i = 0; i < sizeof texts / sizeof *texts; i++)
		ck_assert_ptr_null(read_text(texts[i]));
}
END_TEST

/* A slip in a record that was lost would lose a transition. */
START_TEST(a_damaged_status_is_refused)
{
	static const struct {
		const char *patch, *sentence;
	} cases[] = {
		{"{\"status\": {\"request\": {\"word\": \"flying\"}}}",
		 "database/db: status.request.word"},
		{"{\"status\": {\"intent\": {\"serial\": -1}}}",
		 "status.intent.serial"},
		{"{\"status\": {\"specDigest\": null}}", "specDigest"},
		{"{\"status\": {\"accepted\": {\"replicationMode\": "
		 "\"maybe\"}}}", "replicationMode"},
		{"{\"status\": {\"updated\": \"yesterday\"}}",
		 "status.updated"},
	};
	json_t *whole = json_deep_copy(cluster->object);
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		patch_silently(cases[i].patch);
		ck_assert_ptr_null(object_read(cluster->object, &err));
		ck_assert_msg(strstr(err.msg, cases[i].sentence), "%s",
			      err.msg);
		json_decref(cluster->object);
		cluster->object = json_deep_copy(whole);
	}
	json_decref(whole);
}
END_TEST

/* They become names in the tree, and parts of the paths of requests. */
START_TEST(names_that_no_server_would_give)
{
	static const char *const names[] = {
		"../../etc", "..", ".", "a/b", "", "A", "a\\n", "a\\u001b[2J",
		"a?b", "a%2fb", "-a", "a b", "a\\u00e9",
	};
	static const char *const keys[] = {"name", "namespace"};
	json_t *whole;
	char patch[128];
	size_t i, k;

	/* One that somebody has just made. */
	json_object_del(cluster->object, "status");
	whole = json_deep_copy(cluster->object);
	for (i = 0; i < sizeof names / sizeof *names; i++)
		for (k = 0; k < 2; k++) {
			snprintf(patch, sizeof patch,
				 "{\"metadata\": {\"%s\": \"%s\"}}", keys[k],
				 names[i]);
			patch_silently(patch);
			ck_assert_msg(!object_read(cluster->object, &err),
				      "taken: %s", patch);
			json_decref(cluster->object);
			cluster->object = json_deep_copy(whole);
		}
	json_decref(whole);
}
END_TEST

START_TEST(what_others_have_in_a_status_is_theirs)
{
	struct object *o;

	json_object_del(cluster->object, "status");
	patch_silently("{\"status\": {\"conditions\": [{\"type\": \"Ready\", "
		       "\"status\": \"True\"}], \"phase\": \"Running\"}}");
	o = read_now();
	ck_assert_ptr_null(o->status);
	ck_assert_ptr_null(o->spec);
	ck_assert_ptr_nonnull(o->asked);
	object_free(o);
}
END_TEST

START_TEST(a_spec_that_breaks_the_rules)
{
	struct object *o;

	patch_silently("{\"spec\": {\"schedule\": {\"mode\": \"interval\"}}}");
	o = read_now();
	ck_assert_ptr_null(o->asked);
	ck_assert_ptr_nonnull(strstr(o->fault, "spec.schedule"));
	/* There is no text that has lines. */
	ck_assert_ptr_null(strstr(o->fault, "line"));
	ck_assert_ptr_nonnull(o->spec);
	object_free(o);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("object");
	TCase *tc = tcase_create("object");

	tcase_add_checked_fixture(tc, setup_cluster, teardown_cluster);
	tcase_add_test(tc, what_is_written_reads_back);
	tcase_add_test(tc, what_is_gone_is_gone);
	tcase_add_test(tc, what_is_accepted_no_longer_is_gone);
	tcase_add_test(tc, bytes_that_were_written_are_kept);
	tcase_add_test(tc, annotations_that_are_no_part_of_a_spec);
	tcase_add_test(tc, marks);
	tcase_add_test(tc, labels_come_and_go);
	tcase_add_test(tc, what_is_no_object);
	tcase_add_test(tc, a_damaged_status_is_refused);
	tcase_add_test(tc, names_that_no_server_would_give);
	tcase_add_test(tc, what_others_have_in_a_status_is_theirs);
	tcase_add_test(tc, a_spec_that_breaks_the_rules);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
