/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must never happen: two writable sides, a volume pulled away, a word
 * believed that nobody vouches for, a force that is good for more than what it
 * was given for.
 */
#include "fake_world.h"
#include "suite.h"

/* ---- two writable sides ---- */

/* A planned failover whose promotion answers @rc; @busy: it may run still. */
static void lose_the_promotion(int rc, bool busy)
{
	ask(EDIT_STATE, "promoting");
	while (f->acts < 1)
		ck_assert(run_one());
	f->act_rc = rc;
	f->truth.here.busy = busy;
	run_all();
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	f->act_rc = 0;
	f->acts = 0;
}

START_TEST(a_role_is_not_given_back_while_a_promotion_may_land)
{
	lose_the_promotion(-ETIMEDOUT, true);
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	advance(10000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Busy");
	f->truth.here.busy = false;
	f->truth.here.claim = f->truth.here.fact = ROLE_SOURCE;
	look();
	advance(10000);
	ck_assert(!did(ACT_PROMOTE_PEER));
	ck_assert_int_eq(f->truth.peer.fact, ROLE_REPLICA);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "NeedsForce");
}
END_TEST

START_TEST(a_roll_back_is_not_done_while_a_forced_promotion_may_land)
{
	lose_peer();
	f->act_rc = -ETIMEDOUT;
	f->truth.here.busy = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	f->truth.here.busy = false;	/* it came to nothing */
	look();
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_promotion_waits_while_the_peer_may_get_its_role_back)
{
	lose_the_promotion(-EAGAIN, false);
	f->act_rc = -ETIMEDOUT;
	f->truth.peer.busy = true;
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert(is_acted(ACT_PROMOTE_PEER, ACT_NONE, ACT_NONE));
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_uint_eq(f->acts, 0);
	f->truth.peer.busy = false;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_SOURCE;
	look();
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_int_eq(f->truth.peer.fact, ROLE_REPLICA);
}
END_TEST

START_TEST(a_step_down_under_way_is_not_taken_back_as_done)
{
	become_source();
	f->act_rc = -ETIMEDOUT;
	f->truth.here.busy = true;
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Busy");
}
END_TEST

START_TEST(nothing_is_taken_back_over_a_writable_peer)
{
	become_source();
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	f->truth.peer.fact = ROLE_SOURCE;	/* its record lags behind */
	look();
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "source"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "source force"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

static const struct {
	bool alive;
	enum reach reach;
	enum role claim, fact;
} returns[] = {
	{true, REACH_SILENT, ROLE_SOURCE, ROLE_SOURCE},
	{false, REACH_REFUSED, ROLE_SOURCE, ROLE_SOURCE},
	{false, REACH_OK, ROLE_REPLICA, ROLE_SOURCE},
	{false, REACH_OK, ROLE_SOURCE, ROLE_SOURCE},
};

/* Silence was the reason why it needed no force. */
START_TEST(an_unplanned_failover_stops_when_the_peer_shows_again)
{
	lose_peer();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.failover, FAILOVER_UNPLANNED);
	f->acts = 0;
	f->act_rc = 0;
	f->truth.peer_alive = returns[_i].alive;
	f->truth.peer.reach = returns[_i].reach;
	f->truth.peer.claim = returns[_i].claim;
	f->truth.peer.fact = returns[_i].fact;
	look();
	advance(3000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "PeerReturned");
}
END_TEST

/* ---- a volume in use ---- */

START_TEST(a_volume_that_came_into_use_is_not_pulled_away_by_a_retry)
{
	become_source();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	f->truth.here.in_use = TRI_YES;
	look();
	f->acts = 0;
	f->act_rc = 0;
	advance(3000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "InUse");
	ck_assert_int_eq(put(EDIT_STATE, "demoting force"), 0);
	ck_assert(is_acted(ACT_DEMOTE, ACT_NONE, ACT_NONE));
}
END_TEST

START_TEST(a_refusal_looks_whether_it_is_right_still)
{
	advance(3000);
	f->truth.peer.in_use = TRI_YES;
	look();
	f->truth.peer.in_use = TRI_NO;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
}
END_TEST

START_TEST(a_wait_looks_whether_it_is_over)
{
	become_source();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	f->truth.here.in_use = TRI_YES;
	look();
	f->truth.here.in_use = TRI_NO;
	f->act_rc = 0;
	advance(3000);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_peers_volume_that_came_into_use_is_not_pulled_away)
{
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->truth.peer.in_use = TRI_UNKNOWN;	/* or can't be told */
	look();
	f->acts = 0;
	f->act_rc = 0;
	advance(3000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "InUse");
}
END_TEST

