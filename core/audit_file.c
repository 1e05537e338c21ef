/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/audit: a line per write, appended whole and not synced; when it is full
 * it becomes audit.1, in the place of the one before.
 */
#include "audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AUDIT_FILE "audit"
#define AUDIT_OLD "audit.1"
#define AUDIT_MAX (8 * 1024 * 1024)
#define AUDIT_FED (1024 * 1024)

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

int audit_file_open(struct audit_file *a, struct error *err)
{
	char last = '\n';
	off_t size;
	int fd = open_file(a, err);

	if (fd < 0)
		return fd;
	size = lseek(fd, 0, SEEK_END);
	/* A crash of the machine may have cut the last line. */
	if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n' &&
	    write(fd, "\n", 1) == 1)
		size++;
	a->fd = fd;
	a->size = size > 0 ? size : 0;
	return 0;
}

static int rotate(struct audit_file *a, struct error *err)
{
	int fd;

	if (renameat(a->dir, AUDIT_FILE, a->dir, AUDIT_OLD) < 0 &&
	    errno != ENOENT)
		return fail(err, errno, "renaming %s/%s: %m", a->path,
			    AUDIT_FILE);
	fd = open_file(a, err);
	if (fd < 0)
		return fd;
	close(a->fd);
	a->fd = fd;
	a->size = 0;
	return 0;
}

int audit_file_append(struct audit_file *a, const char *line, struct error *err)
{
	size_t len = strlen(line) + 1;
	char *copy;
	ssize_t n;
	int rc = 0;

	if (a->size && a->size + (off_t)len > AUDIT_MAX)
		rc = rotate(a, err);
	if (rc < 0)
		return rc;
	copy = malloc(len);
	if (!copy)
		return fail(err, ENOMEM, "no memory for a line of the audit");
	memcpy(copy, line, len - 1);
	copy[len - 1] = '\n';
	n = write(a->fd, copy, len);
	if (n != (ssize_t)len)
		rc = fail(err, n < 0 ? errno : ENOSPC,
			  "writing %s/%s: %s", a->path, AUDIT_FILE,
			  n < 0 ? "failed" : "a line did not fit");
	free(copy);
	/* No half line: the next one would be taken for its end. */
	if (rc < 0 && n > 0 && ftruncate(a->fd, a->size) < 0)
		a->size += n;
	else if (rc == 0)
		a->size += (off_t)len;
	return rc;
}

/* Hands on every line of @text. */
static void feed_lines(char *text, audit_take *take, void *ctx)
{
	char *end;

	for (; *text; text = end) {
		end = text + strcspn(text, "\n");
		if (*end)
			*end++ = '\0';
		take(ctx, text);
	}
}

void audit_file_close(struct audit_file *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

/* Feeds the whole lines in the last @max bytes of @name. */
static int feed_tail(struct audit_file *a, const char *name, off_t max,
		     audit_take *take, void *ctx)
{
	off_t size, from;
	char *text, *start;
	ssize_t n = -1;
	int fd;

	fd = openat(a->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	size = lseek(fd, 0, SEEK_END);
	from = size > max ? size - max : 0;
	text = malloc((size_t)(size - from) + 1);
	if (text)
		n = pread(fd, text, (size_t)(size - from), from);
	close(fd);
	if (n < 0) {
		free(text);
		return text ? -EIO : -ENOMEM;
	}
	text[n] = '\0';
	start = from ? strchr(text, '\n') : text;
	feed_lines(start && from ? start + 1 : start ? start : text + n, take,
		   ctx);
	free(text);
	return 0;
}

int audit_file_feed(struct audit_file *a, audit_take *take, void *ctx,
		    struct error *err)
{
	int rc = 0;

	if (a->size < AUDIT_FED)
		rc = feed_tail(a, AUDIT_OLD, AUDIT_FED - a->size, take,
			       ctx);
	if (rc == 0 || rc == -ENOENT)
		rc = feed_tail(a, AUDIT_FILE, AUDIT_FED, take, ctx);
	if (rc == 0)
		return 0;
	return fail(err, -rc, "reading the audit in %s failed", a->path);
}
