/* SPDX-License-Identifier: Apache-2.0 */
/* VolumeReplications that are made, nudged, or proved. */
#include "fake_ceph.h"
#include "suite.h"

static void setup(void)
{
	setup_clusters();
	start(60000);
	AWAIT(is_listed);
}

/* ---- the class ---- */

static void put_class(struct api *a, const char *name, const char *driver,
		      const char *parameters)
{
	char path[200], text[400];

	snprintf(path, sizeof path, CLASSES "%s", name);
	snprintf(text, sizeof text,
		 "{\"metadata\": {\"name\": \"%s\"}, \"spec\": {"
		 "\"provisioner\": \"%s\", \"parameters\": {%s}}}", name,
		 driver, parameters);
	api_put(a, path, text);
}

#define RBD "rbd.csi.ceph.com"

/* Of every product: the clusters tell the two sides apart. */
START_TEST(both_sides_in_one_cluster)
{
	struct spec s = t.spec;

	ck_assert_int_eq(backend_check(t.b, &s, &t.err), 0);
	s.destination.cluster = s.source.cluster;
	ck_assert_int_eq(backend_check(t.b, &s, &t.err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "between two clusters"));
}
END_TEST

START_TEST(nobody_guesses_a_class)
{
	REFUSES(ACT_CREATE, EINVAL);
	put_class(&t.prod, "other", "cephfs.csi.ceph.com", "");
	put_class(&t.prod, "journal", RBD, "\"mirroringMode\": \"journal\"");
	REFUSES(ACT_CREATE, EINVAL);
	ck_assert_ptr_nonnull(strstr(t.err.msg, RBD));
	ck_assert_ptr_nonnull(strstr(t.err.msg, "snapshot"));
	put_class(&t.prod, "hourly", RBD, "\"schedulingInterval\": \"1h\"");
	put_class(&t.prod, "daily", RBD, "\"mirroringMode\": \"snapshot\", "
					 "\"schedulingInterval\": \"1d\"");
	REFUSES(ACT_CREATE, EINVAL);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "hourly, daily"));
	/* Two with the interval that is asked for are no better. */
	put_class(&t.prod, "quarter", RBD, "\"schedulingInterval\": \"15m\"");
	put_class(&t.prod, "twin", RBD, "\"schedulingInterval\": \"15m\"");
	REFUSES(ACT_CREATE, EINVAL);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "(quarter, twin)"));
	api_drop(&t.prod, CLASSES "twin");
	TAKES(ACT_CREATE);
	ck_assert_str_eq(get(&t.prod, VR, "spec", "volumeReplicationClass"),
			 "quarter");
}
END_TEST

START_TEST(the_mode_chooses_the_class)
{
	t.spec.mirroring = MIRRORING_JOURNAL;
	put_class(&t.prod, "snapshot", RBD, "");
	put_class(&t.prod, "journal", RBD, "\"mirroringMode\": \"journal\"");
	TAKES(ACT_CREATE);
	ck_assert_str_eq(get(&t.prod, VR, "spec", "volumeReplicationClass"),
			 "journal");
}
END_TEST

static bool has_no_volume(const struct observation *o)
{
	return o->peer.in_use == TRI_NO;
}

START_TEST(there_is_no_class_without_a_volume)
{
	put_class(&t.prod, "one", RBD, "");
	api_put(&t.prod, "/apis/storage.k8s.io/v1/volumeattachments/va",
		"{\"metadata\": {\"name\": \"va\"}, \"spec\": {\"source\": {"
		"\"persistentVolumeName\": \"pv-db\"}}}");
	AWAIT(is_in_use);
	api_edit(&t.prod, CORE "persistentvolumeclaims/db",
		 "{\"spec\": {\"volumeName\": null}}");
	AWAIT(has_no_volume);
	REFUSES(ACT_CREATE, EINVAL);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "no volume"));
}
END_TEST

/* ---- making ---- */

