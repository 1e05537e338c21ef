/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot as proof that a volume can be written to. */
#include "csi_probe.h"
#include "fake_csi.h"
#include "suite.h"

enum { OBJECT, PROBE };
#define KIND CSI_COMMON

static struct csi_view v;
static struct csi_proof proof;
static struct error err;
static uint64_t serial;

static void gather(struct csi_look *l)
{
	csi_take(l, OBJECT, KIND, fake_find(l->site, KIND, "db"));
	csi_probe_gather(l, PROBE);
}

static void look(void)
{
	fake_forget(&v);
	fake_look(0, gather, &v);
	csi_probe_read(&v, OBJECT, PROBE, &proof);
}

static int verify(void)
{
	struct order order = {.act = ACT_VERIFY, .serial = ++serial,
			      .request = 7};
	struct csi_call c = {.order = &order, .at = &v, .other = &v};
	int rc;

	err = (struct error){0};
	*fake_log = '\0';
	look();
	rc = csi_probe_act(&c, OBJECT, PROBE, &err);
	look();
	return rc;
}

static json_t *object(void)
{
	return fake_find(0, KIND, "db");
}

static json_t *probe(void)
{
	return fake_find(0, CSI_SNAPSHOT, NULL);
}

static void make_ready(void)
{
	fake_edit(probe(), "{\"status\": {\"readyToUse\": true, "
			   "\"creationTime\": \"2026-09-21T14:13:21Z\"}}");
}

static void setup(void)
{
	fake_setup();
	serial = 0;
	v = (struct csi_view){0};
	fake_add(0, KIND, fake_parse("{\"metadata\": {\"name\": \"db\"}, "
				     "\"spec\": {\"state\": \"promoted\"}}"));
}

static void teardown(void)
{
	fake_forget(&v);
	fake_teardown();
}

START_TEST(it_is_taken_and_proves)
{
	look();
	ck_assert(proof.possible && !proof.proved && !proof.running);
	ck_assert_int_eq(verify(), 0);
	ck_assert_str_eq(fake_log, "a create VolumeSnapshot\n");
	ck_assert_str_eq(csi_meta(probe(), "name"),
			 "db-uvrfs-probe-0000000000000001");
	ck_assert_str_eq(csi_label(probe(), "uvrfs/probe"), "true");
	ck_assert_str_eq(csi_annotation(probe(), "uvrfs/probe-of"), "1/u1");
	ck_assert_str_eq(csi_spec(probe(), "volumeSnapshotClassName"),
			 "netapp");
	/* As long as it takes nothing more is done. */
	ck_assert(proof.running && !proof.possible && !proof.proved);
	ck_assert_int_eq(verify(), 0);
	ck_assert_str_eq(fake_log, "");
	make_ready();
	look();
	ck_assert(!proof.running && proof.possible && !proof.proved);
	ck_assert_int_eq(verify(), 0);
	ck_assert_str_eq(fake_log, "a patch db\na delete VolumeSnapshot\n");
	ck_assert(proof.proved && !proof.possible && !proof.running);
	ck_assert_str_eq(csi_annotation(object(), "uvrfs/writable"), "1/u1");
	ck_assert_ptr_null(probe());
	ck_assert_int_eq(verify(), 0);
	ck_assert_str_eq(fake_log, "");
}
END_TEST

START_TEST(it_is_no_proof_of_anything_else)
{
	verify();
	make_ready();
	verify();
	fake_edit(object(), "{\"metadata\": {\"annotations\": {\"x\": \"y\"}}}");
	look();
	ck_assert(proof.proved);
	/* Of what is asked for now. */
	fake_edit(object(), "{\"spec\": {\"state\": \"established\"}}");
	look();
	ck_assert(!proof.proved && proof.possible);
	/* Of an object that was made from a backup of this one. */
	fake_edit(object(), "{\"metadata\": {\"generation\": 1}}");
	look();
	ck_assert(proof.proved);
	fake_edit(object(), "{\"metadata\": {\"uid\": \"another\"}}");
	look();
	ck_assert(!proof.proved);
}
END_TEST

START_TEST(one_of_before_is_taken_anew)
{
	verify();
	make_ready();
	fake_edit(object(), "{\"spec\": {\"state\": \"established\"}}");
	look();
	ck_assert(!proof.running && proof.possible && !proof.proved);
	ck_assert_int_eq(verify(), 0);
	ck_assert_str_eq(fake_log,
			 "a delete VolumeSnapshot\na create VolumeSnapshot\n");
	ck_assert(proof.running);
	ck_assert_str_eq(csi_annotation(probe(), "uvrfs/probe-of"), "2/u1");
	/* Only what has no time yet is not there yet. */
	fake_edit(probe(), "{\"status\": {\"readyToUse\": true}}");
	look();
	ck_assert(proof.running && !proof.possible);
}
END_TEST

