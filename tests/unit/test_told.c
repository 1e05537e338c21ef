/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit tells of each write: what was there, what is now, or why not. */
#include "shared_looks.h"

/* The last line of the audit says this of it. */
static void told(const char *what)
{
	const char *found = strstr(f->audit, "comm=bash ");

	ck_assert_msg(found, "%s", f->audit);
	ck_assert_str_eq(found + strlen("comm=bash "), what);
}

static void write_and_told(enum edit_kind kind, const char *text, int rc,
			   const char *what)
{
	ck_assert_int_eq(put(kind, text), rc);
	told(what);
}

START_TEST(what_a_file_changes)
{
	write_and_told(EDIT_MODE, "synchronous", 0,
		       "accepted: mode asynchronous -> synchronous");
	write_and_told(EDIT_SCHEDULE, "{mode: interval, rpo: 5m}\n", 0,
		       "accepted: schedule.mode continuous -> interval, "
		       "schedule.rpo - -> 5m");
	write_and_told(EDIT_HOLD, "until noon", 0,
		       "accepted: held: - -> 'until noon'");
	write_and_told(EDIT_HOLD, "later", 0,
		       "accepted: held: 'until noon' -> later");
	write_and_told(EDIT_HOLD, "", 0,
		       "accepted: no longer held: later -> -");
}
END_TEST

START_TEST(what_is_made)
{
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	told("accepted: removed; the storage is kept");
	ck_assert_int_eq(put_to(draft("db"), EDIT_SPEC, manifest), 0);
	told("accepted: created as replica; mode - -> asynchronous, "
	     "schedule.mode - -> continuous, "
	     "sourceEndpoint.cluster - -> prod, "
	     "sourceEndpoint.region - -> east, "
	     "sourceEndpoint.storageClass - -> fast, "
	     "destinationEndpoint.cluster - -> dr, "
	     "destinationEndpoint.region - -> west, "
	     "destinationEndpoint.storageClass - -> fast, "
	     "volumeMapping.source.pvcName - -> db, "
	     "volumeMapping.source.namespace - -> database, "
	     "volumeMapping.destination.volumeHandle - -> vol-1, "
	     "volumeMapping.destination.namespace - -> database");
}
END_TEST

#define NOTED(notes, state) \
	"metadata: {annotations: {" notes "}}\n" \
	MANIFEST("prod", "db", "vol-1", state, "asynchronous")

START_TEST(what_a_manifest_changes)
{
	write_and_told(EDIT_SPEC,
		       NOTED("uvrfs/deletion-policy: delete", "replica"), 0,
		       "accepted: annotation uvrfs/deletion-policy - -> "
		       "delete");
	ck_assert_int_eq(put(EDIT_SPEC, NOTED("", "promoting")), 0);
	ck_assert_ptr_nonnull(
		strstr(world_audit(f->world)->data,
		       "accepted: replica -> promoting, planned; annotation "
		       "uvrfs/deletion-policy delete -> -"));
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	write_and_told(EDIT_ENDPOINTS, "swap", 0,
		       "accepted: source -> swap; endpoints exchanged");
}
END_TEST

START_TEST(what_was_asked_and_is_not_done)
{
	write_and_told(EDIT_STATE, " replica\n", 0, "unchanged: state replica");
	write_and_told(EDIT_MODE, "asynchronous", 0,
		       "unchanged: mode asynchronous");
	write_and_told(EDIT_SPEC, manifest, 0, "unchanged: spec.yaml");
	write_and_told(EDIT_MODE, "asynchronously", -EINVAL,
		       "refused: mode asynchronously: mode is synchronous or "
		       "asynchronous");
	ck_assert_int_eq(put(EDIT_HOLD, "a drill"), 0);
	write_and_told(EDIT_STATE, "promoting force", -EPERM,
		       "refused: state 'promoting force': held: a drill (this "
		       "is not about rights; empty `hold` to go on)");
	ck_assert_ptr_null(strstr(the()->refusal.sentence, "force"));
	write_and_told(EDIT_ENDPOINTS, "swap", -EPERM,
		       "refused: endpoints swap: held: a drill (this is not "
		       "about rights; empty `hold` to go on)");
}
END_TEST

