/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a reader and a writer fails once: ENOMEM comes back, no
 * text is taken for another, and nothing leaks.  Skipped where the allocator
 * can't be replaced (valgrind, the thread sanitizer).
 */
#include "manifest.h"
#include "manifests.h"
#include "memory_fails.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#ifdef CAN_FAIL
static const char yaml[] =
	"metadata: {labels: {a: b, c: d}, annotations: {e: f}}\n"
	"spec:\n" SOURCE DESTINATION VOLUMES STATE MODE SCHEDULE
	"  extensions: {ceph: {mirroringMode: journal}}\n";
static const char json[] =
	"\t{\"mode\":\t\"interval\",\"rpo\":\"5m\",\"rto\":null}";
static const char exchange[] =
	"source: {cluster: dr-cluster, region: us-west-1}\n"
	"destination: {cluster: prod-cluster, region: us-east-1}\n";

static const struct spec *base;

static struct spec *parse_whole(struct error *err)
{
	return manifest_parse(yaml, strlen(yaml), NULL, err);
}

static struct spec *parse_schedule(struct error *err)
{
	return manifest_parse_schedule(json, strlen(json), base, err);
}

static struct spec *parse_endpoints(struct error *err)
{
	return manifest_parse_endpoints(exchange, strlen(exchange), base, err);
}

static struct spec *validate(struct error *err)
{
	return spec_validate(base, err) < 0 ? NULL : spec_ref(base);
}

static struct spec *(*const tries[])(struct error *err) = {
	parse_whole, parse_schedule, parse_endpoints, validate};

START_TEST(each_allocation_fails_once)
{
	struct error err = {0};
	struct spec *spec = NULL;
	long n, before;

	base = parse_whole(&err);
	for (n = 0; !spec && n < 10000; n++) {
		before = memory_live;
		memory_left = n;
		err.code = 0;
		spec = tries[_i](&err);
		memory_left = -1;
		ck_assert_int_eq(memory_live - before,
				 MEMORY_COUNTS && spec && spec != base);
		ck_assert_msg(spec || err.code == ENOMEM, "after %ld: %d %s",
			      n, err.code, err.msg);
	}
	ck_assert_ptr_nonnull(spec);
	ck_assert_int_gt(n, 2);
	spec_unref(spec);
	spec_unref(base);
}
END_TEST

START_TEST(rendering_fails_once)
{
	struct error err = {0};
	auto_spec spec = parse_whole(&err);
	auto_buf out;
	long n;

	buf_init(&out, 64 * 1024);
	for (n = 0; n == 0 || out.failed; n++) {
		buf_finish(&out);
		memory_left = n;
		manifest_render("a", "b", spec, NULL, &out);
		memory_left = -1;
		ck_assert(out.failed == 0 || out.failed == ENOMEM);
	}
	ck_assert_int_gt(n, 1);
}
END_TEST
#endif

int main(void)
{
#ifdef CAN_FAIL
	Suite *suite;
	TCase *tc;

	if (!memory_can_fail())
		return 77;
	suite = suite_create("manifest_memory");
	tc = tcase_create("manifest_memory");
	tcase_add_loop_test(tc, each_allocation_fails_once, 0,
			    sizeof tries / sizeof *tries);
	tcase_add_test(tc, rendering_fails_once);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
#else
	return 77;
#endif
}
