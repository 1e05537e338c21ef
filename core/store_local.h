/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the local store.  Private to store_local*.c; others include
 * store.h.
 *
 *   DIR/lock                     whoever holds it owns the directory
 *   DIR/uvrfs.yaml               the site, and the ids that were never given
 *   DIR/audit, DIR/audit.1, ...
 *   DIR/replications/NS/.namespace
 *   DIR/replications/NS/NAME.yaml
 *
 * A file is written as .FILE.tmp and then exchanged with FILE, so that a failed
 * change can be undone; such leftovers are removed at the next start.
 */
#ifndef UVRFS_STORE_LOCAL_H
#define UVRFS_STORE_LOCAL_H

#include "audit_file.h"
#include "buf.h"
#include "store.h"

#include <limits.h>
#include <sys/types.h>

/* No file of the store is greater: a manifest, its status, and `written`. */
#define STORE_FILE_MAX (2 * 1024 * 1024)

/* Ids beyond this were never given by us: an inode number must hold them. */
#define STORE_ID_MAX (UINT64_C(1) << 50)

/* A rename that did not last and could not be taken back yet. */
struct undo {
	int dir;		/* ours; -1: there is none */
	unsigned flags;
	bool renamed;		/* but the directory not synced */
	char from[NAME_MAX + 1];
	char to[NAME_MAX + 1];
};

struct local {
	struct store store;
	char *path;		/* DIR, and below it, for sentences */
	char *list_path;
	int dir;		/* DIR */
	int list;		/* DIR/replications */
	int lock;
	struct audit_file audit;
	char *site;
	uint64_t next_id;	/* loop, and load before it */
	uint64_t reserved;	/* ids below are ours to give */
	struct undo undo;	/* worker: to be done before anything else */
	void *versions;		/* worker, and load before it: what each file
				   holds, a tree of struct version */
};

/* A file, and the path of its directory for sentences. */
struct place {
	int dir;
	const char *path;
	const char *name;
	struct undo *undo;	/* where one is left, or NULL */
};

/* store_local_disk.c: files that are whole or not there.  All block. */

/* Appends the content; EFBIG beyond the limit of @out, ENOTSUP: no file. */
int disk_read(const struct place *p, struct buf *out, struct error *err);

/*
 * Makes @text the content, durably.  Without @replace an existing file is
 * -EEXIST.  On failure the old content stays and no temporary file; but for
 * -EUCLEAN: the disk failed at that, too, and what is there can't be told.  So
 * it is with the others that change something.
 */
int disk_write(const struct place *p, const struct buf *text, bool replace,
	       struct error *err);

/* Removes the file durably; it need not exist. */
int disk_remove(const struct place *p, struct error *err);

/* Renames within the directory, durably; -EEXIST when @to is taken. */
int disk_rename(const struct place *p, const char *to, struct error *err);

/* Does what was left to be undone.  Until that works, nothing else does. */
int disk_settle(struct undo *undo, const char *path, struct error *err);

/* The name of the temporary file for @name; and whether it is such a name. */
void disk_temp_name(const char *name, char out[static NAME_MAX + 1]);
bool disk_is_temp(const char *name);

/* store_local_file.c: the file of one replication. */

void file_name(const char *name, char out[static NAME_MAX + 1]);
int file_write(const struct place *p, const char *namespace, const char *name,
	       const struct spec *spec, const struct status *status,
	       bool replace, struct error *err);

/* What file_read makes of a file, references the caller's. */
struct file_content {
	struct spec *spec;
	struct status *status;	/* NULL: none of ours */
	bool edited;		/* the spec differs from what was saved */
	enum state refused;	/* another replicationState was found and not
				   taken over; NONE: no */
};

/* EINVAL for damaged content, with line. */
int file_read(const char *namespace, const char *name, const struct buf *text,
	      struct file_content *out, struct error *err);

/* store_local_nsdir.c */

int nsdir_open(struct local *l, const char *namespace, char *path,
		   struct error *err);
int nsdir_make(struct local *l, const char *namespace, uint64_t id,
		   struct error *err);
int nsdir_remove(struct local *l, const char *namespace,
		     struct error *err);
/* The id in its .namespace, 0 with @err (ENOENT: there is none). */
uint64_t nsdir_read_id(const struct place *p, struct error *err);
int nsdir_write_id(const struct place *p, uint64_t id, struct error *err);
/* Removes what a crash left of making or removing one. */
void nsdir_sweep(struct local *l, const char *temp);

/* store_local_load.c */
int local_load(struct store *s, struct store_visitor *v, struct error *err);

/* store_local_ids.c: DIR/uvrfs.yaml */
int ids_open(struct local *l, const char *site, struct error *err);
/* 0 on failure. */
uint64_t ids_next(struct local *l, struct error *err);
/* Reserves ids so that those up to next_id are never given again. */
int ids_reserve(struct local *l, struct error *err);

/* store_local.c: the version that a file holds, 0 for no file. */
uint64_t version_get(struct local *l, const char *namespace, const char *name);
int version_set(struct local *l, const char *namespace, const char *name,
		uint64_t version);

#endif
