/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others write to a shared store: a patch is a request, refused or carried
 * out, and decided anew when somebody was first.
 */
#include "shared_looks.h"

static int64_t observed(void)
{
	return json_integer_value(json_object_get(at("status"),
						  "observedGeneration"));
}

static int64_t generation(void)
{
	return json_integer_value(json_object_get(at("metadata"),
						  "generation"));
}

START_TEST(a_patch_is_a_request)
{
	patch_state("promoting");
	ck_assert_str_eq(state(), "promoting");
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_str_eq(text_at("status", "state"), "promoting");
	ck_assert_int_eq(observed(), generation());
	ck_assert_str_eq(cluster->event, "Verified");
	patch_state("source");
	ck_assert_str_eq(state(), "source");
	ck_assert_str_eq(ready_reason(), "Verified");
}
END_TEST

START_TEST(an_illegal_patch_is_not_carried_out)
{
	patch_state("source");
	ck_assert_str_eq(state(), "replica");
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_FALSE);
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_READY)->message,
				     "not allowed from replica"));
	ck_assert_str_eq(cluster->event, "InvalidStateTransition");
	/* What was asked stays as it was patched, and is not asked again. */
	ck_assert_str_eq(text_at("spec", "replicationState"), "source");
	ck_assert_int_eq(observed(), generation());
	cluster->writes = 0;
	advance(60000);
	look();
	ck_assert_uint_eq(cluster->writes, 0);
	patch_state("replica");
	ck_assert_str_eq(ready_reason(), "Verified");
}
END_TEST

START_TEST(a_refusal_outlives_the_daemon)
{
	patch_state("demoting");
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	world_free(f->world);
	begin();
	lead(true);
	look();
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	ck_assert_str_eq(state(), "replica");
}
END_TEST

/* Whoever writes to `state` has the last word, and spec follows. */
START_TEST(a_write_here_mends_what_was_refused)
{
	patch_state("source");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_str_eq(text_at("spec", "replicationState"), "promoting");
	ck_assert_str_eq(ready_reason(), "Verified");
	ck_assert_int_eq(observed(), generation());
}
END_TEST

START_TEST(what_the_daemon_writes_leaves_a_refused_spec_alone)
{
	patch_state("source");
	lose_peer();
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason,
			 "PeerUnreachable");
	ck_assert_str_eq(text_at("spec", "replicationState"), "source");
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
}
END_TEST

START_TEST(force_is_for_one_request)
{
	const char *forced =
		"{\"metadata\": {\"annotations\": {\"uvrfs/force\": "
		"\"promoting\"}}, "
		"\"spec\": {\"replicationState\": \"promoting\"}}";

	f->truth.here.complete = true;
	f->truth.peer.reach = REACH_REFUSED;
	look();
	patch_state("promoting");
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	patch_state("replica");
	patch(forced);
	ck_assert_str_eq(state(), "promoting");
	ck_assert(the()->status->request.force);
	ck_assert_ptr_null(json_object_get(
		json_object_get(at("metadata"), "annotations"),
		"uvrfs/force"));
}
END_TEST

/* One that lies about could force what somebody asks much later. */
START_TEST(force_without_its_request_is_taken_away)
{
	patch("{\"metadata\": {\"annotations\": {\"uvrfs/force\": "
	      "\"promoting\"}}}");
	ck_assert_str_eq(ready_reason(), "ValidationFailed");
	ck_assert_ptr_null(json_object_get(
		json_object_get(at("metadata"), "annotations"),
		"uvrfs/force"));
	ck_assert_str_eq(state(), "replica");
}
END_TEST

