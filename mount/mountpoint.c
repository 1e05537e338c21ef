/* SPDX-License-Identifier: Apache-2.0 */
/* Dead and live mounts at the place where we are to mount. */
#include "mountpoint.h"

#include "text.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_MAX 64		/* dead mounts on top of each other */

/* mountinfo writes blanks and backslashes in names as \040. */
static void unescape(const char *from, size_t len, char out[static PATH_MAX])
{
	const char *end = from + len;
	size_t n = 0;

	while (from < end && n < PATH_MAX - 1) {
		if (*from == '\\' && end - from > 3) {
			out[n++] = (char)((from[1] - '0') << 6 |
					  (from[2] - '0') << 3 |
					  (from[3] - '0'));
			from += 4;
		} else {
			out[n++] = *from++;
		}
	}
	out[n] = '\0';
}

/*
 * 36 35 98:0 /root /mount/point rw,noatime shared:1 - fuse.uvrfs uvrfs rw
 * The number of fields before the dash varies.
 */
bool mountpoint_match(const char *line, const char *path, bool *here)
{
	const char *field = line, *dash = strstr(line, " - ");
	char place[PATH_MAX];
	int i;

	*here = false;
	for (i = 0; i < 4 && field; i++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	if (!field || !dash)
		return false;
	unescape(field, strcspn(field, " "), place);
	*here = strcmp(place, path) == 0;
	return *here && strncmp(dash + 3, "fuse.uvrfs ", 11) == 0;
}

dev_t mountpoint_device(const char *path)
{
	unsigned major, minor;
	bool here, match;
	char *line = NULL;
	size_t size = 0;
	dev_t device = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	while (f && getline(&line, &size, f) > 0) {
		match = mountpoint_match(line, path, &here);
		/* The last line is that of the topmost. */
		if (here)
			device = 0;
		if (match && sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2)
			device = makedev(major, minor);
	}
	free(line);
	if (f)
		fclose(f);
	return device;
}

/* Who is not root asks the setuid program. */
static int detach_by_fusermount(const char *path)
{
	char *argv[] = {(char[]){"fusermount3"}, (char[]){"-uz"},
			(char[]){"--"}, NULL, NULL};
	char *const environment[] = {NULL};
	auto_free char *copy = strdup(path);
	pid_t child;
	int status;

	argv[3] = copy;
	if (!copy || posix_spawnp(&child, argv[0], NULL, NULL, argv,
				  environment) != 0)
		return -EPERM;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -EPERM : 0;
}

static int try_to_detach(const char *path, int how)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW | how) == 0)
		return 0;
	return errno == EPERM ? detach_by_fusermount(path) : -errno;
}

void mountpoint_end(const char *path)
{
	try_to_detach(path, MNT_FORCE);
}

static int detach(const char *path, struct error *err)
{
	if (try_to_detach(path, 0) == 0)
		return 0;
	return fail(err, EBUSY, "the daemon of the mount at %s is dead, and it "
		    "can't be detached: umount -l %s", path, path);
}

/*
 * Asks whoever serves @path.  stat(2) would not do: the kernel goes on to
 * answer that from its cache when the daemon is dead.
 */
static int ask(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) < 0 ? -errno : 0;
}

/* Detaches dead mounts until there is something else. */
static int clear(const char *path, struct error *err)
{
	int i, rc;

	for (i = 0; i < STACK_MAX && mountpoint_device(path); i++) {
		if (ask(path) != -ENOTCONN)
			return fail(err, EBUSY, "uvrfs is mounted at %s "
				    "already; to end it: umount %s",
				    path, path);
		rc = detach(path, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The path without links in front of its last part, which is not looked at. */
static char *resolve_parent(const char *path, struct error *err)
{
	auto_free char *copy = strdup(path), *parent = NULL;
	char *whole = NULL, *last;
	size_t len;

	err->code = 0;
	if (!copy) {
		fail(err, ENOMEM, "not enough memory");
		return NULL;
	}
	for (len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	last = strrchr(copy, '/');
	if (last)
		*last++ = '\0';
	parent = realpath(last ? (*copy ? copy : "/") : ".", NULL);
	if (!parent)
		fail(err, errno, "%s does not exist: mkdir -p %s", path, path);
	else if (asprintf(&whole, "%s/%s", strcmp(parent, "/") ? parent : "",
			  last ? last : copy) < 0)
		fail(err, ENOMEM, "not enough memory");
	return parent && err->code == 0 ? whole : NULL;
}

/* The path without links.  On a dead mount realpath(3) fails. */
char *mountpoint_resolve(const char *path, struct error *err)
{
	struct stat st;
	char *whole = lstat(path, &st) == 0 ? realpath(path, NULL) : NULL;

	return whole ? whole : resolve_parent(path, err);
}

char *mountpoint_find(const char *path, dev_t *device)
{
	char target[PATH_MAX] = "";
	struct error err;
	ssize_t len = readlink(path, target, sizeof target - 1);
	char *whole = resolve_parent(len > 0 && *target == '/' ? target : path,
				     &err);

	*device = whole ? mountpoint_device(whole) : 0;
	if (*device)
		return whole;
	free(whole);
	return NULL;
}

static int check_directory(const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0
			: fail(err, ENOTDIR, "%s is not a directory", path);
	if (errno == ENOENT)
		return fail(err, ENOENT, "%s does not exist: mkdir -p %s",
			    path, path);
	if (errno == ENOTCONN)
		return fail(err, ENOTCONN, "there is a dead mount at %s that "
			    "is not one of uvrfs: umount -l %s", path, path);
	return fail(err, errno, "can't use %s: %m", path);
}

char *mountpoint_prepare(const char *path, struct error *err)
{
	char *whole;

	err->code = 0;
	whole = mountpoint_resolve(path, err);
	if (whole && (clear(whole, err) < 0 || check_directory(whole, err) < 0)) {
		free(whole);
		return NULL;
	}
	return whole;
}

bool mountpoint_covers(const char *mountpoint, const char *path)
{
	size_t len = strlen(mountpoint);

	if (strcmp(mountpoint, "/") == 0)
		return true;
	return strncmp(mountpoint, path, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0');
}
