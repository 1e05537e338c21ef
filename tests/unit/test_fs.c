/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of fs/: numbers, tables, collecting, help. */
#include "collect.h"
#include "daemon.h"
#include "fs.h"
#include "inode.h"
#include "manifest.h"
#include "map.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct file_table *const tables[] = {
	&attribute_files, &daemon_files, &backend_files, &cluster_files,
};

#define TABLES (sizeof tables / sizeof *tables)

START_TEST(inode_round_trip)
{
	const uint64_t ids[] = {0, 1, 255, 256, UINT64_C(1) << 40};
	struct inode in, out;
	size_t i;
	int kind;

	for (kind = KIND_ROOT + 1; kind < KIND_COUNT; kind++) {
		for (i = 0; i < sizeof ids / sizeof *ids; i++) {
			in = (struct inode){(enum kind)kind, ids[i], 7};
			out = inode_parse(inode_number(in));
			ck_assert_int_eq(out.kind, kind);
			ck_assert_uint_eq(out.id, ids[i]);
			ck_assert_uint_eq(out.row, 7);
			/* Programs print them signed. */
			ck_assert_uint_le(inode_number(in), INT64_MAX);
		}
	}
}
END_TEST

START_TEST(inode_root_and_nonsense)
{
	struct inode root = {.kind = KIND_ROOT};

	ck_assert_uint_eq(inode_number(root), 1);
	ck_assert_int_eq(inode_parse(1).kind, KIND_ROOT);
	ck_assert_int_eq(inode_parse(0).kind, KIND_NONE);
	ck_assert_int_eq(inode_parse(2).kind, KIND_NONE);
	ck_assert_int_eq(inode_parse(UINT64_C(1) << 57).kind, KIND_NONE);
	ck_assert_int_eq(inode_parse(UINT64_MAX).kind, KIND_NONE);
}
END_TEST

START_TEST(inode_hash_is_fixed)
{
	struct inode in = {KIND_PLACE, inode_hash("us-east-1"), 0};

	ck_assert_uint_eq(inode_parse(inode_number(in)).id, in.id);
	ck_assert_uint_ne(inode_hash("us-east-1"), inode_hash("us-west-1"));
	ck_assert_uint_ne(inode_hash(""), 0);
}
END_TEST

START_TEST(tables_are_well_formed)
{
	size_t t;
	unsigned i, j;

	for (t = 0; t < TABLES; t++) {
		for (i = 0; i < tables[t]->count; i++) {
			const struct file *f = &tables[t]->rows[i];

			ck_assert_ptr_nonnull(f->doc);
			ck_assert_int_gt(strlen(f->doc), 3);
			for (j = 0; j < i; j++)
				ck_assert_str_ne(tables[t]->rows[j].name,
						 f->name);
			ck_assert_ptr_eq(file_find(tables[t], f->name), f);
			ck_assert_uint_eq(file_number(tables[t], f), i + 1);
			ck_assert_ptr_eq(file_row(tables[t], i + 1), f);
			ck_assert(!(f->flags & FILE_WORD) ||
				  !(f->flags & FILE_YAML));
		}
		ck_assert_ptr_null(file_row(tables[t], 0));
		ck_assert_ptr_null(file_row(tables[t], i + 1));
	}
	ck_assert_uint_le(attribute_files.count, ATTRIBUTE_MAX);
}
END_TEST

START_TEST(files_have_facets)
{
	unsigned i;

	for (i = 0; i < attribute_files.count; i++) {
		const struct file *f = &attribute_files.rows[i];

		/* Else its attributes would be cached and never renewed. */
		if (f->kind == KIND_ATTRIBUTE && !(f->flags & FILE_VOLATILE))
			ck_assert_msg(f->facets, "%s", f->name);
		ck_assert_int_eq(file_is_directory(f), f->kind == KIND_PLAN);
	}
}
END_TEST

START_TEST(suggestions)
{
	const struct file_table *t = &attribute_files;
	char longest[300];

	ck_assert_str_eq(file_suggest(t, "staet"), "state");
	ck_assert_str_eq(file_suggest(t, "State"), "state");
	ck_assert_str_eq(file_suggest(t, "spec.yml"), "spec.yaml");
	ck_assert_str_eq(file_suggest(t, "condition"), "conditions");
	ck_assert_str_eq(file_suggest(t, "endpoint"), "endpoints");
	ck_assert_ptr_null(file_suggest(t, "completely-other"));
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	ck_assert_ptr_null(file_suggest(t, longest));
}
END_TEST

static void add(struct collect *c, uint64_t at, const char *text, int rc)
{
	struct error err;

	ck_assert_int_eq(collect_add(c, at, text, strlen(text), &err), rc);
}

START_TEST(collect_in_order)
{
	struct collect c;

	collect_init(&c);
	ck_assert(!collect_take(&c));
	add(&c, 0, "spec:\n", 0);
	add(&c, 6, "  a: b\n", 0);
	ck_assert(collect_take(&c));
	ck_assert_str_eq(buf_str(&c.text), "spec:\n  a: b\n");
	ck_assert(!collect_take(&c));
	add(&c, collect_end(&c), "  c: d\n", 0);
	ck_assert(collect_take(&c));
	ck_assert_str_eq(buf_str(&c.text), "spec:\n  a: b\n  c: d\n");
	add(&c, 0, "new", 0);
	ck_assert_str_eq(buf_str(&c.text), "new");
	collect_finish(&c);
}
END_TEST

