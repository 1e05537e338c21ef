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
	tcase_add_test(c, a_peer_that_is_the_source_still_needs_nothing_back);
	tcase_add_test(c, a_role_that_can_not_be_given_back);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
