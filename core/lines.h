/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded text of whole lines: what `log` and `audit` show.  It grows at its
 * end; when it would pass its limit the older half goes, at a line's start.
 */
#ifndef UVRFS_LINES_H
#define UVRFS_LINES_H

#include "status.h"

#include <stddef.h>

struct lines {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
};

void lines_init(struct lines *l, size_t max);
void lines_finish(struct lines *l);

/* Appends @line, which has no newline, and one.  Drops it without memory. */
void lines_add(struct lines *l, const char *line);

/*
 * Formats one line of the format that log, history and audit share:
 *
 *   TIME NAMESPACE/NAME WHO EVENT: TEXT
 *
 * TIME is RFC 3339 UTC; WHO is `uvrfs` or `uid=0,pid=812,comm=bash`; EVENT is
 * one word.  Control bytes are escaped.  @name may be NULL (a namespace), both
 * may be NULL (the daemon, shown as `-`).
 */
struct buf;
void line_format(struct buf *out, int64_t when, const char *namespace,
		 const char *name, const struct who *who, const char *event,
		 const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));

/* The WHO of a line. */
void line_who(struct buf *out, const struct who *who);

#endif
