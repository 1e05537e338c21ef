/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store reads again what it wrote: replications, namespaces, and the
 * lines of the audit.
 */
#include "manifest.h"
#include "store_local_scene.h"

#include <errno.h>

START_TEST(round_trip)
{
	static struct pair labels[] = {{"app", "db"}, {"b", "yes"}};
	static struct pair notes[] = {{"x/y", "a: b\n# c\n"}, {"z", " "}};
	struct transition history[] = {
		{1, STATE_NONE, WORD_REPLICA, true, FAILOVER_PLANNED,
		 OUTCOME_VERIFIED, 1700000000001, 1700000000002,
		 {1, 2, "a: b"}, "it\nbroke"}};
	struct spec spec = sample_spec();
	struct status status;
	const struct item *item;
	uint64_t ns = make_namespace("database");

	spec.labels = labels;
	spec.label_count = 2;
	spec.annotations = notes;
	spec.annotation_count = 2;
	spec.extensions = EXTENSION_CEPH | EXTENSION_PRESENT;
	spec.mirroring = MIRRORING_SNAPSHOT;
	status = sample_status(new_id());
	status.hold = "don't: touch #1";
	status.failure = "\x1b[31mred\nline";
	status.failed = true;
	status.holds_pvc = true;
	status.intent = (struct intent){ACT_PROMOTE, 1, 5, 1700000000999};
	status.last_serial = 5;
	status.history = history;
	status.history_count = 1;
	save("database", "production-db", &spec, &status, 0);
	again();
	item = only();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_uint_eq(found.namespace_count, 1);
	ck_assert_uint_eq(found.namespaces[0], ns);
	ck_assert_str_eq(item->name, "database/production-db");
	ck_assert(spec_equal(item->spec, &spec));
	ck_assert_ptr_null(item->spec->written);
	ck_assert_uint_eq(item->status->id, status.id);
	ck_assert_str_eq(item->status->uid, status.uid);
	ck_assert_str_eq(item->status->hold, status.hold);
	ck_assert_str_eq(item->status->failure, status.failure);
	ck_assert(item->status->failed && item->status->holds_pvc);
	ck_assert(item->status->created == status.created);
	ck_assert_int_eq(item->status->intent.act, ACT_PROMOTE);
	ck_assert_uint_eq(item->status->intent.serial, 5);
	ck_assert_str_eq(item->status->history[0].note, "it\nbroke");
	ck_assert_str_eq(item->status->request.who.command, "bash");
	ck_assert_int_eq(item->status->request.outcome, OUTCOME_PENDING);
}
END_TEST

static void check_mode(const char *path, mode_t mode)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, mode);
}

START_TEST(modes_and_names)
{
	static const char *const files[] = {"lock", "uvrfs.yaml", "audit",
					    "replications/database/.namespace",
					    "replications/database/db.yaml"};
	size_t i;

	umask(0);
	make_replication("db");
	for (i = 0; i < sizeof files / sizeof *files; i++)
		check_mode(path_of(files[i]), 0600);
	check_mode(path_of("replications"), 0700);
	check_mode(file_of("database"), 0700);
	ck_assert_int_eq(count_entries(file_of("database")), 2);
	ck_assert_int_eq(count_entries(dir), 4);
}
END_TEST

START_TEST(versions_are_compared)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(new_id());

	make_namespace("database");
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 3),
			 -ECANCELED);
	save("database", "db", &spec, &status, 0);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 0),
			 -ECANCELED);
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -ECANCELED);
	ck_assert_ptr_nonnull(strstr(err.msg, "version 2, not 1"));
	again();
	ck_assert_uint_eq(only()->status->resource_version, 2);
	status.resource_version = 3;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -ECANCELED);
	save("database", "db", &spec, &status, 2);
}
END_TEST

START_TEST(removes)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(1);

	make_replication("db");
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err),
			 -ENOTEMPTY);
	ck_assert_ptr_nonnull(strstr(err.msg, "db.yaml"));
	ck_assert_int_eq(try_remove("db"), 0);
	ck_assert_int_eq(try_remove("db"),
			 -ENOENT);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -ECANCELED);
	again();
	ck_assert_uint_eq(found.count, 0);
	ck_assert_uint_eq(found.namespace_count, 1);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err), 0);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err), -ENOENT);
	again();
	ck_assert_uint_eq(found.namespace_count, 0);
	ck_assert_int_eq(count_entries(path_of("replications")), 0);
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 0),
			 -ENOENT);
	make_namespace("database");
	ck_assert_int_eq(store->ops->mkdir(store, "database", 9, &err),
			 -EEXIST);
	ck_assert_int_eq(count_entries(path_of("replications")), 1);
}
END_TEST

START_TEST(file_removed_while_running)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));

	unlink(file_of("database/db.yaml"));
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	again();
	ck_assert_uint_eq(only()->status->resource_version, 2);
	unlink(file_of("database/db.yaml"));
	ck_assert_int_eq(try_remove("db"), 0);
}
END_TEST

/* The one replication, as somebody has written it: head, manifest, and @end. */
static void save_by_hand(const char *head, const char *end, struct buf *text)
{
	struct spec spec = sample_spec(), *parsed;
	struct status status = sample_status(new_id());

	make_namespace("database");
	buf_puts(text, head);
	manifest_render("database", "db", &spec, &status, text);
	buf_puts(text, end);
	parsed = manifest_parse(text->data, text->len, NULL, &err);
	ck_assert_msg(parsed != NULL, "%s", err.msg);
	save("database", "db", parsed, &status, 0);
	spec_unref(parsed);
}

