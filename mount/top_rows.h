/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What uvr-top shows of each replication, from the text of files of the mount.
 * Pure; time is an argument, in milliseconds since the epoch.
 */
#ifndef UVRFS_TOP_ROWS_H
#define UVRFS_TOP_ROWS_H

#include "buf.h"

#include <stdint.h>

#define TOP_COLUMNS 7
#define TOP_AGE_MAX 24

enum top_order { TOP_BY_LAG, TOP_BY_NAME, TOP_BY_STATE };

/* How much somebody should care. */
enum top_level { TOP_CALM, TOP_BUSY, TOP_DOUBT, TOP_BAD };

/* Of a replication's own files. */
struct own {
	char *text;		/* what these point to; NULL before it is read */
	uint64_t round;		/* when; 0: not since its line has changed */
	const char *reason;	/* of Ready */
	const char *waits;	/* for what, or what is wrong */
	const char *progress;	/* percent */
	const char *rpo;
	bool has_lag;		/* its data is as old as it seems, not newer */
	bool busy;
	bool degraded;
};

struct row {
	const char *id;		/* NAMESPACE/NAME */
	const char *state;
	const char *ready;
	const char *backend;
	int64_t data_time;	/* 0: unknown; INT64_MAX: has none */
	struct own own;
};

struct table {
	char *text;		/* what the rows point to */
	struct row *rows;	/* by id */
	size_t count;
	struct row **shown;	/* those that the filter lets through, sorted */
	size_t shown_count;
};

/* Text with control characters, but for newlines, and what is no UTF-8 as \xNN. */
void top_clean(struct buf *out, const char *s, size_t n);

/* How old data of @then is: 5s, 3m20s, 2h05m, 9d04h; - or unknown. */
const char *top_age(int64_t then, int64_t now, char out[static TOP_AGE_MAX]);

/*
 * Replaces the rows by those of the text of `summary`, which is taken over, and
 * keeps what was read of each before.  Nothing is shown until table_arrange.
 * Returns 0 or -ENOMEM, then nothing has changed and @summary is freed.
 */
int table_take(struct table *t, char *summary);
void table_finish(struct table *t);

/* Shows the rows that @filter is part of (state, reason, ...) in this order. */
void table_arrange(struct table *t, enum top_order order, const char *filter);

/*
 * The text of `conditions`, `progress`, `schedule` and the `capabilities` of its
 * backend, one after the other.
 */
void row_take(struct row *r, char *text);

enum top_level row_level(const struct row *r, int64_t now);

/* The row as a line of text, its columns as wide as top_measure found. */
struct cells {
	const char *text[TOP_COLUMNS];
	char ready[128];
	char lag[TOP_AGE_MAX];
	char rpo[64];
	char waits[512];
};

/* Those of @r; the titles when it is NULL. */
void cells_fill(struct cells *c, const struct row *r, int64_t now);
void cells_measure(const struct cells *c, int width[TOP_COLUMNS]);
void cells_add(const struct cells *c, const int width[TOP_COLUMNS],
	       struct buf *out);

#endif
