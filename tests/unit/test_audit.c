/* SPDX-License-Identifier: Apache-2.0 */
/* The chain through the audit: what is done to its lines is noticed. */
#include "audit_scene.h"

#define LINES 6

/* sha256sum says the same: of "line 0", and of that hash and "line 1". */
static const char known[] =
	"line 0 sha256=7ab2851d20c8cbfd2f8cb6b4d0335ac0"
	"ccf693ab30de305c5b6ef128c238a74e\n"
	"line 1 sha256=ef991de0b563f555b528d60a4697caaf"
	"701176c78ecdae07caf72c8520dd557a\n";

static void set_up(void)
{
	char line[16];
	int i;

	make_dir();
	for (i = 0; i < LINES; i++) {
		snprintf(line, sizeof line, "line %d", i);
		append(line);
	}
}

START_TEST(hashes_are_those_of_sha256sum)
{
	auto_free char *text = get(AUDIT_FILE);

	ck_assert_int_eq(strncmp(text, known, strlen(known)), 0);
	is_well("ok: 6 lines, the last with sha256=");
}
END_TEST

/* The lines of the audit, into @line; returns the whole text. */
static char *split(const char **line)
{
	char *text = get(AUDIT_FILE), *p = text;
	int i;

	for (i = 0; i < LINES; i++) {
		line[i] = p;
		p = strchr(p, '\n');
		*p++ = '\0';
	}
	return text;
}

/* Writes them in another order; -1 is one from elsewhere. */
static void rewrite(const char *const *line, const int *order)
{
	auto_buf text;

	buf_init(&text, 64 * 1024);
	for (; *order < LINES; order++)
		buf_printf(&text, "%s\n", *order < 0 ? "a line" : line[*order]);
	put(AUDIT_FILE, buf_str(&text), text.len);
}

static const struct {
	int order[LINES + 2];
	const char *at;
} orders[] = {
	{{1, 2, 3, 4, 5, 6}, "audit:1 does not follow"},
	{{0, 2, 3, 4, 5, 6}, "audit:2 does not follow"},
	{{0, 1, 2, 3, 5, 6}, "audit:5 does not follow"},
	{{0, 2, 1, 3, 4, 5, 6}, "audit:2 does not follow"},
	{{0, 1, 2, 3, 4, 4, 5, 6}, "audit:6 does not follow"},
	{{0, 1, 2, -1, 3, 4, 5, 6}, "audit:4 has no hash"},
	/* It is to be known elsewhere what the last one was. */
	{{0, 1, 2, 3, 6}, ""},
};

START_TEST(lines_that_are_removed_or_moved)
{
	const char *line[LINES];
	auto_free char *text = split(line);

	ck_assert_ptr_nonnull(text);
	rewrite(line, orders[_i].order);
	breaks_at(orders[_i].at);
	/* Going on from there mends nothing. */
	reopen();
	append("more");
	breaks_at(orders[_i].at);
}
END_TEST

START_TEST(any_byte_that_is_changed)
{
	auto_free char *text = get(AUDIT_FILE);
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++) {
		text[i] ^= 1;
		put(AUDIT_FILE, text, len);
		text[i] ^= 1;
		if (i == len - 1)
			is_well("torn");
		else
			breaks_at("audit:");
	}
}
END_TEST

/* The daemon knows what it has written last. */
START_TEST(an_end_that_is_cut_while_the_daemon_runs)
{
	auto_free char *text = get(AUDIT_FILE);

	put(AUDIT_FILE, text, strlen(text) / LINES * (LINES - 1));
	is_well("ok: 5 lines");
	append("more");
	breaks_at("audit:6 does not follow");
}
END_TEST

START_TEST(a_crash_tears_a_line_and_breaks_nothing)
{
	auto_free char *text = get(AUDIT_FILE);
	size_t len = strlen(text), i;

	for (i = len / LINES * (LINES - 1); i < len; i++) {
		put(AUDIT_FILE, text, i);
		is_well(i % (len / LINES) ? "torn" : "ok: 5 lines");
		reopen();
		append("more");
		is_well(i % (len / LINES) ? "ok: 7 lines" : "ok: 6 lines");
	}
	/* Nothing of it is there but its place. */
	text[len - 1] = text[len - 2] = '\0';
	put(AUDIT_FILE, text, len);
	reopen();
	append("more");
	is_well("ok: 7 lines");
}
END_TEST

START_TEST(lines_from_before_there_were_hashes)
{
	put(AUDIT_FILE, "old\nolder\n", 10);
	is_well("ok: 0 lines\n");
	reopen();
	append("new");
	is_well("2 lines of an older uvrfs have no hash\nok: 1 lines, ");
	put(AUDIT_FILE, "", 0);
	is_well("ok: 0 lines\n");
}
END_TEST

static void fill(void)
{
	char line[4001];
	int i;

	memset(line, 'x', 4000);
	line[4000] = '\0';
	for (i = 0; i < 2200; i++)
		append(line);
}

/* As large as they are: test_audit_files has small ones. */
START_TEST(through_files_that_were_rotated)
{
	auto_free char *first = NULL;

	fill();
	is_well("ok: 2207 lines");
	reopen();
	append("after a restart");
	is_well("ok: 2208 lines");
	first = get("audit.1");
	strrchr(first, '\n')[1] = '\0';
	fill();
	is_well("ok: 4409 lines");
	put("audit.2", "", 0);
	breaks_at("audit.2 is empty: its lines were removed");
	put("audit.2", first, strlen(first));
	breaks_at("audit.1:1 says that ");
	unlinkat(audit.dir, "audit.2", 0);
	breaks_at("audit.1 is file 2 of 3, and the oldest");
	unlinkat(audit.dir, "audit.1", 0);
	breaks_at("audit is file 3 of 3, and the oldest: those from 1 on "
		  "should be there");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		hashes_are_those_of_sha256sum, any_byte_that_is_changed,
		an_end_that_is_cut_while_the_daemon_runs,
		a_crash_tears_a_line_and_breaks_nothing,
		lines_from_before_there_were_hashes,
		through_files_that_were_rotated,
	};
	Suite *suite = suite_create("audit");
	TCase *all = tcase_create("chain");
	size_t i;

	tcase_add_checked_fixture(all, set_up, tear_down);
	for (i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(all, tests[i]);
	tcase_add_loop_test(all, lines_that_are_removed_or_moved, 0,
			    sizeof orders / sizeof *orders);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
