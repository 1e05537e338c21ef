/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of names.  A directory with fixed names is a table of struct file;
 * lookup, listing, reading, writing, help and the man page all go by its rows.
 * The order of the rows is the order of the listing, and a row's number is part
 * of its inode number: a daemon that goes on with the mount of an older one must
 * find each row where that had it, so new ones come last.
 */
#ifndef UVRFS_FILE_H
#define UVRFS_FILE_H

#include "inode.h"
#include "world.h"

enum file_flags {
	FILE_WORD = 1,		/* written by words, one write one request */
	FILE_YAML = 2,		/* written whole, collected until the flush */
	FILE_SWAP = 4,		/* FILE_YAML that takes the word swap too */
	FILE_EMPTY_OK = 8,	/* an empty word means something */
	FILE_UNLISTED = 16,	/* opens by name but is not listed */
	FILE_VOLATILE = 32,	/* changes by the passing of time */
	FILE_GROWING = 64,	/* a log: read as it is, not a snapshot */
	FILE_DRAFT = 128,	/* a draft has it */
	FILE_SYNC = 256,	/* `sync` waits for the current request */
	FILE_WAIT = 512,	/* reading waits for it */
	FILE_PRIVATE = 1024,	/* 0640: not for everybody */
	FILE_FIXED = 4096,	/* never changes while the daemon runs */
	FILE_STREAM = 2048,	/* the lines of a log; at its end reading waits */
	FILE_UNSIZED = 8192,	/* made by who reads it; its size reads 0 */
};

/* What a file shows something of; only what its directory is about is set. */
struct subject {
	struct world *world;
	const struct replication *r;
	struct backend *backend;
	const struct cluster *cluster;
};

struct file {
	const char *name;
	enum kind kind;		/* what the name leads to, a directory too */
	unsigned flags;
	enum edit_kind edit;	/* for FILE_WORD and FILE_YAML */
	unsigned facets;	/* a change of which may change its text */
	/* NULL for directories, FILE_WAIT, FILE_GROWING and FILE_STREAM. */
	void (*render)(const struct subject *s, struct buf *out);
	const char *doc;	/* for the man page */
};

struct file_table {
	const struct file *rows;
	unsigned count;
	const char *title;	/* for the man page */
};

/* Replications, .uvrfs, .uvrfs/backends/NAME, .uvrfs/clusters/NAME. */
extern const struct file_table attribute_files;
extern const struct file_table daemon_files;
extern const struct file_table backend_files;
extern const struct file_table cluster_files;

#define ATTRIBUTE_MAX 24

/* The row called @name, or NULL. */
const struct file *file_find(const struct file_table *t, const char *name);

/* Rows in a file's inode count from 1; NULL for a row that is not there. */
const struct file *file_row(const struct file_table *t, unsigned row);
unsigned file_number(const struct file_table *t, const struct file *f);

/* Files that can be written. */
bool file_is_writable(const struct file *f);

/* A name that leads to a directory. */
bool file_is_directory(const struct file *f);

/* The name in @t that @typo may have meant, or NULL. */
const char *file_suggest(const struct file_table *t, const char *typo);

#endif