START_TEST(an_apply_rolls_nothing_back)
{
	static const char applied[] =
		"{\"metadata\": {\"managedFields\": [{\"manager\": "
		"\"kubectl-client-side-apply\", \"fieldsV1\": {\"f:spec\": "
		"{\"f:replicationState\": {}}}}]}, "
		"\"spec\": {\"replicationState\": \"replica\"}}";

	f->no_final = true;
	patch_state("promoting");
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	patch(applied);
	ck_assert_str_eq(state(), "promoting");
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_READY)->message,
				     "never goes back"));
	patch_state("promoting");
	patch("{\"metadata\": {\"managedFields\": [{\"manager\": "
	      "\"kubectl-patch\", \"fieldsV1\": {\"f:spec\": "
	      "{\"f:replicationState\": {}}}}]}, "
	      "\"spec\": {\"replicationState\": \"replica\"}}");
	ck_assert_str_eq(state(), "replica");
}
END_TEST

START_TEST(a_birth_is_refused_like_a_manifest)
{
	world_free(f->world);
	apply("promoting");
	begin();
	lead(true);
	ck_assert_ptr_null(the()->spec);
	ck_assert_uint_eq(cluster->refusals, 1);
	ck_assert_str_eq(cluster->reason, "InvalidStateTransition");
	advance(60000);
	ck_assert_uint_eq(cluster->refusals, 1);
	patch_state("replica");
	look();
	ck_assert_str_eq(state(), "replica");
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(rules_that_the_schema_lacks)
{
	patch("{\"spec\": {\"schedule\": {\"mode\": \"interval\"}}}");
	ck_assert_str_eq(ready_reason(), "ValidationFailed");
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_READY)->message,
				     "rpo"));
	patch("{\"spec\": {\"schedule\": {\"rpo\": \"5m\"}}}");
	ck_assert_str_eq(ready_reason(), "Verified");
	ck_assert_str_eq(the()->spec->rpo, "5m");
	patch("{\"spec\": {\"volumeMapping\": {\"source\": {\"pvcName\": "
	      "\"another\"}}}}");
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	ck_assert_str_eq(the()->spec->pvc_name, "db");
}
END_TEST

START_TEST(a_brake_holds_patches_too)
{
	ck_assert_int_eq(put(EDIT_HOLD, "a drill"), 0);
	patch_state("promoting");
	ck_assert_str_eq(state(), "replica");
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_READY)->message,
				     "held: a drill"));
}
END_TEST

