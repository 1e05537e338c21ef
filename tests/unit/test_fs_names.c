/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of the tree: .uvrfs, attributes, names that are never made. */
#include "fs_fixture.h"
#include "suite.h"

START_TEST(daemon_files_read)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir, backend;

	make_replication(k);
	dir = look(k, 1, ".uvrfs");
	backend = PATH(".uvrfs", "backends", "fake");
	ck_assert_int_eq(strncmp(read_file(k, dir, "version"), "uvrfs ", 6),
			 0);
	ck_assert_str_eq(read_file(k, dir, "site"),
			 "(the destination of each manifest)\n");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "log"), "accepted"));
	ck_assert_str_eq(read_file(k, backend, "capabilities"),
			 "step-down-peer\nsecond-fact\ngive-back\nmode-in-place\n"
			 "schedule-in-place\ndelete\n");
	ck_assert_str_eq(read_file(k, backend, "reason"),
			 "nothing that it serves is out of reach\n");
	k->seen.here.reach = REACH_SILENT;
	snprintf(k->seen.here.why, SIDE_TEXT_MAX, "timed\tout");
	k->seen.at = world_now(k->world) + 1;
	k->sink->observed(k->sink, "claim", &k->seen);
	settle(k);
	ck_assert_str_eq(read_file(k, backend, "available"), "no\n");
	ck_assert_ptr_nonnull(strstr(read_file(k, backend, "reason"),
				     "timed\\x09out\n"));
	kernel_free(k);
}
END_TEST

START_TEST(clusters_are_shown)
{
	struct kernel *k = kernel_new(false);
	struct cluster *c;
	char line[100];
	uint64_t dir;

	/* Its cluster is known once something has been asked of it. */
	dir = make_replication(k);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	settle(k);
	c = world_cluster(k->world, 0);
	ck_assert_ptr_nonnull(c);
	dir = PATH(".uvrfs", "clusters", c->name);
	ck_assert_str_eq(read_file(k, dir, "version"), "unknown\n");
	c->reach = REACH_REFUSED;
	snprintf(c->why, sizeof c->why, "bad certificate");
	c->open_until = world_now(k->world) + 60000;
	ck_assert_str_eq(read_file(k, dir, "reachable"), "no\n");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "reason"),
				     ": bad certificate\n"));
	dir = PATH(".uvrfs");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "health"),
				     "bad certificate\n"));
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "health"),
				     "calls are made until"));
	dir = PATH(".uvrfs", "backends", "fake");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "circuit"), "open"));
	/* It answers again, and nobody wants anything of it. */
	c->reach = REACH_OK;
	world_tick(k->world, world_now(k->world) + 60000);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "circuit"),
				     "half-open\n"));
	dir = PATH(".uvrfs");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "health"),
				     "one call is made at a time\n"));
	world_tick(k->world, world_now(k->world) + 600000);
	ck_assert_str_eq(read_file(k, dir, "health"), "ok\n");
	snprintf(line, sizeof line, "breaker_state{cluster=\"%s\"} 0\n",
		 c->name);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "metrics"), line));
	kernel_free(k);
}
END_TEST

static bool has_sample(struct kernel *k, const char *text)
{
	return strstr(read_file(k, PATH(".uvrfs"), "metrics"), text);
}

/* Of a product that tells the time of a copy when it is asked for one only. */
START_TEST(an_rpo_is_not_missed_where_the_lag_is_a_bound)
{
	struct kernel *k = kernel_new(false);

	k->seen.here.data_time = 1;
	make_replication(k);
	ck_assert(has_sample(k, "_lag_seconds{namespace=\"ns\",name=\"a\"} "));
	ck_assert(has_sample(k, "_rpo_seconds{namespace=\"ns\",name=\"a\"} 300\n"));
	ck_assert(!has_sample(k, "_rpo_met{"));
	kernel_free(k);
}
END_TEST

/* rate() sees nothing of a counter that appears with a 1. */
START_TEST(what_is_counted_is_there_before_it_happens)
{
	static const char *const none[] = {
		"_transitions_total{from_state=\"replica\",to_state=\"promoting\","
		"backend=\"fake\"} 0\n",
		"_transitions_total{from_state=\"source\",to_state=\"failed\",",
		"_request_duration_seconds_count{word=\"promoting\","
		"outcome=\"failed\"} 0\n",
		"_request_duration_seconds_bucket{word=\"swap\","
		"outcome=\"verified\",le=\"+Inf\"} 0\n",
		"_operations_total{backend=\"fake\",operation=\"promote\","
		"result=\"error\"} 0\n",
	};
	static const char *const never[] = {
		"from_state=\"source\",to_state=\"replica\"",
		"from_state=\"failed\",to_state=\"failed\"",
		"_seconds_count{word=\"failed\"", "_seconds_count{word=\"remove\"",
		"operation=\"await-final-copy\"",
	};
	struct kernel *k = kernel_new(false);
	size_t i;

	for (i = 0; i < sizeof none / sizeof *none; i++)
		ck_assert_msg(has_sample(k, none[i]), "%s", none[i]);
	for (i = 0; i < sizeof never / sizeof *never; i++)
		ck_assert_msg(!has_sample(k, never[i]), "%s", never[i]);
	kernel_free(k);
}
END_TEST

