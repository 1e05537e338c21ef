/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, and what may be mounted on. */
#include "mountpoint.h"
#include "options.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *line;
	bool here;
	bool ours;
} mounts[] = {
	{"41 26 0:38 / /m/a rw shared:1 - fuse.uvrfs uvrfs rw", true, true},
	{"41 26 0:38 / /m/a rw - fuse.uvrfs uvrfs rw", true, true},
	{"41 26 0:38 / /m/a rw shared:1 master:2 - tmpfs tmpfs rw", true,
	 false},
	{"41 26 0:38 / /m/a rw - fuse.uvrfsx x rw", true, false},
	{"41 26 0:38 / /m/ab rw - fuse.uvrfs uvrfs rw", false, false},
	{"41 26 0:38 / /m rw - fuse.uvrfs uvrfs rw", false, false},
	{"41 26 0:38 /m/a / rw - fuse.uvrfs uvrfs rw", false, false},
	{"", false, false},
	{"41 26", false, false},
	{"41 26 0:38 / /m/a", false, false},
};

START_TEST(match)
{
	bool here;

	ck_assert_int_eq(mountpoint_match(mounts[_i].line, "/m/a", &here),
			 mounts[_i].ours);
	ck_assert_int_eq(here, mounts[_i].here);
}
END_TEST

START_TEST(match_escaped)
{
	bool here;

	ck_assert(mountpoint_match("1 2 0:3 / /a\\040b\\134c rw - fuse.uvrfs u",
				   "/a b\\c", &here));
}
END_TEST

START_TEST(covers)
{
	ck_assert(mountpoint_covers("/a", "/a"));
	ck_assert(mountpoint_covers("/a", "/a/b"));
	ck_assert(!mountpoint_covers("/a", "/ab"));
	ck_assert(!mountpoint_covers("/a/b", "/a"));
	ck_assert(mountpoint_covers("/", "/a"));
}
END_TEST

START_TEST(prepare)
{
	char dir[] = "/tmp/test-mountpoint-XXXXXX", file[64], none[64];
	struct error err;
	char *whole;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	whole = mountpoint_prepare(dir, &err);
	ck_assert_str_eq(whole, dir);
	free(whole);
	snprintf(none, sizeof none, "%s/a/b", dir);
	ck_assert_ptr_null(mountpoint_prepare(none, &err));
	ck_assert_int_eq(err.code, ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "mkdir -p /tmp/test-mount"));
	snprintf(none, sizeof none, "%s/a/", dir);
	ck_assert_ptr_null(mountpoint_prepare(none, &err));
	ck_assert_int_eq(err.code, ENOENT);
	ck_assert_ptr_null(mountpoint_prepare("no-such-place", &err));
	ck_assert_int_eq(err.code, ENOENT);

	snprintf(file, sizeof file, "%s/file", dir);
	ck_assert_int_eq(symlink("/dev/null", file), 0);
	ck_assert_ptr_null(mountpoint_prepare(file, &err));
	ck_assert_int_eq(err.code, ENOTDIR);
	unlink(file);
	rmdir(dir);
}
END_TEST

#define ARGS_MAX 8

static int parse(const char *const *words, struct options *o, struct error *err)
{
	char *argv[ARGS_MAX + 2] = {strdup("uvrfs")};
	int argc, rc;

	for (argc = 1; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	rc = options_parse(argc, argv, o, err);
	free(argv[0]);
	return rc;
}

START_TEST(good_options)
{
	const char *const words[] = {"-o", "noatime,ro,max_read=9", "/m",
				     "--state-dir=/s", "-c", "f", NULL};
	const char *const debug[] = {"-d", "-oro,,rw,", "m", NULL};
	const char *const check[] = {"--check-config", NULL};
	struct options o;
	struct error err;

	ck_assert_int_eq(parse(words, &o, &err), 0);
	ck_assert_str_eq(buf_str(&o.fuse), "noatime,max_read=9");
	ck_assert(o.read_only && !o.foreground && !o.debug);
	ck_assert_str_eq(o.mountpoint, "/m");
	ck_assert_str_eq(o.state_dir, "/s");
	ck_assert_str_eq(o.config, "f");
	options_finish(&o);
	ck_assert_int_eq(parse(debug, &o, &err), 0);
	ck_assert(!o.read_only && o.foreground && o.debug);
	ck_assert_str_eq(buf_str(&o.fuse), "");
	options_finish(&o);
	ck_assert_int_eq(parse(check, &o, &err), 0);
	ck_assert_int_eq(o.action, ACTION_CHECK);
	options_finish(&o);
}
END_TEST

static const struct {
	const char *words[ARGS_MAX];
	const char *sentence;
} wrong[] = {
	{{NULL}, "MOUNTPOINT is missing"},
	{{"a", "b"}, "'b' is too much"},
	{{"-x", "a"}, "-x is no option"},
	{{"--long", "a"}, "--long is no option"},
	{{"a", "-c"}, "-c needs a value"},
	{{"a", "--state-dir"}, "--state-dir needs a value"},
	{{"--help=x"}, "--help=x is no option"},
};

START_TEST(wrong_options)
{
	struct options o;
	struct error err;

	ck_assert_int_eq(parse(wrong[_i].words, &o, &err), -EINVAL);
	ck_assert_msg(strstr(err.msg, wrong[_i].sentence), "got: %s", err.msg);
	options_finish(&o);
}
END_TEST

START_TEST(too_many_mount_options)
{
	char text[8192];
	const char *const words[] = {"-o", text, "m", NULL};
	struct options o;
	struct error err;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	ck_assert_int_eq(parse(words, &o, &err), -EINVAL);
	options_finish(&o);
}
END_TEST

START_TEST(usage_fits_a_terminal)
{
	auto_buf text;
	const char *p;

	buf_init(&text, 8192);
	options_describe(&text);
	ck_assert_int_eq(text.failed, 0);
	for (p = buf_str(&text); *p; p += strcspn(p, "\n") + 1)
		ck_assert_uint_le(strcspn(p, "\n"), 79);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mountpoint");
	TCase *t = tcase_create("mountpoint");

	tcase_add_loop_test(t, match, 0, sizeof mounts / sizeof *mounts);
	tcase_add_test(t, match_escaped);
	tcase_add_test(t, covers);
	tcase_add_test(t, prepare);
	tcase_add_test(t, good_options);
	tcase_add_loop_test(t, wrong_options, 0, sizeof wrong / sizeof *wrong);
	tcase_add_test(t, too_many_mount_options);
	tcase_add_test(t, usage_fits_a_terminal);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