/* ---- what a force is good for ---- */

START_TEST(a_step_down_waits_when_its_peer_goes_away)
{
	become_source();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	lose_peer();
	f->acts = 0;
	f->act_rc = 0;
	advance(3000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "PeerUnreachable");
}
END_TEST

/* Whoever fails over writes at the other site: this one is told afterwards. */
static void be_succeeded(bool diverged)
{
	become_source();
	f->truth.here.claim = f->truth.here.fact = ROLE_REPLICA;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_SOURCE;
	f->truth.peer.caught_up = f->truth.peer.following = false;
	f->truth.here.diverged = diverged;
	f->truth.here.complete = true;
	look();
	ck_assert_int_eq(condition(CONDITION_DRIFTED)->status, CONDITION_TRUE);
}

START_TEST(who_was_succeeded_has_stepped_down)
{
	be_succeeded(false);
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_int_eq(condition(CONDITION_DRIFTED)->status, CONDITION_FALSE);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

/* The peer was promoted by force before the final copy had come: nobody knows
   yet what it lacks. */
START_TEST(a_step_down_is_not_done_by_a_promotion_without_its_data)
{
	become_source();
	f->truth.peer.caught_up = false;
	f->no_final = true;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	f->truth.peer.claim = f->truth.peer.fact = ROLE_SOURCE;
	f->truth.peer.following = false;
	f->truth.here.complete = false;
	look();
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	f->truth.here.complete = true;
	f->truth.here.diverged = true;
	look();
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
}
END_TEST

START_TEST(but_not_with_writes_that_nobody_has)
{
	be_succeeded(true);
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(force_for_a_volume_in_use_does_not_spare_the_final_sync)
{
	become_source();
	f->truth.here.in_use = TRI_YES;
	f->truth.peer.caught_up = false;
	f->no_final = true;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "demoting force"), 0);
	ck_assert(is_acted(ACT_DEMOTE, ACT_NONE, ACT_NONE));
	/* The backend may pass over that, and nothing else. */
	ck_assert_uint_eq(f->overrides, OVERRIDE_IN_USE);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	lose_peer();
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "PeerUnreachable");
}
END_TEST

START_TEST(swap_force_on_an_absent_peer_destroys_nothing_unread)
{
	lose_peer();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap force"), 0);
	f->truth.peer = (struct side){
		.reach = REACH_OK,
		.claim = ROLE_SOURCE,
		.fact = ROLE_SOURCE,
		.in_use = TRI_YES,
		.diverged = true,
		.progress = -1,
	};
	f->acts = 0;
	look();
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "NeedsForce");
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap force"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_RESYNC_PEER, ACT_NONE));
}
END_TEST

START_TEST(a_split_brain_is_ended_by_swap_force_alone)
{
	become_source();
	f->truth.peer.claim = f->truth.peer.fact = ROLE_SOURCE;
	f->truth.peer.following = false;
	look();
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_DEGRADED)->message,
				     "swap force"));
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap force"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_RESYNC_PEER, ACT_NONE));
}
END_TEST

