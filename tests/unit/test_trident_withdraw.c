/* SPDX-License-Identifier: Apache-2.0 */
/* trident: promotions that are asked for, not done yet, and not wanted any more. */
#include "trident_pair.h"

/* B is asked to be promoted, and its Trident sleeps. */
static void ask_in_vain(enum act act)
{
	fake_tridents[B].off = true;
	ck_assert_int_eq(act_at(act, B), 0);
	ck_assert_str_eq(fake_log, "b patch db to promoted\n");
	judge();
	ck_assert(o.peer.busy && o.peer.promotes);
}

/* Whatever was asked for is done now. */
static void wake_up(void)
{
	fake_tridents[B].off = false;
	controllers();
	ck_assert(!fake_volumes[B].writable);
	fake_now += 2 * 60 * 1000;
}

static void roll_back(struct drive *d)
{
	request_word(d);
	ck_assert_msg(d->plan.verdict == VERDICT_ALLOWED, "%s",
		      plan_why(&d->plan));
	carry_out(d, 5);
	ck_assert_str_eq(csi_spec(fake_tmr(B), "state"), "established");
	wake_up();
	carry_out(d, 60);
	ck_assert_msg(d->plan.done, "%s", d->plan.waits_text);
	ck_assert(!fake_volumes[B].writable);
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
}

static struct drive back(void)
{
	return (struct drive){.here = B, .word = WORD_REPLICA,
			      .from = STATE_PROMOTING};
}

/* The source was silent, and goes on as if nothing had been. */
START_TEST(the_source_has_come_back)
{
	struct drive d = back();

	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	ask_in_vain(ACT_FORCE_PROMOTE);
	fake_sites[A].reach = REACH_OK;
	fake_sites[A].in_use = TRI_YES;
	roll_back(&d);
}
END_TEST

START_TEST(it_has_waited_for_longer_than_trident_takes)
{
	struct drive d = back();

	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	ask_in_vain(ACT_FORCE_PROMOTE);
	fake_sites[A].reach = REACH_OK;
	fake_now += 20 * 60 * 1000;
	judge();
	ck_assert(!o.peer.busy && o.peer.promotes);
	d.force = true;
	roll_back(&d);
}
END_TEST

/* It is not given the role back before nobody else gets it. */
START_TEST(the_source_has_stepped_down_for_it)
{
	struct drive d = back();

	verified_pair();
	step_down(A);
	ask_in_vain(ACT_PROMOTE);
	d.status.request.asked_peer = true;
	request_word(&d);
	progress(&d);
	ck_assert_str_eq(fake_log, "b patch db to established\n");
	roll_back(&d);
}
END_TEST

START_TEST(one_that_failed)
{
	struct drive d = back();

	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	ask_in_vain(ACT_FORCE_PROMOTE);
	fake_tell(B, "failed", "Could not promote mirror");
	fake_sites[A].reach = REACH_OK;
	judge();
	ck_assert(!o.peer.busy && o.peer.promotes);
	roll_back(&d);
}
END_TEST

/* By force it is, where somebody says so: but first the other one is not. */
START_TEST(the_role_is_taken_back_by_force)
{
	verified_pair();
	step_down(A);
	ask_in_vain(ACT_PROMOTE);
	overrides = OVERRIDE_PEER;
	request++;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), 0);
	ck_assert_str_eq(fake_log, "b patch db to established\n");
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
	wake_up();
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
}
END_TEST

START_TEST(the_role_is_taken_back_though_the_other_refuses)
{
	verified_pair();
	step_down(A);
	ask_in_vain(ACT_PROMOTE);
	overrides = OVERRIDE_PEER;
	request++;
	fake_refuse = -EPERM;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), -EAGAIN);
	ck_assert_str_eq(fake_log, "");
	fake_refuse = -EPERM;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
}
END_TEST

/* Who gives no answer can't be told. */
START_TEST(the_role_is_taken_back_from_a_lost_one)
{
	verified_pair();
	step_down(A);
	ask_in_vain(ACT_PROMOTE);
	fake_sites[B].reach = REACH_SILENT;
	request++;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
}
END_TEST

START_TEST(the_role_is_given_back)
{
	verified_pair();
	step_down(A);
	ask_in_vain(ACT_PROMOTE);
	request++;
	/* It may be promoted any moment, as somebody wants it to be. */
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), -EBUSY);
	ck_assert_str_eq(fake_log, "");
	fake_now += 20 * 60 * 1000;
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), 0);
	ck_assert_str_eq(fake_log, "b patch db to established\n");
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), -EBUSY);
	wake_up();
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
}
END_TEST

/* What may be writable is never told to follow by this. */
START_TEST(those_that_are_no_mirrors)
{
	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_SOURCE);
	ck_assert(!o.peer.promotes);
	/* The source's own, before Trident has looked at it. */
	fake_remove(B, fake_tmr(B));
	fake_add_tmr(B, "promoted", false);
	judge();
	ck_assert(o.peer.busy && !o.peer.promotes);
}
END_TEST

START_TEST(as_a_person_would_take_it_back)
{
	auto_buf out;

	buf_init(&out, 4096);
	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	ask_in_vain(ACT_FORCE_PROMOTE);
	judge();
	csi_trident.describe(&vb, &va, ACT_DEMOTE, &out);
	ck_says(buf_str(&out), "\"state\":\"established\"");
	ck_assert_ptr_null(strstr(buf_str(&out), "VolumeSnapshot"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trident_withdraw");
	TCase *c = trident_case(suite);

	add(c, the_source_has_come_back);
	add(c, it_has_waited_for_longer_than_trident_takes);
	add(c, the_source_has_stepped_down_for_it);
	add(c, one_that_failed);
	add(c, the_role_is_taken_back_by_force);
	add(c, the_role_is_taken_back_though_the_other_refuses);
	add(c, the_role_is_taken_back_from_a_lost_one);
	add(c, the_role_is_given_back);
	add(c, those_that_are_no_mirrors);
	add(c, as_a_person_would_take_it_back);
	return run_suite(suite);
}