/* A number means one name for ever, whichever come and go meanwhile. */
START_TEST(clusters_come_and_go)
{
	static const char other[] =
		"spec:\n"
		"  sourceEndpoint: {cluster: far, region: east, "
		"storageClass: rbd}\n"
		"  destinationEndpoint: {cluster: near, region: west, "
		"storageClass: rbd}\n"
		"  volumeMapping:\n"
		"    source: {pvcName: other, namespace: ns}\n"
		"    destination: {volumeHandle: other, namespace: ns}\n"
		"  replicationState: replica\n"
		"  replicationMode: asynchronous\n"
		"  schedule: {mode: continuous}\n";
	struct kernel *k = kernel_new(false);
	uint64_t prod, dr, dir, clusters;

	make_replication(k);
	clusters = PATH(".uvrfs", "clusters");
	prod = PATH(".uvrfs", "clusters", "prod");
	dr = PATH(".uvrfs", "clusters", "dr");
	ck_assert_uint_ne(prod, dr);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, PATH("ns"), "a"), 0);
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, clusters, "prod"), -ENOENT);
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, prod, "reason"), -ESTALE);
	ck_assert_int_eq(answer(k, start_mkdir(k, PATH("ns"), "b"), NULL), 0);
	dir = PATH("ns", "b");
	ck_assert_int_eq(write_file(k, dir, "spec.yaml", other), 0);
	settle(k);
	ck_assert_uint_ne(PATH(".uvrfs", "clusters", "far"), prod);
	ck_assert_uint_ne(PATH(".uvrfs", "clusters", "far"), dr);
	ck_assert_uint_ne(PATH(".uvrfs", "clusters", "near"), prod);
	ck_assert_uint_ne(PATH(".uvrfs", "clusters", "near"), dr);
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, prod, "reason"), -ESTALE);
	kernel_free(k);
}
END_TEST

START_TEST(names_that_are_never_made)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	struct fuse_mknod_in node = {.mode = S_IFIFO};
	struct fuse_rename_in to = {.newdir = dir};
	struct fuse_link_in of = {.oldnodeid = dir};
	const struct iovec names = {(void *)(uintptr_t)"state\0mode", 11};
	char longest[400];

	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, dir, longest),
			 -ENAMETOOLONG);
	ck_assert_int_eq(answer(k, ask(k, FUSE_MKNOD, dir,
				       IN(PART(&node), NAME("pipe"))), NULL),
			 -EPERM);
	ck_assert_int_eq(answer(k, ask(k, FUSE_SYMLINK, dir, IN(names)), NULL),
			 -EPERM);
	ck_assert_int_eq(answer(k, ask(k, FUSE_RENAME, dir,
				       IN(PART(&to), names)), NULL), -EPERM);
	ck_assert_int_eq(answer(k, ask(k, FUSE_LINK, dir,
				       IN(PART(&of), NAME("x"))), NULL),
			 -EPERM);
	kernel_free(k);
}
END_TEST

START_TEST(attributes_can_be_set_to_no_effect)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	struct fuse_setattr_in in = {.valid = FATTR_SIZE | FATTR_MODE};
	const struct fuse_attr_out *a;
	const struct reply *r;

	ck_assert_int_eq(answer(k, ask(k, FUSE_SETATTR, look(k, dir, "state"),
				       IN(PART(&in))), &r), 0);
	a = (const struct fuse_attr_out *)(const void *)r->data;
	ck_assert_uint_eq(a->attr.size, 8);
	ck_assert_uint_eq(a->attr.mode, S_IFREG | 0644);
	ck_assert_uint_eq(a->attr.nlink, 2);
	ck_assert_uint_eq(a->attr_valid, 3600);
	ck_assert_int_eq(answer(k, ask(k, FUSE_SETATTR, look(k, dir, "lag"),
				       IN(PART(&in))), &r), -EACCES);
	kernel_free(k);
}
END_TEST

static uint64_t mtime(struct kernel *k, uint64_t dir, const char *name)
{
	struct fuse_getattr_in in = {0};
	const struct reply *r;
	uint64_t u = ask(k, FUSE_GETATTR, look(k, dir, name), IN(PART(&in)));

	ck_assert_int_eq(answer(k, u, &r), 0);
	return ((const struct fuse_attr_out *)(const void *)r->data)
		->attr.mtime;
}

