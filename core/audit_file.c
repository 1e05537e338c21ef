/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/audit: a line per write, appended whole with the hash that chains it to
 * those before, and not synced; when it is full it becomes audit.1, in the place
 * of the one before.
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
#include <unistd.h>

#define AUDIT_MAX (8 * 1024 * 1024)
#define AUDIT_FED (1024 * 1024)
#define AUDIT_LINE_MAX (64 * 1024)

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

/* Up to the last @max bytes of @name, malloc'ed, and a NUL: how many. */
static ssize_t read_tail(const struct audit_file *a, const char *name,
			 off_t max, char **out)
{
	int fd = openat(a->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size, from;
	ssize_t n = -1;
	char *text;

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
	*out = text;
	return n;
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
	buf_init(&rest, AUDIT_LINE_MAX);
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
	/* No half line: the next one would be taken for its end. */
	if (rc < 0 && n > 0 && ftruncate(a->fd, a->size) < 0) {
		a->size += n;
	} else if (rc == 0) {
		a->size += n;
		memcpy(a->last, hash, sizeof a->last);
	}
	return rc;
}

/*
 * A crash of the machine may have cut the last line.  What there is of it
 * becomes a line that says so.
 */
static int end_torn(struct audit_file *a, const char *text, size_t len,
		    struct error *err)
{
	auto_buf line;

	buf_init(&line, AUDIT_LINE_MAX);
	if (!len)
		return 0;
	buf_add(&line, text, len);
	buf_puts(&line, " (torn)");
	if (line.failed)
		return fail(err, line.failed, "%s/%s ends with no line",
			    a->path, AUDIT_FILE);
	return put(a, line.data, line.len, len, err);
}

/* Finds the hash that is the last in @name. */
static int look_back(struct audit_file *a, const char *name, struct error *err)
{
	auto_free char *text = NULL;
	ssize_t len = read_tail(a, name, AUDIT_LINE_MAX - 16, &text);
	char hash[AUDIT_HASH_MAX];
	char *line = text, *end;

	if (len == -ENOENT)
		return 0;
	if (len < 0)
		return fail(err, (int)-len, "reading %s/%s failed", a->path,
			    name);
	while ((end = memchr(line, '\n', (size_t)(text + len - line)))) {
		audit_chain_split(line, (size_t)(end - line), hash);
		if (*hash)
			memcpy(a->last, hash, sizeof hash);
		line = end + 1;
	}
	if (strcmp(name, AUDIT_OLD) == 0)
		return 0;
	/* On a full disk it stays as it is: that is no reason not to start. */
	(void)end_torn(a, line, (size_t)(text + len - line), err);
	return 0;
}

int audit_file_open(struct audit_file *a, struct error *err)
{
	int rc;

	a->fd = open_file(a, err);
	if (a->fd < 0)
		return a->fd;
	a->size = lseek(a->fd, 0, SEEK_END);
	a->last[0] = '\0';
	rc = look_back(a, AUDIT_OLD, err);
	return rc < 0 ? rc : look_back(a, AUDIT_FILE, err);
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
	size_t len = strlen(line);
	int rc = 0;

	if (a->size && a->size + (off_t)len > AUDIT_MAX)
		rc = rotate(a, err);
	return rc < 0 ? rc : put(a, line, len, 0, err);
}

/* Hands on every line of @text. */
static void feed_lines(char *text, audit_take *take, void *ctx)
{
	char hash[AUDIT_HASH_MAX], *end;
	size_t len;

	for (; *text; text = end) {
		len = strcspn(text, "\n");
		end = text + len + (text[len] == '\n');
		text[audit_chain_split(text, len, hash)] = '\0';
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
	auto_free char *text = NULL;
	ssize_t len = read_tail(a, name, max, &text);
	char *start = text;

	if (len < 0)
		return (int)len;
	/* It may begin in the middle of a line. */
	if (len == max) {
		start += strcspn(text, "\n");
		start += *start == '\n';
	}
	feed_lines(start, take, ctx);
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
