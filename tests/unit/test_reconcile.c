/* SPDX-License-Identifier: Apache-2.0 */
/* The world and its reconcile: the ways of a failover, and of its refusals. */
#include "fake_world.h"
#include "suite.h"

START_TEST(a_planned_failover_demotes_the_peer_first)
{
	ck_assert_int_eq(put(EDIT_STATE, " promoting\n"), 0);
	ck_assert_int_eq(the()->status->request.failover, FAILOVER_PLANNED);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_TRUE);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(replication_state(the()), STATE_SOURCE);
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason, "Unprotected");
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_str_eq(the()->spec->source.cluster, "dr");
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_str_eq(the()->spec->source.cluster, "dr");
}
END_TEST

START_TEST(nothing_is_acted_before_its_intent_is_durable)
{
	f->save_rc = -ENOSPC;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -ENOSPC);
	ck_assert_int_eq(replication_state(the()), STATE_REPLICA);
	f->save_rc = 0;
	advance(2000);
	ask(EDIT_STATE, "promoting");
	run_one();			/* the save of the request */
	ck_assert_int_eq(answer, 0);
	f->save_rc = -EIO;		/* the intent can't be kept */
	run_all();
	ck_assert_uint_eq(f->acts, 0);
	f->save_rc = 0;
	advance(2000);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
}
END_TEST

START_TEST(a_silent_peer_makes_it_unplanned)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.failover, FAILOVER_UNPLANNED);
	ck_assert(is_acted(ACT_FORCE_PROMOTE, ACT_NONE, ACT_NONE));
}
END_TEST

START_TEST(a_peer_that_refuses_needs_force)
{
	f->truth.peer.reach = REACH_REFUSED;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "force"));
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert(is_acted(ACT_FORCE_PROMOTE, ACT_NONE, ACT_NONE));
}
END_TEST

START_TEST(an_incomplete_copy_is_never_promoted)
{
	f->truth.here.complete = false;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(a_lying_storage_is_not_believed)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	f->lie = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_PENDING);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Unverified");
	ck_assert_int_eq(put(EDIT_STATE, "source"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "source force"), -EBUSY);
	ck_assert_uint_eq(f->acts, 1);
}
END_TEST

START_TEST(without_a_second_fact_only_force_accepts)
{
	f->truth.here.fact = f->truth.peer.fact = ROLE_UNKNOWN;
	look();
	f->lie = true;			/* facts stay unknown */
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_UNKNOWN);
	ck_assert_int_eq(put(EDIT_STATE, "source"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "source force"), 0);
	ck_assert_int_eq(replication_state(the()), STATE_SOURCE);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_UNKNOWN);
}
END_TEST

START_TEST(a_roll_back_gives_the_role_back)
{
	ask(EDIT_STATE, "promoting");
	while (f->acts < 1)
		ck_assert(run_one());
	f->act_rc = -EAGAIN;		/* the promotion does not come about */
	run_all();
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_PENDING);
	ck_assert(the()->status->request.asked_peer);
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert(is_acted(ACT_PROMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_int_eq(f->truth.peer.fact, ROLE_SOURCE);
}
END_TEST

/* The peer is being asked to step down: it is the source as far as anybody has
   seen, and will not be. */
START_TEST(nothing_else_is_begun_while_a_roll_back_is_open)
{
	struct job *act;

	ask(EDIT_STATE, "promoting");
	while (!the()->status->request.asked_peer ||
	       f->first->lane != LANE_BACKEND)
		ck_assert(run_one());
	act = take_job(true);
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_int_eq(put(EDIT_STATE, "syncing"), -EBUSY);
	submit(&f->jobs, act);
	run_all();
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE_PEER, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_int_eq(put(EDIT_STATE, "syncing"), 0);
}
END_TEST

START_TEST(transient_errors_are_retried_with_the_same_serial)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	f->act_rc = -EIO;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_uint_eq(f->acts, 1);
	ck_assert_ptr_nonnull(the()->status->failure);
	advance(500);
	ck_assert_uint_eq(f->acts, 1);	/* not before its time */
	advance(700);
	ck_assert_uint_eq(f->acts, 2);
	f->act_rc = 0;
	advance(3000);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_ptr_null(the()->status->failure);
}
END_TEST

START_TEST(a_final_error_fails_and_can_be_retried)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	f->act_rc = -EPERM;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(replication_state(the()), STATE_FAILED);
	ck_assert_int_eq(replication_wait_result(the(), 2), -EIO);
	advance(1000000);
	ck_assert_uint_eq(f->acts, 1);	/* nothing happens by itself */
	ck_assert_int_eq(put(EDIT_STATE, "failed"), -EPERM);
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), -EPERM);
	f->act_rc = 0;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
}
END_TEST

START_TEST(the_deadline_fails_a_request_that_waits)
{
	f->truth.here.following = true;
	ask(EDIT_STATE, "promoting");
	run_one();
	f->truth.peer.reach = REACH_SILENT;
	f->act_rc = -EHOSTUNREACH;
	look();
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "PeerUnreachable");
	advance(900001);
	ck_assert_int_eq(replication_state(the()), STATE_FAILED);
}
END_TEST