START_TEST(the_driver_refuses)
{
	verify();
	fake_edit(probe(), "{\"status\": {\"readyToUse\": false, \"error\": "
			   "{\"message\": \"data protection volume\"}}}");
	look();
	ck_assert(!proof.running && proof.possible && !proof.proved);
	ck_assert_str_eq(proof.failure, "data protection volume");
	ck_assert_int_eq(verify(), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.msg, ": data protection volume"));
	ck_assert_str_eq(fake_log, "");
	/* Not at once, and not for ever. */
	fake_now += CSI_RETRY_MS;
	ck_assert_int_eq(verify(), 0);
	ck_assert_str_eq(fake_log,
			 "a delete VolumeSnapshot\na create VolumeSnapshot\n");
	/* What it says before it is ready does not count then. */
	fake_edit(probe(), "{\"status\": {\"error\": {}}}");
	look();
	ck_assert_str_eq(proof.failure, "failed, and does not say why");
	make_ready();
	look();
	ck_assert_str_eq(proof.failure, "");
	ck_assert_int_eq(verify(), 0);
	ck_assert(proof.proved);
}
END_TEST

START_TEST(it_is_late)
{
	verify();
	fake_now += CSI_PATIENCE_MS - 1;
	look();
	ck_assert(proof.running);
	fake_now++;
	look();
	ck_assert(!proof.running && proof.possible);
	ck_assert_str_eq(proof.failure, "not ready after 5 minutes");
	ck_assert_int_eq(verify(), 0);
	ck_assert(proof.running);
	/* One whose age can't be told is late, too. */
	fake_edit(probe(), "{\"metadata\": {\"creationTimestamp\": \"?\"}}");
	look();
	ck_assert(!proof.running);
}
END_TEST

START_TEST(where_there_are_no_snapshots)
{
	fake_sites[0].no_snapshots = true;
	look();
	ck_assert(!proof.possible && !proof.proved);
	ck_assert_int_eq(verify(), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.msg, "VolumeSnapshotClass"));
	/* One that was taken before counts all the same. */
	fake_sites[0].no_snapshots = false;
	verify();
	make_ready();
	fake_sites[0].no_snapshots = true;
	look();
	ck_assert(proof.possible);
	ck_assert_int_eq(verify(), 0);
	ck_assert(proof.proved);
}
END_TEST

START_TEST(what_fails_is_begun_again)
{
	fake_refuse = -EHOSTUNREACH;
	ck_assert_int_eq(verify(), -EHOSTUNREACH);
	ck_assert_ptr_null(probe());
	ck_assert_int_eq(verify(), 0);
	/* Made by this very act, which has forgotten about it. */
	fake_edit(probe(), "{\"spec\": {\"source\": "
			   "{\"persistentVolumeClaimName\": \"x\"}}}");
	serial--;
	ck_assert_int_eq(verify(), -EAGAIN);
	fake_edit(probe(), "{\"spec\": {\"source\": "
			   "{\"persistentVolumeClaimName\": \"db\"}}}");
	make_ready();
	fake_refuse = -EAGAIN;
	ck_assert_int_eq(verify(), -EAGAIN);
	ck_assert(!proof.proved);
	ck_assert_ptr_nonnull(probe());
	ck_assert_int_eq(verify(), 0);
	ck_assert(proof.proved);
	ck_assert_ptr_null(probe());
}
END_TEST

START_TEST(the_newest_counts)
{
	verify();
	fake_edit(probe(), "{\"metadata\": {\"deletionTimestamp\": \"x\"}}");
	look();
	ck_assert_ptr_null(v.part[PROBE].object);
	fake_now += 1000;
	verify();
	look();
	ck_assert_str_eq(csi_meta(v.part[PROBE].object, "name"),
			 "db-uvrfs-probe-0000000000000002");
	fake_add(0, CSI_SNAPSHOT,
		 fake_parse("{\"metadata\": {\"name\": \"a-users\"}, \"spec\": "
			    "{\"source\": {\"persistentVolumeClaimName\": "
			    "\"db\"}}}"));
	look();
	ck_assert_str_eq(csi_meta(v.part[PROBE].object, "name"),
			 "db-uvrfs-probe-0000000000000002");
}
END_TEST

START_TEST(without_an_object)
{
	fake_remove(0, object());
	look();
	ck_assert(!proof.possible && !proof.proved && !proof.running);
	ck_assert_int_eq(verify(), -EAGAIN);
}
END_TEST

START_TEST(as_a_person_would_type_it)
{
	auto_buf out;

	buf_init(&out, 4096);
	look();
	csi_probe_describe(&v, &out);
	ck_assert_str_eq(
		buf_str(&out),
		"kubectl --context site-a -n ns create -f - <<< '{"
		"\"apiVersion\":\"snapshot.storage.k8s.io/v1\",\"kind\":"
		"\"VolumeSnapshot\",\"metadata\":{\"name\":\"db-uvrfs-probe\","
		"\"labels\":{\"uvrfs/probe\":\"true\"}},\"spec\":{"
		"\"volumeSnapshotClassName\":\"netapp\",\"source\":{"
		"\"persistentVolumeClaimName\":\"db\"}}}'\n"
		"kubectl --context site-a -n ns delete volumesnapshot "
		"db-uvrfs-probe  # once it is ready\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("csi_probe");
	TCase *c = tcase_create("csi_probe");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, it_is_taken_and_proves);
	tcase_add_test(c, it_is_no_proof_of_anything_else);
	tcase_add_test(c, one_of_before_is_taken_anew);
	tcase_add_test(c, the_driver_refuses);
	tcase_add_test(c, it_is_late);
	tcase_add_test(c, where_there_are_no_snapshots);
	tcase_add_test(c, what_fails_is_begun_again);
	tcase_add_test(c, the_newest_counts);
	tcase_add_test(c, without_an_object);
	tcase_add_test(c, as_a_person_would_type_it);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
