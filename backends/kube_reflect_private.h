/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a reflector.  Private to kube_reflect*.c. */
#ifndef UVRFS_KUBE_REFLECT_PRIVATE_H
#define UVRFS_KUBE_REFLECT_PRIVATE_H

#include "kube_reflect.h"

#include <pthread.h>
#include <stdatomic.h>

struct kube_reflector {
	struct kube_watcher watcher;	/* first: they are cast */
	struct kube *kube;
	struct kube_conn *conn;
	struct kube_listener *listener;
	char *path;
	char *older;			/* takes its place after -ENOENT; or NULL */
	const char *kind;		/* the last part of both paths */
	_Atomic int64_t heard;		/* monotonic ms: news, or that there are
					   none; 0: never */
	pthread_t thread;
	bool running;
	atomic_bool hurry;

	/* The thread's own. */
	char version[128];		/* where to go on; "": list first */
	void *known;			/* a tree of what was seen */
	unsigned round;			/* counts lists */
	int64_t listing;		/* ms: when the list was begun that is
					   under way, 0: none is */
	bool streams_known;		/* whether lists come as watches, */
	bool streams;			/* was asked, and this is it */
	int64_t began;			/* monotonic ms: the watch at hand; 0: it
					   has not yet */
	unsigned failures;		/* in a row */
	bool relists;			/* a list was due, and no watch has lasted
					   since */
	bool silent;			/* and told so */
	struct error *err;		/* of the watch at hand */
};

/* kube_reflect_list.c: everything there is; 0 when it has been told. */
int reflect_list(struct kube_reflector *r, struct error *err);

/* False: there is no memory, or it has no name. */
bool reflect_remember(struct kube_reflector *r, const json_t *object);
void reflect_forget(struct kube_reflector *r, const json_t *object);
void reflect_forget_all(struct kube_reflector *r);

/* The list is whole: what it did not have is gone. */
void reflect_listed(struct kube_reflector *r);

/* kube_reflect.c */
void reflect_heard(struct kube_reflector *r);
void reflect_seen(struct kube_reflector *r, const json_t *object,
		  int64_t as_of);
void reflect_version(struct kube_reflector *r, const json_t *object);
int reflect_watch(struct kube_reflector *r, const char *more,
		  struct error *err);
void reflect_pause(struct kube_reflector *r, int ms);

#endif
