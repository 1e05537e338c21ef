/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of its own for each test, which is the current one in it. */
#ifndef UVRFS_KUBE_FILES_H
#define UVRFS_KUBE_FILES_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[32];

static inline void files_make(void)
{
	snprintf(dir, sizeof dir, "/tmp/test_kube.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static inline int files_remove_one(const char *path, const struct stat *st,
				   int kind, struct FTW *at)
{
	return remove(path);
}

static inline void files_remove(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	nftw(dir, files_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void files_put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fchmod(fileno(f), mode), 0);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

#endif
