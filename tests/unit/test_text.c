/* SPDX-License-Identifier: Apache-2.0 */
/* The small pieces of text: times, names, words, buffers, lines, errors. */
#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "buf.h"
#include "error.h"
#include "lines.h"
#include "suite.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- text.c ---- */

static const struct {
	int64_t ms;
	const char *seconds, *exact;
} times[] = {
	{0, "never", "never"},
	{-1, "never", "never"},
	{1, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z"},
	{951782400000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"},
	{4102444799999, "2099-12-31T23:59:59Z", "2099-12-31T23:59:59.999Z"},
	{INT64_MAX, "292278994-08-17T07:12:55Z",
	 "292278994-08-17T07:12:55.807Z"},
};

START_TEST(times_are_utc_and_read_back)
{
	char text[TIME_TEXT_MAX];
	int64_t ms = times[_i].ms;

	ck_assert_str_eq(time_text(ms, text), times[_i].seconds);
	ck_assert_str_eq(time_text_ms(ms, text), times[_i].exact);
	/* A year of five figures and more is shown, and not read. */
	if (ms <= 0 || ms == INT64_MAX)
		return;
	ck_assert_int_eq(time_parse(times[_i].exact), ms);
	ck_assert_int_eq(time_parse(times[_i].seconds), ms / 1000 * 1000);
}
END_TEST

static const char *const no_times[] = {
	"", "now", "2026-11-22", "2026-11-22T10:00:00", "2026-13-01T00:00:00Z",
	"2026-11-22T10:00:00+01:00", "2026-11-22T10:00:00Zulu",
	"2026-11-22T10:00:00.Z", "2026-11-22T10:00:00.1Z",
	"2026-11-22T10:00:00.1234Z", "2026-11-22T10:00:00.-12Z",
	"2026-11-22 10:00:00Z", "2026-02-30T10:00:00Z", " 2026-11-22T10:00:00Z",
	"2026-11-22T10:00:60Z", "2026-11-22T10:00:00.+12Z",
	"2026-11-22T10:00:00. 12Z", "1969-12-31T23:59:59Z",
};

START_TEST(what_is_no_time_is_refused)
{
	ck_assert_int_eq(time_parse(no_times[_i]), -1);
}
END_TEST

static const struct {
	const char *text;
	int64_t ms;
} durations[] = {
	{"0s", 0}, {"1s", 1000}, {"5m", 300000}, {"2h", 7200000},
	{"007d", 604800000}, {"99999999999999999999d", INT64_MAX},
	{"9223372036854775807s", INT64_MAX}, {"", -1}, {"5", -1}, {"s", -1},
	{"-5s", -1}, {"5 s", -1}, {" 5s", -1}, {"5ms", -1}, {"1h30m", -1},
	{"5w", -1}, {"1.5h", -1},
};

START_TEST(durations_are_those_of_the_api)
{
	int64_t ms = duration_parse(durations[_i].text);

	if (durations[_i].ms == INT64_MAX)
		/* Longer than anybody waits, and never negative. */
		ck_assert_int_ge(ms, INT64_MAX / 86400000 * 1000);
	else
		ck_assert_int_eq(ms, durations[_i].ms);
}
END_TEST

#define L63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij123"

static const struct {
	const char *name;
	bool label, subdomain;
} names[] = {
	{"a", true, true}, {"production-db", true, true}, {"0-9", true, true},
	{L63, true, true}, {L63 "4", false, false},
	{L63 "." L63 "." L63 "." "abcdefghijabcdefghijabcdefghijabcdefghij"
	     "abcdefghijabcdefghij1", false, true},
	{L63 "." L63 "." L63 "." L63, false, false},
	{"a.b", false, true}, {"", false, false}, {"-a", false, false},
	{"a-", false, false}, {"a..b", false, false}, {".a", false, false},
	{"a.", false, false}, {"A", false, false}, {"a_b", false, false},
	{"a/b", false, false}, {"..", false, false}, {"\xc3\xa9", false, false},
};

START_TEST(names_are_dns_1123)
{
	ck_assert_int_eq(name_is_dns_label(names[_i].name), names[_i].label);
	ck_assert_int_eq(name_is_dns_subdomain(names[_i].name),
			 names[_i].subdomain);
}
END_TEST

static const struct {
	const char *bytes;
	size_t n, length;
} characters[] = {
	{"a", 1, 1}, {"\xc3\xa9", 2, 2}, {"\xe2\x82\xac", 3, 3},
	{"\xf0\x9f\x98\x80", 4, 4}, {"\xf4\x8f\xbf\xbf", 4, 4},
	{"\xc3\xa9", 1, 0},		/* cut off */
	{"\xf0\x9f\x98\x80", 3, 0},
	{"\x80", 1, 0},			/* not a start */
	{"\xff", 1, 0},
	{"\xc3(", 2, 0},		/* not a continuation */
	{"\xc0\xaf", 2, 0},		/* longer than need be */
	{"\xe0\x80\xaf", 3, 0}, {"\xf0\x80\x80\xaf", 4, 0},
	{"\xed\xa0\x80", 3, 0},		/* half of a surrogate pair */
	{"\xf4\x90\x80\x80", 4, 0},	/* past the last */
};

static const struct {
	const char *cut, *clipped;
} cuts[] = {{"", ""},
	    {"plain", "plain"},
	    {"gr\xc3\xbc", "gr\xc3\xbc"},
	    {"gr\xc3", "gr"},
	    {"5 \xe2\x82\xac", "5 \xe2\x82\xac"},
	    {"5 \xe2\x82", "5 "},
	    {"\xf0\x9f\x98", ""},
	    {"\x80\x80\x80\x80", "\x80\x80\x80\x80"}};

START_TEST(what_is_cut_ends_with_a_whole_character)
{
	char text[16];

	strcpy(text, cuts[_i].cut);
	ck_assert_ptr_eq(text_clip(text), text);
	ck_assert_str_eq(text, cuts[_i].clipped);
}
END_TEST

START_TEST(characters_are_strict_utf8)
{
	ck_assert_uint_eq(text_utf8_length(characters[_i].bytes,
					   characters[_i].n),
			  characters[_i].length);
	ck_assert_int_eq(text_is_utf8(characters[_i].bytes, characters[_i].n),
			 characters[_i].length > 0);
}
END_TEST

static const struct {
	const char *text, *quoted;
} quotes[] = {
	{NULL, "-"},
	{"", "''"},
	{"-", "'-'"},
	{"asynchronous", "asynchronous"},
	{"uvrfs/deletion-policy", "uvrfs/deletion-policy"},
	{"a, b -> c", "'a, b -> c'"},
	{"it's", "'it''s'"},
	{"a\\b\n", "'a\\b\n'"},
	{"0123456789012345678901234567890", "0123456789012345678901234567890"},
	{"01234567890123456789012345678901",
	 "'01234567890123456789012345'..."},
	{"0123456789012345678901234'", "'0123456789012345678901234'..."},
	{"0123456789012345678901234\xc3\xa9",
	 "'0123456789012345678901234'..."},
	{"a\xff", "'a\xff'"},
};

START_TEST(values_are_told_from_what_is_around_them)
{
	char out[32];

	ck_assert_str_eq(text_quote(quotes[_i].text, out, sizeof out),
			 quotes[_i].quoted);
}
END_TEST

START_TEST(words_are_trimmed)
{
	char out[8] = "before";

	ck_assert(text_trim(" \t\r\n\v\fa b\n\n", 11, out, sizeof out));
	ck_assert_str_eq(out, "a b");
	ck_assert(text_trim("1234567", 7, out, sizeof out));
	ck_assert(!text_trim("12345678", 8, out, sizeof out));
	ck_assert(!text_trim("a\0b", 3, out, sizeof out));
	ck_assert_str_eq(out, "1234567");
	ck_assert(text_trim(" \n", 2, out, sizeof out));
	ck_assert_str_eq(out, "");
}
END_TEST

/* ---- buf.c ---- */

START_TEST(a_buffer_keeps_its_limit_and_its_first_failure)
{
	auto_buf b;

	buf_init(&b, 300);
	ck_assert_str_eq(buf_str(&b), "");
	buf_printf(&b, "%0299d", 0);
	buf_putc(&b, '1');
	ck_assert_int_eq(b.failed, 0);
	ck_assert_uint_eq(b.len, 300);
	buf_putc(&b, '2');
	ck_assert_int_eq(b.failed, EFBIG);
	buf_add(&b, "", 0);
	ck_assert_int_eq(b.failed, EFBIG);
	ck_assert_uint_eq(b.len, 300);
	ck_assert_int_eq(buf_str(&b)[299], '1');
	buf_reset(&b);
	ck_assert_int_eq(b.failed, 0);
	ck_assert_str_eq(buf_str(&b), "");
	/* All or nothing. */
	buf_puts(&b, "kept");
	buf_printf(&b, "%0400d", 0);
	ck_assert_str_eq(buf_str(&b), "kept");
}
END_TEST

START_TEST(a_buffers_bytes_can_be_taken_over)
{
	auto_free char *bytes = NULL;
	auto_buf b;

	buf_init(&b, 100);
	ck_assert_ptr_null(buf_steal(&b));
	buf_add(&b, "a\0b", 3);
	bytes = buf_steal(&b);
	ck_assert_mem_eq(bytes, "a\0b", 4);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_eq(b.max, 100);
	ck_assert_str_eq(buf_str(&b), "");
}
END_TEST

static const struct {
	const char *text, *escaped;
} escapes[] = {
	{"plain, 100%", "plain, 100%"},
	{"\x1b[31m\n\t\r\x7f", "\\x1b[31m\\x0a\\x09\\x0d\\x7f"},
	{"back\\slash", "back\\x5cslash"},
	{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	 "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
	/* C1 is written as two bytes, and a terminal obeys it. */
	{"\xc2\x9b" "31m\xc2\x80\xc2\xa0", "\\xc2\\x9b31m\\xc2\\x80\xc2\xa0"},
	{"\xff\xfe" "a\xc3", "\\xff\\xfea\\xc3"},
	{"\xe2\x82" "a", "\\xe2\\x82a"},
	{"\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80"},
	{"", ""},
};

START_TEST(foreign_text_is_escaped)
{
	auto_buf b;

	buf_init(&b, 100);
	buf_escape(&b, escapes[_i].text);
	ck_assert_str_eq(buf_str(&b), escapes[_i].escaped);
	ck_assert(text_is_utf8(buf_str(&b), b.len));
}
END_TEST

/* ---- lines.c ---- */

START_TEST(lines_lose_their_older_half_at_a_lines_start)
{
	struct lines l;
	char line[32];
	int i;

	lines_init(&l, 100);
	for (i = 0; i < 10; i++) {
		snprintf(line, sizeof line, "line %04d", i);
		lines_add(&l, line);	/* 10 bytes with its newline */
	}
	ck_assert_uint_eq(l.len, 100);
	ck_assert_mem_eq(l.data, "line 0000\n", 10);
	lines_add(&l, "line 0010");
	ck_assert_uint_eq(l.len, 50);
	ck_assert_mem_eq(l.data, "line 0006\n", 10);
	ck_assert_mem_eq(l.data + 40, "line 0010\n", 10);
	lines_finish(&l);
}
END_TEST

START_TEST(one_long_line_takes_the_place_of_all)
{
	struct lines l;

	lines_init(&l, 10);
	lines_add(&l, "0123456789");	/* too long with its newline */
	ck_assert_uint_eq(l.len, 0);
	lines_add(&l, "a");
	lines_add(&l, "123456789");
	ck_assert_uint_eq(l.len, 10);
	ck_assert_mem_eq(l.data, "123456789\n", 10);
	lines_finish(&l);
	ck_assert_uint_eq(l.len, 0);
}
END_TEST

START_TEST(a_line_stays_a_line_of_five_fields)
{
	struct who odd = {1000, 7, "a b\n:\\"}, nobody = {0};
	auto_buf b;

	buf_init(&b, 1000);
	line_format(&b, 1000, "database", "db", &odd, "did", "%s", "a\nb");
	ck_assert_str_eq(buf_str(&b),
			 "1970-01-01T00:00:01Z database/db uid=1000,pid=7,"
			 "comm=a\\x20b\\x0a\\x3a\\x5c did: a\\x0ab");
	buf_reset(&b);
	line_format(&b, 1000, NULL, NULL, &nobody, "store", "%d", 5);
	ck_assert_str_eq(buf_str(&b),
			 "1970-01-01T00:00:01Z - uvrfs store: 5");
	buf_reset(&b);
	line_format(&b, 1000, "database", NULL, &nobody, "x", "y");
	ck_assert_str_eq(buf_str(&b),
			 "1970-01-01T00:00:01Z database uvrfs x: y");
}
END_TEST

/* Whoever may write chooses it: it must do nothing to a terminal. */
START_TEST(a_commands_name_is_escaped)
{
	struct who odd = {1000, 7, "\x7f\xc2\x9b" "2J\xff\xc3\xa9"};
	auto_buf b;

	buf_init(&b, 1000);
	line_who(&b, &odd);
	ck_assert_str_eq(buf_str(&b), "uid=1000,pid=7,comm="
				      "\\x7f\\xc2\\x9b2J\\xff\xc3\xa9");
}
END_TEST

START_TEST(who_has_no_name_is_not_the_daemon)
{
	struct who nameless = {1000, 7, ""}, us = {0, 0, ""};
	auto_buf b;

	buf_init(&b, 1000);
	line_who(&b, &nameless);
	ck_assert_str_eq(buf_str(&b), "uid=1000,pid=7,comm=?");
	buf_reset(&b);
	line_who(&b, &us);
	ck_assert_str_eq(buf_str(&b), "uvrfs");
}
END_TEST

/* ---- error.c ---- */

START_TEST(an_error_is_cut_and_never_overrun)
{
	static char much[2 * ERROR_MSG_MAX];
	struct error err;

	memset(much, 'x', sizeof much - 1);
	ck_assert_int_eq(fail(&err, EIO, "%s", much), -EIO);
	ck_assert_uint_eq(strlen(err.msg), ERROR_MSG_MAX - 1);
	ck_assert_int_eq(error_prefix(&err, "%s: ", "sim"), -EIO);
	ck_assert_uint_eq(strlen(err.msg), ERROR_MSG_MAX - 1);
	ck_assert_int_eq(strncmp(err.msg, "sim: xxx", 8), 0);
	ck_assert_int_eq(fail(&err, EPERM, "short"), -EPERM);
	error_prefix(&err, "%s", "very ");
	ck_assert_str_eq(err.msg, "very short");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *c = tcase_create("text");

	tcase_add_loop_test(c, times_are_utc_and_read_back, 0, COUNT(times));
	tcase_add_loop_test(c, what_is_no_time_is_refused, 0, COUNT(no_times));
	tcase_add_loop_test(c, durations_are_those_of_the_api, 0,
			    COUNT(durations));
	tcase_add_loop_test(c, names_are_dns_1123, 0, COUNT(names));
	tcase_add_loop_test(c, what_is_cut_ends_with_a_whole_character, 0,
			    sizeof cuts / sizeof *cuts);
	tcase_add_loop_test(c, characters_are_strict_utf8, 0,
			    COUNT(characters));
	tcase_add_loop_test(c, values_are_told_from_what_is_around_them, 0,
			    COUNT(quotes));
	tcase_add_test(c, words_are_trimmed);
	tcase_add_test(c, a_buffer_keeps_its_limit_and_its_first_failure);
	tcase_add_test(c, a_buffers_bytes_can_be_taken_over);
	tcase_add_loop_test(c, foreign_text_is_escaped, 0, COUNT(escapes));
	tcase_add_test(c, lines_lose_their_older_half_at_a_lines_start);
	tcase_add_test(c, one_long_line_takes_the_place_of_all);
	tcase_add_test(c, a_line_stays_a_line_of_five_fields);
	tcase_add_test(c, a_commands_name_is_escaped);
	tcase_add_test(c, who_has_no_name_is_not_the_daemon);
	tcase_add_test(c, an_error_is_cut_and_never_overrun);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
