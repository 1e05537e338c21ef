/* SPDX-License-Identifier: Apache-2.0 */
/* Claims that csi-addons moves as one: a VolumeGroupReplication on each side. */
#include "fake_ceph.h"
#include "suite.h"

static void setup(void)
{
	setup_clusters();
	start(60000);
	AWAIT(is_listed);
}

#define VGR CEPH "/namespaces/database/volumegroupreplications/g"

/* Of the claims db and @second. */
static void put_group(struct api *a, const char *second, const char *more)
{
	char text[400], path[100];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof path, CORE "persistentvolumeclaims/%s",
			 i ? second : "db");
		api_edit(a, path,
			 "{\"metadata\": {\"annotations\": {"
			 "\"replication.storage.openshift.io/"
			 "volume-group-replication-name\": \"g\"}}}");
	}
	snprintf(text, sizeof text,
		 "{\"apiVersion\": "
		 "\"replication.storage.openshift.io/v1alpha1\", "
		 "\"metadata\": {\"namespace\": \"database\", \"name\": "
		 "\"g\"}, \"spec\": {\"volumeReplicationName\": \"vr-g\", "
		 "\"replicationState\": \"%s\"%s}}",
		 a == &t.prod ? "primary" : "secondary", more);
	api_put(a, VGR, text);
	put_vr(a, VRS "vr-g", "", a == &t.prod ? SOURCE : REPLICA("TTT"));
}

static bool has_stranger(const struct observation *o)
{
	return is_steady(o) && strcmp(o->strangers, "database/dc") == 0;
}

static bool has_no_stranger(const struct observation *o)
{
	return is_steady(o) && !*o->strangers && *o->group;
}

static void put_groups(const char *more)
{
	put_claim(&t.prod, "dc", "vol-2");
	put_claim(&t.dr, "dc", "vol-2");
	put_group(&t.prod, "dc", more);
	put_group(&t.dr, "dc", more);
}

START_TEST(a_group_moves_as_a_whole)
{
	struct spec spec = t.spec;
	struct target other = {&spec, DR, PROD, true};
	char key[BACKEND_KEY_MAX];
	struct observation o;

	put_groups("");
	o = AWAIT(has_stranger);
	ck_assert_ptr_nonnull(strstr(o.group, "volumegroupreplication"));
	spec.pvc_name = "dc";
	spec.volume_handle = "vol-2";
	t.b->ops->key(t.b, &other, key);
	ck_assert_int_eq(t.b->ops->track(t.b, &other, &t.err), 0);
	AWAIT(has_no_stranger);
	ck_assert_str_eq(await_key(key, has_no_stranger, "the other").group,
			 o.group);
	track_anew();			/* what was to be judged has been */
	t.b->ops->untrack(t.b, key);
	AWAIT(has_stranger);
	/* Its member, and not this volume. */
	api_put(&t.prod, CORE "pods/app",
		"{\"metadata\": {\"namespace\": \"database\", \"name\": "
		"\"app\"}, \"spec\": {\"volumes\": [{"
		"\"persistentVolumeClaim\": {\"claimName\": \"dc\"}}]}}");
	AWAIT(is_in_use);
	REFUSES(ACT_DEMOTE_PEER, EBUSY);
	t.overrides = OVERRIDE_IN_USE;
	TAKES(ACT_DEMOTE_PEER);
	ck_assert_str_eq(t.prod.last, "PATCH " VGR "?fieldManager=uvrfs");
	TAKES(ACT_DEMOTE_PEER);		/* and not its inner one */
	ck_assert_uint_eq(writes(), 1);
}
END_TEST

static bool has_stranger_dx(const struct observation *o)
{
	return strcmp(o->strangers, "database/dx") == 0;
}

static void start_lively(void)
{
	setup_clusters();
	start(2000);
	AWAIT(is_listed);
	/* Each kind asks once, and then who asks whether it lives: all that it
	   brings up anew by itself has been. */
	api_await(&t.dr, &t.dr.versions, 9 + 3);
	api_await(&t.prod, &t.prod.versions, 9 + 3);
}

/* Its claim is called otherwise here, and its volume comes last. */
START_TEST(a_member_that_is_found_late_is_no_stranger)
{
	struct spec spec = t.spec;
	struct target other = {&spec, DR, PROD, true};
	char key[BACKEND_KEY_MAX];

	spec.pvc_name = "dc";
	spec.volume_handle = "vol-2";
	t.b->ops->key(t.b, &other, key);
	ck_assert_int_eq(t.b->ops->track(t.b, &other, &t.err), 0);
	put_claim(&t.prod, "dc", "vol-2");
	put_group(&t.prod, "dc", "");
	api_put(&t.dr, CORE "persistentvolumeclaims/dx",
		"{\"metadata\": {\"namespace\": \"database\", \"name\": "
		"\"dx\"}, \"spec\": {\"volumeName\": \"pv-dx\"}}");
	put_group(&t.dr, "dx", "");
	AWAIT(has_stranger_dx);
	api_put(&t.dr, "/api/v1/persistentvolumes/pv-dx",
		"{\"metadata\": {\"name\": \"pv-dx\"}, \"spec\": {\"csi\": {"
		"\"volumeHandle\": \"vol-2\"}, \"claimRef\": {\"namespace\": "
		"\"database\", \"name\": \"dx\"}}}");
	AWAIT(has_no_stranger);
	track_anew();
	t.b->ops->untrack(t.b, key);
	AWAIT(has_stranger_dx);
}
END_TEST

/* Of a group and not yet of its VolumeReplication. */
START_TEST(what_was_just_asked_of_a_group_counts)
{
	put_groups("");
	AWAIT(has_stranger);
	api_edit(&t.dr, VGR, "{\"spec\": {\"replicationState\": "
			     "\"primary\"}}");
	TAKES(ACT_DEMOTE);
	ck_assert_str_eq(get(&t.dr, VGR, "spec", "replicationState"),
			 "secondary");
}
END_TEST

/* There may be one of that name in each. */
START_TEST(a_group_is_of_its_namespace)
{
	put_groups("");
	ck_assert_ptr_nonnull(strstr(AWAIT(has_stranger).group, "database/g"));
}
END_TEST

static bool is_left_alone(const struct observation *o)
{
	return o->here.claim == ROLE_UNKNOWN && o->peer.claim == ROLE_UNKNOWN &&
	       strstr(o->here.native, "external") &&
	       strstr(o->peer.native, "external");
}

START_TEST(a_group_of_its_vendor_is_left_alone)
{
	put_groups(", \"external\": true");
	AWAIT(is_left_alone);
	REFUSES(ACT_DEMOTE_PEER, EOPNOTSUPP);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ceph_group");
	TCase *c = tcase_create("ceph_group"), *lively = tcase_create("lively");

	tcase_add_checked_fixture(c, setup, teardown_clusters);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_group_moves_as_a_whole);
	tcase_add_test(c, what_was_just_asked_of_a_group_counts);
	tcase_add_test(c, a_group_is_of_its_namespace);
	tcase_add_test(c, a_group_of_its_vendor_is_left_alone);
	suite_add_tcase(suite, c);
	tcase_add_checked_fixture(lively, start_lively, teardown_clusters);
	tcase_set_timeout(lively, 60);
	tcase_add_test(lively, a_member_that_is_found_late_is_no_stranger);
	suite_add_tcase(suite, lively);
	return run_suite(suite);
}
