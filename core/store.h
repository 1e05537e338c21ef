/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the truth is kept: a table of functions over an opaque struct store.
 * `load` runs once before the loop starts.  `save`, `remove`, `refuse`, `mkdir`
 * and `rmdir` run on the store's worker thread, one at a time, and may block for
 * the disk or the network; when they return 0 the change is durable.  `audit`
 * runs on a thread of its own; a crash of the machine, not of the daemon, may
 * lose what it wrote.
 *
 * A store that others write to as well has `start`: from then on it tells its
 * sink what becomes of its objects, and whether this daemon is the one that
 * acts on storage.
 */
#ifndef UVRFS_STORE_H
#define UVRFS_STORE_H

#include "buf.h"
#include "error.h"
#include "object.h"
#include "spec.h"
#include "status.h"
#include "watches.h"

struct store;

/* Takes what `load` finds.  @spec and @status are the callee's to ref. */
struct store_visitor {
	/* A namespace, before what is in it. */
	int (*found_namespace)(struct store_visitor *v, const char *name,
			       uint64_t id);
	int (*found)(struct store_visitor *v, const char *namespace,
		     const char *name, struct spec *spec,
		     struct status *status);
	/* The same of a store with `start`; @o is the callee's. */
	int (*found_object)(struct store_visitor *v, struct object *o);
	/* A sentence about something that was set aside or mended. */
	void (*complain)(struct store_visitor *v, const char *sentence);
	/* One line of the audit, oldest first, without its newline. */
	void (*audit_line)(struct store_visitor *v, const char *line);
};

/* Told by a store with `start`, from any thread; blocks only while there is no
   memory for it. */
struct store_sink {
	/* @o is the callee's.  Versions of one object come in their order, but
	   for those of our own writes, which may come again later. */
	void (*changed)(struct store_sink *s, struct object *o);
	void (*vanished)(struct store_sink *s, const char *namespace,
			 const char *name, const char *uid);
	/* @why is "" when the store answers (again). */
	void (*reached)(struct store_sink *s, const char *why);
	/* Whether this daemon leads; @leader says who does, "" nobody. */
	void (*led)(struct store_sink *s, bool leads, const char *leader);
	/* What `volume` says of this PVC is something else now. */
	void (*volume)(struct store_sink *s, const char *namespace,
		       const char *pvc);
	/* A sentence for the log. */
	void (*complain)(struct store_sink *s, const char *sentence);
};

/* A version that is to replace another. */
struct store_write {
	const char *namespace;
	const char *name;
	const struct spec *spec;
	const struct status *status;
	uint64_t expected;	/* resource_version that it replaces, 0: none */

	/* For a store with `start`, whose objects say what is asked as well: */
	const struct object *object;	/* as known; NULL: there is none */
	bool asks;		/* the object is to ask for `spec`, too: */
	const struct spec *base;	/* it changes by what differs from this;
					   NULL: whatever it is now */
	bool undecided;		/* and what else it asks is still to be decided:
				   status.generation is left as it is */
	bool drop_force;	/* uvrfs/force has been taken or refused */
	const struct backend *backend;	/* who serves it, or NULL */
	struct object *kept;	/* out: NULL, or the object as it is now, the
				   caller's */
	char *unheard;		/* out, OBJECT_WRITER_MAX bytes: of a failed write
				   that may be kept all the same, its name
				   (object.writer); else left as it is */
};

/* What people who look at the object from elsewhere are told. */
struct store_event {
	const char *namespace;
	const char *name;
	const char *uid;
	bool warning;
	const char *reason;	/* CamelCase */
	const char *message;
};

struct store_ops {
	const char *type;	/* "local", "kubernetes" */

	int (*load)(struct store *s, struct store_visitor *v,
		    struct error *err);

	/*
	 * A number that this store has never given before, also not before a
	 * restart: ids of replications and namespaces.  Event loop; rarely
	 * blocks (a reservation on disk each million).  0 on failure.
	 */
	uint64_t (*new_id)(struct store *s, struct error *err);

