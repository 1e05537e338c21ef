/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the Kubernetes store.  Private to store_kube*.c. */
#ifndef UVRFS_STORE_KUBE_PRIVATE_H
#define UVRFS_STORE_KUBE_PRIVATE_H

#include "audit_file.h"
#include "kube_lease.h"
#include "kube_reflect.h"
#include "kube_volumes.h"
#include "store_kube.h"

#include <pthread.h>

#define UVR_API "/apis/replication.unified.io/v1alpha1"
#define UVR_PATH UVR_API "/unifiedvolumereplications"

/* What a write may take, a dead connection and a second try included. */
#define WRITE_MS 10000

struct events;

/* store_kube_ids.c; the loop's. */
struct kube_id;
struct kube_ids {
	int fd;				/* -1: they are not noted */
	off_t end;			/* of what is */
	void *by_key, *by_id;		/* tsearch: those of a former daemon, */
	struct kube_id *all;		/* all of them, */
	struct kube_id *first;		/* and from where on they may be lost */
	uint64_t last;			/* the greatest that was ever given */
};

struct store_kube {
	struct store store;		/* first: they are cast */
	struct kube_listener watch_listener;
	struct lease_listener lease_listener;
	struct volumes_listener volumes_listener;
	struct store_kube_config config;
	struct kube *kube;
	struct kube_conn *conn;		/* the worker's */
	struct kube_reflector *reflector;
	struct kube_lease *lease;
	struct lease_config lease_config;
	struct fence fence;
	bool has_fence;
	struct events *events;
	struct kube_volumes *volumes;
	struct audit_file audit;
	char identity[128];
	unsigned writes;		/* the worker's: names each of them */
	struct kube_ids ids;

	pthread_mutex_t lock;		/* protects what follows */
	pthread_cond_t listed;
	struct store_sink *sink;	/* NULL until start */
	struct object **found;		/* before that */
	size_t found_count, found_cap;
	struct kube_gone *gone;		/* after the load, before the start */
	bool missed;			/* what there was no memory for */
	char **complaints;
	size_t complaint_count;
	bool is_listed;
	char watch_why[256];		/* "" when it answers */
	char lease_why[256];
	char told_why[256];
};

/* One object's writes. */
struct writing {
	struct store_kube *k;
	const struct store_write *w;
	char path[512];			/* of the object */
	char version[64];		/* it is at */
	int64_t generation;
	int64_t end;			/* monotonic ms */
	bool unheard;			/* it may have been made, for all that we
					   were told */
	char writer[OBJECT_WRITER_MAX];	/* the name of this write: status.writer */
};

/* store_kube_call.c: the worker's.  All fail as kube_call does. */

/* Is the server there, as far as is known?  Else those who wait in line would
   wait for each other's deadlines. */
int writing_begin(struct store_kube *k, struct error *err);
void writing_path(const char *namespace, const char *name,
		  char out[static 512]);
/* Takes version and generation from an answer. */
void writing_version(struct writing *wr, const json_t *object);
int writing_get(struct writing *wr, struct object **out, struct error *err);
/*
 * A call that is made again and again while nobody knows what became of it.  A
 * write that names a version can be repeated: it is made once or not at all.
 */
int writing_call(struct writing *wr, struct kube_request *q, json_t **reply,
		 struct error *err);
/* A merge patch of the object, or of its @sub (/status).  Takes @body over. */
int writing_patch(struct writing *wr, const char *sub, json_t *body,
		  json_t **reply, struct error *err);
/*
 * What a failed call is to whoever wrote: the store can't be reached, whatever
 * stands in the way; but for what was decided about what was written.
 */
int writing_failed(int rc, struct error *err);

/* -ECANCELED: somebody else was first. */
int writing_conflict(struct writing *wr, struct error *err);
/* The same, and the world is told that it is gone, or what is there now. */
int writing_gone(struct writing *wr, struct error *err);
int writing_look_anew(struct writing *wr, struct error *err);

/* store_kube_write.c, store_kube_remove.c: the worker's. */
int store_kube_save(struct store *s, struct store_write *w, struct error *err);
int store_kube_remove(struct store *s, const char *namespace, const char *name,
		      const struct status *status, struct error *err);
int store_kube_refuse(struct store *s, const struct object *o,
		      const char *reason, const char *sentence,
		      struct error *err);

/* Tells the world of an object; takes @o over. */
void store_kube_tell(struct store_kube *k, struct object *o);
/* The same of a sentence for the log. */
void store_kube_complain(struct store_kube *k, const char *sentence);

/*
 * store_kube_early.c: with the lock held, but for early_load, which takes it.
 * `load` takes what there is, `start` what has come since then, with the sink
 * set.
 */
void early_keep(struct store_kube *k, struct object *o);
void early_keep_gone(struct store_kube *k, const char *namespace,
		     const char *name, const char *uid);
void early_complain(struct store_kube *k, const char *sentence);
void early_load(struct store_kube *k, struct store_visitor *v);
void early_tell(struct store_kube *k);
void early_finish(struct store_kube *k);

/*
 * What a former daemon has noted in @fd behind @from, where more is noted from
 * now on; @fd may be -1, and stays the caller's.  kube_ids_finish is due.
 */
int kube_ids_open(struct kube_ids *ids, int fd, off_t from, struct error *err);
void kube_ids_finish(struct kube_ids *ids);
/* Once: what vanishes and comes again is another directory.  0: none. */
uint64_t kube_ids_find(struct kube_ids *ids, const char *key, bool *told);
int kube_ids_note(struct kube_ids *ids, uint64_t id, const char *key,
		  const char *path);
int kube_ids_note_gone(struct kube_ids *ids, uint64_t id);
int kube_ids_note_told(struct kube_ids *ids, uint64_t id);
/* The next that was not found, each once, then 0.  @path is of @ids. */
uint64_t kube_ids_lost(struct kube_ids *ids, const char **path);

int store_kube_load_namespaces(struct store_kube *k, struct store_visitor *v);
/* As struct store_ops has them. */
uint64_t store_kube_new_id(struct store *s, struct error *err);
uint64_t store_kube_last_id(const struct store *s);
uint64_t store_kube_known_id(struct store *s, const char *uid, bool *told);
void store_kube_note_id(struct store *s, uint64_t id, const char *namespace,
			const struct object *o);
void store_kube_note_gone(struct store *s, uint64_t id);
void store_kube_note_told(struct store *s, uint64_t id);
uint64_t store_kube_lost_id(struct store *s, const char **path);

/* store_kube_events.c */
struct events *events_start(struct kube *k, const char *identity,
			    struct error *err);
void events_add(struct events *e, const struct store_event *event);
/* After kube_stop.  Takes NULL. */
void events_free(struct events *e);

#endif
