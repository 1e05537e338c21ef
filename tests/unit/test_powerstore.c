/* SPDX-License-Identifier: Apache-2.0 */
/* What powerstore makes of two replication groups. */
#include "powerstore_groups.h"
#include "suite.h"

/* ---- roles ---- */

START_TEST(all_is_well)
{
	pair();
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(!o.here.busy && !o.peer.busy);
	ck_assert(o.peer.following && o.peer.complete && !o.peer.diverged);
	ck_assert(!o.peer.caught_up && !o.peer.has_last_copy);
	/* The product tells no time: the poll's is another. */
	ck_assert_int_eq(o.peer.data_time, 0);
	ck_assert_int_eq(o.peer.progress, -1);
	ck_assert_str_eq(o.here.native, "source, link SYNCHRONIZED, Ready");
	ck_assert_str_eq(o.peer.native, "replica, link SYNCHRONIZED, Ready");
}
END_TEST

START_TEST(nothing_there)
{
	pair();
	b.absent = true;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_ABSENT);
	ck_assert_str_eq(o.peer.native, "no replication group");
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	b.reach = REACH_SILENT;
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_str_eq(o.peer.native, "");
}
END_TEST

START_TEST(groups_of_two_pairs)
{
	pair();
	b.ids[1] = "vg-c";
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_UNKNOWN);
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_str_eq(o.peer.native,
			 "rg-1 is not the counterpart of the group there");
}
END_TEST

START_TEST(a_poll_that_is_old_or_failed)
{
	static const char *const links[] = {"UNKNOWN", "EMPTY", "INVALID",
					    "", "NEW_WORD"};
	size_t i;

	pair();
	b.polled = 181;
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(o.peer.native, "not polled since 2026-01-"
						    "28T11:56:59Z"));
	/* One that is far ahead tells of a clock. */
	b.polled = -200;
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	b.polled = 0;
	judge();
	ck_assert_ptr_nonnull(strstr(o.peer.native, "since never"));
	ck_assert(!o.peer.complete);
	/* isSource is that of before. */
	pair();
	b.poll_error = "array gives no answer";
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_str_eq(o.peer.native,
			 "link SYNCHRONIZED: array gives no answer");
	/* By what the source's array says, there is a copy. */
	ck_assert_int_eq(o.peer.fact, ROLE_REPLICA);
	ck_assert(o.peer.complete && !o.peer.following);
	for (i = 0; i < sizeof links / sizeof *links; i++) {
		pair();
		a.link = links[i];
		judge();
		ck_assert_int_eq(o.here.claim, ROLE_UNKNOWN);
		ck_assert_int_eq(o.here.fact, ROLE_SOURCE);
	}
}
END_TEST

/* ---- the second fact, with the peer and without ---- */

START_TEST(a_peer_that_says_otherwise)
{
	pair();
	ended(&a, "FAILOVER_REMOTE", 20);
	moved(&a, false, 18);
	a.link = "FAILEDOVER";
	a.polled = 18;
	judge();
	/* b was polled before: neither is believed, and that is awaited. */
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.here.fact, ROLE_SOURCE);
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.fact, ROLE_SOURCE);
	ck_assert(!o.here.busy && o.peer.busy);
	b.polled = 3;
	b.link = "FAILEDOVER";
	moved(&b, true, 3);
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_REPLICA);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_SOURCE);
	ck_assert(!o.here.busy && !o.peer.busy);
	ck_assert(o.peer.caught_up);
}
END_TEST

START_TEST(no_source_at_all)
{
	pair();
	a.is_source = false;
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_REPLICA);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(!o.here.following && !o.peer.following);
	ck_assert(!o.here.caught_up && !o.peer.caught_up);
	ck_assert(o.here.has_last_copy && o.peer.has_last_copy);
}
END_TEST

START_TEST(two_sources)
{
	split();
	judge();
	ck_assert(observation_is_split(&o));
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_SOURCE);
	ck_assert(!o.here.caught_up && !o.peer.caught_up);
	/* Before a was polled again that may be the news of yesterday. */
	b.finished = 20;
	judge();
	ck_assert(observation_is_split(&o));
	ck_assert_int_eq(o.here.fact, ROLE_REPLICA);
	ck_assert(o.here.busy);
}
END_TEST

