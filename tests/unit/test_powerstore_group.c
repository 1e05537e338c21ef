/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who belongs to a replication group, by the labels of claims and of
 * PersistentVolumes: at the target there may be claims for all, some or none.
 */
#include "fake_ceph.h"
#include "suite.h"

#define LABELS \
	"\"labels\": {\"replication.storage.dell.com/replicationGroupName\": " \
	"\"rg-1\"}"
#define PVCS CORE "persistentvolumeclaims/"
#define PVS "/api/v1/persistentvolumes/"

/* Dell's controller makes it, reserved for the claim's namesake. */
static void put_volume(struct api *a, const char *name)
{
	char path[300], text[600];

	snprintf(path, sizeof path, PVS "pv-%s", name);
	snprintf(text, sizeof text,
		 "{\"metadata\": {\"name\": \"pv-%s\", " LABELS "}, \"spec\": "
		 "{\"csi\": {\"volumeHandle\": \"vol-%s\"}, \"claimRef\": "
		 "{\"namespace\": \"database\", \"name\": \"%s\"}}}", name, name,
		 name);
	api_put(a, path, text);
}

static void put_bound(struct api *a, const char *name, const char *labels)
{
	char path[300], text[600];

	snprintf(path, sizeof path, PVCS "%s", name);
	snprintf(text, sizeof text,
		 "{\"metadata\": {\"namespace\": \"database\", \"name\": "
		 "\"%s\"%s}, \"spec\": {\"volumeName\": \"pv-%s\"}}", name,
		 labels, name);
	api_put(a, path, text);
}

/* Three volumes with their claims at the source, and none at the target. */
static void setup(void)
{
	static const char *const names[] = {"db", "dc", "dd"};
	size_t i;

	setup_clusters();
	t.spec.volume_handle = "vol-db";
	api_drop(&t.dr, PVCS "db");
	for (i = 0; i < 3; i++) {
		put_volume(&t.prod, names[i]);
		put_volume(&t.dr, names[i]);
		put_bound(&t.prod, names[i], ", " LABELS);
	}
	start_as("powerstore", 60000);
	AWAIT(is_listed);
}

static char expected[200];

static bool has_expected(const struct observation *o)
{
	return *o->group && strcmp(o->strangers, expected) == 0;
}

/* It is, or becomes, so; an observation of before says nothing. */
static void await_strangers(const char *names)
{
	snprintf(expected, sizeof expected, "%s", names);
	await_key(t.key, has_expected, expected);
}

/* It is so when all has been seen that happened to claims at the target: there
   comes and goes one more. */
static void stay_strangers(const char *names)
{
	char all[200];

	put_bound(&t.dr, "zz", ", " LABELS);
	snprintf(all, sizeof all, "%s%sdatabase/zz", names, *names ? ", " : "");
	await_strangers(all);
	api_drop(&t.dr, PVCS "zz");
	await_strangers(names);
}

/* Somebody is for that member from now on. */
static void track(const char *name, char key[static BACKEND_KEY_MAX])
{
	struct spec spec = t.spec;
	struct target other = {&spec, DR, PROD, true};
	char handle[32];

	snprintf(handle, sizeof handle, "vol-%s", name);
	spec.pvc_name = (char *)name;
	spec.volume_handle = handle;
	t.b->ops->key(t.b, &other, key);
	ck_assert_int_eq(t.b->ops->track(t.b, &other, &t.err), 0);
}

static void check_count(const char *count)
{
	auto_buf out;

	buf_init(&out, 1000);
	t.b->ops->describe(t.b, &t.target, ACT_FORCE_PROMOTE, &out);
	ck_assert_msg(strstr(buf_str(&out), count), "%s", buf_str(&out));
}

/* Dell's sidecar labels each claim that is bound, at the target, too. */
START_TEST(claims_for_some)
{
	char key[BACKEND_KEY_MAX];

	await_strangers("database/dc, database/dd");
	put_bound(&t.dr, "db", ", " LABELS);
	stay_strangers("database/dc, database/dd");
	check_count("moves all its 3 volumes");
	put_bound(&t.dr, "dc", ", " LABELS);
	stay_strangers("database/dc, database/dd");
	/* This one has its label not yet. */
	put_bound(&t.dr, "dd", "");
	stay_strangers("database/dc, database/dd");
	track("dd", key);
	stay_strangers("database/dc");
	put_bound(&t.dr, "dd", ", " LABELS);
	stay_strangers("database/dc");
	check_count("moves all its 3 volumes");
}
END_TEST

/* Nobody has claimed it here: others hear all the same who is for it. */
START_TEST(who_comes_and_goes_without_a_claim)
{
	char key[BACKEND_KEY_MAX], other[BACKEND_KEY_MAX];

	put_bound(&t.dr, "db", ", " LABELS);
	stay_strangers("database/dc, database/dd");
	track("dd", key);
	await_strangers("database/dc");
	track("dc", other);
	await_strangers("");
	track_anew();			/* what was to be judged has been */
	t.b->ops->untrack(t.b, other);
	await_strangers("database/dc");
}
END_TEST

/* Somebody has released it: no claim has its name any more. */
START_TEST(a_volume_that_nobody_may_claim)
{
	put_bound(&t.dr, "db", ", " LABELS);
	api_edit(&t.dr, PVS "pv-dc", "{\"spec\": {\"claimRef\": null}}");
	stay_strangers("pv-dc, database/dd");
	check_count("moves all its 3 volumes");
}
END_TEST

/* Its volume has no label, or is not there. */
START_TEST(a_claim_counts_without_its_volume)
{
	api_put(&t.dr, PVS "pv-dc", "{\"metadata\": {\"name\": \"pv-dc\"}}");
	api_drop(&t.dr, PVS "pv-dd");
	put_bound(&t.dr, "db", ", " LABELS);
	put_bound(&t.dr, "dc", ", " LABELS);
	put_bound(&t.dr, "dd", ", " LABELS);
	stay_strangers("database/dc, database/dd");
	check_count("moves all its 3 volumes");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("powerstore_group");
	TCase *c = tcase_create("powerstore_group");

	tcase_add_checked_fixture(c, setup, teardown_clusters);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, claims_for_some);
	tcase_add_test(c, who_comes_and_goes_without_a_claim);
	tcase_add_test(c, a_volume_that_nobody_may_claim);
	tcase_add_test(c, a_claim_counts_without_its_volume);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
