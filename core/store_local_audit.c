/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/audit: a line per write, appended whole and not synced; when it is full
 * it becomes audit.1, in the place of the one before.
 */
#include "store_local.h"

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

static int open_file(struct local *l, struct error *err)
{
	int fd = openat(l->dir, AUDIT_FILE,
			O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600);

	if (fd < 0)
		return fail(err, errno, "opening %s/%s: %m", l->path,
			    AUDIT_FILE);
	return fd;
}

int audit_open(struct local *l, struct error *err)
{
	char last = '\n';
	off_t size;
	int fd = open_file(l, err);

	if (fd < 0)
		return fd;
	size = lseek(fd, 0, SEEK_END);
	/* A crash of the machine may have cut the last line. */
	if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n' &&
	    write(fd, "\n", 1) == 1)
		size++;
	l->audit = fd;
	l->audit_size = size > 0 ? size : 0;
	return 0;
}

static int rotate(struct local *l, struct error *err)
{
	int fd;

	if (renameat(l->dir, AUDIT_FILE, l->dir, AUDIT_OLD) < 0 &&
	    errno != ENOENT)
		return fail(err, errno, "renaming %s/%s: %m", l->path,
			    AUDIT_FILE);
	fd = open_file(l, err);
	if (fd < 0)
		return fd;
	close(l->audit);
	l->audit = fd;
	l->audit_size = 0;
	return 0;
}

int audit_append(struct local *l, const char *line, struct error *err)
{
	size_t len = strlen(line) + 1;
	char *copy;
	ssize_t n;
	int rc = 0;

	if (l->audit_size && l->audit_size + (off_t)len > AUDIT_MAX)
		rc = rotate(l, err);
	if (rc < 0)
		return rc;
	copy = malloc(len);
	if (!copy)
		return fail(err, ENOMEM, "no memory for a line of the audit");
	memcpy(copy, line, len - 1);
	copy[len - 1] = '\n';
	n = write(l->audit, copy, len);
	if (n != (ssize_t)len)
		rc = fail(err, n < 0 ? errno : ENOSPC,
			  "writing %s/%s: %s", l->path, AUDIT_FILE,
			  n < 0 ? "failed" : "a line did not fit");
	free(copy);
	/* No half line: the next one would be taken for its end. */
	if (rc < 0 && n > 0 && ftruncate(l->audit, l->audit_size) < 0)
		l->audit_size += n;
	else if (rc == 0)
		l->audit_size += (off_t)len;
	return rc;
}

/* Hands on every line of @text. */
static void feed_lines(char *text, struct store_visitor *v)
{
	char *end;

	for (; *text; text = end) {
		end = text + strcspn(text, "\n");
		if (*end)
			*end++ = '\0';
		v->audit_line(v, text);
	}
}

/* Feeds the whole lines in the last @max bytes of @name. */
static int feed_tail(struct local *l, const char *name, off_t max,
		     struct store_visitor *v)
{
	off_t size, from;
	char *text, *start;
	ssize_t n = -1;
	int fd;

	fd = openat(l->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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
	feed_lines(start && from ? start + 1 : start ? start : text + n, v);
	free(text);
	return 0;
}

int audit_feed(struct local *l, struct store_visitor *v, struct error *err)
{
	int rc = 0;

	if (l->audit_size < AUDIT_FED)
		rc = feed_tail(l, AUDIT_OLD, AUDIT_FED - l->audit_size, v);
	if (rc == 0 || rc == -ENOENT)
		rc = feed_tail(l, AUDIT_FILE, AUDIT_FED, v);
	if (rc == 0)
		return 0;
	return fail(err, -rc, "reading the audit in %s failed", l->path);
}
