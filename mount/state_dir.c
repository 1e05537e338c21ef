/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon keeps its state on this machine. */
#include "state_dir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PID_NAME "uvrfs.pid"
#define ID_NAME "store-id"

/* Who is not root has a place below its home, by the rules of XDG. */
static int choose_at_home(char out[static PATH_MAX], struct error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int len;

	if (state && *state == '/')
		len = snprintf(out, PATH_MAX, "%s/uvrfs", state);
	else if (home && *home == '/')
		len = snprintf(out, PATH_MAX, "%s/.local/state/uvrfs", home);
	else
		return fail(err, EINVAL, "neither XDG_STATE_HOME nor HOME is "
			    "set: give --state-dir DIR");
	return len < PATH_MAX ? 0 : fail(err, ENAMETOOLONG, "HOME is too long");
}

static int choose(const char *given, char out[static PATH_MAX],
		  struct error *err)
{
	const char *systemd = getenv("STATE_DIRECTORY");

	/* systemd separates several by colons. */
	if (!given && systemd && *systemd)
		snprintf(out, PATH_MAX, "%.*s", (int)strcspn(systemd, ":"),
			 systemd);
	else if (!given && geteuid() != 0)
		return choose_at_home(out, err);
	else
		snprintf(out, PATH_MAX, "%s", given ? given : "/var/lib/uvrfs");
	return 0;
}

/*
 * Makes @path and what is missing above it.  Nobody else may look into the last
 * part: it holds what the modes of the mount may keep from them.
 */
static int make(char *path, struct error *err)
{
	char *p;

	for (p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return fail(err, errno, "can't make %s: %m", path);
		*p = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fail(err, errno, "can't make %s: %m", path);
	return 0;
}

char *state_dir_open(const char *given, struct error *err)
{
	char path[PATH_MAX];
	char *whole;

	if (choose(given, path, err) < 0 || make(path, err) < 0)
		return NULL;
	whole = realpath(path, NULL);
	if (!whole)
		fail(err, errno, "can't use %s: %m", path);
	return whole;
}

static int read_id(const char *path, char id[static UUID_SIZE],
		   struct error *err)
{
	FILE *f = fopen(path, "re");
	size_t len = f ? fread(id, 1, UUID_SIZE - 1, f) : 0;
	bool failed = !f || ferror(f);

	id[len] = '\0';
	if (failed)
		fail(err, errno, "can't read %s: %m", path);
	if (f)
		fclose(f);
	return failed ? -err->code : 0;
}

static int make_id(const char *path, struct error *err)
{
	char id[UUID_SIZE];
	FILE *f;
	bool failed;

	if (text_make_uuid(id) < 0)
		return fail(err, EIO, "no random numbers for %s: %m", path);
	f = fopen(path, "wxe");
	if (!f && errno == EEXIST)
		return 0;	/* somebody else was faster */
	failed = !f || fputs(id, f) == EOF;
	if (f && fclose(f) != 0)
		failed = true;
	if (!failed)
		return 0;
	fail(err, errno, "can't write %s: %m", path);
	if (f)
		unlink(path);
	return -err->code;
}

int state_dir_identify(const char *dir, char id[static UUID_SIZE],
		       struct error *err)
{
	auto_free char *path = NULL;
	int rc;

	if (asprintf(&path, "%s/" ID_NAME, dir) < 0) {
		path = NULL;
		return fail(err, ENOMEM, "not enough memory");
	}
	rc = read_id(path, id, err);
	if (rc == -ENOENT) {
		rc = make_id(path, err);
		if (rc == 0)
			rc = read_id(path, id, err);
	}
	return rc;
}

int state_dir_write_pid(const char *dir, struct error *err)
{
	auto_free char *path = NULL;
	FILE *f;

	if (asprintf(&path, "%s/" PID_NAME, dir) < 0) {
		path = NULL;
		return fail(err, ENOMEM, "not enough memory");
	}
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0) {
		fail(err, errno, "can't write %s: %m", path);
		if (f)
			fclose(f);
		return -err->code;
	}
	return fclose(f) ? fail(err, errno, "can't write %s: %m", path) : 0;
}

void state_dir_remove_pid(const char *dir)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/" PID_NAME, dir) < 0)
		path = NULL;
	else
		unlink(path);
}
