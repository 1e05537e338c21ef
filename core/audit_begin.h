/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the audit: `audit`, and what it was before, `audit.1` and so on,
 * the oldest last.  Each but the very first begins with a line of its own:
 *
 *   TIME - uvrfs begun: file 7, after 41230 lines
 *
 * the how many-th it is of all that there ever were, and how many lines came
 * before this one in those.  So it is seen when a beginning is missing, which the
 * chain alone can't show.  What an older uvrfs has left has no such line: the
 * newest of its files is number 1 if the chain begins there, else number 2, and
 * lines are counted from there on.
 */
#ifndef UVRFS_AUDIT_BEGIN_H
#define UVRFS_AUDIT_BEGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_FILE "audit"
/* How many are kept behind it.  With a greater number the check misses files
   until there are as many. */
#define AUDIT_OLDER 15
#define AUDIT_NAME_MAX 20

/* The name of the @age-th behind `audit`, which is 0; returns @out. */
const char *audit_name(unsigned age, char out[static AUDIT_NAME_MAX]);

struct audit_begin {
	uint64_t number;	/* from 1 on */
	uint64_t lines;
};

struct buf;
void audit_begin_format(const struct audit_begin *begin, int64_t now,
			struct buf *out);

/* False when the @len bytes at @line, without a hash, are no such line. */
bool audit_begin_parse(const char *line, size_t len, struct audit_begin *out);

#endif
