/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of uvr-top: from files' text to lines, sorted and filtered. */
#include "suite.h"
#include "top_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1000000000000	/* 2001-09-09T01:46:40Z */

#define TITLES "NAMESPACE  NAME  STATE  MODE  SOURCE  READY  DATA-TIME  " \
	       "BACKEND  CREATED\n"

static const char summary[] =
	TITLES
	"web  a     replica    synchronous  a-pvc  True     "
	"2001-09-09T01:46:30Z  sim   2001-01-01T00:00:00Z\n"
	"db   main  promoting  synchronous  m-pvc  False    "
	"2001-09-09T00:46:40Z  ceph  2001-01-01T00:00:00Z\n"
	"db   old   failed     synchronous  o-pvc  Unknown  unknown  none  "
	"2001-01-01T00:00:00Z\n"
	"db   new   draft      -            -      -        -        -     -\n";

static const char files[] =
	"Ready       False   InProgress 2001-09-09T01:00:00Z promoting: step 1\n"
	"Synced      True    StatusUpdated 2001-09-09T01:00:00Z it answers\n"
	"Progressing True    InProgress 2001-09-09T01:00:00Z the final copy\n"
	"Degraded    False   Healthy    2001-09-09T01:00:00Z\n"
	"43\n"
	"mode: continuous\n"
	"rpo: 15m\n"
	"rto: 5m\n"
	"second-fact\n"
	"lag\n";

static struct table take(const char *text)
{
	struct table t = {0};

	ck_assert_int_eq(table_take(&t, strdup(text)), 0);
	return t;
}

/* The names of those shown, in their order. */
static const char *order(struct table *t, enum top_order by,
			 const char *filter)
{
	static char names[256];
	size_t i, n = 0;

	table_arrange(t, by, filter);
	names[0] = '\0';
	for (i = 0; i < t->shown_count; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, "%s%s",
				      i ? " " : "", t->shown[i]->id);
	return names;
}

static struct row *find(struct table *t, const char *id)
{
	order(t, TOP_BY_NAME, id);
	ck_assert_uint_eq(t->shown_count, 1);
	return t->shown[0];
}

START_TEST(a_summary_is_sorted)
{
	struct table t = take(summary);

	ck_assert_uint_eq(t.count, 4);
	ck_assert_str_eq(order(&t, TOP_BY_LAG, ""),
			 "db/old db/main web/a db/new");
	ck_assert_str_eq(order(&t, TOP_BY_NAME, ""),
			 "db/main db/new db/old web/a");
	ck_assert_str_eq(order(&t, TOP_BY_STATE, ""),
			 "db/new db/old db/main web/a");
	table_finish(&t);
}
END_TEST

START_TEST(a_filter_looks_at_names_states_and_reasons)
{
	struct table t = take(summary);

	ck_assert_str_eq(order(&t, TOP_BY_NAME, "DB/"), "db/main db/new db/old");
	ck_assert_str_eq(order(&t, TOP_BY_NAME, "promot"), "db/main");
	ck_assert_str_eq(order(&t, TOP_BY_NAME, "unknown"), "db/old");
	ck_assert_str_eq(order(&t, TOP_BY_NAME, "inprogress"), "");
	row_take(find(&t, "db/main"), strdup(files));
	ck_assert_str_eq(order(&t, TOP_BY_NAME, "inprogress"), "db/main");
	table_finish(&t);
}
END_TEST

static const struct {
	const char *text;
	size_t rows;
} odd[] = {
	{"", 0}, {"\n", 0}, {TITLES, 0}, {TITLES "one two\n\n", 0},
	{TITLES "a b c d e f", 0}, {TITLES "a b c d e f g h", 1},
	{TITLES "a b c d e f g h i j k\n   \n", 1},
};

START_TEST(what_is_no_row_is_left_out)
{
	struct table t = take(odd[_i].text);

	ck_assert_uint_eq(t.count, odd[_i].rows);
	ck_assert_str_eq(order(&t, TOP_BY_LAG, ""), odd[_i].rows ? "a/b" : "");
	table_finish(&t);
}
END_TEST

START_TEST(what_was_read_is_kept_and_read_again_after_a_change)
{
	struct table t = take(summary);
	struct row *r = find(&t, "db/main");
	char *changed = strdup(summary);

	row_take(r, strdup(files));
	r->own.round = 7;
	ck_assert_int_eq(table_take(&t, strdup(summary)), 0);
	r = find(&t, "db/main");
	ck_assert_uint_eq(r->own.round, 7);
	ck_assert_str_eq(r->own.waits, "the final copy");
	memcpy(strstr(changed, "promoting"), "replica  ", 9);
	ck_assert_int_eq(table_take(&t, changed), 0);
	r = find(&t, "db/main");
	ck_assert_uint_eq(r->own.round, 0);
	ck_assert_str_eq(r->own.reason, "InProgress");
	table_finish(&t);
}
END_TEST

