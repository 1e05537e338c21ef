/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/audit: a line per write, appended whole with the hash that chains it to
 * those before, and not synced; when it is full it becomes audit.1, that one
 * audit.2, and so on.  A crash or a full disk may come between any two steps: the
 * next start, or the next line, goes on from what is there.
 */
#include "audit_file.h"

#include "buf.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AUDIT_MAX (8 * 1024 * 1024)
#define AUDIT_TORN " (torn)"

static int open_file(struct audit_file *a, struct error *err)
{
	int fd = openat(a->dir, AUDIT_FILE,
			O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600);

	if (fd < 0)
		return fail(err, errno, "opening %s/%s: %m", a->path,
			    AUDIT_FILE);
	return fd;
}

/*
 * Appends the @len bytes of @line, the first @there of which are there already,
 * its hash and a newline.
 */
static int put(struct audit_file *a, const char *line, size_t len, size_t there,
	       struct error *err)
{
	char hash[AUDIT_HASH_MAX];
	auto_buf rest;
	ssize_t n;
	int rc = 0;

	audit_chain_hash(a->last, line, len, hash);
	buf_init(&rest, len + 2 * AUDIT_HASH_MAX);
	buf_add(&rest, line + there, len - there);
	buf_printf(&rest, AUDIT_HASH_MARK "%s\n", hash);
	if (rest.failed)
		return fail(err, rest.failed, "no memory for a line of the "
			    "audit");
	n = write(a->fd, rest.data, rest.len);
	if (n >= 0)
		errno = ENOSPC;		/* if it was not all of it */
	if (n != (ssize_t)rest.len)
		rc = fail(err, errno, "can't write to %s/%s: %m", a->path,
			  AUDIT_FILE);
	/* No half line, if that can be helped. */
	if (rc < 0 && n > 0 && ftruncate(a->fd, a->size) < 0) {
		a->size += n;
	} else if (rc == 0) {
		a->size += n;
		a->whole = a->size;
		a->lines++;
		memcpy(a->last, hash, sizeof a->last);
	}
	return rc;
}

/* A file without a whole line, but not the very first, has nobody's line yet:
   what is torn is the one that it begins with. */
static int drop_torn(struct audit_file *a, struct error *err)
{
	if (ftruncate(a->fd, a->whole) < 0)
		return fail(err, errno, "can't shorten %s/%s: %m", a->path,
			    AUDIT_FILE);
	a->size = a->whole;
	return 0;
}

/*
 * A crash of the machine may have cut the last line.  What there is of it
 * becomes a line that says so, or the next one would be taken for its end.
 */
static int end_torn(struct audit_file *a, struct error *err)
{
	size_t len = (size_t)(a->size - a->whole);
	auto_free char *text = NULL;
	auto_buf line;

	buf_init(&line, len + sizeof AUDIT_TORN);
	if (!len)
		return 0;
	if (!a->begun)
		return drop_torn(a, err);
	text = malloc(len);
	if (text && pread(a->fd, text, len, a->whole) != (ssize_t)len)
		return fail(err, EIO, "can't read the end of %s/%s", a->path,
			    AUDIT_FILE);
	if (text)
		buf_add(&line, text, len);
	buf_puts(&line, AUDIT_TORN);
	if (!text || line.failed)
		return fail(err, ENOMEM, "no memory for the end of %s/%s",
			    a->path, AUDIT_FILE);
	return put(a, line.data, line.len, len, err);
}

/* ---- what there is ---- */

struct seen {
	uint64_t lines;		/* with those that it says are before it */
	off_t whole;
	struct audit_begin begin;
	char last[AUDIT_HASH_MAX];
};

static void see_line(struct seen *seen, const char *line, size_t len)
{
	char hash[AUDIT_HASH_MAX];
	size_t text = audit_chain_split(line, len, hash);

	if (!seen->lines && audit_begin_parse(line, text, &seen->begin))
		seen->lines = seen->begin.lines;
	else if (!seen->lines)
		seen->begin.number = audit_chain_begins(line, len) ? 1 : 2;
	if (*hash)
		memcpy(seen->last, hash, sizeof hash);
	seen->lines++;
}

static int see_lines(struct seen *seen, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rc;

	errno = 0;
	while ((len = getline(&line, &size, f)) > 0 && line[len - 1] == '\n') {
		see_line(seen, line, (size_t)len - 1);
		seen->whole += len;
		errno = 0;
	}
	rc = len < 0 && !feof(f) ? -(errno ? errno : EIO) : 0;
	free(line);
	return rc;
}

