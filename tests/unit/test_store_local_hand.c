/* SPDX-License-Identifier: Apache-2.0 */
/* What a person did to the local store's files is taken over, or made good. */
#include "store_local_scene.h"

START_TEST(put_there_by_hand)
{
	uint64_t id, ns;
	char uid[64];

	close_store();
	ck_assert_int_eq(mkdir(file_of("database"), 0755), 0);
	put_text(file_of("database/db.yaml"), dump);
	open_site("");
	load();
	id = only()->status->id;
	ns = found.namespaces[0];
	snprintf(uid, sizeof uid, "%s", only()->status->uid);
	ck_complained("db.yaml has no status of ours");
	ck_assert(id && ns && id != ns);
	ck_assert_str_ne(uid, "11111111-2222-3333-4444-555555555555");
	ck_assert_uint_eq(strlen(uid), 36);
	ck_assert_uint_eq(only()->status->request.id, 0);
	ck_assert_int_eq(only()->status->generation, 1);
	ck_assert(only()->status->created > 1700000000000);
	ck_assert_int_eq(only()->spec->state, STATE_SOURCE);
	/* It stays the one that it has become. */
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert_str_eq(only()->status->uid, uid);
	ck_assert_uint_eq(found.namespaces[0], ns);
}
END_TEST

START_TEST(edited_by_hand)
{
	const char *path = file_of("database/db.yaml");
	uint64_t id = make_replication("db");
	struct spec spec = sample_spec();
	struct status status = sample_status(id);

	edit(path, "rpo: 15m", "rpo: 30m");
	again();
	ck_complained("db.yaml was edited by hand: this is generation 2");
	ck_assert_str_eq(only()->spec->rpo, "30m");
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert_int_eq(only()->status->generation, 2);
	ck_assert_uint_eq(only()->status->resource_version, 2);
	ck_assert_int_eq(only()->status->request.outcome, OUTCOME_PENDING);
	ck_assert(only()->status->updated > 1700000000123);
	ck_assert_int_eq(only()->status->spec_changed, only()->status->updated);
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_int_eq(only()->status->generation, 2);
	/* Comments and blanks alone are no edit. */
	edit(path, "spec:", "# a remark\n\nspec:");
	again();
	ck_assert_str_eq(found.complaints, "");
	status.resource_version = 3;
	save("database", "db", &spec, &status, 2);
}
END_TEST

START_TEST(state_edited_by_hand)
{
	const char *path = file_of("database/db.yaml");

	make_replication("db");
	edit(path, "replicationState: replica", "replicationState: source");
	again();
	ck_complained("to the state 'source', which was not taken over");
	ck_assert_int_eq(only()->spec->state, STATE_REPLICA);
	ck_assert_int_eq(only()->status->generation, 1);
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_int_eq(only()->spec->state, STATE_REPLICA);
	/* With another edit at once. */
	edit(path, "replicationState: replica", "replicationState: promoting");
	edit(path, "rpo: 15m", "rpo: 1m");
	again();
	ck_assert_int_eq(only()->spec->state, STATE_REPLICA);
	ck_assert_str_eq(only()->spec->rpo, "1m");
	ck_assert_int_eq(only()->status->generation, 2);
}
END_TEST

/* The status first, no head and no dots: an order that we don't write. */
START_TEST(rewritten_by_hand)
{
	const char *path = file_of("database/db.yaml");
	uint64_t id = make_replication("db");
	size_t len;
	auto_free char *text = get(path, &len);
	char *body = strstr(text, "apiVersion"), *status, *end;
	auto_buf out;

	status = strstr(text, "\nstatus:") + 1;
	end = strstr(status, "\n...") + 1;
	buf_init(&out, 1 << 20);
	buf_add(&out, status, (size_t)(end - status));
	buf_add(&out, body, (size_t)(status - body));
	put(path, out.data, out.len);
	again();
	ck_assert_str_eq(found.complaints, "");
	ck_assert_uint_eq(only()->status->id, id);
}
END_TEST

START_TEST(metadata_removed_by_hand)
{
	const char *path = file_of("database/db.yaml");
	uint64_t id = make_replication("db");

	edit(path, "uid: 0f9b7f5e-0000-4000-8000-000000000001", "");
	again();
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert_uint_eq(strlen(only()->status->uid), 36);
	ck_assert_int_eq(only()->status->request.outcome, OUTCOME_PENDING);
}
END_TEST

/* cp a.yaml b.yaml: nothing that was asked of a is asked of the copy. */
START_TEST(copied_by_hand)
{
	size_t len;
	auto_free char *text = NULL;
	uint64_t id = make_replication("a");

	text = get(file_of("database/a.yaml"), &len);
	put(file_of("database/b.yaml"), text, len);
	again();
	ck_complained("metadata.name is 'a', so it should be named a.yaml");
	ck_assert_str_eq(only()->name, "database/a");
	put(file_of("database/b.yaml"), text, len);
	edit(file_of("database/b.yaml"), "name: a", "name: b");
	again();
	ck_complained("b.yaml has the id of another");
	ck_assert_uint_eq(found.count, 2);
	ck_assert_uint_eq(found.items[0].status->id, id);
	ck_assert(found.items[1].status->id > id);
	ck_assert_str_ne(found.items[1].status->uid,
			 found.items[0].status->uid);
	ck_assert_uint_eq(found.items[1].status->request.id, 0);
	ck_assert_str_eq(found.items[1].status->site, "dr");
	again();
	ck_assert_str_eq(found.complaints, "");
	make_namespace("other");
	put(file_of("other/a.yaml"), text, len);
	again();
	ck_complained("metadata.namespace is 'database', but it lies in other");
	ck_assert_uint_eq(found.count, 2);
}
END_TEST

START_TEST(namespace_copied_by_hand)
{
	char command[300];

	make_replication("a");
	snprintf(command, sizeof command, "cp -r %s %s", file_of("database"),
		 file_of("copy"));
	ck_assert_int_eq(system(command), 0);
	again();
	ck_assert_uint_eq(found.namespace_count, 2);
	ck_assert(found.namespaces[0] != found.namespaces[1]);
	/* The copy comes first by name; who was first can't be told. */
	ck_complained("has the id of another: it was given a new one");
	put_text(file_of("database/.namespace"), "id: none\n");
	again();
	ck_complained(".namespace holds no id");
	again();
	ck_assert_str_eq(found.complaints, "");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		put_there_by_hand, edited_by_hand, state_edited_by_hand,
		rewritten_by_hand, metadata_removed_by_hand, copied_by_hand,
		namespace_copied_by_hand,
	};

	return run_store_tests("store_local_hand", tests,
			       sizeof tests / sizeof *tests);
}