START_TEST(a_replica_that_does_not_follow_is_not_rebuilt_unasked)
{
	const struct condition *degraded;

	f->truth.here.following = false;
	f->truth.here.complete = true;
	look();
	degraded = condition(CONDITION_DEGRADED);
	ck_assert_str_eq(degraded->reason, "NotFollowing");
	ck_assert_ptr_nonnull(strstr(degraded->message, "resume"));
	ck_assert_ptr_nonnull(strstr(degraded->message, "'syncing force'"));
	ck_assert_int_eq(put(EDIT_STATE, "syncing"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(put(EDIT_STATE, "syncing force"), 0);
	ck_assert(is_acted(ACT_RESYNC, ACT_NONE, ACT_NONE));
}
END_TEST

START_TEST(promoting_force_goes_on_without_a_final_copy)
{
	f->no_final = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	advance(60000);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_int_eq(f->truth.here.fact, ROLE_SOURCE);
	ck_assert_int_eq(f->truth.peer.fact, ROLE_REPLICA);
}
END_TEST

START_TEST(a_roll_back_by_force_rebuilds_from_a_verified_source)
{
	lose_peer();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->truth.peer.reach = REACH_OK;
	look();
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "replica"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "replica force"), 0);
	ck_assert(is_acted(ACT_DEMOTE, ACT_RESYNC, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert(f->truth.here.following);
}
END_TEST

START_TEST(nothing_is_rebuilt_from_a_source_by_its_claim_alone)
{
	lose_peer();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->truth.peer.reach = REACH_OK;
	f->truth.peer.fact = ROLE_UNKNOWN;
	f->truth.here.diverged = true;
	look();
	f->acts = 0;
	ck_assert_int_eq(f->truth.peer.claim, ROLE_SOURCE);
	ck_assert_int_eq(put(EDIT_STATE, "replica force"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

/* ---- what nobody vouches for ---- */

START_TEST(a_peer_that_only_says_so_has_not_stepped_down)
{
	f->lie = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	advance(60000);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(f->truth.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(f->truth.peer.fact, ROLE_SOURCE);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "PeerUnverified");
}
END_TEST

/*
 * The step down is no state of ours: where there is no second look at the peer
 * its word and the final copy will do.  Here's own role is still verified.
 */
START_TEST(a_peer_without_a_second_fact_is_taken_at_its_word)
{
	f->ops.capabilities &= ~(unsigned)CAP_SECOND_FACT;
	f->truth.peer.fact = ROLE_UNKNOWN;
	f->lie = true;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.failover, FAILOVER_PLANNED);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Unverified");
	f->truth.here.fact = ROLE_SOURCE;
	look();
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(an_adoption_without_a_second_fact_is_not_verified)
{
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->truth.here.fact = f->truth.peer.fact = ROLE_UNKNOWN;
	advance(1000);
	ck_assert_int_eq(put_to(draft("db"), EDIT_SPEC, manifest), 0);
	look();
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_UNKNOWN);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Unverified");
	ck_assert_int_eq(put(EDIT_STATE, "replica force"), 0);
	/* Accepted, and no more known than before. */
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_UNKNOWN);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(following_the_advice_of_ready_settles_it)
{
	f->truth.here.fact = f->truth.peer.fact = ROLE_UNKNOWN;
	f->lie = true;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "source force"), 0);
	f->truth.peer.following = f->truth.peer.complete = true;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "demoting force"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_READY)->message,
				     "source force"));
	ck_assert_int_eq(put(EDIT_STATE, "source force"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

static const TTest *const *const tests[] = {
	&a_role_is_not_given_back_while_a_promotion_may_land,
	&a_roll_back_is_not_done_while_a_forced_promotion_may_land,
	&a_promotion_waits_while_the_peer_may_get_its_role_back,
	&a_step_down_under_way_is_not_taken_back_as_done,
	&nothing_is_taken_back_over_a_writable_peer,
	&a_volume_that_came_into_use_is_not_pulled_away_by_a_retry,
	&a_refusal_looks_whether_it_is_right_still,
	&a_wait_looks_whether_it_is_over,
	&a_peers_volume_that_came_into_use_is_not_pulled_away,
	&a_step_down_waits_when_its_peer_goes_away,
	&who_was_succeeded_has_stepped_down,
	&but_not_with_writes_that_nobody_has,
	&a_step_down_is_not_done_by_a_promotion_without_its_data,
	&force_for_a_volume_in_use_does_not_spare_the_final_sync,
	&swap_force_on_an_absent_peer_destroys_nothing_unread,
	&a_split_brain_is_ended_by_swap_force_alone,
	&a_replica_that_does_not_follow_is_not_rebuilt_unasked,
	&promoting_force_goes_on_without_a_final_copy,
	&a_roll_back_by_force_rebuilds_from_a_verified_source,
	&nothing_is_rebuilt_from_a_source_by_its_claim_alone,
	&a_peer_that_only_says_so_has_not_stepped_down,
	&a_peer_without_a_second_fact_is_taken_at_its_word,
	&an_adoption_without_a_second_fact_is_not_verified,
	&following_the_advice_of_ready_settles_it,
};

int main(void)
{
	Suite *suite = suite_create("safety");
	TCase *c = tcase_create("safety");
	size_t i;

	tcase_add_checked_fixture(c, setup, teardown);
	for (i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(c, *tests[i]);
	tcase_add_loop_test(
		c, an_unplanned_failover_stops_when_the_peer_shows_again, 0,
		sizeof returns / sizeof *returns);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
