/* SPDX-License-Identifier: Apache-2.0 */
/* What the API servers have and allow. */
#include "fake_ceph.h"
#include "suite.h"

#define SILENT_MS 1000

static void setup(void)
{
	setup_clusters();
	put_pair();
}

static void begin(void)
{
	start(SILENT_MS);
	AWAIT(is_steady);
}

static bool is_missing(const struct observation *o)
{
	return o->here.reach == REACH_UNCONFIGURED &&
	       o->peer.reach == REACH_OK;
}

START_TEST(csi_addons_is_installed_later)
{
	auto_buf why;

	api_fault(&t.dr, "/volumereplications", 404);
	start(SILENT_MS);
	ck_assert_str_eq(AWAIT(is_missing).here.why,
			 "csi-addons is not installed there: it has no "
			 "volumereplications");
	buf_init(&why, 1000);
	ck_assert(!t.b->ops->available(t.b, &why));
	ck_assert_ptr_nonnull(strstr(buf_str(&why), "not installed"));
	REFUSES(ACT_DEMOTE, EACCES);
	api_fault(&t.dr, "", 0);
	AWAIT(is_steady);
	buf_reset(&why);
	ck_assert(t.b->ops->available(t.b, &why));
	ck_assert_str_eq(buf_str(&why), DR ": csi-addons is installed\n"
					PROD ": csi-addons is installed\n");
	buf_reset(&why);
	ck_assert(t.b->ops->version(t.b, DR, &why));
	ck_assert_str_eq(buf_str(&why), "v1.20.0-fake");
}
END_TEST

/* A definition that is deleted takes its objects along. */
START_TEST(csi_addons_is_removed)
{
	begin();
	api_fault(&t.dr, "/volumereplications", 404);
	api_hang_up(&t.dr);
	AWAIT(is_missing);
	ck_assert_int_eq(t.ear.last[0].here.claim, ROLE_UNKNOWN);
	api_fault(&t.dr, "", 0);
	AWAIT(is_steady);
}
END_TEST

static bool is_refused(const struct observation *o)
{
	return o->here.reach == REACH_OK && o->peer.reach == REACH_REFUSED;
}

static const struct {
	const char *match;
	int code;
} refusals[] = {
	{"/volumereplications", 403},
	{"/persistentvolumeclaims", 403},
	{"", 401},
	{"", 403},
};

START_TEST(what_is_forbidden_is_refused)
{
	struct observation o;

	api_fault(&t.prod, refusals[_i].match, refusals[_i].code);
	start(SILENT_MS);
	o = AWAIT(is_refused);
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(o.peer.why, "says the server"));
	REFUSES(ACT_DEMOTE_PEER, EACCES);
	REFUSES(ACT_PROMOTE, EHOSTUNREACH);
	api_fault(&t.prod, "", 0);
	AWAIT(is_steady);
}
END_TEST

/* Whoever is in front of the API server has no say in what there is. */
START_TEST(an_object_that_another_does_not_find)
{
	struct observation o;

	start(SILENT_MS);
	AWAIT(is_steady);
	api_fault(&t.prod, "/volumereplications/", 404);
	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 10000, &o, &t.err),
			 0);
	ck_assert_int_eq(o.peer.reach, REACH_UNKNOWN);
	REFUSES(ACT_PROMOTE, EHOSTUNREACH);
	o = AWAIT(is_refused);
	ck_assert_ptr_nonnull(strstr(o.peer.why, "404 page not found"));
	api_fault(&t.prod, "", 0);
	AWAIT(is_steady);
}
END_TEST

static bool is_use_unknown(const struct observation *o)
{
	return side_verified_role(&o->peer) == ROLE_SOURCE &&
	       side_verified_role(&o->here) == ROLE_REPLICA &&
	       o->peer.in_use == TRI_UNKNOWN && o->here.in_use == TRI_NO;
}

/* Who may not see the pods does not know that there are none. */
START_TEST(use_that_can_not_be_told)
{
	api_fault(&t.prod, "/pods", 403);
	start(SILENT_MS);
	AWAIT(is_use_unknown);
	REFUSES(ACT_DEMOTE_PEER, EBUSY);
	t.overrides = OVERRIDE_IN_USE;
	TAKES(ACT_DEMOTE_PEER);
}
END_TEST

START_TEST(what_is_optional_is_not_missed)
{
	api_fault(&t.dr, "/volumesnapshots", 404);
	begin();
}
END_TEST

static bool is_unconfigured(const struct observation *o)
{
	return o->here.reach == REACH_OK &&
	       o->peer.reach == REACH_UNCONFIGURED;
}

START_TEST(a_cluster_that_nobody_configured)
{
	struct spec spec = t.spec;
	struct target other = {&spec, DR, "moon", true};
	char key[BACKEND_KEY_MAX];

	begin();
	t.b->ops->key(t.b, &other, key);
	ck_assert_int_eq(t.b->ops->track(t.b, &other, &t.err), 0);
	await_key(key, is_unconfigured, "moon");
}
END_TEST

static bool is_from_the_source(const struct observation *o)
{
	return o->holds_pvc && side_verified_role(&o->here) == ROLE_SOURCE &&
	       side_verified_role(&o->peer) == ROLE_REPLICA;
}

/* Removed at one site, and made anew as the other's. */
START_TEST(the_same_volumes_from_the_other_side)
{
	begin();
	t.b->ops->untrack(t.b, t.key);
	t.target = (struct target){&t.spec, PROD, DR, false};
	track_anew();
	AWAIT(is_from_the_source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ceph_reach");
	TCase *c = tcase_create("ceph_reach");

	tcase_add_checked_fixture(c, setup, teardown_clusters);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, csi_addons_is_installed_later);
	tcase_add_test(c, csi_addons_is_removed);
	tcase_add_loop_test(c, what_is_forbidden_is_refused, 0,
			    sizeof refusals / sizeof *refusals);
	tcase_add_test(c, an_object_that_another_does_not_find);
	tcase_add_test(c, use_that_can_not_be_told);
	tcase_add_test(c, what_is_optional_is_not_missed);
	tcase_add_test(c, a_cluster_that_nobody_configured);
	tcase_add_test(c, the_same_volumes_from_the_other_side);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
