/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uvrfs.7 as it was made, $UVRFS_7: it names every file of the tables, every
 * edge, every reason, and whatever else .uvrfs/help names.  And $RUNBOOKS has a
 * section for each reason, and no other.
 */
#include "daemon.h"
#include "file.h"
#include "reason.h"
#include "state.h"
#include "suite.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct file_table *const tables[] = {
	&attribute_files, &daemon_files, &backend_files, &cluster_files,
};

#define TABLES (int)(sizeof tables / sizeof *tables)

static void read_file(const char *path, struct buf *page)
{
	FILE *f = fopen(path, "re");
	int c;

	ck_assert_ptr_nonnull(f);
	buf_init(page, (size_t)1 << 20);
	while ((c = getc(f)) != EOF)
		if (c != '\\')
			buf_putc(page, (char)c);
	fclose(f);
	ck_assert_int_eq(page->failed, 0);
}

/* The page without what only roff sees. */
static void read_page(struct buf *page)
{
	read_file(getenv("UVRFS_7"), page);
}

START_TEST(every_file_is_named)
{
	const struct file_table *t = tables[_i];
	auto_buf page;
	char heading[128];
	const char *section, *at;
	unsigned i;

	read_page(&page);
	snprintf(heading, sizeof heading, "\n.SS %s\n", t->title);
	section = strstr(buf_str(&page), heading);
	ck_assert_msg(section, "no section %s", t->title);
	for (i = 0; i < t->count; i++) {
		const struct file *f = &t->rows[i];

		snprintf(heading, sizeof heading, "\n.TP\nfB%s", f->name);
		at = strstr(section, heading);
		ck_assert_msg(at, "%s%s is not in the page", t->title, f->name);
		ck_assert_msg(f->doc && *f->doc, "%s has no text", f->name);
		at += strlen(heading);
		at = strstr(at, "fR (");
		ck_assert_msg(strncmp(at + 4, file_is_writable(f) ? "rw)" : "r)",
				      file_is_writable(f) ? 3 : 2) == 0,
			      "%s: wrong mode", f->name);
	}
}
END_TEST

START_TEST(every_edge_is_named)
{
	auto_buf page;
	char row[160];
	size_t i;

	read_page(&page);
	for (i = 0; i < edge_count; i++) {
		const struct edge *e = &edges[i];
		const char *from = e->from == STATE_NONE
					   ? "(new)"
					   : state_text(e->from);
		const char *at;

		snprintf(row, sizeof row, "\n%s\t%s\t", from,
			 word_text(e->to));
		at = strstr(buf_str(&page), row);
		ck_assert_msg(at, "%s -> %s is not in the page", from,
			      word_text(e->to));
		at += strlen(row);
		ck_assert(!strncmp(at, "you", 3) == !!(e->flags & EDGE_USER));
		ck_assert_ptr_nonnull(strstr(at, e->means));
	}
}
END_TEST

START_TEST(every_reason_is_named)
{
	auto_buf page;
	char row[300];
	int i;

	read_page(&page);
	for (i = REASON_NONE + 1; i < REASON_COUNT; i++) {
		enum reason reason = (enum reason)i;
		const char *text = reason_text(reason);

		ck_assert_int_eq(reason_parse(text), reason);
		ck_assert(isupper(*text) && *reason_means(reason));
		snprintf(row, sizeof row, "\n.TP\n.B %s\n%s.\n", text,
			 reason_means(reason));
		ck_assert_msg(strstr(buf_str(&page), row),
			      "%s is not in the page", text);
	}
	ck_assert_int_eq(reason_parse(""), REASON_NONE);
	ck_assert_int_eq(reason_parse("verified"), REASON_NONE);
	ck_assert_int_eq(reason_parse(NULL), REASON_NONE);
}
END_TEST

/* In the table's order, each with all that whoever is called at night needs. */
START_TEST(every_reason_has_its_runbook)
{
	static const char *const parts[] = {
		"\n**Means.** ", "\n**Look.** ", "\n**Do.** ", "\n**Don't.** ",
	};
	const char *at, *next;
	auto_buf page;
	char heading[64];
	size_t k;
	int i;

	read_file(getenv("RUNBOOKS"), &page);
	at = strstr(buf_str(&page), "\n### ");
	for (i = REASON_NONE + 1; i < REASON_COUNT; i++) {
		snprintf(heading, sizeof heading, "\n### %s\n",
			 reason_text((enum reason)i));
		ck_assert_msg(at && strncmp(at, heading, strlen(heading)) == 0,
			      "not %s, but%.40s", heading, at ? at : " the end");
		next = strstr(at + 1, "\n### ");
		for (k = 0; k < sizeof parts / sizeof *parts; k++) {
			const char *part = strstr(at, parts[k]);

			ck_assert_msg(part && (!next || part < next),
				      "%s lacks %s", heading, parts[k]);
		}
		at = next;
	}
	ck_assert_msg(!at, "a section of none: %.40s", at);
}
END_TEST

/* Words of the help that are names: files after "Files", errnos, states. */
START_TEST(what_the_help_names_is_named)
{
	auto_buf page, help;
	char *word, *rest;
	bool names = false;
	int count = 0;

	read_page(&page);
	buf_init(&help, 64 * 1024);
	daemon_help(NULL, &help);
	rest = strdup(buf_str(&help));
	for (char *line = rest; (word = strsep(&line, " \n,;:*/()"));) {
		size_t n = strlen(word);

		if (strcmp(word, "Files") == 0)
			names = true;
		if (strcmp(word, "written") == 0)
			continue;
		if (strcmp(word, "A") == 0)
			names = false;
		if (n < 3 || strcmp(word, "can") == 0 ||
		    strcmp(word, "Files") == 0)
			continue;
		if (!names && !(word[0] == 'E' && isupper(word[1])))
			continue;
		ck_assert_msg(strstr(buf_str(&page), word),
			      "the help has %s, the page has not", word);
		count++;
	}
	free(rest);
	ck_assert_int_gt(count, 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("describe");
	TCase *c = tcase_create("describe");

	suite_add_tcase(suite, c);
	tcase_add_loop_test(c, every_file_is_named, 0, TABLES);
	tcase_add_test(c, every_edge_is_named);
	tcase_add_test(c, every_reason_is_named);
	tcase_add_test(c, every_reason_has_its_runbook);
	tcase_add_test(c, what_the_help_names_is_named);
	return run_suite(suite);
}
