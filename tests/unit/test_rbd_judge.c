/* SPDX-License-Identifier: Apache-2.0 */
/* What ceph-rbd makes of two looks. */
#include "rbd_looks.h"
#include "suite.h"

#include <check.h>

static struct observation o;

static void judge(void)
{
	memset(&o, 0, sizeof o);
	rbd_judge(&a, &b, &o);
}

/* ---- snapshot mode ---- */

START_TEST(all_is_well)
{
	pair();
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(o.peer.following && o.peer.complete && !o.peer.caught_up);
	ck_assert(!o.peer.diverged && !o.peer.has_last_copy);
	/* Current when the source took that snapshot, not when it was copied. */
	ck_assert_int_eq(o.peer.data_time, 5000);
	ck_assert_int_eq(o.peer.progress, -1);
	ck_assert(rbd_is_settled(&a, &b));
	ck_assert(rbd_is_settled(&b, &a));
}
END_TEST

START_TEST(a_copy_on_its_way)
{
	struct rbd_snap *s;

	pair();
	snap(&a, 6, RBD_SNAP_PRIMARY);
	s = copy(&b, 4, RBD_SNAP_NON_PRIMARY, &a, 6);
	s->complete = false;
	s->copied = 4;
	judge();
	ck_assert(o.peer.complete && o.peer.following);
	ck_assert_int_eq(o.peer.progress, 40);
	ck_assert_int_eq(o.peer.data_time, 5000);
	ck_assert(!rbd_is_settled(&a, &b));
	/* The first one: there is nothing whole yet. */
	b.snaps[0] = b.snaps[1];
	b.snap_count = 1;
	judge();
	ck_assert(!o.peer.complete);
	s = &b.snaps[0];
	s->copied = 10;
	judge();
	ck_assert_int_eq(o.peer.progress, 99);
	b.objects = 0;
	judge();
	ck_assert_int_eq(o.peer.progress, 0);
}
END_TEST

START_TEST(rbd_mirror_makes_the_image)
{
	pair();
	b.exists = b.mirrored = false;
	b.snap_count = 0;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(o.peer.following && !o.peer.complete);
	ck_assert_int_eq(o.peer.progress, 0);
	/* Half made, or somebody else's of that name. */
	b.exists = true;
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert(!o.peer.complete);
	/* Where nothing would make it there is none. */
	b.exists = false;
	b.pool_mirrors = false;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_ABSENT);
	b.pool_mirrors = true;
	a.mirrored = false;
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_ABSENT);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_ABSENT);
}
END_TEST

START_TEST(the_final_copy)
{
	pair();
	step_down_a();
	judge();
	ck_assert(!o.peer.caught_up);
	hand_over();
	/* That copied another demotion. */
	b.snaps[b.snap_count - 1].from_id = 5;
	judge();
	ck_assert(!o.peer.caught_up);
	pair();
	hand_over();
	judge();
	ck_assert(o.peer.caught_up);
	ck_assert_int_eq(o.peer.data_time, 6000);
	/* Nobody has taken over: a has all of it, too. */
	ck_assert(o.here.caught_up);
	b.snaps[b.snap_count - 1].complete = false;
	judge();
	ck_assert(!o.peer.caught_up);
	b.snaps[b.snap_count - 1].complete = true;
	a.reach = REACH_SILENT;
	judge();
	ck_assert(o.peer.caught_up);
	ck_assert_int_eq(o.here.claim, ROLE_UNKNOWN);
}
END_TEST

START_TEST(handed_over)
{
	pair();
	hand_over();
	promote_b();
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_REPLICA);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_SOURCE);
	/* It follows without a rebuild, and has no copy from b so far. */
	ck_assert(o.here.following && !o.here.diverged && !o.here.complete);
	ck_assert(!rbd_is_settled(&a, &b));
	/* b dies before: what a has is whole, and all that there is. */
	b.reach = REACH_SILENT;
	judge();
	ck_assert(o.here.complete);
	ck_assert(rbd_is_settled(&a, &b));
	b.reach = REACH_OK;
	copy(&a, 7, RBD_SNAP_NON_PRIMARY, &b, 7);
	judge();
	ck_assert(o.here.complete);
	ck_assert(rbd_is_settled(&a, &b));
}
END_TEST

START_TEST(stepped_down_in_turn)
{
	pair();
	hand_over();
	promote_b();
	b.primary = false;
	b.no_writes = true;
	snap(&b, 8, RBD_SNAP_PRIMARY_DEMOTED);
	/* rbd-mirror never copies that to a: only b can go on. */
	judge();
	ck_assert(o.peer.caught_up);
	ck_assert(!o.here.caught_up);
}
END_TEST

START_TEST(diverged)
{
	pair();
	promote_b();			/* by force */
	judge();
	ck_assert(observation_is_split(&o));
	step_down_a();
	judge();
	ck_assert(o.here.diverged && !o.here.following);
	ck_assert(!observation_is_split(&o));
}
END_TEST

