/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend tells while there is no memory is lost, and asked for again.
 * Skipped where the allocator can't be replaced.
 */
#include "fake_world.h"
#include "memory_fails.h"
#include "suite.h"

#ifdef CAN_FAIL
static struct observation truth;
static unsigned asked;

/* As a backend does: an observation of it follows. */
static int tell(struct backend *b, const struct target *t, struct error *err)
{
	asked++;
	f->sink->observed(f->sink, t->spec->volume_handle, &truth);
	return 0;
}

static int refuse_once(struct backend *b, const struct target *t,
		       struct error *err)
{
	f->ops.track = tell;
	return fail(err, ENOMEM, "no memory for a volume");
}

/* There is memory for so many allocations until the loop has heard of it. */
static void tell_with(long left)
{
	advance(1);
	truth = f->truth;
	truth.at = f->now;
	memory_failed = false;
	memory_left = left;
	f->sink->observed(f->sink, "vol-1", &truth);
	run_one();
	memory_left = -1;
	run_all();
}

START_TEST(what_is_lost_is_asked_for_again)
{
	long n;

	f->ops.track = tell;
	memory_failed = true;
	for (n = 0; memory_failed; n++) {
		/* News each time, and for users, too. */
		f->truth.peer.reach = n % 2 ? REACH_OK : REACH_SILENT;
		asked = 0;
		tell_with(n);
		if (seen_of(the()).at != truth.at)
			ck_assert_int_eq(world_due(f->world), f->now + 1000);
		advance(1000);
		ck_assert_int_eq(seen_of(the()).at, truth.at);
		ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason,
				 n % 2 ? "Healthy" : "PeerUnreachable");
	}
	ck_assert_int_gt(n, 2);
	ck_assert_uint_eq(asked, 0);
}
END_TEST

START_TEST(and_again_while_there_is_none)
{
	f->ops.track = refuse_once;
	asked = 0;
	tell_with(0);
	advance(999);
	ck_assert_ptr_eq(f->ops.track, refuse_once);
	advance(1);
	ck_assert_ptr_eq(f->ops.track, tell);
	ck_assert_uint_eq(asked, 0);
	/* The clock is set back meanwhile. */
	f->now -= 3600000;
	world_tick(f->world, f->now);
	advance(1000);
	ck_assert_uint_eq(asked, 1);
	advance(100000);
	ck_assert_uint_eq(asked, 1);
}
END_TEST
#endif

int main(void)
{
#ifdef CAN_FAIL
	Suite *suite;
	TCase *c;

	if (!memory_can_fail())
		return 77;
	suite = suite_create("sight_memory");
	c = tcase_create("sight_memory");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_is_lost_is_asked_for_again);
	tcase_add_test(c, and_again_while_there_is_none);
	suite_add_tcase(suite, c);
	return run_suite(suite);
#else
	return 77;
#endif
}
