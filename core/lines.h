/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded text of whole lines: what `log` and `audit` show.  It grows at its
 * end; when it would pass its limit the older half goes, at a line's start.
 * Readers who follow it keep a cursor each, and learn what went before they
 * came to read it.
 */
#ifndef UVRFS_LINES_H
#define UVRFS_LINES_H

#include "status.h"

#include <stddef.h>
#include <stdint.h>

/* The start of a line: how many bytes, and lines, there ever were before. */
struct line_cursor {
	uint64_t byte;
	uint64_t line;
};

struct lines {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
	struct line_cursor gone;	/* what came before @data */
};

void lines_init(struct lines *l, size_t max);
void lines_finish(struct lines *l);

/* Appends @line, which has no newline, and one.  Drops it without memory. */
void lines_add(struct lines *l, const char *line);

/*
 * The lines at @at, whole ones, of at most @size bytes together, but one if
 * there is any; @at moves behind them.  @*len is their length, 0 at the end.
 * @*lost, if not 0, is how many went unread: @at is at the oldest one now, and
 * nothing else was done.
 */
const char *lines_next(const struct lines *l, struct line_cursor *at,
		       size_t size, size_t *len, uint64_t *lost);

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
