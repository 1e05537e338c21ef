/* SPDX-License-Identifier: Apache-2.0 */
/* What VolumeReplications mean, and what they prove. */
#include "ceph_rows.h"
#include "suite.h"

static unsigned flags_of(const struct side *s)
{
	return (s->busy ? BUSY : 0) | (s->following ? FOLLOWING : 0) |
	       (s->complete ? COMPLETE : 0) | (s->caught_up ? CAUGHT_UP : 0) |
	       (s->diverged ? DIVERGED : 0) |
	       (s->can_verify ? CAN_VERIFY : 0) | (s->promotes ? PROMOTES : 0) |
	       (s->demotes ? DEMOTES : 0);
}

/* As `here' and as `peer' it means the same. */
static void check_row(const struct row *row, int i, const char *known)
{
	struct side *sides[2] = {&o.here, &o.peer};
	struct csi_view *views[2] = {&a, &b};
	unsigned flags;
	int at;

	for (at = 0; at < 2; at++) {
		begin_views();
		set(views[at], row->at);
		set(views[1 - at], row->other);
		if (row->silent)
			silence(views[1 - at]);
		views[at]->known_time = known ? ms(known) : 0;
		views[at]->can_snapshot = true;
		judge();
		end_views();
		flags = flags_of(sides[at]);
		ck_assert_msg(sides[at]->claim == row->claim &&
				      sides[at]->fact == row->fact &&
				      (flags & row->is) == row->is &&
				      !(flags & row->is_not),
			      "row %d: claims %s, is %s, flags %#x", i,
			      role_text(sides[at]->claim),
			      role_text(sides[at]->fact), flags);
	}
}

START_TEST(every_row_of_a_replica)
{
	check_row(&replicas[_i], _i, T1);
}
END_TEST

START_TEST(every_row_of_a_source)
{
	check_row(&sources[_i], _i, NULL);
}
END_TEST

START_TEST(every_row_of_what_can_not_be_told)
{
	check_row(&others[_i], _i, T1);
}
END_TEST

/* ---- whole copies ---- */

static void pair(struct vr here, struct vr peer)
{
	set(&a, here);
	set(&b, peer);
	judge();
}

START_TEST(a_first_copy)
{
	struct vr source = PRIMARY("T"), replica = SECONDARY("TTT");

	source.synced = NULL;
	pair(source, replica);
	ck_assert(!o.peer.complete && o.peer.following);
	ck_assert_int_eq(o.peer.progress, 0);
	ck_assert_int_eq(o.peer.data_time, 0);
	/* Nobody vouches for it when the source is gone, or steps down. */
	silence(&a);
	judge();
	ck_assert(!o.peer.complete ||
		  side_verified_role(&o.peer) != ROLE_REPLICA);
	a.reach = REACH_OK;
	pair((struct vr)SECONDARY("TTT"), replica);
	ck_assert(!o.peer.complete ||
		  side_verified_role(&o.peer) != ROLE_REPLICA);
	/* Of long ago, for all that is known. */
	silence(&a);
	set(&b, (struct vr)SECONDARY("TFF"));
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_UNKNOWN);
	a.reach = REACH_OK;
	source.synced = T1;
	pair(source, replica);
	ck_assert(o.peer.complete);
	ck_assert_int_eq(o.peer.progress, -1);
	ck_assert_int_eq(o.peer.data_time, ms(T1));
}
END_TEST

/* csi-addons goes on trying, and the copy is no more whole than before. */
START_TEST(a_first_copy_is_not_whole_because_something_fails)
{
	struct vr source = PRIMARY("T");

	source.synced = NULL;
	pair(source, (struct vr){.asked = "primary", .state = "Secondary",
				 .cdr = "FTF", .reason = "FailedToPromote"});
	ck_assert(!o.peer.complete);
	ck_assert(o.peer.promotes);
	pair(source, (struct vr){.asked = "secondary", .cdr = "FTF",
				 .reason = "FailedToDemote"});
	ck_assert(!o.peer.complete);
}
END_TEST

START_TEST(the_last_lag_is_kept)
{
	struct vr source = PRIMARY("T"), replica = SECONDARY("TTT");

	a.known_time = b.known_time = ms(T2);
	pair(source, replica);
	ck_assert_int_eq(o.peer.data_time, ms(T2));
	source.synced = T3;
	pair(source, replica);
	ck_assert_int_eq(o.peer.data_time, ms(T3));
	/* It is set to nil on a side that steps down. */
	source = (struct vr)SECONDARY("TTT");
	source.synced = T3;
	pair(source, replica);
	ck_assert_int_eq(o.peer.data_time, ms(T2));
	silence(&a);
	judge();
	ck_assert_int_eq(o.peer.data_time, ms(T2));
	ck_assert(o.peer.complete);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert_int_eq(o.here.claim, ROLE_UNKNOWN);
	ck_assert_int_eq(o.here.fact, ROLE_UNKNOWN);
	/* The replica's own site gives no answer: it is what it was. */
	a.reach = REACH_OK;
	silence(&b);
	judge();
	ck_assert_int_eq(o.peer.data_time, ms(T2));
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
}
END_TEST

