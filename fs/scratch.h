/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scratch files and directories: what programs put beside the file that they
 * are about to replace (sed -i, rsync, Ansible, Puppet's locks, editors' swap
 * files).  They live in memory, in one replication's directory each, bounded in
 * number and size there and for each user, and go when nobody has touched them
 * for a while.
 */
#ifndef UVRFS_SCRATCH_H
#define UVRFS_SCRATCH_H

#include "error.h"
#include "inode.h"
#include "map.h"

#include <stdbool.h>
#include <sys/stat.h>

struct fs;
struct note;

#define SCRATCH_SIZE_MAX (4u << 20)	/* a file */
#define SCRATCH_HERE_MAX 64u		/* names in one directory */
#define SCRATCH_USER_MAX 1024u		/* names of one user */
#define SCRATCH_USER_BYTES (32u << 20)
#define SCRATCH_BYTES (256u << 20)	/* of all users */
#define SCRATCH_AGE_MS 600000		/* unless it is open */

struct scratch {
	struct map_link link;		/* its key is the id */
	struct scratch *next;		/* in its directory, by id, ascending */
	uint64_t directory;		/* the replication's id */
	char *name;			/* NULL: has none any more */
	mode_t mode;			/* with the type */
	uid_t uid;
	gid_t gid;
	char *data;
	size_t len;
	int64_t mtime;			/* as set, or as it came about */
	int64_t touched;		/* for its age */
	unsigned opens;
};

struct scratches {
	struct map by_id;
	uint64_t last_id;		/* none is ever given out twice */
};

/*
 * May a file that nobody knows be called @name?  @exclusive: made with O_EXCL,
 * as unguessable names are.  Otherwise it begins with a dot, or with the name
 * of an attribute and goes on with something that no typo would.
 */
bool scratch_name_fits(const char *name, bool exclusive);

/* Who makes what. */
struct scratch_wish {
	const char *name;
	mode_t mode;			/* with the type */
	uid_t uid;
	gid_t gid;
};

/*
 * Makes one in directory @dir of a replication, where the name is free.  NULL:
 * ENAMETOOLONG, ENOSPC (too many here), EDQUOT (too much of one user's), ENOMEM,
 * each with a sentence.
 */
struct scratch *scratch_new(struct fs *fs, struct inode dir,
			    const struct scratch_wish *wish,
			    struct error *err);

/* By inode; by name; the first in @dir whose id is above @after; or NULL. */
struct scratch *scratch_get(const struct fs *fs, struct inode node);
struct scratch *scratch_find(struct fs *fs, struct inode dir,
			     const char *name);
struct scratch *scratch_next(struct fs *fs, struct inode dir, uint64_t after);

struct inode scratch_inode(const struct scratch *s);
void scratch_stat(const struct scratch *s, struct stat *st);

/*
 * Changes the content; a gap is filled with NULs.  EFBIG, EDQUOT, ENOSPC,
 * ENOMEM, nothing changed then.
 */
int scratch_write(struct fs *fs, struct scratch *s, const char *data,
		  size_t size, uint64_t off);
int scratch_resize(struct fs *fs, struct scratch *s, uint64_t size);

/* Gives it another name, in its directory; 0 or -ENOMEM. */
int scratch_rename(struct fs *fs, struct scratch *s, const char *name);

/* Takes the name away; the rest goes with the last who has it open. */
void scratch_unlink(struct fs *fs, struct scratch *s);
void scratch_close(struct fs *fs, struct scratch *s);

/* All of one directory; all. */
void scratch_drop(struct fs *fs, struct note *note);
void scratch_finish(struct fs *fs);

#endif
