/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the audit, as the tree shows it after a start. */
#include "audit_file.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AUDIT_FED (1024 * 1024)

/* Hands on every line of @text that is about a write. */
static void feed_lines(char *text, audit_take *take, void *ctx)
{
	char hash[AUDIT_HASH_MAX], *end;
	struct audit_begin begin;
	size_t len, line;

	for (; *text; text = end) {
		line = strcspn(text, "\n");
		end = text + line + (text[line] == '\n');
		len = audit_chain_split(text, line, hash);
		text[len] = '\0';
		if (!audit_begin_parse(text, len, &begin))
			take(ctx, text);
	}
}

/* Up to the last @max bytes, malloc'ed, and a NUL: how many. */
static ssize_t read_tail(int fd, off_t max, bool *is_cut, char **out)
{
	off_t size = lseek(fd, 0, SEEK_END);
	off_t from = size > max ? size - max : 0;
	char *text = malloc((size_t)(size - from) + 1);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = pread(fd, text, (size_t)(size - from), from);
	if (n < 0) {
		n = -errno;
		free(text);
		return n;
	}
	text[n] = '\0';
	*is_cut = from > 0;
	*out = text;
	return n;
}

struct feed {
	audit_take *take;
	void *ctx;
	off_t part[AUDIT_OLDER + 1];	/* how much of each file's end */
};

/* Feeds the whole lines in its part of the file. */
static int feed_tail(struct audit_file *a, unsigned age, struct feed *feed)
{
	char name[AUDIT_NAME_MAX];
	int fd = openat(a->dir, audit_name(age, name),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *text = NULL;
	bool is_cut = false;
	char *start;
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read_tail(fd, feed->part[age], &is_cut, &text);
	close(fd);
	if (len < 0)
		return (int)len;
	start = text;
	/* It may begin in the middle of a line. */
	if (is_cut) {
		start += strcspn(text, "\n");
		start += *start == '\n';
	}
	feed_lines(start, feed->take, feed->ctx);
	return 0;
}

/* What makes AUDIT_FED together, of the newest; returns how many files. */
static unsigned share_out(struct audit_file *a, struct feed *feed)
{
	off_t left = AUDIT_FED;
	char name[AUDIT_NAME_MAX];
	struct stat st;
	unsigned age;

	for (age = 0; age <= AUDIT_OLDER && left > 0; age++) {
		if (fstatat(a->dir, audit_name(age, name), &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		feed->part[age] = st.st_size < left ? st.st_size : left;
		left -= feed->part[age];
	}
	return age;
}

int audit_file_feed(struct audit_file *a, audit_take *take, void *ctx,
		    struct error *err)
{
	struct feed feed = {.take = take, .ctx = ctx};
	unsigned age = share_out(a, &feed);
	int rc;

	while (age--) {
		rc = feed.part[age] ? feed_tail(a, age, &feed) : 0;
		if (rc == 0)
			continue;
		errno = -rc;
		return fail(err, -rc, "reading the audit in %s failed: %m",
			    a->path);
	}
	return 0;
}
