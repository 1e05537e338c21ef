/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of uvr-top: read from files' text, sorted, filtered and formatted. */
#include "top_rows.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many bytes at @c, of @n, can be shown as they are. */
static size_t plain_length(const unsigned char *c, size_t n)
{
	size_t i = 0;

	while (i < n && c[i] < 0x7f && (c[i] >= 0x20 || c[i] == '\n'))
		i++;
	if (i || *c < 0x80 || (*c == 0xc2 && n > 1 && c[1] < 0xa0))
		return i;
	return text_utf8_length((const char *)c, n);
}

void top_clean(struct buf *out, const char *s, size_t n)
{
	size_t step;

	for (; n; s += step, n -= step) {
		step = plain_length((const unsigned char *)s, n);
		buf_add(out, s, step);
		if (step)
			continue;
		buf_printf(out, "\\x%02x", (unsigned char)*s);
		step = 1;
	}
}

const char *top_age(int64_t then, int64_t now, char out[static TOP_AGE_MAX])
{
	int64_t s = now > then ? (now - then) / 1000 : 0;

	if (then == INT64_MAX)
		snprintf(out, TOP_AGE_MAX, "-");
	else if (then == 0)
		snprintf(out, TOP_AGE_MAX, "unknown");
	else if (s < 60)
		snprintf(out, TOP_AGE_MAX, "%ds", (int)s);
	else if (s < 3600)
		snprintf(out, TOP_AGE_MAX, "%dm%02ds", (int)(s / 60),
			 (int)(s % 60));
	else if (s < 86400)
		snprintf(out, TOP_AGE_MAX, "%dh%02dm", (int)(s / 3600),
			 (int)(s / 60 % 60));
	else
		snprintf(out, TOP_AGE_MAX, "%" PRId64 "d%02dh", s / 86400,
			 (int)(s / 3600 % 24));
	return out;
}

/* ---- the summary ---- */

/* The next word at @*p is cut off; "" at the end. */
static char *next_word(char **p)
{
	char *word = *p + strspn(*p, " ");

	*p = word + strcspn(word, " ");
	if (**p)
		*(*p)++ = '\0';
	return word;
}

static bool row_read(struct row *r, char *line)
{
	enum { NAMESPACE, NAME, STATE, MODE, SOURCE, READY, TIME, BACKEND, ALL };
	char *words[ALL], *end;
	int64_t then;
	int i;

	for (i = 0; i < ALL; i++)
		words[i] = next_word(&line);
	if (!*words[BACKEND])
		return false;
	/* There are two blanks between them. */
	end = words[NAMESPACE] + strlen(words[NAMESPACE]);
	*end = '/';
	memmove(end + 1, words[NAME], strlen(words[NAME]) + 1);
	then = time_parse(words[TIME]);
	*r = (struct row){
		.id = words[NAMESPACE],
		.state = words[STATE],
		.ready = words[READY],
		.backend = words[BACKEND],
		.data_time = strcmp(words[TIME], "-") == 0 ? INT64_MAX
			     : then > 0			   ? then
							   : 0,
	};
	return true;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->id, ((const struct row *)b)->id);
}

/* What was read of it goes from @old to @r. */
static void keep_own(struct row *r, struct row *old)
{
	r->own = old->own;
	if (strcmp(r->state, old->state) != 0 ||
	    strcmp(r->ready, old->ready) != 0)
		r->own.round = 0;
	old->own.text = NULL;
}

int table_take(struct table *t, char *summary)
{
	struct table new = {.text = summary};
	char *line, *rest = summary;
	struct row *old;
	size_t lines = 1, i;

	for (line = summary; (line = strchr(line, '\n')); line++)
		lines++;
	new.rows = calloc(lines, sizeof *new.rows);
	new.shown = calloc(lines, sizeof(struct row *));
	if (!new.rows || !new.shown) {
		table_finish(&new);
		return -ENOMEM;
	}
	strsep(&rest, "\n");		/* the titles */
	while ((line = strsep(&rest, "\n")))
		new.count += row_read(&new.rows[new.count], line);
	qsort(new.rows, new.count, sizeof *new.rows, by_id);
	for (i = 0; i < new.count && t->count; i++) {
		old = bsearch(&new.rows[i], t->rows, t->count, sizeof *old,
			      by_id);
		if (old)
			keep_own(&new.rows[i], old);
	}
	table_finish(t);
	*t = new;
	return 0;
}

void table_finish(struct table *t)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		free(t->rows[i].own.text);
	free(t->rows);
	free(t->shown);
	free(t->text);
	*t = (struct table){0};
}

/* ---- order and filter ---- */

/* The shown point into rows that are in the order of their ids. */
static int by_name(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a;
	const struct row *y = *(struct row *const *)b;

	return (x > y) - (x < y);
}

static int by_state(const void *a, const void *b)
{
	int order = strcmp((*(struct row *const *)a)->state,
			   (*(struct row *const *)b)->state);

	return order ? order : by_name(a, b);
}

/* Unknown first, then the oldest. */
static int by_lag(const void *a, const void *b)
{
	int64_t x = (*(struct row *const *)a)->data_time;
	int64_t y = (*(struct row *const *)b)->data_time;

	return x != y ? (x > y) - (x < y) : by_name(a, b);
}

