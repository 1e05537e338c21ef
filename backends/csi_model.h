/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clusters, their objects and the pairs of volumes in memory.  Private to
 * csi*.c.
 *
 * Threads: of each cluster one for each kind of object (kube_reflect.h) and one
 * that asks whether it answers; one of the backend that judges pairs of which
 * something has changed, so that what is published comes in order.  `lock`
 * guards everything in memory and is never held over a call; a pair's `calls`
 * is held over them, so that one thing at a time is done to it.
 */
#ifndef UVRFS_CSI_MODEL_H
#define UVRFS_CSI_MODEL_H

#include "clock.h"
#include "csi.h"
#include "csi_product.h"
#include "kube_reflect.h"
#include "sight.h"

#include <pthread.h>

#define CSI_CONNS_MAX 8

struct csi;
struct csi_pair;
struct csi_site;

/*
 * What objects have and pairs ask for: there is one while either does.  An
 * object's own name is a topic, too.
 */
struct csi_topic {
	int kind;
	char *text;
	struct csi_object **objects;	/* by name */
	size_t object_count, object_cap;
	struct csi_pair **pairs;
	size_t pair_count, pair_cap;
};

struct csi_asked {
	struct csi_topic *topic;
	bool again;			/* in the look that is under way */
};

struct csi_object {
	int kind;
	char *key;			/* NAMESPACE/NAME */
	json_t *json;
	struct csi_topic **topics;
	size_t topic_count;
	/* What was read or written by a call is newer than what a watch still
	   has to tell, up to the event with this version. */
	char awaits[64];		/* "": nothing */
	int64_t got_at;			/* monotonic ms: of that call */
	/* Versions, hashed, that a watch has told lately: a call that brings one
	   of these is older than what is here. */
	uint64_t told[8];
	unsigned told_count;
};

/* What a server's last answer was wrong with.  Zeros: nothing. */
struct csi_trouble {
	int rc;
	int64_t since;			/* monotonic ms: of all that was wrong in a
					   row; 0: silence before it */
	char why[SIDE_TEXT_MAX];
};

struct csi_watch {
	struct kube_listener listener;	/* first: they are cast */
	struct csi_site *site;
	int kind;
	struct kube_reflector *reflector;
	bool listed;
	struct csi_trouble trouble;	/* why it has no news */
};

struct csi_site {
	struct csi_site *next;
	struct csi *csi;
	char *name;
	struct kube_access access;
	struct kube *kube;		/* NULL: not configured */
	struct csi_watch watches[CSI_KINDS_MAX];
	void *topics;			/* tsearch: struct csi_topic */
	void *objects;			/* tsearch: struct csi_object */
	struct kube_conn *conns[CSI_CONNS_MAX];	/* idle ones */
	unsigned conn_count;
	/* What became of the last call that asked whether it answers. */
	bool asked;
	struct csi_trouble trouble;
	char version[64];
	int64_t silent_since;		/* monotonic ms, 0: it answers */
	enum reach told;
	pthread_t prober;
	bool has_prober;
};

struct csi_pair {
	struct csi_pair *next;
	char *key;
	struct csi_site *site[2];	/* by the clusters' names */
	int holder;			/* which has volumeMapping.source */
	int here;
	/* Of the volumes, by the manifest. */
	char *claim_namespace, *claim_name;	/* at the holder */
	char *volume_namespace, *handle;	/* at the other */
	struct csi_asked *asked;	/* topics, the last time it was judged */
	size_t asked_count, asked_cap;
	int64_t used_at[2];		/* of each end: last seen in use */
	struct csi_stand stand[2];	/* of each end */
	bool was_incomplete[2];		/* as last judged with both answering */
	int64_t known_time[2];		/* newest data_time of each end */
	/* Of each end: objects that the last call for them did not bring, though
	   the site answers. */
	struct csi_trouble trouble[2];
	bool tracked;
	bool anew;			/* tell the sink, news or not */
	bool dirty;
	struct csi_pair *next_dirty;
	struct sight *told;		/* NULL: nothing */
	int64_t looked_at;		/* wall: the last look was begun */
	pthread_mutex_t calls;
	uint64_t doubted;		/* serial: csi_was_told() */
};

struct csi {
	struct backend backend;		/* first: they are cast */
	struct backend_ops ops;		/* the same for all but type and what it
					   can do */
	const struct csi_product *product;
	char *name;
	int silent_ms;
	struct sink *sink;
	pthread_mutex_t lock;
	pthread_cond_t wake;		/* of all threads: stop; of the judge:
					   something is dirty */
	bool stopping;
	struct csi_site *sites;
	struct csi_pair *pairs;
	void *by_key;			/* tsearch: struct csi_pair */
	struct csi_pair *dirty, **dirty_end;
	pthread_t judge;
	bool has_judge;
};