/* What was written by hand is kept byte for byte, while it says the same. */
START_TEST(written_bytes)
{
	auto_buf text;

	buf_init(&text, 1 << 20);
	save_by_hand("# mine\n", "\n\n# end\t ", &text);
	again();
	ck_assert_uint_eq(only()->spec->written_len, text.len);
	ck_assert_mem_eq(only()->spec->written, text.data, text.len);
	edit(file_of("database/db.yaml"), "rpo: 15m", "rpo: 25m");
	again();
	ck_assert_ptr_null(only()->spec->written);
	ck_assert_str_eq(only()->spec->rpo, "25m");
}
END_TEST

/* It is not believed to be what it was when somebody has had a hand in it. */
START_TEST(written_bytes_that_were_edited)
{
	auto_buf text;

	buf_init(&text, 1 << 20);
	save_by_hand("# mine\n", "", &text);
	/* It says the same, by another way of looking. */
	edit(file_of("database/db.yaml"), "# mine", "# ours");
	again();
	ck_assert(strncmp(only()->spec->written, "# ours", 6) == 0);
	edit(file_of("database/db.yaml"), "# ours\n    apiVersion",
	     "# ours\n    apiversion");
	again();
	ck_assert_ptr_null(only()->spec->written);
}
END_TEST

/* The greatest manifest that may be written is read again. */
START_TEST(large_manifests)
{
	struct spec spec = sample_spec(), *parsed;
	struct status status = sample_status(new_id());
	auto_buf text;

	make_namespace("database");
	buf_init(&text, 1 << 20);
	manifest_render("database", "db", &spec, &status, &text);
	while (text.len < MANIFEST_MAX - 2)
		buf_puts(&text, text.len % 2 ? "\n" : "#");
	parsed = manifest_parse(text.data, text.len, NULL, &err);
	ck_assert_msg(parsed != NULL, "%s", err.msg);
	save("database", "db", parsed, &status, 0);
	again();
	ck_assert_uint_eq(only()->spec->written_len, text.len);
	spec_unref(parsed);
}
END_TEST

START_TEST(too_large_to_be_read_again)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(new_id());
	auto_free char *value = malloc(MANIFEST_MAX + 1);
	struct pair note = {"a", value};

	make_namespace("database");
	memset(value, 'x', MANIFEST_MAX);
	value[MANIFEST_MAX] = '\0';
	spec.annotations = &note;
	spec.annotation_count = 1;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 0),
			 -EFBIG);
	ck_assert_int_eq(count_entries(file_of("database")), 1);
}
END_TEST

/* Nothing is written that the next start would set aside. */
START_TEST(what_could_not_be_read_again)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));
	uint64_t id = status.id;

	status.resource_version = 2;
	spec.rpo = "soon";
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "database/db can't be stored"));
	spec.rpo = "1m";
	status.id = 0;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1),
			 -EINVAL);
	status.id = id;
	ck_assert_int_eq(try_save("database", "../up", &spec, &status, 0),
			 -EINVAL);
	ck_assert_int_eq(count_entries(file_of("database")), 2);
	again();
	ck_assert_str_eq(only()->spec->rpo, "15m");
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 1), 0);
}
END_TEST

START_TEST(visitor_says_no)
{
	make_replication("a");
	close_store();
	open_site("");
	forget();
	found.answer = -ENOMEM;
	ck_assert_int_eq(store->ops->load(store, &found.visitor, &err),
			 -ENOMEM);
	ck_assert_int_eq(err.code, ENOMEM);
}
END_TEST

START_TEST(audit_lines)
{
	auto_free char *text = NULL;
	char line[1001];
	size_t len;
	int i;

	ck_assert_int_eq(store->ops->audit(store, "first", &err), 0);
	ck_assert_int_eq(store->ops->audit(store, "second", &err), 0);
	put_text(path_of("audit"), "first\ntorn");
	again();
	ck_assert_uint_eq(found.lines, 2);
	ck_assert_str_eq(found.last_line, "torn (torn)");
	store->ops->audit(store, "third", &err);
	again();
	ck_assert_uint_eq(found.lines, 3);
	ck_assert_str_eq(found.last_line, "third");
	memset(line, 'x', 1000);
	line[1000] = '\0';
	for (i = 0; i < 8400; i++)
		ck_assert_int_eq(store->ops->audit(store, line, &err), 0);
	ck_assert(exists(path_of("audit.1")));
	text = get(path_of("audit"), &len);
	/* But for the line that it begins with. */
	len -= strcspn(text, "\n") + 1;
	ck_assert(len < 1100 * 1024 && len % (1001 + 72) == 0);
	store->ops->audit(store, "end", &err);
	again();
	ck_assert_str_eq(found.last_line, "end");
	ck_assert(found.lines > 960 && found.lines < 990);
	for (i = 0; i < 8400; i++)
		ck_assert_int_eq(store->ops->audit(store, line, &err), 0);
	ck_assert(exists(path_of("audit.2")));
	ck_assert_int_eq(count_entries(dir), 6);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		round_trip, modes_and_names, versions_are_compared, removes,
		file_removed_while_running, written_bytes,
		written_bytes_that_were_edited, large_manifests,
		too_large_to_be_read_again, what_could_not_be_read_again,
		visitor_says_no, audit_lines,
	};

	return run_store_tests("store_local", tests,
			       sizeof tests / sizeof *tests);
}
