/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of YAML and JSON: trees, lines, and what is refused. */
#include "node.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node *read_ok(const char *text)
{
	struct error err = {0};
	struct node *root = node_parse(text, strlen(text), &err);

	ck_assert_msg(root != NULL, "%s: %s", text, err.msg);
	return root;
}

static void read_bad(const char *text, size_t len, const char *sentence)
{
	struct error err = {0};
	struct node *root = node_parse(text, len, &err);

	ck_assert_msg(root == NULL, "accepted: %s", text);
	ck_assert_int_eq(err.code, EINVAL);
	ck_assert_str_eq(err.msg, sentence);
}

START_TEST(tree_knows_its_lines)
{
	auto_node root = read_ok("# first\n"
				 "a: 1\n"
				 "b:\n"
				 "  c: 'x'\n"
				 "  d: [p, \"q\"]\n"
				 "e: |\n"
				 "  text\n");
	struct node *b = node_get(root, "b"), *d = node_get(b, "d");

	ck_assert_int_eq(root->kind, NODE_MAPPING);
	ck_assert_uint_eq(root->line, 2);
	ck_assert_str_eq(node_get(root, "a")->text, "1");
	ck_assert(!node_get(root, "a")->quoted);
	ck_assert_uint_eq(b->key_line, 3);
	ck_assert_uint_eq(b->line, 4);
	ck_assert(node_get(b, "c")->quoted);
	ck_assert_int_eq(d->kind, NODE_SEQUENCE);
	ck_assert_ptr_null(d->children->key);
	ck_assert_str_eq(d->children->next->text, "q");
	ck_assert_str_eq(node_get(root, "e")->text, "text\n");
	ck_assert_uint_eq(node_get(root, "e")->key_line, 6);
	ck_assert_ptr_null(node_get(root, "c"));
	ck_assert_ptr_null(node_get(d, "p"));
	ck_assert_ptr_null(node_get(NULL, "p"));
}
END_TEST

START_TEST(empty_documents_around_one_are_none)
{
	auto_node a = read_ok("---\n# nothing\n---\na: b\n---\n...\n---\n");
	auto_node bom = read_ok("\xef\xbb\xbf" "a: b\n");

	ck_assert_str_eq(node_get(a, "a")->text, "b");
	ck_assert_str_eq(node_get(bom, "a")->text, "b");
}
END_TEST

START_TEST(json_means_what_json_means)
{
	auto_node root = read_ok(
		"\t{\r\n"
		"\t\"a\"\n"
		"\t:\t\"\\/\\uD83D\\uDE00\\u00e9\\t\\\"\\\\\",\n"
		"\t\"line\":\"x\xe2\x80\xa8y\xc2\x85z\x7f\xef\xbb\xbf\",\n"
		"\"n\":-1,\"f\":-1.5E+3,\"t\":true,\"z\":null,\"e\":{},\"l\":[1,\"2\"],\n"
		"\"\\uD83D\\uDE00\":\"key\"}\n");

	ck_assert_str_eq(node_get(root, "a")->text,
			 "/\xf0\x9f\x98\x80\xc3\xa9\t\"\\");
	ck_assert_uint_eq(node_get(root, "a")->key_line, 2);
	ck_assert_str_eq(node_get(root, "line")->text,
			 "x\xe2\x80\xa8y\xc2\x85z\x7f\xef\xbb\xbf");
	ck_assert_uint_eq(node_get(root, "line")->key_line, 4);
	ck_assert(node_is_integer(node_get(root, "n")));
	ck_assert(!node_is_string(node_get(root, "t")));
	ck_assert(node_is_null(node_get(root, "z")));
	ck_assert_ptr_null(node_get(root, "e")->children);
	ck_assert_str_eq(node_get(root, "\xf0\x9f\x98\x80")->text, "key");
	ck_assert_uint_eq(node_get(root, "l")->key_line, 5);
}
END_TEST

/* What begins as JSON does and is YAML. */
START_TEST(flow_style_is_not_json)
{
	auto_node root = read_ok(" {a: 'it\"s', # \"x\n"
				 "\"b\": \"\\x41\", c: x\"y, d: -, e: nul,\n"
				 "f: 1.e+, g: \"\\e\"}\n");

	ck_assert_str_eq(node_get(root, "a")->text, "it\"s");
	ck_assert_str_eq(node_get(root, "b")->text, "A");
	ck_assert_str_eq(node_get(root, "c")->text, "x\"y");
	ck_assert_str_eq(node_get(root, "g")->text, "\x1b");
}
END_TEST

