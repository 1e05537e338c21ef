/* SPDX-License-Identifier: Apache-2.0 */
/* ceph-rbd's decisions from two looks; handles; the tags of a journal. */
#include "plan.h"
#include "rbd_handle.h"
#include "rbd_looks.h"
#include "suite.h"

#include <check.h>
#include <errno.h>

static struct error err;

/* ---- handles ---- */

START_TEST(a_handle_is_pool_namespace_image)
{
	static const char *const bad[] = {"", "pool", "/i", "p/", "p//i",
					  "a/b/c/d", "p/i@s", "p@/i", "p/n/"};
	struct rbd_handle h;
	size_t i;

	ck_assert_int_eq(rbd_handle_parse("pool/image", &h, &err), 0);
	ck_assert_uint_eq(h.pool_len, 4);
	ck_assert_uint_eq(h.namespace_len, 0);
	ck_assert_str_eq(h.image, "image");
	ck_assert_int_eq(rbd_handle_parse("pool/team/image", &h, &err), 0);
	ck_assert_uint_eq(h.pool_len, 4);
	ck_assert_int_eq(strncmp(h.namespace, "team", h.namespace_len), 0);
	ck_assert_uint_eq(h.namespace_len, 4);
	ck_assert_str_eq(h.image, "image");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_int_eq(rbd_handle_parse(bad[i], &h, &err), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err.msg, "volumeHandle"));
	}
}
END_TEST

START_TEST(two_clusters_asynchronously)
{
	struct spec s = {.volume_handle = "p/i", .mode = MODE_ASYNCHRONOUS};

	s.source.cluster = "one";
	s.destination.cluster = "two";
	ck_assert_int_eq(rbd_check(&s, &err), 0);
	s.destination.cluster = "one";
	ck_assert_int_eq(rbd_check(&s, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "the same cluster"));
	s.destination.cluster = "two";
	s.mode = MODE_SYNCHRONOUS;
	ck_assert_int_eq(rbd_check(&s, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "replicationMode"));
}
END_TEST

/* ---- the journal's tags ---- */

/* Two tags as an OSD of Ceph 16.2 listed them. */
static const char answer[] =
	"\2\0\0\0"
	"\1\1\x44\0\0\0" "\3\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0"
	"\x30\0\0\0" "\5\0\0\0other" "\x12\0\0\0aaaaaaaaaaaaaaaaaa"
	"\1" "\1\0\0\0\0\0\0\0" "\2\0\0\0\0\0\0\0"
	"\1\1\x35\0\0\0" "\4\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0"
	"\x21\0\0\0" "\x8\0\0\0<orphan>" "\0\0\0\0"
	"\1" "\2\0\0\0\0\0\0\0" "\3\0\0\0\0\0\0\0";

START_TEST(the_newest_tag_counts)
{
	char owner[RBD_UUID_MAX] = "before";
	uint64_t last = 0;

	ck_assert_int_eq(rbd_tags_decode(answer, sizeof answer - 1, &last, owner),
			 2);
	ck_assert_uint_eq(last, 4);
	ck_assert_str_eq(owner, RBD_NOBODY);
	ck_assert_int_eq(rbd_tags_decode("\0\0\0\0", 4, &last, owner), 0);
	ck_assert_uint_eq(last, 4);
	ck_assert_str_eq(owner, RBD_NOBODY);
}
END_TEST

START_TEST(an_answer_cut_short_is_none)
{
	char owner[RBD_UUID_MAX], cut[sizeof answer];
	uint64_t last = 0;
	size_t len, i;

	/* Past the second tag's owner nothing is read. */
	for (len = 0; len < sizeof answer - 1 - 22; len++)
		ck_assert_int_lt(rbd_tags_decode(answer, len, &last, owner), 0);
	/* A length that is a lie never leads out of the answer. */
	for (i = 0; i < sizeof answer - 1; i++) {
		memcpy(cut, answer, sizeof answer);
		cut[i] = '\xff';
		rbd_tags_decode(cut, sizeof answer - 1, &last, owner);
		ck_assert_uint_lt(strlen(owner), RBD_UUID_MAX);
	}
}
END_TEST

