/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a storage backend is to the core: a table of functions over an opaque
 * struct backend.  One file under backends/ fills one table.
 *
 * Threads: `act` and `observe` are called on worker threads, several at once;
 * the backend does its own locking.  `track`, `untrack`, `key` and `describe`
 * are called on the event loop and must not block.  `start` hands the backend
 * a sink that may be called from any thread until `stop` has returned.
 */
#ifndef UVRFS_BACKEND_H
#define UVRFS_BACKEND_H

#include "act.h"
#include "buf.h"
#include "error.h"
#include "observation.h"
#include "spec.h"
#include "watches.h"

struct backend;			/* opaque; each backend has its own */

/* What an act or a look is about: one relationship, seen from one site. */
struct target {
	const struct spec *spec;	/* a reference for the time of the call */
	const char *here;		/* cluster of this site */
	const char *peer;		/* cluster of the other endpoint */
	bool here_is_destination;	/* of the manifest's volumeMapping: here
					   has volume_handle, the peer has the
					   PVC; else the other way round.  It is
					   decided at the replication's birth
					   and not changed by a swap. */
	int64_t data_time;		/* ms: the newest known time of the
					   replica's data, kept when a source is
					   lost; 0: none */
};

/* How one act is to be made. */
/*
 * Of a call that the storage may go on with after the act has given it up: who
 * does that sets `taken', and calls `ended' once, when it has ended.  Until then
 * no other daemon acts.
 */
struct outlast {
	void (*ended)(void *ctx);	/* on any thread, does not block */
	void *ctx;
	bool taken;
};

struct order {
	enum act act;
	uint64_t serial;		/* names this act for ever: the same
					   serial asked twice is the same act */
	int timeout_ms;			/* give up after this */
	unsigned overrides;		/* enum override of plan.h: what may be
					   passed over, because somebody said
					   so; the rest is looked at again */
	uint64_t request;		/* the same for all acts of a request */
	struct outlast *outlast;	/* NULL: nobody asks; the act's time */
};

enum capability {
	CAP_STEP_DOWN_PEER = 1,		/* can make the peer step down */
	CAP_SECOND_FACT = 2,		/* can verify a role by a second look */
	CAP_GIVE_BACK = 4,		/* can give the role back: roll back */
	CAP_LAG = 8,
	CAP_PROGRESS = 16,
	CAP_MODE_IN_PLACE = 32,		/* replicationMode can change in place */
	CAP_SCHEDULE_IN_PLACE = 64,
	CAP_DELETE = 128,		/* can end a relationship and keep both
					   volumes */
	CAP_VERIFY = 256,		/* where nothing else proves a promotion,
					   ACT_VERIFY may */
};

/* Each capability's name in the tree and in objects; ends with no bit. */
struct capability_name {
	unsigned bit;
	const char *tree;
	const char *object;
};
extern const struct capability_name capability_names[];

/*
 * Takes one observation of the relationship @key; copies what it needs.
 * Thread-safe, never blocks.
 */
struct sink {
	void (*observed)(struct sink *sink, const char *key,
			 const struct observation *o);
};

#define BACKEND_KEY_MAX 512

struct backend_ops {
	const char *type;	/* as in the configuration: "sim" */
	unsigned capabilities;	/* what this product can do */

	/*
	 * Can this product serve that manifest?  0, or -EINVAL with a sentence
	 * that names the field.  Pure.  NULL: it takes every one.
	 */
	int (*check)(struct backend *b, const struct spec *spec,
		     struct error *err);

	/*
	 * Begins to observe: all relationships that exist (bulk, by as few
	 * calls as the product allows), then every change.  Returns 0 or a
	 * negative errno.  Called once, on the loop, before anything else.
	 */
	int (*start)(struct backend *b, struct sink *sink, struct error *err);

	/* Ends every thread and call; the sink is not used afterwards.  May
	   block for as long as a call in flight takes to be cut short. */
	void (*stop)(struct backend *b);
	void (*free)(struct backend *b);

	/*
	 * Writes the name of the relationship into @key: the same for every
	 * spec and site that mean the same two volumes.
	 */
	void (*key)(struct backend *b, const struct target *t,
		    char key[static BACKEND_KEY_MAX]);

	/*
	 * From now on this relationship is served with this spec (schedule and
	 * mode may have changed); an observation of it follows at once, also
	 * when it does not exist on the storage.  Asks nothing of the storage
	 * that changes it.
	 */
	int (*track)(struct backend *b, const struct target *t,
		     struct error *err);
	void (*untrack)(struct backend *b, const char *key);

	/*
	 * Appends the native calls that @act would make, one line each, each
	 * ended by a newline, as a person would type or read them.  Pure.
	 */
	void (*describe)(struct backend *b, const struct target *t,
			 enum act act, struct buf *out);

	/*
	 * worker: makes the act, blocking for at most order->timeout_ms.
	 * Returns 0 when the storage took it (which proves nothing: verified
	 * by observing); -EAGAIN, -ETIMEDOUT, -EHOSTUNREACH, -EBUSY and other
	 * transient errors are retried until the request's deadline; an error
	 * for which backend_error_is_final is true fails the request.  An act
	 * that has been made already is a success without effect.
	 */
	int (*act)(struct backend *b, const struct target *t,
		   const struct order *order, struct error *err);

	/*
	 * worker: looks at the relationship now, both sides, blocking for at
	 * most @timeout_ms, and fills *@o.  A side that can't be reached is
	 * part of the answer, not an error.
	 */
	int (*observe)(struct backend *b, const struct target *t,
		       int timeout_ms, struct observation *o,
		       struct error *err);

	/*
	 * Is the product there, at every cluster that was configured?  Appends
	 * a line for each.  May be NULL; called on the loop.
	 */
	bool (*available)(struct backend *b, struct buf *why);

	/* Appends what that cluster says its version is; false: unknown.  May
	   be NULL; called on the loop. */
	bool (*version)(struct backend *b, const char *cluster,
			struct buf *out);

	/* Tells of each watch.  May be NULL; called on the loop. */
	void (*watches)(struct backend *b, struct watch_visitor *v);

	/* Appends what this site knows of the volume, as YAML at @depth.  May
	   be NULL; called on the loop. */
	void (*volume)(struct backend *b, const struct target *t, int depth,
		       struct buf *out);
};

/* The start of every struct backend. */
struct backend {
	const struct backend_ops *ops;
	const char *name;	/* as in the configuration; owned by it */
};

/* Its check, if it has one: 0, or -EINVAL with a sentence. */
int backend_check(struct backend *b, const struct spec *spec,
		  struct error *err);

/* -EPERM, -EINVAL, -ENOENT, -EOPNOTSUPP: trying again can't help. */
bool backend_error_is_final(int rc);

#endif
