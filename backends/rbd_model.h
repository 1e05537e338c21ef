/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Ceph clusters and the pairs of images in memory.
 *
 * Threads: two for each cluster, one that looks (rbd_watch.c) and one that takes
 * mirror snapshots (rbd_snap.c), so that a cluster that hangs holds up nobody
 * else; acts and looks that are asked for come on worker threads.  `lock`
 * guards everything in memory and is never held over a call to Ceph; a pair's
 * `calls` is held over them, so that one thing at a time is done to an image.
 *
 * Every call to Ceph ends after RBD_CALL_MS: librados is told so.
 */
#ifndef UVRFS_RBD_MODEL_H
#define UVRFS_RBD_MODEL_H

#include "backend.h"
#include "clock.h"
#include "rbd_view.h"

#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>

#define RBD_CALL_MS 5000
#define RBD_CALL_S "5"
#define RBD_ROUND_MS 1000
#define RBD_KNOWN_MIRRORS 16
#define RBD_OBJECT_MAX 80

/* A connection, shared by who uses it.  Counted. */
struct rbd_conn {
	unsigned refs;
	bool heard;			/* an OSD has answered it */
	rados_t rados;
};

struct rbd_pair;
struct rbd;

/* A cluster. */
struct rbd_site {
	struct rbd_site *next;
	struct rbd *rbd;
	char *name;
	char *conf, *user, *keyring;	/* NULL: not configured, or default */
	struct rbd_conn *conn;		/* NULL: there is none now */
	enum reach trouble;		/* REFUSED or UNCONFIGURED, else OK */
	char why[SIDE_TEXT_MAX];
	bool answered;			/* ever */
	int64_t silent_since;		/* monotonic ms; 0: it answers */
	int64_t silent_last;		/* the last call without an answer */
	bool doubted;			/* and site_doubt() since it began */
	bool alive;			/* its monitors answer that one */
	int64_t alive_at;		/* and when they last did */
	int64_t silent_wall;		/* silent_since's time of day, ms */
	int64_t retry_at;		/* monotonic ms: connect again */
	enum reach told;		/* the reach that was published last */
	/* rbd-mirror daemons are clients too: these are known to be such. */
	uint64_t mirrors[RBD_KNOWN_MIRRORS];
	unsigned mirror_count;
	struct rbd_pair *listed;	/* of the pool that was listed last */
	struct rbd_pair *probed;	/* of the image that was asked last */
	pthread_t watcher, snapper;
	bool has_watcher, has_snapper;
};

/* An image that is open to be changed. */
struct rbd_hold {
	struct rbd_conn *conn;
	rados_ioctx_t io;
	rbd_image_t image;
	char header[RBD_OBJECT_MAX];	/* its RADOS object, locked */
};

/* A call that was begun and may outlast the act that began it. */
struct rbd_flight {
	pthread_mutex_t lock;
	pthread_cond_t landed;
	bool done;
	int rc;
	struct outlast outlast;		/* taken: to be told of the end */
	rbd_completion_t completion;
	struct rbd_hold hold;
};

/* One side of a pair: an image. */
struct rbd_end {
	struct rbd_site *site;
	struct rbd_pair *pair;
	struct rbd_view view;
	int64_t looked_at;		/* monotonic ms; 0: never */
	uint64_t looks;			/* that were begun, and */
	uint64_t kept;			/* which of them `view' is of */
	bool due;			/* something has changed: look again */
	bool busy;			/* a call that outlasted its act */
	struct rbd_flight *flight;	/* under pair->calls, or NULL */
	int64_t snapped_at;		/* ms: the newest snapshot known */
	uint64_t snapped;		/* the number of the newest of ours */
};

struct rbd_pair {
	struct rbd_pair *next;
	char *key;
	char *pool, *namespace, *image;	/* namespace "": none */
	char *path;			/* POOL/NAMESPACE/IMAGE */
	struct rbd_end end[2];		/* by the clusters' names */
	pthread_mutex_t calls;
	bool tracked;
	bool anew;			/* tell the sink, news or not */
	int here;			/* which end `here` is */
	bool holds_pvc;			/* that one, of the manifest */
	int64_t period;			/* ms between two mirror snapshots */
	int64_t judged_at;		/* wall */
	struct observation told;
};

struct rbd {
	struct backend backend;		/* first: they are cast */
	char *name;
	int silent_ms;
	struct sink *sink;
	pthread_mutex_t lock;
	pthread_cond_t wake;		/* of all threads: stop, or look now */
	bool stopping;
	struct rbd_site *sites;
	struct rbd_pair *pairs;
	void *by_key;			/* tsearch: struct rbd_pair */
	void *by_image;			/* tsearch: struct rbd_end */
};

/* ---- rbd.c ---- */
struct rbd *rbd_of(struct backend *b);
struct rbd_site *rbd_site_find(struct rbd *rbd, const char *name);

/* Takes the lock.  NULL without memory, or for a handle that is none. */
struct rbd_pair *rbd_pair_of(struct rbd *rbd, const struct target *t);

/* With the lock held: the end that is this image, or NULL. */
struct rbd_end *rbd_end_of_image(struct rbd *rbd, const struct rbd_site *site,
				 const char *path);
int rbd_end_index(const struct rbd_pair *p, const char *cluster);
/* The end of @p at @s, or NULL. */
struct rbd_end *rbd_end_at(struct rbd_pair *p, const struct rbd_site *s);