	/* All that were given until now are not above this.  Event loop. */
	uint64_t (*last_id)(const struct store *s);

	/*
	 * worker: makes this version durable.  -ECANCELED when the store holds
	 * another than the expected one; -EUCLEAN when it can't be told which
	 * one it holds, so that the former has to be saved again.  Likewise
	 * the others.
	 */
	int (*save)(struct store *s, struct store_write *write,
		    struct error *err);
	/* worker: @status is the version that is meant. */
	int (*remove)(struct store *s, const char *namespace,
		      const char *name, const struct status *status,
		      struct error *err);
	int (*mkdir)(struct store *s, const char *namespace, uint64_t id,
		     struct error *err);
	int (*rmdir)(struct store *s, const char *namespace,
		     struct error *err);

	/* worker: appends one line (no newline in it). */
	int (*audit)(struct store *s, const char *line, struct error *err);

	void (*close)(struct store *s);	/* takes NULL */

	/* The rest is of stores that others write to, else NULL. */

	/* After load, on the loop. */
	int (*start)(struct store *s, struct store_sink *sink,
		     struct error *err);
	/* Ends threads and calls; the sink is not used afterwards.  Gives the
	   lead to others. */
	void (*stop)(struct store *s);

	/*
	 * worker: says in an object that was never accepted why it is not, with
	 * the generation that this is about.
	 */
	int (*refuse)(struct store *s, const struct object *o,
		      const char *reason, const char *sentence,
		      struct error *err);

	/* Never blocks; may be lost. */
	void (*event)(struct store *s, const struct store_event *event);

	/*
	 * Any thread, before an act on storage: 0 and the milliseconds for
	 * which no other daemon can lead, or -EAGAIN.  Until `unfence` this
	 * process does not outlive that time, should it be stopped meanwhile.
	 */
	int (*fence)(struct store *s, int *left_ms, struct error *err);
	void (*unfence)(struct store *s);

	/*
	 * Appends what is known of a PVC, as YAML at @depth; or why nothing is.
	 * Event loop; never blocks.
	 */
	void (*volume)(struct store *s, const char *namespace, const char *pvc,
		       int depth, struct buf *out);

	/* Tells of each watch.  Event loop; never blocks. */
	void (*watches)(struct store *s, struct watch_visitor *v);

	/*
	 * A daemon that goes on with the mount of another gives each directory
	 * the id that it had.  Event loop; none of these blocks.
	 */
	/* Which one the object @uid had, once; 0: it is to have a new one.
	   @told: watchers know that it is there. */
	uint64_t (*known_id)(struct store *s, const char *uid, bool *told);
	/* Keeps that @id is that of @o or, when @o is NULL, of @namespace
	   itself; that there is no such directory any more; and that watchers
	   were told of what was kept last. */
	void (*note_id)(struct store *s, uint64_t id, const char *namespace,
			const struct object *o);
	void (*note_gone)(struct store *s, uint64_t id);
	void (*note_told)(struct store *s, uint64_t id);
	/* After load: one whose directory is gone; each once, then 0.  @path is
	   what watchers are to be told of, NAMESPACE/NAME or "" for nothing,
	   and lasts until the next call. */
	uint64_t (*lost_id)(struct store *s, const char **path);
};

/* The start of every struct store. */
struct store {
	const struct store_ops *ops;
};

/*
 * Opens the local store in @dir, which is made when absent: one YAML manifest
 * per replication under @dir/replications/NAMESPACE/NAME.yaml, status included,
 * readable and restorable by hand.  @site is the configured site, or "" when
 * every manifest's destination is spoken for; it is recorded the first time,
 * and another one is refused (-EINVAL).  A second daemon on the same directory
 * is refused (-EBUSY) by a lock that dies with its process.  Returns NULL and a
 * sentence on failure.  Blocks for the disk.
 */
struct store *store_local_open(const char *dir, const char *site,
			       struct error *err);

#endif
