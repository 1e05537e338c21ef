/* SPDX-License-Identifier: Apache-2.0 */
/* The workers: order, lanes, hand-over, draining. */
#include "workers.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MANY 2000

/* What the jobs of a test do together. */
struct scene {
	struct workers *workers;
	sem_t started;
	sem_t go_on;
	pthread_t loop;
	unsigned ran;			/* atomic */
	unsigned done;			/* the loop's */
	unsigned order[MANY];		/* numbers in the order of `done` */
	bool wrong_thread;
};

struct task {
	struct job job;
	struct scene *scene;
	unsigned number;
	unsigned children;		/* submitted when it is done */
};

static void setup(struct scene *s)
{
	struct error err;

	*s = (struct scene){.loop = pthread_self()};
	sem_init(&s->started, 0, 0);
	sem_init(&s->go_on, 0, 0);
	s->workers = workers_new(&err);
	ck_assert_ptr_nonnull(s->workers);
}

static void teardown(struct scene *s)
{
	workers_drain(s->workers);
	workers_free(s->workers);
	ck_assert(!s->wrong_thread);
	sem_destroy(&s->started);
	sem_destroy(&s->go_on);
}

static void count_run(struct job *job)
{
	struct task *t = (struct task *)job;

	__atomic_add_fetch(&t->scene->ran, 1, __ATOMIC_SEQ_CST);
	if (pthread_equal(pthread_self(), t->scene->loop))
		t->scene->wrong_thread = true;
}

static void block(struct job *job)
{
	struct task *t = (struct task *)job;

	sem_post(&t->scene->started);
	sem_wait(&t->scene->go_on);
	count_run(job);
}

static void submit(struct scene *s, enum lane lane, unsigned number,
		   void (*run)(struct job *));

static void note_done(struct job *job)
{
	struct task *t = (struct task *)job;
	struct scene *s = t->scene;

	if (!pthread_equal(pthread_self(), s->loop))
		s->wrong_thread = true;
	s->order[s->done++ % MANY] = t->number;
	if (t->number < t->children)
		submit(s, LANE_STORE, t->number + 1, NULL);
	free(t);
}

static struct task *task_new(struct scene *s, enum lane lane, unsigned number)
{
	struct task *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->job = (struct job){.lane = lane, .run = count_run,
			      .done = note_done};
	t->scene = s;
	t->number = number;
	return t;
}

/* Without @run a chain: each job submits the next when it is done. */
static void submit(struct scene *s, enum lane lane, unsigned number,
		   void (*run)(struct job *))
{
	struct task *t = task_new(s, lane, number);
	struct jobs *jobs = workers_jobs(s->workers);

	if (run)
		t->job.run = run;
	else
		t->children = 10;
	jobs->submit(jobs, &t->job);
}

static bool is_readable(struct scene *s, int timeout)
{
	struct pollfd p = {.fd = workers_fd(s->workers), .events = POLLIN};

	return poll(&p, 1, timeout) == 1;
}

START_TEST(nothing_to_do)
{
	struct scene s;

	setup(&s);
	ck_assert(!is_readable(&s, 0));
	workers_finish_jobs(s.workers);
	teardown(&s);
}
END_TEST

START_TEST(the_store_keeps_the_order)
{
	struct scene s;
	unsigned i;

	setup(&s);
	for (i = 0; i < MANY; i++)
		submit(&s, LANE_STORE, i, count_run);
	workers_drain(s.workers);
	ck_assert_uint_eq(s.done, MANY);
	for (i = 0; i < MANY; i++)
		ck_assert_uint_eq(s.order[i], i);
	ck_assert(!is_readable(&s, 0));
	teardown(&s);
}
END_TEST

static void submit_urgent(struct scene *s, unsigned number)
{
	struct task *t = task_new(s, LANE_STORE, number);
	struct jobs *jobs = workers_jobs(s->workers);

	t->job.urgent = true;
	jobs->submit(jobs, &t->job);
}

START_TEST(urgent_ones_go_first_but_not_for_ever)
{
	static const unsigned order[] = {0,   101, 102, 103, 104, 105, 106,
					 107, 108, 1,   109, 110, 2};
	struct scene s;
	unsigned i;

	setup(&s);
	submit(&s, LANE_STORE, 0, block);
	sem_wait(&s.started);
	for (i = 1; i <= 2; i++)
		submit(&s, LANE_STORE, i, count_run);
	for (i = 101; i <= 110; i++)
		submit_urgent(&s, i);
	sem_post(&s.go_on);
	workers_drain(s.workers);
	for (i = 0; i < sizeof order / sizeof *order; i++)
		ck_assert_uint_eq(s.order[i], order[i]);
	teardown(&s);
}
END_TEST

