/* SPDX-License-Identifier: Apache-2.0 */
/* Who leads no longer does nothing, awake or not. */
#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "fence.h"
#include "suite.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fence f;
static struct error err;

static void setup(void)
{
	ck_assert_int_eq(fence_init(&f, &err), 0);
}

static void teardown(void)
{
	fence_finish(&f);
}

START_TEST(opens_and_closes)
{
	int left = 0;

	ck_assert_int_eq(fence_enter(&f, &left, &err), -EAGAIN);
	fence_extend(&f, fence_clock() + 60000);
	ck_assert_int_eq(fence_enter(&f, &left, &err), 0);
	ck_assert_int_gt(left, 50000);
	ck_assert_int_lt(left, 60000);
	fence_close(&f);
	ck_assert_int_eq(fence_enter(&f, &left, &err), -EAGAIN);
	fence_leave(&f);
	/* So near to the end nothing is begun. */
	fence_extend(&f, fence_clock() + 100);
	ck_assert_int_eq(fence_enter(&f, &left, &err), -EAGAIN);
}
END_TEST

/* A child that leads for a moment more, begins an act and does @then. */
static int fate(void (*then)(void))
{
	struct fence own;
	int status = 0, left;
	pid_t pid = fork();

	if (pid == 0) {
		if (fence_init(&own, &err) < 0)
			_exit(3);
		fence_extend(&own, fence_clock() + 900);
		if (fence_enter(&own, &left, &err) < 0)
			_exit(4);
		f = own;
		then();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void stop(void)
{
	raise(SIGSTOP);
}

static void overrun(void)
{
	poll(NULL, 0, 5000);
}

static void end_in_time(void)
{
	fence_leave(&f);
	poll(NULL, 0, 1500);
}

static void renew(void)
{
	fence_extend(&f, fence_clock() + 10000);
	poll(NULL, 0, 1500);
}

/* Nobody continues it: the kernel ends it where it stands. */
START_TEST(a_stopped_process_never_ends_its_act)
{
	int status = fate(stop);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

START_TEST(an_act_that_overruns_is_ended)
{
	int status = fate(overrun);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

START_TEST(who_ends_in_time_lives)
{
	int status = fate(end_in_time);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(who_goes_on_leading_lives)
{
	int status = fate(renew);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fence");
	TCase *tc = tcase_create("fence");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, opens_and_closes);
	tcase_add_test(tc, a_stopped_process_never_ends_its_act);
	tcase_add_test(tc, an_act_that_overruns_is_ended);
	tcase_add_test(tc, who_ends_in_time_lives);
	tcase_add_test(tc, who_goes_on_leading_lives);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
