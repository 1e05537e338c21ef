/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of YAML: how it looks, and that everything reads back. */
#include "emit.h"
#include "node.h"
#include "suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *value;
	const char *yaml;
} looks[] = {
	{"us-east-1", "us-east-1"},
	{"5m", "5m"},
	{"/dev/x", "/dev/x"},
	{"a sentence, with: a colon", "\"a sentence, with: a colon\""},
	{"a sentence, (and more) #1", "\"a sentence, (and more) #1\""},
	{"a sentence's end; 100%", "a sentence's end; 100%"},
	{"a:b", "a:b"},
	{"caf\xc3\xa9", "caf\xc3\xa9"},
	{"", "\"\""},
	{" a", "\" a\""},
	{"a ", "\"a \""},
	{"a:", "\"a:\""},
	{"yes", "\"yes\""},
	{"Null", "\"Null\""},
	{"nULL", "\"nULL\""},
	{"1", "\"1\""},
	{"0x1f", "\"0x1f\""},
	{"1e3", "\"1e3\""},
	{"1:30", "\"1:30\""},
	{"2026-11-22T10:00:00Z", "\"2026-11-22T10:00:00Z\""},
	{"-", "\"-\""},
	{"*a", "\"*a\""},
	{"<<", "\"<<\""},
	{"\"q\" \\", "\"\\\"q\\\" \\\\\""},
	{"\t\x01\x7f\r", "\"\\t\\x01\\x7f\\x0d\""},
	{"\xc2\x85\xe2\x80\xa8\xef\xbb\xbf", "\"\\x85\\u2028\\ufeff\""},
	{"a\nb", "|-\n    a\n    b"},
	{"a\nb\n", "|\n    a\n    b"},
	{"a\n\n", "|+\n    a\n"},
	{" a\n", "|2\n     a"},
	{"\n", "\"\\n\""},
	{"a\r\n", "\"a\\x0d\\n\""},
};

START_TEST(how_it_looks)
{
	char want[128];
	auto_buf out;

	buf_init(&out, 4096);
	emit_str(&out, 1, "k", looks[_i].value);
	snprintf(want, sizeof want, "  k: %s\n", looks[_i].yaml);
	ck_assert_str_eq(buf_str(&out), want);
}
END_TEST

START_TEST(other_values)
{
	auto_buf out;

	buf_init(&out, 4096);
	emit_map(&out, 0, "m");
	emit_int(&out, 1, "i", -7);
	emit_bool(&out, 1, "t", 5);
	emit_bool(&out, 1, "f", 0);
	emit_str(&out, 1, "absent", NULL);
	emit_empty(&out, 1, "e");
	emit_str(&out, 1, "yes", "x");
	emit_str(&out, 1, "a: b", "x");
	emit_text(&out, 1, "part", "abcd", 2);
	ck_assert_str_eq(buf_str(&out), "m:\n  i: -7\n  t: true\n  f: false\n"
					"  e: {}\n  \"yes\": x\n"
					"  \"a: b\": x\n  part: ab\n");
}
END_TEST

/* Writes @value between two neighbours at @depth and reads it back. */
static void read_back(const char *value, size_t len, int depth)
{
	struct error err = {0};
	struct node *at;
	auto_node root = NULL;
	auto_buf out;
	int i;

	buf_init(&out, 64 * 1024);
	for (i = 0; i < depth; i++)
		emit_map(&out, i, "m");
	emit_str(&out, depth, "before", "x");
	emit_text(&out, depth, "k", value, len);
	emit_str(&out, depth, "after", "y");
	ck_assert_int_eq(out.failed, 0);
	root = node_parse(buf_str(&out), out.len, &err);
	ck_assert_msg(root != NULL, "%s\n%s", err.msg, buf_str(&out));
	for (i = 0, at = root; i < depth; i++)
		at = node_get(at, "m");
	ck_assert_msg(node_is_string(node_get(at, "k")), "%s", buf_str(&out));
	ck_assert_mem_eq(node_get(at, "k")->text, value, len);
	ck_assert_uint_eq(strlen(node_get(at, "k")->text), len);
	ck_assert_str_eq(node_get(at, "before")->text, "x");
	ck_assert_str_eq(node_get(at, "after")->text, "y");
}

START_TEST(everything_reads_back)
{
	static const char *const pieces[] = {
		"a",	"B",	"1",	"0",	"-",	" ",	"  ",
		"\n",	"\n\n", "\t",	": ",	":",	"#",	" #",
		"'",	"\"",	"\\",	"[",	"]",	"{",	"}",
		",",	"&",	"*",	"!",	"|",	">",	"%",
		"@",	"`",	"?",	"? ",	"- ",	"---",	"...",
		"yes",	"null", "~",	"=",	"<<",	".",	"e",
		"x",	"_",	"+",	"\r",	"\x01", "\x7f", "\xc2\x80",
		"\xc2\x85",	"\xc2\xa0",	"\xe2\x80\xa8", "\xe2\x80\xa9",
		"\xef\xbb\xbf", "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x9f\x98\x80",
		"\xf4\x8f\xbf\xbf"};
	size_t count = sizeof pieces / sizeof *pieces, i, k, len;
	unsigned seed = 1;
	char value[256];

	for (i = 0; i < count; i++)
		for (k = 0; k < count; k++) {
			snprintf(value, sizeof value, "%s%s", pieces[i],
				 pieces[k]);
			read_back(value, strlen(value), (int)(k % 3));
		}
	for (i = 0; i < 20000; i++) {
		value[0] = '\0';
		for (k = 0, len = 0; k < 1 + i % 12; k++) {
			seed = seed * 1103515245 + 12345;
			len += (size_t)snprintf(
				value + len, sizeof value - len, "%s",
				pieces[seed / 65536 % count]);
		}
		read_back(value, len, (int)(i % 3));
	}
}
END_TEST

START_TEST(long_text_reads_back)
{
	char value[3000];

	memset(value, 'x', sizeof value);
	read_back(value, sizeof value, 1);
	memset(value, '7', sizeof value);
	read_back(value, sizeof value, 1);
	memset(value, ' ', sizeof value);
	read_back(value, sizeof value, 1);
	memset(value, '\n', sizeof value);
	read_back(value, sizeof value, 1);
}
END_TEST

START_TEST(a_full_buffer_says_so)
{
	auto_buf out;

	buf_init(&out, 10);
	emit_str(&out, 0, "key", "a value that is too long");
	ck_assert_int_ne(out.failed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emit");
	TCase *tc = tcase_create("emit");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, how_it_looks, 0, sizeof looks / sizeof *looks);
	tcase_add_test(tc, other_values);
	tcase_add_test(tc, everything_reads_back);
	tcase_add_test(tc, long_text_reads_back);
	tcase_add_test(tc, a_full_buffer_says_so);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
