/* SPDX-License-Identifier: Apache-2.0 */
/* An audit in a directory of its own, and what the check says of it. */
#ifndef UVRFS_AUDIT_SCENE_H
#define UVRFS_AUDIT_SCENE_H

#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "audit_file.h"
#include "buf.h"
#include "suite.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];
static struct audit_file audit;
static off_t file_max;		/* how large its files become; 0: as usual */
static struct error err;

static inline void reopen(void)
{
	audit_file_close(&audit);
	ck_assert_msg(audit_file_open(&audit, &err) == 0, "%s", err.msg);
	if (file_max)
		audit.max = file_max;
}

static inline void append(const char *line)
{
	ck_assert_msg(audit_file_append(&audit, line, &err) == 0, "%s",
		      err.msg);
}

static inline void make_dir(void)
{
	snprintf(dir, sizeof dir, "/dev/shm/uvrfs-audit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	audit = (struct audit_file){.path = dir, .fd = -1};
	audit.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	reopen();
}

static inline void empty_dir(void)
{
	char name[AUDIT_NAME_MAX];
	unsigned age;

	for (age = 0; age <= AUDIT_OLDER; age++)
		unlinkat(audit.dir, audit_name(age, name), 0);
}

static inline void tear_down(void)
{
	audit_file_close(&audit);
	empty_dir();
	close(audit.dir);
	ck_assert_msg(rmdir(dir) == 0, "there are other files");
}

static inline char *get(const char *name)
{
	char *text = calloc(1, 64 * 1024);
	int fd = openat(audit.dir, name, O_RDONLY | O_CLOEXEC);

	ck_assert(fd >= 0 && read(fd, text, 64 * 1024 - 1) >= 0);
	close(fd);
	return text;
}

static inline void put(const char *name, const char *text, size_t len)
{
	int fd = openat(audit.dir, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	close(fd);
}

/* "", or where the chain breaks. */
static inline const char *where(void)
{
	auto_buf text;

	buf_init(&text, 4096);
	if (audit_chain_check(dir, &text, &err) == 0)
		return "";
	return err.msg + strlen(dir) + 1;
}

static inline void is_well(const char *said)
{
	auto_buf text;

	buf_init(&text, 4096);
	ck_assert_msg(audit_chain_check(dir, &text, &err) == 0, "%s", err.msg);
	ck_assert_msg(strstr(buf_str(&text), said), "%s", buf_str(&text));
}

static inline void breaks_at(const char *place)
{
	ck_assert_msg(strncmp(where(), place, strlen(place)) == 0,
		      "'%s', not %s", where(), place);
}

#endif