static const struct {
	const char *text;
	enum scalar kind;
} scalars[] = {
	{"", SCALAR_NULL},	   {"~", SCALAR_NULL},
	{"null", SCALAR_NULL},	   {"nUll", SCALAR_STRING},
	{"yes", SCALAR_BOOLEAN},   {"y", SCALAR_BOOLEAN},
	{"Off", SCALAR_BOOLEAN},   {"TRUE", SCALAR_BOOLEAN},
	{"tRue", SCALAR_STRING},   {"0", SCALAR_INTEGER},
	{"-7", SCALAR_INTEGER},	   {"1_000", SCALAR_INTEGER},
	{"0x1F", SCALAR_INTEGER},  {"0o17", SCALAR_INTEGER},
	{"0b11", SCALAR_INTEGER},  {"0x", SCALAR_STRING},
	{"0xg", SCALAR_STRING},	   {"0755", SCALAR_INTEGER},
	{"1.5", SCALAR_NUMBER},	   {"1.", SCALAR_NUMBER},
	{".5", SCALAR_NUMBER},	   {"-.5e-3", SCALAR_NUMBER},
	{"1e3", SCALAR_NUMBER},	   {"1e", SCALAR_STRING},
	{".inf", SCALAR_NUMBER},   {"-.INF", SCALAR_NUMBER},
	{".NaN", SCALAR_NUMBER},   {".", SCALAR_STRING},
	{"-", SCALAR_STRING},	   {"+", SCALAR_STRING},
	{"_1", SCALAR_STRING},	   {"-_1", SCALAR_STRING},
	{"5m", SCALAR_STRING},	   {"1.2.3", SCALAR_STRING},
	{"1:30", SCALAR_STRING},   {"2026-11-22", SCALAR_STRING},
	{"us-east-1", SCALAR_STRING},
};

START_TEST(scalar_kinds)
{
	ck_assert_msg(scalar_kind(scalars[_i].text) == scalars[_i].kind,
		      "'%s' is %d", scalars[_i].text,
		      scalar_kind(scalars[_i].text));
}
END_TEST

static const struct {
	const char *text;
	const char *sentence;
} refused[] = {
	{"", "the document is empty"},
	{"# only a comment\n---\n", "the document is empty"},
	{"a: 1\n---\nb: 2\n",
	 "line 3: a second document begins, only one is allowed"},
	{"a: 1\n--- {}\n",
	 "line 2: a second document begins, only one is allowed"},
	{"a: &x 1\nb: *x\n", "a (line 1): anchors are not allowed; "
			     "b (line 2): aliases are not allowed"},
	{"&x a: 1\n*x : 2\n", "a (line 1): anchors are not allowed; "
			      "x (line 2): aliases are not allowed"},
	{"a: !!str 1\nb: !x {}\n", "a (line 1): tags are not allowed; "
				   "b (line 2): tags are not allowed"},
	{"%TAG ! tag:x,2000:\n---\na: 1\n", "line 1: tags are not allowed"},
	{"a: {x: 1}\nb:\n  <<: {y: 1}\n",
	 "b.<< (line 3): merge keys are not allowed"},
	{"&x {a: 1}", "document (line 1): anchors are not allowed"},
	{"a: 1\nb:\n  - c: 1\n    c: 2\n  - 3\na: 2\n",
	 "b[0].c (line 4): duplicate key, first on line 3; "
	 "a (line 6): duplicate key, first on line 1"},
	{"{\"a\": 1,\n \"b\": {\"c\": 1},\n \"\\u0061\": 2}",
	 "a (line 3): duplicate key, first on line 1"},
	{"a:\n  ? [x]\n  : 1\n",
	 "line 2: a key must be a word, not a collection"},
	{"a: \"\\0\"\n", "line 1: a NUL is not allowed"},
	{"{\"a\": \"x\\u0000\"}", "line 1: a NUL is not allowed"},
	{"a: 1\nb: \xff\n", "line 2: invalid UTF-8"},
	{"a: 1\nb: \xc3", "line 2: invalid UTF-8"},
	{"a: \xed\xa0\x80\n", "line 1: invalid UTF-8"},
	{"a: 1\nb: 2\nc: \x01\n",
	 "line 3: control characters are not allowed"},
	{"{\"a\": \"\\ud83d\"}",
	 "line 1, column 10: found invalid Unicode character escape code (while "
	 "parsing a quoted scalar)"},
	{"{\"a\": \"\\ude00\\ud83d\"}",
	 "line 1, column 10: found invalid Unicode character escape code (while "
	 "parsing a quoted scalar)"},
	{"{\"a\": \"\\u00g0\"}",
	 "line 1, column 10: did not find expected hexdecimal number (while "
	 "parsing a quoted scalar)"},
	{"{\"a\": \"b", "line 1, column 9: found unexpected end of stream "
			 "(while scanning a quoted scalar)"},
	{"{\"a\": \"\\x\"}",
	 "line 1, column 10: did not find expected hexdecimal number (while "
	 "parsing a quoted scalar)"},
	{"{\"a\": 1\n \"b\": 2}",
	 "line 2, column 5: did not find expected ',' or '}' (while parsing a "
	 "flow mapping)"},
	{"{\"a\": 1", "line 2, column 1: did not find expected ',' or '}' "
		     "(while parsing a flow mapping)"},
	{"a: [1\nb: 2\n", "line 2, column 2: did not find expected ',' or ']' "
			  "(while parsing a flow sequence)"},
	{"a:\n\tb: 1\n",
	 "line 2, column 1: found character that cannot start any token "
	 "(while scanning for the next token)"},
	{"a: 'x\n", "line 2, column 1: found unexpected end of stream "
		    "(while scanning a quoted scalar)"},
};