static bool is_source_asked(const struct observation *o)
{
	return o->peer.busy;
}

START_TEST(it_is_made_at_the_source_first)
{
	json_t *made;

	put_class(&t.prod, "one", RBD, "");
	put_class(&t.dr, "one", RBD, "");
	t.request = 0xabc;
	TAKES(ACT_CREATE);
	ck_assert_uint_eq(t.dr.writes, 0);
	ck_assert_str_eq(t.prod.last,
			 "POST " CEPH "/namespaces/database/"
			 "volumereplications?fieldManager=uvrfs");
	made = api_parse("{\"metadata\": {\"namespace\": \"database\", "
			 "\"name\": \"db\", \"labels\": {"
			 "\"app.kubernetes.io/managed-by\": \"uvrfs\"}, "
			 "\"annotations\": {\"uvrfs/serial\": "
			 "\"0000000000000001\", \"uvrfs/request\": "
			 "\"0000000000000abc\"}}, \"apiVersion\": "
			 "\"replication.storage.openshift.io/v1alpha1\", "
			 "\"kind\": \"VolumeReplication\", \"spec\": {"
			 "\"volumeReplicationClass\": \"one\", "
			 "\"replicationState\": \"primary\", \"autoResync\": "
			 "false, \"dataSource\": {\"apiGroup\": \"\", "
			 "\"kind\": \"PersistentVolumeClaim\", \"name\": "
			 "\"db\"}}}");
	ck_assert(json_equal(t.prod.body, made));
	json_decref(made);
	AWAIT(is_source_asked);
	TAKES(ACT_CREATE);
	ck_assert_str_eq(ASKED(&t.dr), "secondary");
	TAKES(ACT_CREATE);
	ck_assert_uint_eq(writes(), 2);
	says(&t.prod, SOURCE);
	says(&t.dr, REPLICA("TTT"));
	AWAIT(is_steady);
}
END_TEST

static bool is_adopted(const struct observation *o)
{
	return o->peer.claim == ROLE_SOURCE;
}

START_TEST(one_that_is_there_is_adopted)
{
	put_class(&t.dr, "one", RBD, "");
	put_vr(&t.prod, VRS "by-hand", "db", SOURCE);
	AWAIT(is_adopted);
	TAKES(ACT_CREATE);
	ck_assert_uint_eq(t.prod.writes, 0);
	ck_assert_str_eq(ASKED(&t.dr), "secondary");
	TAKES(ACT_DEMOTE_PEER);
	ck_assert_str_eq(get(&t.prod, VRS "by-hand", "spec",
			     "replicationState"), "secondary");
}
END_TEST

static bool is_primary_here(const struct observation *o)
{
	return o->here.claim == ROLE_SOURCE;
}

static bool is_asked_here(const struct observation *o)
{
	return o->here.busy;
}

static bool is_replica_here(const struct observation *o)
{
	return o->here.claim == ROLE_REPLICA;
}

/* Whoever wrote the manifest has the endpoints the wrong way round. */
START_TEST(no_source_is_made_beside_a_source)
{
	put_class(&t.prod, "one", RBD, "");
	put_vr(&t.dr, VR, "db", SOURCE);
	AWAIT(is_primary_here);
	REFUSES(ACT_CREATE, EBUSY);
	ck_assert_ptr_nonnull(strstr(t.err.msg, DR " is"));
	becomes(&t.dr, REPLICA("TTT"));
	api_edit(&t.dr, VR, "{\"spec\": {\"replicationState\": \"primary\"}}");
	AWAIT(is_asked_here);
	REFUSES(ACT_CREATE, EBUSY);
	ck_assert_uint_eq(t.prod.writes, 0);
	becomes(&t.dr, REPLICA("TTT"));
	AWAIT(is_replica_here);
	TAKES(ACT_CREATE);
	ck_assert_uint_eq(t.prod.writes, 1);
}
END_TEST

