/* SPDX-License-Identifier: Apache-2.0 */
/* Who may write what moves others as well: a group under two owners. */
#include "fs_fixture.h"
#include "suite.h"

#define DBA 1000

static const struct access_rule rules[] = {
	{.namespace = "ns", .owner = DBA, .group = DBA,
	 .directory_mode = 0755, .file_mode = 0644},
	{.namespace = "", .owner = 1001, .group = 1001,
	 .directory_mode = 0755, .file_mode = 0644},
};

/* ns/a, and others/b, of whose volume the storage tells when it is @seen. */
static struct kernel *kernel_of_two(bool seen)
{
	struct kernel *k = kernel_new(false);
	const char *claim = strstr(MANIFEST, "claim");
	char other[1024];
	uint64_t dir;

	strcpy(k->seen.group, "group g");
	make_replication(k);
	snprintf(other, sizeof other, "%.*sother%s",
		 (int)(claim - MANIFEST), MANIFEST, claim + strlen("claim"));
	start_mkdir(k, 1, "others");
	settle(k);
	dir = look(k, 1, "others");
	start_mkdir(k, dir, "b");
	k->is_blind = !seen;
	ck_assert_int_eq(write_file(k, look(k, dir, "b"), "spec.yaml", other),
			 0);
	k->fs->options.access = rules;
	k->fs->options.access_count = 2;
	k->uid = DBA;
	forget_replies(k, 0);
	return k;
}

static uint64_t requests(struct kernel *k)
{
	const struct replication *r = NULL;
	uint64_t sum = 0;

	while ((r = world_next(k->world, r ? r->id : 0)))
		sum += r->status->request.id;
	return sum;
}

/* By a write, and by a rename of another file over it. */
static int put_over(struct kernel *k, uint64_t dir, const char *name,
		    const char *text)
{
	struct fuse_create_in in = {.flags = O_CREAT | O_WRONLY};
	struct fuse_rename_in to = {.newdir = dir};
	char names[64];
	int n = snprintf(names, sizeof names, ".tmp%c%s", 0, name);
	uint64_t u;
	int rc;

	ask(k, FUSE_CREATE, dir, IN(PART(&in), NAME(".tmp")));
	start_write(k, look(k, dir, ".tmp"), 0, 0, text);
	u = ask(k, FUSE_RENAME, dir, IN(PART(&to), {names, (size_t)n + 1}));
	settle(k);
	rc = answer(k, u, NULL);
	ask_name(k, FUSE_UNLINK, dir, ".tmp");
	return rc;
}

START_TEST(force_needs_the_right_to_all)
{
	static const struct {
		const char *text;
		int rc;
	} writes[] = {
		{"promoting force", -EACCES},
		{"promoting force\n", -EACCES},
		{"promoting  force", -EACCES},
		{"promoting\tforce", -EINVAL},
		{"promoting\nforce", -EINVAL},
		{"promoting \tforce\n", -EINVAL},
	};
	struct kernel *k = kernel_of_two(true);
	uint64_t dir = PATH("ns", "a"), before = requests(k);
	size_t i;

	for (i = 0; i < sizeof writes / sizeof *writes; i++) {
		ck_assert_int_eq(write_file(k, dir, "state", writes[i].text),
				 writes[i].rc);
		ck_assert_int_eq(put_over(k, dir, "state", writes[i].text),
				 writes[i].rc);
		forget_replies(k, 0);
	}
	ck_assert_int_eq(put_over(k, dir, "endpoints", "swap force\n"),
			 -EACCES);
	ck_assert_uint_eq(requests(k), before);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting\n"), 0);
	k->uid = 0;
	ck_assert_int_eq(write_file(k, dir, "state", "promoting force\n"), 0);
	kernel_free(k);
}
END_TEST

/* Just loaded: it is not known yet what moves along. */
START_TEST(force_needs_to_know_all)
{
	struct kernel *k = kernel_of_two(false);
	uint64_t dir = PATH("ns", "a"), before = requests(k);

	ck_assert_int_eq(write_file(k, dir, "state", "promoting force"),
			 -EBUSY);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "looked at"));
	ck_assert_uint_eq(requests(k), before);
	k->seen.at = world_now(k->world);
	k->sink->observed(k->sink, "other", &k->seen);
	settle(k);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting force"),
			 -EACCES);
	kernel_free(k);
}
END_TEST

/* And who may do everything need not wait. */
START_TEST(root_need_not_know_all)
{
	struct kernel *k = kernel_of_two(false);

	k->uid = 0;
	ck_assert_int_eq(write_file(k, PATH("ns", "a"), "state",
				    "promoting force"), 0);
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_group");
	TCase *c = tcase_create("group");

	tcase_add_test(c, force_needs_the_right_to_all);
	tcase_add_test(c, force_needs_to_know_all);
	tcase_add_test(c, root_need_not_know_all);
	suite_add_tcase(s, c);
	return run_suite(s);
}