/* ---- decisions ---- */

static int decide(enum act act, const struct rbd_view *at,
		  const struct rbd_view *other, unsigned overrides)
{
	enum rbd_deed deed = RBD_DEED_NONE;
	int rc;

	err = (struct error){0};
	rc = rbd_decide(act, at, other, overrides, "here", "there", &deed,
			&err);
	if (rc < 0)
		ck_assert_uint_gt(strlen(err.msg), 0);
	return rc < 0 ? rc : (int)deed;
}

START_TEST(to_demote)
{
	pair();
	ck_assert_int_eq(decide(ACT_DEMOTE, &a, &b, 0), RBD_DEED_DEMOTE);
	ck_assert_int_eq(decide(ACT_DEMOTE_PEER, &b, &a, 0), RBD_DEED_NONE);
	a.in_use = TRI_YES;
	ck_assert_int_eq(decide(ACT_DEMOTE, &a, &b, 0), -EBUSY);
	ck_assert_int_eq(decide(ACT_DEMOTE, &a, &b, OVERRIDE_IN_USE),
			 RBD_DEED_DEMOTE);
	a.in_use = TRI_UNKNOWN;
	ck_assert_int_eq(decide(ACT_DEMOTE, &a, &b, 0), -EBUSY);
	a.mirrored = false;
	ck_assert_int_eq(decide(ACT_DEMOTE, &a, &b, 0), -ENOENT);
	a.exists = false;
	ck_assert_int_eq(decide(ACT_DEMOTE, &a, &b, 0), -ENOENT);
}
END_TEST

START_TEST(to_promote)
{
	pair();
	ck_assert_int_eq(decide(ACT_PROMOTE, &a, &b, 0), RBD_DEED_NONE);
	ck_assert_int_eq(decide(ACT_PROMOTE, &b, &a, 0), -EBUSY);
	/* No force makes two primaries by this act. */
	ck_assert_int_eq(decide(ACT_PROMOTE, &b, &a, ~0u), -EBUSY);
	step_down_a();
	ck_assert_int_eq(decide(ACT_PROMOTE, &b, &a, 0), -EAGAIN);
	pair();
	hand_over();
	ck_assert_int_eq(decide(ACT_PROMOTE, &b, &a, 0), RBD_DEED_PROMOTE);
	ck_assert_int_eq(decide(ACT_PROMOTE_PEER, &a, &b, 0),
			 RBD_DEED_PROMOTE);
	a.reach = REACH_SILENT;
	ck_assert_int_eq(decide(ACT_PROMOTE, &b, &a, 0), -EHOSTUNREACH);
	b.exists = false;
	ck_assert_int_eq(decide(ACT_PROMOTE, &b, &a, 0), -ENOENT);
}
END_TEST

START_TEST(to_force_promote)
{
	int reach;

	pair();
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a, 0), -EBUSY);
	/* It was for one that gave no answer: this one steps down first. */
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a, OVERRIDE_PEER),
			 -EBUSY);
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a,
				OVERRIDE_PEER | OVERRIDE_STEP_DOWN),
			 RBD_DEED_FORCE_PROMOTE);
	/* Whose silence has turned out to be none. */
	for (reach = REACH_UNKNOWN; reach <= REACH_UNCONFIGURED; reach++) {
		if (reach == REACH_OK || reach == REACH_SILENT)
			continue;
		a.reach = (enum reach)reach;
		ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a, 0), -EAGAIN);
		ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a,
					OVERRIDE_PEER),
				 RBD_DEED_FORCE_PROMOTE);
	}
	a.reach = REACH_SILENT;
	a.alive = true;
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a, 0), -EAGAIN);
	a.alive = false;
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a, 0),
			 RBD_DEED_FORCE_PROMOTE);
	b.snaps[0].complete = false;
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &b, &a, ~0u), -EINVAL);
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &a, &b, 0), RBD_DEED_NONE);
	strcpy(a.held_by, "127.0.0.1:0/1");
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &a, &b, 0), RBD_DEED_NONE);
	b.reach = REACH_SILENT;
	ck_assert_int_eq(decide(ACT_FORCE_PROMOTE, &a, &b, 0),
			 RBD_DEED_TAKE_LOCK);
}
END_TEST