START_TEST(refusals)
{
	read_bad(refused[_i].text, strlen(refused[_i].text),
		 refused[_i].sentence);
}
END_TEST

START_TEST(raw_nul)
{
	read_bad("a: 1\nb: x\0y\n", 12, "line 2: a NUL is not allowed");
}
END_TEST

/* "[[[...": as deep as is allowed, and one deeper. */
START_TEST(depth)
{
	char text[256], line[64];
	struct error err = {0};
	auto_node root = NULL;
	int n = NODE_DEPTH_MAX;

	memset(text, '[', (size_t)n);
	memset(text + n, ']', (size_t)n);
	root = node_parse(text, (size_t)n * 2, &err);
	ck_assert_msg(root != NULL, "%s", err.msg);
	snprintf(line, sizeof line, "line 1: nested deeper than %d levels", n);
	memset(text, '[', sizeof text);
	read_bad(text, sizeof text, line);
}
END_TEST

/* A @size-byte text of @unit repeated.  What is quadratic takes half a minute
   for one: Check's own limit ends the test. */
static void read_fast(const char *head, const char *unit, size_t size)
{
	size_t n = strlen(unit), i = strlen(head);
	char *text = malloc(size + n);
	struct error err = {0};

	memcpy(text, head, i);
	for (; i + n <= size; i += n)
		memcpy(text + i, unit, n);
	node_free(node_parse(text, i, &err));
	free(text);
}

START_TEST(hostile_text_is_read_in_time)
{
	static const char *const heads[] = {"", "{", "[", "a: ", "- "};
	static const char *const units[] = {
		"[",	   "{",	   "- ",     "? ",    "a: ", "a: \n",
		"a: 1\n",  "a,",   "'a',",   "\"a\",", "&a ", "*a,",
		"!a ",	   "#",	   "# x\n",  "---\n",  "...\n", "%TAG !a! b\n",
		"%YAML\n", "\n",   " ",	     "|\n",    ">",    "\"",
		"\\",	   ":",	   "{a: ",   "a: {",   "[a]: ", "\t",
		"\xe2\x80\xa8", "{\"a\":", "x", "\r", "!<a>", "- - a\n"};
	size_t i, k;

	for (k = 0; k < sizeof heads / sizeof *heads; k++)
		for (i = 0; i < sizeof units / sizeof *units; i++)
			read_fast(heads[k], units[i], 256 * 1024);
}
END_TEST

/* 50,000 different keys and then all of them again. */
START_TEST(many_duplicates)
{
	size_t size = 1024 * 1024, n = 0;
	char *text = malloc(size);
	struct error err = {0};
	int i;

	for (i = 0; i < 50000; i++)
		n += (size_t)snprintf(text + n, size - n, "k%d: 1\n",
				      i % 25000);
	ck_assert_ptr_null(node_parse(text, n, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "k0 (line 25001): duplicate key, "
					      "first on line 1; k1 "));
	ck_assert_ptr_nonnull(strstr(err.msg, " more"));
	free(text);
}
END_TEST

START_TEST(type_texts)
{
	auto_node root = read_ok("[x, '1', 1, 1.5, yes, ~, {}, []]");
	static const char *const texts[] = {
		"a string",  "a string", "an integer", "a number",
		"a boolean", "null",	 "a mapping",  "a list"};
	struct node *child = root->children;
	size_t i;

	for (i = 0; child; child = child->next)
		ck_assert_str_eq(node_type_text(child), texts[i++]);
	ck_assert_uint_eq(i, 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node");
	TCase *tc = tcase_create("node");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, tree_knows_its_lines);
	tcase_add_test(tc, empty_documents_around_one_are_none);
	tcase_add_test(tc, json_means_what_json_means);
	tcase_add_test(tc, flow_style_is_not_json);
	tcase_add_loop_test(tc, scalar_kinds, 0,
			    sizeof scalars / sizeof *scalars);
	tcase_add_loop_test(tc, refusals, 0,
			    sizeof refused / sizeof *refused);
	tcase_add_test(tc, raw_nul);
	tcase_add_test(tc, depth);
	tcase_add_test(tc, hostile_text_is_read_in_time);
	tcase_add_test(tc, many_duplicates);
	tcase_add_test(tc, type_texts);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