START_TEST(a_name_that_is_taken)
{
	put_class(&t.prod, "one", RBD, "");
	put_vr(&t.prod, VR, "dc", SOURCE);
	ck_assert_int_eq(act(ACT_CREATE), -EINVAL);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "already"));
	ck_assert_str_eq(ASKED(&t.prod), "primary");
}
END_TEST

static bool has_no_claim(const struct observation *o)
{
	return strstr(o->here.native, "no PersistentVolumeClaim");
}

START_TEST(nothing_is_made_without_a_claim_or_a_peer)
{
	put_class(&t.prod, "one", RBD, "");
	put_class(&t.dr, "one", RBD, "");
	api_drop(&t.dr, CORE "persistentvolumeclaims/db");
	AWAIT(has_no_claim);
	TAKES(ACT_CREATE);
	REFUSES(ACT_CREATE, ENOENT);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "volumeHandle"));
	REFUSES(ACT_PROMOTE, ENOENT);
	api_fault(&t.prod, "", API_HANG);
	t.timeout_ms = 700;
	REFUSES(ACT_CREATE, EHOSTUNREACH);
}
END_TEST

static bool is_half(const struct observation *o)
{
	return o->peer.claim == ROLE_SOURCE && !o->here.complete &&
	       o->here.claim == ROLE_REPLICA;
}

START_TEST(half_a_copy_is_not_promoted_by_any_force)
{
	put_vr(&t.prod, VR, "db", (struct vr){.asked = "primary",
					      .cdr = "TFF",
					      .replicating = "T"});
	put_vr(&t.dr, VR, "db", REPLICA("TTT"));
	AWAIT(is_half);
	t.overrides = ~0U;
	REFUSES(ACT_FORCE_PROMOTE, EINVAL);
	says(&t.prod, SOURCE);
	TAKES(ACT_FORCE_PROMOTE);
}
END_TEST

START_TEST(nothing_is_deleted)
{
	put_pair();
	AWAIT(is_steady);
	REFUSES(ACT_DELETE, EOPNOTSUPP);
}
END_TEST

/* ---- trying again ---- */

#define FAILED (struct vr){.state = "Secondary", .cdr = "FTF", \
			   .reason = "FailedToPromote"}

/* As prod has stepped down and dr does not get promoted, by request 1. */
static void fail_to_promote(void)
{
	put_pair();
	AWAIT(is_steady);
	becomes(&t.prod, REPLICA("TFF"));
	TAKES(ACT_PROMOTE);
	says(&t.dr, FAILED);
}

START_TEST(a_new_request_nudges)
{
	fail_to_promote();
	REFUSES(ACT_PROMOTE, EAGAIN);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "Error says"));
	t.request = 2;
	TAKES(ACT_PROMOTE);
	ck_assert_str_eq(get(&t.dr, VR, "metadata", "generation"), "3");
	ck_assert_str_eq(ASKED(&t.dr), "primary");
	TAKES(ACT_PROMOTE);		/* it is being tried */
	ck_assert_uint_eq(t.dr.writes, 2);
	says(&t.dr, FAILED);
	REFUSES(ACT_PROMOTE, EAGAIN);
	t.request = 3;
	TAKES(ACT_PROMOTE);
	ck_assert_str_eq(get(&t.dr, VR, "metadata", "generation"), "4");
	/* Whatever was written there to wake it, a secondary never has it. */
	TAKES(ACT_DEMOTE);
	ck_assert_str_eq(get(&t.dr, VR, "spec", "autoResync"), "false");
}
END_TEST

START_TEST(a_secondary_is_never_nudged)
{
	put_pair();
	AWAIT(is_steady);
	TAKES(ACT_DEMOTE_PEER);
	says(&t.prod, (struct vr){.state = "Primary", .cdr = "FTF",
				  .reason = "FailedToDemote"});
	t.request = 2;
	REFUSES(ACT_DEMOTE_PEER, EAGAIN);
	ck_assert_str_eq(get(&t.prod, VR, "spec", "autoResync"), "false");
}
END_TEST

