/* SPDX-License-Identifier: Apache-2.0 */
/* API servers that give no answer, and what that makes of what was known. */
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

static bool is_peer_silent(const struct observation *o)
{
	return o->peer.reach == REACH_SILENT;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

START_TEST(silence_must_last)
{
	int64_t began = now_ms();

	api_fault(&t.prod, "", API_HANG);
	start(SILENT_MS);
	AWAIT(is_peer_silent);
	ck_assert_int_ge(now_ms() - began, SILENT_MS);
	ck_assert_int_eq(t.ear.first[0].peer.reach, REACH_UNKNOWN);
	api_fault(&t.prod, "", 0);
	AWAIT(is_steady);
}
END_TEST

START_TEST(one_that_falls_silent)
{
	struct observation o;

	begin();
	api_fault(&t.prod, "", API_HANG);
	o = AWAIT(is_peer_silent);
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_int_eq(o.peer.fact, ROLE_UNKNOWN);
	ck_assert(*o.peer.why);
	/* What the source said last of the copy is kept, and vouches for it. */
	ck_assert_int_eq(o.here.data_time, time_parse(T1));
	ck_assert_int_eq(side_verified_role(&o.here), ROLE_REPLICA);
	ck_assert(o.here.complete);
	REFUSES(ACT_PROMOTE, EHOSTUNREACH);
	REFUSES(ACT_RESYNC, EAGAIN);
	REFUSES(ACT_DEMOTE_PEER, ETIMEDOUT);
	TAKES(ACT_FORCE_PROMOTE);
	ck_assert_str_eq(ASKED(&t.dr), "primary");
}
END_TEST

static bool is_promotable(const struct observation *o)
{
	return is_peer_silent(o) &&
	       side_verified_role(&o->here) == ROLE_REPLICA;
}

/* The one who tracks remembers, when we were not there. */
START_TEST(what_was_known_before_a_restart)
{
	api_fault(&t.prod, "", API_HANG);
	t.target.data_time = time_parse(T2);
	start(SILENT_MS);
	ck_assert_int_eq(AWAIT(is_promotable).here.data_time, time_parse(T2));
}
END_TEST

START_TEST(one_whose_server_is_gone)
{
	begin();
	api_stop(&t.prod);
	AWAIT(is_peer_silent);
	api_start(&t.prod);		/* elsewhere */
}
END_TEST

static bool is_peer_unwell(const struct observation *o)
{
	return o->peer.reach == REACH_UNKNOWN && strstr(o->peer.why, "500");
}

/* Its answers are no silence, however long. */
START_TEST(one_that_answers_with_errors)
{
	struct observation o;

	begin();
	api_fault(&t.prod, "", 500);
	AWAIT(is_peer_unwell);
	/* It is asked four times in the time that makes it silent. */
	api_await(&t.prod, &t.prod.unwell, 9);
	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 1000, &o, &t.err),
			 0);
	/* Not silent, and not to be waited for: it needs force. */
	ck_assert_int_eq(o.peer.reach, REACH_REFUSED);
	ck_assert_int_ne(t.ear.last[0].peer.reach, REACH_SILENT);
	REFUSES(ACT_PROMOTE, EHOSTUNREACH);
	api_fault(&t.prod, "", 0);
	AWAIT(is_steady);
}
END_TEST

/* ---- the end ---- */

static void *demote(void *arg)
{
	t.timeout_ms = 60000;
	*(int *)arg = act(ACT_DEMOTE_PEER);
	return NULL;
}

START_TEST(the_end_cuts_calls_short)
{
	pthread_t thread;
	int64_t began;
	int rc = 0;

	start(60000);
	AWAIT(is_steady);
	api_fault(&t.prod, "PATCH", API_HANG);
	ck_assert_int_eq(pthread_create(&thread, NULL, demote, &rc), 0);
	api_await(&t.prod, &t.prod.hung, 1);
	began = now_ms();
	t.b->ops->stop(t.b);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_lt(now_ms() - began, 8000);
	ck_assert_int_eq(rc, -ESHUTDOWN);
}
END_TEST

START_TEST(the_end_does_not_wait_for_the_silent)
{
	int64_t began;

	api_fault(&t.prod, "", API_HANG);
	start(60000);
	api_await(&t.prod, &t.prod.hung, 9);	/* kinds, and whether it is */
	began = now_ms();
	end();
	ck_assert_int_lt(now_ms() - began, 8000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ceph_silence");
	TCase *c = tcase_create("ceph_silence");

	tcase_add_checked_fixture(c, setup, teardown_clusters);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, silence_must_last);
	tcase_add_test(c, one_that_falls_silent);
	tcase_add_test(c, what_was_known_before_a_restart);
	tcase_add_test(c, one_whose_server_is_gone);
	tcase_add_test(c, one_that_answers_with_errors);
	tcase_add_test(c, the_end_cuts_calls_short);
	tcase_add_test(c, the_end_does_not_wait_for_the_silent);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
