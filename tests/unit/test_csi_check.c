/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a peer is lost, and who may be promoted without its consent. */
#include "csi_product.h"
#include "plan.h"
#include "suite.h"

#include <errno.h>

static struct order order;
static struct csi_view other;
static struct csi_call c;

static int check_lost(enum reach reach, enum role claim, enum role fact)
{
	struct error err;

	other = (struct csi_view){.cluster = "prod", .reach = reach};
	c.order = &order;
	c.other = &other;
	c.seen.peer = (struct side){.reach = reach, .claim = claim,
				    .fact = fact};
	return csi_check_lost(&c, &err);
}

static void setup(void)
{
	order = (struct order){.act = ACT_FORCE_PROMOTE};
	c = (struct csi_call){.order = &order};
}

START_TEST(of_a_peer_that_does_not_answer)
{
	enum reach reach = (enum reach)_i;
	bool lost = reach == REACH_SILENT;

	if (reach == REACH_OK)
		return;
	ck_assert_int_eq(check_lost(reach, ROLE_UNKNOWN, ROLE_UNKNOWN),
			 lost ? 0 : -EAGAIN);
	/* What was seen before it was lost says nothing. */
	ck_assert_int_eq(check_lost(reach, ROLE_REPLICA, ROLE_REPLICA),
			 lost ? 0 : -EAGAIN);
	c.seen.peer_alive = true;
	ck_assert_int_eq(check_lost(reach, ROLE_UNKNOWN, ROLE_UNKNOWN),
			 -EAGAIN);
	order.overrides = OVERRIDE_PEER;
	ck_assert_int_eq(check_lost(reach, ROLE_UNKNOWN, ROLE_UNKNOWN), 0);
}
END_TEST

START_TEST(of_one_that_answers)
{
	enum role claim = (enum role)(_i / 4), fact = (enum role)(_i % 4);
	bool replica = claim == ROLE_REPLICA &&
		       (fact == ROLE_REPLICA || fact == ROLE_UNKNOWN);

	ck_assert_int_eq(check_lost(REACH_OK, claim, fact),
			 replica ? 0 : -EBUSY);
	/* It steps down first, unless it has been asked to in vain. */
	order.overrides = OVERRIDE_PEER;
	ck_assert_int_eq(check_lost(REACH_OK, claim, fact),
			 claim == ROLE_SOURCE ? -EBUSY : 0);
	order.overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	ck_assert_int_eq(check_lost(REACH_OK, claim, fact), 0);
}
END_TEST

/* Nobody has looked whether that one is alive. */
START_TEST(as_the_other_side_sees_it)
{
	struct observation o = {.here = {.reach = REACH_SILENT},
				.peer = {.reach = REACH_OK,
					 .claim = ROLE_REPLICA}};

	observation_turn(&o);
	ck_assert(!observation_peer_is_away(&o));
	observation_turn(&o);
	ck_assert(observation_peer_is_away(&o));
	ck_assert(!o.peer_alive);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("csi_check");
	TCase *t = tcase_create("lost");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, of_a_peer_that_does_not_answer, 0,
			    REACH_UNCONFIGURED + 1);
	tcase_add_loop_test(t, of_one_that_answers, 0, 16);
	tcase_add_test(t, as_the_other_side_sees_it);
	suite_add_tcase(s, t);
	return run_suite(s);
}