/* ---- rbd_site.c ---- */

/*
 * A reference to the site's connection, NULL when there is none: then *@rc says
 * why.  Never blocks.
 */
struct rbd_conn *site_conn(struct rbd_site *s, int *rc);
void conn_unref(struct rbd_conn *c);

/*
 * Asks the monitor by a command; *@answer (or NULL), of *@len bytes and without
 * a NUL, is rados_buffer_free()'s.  Blocks for at most RBD_CALL_S.
 */
int conn_ask(struct rbd_conn *c, const char *what, char **answer, size_t *len);

/* Connects if it is time to.  Blocks for some times RBD_CALL_S. */
void site_connect(struct rbd_site *s);

/*
 * Is a site that is silent dead?  A client whose key was taken away hears nothing
 * more; a new one is refused.  And monitors that answer are alive, whatever
 * became of the OSDs.  Blocks as site_connect().
 */
void site_doubt(struct rbd_site *s);

/*
 * Takes down what a call to the site came to; returns @rc.  An answer ends its
 * silence.  That one image or pool gives none does not begin it: their placement
 * groups may be inactive, and no others.
 */
int site_note(struct rbd_site *s, int rc);
/* Nothing that was asked there since @asked (monotonic ms) has been answered. */
void site_note_silence(struct rbd_site *s, int64_t asked);

/* With the lock held: has it been silent for so long that it counts? */
bool site_is_silent(const struct rbd_site *s);
bool site_is_silence(int rc);

/* With the lock held: how the site stands, into a view of it. */
void site_stamp(const struct rbd_site *s, struct rbd_view *v);

/* worker: is that client an rbd-mirror, or this uvrfs itself? */
bool site_is_mirror(struct rbd_site *s, struct rbd_conn *c,
		    const struct rbd_pair *p, uint64_t client);

/* ---- rbd_hold.c: worker ---- */

/*
 * Opens an image, and locks it against other uvrfs daemons.  0, -EAGAIN when
 * another has it, or what Ceph says; then there is nothing to release.
 */
int hold_image(struct rbd_site *s, const struct rbd_pair *p,
	       struct rbd_hold *h);
void release_image(struct rbd_hold *h);

/* Is it a client of uvrfs that has the image locked so? */
bool hold_is_of(rados_ioctx_t io, rbd_image_t image, uint64_t client);

/* ---- rbd_look.c: worker ---- */

/*
 * The pools in the map that the client has, a name after the other and an empty
 * one at the end; free() is the caller's.  NULL: none.  A client that has no map
 * yet waits for it, for RBD_CALL_S.
 */
char *look_pools(struct rbd_conn *c);
bool look_is_among(const char *pools, const char *name);

/* The pool's handle; 0 or a negative errno. */
int look_pool(struct rbd_conn *c, const struct rbd_pair *p, rados_ioctx_t *io);
/* The same of one that is among look_pools(). */
int look_known_pool(struct rbd_conn *c, const struct rbd_pair *p,
		    rados_ioctx_t *io);

/* Looks at one image; fills @v whatever happens.  0 or a negative errno. */
int look_image(struct rbd_site *s, struct rbd_pair *p, struct rbd_view *v);

/* The name of that one of an open image's RADOS objects: PREFIX.ID. */
int look_object(rbd_image_t image, const char *prefix,
		char name[static RBD_OBJECT_MAX]);

/* Mirror snapshots of an open image into @v. */
void look_snaps(rbd_image_t image, struct rbd_view *v);

/* Reads what rbd-mirror has published into @v. */
void look_records(const rbd_mirror_image_global_status_t *status,
		  struct rbd_view *v);

/* ---- rbd_probe.c ---- */

/*
 * Asks images of the site, at once, whether they are there.  Keeps of those which
 * give no answer, and of @suspect (or NULL), that they do not, while others do.
 * False: none answers.  Blocks for RBD_CALL_S.
 */
bool probe_images(struct rbd_site *s, struct rbd_end *suspect);

/* ---- rbd_watch.c ---- */

/* With the lock held: what a look at @e has seen. */
void watch_keep(struct rbd_end *e, const struct rbd_view *v);

/* Looks at end @i and keeps what it saw; false: it had no answer. */
bool watch_end(struct rbd *rbd, struct rbd_pair *p, int i);

/* What the pair's two views mean for @here, `at` and whose view it is included.
   With the lock. */
void pair_judge(struct rbd_pair *p, int here, bool holds_pvc,
		struct observation *o);

/*
 * Pauses one of the site's threads, for as long as nobody tracks an image there.
 * False: it is to end.
 */
bool watch_pause(struct rbd_site *s, int64_t ms);

void *watch_main(void *site);

/* ---- rbd_snap.c ---- */
void *snap_main(void *site);

/* ---- rbd_act.c: worker ---- */
int rbd_act(struct backend *b, const struct target *t, const struct order *o,
	    struct error *err);
int rbd_observe(struct backend *b, const struct target *t, int timeout_ms,
		struct observation *o, struct error *err);
/* Waits for a call under way, at most so long; takes it off when it is over. */
int flight_wait(struct rbd_end *e, int timeout_ms, bool *over);
/* One that is still under way tells nobody of its end. */
void flight_forsake(struct rbd_end *e);

#endif
