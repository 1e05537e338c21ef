/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree: which names there are, what they lead to, and what they show.  A
 * table of kinds of inode; nothing here speaks FUSE.
 */
#ifndef UVRFS_TREE_H
#define UVRFS_TREE_H

#include "session.h"

#include <sys/stat.h>

/* The directory of the daemon itself, in the root. */
#define DAEMON_NAME ".uvrfs"

struct entry {
	struct inode node;
	uint64_t cursor;	/* greater than those before; stable */
	char name[ENTRY_NAME_MAX];
};

/* What @name in @dir leads to: 0, -ENOENT, -ENOTDIR or -ESTALE. */
int tree_lookup(struct fs *fs, struct inode dir, const char *name,
		struct inode *out);

/* The first entry of @dir whose cursor is above @after; false at the end. */
bool tree_next(struct fs *fs, struct inode dir, uint64_t after,
	       struct entry *out);

struct inode tree_parent(const struct fs *fs, struct inode node);
mode_t tree_type(struct inode node);

/* 0, or -ESTALE when what it belonged to is gone. */
int tree_stat(struct fs *fs, struct inode node, struct stat *st);

/* 0 when @node is there, else -ESTALE. */
int tree_check(struct fs *fs, struct inode node);

/*
 * A namespace or replication that is no more is an empty directory for whoever
 * still stands in it or holds it open, so that `ls` and `cd ..` go on working.
 */
bool tree_is_removed(struct fs *fs, struct inode node);

/* A directory that was made and has no manifest yet. */
bool tree_is_draft(const struct fs *fs, struct inode dir);
void tree_stat_removed(struct inode node, struct stat *st);

/* How long names, and attributes, may be cached. */
double tree_name_timeout(const struct fs *fs, struct inode node);
double tree_attr_timeout(struct inode node);

/* The text of file @node: 0, -ESTALE or -ENOMEM. */
int tree_render(struct fs *fs, struct inode node, struct buf *out);

/* The target of symlink @node: 0 or -ESTALE. */
int tree_readlink(struct fs *fs, struct inode node, struct buf *out);

/* The row of a table that @node is, or NULL. */
const struct file *tree_file(struct inode node);

/* The lines that a growing file or a stream shows; NULL: is neither, or gone. */
const struct lines *tree_lines(struct fs *fs, struct inode node);

/* The replication, namespace or cluster whose directory or file @node is, or
   NULL. */
struct replication *tree_replication(const struct fs *fs, struct inode node);
struct cluster *tree_cluster(const struct fs *fs, struct inode node);
struct namespace *tree_namespace(const struct fs *fs, struct inode node);

/* views.c: by-state and by-source. */
int view_lookup(struct fs *fs, struct inode dir, const char *name,
		struct inode *out);
bool view_next(struct fs *fs, struct inode dir, uint64_t after,
	       struct entry *out);
const struct place *place_find(struct fs *fs, uint64_t hash);
const struct place *place_next(struct fs *fs, uint64_t after);
void place_finish(struct fs *fs);

#endif
