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
#include <sys/mman.h>
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

#define TRIES 20	/* of what a busy machine may be late with */

/* A child that leads for a moment more, begins an act and does @then. */
static int fate(void (*then)(void))
{
	struct fence own;
	int status = 0, left, i = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (fence_init(&own, &err) < 0)
			_exit(3);
		do {
			if (i++ == TRIES)
				_exit(4);
			fence_extend(&own, fence_clock() + 900);
		} while (fence_enter(&own, &left, &err) < 0);
		f = own;
		then();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* Shared with the child, who did in time what it was to do. */
static volatile bool *in_time;

/* The same of one that was: what ends it before says nothing. */
static int fate_in_time(void (*then)(void))
{
	int status = 0, i;

	in_time = mmap(NULL, sizeof *in_time, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne((void *)in_time, MAP_FAILED);
	for (i = 0; i < TRIES && !*in_time; i++)
		status = fate(then);
	ck_assert(*in_time);
	munmap((void *)in_time, sizeof *in_time);
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
	*in_time = true;
	poll(NULL, 0, 1500);
}

static void renew(void)
{
	fence_extend(&f, fence_clock() + 30000);
	*in_time = true;
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
	int status = fate_in_time(end_in_time);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(who_goes_on_leading_lives)
{
	int status = fate_in_time(renew);

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
