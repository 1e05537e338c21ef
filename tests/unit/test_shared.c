/* SPDX-License-Identifier: Apache-2.0 */
/* A store that others write to: what they ask, and who decides and acts. */
#include "fake_cluster.h"
#include "suite.h"

static const char *state(void)
{
	return state_text(replication_state(the()));
}

static const char *ready_reason(void)
{
	return condition(CONDITION_READY)->reason;
}

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

static void patched_while_nobody_runs(void)
{
	world_free(f->world);
	patch_silently("{\"spec\": {\"replicationState\": \"promoting\"}}");
	begin();
	lead(true);
	ck_assert_str_eq(state(), "replica");
	ck_assert_ptr_null(the()->status->refused);
}

/* Nobody would ask again: that the storage has not answered yet is no reason. */
START_TEST(what_was_patched_while_nobody_ran_waits_for_a_look)
{
	patched_while_nobody_runs();
	f->truth.peer.reach = REACH_UNKNOWN;
	look();
	ck_assert_str_eq(state(), "replica");
	ck_assert_ptr_null(the()->status->refused);
	f->truth.peer.reach = REACH_OK;
	look();
	ck_assert_str_eq(state(), "promoting");
}
END_TEST

START_TEST(and_is_refused_when_nobody_answers)
{
	patched_while_nobody_runs();
	advance(f->config.act_timeout_ms);
	ck_assert_str_eq(state(), "replica");
	ck_assert_ptr_nonnull(the()->status->refused);
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

START_TEST(who_does_not_lead_takes_writes_and_acts_on_nothing)
{
	lead(false);
	cluster->writes = 0;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_uint_eq(cluster->writes, 2);
	lose_peer();
	advance(60000);
	ck_assert_uint_eq(cluster->writes, 2);
	f->truth.peer.reach = REACH_OK;
	look();
	patch_state("replica");
	ck_assert_str_eq(state(), "promoting");
	lead(true);
	ck_assert_str_eq(state(), "replica");
}
END_TEST

START_TEST(a_new_leader_goes_on)
{
	lead(false);
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	lead(true);
	advance(1000);
	look();
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

/* Whoever accepted it has a clock that is two hours late. */
START_TEST(a_late_clock_cuts_no_request_short)
{
	f->now = 1767225600000;		/* 2026-01-01T00:00:00Z */
	look();
	lead(false);
	f->no_final = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	patch("{\"status\": {\"version\": 99, \"request\": {"
	      "\"accepted\": \"2025-12-31T22:00:00Z\", "
	      "\"deadline\": \"2025-12-31T22:15:00Z\"}}}");
	lead(true);
	look();
	advance(890000);
	look();
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	advance(20000);
	look();
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
}
END_TEST

START_TEST(nobody_acts_behind_a_fence)
{
	cluster->fenced = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	advance(5000);
	ck_assert_uint_eq(f->acts, 0);
	cluster->fenced = false;
	advance(60000);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
}
END_TEST

START_TEST(without_the_store)
{
	struct status *before;

	cluster->away = true;
	cluster->sink->reached(cluster->sink, "no route to host");
	run_all();
	ck_assert_str_eq(ready_reason(), "StoreUnreachable");
	ck_assert_int_eq(condition(CONDITION_READY)->status,
			 CONDITION_UNKNOWN);
	ck_assert_str_eq(state(), "replica");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EHOSTUNREACH);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence,
				     "no route to host"));
	cluster->writes = 0;
	cluster->away = false;
	before = status_ref(the()->status);
	cluster->sink->reached(cluster->sink, "");
	run_all();
	ck_assert_str_eq(ready_reason(), "Verified");
	/* Nothing happened, so nothing is written. */
	ck_assert_uint_eq(cluster->writes, 0);
	status_unref(before);
}
END_TEST

START_TEST(removed_elsewhere)
{
	cluster->sink->vanished(cluster->sink, "database", "db", "another");
	run_all();
	ck_assert_ptr_nonnull(the());
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	ck_assert_ptr_null(the());
}
END_TEST

/* What was looked up before its end was told comes after that. */
START_TEST(a_late_look_brings_nothing_back)
{
	struct error err;
	struct object *o = object_read(cluster->object, &err);

	o->looked_up = true;
	o->as_of = f->now;
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	cluster->sink->changed(cluster->sink, o);
	run_all();
	ck_assert_ptr_null(the());
}
END_TEST

