/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of a daemon, in its state directory. */
#ifndef UVRFS_AUDIT_FILE_H
#define UVRFS_AUDIT_FILE_H

#include "audit_begin.h"
#include "audit_chain.h"
#include "error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct audit_file {
	int dir;		/* of the state, and its path for sentences: */
	const char *path;	/* the caller's */
	int fd;			/* -1: not open */
	off_t max;		/* at which it is moved */
	off_t size;
	off_t whole;		/* where its last whole line ends */
	bool begun;		/* it has the line that it begins with, or
				   needs none */
	uint64_t number;	/* of this file */
	uint64_t lines;		/* in it and in those before it */
	char last[AUDIT_HASH_MAX];	/* the hash of the last line */
};

/* With `dir` and `path` set.  All of these block for the disk. */
int audit_file_open(struct audit_file *a, struct error *err);
void audit_file_close(struct audit_file *a);

/* Appends one line (no newline in it) and its hash, whole or not at all. */
int audit_file_append(struct audit_file *a, const char *line,
		      struct error *err);

/* Hands the newest lines about writes to @take, without hashes, the oldest
   first. */
typedef void audit_take(void *ctx, const char *line);
int audit_file_feed(struct audit_file *a, audit_take *take, void *ctx,
		    struct error *err);

#endif
