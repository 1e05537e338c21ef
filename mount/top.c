/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uvr-top: all replications of a mount on a screen, by nothing but its files.
 * What is asked of the mount goes to a child process, one thing at a time; here
 * is only waited for keys, answers and the clock.
 */
#include "top_view.h"

#include <curses.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define TEXT_MAX (512UL << 20)

/* A round reads the summary and what is on the screen: when something happens,
   but not more often than GAP_MS, and for what is not told every PERIOD_MS. */
#define PERIOD_MS 2000
#define GAP_MS 100
#define SILENCE_MS 2000

struct top {
	struct view view;
	int reader;
	struct top_ask ask;	/* the last one */
	bool asked;		/* and not answered */
	int64_t asked_at;
	struct row *row;	/* that it was about */
	uint64_t round;
	int64_t round_at;
	enum top_what step;	/* of the round; TOP_DETAIL: what is shown */
	size_t sweep;		/* the rows before it have been read */
	bool told;		/* that something has happened */
	bool stale;		/* what the filter lets through, it may be */
	int error;		/* of the summary */
	int64_t drawn_at;
};

static int64_t clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void explain(const char *root, int error, char out[static TOP_LINE_MAX])
{
	errno = error;
	if (error == ENOENT || error == ENOTDIR)
		snprintf(out, TOP_LINE_MAX, "uvrfs is not mounted at %s", root);
	else if (error == ENOTCONN || error == ECONNABORTED)
		snprintf(out, TOP_LINE_MAX, "the daemon of %s has ended", root);
	else
		snprintf(out, TOP_LINE_MAX, "can't read %s: %m", root);
}

/* ---- what is asked ---- */

/* What nobody sees is read for the sake of the filter only. */
static struct row *unread(struct top *t)
{
	struct table *table = &t->view.table;
	struct row *r = view_unread(&t->view, t->round);

	if (r || !*t->view.filter)
		return r;
	while (t->sweep < table->count && table->rows[t->sweep].own.round)
		t->sweep++;
	return t->sweep < table->count ? &table->rows[t->sweep] : NULL;
}

static void choose_id(struct top *t, enum top_what what, const char *id)
{
	t->ask.what = what;
	snprintf(t->ask.id, sizeof t->ask.id, "%s", id);
}

static void choose_backend(struct top_ask *ask, const struct row *r)
{
	snprintf(ask->backend, sizeof ask->backend, "%s", r->backend);
}

/* What to ask next, in t->ask; false when all is known. */
static bool choose(struct top *t)
{
	if (t->step < TOP_DETAIL) {
		choose_id(t, t->step++, "");
		return true;
	}
	if (t->view.wants_detail) {
		t->view.wants_detail = false;
		choose_id(t, TOP_DETAIL, t->view.selected);
		return true;
	}
	t->row = unread(t);
	if (!t->row)
		return false;
	choose_id(t, TOP_ROW, t->row->id);
	choose_backend(&t->ask, t->row);
	return true;
}

static bool ask(struct top *t, int64_t now)
{
	if (t->asked)
		return true;
	if (t->step == TOP_DETAIL && !view_unread(&t->view, t->round) &&
	    now - t->round_at >= (t->told ? GAP_MS : PERIOD_MS)) {
		t->round++;
		t->round_at = now;
		t->step = TOP_SUMMARY;
		t->sweep = 0;
		t->told = false;
		t->view.wants_detail = t->view.detail;
	}
	t->asked = choose(t);
	t->asked_at = now;
	return !t->asked || reader_ask(t->reader, &t->ask);
}

/* ---- what is answered ---- */

static void take_detail(struct top *t, int error, struct buf *text)
{
	struct view *v = &t->view;
	char why[TOP_LINE_MAX];

	/* Another one has been selected meanwhile: that is asked for next. */
	if (strcmp(t->ask.id, v->selected) != 0)
		return;
	if (error) {
		explain(v->root, error, why);
		buf_printf(text, "%s\n", why);
	}
	buf_finish(&v->text);
	v->text = *text;
	buf_init(text, TEXT_MAX);
}

/* As one line: faults are a line each. */
static void take_health(struct view *v, const char *text)
{
	char *p;

	snprintf(v->health, sizeof v->health, "health: %s", text);
	while ((p = strchr(v->health, '\n')))
		*p = p[1] ? ';' : '\0';
}

static void take(struct top *t, const struct top_answer *a, struct buf *text)
{
	struct view *v = &t->view;

	if (a->what == TOP_NEWS) {
		t->told = true;
		if (text->len)
			snprintf(v->news, sizeof v->news, "%s", text->data);
		return;
	}
	t->asked = false;
	if (a->what == TOP_SUMMARY)
		t->error = a->error;
	if (a->what == TOP_ROW)
		t->row->own.round = t->round;
	if (a->what == TOP_DETAIL)
		take_detail(t, a->error, text);
	else if (a->error || !text->len)
		return;
	else if (a->what == TOP_HEALTH)
		take_health(v, text->data);
	else if (a->what == TOP_ROW)
		row_take(t->row, buf_steal(text));
	else if (table_take(&v->table, buf_steal(text)) < 0)
		t->error = ENOMEM;
	if (a->what == TOP_SUMMARY)
		view_arrange(v);
	t->stale |= a->what == TOP_ROW;
}

static bool receive(struct top *t)
{
	struct top_answer answer;
	auto_buf text;

	buf_init(&text, TEXT_MAX);
	if (!reader_receive(t->reader, &answer, &text))
		return false;
	if (text.failed)
		answer.error = text.failed;
	take(t, &answer, &text);
	return true;
}

