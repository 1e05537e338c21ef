/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who decides and acts on a shared store: the leader, and nobody while it does
 * not lead, behind a fence, or without the store.
 */
#include "shared_looks.h"

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

/*
 * Another daemon has taken another request, and the news of that is late: what
 * this one still has in mind is not begun once more.
 */
static void another_was_asked(void)
{
	patch_silently("{\"status\": {\"version\": 99, \"request\": {"
		       "\"id\": 9, \"word\": \"replica\", "
		       "\"outcome\": \"verified\"}}}");
	f->acts = 0;
	f->act_rc = 0;
}

START_TEST(an_act_is_not_tried_again_for_a_request_of_before)
{
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	another_was_asked();
	advance(60000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_uint_eq(the()->status->request.id, 9);
}
END_TEST

START_TEST(nor_by_who_leads_from_now_on)
{
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	lead(false);
	another_was_asked();
	lead(true);
	look();
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_uint_eq(the()->status->request.id, 9);
}
END_TEST

/* It is the same one for the storage, however often. */
START_TEST(an_act_keeps_its_number)
{
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	advance(5000);
	lead(false);
	lead(true);
	look();
	ck_assert_uint_ge(f->acts, 3);
	ck_assert_uint_eq(f->serials[0], f->serials[1]);
	ck_assert_uint_eq(f->serials[0], f->serials[2]);
}
END_TEST

/* Who does not lead knows of it by the store. */
START_TEST(a_promotion_under_way_elsewhere_is_not_rolled_back)
{
	char text[200];

	lead(false);
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	snprintf(text, sizeof text,
		 "{\"status\": {\"intent\": {\"act\": \"promote\", "
		 "\"request\": %u, \"serial\": 9, "
		 "\"at\": \"1970-01-01T00:16:40Z\"}}}",
		 (unsigned)the()->status->request.id);
	patch(text);
	ck_assert_int_eq(put(EDIT_STATE, "replica"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence,
				     "is being carried out"));
	advance(f->config.act_timeout_ms);
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
}
END_TEST

/* As long as the storage is at it nobody else may act. */
START_TEST(a_call_that_outlasts_its_act_stays_behind_the_fence)
{
	f->act_rc = -ETIMEDOUT;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(cluster->inside, 0);
	f->outlasts = true;
	advance(2000);
	ck_assert_int_eq(cluster->inside, 1);
	f->outlast.ended(f->outlast.ctx);
	ck_assert_int_eq(cluster->inside, 0);
}
END_TEST

START_TEST(without_the_store)
{
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
	cluster->sink->reached(cluster->sink, "");
	run_all();
	ck_assert_str_eq(ready_reason(), "Verified");
	/* Nothing happened, so nothing is written. */
	ck_assert_uint_eq(cluster->writes, 0);
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

/* It is a length of time, whatever the clock says. */
START_TEST(and_for_no_longer_when_the_clock_is_set_back)
{
	f->now = 1767225600000;		/* 2026-01-01T00:00:00Z */
	look();
	patch("{\"metadata\": {\"annotations\": {\"uvrfs/asked-by\": "
	      "\"them 2\"}}, "
	      "\"spec\": {\"replicationState\": \"promoting\"}}");
	ck_assert_str_eq(state(), "replica");
	advance(-3600000);
	advance(2500);
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

int main(void)
{
	const TTest *const tests[] = {
		what_was_patched_while_nobody_ran_waits_for_a_look,
		and_is_refused_when_nobody_answers,
		who_does_not_lead_takes_writes_and_acts_on_nothing,
		a_new_leader_goes_on, a_late_clock_cuts_no_request_short,
		nobody_acts_behind_a_fence,
		an_act_is_not_tried_again_for_a_request_of_before,
		nor_by_who_leads_from_now_on, an_act_keeps_its_number,
		a_call_that_outlasts_its_act_stays_behind_the_fence,
		a_promotion_under_way_elsewhere_is_not_rolled_back,
		without_the_store,
		what_a_daemon_asks_is_left_to_it_for_a_while,
		and_for_no_longer_when_the_clock_is_set_back, writes_are_few,
	};

	return run_shared_tests("shared_lead", tests,
				sizeof tests / sizeof *tests);
}