START_TEST(one_is_hurried)
{
	static const unsigned order[] = {0, 101, 3, 2, 1, 4};
	struct jobs *jobs;
	struct task *t[5];
	struct scene s;
	unsigned i;

	setup(&s);
	jobs = workers_jobs(s.workers);
	submit(&s, LANE_STORE, 0, block);
	sem_wait(&s.started);
	for (i = 1; i <= 3; i++) {
		t[i] = task_new(&s, LANE_STORE, i);
		jobs->submit(jobs, &t[i]->job);
	}
	submit_urgent(&s, 101);
	/* The last; then one that is urgent already, and one from the middle. */
	jobs->hurry(jobs, &t[3]->job);
	jobs->hurry(jobs, &t[3]->job);
	jobs->hurry(jobs, &t[2]->job);
	submit(&s, LANE_STORE, 4, count_run);
	sem_post(&s.go_on);
	workers_drain(s.workers);
	for (i = 0; i < sizeof order / sizeof *order; i++)
		ck_assert_uint_eq(s.order[i], order[i]);
	teardown(&s);
}
END_TEST

START_TEST(done_runs_only_when_asked)
{
	struct scene s;

	setup(&s);
	submit(&s, LANE_BACKEND, 1, count_run);
	ck_assert(is_readable(&s, 10000));
	ck_assert_uint_eq(s.done, 0);
	workers_finish_jobs(s.workers);
	ck_assert_uint_eq(s.done, 1);
	teardown(&s);
}
END_TEST

START_TEST(eight_hung_backends_leave_the_store_alone)
{
	struct scene s;
	unsigned i;

	setup(&s);
	for (i = 0; i < 9; i++)
		submit(&s, LANE_BACKEND, i, block);
	for (i = 0; i < 8; i++)
		sem_wait(&s.started);
	submit(&s, LANE_STORE, 100, count_run);
	ck_assert(is_readable(&s, 10000));
	workers_finish_jobs(s.workers);
	ck_assert_uint_eq(s.done, 1);
	ck_assert_uint_eq(s.order[0], 100);
	/* The ninth has to wait until one of the eight has come back. */
	ck_assert_int_ne(sem_trywait(&s.started), 0);
	for (i = 0; i < 9; i++)
		sem_post(&s.go_on);
	workers_drain(s.workers);
	ck_assert_uint_eq(s.done, 10);
	teardown(&s);
}
END_TEST

START_TEST(drain_waits_for_what_the_done_submit)
{
	struct scene s;

	setup(&s);
	submit(&s, LANE_STORE, 0, NULL);
	workers_drain(s.workers);
	ck_assert_uint_eq(s.done, 11);
	ck_assert_uint_eq(s.order[10], 10);
	teardown(&s);
}
END_TEST

static void *post_many(void *arg)
{
	struct scene *s = arg;
	struct jobs *jobs = workers_jobs(s->workers);
	unsigned i;

	for (i = 0; i < MANY; i++)
		jobs->post(jobs, &task_new(s, LANE_STORE, i)->job);
	return NULL;
}

START_TEST(posting_keeps_the_order_and_runs_nothing)
{
	struct scene s;
	pthread_t thread;
	unsigned i;

	setup(&s);
	ck_assert_int_eq(pthread_create(&thread, NULL, post_many, &s), 0);
	while (s.done < MANY) {
		ck_assert(is_readable(&s, 10000));
		workers_finish_jobs(s.workers);
	}
	pthread_join(thread, NULL);
	for (i = 0; i < MANY; i++)
		ck_assert_uint_eq(s.order[i], i);
	ck_assert_uint_eq(s.ran, 0);
	teardown(&s);
}
END_TEST

static void look_at_signals(struct job *job)
{
	sigset_t now;

	count_run(job);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	if (!sigismember(&now, SIGTERM) || !sigismember(&now, SIGHUP))
		((struct task *)job)->scene->wrong_thread = true;
}

START_TEST(threads_take_no_signals)
{
	struct scene s;
	sigset_t now;

	setup(&s);
	submit(&s, LANE_STORE, 0, look_at_signals);
	submit(&s, LANE_BACKEND, 0, look_at_signals);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	ck_assert(!sigismember(&now, SIGTERM));
	teardown(&s);
}
END_TEST

START_TEST(without_descriptors_there_are_no_workers)
{
	struct rlimit before, none;
	struct error err = {0};

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_ptr_null(workers_new(&err));
	ck_assert_int_eq(err.code, EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

START_TEST(without_threads_there_are_no_workers)
{
	struct error err = {0};
	pthread_attr_t attr;

	/* No machine has room for such a stack. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)1 << 48);
	ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
	ck_assert_ptr_null(workers_new(&err));
	/* valgrind says EINVAL. */
	ck_assert(err.code == EAGAIN || err.code == EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "can't start a thread"));
	pthread_attr_setstacksize(&attr, (size_t)1 << 20);
	pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}
END_TEST

START_TEST(free_takes_null)
{
	workers_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("workers");
	TCase *t = tcase_create("workers");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, nothing_to_do);
	tcase_add_test(t, the_store_keeps_the_order);
	tcase_add_test(t, urgent_ones_go_first_but_not_for_ever);
	tcase_add_test(t, one_is_hurried);
	tcase_add_test(t, done_runs_only_when_asked);
	tcase_add_test(t, eight_hung_backends_leave_the_store_alone);
	tcase_add_test(t, drain_waits_for_what_the_done_submit);
	tcase_add_test(t, posting_keeps_the_order_and_runs_nothing);
	tcase_add_test(t, threads_take_no_signals);
	tcase_add_test(t, without_descriptors_there_are_no_workers);
	tcase_add_test(t, without_threads_there_are_no_workers);
	tcase_add_test(t, free_takes_null);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