static void line(struct table *t, const char *id, struct buf *out)
{
	int width[TOP_COLUMNS] = {0};
	struct cells cells;

	cells_fill(&cells, find(t, id), NOW);
	cells_measure(&cells, width);
	cells_add(&cells, width, out);
}

START_TEST(a_row_is_a_line)
{
	struct table t = take(summary);
	auto_buf out;

	buf_init(&out, 4096);
	line(&t, "db/new", &out);
	ck_assert_str_eq(buf_str(&out), "db/new  draft  -  -  -  -  ");
	row_take(find(&t, "db/main"), strdup(files));
	buf_reset(&out);
	line(&t, "db/main", &out);
	ck_assert_str_eq(buf_str(&out),
			 "db/main  promoting  False InProgress  1h00m  15m over  "
			 "ceph  the final copy, 43 %");
	table_finish(&t);
}
END_TEST

/* The data of web/a is ten seconds old, or seems to be. */
static const struct {
	const char *rpo, *shown;
} rpos[] = {
	{"rpo: 9s\nlag\n", "9s over"}, {"rpo: 11s\nlag\n", "11s met"},
	{"rpo: 9s\n", "9s unknown"}, {"rpo: 11s\n", "11s met"},
};

START_TEST(an_rpo_is_missed_where_the_lag_is_known)
{
	struct table t = take(summary);
	struct row *r = find(&t, "web/a");
	struct cells cells;

	row_take(r, strdup(rpos[_i].rpo));
	cells_fill(&cells, r, NOW);
	ck_assert_str_eq(cells.text[4], rpos[_i].shown);
	table_finish(&t);
}
END_TEST

static const struct {
	const char *conditions, *waits;
	enum top_level level;
} levels[] = {
	{"Ready True Verified T it is\nProgressing False Idle T\n"
	 "Degraded False Healthy T\n-\n", "", TOP_CALM},
	{"Ready True Verified T it is\nDegraded True NoSource T why\n", "why",
	 TOP_DOUBT},
	{"Ready False Drifted T other\nDegraded True NoSource T why\n", "other",
	 TOP_DOUBT},
	{"Ready True Verified T it is\nProgressing True X T step\n7\n",
	 "step, 7 %", TOP_BUSY},
	{"Ready True Verified T it is\n12\nrpo: 5s\nlag\n", "", TOP_BAD},
	{"Ready True Verified T it is\n12\nrpo: 5s\ngive-back\n", "", TOP_CALM},
	{"", "", TOP_CALM},
};

START_TEST(a_level_and_what_is_waited_for)
{
	struct table t = take(summary);
	struct row *r = find(&t, "web/a");
	struct cells cells;

	row_take(r, strdup(levels[_i].conditions));
	cells_fill(&cells, r, NOW);
	ck_assert_str_eq(cells.text[TOP_COLUMNS - 1], levels[_i].waits);
	ck_assert_int_eq(row_level(r, NOW), levels[_i].level);
	ck_assert_int_eq(row_level(find(&t, "db/old"), NOW), TOP_BAD);
	table_finish(&t);
}
END_TEST

static const struct {
	int64_t ago;
	const char *text;
} ages[] = {
	{-5000, "0s"}, {0, "0s"}, {59999, "59s"}, {60000, "1m00s"},
	{3599000, "59m59s"}, {3600000, "1h00m"}, {86399000, "23h59m"},
	{86400000, "1d00h"}, {950400000, "11d00h"},
	{NOW, "unknown"}, {NOW - INT64_MAX, "-"},
};

START_TEST(an_age_is_short)
{
	char text[TOP_AGE_MAX];

	ck_assert_str_eq(top_age(NOW - ages[_i].ago, NOW, text),
			 ages[_i].text);
}
END_TEST

START_TEST(text_does_nothing_to_a_terminal)
{
	static const char text[] = "a\x1b[2J\tb\x7f\xc2\x9b\xff\0\n\\x1b \xc3\xa4";
	auto_buf out;

	buf_init(&out, 4096);
	top_clean(&out, text, sizeof text - 1);
	ck_assert_str_eq(buf_str(&out), "a\\x1b[2J\\x09b\\x7f\\xc2\\x9b\\xff"
					"\\x00\n\\x1b \xc3\xa4");
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

int main(void)
{
	Suite *suite = suite_create("top");
	TCase *c = tcase_create("top");

	tcase_add_test(c, a_summary_is_sorted);
	tcase_add_test(c, a_filter_looks_at_names_states_and_reasons);
	tcase_add_loop_test(c, what_is_no_row_is_left_out, 0, COUNT(odd));
	tcase_add_test(c, what_was_read_is_kept_and_read_again_after_a_change);
	tcase_add_test(c, a_row_is_a_line);
	tcase_add_loop_test(c, an_rpo_is_missed_where_the_lag_is_known, 0,
			    COUNT(rpos));
	tcase_add_loop_test(c, a_level_and_what_is_waited_for, 0, COUNT(levels));
	tcase_add_loop_test(c, an_age_is_short, 0, COUNT(ages));
	tcase_add_test(c, text_does_nothing_to_a_terminal);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