START_TEST(without_the_peer)
{
	pair();
	a.reach = REACH_SILENT;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(o.peer.complete && o.peer.following);
	ck_assert(o.peer.has_last_copy);
	/* Paused since who knows when, or amidst its first copy. */
	b.link = "SUSPENDED";
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert(o.peer.complete && !o.peer.following);
	b.link = "SYNC_IN_PROGRESS";
	judge();
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	/* One that answers, and knows nothing itself, is no other. */
	pair();
	a.polled = 500;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
}
END_TEST

START_TEST(promoted_without_the_peer)
{
	fail_over_unplanned();
	a.reach = REACH_SILENT;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_SOURCE);
	/* What the end of the action has seen is no poll of its own. */
	b.finished = 10;
	b.polled = 9;
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_SOURCE);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert(o.peer.busy);
	/* So it says, and the array says that nothing has happened. */
	pair();
	ended(&b, "UNPLANNED_FAILOVER_LOCAL", 60);
	a.reach = REACH_SILENT;
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.fact, ROLE_SOURCE);
	/* Since then it has gone back by other ways. */
	moved(&b, true, 50);
	moved(&b, false, 45);
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
}
END_TEST

/* ---- copies ---- */

START_TEST(paused)
{
	pair();
	a.link = b.link = "SUSPENDED";
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(!o.peer.following && !o.peer.complete);
	/* On one side only. */
	b.link = "SYNCHRONIZED";
	judge();
	ck_assert(!o.peer.following && o.peer.complete);
}
END_TEST

START_TEST(the_first_copy_has_no_words)
{
	pair();
	a.link = b.link = "SYNC_IN_PROGRESS";
	judge();
	ck_assert(o.peer.following && !o.peer.complete);
	/* A group that was ever failed over has had one. */
	a.events[0] = (struct event){MOVED("true", "false"), 90000};
	judge();
	ck_assert(o.peer.complete);
	/* The source's first look at itself is no failover. */
	a.events[0].text = MOVED("false", "true");
	judge();
	ck_assert(!o.peer.complete);
}
END_TEST

START_TEST(after_a_failover)
{
	fail_over();
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_REPLICA);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_SOURCE);
	ck_assert(!o.here.following && !o.here.complete && !o.here.diverged);
	ck_assert(!o.here.has_last_copy && o.peer.caught_up);
	ck_assert_str_eq(o.here.native, "replica, link FAILEDOVER, Ready; "
					"Action FAILOVER_REMOTE succeeded");
	/* Reprotected: what moves now is the rebuild. */
	ended(&b, "REPROTECT_LOCAL", 120);
	a.link = b.link = "SYNC_IN_PROGRESS";
	judge();
	ck_assert(o.here.following && !o.here.complete && o.peer.caught_up);
	a.link = b.link = "SYNCHRONIZED";
	judge();
	ck_assert(o.here.following && o.here.complete);
	/* Hours later it is one of its transfers. */
	b.finished = b.events[0].ago = 4000;
	a.link = b.link = "SYNC_IN_PROGRESS";
	judge();
	ck_assert(o.here.following && o.here.complete);
}
END_TEST

START_TEST(what_was_not_copied)
{
	fail_over_unplanned();
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_REPLICA);
	ck_assert(o.here.diverged && !o.peer.caught_up);
	/* The final copy failed, and then it was forced, at once. */
	pair();
	ended(&a, "FAILOVER_REMOTE", 700);
	moved(&a, false, 600);
	ended(&b, "UNPLANNED_FAILOVER_LOCAL", 620);
	moved(&b, true, 618);
	a.link = b.link = "FAILEDOVER";
	judge();
	ck_assert(o.here.diverged);
	/* ... and later, which a's own history shows. */
	fail_over();
	a.events[0].ago = 100;
	judge();
	ck_assert(o.here.diverged);
	/* By other means: nobody knows. */
	fail_over();
	a.events[1].text = NULL;
	judge();
	ck_assert(o.here.diverged);
	/* A failover of long ago is none of this one's. */
	fail_over();
	b.events[1] = (struct event){"Action REPROTECT_LOCAL succeeded", 90000};
	b.events[2] = (struct event){
		"Action UNPLANNED_FAILOVER_LOCAL succeeded", 90001};
	judge();
	ck_assert(!o.here.diverged);
}
END_TEST