/* Returns -ENOENT, without a sentence, when there is none. */
static int see_file(const struct audit_file *a, unsigned age, struct seen *seen,
		    struct error *err)
{
	char name[AUDIT_NAME_MAX];
	int fd = openat(a->dir, audit_name(age, name),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	int rc = f ? 0 : -errno;

	*seen = (struct seen){0};
	if (fd >= 0 && !f)
		close(fd);
	if (f) {
		rc = see_lines(seen, f);
		fclose(f);
	}
	if (rc == 0 || rc == -ENOENT)
		return rc;
	errno = -rc;
	return fail(err, -rc, "reading %s/%s failed: %m", a->path, name);
}

/* Goes back to the newest line, as a crash may have left nothing in the newest
   file, or not even that one. */
static int look_back(struct audit_file *a, struct error *err)
{
	struct seen seen = {0};
	unsigned age;
	int rc = 0;

	for (age = 0; age <= AUDIT_OLDER && !seen.lines; age++) {
		rc = see_file(a, age, &seen, err);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (age == 0)
			a->whole = seen.whole;
	}
	a->number = 1;
	a->lines = seen.lines;
	a->begun = age == 1 || !seen.lines;
	memcpy(a->last, seen.last, sizeof a->last);
	if (seen.lines)
		a->number = seen.begin.number + !a->begun;
	return 0;
}

int audit_file_open(struct audit_file *a, struct error *err)
{
	int rc;

	a->fd = open_file(a, err);
	if (a->fd < 0)
		return a->fd;
	a->max = AUDIT_MAX;
	a->size = lseek(a->fd, 0, SEEK_END);
	rc = look_back(a, err);
	if (rc < 0)
		return rc;
	/* On a full disk it stays until the next line comes: that is no reason
	   not to start. */
	(void)end_torn(a, err);
	return 0;
}

void audit_file_close(struct audit_file *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

/* ---- appending ---- */

static int is_there(const struct audit_file *a, unsigned age, struct error *err)
{
	char name[AUDIT_NAME_MAX];
	struct stat st;

	if (fstatat(a->dir, audit_name(age, name), &st,
		    AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return fail(err, errno, "looking for %s/%s: %m", a->path, name);
}

/*
 * Makes `audit` the first of the older ones.  These move only up to the first
 * name that is free: so the oldest goes when there is none, and whoever comes
 * again, after the half of it, moves the other half and loses no file more.
 */
static int move_files(struct audit_file *a, struct error *err)
{
	char from[AUDIT_NAME_MAX], to[AUDIT_NAME_MAX];
	unsigned age;
	int rc;

	for (age = 0; age < AUDIT_OLDER; age++) {
		rc = is_there(a, age, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
	}
	for (; age; age--) {
		audit_name(age - 1, from);
		if (renameat(a->dir, from, a->dir, audit_name(age, to)) < 0)
			return fail(err, errno, "renaming %s/%s to %s: %m",
				    a->path, from, to);
	}
	return 0;
}

static int rotate(struct audit_file *a, struct error *err)
{
	int fd, rc;

	/* So that what a power cut takes is at the end of all, where nobody
	   misses it: not here, with the next file's beginning kept. */
	(void)fdatasync(a->fd);
	rc = move_files(a, err);
	if (rc < 0)
		return rc;
	fd = open_file(a, err);
	if (fd < 0)
		return fd;
	close(a->fd);
	a->fd = fd;
	a->size = a->whole = 0;
	a->number++;
	a->begun = false;
	return 0;
}

static int begin(struct audit_file *a, struct error *err)
{
	struct audit_begin begin = {a->number, a->lines};
	auto_buf line;
	int rc;

	buf_init(&line, 256);
	audit_begin_format(&begin, (int64_t)time(NULL) * 1000, &line);
	if (line.failed)
		return fail(err, line.failed, "no memory for a line of the "
			    "audit");
	rc = put(a, line.data, line.len, 0, err);
	a->begun = rc == 0;
	return rc;
}

int audit_file_append(struct audit_file *a, const char *line, struct error *err)
{
	size_t len = strlen(line);
	int rc = end_torn(a, err);

	if (rc == 0 && a->size && a->size + (off_t)len > a->max)
		rc = rotate(a, err);
	if (rc == 0 && !a->begun)
		rc = begin(a, err);
	return rc < 0 ? rc : put(a, line, len, 0, err);
}