START_TEST(removed_during_a_write)
{
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	ask(EDIT_STATE, "promoting");
	run_all();
	ck_assert_int_eq(answer, -ENOENT);
	ck_assert_ptr_null(the());
}
END_TEST

static void made_anew(const char *uid)
{
	apply("replica");
	json_object_set_new(at("metadata"), "uid", json_string(uid));
	tell();
	run_all();
}

START_TEST(made_anew_with_the_same_name)
{
	uint64_t id = the()->id;

	made_anew("u2");
	ck_assert_uint_ne(the()->id, id);
	ck_assert_str_eq(the()->status->uid, "u2");
}
END_TEST

/* What was written before it was removed is told after that. */
START_TEST(late_news_of_what_was_removed)
{
	json_t *before = json_deep_copy(cluster->object);
	struct replication *r;

	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	cluster->object = json_deep_copy(before);
	tell();
	run_all();
	ck_assert_ptr_null(the());
	/* Also when there is another one by now. */
	json_object_set_new(at("metadata"), "uid", json_string("u2"));
	tell();
	run_all();
	r = the();
	ck_assert_str_eq(r->status->uid, "u2");
	json_decref(cluster->object);
	cluster->object = before;
	tell();
	run_all();
	ck_assert_ptr_eq(the(), r);
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	ck_assert_ptr_eq(the(), r);
}
END_TEST

