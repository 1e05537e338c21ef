/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the truth is kept: a table of functions over an opaque struct store.
 * `load` runs once before the loop starts.  `save`, `remove`, `mkdir`, `rmdir`
 * and `audit` run on the store's worker thread, one at a time, and may block
 * for the disk; when they return 0 the change is durable (but for the audit,
 * which a crash of the machine, not of the daemon, may lose).
 */
#ifndef UVRFS_STORE_H
#define UVRFS_STORE_H

#include "error.h"
#include "spec.h"
#include "status.h"

struct store;

/* Takes what `load` finds.  @spec and @status are the callee's to ref. */
struct store_visitor {
	/* A namespace, before what is in it. */
	int (*found_namespace)(struct store_visitor *v, const char *name,
			       uint64_t id);
	int (*found)(struct store_visitor *v, const char *namespace,
		     const char *name, struct spec *spec,
		     struct status *status);
	/* A sentence about something that was set aside or mended. */
	void (*complain)(struct store_visitor *v, const char *sentence);
	/* One line of the audit, oldest first, without its newline. */
	void (*audit_line)(struct store_visitor *v, const char *line);
};

struct store_ops {
	const char *type;	/* "local" */

	int (*load)(struct store *s, struct store_visitor *v,
		    struct error *err);

	/*
	 * A number that this store has never given before, also not before a
	 * restart: ids of replications and namespaces.  Event loop; rarely
	 * blocks (a reservation on disk each million).  0 on failure.
	 */
	uint64_t (*new_id)(struct store *s, struct error *err);

	/*
	 * worker: makes this version durable.  @expected is the
	 * resource_version that it replaces, 0 for a new one; -ECANCELED when
	 * the store holds another.
	 */
	int (*save)(struct store *s, const char *namespace, const char *name,
		    const struct spec *spec, const struct status *status,
		    uint64_t expected, struct error *err);
	int (*remove)(struct store *s, const char *namespace,
		      const char *name, struct error *err);
	int (*mkdir)(struct store *s, const char *namespace, uint64_t id,
		     struct error *err);
	int (*rmdir)(struct store *s, const char *namespace,
		     struct error *err);

	/* worker: appends one line (no newline in it). */
	int (*audit)(struct store *s, const char *line, struct error *err);

	void (*close)(struct store *s);	/* takes NULL */
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
