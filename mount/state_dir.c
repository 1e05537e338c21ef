/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon keeps its state on this machine. */
#include "state_dir.h"

#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PID_NAME "uvrfs.pid"

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