START_TEST(a_conflict_is_decided_anew)
{
	/* The watch is late: the write is made on an older version. */
	patch_silently("{\"spec\": {\"schedule\": {\"rpo\": \"5m\"}}}");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_str_eq(state(), "promoting");
	ck_assert_str_eq(the()->spec->rpo, "5m");
	ck_assert_str_eq(text_at("spec", "replicationState"), "promoting");
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

/* The one before it came to nothing, so that no write has ended it. */
START_TEST(a_conflict_of_long_ago_is_over)
{
	lead(false);
	patch_silently("{\"status\": {\"hold\": \"a drill\"}}");
	ck_assert_int_eq(put(EDIT_HOLD, "a drill"), 0);
	advance(60000);
	patch_silently("{\"status\": {\"hold\": \"another\"}}");
	ck_assert_int_eq(put(EDIT_HOLD, "a third"), 0);
	ck_assert_str_eq(the()->status->hold, "a third");
}
END_TEST

/* Two have the same word in mind: it is one request. */
START_TEST(the_same_word_twice_is_once)
{
	patch_silently("{\"spec\": {\"replicationState\": \"promoting\"}}");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	tell();
	run_all();
	ck_assert_uint_eq(the()->status->request.id, 2);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
}
END_TEST

START_TEST(old_news_changes_nothing)
{
	json_t *before = json_deep_copy(cluster->object), *now;

	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	now = cluster->object;
	cluster->object = before;
	tell();
	run_all();
	cluster->object = now;
	json_decref(before);
	ck_assert_str_eq(state(), "promoting");
	tell();
	run_all();
	ck_assert_str_eq(state(), "promoting");
}
END_TEST

START_TEST(an_emptied_status_is_written_again)
{
	tell();				/* the echo of what we wrote */
	run_all();
	json_object_del(cluster->object, "status");
	patch("{\"metadata\": {\"labels\": {\"a\": \"b\"}}}");
	ck_assert_str_eq(state(), "replica");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_str_eq(text_at("status", "state"), "promoting");
}
END_TEST

/* By somebody who restores that of the other site: what was seen before is of
   another side. */
START_TEST(a_status_that_changes_sides)
{
	tell();
	run_all();
	ck_assert(!the()->status->holds_pvc);
	patch("{\"status\": {\"version\": 1000, \"holdsPVC\": true, "
	      "\"site\": \"prod\"}}");
	ck_assert(the()->status->holds_pvc);
	ck_assert_int_eq(seen_of(the()).at, 0);
	look();
	ck_assert(seen_of(the()).holds_pvc);
}
END_TEST

START_TEST(a_finalizer_that_was_taken_away_comes_back)
{
	ck_assert_uint_eq(json_array_size(json_object_get(at("metadata"),
							  "finalizers")), 1);
	patch("{\"metadata\": {\"finalizers\": null}}");
	ck_assert_uint_eq(json_array_size(json_object_get(at("metadata"),
							  "finalizers")), 1);
}
END_TEST

START_TEST(labels_need_nobodys_consent)
{
	patch("{\"metadata\": {\"labels\": {\"tier\": \"gold\"}}}");
	ck_assert_uint_eq(the()->spec->label_count, 1);
	ck_assert_str_eq(ready_reason(), "Verified");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_uint_eq(the()->spec->label_count, 1);
}
END_TEST

#define TRIDENT "{\"spec\": {\"extensions\": {\"trident\": {}}}}"

static void begin_without_a_backend(bool leads)
{
	world_free(f->world);
	f->config.select_count = 0;
	f->ops.type = "trident";
	begin();
	lead(leads);
	ck_assert_ptr_null(the()->backend);
}

START_TEST(a_patch_gets_a_backend)
{
	begin_without_a_backend(true);
	patch(TRIDENT);
	ck_assert_ptr_eq(the()->backend, &f->backend);
	look();
	patch_state("promoting");
	ck_assert_str_eq(state(), "promoting");
	/* And takes it to no other. */
	patch("{\"spec\": {\"extensions\": null}}");
	ck_assert_str_eq(ready_reason(), "InvalidStateTransition");
	ck_assert_ptr_eq(the()->backend, &f->backend);
	ck_assert_uint_ne(the()->spec->extensions, 0);
}
END_TEST

START_TEST(what_another_daemon_accepts_gets_a_backend)
{
	begin_without_a_backend(false);
	tell();
	run_all();
	patch_silently(TRIDENT);
	patch("{\"status\": {\"version\": 1000, \"accepted\": {\"extensions\": "
	      "{\"trident\": {}}}}}");
	ck_assert_ptr_eq(the()->backend, &f->backend);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_patch_is_a_request, an_illegal_patch_is_not_carried_out,
		a_refusal_outlives_the_daemon,
		a_write_here_mends_what_was_refused,
		what_the_daemon_writes_leaves_a_refused_spec_alone,
		force_is_for_one_request,
		force_without_its_request_is_taken_away,
		an_apply_rolls_nothing_back, a_birth_is_refused_like_a_manifest,
		rules_that_the_schema_lacks, a_brake_holds_patches_too,
		a_conflict_is_decided_anew, a_conflict_of_long_ago_is_over,
		the_same_word_twice_is_once, old_news_changes_nothing,
		an_emptied_status_is_written_again, a_status_that_changes_sides,
		a_finalizer_that_was_taken_away_comes_back,
		labels_need_nobodys_consent, a_patch_gets_a_backend,
		what_another_daemon_accepts_gets_a_backend,
	};

	return run_shared_tests("shared", tests,
				sizeof tests / sizeof *tests);
}
