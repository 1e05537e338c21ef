/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library to be loaded before others, by which a disk fails when a test says
 * so.  UVRFS_FAIL_DISK names a file; while it is there it holds one order:
 *
 *   CODE CALL NTH PATTERN
 *
 * From the NTH call on, CALL (`*' for any that disk_fails.h has) answers errno
 * CODE on files whose path matches.  An order that is another begins anew.
 */
#include "disk_fails.h"

#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct order {
	char text[512];
	int code;
	long nth;
	char call[16];
	char pattern[256];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last[512];
static long matched;

static int read_order(struct order *o)
{
	const char *path = getenv("UVRFS_FAIL_DISK");
	long n;
	int fd;

	fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path,
				 O_RDONLY | O_CLOEXEC)
		  : -1;
	if (fd < 0)
		return -1;
	n = syscall(SYS_read, fd, o->text, sizeof o->text - 1);
	close(fd);
	o->text[n > 0 ? n : 0] = '\0';
	return sscanf(o->text, "%d %15s %ld %255s", &o->code, o->call, &o->nth,
		      o->pattern) == 4
		       ? 0
		       : -1;
}

static void path_of(int at, const char *path, char out[static PATH_MAX])
{
	char link[64], dir[PATH_MAX] = "";

	snprintf(link, sizeof link, "/proc/self/fd/%d", at);
	if (!path || (*path != '/' && at != AT_FDCWD))
		(void)!readlink(link, dir, sizeof dir - 1);
	snprintf(out, PATH_MAX, "%.2000s%s%.2000s", dir, path ? "/" : "",
		 path ? path : "");
}

static int disk_fault(const char *call, int at, const char *path)
{
	char whole[PATH_MAX];
	struct order o = {.code = 0};
	int kept = errno, code = 0;

	if (read_order(&o) == 0) {
		path_of(at, path, whole);
		pthread_mutex_lock(&lock);
		if (strcmp(last, o.text) != 0)
			matched = 0;
		memcpy(last, o.text, sizeof last);
		if (fnmatch(o.call, call, 0) == 0 &&
		    fnmatch(o.pattern, whole, 0) == 0 && ++matched >= o.nth)
			code = o.code;
		pthread_mutex_unlock(&lock);
	}
	errno = kept;
	return code;
}