/* The time of last change moves with the bytes, and not without. */
START_TEST(mtime_moves_with_the_text)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	uint64_t state = mtime(k, dir, "state");
	uint64_t endpoints = mtime(k, dir, "endpoints");

	world_tick(k->world, world_now(k->world) + 60000);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	ck_assert_uint_ge(mtime(k, dir, "state"), state + 60);
	ck_assert_uint_eq(mtime(k, dir, "endpoints"), endpoints);
	kernel_free(k);
}
END_TEST

/* What the next daemon shows, which was told of no change. */
static void forget_changes(struct kernel *k, uint64_t dir)
{
	note_drop(k->fs, inode_parse(dir));
}

START_TEST(mtime_is_kept_with_the_text)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), mode = mtime(k, dir, "mode"), old;
	uint64_t state = mtime(k, dir, "state");

	world_tick(k->world, world_now(k->world) + 60000);
	ck_assert_int_eq(write_file(k, dir, "mode", "synchronous"), 0);
	ck_assert_uint_ge(mtime(k, dir, "mode"), mode + 60);
	forget_changes(k, dir);
	ck_assert_uint_ge(mtime(k, dir, "mode"), mode + 60);
	ck_assert_uint_ge(mtime(k, dir, "schedule"), mode + 60);
	world_tick(k->world, world_now(k->world) + 60000);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	forget_changes(k, dir);
	ck_assert_uint_ge(mtime(k, dir, "state"), state + 120);
	ck_assert_uint_lt(mtime(k, dir, "mode"), mode + 120);
	/* As of a daemon that did not keep it. */
	old = (uint64_t)world_next(k->world, 0)->status->updated / 1000;
	world_next(k->world, 0)->status->spec_changed = 0;
	ck_assert_uint_eq(mtime(k, dir, "mode"), old);
	kernel_free(k);
}
END_TEST

/* Drafts are in memory: one user may not take all of it. */
START_TEST(there_are_only_so_many_drafts)
{
	struct kernel *k = kernel_new(false);
	uint64_t ns;
	char name[16];
	unsigned i;

	make_replication(k);		/* a draft no more */
	ns = PATH("ns");
	k->uid = 1000;
	for (i = 0; i < DRAFTS_MAX; i++) {
		snprintf(name, sizeof name, "d%u", i);
		ck_assert_int_eq(answer(k, start_mkdir(k, ns, name), NULL), 0);
		forget_replies(k, 0);
	}
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "more"), NULL), -EDQUOT);
	k->uid = 0;
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "root"), NULL), 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "root"), 0);
	k->uid = 1000;
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "d7"), 0);
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "more"), NULL), 0);
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "d7"), NULL), -EDQUOT);
	kernel_free(k);
}
END_TEST

START_TEST(listing_with_attributes)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	struct fuse_read_in in = {.size = 1 << 15};
	const struct fuse_direntplus *d;
	const struct reply *r;
	size_t at = 0;
	int files = 0;

	ck_assert_int_eq(answer(k, ask(k, FUSE_READDIRPLUS, dir,
				       IN(PART(&in))), &r), 0);
	for (; at < r->len; at += (size_t)FUSE_DIRENTPLUS_SIZE(d)) {
		d = (const struct fuse_direntplus *)(const void *)(r->data +
								   at);
		/* The dots are no look-ups. */
		ck_assert_int_eq(d->entry_out.nodeid == 0,
				 d->dirent.name[0] == '.');
		if (strncmp(d->dirent.name, "state", d->dirent.namelen) == 0)
			ck_assert_uint_eq(d->entry_out.attr.size, 8);
		files++;
	}
	/* Two dots, and all of the table but `wait` and `events`. */
	ck_assert_int_eq(files, 2 + (int)attribute_files.count - 2);
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_names");
	TCase *c = tcase_create("names");

	tcase_add_test(c, daemon_files_read);
	tcase_add_test(c, clusters_are_shown);
	tcase_add_test(c, clusters_come_and_go);
	tcase_add_test(c, an_rpo_is_not_missed_where_the_lag_is_a_bound);
	tcase_add_test(c, what_is_counted_is_there_before_it_happens);
	tcase_add_test(c, names_that_are_never_made);
	tcase_add_test(c, attributes_can_be_set_to_no_effect);
	tcase_add_test(c, mtime_moves_with_the_text);
	tcase_add_test(c, mtime_is_kept_with_the_text);
	tcase_add_test(c, there_are_only_so_many_drafts);
	tcase_add_test(c, listing_with_attributes);
	suite_add_tcase(s, c);
	return run_suite(s);
}