/* ---- the screen ---- */

static void draw(struct top *t, int64_t now)
{
	struct view *v = &t->view;

	if (t->asked && now - t->asked_at >= SILENCE_MS)
		snprintf(v->health, sizeof v->health,
			 "%s gives no answer for %d s", v->root,
			 (int)((now - t->asked_at) / 1000));
	else if (t->error)
		explain(v->root, t->error, v->health);
	if (t->stale && *v->filter)
		view_arrange(v);
	t->stale = false;
	view_draw(v, clock_ms(CLOCK_REALTIME));
	t->drawn_at = now;
}

/* Waits for what comes first; false when the terminal or the child is gone. */
static bool wait_and_take(struct top *t)
{
	struct pollfd fds[] = {{.fd = 0, .events = POLLIN},
			       {.fd = t->reader, .events = POLLIN}};
	const struct timespec tick = {.tv_sec = t->told ? 0 : 1,
				      .tv_nsec = t->told ? GAP_MS * 1000000 : 0};
	bool keys = false;
	sigset_t none;
	int key;

	sigemptyset(&none);
	if (ppoll(fds, 2, &tick, &none) < 0 && errno != EINTR)
		return false;
	/* A new size comes as a key, too. */
	while ((key = getch()) != ERR) {
		view_key(&t->view, key);
		keys = true;
	}
	if (keys)
		t->drawn_at = 0;
	if (fds[0].revents & (POLLHUP | POLLERR))
		return false;
	return !fds[1].revents || receive(t);
}

static int show(const char *root)
{
	struct top t = {.view = {.root = root}, .step = TOP_DETAIL,
			.round_at = -PERIOD_MS};
	bool goes_on = true;
	sigset_t resized;
	int64_t now;

	/* Only while we wait: nothing else is to be interrupted. */
	sigemptyset(&resized);
	sigaddset(&resized, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resized, NULL);
	buf_init(&t.view.text, TEXT_MAX);
	snprintf(t.view.health, TOP_LINE_MAX, "reading ...");
	t.reader = reader_start(root);
	if (t.reader < 0) {
		fprintf(stderr, "uvr-top: can't start a process: %m\n");
		return EXIT_FAILURE;
	}
	if (!view_begin(&t.view)) {
		fprintf(stderr, "uvr-top: this is no terminal that can show it; "
				"--once prints the table\n");
		return EXIT_FAILURE;
	}
	while (goes_on && !t.view.over) {
		now = clock_ms(CLOCK_MONOTONIC);
		goes_on = ask(&t, now);
		if (!t.asked || now - t.drawn_at >= GAP_MS)
			draw(&t, now);
		goes_on = goes_on && wait_and_take(&t);
	}
	view_end(&t.view);
	if (!t.view.over)
		fprintf(stderr, "uvr-top: the terminal, or the process that "
				"reads, is gone\n");
	return t.view.over ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- once, as text ---- */

static void print(const struct table *table)
{
	int64_t now = clock_ms(CLOCK_REALTIME);
	int width[TOP_COLUMNS] = {0};
	struct cells cells;
	size_t i;
	auto_buf out;

	buf_init(&out, TEXT_MAX);
	for (i = 0; i <= table->shown_count; i++) {
		cells_fill(&cells, i ? table->shown[i - 1] : NULL, now);
		cells_measure(&cells, width);
	}
	for (i = 0; i <= table->shown_count; i++) {
		cells_fill(&cells, i ? table->shown[i - 1] : NULL, now);
		cells_add(&cells, width, &out);
		buf_putc(&out, '\n');
	}
	fputs(buf_str(&out), stdout);
}

static int print_once(const char *root)
{
	struct top_ask ask = {.what = TOP_SUMMARY};
	struct table table = {0};
	char why[TOP_LINE_MAX];
	struct buf text;
	size_t i;
	int rc;

	buf_init(&text, TEXT_MAX);
	rc = reader_read(root, &ask, &text);
	if (!rc && text.len)
		rc = -table_take(&table, buf_steal(&text));
	ask.what = TOP_ROW;
	for (i = 0; i < table.count; i++) {
		snprintf(ask.id, sizeof ask.id, "%s", table.rows[i].id);
		choose_backend(&ask, &table.rows[i]);
		buf_reset(&text);
		/* A draft has none of these; one may be removed meanwhile. */
		if (!reader_read(root, &ask, &text) && text.len)
			row_take(&table.rows[i], buf_steal(&text));
	}
	table_arrange(&table, TOP_BY_LAG, "");
	if (rc) {
		explain(root, rc, why);
		fprintf(stderr, "uvr-top: %s\n", why);
	} else {
		print(&table);
	}
	table_finish(&table);
	buf_finish(&text);
	return rc || fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void usage(FILE *out)
{
	fputs("usage: uvr-top [--once] [MOUNTPOINT]\n"
	      "Shows all replications on a screen, and what changes; without\n"
	      "MOUNTPOINT those of $UVR_ROOT, else of /uvr.\n\n"
	      "  --once        print the table as text, once\n"
	      "  -h, --help    print this\n", out);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"once", no_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *root = getenv("UVR_ROOT");
	bool once = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		if (option != 'o') {
			usage(stderr);
			return EXIT_USAGE;
		}
		once = true;
	}
	if (argc - optind > 1) {
		usage(stderr);
		return EXIT_USAGE;
	}
	root = argc > optind ? argv[optind] : root && *root ? root : "/uvr";
	return once ? print_once(root) : show(root);
}
