/* SPDX-License-Identifier: Apache-2.0 */
/* Draws the list and the details of uvr-top, and takes the keys. */
#include "top_view.h"

#include "text.h"

#include <curses.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

#define ABOVE 3		/* lines: who and how many, health, titles */
#define BELOW 2		/* the last event, help */
#define ESCAPE 27
#define TEXT_LINE_MAX 1024
#define FAR (1L << 30)	/* more lines than there are */

static const char *const order_names[] = {
	[TOP_BY_LAG] = "lag", [TOP_BY_NAME] = "name", [TOP_BY_STATE] = "state",
};

static const short colours[] = {
	[TOP_BUSY] = COLOR_CYAN,
	[TOP_DOUBT] = COLOR_YELLOW,
	[TOP_BAD] = COLOR_RED,
};

/* As no-color.org says: unless it is set, and not empty. */
static bool wants_colours(void)
{
	const char *no = getenv("NO_COLOR");

	return has_colors() && !(no && *no);
}

static bool can_address(void)
{
	const char *cup;
	bool can;
	int rc;

	if (!isatty(0) || !isatty(1) || setupterm(NULL, 1, &rc) == ERR)
		return false;
	cup = tigetstr("cup");
	can = cup && cup != (char *)-1;
	del_curterm(cur_term);
	return can;
}

bool view_begin(struct view *v)
{
	short i;

	setlocale(LC_CTYPE, "");
	if (!can_address() || !newterm(NULL, stdout, stdin))
		return false;
	if (wants_colours()) {
		start_color();
		use_default_colors();
		for (i = TOP_BUSY; i <= TOP_BAD; i++)
			init_pair(i, colours[i], -1);
	}
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	set_escdelay(25);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	return true;
}

void view_end(struct view *v)
{
	endwin();
	table_finish(&v->table);
	buf_finish(&v->text);
}

/* How many rows, or lines of the detail, there is room for. */
static size_t height(void)
{
	return LINES > ABOVE + BELOW ? (size_t)(LINES - ABOVE - BELOW) : 1;
}

void view_arrange(struct view *v)
{
	size_t i;

	table_arrange(&v->table, v->order, v->filter);
	if (!*v->selected)
		v->at = 0;
	for (i = 0; *v->selected && i < v->table.shown_count; i++)
		if (strcmp(v->table.shown[i]->id, v->selected) == 0)
			v->at = i;
	if (v->at >= v->table.shown_count)
		v->at = v->table.shown_count ? v->table.shown_count - 1 : 0;
}

struct row *view_unread(const struct view *v, uint64_t round)
{
	size_t i, end = v->first + height();

	for (i = v->first; i < end && i < v->table.shown_count; i++)
		if (v->table.shown[i]->own.round != round)
			return v->table.shown[i];
	return NULL;
}

/* ---- drawing ---- */

/* A character has no more columns than bytes, so that the line never wraps. */
static void put_line(int y, attr_t attributes, const char *text)
{
	char line[TEXT_LINE_MAX];
	size_t room = (size_t)COLS + 1;

	snprintf(line, room < sizeof line ? room : sizeof line, "%s", text);
	attrset(attributes);
	mvaddstr(y, 0, text_clip(line));
	attrset(A_NORMAL);
}

static void draw_head(const struct view *v)
{
	char line[TOP_LINE_MAX];

	snprintf(line, sizeof line,
		 "uvr-top %s: %zu of %zu replications, by %s%s%s", v->root,
		 v->table.shown_count, v->table.count, order_names[v->order],
		 *v->filter ? ", with " : "", v->filter);
	put_line(0, A_BOLD, line);
	put_line(1, A_NORMAL, v->health);
}

static void draw_row(const struct view *v, const int width[TOP_COLUMNS],
		     size_t i, int64_t now)
{
	const struct row *r = v->table.shown[i];
	enum top_level level = row_level(r, now);
	attr_t attributes = (attr_t)COLOR_PAIR(level);
	struct cells cells;
	auto_buf line;

	buf_init(&line, 4096);
	cells_fill(&cells, r, now);
	cells_add(&cells, width, &line);
	put_line((int)(ABOVE + i - v->first),
		 i == v->at ? attributes | A_REVERSE : attributes,
		 buf_str(&line));
}

static void draw_list(struct view *v, int64_t now)
{
	int width[TOP_COLUMNS] = {0};
	struct cells cells;
	size_t i, end;
	auto_buf titles;

	if (v->first > v->at)
		v->first = v->at;
	if (v->at >= v->first + height())
		v->first = v->at - height() + 1;
	end = v->first + height();
	if (end > v->table.shown_count)
		end = v->table.shown_count;
	for (i = v->first; i < end; i++) {
		cells_fill(&cells, v->table.shown[i], now);
		cells_measure(&cells, width);
	}
	cells_fill(&cells, NULL, now);
	cells_measure(&cells, width);
	if (width[0] > COLS / 2)
		width[0] = COLS / 2;
	buf_init(&titles, 4096);
	cells_add(&cells, width, &titles);
	put_line(ABOVE - 1, A_UNDERLINE, buf_str(&titles));
	for (i = v->first; i < end; i++)
		draw_row(v, width, i, now);
}

