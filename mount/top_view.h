/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of uvr-top: what it shows, and what keys do to that.  Curses. */
#ifndef UVRFS_TOP_VIEW_H
#define UVRFS_TOP_VIEW_H

#include "top_reader.h"
#include "top_rows.h"

#define TOP_LINE_MAX 512

struct view {
	const char *root;
	struct table table;
	enum top_order order;
	char filter[64];
	bool typing;			/* the filter */
	char selected[TOP_ID_MAX];	/* "": whatever is first */
	size_t at;			/* the same, of those shown */
	size_t first;			/* on the screen */
	bool detail;			/* of the selected one, not the list */
	bool wants_detail;		/* its text is to be read (again) */
	struct buf text;		/* of the detail */
	size_t scroll;			/* its lines that are above the screen */
	char health[TOP_LINE_MAX];	/* or what keeps us from reading it */
	char news[TOP_LINE_MAX];
	bool over;			/* somebody has typed q */
};

/* Takes the terminal; false when it can't show this. */
bool view_begin(struct view *v);
void view_end(struct view *v);

/* After the table, its order or its filter have changed. */
void view_arrange(struct view *v);

void view_key(struct view *v, int key);
void view_draw(struct view *v, int64_t now);

/* The first row on the screen that was not read in this round, or NULL. */
struct row *view_unread(const struct view *v, uint64_t round);

#endif
