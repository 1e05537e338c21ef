/* SPDX-License-Identifier: Apache-2.0 */
/* .uvrfs/summary: a line for each replication, in columns. */
#include "daemon.h"

#include "render.h"
#include "text.h"

#include <string.h>

#define COLUMNS 9

struct line {
	const char *cells[COLUMNS];
	char data_time[TIME_TEXT_MAX];
	char created[TIME_TEXT_MAX];
};

static const char *const header[COLUMNS] = {
	"NAMESPACE", "NAME",	  "STATE",   "MODE",	"SOURCE",
	"READY",     "DATA-TIME", "BACKEND", "CREATED",
};

static void fill_draft(const struct replication *r, struct line *line)
{
	const char *const cells[COLUMNS] = {
		r->ns->name, r->name, "draft", "-", "-", "-", "-", "-", "-",
	};

	memcpy(line->cells, cells, sizeof cells);
}

static void fill(const struct replication *r, struct line *line)
{
	const struct condition *ready;
	int64_t data_time;

	if (!r->spec) {
		fill_draft(r, line);
		return;
	}
	ready = &r->status->conditions[CONDITION_READY];
	data_time = render_data_time(r);
	if (data_time)
		time_text(data_time, line->data_time);
	else
		memcpy(line->data_time, "unknown", sizeof "unknown");
	const char *const cells[COLUMNS] = {
		r->ns->name,
		r->name,
		state_text(replication_state(r)),
		mode_text(r->spec->mode),
		r->spec->pvc_name,
		condition_status_text(ready->status),
		line->data_time,
		r->backend ? r->backend->name : "none",
		time_text(r->status->created, line->created),
	};
	memcpy(line->cells, cells, sizeof cells);
}

static void measure(int width[COLUMNS], const char *const cells[COLUMNS])
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		if ((int)strlen(cells[i]) > width[i])
			width[i] = (int)strlen(cells[i]);
}

static void add(struct buf *out, const int width[COLUMNS],
		const char *const cells[COLUMNS])
{
	static const char blanks[] = "                ";
	int i, gap, n;

	for (i = 0; i < COLUMNS; i++) {
		buf_puts(out, cells[i]);
		if (i == COLUMNS - 1)
			break;
		gap = width[i] - (int)strlen(cells[i]) + 2;
		for (; gap > 0; gap -= n) {
			n = gap < 16 ? gap : 16;
			buf_add(out, blanks, (size_t)n);
		}
	}
	buf_putc(out, '\n');
}

void daemon_summary(const struct subject *s, struct buf *out)
{
	const struct replication *r;
	int width[COLUMNS] = {0};
	struct line line;
	uint64_t id = 0;

	measure(width, header);
	for (; (r = world_next(s->world, id)); id = r->id) {
		fill(r, &line);
		measure(width, line.cells);
	}
	add(out, width, header);
	for (id = 0; (r = world_next(s->world, id)); id = r->id) {
		fill(r, &line);
		add(out, width, line.cells);
	}
}