/* The storage has been told to, and tells nothing of it. */
static void promote_in_vain(void)
{
	lose_peer();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->truth.here.promotes = f->truth.here.busy = true;
	f->truth.here.fact = ROLE_UNKNOWN;
	strcpy(f->truth.here.native, "not done yet");
	look();
	ck_assert(is_acted(ACT_FORCE_PROMOTE, ACT_NONE, ACT_NONE));
	f->acts = 0;
	f->act_rc = 0;
}

/* The look at the deadline has had no answer. */
static void miss_the_deadline(void)
{
	promote_in_vain();
	f->truth.here.reach = REACH_UNKNOWN;
	f->truth.here.promotes = false;
	look();
	advance(900001);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
}

/* That is no reason to leave it at that. */
START_TEST(the_deadline_waits_for_a_look)
{
	miss_the_deadline();
	f->truth.here.reach = REACH_OK;
	f->truth.here.promotes = true;
	look();
	ck_assert(is_acted(ACT_DEMOTE, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
}
END_TEST

START_TEST(but_no_longer_than_a_call_takes)
{
	miss_the_deadline();
	advance(f->config.act_timeout_ms);
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

/* It may be done by now, and somebody has the volume. */
START_TEST(what_may_be_in_use_is_not_taken_back)
{
	promote_in_vain();
	f->truth.here.in_use = TRI_YES;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "replica"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "replica force"), 0);
	ck_assert(the()->status->request.overrides & OVERRIDE_IN_USE);
	ck_assert(is_acted(ACT_DEMOTE, ACT_NONE, ACT_NONE));
}
END_TEST

START_TEST(the_deadline_takes_back_what_may_be_done_yet)
{
	promote_in_vain();
	advance(800000);
	ck_assert_uint_eq(f->acts, 0);
	advance(100001);
	ck_assert(is_acted(ACT_DEMOTE, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	ck_assert_int_eq(replication_state(the()), STATE_FAILED);
	ck_assert_ptr_nonnull(strstr(the()->status->failure, "not done yet"));
	ck_assert_ptr_nonnull(strstr(the()->status->failure, "not asked for"));
	advance(10000000);
	ck_assert_uint_eq(f->acts, 1);
}
END_TEST

static const int refusals[] = {-EAGAIN, -EPERM};

/* What can't be taken back is told. */
START_TEST(the_deadline_tells_what_may_be_done_yet)
{
	promote_in_vain();
	f->act_rc = refusals[_i];
	advance(900001);
	ck_assert(is_acted(ACT_DEMOTE, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	ck_assert_ptr_nonnull(strstr(the()->status->failure, "not done yet"));
	ck_assert_ptr_nonnull(strstr(the()->status->failure, "write replica"));
	/* Which does so, whatever it waits for. */
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert(did(ACT_DEMOTE));
}
END_TEST

START_TEST(a_death_after_the_deadline_takes_back_nothing_less)
{
	promote_in_vain();
	f->now += 900001;
	world_tick(f->world, f->now);
	while (the()->status->intent.act != ACT_DEMOTE)
		ck_assert(run_one());
	restart();
	look();
	ck_assert(did(ACT_DEMOTE));
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	ck_assert_ptr_nonnull(strstr(the()->status->failure, "not done yet"));
}
END_TEST

/* Others that move along may want it still. */
START_TEST(a_deadline_takes_nothing_back_from_a_group)
{
	promote_in_vain();
	strcpy(f->truth.group, "a group");
	look();
	advance(900001);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	ck_assert_ptr_nonnull(strstr(the()->status->failure, "write replica"));
}
END_TEST

static const struct {
	enum reach reach;
	const char *site, *peer;
} silences[] = {
	{REACH_UNKNOWN, "NotObserved", "PeerNotObserved"},
	{REACH_SILENT, "SiteUnreachable", "PeerUnreachable"},
	{REACH_REFUSED, "SiteRefused", "PeerRefused"},
	{REACH_UNCONFIGURED, "SiteUnconfigured", "PeerUnconfigured"},
};

/* Who refuses is no lost site: a wait says which it is. */
START_TEST(a_wait_says_what_it_waits_for)
{
	f->act_rc = -EHOSTUNREACH;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->truth.peer.reach = silences[_i].reach;
	look();
	ck_assert_str_eq(condition(CONDITION_READY)->reason, silences[_i].peer);
	f->truth.here.reach = silences[_i].reach;
	look();
	ck_assert_str_eq(condition(CONDITION_READY)->reason, silences[_i].site);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_UNKNOWN);
}
END_TEST

START_TEST(a_robot_with_yesterdays_manifest_changes_nothing)
{
	uint64_t version;

	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	version = the()->status->request.id;
	ck_assert_int_eq(put(EDIT_SPEC, manifest), -EPERM);
	ck_assert_uint_eq(the()->status->request.id, version);
	f->act_rc = 0;
	advance(10000);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(put(EDIT_SPEC, manifest), -EPERM);
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_int_eq(put(EDIT_SPEC, manifest), -EPERM);
	ck_assert_int_eq(replication_state(the()), STATE_SOURCE);
}
END_TEST

START_TEST(a_held_replication_refuses_everything_else)
{
	ck_assert_int_eq(put(EDIT_HOLD, "maintenance\n"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EPERM);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "maintenance"));
	ck_assert_int_eq(put(EDIT_REMOVE, ""), -EPERM);
	ck_assert_int_eq(put(EDIT_HOLD, "\n"), 0);
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	ck_assert_uint_eq(f->removes, 1);
	ck_assert_ptr_null(the());
}
END_TEST

START_TEST(a_steady_state_never_acts)
{
	f->truth.here.claim = f->truth.here.fact = ROLE_SOURCE;
	look();
	advance(10000000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason, "SplitBrain");
	ck_assert_int_eq(condition(CONDITION_DRIFTED)->status, CONDITION_TRUE);
	ck_assert_int_eq(replication_state(the()), STATE_REPLICA);
}
END_TEST

START_TEST(since_moves_only_when_the_status_flips)
{
	int64_t since = condition(CONDITION_DEGRADED)->since;

	ck_assert_int_eq(condition(CONDITION_DEGRADED)->status, CONDITION_FALSE);
	advance(1000);
	f->truth.peer.reach = REACH_SILENT;
	look();
	ck_assert_int_eq(condition(CONDITION_DEGRADED)->status, CONDITION_TRUE);
	ck_assert_int_gt(condition(CONDITION_DEGRADED)->since, since);
	since = condition(CONDITION_DEGRADED)->since;
	advance(1000);
	f->truth.peer.reach = REACH_REFUSED;
	look();
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason, "PeerRefused");
	ck_assert_int_eq(condition(CONDITION_DEGRADED)->since, since);
}
END_TEST

START_TEST(whoever_has_to_wait_for_a_version_hurries_it)
{
	ask(EDIT_STATE, "promoting");
	ck_assert_ptr_null(f->hurried);
	ask(EDIT_HOLD, "not now");
	ck_assert_ptr_nonnull(f->hurried);
	ck_assert_ptr_eq(f->hurried, f->first);
}
END_TEST

START_TEST(what_is_derived_is_not_stored_at_the_end)
{
	unsigned saves;

	f->truth.peer.reach = REACH_SILENT;
	look();
	saves = f->saves;
	f->truth.peer.reach = REACH_REFUSED;
	world_stop(f->world);
	look();
	ck_assert_uint_eq(f->saves, saves);
	/* What somebody asks is. */
	ask(EDIT_HOLD, "not now");
	run_all();
	ck_assert_uint_eq(f->saves, saves + 1);
	ck_assert_str_eq(the()->status->hold, "not now");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reconcile");
	TCase *c = tcase_create("reconcile");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_planned_failover_demotes_the_peer_first);
	tcase_add_test(c, nothing_is_acted_before_its_intent_is_durable);
	tcase_add_test(c, a_silent_peer_makes_it_unplanned);
	tcase_add_test(c, a_peer_that_refuses_needs_force);
	tcase_add_test(c, an_incomplete_copy_is_never_promoted);
	tcase_add_test(c, a_lying_storage_is_not_believed);
	tcase_add_test(c, without_a_second_fact_only_force_accepts);
	tcase_add_test(c, a_roll_back_gives_the_role_back);
	tcase_add_test(c, nothing_else_is_begun_while_a_roll_back_is_open);
	tcase_add_test(c, transient_errors_are_retried_with_the_same_serial);
	tcase_add_test(c, a_final_error_fails_and_can_be_retried);
	tcase_add_test(c, the_deadline_fails_a_request_that_waits);
	tcase_add_test(c, the_deadline_waits_for_a_look);
	tcase_add_test(c, but_no_longer_than_a_call_takes);
	tcase_add_test(c, what_may_be_in_use_is_not_taken_back);
	tcase_add_test(c, the_deadline_takes_back_what_may_be_done_yet);
	tcase_add_loop_test(c, the_deadline_tells_what_may_be_done_yet, 0, 2);
	tcase_add_test(c, a_death_after_the_deadline_takes_back_nothing_less);
	tcase_add_test(c, a_deadline_takes_nothing_back_from_a_group);
	tcase_add_loop_test(c, a_wait_says_what_it_waits_for, 0,
			    sizeof silences / sizeof *silences);
	tcase_add_test(c, a_robot_with_yesterdays_manifest_changes_nothing);
	tcase_add_test(c, a_held_replication_refuses_everything_else);
	tcase_add_test(c, a_steady_state_never_acts);
	tcase_add_test(c, since_moves_only_when_the_status_flips);
	tcase_add_test(c, whoever_has_to_wait_for_a_version_hurries_it);
	tcase_add_test(c, what_is_derived_is_not_stored_at_the_end);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