struct csi_look {
	struct csi_site *site;
	struct csi_pair *pair;
	struct csi_view *view;
};

/* ---- csi.c ---- */

/* Finds or makes it; takes the lock.  NULL without memory. */
struct csi_pair *csi_pair_of(struct csi *csi, const struct target *t);
int csi_end_of(const struct csi_pair *p, const char *cluster);

/* ---- csi_site.c ---- */

const struct csi_kind *csi_kind_of(const struct csi *csi, int kind);
unsigned csi_kind_count(const struct csi *csi);

/* Starts its threads.  0 or a negative errno. */
int csi_site_start(struct csi_site *s, struct error *err);
void csi_site_stop(struct csi_site *s);
void csi_site_free(struct csi_site *s);

/* @rc 0 ends it. */
void csi_note_trouble(struct csi_trouble *t, int rc, const char *why);

/* Refused once it lasts for as long as makes a site silent, or at once. */
enum reach csi_trouble_reach(const struct csi *csi,
			     const struct csi_trouble *t);

/* What has lasted is known, whatever else may be over in a moment: is @reach to be
   told in place of @known?  Of two alike it is the first. */
bool csi_outweighs(enum reach reach, enum reach known);

/* With the lock held: how it stands, into a view of it. */
void csi_site_stamp(const struct csi_site *s, struct csi_view *v);

/* worker: a connection of one's own for a while; NULL: none. */
struct kube_conn *csi_conn_take(struct csi_site *s, struct error *err);
void csi_conn_give(struct csi_site *s, struct kube_conn *c);

/* ---- csi_act.c ---- */

/*
 * The site's prober: asks once more for objects that a call did not bring, which
 * no watch need ever tell of.  Blocks.
 */
void csi_look_at_ill(struct csi_site *s);

/* ---- csi_cache.c: with the lock held ---- */

/*
 * An object as it is.  @awaited: it comes from a call and not from a watch.
 * Pairs that have asked for it become dirty.
 */
void csi_put(struct csi_site *s, int kind, const json_t *object,
	     bool awaited);
/* @uid NULL: whichever it is. */
void csi_drop(struct csi_site *s, int kind, const char *key, const char *uid);
void csi_drop_kind(struct csi_site *s, int kind);
void csi_cache_free(struct csi_site *s);

/* Brings up who has asked for anything about that claim, or about a volume that
   is reserved for it. */
void csi_touch(struct csi_site *s, const char *key);

/* Some pair that is tracked is for that claim. */
bool csi_has_replication(struct csi_site *s, const char *namespace,
			 const char *claim);

/* It is to be judged anew. */
void csi_bring_up(struct csi_pair *p);
/* Around a look: what is not asked for again is forgotten. */
void csi_begin_asking(struct csi_pair *p);
void csi_end_asking(struct csi_pair *p);
void csi_key(const json_t *object, char out[static 320]);

/* ---- csi_view.c: with the lock held ---- */

/* Fills it; csi_view_finish is due. */
void csi_view_fill(struct csi_pair *p, int end, struct csi_view *v);

/* Objects that a call did not bring are not what a watch has told of them. */
void csi_view_doubt(const struct csi_pair *p, int end, struct csi_view *v);
void csi_view_finish(struct csi_view *v);
/* The same; takes the lock. */
void csi_view_release(struct csi *csi, struct csi_view *v);

/* What two views mean, but for the time. */
void csi_judge(const struct csi *csi, const struct csi_view *here,
	       const struct csi_view *peer, struct observation *o);

/* A new object, with no more of @object than anybody reads. */
json_t *csi_trim(int kind, const json_t *object);
extern const struct csi_kind csi_common_kinds[CSI_COMMON];

/* ---- csi_describe.c: as in struct backend_ops ---- */
void csi_describe(struct backend *b, const struct target *t, enum act act,
		  struct buf *out);
bool csi_available(struct backend *b, struct buf *why);
bool csi_version(struct backend *b, const char *cluster, struct buf *out);
void csi_volume(struct backend *b, const struct target *t, int depth,
		struct buf *out);

/* ---- csi_judge.c ---- */
void *csi_judge_main(void *csi);

/* ---- csi_act.c: worker ---- */
int csi_act(struct backend *b, const struct target *t, const struct order *o,
	    struct error *err);
int csi_observe(struct backend *b, const struct target *t, int timeout_ms,
		struct observation *o, struct error *err);

#endif
