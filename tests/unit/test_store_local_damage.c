/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the local store can't read as its own: damaged ones are set aside,
 * strange ones left alone, and the others are there.
 */
#include "store_local_scene.h"

#include <errno.h>

START_TEST(damaged_files_are_set_aside)
{
	static const struct {
		const char *name, *text, *why;
	} bad[] = {
		{"empty", "", "it is empty"},
		{"syntax", "a: [\n", "line"},
		{"invalid", "apiVersion: v1\nkind: Pod\n", ""},
		{"anchor", "a: &x 1\nb: *x\n", ""},
		{"binary", "\x01\x02\xff", ""},
		{"list", "- a\n", ""},
	};
	char path[300];
	size_t i;

	make_replication("good");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(path, sizeof path, "database/%s.yaml", bad[i].name);
		put_text(file_of(path), bad[i].text);
	}
	put_text(file_of("database/empty.yaml.damaged"), "before");
	again();
	ck_assert_str_eq(only()->name, "database/good");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(path, sizeof path, "database/%s.yaml", bad[i].name);
		ck_assert(!exists(file_of(path)));
		snprintf(path, sizeof path, "database/%s.yaml.damaged%s",
			 bad[i].name, i ? "" : "-1");
		ck_assert(exists(file_of(path)));
		ck_complained(path + strlen("database/"));
		ck_complained(bad[i].why);
	}
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_int_eq(try_remove("good"),
			 0);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err),
			 -ENOTEMPTY);
	ck_assert_ptr_nonnull(strstr(err.msg, ".damaged"));
	ck_assert(exists(file_of("database/.namespace")));
}
END_TEST

/* Names that a replication may have, beside files that were set aside. */
START_TEST(a_name_like_that_of_a_damaged_file)
{
	make_replication("x.yaml.damaged");
	make_replication("x.yaml.damaged-1");
	put_text(file_of("database/x.yaml"), "- a\n");
	put_text(file_of("database/x.yaml.damaged.yaml.damaged"), "before");
	again();
	ck_assert_uint_eq(found.count, 2);
	ck_assert_str_eq(found.items[0].name, "database/x.yaml.damaged-1");
	ck_assert_str_eq(found.items[1].name, "database/x.yaml.damaged");
	ck_complained("x.yaml was set aside as x.yaml.damaged:");
	again();
	ck_assert_uint_eq(found.count, 2);
	ck_assert_str_eq(found.complaints, "");
}
END_TEST

/* Any torn or changed file: no crash, and the others are there. */
START_TEST(random_damage)
{
	static char damaged[64];
	size_t len, at, i;
	auto_free char *whole = NULL, *text = NULL;
	unsigned seed = 7;

	make_replication("a");
	make_replication("b");
	make_replication("c");
	whole = get(file_of("database/b.yaml"), &len);
	text = malloc(len);
	for (i = 0; i < 250; i++) {
		seed = seed * 1103515245u + 12345u;
		at = (seed >> 8) % len;
		memcpy(text, whole, len);
		if (i % 2)
			text[at] = (char)(seed >> 24);
		put(file_of("database/b.yaml"), text, i % 2 ? len : at);
		again();
		ck_assert_msg(found.count == 2 || found.count == 3, "%s",
			      found.complaints);
		ck_assert_str_eq(found.items[0].name, "database/a");
		ck_assert_str_eq(found.items[found.count - 1].name,
				 "database/c");
		/* Of a torn one nothing is taken over, but for its newline. */
		if (i % 2 == 0 && at < len - 1) {
			ck_assert_uint_eq(found.count, 2);
			ck_complained("b.yaml.damaged");
		}
		snprintf(damaged, sizeof damaged, "database/b.yaml.damaged");
		unlink(file_of(damaged));
	}
}
END_TEST

START_TEST(strange_entries)
{
	make_replication("a");
	put_text(file_of("database/.a.yaml.tmp"), "x");
	put_text(file_of("database/.a.yaml.swp"), "x");
	put_text(file_of("database/README"), "x");
	put_text(file_of("stray.yaml"), "x");
	put_text(file_of(".hidden"), "x");
	ck_assert_int_eq(mkdir(file_of("Bad_Name"), 0700), 0);
	ck_assert_int_eq(mkdir(file_of("database/dir.yaml"), 0700), 0);
	ck_assert_int_eq(mkfifo(file_of("database/fifo.yaml"), 0600), 0);
	ck_assert_int_eq(symlink("a.yaml", file_of("database/link.yaml")), 0);
	ck_assert_int_eq(mkdir(file_of(".gone.tmp"), 0700), 0);
	put_text(file_of(".gone.tmp/.namespace"), "id: 7\n");
	again();
	ck_assert_str_eq(only()->name, "database/a");
	ck_assert(!exists(file_of("database/.a.yaml.tmp")));
	ck_assert(exists(file_of("database/.a.yaml.swp")));
	ck_assert(!exists(file_of(".gone.tmp")));
	ck_complained("README is no NAME.yaml");
	ck_complained("Bad_Name can be no namespace");
	ck_complained("stray.yaml");
	ck_complained("dir.yaml");
	ck_complained("fifo.yaml");
	ck_complained("link.yaml");
	ck_assert(!complained("swp") && !complained("hidden"));
	ck_assert(exists(file_of("database/fifo.yaml")));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		damaged_files_are_set_aside,
		a_name_like_that_of_a_damaged_file,
		random_damage,
		strange_entries,
	};

	return run_store_tests("store_local_damage", tests,
			       sizeof tests / sizeof *tests);
}