static bool matches(const struct row *r, const char *filter)
{
	return strcasestr(r->id, filter) || strcasestr(r->state, filter) ||
	       strcasestr(r->ready, filter) ||
	       (r->own.reason && strcasestr(r->own.reason, filter));
}

void table_arrange(struct table *t, enum top_order order, const char *filter)
{
	static int (*const compare[])(const void *, const void *) = {
		[TOP_BY_LAG] = by_lag,
		[TOP_BY_NAME] = by_name,
		[TOP_BY_STATE] = by_state,
	};
	size_t i;

	t->shown_count = 0;
	for (i = 0; i < t->count; i++)
		if (matches(&t->rows[i], filter))
			t->shown[t->shown_count++] = &t->rows[i];
	if (t->shown_count)
		qsort(t->shown, t->shown_count, sizeof *t->shown,
		      compare[order]);
}

/* ---- a replication's own files ---- */

struct finding {
	const char *status, *reason, *message;
};

static bool is(const struct finding *f, const char *status)
{
	return f->status && strcmp(f->status, status) == 0;
}

/* Lines are TYPE STATUS REASON SINCE MESSAGE, PERCENT, KEY: VALUE, or CAPABILITY. */
void row_take(struct row *r, char *text)
{
	struct finding ready = {0}, progressing = {0}, degraded = {0}, *f;
	char *line, *type, *status;

	free(r->own.text);
	r->own = (struct own){.text = text, .round = r->own.round};
	while ((line = strsep(&text, "\n"))) {
		type = next_word(&line);
		status = next_word(&line);
		f = strcmp(type, "Ready") == 0	       ? &ready
		    : strcmp(type, "Progressing") == 0 ? &progressing
		    : strcmp(type, "Degraded") == 0    ? &degraded
						       : NULL;
		if (f) {
			f->status = status;
			f->reason = next_word(&line);
			next_word(&line);
			f->message = line + strspn(line, " ");
		} else if (strcmp(type, "rpo:") == 0) {
			r->own.rpo = status;
		} else if (strcmp(type, "lag") == 0) {
			r->own.has_lag = true;
		} else if (*type >= '0' && *type <= '9') {
			r->own.progress = type;
		}
	}
	r->own.reason = ready.reason;
	r->own.busy = is(&progressing, "True");
	r->own.degraded = is(&degraded, "True");
	r->own.waits = r->own.busy ? progressing.message
		       : ready.status && !is(&ready, "True") ? ready.message
		       : r->own.degraded ? degraded.message
					 : NULL;
}

static bool seems_late(const struct row *r, int64_t now)
{
	int64_t rpo = r->own.rpo ? duration_parse(r->own.rpo) : -1;

	return rpo > 0 && r->data_time && r->data_time < now &&
	       now - r->data_time > rpo;
}

static bool is_late(const struct row *r, int64_t now)
{
	return r->own.has_lag && seems_late(r, now);
}

enum top_level row_level(const struct row *r, int64_t now)
{
	if (strcmp(r->state, "failed") == 0 || is_late(r, now) ||
	    (strcmp(r->ready, "False") == 0 && !r->own.busy))
		return TOP_BAD;
	if (strcmp(r->ready, "Unknown") == 0 || r->own.degraded)
		return TOP_DOUBT;
	return r->own.busy ? TOP_BUSY : TOP_CALM;
}

/* ---- as text ---- */

static void fill_waits(struct cells *c, const struct row *r)
{
	bool copies = r->own.progress && (r->own.busy || r->own.degraded);

	snprintf(c->waits, sizeof c->waits, "%s%s%s%s",
		 r->own.waits ? r->own.waits : "", copies ? ", " : "",
		 copies ? r->own.progress : "", copies ? " %" : "");
	text_clip(c->waits);
}

void cells_fill(struct cells *c, const struct row *r, int64_t now)
{
	static const char *const titles[TOP_COLUMNS] = {
		"NAME", "STATE", "READY", "LAG", "RPO", "BACKEND",
		"WAITS FOR, OR WHAT IS WRONG",
	};

	if (!r) {
		memcpy(c->text, titles, sizeof titles);
		return;
	}
	snprintf(c->ready, sizeof c->ready, "%s%s%s", r->ready,
		 r->own.reason ? " " : "", r->own.reason ? r->own.reason : "");
	top_age(r->data_time, now, c->lag);
	if (!r->own.rpo)
		snprintf(c->rpo, sizeof c->rpo, "-");
	else
		snprintf(c->rpo, sizeof c->rpo, "%s %s", r->own.rpo,
			 is_late(r, now)			? "over"
			 : !r->data_time || seems_late(r, now) ? "unknown"
							       : "met");
	fill_waits(c, r);
	const char *const text[TOP_COLUMNS] = {
		r->id, r->state, c->ready, c->lag, c->rpo, r->backend, c->waits,
	};

	memcpy(c->text, text, sizeof text);
}

void cells_measure(const struct cells *c, int width[TOP_COLUMNS])
{
	int i, n;

	for (i = 0; i < TOP_COLUMNS; i++) {
		n = (int)strlen(c->text[i]);
		width[i] = n > width[i] ? n : width[i];
	}
}

void cells_add(const struct cells *c, const int width[TOP_COLUMNS],
	       struct buf *out)
{
	int i;

	for (i = 0; i < TOP_COLUMNS - 1; i++)
		buf_printf(out, "%-*.*s  ", width[i], width[i], c->text[i]);
	buf_puts(out, c->text[i]);
}