START_TEST(to_resync)
{
	pair();
	ck_assert_int_eq(decide(ACT_RESYNC, &b, &a, 0), RBD_DEED_NONE);
	ck_assert_int_eq(decide(ACT_RESYNC, &a, &b, ~0u), -EAGAIN);
	promote_b();
	ck_assert_int_eq(decide(ACT_RESYNC_PEER, &a, &b, 0), -EAGAIN);
	step_down_a();
	ck_assert_int_eq(decide(ACT_RESYNC_PEER, &a, &b, 0), RBD_DEED_RESYNC);
	/* Shortly before the window in which there is no image, and in it. */
	a.mirrored = false;
	ck_assert_int_eq(decide(ACT_RESYNC_PEER, &a, &b, 0), RBD_DEED_NONE);
	a.pool_mirrors = false;
	ck_assert_int_eq(decide(ACT_RESYNC_PEER, &a, &b, 0), -EAGAIN);
	a.pool_mirrors = true;
	a.exists = false;
	ck_assert_int_eq(decide(ACT_RESYNC_PEER, &a, &b, 0), RBD_DEED_NONE);
	b.no_writes = true;
	ck_assert_int_eq(decide(ACT_RESYNC_PEER, &a, &b, 0), -EAGAIN);
}
END_TEST

START_TEST(to_enable)
{
	pair();
	ck_assert_int_eq(decide(ACT_CREATE, &a, &b, 0), RBD_DEED_NONE);
	ck_assert_int_eq(decide(ACT_CREATE, &b, &a, 0), -EAGAIN);
	b.exists = b.mirrored = false;
	ck_assert_int_eq(decide(ACT_CREATE, &a, &b, 0), RBD_DEED_NONE);
	a.mirrored = a.primary = false;
	ck_assert_int_eq(decide(ACT_CREATE, &a, &b, 0), RBD_DEED_ENABLE);
	a.pool_mirrors = false;
	ck_assert_int_eq(decide(ACT_CREATE, &a, &b, 0), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "here: mirroring is not"));
	a.pool_mirrors = true;
	b.exists = true;
	ck_assert_int_eq(decide(ACT_CREATE, &a, &b, 0), -EPERM);
	b.reach = REACH_SILENT;
	ck_assert_int_eq(decide(ACT_CREATE, &a, &b, 0), -EHOSTUNREACH);
	b.reach = REACH_OK;
	a.exists = false;
	ck_assert_int_eq(decide(ACT_CREATE, &a, &b, 0), -ENOENT);
	ck_assert_int_eq(decide(ACT_DELETE, &a, &b, ~0u), -EOPNOTSUPP);
	ck_assert_int_eq(decide(ACT_NONE, &a, &b, ~0u), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rbd_decide");
	TCase *c = tcase_create("rbd_decide");

	tcase_add_test(c, a_handle_is_pool_namespace_image);
	tcase_add_test(c, two_clusters_asynchronously);
	tcase_add_test(c, the_newest_tag_counts);
	tcase_add_test(c, an_answer_cut_short_is_none);
	tcase_add_test(c, to_demote);
	tcase_add_test(c, to_promote);
	tcase_add_test(c, to_force_promote);
	tcase_add_test(c, to_resync);
	tcase_add_test(c, to_enable);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