/* Who is gone took what this side lacks along, and nothing undoes that. */
START_TEST(diverged_from_who_is_lost)
{
	pair();
	promote_b();
	judge();
	step_down_a();
	judge();
	ck_assert_int_eq(o.here.data_time, 0);
	b.reach = REACH_SILENT;
	judge();
	ck_assert(o.here.diverged && !o.here.following);
	ck_assert(o.here.complete && !o.here.caught_up);
	ck_assert_int_eq(o.here.data_time, 0);
	/* It is the source from now on: what it has is what counts. */
	a.primary = true;
	a.no_writes = false;
	snap(&a, 8, RBD_SNAP_PRIMARY);
	judge();
	ck_assert(!o.here.diverged);
	step_down_a();
	judge();
	ck_assert(!o.here.diverged);
}
END_TEST

START_TEST(a_claim_without_its_fact)
{
	pair();
	a.no_writes = true;
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_UNKNOWN);
}
END_TEST

/* ---- journal mode ---- */

static void record(struct rbd_view *v, enum rbd_mirror_state state,
		   const char *text)
{
	v->record = (struct rbd_record){.known = true, .up = true,
					.state = state, .updated = 10000};
	snprintf(v->record.text, sizeof v->record.text, "%s", text);
}

static void journal_pair(void)
{
	pair();
	a.snap_count = b.snap_count = 0;
	a.mode = b.mode = MIRRORING_JOURNAL;
	a.no_writes = b.no_writes = false;
	a.owner_known = b.owner_known = true;
	strcpy(b.owner, "uuid-a");
	record(&a, RBD_MIRROR_STOPPED, "local image is primary");
	record(&b, RBD_MIRROR_REPLAYING, "replaying");
}

START_TEST(journal_mode)
{
	journal_pair();
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_SOURCE);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(o.peer.following && o.peer.complete && !o.peer.caught_up);
	ck_assert(rbd_is_settled(&a, &b));
	/* A record of an image that was there before, and one of this second. */
	b.created = 11000;
	judge();
	ck_assert(!o.peer.complete);
	b.created = 10900;
	judge();
	ck_assert(o.peer.complete);
	record(&b, RBD_MIRROR_SYNCING, "bootstrapping, image_sync");
	judge();
	ck_assert(!o.peer.complete);
	ck_assert_int_eq(o.peer.progress, 0);
	/* It was whole once: that its rbd-mirror stops changes nothing. */
	b.data_time = 9000;
	record(&b, RBD_MIRROR_STOPPED, "stopped");
	judge();
	ck_assert(o.peer.complete);
	b.owner_known = false;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_UNKNOWN);
	ck_assert(!o.peer.following);
}
END_TEST

START_TEST(a_lock_that_rbd_mirror_keeps)
{
	journal_pair();
	b.primary = true;		/* by force */
	*b.owner = '\0';
	strcpy(b.held_by, "127.0.0.1:0/1");
	b.data_time = 9000;
	a.reach = REACH_SILENT;
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert(o.peer.complete && !o.peer.following);
	ck_assert_ptr_nonnull(strstr(o.peer.native, "no writes"));
	*b.held_by = '\0';
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_SOURCE);
}
END_TEST

START_TEST(journal_mode_handed_over)
{
	journal_pair();
	a.primary = false;
	strcpy(a.owner, RBD_NOBODY);
	judge();
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_REPLICA);
	ck_assert(!o.peer.caught_up);
	/* The demotion has arrived, but a's rbd-mirror has not noticed it. */
	strcpy(b.owner, RBD_NOBODY);
	record(&b, RBD_MIRROR_STOPPED, "stopped");
	judge();
	ck_assert(!o.peer.caught_up);
	record(&a, RBD_MIRROR_UNKNOWN, "remote image is not primary");
	judge();
	ck_assert(o.peer.caught_up && o.peer.complete);
	b.primary = true;
	*b.owner = '\0';
	judge();
	ck_assert(o.here.following && !o.here.complete && !o.here.diverged);
	strcpy(a.owner, "uuid-b");
	record(&a, RBD_MIRROR_REPLAYING, "replaying");
	judge();
	ck_assert(o.here.following && o.here.complete);
	record(&a, RBD_MIRROR_ERROR, "split-brain detected");
	judge();
	ck_assert(o.here.diverged && !o.here.following);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rbd_judge");
	TCase *c = tcase_create("rbd_judge");

	tcase_add_test(c, all_is_well);
	tcase_add_test(c, a_copy_on_its_way);
	tcase_add_test(c, rbd_mirror_makes_the_image);
	tcase_add_test(c, the_final_copy);
	tcase_add_test(c, handed_over);
	tcase_add_test(c, stepped_down_in_turn);
	tcase_add_test(c, diverged);
	tcase_add_test(c, diverged_from_who_is_lost);
	tcase_add_test(c, a_claim_without_its_fact);
	tcase_add_test(c, journal_mode);
	tcase_add_test(c, a_lock_that_rbd_mirror_keeps);
	tcase_add_test(c, journal_mode_handed_over);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
