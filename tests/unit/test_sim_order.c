/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a look finds and what the engine tells travel on two ways.  Whoever takes
 * both, the later one of them last, ends up with what is true.
 */
#include "sim.h"

#include "suite.h"

#include <check.h>
#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOKERS 3
#define LOOKS_US 3000
#define ROUNDS 300
#define PATIENCE_S 30

static struct {
	struct sink sink;
	struct backend *b;
	struct spec spec;
	struct target target;
	char dir[64];
	pthread_mutex_t lock;
	pthread_cond_t heard;
	struct observation last;
	sem_t looks, looked;
	atomic_bool over;
	uint64_t serial;
} t;

/* As the core does. */
static void take(const struct observation *o)
{
	pthread_mutex_lock(&t.lock);
	if (o->at >= t.last.at)
		t.last = *o;
	pthread_cond_broadcast(&t.heard);
	pthread_mutex_unlock(&t.lock);
}

static void observed(struct sink *sink, const char *key,
		     const struct observation *o)
{
	take(o);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * Looks for a moment after each act, so that the last one falls together with
 * what the engine does; and its way is longer than the engine's.
 */
static void *look(void *ctx)
{
	const struct timespec way = {.tv_nsec = 3000000};
	unsigned seed = *(unsigned *)ctx;
	struct observation o;
	struct error err;
	int64_t until;

	while (sem_wait(&t.looks) == 0 && !t.over) {
		until = now_us() + rand_r(&seed) % LOOKS_US;
		do
			ck_assert_int_eq(t.b->ops->observe(t.b, &t.target,
							   10000, &o, &err), 0);
		while (now_us() < until);
		nanosleep(&way, NULL);
		take(&o);
		sem_post(&t.looked);
	}
	return NULL;
}

static void act(enum act act)
{
	struct order o = {act, ++t.serial, 10000};
	struct error err;
	int i;

	ck_assert_msg(t.b->ops->act(t.b, &t.target, &o, &err) == 0, "%s: %s",
		      act_text(act), err.msg);
	for (i = 0; i < LOOKERS; i++)
		sem_post(&t.looks);
	for (i = 0; i < LOOKERS; i++)
		ck_assert_int_eq(sem_wait(&t.looked), 0);
}

static bool follows(const struct observation *o)
{
	return o->peer.claim == ROLE_SOURCE && o->here.complete &&
	       o->here.following && !o->peer.busy;
}

static bool has_all(const struct observation *o)
{
	return o->peer.claim == ROLE_REPLICA && o->here.caught_up &&
	       strcmp(o->peer.native, "FinalSync") != 0 && !o->peer.busy;
}

static void await(bool (*is)(const struct observation *), const char *what)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&t.lock);
	while (!is(&t.last) && rc == 0)
		rc = pthread_cond_timedwait(&t.heard, &t.lock, &until);
	ck_assert_msg(rc == 0, "in vain: %s; believed: here %s, peer %s", what,
		      t.last.here.native, t.last.peer.native);
	pthread_mutex_unlock(&t.lock);
}

static int remove_entry(const char *path, const struct stat *st, int flag,
			struct FTW *ftw)
{
	return remove(path);
}

static void setup(void)
{
	struct error err;

	memset(&t, 0, sizeof t);
	pthread_mutex_init(&t.lock, NULL);
	pthread_cond_init(&t.heard, NULL);
	sem_init(&t.looks, 0, 0);
	sem_init(&t.looked, 0, 0);
	t.sink.observed = observed;
	t.spec = (struct spec){.source = {"prod", "east", "fast"},
			       .destination = {"dr", "west", "fast"},
			       .pvc_name = "db",
			       .pvc_namespace = "database",
			       .volume_handle = "db",
			       .volume_namespace = "database",
			       .state = STATE_REPLICA,
			       .mode = MODE_ASYNCHRONOUS,
			       .schedule = SCHEDULE_CONTINUOUS};
	t.target = (struct target){&t.spec, "dr", "prod", true};
	strcpy(t.dir, "/tmp/uvrfs-sim-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t.dir));
	t.b = sim_new("sim", t.dir, &err);
	ck_assert_ptr_nonnull(t.b);
	ck_assert_int_eq(t.b->ops->start(t.b, &t.sink, &err), 0);
	ck_assert_int_eq(t.b->ops->track(t.b, &t.target, &err), 0);
}

static void teardown(void)
{
	t.b->ops->stop(t.b);
	t.b->ops->free(t.b);
	nftw(t.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

START_TEST(test_the_later_one_is_true)
{
	unsigned seeds[LOOKERS] = {1, 2, 3};
	pthread_t lookers[LOOKERS];
	int i;

	for (i = 0; i < LOOKERS; i++)
		ck_assert_int_eq(pthread_create(&lookers[i], NULL, look,
						&seeds[i]), 0);
	act(ACT_CREATE);
	for (i = 0; i < ROUNDS; i++) {
		await(follows, "the replica follows");
		act(ACT_DEMOTE_PEER);
		await(has_all, "the final copy");
		act(ACT_PROMOTE_PEER);
	}
	t.over = true;
	for (i = 0; i < LOOKERS; i++)
		sem_post(&t.looks);
	for (i = 0; i < LOOKERS; i++)
		pthread_join(lookers[i], NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_order");
	TCase *c = tcase_create("sim_order");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, test_the_later_one_is_true);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