START_TEST(a_transfer_shows_the_other_array_alive)
{
	pair();
	a.link = b.link = "SYNC_IN_PROGRESS";
	judge();
	ck_assert(!o.peer_alive);
	a.is_source = false;
	b.reach = REACH_SILENT;
	judge();
	ck_assert(o.peer_alive);
	a.link = "SYNCHRONIZED";
	judge();
	ck_assert(!o.peer_alive);
	/* The same words, while it fails over. */
	a.link = "SYNC_IN_PROGRESS";
	ended(&a, "UNPLANNED_FAILOVER_LOCAL", 10);
	judge();
	ck_assert(!o.peer_alive);
}
END_TEST

/* ---- actions ---- */

START_TEST(an_action_is_under_way)
{
	pair();
	a.spec_action = "failover_remote";
	judge();
	ck_assert(o.here.busy && !o.peer.busy);
	/* Nothing is rolled back on what it is about to change. */
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(o.here.native,
				     "; FAILOVER_REMOTE is under way"));
	pair();
	a.state = "FAILOVER_REMOTE_IN_PROGRESS";
	judge();
	ck_assert(o.here.busy);
	pair();
	runs(&b, "REPROTECT_LOCAL", "Ready");
	judge();
	ck_assert(o.peer.busy && !o.here.busy);
	ck_assert_int_eq(o.peer.fact, ROLE_REPLICA);
	/* Not the link's word of the same name. */
	pair();
	a.link = b.link = "SYNC_IN_PROGRESS";
	judge();
	ck_assert(!o.here.busy && !o.peer.busy);
}
END_TEST

/* Said to have succeeded, and the array shows that it has come to nothing, or is
   failing over still: it has one word for that and for a transfer. */
START_TEST(the_array_goes_on_with_a_failover)
{
	pair();
	ended(&a, "FAILOVER_REMOTE", 60);
	a.link = b.link = "SYNC_IN_PROGRESS";
	a.polled = b.polled = 10;
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert(o.here.busy && !o.peer.busy);
	ck_assert_ptr_nonnull(strstr(o.here.native,
				     "succeeded, and may go on"));
	/* The end itself has seen it so. */
	a.polled = 60;
	judge();
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
	/* Nobody polls any more. */
	a.finished = a.events[0].ago = 250;
	a.polled = 240;
	judge();
	ck_assert(!o.here.busy);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	/* Not for ever. */
	a.finished = a.events[0].ago = 901;
	a.polled = 10;
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(!o.here.busy);
	/* Another word ends it. */
	a.finished = a.events[0].ago = 60;
	a.link = "SYNCHRONIZED";
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert(!o.here.busy);
	ck_assert_ptr_nonnull(strstr(o.here.native, "not believed"));
	/* It was done, and what shows now is the rebuild after the way back. */
	a.link = "SYNC_IN_PROGRESS";
	moved(&a, false, 58);
	moved(&a, true, 30);
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert(!o.here.busy);
	/* No other action is taken for that. */
	pair();
	ended(&a, "SYNC", 60);
	a.link = b.link = "SYNC_IN_PROGRESS";
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert(!o.here.busy);
}
END_TEST

START_TEST(the_array_goes_on_with_a_promotion)
{
	pair();
	a.reach = REACH_SILENT;
	ended(&b, "UNPLANNED_FAILOVER_LOCAL", 60);
	b.link = "SYNC_IN_PROGRESS";
	b.polled = 10;
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert(o.peer.busy);
	/* A source that answers, and is about to lose its role. */
	a.reach = REACH_OK;
	judge();
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
}
END_TEST

START_TEST(an_action_that_hangs)
{
	pair();
	runs(&a, "FAILOVER_REMOTE", "FAILOVER_REMOTE_IN_PROGRESS");
	a.last_error = "rpc error: no answer";
	judge();
	ck_assert(!o.here.busy);
	/* What it may take away yet is not verified. */
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(o.here.native, "is tried again: rpc"));
	/* This one leaves the roles alone, and that may do anything. */
	runs(&a, "SYNC", "SYNC_IN_PROGRESS");
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	runs(&a, "FAILBACK_LOCAL", "FAILBACK_LOCAL_IN_PROGRESS");
	judge();
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	/* The error is the last one's. */
	a.state = "Error";
	judge();
	ck_assert(o.here.busy);
	/* Nobody takes it up, and nobody polls. */
	pair();
	a.spec_action = "FAILOVER_REMOTE";
	a.polled = 500;
	judge();
	ck_assert(!o.here.busy);
	ck_assert_int_eq(o.here.claim, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	/* Taken back by hand before it ran. */
	pair();
	runs(&a, "FAILOVER_REMOTE", "Ready");
	a.spec_action = "";
	judge();
	ck_assert(!o.here.busy);
	ck_assert_ptr_nonnull(strstr(o.here.native, "left uncompleted"));
}
END_TEST