START_TEST(what_can_never_be_is_final)
{
	struct vr never = FAILED;

	fail_to_promote();
	never.invalid = true;
	says(&t.dr, never);
	REFUSES(ACT_PROMOTE, EINVAL);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "PrerequisiteNotMet says"));
	t.request = 2;			/* it may have been mended */
	TAKES(ACT_PROMOTE);
	ck_assert_uint_eq(t.dr.writes, 2);
}
END_TEST

/* ---- a proof ---- */

#define SNAPSHOTS "/apis/snapshot.storage.k8s.io/v1/namespaces/database/" \
		  "volumesnapshots/"
#define PROBE SNAPSHOTS "db-uvrfs-probe-0000000000000001"

static bool is_doubtful(const struct observation *o)
{
	return o->here.claim == ROLE_SOURCE && o->here.can_verify &&
	       o->here.fact == ROLE_UNKNOWN;
}

static bool is_being_proved(const struct observation *o)
{
	return o->here.busy && o->here.claim == ROLE_SOURCE;
}

static bool is_ready(const struct observation *o)
{
	return o->here.can_verify && !o->here.busy;
}

static bool is_proved(const struct observation *o)
{
	return side_verified_role(&o->here) == ROLE_SOURCE &&
	       !o->here.can_verify && !o->here.busy;
}

START_TEST(a_snapshot_proves_a_source)
{
	put_pair();
	AWAIT(is_steady);
	becomes(&t.prod, REPLICA("TTF"));
	becomes(&t.dr, (struct vr){.asked = "primary", .cdr = "TFF"});
	api_put(&t.dr, "/apis/snapshot.storage.k8s.io/v1/"
		       "volumesnapshotclasses/rbd",
		"{\"metadata\": {\"name\": \"rbd\"}, \"driver\": \"" RBD
		"\"}");
	AWAIT(is_doubtful);
	TAKES(ACT_VERIFY);
	AWAIT(is_being_proved);
	api_edit(&t.dr, PROBE, "{\"status\": {\"readyToUse\": true, "
			       "\"creationTime\": "
			       "\"2026-11-28T00:00:00Z\"}}");
	AWAIT(is_ready);
	TAKES(ACT_VERIFY);
	AWAIT(is_proved);
	ck_assert_str_eq(t.dr.last, "DELETE " PROBE);
	ck_assert_ptr_null(json_object_get(t.dr.objects, PROBE));
	TAKES(ACT_VERIFY);
	ck_assert_uint_eq(writes(), 3);
	/* It counts for what was asked then. */
	becomes(&t.dr, REPLICA("TFF"));
	becomes(&t.dr, (struct vr){.asked = "primary", .cdr = "TFF"});
	AWAIT(is_doubtful);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ceph_make");
	TCase *c = tcase_create("ceph_make");

	tcase_add_checked_fixture(c, setup, teardown_clusters);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, both_sides_in_one_cluster);
	tcase_add_test(c, nobody_guesses_a_class);
	tcase_add_test(c, the_mode_chooses_the_class);
	tcase_add_test(c, there_is_no_class_without_a_volume);
	tcase_add_test(c, it_is_made_at_the_source_first);
	tcase_add_test(c, one_that_is_there_is_adopted);
	tcase_add_test(c, no_source_is_made_beside_a_source);
	tcase_add_test(c, a_name_that_is_taken);
	tcase_add_test(c, nothing_is_made_without_a_claim_or_a_peer);
	tcase_add_test(c, half_a_copy_is_not_promoted_by_any_force);
	tcase_add_test(c, nothing_is_deleted);
	tcase_add_test(c, a_new_request_nudges);
	tcase_add_test(c, a_secondary_is_never_nudged);
	tcase_add_test(c, what_can_never_be_is_final);
	tcase_add_test(c, a_snapshot_proves_a_source);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
