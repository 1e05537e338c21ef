/* SPDX-License-Identifier: Apache-2.0 */
/* A sink that remembers what a backend has told of each key, and waits for it. */
#ifndef UVRFS_EAR_H
#define UVRFS_EAR_H

#include "backend.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EAR_PATIENCE_S 20
#define EAR_KEYS 8

struct ear {
	struct sink sink;		/* first: they are cast */
	pthread_mutex_t lock;
	pthread_cond_t heard;
	unsigned count;
	char key[EAR_KEYS][BACKEND_KEY_MAX];
	struct observation first[EAR_KEYS], last[EAR_KEYS];
	size_t keys;
	int progress_min, progress_max;	/* of `here', while one is shown */
};

typedef bool condition(const struct observation *o);

static inline void ear_observed(struct sink *sink, const char *key,
				const struct observation *o)
{
	struct ear *ear = (struct ear *)sink;
	size_t i;

	pthread_mutex_lock(&ear->lock);
	for (i = 0; i < ear->keys && strcmp(ear->key[i], key); i++)
		;
	ck_assert_uint_lt(i, EAR_KEYS);
	if (i == ear->keys) {
		strcpy(ear->key[ear->keys++], key);
		ear->first[i] = *o;
	}
	ear->last[i] = *o;
	ear->count++;
	if (o->here.progress >= 0) {
		if (o->here.progress < ear->progress_min)
			ear->progress_min = o->here.progress;
		if (o->here.progress > ear->progress_max)
			ear->progress_max = o->here.progress;
	}
	pthread_cond_broadcast(&ear->heard);
	pthread_mutex_unlock(&ear->lock);
}

static inline void ear_init(struct ear *ear)
{
	pthread_mutex_init(&ear->lock, NULL);
	pthread_cond_init(&ear->heard, NULL);
	ear->sink.observed = ear_observed;
	ear->progress_min = 1000;
	ear->progress_max = -1;
}

static inline void ear_print(const char *name, const struct side *s)
{
	fprintf(stderr,
		"%s: reach %d claim %d fact %d in use %d busy %d complete %d "
		"following %d caught up %d diverged %d last %d can verify %d "
		"progress %d data %lld [%s] %s\n", name, s->reach, s->claim,
		s->fact, s->in_use, s->busy, s->complete, s->following,
		s->caught_up, s->diverged, s->has_last_copy, s->can_verify,
		s->progress, (long long)s->data_time, s->native, s->why);
}

/* Waits until the observation of @key is so, and returns it. */
static inline struct observation ear_await(struct ear *ear, const char *key,
					   condition *is, const char *what)
{
	struct observation o = {0};
	struct timespec until;
	size_t i;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += EAR_PATIENCE_S;
	pthread_mutex_lock(&ear->lock);
	for (;;) {
		for (i = 0; i < ear->keys; i++)
			if (strcmp(ear->key[i], key) == 0)
				o = ear->last[i];
		if (o.at && is(&o))
			break;
		if (rc) {
			ear_print("here", &o.here);
			ear_print("peer", &o.peer);
			ck_abort_msg("waited in vain for: %s", what);
		}
		rc = pthread_cond_timedwait(&ear->heard, &ear->lock, &until);
	}
	pthread_mutex_unlock(&ear->lock);
	return o;
}

#endif
