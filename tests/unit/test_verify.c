/* SPDX-License-Identifier: Apache-2.0 */
/* Looks that need a call, and a role that need not be given back. */
#include "fake_world.h"
#include "suite.h"

/* The peer has gone, and nothing but an act will show that here is writable. */
static int act_in_doubt(struct backend *b, const struct target *t,
			const struct order *order, struct error *err)
{
	int rc = act(b, t, order, err);

	if (rc == 0 && order->act == ACT_FORCE_PROMOTE)
		doubt(&f->truth.here);
	return rc;
}

START_TEST(what_nothing_else_proves_is_verified_by_an_act)
{
	f->ops.act = act_in_doubt;
	lose_peer();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(is_acted(ACT_FORCE_PROMOTE, ACT_VERIFY, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	/* A steady state calls nothing. */
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	doubt(&f->truth.here);
	look();
	advance(100000);
	ck_assert_uint_eq(f->acts, 2);
}
END_TEST

START_TEST(what_can_not_be_verified_waits)
{
	f->ops.act = act_in_doubt;
	f->lie = true;			/* the call shows nothing */
	lose_peer();
	f->truth.here.claim = ROLE_REPLICA;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(is_acted(ACT_FORCE_PROMOTE, ACT_VERIFY, ACT_NONE));
	advance(10000);
	ck_assert_uint_eq(f->acts, 2);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Unverified");
	ck_assert_int_eq(put(EDIT_STATE, "source"), -EBUSY);
}
END_TEST

START_TEST(a_contradiction_is_not_verified_away)
{
	f->ops.act = act_in_doubt;
	lose_peer();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->act_rc = 0;
	f->acts = 0;
	f->truth.here.claim = ROLE_SOURCE;
	f->truth.here.fact = ROLE_REPLICA;
	f->truth.here.can_verify = true;
	look();
	advance(10000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
}
END_TEST

/* ---- before the source steps down ---- */

START_TEST(a_copy_is_verified_before_its_source_steps_down)
{
	doubt(&f->truth.here);
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(f->did[0], ACT_VERIFY);
	ck_assert_int_eq(f->did[1], ACT_DEMOTE_PEER);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

/* The look comes to nothing, and another is not to be had: so it stays. */
START_TEST(a_copy_that_can_not_be_verified_moves_nobody)
{
	doubt(&f->truth.here);
	look();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(is_acted(ACT_VERIFY, ACT_NONE, ACT_NONE));
	f->act_rc = 0;
	f->truth.here.can_verify = false;
	look();
	advance(100000);
	ck_assert(!did(ACT_DEMOTE_PEER));
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Unverified");
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	/* Somebody has looked. */
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert(did(ACT_DEMOTE_PEER) && did(ACT_PROMOTE));
	ck_assert(!did(ACT_FORCE_PROMOTE));
}
END_TEST

START_TEST(force_gets_past_a_verification_that_goes_on_failing)
{
	doubt(&f->truth.here);
	look();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert_int_eq(f->did[0], ACT_DEMOTE_PEER);
	ck_assert(did(ACT_PROMOTE) && !did(ACT_FORCE_PROMOTE));
}
END_TEST

START_TEST(a_follower_is_verified_before_the_source_steps_down)
{
	become_source();
	doubt(&f->truth.peer);
	look();
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), 0);
	ck_assert_int_eq(f->did[0], ACT_VERIFY_PEER);
	ck_assert_int_eq(f->did[1], ACT_DEMOTE);
}
END_TEST

START_TEST(a_follower_that_can_not_be_verified_needs_force)
{
	become_source();
	f->truth.peer.fact = ROLE_UNKNOWN;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(put(EDIT_STATE, "demoting force"), 0);
	ck_assert_int_eq(f->did[0], ACT_DEMOTE);
}
END_TEST

/* ---- a peer that does not step down ---- */

START_TEST(force_is_good_for_a_peer_that_was_asked_in_vain)
{
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Retrying");
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_READY)->message,
				     "'promoting force'"));
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert_int_eq(f->did[0], ACT_FORCE_PROMOTE);
	ck_assert_int_eq(f->truth.peer.claim, ROLE_SOURCE);
}
END_TEST

static int act_that_takes_long(struct backend *b, const struct target *t,
			       const struct order *order, struct error *err)
{
	if (order->act != ACT_DEMOTE_PEER)
		return act(b, t, order, err);
	f->did[f->acts++] = order->act;
	f->truth.peer.busy = true;
	return 0;
}

/* Nothing has failed: whoever writes it once more gets no more than that, until
   it takes too long. */
START_TEST(force_that_is_repeated_skips_nothing)
{
	f->ops.act = act_that_takes_long;
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	advance(50000);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Busy");
	advance(61000);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert(did(ACT_FORCE_PROMOTE));
}
END_TEST

/* ---- back ---- */

START_TEST(a_peer_that_is_the_source_still_needs_nothing_back)
{
	f->ops.capabilities = ~0U & ~(unsigned)CAP_GIVE_BACK;
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(did(ACT_DEMOTE_PEER));
	ck_assert(the()->status->request.asked_peer);
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(a_role_that_can_not_be_given_back)
{
	f->ops.capabilities = ~0U & ~(unsigned)CAP_GIVE_BACK;
	f->no_final = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(put(EDIT_STATE, "replica"), -EPERM);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "by hand"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verify");
	TCase *c = tcase_create("verify");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_nothing_else_proves_is_verified_by_an_act);
	tcase_add_test(c, what_can_not_be_verified_waits);
	tcase_add_test(c, a_contradiction_is_not_verified_away);
	tcase_add_test(c, a_copy_is_verified_before_its_source_steps_down);
	tcase_add_test(c, a_copy_that_can_not_be_verified_moves_nobody);
	tcase_add_test(c, force_gets_past_a_verification_that_goes_on_failing);
	tcase_add_test(c, a_follower_is_verified_before_the_source_steps_down);
	tcase_add_test(c, a_follower_that_can_not_be_verified_needs_force);
	tcase_add_test(c, force_is_good_for_a_peer_that_was_asked_in_vain);
	tcase_add_test(c, force_that_is_repeated_skips_nothing);
	tcase_add_test(c, a_peer_that_is_the_source_still_needs_nothing_back);
	tcase_add_test(c, a_role_that_can_not_be_given_back);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