START_TEST(a_resync_destroys_until_a_newer_copy_is_here)
{
	struct vr source = PRIMARY("T");
	struct vr replica = {.asked = "resync", .cdr = "TTT", .before = T2};

	b.known_time = ms(T2);
	source.synced = T2;
	pair(source, replica);
	ck_assert(!o.peer.complete && o.peer.following && !o.peer.busy);
	ck_assert_int_eq(o.peer.progress, 0);
	source.synced = T1;
	pair(source, replica);
	ck_assert(!o.peer.complete);
	source.synced = NULL;
	pair(source, replica);
	ck_assert(!o.peer.complete);
	/* It may have been half way when the source was lost. */
	silence(&a);
	judge();
	ck_assert(!o.peer.complete && !o.peer.has_last_copy);
	a.reach = REACH_OK;
	pair((struct vr)SECONDARY("TFF"), replica);
	ck_assert(!o.peer.complete);
	source.synced = T3;
	pair(source, replica);
	ck_assert(o.peer.complete);
	ck_assert_int_eq(o.peer.data_time, ms(T3));
	ck_assert_int_eq(o.peer.progress, -1);
	/* The order to throw it away stands: it is to be taken back. */
	ck_assert(!o.peer.following);
}
END_TEST

/* Its image was deleted, or is about to be: csi-addons tries again. */
START_TEST(a_resync_that_fails_leaves_no_whole_copy)
{
	struct vr source = PRIMARY("T");
	struct vr replica = {.asked = "resync", .state = "Secondary",
			     .cdr = "FTF", .reason = "FailedToResync",
			     .before = T2};

	source.synced = T2;
	b.known_time = ms(T2);
	pair(source, replica);
	ck_assert(!o.peer.complete);
	silence(&a);
	judge();
	ck_assert(!o.peer.complete);
	/* By hand, without a note. */
	replica.before = NULL;
	set(&b, replica);
	judge();
	ck_assert(!o.peer.complete);
}
END_TEST

/* By somebody else: the image is made anew all the same. */
START_TEST(a_resync_that_is_called_off)
{
	struct vr source = PRIMARY("T"), replica = SECONDARY("TTT");

	replica.before = T2;
	source.synced = T2;
	pair(source, replica);
	ck_assert(!o.peer.complete);
	source.synced = T3;
	pair(source, replica);
	ck_assert(o.peer.complete && o.peer.following);
}
END_TEST

/* ---- two objects, or none ---- */

START_TEST(both_are_primary)
{
	pair((struct vr)PRIMARY("T"), (struct vr)PRIMARY("F"));
	ck_assert(observation_is_split(&o));
	pair((struct vr)SECONDARY("TTF"), (struct vr)PRIMARY("T"));
	ck_assert(!observation_is_split(&o));
	ck_assert(o.here.diverged);
}
END_TEST

static json_t *claim_of_group(const char *group)
{
	return json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			 CSI_VGR_ANNOTATION, group);
}

/* A group's status is stamped with its own generation, whatever it is of. */
START_TEST(a_group_that_lies)
{
	static const struct vr done = PRIMARY("T");
	struct vr lie = SECONDARY("TFF");

	set(&a, done);
	set(&b, (struct vr)SECONDARY("TTT"));
	put_part(&b, CEPH_PART_VGR, make_vr(&lie));
	a.claim = claim_of_group("db");
	b.claim = claim_of_group("database/db");
	judge();
	ck_assert(!o.peer.caught_up && !o.here.caught_up);
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	ck_assert_ptr_nonnull(strstr(o.peer.native, "Degraded True"));
	/* Asked of the group, and not yet of its VolumeReplication. */
	put_part(&b, CEPH_PART_VGR, make_vr(&done));
	judge();
	ck_assert(o.peer.busy);
	ck_assert_int_eq(o.peer.claim, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	/* Nor is it a failure of what is asked now. */
	set(&b, (struct vr){.asked = "secondary", .cdr = "FTF",
			    .reason = "FailedToDemote"});
	judge();
	ck_assert(o.peer.busy);
	set(&a, (struct vr)SECONDARY("TFF"));
	put_part(&a, CEPH_PART_VGR, make_vr(&done));
	set(&b, (struct vr)SECONDARY("TTT"));
	put_part(&b, CEPH_PART_VGR, make_vr(&lie));
	judge();
	ck_assert(!o.peer.caught_up);
}
END_TEST

START_TEST(a_group_that_is_set_aside)
{
	static const struct vr vr = SECONDARY("TTT");
	json_t *group = make_vr(&vr);

	set(&a, (struct vr)PRIMARY("T"));
	set(&b, vr);
	put_part(&b, CEPH_PART_VGR, group);
	b.claim = claim_of_group("other");
	judge();
	ck_assert_int_eq(o.here.fact, ROLE_SOURCE);
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert(!o.peer.complete && !o.peer.busy);
	ck_assert_ptr_nonnull(strstr(o.peer.native, "not taken that up"));
	json_decref((json_t *)b.claim);
	b.claim = claim_of_group("db");
	judge();
	ck_assert_int_eq(side_verified_role(&o.peer), ROLE_REPLICA);
	json_object_set_new(json_object_get(group, "spec"), "external",
			    json_true());
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(o.peer.native, "is external"));
}
END_TEST