/* Its words are asked while it is on its way out. */
START_TEST(what_comes_too_late)
{
	ask(EDIT_REMOVE, "");
	ask(EDIT_STATE, "promoting");
	run_all();
	ck_assert_int_eq(answer, -ENOENT);
	told("refused: state promoting: it has been removed");
}
END_TEST

START_TEST(drafts_that_come_and_go)
{
	struct namespace *ns = world_namespace(f->world, "database");
	struct replication *r = draft("x");
	struct error err;

	run_all();
	told("accepted: mkdir: a draft");
	ck_assert_int_eq(put_to(r, EDIT_REMOVE, ""), 0);
	told("accepted: rmdir: a draft");
	ck_assert_ptr_nonnull(strstr(f->audit, " database/x uid=0"));
	ck_assert_ptr_null(world_new_draft(f->world, ns, "X\n", &me, &err));
	run_all();
	told("refused: mkdir: 'X\\x0a' is not a DNS-1123 name of at most 63 "
	     "characters");
	ck_assert_ptr_nonnull(strstr(f->audit, " database uid=0"));
	ck_assert_ptr_null(world_new_draft(f->world, ns, "db", &me, &err));
	run_all();
	told("refused: mkdir: database/db exists");
}
END_TEST

static void edit_namespace(const char *name, bool remove, const char *what)
{
	struct namespace_edit e = {.remove = remove, .who = me, .done = made};

	snprintf(e.name, sizeof e.name, "%s", name);
	world_edit_namespace(f->world, &e);
	run_all();
	told(what);
}

START_TEST(namespaces_that_are_not_made)
{
	edit_namespace("web", false, "accepted: mkdir");
	edit_namespace("web", false, "refused: mkdir: it exists");
	ck_assert_ptr_nonnull(strstr(f->audit, " web uid=0"));
	edit_namespace("database", true,
		       "refused: rmdir: there is something in it");
	edit_namespace("W x", false,
		       "refused: mkdir: 'W x' is not a DNS-1123 label");
	ck_assert_ptr_nonnull(strstr(f->audit, " - uid=0"));
	edit_namespace("web", true, "accepted: rmdir");
	edit_namespace("web", true,
		       "refused: rmdir: there is no namespace of that name");
}
END_TEST

/* By somebody else, while it is being written; what waits behind it as well. */
START_TEST(what_is_lost_with_its_object)
{
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	ask(EDIT_STATE, "promoting");
	ask(EDIT_HOLD, "a drill");
	run_all();
	ck_assert_int_eq(answer, -ENOENT);
	ck_assert_uint_eq(f->answers, 2);
	ck_assert_ptr_nonnull(
		strstr(world_audit(f->world)->data,
		       "refused: hold 'a drill': it has been removed\n"));
	/* The store took it all the same. */
	told("failed: replica -> promoting, planned: it is removed by now");
}
END_TEST

START_TEST(or_found_to_be_gone)
{
	json_decref(cluster->object);
	cluster->object = NULL;
	write_and_told(EDIT_STATE, "promoting", -ENOENT,
		       "failed: replica -> promoting, planned: database/db is "
		       "no longer in the store");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_made, what_a_file_changes, what_a_manifest_changes,
		what_was_asked_and_is_not_done, what_comes_too_late,
		drafts_that_come_and_go, namespaces_that_are_not_made,
	};
	Suite *suite = suite_create("told");
	TCase *own = tcase_create("own"), *shared = tcase_create("shared");
	size_t i;

	tcase_add_checked_fixture(own, setup, teardown);
	for (i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(own, tests[i]);
	suite_add_tcase(suite, own);
	tcase_add_checked_fixture(shared, setup_cluster, teardown_cluster);
	tcase_add_test(shared, what_is_lost_with_its_object);
	tcase_add_test(shared, or_found_to_be_gone);
	suite_add_tcase(suite, shared);
	return run_suite(suite);
}