START_TEST(collect_refuses_gaps)
{
	struct collect c;

	collect_init(&c);
	add(&c, 10, "x", -EINVAL);
	ck_assert(!collect_take(&c));
	add(&c, 0, "abc", 0);
	add(&c, 5, "x", -EINVAL);
	ck_assert(!collect_take(&c));
	/* What follows the refused one is no continuation. */
	add(&c, 3, "x", -EINVAL);
	ck_assert(!collect_take(&c));
	collect_finish(&c);
}
END_TEST

/* Who appends goes on after an error: that is the rest of a text. */
START_TEST(collect_takes_no_rest)
{
	static char most[MANIFEST_MAX];
	struct collect c;
	struct error err;

	collect_init(&c);
	memset(most, ' ', sizeof most);
	ck_assert_int_eq(collect_add(&c, 0, most, sizeof most, &err), 0);
	add(&c, collect_end(&c), "x", -EFBIG);
	add(&c, collect_end(&c), "spec:\n", -EINVAL);
	ck_assert(!collect_take(&c));
	add(&c, 0, "abc", 0);
	add(&c, collect_end(&c), "d", 0);
	ck_assert(collect_take(&c));
	ck_assert_str_eq(buf_str(&c.text), "abcd");
	collect_drop(&c);
	add(&c, collect_end(&c), "e", -EINVAL);
	ck_assert(!collect_take(&c));
	collect_finish(&c);
	collect_init(&c);
	/* Nothing was begun. */
	collect_drop(&c);
	add(&c, collect_end(&c), "e", 0);
	ck_assert(collect_take(&c));
	collect_finish(&c);
}
END_TEST

START_TEST(collect_refuses_too_much)
{
	static char half[MANIFEST_MAX / 2 + 1];
	struct collect c;
	struct error err;

	collect_init(&c);
	memset(half, ' ', sizeof half);
	ck_assert_int_eq(collect_add(&c, 0, half, sizeof half, &err), 0);
	ck_assert_int_eq(collect_add(&c, sizeof half, half, sizeof half, &err),
			 -EFBIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "longer than"));
	ck_assert(!collect_take(&c));
	collect_finish(&c);
}
END_TEST

START_TEST(map_grows)
{
	static struct map_link links[1000];
	struct map m = {0};
	size_t i;

	ck_assert_ptr_null(map_find(&m, 1));
	ck_assert_ptr_null(map_next(&m, NULL));
	for (i = 0; i < 1000; i++) {
		links[i].key = i * 256;
		ck_assert_int_eq(map_add(&m, &links[i]), 0);
	}
	for (i = 0; i < 1000; i += 2)
		map_remove(&m, &links[i]);
	for (i = 0; i < 1000; i++)
		ck_assert_ptr_eq(map_find(&m, i * 256),
				 i % 2 ? &links[i] : NULL);
	ck_assert_uint_eq(m.count, 500);
	map_finish(&m);
}
END_TEST

START_TEST(help_fits_a_screen)
{
	struct subject s = {0};
	const char *line, *end;
	int lines = 0;
	auto_buf out;

	buf_init(&out, 1 << 16);
	daemon_help(&s, &out);
	for (line = buf_str(&out); *line; line = end + 1, lines++) {
		end = strchr(line, '\n');
		ck_assert_ptr_nonnull(end);
		ck_assert_int_le(end - line, 80);
	}
	ck_assert_int_le(lines, 24);
}
END_TEST

START_TEST(man_page_names_every_file)
{
	auto_buf out;
	size_t t;
	unsigned i;

	buf_init(&out, 1 << 20);
	fs_describe(&out);
	for (t = 0; t < TABLES; t++) {
		for (i = 0; i < tables[t]->count; i++) {
			char needle[64];

			/* Only the beginning: a hyphen is written \-. */
			snprintf(needle, sizeof needle, "\n\\fB%.2s",
				 tables[t]->rows[i].name);
			ck_assert_ptr_nonnull(strstr(buf_str(&out), needle));
		}
	}
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "\\fBstate\\fR (rw)"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "\\fBplan/\\fR (r)"));
	ck_assert_ptr_null(strstr(buf_str(&out), "\n'"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs");
	TCase *c = tcase_create("pure");

	tcase_add_test(c, inode_round_trip);
	tcase_add_test(c, inode_root_and_nonsense);
	tcase_add_test(c, inode_hash_is_fixed);
	tcase_add_test(c, tables_are_well_formed);
	tcase_add_test(c, files_have_facets);
	tcase_add_test(c, suggestions);
	tcase_add_test(c, collect_in_order);
	tcase_add_test(c, collect_refuses_gaps);
	tcase_add_test(c, collect_takes_no_rest);
	tcase_add_test(c, collect_refuses_too_much);
	tcase_add_test(c, map_grows);
	tcase_add_test(c, help_fits_a_screen);
	tcase_add_test(c, man_page_names_every_file);
	suite_add_tcase(s, c);
	return run_suite(s);
}