static const struct {
	const char *selector;
	bool selects;
} selectors[] = {
	{"{}", true},
	{"{'matchLabels': {'app': 'db'}}", true},
	{"{'matchLabels': {'app': 'db', 'tier': 'x'}}", false},
	{"{'matchLabels': {'app': 'web'}}", false},
	{"{'matchLabels': {'app': ['db']}}", false},
	{"{'matchExpressions': [{'key': 'app', 'operator': 'In',"
	 " 'values': ['web', 'db']}]}", true},
	{"{'matchExpressions': [{'key': 'app', 'operator': 'In',"
	 " 'values': ['web']}]}", false},
	{"{'matchExpressions': [{'key': 'tier', 'operator': 'In',"
	 " 'values': ['db']}]}", false},
	{"{'matchExpressions': [{'key': 'app', 'operator': 'NotIn',"
	 " 'values': ['web']}]}", true},
	{"{'matchExpressions': [{'key': 'app', 'operator': 'NotIn',"
	 " 'values': ['db']}]}", false},
	{"{'matchExpressions': [{'key': 'tier', 'operator': 'NotIn',"
	 " 'values': ['db']}]}", true},
	{"{'matchExpressions': [{'key': 'app', 'operator': 'Exists'}]}", true},
	{"{'matchExpressions': [{'key': 'tier', 'operator': 'Exists'}]}", false},
	{"{'matchExpressions': [{'key': 'app', 'operator': 'DoesNotExist'}]}",
	 false},
	{"{'matchExpressions': [{'key': 'tier', 'operator': 'DoesNotExist'}]}",
	 true},
	{"{'matchExpressions': [{'key': 'app', 'operator': 'Likes'}]}", false},
	{"{'matchLabels': {'app': 'db'}, 'matchExpressions': ["
	 "{'key': 'app', 'operator': 'DoesNotExist'}]}", false},
};

START_TEST(every_row_of_a_selector)
{
	json_t *object = json_pack("{s:{s:{s:s}}}", "metadata", "labels",
				   "app", "db");
	char text[300];
	json_t *selector;
	char *p;

	snprintf(text, sizeof text, "%s", selectors[_i].selector);
	for (p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	selector = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(selector);
	ck_assert_int_eq(csi_selects(selector, object), selectors[_i].selects);
	ck_assert(!csi_selects(NULL, object));
	json_decref(selector);
	json_decref(object);
}
END_TEST

START_TEST(what_it_says_is_shown)
{
	json_t *claim = json_object();

	a.claim = json_incref(claim);
	judge();
	ck_assert_str_eq(o.here.native, "no VolumeReplication");
	ck_assert_str_eq(o.peer.native,
			 "no VolumeReplication, no PersistentVolumeClaim");
	json_decref(claim);
	/* The driver's text is in Degraded. */
	pair((struct vr){.asked = "primary", .state = "Secondary",
			 .cdr = "FTF", .reason = "FailedToPromote"},
	     (struct vr){.asked = "secondary", .cdr = "TTT", .invalid = true});
	ck_assert_str_eq(o.here.native, "asked for primary: Error says");
	ck_assert_str_eq(o.peer.native,
			 "asked for secondary: PrerequisiteNotMet says");
	pair((struct vr)SECONDARY("TTT"), (struct vr)PRIMARY("U"));
	ck_assert_str_eq(o.here.native,
			 "secondary, Degraded True, Resyncing True");
	ck_assert_str_eq(o.peer.native, "primary, Replicating ?");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ceph_judge");
	TCase *c = tcase_create("ceph_judge");

	tcase_add_checked_fixture(c, begin_views, end_views);
	tcase_add_loop_test(c, every_row_of_a_replica, 0,
			    sizeof replicas / sizeof *replicas);
	tcase_add_loop_test(c, every_row_of_a_source, 0,
			    sizeof sources / sizeof *sources);
	tcase_add_loop_test(c, every_row_of_what_can_not_be_told, 0,
			    sizeof others / sizeof *others);
	tcase_add_test(c, a_first_copy);
	tcase_add_test(c, a_first_copy_is_not_whole_because_something_fails);
	tcase_add_test(c, the_last_lag_is_kept);
	tcase_add_test(c, a_resync_destroys_until_a_newer_copy_is_here);
	tcase_add_test(c, a_resync_that_fails_leaves_no_whole_copy);
	tcase_add_test(c, a_resync_that_is_called_off);
	tcase_add_test(c, both_are_primary);
	tcase_add_test(c, a_group_that_lies);
	tcase_add_test(c, a_group_that_is_set_aside);
	tcase_add_loop_test(c, every_row_of_a_selector, 0,
			    sizeof selectors / sizeof *selectors);
	tcase_add_test(c, what_it_says_is_shown);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