/* What of @text fits into a line of the screen, in @part; returns the rest. */
static const char *take_line(const char *text, char part[static TEXT_LINE_MAX])
{
	size_t n = strcspn(text, "\n"), room = COLS > 4 ? (size_t)COLS : 4;

	room = room < TEXT_LINE_MAX ? room : TEXT_LINE_MAX - 1;
	snprintf(part, TEXT_LINE_MAX, "%.*s", (int)(n < room ? n : room), text);
	text += strlen(text_clip(part));
	return text + (*text == '\n');
}

static void draw_detail(struct view *v)
{
	const char *text;
	char part[TEXT_LINE_MAX];
	size_t i, count = 0;

	for (text = buf_str(&v->text); *text; count++)
		text = take_line(text, part);
	if (v->scroll + height() > count)
		v->scroll = count > height() ? count - height() : 0;
	put_line(ABOVE - 1, A_UNDERLINE, v->selected);
	text = buf_str(&v->text);
	for (i = 0; *text && i < v->scroll + height(); i++) {
		text = take_line(text, part);
		if (i >= v->scroll)
			put_line((int)(ABOVE + i - v->scroll), A_NORMAL, part);
	}
}

void view_draw(struct view *v, int64_t now)
{
	char line[TOP_LINE_MAX];

	erase();
	draw_head(v);
	if (v->detail)
		draw_detail(v);
	else
		draw_list(v, now);
	put_line(LINES - 2, A_NORMAL, v->news);
	snprintf(line, sizeof line, "filter: %s_", v->filter);
	put_line(LINES - 1, A_BOLD,
		 v->typing   ? line
		 : v->detail ? "up, down: scroll  Enter: back  q: quit"
			     : "up, down: select  Enter: details  sort by l: "
			       "lag, n: name, s: state  /: filter  q: quit");
	refresh();
}

/* ---- keys ---- */

static void move_by(struct view *v, long step)
{
	size_t *at = v->detail ? &v->scroll : &v->at;

	if (step < 0 && *at < (size_t)-step)
		*at = 0;
	else
		*at += (size_t)step;
	if (v->detail || !v->table.shown_count)
		return;
	if (*at >= v->table.shown_count)
		*at = v->table.shown_count - 1;
	snprintf(v->selected, sizeof v->selected, "%s",
		 v->table.shown[*at]->id);
}

static void type(struct view *v, int key)
{
	size_t n = strlen(v->filter);

	if (key == '\r' || key == KEY_ENTER) {
		v->typing = false;
	} else if (key == ESCAPE) {
		v->typing = false;
		*v->filter = '\0';
	} else if (n && (key == KEY_BACKSPACE || key == 127 || key == '\b')) {
		v->filter[n - 1] = '\0';
	} else if (key >= ' ' && key < 127 && n + 1 < sizeof v->filter) {
		v->filter[n] = (char)key;
		v->filter[n + 1] = '\0';
	}
	view_arrange(v);
}

static void enter(struct view *v)
{
	if (v->detail || !v->table.shown_count) {
		v->detail = false;
		return;
	}
	move_by(v, 0);		/* selects what is there */
	v->detail = v->wants_detail = true;
	buf_reset(&v->text);
	v->scroll = 0;
}

static void arrange_by(struct view *v, enum top_order order)
{
	v->order = order;
	view_arrange(v);
}

/* Takes a step through the list or the text; false when @key is none. */
static bool step(struct view *v, int key)
{
	const struct {
		int key, letter;
		long by;
	} steps[] = {
		{KEY_UP, 'k', -1},
		{KEY_DOWN, 'j', 1},
		{KEY_PPAGE, 'b', -(long)height()},
		{KEY_NPAGE, ' ', (long)height()},
		{KEY_HOME, 'g', -FAR},
		{KEY_END, 'G', FAR},
	};
	size_t i;

	for (i = 0; i < sizeof steps / sizeof *steps; i++)
		if (key == steps[i].key || key == steps[i].letter) {
			move_by(v, steps[i].by);
			return true;
		}
	return false;
}

void view_key(struct view *v, int key)
{
	/* Nobody knows what the terminal has made of its content. */
	if (key == KEY_RESIZE)
		clearok(curscr, TRUE);
	else if (v->typing)
		type(v, key);
	else if (key == 'q')
		v->over = true;
	else if (step(v, key))
		return;
	else if (key == '\r' || key == KEY_ENTER ||
		 (key == ESCAPE && v->detail))
		enter(v);
	else if (key == ESCAPE)
		type(v, ESCAPE);
	else if (key == '/')
		v->typing = !v->detail;
	else if (key == 'l')
		arrange_by(v, TOP_BY_LAG);
	else if (key == 'n')
		arrange_by(v, TOP_BY_NAME);
	else if (key == 's')
		arrange_by(v, TOP_BY_STATE);
}