START_TEST(a_poll_is_awaited)
{
	pair();
	ended(&a, "RESUME", 20);
	a.polled = b.polled = 100;
	judge();
	ck_assert(o.here.busy && o.peer.busy);
	a.polled = b.polled = 10;
	judge();
	ck_assert(!o.here.busy && !o.peer.busy);
	/* None will come: the array gives no answer, or nobody asks it. */
	a.polled = 100;
	a.poll_error = "array gives no answer";
	judge();
	ck_assert(!o.here.busy);
	a.poll_error = NULL;
	a.finished = 190;
	a.polled = 200;
	judge();
	ck_assert(!o.here.busy);
	/* A clock that is hours ahead holds nothing up. */
	a.finished = -7200;
	a.polled = 10;
	judge();
	ck_assert(!o.here.busy && !o.peer.busy);
}
END_TEST

START_TEST(a_failure_stays_in_sight)
{
	pair();
	ended(&a, "FAILOVER_REMOTE", 600);
	a.state = "Error";
	a.final_error = "no such session";
	judge();
	ck_assert_str_eq(o.here.native,
			 "source, link SYNCHRONIZED, Error; Action "
			 "FAILOVER_REMOTE failed: no such session");
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
}
END_TEST

/* Older sidecars may not write the time of the end into the annotation. */
START_TEST(an_end_without_a_time)
{
	struct rg g;

	pair();
	ended(&a, "SYNC", 60);
	judge();
	rg_read(&view_a, &g);
	ck_assert_int_eq(g.ended, NOW - 60000);
	ck_assert_str_eq(g.finish, "2026-01-28T11:59:00Z");
	json_object_set_new(
		json_object_get(json_object_get(view_a.part[RG_PART].object,
						"metadata"),
				"annotations"),
		"Action",
		json_string("{\"name\":\"SYNC\",\"completed\":true}"));
	rg_read(&view_a, &g);
	ck_assert_int_eq(g.ended, NOW - 60000);
	ck_assert_str_eq(g.finish, "2026-01-28T11:59:00Z");
	json_object_set_new(
		json_object_get(json_object_get(view_a.part[RG_PART].object,
						"metadata"),
				"annotations"),
		"Action", json_string("no JSON"));
	rg_read(&view_a, &g);
	ck_assert(!g.under_way && !g.succeeded && !g.ended);
	ck_assert_str_eq(g.finish, RG_NOTHING);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("powerstore");
	TCase *c = tcase_create("powerstore");

	tcase_add_test(c, all_is_well);
	tcase_add_test(c, nothing_there);
	tcase_add_test(c, groups_of_two_pairs);
	tcase_add_test(c, a_poll_that_is_old_or_failed);
	tcase_add_test(c, a_peer_that_says_otherwise);
	tcase_add_test(c, no_source_at_all);
	tcase_add_test(c, two_sources);
	tcase_add_test(c, without_the_peer);
	tcase_add_test(c, promoted_without_the_peer);
	tcase_add_test(c, paused);
	tcase_add_test(c, the_first_copy_has_no_words);
	tcase_add_test(c, after_a_failover);
	tcase_add_test(c, what_was_not_copied);
	tcase_add_test(c, a_transfer_shows_the_other_array_alive);
	tcase_add_test(c, an_action_is_under_way);
	tcase_add_test(c, the_array_goes_on_with_a_failover);
	tcase_add_test(c, the_array_goes_on_with_a_promotion);
	tcase_add_test(c, an_action_that_hangs);
	tcase_add_test(c, a_poll_is_awaited);
	tcase_add_test(c, a_failure_stays_in_sight);
	tcase_add_test(c, an_end_without_a_time);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