START_TEST(kubectl_delete)
{
	f->no_final = true;
	patch_state("promoting");
	patch("{\"metadata\": {\"deletionTimestamp\": "
	      "\"2026-01-01T00:00:00Z\"}}");
	/* It waits for what is under way. */
	ck_assert_ptr_nonnull(cluster->object);
	f->truth.here.caught_up = true;
	look();
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	advance(6000);
	ck_assert_ptr_null(cluster->object);
	ck_assert_ptr_null(the());
	ck_assert(!did(ACT_DELETE));
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

/* Who asked writes on by itself, unless it can't. */
START_TEST(what_a_daemon_asks_is_left_to_it_for_a_while)
{
	patch("{\"metadata\": {\"annotations\": {\"uvrfs/asked-by\": "
	      "\"them 2\"}}, "
	      "\"spec\": {\"replicationState\": \"promoting\"}}");
	ck_assert_str_eq(state(), "replica");
	advance(1000);
	ck_assert_str_eq(state(), "replica");
	advance(1500);
	ck_assert_str_eq(state(), "promoting");
}
END_TEST

/* One change at the storage is one write. */
START_TEST(writes_are_few)
{
	lose_peer();
	ck_assert_uint_eq(cluster->writes, 1);
	advance(60000);
	ck_assert_uint_eq(cluster->writes, 1);
}
END_TEST

static const char *noted(const struct replication *r, const char *uid)
{
	static char text[64];

	snprintf(text, sizeof text, "%s %u ", uid, (unsigned)r->id);
	return strstr(cluster->noted, text);
}

/* The next daemon is to know objects and namespaces by the same ids. */
START_TEST(ids_are_noted)
{
	struct namespace *ns = world_namespace(f->world, "database");
	struct namespace_edit remove = {.name = "web", .done = made,
					.remove = true};
	struct namespace_edit make = {.name = "web", .done = made};
	char text[64];

	snprintf(text, sizeof text, "database %u u %u ", (unsigned)ns->id,
		 (unsigned)the()->id);
	ck_assert_str_eq(cluster->noted, text);
	/* Once. */
	patch_state("promoting");
	ck_assert_str_eq(cluster->noted, text);
	*cluster->noted = '\0';
	world_edit_namespace(f->world, &make);
	run_all();
	ns = world_namespace(f->world, "web");
	snprintf(text, sizeof text, "web %u gone %u ", (unsigned)ns->id,
		 (unsigned)ns->id);
	world_edit_namespace(f->world, &remove);
	run_all();
	ck_assert_str_eq(cluster->noted, text);
}
END_TEST

/* A draft keeps its id when it becomes an object, ours or another's. */
START_TEST(a_drafts_id_is_noted_when_it_has_an_object)
{
	struct replication *r;
	char text[64];

	json_decref(cluster->object);
	cluster->object = NULL;
	*cluster->noted = '\0';
	snprintf(text, sizeof text, "gone %u ", (unsigned)the()->id);
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	ck_assert_str_eq(cluster->noted, text);
	*cluster->noted = '\0';
	r = draft("db");
	ck_assert_str_eq(cluster->noted, "");
	apply("replica");
	tell();
	run_all();
	ck_assert_ptr_eq(the(), r);
	ck_assert_ptr_nonnull(noted(r, "u"));
	/* Whoever made it here knows. */
	ck_assert_ptr_nonnull(noted(r, "told"));
	ck_assert(!world_is_untold(r));
}
END_TEST

START_TEST(an_object_has_the_id_that_it_had)
{
	cluster->known = 77;
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	tell();
	run_all();
	ck_assert_uint_eq(the()->id, 77);
	made_anew("u2");
	ck_assert_uint_ne(the()->id, 77);
}
END_TEST

START_TEST(what_others_made_is_told_of_once)
{
	ck_assert(world_is_untold(the()));
	ck_assert_ptr_null(noted(the(), "told"));
	world_told(f->world, the()->id);
	ck_assert(!world_is_untold(the()));
	ck_assert_ptr_nonnull(noted(the(), "told"));
	/* A former daemon has. */
	cluster->known = 77;
	cluster->known_told = true;
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	run_all();
	tell();
	run_all();
	ck_assert(!world_is_untold(the()));
}
END_TEST

static unsigned volumes_changed;

static void count_volumes(struct world_listener *l, struct replication *r,
			  const struct replication *before, unsigned facets)
{
	volumes_changed += facets == FACET_VOLUME;
}

static void not_heard(struct world_listener *l, struct replication *r)
{
}

static void no_line(struct world_listener *l)
{
}

static void tell_of_claim(const char *namespace, const char *name)
{
	cluster->sink->volume(cluster->sink, namespace, name);
	run_all();
}

START_TEST(news_of_a_claim_is_for_whom_it_is)
{
	struct world_listener listener = {count_volumes, not_heard, not_heard,
					  no_line};
	const struct spec *s = the()->spec;

	volumes_changed = 0;
	world_set_listener(f->world, &listener);
	tell_of_claim(s->pvc_namespace, s->pvc_name);
	ck_assert_uint_eq(volumes_changed, 1);
	tell_of_claim("another", s->pvc_name);
	tell_of_claim(s->pvc_namespace, "another");
	ck_assert_uint_eq(volumes_changed, 1);
	/* And for one that has come later, when the first is gone. */
	made_anew("u2");
	volumes_changed = 0;
	s = the()->spec;
	tell_of_claim(s->pvc_namespace, s->pvc_name);
	ck_assert_uint_eq(volumes_changed, 1);
	world_set_listener(f->world, NULL);
}
END_TEST

static TCase *make_case(void)
{
	const TTest *const tests[] = {
		a_patch_is_a_request, an_illegal_patch_is_not_carried_out,
		a_refusal_outlives_the_daemon,
		what_was_patched_while_nobody_ran_waits_for_a_look,
		and_is_refused_when_nobody_answers,
		a_write_here_mends_what_was_refused,
		what_the_daemon_writes_leaves_a_refused_spec_alone,
		force_is_for_one_request,
		force_without_its_request_is_taken_away,
		an_apply_rolls_nothing_back, a_birth_is_refused_like_a_manifest,
		rules_that_the_schema_lacks, a_brake_holds_patches_too,
		a_conflict_is_decided_anew, a_conflict_of_long_ago_is_over,
		the_same_word_twice_is_once,
		old_news_changes_nothing,
		who_does_not_lead_takes_writes_and_acts_on_nothing,
		a_new_leader_goes_on,
		a_late_clock_cuts_no_request_short, nobody_acts_behind_a_fence,
		without_the_store, removed_elsewhere,
		a_late_look_brings_nothing_back, removed_during_a_write,
		made_anew_with_the_same_name, late_news_of_what_was_removed, kubectl_delete,
		an_emptied_status_is_written_again,
		a_status_that_changes_sides,
		a_finalizer_that_was_taken_away_comes_back,
		labels_need_nobodys_consent,
		what_a_daemon_asks_is_left_to_it_for_a_while, writes_are_few,
		ids_are_noted, a_drafts_id_is_noted_when_it_has_an_object,
		an_object_has_the_id_that_it_had,
		what_others_made_is_told_of_once,
		news_of_a_claim_is_for_whom_it_is,
	};
	TCase *tc = tcase_create("shared");
	size_t i;

	tcase_add_checked_fixture(tc, setup_cluster, teardown_cluster);
	for (i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("shared");

	suite_add_tcase(suite, make_case());
	return run_suite(suite);
}
